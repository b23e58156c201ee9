"""What a reader sees: colours where they are wanted, sizes, and values that cannot move a cursor. Pure."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from imagesync.text import make_printable, shorten

MAX_VALUE_CHARS: Final = 72
"""Of a field's value in a plan or a listing."""


class Ink(StrEnum):
    """Colours by what they say; the ANSI code of each."""

    ADD = "32"
    CHANGE = "33"
    REMOVE = "31"
    STATE = "36"
    LOUD = "1;33"
    BOLD = "1"
    DIM = "2"


class Detail(StrEnum):
    """How much of a plan is shown: its counts; what users see; or every field, id and digest of each image."""

    SUMMARY = "summary"
    USUAL = "usual"
    WHOLE = "whole"


Paint = Callable[[Ink, str], str]


def paint_text(ink: Ink, text: str) -> str:
    """Text in a colour, for a terminal."""
    return f"\x1b[{ink.value}m{text}\x1b[0m"


def leave_plain(_ink: Ink, text: str) -> str:
    """Text as it is."""
    return text


def format_size(count: int | None) -> str:
    """Bytes as people read them."""
    if count is None:
        return "unknown size"
    for unit, scale in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"


def format_value(found: object) -> str:
    """A field's value on one line, cut to a width."""
    if found is None or found == ():
        return "(none)"
    if isinstance(found, bool):
        return str(found).lower()
    return shorten(make_printable(", ".join(found) if isinstance(found, tuple) else str(found)), MAX_VALUE_CHARS)


def format_count(number: int, noun: str) -> str:
    """``1 image``, ``2 images``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
