"""How values are shown: sizes, nothing, switches, lists and text that is too long."""

import pytest

from imagesync.render.style import Ink, format_count, format_value, leave_plain, paint_text
from imagesync.text import format_size


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
