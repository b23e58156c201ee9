"""One wanted image and its generations -> what becomes of the key: keep, promote or make. Pure."""

from dataclasses import dataclass, replace
from typing import TypeAlias

from imagesync.model.catalog import ImageSpec, Role, Status
from imagesync.model.image import LiveImage
from imagesync.model.plan import Reason
from imagesync.model.record import Managed, Record, hash_value
from imagesync.planning.generations import Generations, Holds, Owned, compare_content, has_other_size, is_as_recorded
from imagesync.planning.stores import find_resumable
from imagesync.planning.three_way import (
    find_wanted_status,
    wanted_digest,
)
from imagesync.planning.trust import Trust, is_made_visible, judge


@dataclass(frozen=True, slots=True)
class Keep:
    """The current image has the wanted content: at most its fields change. ``adopted``: it becomes ours now."""

    owned: Owned
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Promote:
    """A verified staged build, or an earlier one, becomes the current image without moving a byte."""

    owned: Owned
    reason: Reason


@dataclass(frozen=True, slots=True)
class Make:
    """A new image is uploaded; ``fill`` is a queued record with the pinned id that waits for its data."""

    reason: Reason
    fill: str | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """The key cannot be planned: one sentence says why and what to do."""

    sentence: str


Decision: TypeAlias = Keep | Promote | Make | Refuse


def decide(
    spec: ImageSpec,
    generations: Generations,
    adopted: LiveImage | None,
    catalog: str,
    *,
    project: str,
    reactivate: bool = False,
) -> Decision:
    """What becomes of one key; ``project`` is the session's."""

    def can_judge(owned: Owned) -> bool:
        return judge(spec, owned, project, None) is not Trust.NOTHING

    if adopted is not None:
        owned = adopt_image(spec, adopted, catalog)
        if is_wanted_build(spec, owned) and not has_other_size(spec, adopted) and can_judge(owned):
            return Keep(owned, adopted=True)
        return _make(spec, replace(generations, current=(owned,)), Reason.CONTENT_CHANGED)
    wanted = [owned for owned in generations.current if is_wanted_build(spec, owned)]
    for owned in sorted(wanted, key=lambda owned: is_made_visible(spec, owned.image)):  # what users see already, first
        if can_judge(owned) or not is_made_visible(spec, owned.image):
            return Keep(owned)
    for owned in reversed(generations.verified):
        if (
            _is_as_wanted(spec, owned)
            and is_wanted_build(spec, owned)
            and is_as_recorded(spec, owned)
            and can_judge(owned)
        ):
            return Promote(owned, Reason.STAGED)
    for owned in generations.last_retired_first:
        if is_usable(spec, owned, reactivate=reactivate) and is_wanted_build(spec, owned) and can_judge(owned):
            return Promote(owned, Reason.ROLLBACK)
    return _make(spec, generations, Reason.UNVERIFIED if wanted else _find_reason(spec, generations))


def adopt_image(spec: ImageSpec, image: LiveImage, catalog: str) -> Owned:
    """An image of somebody else's making as ours: its content is taken, on trust, for the declared one."""
    record = Record(catalog, spec.key, Role.CURRENT, spec.fingerprint.digests, spec.url_identity, managed=Managed())
    return Owned(image, record)


def _is_as_wanted(spec: ImageSpec, owned: Owned) -> bool:
    """A deactivated staged build is one that somebody rejected, or that was to be published so when the run was killed."""
    if owned.image.status is Status.ACTIVE:
        return True
    return find_wanted_status(spec, owned.record.managed) is Status.DEACTIVATED


def is_usable(spec: ImageSpec, owned: Owned, *, reactivate: bool) -> bool:
    """Whether a retired build can be current again: one that somebody else deactivated would be there for nobody."""
    if owned.image.status is Status.DEACTIVATED:
        return reactivate or find_wanted_status(spec, owned.record.managed) is not None
    return owned.image.status is Status.ACTIVE


def is_wanted_build(spec: ImageSpec, owned: Owned) -> bool:
    """Whether an image holds the wanted content in the wanted formats, under the wanted id where one is pinned."""
    return compare_content(spec, owned) is Holds.SAME and _has_same_formats(spec, owned) and spec.id in (None, owned.id)


def _has_same_formats(spec: ImageSpec, owned: Owned) -> bool:
    """disk_format and container_format are fixed once data is in, so that another format is another image.

    Of an image that the service converted, those count that it was made with.
    """
    image, made_with = owned.image, owned.record.managed.fields
    if image.status is Status.QUEUED:
        return True
    pairs = (("disk_format", spec.disk_format), ("container_format", spec.container_format))
    return all(
        wanted in (None, getattr(image, name))
        or name in spec.ignore
        or (owned.record.converted and made_with.get(name) == hash_value(wanted))
        for name, wanted in pairs
    )


def _find_reason(spec: ImageSpec, generations: Generations) -> Reason:
    if not generations.current:
        return Reason.INCOMPLETE if generations.staging else Reason.NEW
    match compare_content(spec, generations.current[-1]):
        case Holds.TAMPERED:
            return Reason.CONTENT_TAMPERED
        case Holds.MISSING:
            return Reason.INCOMPLETE
        case Holds.CHANGED:
            return Reason.CONTENT_CHANGED
        case Holds.SAME:
            return Reason.MANIFEST_CHANGED


def _make(spec: ImageSpec, generations: Generations, reason: Reason) -> Decision:
    where = f"images.{spec.key}"
    if not spec.has_data and not spec.is_record_only:
        return Refuse(
            f"{where}: {_explain_missing_source(generations)}; give it a source, or adopt an image that has the content"
        )
    if spec.has_data and not (spec.disk_format and spec.container_format):
        return Refuse(f"{where}: an upload needs disk_format and container_format; declare both")
    if (left := find_resumable(spec, wanted_digest(spec), generations.staging)) is not None:
        return Make(Reason.INCOMPLETE, fill=left.id)
    pinned = next((owned for owned in generations.every if owned.id == spec.id), None)
    if pinned is None:
        return Make(reason)
    if pinned.image.status is Status.QUEUED and spec.has_data:
        return Make(Reason.INCOMPLETE, fill=pinned.id)
    return Refuse(
        f"{where}: new content cannot go into the pinned id {pinned.id} (image {pinned.image.status.value}) and the service "
        "never gives an id out twice; choose another id, or leave id out"
    )


def _explain_missing_source(generations: Generations) -> str:
    if generations.current:
        return f"the content or format of image {generations.current[-1].id} is not the declared one"
    return "there is no image of it and no source to make one from"
