"""What is no disk is refused by its first bytes, and no disk is taken for something else."""

import bz2
import gzip
import io
import itertools
import json
import lzma
import random
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd

from imagesync.errors import FormatMismatch
from imagesync.formats import HEAD, Plausibility
from imagesync.formats.contents import is_page, recognize
from tests.samples import TAKEN, partitioned

DISK = bytes(512) + random.Random(1).randbytes(200_000)
GZ, ADVICE = gzip.compress(DISK), "if it is right as it is, declare source.inspect: none"


def make_tar(form: int) -> bytes:
    """An archive of one file, in one of the three forms."""
    box = io.BytesIO()
    with tarfile.open(fileobj=box, mode="w", format=form) as tar:
        item = tarfile.TarInfo("disk.raw")
        item.size = len(DISK)
        tar.addfile(item, io.BytesIO(DISK))
    return box.getvalue()


def make_old_tar() -> bytes:
    """As the first tar wrote it: no magic, only the sum."""
    made = bytearray(make_tar(tarfile.USTAR_FORMAT))
    made[257:512] = bytes(255)
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made[:512])
    return bytes(made)


def make_zip() -> bytes:
    """An archive of one file."""
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("disk.raw", DISK)
    return box.getvalue()


def make_cpio(magic: bytes) -> bytes:
    """The header and the beginning of the first file."""
    name = b"disk.raw\0"
    if magic in (b"070701", b"070702"):
        return magic + b"%08x" % 0 * 11 + b"%08x" % len(name) + b"0" * 8 + name + DISK
    if magic == b"070707":
        return magic + b"000000" * 7 + b"0" * 11 + b"%06o" % len(name) + b"0" * 11 + name + DISK
    order = "little" if magic == b"\xc7\x71" else "big"
    return magic + bytes(18) + len(name).to_bytes(2, order) + bytes(4) + name + b"\0" + DISK  # type: ignore[arg-type]


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 4194304\n"
NO_DISKS: dict[str, tuple[bytes, str, str]] = {
    "gzip": (GZ, "gzip", "declare compression: gz"),
    "xz": (lzma.compress(DISK), "xz", "declare compression: xz"),
    "bz2": (bz2.compress(DISK), "bzip2", "declare compression: bz2"),
    "bz2 of nothing": (bz2.compress(b""), "bzip2", "declare compression: bz2"),
    "zstd": (zstd.compress(DISK), "zstd", "declare compression: zst"),
    "lz4": (b"\x04\x22\x4d\x18" + DISK, "lz4", "unpack it"),
    "old lz4": (b"\x02\x21\x4c\x18" + DISK, "lz4", "unpack it"),
    "lzma": (lzma.compress(DISK, lzma.FORMAT_ALONE), "lzma", "unpack it"),
    "lzip": (b"LZIP\1" + DISK, "lzip", "unpack it"),
    "lzop": (b"\x89LZO\0\r\n\x1a\n" + DISK, "lzop", "unpack it"),
    "tar": (make_tar(tarfile.GNU_FORMAT), "a tar archive", "publish the disk inside it"),
    "posix tar": (make_tar(tarfile.PAX_FORMAT), "a tar archive", "publish the disk inside it"),
    "old tar": (make_old_tar(), "a tar archive", "publish the disk inside it"),
    "zip": (make_zip(), "a zip archive", "publish the disk inside it"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + DISK, "a 7z archive", "publish the disk inside it"),
    "rar": (b"Rar!\x1a\x07\1\0" + DISK, "a rar archive", "publish the disk inside it"),
    "ar": (b"!<arch>\ndebian-binary   " + DISK, "an ar archive", "publish the disk inside it"),
    "cab": (b"MSCF\0\0\0\0" + DISK, "a cab archive", "publish the disk inside it"),
    "xar": (b"xar!\0\x1c\0\1" + DISK, "an xar archive", "publish the disk inside it"),
    **{
        f"cpio {magic!r}": (make_cpio(magic), "a cpio archive", "publish the disk inside it")
        for magic in (b"070701", b"070702", b"070707", b"\xc7\x71", b"\x71\xc7")
    },
    "a pointer": (LFS.encode(), "a Git LFS pointer", "fetch the file that it stands for (git lfs pull)"),
    "a page": (b"\r\n<!-- x -->\n<!DOCTYPE HTML>\n<title>Log in</title>", "an HTML page", "it may want a log-in"),
    "a page with a mark": (b"\xef\xbb\xbf<html lang=de>".ljust(90_000), "an HTML page", "it may want a log-in"),
    "an error": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML", "it may want a log-in"),
    "a document": (json.dumps({"errors": ["denied"] * 9000}).encode(), "JSON", "correct the source"),
    "a sentence": (b"404: Not Found", "text", "correct the source"),
    "a long text": (("Zugriff verweigert für Ünbekannt\n" * 9000).encode(), "text", "correct the source"),
    "a text of Windows": (("Nicht gefunden\r\n" * 900).encode("utf-16"), "text", "correct the source"),
}
"""Data, what it is called, and what to do."""


def judge(
    data: bytes, disk_format: str = "raw", container_format: str = "bare", *, unpacked: bool = False, size: int = 2**16
) -> None:
    """The verdict on data that comes in pieces of that size."""
    plausibility = Plausibility(disk_format, container_format, unpacked=unpacked)
    for start in range(0, len(data), size):
        plausibility.feed(data[start : start + size])
    plausibility.finish()


@pytest.mark.parametrize("case", NO_DISKS)
@pytest.mark.parametrize("disk_format", ["raw", "ploop", "qcow2", "iso"])
def test_what_is_no_disk_is_refused(case: str, disk_format: str) -> None:
    """Whatever format it is declared to have; the message says what it is, and what to do."""
    data, name, advice = NO_DISKS[case]
    with pytest.raises(FormatMismatch) as caught:
        judge(data, disk_format)
    assert caught.value.message == f"the data is {name}, not {disk_format}"
    assert advice in caught.value.hint
    assert ADVICE in caught.value.hint


@pytest.mark.parametrize("case", NO_DISKS)
def test_the_head_is_enough_however_it_comes(case: str) -> None:
    """Before a byte is sent: nothing more of a long one is needed."""
    data = NO_DISKS[case][0]
    if len(data) >= HEAD:
        plausibility = Plausibility("raw", "bare", unpacked=False)
        with pytest.raises(FormatMismatch):
            plausibility.feed(data[:HEAD])
    for size in (7, 512, 2**20):
        with pytest.raises(FormatMismatch):
            judge(data, size=size)


def test_no_data_is_no_disk() -> None:
    """An interrupted download, or a disk that was full."""
    with pytest.raises(FormatMismatch, match="there is no data: the source has 0 bytes"):
        judge(b"")


def test_what_is_packed_twice_is_told() -> None:
    """Then no compression helps: it was unpacked once."""
    with pytest.raises(FormatMismatch) as caught:
        judge(GZ, unpacked=True)
    assert caught.value.message == "even after unpacking, the data is gzip, not raw"
    assert "unpack it and publish what is inside" in caught.value.hint


@pytest.mark.parametrize("case", TAKEN)
def test_a_disk_is_taken_for_nothing_else(case: str) -> None:
    """Nor a kernel or an archive where they are right."""
    disk_format, container_format, data = TAKEN[case]
    judge(data, disk_format, container_format)


@pytest.mark.parametrize(
    "beginning",
    [
        b"\x1f\x8b\x08\xff" + bytes(600),
        b"\x1f\x8b",
        b"BZh9" + bytes(600),
        b"BZh91AY&SY" + bytes(600),
        b"\x5d" + bytes(600),
        b"\x5d\0\0\x80\0" + b"\xff" * 600,
        b"\xc7\x71" + bytes(600),
        b"ustar".rjust(262, b"\1") + bytes(600),
        b"PK\1\2" + bytes(600),
        b"MSCF\1" + bytes(600),
        b"text, and then a zero\0" * 400,
        b"\xff\xfe\0\xd8" * 2000,
        bytes(5000),
    ],
)
def test_what_only_begins_like_something_may_be_a_disk(beginning: bytes) -> None:
    """A magic of few bytes is not enough."""
    assert recognize(beginning + DISK[:5000]) is None
    judge(beginning + DISK)


def test_disks_at_random_are_taken() -> None:
    """Boot sectors hold any code."""
    chance = random.Random(7)
    for _ in range(3000):
        judge(chance.randbytes(700))
    judge(partitioned())


@pytest.mark.parametrize(
    ("disk_format", "container_format"),
    [*itertools.product(("aki", "ari", "ami"), ("aki", "ari", "ami", "bare")), ("vmdk", "ova"), ("raw", "docker")],
)
def test_archives_and_packed_kernels_are_right_where_they_are_usual(disk_format: str, container_format: str) -> None:
    """A page is right nowhere."""
    for data in (GZ, make_tar(tarfile.USTAR_FORMAT), make_cpio(b"070701"), b"text", b""):
        judge(data, disk_format, container_format)
    with pytest.raises(FormatMismatch, match="the data is an HTML page"):
        judge(b"<html>", disk_format, container_format)


def test_compressed_data_must_be_packed() -> None:
    """Plain data under that label cannot be unpacked by who reads it."""
    for data in (GZ, lzma.compress(DISK), zstd.compress(DISK), make_zip(), b"LZIP\1" + DISK):
        judge(data, "raw", "compressed")
    for data, what in (
        (DISK, "not packed"),
        (b"text", "text"),
        (b"", "empty"),
        (make_tar(tarfile.USTAR_FORMAT), "a tar archive"),
    ):
        with pytest.raises(FormatMismatch) as caught:
            judge(data, "raw", "compressed")
        assert caught.value.message == f"container_format is compressed, and the data is {what}"
        assert "publish the packed file, or declare container_format: bare" in caught.value.hint


@pytest.mark.parametrize(
    ("program", "make"),
    [
        ("gzip", lambda file: ("gzip", "-9", "-c", file)),
        ("xz", lambda file: ("xz", "-c", file)),
        ("lzma", lambda file: ("xz", "--format=lzma", "-c", file)),
        ("bzip2", lambda file: ("bzip2", "-c", file)),
        ("a tar archive", lambda file: ("tar", "-c", "-C", str(Path(file).parent), "disk")),
    ],
)
def test_what_the_programs_make_is_recognized(
    tmp_path: Path, program: str, make: Callable[[str], tuple[str, ...]]
) -> None:
    """Not only what Python makes."""
    (tmp_path / "disk").write_bytes(DISK)
    made = subprocess.run(make(str(tmp_path / "disk")), capture_output=True, check=True).stdout
    found = recognize(made[:HEAD])
    assert found is not None
    assert found.name == program


def test_the_service_unpacks_what_is_staged_and_makes_no_disk_of_a_page() -> None:
    """Packed data is right for a service that unpacks it; a text is right for none."""
    packed = Plausibility("raw", "bare", unpacked=False, is_staged=True)
    packed.feed(gzip.compress(b"\0" * 4096))
    packed.finish()
    page = Plausibility("raw", "bare", unpacked=False, is_staged=True)
    page.feed(b"<!doctype html><title>log in</title>")
    with pytest.raises(FormatMismatch, match="the data is an HTML page, not raw"):
        page.finish()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("text", [b"<!---->", b"<!-- c -->\n", b"<!-- ", b"<!--->", b" ", b"<!doctype html ", b"<"])
def test_a_head_full_of_comments_costs_nothing(text: bytes) -> None:
    """A pattern that could read them in several ways took a minute for thirty, and hours for more."""
    head = (text * HEAD)[:HEAD]
    assert is_page(head) is text.startswith(b"<!doctype")
    assert recognize(head) is not None


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("<html><p>Zugriff\xa0verweigert".encode(), "an HTML page"),
        ("<html><p>verweigert f\xfcr".encode("latin-1") * 9, "an HTML page"),
        (b" " * 5000 + b"<html>", "an HTML page"),
        ("zero\u200bwidth and soft\xadhyphen".encode(), "text"),
        (b"\x1b[31mdenied\x1b[0m", "text"),
        (b" \n" * 9000, "text"),
    ],
)
def test_text_with_odd_characters_is_text(data: bytes, name: str) -> None:
    """Spaces and marks that are not printed; a page in another coding; nothing but white space."""
    found = recognize(data[:HEAD])
    assert found is not None
    assert found.name == name
