"""Problems and warnings with a rule, a level and a fingerprint."""

import re
from dataclasses import replace

import pytest

from imagesync.errors import Diagnostic
from imagesync.render.findings import RULES, Level, Rule, find_rule, list_findings

PROBLEM = Diagnostic("images.yaml", 7, 3, "images.a.name", "unknown key", "did you mean nam?")


@pytest.mark.parametrize(
    ("where", "line", "expected"),
    [
        ("", 0, "file"),
        ("", 1, "structure"),
        ("name", 4, "structure"),
        ("imagez", 4, "structure"),
        ("version", 1, "structure"),
        ("images", 0, "catalog"),
        ("catalog", 1, "catalog"),
        ("policy.max_delete", 2, "policy"),
        ("default_target", 2, "target"),
        ("targets.eu.images.a.source", 2, "target"),
        ("defaults.disk_format", 2, "defaults"),
        ("profiles.p", 2, "profile"),
        ("values.v", 2, "value"),
        ("removed.old", 2, "removed"),
        ("images.a", 2, "image"),
        ("images.ubuntu-24.04.properties.os", 2, "image"),
        ("images.a.sources", 2, "image"),
        ("images.a (and 3 more)", 2, "image"),
        ("images.ubuntu-24.04.source", 2, "source"),
        ("images.a.source.url[0]", 2, "source"),
        ("images.a.source[1]", 2, "source"),
        ("images.a.source (and 2 more)", 2, "source"),
    ],
)
def test_the_place_of_a_problem_decides_its_rule(where: str, line: int, expected: str) -> None:
    """A reworded message changes no rule, and with it no alert that a reviewer closed."""
    assert find_rule(replace(PROBLEM, where=where, line=line)).id == expected


def test_rules_have_ids_and_names_of_their_own() -> None:
    """SARIF wants a name without spaces."""
    assert len({rule.id for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)
    assert [
        rule for rule in RULES if not re.fullmatch(r"([A-Z][a-z]+)+", rule.name) or not rule.text.endswith(".")
    ] == []


def test_the_worst_finding_is_the_first() -> None:
    """A file that cannot be read hides the problems of its content; warnings are last; then the place decides."""
    places = ["images.a.source", "images.b", "images.a", "policy", ""]
    problems = [replace(PROBLEM, where=where) for where in places]
    problems.append(replace(PROBLEM, where="", line=0, column=0))
    found = list_findings(problems, [replace(PROBLEM, where="policy")])
    assert [(one.level.value, one.problem.where or one.rule.id) for one in found] == [
        ("error", "file"),
        ("error", "structure"),
        ("error", "policy"),
        ("error", "images.a"),
        ("error", "images.b"),
        ("error", "images.a.source"),
        ("warning", "policy"),
    ]


def fingerprint(problem: Diagnostic) -> str:
    """The fingerprint of one problem alone."""
    (found,) = list_findings([problem])
    assert re.fullmatch(r"[0-9a-f]{32}", found.fingerprint)
    return found.fingerprint


def test_a_fingerprint_stays_the_same_while_lines_move() -> None:
    """And if the remedy is reworded, or if another image gets the same problem from one line of defaults."""
    same = [
        replace(PROBLEM, line=90, column=1),
        replace(PROBLEM, hint=""),
        replace(PROBLEM, where="images.a.name (and 3 more)"),
    ]
    assert {fingerprint(item) for item in same} == {fingerprint(PROBLEM)}


@pytest.mark.parametrize("change", ["file", "where", "message"])
def test_another_problem_has_another_fingerprint(change: str) -> None:
    """GitLab shows only one of two findings with one fingerprint."""
    changed = {"file": "b.yaml", "where": "images.b.name", "message": "is missing"}
    assert fingerprint(replace(PROBLEM, **{change: changed[change]})) != fingerprint(PROBLEM)  # type: ignore[arg-type]


def test_equal_problems_of_one_file_have_different_fingerprints() -> None:
    """Two lines may repeat the same key."""
    found = list_findings([replace(PROBLEM, line=line) for line in (9, 7)])
    assert len({one.fingerprint for one in found}) == 2
    assert found[0].fingerprint == fingerprint(PROBLEM)


def test_a_finding_is_printable_and_has_no_secret() -> None:
    """Whatever a manifest holds."""
    secret = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1fG3hJ5"
    (found,) = list_findings([Diagnostic("a\n.yaml", 1, 2, "images.\u202ea", f"\x1b[31m {secret}", "##[error]")])
    assert (found.problem.file, found.problem.where) == ("a\\n.yaml", "images.\\u202ea")
    assert found.text == "\\x1b[31m (40 characters, not shown: looks like a secret); #\\x23[error]"


def test_a_text_without_a_remedy() -> None:
    """No separator is left over."""
    (found,) = list_findings([replace(PROBLEM, hint="")])
    assert (found.text, found.level, type(found.rule)) == ("unknown key", Level.ERROR, Rule)


def test_a_fingerprint_is_the_same_in_each_version() -> None:
    """Else a platform would report each old problem as new. Of equal problems, the number is part of it."""
    found = list_findings([PROBLEM, replace(PROBLEM, line=9)])
    assert [one.fingerprint for one in found] == [
        "e2a9e1834e877e769e6fb6531d2e1ec6",
        "d53a8ddb53619ef9e3a99dac4f168b62",
    ]


def test_each_rule_in_its_order() -> None:
    """Ids never change. While a file cannot be read or is not a manifest, the problems of its content are unknown."""
    assert [(rule.id, rule.name) for rule in RULES] == [
        ("file", "UnreadableFile"),
        ("structure", "WrongStructure"),
        ("catalog", "WrongCatalog"),
        ("policy", "WrongPolicy"),
        ("target", "WrongTarget"),
        ("defaults", "WrongDefaults"),
        ("profile", "WrongProfile"),
        ("value", "WrongValue"),
        ("image", "WrongImage"),
        ("source", "WrongSource"),
        ("removed", "WrongRemovedKey"),
    ]
    assert [rule.id for rule in RULES if rule.hides_others] == ["file", "structure"]
    usual = "Do what the message says. To see every field and its limits, run: imagesync schema"
    assert {rule.id: rule.remedy for rule in RULES if rule.remedy != usual} == {
        "file": "Correct the path or its permissions, or split a manifest that is too large."
    }


def test_findings_of_one_rule_are_sorted_by_file_then_line_then_column() -> None:
    """Lines are compared as numbers: 10 is after 9. A warning of a worse rule is still after each error."""
    places = [("b.yaml", 1, 1), ("a.yaml", 10, 1), ("a.yaml", 9, 12), ("a.yaml", 9, 2)]
    problems = [replace(PROBLEM, file=file, line=line, column=column) for file, line, column in places]
    found = list_findings(problems, [replace(PROBLEM, where="", line=0)])
    assert [(one.problem.file, one.problem.line, one.problem.column) for one in found] == [
        *reversed(places),
        ("images.yaml", 0, 3),
    ]
    assert [one.level for one in found] == [Level.ERROR] * 4 + [Level.WARNING]


@pytest.mark.parametrize(
    ("where", "same"),
    [
        ("images.a.name (and 12 more)", True),
        ("images.a.name (and more)", False),
        ("images.a.name (and 3 more).x", False),
        ("images.a.name(and 3 more)", False),
    ],
)
def test_only_the_number_of_further_images_is_no_part_of_a_fingerprint(where: str, *, same: bool) -> None:
    """At the end of the place."""
    assert (fingerprint(replace(PROBLEM, where=where)) == fingerprint(PROBLEM)) is same


def test_a_warning_has_the_fingerprint_of_the_error() -> None:
    """Unless both are there; the text has the hint after the message."""
    ((one,), (other,)) = list_findings([PROBLEM]), list_findings([], [PROBLEM])
    assert (one.fingerprint, other.level) == (other.fingerprint, Level.WARNING)
    assert one.text == "unknown key; did you mean nam?"
    assert len({found.fingerprint for found in list_findings([PROBLEM], [PROBLEM])}) == 2
