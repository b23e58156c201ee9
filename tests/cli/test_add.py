"""``add``: what it detects, what it writes, what it refuses; on the embedded store."""

import gzip
import hashlib
import lzma
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pysequoia import SignatureMode, Tsk, sign

from tests.command import Result
from tests.fault.mirror import File, Mirror, mirror
from tests.forked import run
from tests.samples import GIB, archive, iso, qcow2, vhd, vhdx, vmdk

RAW = b"\xeb\x3c\x90 build 1".ljust(2**20, b"\0")
DIGEST = f"sha256:{hashlib.sha256(RAW).hexdigest()}"
MANIFEST = """\
# Images of the team
version: 1
catalog: base   # never change

default_target: lab
targets:
  lab: {store: lab-store}

images:

  # the first one
  a: {name: A, source: none}   # no data

# the end
"""


class AddWorkspace:
    """A folder with a catalog, and the command run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder / "catalog.yaml"
        self.manifest.write_text(MANIFEST)

    def run(self, *words: str, code: int = 0) -> Result:
        """``imagesync WORDS``; a command that fails changes nothing."""
        before = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        done = run(*words, folder=self.folder, code=code)
        if code:
            assert {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()} == before
        return done

    def file(self, name: str, content: bytes = RAW) -> str:
        """Write a file; return its name."""
        (self.folder / name).write_bytes(content)
        return name

    def image(self, key: str) -> dict[str, Any]:
        """The entry of an image, as the manifest has it."""
        found: dict[str, Any] = yaml.safe_load(self.manifest.read_text())["images"][key]
        return found

    def apply(self) -> None:
        """Apply the catalog; the next plan is empty."""
        run("apply", "--yes", folder=self.folder)
        assert "No changes." in run("plan", folder=self.folder).stdout


@pytest.fixture
def workspace(tmp_path: Path) -> AddWorkspace:
    """A catalog of one image, not applied."""
    return AddWorkspace(tmp_path)


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A web server on loopback."""
    with mirror() as found:
        yield found


def test_three_commands_make_an_image_of_ones_own(tmp_path: Path) -> None:
    """From an empty folder; each command proposes the next one."""
    (tmp_path / "web.raw").write_bytes(RAW)
    run("init", folder=tmp_path)
    assert run("add", "web.raw", folder=tmp_path).stdout.endswith("Added web. Next: imagesync apply\n")
    assert "Applied: 1 created. 1.0 MiB uploaded." in run("apply", "--yes", folder=tmp_path).stdout
    assert "No changes." in run("plan", folder=tmp_path).stdout
    assert run("ids", folder=tmp_path).stdout.startswith("web  ")


def test_only_the_entry_is_inserted(workspace: AddWorkspace) -> None:
    """After the last image; all else stays, and what is printed is what is written."""
    workspace.file("web.raw")
    done = workspace.run("add", "web.raw")
    entry = (
        f"  web:\n    name: web\n    source:\n      path: web.raw\n      checksum: {DIGEST}\n"
        "    disk_format: raw\n    container_format: bare\n    min_disk: 1\n    visibility: private\n"
    )
    last = "  a: {name: A, source: none}   # no data\n"
    assert workspace.manifest.read_text() == MANIFEST.replace(last, last + entry)
    assert (done.stdout, done.stderr) == (
        f"New entry for catalog.yaml:\n{entry}Added web. Next: imagesync apply\n",
        "",
    )
    workspace.apply()


def test_bytes_that_the_entry_does_not_need_are_kept(workspace: AddWorkspace) -> None:
    """A byte order mark, line ends of Windows, words that command a CI system; and the permissions."""
    workspace.file("web.raw")
    before = b"\xef\xbb\xbf" + (MANIFEST + "# ##vso[x] \u200b").replace("\n", "\r\n").encode()
    workspace.manifest.write_bytes(before)
    workspace.manifest.chmod(0o640)
    workspace.run("add", "web.raw")
    after = workspace.manifest.read_bytes()
    start = after.index(b"  web:\r\n")
    end = after.index(b"visibility: private\r\n") + len(b"visibility: private\r\n")
    assert after[:start] + after[end:] == before
    assert b"\n" not in after.replace(b"\r\n", b"")
    assert stat.S_IMODE(workspace.manifest.stat().st_mode) == 0o640
    workspace.apply()


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("a b.qcow2", qcow2(3 * GIB), {"disk_format": "qcow2", "min_disk": 3}),
        ("x.img", qcow2(3 * GIB + 1), {"disk_format": "qcow2", "min_disk": 4}),
        ("x.iso", iso() + bytes(2**16), {"disk_format": "iso", "min_disk": 1}),
        ("x.vmdk", vmdk(), {"disk_format": "vmdk", "min_disk": 1}),
        ("x.vhd", vhd(2 * GIB), {"disk_format": "vhd", "min_disk": 2}),
        ("x.vhdx", vhdx(2 * GIB), {"disk_format": "vhdx", "min_disk": 2}),
        ("x.raw.gz", gzip.compress(RAW, mtime=0), {"disk_format": "raw", "min_disk": 1}),
        ("x.qcow2.xz", lzma.compress(qcow2(5 * GIB)), {"disk_format": "qcow2", "min_disk": 5}),
        ("x.bin", gzip.compress(RAW, mtime=0), {"disk_format": "raw", "compression": "gz", "min_disk": 1}),
        ("x.ova", archive("box.ovf", "box.vmdk"), {"disk_format": "vmdk", "container_format": "ova"}),
        ("x.gz", RAW, {"disk_format": "raw", "compression": "none", "min_disk": 1}),
    ],
)
def test_formats_are_detected_by_the_data(
    workspace: AddWorkspace, name: str, content: bytes, wanted: dict[str, Any]
) -> None:
    """Whatever the name is; the entry applies, and the next plan is empty."""
    workspace.run("add", workspace.file(name, content), "--key", "x", "--name", "X")
    found = workspace.image("x")
    source = found["source"]
    assert source.pop("path") == name
    assert source.pop("checksum") == f"sha256:{hashlib.sha256(content).hexdigest()}"
    usual = {"name": "X", "source": source, "container_format": "bare", "visibility": "private"}
    assert {**found, **source} == {**usual, **wanted}
    workspace.apply()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "x.img: there is no data: the source has 0 bytes"),
        (b"hello world, this is a text\n" * 9, "x.img: the data is text, not raw"),
        (b"<!doctype html><html></html>" + bytes(99), "x.img: the data is an HTML page, not raw"),
        (b"PK\3\4" + bytes(99), "x.img: the data is a zip archive, not raw; extract the disk"),
        (b"\x04\x22\x4d\x18" + bytes(99), "x.img: the data is lz4, not raw; unpack it"),
        (gzip.compress(b"PK\3\4" + bytes(99), mtime=0), "x.img: even after unpacking, the data is a zip archive"),
        (qcow2(backing=b"/etc/passwd"), "x.img: the qcow2 data is not safe to boot"),
        (b"QED\0" + bytes(2**16), "x.img: the data is qed, which the image service does not accept"),
        (gzip.compress(RAW, mtime=0)[:-9], "x.img: the gz data is cut short"),
    ],
)
def test_data_that_cannot_be_an_image_is_refused(workspace: AddWorkspace, content: bytes, text: str) -> None:
    """With the name of the file; nothing is written."""
    done = workspace.run("add", workspace.file("x.img", content), code=1)
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "key"),
    [("Ubuntu 24.04 (Noble).raw", "ubuntu-24.04-noble"), ("noble-amd64.img.xz", "noble-amd64"), ("x.y", "x.y")],
)
def test_key_and_name_are_those_of_the_file(workspace: AddWorkspace, name: str, key: str) -> None:
    """Without the endings of formats and packings; the key is valid."""
    workspace.run("add", workspace.file(name, lzma.compress(RAW) if name.endswith("xz") else RAW))
    assert workspace.image(key)["name"] in (name.removesuffix(".raw"), "noble-amd64", "x.y")


def test_a_list_beside_a_file_is_compared(workspace: AddWorkspace) -> None:
    """A right one is named; with a wrong one nothing is written."""
    workspace.file("web.raw")
    workspace.file("SHA256SUMS", f"{hashlib.sha256(RAW).hexdigest()}  web.raw\n".encode())
    assert workspace.run("add", "web.raw", "--dry-run").stderr == "Note: SHA256SUMS has this digest of the file\n"
    workspace.file("web.raw.sha512", b"0" * 128 + b"\n")
    assert "web.raw: the data has sha512:" in workspace.run("add", "web.raw", code=1).stderr


def test_a_url_is_added_with_its_list(workspace: AddWorkspace, web: Mirror) -> None:
    """The digest stays in the list, which each plan reads; the data is not read to its end."""
    data = qcow2(3 * GIB) + bytes(32 * 2**20)
    url = web.publish("/d/disk-1.2.qcow2", data)
    sums = web.publish(
        "/d/SHA256SUMS", f"{'0' * 64}  other\n{hashlib.sha256(data).hexdigest()} *disk-1.2.qcow2\n".encode()
    )
    done = workspace.run("add", url)
    assert workspace.image("disk-1.2")["source"] == {"url": url, "checksum_url": sums}
    assert workspace.image("disk-1.2")["min_disk"] == 3
    assert "--keyring FILE" in done.stderr
    workspace.apply()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("disk.img.sha256", "{sha256}\n"),
        ("disk.img.SHA512", "{sha512}  disk.img\n"),
        ("CHECKSUM", "SHA256 (disk.img) = {sha256}\n"),
        ("Fedora-44-x86_64-CHECKSUM", "# disk.img: 5 bytes\nSHA256 (disk.img) = {sha256}\n"),
    ],
)
def test_lists_with_usual_names_are_found(workspace: AddWorkspace, web: Mirror, name: str, text: str) -> None:
    """And those with other names, by the page of the folder."""
    url = web.publish("/d/disk.img", RAW)
    digests = {kind: hashlib.new(kind, RAW).hexdigest() for kind in ("sha256", "sha512")}
    listed = web.publish(f"/d/{name}", text.format(**digests).encode())
    page = f'<html><a href="../">up</a><a href="/other/CHECKSUM">x</a><a href="{name}">{name}</a></html>'
    web.publish("/d/", page.encode())
    workspace.run("add", url)
    assert workspace.image("disk")["source"] == {"url": url, "checksum_url": listed}
    workspace.apply()


@pytest.mark.parametrize(
    "lists",
    [
        {},
        {"SHA256SUMS": f"{'1' * 64}  other.img\n"},
        {"SHA256SUMS": "<html>please log in</html>"},
        {"CHECKSUM": f"MD5 (disk.img) = {hashlib.md5(RAW).hexdigest()}\n"},
        {"SHA256SUMS": f"{'1' * 64}\n"},
    ],
    ids=["none", "of another file", "a page", "weak", "without names"],
)
def test_a_url_without_a_list_gets_the_digest_of_its_data(
    workspace: AddWorkspace, web: Mirror, lists: dict[str, str]
) -> None:
    """A note says what this digest is worth."""
    url = web.publish("/d/disk.img", RAW)
    for name, text in lists.items():
        web.publish(f"/d/{name}", text.encode())
    done = workspace.run("add", url)
    assert workspace.image("disk")["source"] == {"url": url, "checksum": DIGEST}
    assert "The checksum is that of the data of today, from one download; compare it" in done.stderr
    assert f"reading {url} for its digest: 1 of 1 MiB" in done.stderr
    workspace.apply()


def test_a_packed_disk_with_a_list_has_an_unknown_size(workspace: AddWorkspace, web: Mirror) -> None:
    """Only all of the data would show it: the minimum is computed by the apply."""
    data = lzma.compress(RAW)
    url = web.publish("/d/disk.raw.xz", data)
    web.publish("/d/SHA256SUMS", f"{hashlib.sha256(data).hexdigest()}  disk.raw.xz\n".encode())
    workspace.run("add", url)
    assert workspace.image("disk")["min_disk"] == "auto"
    workspace.apply()


@pytest.mark.parametrize("form", ["detached", "clear"])
def test_a_keyring_verifies_the_list(workspace: AddWorkspace, web: Mirror, form: str) -> None:
    """Now, and on each later plan; with another key nothing is written."""
    url = web.publish("/d/disk.img", RAW)
    content, key = f"{hashlib.sha256(RAW).hexdigest()}  disk.img\n".encode(), Tsk.generate("One <one@example.org>")
    if form == "clear":
        listed = signature = web.publish("/d/CHECKSUM", sign(key.signer(), content, mode=SignatureMode.CLEAR))
    else:
        listed = web.publish("/d/SHA256SUMS", content)
        signature = web.publish("/d/SHA256SUMS.gpg", sign(key.signer(), content, mode=SignatureMode.DETACHED))
    workspace.file("one.asc", str(key.extract_certificate()).encode())
    workspace.file("two.asc", str(Tsk.generate("Two").extract_certificate()).encode())
    assert "signature verification failed" in workspace.run("add", url, "--keyring", "two.asc", code=1).stderr
    workspace.run("add", url, "--keyring", "one.asc")
    assert workspace.image("disk")["source"] == {
        "url": url,
        "checksum_url": listed,
        "signature": {"url": signature, "keyring": "one.asc"},
    }
    workspace.apply()


def test_a_keyring_without_a_signature_is_an_error(workspace: AddWorkspace, web: Mirror) -> None:
    """Neither the list nor its signature may be missing."""
    url = web.publish("/d/disk.img", RAW)
    workspace.file("k.asc", b"x")
    assert "no checksum list was found" in workspace.run("add", url, "--keyring", "k.asc", code=1).stderr
    web.publish("/d/SHA256SUMS", f"{hashlib.sha256(RAW).hexdigest()}  disk.img\n".encode())
    assert "no signature of the list was found" in workspace.run("add", url, "--keyring", "k.asc", code=1).stderr


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://me:pw-of-mine@{host}/d/disk.img", "the URL has a log-in, which the manifest would show"),
        ("http://{host}/d/disk.img?token=abcdefghij", "the query of the URL looks like a secret"),
        ("http://{host}/d/disk.img?pin=1234", "the query of the URL looks like a secret"),
        ("http://{host}/d/disk.img?X-Amz-Signature=0123456789abcdef01", "the query of the URL looks like a secret"),
        ("ftp://{host}/d/disk.img", "ftp is not http or https"),
        ("http://{host}/d/disk.img#x", "the URL holds a #"),
        ("http://{host}/d/none.img", "none.img: "),
        ("http://169.254.169.254/latest/x.img", "has a link-local address, which imagesync never contacts"),
    ],
)
def test_urls_that_are_not_added(workspace: AddWorkspace, web: Mirror, url: str, text: str) -> None:
    """No secret is written or printed."""
    web.publish("/d/disk.img", RAW)
    host = web.address.removeprefix("http://")
    done = run("add", url.format(host=host), folder=workspace.folder, code=None)
    assert done.code in (1, 64)
    assert text in done.stderr
    assert done.stderr.count(".img") <= 1, "the source is named once"
    assert "pw-of-mine" not in done.output
    assert "abcdefghij" not in done.output
    assert workspace.manifest.read_text() == MANIFEST


def test_only_allowed_hosts_are_contacted(workspace: AddWorkspace, web: Mirror) -> None:
    """Neither for the data, nor for a list, nor after a redirect."""
    url = web.publish("/d/disk.img", RAW)
    output = workspace.run("add", url, "--source-hosts", "*.example.org", code=1).stderr
    assert "127.0.0.1 is not named by --source-hosts; pass --source-hosts 127.0.0.1 if you trust it" in output
    assert web.queries == []
    web.publish("/to", File(status=302, headers={"Location": "http://localhost:1/x"}))
    output = workspace.run("add", f"{web.address}/to", "--source-hosts", "127.0.0.1", code=1).stderr
    assert "redirects to localhost, which is not named by --source-hosts" in output
    workspace.run("add", url, "--source-hosts", "127.0.0.1")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("web.raw", "--key", "a"), "the catalog has the key a in images already (catalog.yaml:12); pass another one"),
        (("web.raw", "--key", "A"), "the catalog has the key a in images already"),
        (("web.raw", "--key", "no key"), "--key no key: not a valid key"),
        (("目.raw",), "no key can be made from the name 目; pass --key KEY"),
        (("web.raw", "--file", "web.raw"), "--file web.raw: not a manifest of the catalog ."),
        (("web.raw", "none"), "none: "),
        (("web.raw", "empty"), "empty: no *.yaml or *.yml below this folder; create a catalog: imagesync init empty"),
        (("nothing.raw",), "nothing.raw: No such file or directory; check the path"),
        (("example.org/x.img",), "example.org/x.img: No such file or directory; if it is a URL, write https:// before"),
        (("empty",), "empty: not a regular file"),
        (("/etc/hostname",), "/etc/hostname: lies outside the catalog's folder"),
        (("link.raw",), "link.raw: lies outside the catalog's folder"),
    ],
)
def test_wrong_words_change_nothing(workspace: AddWorkspace, words: tuple[str, ...], text: str) -> None:
    """One line with the remedy, before the source is read."""
    workspace.file("web.raw")
    workspace.file("目.raw")
    (workspace.folder / "empty").mkdir()
    (workspace.folder / "link.raw").symlink_to("/etc/hostname")
    done = workspace.run("add", *words, code=1 if "none" in words else 64)
    assert text in done.stderr


def test_dry_run_prints_the_entry_only(workspace: AddWorkspace) -> None:
    """Also where nothing can be inserted, to paste it; then the exit code is 1."""
    workspace.file("web.raw")
    assert "  web:\n    name: web\n" in workspace.run("add", "web.raw", "--dry-run").stdout
    assert workspace.manifest.read_text() == MANIFEST
    workspace.manifest.write_text('{"version": 1, "catalog": "base", "images": {}}\n')
    assert "written in one pair of braces" in workspace.run("add", "web.raw", code=1).stderr
    assert "  web:\n    name: web\n" in workspace.run("add", "web.raw", "--dry-run", code=1).stdout


def test_a_manifest_with_other_problems_is_not_changed(workspace: AddWorkspace) -> None:
    """The result must be valid; the message has every problem."""
    workspace.file("web.raw")
    workspace.manifest.write_text(MANIFEST.replace("source: none", "source: none, min_rma: 1"))
    output = workspace.run("add", "web.raw", code=1).stderr
    assert output.startswith("Nothing was changed: with this entry, the catalog has these problems:\n")
    assert "images.a.min_rma: unknown key; did you mean min_ram?" in output


def test_a_name_that_is_taken_is_a_problem(workspace: AddWorkspace) -> None:
    """Another name solves it."""
    workspace.file("web.raw")
    assert "is also that of images.a" in workspace.run("add", "web.raw", "--name", "A", "--key", "b", code=1).stderr
    workspace.run("add", "web.raw", "--name", "no", "--visibility", "public")
    assert (workspace.image("web")["name"], workspace.image("web")["visibility"]) == ("no", "public")
    workspace.apply()


def test_dollar_signs_are_texts(workspace: AddWorkspace) -> None:
    """In a name and in a path: they would be placeholders."""
    workspace.run("add", workspace.file("a${b}.raw"), "--key", "x", "--name", "$$ ${c}")
    workspace.apply()


@pytest.mark.parametrize("before", ["", "images:\n", "images: {}\n"])
def test_the_first_image_of_a_catalog(workspace: AddWorkspace, before: str) -> None:
    """Whatever the catalog has instead of images."""
    workspace.file("web.raw")
    head = MANIFEST.partition("images:")[0]
    workspace.manifest.write_text(head + before)
    workspace.run("add", "web.raw")
    assert workspace.manifest.read_text().startswith(f"{head}images:\n  web:\n")
    workspace.apply()


def test_a_catalog_of_several_files(workspace: AddWorkspace) -> None:
    """The file with the catalog's name gets the entry, or the one of --file; paths are relative to it."""
    (workspace.folder / "more").mkdir()
    more = workspace.folder / "more" / "more.yaml"
    more.write_text("version: 1\nimages: {b: {source: none}}\n".replace("{b: {source: none}}", "\n  b: {source: none}"))
    (workspace.folder / "a.yaml").write_text("version: 1\n")
    workspace.file("web.raw")
    workspace.run("add", "web.raw")
    assert workspace.image("web")["source"]["path"] == "web.raw"
    workspace.run("add", "web.raw", "--file", "more/more.yaml", "--key", "w2", "--name", "W2")
    assert yaml.safe_load(more.read_text())["images"]["w2"]["source"]["path"] == "../web.raw"
    workspace.apply()
    os.chdir(workspace.folder)
    run("add", "web.raw", str(workspace.folder), "--file", "more/more.yaml", "--key", "w3", "--name", "W3")
    assert "w3" in yaml.safe_load(more.read_text())["images"]


def test_nothing_is_written_through_a_link(workspace: AddWorkspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither to a file inside of the catalog, nor outside of it."""
    workspace.file("web.raw")
    workspace.manifest.rename(workspace.folder / "real.yaml")
    workspace.manifest.symlink_to("real.yaml")
    output = workspace.run("add", "web.raw", "catalog.yaml", code=64).stderr
    assert "catalog.yaml is a link, and imagesync writes nothing through links; name the file itself" in output
    workspace.manifest.unlink()
    other = tmp_path_factory.mktemp("other") / "m.yaml"
    other.write_text(MANIFEST)
    workspace.manifest.symlink_to(other)
    assert "a link leads to" in workspace.run("add", "web.raw", "catalog.yaml", code=1).stderr
    assert other.read_text() == MANIFEST


def test_quiet_prints_nothing_and_writes_all_the_same(tmp_path: Path) -> None:
    """init and add; a dry run prints its entry, because that is its result."""
    (tmp_path / "web.raw").write_bytes(RAW)
    assert run("init", "-q", folder=tmp_path).stdout == ""
    assert "  web:" in run("add", "-q", "--dry-run", "web.raw", folder=tmp_path).stdout
    assert run("add", "-q", "web.raw", folder=tmp_path).stdout == ""
    assert "web:" in (tmp_path / "catalog.yaml").read_text()


def test_values_and_paths_of_the_command_line_count_for_the_catalog(
    workspace: AddWorkspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A manifest may need a value that only the command line has; a file elsewhere needs a permission."""
    workspace.manifest.write_text(MANIFEST.replace("name: A,", "name: '${name}',").replace("base   #", "base #"))
    text = "values: {name: b}\n" + workspace.manifest.read_text()
    workspace.manifest.write_text(text)
    workspace.file("web.raw")
    refused = workspace.run("add", "web.raw", "--name", "W", "--set", "name=W", code=1)
    assert "is also that of images.a" in refused.stderr
    workspace.run("add", "web.raw", "--name", "W")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "far.raw"
    elsewhere.write_bytes(RAW)
    assert "lies outside the catalog's folder" in workspace.run("add", str(elsewhere), code=64).stderr
    done = workspace.run("add", str(elsewhere), "--allow-outside")
    assert done.stdout.endswith("Added far. Next: imagesync apply --allow-outside\n")
    assert workspace.image("far")["source"]["path"] == f"../{elsewhere.parent.name}/far.raw"
