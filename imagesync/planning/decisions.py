"""One declared image and its generations -> the decision on its key: keep, promote, make, leave or refuse. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from imagesync.model.catalog import ImageSpec, OnExpire, Role, Status
from imagesync.model.image import LiveImage
from imagesync.model.plan import Reason
from imagesync.model.policy import Policy, Publish
from imagesync.model.record import Managed, Record, hash_value
from imagesync.planning.generations import (
    Generations,
    Holds,
    Owned,
    compare_content,
    has_other_size,
    is_as_recorded,
    is_unjudged,
    settle_digests,
)
from imagesync.planning.stores import find_resumable
from imagesync.planning.three_way import (
    find_wanted_status,
    wanted_digest,
)
from imagesync.planning.trust import Trust, is_made_visible, judge


@dataclass(frozen=True, slots=True)
class Keep:
    """The current image has the declared content: at most its fields change. ``adopted``: this run adopts it."""

    owned: Owned
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Promote:
    """A verified staged build, or an earlier build, becomes the current image without an upload."""

    owned: Owned
    reason: Reason


@dataclass(frozen=True, slots=True)
class Make:
    """A new image is made; ``fill`` is the id of a queued image record that receives the data.

    ``may_hold``: ids of images that may hold the same bytes; only the source can show it.
    """

    reason: Reason
    fill: str | None = None
    may_hold: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refuse:
    """The key cannot be planned: ``sentence`` says why and what to do."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Leave:
    """The key is left as it is; ``sentence`` says why and what to do. Its staged images in ``staged`` stay.

    ``rejected``: these hold the declared build, and an operator deactivated one of them.
    """

    sentence: str
    staged: tuple[Owned, ...] = ()
    rejected: bool = False


Decision: TypeAlias = Keep | Promote | Make | Refuse | Leave


def decide(
    spec: ImageSpec,
    generations: Generations,
    adopted: LiveImage | None,
    catalog: str,
    policy: Policy,
    *,
    project: str,
    lapsed: bool = False,
) -> Decision:
    """The decision on one key.

    ``adopted`` is the foreign image that the key adopts, if any. ``project`` is the session's project. ``lapsed``: the
    key has expired, and ``spec`` is already hidden or deactivated by ``on_expire``.
    """

    def can_judge(owned: Owned) -> bool:
        return judge(spec, owned, project, None) is not Trust.NOTHING

    wanted = [owned for owned in generations.current if is_wanted_build(spec, owned)]
    kept = [owned for owned in wanted if can_judge(owned) or not is_made_visible(spec, owned.image)]
    if kept:
        return Keep(min(kept, key=lambda owned: is_made_visible(spec, owned.image)))  # a visible one first
    if rejected := _find_rejected(spec, generations, lapsed=lapsed):
        return Leave(_explain_rejection(spec, generations, rejected), _find_staged(spec, generations), rejected=True)
    if adopted is not None:
        owned = adopt_image(spec, adopted, catalog)
        if is_wanted_build(spec, owned) and not has_other_size(spec, adopted) and can_judge(owned):
            return Keep(owned, adopted=True)
    if (found := _find_promotable(spec, generations, policy, can_judge)) is not None:
        return found
    if adopted is not None:
        passed_over = pass_over_content(spec, adopted, catalog)
        return _make_if_allowed(spec, replace(generations, current=(passed_over,)), Reason.CONTENT_CHANGED, policy)
    reason = Reason.UNVERIFIED if wanted else _find_reason(spec, generations)
    may_hold = tuple(owned.id for owned in _find_comparable(spec, generations, policy, project))
    return _make_if_allowed(spec, generations, reason, policy, may_hold)


def _find_promotable(
    spec: ImageSpec, generations: Generations, policy: Policy, can_judge: Callable[[Owned], bool]
) -> Promote | None:
    """A verified staged build, or else an earlier build, that holds the declared content and can be current."""
    for owned in reversed(generations.verified):
        fits = is_wanted_build(spec, owned) and is_as_recorded(spec, owned) and can_judge(owned)
        if fits and not is_unjudged(spec, owned):
            return Promote(owned, Reason.STAGED)
    for owned in generations.last_retired_first:
        if is_usable(spec, owned, reactivate=policy.reactivate) and is_wanted_build(spec, owned) and can_judge(owned):
            return Promote(owned, Reason.ROLLBACK)
    return None


def _find_comparable(spec: ImageSpec, generations: Generations, policy: Policy, project: str) -> Iterator[Owned]:
    """Images that could be current, for which no known digest shows whether they hold the declared content.

    Images in another project are left out: their owner can forge the record.
    """
    usable = (owned for owned in generations.last_retired_first if is_usable(spec, owned, reactivate=policy.reactivate))
    for owned in (*reversed(generations.current), *reversed(generations.verified), *usable):
        is_fit = (
            spec.id in (None, owned.id) and owned.image.is_in_project(project) and not has_other_size(spec, owned.image)
        )
        if is_fit and _has_same_formats(spec, owned) and compare_content(spec, owned) is Holds.UNKNOWN:
            yield owned


def adopt_image(spec: ImageSpec, image: LiveImage, catalog: str) -> Owned:
    """A foreign image as an owned one. Its digest is only declared, unless the service's own hash confirms it."""
    record = Record(
        catalog, spec.key, Role.CURRENT, url=spec.url_identity, managed=Managed(), declared=spec.fingerprint.digests
    )
    taken = Owned(image, record)
    return replace(taken, record=settle_digests(spec, taken))


def pass_over_content(spec: ImageSpec, image: LiveImage, catalog: str) -> Owned:
    """A foreign image that has other content than its key declares: only the service's own digests of it are known."""
    taken = adopt_image(spec, image, catalog)
    return replace(taken, record=replace(taken.record, declared=(), url=None))


def _is_as_wanted(spec: ImageSpec, owned: Owned, *, lapsed: bool) -> bool:
    """Whether a staged build has the status that imagesync gave it; if not, an operator deactivated (rejected) it.

    imagesync deactivates a build before it publishes it as deactivated, and an interrupted run may leave it so. If
    ``on_expire`` asks for the deactivation, the image's own record must show that imagesync did it.
    """
    if owned.image.status is Status.ACTIVE:
        return True
    if lapsed and spec.on_expire is OnExpire.DEACTIVATE:
        return owned.record.managed.fields.get("status") == hash_value(Status.DEACTIVATED.value)
    return find_wanted_status(spec, owned.record.managed) is Status.DEACTIVATED


def is_tampered(spec: ImageSpec, generations: Generations) -> bool:
    """Whether the data of the current image differs from what imagesync published."""
    return bool(generations.current) and compare_content(spec, generations.current[-1]) is Holds.TAMPERED


def _find_staged(spec: ImageSpec, generations: Generations) -> tuple[Owned, ...]:
    """The verified staged images that hold the declared build."""
    return tuple(owned for owned in generations.verified if is_wanted_build(spec, owned))


def _find_rejected(spec: ImageSpec, generations: Generations, *, lapsed: bool) -> tuple[Owned, ...]:
    """The staged images of the declared build that an operator deactivated: rejected candidates."""
    return tuple(owned for owned in _find_staged(spec, generations) if not _is_as_wanted(spec, owned, lapsed=lapsed))


def _explain_rejection(spec: ImageSpec, generations: Generations, rejected: Sequence[Owned]) -> str:
    """Why the declared build is not published, and what to do."""
    ids = [owned.id for owned in rejected]
    stays = "; the current image stays as it is" if generations.current else ""
    stays += ", although its data is not what imagesync published" if is_tampered(spec, generations) else ""
    activate = " && ".join(f"openstack image set --activate {image_id}" for image_id in ids)
    return (
        f"{spec.key}: candidate {', '.join(ids)} was deactivated, so its build is rejected and not published{stays}; "
        f"to publish it: {activate}, then apply; to drop it: imagesync apply PATH --discard-staged {spec.key}; "
        "or declare another build"
    )


def is_usable(spec: ImageSpec, owned: Owned, *, reactivate: bool) -> bool:
    """Whether a retired build can be current again; not one that another user deactivated, unless it is reactivated."""
    if owned.image.status is Status.DEACTIVATED:
        return reactivate or find_wanted_status(spec, owned.record.managed) is not None
    return owned.image.status is Status.ACTIVE


def is_wanted_build(spec: ImageSpec, owned: Owned) -> bool:
    """Whether an image has the declared content, formats and, if one is pinned, id."""
    return compare_content(spec, owned) is Holds.SAME and _has_same_formats(spec, owned) and spec.id in (None, owned.id)


def _has_same_formats(spec: ImageSpec, owned: Owned) -> bool:
    """Whether an image has the declared formats: once data is uploaded the service never changes them.

    If the service converted the image, the formats that imagesync sent count.
    """
    image, made_with = owned.image, owned.record.managed.fields
    if image.status is Status.QUEUED:
        return True
    pairs = (("disk_format", spec.disk_format), ("container_format", spec.container_format))
    return all(
        wanted in (None, getattr(image, name))
        or spec.is_ignored(name)
        or (owned.record.converted and made_with.get(name) == hash_value(wanted))
        for name, wanted in pairs
    )


def _find_reason(spec: ImageSpec, generations: Generations) -> Reason:
    """The reason of a new build, provided that no existing image holds its bytes."""
    if not generations.current:
        return Reason.INCOMPLETE if generations.staging else Reason.NEW
    match compare_content(spec, generations.current[-1]):
        case Holds.TAMPERED:
            return Reason.CONTENT_TAMPERED
        case Holds.MISSING:
            return Reason.INCOMPLETE
        case Holds.CHANGED | Holds.UNKNOWN:
            return Reason.CONTENT_CHANGED
        case Holds.SAME:
            return Reason.MANIFEST_CHANGED


def _make_if_allowed(
    spec: ImageSpec, generations: Generations, reason: Reason, policy: Policy, may_hold: tuple[str, ...] = ()
) -> Decision:
    """``Make``; or ``Leave`` if only staged builds may be published. A tampered build was published before: remake it."""
    found = _make(spec, generations, reason, may_hold)
    is_free = policy.publish is Publish.ANY or not spec.has_data or reason is Reason.CONTENT_TAMPERED
    if is_free or not isinstance(found, Make):
        return found
    why, ways = "the declared build is not staged yet", "to stage it"
    if found.may_hold:
        why = f"it is unknown whether image {found.may_hold[0]} holds the declared build"
        ways = "to compare them, and to stage the build if it differs"
    sentence = (
        f"{spec.key}: {why}, and policy.publish is staged-only, so it is not published; "
        f"{ways}: imagesync apply PATH --stage"
    )
    left = {found.fill, *found.may_hold}
    return Leave(sentence, tuple(owned for owned in generations.staging if owned.id in left))


def _make(spec: ImageSpec, generations: Generations, reason: Reason, may_hold: tuple[str, ...]) -> Decision:
    where = f"images.{spec.key}"
    if not spec.has_data and not spec.is_record_only:
        return Refuse(
            f"{where}: {_explain_missing_source(generations)}; declare a source, or adopt an image that has the content"
        )
    if spec.has_data and not (spec.disk_format and spec.container_format):
        return Refuse(f"{where}: an upload needs disk_format and container_format; declare both")
    if (left := find_resumable(spec, wanted_digest(spec), generations.staging)) is not None:
        return Make(Reason.INCOMPLETE, fill=left.id)
    if may_hold and reason not in (Reason.CONTENT_TAMPERED, Reason.UNVERIFIED):
        return Make(Reason.CONTENT_UNKNOWN, may_hold=may_hold)
    pinned = next((owned for owned in generations.every if owned.id == spec.id), None)
    if pinned is None:
        return Make(reason)
    is_fillable = pinned.image.status is Status.QUEUED and pinned.record.role is not Role.DELETING
    if is_fillable and (spec.has_data or pinned.record.role is Role.STAGING):
        return Make(Reason.INCOMPLETE, fill=pinned.id)
    return Refuse(
        f"{where}: the pinned id {pinned.id} already has an image ({pinned.image.status.value}), and the service never uses "
        "an id for a second image; choose another id, or remove id"
    )


def _explain_missing_source(generations: Generations) -> str:
    if generations.current:
        return f"image {generations.current[-1].id} does not have the declared content and format"
    return "no image exists, and no source is declared to make one from"
