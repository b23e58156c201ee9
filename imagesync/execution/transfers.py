"""How the bytes of a ``Create`` get into the service: sent, staged and imported, or fetched by the service. Does I/O.

* upload, one store at most: PUT of the data, the store named in the request.
* upload, several stores: staged and imported into all of them at once if the service offers glance-direct. The bytes
  are sent once, nothing is active before every store has it, and by default policy every member may do it, while
  copy-image is for admins. Without glance-direct: sent into the first store, then copied. The stored bytes must be the
  ones that were sent.
* glance-direct: staged and imported; the service's plugins may unpack or convert. What is staged is verified as an
  upload is, before its last chunk. If the service then stores other bytes, in another format or size, its own hash is
  not comparable: the declared digest stays the identity of the content, and the record says ``converted``. Of the same
  format and size, the bytes must be the same.
* web-download: the service fetches from the mirrors in order until one works. The bytes are not read here, so the
  record is marked ``unverified`` until the service's own hash, or a download, shows what they are.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, assert_never

from imagesync.backends.base import Backend
from imagesync.errors import (
    BackendError,
    ChecksumMismatch,
    Conflict,
    FormatMismatch,
    QuotaExceeded,
    SourceError,
    Unauthorized,
    Unavailable,
)
from imagesync.execution.service_imports import Imports
from imagesync.formats import Inspection, check_not_disguised
from imagesync.model.catalog import HEX_LENGTHS, Checksum, Compression, FileSource, Method, Status, Transfer, UrlSource
from imagesync.model.image import Capabilities, LiveImage
from imagesync.model.plan import Create
from imagesync.sources import SourceStream, open_source

MAX_TRIES: Final = 3
SLOT: Final = "image_count_uploading"
"""The service's name for the limit of uploads at the same time."""
SLOT_PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0, *[15.0] * 40)
"""Seconds between tries for a slot: ten minutes in all."""
GIB: Final = 2**30

Progress = Callable[[int, int | None], None]
Put = Callable[[str, Iterator[bytes], int | None], None]


@dataclass(frozen=True, slots=True)
class Arrived:
    """An image whose bytes are in the service and are the right ones.

    ``digests`` are of the published bytes, as far as they are known; ``sent`` counts the bytes that were sent from here;
    ``virtual_size`` in bytes; ``converted``: the service made another format of them.
    """

    image: LiveImage
    digests: tuple[Checksum, ...]
    sent: int = 0
    virtual_size: int = 0
    converted: bool = False


class Transfers:
    """Fills the staging records of one plan with data."""

    def __init__(self, backend: Backend, imports: Imports) -> None:
        self._backend, self._imports = backend, imports

    def fill(self, create: Create, image_id: str, progress: Progress) -> Arrived:
        """Fill a queued record, so that it is active and verified; a running import is waited for."""
        if not isinstance(create.source, FileSource | UrlSource):
            raise SourceError(f"{create.key} has no source to upload from", "declare one")
        if create.fill is not None:
            image = self._imports.wait_until_settled(image_id)
            if image.status is Status.ACTIVE:
                return self._verify_found(create, create.source, image)
        stream = self._move(create, create.source, image_id, progress)
        image = self._backend.images(image_id)[0]
        if stream is None:
            return self._verify_found(create, create.source, image)
        return self._verify_sent(create, create.source.transfer, image, stream)

    def check_stored(self, image: LiveImage, declared: Sequence[Checksum]) -> None:
        """Read the data of an image back; ChecksumMismatch if it has not the declared digests."""
        check_stored(self._backend, image, declared)

    def _move(
        self, create: Create, source: FileSource | UrlSource, image_id: str, progress: Progress
    ) -> SourceStream | None:
        """Transfer the bytes until the image is active; return None if they were not read here."""

        def send(put: Put) -> SourceStream:
            return self._retry(image_id, lambda: self._stream(create, source, image_id, progress, put))

        transfer = source.transfer
        match transfer.method:
            case Method.WEB_DOWNLOAD:
                self._fetch(source, image_id)
                return None
            case Method.GLANCE_DIRECT:
                return self._import_staged(image_id, transfer, send)
            case Method.UPLOAD:
                return self._upload(image_id, transfer, send)
            case _:
                assert_never(transfer.method)

    def _upload(self, image_id: str, transfer: Transfer, send: Callable[[Put], SourceStream]) -> SourceStream:
        chosen = bool(transfer.stores) or transfer.all_stores
        able = self._backend.capabilities() if chosen else Capabilities()
        wanted = transfer.wanted_stores(able.stores)
        if len(wanted) > 1 and Method.GLANCE_DIRECT in able.import_methods:
            return self._import_staged(image_id, transfer, send)
        first = transfer.stores[0] if transfer.stores else None
        stream = send(lambda name, chunks, size: self._backend.upload(name, chunks, size, store=first))
        if len(wanted) > 1:
            self._imports.copy(image_id, sorted(wanted))
        return stream

    def _import_staged(self, image_id: str, transfer: Transfer, send: Callable[[Put], SourceStream]) -> SourceStream:
        stream = send(self._backend.stage)
        self._imports.run(image_id, Method.GLANCE_DIRECT, stores=transfer.stores, all_stores=transfer.all_stores)
        return stream

    def _fetch(self, source: FileSource | UrlSource, image_id: str) -> None:
        """Make the service fetch from the first mirror that works; if none does, raise the failure of the last one."""
        if not isinstance(source, UrlSource):
            raise SourceError(f"{source.shown} cannot be fetched by the service", "give a url")
        transfer = source.transfer
        for index, url in enumerate(source.urls, 1):
            try:
                self._imports.run(
                    image_id, Method.WEB_DOWNLOAD, uri=url, stores=transfer.stores, all_stores=transfer.all_stores
                )
                return
            except BackendError as error:
                if index < len(source.urls) and self._backend.images(image_id)[0].status is Status.QUEUED:
                    continue
                if index == 1:
                    raise
                before = f"{index - 1} mirror{'s' * (index > 2)} failed, and then: "
                raise BackendError(f"{before}{error.message}", error.hint) from error

    def _retry(self, image_id: str, attempt: Callable[[], SourceStream]) -> SourceStream:
        """Send the data; after an expired token or a broken connection open the source and send it again.

        After Conflict too: the service may still be busy with the broken body when the next one comes. QuotaExceeded
        for uploads at the same time: wait until another one has ended.
        """
        failures, pauses = 0, iter(SLOT_PAUSES)
        while True:
            try:
                return attempt()
            except QuotaExceeded as error:
                pause = next(pauses, None) if SLOT in error.message else None
                if pause is None:
                    raise
                time.sleep(pause)
            except (Unauthorized, Unavailable, Conflict) as error:
                failures += 1
                if failures == MAX_TRIES:
                    raise
                if isinstance(error, Unauthorized):
                    self._backend.renew()
                self._await_queued(image_id)

    def _await_queued(self, image_id: str) -> None:
        """Wait for the record to be queued again: after a broken body the service needs a moment."""
        for pause in (0.0, 0.2, 0.5, 1.0, 2.0, 5.0):
            time.sleep(pause)
            status = self._backend.images(image_id)[0].status
            if status not in (Status.SAVING, Status.UPLOADING):
                break
        if status is not Status.QUEUED:
            raise BackendError(f"image {image_id} is {status.value} after a broken upload", "run apply again")

    def _stream(
        self, create: Create, source: FileSource | UrlSource, image_id: str, progress: Progress, put: Put
    ) -> SourceStream:
        disk_format, container_format = _declared_formats(create)
        with open_source(
            source, create.fingerprint, disk_format=disk_format, container_format=container_format
        ) as stream:
            chunks = _watch(create, stream, progress)
            first = next(chunks, b"")  # if the first bytes are wrong, no upload begins
            put(image_id, chain((first,), chunks), stream.size)
        return stream

    def _verify_sent(self, create: Create, transfer: Transfer, image: LiveImage, stream: SourceStream) -> Arrived:
        """Compare what was verified while it was sent with what the service says it stored."""
        if image.status is not Status.ACTIVE:
            raise BackendError(f"image {image.id} is {image.status.value} after the upload", "run apply again")
        as_sent = image.size == stream.sent and _has_declared_formats(create, image)
        converted = transfer.method is Method.GLANCE_DIRECT and not as_sent
        if not converted:
            self._compare(image, stream)
        known = {item.algorithm: item for item in create.fingerprint.digests}
        if transfer.compression is Compression.NONE:
            # what the service computed beside the digest that was compared is of the same bytes
            found = stream.digests if converted else {**image.digests, **stream.digests}
            known = {name: Checksum(name, value) for name, value in found.items()} | known
        virtual_size = image.virtual_size or stream.virtual_size or 0
        return Arrived(image, _sort(known), stream.sent, virtual_size, converted)

    def _compare(self, image: LiveImage, stream: SourceStream) -> None:
        """Compare size and a digest of what the service stored with those of what was sent."""
        hint = "run apply again; where the service converts what it imports, declare method: glance-direct"
        if image.size != stream.sent:
            raise ChecksumMismatch(f"the service stored {image.size} bytes, we sent {stream.sent}", hint)
        theirs = image.digests
        if not theirs.keys() & stream.digests.keys():  # it uses an unusual algorithm: read the data back
            theirs = self._hash_stored(image.id, max(stream.digests, key=lambda name: HEX_LENGTHS[name]))
        for name in theirs.keys() & stream.digests.keys():
            if theirs[name] != stream.digests[name]:
                message = f"the service stored {name} {theirs[name]}, we sent {stream.digests[name]}"
                raise ChecksumMismatch(message, hint)

    def _hash_stored(self, image_id: str, algorithm: str) -> Mapping[str, str]:
        digest = hashlib.new(algorithm, usedforsecurity=False)
        for chunk in self._backend.download(image_id):
            digest.update(chunk)
        return {algorithm: digest.hexdigest()}

    def _verify_found(self, create: Create, source: FileSource | UrlSource, image: LiveImage) -> Arrived:
        """Verify an active image whose bytes were not read in this run: by the service's hash, or by a download."""
        declared, theirs = create.fingerprint.digests, image.digests
        as_published = source.transfer.compression is Compression.NONE
        converted = not _has_declared_formats(create, image)
        if converted and source.transfer.method is Method.WEB_DOWNLOAD and declared:
            message = f"the service made {image.disk_format} of what it fetched, which no declared digest can judge"
            raise ChecksumMismatch(message, "use method: glance-direct, which verifies before the service converts")
        known = {item.algorithm: item for item in declared}
        if as_published and not converted:
            if all(item.algorithm not in theirs for item in declared) and source.transfer.verify_download:
                self._read_back(create, image)
            for item in declared:
                _check_digest(item, theirs.get(item.algorithm, item.value))
            known = {name: Checksum(name, value) for name, value in theirs.items()} | known
        virtual_size = image.virtual_size or image.size or 0
        check_min_disk(create, virtual_size)
        return Arrived(image, _sort(known), 0, virtual_size, converted)

    def _read_back(self, create: Create, image: LiveImage) -> None:
        """Download what the service stored, hash and inspect it in one pass; a broken connection is retried."""
        disk_format, container_format = _declared_formats(create)
        for number in range(1, MAX_TRIES + 1):
            hashes = {
                item.algorithm: hashlib.new(item.algorithm, usedforsecurity=False)
                for item in create.fingerprint.digests
            }
            inspection = Inspection(disk_format, container_format)
            try:
                for chunk in self._backend.download(image.id):
                    inspection.feed(chunk)
                    for found in hashes.values():
                        found.update(chunk)
                break
            except Unavailable:
                if number == MAX_TRIES:
                    raise
        inspection.finish()
        check_not_disguised(disk_format, inspection.recognised)
        for item in create.fingerprint.digests:
            _check_digest(item, hashes[item.algorithm].hexdigest())


def check_min_disk(create: Create, needed: int) -> None:
    """Raise FormatMismatch if a declared min_disk is less than the ``needed`` bytes of the image's disk."""
    declared = create.state.fields.get("min_disk")
    if isinstance(declared, int) and declared and not create.min_disk_auto and needed > declared * GIB:
        message = f"min_disk is {declared} GB, but the image's virtual size is at least {needed} bytes"
        raise FormatMismatch(message, f"declare min_disk: {-(-needed // GIB)} or more, or auto")


def _watch(create: Create, stream: SourceStream, progress: Progress) -> Iterator[bytes]:
    """Yield the chunks and report progress; FormatMismatch as soon as the disk turns out larger than min_disk."""
    sent = 0
    for chunk in stream:
        check_min_disk(create, stream.virtual_size or 0)
        yield chunk
        sent += len(chunk)
        progress(sent, stream.size)


def _declared_formats(create: Create) -> tuple[str | None, str | None]:
    disk_format, container_format = (
        value if isinstance(value := create.state.fields.get(name), str) else None
        for name in ("disk_format", "container_format")
    )
    return disk_format, container_format


def _has_declared_formats(create: Create, image: LiveImage) -> bool:
    """Whether an image still has the formats it was created with: a service that converts changes them."""
    fields = create.state.fields
    return (image.disk_format, image.container_format) == (fields.get("disk_format"), fields.get("container_format"))


def _sort(known: Mapping[str, Checksum]) -> tuple[Checksum, ...]:
    return tuple(known[name] for name in sorted(known))


def _check_digest(item: Checksum, found: str) -> None:
    if found != item.value:
        message = f"the service stored {item.algorithm} {found}, not the declared {item.value}"
        raise ChecksumMismatch(message, "correct the checksum, or find out who changed the file")


def check_stored(backend: Backend, image: LiveImage, declared: Sequence[Checksum]) -> None:
    """Read the data of an image back; ChecksumMismatch if it has not the declared digests."""
    hashes = {item.algorithm: hashlib.new(item.algorithm, usedforsecurity=False) for item in declared}
    for chunk in backend.download(image.id):
        for found in hashes.values():
            found.update(chunk)
    for item in declared:
        _check_digest(item, hashes[item.algorithm].hexdigest())
