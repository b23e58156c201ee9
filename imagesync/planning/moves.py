"""Declared moves and owned images -> the images by their new keys, and the steps that write these keys. Pure.

A move only writes the new key into the records of the images. The other steps of the key wait for it. So a run that ends
at any moment leaves no current image under both the former and the new key.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain

from imagesync.model.catalog import ImageSpec
from imagesync.model.image import LiveImage
from imagesync.model.plan import Delete, Plan, Reason, Step, Update, find_image_id
from imagesync.model.record import Record, read
from imagesync.planning.decisions import is_wanted_build
from imagesync.planning.generations import Generations, Groups, Owned, group
from imagesync.planning.plan_checks import is_retirement
from imagesync.planning.steps import make_step


def group_by_new_key(
    declared: Mapping[str, Sequence[str]], images: Iterable[LiveImage], latest: datetime | None = None
) -> tuple[Groups, dict[str, str]]:
    """The owned images by their new keys; and the result of ``find_moves``. ``latest``: as for ``group``."""
    groups = group(images, latest)
    moved = find_moves(declared, groups)
    return rename_keys(groups, moved), moved


def group_by_plan(plan: Plan, images: Iterable[LiveImage]) -> Groups:
    """The owned images by the keys that they have after the moves of a plan."""
    return rename_keys(group(images), plan.moved)


def find_moves(declared: Mapping[str, Sequence[str]], groups: Groups) -> dict[str, str]:
    """The new key of each former key that has images; ``declared``: the former keys by new key, the last one first.

    If several of these keys have a current image, only one of them counts: the new key, or else the first former key. The
    images of the others keep their key, which left the manifest. Images whose move was interrupted count as one key.
    """
    moved: dict[str, str] = {}
    for key, former in declared.items():
        current = [*groups[key].current]
        for old in former:
            if old in groups and all(_is_same_move(one, other) for one in current for other in groups[old].current):
                moved[old] = key
                current += groups[old].current
    return moved


def _is_same_move(moved: Owned, other: Owned) -> bool:
    """Whether two current images had the same key, and an earlier run moved the first of them only.

    An interrupted run may leave several current images of a key.
    """
    former = moved.record.managed.former
    return former is not None and former in (other.record.key, other.record.managed.former)


def rename_keys(groups: Groups, moved: Mapping[str, str]) -> Groups:
    """The groups after the moves; the records have the new keys."""
    if not moved:
        return groups
    found = Groups({key: one for key, one in groups.items() if key not in moved})
    for old, key in sorted(moved.items()):
        if old in groups:
            found[key] = _join(found[key], groups[old])
    return found


def _join(into: Generations, moved: Generations) -> Generations:
    def merge(own: Sequence[Owned], others: Sequence[Owned]) -> tuple[Owned, ...]:
        renamed = (replace(one, record=replace(one.record, key=into.key)) for one in others)
        return tuple(sorted(chain(own, renamed), key=lambda owned: owned.order))

    return Generations(
        into.key,
        merge(into.current, moved.current),
        merge(into.staging, moved.staging),
        merge(into.retired, moved.retired),
        merge(into.deleting, moved.deleting),
    )


def add_moves(steps: Sequence[Step], generations: Generations) -> tuple[Step, ...]:
    """The steps of one key after those that write the key into its images; no image is written only to be deleted."""
    retired = {find_image_id(step.action) for step in steps if is_retirement(step)}
    deleted = {step.action.image_id for step in steps if isinstance(step.action, Delete)} - retired
    moves = [
        make_step(Update(generations.key, owned.id, (), make_moved_record(record, generations)), Reason.MOVED)
        for owned in (*generations.current, *generations.verified, *generations.retired)
        if (record := read(owned.image)) is not None and record.key != generations.key and owned.id not in deleted
    ]
    ids = tuple(move.id for move in moves)
    return (*moves, *(replace(step, needs=(*step.needs, *ids)) for step in steps)) if moves else tuple(steps)


def make_moved_record(live: Record, generations: Generations) -> Record:
    """The record of an image after its move; ``generations``: the images of the new key, after ``rename_keys``.

    If several images are current, their records keep the former key that all of them had: a run that moved only some of
    them can be continued.
    """
    records = [record for owned in generations.current if (record := read(owned.image)) is not None]
    keys = [{record.key, record.managed.former} - {None, generations.key} for record in records]
    shared = set[str | None].intersection(*keys) if len(keys) > 1 else None
    managed = replace(live.managed, former=min(filter(None, shared))) if shared else live.managed
    return replace(live, key=generations.key, managed=managed)


def find_disputed_moves(declared: Mapping[str, Sequence[str]], groups: Groups) -> frozenset[str]:
    """The former keys whose images stay as they are, because the new key has images of other projects only.

    The owner of another project could make such an image at any time, and so have the images of the former key deleted.
    ``groups``: after ``rename_keys``.
    """
    return frozenset(
        old
        for key, former in declared.items()
        for old in former
        if old in groups and not _list_owners(groups[old]) <= _list_owners(groups[key])
    )


def _list_owners(generations: Generations) -> set[str | None]:
    """The projects that have a current image of a key."""
    return {owned.image.owner for owned in generations.current}


def note_ignored_moves(declared: Mapping[str, Sequence[str]], groups: Groups) -> Iterator[str]:
    """One sentence for each former key whose images are not moved, because the new key has a current image already.

    ``groups``: after ``rename_keys``.
    """
    disputed = find_disputed_moves(declared, groups)
    for key, former in sorted(declared.items()):
        for old in former:
            if old in disputed:
                yield (
                    f"{key}: both {key} and {old} have a current image, in different projects, so nothing is done for {old}; "
                    "to have its images removed, remove moved"
                )
            elif old in groups:
                yield (
                    f"{key}: both {key} and {old} have a current image, so moved is ignored: {old} counts as removed from "
                    "the manifest"
                )


def suggest_moves(
    wanted: Sequence[ImageSpec], made: Collection[str], groups: Groups, leaving: Sequence[Generations]
) -> Iterator[str]:
    """One sentence for each new key that may be a former one renamed: the same content, or the same name.

    ``made``: the keys of which the plan makes an image. ``leaving``: the images of the keys that left the manifest.
    """
    for spec in wanted:
        if spec.key not in made or groups[spec.key].every:
            continue
        for found in leaving:
            if any(spec.name == owned.image.name or is_wanted_build(spec, owned) for owned in found.current):
                yield (
                    f"{spec.key}: if this is the image {found.key} with a new key, declare moved: {{from: {found.key}}}; "
                    "then nothing is uploaded or deleted, and its id stays"
                )


def note_waiting_moves(declared: Mapping[str, Sequence[str]], groups: Groups) -> Iterator[str]:
    """One sentence for each former key whose images a plan of kind drift-only leaves as they are."""
    for key, former in sorted(declared.items()):
        for old in former:
            if old in groups:
                yield f"{key}: its images still have the key {old}; apply without --drift-only moves them"
