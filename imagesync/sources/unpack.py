"""Packed blocks -> unpacked chunks of limited size. Pure.

Several packed members in a row are one file, as in ``gzip``, ``xz``, ``bzip2`` and ``zstd``. The memory is limited to a chunk,
a piece and the window that a member declares, which has a limit, too.
"""

import bz2
import functools
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol, assert_never

from imagesync.errors import SourceError
from imagesync.model.catalog import Compression, Transfer

CHUNK: Final = 2**20
"""The largest unpacked chunk in bytes."""
PIECE: Final = 2**18
"""Packed bytes for one call of a decoder; a decoder copies the bytes that it has not used."""
MAX_UNPACKED_BYTES: Final = 64 * 2**30
MAX_RATIO: Final = 1000
"""Unpacked bytes per packed byte. Both limits are defaults, see ``Transfer``."""
MIN_JUDGED_BYTES: Final = 64 * 2**20
"""Unpacked bytes below which any ratio is allowed: a small, nearly empty disk packs extremely well."""
MAX_ZSTD_WINDOW_LOG: Final = 27
"""Base 2 logarithm of bytes, so 128 MiB: what ``zstd -d`` accepts without an option."""
MAX_XZ_BYTES: Final = 2**28
"""Memory that the xz decoder may use."""


class Decoder(Protocol):
    """The decoder of one packed member, as in bz2, lzma and zstd of the standard library."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether the decoder needs more data for its next output."""

    @property
    def unused_data(self) -> bytes:
        """The data after the end of the member."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """At most ``max_length`` bytes; the decoder keeps the rest for the next call."""


class _Gzip:
    """zlib with the interface of the other decoders."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        made = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self.needs_input = len(made) < max_length and not self._zlib.unconsumed_tail
        return made


def unpack(blocks: Iterable[bytes], transfer: Transfer) -> Iterator[bytes]:
    """The unpacked data of the blocks; SourceError for damaged or cut data, or for more data than allowed.

    Plain data has no limit except a declared ``max_size``.
    """
    bounds = _Bounds(transfer)
    if transfer.compression is Compression.NONE:
        for block in blocks:
            bounds.give(len(block))
            yield block
        return
    for chunk in _unpack_members(_split(blocks, bounds), _choose_codec(transfer.compression)):
        bounds.give(len(chunk))
        yield chunk


def _unpack_members(pieces: Iterable[bytes], codec: "_Codec") -> Iterator[bytes]:
    """The content of all members; padding is allowed between them and after the last."""
    member: Decoder | None = None
    begun = False
    for rest in pieces:
        while rest or (member is not None and not member.needs_input):
            if member is None:
                rest = rest.lstrip(codec.padding) if begun and codec.padding else rest
                if not rest:
                    break
                member, begun = codec.make(), True
            if chunk := codec.decompress(member, rest):
                yield chunk
            rest = b""
            if member.eof:
                rest, member = member.unused_data, None
    if member is not None or not begun:
        raise SourceError(f"the {codec.kind} data is cut short", "fetch the file again")


def _split(blocks: Iterable[bytes], bounds: "_Bounds") -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), PIECE):
            piece = block[start : start + PIECE]
            bounds.taken += len(piece)
            yield piece


class _Bounds:
    """The limits of the unpacked data: its size, and its ratio to the packed data."""

    def __init__(self, transfer: Transfer) -> None:
        packed = transfer.compression is not Compression.NONE
        self._size = transfer.max_size or (MAX_UNPACKED_BYTES if packed else None)
        self._ratio = (transfer.max_ratio or MAX_RATIO) if packed else None
        self.taken = self._given = 0

    def give(self, count: int) -> None:
        """Count the next bytes; SourceError if they exceed a limit."""
        self._given += count
        if self._size is not None and self._given > self._size:
            raise SourceError(
                f"holds more than the allowed {self._size} bytes", "raise source.max_size if that is right"
            )
        if self._ratio is not None and self._given > max(MIN_JUDGED_BYTES, self.taken * self._ratio):
            message = f"unpacks to more than {self._ratio} times its size ({self._given} bytes of {self.taken})"
            raise SourceError(message, "raise source.max_ratio if that is right")


@dataclass(frozen=True, slots=True)
class _Codec:
    """A packing: how to make a decoder, which errors it raises, and the padding between members."""

    kind: str
    make: Callable[[], Decoder]
    damage: tuple[type[Exception], ...]
    padding: bytes = b""
    memory: int = 0

    def decompress(self, member: Decoder, data: bytes) -> bytes:
        """The next chunk of a member; SourceError for damage, or a window over the limit."""
        try:
            return member.decompress(data, CHUNK)
        except self.damage as error:
            if "memory" in str(error).lower():
                message = f"the {self.kind} data needs more than {self.memory // 2**20} MiB of memory to unpack"
                raise SourceError(message, "pack it with a smaller window or dictionary") from error
            hint = "fetch the file again, or correct source.compression"
            raise SourceError(f"the {self.kind} data is damaged: {error}", hint) from error


def _choose_codec(compression: Compression) -> _Codec:
    kind = compression.value
    match compression:
        case Compression.GZ:
            return _Codec(kind, _Gzip, (zlib.error,), b"\0")
        case Compression.XZ:
            make = functools.partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, MAX_XZ_BYTES)
            return _Codec(kind, make, (lzma.LZMAError, EOFError), b"\0", MAX_XZ_BYTES)
        case Compression.BZ2:
            return _Codec(kind, bz2.BZ2Decompressor, (OSError, ValueError, EOFError))
        case Compression.ZST:
            return _make_zstandard_codec(kind)
        case Compression.NONE:
            raise ValueError("plain data has no codec")
        case _:
            assert_never(compression)


def _make_zstandard_codec(kind: str) -> _Codec:
    zstd: Any
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    options = {zstd.DecompressionParameter.window_log_max: MAX_ZSTD_WINDOW_LOG}
    make = functools.partial(zstd.ZstdDecompressor, options=options)
    return _Codec(kind, make, (zstd.ZstdError, EOFError), memory=2**MAX_ZSTD_WINDOW_LOG)
