"""Entries of a listing -> text for people, JSON and YAML in the service's own field names, CSV. Pure."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from imagesync.model.image import NUMBER_FIELDS, TEXT_FIELDS, LiveImage, MemberState, parse_time
from imagesync.model.listing import Entry, Standing
from imagesync.model.record import PREFIX
from imagesync.render.blocks import wrap
from imagesync.render.columns import Cell, Column
from imagesync.render.style import format_age, format_count
from imagesync.render.table import Head, lay_out
from imagesync.text import format_size, make_printable

NO_MEMBERS: Final[Mapping[str, Sequence[MemberState]]] = MappingProxyType({})
ADDED: Final = "_imagesync"
"""The field of an image in JSON and YAML that has what the service itself does not show."""
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""The first characters of a cell that a spreadsheet would calculate."""
_WORDS: Final = {
    Standing.CURRENT: "current",
    Standing.CANDIDATE: "candidate",
    Standing.RETIRED: "retired",
    Standing.DELETING: "to delete",
    Standing.COPIED: "with a copied record",
    Standing.FOREIGN: "not managed",
}

Members = Mapping[str, Sequence[MemberState]]


def image_to_json(image: LiveImage, members: Members = NO_MEMBERS) -> dict[str, object]:
    """Every field of an image under the service's own name, sorted; None for a field that the service returned as null.

    ``members`` by image id: if those of the image are known, they become a list with the project and status of each.
    """
    fields: dict[str, object] = {
        name: getattr(image, name) for name in (*TEXT_FIELDS, *NUMBER_FIELDS, "id", "protected")
    }
    fields |= {"status": image.status.value, "visibility": image.visibility.value, "os_hidden": image.hidden}
    fields |= {"tags": sorted(image.tags), "stores": ",".join(image.stores) or None}
    fields |= {"created_at": image.created_at or None, "updated_at": image.updated_at or None}
    fields |= {"locations": json.loads(image.locations) if image.locations else None}
    fields = {name: value for name, value in fields.items() if value is not None and (value or name not in image.nulls)}
    if image.id in members:
        fields["members"] = [{"project": one.project, "status": one.status} for one in members[image.id]]
    return dict(sorted({**dict.fromkeys(image.nulls), **image.properties, **image.service, **fields}.items()))


def entry_to_json(entry: Entry) -> dict[str, object]:
    """An image as ``image_to_json``, with ``_imagesync``: what its record says, its project's name, and its drift."""
    image, record = entry.image, entry.record
    added: dict[str, object] = {
        "catalog": record.catalog if record else None,
        "key": record.key if record else None,
        "role": entry.standing.value if record else None,
        "generation": record.managed.generation if record else None,
        "retired_at": record.managed.retired if record else None,
        "source": record.managed.origin if record else None,
        "has_copied_record": entry.standing is Standing.COPIED,
        "project": entry.project or None,
        "drift": None if entry.drift is None else list(entry.drift),
    }
    members = {} if entry.members is None else {image.id: entry.members}
    return {**image_to_json(image, members), ADDED: added}


def select_cells(entry: Entry, columns: Sequence[Column]) -> dict[str, Cell]:
    """The values of chosen columns for programs, in their order."""
    return {column.name: column.value(entry) for column in columns}


def format_listing(entries: Sequence[Entry], columns: Sequence[Column], now: datetime, width: int | None) -> str:
    """A table of images for people, in their order, with the counts below it. ``width``: columns of the terminal."""
    if not entries:
        return "No images."
    rows = [[column.show(entry, now) for column in columns] for entry in entries]
    table = lay_out([Head(one.title, one.rank, one.wraps, one.is_number) for one in columns], rows, width)
    notes = [_count(entries)]
    if table.left_out:
        names = ", ".join(title.lower() for title in table.left_out)
        notes.append(f"Not shown in {width} columns: {names}. Choose columns with --columns.")
    return "\n".join([*table.lines, "", *(line for note in notes for line in wrap(note, width, "  "))])


def _count(entries: Sequence[Entry]) -> str:
    numbers = Counter(entry.standing for entry in entries)
    parts = ", ".join(f"{numbers[one]} {word}" for one, word in _WORDS.items() if numbers[one])
    size = sum(entry.image.size or 0 for entry in entries)
    drifted = sum(bool(entry.drift) for entry in entries)
    drift = f" {format_count(drifted, 'image')} drifted." if drifted else ""
    return f"{format_count(len(entries), 'image')}: {parts}; {format_size(size)}.{drift}"


def format_image(entry: Entry, now: datetime, width: int | None) -> str:
    """All the fields of one image for people: what imagesync knows of it, the service's fields, then the properties."""
    image = entry.image
    document = image_to_json(image)
    own = {name: value for name, value in document.items() if name not in {**image.properties, **image.service}}
    first = {name: own.pop(name, None) for name in ("name", "id", "status", "visibility", "owner", "size")}
    parts: dict[str, dict[str, object]] = {
        "": {**first, **_describe_entry(entry, now), **own},
        "Properties": {name: value for name, value in image.properties.items() if not name.startswith(PREFIX)},
        "Properties of the service": dict(image.service),
        "Record of imagesync": {name: value for name, value in image.properties.items() if name.startswith(PREFIX)},
    }
    names = max(len(make_printable(name)) for part in parts.values() for name in part)
    lines: list[str] = []
    for title, part in parts.items():
        lines += ["", f"{title}:"] if title and part else []
        lines += _format_fields({name: _show_field(name, value) for name, value in part.items()}, min(names, 32), width)
    return "\n".join(lines)


def _describe_entry(entry: Entry, now: datetime) -> dict[str, object]:
    """What the service does not show as a field of its own."""
    image, record = entry.image, entry.record
    found: dict[str, object] = {"project name": entry.project} if entry.project else {}
    if record is not None:
        found |= {"catalog": record.catalog, "key": record.key, "role": entry.standing.value}
        found |= {"generation": record.managed.generation}
    elif entry.standing is Standing.COPIED:
        found["managed"] = f"no: it carries a copy of the record of {entry.catalog}/{entry.key}"
    else:
        found["managed"] = "no"
    if age := format_age(parse_time(image.created_at), now):
        found["age"] = age
    if entry.drift is not None:
        found["drift"] = ", ".join(entry.drift) or "none"
    if entry.members is not None:
        found["members"] = ", ".join(f"{one.project} {one.status}" for one in entry.members) or "none"
    return found


def _show_field(name: str, value: object) -> str:
    """A value on one printable line, whole; a size with its unit and its bytes."""
    if value is None or value == []:
        return "(none)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and name in ("size", "virtual_size"):
        return f"{format_size(value)} ({value} bytes)" if value >= 1024 else f"{value} bytes"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(map(make_printable, value))
    return make_printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _format_fields(fields: Mapping[str, str], names: int, width: int | None) -> Iterator[str]:
    for name, value in fields.items():
        yield from wrap(f"  {make_printable(name):<{names}}  {value}".rstrip(), width, " " * 6)


def format_csv(rows: Sequence[Mapping[str, Cell]], names: Sequence[str]) -> str:
    """RFC 4180: a line of names, then one line an image; lines end with CRLF.

    Every text is in quotes, so no line begins with a command for a CI system. A text that a spreadsheet would calculate
    gets a ``'`` before it; control characters are escaped. Numbers are bare, no value is an empty cell.
    """
    output = io.StringIO()
    writer = csv.writer(output, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(map(_make_safe, names))
    writer.writerows([_to_csv_cell(row[name]) for name in names] for row in rows)
    return output.getvalue()


def _to_csv_cell(value: Cell) -> str | int:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return value
    return _make_safe(" ".join(value) if isinstance(value, list) else value or "")


def _make_safe(text: str) -> str:
    """A text that a spreadsheet does not calculate. Spreadsheets ignore spaces before one, and read full-width characters as plain ones."""
    first = text.lstrip()[:1]
    is_formula = text.startswith(FORMULA) or first in ("=", "+", "-", "@", "＝", "＋", "－", "＠")
    return make_printable(f"'{text}" if is_formula else text)


_PLAIN_TEXT: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+-]*(?: [A-Za-z0-9_./+-]+)*")
"""Texts that every reader of YAML 1.1 and 1.2 takes for text; the library quotes ``yes``, ``null`` and the like."""


def format_yaml(document: object) -> str:
    """YAML 1.2 of the same document as the JSON. All but the plainest texts are in double quotes, with escapes."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes texts that no reader and no CI system takes for something else."""

    def represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = None if _PLAIN_TEXT.fullmatch(text) else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, represent)
    return yaml.dump(document, Dumper=Dumper, allow_unicode=False, sort_keys=False, width=2**31, indent=2)
