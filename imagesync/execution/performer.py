"""One step -> the requests that carry it out. Does I/O through a backend and a source; decides nothing."""

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import assert_never
from uuid import uuid4

from imagesync.backends.base import Backend, UpdateFields
from imagesync.errors import BackendError, InUse, NotFound
from imagesync.execution.publisher import Publisher
from imagesync.execution.service_imports import Imports
from imagesync.execution.transfers import Transfers
from imagesync.execution.writes import Writes
from imagesync.model.catalog import Role, Status, Visibility
from imagesync.model.plan import Create, Deactivate, Delete, FieldChange, Plan, Reactivate, Reason, Step, Update
from imagesync.model.record import CATALOG, DIGEST, KEY, MANAGED, ROLE, SPEC, Record
from imagesync.model.references import resolve_references
from imagesync.model.report import Outcome, Performed

Progress = Callable[[int, int | None], None]
MARKS = (CATALOG, KEY, ROLE, DIGEST, SPEC, MANAGED)


class Performer:
    """Performs the steps of one plan; safe for threads. ``ids`` maps keys to image ids as they become known."""

    def __init__(
        self,
        backend: Backend,
        plan: Plan,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._backend, self._now = backend, now
        self._lock = threading.Lock()
        self.ids: dict[str, str] = dict(plan.ids)
        self._imports, self._writes = Imports(backend), Writes(backend)
        self._publisher = Publisher(
            backend, Transfers(backend, self._imports), self._writes, new_id=new_id, resolve=self.resolve
        )

    def resolve(self, text: str) -> str:
        """Return a property value with the ids of other images filled in."""
        with self._lock:
            return resolve_references(text, self.ids)

    def __call__(self, step: Step, progress: Progress) -> Performed:
        """Carry out one step; ImagesyncError says why it failed."""
        match step.action:
            case Create() as create:
                made, sent = self._publisher.publish(create, progress)
                with self._lock:
                    self.ids[create.key] = made
                return Performed(made, bytes_sent=sent)
            case Update() as update:
                self._update(update)
            case Deactivate(image_id=image_id):
                self._writes.change_status(image_id, Status.DEACTIVATED)
            case Reactivate(image_id=image_id):
                self._writes.change_status(image_id, Status.ACTIVE)
            case Delete() as delete:
                return self._delete(delete)
            case _:
                assert_never(step.action)
        return Performed(step.action.image_id)

    def _delete(self, delete: Delete) -> Performed:
        try:
            if delete.unprotect:
                self._writes.unprotect(delete.image_id)
            self._backend.delete_image(delete.image_id)
        except NotFound:
            pass
        except BackendError as error:
            self._protect_again(delete)
            if not isinstance(error, InUse):
                raise
            return Performed(delete.image_id, Outcome.DEFERRED, remark=f"in use, tried again next run: {error.message}")
        return Performed(delete.image_id)

    def _protect_again(self, delete: Delete) -> None:
        """Protect an image that could not be deleted, if it was protected before."""
        if delete.unprotect:
            with contextlib.suppress(NotFound):
                self._writes.update(delete.image_id, {"protected": True})

    def _update(self, update: Update) -> None:
        members = next((change for change in update.changes if change.path == ("members",)), None)
        stores = next((change for change in update.changes if change.path == ("stores",)), None)
        if stores:
            self._imports.wait_until_settled(update.image_id)  # a running copy would undo what is written meanwhile
        leaving = any(c.path == ("visibility",) and c.before == Visibility.SHARED.value for c in update.changes)
        if leaving or (members and not _is_made_shared(update)):
            self._change_members(update.image_id, members, everyone=leaving)
        self._writes.update(update.image_id, self._make_attrs(update, _drop_stores(update.record, stores)))
        if members and _is_made_shared(update):
            self._change_members(update.image_id, members, everyone=False)
        if stores:
            self._imports.copy(update.image_id, sorted(_names(stores, "after") - _names(stores, "before")))
            self._writes.update(update.image_id, self._make_attrs(replace(update, changes=()), update.record))

    def _change_members(self, image_id: str, change: FieldChange | None, *, everyone: bool) -> None:
        """Before an image stops being shared all members go: they could not be reached afterwards."""
        live = {member.project for member in self._backend.members(image_id)} if everyone else _names(change, "before")
        wanted = set() if everyone else _names(change, "after")
        for project in sorted(live - wanted):
            self._backend.remove_member(image_id, project)
        for project in sorted(wanted - live):
            self._backend.add_member(image_id, project)

    def _make_attrs(self, update: Update, record: Record | None) -> UpdateFields:
        attrs = make_update_fields(update.changes, self.resolve)
        marks: Mapping[str, str | None] = dict.fromkeys(MARKS)
        if record is not None:
            marks = self._date_retirement(record).properties()
        attrs["properties"] = {**attrs.get("properties", {}), **marks}
        return attrs

    def _date_retirement(self, record: Record) -> Record:
        if record.role is not Role.RETIRED or record.managed.retired is not None:
            return record
        return replace(record, managed=replace(record.managed, retired=self._now().isoformat(timespec="seconds")))


def _drop_stores(record: Record | None, change: FieldChange | None) -> Record | None:
    """The record until a copy has succeeded: what never was so must not look like drift afterwards."""
    if record is None or change is None or change.reason is Reason.DRIFT:
        return record
    fields = {name: value for name, value in record.managed.fields.items() if name != "stores"}
    return replace(record, managed=replace(record.managed, fields=fields))


def _is_made_shared(update: Update) -> bool:
    return any(c.path == ("visibility",) and c.after == Visibility.SHARED.value for c in update.changes)


def _names(change: FieldChange | None, side: str) -> set[str]:
    value = getattr(change, side) if change else ()
    return set(value) if isinstance(value, tuple) else set()


def make_update_fields(changes: tuple[FieldChange, ...], resolve: Callable[[str], str]) -> UpdateFields:
    """Return field changes as the arguments of ``update_image``; members and stores are changed by other requests."""
    attrs: dict[str, object] = {}
    properties: dict[str, str | None] = {}
    for change in changes:
        if change.path[0] == "properties":
            properties[change.path[1]] = resolve(change.after) if isinstance(change.after, str) else None
        elif change.path not in (("members",), ("stores",)):
            attrs[change.path[0]] = change.after
    if properties:
        attrs["properties"] = properties
    return attrs  # type: ignore[return-value]  # the planner makes only fields that update_image has
