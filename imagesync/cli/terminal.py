"""The confirmation of a run; and the width and colors of a stream. Does I/O."""

import os
import shutil
import sys
from contextlib import redirect_stdout
from typing import Final, TextIO

import typer

from imagesync.errors import UsageError
from imagesync.render.style import Paint, leave_plain, paint_text

MIN_WIDTH: Final = 40
"""Text for a narrower terminal is wrapped for this many columns."""


def choose_paint(stream: TextIO, wanted: bool | None) -> Paint:
    """Colors if ``wanted`` is True; if it is None, on a terminal that supports them, unless NO_COLOR is set."""
    return paint_text if has_colors(stream, wanted) else leave_plain


def has_colors(stream: TextIO, wanted: bool | None) -> bool:
    """Whether to use colors on a stream; ``wanted``: see ``choose_paint``."""
    return can_move_cursor(stream) and not os.environ.get("NO_COLOR") if wanted is None else wanted


def can_move_cursor(stream: TextIO) -> bool:
    """Whether a stream is a terminal on which progress bars can be drawn."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def find_width(stream: TextIO) -> int | None:
    """The columns of a terminal; None for a file or a pipe, where other programs search whole lines."""
    return max(MIN_WIDTH, shutil.get_terminal_size().columns) if stream.isatty() else None


def confirm(question: str, command: str = "") -> bool:
    """Ask on the terminal and return the answer; UsageError if standard input is not a terminal.

    ``command`` does the same without the question, for that error.
    """
    if not sys.stdin.isatty():
        hint = f"pass --yes: {command}" if command else "pass --yes"
        raise UsageError("this command asks for confirmation, but standard input is not a terminal", hint)
    try:
        with redirect_stdout(sys.stdout if sys.stdout.isatty() else sys.stderr):  # the library prints a space to it
            return typer.confirm(question, err=True)
    except BaseException:  # ^C and ^D leave the cursor behind the question
        typer.echo(err=True)
        raise
