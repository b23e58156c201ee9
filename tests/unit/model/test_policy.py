"""Patterns for the names of superseded images: what may stand in the form of a moment."""

from datetime import UTC, datetime

import pytest

from imagesync.model.policy import DIRECTIVES, find_unknown_directives, format_created

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "directive", ["%n", "%t", "%c", "%A", "%b", "%Z", "%Ey", "%-d", "%_Y", "%^a", "%10Y", "%%", "%", "%\n", "%é"]
)
def test_directives_that_are_not_numbers_of_fixed_width(directive: str) -> None:
    """Control characters, words of a locale, widths: refused in a manifest, and left as they are without one."""
    assert list(find_unknown_directives(f"a {{created:%Y{directive}}} {{name}}")) == [directive[:2]]
    assert format_created(MOMENT, f"%Y{directive}") == f"2026{directive}"


def test_directives_that_are_allowed() -> None:
    """Digits, and as many in each name."""
    form = "".join(f"%{letter}." for letter in DIRECTIVES)
    assert list(find_unknown_directives(f"{{created:{form}}} 100%n {{key}} {{created}}")) == []
    assert format_created(MOMENT, form) == "2026.03.04.05.06.07.26.063.2026.10.3."
