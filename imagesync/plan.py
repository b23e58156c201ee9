"""The plan as a value: steps over a closed union of actions, with reasons, order and what it relied on. No I/O.

Everything that apply does is in here, so that a plan can be shown, saved, compared and refused; the planner makes it,
renderers show it, the executor walks it, the performer interprets its actions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from imagesync.live import Identity
from imagesync.model import Content, Fingerprint, KnownContent, Source
from imagesync.record import Record

Value: TypeAlias = str | int | bool | tuple[str, ...] | None


class Reason(StrEnum):
    """Why a step or a change is there."""

    NEW = "new"
    MANIFEST_CHANGED = "manifest-changed"
    DRIFT = "drift"
    CONTENT_CHANGED = "content-changed"
    CONTENT_TAMPERED = "content-tampered"
    REMOVED = "removed"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    INCOMPLETE = "incomplete"
    ADOPT = "adopt"
    EXPIRED = "expired"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field from ``before`` to ``after``: None is "not there".

    ``path`` is ``("min_ram",)``, ``("properties", "hw_disk_bus")``, ``("tags",)`` or ``("members",)``: a tuple because
    property names may hold dots. Tags and members are sorted tuples: the whole set before and after.
    """

    path: tuple[str, ...]
    before: Value
    after: Value
    reason: Reason = Reason.MANIFEST_CHANGED


@dataclass(frozen=True, slots=True)
class Document:
    """The managed state of one image in canonical form: what is compared, and what a create ends with.

    ``fields`` holds the service's own fields by model name (name, visibility, hidden, protected, min_disk, min_ram,
    disk_format, container_format, owner, status) as plain str, int, bool; only those that are managed.
    """

    fields: Mapping[str, Value] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Create:
    """A new image, staged, filled, verified and then published as ``document`` says.

    ``image_id`` is the id pinned by the manifest; ``fill`` the id of a queued staging record to use instead of a new
    one. ``replaces`` are the ids that this build supersedes (retired by steps of their own). ``min_disk_auto``: min_disk
    comes from the virtual size in the data's header.
    """

    key: str
    document: Document
    source: Source
    fingerprint: Fingerprint
    record: Record
    image_id: str | None = None
    fill: str | None = None
    replaces: tuple[str, ...] = ()
    min_disk_auto: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """One PATCH of one image (and its member changes): every change together with the new record.

    ``record`` None takes our mark off the image: it is disowned.
    """

    key: str
    image_id: str
    changes: tuple[FieldChange, ...]
    record: Record | None


@dataclass(frozen=True, slots=True)
class Deactivate:
    """The data of an image can no longer be downloaded or booted from."""

    key: str
    image_id: str


@dataclass(frozen=True, slots=True)
class Reactivate:
    """A deactivated image can be used again."""

    key: str
    image_id: str


@dataclass(frozen=True, slots=True)
class Delete:
    """An image goes for good; ``unprotect`` takes its protection off first. ``size`` in bytes, freed."""

    key: str
    image_id: str
    size: int | None = None
    unprotect: bool = False


Action: TypeAlias = Create | Update | Deactivate | Reactivate | Delete


@dataclass(frozen=True, slots=True)
class Step:
    """An action, why it is done, and the ids of the steps that must be done before it."""

    id: str
    action: Action
    reason: Reason
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reliance:
    """The values of a live image that the plan relied on: fields by path text (``properties.hw_disk_bus``)."""

    image_id: str
    key: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Plan:
    """What apply will do, in topological order.

    ``absent`` are keys that had no current image, ``ids`` the current image of each key, ``wanted`` and ``owned`` count
    keys, ``removed`` and ``changed`` name the keys that policy counts, ``notes`` are sentences a reader must see.
    ``base`` is the manifest's folder, ``target_name`` the target it was resolved for.
    """

    catalog: str
    target: Identity
    steps: tuple[Step, ...] = ()
    relies: tuple[Reliance, ...] = ()
    absent: tuple[str, ...] = ()
    ids: Mapping[str, str] = field(default_factory=dict)
    wanted: int = 0
    owned: int = 0
    unchanged: int = 0
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    manifest_digest: str = ""
    base: str = ""
    target_name: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of a plan as people count: a create that supersedes an image is one replacement."""

    create: int = 0
    update: int = 0
    replace: int = 0
    deactivate: int = 0
    reactivate: int = 0
    delete: int = 0
    unchanged: int = 0
    upload: int | None = 0


def summarize(plan: Plan) -> Summary:
    """Counts of the plan; ``upload`` in bytes, None where a size is unknown. Retirements count as their replacement."""
    creates = [step.action for step in plan.steps if isinstance(step.action, Create)]
    sizes = [create.fingerprint.size for create in creates if not isinstance(create.source, Content | KnownContent)]
    plain = [step.action for step in plan.steps if step.reason is not Reason.SUPERSEDED]
    return Summary(
        create=sum(not create.replaces for create in creates),
        update=sum(isinstance(action, Update) for action in plain),
        replace=sum(bool(create.replaces) for create in creates),
        deactivate=sum(isinstance(action, Deactivate) for action in plain),
        reactivate=sum(isinstance(action, Reactivate) for action in plain),
        delete=sum(isinstance(action, Delete) for action in plain),
        unchanged=plan.unchanged,
        upload=None if None in sizes else sum(size for size in sizes if size is not None),
    )
