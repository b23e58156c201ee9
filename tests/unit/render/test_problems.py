"""``imagesync.render.problems``: errors as lists of problems."""

from imagesync.errors import Diagnostic, ImagesyncError, ManifestError, PlanRefused, StalePlan, Unavailable
from imagesync.render.problems import describe_error, list_problems

SECRET = "https://u:hunter22@host/x?token=abcdef0123456789"
TOKEN = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1fG3hJ5"


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


def test_every_secret_of_the_problems_of_manifests_is_hidden_in_the_text() -> None:
    """Each problem has its line, sorted by place. What another error quotes is cleaned where it is made."""
    items = [
        Diagnostic("b.yaml", 2, 3, "x\x1b", TOKEN, TOKEN),
        Diagnostic("a.yaml", 1, 1, "", f"is {TOKEN}", "mend it"),
    ]
    hidden = f"({len(TOKEN)} characters, not shown: looks like a secret)"
    assert describe_error(ManifestError(items)) == (
        f"a.yaml:1:1: is {hidden}; mend it\nb.yaml:2:3: x\\x1b: {hidden}; {hidden}\n2 problems in the manifests"
    )


def test_problems_without_a_place_have_only_a_message_and_a_hint() -> None:
    """Whatever the error; a refusal has no hint."""
    assert list_problems(PlanRefused(["no"])) == (Diagnostic("", 0, 0, "", "no", ""),)
    assert list_problems(StalePlan(["a changed"])) == (
        Diagnostic("", 0, 0, "", "the plan is stale: a changed", StalePlan.remedy),
    )
    assert list_problems(Unavailable("away", "wait")) == (Diagnostic("", 0, 0, "", "away", "wait"),)
    assert list_problems(ImagesyncError(f"x {TOKEN}", f"y {TOKEN}")) == (
        Diagnostic("", 0, 0, "", *(f"{word} (40 characters, not shown: looks like a secret)" for word in "xy")),
    )
