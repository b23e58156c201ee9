"""A source -> its stored bytes, in one pass and constant memory. Reads files and the network, in threads.

read -> digest of what was published -> unpack -> digest of what is stored -> look at the format -> hand on. The first
chunk is handed on only once the format is right, the last only once digests are, so that a wrong image is never
complete anywhere, and most begin nowhere.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from imagesync.errors import ChecksumMismatch, SourceError
from imagesync.formats import HEAD, RAW, Inspection, Plausibility, check_not_disguised
from imagesync.model.catalog import SERVICE_HASHES, Compression, FileSource, Fingerprint, Transfer, UrlSource
from imagesync.sources.access import SourceAccess
from imagesync.sources.pipeline import Pipeline
from imagesync.sources.unpack import CHUNK, unpack
from imagesync.sources.web import PAUSES, open_url


class SourceStream:
    """Verified bytes. ``size`` of what comes out, where known; after the last chunk ``digests`` of it and ``virtual_size``.

    ``virtual_size`` grows while the stream runs: it is never more than the final one. ``interrupt`` wakes whatever gives
    the blocks when nobody wants them any more.
    """

    def __init__(
        self,
        blocks: Iterable[bytes],
        size: int | None,
        transfer: Transfer,
        expected: Fingerprint,
        disk_format: str | None,
        container_format: str | None = "bare",
        interrupt: Callable[[], None] = lambda: None,
    ) -> None:
        self._blocks, self._transfer, self._expected = blocks, transfer, expected
        self._plain = transfer.compression is Compression.NONE
        self.published_size = size
        self.size = size if self._plain else None
        self.digests: dict[str, str] = {}
        self.virtual_size: int | None = None
        self.sent = 0
        self._disk_format, self._container_format = disk_format, container_format
        self._announced = self.size or 0 if disk_format == RAW else 0
        self._published = _start_hashes(item.algorithm for item in expected.digests)
        self._pipeline = Pipeline(interrupt)

    def __iter__(self) -> Iterator[bytes]:
        ahead = self._pipeline.run_ahead
        try:
            received = ahead(self._verify_published(), "imagesync-read")
            chunks = unpack(received, self._transfer)
            if not self._plain:
                chunks = ahead(chunks, "imagesync-unpack")
            yield from ahead(self._verify_stored(chunks), "imagesync-verify")
        finally:
            self.close()

    def close(self) -> None:
        """No thread of the stream is left afterwards, wherever it stopped."""
        self._pipeline.close()

    def _verify_published(self) -> Iterator[bytes]:
        """The published blocks; after the last one they are as declared."""
        read, size = 0, self.published_size
        for block in self._blocks:
            read += len(block)
            if size is not None and read > size:
                raise SourceError(f"gives more than the {size} bytes it announced", "run apply again")
            for digest in self._published.values():
                digest.update(block)
            yield block
        if size is not None and read < size:
            raise SourceError(f"ended after {read} of {size} bytes", "run apply again")
        for item in self._expected.digests:
            if (found := self._published[item.algorithm].hexdigest()) != item.value:
                message = f"the {item.algorithm} is {found}, not the declared {item.value}"
                raise ChecksumMismatch(message, "correct the checksum, or find out who changed the file")

    def _verify_stored(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The unpacked chunks, some of them back until the format is known, the last until all is."""
        is_comparable = self._plain and self._published.keys() & SERVICE_HASHES
        stored = _start_hashes(() if is_comparable else ("sha512",))
        inspection = Inspection(self._disk_format, self._container_format)
        plausibility = make_plausibility(self._transfer, self._disk_format, self._container_format)
        held: list[bytes] = []
        for chunk in chunks:
            for digest in stored.values():
                digest.update(chunk)
            plausibility.feed(chunk)
            inspection.feed(chunk)
            if self.sent >= HEAD:
                yield from held
                held.clear()
            held.append(chunk)
            self.sent += len(chunk)
            self.virtual_size = max(inspection.least_size, self._announced)
            if self.sent >= HEAD:
                check_not_disguised(self._disk_format, inspection.recognised)
        plausibility.finish()
        size = inspection.finish()
        check_not_disguised(self._disk_format, inspection.recognised)
        known = {**self._published, **stored} if self._plain else stored
        self.digests = {name: digest.hexdigest() for name, digest in known.items()}
        self.virtual_size = size
        yield from held


def make_plausibility(transfer: Transfer, disk_format: str | None, container_format: str | None) -> Plausibility:
    """What judges the head of an image's data, unless the manifest says ``inspect: none``."""
    formats = (disk_format, container_format) if transfer.inspect else (None, None)
    return Plausibility(*formats, unpacked=transfer.compression is not Compression.NONE)


def _start_hashes(names: Iterable[str]) -> "dict[str, hashlib._Hash]":
    return {name: hashlib.new(name, usedforsecurity=False) for name in names}


@contextmanager
def open_source(
    source: FileSource | UrlSource,
    fingerprint: Fingerprint,
    *,
    disk_format: str | None,
    container_format: str | None = "bare",
    pauses: Sequence[float] = PAUSES,
    access: SourceAccess | None = None,
) -> Iterator[SourceStream]:
    """The stream of one source; SourceError if it cannot be opened. Closes everything that it opened.

    For URLs: ``pauses`` in seconds before each further try, and the rules of ``access``.
    """
    formats = disk_format, container_format
    if isinstance(source, FileSource):
        try:
            with open(source.path, "rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                blocks = iter(lambda: file.read(CHUNK), b"")
                yield from _close_after(SourceStream(blocks, size, source.transfer, fingerprint, *formats))
        except OSError as error:
            raise SourceError(f"{source.shown}: {error.strerror}", "check the path and its permissions") from error
        return
    verified = bool(fingerprint.digests)
    with open_url(source.urls, verified=verified, pauses=pauses, access=access) as download:
        stream = SourceStream(
            download.read_blocks(), download.size, source.transfer, fingerprint, *formats, interrupt=download.abandon
        )
        yield from _close_after(stream)


def _close_after(stream: SourceStream) -> Iterator[SourceStream]:
    try:
        yield stream
    finally:
        stream.close()
