"""One wanted image and its generations -> what becomes of the key: keep, promote or make. Pure."""

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
    """The current image has the wanted content: at most its fields change. ``adopted``: it is adopted now."""

    owned: Owned
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Promote:
    """A verified staged build, or an earlier one, becomes the current image without moving a byte."""

    owned: Owned
    reason: Reason


@dataclass(frozen=True, slots=True)
class Make:
    """A new image is uploaded; ``fill`` is a queued record with the pinned id that waits for its data.

    ``may_hold``: images that may hold the same bytes, which only reading the source can show.
    """

    reason: Reason
    fill: str | None = None
    may_hold: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refuse:
    """The key cannot be planned: one sentence says why and what to do."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Leave:
    """The key is left as it is; ``sentence`` says why and what to do. Of its staged images ``staged`` stay.

    ``rejected``: they hold the declared build, and an operator deactivated one of them.
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
    """What becomes of one key.

    ``project`` is the session's; ``lapsed``: ``on_expire`` has hidden or deactivated what is wanted of it.
    """

    def can_judge(owned: Owned) -> bool:
        return judge(spec, owned, project, None) is not Trust.NOTHING

    wanted = [owned for owned in generations.current if is_wanted_build(spec, owned)]
    kept = [owned for owned in wanted if can_judge(owned) or not is_made_visible(spec, owned.image)]
    if kept:
        return Keep(min(kept, key=lambda owned: is_made_visible(spec, owned.image)))  # what users see already, first
    if rejected := _find_rejected(spec, generations, lapsed=lapsed):
        return Leave(_explain_rejection(spec, generations, rejected), _find_staged(spec, generations), rejected=True)
    if adopted is not None:
        owned = adopt_image(spec, adopted, catalog)
        if is_wanted_build(spec, owned) and not has_other_size(spec, adopted) and can_judge(owned):
            return Keep(owned, adopted=True)
        owned = pass_over_content(spec, adopted, catalog)
        return _make_if_allowed(spec, replace(generations, current=(owned,)), Reason.CONTENT_CHANGED, policy)
    if (found := _find_promotable(spec, generations, policy, can_judge)) is not None:
        return found
    reason = Reason.UNVERIFIED if wanted else _find_reason(spec, generations)
    may_hold = tuple(owned.id for owned in _find_comparable(spec, generations, policy, project))
    return _make_if_allowed(spec, generations, reason, policy, may_hold)


def _find_promotable(
    spec: ImageSpec, generations: Generations, policy: Policy, can_judge: Callable[[Owned], bool]
) -> Promote | None:
    """A verified staged build, or else an earlier one, that holds the wanted content and can be current."""
    for owned in reversed(generations.verified):
        fits = is_wanted_build(spec, owned) and is_as_recorded(spec, owned) and can_judge(owned)
        if fits and not is_unjudged(spec, owned):
            return Promote(owned, Reason.STAGED)
    for owned in generations.last_retired_first:
        if is_usable(spec, owned, reactivate=policy.reactivate) and is_wanted_build(spec, owned) and can_judge(owned):
            return Promote(owned, Reason.ROLLBACK)
    return None


def _find_comparable(spec: ImageSpec, generations: Generations, policy: Policy, project: str) -> Iterator[Owned]:
    """Images that could be current if they held the declared content, for which no known digest decides that.

    What lies in another project is not compared: its record may say anything.
    """
    usable = (owned for owned in generations.last_retired_first if is_usable(spec, owned, reactivate=policy.reactivate))
    for owned in (*reversed(generations.current), *reversed(generations.verified), *usable):
        is_fit = (
            spec.id in (None, owned.id) and owned.image.is_in_project(project) and not has_other_size(spec, owned.image)
        )
        if is_fit and _has_same_formats(spec, owned) and compare_content(spec, owned) is Holds.UNKNOWN:
            yield owned


def adopt_image(spec: ImageSpec, image: LiveImage, catalog: str) -> Owned:
    """A foreign image as an owned one: unless the service's hash verifies it, its digest is taken on trust."""
    record = Record(
        catalog, spec.key, Role.CURRENT, url=spec.url_identity, managed=Managed(), declared=spec.fingerprint.digests
    )
    taken = Owned(image, record)
    return replace(taken, record=settle_digests(spec, taken))


def pass_over_content(spec: ImageSpec, image: LiveImage, catalog: str) -> Owned:
    """An image that was to be adopted and holds other content: of that only the service's own digests are known."""
    taken = adopt_image(spec, image, catalog)
    return replace(taken, record=replace(taken.record, declared=(), url=None))


def _is_as_wanted(spec: ImageSpec, owned: Owned, *, lapsed: bool) -> bool:
    """A deactivated staged build is one that an operator rejected, or that a killed run was about to publish as
    deactivated.

    An image that ``on_expire`` deactivates counts as the latter only if its own record says it.
    """
    if owned.image.status is Status.ACTIVE:
        return True
    if lapsed and spec.on_expire is OnExpire.DEACTIVATE:
        return owned.record.managed.fields.get("status") == hash_value(Status.DEACTIVATED.value)
    return find_wanted_status(spec, owned.record.managed) is Status.DEACTIVATED


def is_tampered(spec: ImageSpec, generations: Generations) -> bool:
    """Whether the service has other data of the current image than was published."""
    return bool(generations.current) and compare_content(spec, generations.current[-1]) is Holds.TAMPERED


def _find_staged(spec: ImageSpec, generations: Generations) -> tuple[Owned, ...]:
    """The verified staged images that hold the wanted build."""
    return tuple(owned for owned in generations.verified if is_wanted_build(spec, owned))


def _find_rejected(spec: ImageSpec, generations: Generations, *, lapsed: bool) -> tuple[Owned, ...]:
    """The staged images of the declared build that an operator deactivated, perhaps after a trial."""
    return tuple(owned for owned in _find_staged(spec, generations) if not _is_as_wanted(spec, owned, lapsed=lapsed))


def _explain_rejection(spec: ImageSpec, generations: Generations, rejected: Sequence[Owned]) -> str:
    """That the wanted build is not published because candidates of it were deactivated, and the ways out."""
    ids = [owned.id for owned in rejected]
    stays = ", and the current image stays as it is" if generations.current else ""
    stays += ", although its data is not what was published" if is_tampered(spec, generations) else ""
    activate = " && ".join(f"openstack image set --activate {image_id}" for image_id in ids)
    return (
        f"{spec.key}: candidate {', '.join(ids)} was deactivated: its build is rejected, nothing is published{stays}; "
        f"to publish it, activate it ({activate}) and apply; to forget the rejection, drop it (imagesync apply PATH "
        f"--discard-staged {spec.key}); or declare another build"
    )


def is_usable(spec: ImageSpec, owned: Owned, *, reactivate: bool) -> bool:
    """Whether a retired build can be current again: an image that another user deactivated would be unusable."""
    if owned.image.status is Status.DEACTIVATED:
        return reactivate or find_wanted_status(spec, owned.record.managed) is not None
    return owned.image.status is Status.ACTIVE


def is_wanted_build(spec: ImageSpec, owned: Owned) -> bool:
    """Whether an image holds the wanted content in the wanted formats, under the wanted id where one is pinned."""
    return compare_content(spec, owned) is Holds.SAME and _has_same_formats(spec, owned) and spec.id in (None, owned.id)


def _has_same_formats(spec: ImageSpec, owned: Owned) -> bool:
    """disk_format and container_format are fixed once data is uploaded: another format needs another image.

    Of an image that the service converted, those count that it was made with.
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
    """Why a new build is made, if no image turns out to hold its bytes."""
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
    """The new build; or nothing, if only staged builds may be published. What was tampered with was published before."""
    found = _make(spec, generations, reason, may_hold)
    is_free = policy.publish is Publish.ANY or not spec.has_data or reason is Reason.CONTENT_TAMPERED
    if is_free or not isinstance(found, Make):
        return found
    why, ways = "the wanted build is not staged yet", "stages it"
    if found.may_hold:
        why = f"whether image {found.may_hold[0]} holds the wanted build is not known"
        ways = "compares them, and stages the build if it is another"
    sentence = (
        f"{spec.key}: {why}, and policy.publish is staged-only: nothing is done; imagesync apply PATH --stage {ways}"
    )
    left = {found.fill, *found.may_hold}
    return Leave(sentence, tuple(owned for owned in generations.staging if owned.id in left))


def _make(spec: ImageSpec, generations: Generations, reason: Reason, may_hold: tuple[str, ...]) -> Decision:
    where = f"images.{spec.key}"
    if not spec.has_data and not spec.is_record_only:
        return Refuse(
            f"{where}: {_explain_missing_source(generations)}; give it a source, or adopt an image that has the content"
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
    if pinned.image.status is Status.QUEUED and (spec.has_data or pinned.record.role is Role.STAGING):
        return Make(Reason.INCOMPLETE, fill=pinned.id)
    return Refuse(
        f"{where}: new content cannot go into the pinned id {pinned.id} (image {pinned.image.status.value}) and the service "
        "never gives an id out twice; choose another id, or leave id out"
    )


def _explain_missing_source(generations: Generations) -> str:
    if generations.current:
        return f"the content or format of image {generations.current[-1].id} is not the declared one"
    return "there is not an image of it and no source to make one from"
