"""The columns of a listing: for each the text for people and the value for programs. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Final

from imagesync.errors import UsageError
from imagesync.model.image import parse_time
from imagesync.model.listing import Entry, Standing
from imagesync.render.style import format_age, format_count
from imagesync.secrets import show_key
from imagesync.text import format_size, make_printable

Cell = str | int | bool | None | list[str]
"""The value of one column for programs; None: the image has none."""
PROPERTY: Final = "properties."
"""``properties.NAME`` is the column of one property."""
_MAX_SHOWN_CHARS: Final = 200
"""Characters of one cell of a table; a property may have thousands."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: ``value`` of an entry for programs, ``show`` for people.

    ``rank``: in a narrow terminal, the columns with the highest ranks are left out first; 0: never. ``wraps``: its cells may
    take several lines. ``is_number``: aligned to the right.
    """

    name: str
    value: Callable[[Entry], Cell]
    show: Callable[[Entry, datetime], str]
    rank: int = 0
    wraps: bool = False
    is_number: bool = False

    @property
    def title(self) -> str:
        """The heading in a table."""
        return make_printable(self.name.upper() if not self.name.startswith(PROPERTY) else self.name)


def _show(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return make_printable(text if len(text) <= _MAX_SHOWN_CHARS else f"{text[: _MAX_SHOWN_CHARS - 1]}…")


def _make(
    name: str,
    value: Callable[[Entry], Cell],
    show: Callable[[Entry, datetime], str] | None = None,
    *,
    rank: int = 0,
    wraps: bool = False,
    is_number: bool = False,
) -> Column:
    return Column(name, value, show or (lambda entry, _: _show(value(entry))), rank, wraps, is_number)


def _find_build(entry: Entry) -> str:
    """``catalog/key role``, as the image's own record has it."""
    if entry.standing is Standing.FOREIGN:
        return ""
    place = f"{entry.catalog}/{entry.key or ''}"
    return f"(a copy of the record of {place})" if entry.standing is Standing.COPIED else f"{place} {entry.standing}"


def _find_status(entry: Entry) -> str:
    image = entry.image
    words = [image.status.value, *(["hidden"] if image.hidden else []), *(["protected"] if image.protected else [])]
    return " ".join(words)


def _list_members(entry: Entry) -> list[str] | None:
    return None if entry.members is None else [f"{one.project} {one.status}" for one in entry.members]


def _find_generation(entry: Entry) -> int | None:
    return entry.record.managed.generation if entry.record is not None else None


def _show_age(entry: Entry, now: datetime) -> str:
    return format_age(parse_time(entry.image.created_at), now)


def _show_size(size: int | None) -> str:
    return "" if size is None else format_size(size)


_ALL: Final = (
    _make("name", lambda entry: entry.image.name, wraps=True),
    _make("build", _find_build, wraps=True),
    _make("status", lambda entry: entry.image.status.value, lambda entry, _: _find_status(entry), rank=1, wraps=True),
    _make("visibility", lambda entry: entry.image.visibility.value, rank=3),
    _make(
        "size", lambda entry: entry.image.size, lambda entry, _: _show_size(entry.image.size), rank=2, is_number=True
    ),
    _make("age", lambda entry: entry.image.created_at or None, _show_age, rank=4),
    _make(
        "project",
        lambda entry: entry.project or None,
        lambda entry, _: _show(entry.project or entry.image.owner),
        rank=5,
        wraps=True,
    ),
    _make("members", _list_members, wraps=True),
    _make(
        "drift",
        lambda entry: None if entry.drift is None else list(entry.drift),
        lambda entry, _: format_count(len(entry.drift), "value") if entry.drift else "",
    ),
    _make("id", lambda entry: entry.image.id),
    _make("key", lambda entry: entry.record.key if entry.record else None, wraps=True),
    _make("catalog", lambda entry: entry.record.catalog if entry.record else None),
    _make("role", lambda entry: entry.standing.value if entry.record else None),
    _make("generation", _find_generation, is_number=True),
    _make("retired", lambda entry: entry.record.managed.retired if entry.record else None),
    _make("source", lambda entry: entry.record.managed.origin if entry.record else None, wraps=True),
    _make("hidden", lambda entry: entry.image.hidden),
    _make("protected", lambda entry: entry.image.protected),
    _make("owner", lambda entry: entry.image.owner),
    _make("created", lambda entry: entry.image.created_at or None),
    _make("updated", lambda entry: entry.image.updated_at or None),
    _make("disk_format", lambda entry: entry.image.disk_format),
    _make("container_format", lambda entry: entry.image.container_format),
    _make("min_disk", lambda entry: entry.image.min_disk, is_number=True),
    _make("min_ram", lambda entry: entry.image.min_ram, is_number=True),
    _make(
        "virtual_size",
        lambda entry: entry.image.virtual_size,
        lambda entry, _: _show_size(entry.image.virtual_size),
        is_number=True,
    ),
    _make("tags", lambda entry: sorted(entry.image.tags), wraps=True),
    _make("checksum", lambda entry: entry.image.checksum),
    _make("os_hash_algo", lambda entry: entry.image.os_hash_algo),
    _make("os_hash_value", lambda entry: entry.image.os_hash_value),
    _make("stores", lambda entry: list(entry.image.stores), wraps=True),
)
COLUMNS: Final = {column.name: column for column in _ALL}
"""All columns by name, without those of properties."""
USUAL: Final = ("name", "build", "status", "visibility", "size", "age", "project", "id")
"""The columns of a table for people."""
PLAIN: Final = (
    *("id", "name", "catalog", "key", "role", "generation", "status", "visibility", "hidden", "protected", "size"),
    *("disk_format", "container_format", "min_disk", "min_ram", "tags", "owner", "project", "created", "updated"),
)
"""The columns of a table for programs: each has one value."""
NAME_OF_PROJECT: Final = "project"


def choose_columns(words: str | None, usual: Sequence[str]) -> tuple[Column, ...]:
    """The columns that ``--columns`` names, in its order; ``usual`` without it. UsageError for an unknown or repeated name."""
    names = [word.strip() for word in words.split(",")] if words is not None else list(usual)
    found = tuple(map(_find_column, names))
    each = [column.name for column in found]
    if twice := [name for name in each if each.count(name) > 1]:
        raise UsageError(f"--columns has {show_key(twice[0])} twice", "name each column once")
    return found


def _find_column(name: str) -> Column:
    wanted = name if name.startswith(PROPERTY) else name.lower()
    if wanted in COLUMNS:
        return COLUMNS[wanted]
    if (of := name.removeprefix(PROPERTY)) != name and of:
        return _make(name, lambda entry: entry.image.properties.get(of), wraps=True)
    close = get_close_matches(wanted, [*COLUMNS, PROPERTY], 1)
    meant = f"did you mean {close[0]}? " if close else ""
    hint = f"{meant}there are {', '.join(COLUMNS)}, and properties.NAME for a property"
    raise UsageError(f"--columns: {show_key(name)!r} is not a column", hint)
