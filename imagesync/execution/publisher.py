"""A ``Create`` -> a published image, staged so that nobody ever sees it unverified. Does I/O.

Record (hidden, private, role staging) -> may we publish? -> the data, by whichever way in, verified (``transfers``) ->
members and deactivation -> one PATCH that publishes. What fails before that leaves nothing behind, but for a record with
a pinned id, which stays queued: deleted, its id could never be used again.
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace

from imagesync.backends.base import Backend, CreateFields, UpdateFields
from imagesync.errors import (
    BackendError,
    Conflict,
    Forbidden,
    ImagesyncError,
    SourceError,
    Unavailable,
)
from imagesync.execution.transfers import GIB, Arrived, Transfers
from imagesync.model.catalog import Content, Method, Role, Status, Visibility
from imagesync.model.fields import transfer_of
from imagesync.model.image import LiveImage
from imagesync.model.plan import Create
from imagesync.model.record import Record

PUBLISHED = ("name", "visibility", "hidden", "protected", "min_disk", "min_ram")


class Publisher:
    """Makes images; ``resolved`` fills in references to other images' ids."""

    def __init__(
        self, backend: Backend, transfers: Transfers, new_id: Callable[[], str], resolved: Callable[[str], str]
    ) -> None:
        self._backend, self._new_id, self._resolved = backend, new_id, resolved
        self._transfers = transfers
        self._lock = threading.Lock()
        self._may_publish: bool | None = None

    def publish(self, create: Create, progress: Callable[[int, int | None], None]) -> tuple[str, int]:
        """The id of the published image, and the bytes that were sent."""
        if create.source is Content.NO_DATA:
            return self._record_only(create), 0
        image_id = create.fill or self._staged(create)
        try:
            self._check_right(create, image_id)
            arrived = self._transfers.fill(create, image_id, progress)
            self._finish(create, image_id, arrived)
        except (SourceError, Forbidden, BackendError):
            self._discard(create, image_id)
            raise
        return image_id, arrived.sent

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
        transfer = transfer_of(create)
        fetched = transfer is not None and transfer.method is Method.WEB_DOWNLOAD
        record = replace(create.record, role=Role.STAGING, nonce=self._new_id(), unverified=fetched)
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

    def _finish(self, create: Create, image_id: str, arrived: Arrived) -> None:
        record = replace(create.record, digests=arrived.digests, converted=arrived.converted)
        if create.stage:
            self._patched(arrived.image, {"properties": replace(record, role=Role.STAGING).properties()})
            return
        for project in create.document.members:
            self._backend.add_member(image_id, project)
        if create.document.fields.get("status") == Status.DEACTIVATED.value:
            self._backend.deactivate(image_id)
        fields = create.document.fields
        attrs: dict[str, object] = {name: fields[name] for name in PUBLISHED if name in fields}
        if create.min_disk_auto:
            attrs["min_disk"] = -(-arrived.virtual_size // GIB)
        attrs["properties"] = record.properties()
        self._patched(arrived.image, attrs)  # type: ignore[arg-type]  # names of PUBLISHED are fields of an update

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
