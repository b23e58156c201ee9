"""Results of several targets -> groups that a reader sees as equal, each shown once. Pure."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from imagesync.model.targets import PlannedTarget
from imagesync.render.document import Document, TargetGroup
from imagesync.render.documents import make_plan_document
from imagesync.render.style import Detail, format_count
from imagesync.text import make_printable

Result = TypeVar("Result")


def group_equal(
    results: Iterable[tuple[str, Result]], make_key: Callable[[Result], Hashable]
) -> tuple[TargetGroup[Result], ...]:
    """Groups of targets with equal keys. ``results``: the name of each target, and its result.

    ``make_key``: what a reader sees of a result, without the names of the target and its place. The order is that of
    ``results``, which is the order of the manifest: a group is at the place of its first target.
    """
    groups: dict[Hashable, list[tuple[str, Result]]] = {}
    for name, result in results:
        groups.setdefault(make_key(result), []).append((name, result))
    return tuple(TargetGroup(tuple(name for name, _ in same), same[0][1]) for same in groups.values())


def group_plans(
    planned: Sequence[PlannedTarget], *, now: datetime, detail: Detail = Detail.USUAL
) -> tuple[TargetGroup[PlannedTarget], ...]:
    """Targets whose plans a reader sees as equal in this detail: changes, notes, refusals, problems and counts.

    A summary shows no changes; plans with different ones are not equal for that reason.
    """
    detail = Detail.USUAL if detail is Detail.SUMMARY else detail

    def make_key(one: PlannedTarget) -> Hashable:
        document = one.plan and make_plan_document(one.plan, now=now, detail=detail, refusals=one.refusals)
        return document and ignore_place(document), one.problems

    return group_equal([(one.target, one) for one in planned], make_key)


def ignore_place(document: Document) -> Document:
    """What a document says without the names of its target and its place, and without its counts: each target has its own."""
    return replace(document, target="", title="", summary="")


def describe_group(names: Sequence[str], changes: int) -> str:
    """``eu, us: the same 3 changes``. All names are listed: a reader must see each target that a run writes to."""
    return f"{list_targets(names)}: {describe_changes(changes, of_several=len(names) > 1)}"


def describe_changes(number: int, *, of_several: bool, noun: str = "change") -> str:
    """``3 changes``; of several targets ``the same 3 changes``, ``the same change``."""
    if not number:
        return f"no {noun}s"
    changes = format_count(number, noun)
    return f"the same {changes.removeprefix('1 ')}" if of_several else changes


def list_targets(names: Iterable[str]) -> str:
    """``eu, us``, printable; never capped."""
    return ", ".join(map(make_printable, names))
