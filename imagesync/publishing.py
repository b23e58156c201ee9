"""A ``Create`` -> a published image, staged so that nobody ever sees it unverified. Does I/O.

Record (hidden, private, role staging) -> may we publish? -> data, verified while it streams -> the service's own hash and
size -> members and deactivation -> one PATCH that publishes. What fails before that leaves nothing behind, but for a
record with a pinned id, which stays queued: deleted, its id could never be used again.
"""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

from imagesync.backends.base import Backend, CreateFields, UpdateFields
from imagesync.errors import (
    BackendError,
    ChecksumMismatch,
    Conflict,
    Forbidden,
    FormatMismatch,
    ImagesyncError,
    SourceError,
    Unauthorized,
    Unavailable,
)
from imagesync.live import LiveImage
from imagesync.model import (
    HEX_LENGTHS,
    Checksum,
    Compression,
    Content,
    FileSource,
    Role,
    Status,
    UrlSource,
    Visibility,
)
from imagesync.plan import Create
from imagesync.record import Record
from imagesync.sources import SourceStream, open_source

TRIES = 3
GIB = 2**30
PUBLISHED = ("name", "visibility", "hidden", "protected", "min_disk", "min_ram")


class Publisher:
    """Makes images; ``resolved`` fills in references to other images' ids."""

    def __init__(self, backend: Backend, new_id: Callable[[], str], resolved: Callable[[str], str]) -> None:
        self._backend, self._new_id, self._resolved = backend, new_id, resolved
        self._lock = threading.Lock()
        self._may_publish: bool | None = None

    def publish(self, create: Create, progress: Callable[[int, int | None], None]) -> tuple[str, int]:
        """The id of the published image, and the bytes that were sent."""
        if create.source is Content.NO_DATA:
            return self._record_only(create), 0
        image_id = create.fill or self._staged(create)
        try:
            self._check_right(create, image_id)
            stream = self._filled(create, image_id, progress)
            self._finish(create, image_id, stream)
        except (SourceError, Forbidden, BackendError):
            self._discard(create, image_id)
            raise
        return image_id, stream.sent

    def _discard(self, create: Create, image_id: str) -> None:
        """Nothing half-made stays. Where the service cannot be reached, the next plan finds the staging record."""
        if create.image_id is None:
            with contextlib.suppress(ImagesyncError):
                self._backend.delete_image(image_id)

    def _attrs(self, create: Create, record: Record, image_id: str) -> CreateFields:
        fields = create.document.fields
        attrs: CreateFields = {
            "id": image_id,
            "hidden": True,
            "visibility": (
                Visibility.SHARED.value if create.document.members and not create.stage else Visibility.PRIVATE.value
            ),
            "tags": create.document.tags,
            "properties": {
                **{name: self._resolved(value) for name, value in create.document.properties.items()},
                **record.properties(),
            },
        }
        for name in ("disk_format", "container_format", "owner", "min_disk", "min_ram"):
            if isinstance(value := fields.get(name), str | int):
                attrs[name] = value
        return attrs

    def _staged(self, create: Create) -> str:
        image_id = create.image_id or self._new_id()
        record = replace(create.record, role=Role.STAGING, nonce=self._new_id())
        attrs = self._attrs(create, record, image_id)
        attrs["name"] = f"{create.key} (staging)"
        return self._posted(create, attrs).id

    def _posted(self, create: Create, attrs: CreateFields) -> LiveImage:
        try:
            return self._backend.create_image(**attrs)
        except Conflict as error:
            if create.image_id is None:
                raise
            hint = "choose another id, or leave id out"
            raise Conflict(f"the id {create.image_id} is taken or was given out before", hint) from error

    def _record_only(self, create: Create) -> str:
        attrs = self._attrs(create, create.record, create.image_id or self._new_id())
        for name in PUBLISHED:
            if (value := create.document.fields.get(name)) is not None:
                attrs[name] = value  # type: ignore[literal-required]  # names of PUBLISHED are fields of a create
        image_id = self._posted(create, attrs).id
        try:
            for project in create.document.members:
                self._backend.add_member(image_id, project)
        except BackendError:
            self._discard(create, image_id)
            raise
        return image_id

    def _check_right(self, create: Create, image_id: str) -> None:
        if create.document.fields.get("visibility") != Visibility.PUBLIC.value:
            return
        with self._lock:
            if self._may_publish is None:
                self._may_publish = self._backend.may_publish(image_id)
        if not self._may_publish:
            raise Forbidden(
                "this user may not make images public",
                "use visibility shared or community, or apply as a user whom the service's policy lets publish",
            )

    def _filled(self, create: Create, image_id: str, progress: Callable[[int, int | None], None]) -> SourceStream:
        """The data in the service, active. After an expired token or a broken connection the source is opened again.

        Conflict: the service may still be busy with the broken body when the next one comes.
        """
        for attempt in range(1, TRIES + 1):
            try:
                return self._uploaded(create, image_id, progress)
            except (Unauthorized, Unavailable, Conflict) as error:
                if attempt == TRIES:
                    raise
                if isinstance(error, Unauthorized):
                    self._backend.renew()
                self._await_queued(image_id)
        raise AssertionError("the last try returns or raises")

    def _await_queued(self, image_id: str) -> None:
        """After a broken upload the service needs a moment to take the record back to queued."""
        for pause in (0.0, 0.2, 0.5, 1.0, 2.0, 5.0):
            time.sleep(pause)
            status = self._backend.images(image_id)[0].status
            if status is not Status.SAVING:
                break
        if status is not Status.QUEUED:
            raise BackendError(f"image {image_id} is {status.value} after a broken upload", "run apply again")

    def _uploaded(self, create: Create, image_id: str, progress: Callable[[int, int | None], None]) -> SourceStream:
        if not isinstance(create.source, FileSource | UrlSource):
            raise SourceError(f"{create.key} has no source to upload from", "declare one")
        disk_format, container_format = (
            value if isinstance(value := create.document.fields.get(name), str) else None
            for name in ("disk_format", "container_format")
        )
        with open_source(
            create.source, create.fingerprint, disk_format=disk_format, container_format=container_format
        ) as stream:
            chunks = _watched(create, stream, progress)
            first = next(chunks, b"")  # what the first bytes tell to be wrong never begins an upload
            self._backend.upload(image_id, chain((first,), chunks), stream.size)
        return stream

    def _finish(self, create: Create, image_id: str, stream: SourceStream) -> None:
        image = self._backend.images(image_id)[0]
        self._compare(image, stream)
        if create.stage:
            record = replace(_final_record(create, stream, image), role=Role.STAGING)
            self._patched(image, {"properties": record.properties()})
            return
        for project in create.document.members:
            self._backend.add_member(image_id, project)
        if create.document.fields.get("status") == Status.DEACTIVATED.value:
            self._backend.deactivate(image_id)
        fields = create.document.fields
        attrs: dict[str, object] = {name: fields[name] for name in PUBLISHED if name in fields}
        if create.min_disk_auto:
            attrs["min_disk"] = -(-(image.virtual_size or stream.virtual_size or 0) // GIB)
        attrs["properties"] = _final_record(create, stream, image).properties()
        self._patched(image, attrs)  # type: ignore[arg-type]  # names of PUBLISHED are fields of an update

    def _patched(self, image: LiveImage, attrs: UpdateFields) -> None:
        """One PATCH of what is not there yet (each operation costs the service 10 ms), read back and mended."""
        image_id = image.id
        with contextlib.suppress(Unavailable):
            self._backend.update_image(image_id, **_unmet(image, attrs))
        for _ in range(2):
            found = self._backend.images(image_id)[0]
            lost = missing(found, attrs)
            if not lost:
                return
            self._backend.update_image(image_id, **_unmet(found, attrs))
        raise BackendError(f"image {image_id}: the service lost the change of {', '.join(lost)}", "run apply again")

    def _compare(self, image: LiveImage, stream: SourceStream) -> None:
        """Size and a digest of what the service stored against ours: it read what we sent."""
        if image.status is not Status.ACTIVE:
            raise BackendError(f"image {image.id} is {image.status.value} after the upload", "run apply again")
        if image.size != stream.sent:
            raise ChecksumMismatch(f"the service stored {image.size} bytes, we sent {stream.sent}", "run apply again")
        theirs = _stored_digests(image)
        if not theirs.keys() & stream.digests.keys():  # it hashes by another algorithm than is usual: read it back
            theirs = self._read_back(image.id, max(stream.digests, key=lambda name: len(stream.digests[name])))
        for name in theirs.keys() & stream.digests.keys():
            if theirs[name] != stream.digests[name]:
                message = f"the service stored {name} {theirs[name]}, we sent {stream.digests[name]}"
                raise ChecksumMismatch(message, "run apply again")

    def _read_back(self, image_id: str, algorithm: str) -> dict[str, str]:
        digest = hashlib.new(algorithm, usedforsecurity=False)
        for chunk in self._backend.download(image_id):
            digest.update(chunk)
        return {algorithm: digest.hexdigest()}


def _watched(create: Create, stream: SourceStream, progress: Callable[[int, int | None], None]) -> Iterator[bytes]:
    """The chunks, told of as they go; FormatMismatch as soon as the disk turns out larger than min_disk."""
    declared, sent = create.document.fields.get("min_disk"), 0
    for chunk in stream:
        needed = stream.virtual_size or 0
        if isinstance(declared, int) and declared and not create.min_disk_auto and needed > declared * GIB:
            message = f"min_disk is {declared} GB, but the image's virtual size is at least {needed} bytes"
            raise FormatMismatch(message, f"declare min_disk: {-(-needed // GIB)} or more, or auto")
        yield chunk
        sent += len(chunk)
        progress(sent, stream.size)


def _stored_digests(image: LiveImage) -> dict[str, str]:
    """What the service tells of the data, by hashlib's names."""
    told = {"md5": image.checksum, (image.os_hash_algo or "").lower(): image.os_hash_value}
    return {name: value for name, value in told.items() if name and value}


def _final_record(create: Create, stream: SourceStream, image: LiveImage) -> Record:
    """With every digest that is known now: of the published bytes, which for packed data are not the stored ones.

    Those that the service computed beside the one that was compared are of the same bytes.
    """
    known = {item.algorithm: item for item in create.fingerprint.digests}
    source = create.source
    if isinstance(source, FileSource | UrlSource) and source.transfer.compression is Compression.NONE:
        found = {name: value for name, value in _stored_digests(image).items() if name in HEX_LENGTHS} | stream.digests
        known = {name: Checksum(name, value) for name, value in found.items()} | known
    return replace(create.record, digests=tuple(known[name] for name in sorted(known)))


def _unmet(image: LiveImage, attrs: UpdateFields) -> UpdateFields:
    """What of an update the image does not have yet."""
    lacking = set(missing(image, attrs))
    fields: dict[str, object] = {name: value for name, value in attrs.items() if name in lacking}
    fields["properties"] = {name: value for name, value in attrs.get("properties", {}).items() if name in lacking}
    return fields  # type: ignore[return-value]  # a part of an update


def missing(image: LiveImage, attrs: UpdateFields) -> list[str]:
    """Names of the fields and properties that an image does not have as they were written."""
    fields: dict[str, object] = dict(attrs)
    properties = attrs.get("properties", {})
    fields.pop("properties", None)
    tags = fields.pop("tags", None)
    lost = [name for name, value in fields.items() if _plain(getattr(image, name)) != value]
    lost += [name for name, value in properties.items() if image.properties.get(name) != value]
    return lost + (["tags"] if tags is not None and set(attrs["tags"]) != image.tags else [])


def _plain(value: object) -> object:
    return str(value) if isinstance(value, str) else value
