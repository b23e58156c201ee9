"""How a create's bytes get into the service: sent, staged and imported, or fetched by the service itself. Does I/O.

* upload, one store at most: PUT of the data, the store named in the request.
* upload, several stores: staged and imported into all of them at once where the service offers glance-direct. One
  passage of the bytes, nothing active before every store has it, and by default policy open to every member, while
  copy-image is for admins. Only where glance-direct is not offered: sent into the first store, then copied. Bytes that
  arrive other than they were sent are refused.
* glance-direct: staged and imported, whatever the service's plugins make of it. What is staged is verified as an upload
  is, before its last chunk. A service that unpacks or converts then stores other bytes, in another format or size; its
  own hash says nothing of ours, so it is not compared, the declared digest stays the identity of the content, and the
  record says ``converted``. Of the same format and size, the bytes must be the same.
* web-download: the service fetches the mirrors in order until one works. Nothing of it was seen here, so the record is
  marked ``unverified`` until the service's own hash, or reading the data back, has told what it is.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
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
from imagesync.model.fields import stores_wanted
from imagesync.model.image import Capabilities, LiveImage
from imagesync.model.plan import Create
from imagesync.sources import SourceStream, open_source

TRIES: Final = 3
SLOT: Final = "image_count_uploading"
"""The limit of a project that is free again once an upload has ended."""
SLOT_PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0, *[15.0] * 40)
"""Seconds between tries for a slot: ten minutes in all."""
GIB: Final = 2**30

Progress = Callable[[int, int | None], None]
Put = Callable[[str, Iterator[bytes], int | None], None]


@dataclass(frozen=True, slots=True)
class Arrived:
    """An image whose bytes are in the service and are the right ones.

    ``digests`` are of the published bytes, as far as they are known; ``sent`` counts the bytes that went from here;
    ``virtual_size`` in bytes; ``converted``: the service made another format of them.
    """

    image: LiveImage
    digests: tuple[Checksum, ...]
    sent: int = 0
    virtual_size: int = 0
    converted: bool = False


class Transfers:
    """Fills the records of one plan."""

    def __init__(self, backend: Backend, imports: Imports) -> None:
        self._backend, self._imports = backend, imports

    def fill(self, create: Create, image_id: str, progress: Progress) -> Arrived:
        """The data of a queued record in the service, active and verified; an import that is at work is waited for."""
        if not isinstance(create.source, FileSource | UrlSource):
            raise SourceError(f"{create.key} has no source to upload from", "declare one")
        if create.fill is not None:
            image = self._imports.settled(image_id)
            if image.status is Status.ACTIVE:
                return self._found(create, create.source, image)
        stream = self._moved(create, create.source, image_id, progress)
        image = self._backend.images(image_id)[0]
        if stream is None:
            return self._found(create, create.source, image)
        return self._sent_right(create, create.source.transfer, image, stream)

    def _moved(
        self, create: Create, source: FileSource | UrlSource, image_id: str, progress: Progress
    ) -> SourceStream | None:
        """The bytes on their way until the image is active; None where they did not come by here."""

        def streamed(put: Put) -> SourceStream:
            return self._again(image_id, lambda: self._streamed(create, source, image_id, progress, put))

        transfer = source.transfer
        match transfer.method:
            case Method.WEB_DOWNLOAD:
                self._fetched(source, image_id)
                return None
            case Method.GLANCE_DIRECT:
                return self._imported(image_id, transfer, streamed)
            case Method.UPLOAD:
                return self._uploaded(create, image_id, transfer, streamed)
            case _:
                assert_never(transfer.method)

    def _uploaded(
        self, create: Create, image_id: str, transfer: Transfer, streamed: Callable[[Put], SourceStream]
    ) -> SourceStream:
        chosen = bool(transfer.stores) or transfer.all_stores
        able = self._backend.capabilities() if chosen else Capabilities()
        wanted = stores_wanted(create, able)
        if len(wanted) > 1 and Method.GLANCE_DIRECT in able.import_methods:
            return self._imported(image_id, transfer, streamed)
        first = transfer.stores[0] if transfer.stores else None
        stream = streamed(lambda name, chunks, size: self._backend.upload(name, chunks, size, store=first))
        if len(wanted) > 1:
            self._imports.copy(image_id, sorted(wanted))
        return stream

    def _imported(self, image_id: str, transfer: Transfer, streamed: Callable[[Put], SourceStream]) -> SourceStream:
        stream = streamed(self._backend.stage)
        self._imports.run(image_id, Method.GLANCE_DIRECT, stores=transfer.stores, all_stores=transfer.all_stores)
        return stream

    def _fetched(self, source: FileSource | UrlSource, image_id: str) -> None:
        """The first mirror that works; the failure of the last one where none does."""
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

    def _again(self, image_id: str, attempt: Callable[[], SourceStream]) -> SourceStream:
        """The data sent. After an expired token or a broken connection the source is opened again.

        Conflict: the service may still be busy with the broken body when the next one comes. QuotaExceeded: where only
        so many uploads at once are allowed, one of the others will end.
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
                if failures == TRIES:
                    raise
                if isinstance(error, Unauthorized):
                    self._backend.renew()
                self._await_queued(image_id)

    def _await_queued(self, image_id: str) -> None:
        """After a broken body the service needs a moment to take the record back to queued."""
        for pause in (0.0, 0.2, 0.5, 1.0, 2.0, 5.0):
            time.sleep(pause)
            status = self._backend.images(image_id)[0].status
            if status not in (Status.SAVING, Status.UPLOADING):
                break
        if status is not Status.QUEUED:
            raise BackendError(f"image {image_id} is {status.value} after a broken upload", "run apply again")

    def _streamed(
        self, create: Create, source: FileSource | UrlSource, image_id: str, progress: Progress, put: Put
    ) -> SourceStream:
        disk_format, container_format = _formats(create)
        with open_source(
            source, create.fingerprint, disk_format=disk_format, container_format=container_format
        ) as stream:
            chunks = _watched(create, stream, progress)
            first = next(chunks, b"")  # what the first bytes tell to be wrong never begins an upload
            put(image_id, chain((first,), chunks), stream.size)
        return stream

    def _sent_right(self, create: Create, transfer: Transfer, image: LiveImage, stream: SourceStream) -> Arrived:
        """What was verified while it was sent, compared with what the service says that it stored."""
        if image.status is not Status.ACTIVE:
            raise BackendError(f"image {image.id} is {image.status.value} after the upload", "run apply again")
        as_sent = image.size == stream.sent and _formats_kept(create, image)
        converted = transfer.method is Method.GLANCE_DIRECT and not as_sent
        if not converted:
            self._compare(image, stream)
        known = {item.algorithm: item for item in create.fingerprint.digests}
        if transfer.compression is Compression.NONE:
            # what the service computed beside the digest that was compared is of the same bytes
            found = stream.digests if converted else {**image.digests, **stream.digests}
            known = {name: Checksum(name, value) for name, value in found.items()} | known
        virtual_size = image.virtual_size or stream.virtual_size or 0
        return Arrived(image, _sorted(known), stream.sent, virtual_size, converted)

    def _compare(self, image: LiveImage, stream: SourceStream) -> None:
        """Size and a digest of what the service stored against ours: it read what we sent."""
        hint = "run apply again; where the service converts what it imports, declare method: glance-direct"
        if image.size != stream.sent:
            raise ChecksumMismatch(f"the service stored {image.size} bytes, we sent {stream.sent}", hint)
        theirs = image.digests
        if not theirs.keys() & stream.digests.keys():  # it hashes by another algorithm than is usual: read it back
            theirs = self._hashed_back(image.id, max(stream.digests, key=lambda name: HEX_LENGTHS[name]))
        for name in theirs.keys() & stream.digests.keys():
            if theirs[name] != stream.digests[name]:
                message = f"the service stored {name} {theirs[name]}, we sent {stream.digests[name]}"
                raise ChecksumMismatch(message, hint)

    def _hashed_back(self, image_id: str, algorithm: str) -> Mapping[str, str]:
        digest = hashlib.new(algorithm, usedforsecurity=False)
        for chunk in self._backend.download(image_id):
            digest.update(chunk)
        return {algorithm: digest.hexdigest()}

    def _found(self, create: Create, source: FileSource | UrlSource, image: LiveImage) -> Arrived:
        """An active image whose bytes were not seen here (in this run): the service's hash judges it, or a download."""
        declared, theirs = create.fingerprint.digests, image.digests
        as_published = source.transfer.compression is Compression.NONE
        converted = not _formats_kept(create, image)
        if converted and source.transfer.method is Method.WEB_DOWNLOAD and declared:
            message = f"the service made {image.disk_format} of what it fetched, which no declared digest can judge"
            raise ChecksumMismatch(message, "use method: glance-direct, which verifies before the service converts")
        known = {item.algorithm: item for item in declared}
        if as_published and not converted:
            if all(item.algorithm not in theirs for item in declared) and source.transfer.verify_download:
                self._read_back(create, image)
            for item in declared:
                _expect(item, theirs.get(item.algorithm, item.value))
            known = {name: Checksum(name, value) for name, value in theirs.items()} | known
        virtual_size = image.virtual_size or image.size or 0
        check_min_disk(create, virtual_size)
        return Arrived(image, _sorted(known), 0, virtual_size, converted)

    def _read_back(self, create: Create, image: LiveImage) -> None:
        """What the service stored, hashed in one pass and looked at; a connection that breaks is tried again."""
        disk_format, container_format = _formats(create)
        for number in range(1, TRIES + 1):
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
                if number == TRIES:
                    raise
        inspection.virtual_size()
        check_not_disguised(disk_format, inspection.recognised)
        for item in create.fingerprint.digests:
            _expect(item, hashes[item.algorithm].hexdigest())


def check_min_disk(create: Create, needed: int) -> None:
    """FormatMismatch where a declared min_disk is less than the ``needed`` bytes of the image's disk."""
    declared = create.document.fields.get("min_disk")
    if isinstance(declared, int) and declared and not create.min_disk_auto and needed > declared * GIB:
        message = f"min_disk is {declared} GB, but the image's virtual size is at least {needed} bytes"
        raise FormatMismatch(message, f"declare min_disk: {-(-needed // GIB)} or more, or auto")


def _watched(create: Create, stream: SourceStream, progress: Progress) -> Iterator[bytes]:
    """The chunks, told of as they go; FormatMismatch as soon as the disk turns out larger than min_disk."""
    sent = 0
    for chunk in stream:
        check_min_disk(create, stream.virtual_size or 0)
        yield chunk
        sent += len(chunk)
        progress(sent, stream.size)


def _formats(create: Create) -> tuple[str | None, str | None]:
    disk_format, container_format = (
        value if isinstance(value := create.document.fields.get(name), str) else None
        for name in ("disk_format", "container_format")
    )
    return disk_format, container_format


def _formats_kept(create: Create, image: LiveImage) -> bool:
    """Whether the record still has the formats that it was made with: a service that converts changes them."""
    fields = create.document.fields
    return (image.disk_format, image.container_format) == (fields.get("disk_format"), fields.get("container_format"))


def _sorted(known: Mapping[str, Checksum]) -> tuple[Checksum, ...]:
    return tuple(known[name] for name in sorted(known))


def _expect(item: Checksum, found: str) -> None:
    if found != item.value:
        message = f"the service stored {item.algorithm} {found}, not the declared {item.value}"
        raise ChecksumMismatch(message, "correct the checksum, or find out who changed the file")
