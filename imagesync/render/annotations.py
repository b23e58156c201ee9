"""Findings -> workflow commands of GitHub Actions, which become annotations of a pull request. Pure.

GitHub documents the commands and their escapes in "Workflow commands for GitHub Actions". Its runner keeps the first 10
errors and the first 10 warnings of a step, and drops the others silently.
"""

from collections.abc import Sequence
from typing import Final

from imagesync.render.findings import Finding
from imagesync.render.style import format_count

MAX_ANNOTATIONS: Final = 10
"""Annotations of one step."""


def format_annotations(findings: Sequence[Finding], list_all: str) -> list[str]:
    """One command for each finding, the worst first; if there are more than 10, the last one says how many more.

    ``list_all``: the command that lists all.
    """
    if len(findings) <= MAX_ANNOTATIONS:
        return list(map(_format_finding, findings))
    first, others = findings[: MAX_ANNOTATIONS - 1], findings[MAX_ANNOTATIONS - 1 :]
    count = format_count(len(others), "more problem")
    last = _format_command(others[0].level, f"and {count}; list all with: {list_all}")
    return [*map(_format_finding, first), last]


def _format_finding(finding: Finding) -> str:
    problem = finding.problem
    place = {"line": problem.line, "col": problem.column} if problem.line else {}
    return _format_command(finding.level, finding.text, file=problem.file, **place, title=problem.where)


def _format_command(name: str, text: str, **properties: str | int) -> str:
    """``::NAME KEY=VALUE,…::TEXT``; empty properties are left out."""
    pairs = ",".join(f"{key}={_escape_property(str(value))}" for key, value in properties.items() if value)
    return f"::{name}{' ' if pairs else ''}{pairs}::{_escape_text(text)}"


def _escape_text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_text(text).replace(":", "%3A").replace(",", "%2C")
