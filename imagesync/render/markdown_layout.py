"""Parts of documents -> Markdown of limited size: a cut is between two entries, and never in one. Pure."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from imagesync.render.document import Alert, Block, Document, Section, Subject, TargetGroup
from imagesync.render.markdown_parts import (
    format_alert_counts,
    format_alerts,
    format_all_details,
    format_bold,
    format_details,
    format_errors,
    format_group_heading,
    format_row,
    format_sections,
    format_table,
    format_title,
    has_details,
    join_parts,
)
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
class Part:
    """A part of the text that can be cut.

    ``render``: the part with its first N of ``total`` entries; nothing if there are none. ``noun``: the name of several
    entries. ``share``: the part of the room that it gets even if the parts after it need more than the rest. ``brief``: a
    text of a known size for the case that not even the part without entries fits. ``below``: the position of the part
    that has the heading of this one; without it, this one is left out.
    """

    render: Callable[[int], str]
    total: int
    noun: str
    share: float
    brief: str = ""
    below: int | None = None

    def fill(self, room: int) -> tuple[int, str]:
        """As many entries as fit into ``room`` bytes: their number, and the text, which is empty if nothing fits."""
        fitting = bisect_right(range(self.total + 1), room, key=lambda number: _measure(self.render(number))) - 1
        if fitting >= 0:
            return fitting, self.render(fitting)
        return (0, self.brief) if _measure(self.brief) <= room else (0, "")

    @property
    def whole(self) -> str:
        """The text with all entries."""
        return self.render(self.total)


@dataclass(frozen=True, slots=True)
class Layout:
    """A text before it is cut. ``parts``: in the order of their importance.

    ``arrange``: the note about a cut, which is above all that may be cut much, and the texts of the parts -> the texts in
    the order for a reader.
    """

    subject: Subject
    marker: str
    title: str
    summary: str
    parts: Sequence[Part]
    arrange: Callable[[str, Sequence[str]], Sequence[str]]


def format_layout(layout: Layout, max_bytes: int) -> str:
    """The text without the line break at its end; with it, the text has at most ``max_bytes`` bytes in UTF-8.

    ``max_bytes`` must be at least 2,000.
    """
    parts = layout.parts
    heads = [layout.marker, format_title(layout.title), format_bold(layout.summary)]
    text = join_parts([*heads, *layout.arrange("", [part.whole for part in parts])])
    if len(text.encode()) < max_bytes:
        return text
    heads = [layout.marker, _fit(layout.title, format_title), _fit(layout.summary, format_bold)]
    filled = _fill_parts(parts, max_bytes - sum(map(_measure, heads)) - NOTE_BYTES)
    numbers = [(part, number) for part, (number, _) in zip(parts, filled, strict=True)]
    note = _format_note(layout.subject, max_bytes, numbers)
    return join_parts([*heads, *layout.arrange(note, [text for _, text in filled])])


def _fill_parts(parts: Sequence[Part], room: int) -> list[tuple[int, str]]:
    """Each part in its share of the room, and in what the parts after it do not need; in the order of importance."""
    needs = [_measure(part.whole) for part in parts]
    filled: list[tuple[int, str]] = []
    for at, part in enumerate(parts):
        is_orphan = part.below is not None and not filled[part.below][1]
        number, text = (0, "") if is_orphan else part.fill(max(int(room * part.share), room - sum(needs[at + 1 :])))
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


def _format_note(subject: Subject, max_bytes: int, filled: Sequence[tuple[Part, int]]) -> str:
    """What is left out, and what shows it."""
    missing, totals = Counter[str](), Counter[str]()
    for part, number in filled:
        missing[part.noun] += part.total - number
        totals[part.noun] += part.total
    sentences = [f"{number:,} of {totals[noun]:,} {noun}" for noun, number in missing.items() if number]
    return (
        f"**Cut to {max_bytes:,} bytes.** Not shown here: {', '.join(sentences)}. Everything is in {_WHOLE[subject]}."
    )


def make_alerts_part(alerts: Sequence[TargetGroup[Alert]]) -> Part:
    """The box of the alerts, whose entries are names of images; if it is too large, only numbers."""
    names = max((len(alert.first.labels) for alert in alerts), default=0)
    brief = format_alert_counts(alerts)
    return Part(lambda number: format_alerts(alerts, number), names, "names in the first list", 0.7, brief)


def make_errors_part(errors: Sequence[TargetGroup[str]], share: float = 0.5) -> Part:
    """The list of the errors."""
    return Part(lambda number: format_errors(errors, number), len(errors), "errors", share)


def make_closing_part(closing: Sequence[str]) -> Part:
    """What the reader does next. ``closing``: Markdown."""
    return Part(lambda number: join_parts(closing[:number]), len(closing), "commands and hints", 0.3)


def make_rows_part(blocks: Sequence[Block], most: int, group: TargetGroup[Document] | None = None) -> Part:
    """The table, with at most ``most`` open rows; below the heading of a group of targets."""
    has_outcome = any(block.outcome for block in blocks)
    rows = [format_row(block, has_outcome=has_outcome) for block in blocks if block.kind.verb]
    heading = format_group_heading(group) if group else ""

    def render(number: int) -> str:
        return join_parts([heading, format_table(rows, number, has_outcome=has_outcome, most=most)])

    return Part(render, len(rows), "changes", 0.6)


def make_sections_part(sections: Sequence[Section], below: int | None = None) -> Part:
    """The lines of all sections."""
    lines = sum(len(section.lines) for section in sections)
    return Part(lambda number: format_sections(sections, number), lines, "further lines", 0.3, below=below)


def make_details_part(blocks: Sequence[Block], below: int | None = None) -> Part:
    """The fields of all blocks whose rows do not have all of them."""
    details = [format_details(block) for block in blocks if has_details(block)]
    return Part(lambda number: format_all_details(details, number), len(details), "lists of fields", 1, below=below)


def sort_blocks(blocks: Sequence[Block], most: int) -> Sequence[Block]:
    """The blocks; if not all rows are shown without a click, those that say most first, in each outcome."""
    if len(blocks) <= most:
        return blocks
    outcomes = list(dict.fromkeys(block.outcome for block in blocks))
    return sorted(
        blocks, key=lambda block: (outcomes.index(block.outcome), not _is_loud(block), len(block.labels) == 1)
    )


def _is_loud(block: Block) -> bool:
    return any(line.is_loud for line in block.lines)
