"""Fields of images, and changes of fields -> lines of a plan. Pure."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from imagesync.model.catalog import Visibility
from imagesync.model.plan import Create, FieldChange, Reason, Value
from imagesync.render.style import MAX_VALUE_CHARS, format_value
from imagesync.text import ELLIPSIS, make_printable

LOUD_VISIBILITIES: Final = (Visibility.PUBLIC.value, Visibility.COMMUNITY.value)
"""Every user of the cloud can use an image with one of these visibilities."""
NAMED_FIELDS: Final = frozenset({"visibility", "protected", "hidden", "members", "owner", "status"})
"""Fields that decide who can see, use or delete an image: a plan names every image whose value changes."""
DIGEST_CHARS: Final = 8
"""Characters of the digest that is printed after a cut value, to distinguish values with the same beginning."""
CONTEXT_CHARS: Final = 12
"""Characters of a long value that are printed before the first difference from another value."""


class Alarm(StrEnum):
    """What a reviewer must see first; each value completes a sentence about images, in this order."""

    PUBLIC = "become public"
    COMMUNITY = "become visible to all projects (community)"
    NOT_PUBLIC = "are no longer public"
    PROTECTED = "become protected"
    NOT_PROTECTED = "are no longer protected"
    RELEASED = "are released: they stay, and no catalog owns them"
    DEACTIVATED = "are deactivated"
    HIDDEN = "are hidden"
    OLD_DELETED = "have old builds that are deleted"
    DELETED = "are deleted"

    @property
    def is_loss(self) -> bool:
        """Whether users or operators lose something."""
        return self in (Alarm.DEACTIVATED, Alarm.HIDDEN, Alarm.OLD_DELETED, Alarm.DELETED)


@dataclass(frozen=True, slots=True)
class Line:
    """A line under an image of a plan: a name and a text.

    ``is_loud``: the change makes the image public or protected, or ends that. ``is_named``: a shared line names all of its
    images. ``uncut``: the whole values, if the text has only parts of them; lines with different values are not shared.
    ``pair``: the two values with which the text of a change begins.
    """

    name: str
    text: str
    is_loud: bool = False
    is_named: bool = False
    uncut: tuple[Value, ...] = ()
    pair: tuple[str, str] | None = None


def list_alarms(changes: Iterable[FieldChange]) -> Iterator[Alarm]:
    """What changes of fields do to the access to an image."""
    for change in changes:
        match change.path:
            case ("visibility",):
                yield from _compare_visibility(change.before, change.after)
            case ("protected",):
                yield Alarm.PROTECTED if change.after else Alarm.NOT_PROTECTED
            case ("hidden",) if change.after:
                yield Alarm.HIDDEN


def _compare_visibility(before: Value, after: Value) -> Iterator[Alarm]:
    if after == Visibility.PUBLIC.value:
        yield Alarm.PUBLIC
    elif after == Visibility.COMMUNITY.value:
        yield Alarm.COMMUNITY
    elif before in LOUD_VISIBILITIES:
        yield Alarm.NOT_PUBLIC


def list_alarms_of_new(create: Create) -> Iterator[Alarm]:
    """What a new image, which replaces none, does to access."""
    fields = create.state.fields
    yield from _compare_visibility(None, fields.get("visibility"))
    if fields.get("protected"):
        yield Alarm.PROTECTED


def describe_changes(changes: Sequence[FieldChange], *, mark_drift: bool, whole: bool) -> list[Line]:
    """One line for each change. ``whole``: do not shorten long values."""
    return [_describe_change(change, mark_drift=mark_drift, whole=whole) for change in changes]


def _describe_change(change: FieldChange, *, mark_drift: bool, whole: bool) -> Line:
    name, uncut = make_printable(".".join(change.path)), _find_cut(change.before, change.after)
    if isinstance(change.before, tuple) or isinstance(change.after, tuple):
        pair, text = None, _describe_sets(_read_set(change.before), _read_set(change.after))
    else:
        pair = _format_pair(change.before, change.after, whole=whole)
        text = " → ".join(pair)
    drift = "  (drift)" if mark_drift and change.reason is Reason.DRIFT else ""
    is_loud = change.path == ("protected",) or (
        change.path == ("visibility",) and bool({change.before, change.after} & {*LOUD_VISIBILITIES})
    )
    return Line(name, f"{text}{drift}", is_loud, change.path[0] in NAMED_FIELDS, uncut, pair)


def _find_cut(*values: Value) -> tuple[Value, ...]:
    """The values, if one of them is so long that it is cut; else nothing."""
    return values if any(isinstance(value, str) and len(value) > MAX_VALUE_CHARS for value in values) else ()


def _read_set(value: Value) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _describe_sets(before: tuple[str, ...], after: tuple[str, ...]) -> str:
    """``+ added, - removed``; items that stay are not printed."""
    parts = [f"+ {_format_item(item)}" for item in after if item not in before]
    parts += [f"- {_format_item(item)}" for item in before if item not in after]
    return ", ".join(parts)


def _format_item(item: str) -> str:
    """One item of a list; quoted if it has a comma, begins or ends with a space, or is empty."""
    text = make_printable(item)
    return f'"{text}"' if "," in item or item.strip() != item or not item else text


def _format_pair(before: Value, after: Value, *, whole: bool) -> tuple[str, str]:
    """Two values, each on one line; long values from a few characters before the first difference."""
    if not (isinstance(before, str) and isinstance(after, str)) or whole:
        return _format_one(before, whole=whole), _format_one(after, whole=whole)
    if max(len(before), len(after)) <= MAX_VALUE_CHARS:
        return make_printable(before), make_printable(after)
    same = next(
        (at for at, (one, two) in enumerate(zip(before, after, strict=False)) if one != two),
        min(len(before), len(after)),
    )
    start = max(0, same - CONTEXT_CHARS)
    return _cut(before, start), _cut(after, start)


def _cut(text: str, start: int) -> str:
    part = make_printable(text[start : start + MAX_VALUE_CHARS])
    head = ELLIPSIS if start else ""
    if len(text) - start <= MAX_VALUE_CHARS:
        return f"{head}{part}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_CHARS]
    return f"{head}{part}{ELLIPSIS} ({len(text)} characters, sha256 {digest}{ELLIPSIS})"


def _format_one(value: Value, *, whole: bool) -> str:
    if not isinstance(value, str):
        return format_value(value)
    return make_printable(value) if whole else _cut(value, 0)


def describe_new_image(create: Create, *, whole: bool) -> Iterator[Line]:
    """The fields of a new image that users of the cloud see; without those that have their default."""
    state, fields = create.state, create.state.fields
    yield _describe_access(create)
    formats = [f"{fields.get('disk_format')} in {fields.get('container_format')}"] if fields.get("disk_format") else []
    sizes = [
        f"{name} {fields[name]} {unit}" for name, unit in (("min_disk", "GB"), ("min_ram", "MB")) if fields.get(name)
    ]
    sizes = ["min_disk auto", *sizes] if create.min_disk_auto else sizes
    if formats or sizes:
        yield Line("format", make_printable(", ".join([*formats, *sizes])))
    if fields.get("owner"):
        yield Line("owner", make_printable(str(fields["owner"])), is_named=True)
    if state.members:
        yield Line("members", _describe_sets((), state.members), is_named=True)
    if state.tags:
        yield Line("tags", ", ".join(map(_format_item, state.tags)))
    yield from _describe_properties(state.properties, whole=whole)


def _describe_access(create: Create) -> Line:
    """The line about who can see, use and delete the image. It is not loud for a candidate, which stays private."""
    fields = create.state.fields
    visibility = str(fields.get("visibility"))
    words = [visibility]
    words += ["protected"] if fields.get("protected") else []
    words += ["hidden"] if fields.get("hidden") else []
    words += ["deactivated"] if fields.get("status") == "deactivated" else []
    is_loud = not create.stage and (visibility in LOUD_VISIBILITIES or bool(fields.get("protected")))
    return Line("visibility", ", ".join(words), is_loud, is_named=True)


def _describe_properties(properties: Mapping[str, str], *, whole: bool) -> Iterator[Line]:
    for name, value in properties.items():
        yield Line(f"properties.{make_printable(name)}", _format_one(value, whole=whole), uncut=_find_cut(value))
