"""The first bytes of data -> whether they are compressed data of a known format. Pure.

A magic number of few bytes is not enough. The decoder is tried then, or the beginning of the data is verified.
"""

import bz2
import lzma
import re
import zlib
from typing import Final

MAX_MEMORY: Final = 2**27
"""Memory of the lzma decoder in bytes. A header may require 4 GiB; data of the program ``lzma`` requires 65 MiB."""
MAX_TRIAL: Final = 4096
"""Bytes of a head that a decoder gets."""
MAX_LZMA_BYTES: Final = 2**38
"""Size of the data that an LZMA header may announce; data with a larger size is not LZMA."""
MAX_CODES: Final = 200
"""Codes of ``compress`` that are verified. In random data, each of them is valid with a probability of a half."""
ZSTD: Final = b"\x28\xb5\x2f\xfd"
LZ4: Final = (b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18")
_SKIPPED: Final = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")


def is_gzip(head: bytes) -> bool:
    """Whether the data has at least one gzip member."""
    return head.startswith(b"\x1f\x8b\x08") and _can_inflate(head, 31)


def is_zlib(head: bytes) -> bool:
    """Whether the data is a zlib stream without a container; its header has a checksum."""
    if len(head) < 2 or head[0] & 0x8F != 0x08 or int.from_bytes(head[:2], "big") % 31 or head[1] & 0x20:
        return False
    return _can_inflate(head, 15)


def _can_inflate(head: bytes, window: int) -> bool:
    try:
        zlib.decompressobj(window).decompress(head[:MAX_TRIAL], MAX_TRIAL)
    except zlib.error:
        return False
    return True


def is_bzip2(head: bytes) -> bool:
    """Whether the data begins with a bzip2 block, or is an empty stream."""
    if not re.match(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", head):
        return False
    try:
        bz2.BZ2Decompressor().decompress(head[:MAX_TRIAL], MAX_TRIAL)
    except (OSError, EOFError, ValueError):
        return False
    return True


def is_lzma(head: bytes) -> bool:
    """Whether the data is in the format before xz, which has properties and two sizes instead of a magic number."""
    size, dictionary = int.from_bytes(head[5:13], "little"), int.from_bytes(head[1:5], "little")
    is_usual = dictionary.bit_count() in (1, 2) and dictionary >= 2**12
    if len(head) < 14 or head[0] != 0x5D or not is_usual or MAX_LZMA_BYTES < size < 2**64 - 1:
        return False
    try:
        return bool(lzma.LZMADecompressor(lzma.FORMAT_ALONE, MAX_MEMORY).decompress(head, MAX_TRIAL))
    except (lzma.LZMAError, EOFError, MemoryError):
        return False


def is_compress(head: bytes) -> bool:
    """Whether the data is from the program ``compress`` (.Z): each code must be in the table, which grows by one each time."""
    if not head.startswith(b"\x1f\x9d") or len(head) < 5 or not 9 <= head[2] & 0x1F <= 16 or head[2] & 0x60:
        return False
    bits = int.from_bytes(head[3 : 3 + MAX_CODES * 9 // 8], "little")
    count = min(MAX_CODES, (len(head) - 3) * 8 // 9)
    codes = [bits >> 9 * number & 0x1FF for number in range(count)]
    has_clear = bool(head[2] & 0x80)
    return codes[0] < 256 and all(code < 256 + has_clear + number for number, code in enumerate(codes))


def is_zstd(head: bytes) -> bool:
    """Whether the data is zstd; skippable frames may precede it."""
    return _skip_frames(head).startswith(ZSTD)


def is_lz4(head: bytes) -> bool:
    """Whether the data is lz4, in the current or the legacy format; skippable frames may precede it."""
    return _skip_frames(head).startswith(LZ4)


def is_skipped(head: bytes) -> bool:
    """Whether skippable frames reach beyond the head; those of zstd and lz4 are the same."""
    return bool(_SKIPPED.match(head)) and not _skip_frames(head)


def _skip_frames(head: bytes) -> bytes:
    """The bytes after the skippable frames, each of which has a magic number, a length of 4 bytes, and data."""
    place = 0
    while _SKIPPED.match(head, place):
        place += 8 + int.from_bytes(head[place + 4 : place + 8], "little")
    return head[place : place + 4]
