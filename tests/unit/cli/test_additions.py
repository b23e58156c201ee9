"""What ``add`` writes, prints and refuses, word by word; for files, in this process."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagesync.cli.additions import MAX_KEYRING_BYTES, REPORTED, Wish, add_image, make_reporter
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.options import Options
from imagesync.errors import ImagesyncError, ManifestError, SourceError, UsageError
from imagesync.model.catalog import UrlSource, Visibility
from tests.samples import qcow2

RAW = b"\xeb\x3c\x90 build 1".ljust(2**16, b"\0")
DIGEST = hashlib.sha256(RAW).hexdigest()
MANIFEST = """\
# Images of the team
version: 1
catalog: base
values: {stage: prod}
images:
  a: {name: A, source: none, tags: ['${stage}']}
removed:
  Gone: {owner: 0123456789abcdef0123456789abcdef}
"""


class AddFolder:
    """A working directory with a catalog of two files, in the folder images."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.images, self._capsys = folder, folder / "images", capsys
        (self.images / "more").mkdir(parents=True)
        self.main, self.more = self.images / "z.yaml", self.images / "more/a.yaml"
        self.main.write_text(MANIFEST)
        self.more.write_text("images:\n  b: {source: none}\n")
        (self.images / "web.raw").write_bytes(RAW)
        (folder / "out.raw").write_bytes(RAW)

    def add(
        self, source: str = "images/web.raw", options: Options | None = None, *, is_quiet: bool = False, **attrs: Any
    ) -> tuple[str, str]:
        """Add an image; the output and standard error."""
        wish = Wish(source, **attrs)
        assert add_image(wish, Path("images"), options or Options(), is_quiet=is_quiet) is ExitCode.DONE
        out, err = self._capsys.readouterr()
        return out, err

    def fail(self, source: str = "images/web.raw", options: Options | None = None, **attrs: Any) -> ImagesyncError:
        """The error of an addition, which writes nothing."""
        before = [path.read_bytes() for path in (self.main, self.more)]
        with pytest.raises(ImagesyncError) as caught:
            add_image(Wish(source, **attrs), Path("images"), options or Options())
        assert [path.read_bytes() for path in (self.main, self.more)] == before
        return caught.value


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> AddFolder:
    """One image in each file."""
    monkeypatch.chdir(tmp_path)
    return AddFolder(tmp_path, capsys)


ENTRY = f"""\
  web:
    name: web
    source:
      path: web.raw
      checksum: sha256:{DIGEST}
    disk_format: raw
    container_format: bare
    min_disk: 1
    visibility: private
"""


def test_an_entry_is_printed_and_written_to_the_file_of_the_catalog(catalog: AddFolder) -> None:
    """With the command that applies it, for the same values and places."""
    options = Options(set_values=["stage=test"], allow_outside=True)
    out, err = catalog.add(options=options)
    command = "imagesync apply images --set stage=test --allow-outside"
    assert out == f"New entry for images/z.yaml:\n{ENTRY}Added web. Next: {command}\n"
    assert err == ""
    last = "  a: {name: A, source: none, tags: ['${stage}']}\n"
    assert catalog.main.read_text() == MANIFEST.replace(last, last + ENTRY)


def test_a_dry_run_prints_only_the_entry(catalog: AddFolder) -> None:
    """Also a quiet one; else a quiet command prints nothing."""
    for is_quiet in (False, True):
        out, _ = catalog.add(dry_run=True, is_quiet=is_quiet)
        assert out == f"New entry for images/z.yaml:\n{ENTRY}"
        assert catalog.main.read_text() == MANIFEST
    assert catalog.add(is_quiet=True) == ("", "")
    assert catalog.main.read_text() != MANIFEST


def test_an_entry_has_the_words_of_the_command_line(catalog: AddFolder) -> None:
    """Key, name, visibility; the file of --file, which may be named from here or from the catalog."""
    for number, file in enumerate(("images/more/a.yaml", "more/a.yaml")):
        key = f"key-{number}"
        out, _ = catalog.add(key=key, name=f"Web {number}", visibility=Visibility.PUBLIC, file=Path(file))
        assert out.startswith(f"New entry for images/more/a.yaml:\n  {key}:\n    name: Web {number}\n")
        found = yaml.safe_load(catalog.more.read_text())["images"][key]
        assert (found["name"], found["visibility"], found["source"]["path"]) == (
            f"Web {number}",
            "public",
            "../web.raw",
        )
    assert catalog.main.read_text() == MANIFEST


def test_a_name_alone_makes_no_key(catalog: AddFolder) -> None:
    """The key is that of the file; the name may be another one."""
    catalog.add(name="Other")
    assert yaml.safe_load(catalog.main.read_text())["images"]["web"]["name"] == "Other"


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        (
            {"key": "B"},
            "the catalog has the key b in images already (images/more/a.yaml:2); pass another one: --key KEY",
        ),
        (
            {"key": "gone"},
            "the catalog has the key Gone in removed already (images/z.yaml:8); pass another one: --key KEY",
        ),
        (
            {"key": "x" * 65},
            "--key " + "x" * 65 + ": not a valid key; use at most 64 letters, digits, and the characters . _ -",
        ),
        ({"key": ""}, "--key : not a valid key; use at most 64 letters, digits, and the characters . _ -"),
        (
            {"file": Path("other.yaml")},
            "--file other.yaml: not a manifest of the catalog images; name one of its files, for example images/more/a.yaml",
        ),
    ],
)
def test_a_wrong_word_says_what_to_write(catalog: AddFolder, attrs: dict[str, Any], message: str) -> None:
    """Before the source is read: it may be huge."""
    (catalog.images / "web.raw").write_bytes(b"")
    error = catalog.fail(**attrs)
    assert isinstance(error, UsageError)
    assert str(error) == message


def test_a_source_that_cannot_be_used_says_why(catalog: AddFolder) -> None:
    """A file that does not exist, a forgotten scheme, a place outside of the catalog."""
    assert str(catalog.fail("images/no.raw")) == (
        "images/no.raw: No such file or directory; check the path and its permissions"
    )
    assert str(catalog.fail("example.org/x.img")).endswith("if it is a URL, write https:// before it")
    (catalog.folder / "example.org").mkdir()
    (catalog.folder / "example.org/x.img").mkdir()
    assert str(catalog.fail("example.org/x.img")).endswith("check the path and its permissions")
    outside = catalog.fail("out.raw")
    assert str(outside) == (
        f"out.raw: lies outside the catalog's folder ({catalog.images}); move it, or pass --allow-outside"
    )
    out, _ = catalog.add("out.raw", Options(allow_outside=True))
    assert "      path: ../out.raw\n" in out


def test_an_error_of_a_source_names_it_once(catalog: AddFolder) -> None:
    """Also if its message has the name already."""
    (catalog.images / "web.raw").write_bytes(qcow2(backing=b"/etc/passwd"))
    error = catalog.fail()
    assert isinstance(error, SourceError)
    assert error.message.startswith("web.raw: the qcow2 data is not safe")
    assert error.message.count("web.raw") == 1
    assert error.hint


def test_a_list_beside_the_file_is_named(catalog: AddFolder) -> None:
    """The digest of the file must be there; a file without one has no note."""
    (catalog.images / "SHA256SUMS").write_text(f"{DIGEST}  web.raw\n")
    assert catalog.add(dry_run=True)[1] == "Note: SHA256SUMS has this digest of the file\n"
    (catalog.images / "SHA256SUMS").write_text(f"{'0' * 64}  web.raw\n")
    assert "the data has sha256:" in str(catalog.fail())
    (catalog.images / "SHA256SUMS").write_text(f"{'0' * 64}  other.raw\n")
    assert catalog.add(dry_run=True)[1] == ""


def test_a_catalog_with_problems_is_not_changed(catalog: AddFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """Of any file; also in a dry run, which prints its entry before."""
    catalog.more.write_text("images:\n  b: {source: none, min_rma: 1}\n")
    for dry_run in (False, True):
        error = catalog.fail(dry_run=dry_run)
        assert isinstance(error, ManifestError)
        assert [one.where for one in error.diagnostics] == ["images.b.min_rma"]
        out, err = capsys.readouterr()
        assert out.startswith("New entry for images/z.yaml:\n")
        assert err == "Nothing was changed: with this entry, the catalog has these problems:\n"


def test_values_and_other_sources_do_not_matter_to_the_check(catalog: AddFolder) -> None:
    """A value of the command line is one of the catalog; no other file is read for its format."""
    catalog.more.write_text(
        "images:\n  b: {name: '${b}', source: ../b.raw, disk_format: qcow2, container_format: bare}\n"
    )
    (catalog.images / "b.raw").write_bytes(b"not a qcow2 at all" * 99)
    catalog.add(dry_run=True, options=Options(set_values=["b=B"]))
    assert "${b} is not defined" in str(catalog.fail())


def test_a_folder_without_a_manifest_needs_one(catalog: AddFolder) -> None:
    """The command has the folder."""
    (catalog.folder / "my images").mkdir()
    for path, after in ((Path("my images"), " 'my images'"), (Path(), "")):
        if path == Path():
            catalog.main.unlink()
            catalog.more.unlink()
        with pytest.raises(UsageError) as caught:
            add_image(Wish("out.raw"), path, Options())
        name = str(path)
        assert str(caught.value) == (
            f"{name}: no *.yaml or *.yml below this folder; create a catalog: imagesync init{after}"
        )


@dataclass
class ReadStream:
    """The counts of a download."""

    read: int
    published_size: int | None = None


def test_a_long_download_has_a_line_for_each_further_part(capsys: pytest.CaptureFixture[str]) -> None:
    """At its start and then every 256 MiB; with the whole size, if it is known; no secret is printed."""
    assert (REPORTED, MAX_KEYRING_BYTES) == (256 * 2**20, 4 * 2**20)
    report = make_reporter(UrlSource(("https://me:pw@h.example/x.raw?token=1",)))
    for mebibytes in (0, 255, 256, 300, 511, 512, 2000):
        report(ReadStream(mebibytes * 2**20))  # type: ignore[arg-type]
    start = "reading https://h.example/x.raw for its digest:"
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"{start} {number} MiB" for number in ("0", "256", "512", "2,000")]
    report = make_reporter(UrlSource(("https://h.example/x.raw",)))
    report(ReadStream(2**20, 5000 * 2**20))  # type: ignore[arg-type]
    report(ReadStream(2**20 + REPORTED - 1, 5000 * 2**20))  # type: ignore[arg-type]
    report(ReadStream(2**20 + REPORTED, 5000 * 2**20))  # type: ignore[arg-type]
    assert capsys.readouterr().err.splitlines() == [f"{start} 1 of 5,000 MiB", f"{start} 257 of 5,000 MiB"]
