"""A document -> Markdown for the comment of a pull request, of limited size. Pure.

First what a reviewer must not miss, then a table with one row for each change, then the fields behind a click. A cut
is between two entries, and never in one.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from imagesync.render.document import Block, Document, Subject
from imagesync.render.markdown_parts import (
    MAX_OPEN_ROWS,
    format_alerts,
    format_all_details,
    format_bold,
    format_command,
    format_details,
    format_errors,
    format_row,
    format_sections,
    format_table,
    format_title,
    has_details,
    join_parts,
)
from imagesync.render.markdown_text import format_marker, mark_sentence
from imagesync.text import shorten

MAX_HEADING_BYTES: Final = 300
"""The limit of the title, and of the sentence with the counts, in a text that is cut."""
NOTE_BYTES: Final = 500
"""Room for the sentence about what is left out."""
_WHOLE: Final = {
    Subject.PLAN: "`imagesync plan --detail`, or `imagesync show` with the saved plan",
    Subject.REPORT: "the log of the run, or the report that `--out` writes",
    Subject.DRIFT: "`imagesync drift`",
    Subject.IMAGE: "`imagesync show` with the key",
    Subject.FAILURE: "the log of the command",
}
"""What shows everything."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the text that can be cut.

    ``render``: the part with its first N of ``total`` entries; nothing if there are none. ``noun``: the name of several
    entries. ``share``: the part of the room that it gets even if the parts after it need more than the rest.
    """

    render: Callable[[int], str]
    total: int
    noun: str
    share: float

    def fill(self, room: int) -> tuple[int, str]:
        """As many entries as fit into ``room`` bytes: their number, and the text, which is empty if nothing fits."""
        fitting = bisect_right(range(self.total + 1), room, key=lambda number: _measure(self.render(number))) - 1
        return (fitting, self.render(fitting)) if fitting >= 0 else (0, "")

    @property
    def whole(self) -> str:
        """The text with all entries."""
        return self.render(self.total)


def format_markdown(document: Document, *, max_bytes: int) -> str:
    """The text without the line break at its end; with it, the text has at most ``max_bytes`` bytes in UTF-8.

    ``max_bytes`` must be at least 2,000.
    """
    parts = _make_parts(document)
    marker = format_marker(document.catalog, document.target)
    heads = [marker, format_title(document.title), format_bold(document.summary)]
    text = _arrange(heads, "", [part.whole for part in parts])
    if len(text.encode()) < max_bytes:
        return text
    heads = [marker, _fit(document.title, format_title), _fit(document.summary, format_bold)]
    filled = _fill_parts(parts, max_bytes - sum(map(_measure, heads)) - NOTE_BYTES)
    numbers = [(part, number) for part, (number, _) in zip(parts, filled, strict=True)]
    note = _format_note(document.subject, max_bytes, numbers)
    return _arrange(heads, note, [text for _, text in filled])


def _arrange(heads: Sequence[str], note: str, texts: Sequence[str]) -> str:
    """The whole text; ``texts``: those of ``_make_parts``. The note about the cut is above all that may be cut much."""
    alerts, errors, closing, rows, sections, details = texts
    return join_parts([*heads, alerts, errors, note, rows, details, sections, closing])


def _fill_parts(parts: Sequence[_Part], room: int) -> list[tuple[int, str]]:
    """Each part in its share of the room, and in what the parts after it do not need; in the order of importance."""
    needs = [_measure(part.whole) for part in parts]
    filled = []
    for at, part in enumerate(parts):
        number, text = part.fill(max(int(room * part.share), room - sum(needs[at + 1 :])))
        filled.append((number, text))
        room -= _measure(text)
    return filled


def _measure(text: str) -> int:
    """The bytes of a part and of the empty line before it."""
    return len(text.encode()) + 2 if text else 0


def _fit(text: str, format_text: Callable[[str], str]) -> str:
    """A heading with as much of its text as fits."""
    fitting = bisect_right(
        range(len(text) + 1), MAX_HEADING_BYTES, key=lambda size: _measure(format_text(shorten(text, size)))
    )
    return format_text(shorten(text, max(fitting - 1, 1)))


def _format_note(subject: Subject, max_bytes: int, filled: Sequence[tuple[_Part, int]]) -> str:
    """What is left out, and what shows it."""
    missing = [
        f"{part.total - number:,} of {part.total:,} {part.noun}" for part, number in filled if number < part.total
    ]
    return f"**Cut to {max_bytes:,} bytes.** Not shown here: {', '.join(missing)}. Everything is in {_WHOLE[subject]}."


def _make_parts(document: Document) -> list[_Part]:
    """Alerts, errors, commands, rows, sections, details: in the order of their importance."""
    alerts, errors, blocks = document.alerts, document.errors, _sort_blocks(document.blocks)
    has_outcome = any(block.outcome for block in blocks)
    rows = [format_row(block, has_outcome=has_outcome) for block in blocks if block.kind.verb]
    details = [format_details(block) for block in blocks if has_details(block)]
    names = max((len(alert.labels) for alert in alerts), default=0)
    lines = sum(len(section.lines) for section in document.sections)
    closing = [*map(format_command, document.commands), *map(mark_sentence, document.closing)]
    return [
        _Part(lambda number: format_alerts(alerts, number), names, "names in the first list", 0.7),
        _Part(lambda number: format_errors(errors, number), len(errors), "errors", 0.5),
        _Part(lambda number: join_parts(closing[:number]), len(closing), "commands and hints", 0.3),
        _Part(lambda number: format_table(rows, number, has_outcome=has_outcome), len(rows), "changes", 0.6),
        _Part(lambda number: format_sections(document.sections, number), lines, "further lines", 0.3),
        _Part(lambda number: format_all_details(details, number), len(details), "lists of fields", 1),
    ]


def _sort_blocks(blocks: Sequence[Block]) -> Sequence[Block]:
    """The blocks; if not all rows are shown without a click, those that say most first, in each outcome."""
    if len(blocks) <= MAX_OPEN_ROWS:
        return blocks
    outcomes = list(dict.fromkeys(block.outcome for block in blocks))
    return sorted(
        blocks, key=lambda block: (outcomes.index(block.outcome), not _is_loud(block), len(block.labels) == 1)
    )


def _is_loud(block: Block) -> bool:
    return any(line.is_loud for line in block.lines)
