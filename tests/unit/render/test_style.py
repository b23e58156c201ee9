"""How values are shown: sizes, nothing, switches, lists and text that is too long."""

from datetime import timedelta

import pytest

from imagesync.render.style import (
    Ink,
    format_age,
    format_count,
    format_duration,
    format_elapsed,
    format_part,
    format_value,
    leave_plain,
    paint_text,
)
from imagesync.text import format_size
from tests.unit.factories import NOW


@pytest.mark.parametrize(
    ("count_of_bytes", "display"),
    [
        (None, "unknown size"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (5 * 2**20, "5.0 MiB"),
        (3 * 2**30, "3.0 GiB"),
        (2**40, "1.0 TiB"),
    ],
)
def test_sizes_have_binary_units(count_of_bytes: int | None, display: str) -> None:
    """One digit behind the point."""
    assert format_size(count_of_bytes) == display


@pytest.mark.parametrize(
    ("found", "display"),
    [
        (None, "(none)"),
        ((), "(none)"),
        (("a", "b"), "a, b"),
        (True, "true"),
        (0, "0"),
        ("", ""),
        ("a\nb\x1b", "a\\nb\\x1b"),
        ("x" * 72, "x" * 72),
        ("x" * 73, "x" * 71 + "…"),
    ],
)
def test_a_value_is_one_short_line(found: object, display: str) -> None:
    """Values are written as in a manifest."""
    assert format_value(found) == display


def test_one_of_a_thing_is_no_plural() -> None:
    """``0 images``, ``1 image``."""
    assert [format_count(number, "image") for number in (0, 1, 2)] == ["0 images", "1 image", "2 images"]


def test_color_is_a_choice_of_the_caller() -> None:
    """Nothing but the paint decides whether there are escapes."""
    assert paint_text(Ink.ADD, "+") == "\x1b[32m+\x1b[0m"
    assert leave_plain(Ink.ADD, "+") == "+"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-100, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (119, "1 minute ago"),
        (120, "2 minutes ago"),
        (7199, "119 minutes ago"),
        (7200, "2 hours ago"),
        (2 * 86400 - 1, "47 hours ago"),
        (2 * 86400, "2 days ago"),
        (400 * 86400, "400 days ago"),
    ],
)
def test_an_age_is_in_the_largest_unit_of_which_two_have_passed(seconds: int, text: str) -> None:
    """A time to come is just now; an unknown one has no age."""
    assert format_age(NOW - timedelta(seconds=seconds), NOW) == text
    assert format_age(None, NOW) == ""


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (0, 1023, "0 of 1023 B"),
        (512, 2**10, "0.5 of 1.0 KiB"),
        (2**10, 2**20 - 1, "1.0 of 1024.0 KiB"),
        (2**19, 2**20, "0.5 of 1.0 MiB"),
        (2**28, 2**30, "0.25 of 1.00 GiB"),
        (2**39, 2**40, "0.500 of 1.000 TiB"),
    ],
)
def test_a_part_has_the_unit_of_the_whole(done: int, total: int, text: str) -> None:
    """With more digits for larger units, because a reader waits for the last digit to change."""
    assert format_part(done, total) == text


@pytest.mark.parametrize(
    ("seconds", "left", "took"),
    [
        (-5, "0 s", "0 s"),
        (59.4, "59 s", "59 s"),
        (59.6, "60 s", "1 min 00 s"),
        (99.4, "99 s", "1 min 39 s"),
        (100, "2 min", "1 min 40 s"),
        (150, "2 min", "2 min 30 s"),
        (3569, "59 min", "59 min 29 s"),
        (3599.4, "1 h 00 min", "59 min 59 s"),
        (3600, "1 h 00 min", "1 h 00 min"),
        (4800, "1 h 20 min", "1 h 20 min"),
        (48 * 3600 - 60, "47 h 59 min", "47 h 59 min"),
        (48 * 3600, "2 days", "2 days"),
        (3.6 * 86400, "4 days", "4 days"),
    ],
)
def test_a_duration_is_rounded_and_a_measured_one_has_seconds(seconds: float, left: str, took: str) -> None:
    """Seconds matter below one hour, if they were measured."""
    assert (format_duration(seconds), format_elapsed(seconds)) == (left, took)


@pytest.mark.parametrize(
    ("found", "display"),
    [
        (False, "false"),
        (frozenset(), "frozenset()"),
        (1.5, "1.5"),
        (("a" * 40, "b" * 40), f"{'a' * 40}, {'b' * 29}…"),
        (("a\x1b",), "a\\x1b"),
    ],
)
def test_a_list_is_as_short_as_a_text(found: object, display: str) -> None:
    """Joined first, then escaped and cut."""
    assert format_value(found) == display


def test_each_meaning_has_its_color() -> None:
    """Two colors of one meaning would be one for the reader."""
    assert {ink.name: paint_text(ink, "x") for ink in Ink} == {
        "ADD": "\x1b[32mx\x1b[0m",
        "CHANGE": "\x1b[33mx\x1b[0m",
        "REMOVE": "\x1b[31mx\x1b[0m",
        "STATE": "\x1b[36mx\x1b[0m",
        "LOUD": "\x1b[1;33mx\x1b[0m",
        "BOLD": "\x1b[1mx\x1b[0m",
        "DIM": "\x1b[2mx\x1b[0m",
    }
