"""The first bytes of data -> what it is if it is not a disk: packed, an archive, text, another kind of file. Pure.

No machine boots from such data, but the image service accepts it as ``raw``. A short magic number is verified with a
checksum or a trial of the decoder if possible, because a disk may begin with the same bytes. File systems count as disks,
also those from which no machine boots, such as squashfs.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from imagesync.formats.inspection import HEAD
from imagesync.formats.openpgp import is_openpgp
from imagesync.formats.packers import (
    is_bzip2,
    is_compress,
    is_gzip,
    is_lz4,
    is_lzma,
    is_skipped,
    is_zlib,
    is_zstd,
)
from imagesync.formats.parsers.parallels import MAGICS
from imagesync.formats.texts import name_text


class Kind(Enum):
    """Kinds of data that is not a disk; the remedy depends on the kind."""

    PACKED = auto()
    """One packed file; imagesync can unpack it if ``Finding.compression`` is not empty."""
    ARCHIVE = auto()
    """Several files. Archives of ``PACKING_ARCHIVES`` are also packed."""
    DISK_FILE = auto()
    """A disk in a file format that only some programs can read."""
    TEXT = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Finding:
    """What data is. ``name`` is its common name; ``compression`` is the manifest's value that unpacks it, or empty."""

    kind: Kind
    name: str
    compression: str = ""


def recognize(head: bytes) -> Finding | None:
    """What data with this head is (its first 64 KiB, or all of it); None if it is empty or may be a disk."""
    for finding, is_one in _PACKED.items():
        if is_one(head):
            return finding
    for kind, tests in _UNPACKED.items():
        if kind is Kind.OTHER and _is_boot_sector(head):
            continue
        if name := next((name for name, is_one in tests.items() if is_one(head)), None):
            return Finding(kind, name)
    name = name_text(head, is_whole=len(head) < HEAD)
    return Finding(Kind.TEXT, name) if name else None


def _is_boot_sector(head: bytes) -> bool:
    """Whether a BIOS would run the first sector. Some programs are also bootable disks."""
    return head[510:512] == b"\x55\xaa"


def _begins(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


def _matches(pattern: bytes) -> Callable[[bytes], bool]:
    compiled = re.compile(pattern, re.DOTALL)
    return lambda head: compiled.match(head) is not None


def _is_tar(head: bytes) -> bool:
    """Whether the checksum of the first header is correct; the oldest form has no magic number."""
    header = head[:512]
    if len(header) < 512 or not header[0]:
        return False
    try:
        wanted = int(header[148:156].strip(b" \0"), 8)
    except ValueError:
        return False
    return wanted == sum(header[:148]) + 8 * ord(" ") + sum(header[156:])


def _is_cpio(head: bytes) -> bool:
    if re.match(rb"07070[12][0-9A-Fa-f]{104}|070707[0-7]{70}", head):
        return True
    order = {b"\xc7\x71": "little", b"\x71\xc7": "big"}.get(head[:2])
    if order is None or len(head) < 27:
        return False
    length = int.from_bytes(head[20:22], "little" if order == "little" else "big")
    return 2 <= length <= 1024 and head[26 : 26 + length].find(b"\0") == length - 1


def _is_windows_program(head: bytes) -> bool:
    """Whether a DOS header refers to a PE header; a kernel for EFI has both, too."""
    place = int.from_bytes(head[60:64], "little")
    return head.startswith(b"MZ") and head[place : place + 4] == b"PE\0\0"


TAR: Final = "a tar archive"
PARALLELS: Final = "a Parallels disk"
PACKING_ARCHIVES: Final = frozenset(
    {"a zip archive", "a 7z archive", "a rar archive", "a cab archive", "a WIM archive"}
)

_PACKED: Final = {
    Finding(Kind.PACKED, "gzip", "gz"): is_gzip,
    Finding(Kind.PACKED, "xz", "xz"): _begins(b"\xfd7zXZ\0"),
    Finding(Kind.PACKED, "bzip2", "bz2"): is_bzip2,
    Finding(Kind.PACKED, "zstd", "zst"): is_zstd,
    Finding(Kind.PACKED, "lz4"): is_lz4,
    Finding(Kind.PACKED, "zstd or lz4"): is_skipped,
    Finding(Kind.PACKED, "lzma"): is_lzma,
    Finding(Kind.PACKED, "lzip"): _begins(b"LZIP\1"),
    Finding(Kind.PACKED, "lzop"): _begins(b"\x89LZO\0\r\n\x1a\n"),
    Finding(Kind.PACKED, "lrzip"): _matches(rb"LRZI\x00[\x04-\x0f]"),
    Finding(Kind.PACKED, "snappy"): _begins(b"\xff\6\0\0sNaPpY"),
    Finding(Kind.PACKED, "compress (.Z)"): is_compress,
    Finding(Kind.PACKED, "zlib"): is_zlib,
}
_ARCHIVES: Final[dict[str, Callable[[bytes], bool]]] = {
    TAR: _is_tar,
    "a zip archive": _begins(b"PK\3\4", b"PK\5\6", b"PK\7\x08"),
    "a 7z archive": _begins(b"7z\xbc\xaf\x27\x1c"),
    "a rar archive": _begins(b"Rar!\x1a\x07"),
    "an ar archive": _begins(b"!<arch>\n", b"!<thin>\n"),
    "a cpio archive": _is_cpio,
    "a cab archive": _begins(b"MSCF\0\0\0\0"),
    "an xar archive": _begins(b"xar!\0"),
    "a WIM archive": _begins(b"MSWIM\0\0\0", b"WLPWM\0\0\0"),
    "an rpm package": _matches(rb"\xed\xab\xee\xdb[\x03\x04]"),
    "a Proxmox backup": _begins(b"VMA\0\0\0\0\1"),
}
_DISK_FILES: Final[dict[str, Callable[[bytes], bool]]] = {
    PARALLELS: _begins(*MAGICS),
    "an Android sparse image": _begins(b"\x3a\xff\x26\xed\1\0"),
    "a partclone image": _begins(b"partclone-image"),
    "an EWF image": _begins(b"EVF\t\r\n\xff\0"),
    "an old vmdk of ESX": _begins(b"COWD\1\0\0\0"),
    "a Bochs disk": _begins(b"Bochs Virtual HD Image\0"),
    "a CD image with raw sectors": _begins(b"\0" + b"\xff" * 10 + b"\0\0\2\0"),
}
_OTHERS: Final[dict[str, Callable[[bytes], bool]]] = {
    "an ELF program": _matches(rb"\x7fELF[\x01\x02][\x01\x02]\x01"),
    "a Windows program": _is_windows_program,
    "a macOS program": _matches(
        rb"[\xce\xcf]\xfa\xed\xfe|\xfe\xed\xfa[\xce\xcf]|\xca\xfe\xba\xbe\x00\x00\x00[\x01-\x08]"
    ),
    "a Java class": _matches(rb"\xca\xfe\xba\xbe(\x00[\x00-\x03]|\xff\xff)\x00[\x2d-\x7f]"),
    "a WebAssembly program": _begins(b"\0asm\1\0\0\0"),
    "an Android boot image": _begins(b"ANDROID!"),
    "a U-Boot image": _begins(b"\x27\x05\x19\x56"),
    "a device tree": _matches(rb"\xd0\x0d\xfe\xed.{16}\x00\x00\x00[\x10-\x12]\x00\x00\x00[\x02-\x11]"),
    "a PDF document": _begins(b"%PDF-"),
    "a Microsoft document": _begins(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    "a PNG picture": _begins(b"\x89PNG\r\n\x1a\n"),
    "a JPEG picture": _matches(rb"\xff\xd8\xff[\xc0-\xfe]"),
    "a GIF picture": _begins(b"GIF87a", b"GIF89a"),
    "a RIFF file": _matches(rb"RIFF....(WEBP|WAVE|AVI )"),
    "an SQLite database": _begins(b"SQLite format 3\0"),
    "PGP data": is_openpgp,
    "data encrypted by age": _begins(b"age-encryption.org/v1\n"),
    "data encrypted by OpenSSL": _begins(b"Salted__"),
    "data encrypted by git-crypt": _begins(b"\0GITCRYPT\0"),
    "a torrent": _matches(rb"d(8:announce|10:created by|13:creation date|7:comment|4:info)"),
    "a zsync file": _begins(b"zsync: 0."),
}
_UNPACKED: Final = {Kind.ARCHIVE: _ARCHIVES, Kind.DISK_FILE: _DISK_FILES, Kind.OTHER: _OTHERS}
