"""A collection of documents -> one HTML page: a table of the targets, and a section for each group of them. Pure."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from imagesync.render.document import Collection, Document, TargetGroup, TargetRow
from imagesync.render.page_frame import GRID, escape, format_caption, format_frame
from imagesync.render.page_parts import (
    MAX_OPEN,
    Numbered,
    find_anchors,
    format_alerts,
    format_block_list,
    format_errors,
    format_header,
    format_list,
    format_next,
    format_section,
    make_controls,
    make_kind,
    number_blocks,
)


@dataclass(frozen=True, slots=True)
class _Part:
    """A group of targets about which there is something to read, with the anchors of its heading and its blocks."""

    anchor: str
    group: TargetGroup[Document]
    blocks: Numbered


def format_targets_page(document: Collection, *, now: datetime) -> str:
    """The page. ``now``: the reader's clock, for the time of the page."""
    parts = _number_parts([group for group in document.groups if group.first.has_content])
    anchors: dict[str | None, Mapping[str, str]] = {
        name: find_anchors(part.blocks) for part in parts for name in part.group.names
    }
    links = {name: part.anchor for part in parts for name in part.group.names}
    header = format_header(document.subject, document.title, document.summary, now)
    first = [
        *format_alerts(document.alerts, anchors),
        *format_errors(document.errors),
        *_format_targets(document.rows, links),
    ]
    is_open = sum(len(part.blocks) for part in parts) <= MAX_OPEN
    main = [
        *(line for part in parts for line in _format_part(part, is_open=is_open)),
        *format_next(document.commands, document.closing),
    ]
    controls = make_controls(document.subject, [part.group.first.blocks for part in parts])
    return format_frame(document.title, header, controls, main, first=first)


def _number_parts(groups: Sequence[TargetGroup[Document]]) -> list[_Part]:
    parts, number = list[_Part](), 1
    for at, group in enumerate(groups, 1):
        parts.append(_Part(f"group-{at}", group, number_blocks(group.first.blocks, number)))
        number += len(group.first.blocks)
    return parts


def _format_targets(rows: Sequence[TargetRow], links: Mapping[str, str]) -> Iterator[str]:
    """A table with a row for each target, and a link to its group; without the columns that say nothing."""
    if not rows:
        return
    without = {"place"} if not any(row.place for row in rows) else set[str]()
    without |= {"wave"} if len({row.wave for row in rows}) == 1 else set()
    names = [name for name in ("target", "place", "wave", "outcome", "changes", "errors") if name not in without]
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    yield '<section aria-labelledby="targets">'
    yield '<h2 id="targets">Targets</h2>'
    yield f'<table class="targets" {GRID}>'
    yield format_caption("Targets")
    yield f"<thead><tr>{heads}</tr></thead>"
    yield "<tbody>"
    yield from (_format_row(row, links, without) for row in rows)
    yield "</tbody>"
    yield "</table>"
    yield "</section>"


def _format_row(row: TargetRow, links: Mapping[str, str], without: Container[str]) -> str:
    """``without``: the names of columns that the table does not have."""
    name, outcome = escape(row.target), escape(row.outcome)
    link = f'<a href="#{links[row.target]}">{name}</a>' if row.target in links else name
    cells = {
        "place": escape(row.place),
        "wave": str(row.wave),
        "outcome": f'<span class="outcome {escape(make_kind("outcome", row.outcome))}">{outcome}</span>',
        "changes": escape(row.changes),
        "errors": f"{row.errors:,}" if row.errors else "",
    }
    texts = "".join(f'<td data-title="{title}">{text}</td>' for title, text in cells.items() if title not in without)
    return f'<tr><th scope="row">{link}</th>{texts}</tr>'


def _format_part(part: _Part, *, is_open: bool) -> Iterator[str]:
    """The section of a group. A filter hides it as a whole if it fits none of its blocks."""
    document, names = part.group.first, ", ".join(part.group.names)
    yield f'<section{" data-part" if part.blocks else ""} aria-labelledby="{part.anchor}">'
    yield f'<h2 id="{part.anchor}">{escape(f"{names}: {document.title}")}</h2>'
    if document.summary:
        yield f"<p>{escape(document.summary)}</p>"
    if part.blocks:
        yield from format_block_list(part.blocks, is_open=is_open)
    for section in document.sections:
        yield from format_section(section, "h3")
    if document.closing:
        yield from format_list(list(map(escape, document.closing)), "facts")
    yield "</section>"
