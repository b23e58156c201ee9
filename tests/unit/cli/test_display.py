"""The bars on a terminal."""

import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Iterator
from dataclasses import replace

import pytest

from imagesync.cli.display import MARGIN, Display, Row, choose_layout, draw_row, make_row
from imagesync.model.plan import Plan
from imagesync.model.report import Finished, Outcome, Progress, Started, StepResult, Transferred
from imagesync.render.progress import Moved
from tests.unit.factories import catalog, inventory, plan, spec

GIB = 2**30
LONG = "ubuntu-24.04-server-cloudimg-amd64-with-a-long-name"
MOST = Moved(1023 * GIB, 1023 * GIB + 1, 1023.9 * 2**20, 23 * 3600.0)
"""Values that take as many columns as any."""


def draw(row: Row, columns: int, keys: int) -> list[str]:
    """The lines of one row."""
    layout = choose_layout([row], columns, keys)
    return [line.plain for line in draw_row(row, layout, is_ascii=False)]


def test_a_row_has_key_bar_bytes_rate_and_time() -> None:
    """At 80 columns on one line."""
    row = make_row("debian-13", Moved(GIB, 2 * GIB, 20.0 * 2**20, 51.0), "")
    assert draw(row, 77, 9) == ["debian-13  ━━━━━━━━━━──────────    1.00 of 2.00 GiB   20.0 MiB/s  51 s left"]


def test_a_long_key_has_a_line_of_its_own_and_is_never_cut() -> None:
    """Keys that differ at their end look different."""
    first, second = draw(make_row(LONG, Moved(1, 2), ""), 77, len(LONG))
    assert (first, second.split()[-4:]) == (LONG, ["1", "of", "2", "B"])
    (line,) = draw(make_row(LONG, Moved(1, 2), ""), 137, len(LONG))
    assert line.startswith(LONG)


@pytest.mark.parametrize("columns", [20, 40, 60, 77, 100, 137])
@pytest.mark.parametrize("key", ["a", LONG])
def test_the_bar_gives_way_to_long_values(columns: int, key: str) -> None:
    """No line is longer than the terminal."""
    lines = draw(make_row(key, MOST, ""), columns, len(key))
    assert [line for line in lines if len(line) > columns] == []


class Screen:
    """A terminal of 80 columns, and what was drawn on it."""

    def __init__(self) -> None:
        self._ours, self._its = pty.openpty()
        fcntl.ioctl(self._its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.stream = os.fdopen(self._its, "w", encoding="utf-8")
        self._drawn = b""

    def read(self) -> str:
        """All that was drawn until now, without colors."""
        os.set_blocking(self._ours, False)
        try:
            while piece := os.read(self._ours, 65536):
                self._drawn += piece
        except BlockingIOError:
            pass
        return re.sub(r"\x1b\[[0-9;]*m", "", self._drawn.decode(errors="ignore"))

    def close(self) -> None:
        """No more."""
        self.stream.close()
        os.close(self._ours)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    """An empty one."""
    monkeypatch.setenv("COLUMNS", "300")  # what a shell exported long ago
    opened = Screen()
    yield opened
    opened.close()


def plan_of(*keys: str) -> Plan:
    """A plan that uploads 2 GiB for each key."""
    return plan(
        catalog(*(spec(key, fingerprint=replace(spec().fingerprint, size=2 * GIB)) for key in keys)), inventory()
    )


def test_bars_appear_and_disappear_and_ended_steps_stay(screen: Screen) -> None:
    """Above them."""
    made = plan_of("a", "b")
    a, b = made.steps
    with Display(made, screen.stream, has_colors=False, with_reason=True) as display:
        display(Started(a))
        display(Started(b))
        display(Progress(a, Transferred(GIB, 2 * GIB)))
        display.refresh()
        assert "1.00 of 2.00 GiB" in screen.read()
        assert "opening the source" in screen.read()
        display(Finished(StepResult(a, Outcome.FAILED, error="no space " * 20)))
        display(Finished(StepResult(b, Outcome.INTERRUPTED)))
    drawn = screen.read()
    assert "failed      create:a: no space" in drawn
    assert "interrupted create:b" not in drawn  # the closing lines name it
    last = drawn[drawn.rindex("no space") :]
    assert "\x1b[?25h" in last  # the cursor is back
    assert "steps done" not in last[last.rindex("\x1b[2K") :]
    assert [line for line in drawn.splitlines() if len(re.sub(r"\x1b\[[?0-9]*[A-Za-z]|\r", "", line)) > 80] == []


def test_before_the_first_target_begins_no_steps_are_counted(screen: Screen) -> None:
    """Then those of each target that has begun."""
    with Display(None, screen.stream, has_colors=False) as display:
        display.refresh()
        assert "step" not in screen.read()
        display.put("eu", plan_of("a", "b"))
        display.put("us", plan_of("c"))
        display.refresh()
        assert "0 of 3 steps done" in screen.read()


def test_a_program_without_a_terminal_does_not_load_rich() -> None:
    """It costs time that only a person has."""
    import subprocess
    import sys

    code = "import sys, imagesync.cli.runs, imagesync.cli.commands.apply; print('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_many_transfers_leave_room_for_the_rest(screen: Screen) -> None:
    """Those that do not fit are counted."""
    made = plan_of(*(f"k{number:02}" for number in range(40)))
    with Display(made, screen.stream, has_colors=False) as display:
        for step in made.steps:
            display(Started(step))
        display.refresh()
        drawn = screen.read()
    assert "and 21 more transfers" in drawn
    assert "total" in drawn
    assert MARGIN == 3
