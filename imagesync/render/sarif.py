"""Findings -> a log in SARIF 2.1.0 (Static Analysis Results Interchange Format, an OASIS standard), as JSON. Pure."""

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from imagesync.render.findings import RULES, Finding, Rule
from imagesync.version import __version__

Json = dict[str, Any]

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT: Final = "%SRCROOT%"
"""The base of relative paths: the root of the repository. GitHub uses the same name."""
_PLACEHOLDER: Final = re.compile(r"\{(?=[0-9]+\})")


def findings_to_sarif(findings: Sequence[Finding], exit_code: int) -> Json:
    """One run with all rules and one result for each finding.

    ``executionSuccessful`` is true also for manifests with problems: the checks themselves were carried out (section 3.20.14).
    """
    driver = {
        "name": "imagesync",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": list(map(_describe_rule, RULES)),
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "exitCode": exit_code}],
        "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository."}}},
        "columnKind": "unicodeCodePoints",
        "results": list(map(_describe_finding, findings)),
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _describe_rule(rule: Rule) -> Json:
    """A rule with the texts that GitHub requires."""
    text = {"text": rule.text}
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": text,
        "fullDescription": text,
        "help": {"text": rule.remedy},
    }


def _describe_finding(finding: Finding) -> Json:
    problem = finding.problem
    text = f"{problem.where}: {finding.text}" if problem.where else finding.text
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": RULES.index(finding.rule),
        "level": finding.level.value,
        "message": {"text": _make_plain(text)},
        "locations": [_describe_location(finding)],
        "partialFingerprints": {"problemHash/v1": finding.fingerprint},
    }


def _describe_location(finding: Finding) -> Json:
    """The place of a finding; a problem of a whole file is at its first line, because GitHub requires a line."""
    problem = finding.problem
    region = {"startLine": problem.line, "startColumn": problem.column} if problem.line else {"startLine": 1}
    physical = {"artifactLocation": _describe_file(problem.file), "region": region}
    logical = {"logicalLocations": [{"fullyQualifiedName": problem.where}]} if problem.where else {}
    return {"physicalLocation": physical, **logical}


def _describe_file(path: str) -> Json:
    """A URI reference below the root; an absolute URI for a file that is not in the repository (section 3.4.3)."""
    uri = quote(path)
    return {"uri": f"file://{uri}"} if path.startswith("/") else {"uri": uri, "uriBaseId": ROOT}


def _make_plain(text: str) -> str:
    """A text without links, ``[text](target)``, and placeholders, ``{0}``, which a viewer would replace (section 3.11)."""
    return _PLACEHOLDER.sub("{ ", text).replace("](", "] (")
