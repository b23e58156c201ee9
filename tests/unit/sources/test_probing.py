"""A source without a manifest: its packing, formats, size and digest."""

import gzip
import hashlib
from pathlib import Path

import pytest

from imagesync.errors import ChecksumMismatch, SourceError
from imagesync.formats.recognition import Formats
from imagesync.model.catalog import Checksum, Compression, FileSource
from imagesync.sources import probing as limits
from imagesync.sources.access import SourceAccess
from imagesync.sources.probing import Kind, Measure, measure_source, recognize_source
from tests.samples import GIB, qcow2

RAW = b"\xeb\x3c\x90 build 1".ljust(2**20, b"\0")


def make(folder: Path, content: bytes) -> FileSource:
    """A local file."""
    (folder / "x").write_bytes(content)
    return FileSource(str(folder / "x"), "x")


@pytest.mark.parametrize(
    ("content", "kind", "size"),
    [
        (RAW, Kind(Compression.NONE, Formats("raw")), len(RAW)),
        (qcow2(7 * GIB), Kind(Compression.NONE, Formats("qcow2")), 7 * GIB),
        (gzip.compress(qcow2(7 * GIB), mtime=0), Kind(Compression.GZ, Formats("qcow2")), 7 * GIB),
        (gzip.compress(RAW, mtime=0), Kind(Compression.GZ, Formats("raw")), len(RAW)),
    ],
)
def test_a_source_that_is_read_to_its_end(tmp_path: Path, content: bytes, kind: Kind, size: int) -> None:
    """The digest is of the published bytes, the size of the unpacked disk."""
    source = make(tmp_path, content)
    assert recognize_source(source, SourceAccess()) == kind
    found = measure_source(source, kind, SourceAccess(), reads_all=True)
    assert found == Measure(size, Checksum("sha256", hashlib.sha256(content).hexdigest()))


def test_a_source_whose_beginning_is_read(tmp_path: Path) -> None:
    """The size of a packed raw disk is not known then."""
    for content, size in ((qcow2(7 * GIB), 7 * GIB), (RAW, len(RAW)), (gzip.compress(RAW, mtime=0), None)):
        source = make(tmp_path, content + bytes(0))
        kind = recognize_source(source, SourceAccess())
        assert measure_source(source, kind, SourceAccess(), reads_all=False) == Measure(size)


@pytest.mark.parametrize(("size", "minimum"), [(None, None), (1, 1), (GIB, 1), (GIB + 1, 2), (5 * GIB, 5)])
def test_the_minimum_is_rounded_up(size: int | None, minimum: int | None) -> None:
    """In GB; at least one."""
    assert Measure(size).min_disk == minimum


def test_expected_digests_are_compared(tmp_path: Path) -> None:
    """A file that is not the one of its list is refused."""
    source = make(tmp_path, RAW)
    kind = recognize_source(source, SourceAccess())
    with pytest.raises(ChecksumMismatch):
        measure_source(source, kind, SourceAccess(), expected=(Checksum("sha256", "0" * 64),), reads_all=True)


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """With the name of the file."""
    with pytest.raises(SourceError, match=r"^x: No such file"):
        recognize_source(FileSource(str(tmp_path / "x"), "x"), SourceAccess())
    with pytest.raises(SourceError, match=r"^x: not a regular file"):
        recognize_source(FileSource(str(tmp_path), "x"), SourceAccess())


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.MAX_MEASURED == 8_388_608
