"""Questions to a person, and whether a stream takes colors. Does I/O."""

import os
import shutil
import sys
from typing import Final, TextIO

import typer

from imagesync.errors import UsageError
from imagesync.render.style import Paint, leave_plain, paint_text

MIN_WIDTH: Final = 40
"""Columns of the narrowest terminal that text is wrapped for."""


def choose_paint(stream: TextIO, wanted: bool | None) -> Paint:
    """Colors if ``wanted``; if it is None, on a terminal that can show them, unless NO_COLOR is set."""
    return paint_text if has_colors(stream, wanted) else leave_plain


def has_colors(stream: TextIO, wanted: bool | None) -> bool:
    """Whether a stream gets colors; ``wanted`` as in ``choose_paint``."""
    return can_move_cursor(stream) and not os.environ.get("NO_COLOR") if wanted is None else wanted


def can_move_cursor(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can be drawn on."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def find_width(stream: TextIO) -> int | None:
    """The columns of a terminal; None for a file or a pipe, whose lines are not wrapped: other programs search them."""
    return max(MIN_WIDTH, shutil.get_terminal_size().columns) if stream.isatty() else None


def confirm(question: str, *, without_terminal: str) -> bool:
    """Ask on the terminal; UsageError with the sentence ``without_terminal`` if there is none."""
    if not sys.stdin.isatty():
        raise UsageError(without_terminal, "pass --yes")
    return typer.confirm(question, err=True)
