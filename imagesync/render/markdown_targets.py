"""A collection of documents -> the layout of its Markdown. Pure.

First what a reviewer must not miss of any target, then a table with one row for each target, then each group of targets with
equal documents. A cut leaves out fields and rows of changes before errors and targets.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from imagesync.render.document import Collection, Section
from imagesync.render.markdown_layout import (
    Layout,
    Part,
    make_alerts_part,
    make_closing_part,
    make_details_part,
    make_errors_part,
    make_rows_part,
    make_sections_part,
    sort_blocks,
)
from imagesync.render.markdown_parts import MAX_OPEN_ROWS, format_command, format_target_rows
from imagesync.render.markdown_text import format_marker, mark_sentence

MIN_OPEN_ROWS: Final = 3
"""Rows of each group of targets that are shown without a click, however many groups there are."""
_GROUPS_AT: Final = 4
"""The position of the first group in the parts of a layout."""


def lay_out_targets(document: Collection) -> Layout:
    """Targets, errors, alerts, commands; then the rows of all groups, their sections, their details."""
    groups = [group for group in document.groups if group.first.has_content]
    most = max(MAX_OPEN_ROWS // max(len(groups), 1), MIN_OPEN_ROWS)
    blocks = [sort_blocks(group.first.blocks, most) for group in groups]
    parts = [
        Part(lambda number: format_target_rows(document.rows, number), len(document.rows), "targets", 0.9),
        make_errors_part(document.errors, 0.9),
        make_alerts_part(document.alerts),
        make_closing_part([*map(format_command, document.commands), *map(mark_sentence, document.closing)]),
        *(make_rows_part(some, most, group) for some, group in zip(blocks, groups, strict=True)),
        *(
            make_sections_part((*group.first.sections, Section("", group.first.closing)), _GROUPS_AT + at)
            for at, group in enumerate(groups)
        ),
        *(make_details_part(some, _GROUPS_AT + at) for at, some in enumerate(blocks)),
    ]
    marker = format_marker(document.catalog, None)
    return Layout(document.subject, marker, document.title, document.summary, parts, _arrange_targets)


def _arrange_targets(note: str, texts: Sequence[str]) -> list[str]:
    """The order for a reader. ``texts``: those of the parts of ``lay_out_targets``."""
    targets, errors, alerts, closing = texts[:_GROUPS_AT]
    number = (len(texts) - _GROUPS_AT) // 3
    rows, sections, details = (texts[_GROUPS_AT + at * number :][:number] for at in range(3))
    groups = zip(rows, details, sections, strict=True)
    return [alerts, errors, note, targets, *chain.from_iterable(groups), closing]
