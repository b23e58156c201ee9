"""The first bytes of data -> what it is if it is no disk: packed, an archive, text. Pure.

A machine that boots such data finds nothing, and no image service refuses it as ``raw``. What a head only looks like is
verified as far as it can be (a checksum, a trial of the decoder), so that no disk is taken for something else.
"""

import bz2
import codecs
import lzma
import re
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

MAX_TEXT: Final = 4096
"""Bytes of a head that are looked at for text: no disk begins with so many printable characters."""
MAX_TRIAL: Final = 4096
"""Bytes of a head that are given to a decoder."""
MAX_LZMA_BYTES: Final = 2**38
"""Of data that an LZMA header may announce: every other value is taken for no header."""


class Kind(Enum):
    """What can be done about data that is no disk."""

    PACKED = auto()
    """One file, packed; imagesync unpacks some kinds (``Finding.compression``)."""
    ARCHIVE = auto()
    TEXT = auto()


@dataclass(frozen=True, slots=True)
class Finding:
    """What data is: ``name`` as people call it; ``compression``: the value of the manifest that unpacks it, if any."""

    kind: Kind
    name: str
    compression: str = ""


def recognize(head: bytes) -> Finding | None:
    """What data with this head (64 KiB, or all of it) is; None if it may be a disk, or is empty."""
    for finding, is_one in _PACKED.items():
        if is_one(head):
            return finding
    name = next((name for name, is_one in _ARCHIVES.items() if is_one(head)), None)
    if name is not None:
        return Finding(Kind.ARCHIVE, name)
    if is_page(head):
        return Finding(Kind.TEXT, "an HTML page")
    text = _read_text(head[:MAX_TEXT])
    return Finding(Kind.TEXT, _name_text(text)) if text else None


def is_page(head: bytes) -> bool:
    """Whether data is a page for people: the answer of a portal that wants a log-in, say."""
    head = head.removeprefix(codecs.BOM_UTF8)
    place = _skip_space(head, 0)
    while head.startswith(b"<!--", place):
        end = head.find(b"-->", place)
        place = _skip_space(head, end + 3) if end >= 0 else len(head)
    return head[place : place + 14].lower().startswith((b"<!doctype html", b"<html"))


def _skip_space(text: bytes, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _begins(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


def _is_gzip(head: bytes) -> bool:
    if not head.startswith(b"\x1f\x8b\x08"):
        return False
    try:
        zlib.decompressobj(31).decompress(head[:MAX_TRIAL], MAX_TRIAL)
    except zlib.error:
        return False
    return True


def _is_bzip2(head: bytes) -> bool:
    if not re.match(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", head):
        return False
    try:
        bz2.BZ2Decompressor().decompress(head[:MAX_TRIAL], MAX_TRIAL)
    except (OSError, EOFError, ValueError):
        return False
    return True


def _is_lzma(head: bytes) -> bool:
    """The form before xz has no magic: properties, size of the dictionary, size of the data."""
    size, dictionary = int.from_bytes(head[5:13], "little"), int.from_bytes(head[1:5], "little")
    is_usual = dictionary.bit_count() in (1, 2) and dictionary >= 2**12
    if len(head) < 14 or head[0] != 0x5D or not is_usual or MAX_LZMA_BYTES < size < 2**64 - 1:
        return False
    try:
        return bool(lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(head, MAX_TRIAL))
    except (lzma.LZMAError, EOFError, MemoryError):
        return False


def _is_tar(head: bytes) -> bool:
    """The sum of the first header is right: the oldest form has no magic."""
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


def _read_text(head: bytes) -> str:
    """The text that a head is, without white space before it; empty if it is none."""
    coding = "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = codecs.getincrementaldecoder(coding)().decode(head)
    except UnicodeDecodeError:
        return ""
    is_text = bool(text) and all(unicodedata.category(one) != "Cc" or one in "\t\n\r\f\x1b" for one in text)
    return text.lstrip() or "white space" if is_text else ""


def _name_text(text: str) -> str:
    if is_page(text.encode("utf-8", "replace")):  # in another coding
        return "an HTML page"
    if text.startswith("version https://git-lfs.github.com/spec/"):
        return LFS_POINTER
    for begin, name in (("<", "XML"), ("{", "JSON"), ("[", "JSON")):
        if text.startswith(begin):
            return name
    return "text"


LFS_POINTER: Final = "a Git LFS pointer"
TAR: Final = "a tar archive"

_SPACE: Final = re.compile(rb"\s*")

_PACKED: Final = {
    Finding(Kind.PACKED, "gzip", "gz"): _is_gzip,
    Finding(Kind.PACKED, "xz", "xz"): _begins(b"\xfd7zXZ\0"),
    Finding(Kind.PACKED, "bzip2", "bz2"): _is_bzip2,
    Finding(Kind.PACKED, "zstd", "zst"): _begins(b"\x28\xb5\x2f\xfd"),
    Finding(Kind.PACKED, "lz4"): _begins(b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18"),
    Finding(Kind.PACKED, "lzma"): _is_lzma,
    Finding(Kind.PACKED, "lzip"): _begins(b"LZIP\1"),
    Finding(Kind.PACKED, "lzop"): _begins(b"\x89LZO\0\r\n\x1a\n"),
}
_ARCHIVES: Final[dict[str, Callable[[bytes], bool]]] = {
    TAR: _is_tar,
    "a zip archive": _begins(b"PK\3\4", b"PK\5\6", b"PK\7\x08"),
    "a 7z archive": _begins(b"7z\xbc\xaf\x27\x1c"),
    "a rar archive": _begins(b"Rar!\x1a\x07"),
    "an ar archive": _begins(b"!<arch>\n"),
    "a cpio archive": _is_cpio,
    "a cab archive": _begins(b"MSCF\0\0\0\0"),
    "an xar archive": _begins(b"xar!\0"),
}
