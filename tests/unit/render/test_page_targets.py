"""``imagesync.render.page_targets``: the page about several targets."""

import re
from dataclasses import replace

import pytest

from imagesync.render.blocks import Kind
from imagesync.render.document import Alert, Block, Collection, Document, Section, Subject, TargetGroup, TargetRow
from imagesync.render.page import format_page
from imagesync.render.page_parts import MAX_OPEN
from imagesync.render.style import Ink
from tests.ci_logs import HOSTILE
from tests.page_reader import read_safe_page
from tests.unit.factories import NOW
from tests.unit.render.test_page import DELETE, PUBLISH
from tests.web_documents import (
    UPDATE,
    make_failed_collection,
    make_hostile_targets,
    make_plans_of,
    make_runs_of,
)

ROWS = (TargetRow("eu", "changes", "1 to update"), TargetRow("us", "no plan", "", 2), TargetRow("lab", "no changes"))


def make_group(*blocks: Block, **attrs: object) -> Document:
    """The document of a group."""
    return Document(Subject.PLAN, "base", "eu", "1 change", "Plan: 1 to update.", blocks=blocks, **attrs)  # type: ignore[arg-type]


def make_page(*groups: tuple[tuple[str, ...], Document], **attrs: object) -> str:
    """The page of a collection with these groups."""
    made = tuple(TargetGroup(names, document) for names, document in groups)
    document = Collection(Subject.PLAN, "base", "Plan on 3 targets", "3 targets.", ROWS, groups=made)
    return format_page(replace(document, **attrs), now=NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [1, 3, 30])
def test_a_page_is_whole_and_safe(number: int) -> None:
    """Elements and attributes that do nothing, one script and one style; no anchor occurs twice."""
    for document in (make_plans_of(number, 5), make_runs_of(number), make_failed_collection()):
        read = read_safe_page(format_page(document, now=NOW))
        anchors = [value for name, value in read.attributes if name == "id"]
        assert len(anchors) == len(set(anchors))
        assert {value[1:] for name, value in read.attributes if name == "href"} <= set(anchors)
        assert document.title in read.text
        assert document.summary in read.text


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_what_others_wrote_is_only_text(kind: str) -> None:
    """In every part of the page."""
    read_safe_page(format_page(make_hostile_targets(HOSTILE[kind]), now=NOW))


def test_what_is_most_important_comes_first() -> None:
    """Of all targets; then the table of the targets, the controls, and each group."""
    document = make_group(Block(UPDATE, ("a",)), sections=(Section("Notes", ("a note",)),), closing=("skips 1 image",))
    page = make_page(
        (("eu",), document),
        (("us",), make_group(Block(DELETE, ("b",)))),
        alerts=(TargetGroup(("us", "lab"), Alert("are deleted", ("b",), is_loss=True)),),
        errors=(TargetGroup(("us", "eu"), "no answer"), TargetGroup((), "wrong")),
        closing=("apply again",),
    )
    parts = [
        "3 targets.",
        'Are deleted, <span class="keep">1 image<',
        "<p>on us, lab</p>",
        "2 errors",
        "<b>us, eu</b>: no answer",
        "<li>wrong</li>",
        '<h2 id="targets">',
        'class="controls"',
        '<h2 id="group-1">eu: 1 change</h2>',
        "<p>Plan: 1 to update.</p>",
        'id="block-1"',
        "<h3>Notes</h3>",
        "skips 1 image",
        '<h2 id="group-2">us: 1 change</h2>',
        'id="block-2"',
        "apply again",
    ]
    places = [page.index(part, page.index("<body>")) for part in parts]
    assert places == sorted(places)


def test_each_target_has_a_row_which_leads_to_its_group() -> None:
    """If there is anything to read."""
    page = make_page((("eu", "b"), make_group(Block(UPDATE, ("a",)))), (("us",), make_group()))
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', page)
    assert [name for name, _ in rows] == ['<a href="#group-1">eu</a>', "us", "lab"]
    assert [re.findall(r'data-title="(\w+)">(?:<span class="([^"]*)">)?(.*?)<', cells) for _, cells in rows] == [
        [("outcome", "outcome outcome-changes", "changes"), ("changes", "", "1 to update"), ("errors", "", "")],
        [("outcome", "outcome outcome-no-plan", "no plan"), ("changes", "", ""), ("errors", "", "2")],
        [("outcome", "outcome outcome-no-changes", "no changes"), ("changes", "", ""), ("errors", "", "")],
    ]
    assert "group-2" not in page


def test_waves_have_a_column_if_they_differ() -> None:
    """Else it says nothing."""
    assert 'data-title="wave"' not in make_page()
    page = make_page(rows=(ROWS[0], replace(ROWS[1], wave=3)))
    assert '<th scope="col">wave</th>' in page
    assert re.findall(r'data-title="wave">(\d+)<', page) == ["0", "3"]


def test_places_have_a_column_if_one_is_known() -> None:
    """It is beside the name, as elsewhere."""
    assert 'data-title="place"' not in make_page()
    page = make_page(rows=(replace(ROWS[0], place="cloud <eu>"), ROWS[1]))
    assert '<th scope="col">place</th>' in page
    assert re.findall(r'data-title="place">(.*?)</td>', page) == ["cloud &lt;eu&gt;", ""]


def test_a_name_at_the_top_leads_to_the_change_of_its_target() -> None:
    """Not to that of another target, which has an image of the same key."""
    blocks = (Block(UPDATE, ("a",)), Block(UPDATE, ("b",)))
    alert = TargetGroup(("us", "lab"), Alert("become public", ("b",)))
    groups = [(("eu",), make_group(*blocks)), (("us",), make_group(*blocks)), (("lab",), make_group())]
    assert '<li><a href="#block-4">b</a></li>' in make_page(*groups, alerts=(alert,))
    assert "<li>b</li>" in make_page(*groups, alerts=(replace(alert, names=("lab",)),))


def test_the_filters_are_those_of_all_groups() -> None:
    """An image of two groups counts twice, because it is in two clouds."""
    first = make_group(Block(UPDATE, ("a",), lines=(PUBLISH,)), Block(UPDATE, ("a (x)",)), Block(DELETE, ("b",)))
    page = make_page((("eu",), first), (("us",), make_group(Block(UPDATE, ("a",)))))
    chips = re.findall(r'data-show="([\w-]+)" aria-pressed="false">.*? <b>(\d+)</b>', page)
    assert chips == [("action-update", "2"), ("action-delete", "1"), ("access-public-or-protected", "1")]
    assert page.count("<section data-part ") == 2


def test_a_group_without_changes_is_not_hidden_by_a_filter() -> None:
    """Its notes do not belong to a change."""
    page = make_page((("eu",), make_group(sections=(Section("", ("a note",)),))))
    assert '<section aria-labelledby="group-1">' in page
    assert 'class="blocks"' not in page


@pytest.mark.parametrize(("number", "is_open"), [(MAX_OPEN, True), (MAX_OPEN + 1, False)])
def test_few_changes_are_open_and_many_are_not(number: int, is_open: bool) -> None:
    """Those of all groups count."""
    kind = Kind(Ink.CHANGE, "~", "update")
    groups = [
        ((name,), make_group(*(Block(kind, (f"{name}{one}",), lines=(PUBLISH,)) for one in range(part))))
        for name, part in (("eu", number - 6), ("us", 6))
    ]
    assert make_page(*groups).count('" open>') == (number if is_open else 0)


def test_a_failure_of_all_targets_has_no_table() -> None:
    """There is nothing to filter, either."""
    read = read_safe_page(format_page(make_failed_collection(), now=NOW))
    assert not {"table", "input"} & set(read.tags)
    assert "base.yaml:3:1: images.x: unknown word; remove it" in read.text
