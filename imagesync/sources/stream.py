"""A source -> its stored bytes, in one pass and constant memory. Reads files and the network.

read -> digest of what was published -> decompress -> digest of what is stored -> look at the format -> hand on. The last
chunk is handed on only once digests and format are right, so that a wrong image is never complete anywhere.
"""

import bz2
import hashlib
import lzma
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from imagesync.errors import ChecksumMismatch, SourceError
from imagesync.formats import Inspection
from imagesync.model import Compression, FileSource, Fingerprint, Transfer, UrlSource
from imagesync.sources.web import PAUSES, open_url

CHUNK: Final = 2**20
PIECE: Final = CHUNK // 16
LARGEST: Final = 64 * 2**30
HIGHEST_RATIO: Final = 1000


class SourceStream:
    """Verified bytes. ``size`` of what comes out, where known; after the last chunk ``digests`` of it and ``virtual_size``."""

    def __init__(
        self,
        blocks: Iterable[bytes],
        size: int | None,
        transfer: Transfer,
        expected: Fingerprint,
        disk_format: str | None,
    ) -> None:
        self._blocks, self._transfer, self._expected = blocks, transfer, expected
        self.published_size = size
        self.size = size if transfer.compression is Compression.NONE else None
        self.digests: dict[str, str] = {}
        self.virtual_size: int | None = None
        self.sent = 0
        self._format = disk_format

    def __iter__(self) -> Iterator[bytes]:
        stored = {name: hashlib.new(name, usedforsecurity=False) for name in ("md5", "sha512")}
        inspection = Inspection(self._format)
        held = b""
        for chunk in self._unpacked():
            for digest in stored.values():
                digest.update(chunk)
            inspection.feed(chunk)
            if held:
                yield held
            held = chunk
            self.sent += len(chunk)
        self.digests = {name: digest.hexdigest() for name, digest in stored.items()}
        self.virtual_size = inspection.virtual_size()
        if held:
            yield held

    def _unpacked(self) -> Iterator[bytes]:
        published = {
            item.algorithm: hashlib.new(item.algorithm, usedforsecurity=False) for item in self._expected.digests
        }
        read = given = 0
        unpack = _unpacker(self._transfer.compression)
        limit, ratio = self._transfer.max_size or LARGEST, self._transfer.max_ratio or HIGHEST_RATIO
        for block in self._blocks:
            read += len(block)
            for digest in published.values():
                digest.update(block)
            for chunk in unpack(block):
                given += len(chunk)
                if given > limit or (given > 64 * CHUNK and given > read * ratio):
                    raise SourceError(f"unpacks to more than allowed ({given} bytes)", "raise max_size or max_ratio")
                yield chunk
        if self.published_size is not None and read != self.published_size:
            raise SourceError(f"ended after {read} of {self.published_size} bytes", "run apply again")
        for item in self._expected.digests:
            if (found := published[item.algorithm].hexdigest()) != item.value:
                message = f"the {item.algorithm} is {found}, not the declared {item.value}"
                raise ChecksumMismatch(message, "correct the checksum, or find out who changed the file")
        yield from unpack(None)


def _unpacker(compression: Compression) -> Callable[[bytes | None], Iterable[bytes]]:
    """A function from packed blocks to unpacked chunks; None ends it and complains about a truncated archive."""
    if compression is Compression.NONE:
        return lambda block: (block,) if block else ()
    return _Unpacker(compression)


class _Unpacker:
    """Packed blocks to unpacked chunks; several packed members in a row are one file."""

    def __init__(self, compression: Compression) -> None:
        makers: Mapping[Compression, Callable[[], Any]] = {
            Compression.GZ: lambda: zlib.decompressobj(31),
            Compression.XZ: lzma.LZMADecompressor,
            Compression.BZ2: bz2.BZ2Decompressor,
            Compression.ZST: _zstandard,
        }
        self._kind, self._make = compression.value, makers[compression]
        self._member = self._make()
        self._damage: tuple[type[Exception], ...] = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)
        if compression is Compression.ZST:
            self._damage = _zstandard_errors()

    def __call__(self, block: bytes | None) -> Iterator[bytes]:
        if block is None:
            if not self._member.eof:
                raise SourceError(f"the {self._kind} data is cut short", "fetch the file again")
            return
        try:
            for start in range(0, len(block), PIECE):
                yield from self._unpacked(block[start : start + PIECE])
        except self._damage as error:
            raise SourceError(f"the {self._kind} data is damaged: {error}", "fetch the file again") from error

    def _unpacked(self, rest: bytes) -> Iterator[bytes]:
        while rest:
            if self._member.eof:
                self._member = self._make()
            if chunk := self._member.decompress(rest):
                yield chunk
            rest = self._member.unused_data if self._member.eof else b""


def _zstandard() -> Any:
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj()


def _zstandard_errors() -> tuple[type[Exception], ...]:
    import zstandard

    return (zstandard.ZstdError,)


@contextmanager
def open_source(
    source: FileSource | UrlSource,
    fingerprint: Fingerprint,
    *,
    disk_format: str | None,
    pauses: Sequence[float] = PAUSES,
) -> Iterator[SourceStream]:
    """The stream of one source; SourceError where it cannot be opened."""
    if isinstance(source, FileSource):
        try:
            with open(source.path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                blocks = iter(lambda: file.read(CHUNK), b"")
                yield SourceStream(blocks, size, source.transfer, fingerprint, disk_format)
        except OSError as error:
            raise SourceError(f"{source.shown}: {error.strerror}", "check the path and its permissions") from error
        return
    with open_url(source.urls, verified=bool(fingerprint.digests), pauses=pauses) as (received, length):
        yield SourceStream(received, length, source.transfer, fingerprint, disk_format)
