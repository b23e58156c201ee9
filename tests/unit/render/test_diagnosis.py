"""The checks of doctor as text and as JSON."""

from imagesync.model.diagnosis import Check, Grade
from imagesync.render.diagnosis import checks_to_json, format_checks

CHECKS = [
    Check("python", Grade.OK, "Python 3.11"),
    Check("publish", Grade.WARNING, "unknown\x1b", "ask an administrator"),
    Check("quota: images", Grade.PROBLEM, "2 of 2 images used", "delete images " * 8),
]


def test_each_check_is_a_line_with_its_remedy() -> None:
    """Foreign text is escaped, and the last line counts."""
    text = format_checks(CHECKS[:2])
    assert text == (
        "ok       python           Python 3.11\n"
        "warning  publish          unknown\\x1b\n"
        "                          to fix: ask an administrator\n\n"
        "no problem, 1 warning."
    )
    assert format_checks(CHECKS).endswith("\n\n1 problem, 1 warning.")


def test_long_lines_are_wrapped_below_their_column() -> None:
    """For a terminal of 60 columns."""
    lines = format_checks(CHECKS, width=60).splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[-3].startswith(" " * 34)


def test_the_json_has_each_check_and_the_number_of_problems() -> None:
    """An empty remedy is null."""
    document = checks_to_json(CHECKS)
    assert document["problems"] == 1
    assert document["checks"][0] == {"name": "python", "grade": "ok", "found": "Python 3.11", "fix": None}
