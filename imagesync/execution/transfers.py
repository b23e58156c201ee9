"""A ``Create`` -> its bytes in the service: uploaded, staged and imported, or fetched by the service. Does I/O.

* upload, at most one store: a PUT of the data; the request names the store.
* upload, several stores: if the service offers glance-direct, the data is staged and imported into all stores at once.
  The bytes are sent once, and the image becomes active only when every store has them. By default policy every project
  member may do this, while copy-image is for admins. Without glance-direct the data is uploaded into the first store,
  then copied. The stored bytes must be the sent ones.
* glance-direct: the data is staged and imported; plugins of the service may unpack or convert it. The staged data is
  verified like an upload, before its last chunk. If the service then stores another format or size, its own hash is not
  comparable: the declared digest stays the identity of the content, and the record has ``converted``. With the same
  format and size, the stored bytes must be the sent ones.
* web-download: the service fetches from the mirrors in order until one works. imagesync does not see the bytes, so the
  record has ``unverified`` until the service's own hash, or else a download of the data, verifies them. With ``verify:
  none`` nothing is downloaded; a digest that the service's hash cannot verify is recorded as declared.
"""

import logging
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final, assert_never

from imagesync.backends.base import Backend
from imagesync.errors import (
    BackendError,
    Conflict,
    QuotaExceeded,
    RunStopped,
    SourceError,
    Unauthorized,
    Unavailable,
)
from imagesync.execution.service_imports import Imports
from imagesync.execution.verification import Arrived, Verifier, check_min_disk
from imagesync.model.catalog import FileSource, Method, Status, Transfer, UrlSource
from imagesync.model.image import Capabilities
from imagesync.model.plan import Create, read_declared_formats
from imagesync.model.report import Advance, Transferred
from imagesync.sources import OpenSource, SourceAccess, SpoolEnded, VerifiedStream, open_source

log = logging.getLogger(__name__)

MAX_TRIES: Final = 3
SLOT: Final = "image_count_uploading"
"""The service's name for the limit of simultaneous uploads."""
SLOT_PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0, *[15.0] * 40)
"""Seconds between tries while that limit is reached: ten minutes in all."""

Put = Callable[[str, Iterator[bytes], int | None], None]


class Transfers:
    """Fills the staging records of one plan with data. ``opener`` opens its sources."""

    def __init__(
        self,
        backend: Backend,
        imports: Imports,
        access: SourceAccess | None = None,
        is_stopped: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], None] = time.sleep,
        opener: OpenSource = open_source,
    ) -> None:
        self._backend, self._imports, self._sleep = backend, imports, sleep
        self._access, self._is_stopped, self._opener = access or SourceAccess(), is_stopped, opener
        self._verifier = Verifier(backend, self._check_stopped)

    def fill(self, create: Create, image_id: str, advance: Advance) -> Arrived:
        """Fill a queued record until it is active and verified. A running import is waited for."""
        if not isinstance(create.source, FileSource | UrlSource):
            raise SourceError(f"{create.key} has no source to upload from", "declare source in the manifest")
        if create.fill is not None:
            image = self._imports.wait_until_settled(image_id)
            if image.status is Status.ACTIVE:
                return self._verifier.verify_found(create, create.source, image)
        stream = self._move(create, create.source, image_id, advance)
        image = self._backend.images(image_id)[0]
        if stream is None:
            return self._verifier.verify_found(create, create.source, image)
        return self._verifier.verify_sent(create, create.source.transfer, image, stream)

    def _move(
        self, create: Create, source: FileSource | UrlSource, image_id: str, advance: Advance
    ) -> VerifiedStream | None:
        """Transfer the bytes until the image is active; return None if imagesync did not read them."""

        def send(put: Put) -> VerifiedStream:
            return self._retry(image_id, lambda: self._stream(create, source, image_id, advance, put))

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

    def _upload(self, image_id: str, transfer: Transfer, send: Callable[[Put], VerifiedStream]) -> VerifiedStream:
        chosen = bool(transfer.stores) or transfer.all_stores
        able = self._backend.capabilities() if chosen else Capabilities()
        wanted = transfer.select_stores(able.stores)
        if len(wanted) > 1 and Method.GLANCE_DIRECT in able.import_methods:
            return self._import_staged(image_id, transfer, send)
        first = transfer.stores[0] if transfer.stores else None
        stream = send(lambda name, chunks, size: self._backend.upload(name, chunks, size, store=first))
        if len(wanted) > 1:
            self._imports.copy(image_id, sorted(wanted))
        return stream

    def _import_staged(
        self, image_id: str, transfer: Transfer, send: Callable[[Put], VerifiedStream]
    ) -> VerifiedStream:
        stream = send(self._backend.stage)
        self._imports.run(image_id, Method.GLANCE_DIRECT, stores=transfer.stores, all_stores=transfer.all_stores)
        return stream

    def _fetch(self, source: FileSource | UrlSource, image_id: str) -> None:
        """Make the service fetch from the first mirror that works; if none does, raise the failure of the last one."""
        if not isinstance(source, UrlSource):
            raise SourceError(
                f"the service cannot fetch the local file {source.display}", "declare url, or another method"
            )
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
                raise BackendError(f"{index} mirrors failed; the last one: {error.message}", error.hint) from error

    def _retry(self, image_id: str, attempt: Callable[[], VerifiedStream]) -> VerifiedStream:
        """Send the data. After an expired token or a broken connection, open the source and send it again.

        Conflict is retried too: the service may still process the interrupted body when the next one arrives. If the
        limit of simultaneous uploads is reached, wait until another upload ends. The end of a stream that targets share
        does not count as a failure, because the next stream is of this target alone.
        """
        failures, pauses = 0, iter(SLOT_PAUSES)
        while True:
            self._check_stopped()
            try:
                return attempt()
            except QuotaExceeded as error:
                pause = next(pauses, None) if SLOT in error.message else None
                if pause is None:
                    raise
                self._sleep(pause)
            except SpoolEnded as ended:
                log.info("image %s: %s; reading the source again", image_id, ended.message)
                self._await_queued(image_id)
            except (Unauthorized, Unavailable, Conflict) as error:
                failures += 1
                if failures == MAX_TRIES:
                    raise
                log.info("image %s: %s; sending the data again", image_id, error.message)
                if isinstance(error, Unauthorized):
                    self._backend.renew()
                self._await_queued(image_id)

    def _await_queued(self, image_id: str) -> None:
        """Wait until the record is queued again: after an interrupted body the service needs a moment."""
        for pause in (0.0, 0.2, 0.5, 1.0, 2.0, 5.0):
            self._sleep(pause)
            status = self._backend.images(image_id)[0].status
            if status not in (Status.SAVING, Status.UPLOADING):
                break
        if status is not Status.QUEUED:
            raise BackendError(f"image {image_id} is {status.value} after an interrupted upload", "run apply again")

    def _stream(
        self, create: Create, source: FileSource | UrlSource, image_id: str, advance: Advance, put: Put
    ) -> VerifiedStream:
        disk_format, container_format = read_declared_formats(create)
        with self._opener(
            source,
            create.fingerprint,
            disk_format=disk_format,
            container_format=container_format,
            access=self._access,
            check=self._check_stopped,
        ) as stream:
            chunks = self._watch(create, stream, advance)
            first = next(chunks, b"")  # wrong first bytes must not start an upload
            put(image_id, chain((first,), chunks), stream.size)
        return stream

    def _watch(self, create: Create, stream: VerifiedStream, advance: Advance) -> Iterator[bytes]:
        """Yield the chunks and report progress; FormatMismatch as soon as the disk is larger than min_disk."""
        sent = 0
        for chunk in stream:
            self._check_stopped()
            check_min_disk(create, stream.virtual_size or 0)
            yield chunk
            sent += len(chunk)
            advance(Transferred(sent, stream.size, stream.read, stream.published_size))

    def _check_stopped(self) -> None:
        if self._is_stopped():
            raise RunStopped
