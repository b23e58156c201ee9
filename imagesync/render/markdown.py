"""A document, or a collection of documents -> Markdown for the comment of a pull request, of limited size. Pure.

First what a reviewer must not miss, then a table with one row for each change, then the fields behind a click.
"""

from collections.abc import Sequence

from imagesync.render.document import Collection, Document, TargetGroup
from imagesync.render.markdown_layout import (
    Layout,
    format_layout,
    make_alerts_part,
    make_closing_part,
    make_details_part,
    make_errors_part,
    make_rows_part,
    make_sections_part,
    sort_blocks,
)
from imagesync.render.markdown_parts import MAX_OPEN_ROWS, format_command
from imagesync.render.markdown_targets import lay_out_targets
from imagesync.render.markdown_text import format_marker, mark_sentence


def format_markdown(document: Document | Collection, *, max_bytes: int) -> str:
    """The text without the line break at its end; with it, the text has at most ``max_bytes`` bytes in UTF-8.

    ``max_bytes`` must be at least 2,000.
    """
    layout = lay_out_targets(document) if isinstance(document, Collection) else _lay_out(document)
    return format_layout(layout, max_bytes)


def _lay_out(document: Document) -> Layout:
    """Alerts, errors, commands, rows, sections, details: in the order of their importance."""
    alerts = make_alerts_part([TargetGroup((), alert) for alert in document.alerts])
    errors = make_errors_part([TargetGroup((), error) for error in document.errors])
    closing = make_closing_part([*map(format_command, document.commands), *map(mark_sentence, document.closing)])
    blocks = sort_blocks(document.blocks, MAX_OPEN_ROWS)
    parts = [
        alerts,
        errors,
        closing,
        make_rows_part(blocks, MAX_OPEN_ROWS),
        make_sections_part(document.sections),
        make_details_part(blocks),
    ]
    marker = format_marker(document.catalog, document.target)
    return Layout(document.subject, marker, document.title, document.summary, parts, _arrange)


def _arrange(note: str, texts: Sequence[str]) -> list[str]:
    """The order for a reader. ``texts``: those of the parts of ``_lay_out``."""
    alerts, errors, closing, rows, sections, details = texts
    return [alerts, errors, note, rows, details, sections, closing]
