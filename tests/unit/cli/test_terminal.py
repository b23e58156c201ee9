"""Width, colors and confirmation, by what a stream is and by the variables of the terminal."""

import io
import sys

import pytest

from imagesync.cli.terminal import MIN_WIDTH, can_move_cursor, choose_paint, confirm, find_width, has_colors
from imagesync.errors import UsageError
from imagesync.render.style import leave_plain, paint_text


class TerminalText(io.StringIO):
    """A text that says that it is a terminal."""

    def isatty(self) -> bool:
        """True."""
        return True


PIPE, TERMINAL = io.StringIO(), TerminalText()


@pytest.fixture(autouse=True)
def _usual_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.parametrize(("columns", "width"), [("39", MIN_WIDTH), ("40", 40), ("41", 41), ("200", 200)])
def test_a_terminal_has_a_width(monkeypatch: pytest.MonkeyPatch, columns: str, width: int) -> None:
    """At least 40 columns; a file or a pipe has none."""
    monkeypatch.setenv("COLUMNS", columns)
    assert (find_width(TERMINAL), find_width(PIPE), MIN_WIDTH) == (width, None, 40)


@pytest.mark.parametrize(("term", "expected"), [("xterm", True), ("dumb", False), ("", True)])
def test_a_cursor_moves_on_a_terminal_that_is_not_dumb(
    monkeypatch: pytest.MonkeyPatch, term: str, expected: bool
) -> None:
    """Never in a file."""
    monkeypatch.setenv("TERM", term)
    assert (can_move_cursor(TERMINAL), can_move_cursor(PIPE)) == (expected, False)


@pytest.mark.parametrize(
    ("no_color", "term", "expected"),
    [(None, "xterm", True), ("", "xterm", True), ("1", "xterm", False), ("0", "xterm", False), (None, "dumb", False)],
)
def test_colors_are_chosen_by_the_terminal_or_by_the_user(
    monkeypatch: pytest.MonkeyPatch, no_color: str | None, term: str, expected: bool
) -> None:
    """An empty NO_COLOR does not count; an option counts before all else, also for a pipe."""
    monkeypatch.setenv("TERM", term)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    assert (has_colors(TERMINAL, None), has_colors(PIPE, None)) == (expected, False)
    for stream in (TERMINAL, PIPE):
        assert (has_colors(stream, True), has_colors(stream, False)) == (True, False)
        assert (choose_paint(stream, True), choose_paint(stream, False)) == (paint_text, leave_plain)
    assert choose_paint(TERMINAL, None) is (paint_text if expected else leave_plain)


def test_a_question_needs_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the command that asks nothing, if there is one."""
    monkeypatch.setattr(sys, "stdin", PIPE)
    for command, hint in (("", "pass --yes"), ("imagesync x --yes", "pass --yes: imagesync x --yes")):
        with pytest.raises(UsageError) as caught:
            confirm("Go on?", command)
        assert caught.value.message == "this command asks for confirmation, but standard input is not a terminal"
        assert caught.value.hint == hint


@pytest.mark.parametrize(("answer", "expected"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_question_is_asked_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, expected: bool
) -> None:
    """Standard output may be a file. Without an answer it is no."""
    monkeypatch.setattr(sys, "stdin", TerminalText(answer))
    assert confirm("Go on?") is expected
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Go on? [y/N]: ")
