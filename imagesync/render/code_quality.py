"""Findings -> a Code Quality report of GitLab, as JSON. Pure.

GitLab documents the format in "Code Quality report format". It shows one finding for each fingerprint, and compares the
fingerprints of a merge request with those of the target branch.
"""

from collections.abc import Sequence
from typing import Any

from imagesync.render.findings import Finding, Level


def findings_to_code_quality(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """One object for each finding; an empty list if there is none, because GitLab needs a report in any case.

    ``severity``: minor for a warning, blocker if a file cannot be read, else major.
    """
    return list(map(_describe_finding, findings))


def _describe_finding(finding: Finding) -> dict[str, Any]:
    problem = finding.problem
    return {
        "description": f"{problem.where}: {finding.text}" if problem.where else finding.text,
        "check_name": f"imagesync-{finding.rule.id}",
        "fingerprint": finding.fingerprint,
        "severity": _judge(finding),
        "location": {"path": problem.file, "lines": {"begin": max(problem.line, 1)}},
    }


def _judge(finding: Finding) -> str:
    if finding.level is Level.WARNING:
        return "minor"
    return "blocker" if finding.rule.hides_others else "major"
