"""Errors build their own text: where, what, what to do."""

import pytest

from imagesync.errors import MAX_PROBLEMS, MAX_SHOWN_PROBLEMS, BackendError, Diagnostic, ManifestError


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
