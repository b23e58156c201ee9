"""The drift of several targets -> text, JSON, and a collection for reviewers. Pure: the clock and the commands are parameters.

The ids and times of images are never equal on two targets. So targets with the same drifted values form one group, which
lists the image of each target.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeAlias

from imagesync.errors import ImagesyncError
from imagesync.model.drift import Drift, DriftReport, PlaceDrift, Remedy
from imagesync.render.blocks import wrap
from imagesync.render.document import Block, Collection, Command, Document, Subject, TargetGroup, TargetRow
from imagesync.render.drift import (
    count_checked,
    count_found,
    describe_image,
    drift_to_json,
    format_commands,
    format_images,
    group_by_image,
    list_remedies,
    make_block,
    make_sections,
)
from imagesync.render.place import describe_places, describe_target, place_to_json
from imagesync.render.problems import list_problems
from imagesync.render.result import problem_to_json
from imagesync.render.style import Ink, Paint, format_count, leave_plain
from imagesync.render.target_groups import group_equal, list_targets
from imagesync.text import make_printable

Found: TypeAlias = Mapping[str, PlaceDrift | ImagesyncError]
"""The drift of each target, or why it could not be checked, in the order of the manifest."""
TargetsCommandOf: TypeAlias = Callable[[Remedy, Sequence[str]], str]
"""The command that restores values with this remedy on these targets, ready to paste."""
_INDENT: Final = "    "
_WITHOUT, _WITH, _WRONG = "without drift", "with drift", "with errors"
_JUDGMENTS: Final = (_WITHOUT, _WITH, _WRONG)


def format_target_drift(
    found: Found,
    catalog: str,
    command_of: TargetsCommandOf,
    *,
    now: datetime,
    paint: Paint = leave_plain,
    width: int | None = None,
) -> str:
    """The text: equal drift once, below the names of its targets; the commands that restore it; the number of targets."""
    texts = [
        "\n".join(
            [
                *(paint(Ink.BOLD, line) for line in wrap(_format_title(group), width, "  ")),
                *_format_body(group, found, catalog, now, paint, width),
            ]
        )
        for group in _group(found)
    ]
    commands = list(format_commands(_list_commands(found, command_of), width))
    closing = [paint(Ink.BOLD, line) for line in wrap(count_targets(found), width, "  ")]
    return "\n\n".join([*texts, *(["\n".join(commands[1:])] if commands else []), "\n".join(closing)])


def _group(found: Found) -> list[TargetGroup[PlaceDrift | ImagesyncError]]:
    """Targets without drift come first, and those with errors last."""
    return sorted(group_equal(found.items(), _make_key), key=lambda group: _JUDGMENTS.index(_judge(group.first)))


def _make_key(one: PlaceDrift | ImagesyncError) -> Hashable:
    """What a reader sees as equal: not how many images were checked. The number of an image is in the place of its id."""
    if isinstance(one, ImagesyncError):
        return list_problems(one)
    numbered = [
        replace(drift, image_id=drift.image_id and str(number), updated="")
        for number, group in enumerate(group_by_image(one.report))
        for drift in group
    ]
    return replace(one.report, found=tuple(numbered), checked=0)


def _format_title(group: TargetGroup[PlaceDrift | ImagesyncError]) -> str:
    names = list_targets(group.names)
    return f"{names}: {_describe(group)}" if isinstance(group.first, PlaceDrift) else f"{names}: cannot be checked"


def _describe(group: TargetGroup[Any]) -> str:
    """``the same drift: 1 value changed on 1 image``."""
    report: DriftReport = group.first.report
    if not report.found:
        return "no drift"
    return f"{'the same ' if len(group.names) > 1 else ''}drift: {count_found(report)}"


def _format_body(
    group: TargetGroup[PlaceDrift | ImagesyncError],
    found: Found,
    catalog: str,
    now: datetime,
    paint: Paint,
    width: int | None,
) -> Iterator[str]:
    if isinstance(group.first, ImagesyncError):
        for problem in list_problems(group.first):
            yield from wrap(f"Error: {make_printable(str(problem))}", width, _INDENT)
        return
    same = _select(group, found)
    for line in describe_places(catalog, _list_scopes(same)):
        yield from wrap(line, width, _INDENT)
    yield from format_images({name: one.report for name, one in same.items()}, now=now, paint=paint, width=width)


def _list_scopes(same: Mapping[str, PlaceDrift]) -> list[tuple[str, str]]:
    return [(describe_target(name, one.here), count_checked(one.report)) for name, one in same.items()]


def _select(group: TargetGroup[PlaceDrift | ImagesyncError], found: Found) -> dict[str, PlaceDrift]:
    """The drift of each target of a group."""
    return {name: one for name in group.names if isinstance(one := found[name], PlaceDrift)}


def _list_commands(found: Found, command_of: TargetsCommandOf) -> Iterator[Command]:
    """One command for each remedy, with the names of the targets that need it."""
    drifted = {name: one.report.found for name, one in found.items() if isinstance(one, PlaceDrift)}

    def join(remedy: Remedy) -> str:
        return command_of(remedy, [name for name, some in drifted.items() if any(one.remedy is remedy for one in some)])

    yield from list_remedies([one for some in drifted.values() for one in some], join)


def count_targets(found: Found) -> str:
    """``4 targets: 2 with drift (eu, us), 1 without drift, 1 with errors (lab).``."""
    names = {
        words: [name for name, one in found.items() if _judge(one) == words] for words in (_WITH, _WITHOUT, _WRONG)
    }
    parts = [
        f"{len(some)} {words}{'' if words == _WITHOUT else f' ({list_targets(some)})'}"
        for words, some in names.items()
        if some
    ]
    return f"{format_count(len(found), 'target')}: {', '.join(parts)}."


def _judge(one: PlaceDrift | ImagesyncError) -> str:
    if isinstance(one, ImagesyncError):
        return _WRONG
    return _WITH if one.report.found else _WITHOUT


def drifts_to_json(catalog: str, found: Found, command_of: TargetsCommandOf) -> dict[str, Any]:
    """Each target with its problems, and its document as the schema ``drift`` says; None if it could not be checked."""
    return {"catalog": catalog, "targets": [_to_json(catalog, *item, command_of) for item in found.items()]}


def _to_json(
    catalog: str, name: str, one: PlaceDrift | ImagesyncError, command_of: TargetsCommandOf
) -> dict[str, object]:
    if isinstance(one, ImagesyncError):
        return {"target": name, "problems": list(map(problem_to_json, list_problems(one))), "drift": None}
    restore = partial(_restore, command_of, name)
    return {
        "target": name,
        "problems": [],
        "drift": drift_to_json(one.report, catalog, place_to_json(one.here), restore),
    }


def _restore(command_of: TargetsCommandOf, name: str, remedy: Remedy) -> str:
    return command_of(remedy, [name])


def make_drifts_collection(catalog: str, found: Found, command_of: TargetsCommandOf, *, now: datetime) -> Collection:
    """The drift for a reviewer."""
    groups = _group(found)
    return Collection(
        Subject.DRIFT,
        catalog,
        f"Drift of catalog {make_printable(catalog)} on {format_count(len(found), 'target')}",
        count_targets(found),
        tuple(_make_row(name, one) for name, one in found.items()),
        errors=tuple(error for group in groups for error in _list_errors(group)),
        groups=tuple(
            _make_group(catalog, group, found, now) for group in groups if isinstance(group.first, PlaceDrift)
        ),
        commands=tuple(_list_commands(found, command_of)),
    )


def _make_row(name: str, one: PlaceDrift | ImagesyncError) -> TargetRow:
    if isinstance(one, ImagesyncError):
        return TargetRow(make_printable(name), "not checked", errors=len(list_problems(one)))
    outcome, place = "drift" if one.report.found else "no drift", describe_target(None, one.here)
    return TargetRow(make_printable(name), outcome, count_found(one.report), place=place)


def _list_errors(group: TargetGroup[PlaceDrift | ImagesyncError]) -> Iterator[TargetGroup[str]]:
    if isinstance(group.first, ImagesyncError):
        names = tuple(map(make_printable, group.names))
        yield from (TargetGroup(names, make_printable(str(problem))) for problem in list_problems(group.first))


def _make_group(
    catalog: str, group: TargetGroup[PlaceDrift | ImagesyncError], found: Found, now: datetime
) -> TargetGroup[Document]:
    same = _select(group, found)
    report = next(iter(same.values())).report
    images = zip(*(group_by_image(one.report) for one in same.values()), strict=True)
    document = Document(
        Subject.DRIFT,
        catalog,
        "",
        _describe(group),
        "; ".join(describe_places(catalog, _list_scopes(same))),
        blocks=tuple(_make_block(dict(zip(same, groups, strict=True)), now) for groups in images),
        sections=make_sections(report),
    )
    return TargetGroup(tuple(map(make_printable, group.names)), document)


def _make_block(groups: Mapping[str, list[Drift]], now: datetime) -> Block:
    """One image of each target of a group."""
    if len(groups) == 1:
        (found,) = groups.values()
        return make_block(found, describe_image(found[0], now))
    images = [f"{make_printable(name)}: {describe_image(one, now)}" for name, (one, *_) in groups.items()]
    return make_block(next(iter(groups.values())), "; ".join(images))
