"""Cells -> a table for a terminal or a file. Pure.

Nothing is cut: in a narrow terminal, columns are left out and named below the table, and long cells take several lines.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, chop_cells

USUAL_WRAPPED: Final = 24
"""Other columns are left out to give a column that wraps this width."""
MIN_WRAPPED: Final = 12
"""The smallest width of a column that wraps."""
_GAP: Final = "  "


@dataclass(frozen=True, slots=True)
class Head:
    """The heading of a column; ``rank``, ``wraps`` and ``is_number`` as in ``columns.Column``."""

    title: str
    rank: int = 0
    wraps: bool = False
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """The lines of a table, and the titles of the columns that are left out."""

    lines: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def lay_out(heads: Sequence[Head], rows: Sequence[Sequence[str]], width: int | None) -> Table:
    """A table of at most ``width`` columns of a terminal; None: no limit. Cells must be printable."""
    kept = list(range(len(heads)))
    natural = [max(map(cell_len, (head.title, *(row[at] for row in rows)))) for at, head in enumerate(heads)]
    usual = _limit(heads, natural, USUAL_WRAPPED)
    while width is not None and _measure(usual, kept) > width and (spare := [at for at in kept if heads[at].rank]):
        kept.remove(max(spare, key=lambda at: heads[at].rank))
    lowest = _limit(heads, natural, MIN_WRAPPED)
    words = [max(_measure_word(row[at]) for row in (*rows, [head.title for head in heads])) for at in range(len(heads))]
    whole = [max(low, min(word, high)) for low, word, high in zip(lowest, words, usual, strict=True)]
    least = lowest if width is not None and _measure(whole, kept) > width else whole  # then words are broken
    widths = _share(natural, least, kept, width)
    lined_up = [[heads[at].title for at in kept], *([row[at] for at in kept] for row in rows)]
    lines = tuple(
        line for row in lined_up for line in _write_row(row, [widths[at] for at in kept], [heads[at] for at in kept])
    )
    return Table(lines, tuple(head.title for at, head in enumerate(heads) if at not in kept))


def _limit(heads: Sequence[Head], natural: Sequence[int], limit: int) -> list[int]:
    """The widths if columns that wrap have at most ``limit``, but their title fits."""
    return [
        max(cell_len(head.title), min(size, limit)) if head.wraps else size
        for head, size in zip(heads, natural, strict=True)
    ]


def _measure_word(text: str) -> int:
    """The width of the longest word."""
    return max(map(cell_len, text.split()), default=0)


def _measure(sizes: Sequence[int], kept: Sequence[int]) -> int:
    return sum(sizes[at] for at in kept) + len(_GAP) * (len(kept) - 1)


def _share(natural: Sequence[int], least: Sequence[int], kept: Sequence[int], width: int | None) -> dict[int, int]:
    """The width of each column: the smallest one first, then the rest of the line to the cells that would be wrapped."""
    if width is None:
        return {at: natural[at] for at in kept}
    widths, left = {at: least[at] for at in kept}, width - _measure(least, kept)
    for at in sorted(kept, key=lambda at: natural[at] - least[at]):
        more = min(natural[at] - least[at], max(left, 0))
        widths[at], left = widths[at] + more, left - more
    return widths


def _write_row(cells: Sequence[str], widths: Sequence[int], heads: Sequence[Head]) -> Iterator[str]:
    parts = [
        _wrap(cell, width) if head.wraps else [cell] for cell, width, head in zip(cells, widths, heads, strict=True)
    ]
    for number in range(max(map(len, parts))):
        line = [
            _pad(part[number] if number < len(part) else "", width, head)
            for part, width, head in zip(parts, widths, heads, strict=True)
        ]
        yield _GAP.join(line).rstrip()


def _wrap(text: str, width: int) -> list[str]:
    """``text`` in lines of ``width`` columns, broken at spaces, or within a word that is longer than a line."""
    if cell_len(text) <= width:
        return [text]
    if cell_len(text) == len(text):
        return textwrap.wrap(text, width, break_on_hyphens=False) or [text]
    return chop_cells(text, width)


def _pad(text: str, width: int, head: Head) -> str:
    room = " " * (width - cell_len(text))
    return f"{room}{text}" if head.is_number else f"{text}{room}"
