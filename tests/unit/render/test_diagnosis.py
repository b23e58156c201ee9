"""The checks of doctor as text and as JSON."""

import pytest

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


@pytest.mark.parametrize(
    ("grades", "counts"),
    [
        ([], "no problem."),
        ([Grade.OK, Grade.OK], "no problem."),
        ([Grade.WARNING, Grade.OK, Grade.WARNING], "no problem, 2 warnings."),
        ([Grade.PROBLEM, Grade.PROBLEM, Grade.OK], "2 problems."),
        ([Grade.PROBLEM, Grade.WARNING, Grade.WARNING], "1 problem, 2 warnings."),
    ],
)
def test_the_last_line_counts_what_is_not_right(grades: list[Grade], counts: str) -> None:
    """Warnings only if there are some; in JSON only problems, because the exit code depends on them."""
    checks = [Check("x", grade, "y") for grade in grades]
    assert format_checks(checks).splitlines()[-1] == counts
    assert checks_to_json(checks)["problems"] == grades.count(Grade.PROBLEM)


def test_each_grade_has_its_color_and_only_the_grade_is_colored() -> None:
    """And the counts are bold."""
    text = format_checks(CHECKS, lambda ink, text: f"<{ink.name} {text}>", width=80)
    assert text == (
        "<ADD ok       >python           Python 3.11\n"
        "<CHANGE warning  >publish          unknown\\x1b\n"
        "                          to fix: ask an administrator\n"
        "<REMOVE problem  >quota: images    2 of 2 images used\n"
        "                          to fix: delete images delete images delete images\n"
        "                                  delete images delete images delete images\n"
        "                                  delete images delete images\n"
        "\n"
        "<BOLD 1 problem, 1 warning.>"
    )


def test_a_long_finding_begins_beside_its_name_and_continues_below_itself() -> None:
    """The name is not repeated."""
    lines = format_checks([Check("name", Grade.OK, "word " * 12)], width=60).splitlines()
    assert lines[:2] == [
        "ok       name             word word word word word word word",
        "                          word word word word word",
    ]


def test_the_json_has_every_field_of_each_check() -> None:
    """As they are: JSON escapes by itself."""
    assert checks_to_json(CHECKS[1:]) == {
        "problems": 1,
        "checks": [
            {"name": "publish", "grade": "warning", "found": "unknown\x1b", "fix": "ask an administrator"},
            {
                "name": "quota: images",
                "grade": "problem",
                "found": "2 of 2 images used",
                "fix": "delete images " * 8,
            },
        ],
    }
