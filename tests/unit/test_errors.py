"""Errors build their own text: where, what, what to do."""

from dataclasses import replace

import pytest

from imagesync.errors import (
    MAX_PROBLEMS,
    MAX_SHOWN_CHANGES,
    MAX_SHOWN_PROBLEMS,
    BackendError,
    Diagnostic,
    ForgeError,
    ManifestError,
    PlanRefused,
    StalePlan,
    Unavailable,
)


@pytest.mark.parametrize(
    ("diagnostic", "line"),
    [
        (Diagnostic("a.yaml", 3, 14, "images.a", "unknown key", "did you mean b?"), "a.yaml:3:14: images.a: unknown key; did you mean b?"),
        (Diagnostic("a.yaml", 0, 0, "", "empty"), "a.yaml: empty"),
        (Diagnostic("--set x", 0, 0, "values.x", "is not defined"), "--set x: values.x: is not defined"),
    ],
)  # fmt: skip
def test_a_diagnostic_is_one_line(diagnostic: Diagnostic, line: str) -> None:
    """Parts that are missing leave no separator."""
    assert str(diagnostic) == line


def test_the_hint_follows_the_message() -> None:
    """If there is one."""
    assert str(BackendError("no space", "remove images")) == "no space; remove images"
    assert str(BackendError("no space")) == "no space"


def test_problems_of_manifests_are_sorted_and_each_once() -> None:
    """By file, line and column, in whatever order they were found."""
    first, second = (Diagnostic("a.yaml", line, 1, "", "x") for line in (1, 2))
    error = ManifestError([second, first, second])
    assert error.diagnostics == (first, second)
    assert str(error).splitlines()[-1] == "2 problems in the manifests"


def test_of_many_problems_only_the_first_are_shown() -> None:
    """With the number of the others; of too many problems the number is unknown."""
    lines = str(ManifestError([Diagnostic("a", number, 1, "", "x") for number in range(MAX_PROBLEMS)])).splitlines()
    assert len(lines) == MAX_SHOWN_PROBLEMS + 2
    assert lines[-2].startswith("and 100 more")
    assert lines[-1].startswith("at least 200 problems")


def test_a_problem_of_one_place_is_reported_once() -> None:
    """A line of defaults applies to many images, one of the policy to all; problems without a line stay separate."""

    def at(where: str, line: int = 3) -> Diagnostic:
        return Diagnostic("m.yaml", line, 1, where, "wrong")

    inherited = ManifestError([at("images.b.tags"), at("images.a.tags"), at("images.c.tags")])
    assert list(map(str, inherited.diagnostics)) == ["m.yaml:3:1: images.a.tags (and 2 more): wrong"]
    policy = ManifestError([at("images.a.on_replace.rename"), at("policy.on_replace.rename")])
    assert list(map(str, policy.diagnostics)) == ["m.yaml:3:1: policy.on_replace.rename: wrong"]
    assert len(ManifestError([at("images.a", 0), at("images.b", 0)]).diagnostics) == 2
    assert len(ManifestError([at("images.a", 3), at("images.a", 4)]).diagnostics) == 2
    assert len(ManifestError([at("images.a"), replace(at("images.b"), file="n.yaml")]).diagnostics) == 2
    assert len(ManifestError([at("images.a"), replace(at("images.b"), hint="do")]).diagnostics) == 2
    assert len(ManifestError([at("images.a"), replace(at("images.b"), column=2)]).diagnostics) == 2
    profile = ManifestError([at("profiles.p.tags"), at("images.z.tags"), at("defaults.tags")])
    assert list(map(str, profile.diagnostics)) == ["m.yaml:3:1: defaults.tags: wrong"]


@pytest.mark.parametrize("more", [0, 1, 2])
def test_a_hundred_problems_are_shown(more: int) -> None:
    """And the number of the others, also if it is one."""
    lines = str(
        ManifestError([Diagnostic("a", n + 1, 1, "", "x") for n in range(MAX_SHOWN_PROBLEMS + more)])
    ).splitlines()
    assert MAX_SHOWN_PROBLEMS == 100
    rest = [f"and {more} more; see them all with: imagesync validate --format json"] if more else []
    assert lines[100:] == [*rest, f"{100 + more} problems in the manifests"]


def test_one_problem_is_one() -> None:
    """Its number is known below the limit."""
    assert str(ManifestError([Diagnostic("a", 1, 1, "", "x")])) == "a:1:1: x\n1 problem in the manifests"
    below = ManifestError([Diagnostic("a", n + 1, 1, "", "x") for n in range(MAX_PROBLEMS - 1)])
    assert below.message == "199 problems in the manifests"


@pytest.mark.parametrize(
    ("excerpt", "column", "display"),
    [
        ("name: x y", 9, ["    name: x y", "            ^"]),
        ("x" * 70, 70, [f"    {'x' * 70}", f"    {' ' * 69}^"]),
        ("x" * 71, 71, [f"    … {'x' * 36}", f"    {' ' * 37}^"]),
        (f"{'a' * 50}b{'c' * 90}", 51, [f"    … {'a' * 35}b{'c' * 34} …", f"    {' ' * 37}^"]),
        ("x" * 71, 30, [f"    {'x' * 70} …", f"    {' ' * 29}^"]),
        ("Ａ名: x", 4, ["    Ａ名: x", "         ^"]),
        ("ab", 9, ["    ab", "      ^"]),
    ],
)
def test_a_line_is_shown_around_the_column(excerpt: str, column: int, display: list[str]) -> None:
    """At most 70 characters of it; characters of double width count twice."""
    problem = Diagnostic("a", 1, column, "", "x", excerpt=excerpt)
    assert str(ManifestError([problem])).splitlines()[1:-1] == display


def test_a_refused_plan_has_a_line_for_each_reason() -> None:
    """As they are."""
    error = PlanRefused(["one", "two"])
    assert (error.refusals, str(error)) == (("one", "two"), "one\ntwo")


@pytest.mark.parametrize("number", [1, 2, 10, 11, 13])
def test_the_changes_of_a_stale_plan_are_listed(number: int) -> None:
    """Ten of them, and the number of the others; a single one is part of the sentence."""
    changes = [f"c{index}" for index in range(number)]
    error = StalePlan(changes)
    assert error.changes == tuple(changes)
    remedy = "nothing was applied; make the plan again: imagesync plan PATH"
    if number == 1:
        assert str(error) == f"the plan is stale: c0; {remedy}"
        return
    lines = [f"  {change}" for change in changes[:MAX_SHOWN_CHANGES]]
    more = [f"  and {number - 10} more"] if number > 10 else []
    assert str(error).splitlines() == [f"the plan is stale, {number} changes:", *lines, *more, remedy]


def test_an_error_of_a_service_knows_its_status_and_its_wait() -> None:
    """None of both by default."""
    error = Unavailable("busy", "wait", retry_after=7.5, status=503)
    assert (error.retry_after, error.status, str(error)) == (7.5, 503, "busy; wait")
    assert (Unavailable("gone").retry_after, Unavailable("gone").status) == (0.0, 0)
    assert (ForgeError("no", status=404).status, ForgeError("no").status) == (404, 0)
