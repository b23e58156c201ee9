"""Drift -> text and JSON. Pure: the time, the width and the commands that restore are parameters."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from imagesync.model.drift import Drift, DriftReport, Remedy
from imagesync.model.image import Identity
from imagesync.render.blocks import Kind, wrap
from imagesync.render.changes import Line
from imagesync.render.document import Block, Command, Document, Section, Subject
from imagesync.render.place import describe_target, name_target
from imagesync.render.style import Ink, Paint, format_age, format_count, format_value, leave_plain
from imagesync.text import make_printable, shorten_list

CommandOf = Callable[[Remedy], str]
"""The command that restores values with this remedy, ready to paste."""
_INDENT: Final = "    "
_HEADINGS: Final = {
    Remedy.DRIFT_ONLY: "Restore {count}, and change nothing else:",
    Remedy.REACTIVATE: "Reactivate deactivated images, with all other changes of the plan:",
    Remedy.APPLY: "Make deleted images again and set the new values of the manifest, with all other changes of the plan:",
}
_MISSING: Final = "its image was published by an earlier run, and no longer exists"
_ITEMS: Final[Mapping[tuple[str, ...], str]] = {("tags",): "tag", ("members",): "member"}


def format_drift(
    report: DriftReport,
    place: str,
    command_of: CommandOf,
    *,
    now: datetime,
    paint: Paint = leave_plain,
    width: int | None = None,
) -> str:
    """The text: a heading, each image with its drifted values, and the commands that restore them."""
    lines = [paint(Ink.BOLD, line) for line in wrap(f"{place}: {count_drift(report)}", width, "  ")]
    lines += format_images({"": report}, now=now, paint=paint, width=width)
    return "\n".join([*lines, *format_commands(list_remedies(report.found, command_of), width)])


def count_drift(report: DriftReport) -> str:
    """``drift: 2 values changed on 1 image; 3 images checked``."""
    found = f"drift: {count_found(report)}" if report.found else "no drift"
    return f"{found}; {count_checked(report)}"


def count_checked(report: DriftReport) -> str:
    """``3 images checked``."""
    return f"{format_count(report.checked, 'image')} checked"


def count_found(report: DriftReport) -> str:
    """``2 values changed on 1 image, 1 image deleted``; empty without drift."""
    images = {(drift.key, drift.image_id) for drift in report.found if drift.image_id}
    missing = sum(drift.image_id is None for drift in report.found)
    values = len(report.found) - missing
    parts = [f"{format_count(values, 'value')} changed on {format_count(len(images), 'image')}"] if values else []
    return ", ".join([*parts, *([f"{format_count(missing, 'image')} deleted"] if missing else [])])


def group_by_image(report: DriftReport) -> list[list[Drift]]:
    """The drift of each image, in its order."""
    return [list(group) for _, group in groupby(report.found, key=lambda drift: (drift.key, drift.image_id))]


def format_images(
    same: Mapping[str, DriftReport], *, now: datetime, paint: Paint = leave_plain, width: int | None = None
) -> Iterator[str]:
    """Each image with its drifted values, and what could not be checked.

    ``same``: by target, reports that differ only in the ids and times of images; by an empty name, the only report.
    """
    for groups in zip(*map(group_by_image, same.values()), strict=True):
        yield ""
        yield from _format_image(dict(zip(same, groups, strict=True)), now, paint, width)
    unknown = next(iter(same.values())).unknown
    if unknown:
        yield from ("", *wrap(describe_unknown(unknown), width, "  "))


def _format_image(same: Mapping[str, list[Drift]], now: datetime, paint: Paint, width: int | None) -> Iterator[str]:
    found = next(iter(same.values()))
    first = found[0]
    key = paint(Ink.CHANGE if first.image_id else Ink.REMOVE, make_printable(first.key))
    if first.image_id is None:
        yield from wrap(f"{key}: {_MISSING}", width, _INDENT)
        return
    if len(same) == 1:
        yield f"{key}: image {make_printable(first.image_id)}"
        if first.updated:
            yield from wrap(
                f"{_INDENT}last update of the image: {_format_time(first.updated, now)}", width, _INDENT * 2
            )
    else:
        yield f"{key}:"
        for name, (one, *_) in same.items():
            yield from wrap(f"{_INDENT}{make_printable(name)}: {describe_image(one, now)}", width, _INDENT * 2)
    for drift in found:
        yield from wrap(f"{_INDENT}{describe_value(drift)}", width, _INDENT * 2)


def describe_image(drift: Drift, now: datetime) -> str:
    """``image ID, last update 2026-11-23 11:57 UTC (3 minutes ago)``."""
    update = f", last update {_format_time(drift.updated, now)}" if drift.updated else ""
    return f"image {make_printable(drift.image_id or '')}{update}"


def describe_value(drift: Drift) -> str:
    """One drifted value: what it was, and what it is now."""
    name, text = _describe_parts(drift)
    return f"{name}: {text}"


def _describe_parts(drift: Drift) -> tuple[str, str]:
    """The name of a drifted value, and what happened to it."""
    end = _explain(drift)
    if item := _ITEMS.get(drift.path):
        which = f"{item} {format_value(drift.was)}" if drift.is_was_known else f"a {item} (its name is not recorded)"
        return which, f"was set, is now removed{end}"
    if drift.path == ("properties",):
        return "a property (its name is not recorded)", f"was set, is now removed{end}"
    was = f"was {format_value(drift.was)}" if drift.is_was_known else "had another value (it is not recorded)"
    return make_printable(".".join(drift.path)), f"{was}, is now {format_value(drift.now)}{end}"


def _explain(drift: Drift) -> str:
    if drift.remedy is Remedy.NONE:
        return " (no longer in the manifest)"
    return " (the manifest changed, too)" if drift.remedy is Remedy.APPLY else ""


def _format_time(text: str, now: datetime) -> str:
    """The service's time in UTC, and how long ago that was; a time without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return make_printable(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC ({format_age(moment, now)})"


def describe_unknown(keys: Sequence[str]) -> str:
    """Why these keys were not checked."""
    one = len(keys) == 1
    return (
        f"Not checked, because no image exists and no run recorded one: {', '.join(shorten_list(keys))}. "
        f"{'It is' if one else 'They are'} new in the manifest, or {'its image was' if one else 'their images were'} "
        "deleted; the next apply makes them"
    )


def format_commands(commands: Iterable[Command], width: int | None) -> Iterator[str]:
    """Each command below its heading."""
    for command in commands:
        yield from ("", *wrap(command.heading, width, "  "), f"  {command.text}")


def list_remedies(found: Sequence[Drift], command_of: CommandOf) -> Iterator[Command]:
    """A heading and a command for each remedy that a value has."""
    for remedy, heading in _HEADINGS.items():
        if count := sum(drift.remedy is remedy for drift in found):
            yield Command(heading.format(count=format_count(count, "value")), command_of(remedy))


def make_drift_document(
    report: DriftReport, catalog: str, target: str | None, here: Identity, command_of: CommandOf, *, now: datetime
) -> Document:
    """The drift for a reviewer. ``target``: the name of the target in the manifest."""
    count = count_drift(report)
    return Document(
        Subject.DRIFT,
        catalog,
        name_target(target, here),
        f"Drift of catalog {make_printable(catalog)} on {describe_target(target, here)}",
        f"{count[:1].upper()}{count[1:]}.",
        blocks=tuple(make_block(group, describe_image(group[0], now)) for group in group_by_image(report)),
        sections=make_sections(report),
        commands=tuple(list_remedies(report.found, command_of)),
    )


def make_sections(report: DriftReport) -> tuple[Section, ...]:
    """What could not be checked."""
    return (Section("", (describe_unknown(report.unknown),)),) if report.unknown else ()


def make_block(found: Sequence[Drift], what: str) -> Block:
    """The drift of one image; ``what`` describes the image, if it still exists."""
    first = found[0]
    if first.image_id is None:
        return Block(Kind(Ink.REMOVE, "-", "missing"), (make_printable(first.key),), _MISSING)
    lines = tuple(Line(*_describe_parts(drift)) for drift in found)
    return Block(Kind(Ink.CHANGE, "~", "drifted"), (make_printable(first.key),), what, lines)


def drift_to_json(report: DriftReport, catalog: str, place: dict[str, Any], command_of: CommandOf) -> dict[str, Any]:
    """The same values for programs; ``restore`` is the command, None if no command restores the value."""
    return {
        "catalog": catalog,
        "target": place,
        "checked": report.checked,
        "unknown": list(report.unknown),
        "drift": [
            {
                **value_to_json(drift),
                "key": drift.key,
                "image_id": drift.image_id,
                "updated_at": drift.updated or None,
                "restore": None if drift.remedy is Remedy.NONE else command_of(drift.remedy),
            }
            for drift in report.found
        ],
    }


def value_to_json(drift: Drift) -> dict[str, Any]:
    """What one value was and is, and what restores it."""
    return {
        "path": list(drift.path),
        "was": list(drift.was) if isinstance(drift.was, tuple) else drift.was,
        "was_known": drift.is_was_known,
        "now": list(drift.now) if isinstance(drift.now, tuple) else drift.now,
        "remedy": drift.remedy.value,
    }
