"""Data that is not a disk is refused by its first bytes, and no disk is refused."""

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
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd

from imagesync.errors import FormatMismatch
from imagesync.formats import HEAD, Plausibility, is_page
from imagesync.formats.contents import PACKING_ARCHIVES, recognize
from imagesync.formats.packers import is_lzma
from imagesync.formats.texts import name_text
from tests.samples import TAKEN, TEXT_VMDK, kernel, partitioned

DISK = bytes(512) + random.Random(1).randbytes(200_000)
GZ, ADVICE = gzip.compress(DISK), "if the data is correct, declare source.inspect: none"


def make_tar(form: int) -> bytes:
    """A tar archive of one file, in one of the three formats."""
    box = io.BytesIO()
    with tarfile.open(fileobj=box, mode="w", format=form) as tar:
        item = tarfile.TarInfo("disk.raw")
        item.size = len(DISK)
        tar.addfile(item, io.BytesIO(DISK))
    return box.getvalue()


def make_old_tar() -> bytes:
    """A tar archive in the oldest format, which has a checksum but no magic number."""
    made = bytearray(make_tar(tarfile.USTAR_FORMAT))
    made[257:512] = bytes(255)
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made[:512])
    return bytes(made)


def make_zip() -> bytes:
    """A zip archive of one file."""
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("disk.raw", DISK)
    return box.getvalue()


def make_cpio(magic: bytes) -> bytes:
    """A cpio header and the beginning of the first file."""
    name = b"disk.raw\0"
    if magic in (b"070701", b"070702"):
        return magic + b"%08x" % 0 * 11 + b"%08x" % len(name) + b"0" * 8 + name + DISK
    if magic == b"070707":
        return magic + b"000000" * 7 + b"0" * 11 + b"%06o" % len(name) + b"0" * 11 + name + DISK
    order = "little" if magic == b"\xc7\x71" else "big"
    return magic + bytes(18) + len(name).to_bytes(2, order) + bytes(4) + name + b"\0" + DISK  # type: ignore[arg-type]


def make_program() -> bytes:
    """A program for Windows, whose DOS header has the offset of the PE header."""
    return (b"MZ".ljust(60, b"\0") + (128).to_bytes(4, "little")).ljust(128, b"\0") + b"PE\0\0\x64\x86" + DISK


def skip(length: int, content: bytes) -> bytes:
    """A frame that zstd and lz4 skip, and then ``content``."""
    return b"\x5a\x2a\x4d\x18" + length.to_bytes(4, "little") + bytes(length) + content


UNPACK, INSIDE, CORRECT, CONVERT = (
    "unpack it",
    "extract the disk and use it as the source",
    "correct the source",
    "convert it",
)
COMPRESSED_ZEROS = bytes.fromhex("1f9d9000020a1c4890a0c183")
"""The first bytes of ``compress`` for a disk that begins with zeros: each code is higher by one."""
GERMAN, RUSSIAN = "Zugriff verweigert für Ünbekannt\r\n", "Доступ запрещён: файл не найден\n"
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
    "zstd behind others": (skip(5, skip(0, zstd.compress(DISK))), "zstd", "declare compression: zst"),
    "lz4 behind another": (skip(9, b"\x04\x22\x4d\x18" + DISK), "lz4", UNPACK),
    "zstd or lz4": (skip(90_000, DISK), "zstd or lz4", UNPACK),
    "compress": (COMPRESSED_ZEROS, "compress (.Z)", UNPACK),
    **{f"zlib {level}": (zlib.compress(DISK, level), "zlib", UNPACK) for level in (0, 1, 6, 9)},
    "snappy": (b"\xff\6\0\0sNaPpY\0" + DISK, "snappy", UNPACK),
    "lrzip": (b"LRZI\0\6" + DISK, "lrzip", UNPACK),
    "lzip": (b"LZIP\1" + DISK, "lzip", "unpack it"),
    "lzop": (b"\x89LZO\0\r\n\x1a\n" + DISK, "lzop", "unpack it"),
    "tar": (make_tar(tarfile.GNU_FORMAT), "a tar archive", "extract the disk and use it as the source"),
    "posix tar": (make_tar(tarfile.PAX_FORMAT), "a tar archive", "extract the disk and use it as the source"),
    "old tar": (make_old_tar(), "a tar archive", "extract the disk and use it as the source"),
    "zip": (make_zip(), "a zip archive", "extract the disk and use it as the source"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + DISK, "a 7z archive", "extract the disk and use it as the source"),
    "rar": (b"Rar!\x1a\x07\1\0" + DISK, "a rar archive", "extract the disk and use it as the source"),
    "ar": (b"!<arch>\ndebian-binary   " + DISK, "an ar archive", "extract the disk and use it as the source"),
    "cab": (b"MSCF\0\0\0\0" + DISK, "a cab archive", "extract the disk and use it as the source"),
    "xar": (b"xar!\0\x1c\0\1" + DISK, "an xar archive", "extract the disk and use it as the source"),
    "wim": (b"MSWIM\0\0\0\xd0\0\0\0" + DISK, "a WIM archive", INSIDE),
    "rpm": (b"\xed\xab\xee\xdb\3\0" + DISK, "an rpm package", INSIDE),
    "vma": (b"VMA\0\0\0\0\1" + DISK, "a Proxmox backup", INSIDE),
    "android sparse": (b"\x3a\xff\x26\xed\1\0\0\0\x1c\0\x0c\0" + DISK, "an Android sparse image", CONVERT),
    "partclone": (b"partclone-image\x000.3" + DISK, "a partclone image", CONVERT),
    "ewf": (b"EVF\t\r\n\xff\0\1" + DISK, "an EWF image", CONVERT),
    "cowd": (b"COWD\1\0\0\0\3" + DISK, "an old vmdk of ESX", CONVERT),
    "bochs": (b"Bochs Virtual HD Image\0" + DISK, "a Bochs disk", CONVERT),
    "raw sectors": (b"\0" + b"\xff" * 10 + b"\0\0\2\0\1" + DISK, "a CD image with raw sectors", CONVERT),
    "elf": (b"\x7fELF\2\1\1" + DISK, "an ELF program", CORRECT),
    "exe": (make_program(), "a Windows program", CORRECT),
    "mach-o": (b"\xcf\xfa\xed\xfe\7" + DISK, "a macOS program", CORRECT),
    "fat mach-o": (b"\xca\xfe\xba\xbe\0\0\0\2" + DISK, "a macOS program", CORRECT),
    "class": (b"\xca\xfe\xba\xbe\0\0\0\x41" + DISK, "a Java class", CORRECT),
    "wasm": (b"\0asm\1\0\0\0" + DISK, "a WebAssembly program", CORRECT),
    "boot.img": (b"ANDROID!\x20" + DISK, "an Android boot image", CORRECT),
    "uimage": (b"\x27\5\x19\x56" + DISK, "a U-Boot image", CORRECT),
    "dtb": (b"\xd0\r\xfe\xed" + bytes(16) + b"\0\0\0\x11\0\0\0\x10" + DISK, "a device tree", CORRECT),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + DISK, "a PDF document", CORRECT),
    "msi": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + DISK, "a Microsoft document", CORRECT),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + DISK, "a PNG picture", CORRECT),
    "jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF\0" + DISK, "a JPEG picture", CORRECT),
    "gif": (b"GIF89a\1" + DISK, "a GIF picture", CORRECT),
    "webp": (b"RIFF\1\2\3\4WEBPVP8 " + DISK, "a RIFF file", CORRECT),
    "sqlite": (b"SQLite format 3\0\x10" + DISK, "an SQLite database", CORRECT),
    "age": (b"age-encryption.org/v1\n-> X25519 x\n" + DISK, "data encrypted by age", CORRECT),
    "openssl": (b"Salted__" + DISK, "data encrypted by OpenSSL", CORRECT),
    "git-crypt": (b"\0GITCRYPT\0" + DISK, "data encrypted by git-crypt", CORRECT),
    "torrent": (b"d8:announce31:http://t.example/announce" + DISK, "a torrent", CORRECT),
    "zsync": (b"zsync: 0.6.2\nFilename: a\n\n" + DISK, "a zsync file", CORRECT),
    **{
        f"cpio {magic!r}": (make_cpio(magic), "a cpio archive", "extract the disk and use it as the source")
        for magic in (b"070701", b"070702", b"070707", b"\xc7\x71", b"\x71\xc7")
    },
    "a pointer": (LFS.encode(), "a Git LFS pointer", "get the file to which it points: git lfs pull"),
    "a page": (b"\r\n<!-- x -->\n<!DOCTYPE HTML>\n<title>Log in</title>", "an HTML page", "it may require a log-in"),
    "a page with a mark": (b"\xef\xbb\xbf<html lang=de>".ljust(90_000), "an HTML page", "it may require a log-in"),
    "an error": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML", "it may require a log-in"),
    "a document": (json.dumps({"errors": ["denied"] * 9000}).encode(), "JSON", "correct the source"),
    "a sentence": (b"404: Not Found", "text", "correct the source"),
    "a long text": (("Zugriff verweigert für Ünbekannt\n" * 9000).encode(), "text", "correct the source"),
    "a text of Windows": (("Nicht gefunden\r\n" * 900).encode("utf-16"), "text", "correct the source"),
    **{
        f"{coding}, {text[:7]}": ((text * 900).encode(coding), "text", CORRECT)
        for coding in ("utf-32", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
        for text in (GERMAN, RUSSIAN)
    },
    **{f"in {coding}": ((GERMAN * 900).encode(coding), "text", CORRECT) for coding in ("latin-1", "cp1252", "cp850")},
    **{f"in {coding}": ((RUSSIAN * 900).encode(coding), "text", CORRECT) for coding in ("cp1251", "koi8-r", "cp866")},
    "a page in utf-16": ("<html><p>Zugriff für".encode("utf-16-le"), "an HTML page", "it may require a log-in"),
    "a page in utf-32": ("<html><p>Zugriff für".encode("utf-32"), "an HTML page", "it may require a log-in"),
    "an error in utf-32": ("<Error> AccessDenied".encode("utf-32"), "XML", "it may require a log-in"),
    "a document in latin-1": ('{"fehler": "verweigert für"}'.encode("latin-1"), "JSON", CORRECT),
    "armored": (b"-----BEGIN PGP MESSAGE-----\n\nwWwG\n", "PGP data", CORRECT),
    "a padded descriptor": (TEXT_VMDK.ljust(512, b"\0"), "a vmdk descriptor", "convert the disk that it describes"),
    "a padded text": ((b"404: Not Found\n" * 9).ljust(4096, b"\0"), "text", CORRECT),
    "a padded text in utf-16": ((GERMAN * 2).encode("utf-16-le").ljust(4096, b"\0"), "text", CORRECT),
    "a descriptor": (TEXT_VMDK, "a vmdk descriptor", "convert the disk that it describes"),
}
"""Data, its common name, and the remedy."""


def judge(
    data: bytes, disk_format: str = "raw", container_format: str = "bare", *, unpacked: bool = False, size: int = 2**16
) -> None:
    """Check data in chunks of ``size`` bytes."""
    plausibility = Plausibility(disk_format, container_format, unpacked=unpacked)
    for start in range(0, len(data), size):
        plausibility.feed(data[start : start + size])
    plausibility.finish()


@pytest.mark.parametrize("case", NO_DISKS)
@pytest.mark.parametrize("disk_format", ["raw", "ploop", "qcow2", "iso"])
def test_data_that_is_not_a_disk_is_refused(case: str, disk_format: str) -> None:
    """It is refused with every declared format; the message has its name and the remedy.

    ``inspect: none`` is a remedy only if the service accepts any data.
    """
    data, name, advice = NO_DISKS[case]
    with pytest.raises(FormatMismatch) as caught:
        judge(data, disk_format)
    assert caught.value.message == f"the data is {name}, not {disk_format}"
    assert advice in caught.value.hint
    helps = disk_format in ("raw", "ploop") and name != "a vmdk descriptor"
    assert (ADVICE in caught.value.hint) is helps


@pytest.mark.parametrize("case", NO_DISKS)
def test_the_head_is_enough_in_any_chunks(case: str) -> None:
    """Data is refused before a byte is sent; no more than the head is needed."""
    data = NO_DISKS[case][0]
    if len(data) >= HEAD:
        plausibility = Plausibility("raw", "bare", unpacked=False)
        with pytest.raises(FormatMismatch):
            plausibility.feed(data[:HEAD])
    for size in (7, 512, 2**20):
        with pytest.raises(FormatMismatch):
            judge(data, size=size)


def test_a_source_without_data_is_refused() -> None:
    """A download may have been interrupted, or a disk may have been full."""
    with pytest.raises(FormatMismatch, match="there is no data: the source has 0 bytes"):
        judge(b"")


def test_data_that_is_packed_twice_is_refused() -> None:
    """It was unpacked once already, so the remedy is not a value of compression."""
    with pytest.raises(FormatMismatch) as caught:
        judge(GZ, unpacked=True)
    assert caught.value.message == "even after unpacking, the data is gzip, not raw"
    assert "unpack it and use the unpacked file as the source" in caught.value.hint


@pytest.mark.parametrize("case", TAKEN)
def test_no_disk_is_refused(case: str) -> None:
    """Neither is a kernel or an archive with its formats."""
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
        b"\x1f\x9d\x90" + b"\xff" * 600,
        b"\x1f\x9d\x08" + bytes(600),
        b"\x78\x9c" + bytes(600),
        b"\x78\x01\xff\xff\xff\xff" + bytes(600),
        skip(4, b"\1"),
        b"\x50\x2a\x4d",
        b"MZ" + bytes(600),
        b"\x7fELF\3" + bytes(600),
        b"\xca\xfe\xba\xbe\0\0\0\0",
        b"\xff\xd8\0",
        b"\x85\x01\x0c\x04" + bytes(600),
        b"\x8c\x0d\x04\x09\x07" + bytes(600),
        b"\xa3\1" + bytes(600),
        b"WithoutFreeSpac\0",
        b"\xff" * 5000,
        b"\xe5" * 5000,
        b"\xa0" * 5000,
        b"\xfe" + b"\xff" * 4999,
        b"\xff\xfe" + b"\xff" * 4998,
        b"\x5a\xa5" * 2500,
        b"\xde\xad\xbe\xef" * 1250,
        b"\0N" * 2500,
        b"N\0" * 2500,
        b"\x41\x42\1\0" * 1250,
    ],
)
def test_data_that_only_begins_like_another_format_may_be_a_disk(beginning: bytes) -> None:
    """A magic number of few bytes is not enough."""
    assert recognize(beginning + DISK[:5000]) is None
    judge(beginning + DISK)


def test_random_data_is_not_refused() -> None:
    """A boot sector may have any code, an encrypted disk any bytes; a magic number of two bytes proves nothing."""
    chance = random.Random(7)
    for _ in range(3000):
        judge(chance.randbytes(700))
    for magic in (
        b"\x1f\x9d\x90",
        b"\x78\x9c",
        b"\x78\x01",
        b"\x85\x01",
        b"\x8c\x0d\x04",
        b"\x89\x01",
        b"\xa3\x01",
        b"MZ",
    ):
        for _ in range(300):
            judge(magic + chance.randbytes(9000))
    judge(partitioned())
    for few in (b"\0\t", b"\t\0", b"\0\0\0 ", b"a\xff \n", b"\0a\0b\0 \0c"):
        judge(few)
    for count in (1, 2, 12, 40):
        judge(chance.randbytes(count).replace(b"\x1f", b"a").ljust(9000, b"\0"))
        judge(b"\t<404 ".ljust(count, b"a").ljust(9000, b"\0"))


BOOT_CODE: dict[str, bytes] = {
    "grub": bytes.fromhex("eb6390") + bytes(87) + bytes.fromhex("fa9090f6c28074"),
    "syslinux": bytes.fromhex("33c0fa8ed88ed0bc007c89e60657"),
    "Windows": bytes.fromhex("33c08ed0bc007c8ec08ed8be007cbf0006b90002fcf3a4"),
    "NTFS": b"\xeb\x52\x90NTFS    \0\2\x08",
    "exFAT": b"\xeb\x76\x90EXFAT   ",
    "a hybrid iso": bytes.fromhex("4552080000009090") + bytes(24) + bytes.fromhex("33edfa8ed5bc007c"),
    "a kernel that is a boot sector": b"MZqFpD='\n\n\0\x10\0\xf8" + bytes(46) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0",
    "ELF for multiboot": b"\x7fELF\1\1\1",
    "none": b"",
}
"""The first bytes of disks."""
FILE_SYSTEMS: dict[str, bytes] = {
    "ext4": bytes(1024 + 56) + b"\x53\xef",
    "btrfs": bytes(65536 + 64) + b"_BHRfS_M",
    "xfs": b"XFSB\0\0\x10\0",
    "squashfs": b"hsqs\7\0\0\0",
    "erofs": bytes(1024) + b"\xe2\xe1\xf5\xe0",
    "cramfs": b"\x45\x3d\xcd\x28",
    "romfs": b"-rom1fs-",
    "lvm": bytes(512) + b"LABELONE",
    "zfs": bytes(2**14),
    "swap": bytes(4086) + b"SWAPSPACE2",
    "luks": b"LUKS\xba\xbe\0\1aes",
    "md": b"\xfc\x4e\x2b\xa9\1\0\0\0",
    "ceph": b"bluestore block device\n00000000-0000-0000-0000-000000000000\n\0",
    "apple": b"ER\2\0",
    "a dasd of s390": b"\xc9\xd7\xd3\xf1\0\x0a",
    "zipl": b"zIPL\0\1\0\0",
    "a label of Sun": b"SUN2.1G cyl 2733 alt 2 hd 19 sec 80".ljust(128, b"\0"),
    "a label of text": b"label of a volume\n" * 20,
    "bsd": bytes(512) + b"\x57\x45\x56\x82",
}


@pytest.mark.parametrize("code", BOOT_CODE)
def test_data_with_a_boot_sector_is_a_disk(code: str) -> None:
    """It has the partition table of an MBR or a GPT, and any code."""
    for table in (partitioned(), partitioned(0xEE, 1)):
        judge(BOOT_CODE[code] + table[len(BOOT_CODE[code]) :])
    assert recognize(kernel()) is None  # if its boot sector is invalid, the service rejects it


@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_a_file_system_is_a_disk(kind: str) -> None:
    """It may have no partitions, and any bytes may follow."""
    head = FILE_SYSTEMS[kind]
    judge(head.ljust(90_000, b"\0"))
    judge(head + DISK)


def test_a_parallels_disk_is_valid_only_as_ploop() -> None:
    """It is not a raw disk, although the service accepts it as one."""
    for magic in (b"WithoutFreeSpace", b"WithouFreSpacExt"):
        judge(magic + DISK, "ploop")
        with pytest.raises(FormatMismatch, match="the data is a Parallels disk, not raw"):
            judge(magic + DISK)


@pytest.mark.parametrize(
    ("disk_format", "container_format"),
    [*itertools.product(("aki", "ari", "ami"), ("aki", "ari", "ami", "bare")), ("vmdk", "ova"), ("raw", "docker")],
)
def test_archives_and_packed_kernels_are_valid_in_their_containers(disk_format: str, container_format: str) -> None:
    """An HTML page is never valid."""
    for data in (GZ, make_tar(tarfile.USTAR_FORMAT), make_cpio(b"070701"), b"text", b""):
        judge(data, disk_format, container_format)
    with pytest.raises(FormatMismatch, match="the data is an HTML page"):
        judge(b"<html>", disk_format, container_format)


@pytest.mark.parametrize("case", NO_DISKS)
def test_compressed_data_must_be_packed(case: str) -> None:
    """A service could not unpack other data."""
    data, name, advice = NO_DISKS[case]
    if advice.startswith(("declare compression", UNPACK)) or name in PACKING_ARCHIVES:
        judge(data, "raw", "compressed")
        return
    with pytest.raises(FormatMismatch) as caught:
        judge(data, "raw", "compressed")
    assert caught.value.message == f"container_format is compressed, but the data is {name}"
    assert "use the packed file as the source, or declare container_format: bare" in caught.value.hint
    assert ADVICE in caught.value.hint


@pytest.mark.parametrize(("data", "what"), [(DISK, "not packed"), (b"", "empty"), (b"text", "text")])
def test_disks_and_empty_data_are_not_compressed(data: bytes, what: str) -> None:
    """They are refused only with container_format compressed."""
    with pytest.raises(FormatMismatch, match=f"^container_format is compressed, but the data is {what}"):
        judge(data, "raw", "compressed")


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
def test_data_of_the_programs_is_recognized(
    tmp_path: Path, program: str, make: Callable[[str], tuple[str, ...]]
) -> None:
    """The other tests use data that Python wrote."""
    (tmp_path / "disk").write_bytes(DISK)
    made = subprocess.run(make(str(tmp_path / "disk")), capture_output=True, check=True).stdout
    found = recognize(made[:HEAD])
    assert found is not None
    assert found.name == program


def test_packed_data_may_be_staged_but_a_page_may_not() -> None:
    """The service may unpack packed data, but cannot make a disk of text."""
    packed = Plausibility("raw", "bare", unpacked=False, is_staged=True)
    packed.feed(gzip.compress(b"\0" * 4096))
    packed.finish()
    for data, name in ((b"<!doctype html><title>log in</title>", "an HTML page"), (b"%PDF-1.7\n\0", "a PDF document")):
        page = Plausibility("raw", "bare", unpacked=False, is_staged=True)
        page.feed(data)
        with pytest.raises(FormatMismatch, match=f"the data is {name}, not raw"):
            page.finish()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("text", [b"<!---->", b"<!-- c -->\n", b"<!-- ", b"<!--->", b" ", b"<!doctype html ", b"<"])
def test_a_head_full_of_comments_costs_little_time(text: bytes) -> None:
    """A regular expression with several ways to match took a minute for thirty comments, and hours for more."""
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
    """These are invisible characters, a page in another coding, and white space alone."""
    found = recognize(data[:HEAD])
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("preset", range(10))
def test_lzma_of_every_preset_is_recognized(preset: int) -> None:
    """The largest dictionary of the program has 64 MiB."""
    assert is_lzma(lzma.compress(bytes(range(256)) * 1000, lzma.FORMAT_ALONE, preset=preset)[:65536])


def test_a_head_whose_decoder_needs_gigabytes_is_not_decoded() -> None:
    """Data of an attacker must not use that much memory."""
    packed = bytearray(lzma.compress(bytes(range(256)) * 1000, lzma.FORMAT_ALONE))
    packed[1:5] = (2**31 + 2**30).to_bytes(4, "little")
    assert not is_lzma(bytes(packed))


@pytest.mark.parametrize("unpacked", [True, False])
@pytest.mark.parametrize("is_staged", [True, False])
def test_no_data_at_all_is_refused(unpacked: bool, is_staged: bool) -> None:
    """Whether it was packed or not; a kernel or an archive may be empty, and so may data of an unknown format."""
    with pytest.raises(FormatMismatch, match="there is no data: the source has 0 bytes; correct the source"):
        Plausibility("raw", "bare", unpacked=unpacked, is_staged=is_staged).finish()
    for disk_format, container_format in (("aki", "aki"), ("raw", "ova"), (None, "bare")):
        Plausibility(disk_format, container_format, unpacked=unpacked, is_staged=is_staged).finish()


@pytest.mark.parametrize("size", [2**16 - 1, 2**16, 2**16 + 1])
def test_the_head_is_judged_as_soon_as_it_is_complete(size: int) -> None:
    """64 KiB: an upload is refused before more of it is sent."""
    check = Plausibility("raw", "bare", unpacked=False)
    data = b"<!DOCTYPE html>".ljust(size)
    if size < 2**16:
        check.feed(data)
        assert not check.is_judged
        with pytest.raises(FormatMismatch, match="an HTML page"):
            check.finish()
    else:
        with pytest.raises(FormatMismatch, match="an HTML page"):
            check.feed(data)
    assert check.is_judged
    check.feed(b"more")
    check.finish()


OTHER_BEGINNINGS: dict[str, bytes] = {
    "a zip archive": b"PK\5\6",
    "a zip archive in parts": b"PK\7\x08",
    "a rar archive": b"Rar!\x1a\x07\0",
    "an ar archive": b"!<thin>\n",
    "a WIM archive": b"WLPWM\0\0\0",
    "an rpm package": b"\xed\xab\xee\xdb\4",
    "a cpio archive": b"\xc7\x71" + bytes(18) + (1000).to_bytes(2, "little") + bytes(4) + b"d/" * 499 + b"a\0",
    "a RIFF file": b"RIFF\0\0\0\0AVI ",
    "a RIFF file with sound": b"RIFF\0\0\0\0WAVE",
    "a RIFF file with a picture": b"RIFF\0\0\0\0WEBP",
    "a Java class": b"\xca\xfe\xba\xbe\xff\xff\0\x45",
    "a Java class of a usual version": b"\xca\xfe\xba\xbe\0\3\0\x2d",
    "lzma": lzma.compress(
        DISK, lzma.FORMAT_ALONE, filters=[{"id": lzma.FILTER_LZMA1, "preset": 1, "dict_size": 3 * 2**20}]
    ),
}
"""Rarer beginnings of kinds of data that ``NO_DISKS`` has with their usual one."""


@pytest.mark.parametrize("case", OTHER_BEGINNINGS)
def test_a_kind_of_data_is_recognized_by_each_of_its_beginnings(case: str) -> None:
    """Several programs write it, or several versions of one."""
    found = recognize(OTHER_BEGINNINGS[case] + DISK)
    assert found is not None
    assert case.startswith(found.name)


def test_an_archive_stays_one_although_its_first_sector_ends_as_a_boot_sector() -> None:
    """Only a program may be a bootable disk, too."""
    end = b"\x55\xaa" + DISK
    found = recognize(b"7z\xbc\xaf\x27\x1c".ljust(510, b"\1") + end)
    assert found is not None
    assert found.name == "a 7z archive"
    assert recognize(b"\x7fELF\1\1\1".ljust(510, b"\1") + end) is None


@pytest.mark.parametrize(
    "head",
    [
        bytes(148) + b"000400\0 " + bytes(356) + DISK,  # the checksum of a tar header without a name
        b"\x1f\x9d\x90\0\1" + bytes(600),  # compress, where the table is cleared before it has a code
    ],
)
def test_a_header_with_a_valid_checksum_and_no_content_may_be_of_a_disk(head: bytes) -> None:
    """A program never writes it."""
    assert recognize(head) is None


@pytest.mark.parametrize(
    ("head", "is_text"),
    [
        (b"404 not found, " * 6 + b"more text.", True),
        (b"404 not found, " * 6 + b"more text", False),
        (b"\xe0" * 94 + b"a b cd", True),
        (b"\xe0" * 96 + b"a bc", False),
        (b"\xe0" * 240 + b"abcdefghijklmno ", True),
        (b"\xe0" * 242 + b"abcdefghijklmno ", False),
    ],
)
def test_how_much_of_a_head_must_look_like_text(head: bytes, *, is_text: bool) -> None:
    """100 bytes before zeros; of an unknown coding a twentieth in ASCII, and one of 256 characters as white space."""
    padded = head.ljust(512, b"\0") if head.isascii() else head
    assert (name_text(padded, is_whole=True) == "text") is is_text


@pytest.mark.parametrize("archive", ["zip", "7z", "rar", "cab", "wim"])
def test_an_archive_that_packs_is_right_in_a_compressed_container(archive: str) -> None:
    """Other archives are not packed."""
    judge(NO_DISKS[archive][0], "raw", "compressed")
    with pytest.raises(FormatMismatch, match="container_format is compressed, but the data is an ar archive"):
        judge(NO_DISKS["ar"][0], "raw", "compressed")
