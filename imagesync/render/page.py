"""A document, or a collection of documents -> one HTML page. Pure.

The page reads without its script and its style, too: headings, lists, tables, and ``<details>``, which every browser opens. What
becomes public or protected, or is deleted, comes first.
"""

from datetime import datetime

from imagesync.render.document import Collection, Document, TargetGroup
from imagesync.render.page_frame import format_frame
from imagesync.render.page_parts import (
    find_anchors,
    format_alerts,
    format_blocks,
    format_errors,
    format_header,
    format_next,
    format_section,
    make_controls,
    number_blocks,
)
from imagesync.render.page_targets import format_targets_page


def format_page(document: Document | Collection, *, now: datetime) -> str:
    """The page. ``now``: the reader's clock, for the time of the page."""
    if isinstance(document, Collection):
        return format_targets_page(document, now=now)
    blocks = number_blocks(document.blocks)
    alerts = [TargetGroup((), alert) for alert in document.alerts]
    errors = [TargetGroup((), error) for error in document.errors]
    main = [
        *format_blocks(document.subject, blocks),
        *(line for section in document.sections for line in format_section(section)),
        *format_next(document.commands, document.closing),
    ]
    header = format_header(document.subject, document.title, document.summary, now)
    first = [*format_alerts(alerts, {None: find_anchors(blocks)}), *format_errors(errors)]
    return format_frame(document.title, header, make_controls(document.subject, [document.blocks]), main, first=first)
