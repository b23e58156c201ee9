"""The bars on a terminal."""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import Iterator
from dataclasses import replace
from io import TextIOWrapper

import pytest

from imagesync.cli.display import MARGIN, REDRAWS, Display, Layout, Row, choose_layout, draw_row, make_row
from imagesync.cli.streams import GuardedStream
from imagesync.model.plan import Plan
from imagesync.model.report import Finished, Outcome, Progress, Started, StepResult, Transferred
from imagesync.render.progress import Moved, label_event, label_plan
from tests.unit.factories import catalog, inventory, live, plan, spec

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


def play(drawn: str, columns: int = 80) -> list[str]:
    """The lines of a terminal after it was drawn on."""
    rows, row, column = [""], 0, 0
    for code, text in re.findall(r"(\x1b\[[?0-9;]*[A-Za-z]|\r|\n)|([^\x1b\r\n]+)", drawn):
        if code == "\r":
            column = 0
        elif code == "\n":
            row += 1
        elif code.endswith("A"):
            row -= int(code[2:-1] or 1)
        elif code == "\x1b[2K":
            rows[row] = ""
        else:
            assert not code or code.endswith(("m", "h", "l")), code
        for character in text:
            if column == columns:
                row, column = row + 1, 0
            rows += [""] * (row - len(rows) + 1)
            rows[row] = rows[row][:column].ljust(column) + character + rows[row][column + 1 :]
            column += 1
        rows += [""] * (row - len(rows) + 1)
    while rows and not rows[-1]:
        rows.pop()
    return rows


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

    @property
    def raw(self) -> str:
        """All that was drawn until now, with its control sequences."""
        self.read()
        return self._drawn.decode()

    @property
    def lines(self) -> list[str]:
        """What the terminal shows, as a real one would: without empty lines at the end."""
        return play(self.raw)

    def resize(self, lines: int, columns: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

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


class TestClock:
    """A clock that the test moves."""

    __test__ = False
    now = 0.0

    def __call__(self) -> float:
        return self.now


def mixed_plan() -> Plan:
    """Two transfers, of 2 and of 4 GiB, and an update; one key looks like markup and one like a symbol."""
    sized = [
        spec(key, fingerprint=replace(spec().fingerprint, size=size * GIB)) for key, size in (("a", 2), ("[b]:x:", 4))
    ]
    return plan(catalog(*sized, spec("c", min_ram=3)), inventory(live(spec("c"))))


def run_mixed(display: Display, clock: TestClock) -> None:
    """Ten seconds of a transfer, while the other one opens its source, and an update runs."""
    markup, first, update = mixed_plan().steps
    for step in (first, markup, update):
        display(Started(step))
    for second in range(1, 11):
        clock.now = float(second)
        display(Progress(first, Transferred(second * 2**26, 2 * GIB)))
    display.refresh()


BARS = [
    "",
    "a       ━━━━━━━────────────────    0.62 of 2.00 GiB   64.0 MiB/s  22 s left",
    "[b]:x:  ───────────────────────    0.00 of 4.00 GiB  opening the source",
    "total   ━━─────────────────────    0.62 of 6.00 GiB   64.0 MiB/s  86 s left",
    "0 of 3 steps done; now: update c (10 s)",
]


def test_the_bars_are_a_row_for_each_transfer_one_for_all_and_a_count(screen: Screen) -> None:
    """Below an empty line; ended steps are above them, and at the end only these stay."""
    clock = TestClock()
    markup, first, update = mixed_plan().steps
    with Display(mixed_plan(), screen.stream, has_colors=False, clock=clock) as display:
        run_mixed(display, clock)
        assert screen.lines == BARS
        display(Finished(StepResult(update, Outcome.FAILED, error="no space")))
        display.refresh()
        assert screen.lines == ["", "failed      update:c:id-c", *BARS[1:4], "0 of 3 steps done, 1 failed"]
        display(Finished(StepResult(first, Outcome.DONE, seconds=10.0, bytes_sent=2 * GIB)))
        display.refresh()
        ended = ["", "failed      update:c:id-c", "done        create:a: 2.0 GiB in 10 s, 204.8 MiB/s"]
        assert screen.lines == [
            *ended,
            BARS[2],
            "total   ━━━━━━━────────────────    2.00 of 6.00 GiB   64.0 MiB/s  64 s left",
            "1 of 3 steps done, 1 failed",
        ]
        display(Progress(markup, Transferred(4 * GIB, 4 * GIB)))
        display.refresh()
        assert screen.lines[3] == "[b]:x:  ━━━━━━━━━━━━━━━━━━━━━━━    4.00 of 4.00 GiB  verifying and publishing"
        display.close()
        assert screen.lines == ended
        display.close()
    assert screen.lines == ended
    assert REDRAWS == 4


def test_a_run_without_transfers_counts_its_steps(screen: Screen) -> None:
    """One step has no total."""
    names = ("a", "b", "c")
    made = plan(catalog(*(spec(key, min_ram=3) for key in names)), inventory(*(live(spec(key)) for key in names)))
    with Display(made, screen.stream, has_colors=False, clock=TestClock()) as display:
        for step in made.steps[:2]:
            display(Started(step))
        display(Finished(StepResult(made.steps[0], Outcome.DONE)))
        display.refresh()
        assert screen.lines[2:] == [
            "total  ━━━━━━━━────────────────        1 of 3 steps",
            "1 of 3 steps done; now: update b",
        ]
    one = replace(made, steps=made.steps[:1])
    with Display(one, screen.stream, has_colors=False, clock=TestClock()) as display:
        display(Started(one.steps[0]))
        display.refresh()
        assert screen.lines[-1:] == ["0 of 1 step done; now: update a"]
        assert not any("total" in line for line in screen.lines)


def test_colors_are_for_bars_and_failures(screen: Screen) -> None:
    """Green is done, dim is left, red failed. Markup, symbols and numbers of other people are left as they are."""
    clock = TestClock()
    markup, _, update = mixed_plan().steps
    with Display(mixed_plan(), screen.stream, has_colors=True, with_reason=True, clock=clock) as display:
        run_mixed(display, clock)
        display(Finished(StepResult(update, Outcome.FAILED, error="[red]5 :smile:")))
        display(Finished(StepResult(markup, Outcome.DONE)))
        display.refresh()
        drawn = screen.raw
    assert (
        "a       \x1b[32m━━━━━━━\x1b[0m\x1b[2m────────────────\x1b[0m    0.62 of 2.00 GiB   64.0 MiB/s  22 s left"
        in drawn
    )
    assert "\x1b[31mfailed      \x1b[0m\x1b[31mupdate:c:id-c: [red]5 :smile:\x1b[0m\r\n" in drawn
    assert "done        create:[b]:x:\r\n" in drawn
    assert set(re.findall(r"\x1b\[[0-9;]*m", drawn)) == {"\x1b[0m", "\x1b[2m", "\x1b[31m", "\x1b[32m"}


def test_without_colors_none_is_drawn(screen: Screen) -> None:
    """Not even a dim one."""
    clock = TestClock()
    with Display(mixed_plan(), screen.stream, has_colors=False, clock=clock) as display:
        run_mixed(display, clock)
        display(Finished(StepResult(mixed_plan().steps[0], Outcome.FAILED)))
    assert re.findall(r"\x1b\[[0-9;]*m", screen.raw) == []


def test_a_long_reason_is_wrapped_below_the_step(screen: Screen) -> None:
    """Between words, beside the outcome; a line that the terminal itself wraps is not."""
    made = plan_of("a", "b")
    with Display(made, screen.stream, has_colors=False, with_reason=True, clock=TestClock()) as display:
        display(Finished(StepResult(made.steps[0], Outcome.FAILED, error="no space is left on the disk " * 4)))
        screen.resize(24, 20)
        display.refresh()
        display(Finished(StepResult(made.steps[1], Outcome.FAILED, error="no space is left")))
    text = re.sub(r" *\r|\x1b\[[?0-9;]*[A-Za-z]", "", screen.raw)
    assert (
        "failed      create:a: no space is left on the disk no space is left on the disk\n"
        "            no space is left on the disk no space is left on the disk\n"
    ) in text
    assert "failed      create:b: no\n            space is\n            left\n" in text


def test_the_display_follows_the_size_of_the_terminal(screen: Screen) -> None:
    """At each redraw. One that reports none has 80 columns and 24 lines."""
    clock = TestClock()
    with Display(mixed_plan(), screen.stream, has_colors=False, clock=clock) as display:
        run_mixed(display, clock)
        screen.resize(24, 120)
        display.refresh()
        wide = play(screen.raw, 120)
        assert wide[1] == f"a       {'━' * 12}{'─' * 28}    0.62 of 2.00 GiB   64.0 MiB/s  22 s left"
        assert wide[4] == BARS[4]
        screen.resize(0, 0)
        display.refresh()
        assert play(screen.raw, 120) == BARS
        screen.resize(24, 40)
        display.refresh()
        narrow = play(screen.raw, 120)
        assert max(map(len, narrow)) == 40 - MARGIN
        assert narrow[1] == "a"


def test_rows_that_do_not_fit_are_counted_and_the_total_stays(screen: Screen) -> None:
    """Four rows of the terminal stay free; a long key takes two rows."""
    made = plan_of(*(f"k{number}" for number in range(8)))
    screen.resize(9, 80)
    with Display(made, screen.stream, has_colors=False, clock=TestClock()) as display:
        for step in made.steps:
            display(Started(step))
        display.refresh()
        lines = screen.lines
        assert [line.split()[0] for line in lines[1:]] == ["k0", "k1", "k2", "k3", "total", "and", "0"]
        assert lines[6:] == ["and 4 more transfers", "0 of 8 steps done"]
        screen.resize(5, 80)
        display.refresh()
        assert [line.split()[0] for line in screen.lines[1:]] == ["total", "and", "0"]
        screen.resize(12, 80)
        display.refresh()
        assert len(screen.lines) == 1 + 8 + 1 + 1, "exactly as many as fit"
        assert "and 1 more transfer" in screen.lines
        screen.resize(13, 80)
        display.refresh()
        assert [line.split()[0] for line in screen.lines[1:]] == [*(f"k{number}" for number in range(8)), "total", "0"]
    long = plan_of(*(f"{LONG}-{number}" for number in range(8)))
    with Display(long, screen.stream, has_colors=False, clock=TestClock()) as display:
        for step in long.steps:
            display(Started(step))
        display.refresh()
        lines = screen.lines
        assert [line for line in lines if line.startswith(LONG)] == [f"{LONG}-{number}" for number in range(3)]
        assert lines[-2:] == ["and 5 more transfers", "0 of 8 steps done"]
        assert lines[-3].startswith("total  ")


def test_the_columns_are_those_of_the_longest_key_of_all_plans(screen: Screen) -> None:
    """Also before it runs, in printable characters, and after the plan of a further target came."""
    made = replace(plan_of("a", "b"), target_name="eu")
    with Display(made, screen.stream, has_colors=False, clock=TestClock()) as display:
        display(Started(made.steps[0]))
        display.refresh()
        assert screen.lines[1].startswith(f"a      {'─' * 22}")
        further, name = plan_of("c"), "us\x1b日本"
        display.put("us", label_plan(further, name))
        display(label_event(Started(further.steps[0]), name))
        display.refresh()
        display_name = "us\\x1b日本: c"
        first, second = screen.lines[1:3]
        assert first.startswith(f"a{' ' * (len(display_name) + 2 - 1)}  ──")
        assert second.startswith(f"{display_name}  ──")
        assert screen.lines[-1] == "0 of 3 steps done"


def test_text_of_others_is_printed_above_the_bars(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole lines, with their colors; an unfinished one waits. After the end the stream is as before."""
    plain = TextIOWrapper(os.fdopen(os.dup(screen.stream.fileno()), "wb"), encoding="utf-8", write_through=True)
    guarded = GuardedStream(plain)
    plain.detach()
    monkeypatch.setattr(sys, "stderr", guarded)
    clock = TestClock()
    with Display(mixed_plan(), screen.stream, has_colors=True, clock=clock) as display:
        run_mixed(display, clock)
        sys.stderr.write("one\ntwo ")
        assert screen.lines == ["", "one", *BARS[1:]]
        sys.stderr.write("more")
        assert screen.lines == ["", "one", *BARS[1:]]
        sys.stderr.write("!\n")
        assert screen.lines == ["", "one", "two more!", *BARS[1:]]
        sys.stderr.write("[b]three 3[/b]\n\n")
        assert screen.lines == ["", "one", "two more!", "[b]three 3[/b]", "", *BARS[1:]]
        long = " ".join(["words"] * 20)
        sys.stderr.write(f"{long}\n")
        assert f"{long}\r\n" in screen.raw, "the terminal wraps it, so it can be copied whole"
    assert guarded.show is None
    guarded.close()


def test_a_row_shows_at_most_all_of_its_data() -> None:
    """A mirror may send more than was declared; without a size, or of nothing, there is no bar."""
    assert make_row("a", Moved(5, 4), "").share == 1.0
    assert make_row("a", Moved(1, 4), "").share == 0.25
    assert make_row("a", Moved(0, 4), "").share == 0.0
    assert make_row("a", Moved(5, None), "").share is None
    assert make_row("a", Moved(0, 0), "").share is None
    moved = Moved(GIB, 2 * GIB, 20.0 * 2**20, 51.0)
    assert make_row("k", moved, "") == Row("k", 0.5, "1.00 of 2.00 GiB", " 20.0 MiB/s  51 s left")
    assert make_row("k", moved, "waits") == Row("k", 0.5, "1.00 of 2.00 GiB", "waits")
    assert make_row("k", replace(moved, rate=None, left=None), "").tail.strip() == ""
    assert draw(make_row("k", Moved(5, None), ""), 77, 1)[0].split() == ["k", "5", "B"]


def test_the_layout_follows_keys_and_values() -> None:
    """A bar has 6 to 40 columns, a key is cut never, and longer values take columns from the bar."""
    usual = [Row("a", 0.5, "1.00 of 2.00 GiB", "")]
    assert choose_layout(usual, 77, 1) == Layout(77, 5, 24, 18, is_split=False)
    assert choose_layout([], 77, 5) == Layout(77, 5, 24, 18, is_split=False)
    assert choose_layout(usual, 200, 9) == Layout(200, 9, 40, 18, is_split=False)
    assert choose_layout(usual, 77, 23) == Layout(77, 23, 6, 18, is_split=False)
    assert choose_layout(usual, 77, 24) == Layout(77, 5, 24, 18, is_split=True)
    assert choose_layout([Row("a", 0.5, "1" * 20, "2" * 30), *usual], 77, 1) == Layout(77, 5, 16, 20, is_split=False)
    assert choose_layout(usual, 59, 1) == Layout(59, 5, 6, 18, is_split=False)
    assert choose_layout(usual, 58, 1) == Layout(58, 5, 0, 18, is_split=True)


def test_a_row_without_room_for_a_bar_has_its_values() -> None:
    """In ASCII the bar has other signs. The total never has a line of its own."""
    layout = Layout(30, 5, 0, 18, is_split=True)
    row = Row("a-long-key-of-more-than-thirty-columns", 0.5, "1 of 2 B", "tail")
    assert [line.plain for line in draw_row(row, layout, is_ascii=False)] == [
        "a-long-key-of-more-than-thirt…",
        "                 1 of 2 B  ta…",
    ]
    (line,) = draw_row(Row("total", 0.5, "1 of 2 B", ""), replace(layout, columns=60, bar=6), is_ascii=True)
    assert line.plain == "total  ###---            1 of 2 B"
    assert [(span.start, span.end, span.style) for span in line.spans] == [(7, 10, "green"), (10, 13, "dim")]
    (line,) = draw_row(Row("key", None, "1 B", ""), Layout(60, 5, 6, 8, is_split=False), is_ascii=True)
    assert line.plain == "key    " + " " * 6 + "  " + "     1 B"
