"""A step of a plan -> the requests that carry it out. Does I/O through a backend and a source; makes no decisions."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import assert_never
from uuid import uuid4

from imagesync.backends.base import Backend, UpdateFields
from imagesync.execution.deletions import Deletions, Outcomes, Waiting
from imagesync.execution.publisher import Publisher
from imagesync.execution.service_imports import Imports
from imagesync.execution.transfers import Transfers
from imagesync.execution.verification import Verifier
from imagesync.execution.writes import Writes
from imagesync.model.catalog import Role, Status, Visibility
from imagesync.model.plan import (
    Create,
    Deactivate,
    Delete,
    FieldChange,
    Plan,
    Reactivate,
    Reason,
    Step,
    Update,
    is_promotion,
)
from imagesync.model.record import Record
from imagesync.model.references import resolve_references
from imagesync.model.report import Advance, Performed
from imagesync.sources import OpenSource, SourceAccess, open_source


class Performer:
    """Performs the steps of one plan; safe for threads.

    ``ids`` maps keys to image ids, with each new image. ``writes`` knows each image as the run left it. ``check_lease``
    raises if this run must no longer write. ``access``: the rules for requests to sources; ``opener`` opens them.
    ``is_stopped`` returns whether the run was canceled: then transfers are interrupted, and short steps finish.
    """

    def __init__(
        self,
        backend: Backend,
        plan: Plan,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], str] = lambda: str(uuid4()),
        check_lease: Callable[[], None] = lambda: None,
        access: SourceAccess | None = None,
        is_stopped: Callable[[], bool] = lambda: False,
        opener: OpenSource = open_source,
    ) -> None:
        self._backend, self._plan, self._now = backend, plan, now
        self._lock = threading.Lock()
        self.ids: dict[str, str] = dict(plan.ids)
        self._imports = Imports(backend, is_stopped=is_stopped)
        self.writes = Writes(backend, plan.relies, check_lease=check_lease)
        self._publisher = Publisher(
            backend,
            Transfers(backend, self._imports, access, is_stopped, opener=opener),
            self.writes,
            new_id=new_id,
            resolve=self.resolve,
            public_keys=_find_public_keys(plan),
        )

    def resolve(self, text: str) -> str:
        """Return a property value in which the ids of other images replace the references."""
        with self._lock:
            return resolve_references(text, self.ids)

    def __call__(self, step: Step, advance: Advance) -> Performed:
        """Carry out one step other than ``Delete``. ImagesyncError if it failed, RunStopped if it was interrupted."""
        match step.action:
            case Create() as create:
                made, sent = self._publisher.publish(create, advance)
                with self._lock:
                    self.ids[create.key] = made
                return Performed(made, bytes_sent=sent)
            case Update() as update:
                if is_promotion(step):
                    self._publisher.check_right(update.key, update.image_id)
                self._update(update, step.reason)
            case Deactivate(image_id=image_id):
                self.writes.change_status(image_id, Status.DEACTIVATED)
            case Reactivate(image_id=image_id):
                self.writes.change_status(image_id, Status.ACTIVE)
            case Delete():
                raise AssertionError("images are deleted together, after all other steps")
            case _:
                assert_never(step.action)
        return Performed(step.action.image_id)

    def delete(self, deletes: Sequence[Delete], jobs: int, waiting: Waiting) -> Outcomes:
        """Delete images, ``jobs`` at a time; return the outcome of each by image id."""
        ids = {delete.image_id for delete in deletes}
        owners = {str(item.values.get("owner") or "") for item in self._plan.relies if item.image_id in ids}
        project = self._backend.identity().project_id
        deletions = Deletions(self._backend, self.writes, self._plan.catalog, sorted({project, *owners}), jobs)
        return deletions.delete(deletes, waiting)

    def _update(self, update: Update, reason: Reason) -> None:
        members = next((change for change in update.changes if change.path == ("members",)), None)
        stores = next((change for change in update.changes if change.path == ("stores",)), None)
        if stores:
            self._imports.wait_until_settled(update.image_id)  # at its end, a running copy would undo this update
        image = self.writes.read_unchanged(update.image_id)
        if update.record is None:
            self.writes.disown(image)
            return
        if update.record.role is Role.RETIRED and reason is not Reason.MOVED:
            self._check_successor(update)
        if update.verify:
            verifier = Verifier(self._backend)
            verifier.check_stored(image, update.verify, image.disk_format, image.container_format)
            image = self.writes.read_unchanged(update.image_id)
        leaving = any(c.path == ("visibility",) and c.before == Visibility.SHARED.value for c in update.changes)
        if removed := self._find_leaving_members(update.image_id, members, everyone=leaving):
            self.writes.change_members(update.image_id, removed, ())
            image = self.writes.read_unchanged(update.image_id)  # no guard stops the requests that change members
        image = self.writes.update(image, self._make_attrs(update, _drop_stores(update.record, stores)))
        # the record names the members: it is written first, so a run that dies in between leaves no unknown member
        self.writes.change_members(update.image_id, (), _names(members, "after") - _names(members, "before"))
        if stores:
            self._imports.copy(update.image_id, sorted(_names(stores, "after") - _names(stores, "before")))
            copied = self.writes.read_unchanged(update.image_id)
            self.writes.update(copied, self._make_attrs(replace(update, changes=()), update.record))

    def _check_successor(self, update: Update) -> None:
        """Conflict unless the new build, which replaces the old one, is as the plan or this run left it."""
        successor = self.ids.get(update.key)
        if successor not in (None, update.image_id):
            self.writes.read_unchanged(successor)

    def _find_leaving_members(self, image_id: str, change: FieldChange | None, *, everyone: bool) -> set[str]:
        """The members to remove before the update; ``everyone`` if the image stops being shared.

        The service cannot remove members of an image that is not shared.
        """
        if everyone:
            return {member.project for member in self._backend.members(image_id)}
        return _names(change, "before") - _names(change, "after")

    def _make_attrs(self, update: Update, record: Record) -> UpdateFields:
        attrs = make_update_fields(update.changes, self.resolve)
        marks = self._date_retirement(record).properties(update.image_id)
        attrs["properties"] = {**attrs.get("properties", {}), **marks}
        return attrs

    def _date_retirement(self, record: Record) -> Record:
        if record.role is not Role.RETIRED or record.managed.retired is not None:
            return record
        return replace(record, managed=replace(record.managed, retired=self._now().isoformat(timespec="seconds")))


def _find_public_keys(plan: Plan) -> frozenset[str]:
    """Keys whose old build becomes public when it retires."""
    updates = [
        step.action
        for step in plan.steps
        if isinstance(step.action, Update) and step.action.record and step.action.record.role is Role.RETIRED
    ]
    return frozenset(
        update.key
        for update in updates
        if any(change.path == ("visibility",) and change.after == Visibility.PUBLIC.value for change in update.changes)
    )


def _drop_stores(record: Record, change: FieldChange | None) -> Record:
    """The record without ``stores``, until the copy succeeds: a failed copy must not look like drift later."""
    if change is None or change.reason is Reason.DRIFT:
        return record
    fields = {name: value for name, value in record.managed.fields.items() if name != "stores"}
    return replace(record, managed=replace(record.managed, fields=fields))


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
