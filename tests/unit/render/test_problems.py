"""``imagesync.render.problems``: errors as lists of problems."""

from imagesync.errors import Diagnostic, ImagesyncError, ManifestError, PlanRefused, StalePlan, Unavailable
from imagesync.render.problems import describe_error, list_problems

SECRET = "https://u:hunter22@host/x?token=abcdef0123456789"


def test_each_problem_of_the_manifests_keeps_its_place() -> None:
    """In the order of the error."""
    items = [Diagnostic("b.yaml", 2, 3, "images.b", "wrong"), Diagnostic("a.yaml", 1, 1, "images.a", "wrong", "fix it")]
    assert list_problems(ManifestError(items)) == (items[1], items[0])


def test_each_refusal_and_each_change_is_a_problem_without_a_place() -> None:
    """A stale plan says for each change what to do."""
    assert [(one.file, one.message) for one in list_problems(PlanRefused(["no", "never"]))] == [
        ("", "no"),
        ("", "never"),
    ]
    stale = list_problems(StalePlan(["a changed", "b changed"]))
    assert [one.message for one in stale] == ["the plan is stale: a changed", "the plan is stale: b changed"]
    assert {one.hint for one in stale} == {StalePlan.remedy}


def test_another_error_is_one_problem() -> None:
    """With its hint."""
    (one,) = list_problems(Unavailable("no response", "try again"))
    assert (one.file, one.line, one.message, one.hint) == ("", 0, "no response", "try again")
    assert str(one) == "no response; try again"


def test_secrets_are_removed_from_every_kind() -> None:
    """Also from the hint."""
    for error in (
        ImagesyncError(SECRET, SECRET),
        PlanRefused([SECRET]),
        StalePlan([SECRET]),
        ManifestError([Diagnostic("a.yaml", 1, 1, "images.a", SECRET, SECRET)]),
    ):
        assert not any("hunter22" in str(one) or "abcdef01" in str(one) for one in list_problems(error))


def test_the_lines_of_an_error_have_no_control_characters() -> None:
    """Its line breaks stay."""
    assert describe_error(ImagesyncError("a\x1b[2J\nb", "c\r")) == "a\\x1b[2J\nb; c\\r"
