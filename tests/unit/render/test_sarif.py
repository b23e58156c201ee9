"""Findings in SARIF. ``tests/formats`` has the same, checked by the tool of the format's authors."""

from typing import Any

import pytest

from imagesync.errors import Diagnostic
from imagesync.render.findings import RULES, list_findings
from imagesync.render.sarif import findings_to_sarif
from imagesync.version import __version__

PROBLEM = Diagnostic("images/a b.yaml", 7, 3, "images.a.name", "unknown key", "did you mean nam?")


def make_run(*problems: Diagnostic, warnings: tuple[Diagnostic, ...] = (), exit_code: int = 1) -> Any:
    """The only run of the log."""
    log = findings_to_sarif(list_findings(problems, warnings), exit_code)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    return run


def test_a_problem_has_a_rule_and_a_place() -> None:
    """The path is a URI below the root of the repository; the fingerprint does not depend on the line."""
    (found,) = make_run(PROBLEM)["results"]
    (fingerprint,) = found.pop("partialFingerprints").values()
    assert len(fingerprint) == 32
    assert found == {
        "ruleId": "image",
        "ruleIndex": [rule.id for rule in RULES].index("image"),
        "level": "error",
        "message": {"text": "images.a.name: unknown key; did you mean nam?"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "images/a%20b.yaml", "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": 7, "startColumn": 3},
                },
                "logicalLocations": [{"fullyQualifiedName": "images.a.name"}],
            }
        ],
    }


def test_a_problem_of_a_whole_file_is_at_its_first_line() -> None:
    """GitHub requires a line."""
    (found,) = make_run(Diagnostic("images", 0, 0, "", "cannot be read"))["results"]
    place = {"artifactLocation": {"uri": "images", "uriBaseId": "%SRCROOT%"}, "region": {"startLine": 1}}
    assert found["locations"] == [{"physicalLocation": place}]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/tmp/a.yaml", {"uri": "file:///tmp/a.yaml"}),
        ("a:b#?%.yaml", {"uri": "a%3Ab%23%3F%25.yaml", "uriBaseId": "%SRCROOT%"}),
        ("größe.yaml", {"uri": "gr%C3%B6%C3%9Fe.yaml", "uriBaseId": "%SRCROOT%"}),
    ],
)
def test_a_path_is_a_uri(path: str, expected: dict[str, str]) -> None:
    """A file outside of the repository has an absolute one."""
    (found,) = make_run(Diagnostic(path, 1, 1, "", "empty"))["results"]
    assert found["locations"][0]["physicalLocation"]["artifactLocation"] == expected


def test_the_run_says_what_checked_and_how_it_ended() -> None:
    """Manifests with problems were checked successfully. Columns count characters."""
    run = make_run(PROBLEM)
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"], driver["semanticVersion"]) == ("imagesync", __version__, __version__)
    assert [rule["id"] for rule in driver["rules"]] == [rule.id for rule in RULES]
    assert [name for rule in driver["rules"] for name in ("fullDescription", "help") if not rule[name]["text"]] == []
    assert run["invocations"] == [{"executionSuccessful": True, "exitCode": 1}]
    assert run["columnKind"] == "unicodeCodePoints"
    assert set(run["originalUriBaseIds"]) == {"%SRCROOT%"}


def test_no_problem_is_a_run_without_results() -> None:
    """The list is there: without it, the run would say that nothing was checked."""
    assert make_run(exit_code=0)["results"] == []
    assert make_run(exit_code=0)["invocations"] == [{"executionSuccessful": True, "exitCode": 0}]


def test_a_warning_has_its_level() -> None:
    """A reader may hide warnings."""
    assert [one["level"] for one in make_run(PROBLEM, warnings=(PROBLEM,))["results"]] == ["error", "warning"]


def test_a_viewer_finds_no_link_and_no_placeholder_in_a_message() -> None:
    """SARIF has both in plain text; text of a manifest must not become one."""
    (found,) = make_run(Diagnostic("a.yaml", 1, 1, "", "[click](https://evil.example) {0} {a} [0]"))["results"]
    assert found["message"] == {"text": "[click] (https://evil.example) { 0} {a} [0]"}


def test_the_whole_log() -> None:
    """With the schema, the text of each rule, the meaning of the base, and the name of the fingerprint."""
    findings = list_findings([PROBLEM], [Diagnostic("b.yaml", 9, 2, "policy.x", "no effect")])
    log = findings_to_sarif(findings, 3)
    (run,) = log.pop("runs")
    assert log == {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
    }
    assert run.pop("tool")["driver"]["rules"] == [
        {
            "id": rule.id,
            "name": rule.name,
            "shortDescription": {"text": rule.text},
            "fullDescription": {"text": rule.text},
            "help": {"text": rule.remedy},
        }
        for rule in RULES
    ]
    image, policy = run.pop("results")
    assert [image["partialFingerprints"], policy["partialFingerprints"]] == [
        {"problemHash/v1": one.fingerprint} for one in findings
    ]
    assert (policy["ruleId"], policy["ruleIndex"], policy["message"]) == (
        *("policy", 3, {"text": "policy.x: no effect"}),
    )
    assert run == {
        "invocations": [{"executionSuccessful": True, "exitCode": 3}],
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "The root of the repository."}}},
        "columnKind": "unicodeCodePoints",
    }


def test_each_link_and_each_placeholder_is_broken() -> None:
    """Also those of the place and of the hint, and of any number; other braces stay."""
    (found,) = make_run(Diagnostic("a.yaml", 1, 1, "images.{0}", "{12} {1x} {} [a](b)", "[c](d) {3}"))["results"]
    assert found["message"] == {"text": "images.{ 0}: { 12} {1x} {} [a] (b); [c] (d) { 3}"}
