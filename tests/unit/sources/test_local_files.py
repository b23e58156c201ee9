"""Local files are checked before an apply as the apply itself would check them."""

import gzip
import hashlib
import os
import time
from pathlib import Path

import pytest

from imagesync.errors import ChecksumMismatch, FormatMismatch, SourceError
from imagesync.formats import HEAD
from imagesync.model.catalog import Auto, Checksum, Compression, FileSource, Method, Place, Transfer
from imagesync.sources import DigestCache
from imagesync.sources.local_files import DeclaredDisk, HeadChecks, check_digests, check_head, explain_unreadable_file
from tests.unit.factories import spec

RAW = bytes(range(256)) * 1024
PACKED_RAW = gzip.compress(RAW, mtime=0)
PAGE = b"<!DOCTYPE html><html><body>log in</body></html>"
PLAIN = Transfer()
PACKED = Transfer(compression=Compression.GZ)


def file_source(folder: Path, data: bytes, transfer: Transfer = PLAIN) -> FileSource:
    """A file with these bytes as a source."""
    path = folder / "disk"
    path.write_bytes(data)
    return FileSource(str(path), "images/disk", transfer=transfer)


@pytest.mark.parametrize(
    ("data", "disk_format", "container_format", "transfer", "message"),
    [
        (RAW, "qcow2", "bare", PLAIN, "looks like raw, not qcow2"),
        (RAW[: HEAD // 2], "qcow2", "bare", PLAIN, "looks like raw, not qcow2"),
        (PACKED_RAW, "raw", "bare", PLAIN, "is gzip, not raw"),
        (gzip.compress(PACKED_RAW, mtime=0), "raw", "bare", PACKED, "even after unpacking, the data is gzip"),
        (PACKED_RAW[:100], "raw", "bare", PACKED, "gz"),
        (RAW, "raw", "bare", PACKED, "gz"),
        (RAW, "raw", "compressed", PLAIN, "the data is not packed"),
        (PAGE, "aki", "aki", PLAIN, "an HTML page"),
        (b"", "raw", "bare", PLAIN, "0 bytes"),
        (b"QFI\xfb\0\0\0\3" + bytes(HEAD * 2), "raw", "bare", PLAIN, "the data is qcow2, not raw"),
    ],
)
def test_a_head_that_an_apply_would_refuse_is_refused(
    tmp_path: Path, data: bytes, disk_format: str, container_format: str, transfer: Transfer, message: str
) -> None:
    """For its format, its container, and what is inside a packed file."""
    with pytest.raises(SourceError, match=message):
        check_head(file_source(tmp_path, data, transfer), DeclaredDisk(disk_format, container_format))


@pytest.mark.parametrize(
    ("data", "disk_format", "transfer"),
    [
        (RAW, "raw", PLAIN),
        (RAW[:100], "raw", PLAIN),
        (PACKED_RAW, "raw", PACKED),
        (PACKED_RAW, "raw", Transfer(inspect=False)),
        (PACKED_RAW, "raw", Transfer(method=Method.GLANCE_DIRECT)),
        (RAW, None, PLAIN),
    ],
)
def test_a_head_that_an_apply_would_take_passes(
    tmp_path: Path, data: bytes, disk_format: str | None, transfer: Transfer
) -> None:
    """Also what the manifest says not to inspect, and what the service unpacks."""
    check_head(file_source(tmp_path, data, transfer), DeclaredDisk(disk_format, "bare"))


def test_only_the_head_of_a_long_file_is_read(tmp_path: Path) -> None:
    """A hole of a terabyte costs nothing."""
    source = file_source(tmp_path, b"\x01")
    os.truncate(source.path, 2**40)
    check_head(source, DeclaredDisk("raw", "bare"))


def test_a_disk_larger_than_min_disk_is_refused(tmp_path: Path) -> None:
    """Its size is that of a raw file; a disk that fits, or whose min_disk is not declared, passes."""
    source = file_source(tmp_path, b"\x01")
    os.truncate(source.path, 5 * 2**30)
    for min_disk in (0, 5):
        check_head(source, DeclaredDisk("raw", "bare", min_disk))
    with pytest.raises(FormatMismatch, match="min_disk is 4 GB, but the image's virtual size is at least 5368709120"):
        check_head(source, DeclaredDisk("raw", "bare", 4))


def checksum(algorithm: str, data: bytes) -> Checksum:
    """The digest of these bytes."""
    return Checksum(algorithm, hashlib.new(algorithm, data).hexdigest())


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha384", "sha512"])
def test_every_digest_is_checked(tmp_path: Path, algorithm: str) -> None:
    """In each algorithm; one wrong one is enough."""
    source, cache = file_source(tmp_path, RAW), DigestCache(None)
    right, wrong = checksum(algorithm, RAW), checksum(algorithm, b"other")
    check_digests(source, [right, checksum("sha256", RAW)], cache)
    for digests in ([wrong], [checksum("sha256", RAW), wrong]):
        with pytest.raises(ChecksumMismatch, match=f"the data has {right}, not the declared {wrong}"):
            check_digests(source, digests, cache)


def test_the_digest_of_the_unpacked_data_is_recognized(tmp_path: Path) -> None:
    """The message of an apply, with the digest to write."""
    packed = PACKED_RAW
    with pytest.raises(ChecksumMismatch, match="of the unpacked data") as caught:
        check_digests(file_source(tmp_path, packed, PACKED), [checksum("sha256", RAW)], DigestCache(None))
    assert caught.value.hint == f"write {checksum('sha256', packed)}"


def test_a_file_without_digests_is_not_read(tmp_path: Path) -> None:
    """There is nothing to compare."""
    source = file_source(tmp_path, RAW)
    os.truncate(source.path, 2**40)
    check_digests(source, [], DigestCache(None))


def test_a_file_that_vanished_is_an_error_of_its_source(tmp_path: Path) -> None:
    """It was there when the manifest was read."""
    source = file_source(tmp_path, RAW)
    os.unlink(source.path)
    with pytest.raises(SourceError, match="No such file or directory"):
        check_digests(source, [checksum("md5", RAW)], DigestCache(None))
    with pytest.raises(SourceError, match="No such file or directory"):
        check_head(source, DeclaredDisk("raw", "bare"))


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    """A writer may never come: its problem is that it is not a file."""
    os.mkfifo(tmp_path / "pipe")
    source = FileSource(str(tmp_path / "pipe"), "pipe")
    assert explain_unreadable_file(source.path) == "not a regular file"
    assert list(HeadChecks().find_wrong_files([spec("a", source=source, disk_format="raw")])) == []


def test_a_wrong_file_has_its_place_and_is_read_once(tmp_path: Path) -> None:
    """Each image that has it has a problem; a second target reads nothing."""
    source = file_source(tmp_path, PAGE)
    images = [
        spec(
            key, source=source, disk_format="raw", container_format="bare", places={"source": Place("m.yaml", line, 7)}
        )
        for key, line in (("a", 3), ("b", 4))
    ]
    checks = HeadChecks()
    first = [str(problem).split(";")[0] for problem in checks.find_wrong_files(images)]
    assert first == [
        "m.yaml:3:7: images.a.source: images/disk: the data is an HTML page, not raw",
        "m.yaml:4:7: images.b.source: images/disk: the data is an HTML page, not raw",
    ]
    Path(source.path).write_bytes(RAW)
    assert [str(problem).split(";")[0] for problem in checks.find_wrong_files(images)] == first
    assert list(HeadChecks().find_wrong_files(images)) == []


def test_the_min_disk_of_an_image_is_compared_with_its_file(tmp_path: Path) -> None:
    """Unless it is computed from the file."""
    source = file_source(tmp_path, b"\x01")
    os.truncate(source.path, 2**31)
    minimums: dict[str, int | Auto] = {"small": 1, "right": 2, "auto": Auto.AUTO}
    images = [
        spec(key, source=source, disk_format="raw", container_format="bare", min_disk=value)
        for key, value in minimums.items()
    ]
    assert [problem.where for problem in HeadChecks().find_wrong_files(images)] == ["images.small.source"]


def test_an_image_without_a_format_is_not_checked(tmp_path: Path) -> None:
    """It is kept as it is, or its missing format is the problem."""
    source = file_source(tmp_path, PAGE)
    assert list(HeadChecks().find_wrong_files([spec("a", source=source, disk_format=None)])) == []


def test_the_errors_are_those_of_the_format(tmp_path: Path) -> None:
    """A caller can distinguish a wrong format from a wrong digest."""
    with pytest.raises(FormatMismatch):
        check_head(file_source(tmp_path, PAGE), DeclaredDisk("raw", "bare"))


def test_each_digest_that_is_kept_is_of_the_whole_file(tmp_path: Path) -> None:
    """It is believed in later runs: the second one must not be of what the first one left unread."""
    source = file_source(tmp_path, RAW)
    cache = DigestCache(tmp_path / "digests.db", lambda: time.time_ns() + 3600 * 10**9)
    digests = [checksum(name, RAW) for name in ("md5", "sha256", "sha512")]
    check_digests(source, digests, cache)
    for expected in digests:
        with open(source.path, "rb") as file:
            assert cache.read_digest(file, source.path, expected.algorithm) == expected
            assert file.tell() == 0  # it was not read
