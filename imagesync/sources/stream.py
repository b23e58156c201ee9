"""A source -> its stored bytes, in one pass and constant memory. Reads files and the network, in threads.

read -> digest of the published bytes -> unpack -> digest of the stored bytes -> check the format -> yield. The first chunk
is yielded only after the format was checked, the last only after the digests were. So a wrong image is never complete in the
service, and most are not even begun.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from imagesync.errors import ChecksumMismatch, SourceError
from imagesync.formats import HEAD, RAW, Inspection, Plausibility, check_not_disguised
from imagesync.model.catalog import (
    SERVICE_HASHES,
    Checksum,
    Compression,
    FileSource,
    Fingerprint,
    Method,
    Transfer,
    UrlSource,
)
from imagesync.sources.access import SourceAccess
from imagesync.sources.pipeline import Pipeline
from imagesync.sources.unpack import CHUNK, unpack
from imagesync.sources.web import PAUSES, open_url


class SourceStream:
    """The verified bytes of a source. ``size`` in bytes, if known; after the last chunk also ``digests`` and ``virtual_size``.

    ``published_digests`` are then of the published bytes: in the declared algorithms, in ``algorithms``, in sha256, and for
    packed data in the algorithms of services, because a later manifest may declare them. The unpacked bytes are hashed in
    ``algorithms``, too.

    ``virtual_size`` grows while the stream runs and is never more than the final one. ``interrupt`` wakes the reader of
    the blocks when they are no longer needed. ``check`` is called while the consumer waits, and may raise.
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
        algorithms: Collection[str] = (),
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._blocks, self._transfer, self._expected = blocks, transfer, expected
        self._plain = transfer.compression is Compression.NONE
        self.published_size = size
        self.size = size if self._plain else None
        self.digests: dict[str, str] = {}
        self.virtual_size: int | None = None
        self.sent = self.read = 0
        self._disk_format, self._container_format = disk_format, container_format
        self._announced = self.size or 0 if disk_format == RAW else 0
        declared = {item.algorithm for item in expected.digests}
        self._is_comparable = self._plain and bool(declared & SERVICE_HASHES)
        self._published = _start_hashes({*declared, *algorithms, "sha256", *(() if self._plain else ("md5", "sha512"))})
        self._stored_algorithms = {*(() if self._plain else algorithms), *(() if self._is_comparable else ("sha512",))}
        self.published_digests: dict[str, str] = {}
        self._mismatch: Checksum | None = None
        self._pipeline = Pipeline(interrupt, check=check)

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
        """End all threads of the stream."""
        self._pipeline.close()

    def _verify_published(self) -> Iterator[bytes]:
        """The published blocks; SourceError after the last one if they are not as declared."""
        size = self.published_size
        for block in self._blocks:
            self.read += len(block)
            if size is not None and self.read > size:
                raise SourceError(f"has more than the announced {size} bytes", "run apply again")
            for digest in self._published.values():
                digest.update(block)
            yield block
        if size is not None and self.read < size:
            raise SourceError(f"ended after {self.read} of {size} bytes", "run apply again")
        self.published_digests = {name: digest.hexdigest() for name, digest in self._published.items()}
        self._mismatch = next(filter(self._is_wrong, self._expected.digests), None)
        if self._mismatch and self._plain:
            raise self._explain_mismatch(self._mismatch, {})

    def _is_wrong(self, declared: Checksum) -> bool:
        return self.published_digests[declared.algorithm] != declared.value

    def _explain_mismatch(self, declared: Checksum, unpacked: Mapping[str, "hashlib._Hash"]) -> ChecksumMismatch:
        """The error; ``unpacked``: hashes of the unpacked data, which users sometimes declare by mistake."""
        found = f"{declared.algorithm}:{self.published_digests[declared.algorithm]}"
        if any(declared.value == digest.hexdigest() for digest in unpacked.values()):
            message = f"the declared {declared.algorithm} is of the unpacked data, not of the packed file"
            return ChecksumMismatch(message, f"write {found}")
        of_packed = "" if self._plain else " (it is that of the packed file)"
        message = f"the data has {found}, not the declared {declared}"
        return ChecksumMismatch(message, f"correct the checksum{of_packed}, or find out why the file changed")

    def _verify_unpacked(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks; a wrong digest of packed data is raised after the unpacked data is hashed, for a better message."""
        hashes = _start_hashes(() if self._plain else {item.algorithm for item in self._expected.digests})
        try:
            for chunk in chunks:
                for digest in hashes.values():
                    digest.update(chunk)
                yield chunk
        except SourceError as error:
            if self._mismatch is None:
                raise
            raise self._explain_mismatch(self._mismatch, {}) from error
        if self._mismatch and not self._plain:
            raise self._explain_mismatch(self._mismatch, hashes)

    def _verify_stored(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The unpacked chunks: the first are held until the format is known, the last until all digests are verified."""
        stored = _start_hashes(self._stored_algorithms)
        inspection = Inspection(self._disk_format, self._container_format, is_measured=self._transfer.inspect)
        plausibility = make_plausibility(self._transfer, self._disk_format, self._container_format, is_stored=False)
        held: list[bytes] = []
        for chunk in self._verify_unpacked(chunks):
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
                check_not_disguised(self._disk_format, inspection.recognized)
        plausibility.finish()
        size = inspection.finish()
        check_not_disguised(self._disk_format, inspection.recognized)
        found = {name: digest.hexdigest() for name, digest in stored.items()}
        self.digests = {**self.published_digests, **found} if self._plain else found
        self.virtual_size = size
        yield from held


def make_plausibility(
    transfer: Transfer, disk_format: str | None, container_format: str | None, *, is_stored: bool = True
) -> Plausibility:
    """The check of the first bytes of an image; it accepts all data with ``inspect: none``. ``is_stored``: for stored data,
    not for data that is sent."""
    formats = (disk_format, container_format) if transfer.inspect else (None, None)
    unpacked = transfer.compression is not Compression.NONE
    is_staged = transfer.method is Method.GLANCE_DIRECT and not is_stored
    return Plausibility(*formats, unpacked=unpacked, is_staged=is_staged)


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
    algorithms: Collection[str] = (),
    check: Callable[[], None] = lambda: None,
) -> Iterator[SourceStream]:
    """The stream of one source, closed at the end of the block; SourceError if it cannot be opened.

    For URLs: ``pauses`` in seconds before each further try, and the rules of ``access``. ``algorithms``: further algorithms for
    the published and the unpacked bytes. ``check`` is called while the stream waits; its errors end the stream.
    """
    begin = partial(
        SourceStream,
        transfer=source.transfer,
        expected=fingerprint,
        disk_format=disk_format,
        container_format=container_format,
        algorithms=algorithms,
        check=check,
    )
    if isinstance(source, FileSource):
        try:
            with open(source.path, "rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                blocks = iter(lambda: file.read(CHUNK), b"")
                yield from _close_after(begin(blocks, size))
        except OSError as error:
            raise SourceError(f"{source.display}: {error.strerror}", "check the path and its permissions") from error
        return
    verified = bool(fingerprint.digests)
    with open_url(source.urls, verified=verified, pauses=pauses, access=access, check=check) as download:
        yield from _close_after(begin(download.read_blocks(), download.size, interrupt=download.abandon))


def _close_after(stream: SourceStream) -> Iterator[SourceStream]:
    try:
        yield stream
    finally:
        stream.close()
