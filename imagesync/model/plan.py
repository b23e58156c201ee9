"""The plan as a value: steps over a closed union of actions, with reasons, order and what it relied on. No I/O.

Everything that apply does is in here: a plan can be shown, saved, compared and refused; the planner makes it, renderers
show it, the executor walks it, the performer interprets its actions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from imagesync.errors import Diagnostic
from imagesync.model.catalog import SERVICE_HASHES, Checksum, Fingerprint, Source
from imagesync.model.image import Identity
from imagesync.model.record import Record

Value: TypeAlias = str | int | bool | tuple[str, ...] | None


class Reason(StrEnum):
    """Why a step or a change is there.

    ``superseded``: another build took its place, or more are kept than ``keep`` allows; ``outdated``: kept as long as
    ``delete_after`` says. ``staged``: a verified candidate is published; ``discarded``: one is dropped. ``deleting``: an
    earlier run began to delete it. ``unverified``: nothing shows what an image in another project holds.
    ``content-unknown``: no digest that is known of an image of this key can be compared with the declared ones; before
    anything is sent the source is hashed, and where it has the bytes of that image, it is used.
    """

    NEW = "new"
    MANIFEST_CHANGED = "manifest-changed"
    DRIFT = "drift"
    CONTENT_CHANGED = "content-changed"
    CONTENT_UNKNOWN = "content-unknown"
    CONTENT_TAMPERED = "content-tampered"
    REMOVED = "removed"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    INCOMPLETE = "incomplete"
    ADOPT = "adopt"
    EXPIRED = "expired"
    ROLLBACK = "rollback"
    STAGED = "staged"
    DISCARDED = "discarded"
    OUTDATED = "outdated"
    DELETING = "deleting"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field from ``before`` to ``after``: None is "not there".

    ``path`` is ``("min_ram",)``, ``("properties", "hw_disk_bus")``, ``("tags",)``, ``("members",)`` or ``("stores",)``: a
    tuple because property names may hold dots. The last three are sorted tuples: the whole set before and after.
    """

    path: tuple[str, ...]
    before: Value
    after: Value
    reason: Reason = Reason.MANIFEST_CHANGED


@dataclass(frozen=True, slots=True)
class ImageState:
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
    """A new image, staged, filled, verified and then published as ``state`` says.

    ``image_id`` is the id pinned by the manifest; ``fill`` the id of a queued staging record to use instead of a new
    one. ``replaces`` are the ids that this build supersedes (retired by steps of their own). ``min_disk_auto``: min_disk
    comes from the virtual size in the data's header. ``stage``: it is not published but left as a candidate.
    ``changes``: how the published image differs from the newest of those that it supersedes, its content apart.
    ``may_hold`` are ids of images of the key that may hold the same bytes, the current one first: the source is hashed
    before anything is sent, and if one of them does, it is used and nothing is made.
    """

    key: str
    state: ImageState
    source: Source
    fingerprint: Fingerprint
    record: Record
    image_id: str | None = None
    fill: str | None = None
    replaces: tuple[str, ...] = ()
    min_disk_auto: bool = False
    stage: bool = False
    may_hold: tuple[str, ...] = ()
    changes: tuple[FieldChange, ...] = ()

    @property
    def is_read_back(self) -> bool:
        """Whether what the service fetches is to be read back, because its usual hashes do not judge the digest."""
        transfer, digest = self.source.transfer, self.fingerprint.strongest
        if transfer is None or transfer.is_sent or not transfer.verify or digest is None:
            return False
        return digest.algorithm not in SERVICE_HASHES


@dataclass(frozen=True, slots=True)
class Update:
    """One PATCH of one image (and its member changes): every change together with the new record.

    ``record`` None takes our mark off the image: it is disowned. ``verify``: digests that the data must have when it is
    read back, before anything is written.
    """

    key: str
    image_id: str
    changes: tuple[FieldChange, ...]
    record: Record | None
    verify: tuple[Checksum, ...] = ()


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
    """An image is deleted permanently; ``unprotect`` removes its protection first. ``size`` in bytes, freed."""

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


class Kind(StrEnum):
    """What a plan is for: the whole manifest, new builds as candidates only, dropping candidates, one key back."""

    APPLY = "apply"
    STAGE = "stage"
    DISCARD = "discard"
    ROLLBACK = "rollback"


class Fate(StrEnum):
    """The fate of a candidate: published or dropped by this plan, or by the next whole one, or rejected.

    ``rejected``: an operator deactivated a candidate of this build; it stays, unpublished, as long as the build is
    declared.
    """

    PUBLISHED = "published"
    DROPPED = "dropped"
    WAITING = "waiting"
    UNWANTED = "unwanted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A verified build that is not published yet; ``created`` as the service says (its age is for the reader's clock)."""

    key: str
    image_id: str
    created: str
    fate: Fate


@dataclass(frozen=True, slots=True)
class Kept:
    """A superseded image that stays: without limit, until a day, or because it is protected.

    ``keep`` and ``days`` are those of ``on_replace`` (``days``: delete_after). ``until`` is the ISO day on which an
    image that is retired already is deleted; for one that this plan retires (``retires``) the days count from then.
    """

    key: str
    image_id: str
    keep: int
    days: int | None = None
    until: str | None = None
    retires: bool = False
    protected: bool = False


@dataclass(frozen=True, slots=True)
class PlanError:
    """Why a key has no steps: its source is known to be unusable. ``problem`` has the place in the manifest."""

    key: str
    problem: Diagnostic


@dataclass(frozen=True, slots=True)
class Plan:
    """What apply will do, in topological order.

    ``absent`` are keys that had no current image, ``ids`` the current image of each key, ``wanted`` and ``owned`` count
    keys, ``removed`` and ``changed`` name the keys that policy counts, ``notes`` are sentences a reader must see.
    ``base`` is the manifest's folder, ``target_name`` the target it was resolved for. ``kept`` are the superseded
    images that stay, ``candidates`` the verified builds that are not published yet. ``owners`` are the projects, by
    key, of all keys that belong to another one than the session's. ``copies`` are ids of images that carry a copied
    record: they change with the snapshots of users, and two plans that differ only in them are equal. ``expires``: the
    ISO day on which each wanted image expires that does. ``errors`` are of keys for which nothing is done: the run
    fails although all steps are done. ``made``: the ISO time, by the clock that is last, of a plan with a step that is
    due by its day or age; empty for all others. No other field depends on a clock: two plans of the same state are
    equal. ``places``: ``FILE:LINE:COLUMN`` of each wanted key, for messages; a saved plan has none.
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
    kind: Kind = Kind.APPLY
    kept: tuple[Kept, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    copies: tuple[str, ...] = field(default=(), compare=False)
    expires: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[PlanError, ...] = ()
    made: str = field(default="", compare=False)
    places: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of a plan as people count: a create that supersedes an image is one replacement.

    So is a candidate or an earlier build that is published in the place of another.
    """

    create: int = 0
    update: int = 0
    replace: int = 0
    deactivate: int = 0
    reactivate: int = 0
    delete: int = 0
    stage: int = 0
    unchanged: int = 0
    upload: int | None = 0


def summarize(plan: Plan) -> Summary:
    """Counts of the plan; ``upload`` in bytes, None where a size is unknown. Retirements count as their replacement."""
    creates = [step.action for step in plan.steps if isinstance(step.action, Create)]
    sizes = [create.fingerprint.size for create in creates if (way := create.source.transfer) and way.is_sent]
    published = [create for create in creates if not create.stage]
    promoted = {step.action.key for step in plan.steps if is_promotion(step)}
    retired = {step.action.key for step in plan.steps if _is_retirement(step)}
    replaced = {create.key for create in published if create.replaces} | (promoted & retired)
    others = [step.action for step in plan.steps if not (is_promotion(step) or _is_beside(step, replaced))]
    return Summary(
        create=sum(not create.replaces for create in published) + len(promoted - retired),
        update=sum(isinstance(action, Update) for action in others),
        replace=len(replaced),
        deactivate=sum(isinstance(action, Deactivate) for action in others),
        reactivate=sum(isinstance(action, Reactivate) for action in others),
        delete=sum(isinstance(action, Delete) for action in others),
        stage=sum(create.stage for create in creates),
        unchanged=plan.unchanged,
        upload=None if None in sizes else sum(size for size in sizes if size is not None),
    )


def _is_retirement(step: Step) -> bool:
    return step.reason is Reason.SUPERSEDED and isinstance(step.action, Update)


def _is_beside(step: Step, replaced: set[str]) -> bool:
    """Whether a step belongs to a replacement and is counted with it."""
    return step.reason is Reason.SUPERSEDED and (step.action.key in replaced or not isinstance(step.action, Delete))


def find_image_id(action: Action) -> str | None:
    """The live image that an action writes to; None for a create that makes a record of its own."""
    return action.fill if isinstance(action, Create) else action.image_id


def is_promotion(step: Step) -> bool:
    """Whether a step is part of publishing an image that is there already: a candidate, or an earlier build."""
    return step.reason in (Reason.STAGED, Reason.ROLLBACK) and not isinstance(step.action, Create)
