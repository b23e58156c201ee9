"""What identifies the content of each source, before a byte of it is stored."""

from pathlib import Path

import pytest

from imagesync.errors import ManifestError
from imagesync.model.catalog import FileSource, Fingerprint
from imagesync.sources import find_unreadable_files, identify
from tests.unit.factories import catalog, spec
from tests.unit.sources.packed import DATA, sha256


def test_local_files_are_hashed_and_unreadable_ones_reported_together(tmp_path: Path) -> None:
    """All problems in one error; a good set gets digests and sizes."""
    (tmp_path / "a").write_bytes(DATA)
    good = spec("a", source=FileSource(str(tmp_path / "a"), "a"))
    (found,) = identify(catalog(good)).images
    assert found.fingerprint == Fingerprint(sha256(DATA).digests, size=len(DATA))
    bad = [spec(key, source=FileSource(str(tmp_path / key), key)) for key in ("x", "y")]
    with pytest.raises(ManifestError) as caught:
        identify(catalog(good, *bad))
    assert len(caught.value.diagnostics) == 2


def test_a_declared_checksum_is_taken_at_its_word(tmp_path: Path) -> None:
    """The file is not hashed: the digest is compared when its bytes are sent."""
    (tmp_path / "a").write_bytes(DATA)
    (declared,) = sha256(b"other").digests
    (found,) = identify(catalog(spec("a", source=FileSource(str(tmp_path / "a"), "a", declared)))).images
    assert found.fingerprint == Fingerprint((declared,), size=len(DATA))


def test_files_that_cannot_be_read_are_reported_without_reading_any(tmp_path: Path) -> None:
    """A missing file and a folder: one diagnostic each, at its image."""
    (tmp_path / "good").write_bytes(DATA)
    (tmp_path / "folder").mkdir()
    specs = [spec(key, source=FileSource(str(tmp_path / key), key)) for key in ("folder", "good", "missing")]
    assert [(item.where, item.message) for item in find_unreadable_files(specs)] == [
        ("images.folder.source", "folder: not a regular file"),
        ("images.missing.source", "missing: No such file or directory"),
    ]


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("example.org/images/x.img", "if it is a URL, write https:// before it"),
        ("~/x.img", "~ is not expanded; write a path relative to the manifest file"),
        ("images/x.img", "check the path and its permissions"),
    ],
)
def test_a_file_that_is_not_there_may_be_something_else(tmp_path: Path, source: str, hint: str) -> None:
    """An address without scheme, or a path that a shell would have completed."""
    wanted = catalog(spec("a", source=FileSource(str(tmp_path / source), source)))
    with pytest.raises(ManifestError) as caught:
        identify(wanted)
    for problem in (*caught.value.diagnostics, *find_unreadable_files(wanted.images)):
        assert str(problem).endswith(f"{source}: No such file or directory; {hint}")
