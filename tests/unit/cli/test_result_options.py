"""Which options about results are refused, and what the others mean."""

from pathlib import Path

import pytest

from imagesync.cli.result_options import MAX_BYTES, MIN_BYTES, Amount, Copies, ResultForm, Results, ReviewForm
from imagesync.errors import UsageError
from imagesync.render.style import Detail


def test_a_copy_has_a_format_and_a_file() -> None:
    """In the order of the command line; a file may have an equals sign in its name."""
    copies = Copies(["json=a", "markdown=b=c.md", "junit=d"])
    expected = [(ResultForm.JSON, Path("a")), (ResultForm.MARKDOWN, Path("b=c.md")), (ResultForm.JUNIT, Path("d"))]
    assert list(copies.parse()) == expected
    assert Copies().parse() == ()
    assert Copies([f"{form}=x" for form in ReviewForm]).parse(ReviewForm) == tuple(
        (ResultForm(form), Path("x")) for form in ReviewForm
    )


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("json", "--also json: not FORMAT=FILE", "markdown=plan.md"),
        ("json=", "--also json=: not FORMAT=FILE", "markdown=plan.md"),
        ("=x", "--also =x: not FORMAT=FILE", "markdown=plan.md"),
        ("", "--also : not FORMAT=FILE", "markdown=plan.md"),
        ("yaml=x", "--also yaml=x: no such format", "choose one of text, json, markdown, html, junit"),
        ("JSON=x", "--also JSON=x: no such format", "choose one of text, json, markdown, html, junit"),
    ],
)
def test_another_copy_is_refused(text: str, message: str, hint: str) -> None:
    """Also after a right one."""
    with pytest.raises(UsageError) as caught:
        Copies(["json=a", text]).parse()
    assert caught.value.message == message
    assert hint in caught.value.hint


def test_only_a_plan_or_a_run_has_a_test_report() -> None:
    """The hint has only the formats of the command."""
    with pytest.raises(UsageError) as caught:
        Copies(["junit=x"]).parse(ReviewForm)
    assert caught.value.hint == "choose one of text, json, markdown, html"


@pytest.mark.parametrize("form", list(ResultForm))
@pytest.mark.parametrize("kind", [None, *ResultForm])
def test_a_limit_needs_a_markdown_result(form: ResultForm, kind: ResultForm | None) -> None:
    """On the output or in a file, whichever it is."""
    also = ["text=x", f"{kind}=y"] if kind else []
    Copies(also).check_limit(form)
    limited = Copies(also, max_bytes=MIN_BYTES)
    if ResultForm.MARKDOWN in (form, kind):
        limited.check_limit(form)
    else:
        with pytest.raises(UsageError, match="--max-bytes has no effect"):
            limited.check_limit(form)


def test_a_comment_fits_into_what_github_takes() -> None:
    """Also with the words around it."""
    assert MAX_BYTES == 60_000 < 65_536
    assert MIN_BYTES == 2_000


@pytest.mark.parametrize("form", list(ResultForm))
def test_how_much_of_a_plan_is_printed(form: ResultForm) -> None:
    """JSON and a test report always have every step, so an amount has no effect on them."""
    assert Amount().choose(form) is Detail.USUAL
    for amount, word, detail in (
        (Amount(detail=True), "--detail", Detail.WHOLE),
        (Amount(summary=True), "--summary", Detail.SUMMARY),
    ):
        if form in (ResultForm.JSON, ResultForm.JUNIT):
            what = "every field" if form is ResultForm.JSON else "every step"
            with pytest.raises(UsageError) as caught:
                amount.choose(form)
            assert caught.value.message == f"{word} has no effect on --format {form}, which has {what}"
            assert caught.value.hint == f"remove {word}"
        else:
            assert amount.choose(form) is detail


def test_both_amounts_exclude_each_other() -> None:
    """In each format."""
    for form in ("text", "json"):
        with pytest.raises(UsageError, match="--detail and --summary exclude each other"):
            Amount(detail=True, summary=True).choose(form)
    assert Amount(detail=True).choose() is Detail.WHOLE


def test_an_amount_of_a_plan_that_is_not_printed_is_refused() -> None:
    """Each option is named."""
    Amount().check_not_shown()
    for amount, word in ((Amount(detail=True), "--detail"), (Amount(summary=True), "--summary")):
        with pytest.raises(UsageError, match=f"^{word} has no effect, because --quiet with --yes") as caught:
            amount.check_not_shown()
        assert caught.value.hint == f"remove {word}"


def test_a_run_prints_text_and_writes_nothing_unless_told() -> None:
    """The defaults."""
    usual = Results()
    assert (usual.form, usual.out, usual.ids, usual.events, usual.color) == (ResultForm.TEXT, None, None, None, None)
    none = Copies()
    assert (none.also, none.max_bytes, none.metrics) == ([], None, None)
