"""A file or URL without a manifest -> its packing, formats, size and digest. Files, network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from imagesync.errors import SourceError
from imagesync.formats import GIB, HEAD, RAW
from imagesync.formats.contents import recognize
from imagesync.formats.recognition import Formats, recognize_formats
from imagesync.model.catalog import Checksum, Compression, FileSource, Fingerprint, Transfer, UrlSource
from imagesync.sources.access import SourceAccess
from imagesync.sources.local_files import UNREADABLE, open_regular_file
from imagesync.sources.stream import SourceStream, open_source
from imagesync.sources.unpack import CHUNK, unpack
from imagesync.sources.web import open_url

MAX_MEASURED: Final = 8 * 2**20
"""Bytes of an image that are read for the size of its disk; in each format it is near the beginning."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a source is: its packing and its formats."""

    compression: Compression
    formats: Formats


@dataclass(frozen=True, slots=True)
class Measure:
    """The size of the disk in bytes, if it is known; and the sha256 of the published data, if all of it was read."""

    virtual_size: int | None
    digest: Checksum | None = None

    @property
    def min_disk(self) -> int | None:
        """The size of the disk in GB, rounded up."""
        return None if self.virtual_size is None else max(1, -(-self.virtual_size // GIB))


def recognize_source(source: FileSource | UrlSource, access: SourceAccess) -> Kind:
    """The packing and the formats of a source, by its first bytes; SourceError if it cannot be read or is not a disk."""
    with _open_blocks(source, access) as blocks:
        head = b""
        for block in blocks:
            head += block
            if len(head) >= HEAD:
                break
        found = recognize(head[:HEAD])
        packing = Compression(found.compression) if found and found.compression else Compression.NONE
        unpacked = unpack(chain([head], blocks), Transfer(compression=packing))
        start = b""
        for chunk in unpacked:
            start += chunk
            if len(start) >= HEAD:
                break
    return Kind(packing, recognize_formats(start[:HEAD], is_unpacked=packing is not Compression.NONE))


@contextmanager
def _open_blocks(source: FileSource | UrlSource, access: SourceAccess) -> Iterator[Iterator[bytes]]:
    if isinstance(source, FileSource):
        try:
            with open_regular_file(source.path) as file:
                yield iter(lambda: file.read(CHUNK), b"")
        except OSError as error:
            raise SourceError(f"{source.display}: {error.strerror or error.args[1]}", UNREADABLE) from error
        return
    with open_url(source.urls, verified=False, access=access) as download:
        try:
            yield download.read_blocks()
        finally:
            download.abandon()


def measure_source(
    source: FileSource | UrlSource,
    kind: Kind,
    access: SourceAccess,
    *,
    expected: tuple[Checksum, ...] = (),
    reads_all: bool,
    report: Callable[[SourceStream], None] = lambda _: None,
) -> Measure:
    """The size of the disk; with ``reads_all`` also the digest. SourceError for data that an apply would refuse.

    ``expected``: digests with which all of the data is compared. ``report`` is called after each chunk.
    """
    transfer = replace(source.transfer, compression=kind.compression)
    is_final = not (kind.formats.disk == RAW and kind.compression is not Compression.NONE)
    with open_source(
        replace(source, transfer=transfer),
        Fingerprint(expected),
        disk_format=kind.formats.disk,
        container_format=kind.formats.container,
        access=access,
    ) as stream:
        for _ in stream:
            report(stream)
            if not reads_all and (stream.virtual_size or stream.sent >= MAX_MEASURED):
                break
        is_known = (reads_all or is_final) and kind.formats.has_known_size
        size = (stream.virtual_size or None) if is_known else None
        digest = Checksum("sha256", stream.published_digests["sha256"]) if reads_all else None
        return Measure(size, digest)
