"""The checks of ``doctor`` -> text and JSON. Pure: colors and the width are parameters."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from imagesync.model.diagnosis import Check, Grade
from imagesync.render.blocks import wrap
from imagesync.render.style import Ink, Paint, format_count, leave_plain
from imagesync.text import make_printable

_INKS: Final = {Grade.OK: Ink.ADD, Grade.WARNING: Ink.CHANGE, Grade.PROBLEM: Ink.REMOVE}
_GRADE_CHARS: Final = 9
_NAME_CHARS: Final = 17


def format_checks(checks: Sequence[Check], paint: Paint = leave_plain, *, width: int | None = None) -> str:
    """One line for each check, a line with the remedy below it, and the counts at the end."""
    lines = [line for check in checks for line in _format_check(check, paint, width)]
    counts = Counter(check.grade for check in checks)
    problems, warnings = counts[Grade.PROBLEM], counts[Grade.WARNING]
    parts = [format_count(problems, "problem") if problems else "no problem"]
    parts += [format_count(warnings, "warning")] if warnings else []
    return "\n".join([*lines, "", paint(Ink.BOLD, f"{', '.join(parts)}.")])


def _format_check(check: Check, paint: Paint, width: int | None) -> list[str]:
    indent = " " * (_GRADE_CHARS + _NAME_CHARS)
    head = f"{check.grade.value:<{_GRADE_CHARS}}{check.name:<{_NAME_CHARS}}"
    lines = wrap(f"{indent}{make_printable(check.found)}", width, indent)
    lines[0] = paint(_INKS[check.grade], head[:_GRADE_CHARS]) + head[_GRADE_CHARS:] + lines[0].removeprefix(indent)
    return [
        *lines,
        *(wrap(f"{indent}to fix: {make_printable(check.fix)}", width, indent + " " * 8) if check.fix else []),
    ]


def checks_to_json(checks: Sequence[Check]) -> dict[str, Any]:
    """The same values for programs."""
    return {
        "problems": sum(check.grade is Grade.PROBLEM for check in checks),
        "checks": [
            {"name": check.name, "grade": check.grade.value, "found": check.found, "fix": check.fix or None}
            for check in checks
        ],
    }
