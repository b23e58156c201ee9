"""The page of a document: the order of its parts, its filters, and foreign texts that stay texts."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from imagesync.render.blocks import Kind
from imagesync.render.changes import Line
from imagesync.render.document import Alert, Block, Command, Document, Section, Subject
from imagesync.render.page import format_page
from imagesync.render.page_parts import MAX_LISTED, MAX_OPEN
from imagesync.render.style import Ink
from tests.ci_logs import HOSTILE
from tests.page_reader import read_safe_page
from tests.unit.factories import NOW
from tests.web_documents import (
    UPDATE,
    make_drift,
    make_explanation,
    make_failure,
    make_hostile,
    make_plan_of,
    make_report_of,
)

DELETE = Kind(Ink.REMOVE, "-", "delete", "not in the manifest")
PUBLISH = Line("visibility", "private → public", is_loud=True, pair=("private", "public"))
DOCUMENT = Document(Subject.PLAN, "base", "eu", "Catalog base", "Plan: 1 to update; 0 unchanged.")


def make_page(**attrs: object) -> str:
    return format_page(replace(DOCUMENT, **attrs), now=NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [0, 1, 3, 30])
@pytest.mark.parametrize("make", [make_plan_of, make_report_of])
def test_a_page_is_whole_and_safe(make: Callable[[int], Document], number: int) -> None:
    """Elements and attributes that do nothing, one script and one style."""
    read_safe_page(format_page(make(number), now=NOW))


@pytest.mark.parametrize("make", [make_drift, make_explanation, make_failure])
def test_each_subject_has_a_page(make: Callable[[], Document]) -> None:
    """With its title and its sentence."""
    document = make()
    read = read_safe_page(format_page(document, now=NOW))
    assert document.title in read.text
    assert document.summary in read.text
    assert "2026-11-23 12:00 UTC" in read.text


def test_what_is_most_important_comes_first() -> None:
    """The counts, what becomes public or is deleted, the errors; then the controls and the changes."""
    page = make_page(
        alerts=(Alert("become public", ("a",)), Alert("are deleted", ("b", "c"), is_loss=True)),
        errors=("c.yaml:1:1: wrong",),
        blocks=(Block(UPDATE, ("a",)),),
        sections=(Section("Notes", ("a note",)),),
        closing=("apply again",),
        commands=(Command("Apply:", "imagesync apply"),),
    )
    parts = [
        "Plan: 1 to",
        'Become public, <span class="keep">1 image<',
        'Are deleted, <span class="keep">2 images<',
        "1 error",
        'class="controls"',
        'id="block-1"',
    ]
    parts += ["a note", "apply again", "<code>imagesync apply</code>"]
    places = [page.index(part, page.index("<body>")) for part in parts]
    assert places == sorted(places)


def test_an_alert_leads_to_the_change() -> None:
    """The first block about the image, also if that has no name; a label without a block stays text."""
    blocks = (Block(UPDATE, ("a", "b")), Block(UPDATE, ("b",)))
    page = make_page(alerts=(Alert("become public", ("b (Image b)", "c")),), blocks=blocks)
    assert '<li><a href="#block-1">b (Image b)</a></li>\n<li>c</li>' in page


def test_the_filters_are_actions_outcomes_and_access() -> None:
    """Each with the number of its images, each once; each block has the kinds of its filters."""
    update = Block(UPDATE, ("a",), lines=(PUBLISH,), outcome="not started")
    page = make_page(
        blocks=(Block(DELETE, ("b",), outcome="done"), update, replace(update, labels=("a (x)", "c"), outcome="done"))
    )
    chips = re.findall(r'data-group="(\w+)" data-show="([\w-]+)" aria-pressed="false">(.*?) <b>(\d+)</b>', page)
    assert chips == [
        ("action", "action-delete", "delete", "1"),
        ("action", "action-update", "update", "2"),
        ("outcome", "outcome-done", "done", "3"),
        ("outcome", "outcome-not-started", "not started", "1"),
        ("access", "access-public-or-protected", "public or protected", "2"),
    ]
    assert re.findall('data-kinds="(.*?)"', page)[1] == "action-update outcome-not-started access-public-or-protected"


@pytest.mark.parametrize("number", [0, 1])
def test_a_page_with_nothing_to_filter_has_no_search(number: int) -> None:
    """Print and light or dark remain."""
    read = read_safe_page(make_page(blocks=(Block(UPDATE, ("a",)),) * number))
    assert "input" not in read.tags
    assert ("data-do", "theme") in read.attributes


@pytest.mark.parametrize(("number", "is_open"), [(MAX_OPEN, True), (MAX_OPEN + 1, False)])
def test_few_changes_are_open_and_many_are_not(number: int, is_open: bool) -> None:
    """300 open changes are too much to read; a change without lines has nothing to open."""
    blocks = [Block(UPDATE, (str(one),), lines=(PUBLISH,)) for one in range(number - 1)]
    page = make_page(blocks=(*blocks, Block(DELETE, ("b",))))
    assert page.count('<details class="block') == number - 1
    assert page.count('" open>') == (number - 1 if is_open else 0)
    assert '<div class="block remove"' in page


def test_a_change_is_two_values_and_a_rest() -> None:
    """A text that only looks like a change is one text."""
    lines = (Line("x", "a → b → c  (drift)", pair=("a → b", "c")), Line("y", "1 → 2"), Line("", "released"))
    read = read_safe_page(make_page(blocks=(Block(UPDATE, ("a",), lines=lines),)))
    assert read.cells == ["x", "a → b → c  (drift)", "y", "1 → 2", "released"]
    page = make_page(blocks=(Block(UPDATE, ("a",), lines=lines),))
    assert "<del>a → b</del> → <ins>c</ins>  (drift)" in page
    assert page.count("<del>") == 1


def test_a_loud_line_is_visible_in_a_closed_block() -> None:
    """With a mark, not with a color only; and again in its table."""
    page = make_page(blocks=(Block(UPDATE, ("a",), lines=(PUBLISH,)),))
    assert '<span class="loud">! visibility: private → public</span>' in page.partition("</summary>")[0]
    assert '<b class="mark">!</b> visibility' in page


def test_a_failed_step_shows_its_outcome_and_error_in_the_first_line() -> None:
    """Also if it has no lines."""
    page = make_page(blocks=(Block(DELETE, ("a",), outcome="failed", error="HTTP 409"),))
    assert '<span class="outcome outcome-failed">failed</span> <span class="error">HTTP 409</span>' in page


def test_many_images_of_a_block_are_counted_and_all_named_below() -> None:
    """No name is left out."""
    labels = tuple(f"key-{number:03}" for number in range(99))
    page = make_page(blocks=(Block(UPDATE, labels),))
    assert '<b class="key">99 images</b> <span class="what">key-000, key-001, key-002 and 96 more</span>' in page
    assert re.findall("<li>(.*?)</li>", page) == list(labels)
    assert f"<summary>and {99 - MAX_LISTED} more</summary>" in page


def test_a_color_only_repeats_what_a_word_or_a_sign_says() -> None:
    """A kind with a color that has no meaning here has none."""
    page = make_page(blocks=(Block(Kind(Ink.DIM, "○", "retired"), ("a",)), Block(UPDATE, ("b",))))
    assert '<div class="block " id="block-1"' in page
    assert '<div class="block change" id="block-2"' in page


@pytest.mark.parametrize(
    "text", ["</summary><script>alert(1)</script>", '"><img src=x onerror=y>', "&lt;b&gt;", *HOSTILE.values()]
)
def test_what_others_wrote_is_only_text(text: str) -> None:
    """In every part of every document, also where the document should have only our own words."""
    read = read_safe_page(format_page(make_hostile(text), now=NOW))
    assert read.tags.count("summary") == 2
    assert "javascript" not in {name for name, _ in read.attributes}


@pytest.mark.parametrize(
    ("kind", "outcome", "tone"),
    [
        (UPDATE, "", "change"),
        (DELETE, "", "remove"),
        (DELETE, "done", "add"),
        (UPDATE, "failed", "remove"),
        (UPDATE, "interrupted", "remove"),
        (DELETE, "not started", "change"),
    ],
)
def test_the_color_of_a_result_is_that_of_its_outcome(kind: Kind, outcome: str, tone: str) -> None:
    """In a plan it is that of the action. The words say the same."""
    assert f'class="block {tone}"' in make_page(blocks=(Block(kind, ("a",), outcome=outcome),))


def test_the_first_line_of_a_change_names_its_first_fields() -> None:
    """If there is no other description; a build of an explanation has no action, and lists no fields."""
    lines = (PUBLISH, *(Line(name, "x") for name in "abcd"), Line("", "released"))
    change = Block(UPDATE, ("key",), lines=lines)
    fields = '<span class="what">a, b, c and 1 more</span>'
    assert fields in make_page(blocks=(change,))
    assert fields not in make_page(blocks=(replace(change, what="1 GiB"),))
    assert fields not in make_page(blocks=(replace(change, kind=Kind(Ink.STATE, "", "")),))


def test_a_section_without_a_title_has_no_heading() -> None:
    """An empty heading leads a screen reader nowhere."""
    page = make_page(sections=(Section("", ("only a sentence",)),))
    assert "<section>\n<ul" in page
