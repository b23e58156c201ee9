"""Entries of a listing -> one HTML page for the users of a cloud. Pure.

The page has everything in itself, no script, and reads without its style, too. All text from outside is escaped, and its
control characters are shown as escapes.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from imagesync.model.catalog import Status
from imagesync.model.image import LiveImage, parse_time
from imagesync.model.listing import Entry
from imagesync.render.columns import Column
from imagesync.render.style import format_count
from imagesync.text import format_size, make_printable

_DESCRIPTIONS: Final = ("description", "image_description")
_LOGINS: Final = ("os_admin_user", "image_original_user", "default_user")
USUAL: Final = ("Name", "System", "Needs", "Size", "Visibility", "Created", "ID")
"""The columns of a page for the users of images."""
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_STYLE: Final = """
:root { color-scheme: light dark; --line: #8885; --soft: #8881; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { margin: 0 0 .25rem; font-size: 1.6rem; overflow-wrap: anywhere; }
p { margin: 0 0 1.25rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .5rem .75rem; border-bottom: 1px solid var(--line);
  overflow-wrap: break-word; }
td { max-width: 24rem; }
thead th { border-bottom-width: 2px; font-size: .85rem; }
tbody th { font-weight: 600; min-width: 12rem; max-width: 24rem; }
tbody tr:nth-child(even) { background: var(--soft); }
small { display: block; font-size: .85rem; font-weight: 400; overflow-wrap: anywhere; }
code { font: .85rem/1.4 ui-monospace, monospace; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
.keep { white-space: nowrap; }
@media (max-width: 48rem) {
  thead { display: none; }
  table, tbody, tr, th, td { display: block; max-width: none; }
  tr { padding: .75rem 0; border-bottom: 1px solid var(--line); }
  th, td { border: 0; padding: .1rem .5rem; }
  .number { text-align: left; }
  td[data-title]:not(:empty)::before { content: attr(data-title) ": "; font-size: .85rem; opacity: .75; }
  code { white-space: normal; overflow-wrap: anywhere; }
}
@media print {
  :root { color-scheme: light; }
  @page { size: A4 landscape; margin: 12mm; }
  body { font-size: 9.5pt; margin: 0; max-width: none; padding: 0; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
  th, td { padding: .25rem .4rem; }
  small, code { font-size: 8pt; }
}
""".strip()


def format_page(
    entries: Sequence[Entry], title: str, place: str, now: datetime, columns: Sequence[Column] | None = None
) -> str:
    """The page. ``columns`` None: what users of images need: name, description, system, needs, size, dates, ids."""
    if columns is None:
        heads, rows = [*USUAL], [_make_usual_row(entry) for entry in entries]
    else:
        heads = [column.title.capitalize() for column in columns]
        rows = [[_make_cell(column.show(entry, now), column.name) for column in columns] for entry in entries]
    time = now.astimezone(UTC)
    state = f"{format_count(len(entries), 'image')} on {place}, as of {time:%Y-%m-%d %H:%M} UTC."
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{_escape(title)}</title>",
            f"<style>\n{_STYLE}\n</style>",
            "</head>",
            "<body>",
            f"<h1>{_escape(title)}</h1>",
            f"<p>{_escape(state)}</p>",
            *(_make_table(heads, rows) if entries else ["<p>There are no images.</p>"]),
            "</body>",
            "</html>",
            "",
        ]
    )


def _make_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; the first cell of each row is its heading. ``rows`` have the HTML within the cells."""
    yield "<table>"
    yield f"<thead><tr>{''.join(map(_make_head, heads))}</tr></thead>"
    yield "<tbody>"
    for first, *others in rows:
        cells = [f'<td data-title="{_escape(head)}">{cell}</td>' for head, cell in zip(heads[1:], others, strict=True)]
        yield f'<tr><th scope="row">{first}</th>{"".join(cells)}</tr>'
    yield "</tbody>"
    yield "</table>"


def _make_head(title: str) -> str:
    return f'<th scope="col">{_escape(title)}</th>'


def _make_usual_row(entry: Entry) -> list[str]:
    image = entry.image
    needs = [f"{size} {unit}" for size, unit in ((image.min_disk, "GB disk"), (image.min_ram, "MB RAM")) if size]
    size = format_size(image.size) if image.size is not None else ""
    return [
        _join(_escape(image.name or "(no name)"), _find_property(image, _DESCRIPTIONS)),
        _join(_escape(_describe_system(image)), _describe_login(image)),
        _escape(", ".join(needs)),
        f'<span class="keep">{_escape(size)}</span>',
        _join(_escape(image.visibility.value), "deactivated" if image.status is Status.DEACTIVATED else ""),
        _make_time(image.created_at),
        f"<code>{_escape(image.id)}</code>",
    ]


def _make_cell(text: str, name: str) -> str:
    return f"<code>{_escape(text)}</code>" if name in ("id", "checksum", "os_hash_value") else _escape(text)


def _join(first: str, second: str) -> str:
    """``first`` is HTML; ``second`` is text for a small line below it."""
    return f"{first}<small>{_escape(second)}</small>" if second else first


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
    return f'<time class="keep" datetime="{_escape(time.isoformat())}">{time.astimezone(UTC):%Y-%m-%d}</time>'


def _escape(text: str) -> str:
    """Text for the content or a quoted attribute; ``make_printable`` breaks commands of CI systems."""
    return make_printable(text).translate(_ESCAPES)
