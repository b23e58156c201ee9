"""A ``Create`` -> a published image, staged first: users never see it unverified. Does I/O.

The steps: create the record (hidden, private, role staging); check that this user may publish; transfer and verify the
data (``transfers``); set members and status; publish with one PATCH. A failure before that PATCH deletes the record. A
record with a pinned id is kept, because a deleted id can never be used again. After that PATCH was sent, nothing is
deleted, because users may see the image.
"""

import contextlib
import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final

from imagesync.backends.base import Backend, CreateFields, UpdateFields
from imagesync.errors import BackendError, Conflict, Forbidden, ImagesyncError, RunStopped, SourceError
from imagesync.execution.transfers import Transfers
from imagesync.execution.verification import Arrived
from imagesync.execution.writes import Writes, check_status
from imagesync.formats import GIB
from imagesync.model.catalog import Content, Role, Status, Visibility
from imagesync.model.image import LiveImage
from imagesync.model.plan import Create
from imagesync.model.record import ID, ROLE, Record, Revision, is_bound
from imagesync.model.report import Advance

PUBLISHED: Final[tuple[str, ...]] = ("name", "visibility", "hidden", "protected", "min_disk", "min_ram")
"""Fields that are set only when the image is published."""


class Publisher:
    """Creates images; ``resolve`` replaces references by the ids of other images.

    ``public_keys``: keys whose old build a later step makes public.
    """

    def __init__(
        self,
        backend: Backend,
        transfers: Transfers,
        writes: Writes,
        *,
        new_id: Callable[[], str],
        resolve: Callable[[str], str],
        public_keys: Collection[str] = (),
    ) -> None:
        self._backend, self._transfers, self._writes = backend, transfers, writes
        self._new_id, self._resolve, self._public_keys = new_id, resolve, public_keys
        self._lock = threading.Lock()
        self._can_publish: bool | None = None

    def publish(self, create: Create, advance: Advance) -> tuple[str, int]:
        """Return the id of the published image, and the number of bytes that imagesync sent.

        RunStopped if the transfer was interrupted.
        """
        image_id = create.fill or self._stage(create).id
        if create.fill is not None:
            self._check_record(self._writes.read(create.fill))
        try:
            is_public = create.state.fields.get("visibility") == Visibility.PUBLIC.value
            self.check_right(create.key, image_id, is_public=is_public)
            arrived = self._prepare(create, self._fill(create, image_id, advance))
        except (SourceError, BackendError):
            self._discard(create, image_id)
            raise
        except RunStopped:
            self._discard(create, image_id, keep_importing=True)
            raise
        if not create.stage:
            self._make_visible(create, arrived)
        return image_id, arrived.sent

    def _fill(self, create: Create, image_id: str, advance: Advance) -> Arrived:
        if create.source is not Content.NO_DATA:
            return self._transfers.fill(create, image_id, advance)
        image = self._writes.find_left(image_id) or self._writes.read(image_id)
        return Arrived(image, create.record.digests, declared=create.record.declared)

    def _make_visible(self, create: Create, arrived: Arrived) -> None:
        """Send the PATCH that publishes.

        After a failure the image is not deleted. Users may see it even if a read still shows the staging record: the
        answer may be lost, or the read may come from a replica that lags. The next plan finds a published build, or a
        verified candidate, which it publishes without an upload.
        """
        ignored = ("status",) if _is_deactivated(create) else ()
        image = self._writes.update(arrived.image, _make_published_fields(create, arrived), ignored=ignored)
        if ignored:
            check_status(image, Status.DEACTIVATED)

    def _discard(self, create: Create, image_id: str, *, keep_importing: bool = False) -> None:
        """Delete a record that was not published, unless its id is pinned.

        It is kept if the service cannot show it: users may see it already, and the next plan finds it. It is also kept
        if another user changed it, because the catalog may no longer own it. With ``keep_importing`` a record with a
        running import is kept for the next run.

        A record with data first gets the role ``deleting``: no other run then publishes it before the DELETE arrives.
        A record without data is not marked: no run publishes it, and the end of a failed upload could undo the mark.
        """
        if create.image_id is not None:
            return
        with contextlib.suppress(ImagesyncError):
            image = self._writes.read(image_id)
            if keep_importing and image.importing:
                return
            self._check_record(image)
            if is_bound(image) and _is_staging_record(image):
                if image.status in (Status.ACTIVE, Status.DEACTIVATED):
                    self._writes.update(image, {"properties": {ROLE: Role.DELETING.value}})
                with self._writes.note_unanswered():
                    self._backend.delete_image(image_id)
                self._writes.forget(image_id)

    def _make_attrs(self, create: Create, record: Record, image_id: str) -> CreateFields:
        fields = create.state.fields
        attrs: CreateFields = {
            "id": image_id,
            "hidden": True,
            "visibility": (
                Visibility.SHARED.value if create.state.members and not create.stage else Visibility.PRIVATE.value
            ),
            "tags": create.state.tags,
            "properties": {
                **{name: self._resolve(value) for name, value in create.state.properties.items()},
                **record.properties(image_id),
                Revision(1, self._writes.nonce).name: self._writes.nonce,
            },
        }
        for name in ("disk_format", "container_format", "owner", "min_disk", "min_ram"):
            if isinstance(value := fields.get(name), str | int):
                attrs[name] = value
        return attrs

    def _stage(self, create: Create) -> LiveImage:
        image_id = create.image_id or self._new_id()
        transfer = create.source.transfer
        fetched = transfer is not None and not transfer.is_sent
        record = replace(create.record, role=Role.STAGING, nonce=self._new_id(), unverified=fetched)
        attrs = self._make_attrs(create, record, image_id)
        attrs["name"] = f"{create.key} (staging)"
        return self._post(create, attrs)

    def _post(self, create: Create, attrs: CreateFields) -> LiveImage:
        """Create the record. If the service chose another id, write that id into the record."""
        try:
            image = self._writes.leave(self._backend.create_image(**attrs))
            return image if is_bound(image) else self._writes.update(image, {"properties": {ID: image.id}})
        except Conflict as error:
            if create.image_id is None:
                raise
            hint = "choose another id, or remove id from the manifest"
            raise Conflict(f"the id {create.image_id} is in use or was used before", hint) from error

    def _add_members(self, create: Create, image_id: str) -> None:
        self._writes.change_members(image_id, removed=(), added=create.state.members)

    def check_right(self, key: str, image_id: str, *, is_public: bool = False) -> None:
        """Forbidden if this user may not make images public, and the new or the old build is to become public."""
        if not is_public and key not in self._public_keys:
            return
        with self._lock:
            if self._can_publish is None:
                self._can_publish = self._backend.can_publish(image_id)
        if not self._can_publish:
            where = "visibility" if is_public else "on_replace.set.visibility"
            raise Forbidden(
                f"this user may not make images public, which {where} requires",
                "use shared or community, or apply as a user who may publish images (role admin by default)",
            )

    def _prepare(self, create: Create, arrived: Arrived) -> Arrived:
        """Do everything that comes before the PATCH that publishes; for a candidate, write its final record.

        Return the image as it is afterwards: no guard stops the requests that change members and status.
        """
        image = arrived.image
        self._check_record(image)
        if create.stage:
            record = replace(_make_final_record(create, arrived), role=Role.STAGING)
            self._writes.update(image, {"properties": record.properties(image.id)})
            return arrived
        self._add_members(create, image.id)
        if _is_deactivated(create):
            self._writes.check_lease()
            with self._writes.note_unanswered():
                self._backend.deactivate(image.id)
        if create.state.members or _is_deactivated(create):
            found = self._writes.read(image.id)
            self._check_record(found)
            image = found if _is_deactivated(create) else replace(found, status=image.status)
        return replace(arrived, image=image)

    def _check_record(self, image: LiveImage) -> None:
        """Conflict if another user changed the staging record; its status may differ, because data may have arrived."""
        self._writes.check_unchanged(image, ("status",))
        if (left := self._writes.find_left(image.id)) is not None:
            self._writes.leave(replace(left, status=image.status))


def _make_published_fields(create: Create, arrived: Arrived) -> UpdateFields:
    """The update that publishes a staged image."""
    fields = create.state.fields
    attrs: dict[str, object] = {name: fields[name] for name in PUBLISHED if name in fields}
    if create.min_disk_auto:
        attrs["min_disk"] = -(-arrived.virtual_size // GIB)
    attrs["properties"] = _make_final_record(create, arrived).properties(arrived.image.id)
    return attrs  # type: ignore[return-value]  # names of PUBLISHED are fields of an update


def _make_final_record(create: Create, arrived: Arrived) -> Record:
    return replace(create.record, digests=arrived.digests, declared=arrived.declared, converted=arrived.converted)


def _is_deactivated(create: Create) -> bool:
    return create.state.fields.get("status") == Status.DEACTIVATED.value


def _is_staging_record(image: LiveImage) -> bool:
    """Whether an image has no effect of the PATCH that publishes; the service can save a part of an update."""
    visible = not image.hidden or image.visibility in (Visibility.PUBLIC, Visibility.COMMUNITY)
    return image.properties.get(ROLE) == Role.STAGING.value and not visible
