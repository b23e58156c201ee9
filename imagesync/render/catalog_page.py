"""Entries of a listing -> one HTML page for the users of a cloud. Pure.

The page reads without its style and its script, too. All text from outside is escaped, and its control characters are
shown as escapes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from imagesync.errors import ImagesyncError
from imagesync.model.catalog import Status
from imagesync.model.image import LiveImage, parse_time
from imagesync.model.listing import Entry, PlaceListing
from imagesync.render.columns import Column
from imagesync.render.page_frame import GRID, Chip, Controls, escape, format_caption, format_frame
from imagesync.render.place import describe_target
from imagesync.render.style import format_count
from imagesync.text import format_size

_DESCRIPTIONS: Final = ("description", "image_description")
MAX_ID_CHARS: Final = 40
"""A longer id may be broken into lines; ids of images are UUIDs, but not on every service."""
_LOGINS: Final = ("os_admin_user", "image_original_user", "default_user")
USUAL: Final = ("Name", "System", "Needs", "Size", "Visibility", "Created", "ID")
"""The columns of a page for the users of images."""
_NOTHING: Final = "<p>There are no images.</p>"


def format_page(
    entries: Sequence[Entry], title: str, place: str, now: datetime, columns: Sequence[Column] | None = None
) -> str:
    """The page. ``columns`` None: what users of images need: name, description, system, needs, size, dates, ids."""
    heads, rows = _make_rows(entries, now, columns)
    header = _make_header(title, f"{format_count(len(entries), 'image')} on {place}", now)
    table = list(_make_table(title, heads, rows))
    main = table if entries else [_NOTHING]
    return format_frame(title, header, _make_controls(entries), main)


def format_targets_page(
    found: Mapping[str, PlaceListing | ImagesyncError],
    title: str,
    now: datetime,
    columns: Sequence[Column] | None = None,
) -> str:
    """The page with a section for each target. It names a target that could not be listed; why is for the operator."""
    listed = [one for one in found.values() if isinstance(one, PlaceListing)]
    every = [entry for one in listed for entry in one.entries]
    counts = f"{format_count(len(every), 'image')} on {format_count(len(listed), 'target')}"
    main = [
        line
        for number, (name, one) in enumerate(found.items(), 1)
        for line in _make_section(f"target-{number}", name, one, now, columns)
    ]
    return format_frame(title, _make_header(title, counts, now), _make_controls(every), main)


def _make_section(
    anchor: str, name: str, one: PlaceListing | ImagesyncError, now: datetime, columns: Sequence[Column] | None
) -> Iterator[str]:
    """A filter hides the section as a whole if it fits none of its images."""
    entries = one.entries if isinstance(one, PlaceListing) else ()
    place = describe_target(name, one.here) if isinstance(one, PlaceListing) else f"target {name}"
    yield f'<section{" data-part" if entries else ""} aria-labelledby="{anchor}">'
    yield f'<h2 id="{anchor}">{escape(f"{place[:1].upper()}{place[1:]}")}</h2>'
    if isinstance(one, ImagesyncError):
        yield "<p>The images of this target could not be listed.</p>"
    elif entries:
        yield from _make_table(place, *_make_rows(entries, now, columns))
    else:
        yield _NOTHING
    yield "</section>"


def _make_header(title: str, counts: str, now: datetime) -> list[str]:
    state = f"{counts}, as of {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
    return [f"<h1>{escape(title)}</h1>", f'<p class="lead">{escape(state)}</p>']


def _make_controls(entries: Sequence[Entry]) -> Controls:
    kinds = Counter(entry.image.visibility.value for entry in entries)
    return Controls("image", len(entries), [Chip("visibility", kind, kind, kinds[kind]) for kind in sorted(kinds)])


def _make_rows(
    entries: Sequence[Entry], now: datetime, columns: Sequence[Column] | None
) -> tuple[Sequence[str], list[tuple[str, list[str]]]]:
    """The headings, and the kind and the cells of each image."""
    kinds = [entry.image.visibility.value for entry in entries]
    if columns is None:
        return USUAL, list(zip(kinds, map(_make_usual_row, entries), strict=True))
    rows = [[_make_cell(column.show(entry, now), column.name) for column in columns] for entry in entries]
    return [column.title.capitalize() for column in columns], list(zip(kinds, rows, strict=True))


def _make_table(title: str, heads: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> Iterator[str]:
    """The lines of a table; the first cell of each row is its heading. ``rows`` have a kind and the HTML of the cells."""
    yield f'<table class="images" {GRID}>'
    yield f"{format_caption(title)}"
    yield f"<thead><tr>{''.join(map(_make_head, heads))}</tr></thead>"
    yield "<tbody>"
    for kind, (first, *others) in rows:
        cells = [f'<td data-title="{escape(head)}">{cell}</td>' for head, cell in zip(heads[1:], others, strict=True)]
        yield f'<tr data-kinds="{kind}"><th scope="row">{first}</th> {" ".join(cells)}</tr>'
    yield "</tbody>"
    yield "</table>"


def _make_head(title: str) -> str:
    return f'<th scope="col">{escape(title)}</th>'


def _make_usual_row(entry: Entry) -> list[str]:
    image = entry.image
    needs = [f"{size} {unit}" for size, unit in ((image.min_disk, "GB disk"), (image.min_ram, "MB RAM")) if size]
    size = format_size(image.size) if image.size is not None else ""
    return [
        _join(escape(image.name or "(no name)"), _find_property(image, _DESCRIPTIONS)),
        _join(escape(_describe_system(image)), _describe_login(image)),
        ", ".join(map(_keep, needs)),
        _keep(size),
        _join(_keep(image.visibility.value), "deactivated" if image.status is Status.DEACTIVATED else ""),
        _make_time(image.created_at),
        f"<code>{_keep(image.id) if len(image.id) <= MAX_ID_CHARS else escape(image.id)}</code>",
    ]


def _keep(text: str) -> str:
    """A text that stays on one line."""
    return f'<span class="keep">{escape(text)}</span>' if text else ""


def _make_cell(text: str, name: str) -> str:
    return f"<code>{escape(text)}</code>" if name in ("id", "checksum", "os_hash_value") else escape(text)


def _join(first: str, second: str) -> str:
    """``first`` is HTML; ``second`` is text for a small line below it."""
    return f"{first}<br><small>{escape(second)}</small>" if second else first


def _find_property(image: LiveImage, names: Sequence[str]) -> str:
    return next((value for name in names if (value := image.properties.get(name, "").strip())), "")


def _describe_system(image: LiveImage) -> str:
    """``ubuntu 24.04, x86_64``, from the properties of the system that other tools use, too."""
    system = [image.properties.get(name, "") for name in ("os_distro", "os_version")]
    name = " ".join(filter(None, system)) or image.properties.get("os_type", "")
    return ", ".join(filter(None, (name, image.properties.get("architecture", ""))))


def _describe_login(image: LiveImage) -> str:
    login = _find_property(image, _LOGINS)
    return f"user {login}" if login else ""


def _make_time(text: str) -> str:
    """The day of a time, with the exact time for programs."""
    if (time := parse_time(text)) is None:
        return ""
    return f'<time class="keep" datetime="{escape(time.isoformat())}">{time.astimezone(UTC):%Y-%m-%d}</time>'
