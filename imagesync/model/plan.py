"""The plan as a value: steps with one action each, their reasons and order, and the live values it relied on. No I/O.

A plan contains everything that apply does, so it can be shown, saved, compared and refused. The planner makes it,
renderers show it, the executor orders its steps, the performer carries out their actions.
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
    """The reason of a step or of a change.

    ``superseded``: another build replaces the image, or more builds exist than ``keep`` allows. ``outdated``: the time
    ``delete_after`` is over. ``staged``: a verified candidate is published. ``discarded``: a candidate is deleted.
    ``deleting``: an earlier run began to delete the image. ``moved``: the image gets a new key. ``unverified``: the
    content of an image in another project is not verified. ``content-unknown``: no known digest of an image of this key
    can be compared with the declared ones. The source is then hashed before anything is sent, and an image with the same
    bytes is used.
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
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """The change of one field from ``before`` to ``after``; None means "not set".

    ``path`` is ``("min_ram",)``, ``("properties", "hw_disk_bus")``, ``("tags",)``, ``("members",)`` or ``("stores",)``:
    a tuple, because property names may have dots. The values of the last three are sorted tuples: the whole set.
    """

    path: tuple[str, ...]
    before: Value
    after: Value
    reason: Reason = Reason.MANIFEST_CHANGED


@dataclass(frozen=True, slots=True)
class ImageState:
    """The managed state of one image in canonical form, for comparisons and as the result of a create.

    ``fields`` has the managed fields of the service by model name (name, visibility, hidden, protected, min_disk,
    min_ram, disk_format, container_format, owner, status) as plain str, int, bool.
    """

    fields: Mapping[str, Value] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Create:
    """A new image: staged, filled, verified and then published with ``state``.

    ``image_id``: the id that the manifest pins. ``fill``: the id of a queued staging record to use instead of a new
    one. ``replaces``: the ids that this build supersedes (other steps retire them). ``min_disk_auto``: min_disk comes
    from the virtual size in the data's header. ``stage``: the image stays a candidate and is not published.
    ``changes``: the differences from the newest image that it supersedes, except its content. ``may_hold``: ids of
    images of the key that may hold the same bytes, the current one first. The source is hashed before anything is sent,
    and if one of them holds the bytes, it is used instead of a new image.
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
        """Whether fetched data must be downloaded: the service's usual hashes cannot verify the declared digest."""
        transfer, digest = self.source.transfer, self.fingerprint.strongest
        if transfer is None or transfer.is_sent or not transfer.verify or digest is None:
            return False
        return digest.algorithm not in SERVICE_HASHES


@dataclass(frozen=True, slots=True)
class Update:
    """One PATCH of one image (and its member changes): every change together with the new record.

    ``record`` None removes the marker: the image is released. ``verify``: digests that the downloaded data must have
    before anything is written.
    """

    key: str
    image_id: str
    changes: tuple[FieldChange, ...]
    record: Record | None
    verify: tuple[Checksum, ...] = ()


@dataclass(frozen=True, slots=True)
class Deactivate:
    """Deactivate an image: its data can no longer be downloaded or booted."""

    key: str
    image_id: str


@dataclass(frozen=True, slots=True)
class Reactivate:
    """Reactivate a deactivated image: it can be used again."""

    key: str
    image_id: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an image permanently; ``unprotect`` removes its protection first. ``size``: the bytes that this frees."""

    key: str
    image_id: str
    size: int | None = None
    unprotect: bool = False


Action: TypeAlias = Create | Update | Deactivate | Reactivate | Delete


@dataclass(frozen=True, slots=True)
class Step:
    """An action, its reason, and the ids of the steps that must be done before it."""

    id: str
    action: Action
    reason: Reason
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reliance:
    """The values of a live image that the plan relied on, by path (``properties.hw_disk_bus``)."""

    image_id: str
    key: str
    values: Mapping[str, Value]


class Kind(StrEnum):
    """The purpose of a plan: apply the manifest, stage candidates, discard candidates, or roll back one key."""

    APPLY = "apply"
    STAGE = "stage"
    DISCARD = "discard"
    ROLLBACK = "rollback"


class Fate(StrEnum):
    """What happens to a candidate.

    ``published``, ``dropped``: by this plan. ``waiting``, ``unwanted``: the next whole plan publishes or deletes it.
    ``rejected``: an operator deactivated a candidate of this build; it stays unpublished while the build is declared.
    """

    PUBLISHED = "published"
    DROPPED = "dropped"
    WAITING = "waiting"
    UNWANTED = "unwanted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A verified build that is not published yet; ``created``: its creation time as the service reports it."""

    key: str
    image_id: str
    created: str
    fate: Fate


@dataclass(frozen=True, slots=True)
class Kept:
    """A superseded image that is kept: without a time limit, until a day, or because it is protected.

    ``keep`` and ``days`` come from ``on_replace`` (``days``: delete_after). ``until``: the ISO day on which an already
    retired image is deleted. If this plan retires the image (``retires``), the days count from its retirement.
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
    """The reason why a key has no steps: its source cannot be used. ``problem`` has the place in the manifest."""

    key: str
    problem: Diagnostic


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that apply will do; ``steps`` are in topological order.

    ``absent``: keys without a current image. ``ids``: the current image of each key. ``wanted``, ``owned``: numbers of
    declared and of owned keys. ``removed``, ``changed``: the keys that the limits of the policy count. ``notes``:
    sentences for the reader. ``base``: the manifest's folder. ``target_name``: the target of the manifest. ``kept``:
    the superseded images that are kept. ``candidates``: the verified builds that are not published yet. ``owners``: the
    project of each key whose images belong to another project than the session's. ``expires``: the ISO day on which an
    image expires, by key. ``errors``: keys without steps because of an error; with any, the run fails even if all steps
    are done. ``places``: ``FILE:LINE:COLUMN`` of each declared key, for messages; a saved plan has none. ``moved``: the
    new key of each former key whose images this plan takes over. ``follow_up``: what the user must change in the manifest
    after a rollback; a saved plan has none, because it is never a rollback.

    ``copies``: ids of images with a copied record. They change with the snapshots of users, so two plans that differ
    only in them are equal. ``made``: the ISO time of a plan with a step that is due by a day or an age, by the latest
    clock; empty for other plans. No other field depends on a clock: two plans of the same state are equal.
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
    moved: Mapping[str, str] = field(default_factory=dict)
    follow_up: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of a plan as users see them: a create that supersedes an image counts as one replacement.

    So does the publication of a candidate or of an earlier build that replaces another one. ``move`` counts keys.
    """

    move: int = 0
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
    """The counts of a plan; ``upload`` in bytes, None if a size is unknown. A retirement is part of its replacement."""
    creates = [step.action for step in plan.steps if isinstance(step.action, Create)]
    sizes = [create.fingerprint.size for create in creates if (way := create.source.transfer) and way.is_sent]
    published = [create for create in creates if not create.stage]
    promoted = {step.action.key for step in plan.steps if is_promotion(step)}
    retired = {step.action.key for step in plan.steps if _is_retirement(step)}
    replaced = {create.key for create in published if create.replaces} | (promoted & retired)
    moves = {step.action.key for step in plan.steps if step.reason is Reason.MOVED}
    listed = [step for step in plan.steps if step.reason is not Reason.MOVED]
    others = [step.action for step in listed if not (is_promotion(step) or _is_beside(step, replaced))]
    return Summary(
        move=len(moves),
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


def read_declared_formats(create: Create) -> tuple[str | None, str | None]:
    """Return the declared disk_format and container_format; None for one that is not declared."""
    disk_format, container_format = (
        value if isinstance(value := create.state.fields.get(name), str) else None
        for name in ("disk_format", "container_format")
    )
    return disk_format, container_format


def find_image_id(action: Action) -> str | None:
    """The live image that an action writes to; None for a create that makes a new record."""
    return action.fill if isinstance(action, Create) else action.image_id


def is_promotion(step: Step) -> bool:
    """Whether a step publishes an existing image: a candidate, or an earlier build."""
    return step.reason in (Reason.STAGED, Reason.ROLLBACK) and not isinstance(step.action, Create)
