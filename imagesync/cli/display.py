"""Events of a run -> progress bars at the bottom of a terminal, finished steps above them. Does I/O.

It is imported only on a terminal, because rich is slow to import.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, Self, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleDimensions, Group, RenderableType
from rich.live import Live
from rich.text import Text

from imagesync.cli.streams import TerminalStream, divert
from imagesync.model.plan import Plan
from imagesync.model.report import Event, Finished, Outcome, StepResult
from imagesync.render.progress import (
    Moved,
    RunProgress,
    describe_others,
    describe_state,
    draw_bar,
    format_amount,
    format_end,
    format_rate,
    format_time_left,
)
from imagesync.render.style import format_count
from imagesync.text import make_printable

REDRAWS: Final = 4
"""Redraws per second."""
MARGIN: Final = 3
"""Free columns at the right edge, where the terminal itself may write ^C."""
GAP: Final = 2
"""Columns between two values of a row."""
AMOUNT: Final = 18
"""The width of a usual amount, and below of a rate and of a time left; a longer value takes columns from the bar."""
RATE: Final = 11
LEFT: Final = 11
MIN_BAR: Final = 6
MAX_BAR: Final = 40
INDENT: Final = 12
"""The width of the outcome at the beginning of the line of a step."""
ROWS_LEFT: Final = 4
"""Rows of the terminal that stay free of bars."""
USUAL: Final = ConsoleDimensions(80, 24)
"""The size that is used if the terminal does not report one."""
TOTAL: Final = "total"


@dataclass(frozen=True, slots=True)
class Row:
    """The row of one bar; ``share`` is from 0 to 1, None if the total is unknown."""

    key: str
    share: float | None
    amount: str
    tail: str


class Display:
    """A context manager that draws the progress of a run; call it with each event, from any thread.

    Text that other code writes to the terminal meanwhile is printed above the bars.
    """

    def __init__(
        self,
        plan: Plan | None,
        stream: TextIO,
        *,
        has_colors: bool,
        with_reason: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress, self._clock, self._lock = RunProgress(plan), clock, threading.Lock()
        self._stream, self._with_reason = stream, with_reason
        self._measure_keys()
        self._console = Console(
            file=TerminalStream(stream),  # type: ignore[arg-type]  # it has every method that rich calls
            force_terminal=True,
            color_system="standard" if has_colors else None,
            no_color=not has_colors,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._read_size()
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=REDRAWS,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._unfinished = ""
        self._open = ExitStack()

    def _measure_keys(self) -> None:
        self._keys = max((cell_len(make_printable(key)) for key in self._progress.keys), default=0)
        self._has_total = self._progress.steps > 1

    def put(self, target: str, plan: Plan) -> None:
        """Take the plan of a target."""
        with self._lock:
            self._progress.put(target, plan)
            self._measure_keys()

    def __enter__(self) -> Self:
        self._console.line()
        self._open.enter_context(self._live)
        self._open.enter_context(divert(self._show_text))
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the bars; a second call does nothing."""
        self._open.close()

    def __call__(self, event: Event) -> None:
        """Take one event."""
        with self._lock:
            self._progress.note(event, self._clock())
        # the closing lines name interrupted steps
        if isinstance(event, Finished) and event.result.outcome is not Outcome.INTERRUPTED:
            self._print_result(event.result)

    def refresh(self) -> None:
        """Draw the bars as they are now."""
        self._live.refresh()

    def _show_text(self, text: str) -> None:
        """Print whole lines above the bars; an unfinished line waits for its end."""
        with self._lock:
            whole, newline, self._unfinished = (self._unfinished + text).rpartition("\n")
        if newline:
            self._print(Text.from_ansi(whole))

    def _print_result(self, result: StepResult) -> None:
        """Print the line of a step that ended, wrapped between words."""
        style = "red" if result.outcome is Outcome.FAILED else ""
        line = format_end(result, with_reason=self._with_reason)
        parts = Text(line[INDENT:], style).wrap(self._console, max(self._console.width - INDENT, INDENT))
        joined = Text("\n" + " " * INDENT).join(parts)
        self._print(Text(line[:INDENT], style).append_text(joined))

    def _print(self, text: Text) -> None:
        # the terminal wraps long lines itself, so a user can copy them whole
        self._console.print(text, soft_wrap=True)

    def _draw(self) -> RenderableType:
        size = self._read_size()
        with self._lock:
            rows, notes = list(self._make_rows()), list(self._make_notes())
        layout = choose_layout(rows, size.width - MARGIN, self._keys)
        most = max((size.height - ROWS_LEFT) // (2 if layout.is_split else 1), 1)
        hidden = len(rows) - most
        if hidden > 0:
            rows = [*rows[: most - 1], *rows[-1:]] if self._has_total else rows[:most]
            notes.insert(0, f"and {format_count(hidden, 'more transfer')}")
        lines = [line for row in rows for line in draw_row(row, layout, is_ascii=self._console.options.ascii_only)]
        return Group(*lines, *(_cut(Text(note), layout.columns) for note in notes))

    def _read_size(self) -> ConsoleDimensions:
        """The size of the terminal now: users resize it, and some terminals report none."""
        try:
            columns, lines = os.get_terminal_size(self._stream.fileno())
        except OSError:
            columns, lines = 0, 0
        self._console.size = size = ConsoleDimensions(columns or USUAL.width, lines or USUAL.height)
        return size

    def _make_rows(self) -> Iterator[Row]:
        at = self._clock()
        for step in self._progress.list_transfers():
            moved = self._progress.measure(step, at)
            state = describe_state(moved, has_begun=self._progress.has_begun(step))
            yield make_row(make_printable(step.action.key), moved, state)
        if not self._has_total:
            return
        if (whole := self._progress.measure_all(at)) is not None:
            yield make_row(TOTAL, whole, "")
        else:
            done, steps = self._progress.ended, self._progress.steps
            yield Row(TOTAL, done / steps, f"{done} of {format_count(steps, 'step')}", "")

    def _make_notes(self) -> Iterator[str]:
        progress = self._progress
        if not progress.steps:  # the first target has not begun
            return
        failed = f", {progress.failed} failed" if progress.failed else ""
        others = describe_others(progress, self._clock())
        yield f"{progress.done} of {format_count(progress.steps, 'step')} done{failed}{'; now: ' if others else ''}{others}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The widths of all columns together, the key, the bar (0: none) and the amount.

    ``is_split``: each key has a line of its own.
    """

    columns: int
    key: int
    bar: int
    amount: int
    is_split: bool


def make_row(key: str, moved: Moved, state: str) -> Row:
    """The row of one transfer, or of all together; ``state`` replaces rate and time left."""
    share = min(moved.done / moved.total, 1.0) if moved.total else None
    tail = state or f"{format_rate(moved):>{RATE}}{'':{GAP}}{format_time_left(moved)}"
    return Row(key, share, format_amount(moved), tail)


def choose_layout(rows: Sequence[Row], columns: int, keys: int) -> Layout:
    """A layout for lines of at most ``columns``.

    ``keys`` is the length of the longest key of the whole plan, so the columns never move during a run.
    """
    amount = max([AMOUNT, *(len(row.amount) for row in rows)])
    tail = max([RATE + GAP + LEFT, *(len(row.tail) for row in rows)])
    room = columns - amount - tail - 3 * GAP
    key = max(keys, len(TOTAL))
    is_split = key > room - MIN_BAR
    key = len(TOTAL) if is_split else key
    bar = min(room - key, MAX_BAR)
    return Layout(columns, key, bar if bar >= MIN_BAR else 0, amount, is_split)


def draw_row(row: Row, layout: Layout, *, is_ascii: bool) -> Iterator[Text]:
    """The lines of a row."""
    has_own_line = layout.is_split and row.key != TOTAL
    if has_own_line:
        yield _cut(Text(row.key), layout.columns)
    line = Text(set_cell_size("" if has_own_line else row.key, layout.key) + " " * GAP)
    if layout.bar:
        full, rest = draw_bar(row.share, layout.bar, is_ascii=is_ascii)
        line.append(full, "green").append(rest, "dim").append(" " * GAP)
    yield _cut(line.append(f"{row.amount:>{layout.amount}}{'':{GAP}}{row.tail}".rstrip()), layout.columns)


def _cut(line: Text, columns: int) -> Text:
    """The line, cut to ``columns``."""
    line.truncate(columns, overflow="ellipsis")
    return line
