"""Values -> short printable text: sizes, counts, durations; and colors. Pure."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Final

from imagesync.text import make_printable, shorten

MAX_VALUE_CHARS: Final = 72
"""The limit of a field's value in a plan or a listing."""


class Ink(StrEnum):
    """Colors by meaning; each value is the ANSI code."""

    ADD = "32"
    CHANGE = "33"
    REMOVE = "31"
    STATE = "36"
    LOUD = "1;33"
    BOLD = "1"
    DIM = "2"


class Detail(StrEnum):
    """How much of a plan is printed: only counts; what users see; or every field, id and digest of each image."""

    SUMMARY = "summary"
    USUAL = "usual"
    WHOLE = "whole"


Paint = Callable[[Ink, str], str]


def paint_text(ink: Ink, text: str) -> str:
    """``text`` in a color, for a terminal."""
    return f"\x1b[{ink.value}m{text}\x1b[0m"


def leave_plain(_ink: Ink, text: str) -> str:
    """``text`` unchanged."""
    return text


def format_age(since: datetime | None, now: datetime) -> str:
    """``3 days ago``, in the largest unit of which at least two have passed; empty if ``since`` is unknown."""
    if since is None:
        return ""
    minutes = max(0, int((now - since).total_seconds() // 60))
    for size, unit in ((1440, "day"), (60, "hour")):
        if minutes >= 2 * size:
            return f"{minutes // size} {unit}s ago"
    return f"{format_count(minutes, 'minute')} ago" if minutes else "just now"


def format_value(found: object) -> str:
    """A field's value as one printable line of at most ``MAX_VALUE_CHARS``."""
    if found is None or found == ():
        return "(none)"
    if isinstance(found, bool):
        return str(found).lower()
    return shorten(make_printable(", ".join(found) if isinstance(found, tuple) else str(found)), MAX_VALUE_CHARS)


def format_count(number: int, noun: str) -> str:
    """``1 image``, ``2 images``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def format_part(done: int, total: int) -> str:
    """``0.64 of 2.00 GiB``: both in the unit of the total, to compare them easily."""
    for unit, scale, digits in (("TiB", 2**40, 3), ("GiB", 2**30, 2), ("MiB", 2**20, 1), ("KiB", 2**10, 1)):
        if total >= scale:
            return f"{done / scale:.{digits}f} of {total / scale:.{digits}f} {unit}"
    return f"{done} of {total} B"


def format_duration(seconds: float) -> str:
    """A time left, rounded because it is an estimate: ``38 s``, ``4 min``, ``1 h 20 min``."""
    whole = max(round(seconds), 0)
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{round(minutes / 1440)} days"


def format_elapsed(seconds: float) -> str:
    """How long something took: ``38 s``, ``1 min 42 s``, ``1 h 20 min``."""
    whole = max(round(seconds), 0)
    if 60 <= whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return format_duration(seconds)
