"""Findings as a Code Quality report of GitLab."""

from typing import Any, Final

import jsonschema
import pytest

from imagesync.errors import Diagnostic
from imagesync.render.code_quality import findings_to_code_quality
from imagesync.render.findings import list_findings

PROBLEM = Diagnostic("images/a.yaml", 7, 3, "images.a.name", "unknown key", "did you mean nam?")
LINE: Final = {"type": "object", "required": ["begin"], "properties": {"begin": {"type": "integer", "minimum": 1}}}
PARTS: Final[dict[str, Any]] = {
    "description": {"type": "string", "minLength": 1},
    "check_name": {"type": "string", "minLength": 1},
    "fingerprint": {"type": "string", "minLength": 1},
    "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
    "location": {
        "type": "object",
        "required": ["path", "lines"],
        "properties": {"path": {"type": "string", "pattern": r"^(?!\./)."}, "lines": LINE},
    },
}
REPORT: Final = {"type": "array", "items": {"type": "object", "required": [*PARTS], "properties": PARTS}}
"""The table of "Code Quality report format" in the documentation of GitLab, which has no schema of a whole report."""


def make_report(*problems: Diagnostic, warnings: tuple[Diagnostic, ...] = ()) -> Any:
    """The report of some problems; it must be as GitLab documents it."""
    found = findings_to_code_quality(list_findings(problems, warnings))
    jsonschema.Draft202012Validator(REPORT).validate(found)
    return found


def test_a_problem_has_the_fields_that_gitlab_reads() -> None:
    """The place of the field is part of the description, because the widget shows nothing else."""
    (found,) = make_report(PROBLEM)
    assert len(found.pop("fingerprint")) == 32
    assert found == {
        "description": "images.a.name: unknown key; did you mean nam?",
        "check_name": "imagesync-image",
        "severity": "major",
        "location": {"path": "images/a.yaml", "lines": {"begin": 7}},
    }


def test_no_problem_is_an_empty_report() -> None:
    """GitLab compares it with the report of the target branch: the problems are solved."""
    assert make_report() == []


@pytest.mark.parametrize(
    ("problem", "severity"),
    [
        (PROBLEM, "major"),
        (Diagnostic("images", 0, 0, "", "cannot be read"), "blocker"),
        (Diagnostic("a.yaml", 3, 1, "", "not valid YAML: x"), "blocker"),
    ],
)
def test_a_problem_that_hides_others_is_worse(problem: Diagnostic, severity: str) -> None:
    """The content of such a file is unknown. A whole file begins at line 1."""
    (found,) = make_report(problem)
    assert found["severity"] == severity
    assert found["location"]["lines"]["begin"] == (problem.line or 1)


def test_a_warning_is_minor() -> None:
    """It does not fail the job."""
    assert [one["severity"] for one in make_report(PROBLEM, warnings=(PROBLEM,))] == ["major", "minor"]


def test_each_finding_has_its_own_fields() -> None:
    """In the order of the findings; a problem without a place in the file has no colon before its text."""
    problems = (PROBLEM, Diagnostic("b.yaml", 0, 0, "", "cannot be read"))
    warnings = (Diagnostic("c.yaml", 4, 1, "", "is old", "write it anew"),)
    findings = list_findings(problems, warnings)
    assert findings_to_code_quality(findings) == [
        {
            "description": description,
            "check_name": check,
            "fingerprint": finding.fingerprint,
            "severity": severity,
            "location": {"path": path, "lines": {"begin": line}},
        }
        for finding, (description, check, severity, path, line) in zip(
            findings,
            [
                ("cannot be read", "imagesync-file", "blocker", "b.yaml", 1),
                ("images.a.name: unknown key; did you mean nam?", "imagesync-image", "major", "images/a.yaml", 7),
                ("is old; write it anew", "imagesync-structure", "minor", "c.yaml", 4),
            ],
            strict=True,
        )
    ]
