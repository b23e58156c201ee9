"""``imagesync.render.page_targets``: the page about several targets."""

import re
from dataclasses import replace

import pytest

from imagesync.render.blocks import Kind
from imagesync.render.document import (
    Alert,
    Block,
    Collection,
    Command,
    Document,
    Section,
    Subject,
    TargetGroup,
    TargetRow,
)
from imagesync.render.page import format_page
from imagesync.render.page_parts import MAX_OPEN
from imagesync.render.style import Ink
from tests.ci_logs import HOSTILE
from tests.page_reader import read_safe_page
from tests.unit.factories import NOW
from tests.unit.render.test_page import DELETE, PUBLISH
from tests.unit.render.test_page_parts import LATE, LOUD, read_body
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


GROUP = Document(Subject.DRIFT, "base", "", "1 <change>", "Plan: 1.")
RICH = Collection(
    Subject.DRIFT,
    "base",
    "Drift <on> 4",
    "4 targets.",
    rows=(TargetRow("e<u", "drift", "1 value", 0, 0, "cloud <e>"), TargetRow("us", "not checked", "", 1200, 1)),
    alerts=(TargetGroup(("us", "e<u"), Alert("are public", ("a",))),),
    errors=(TargetGroup(("us",), "no <answer>"),),
    groups=(
        TargetGroup(("none",), GROUP),
        TargetGroup(
            ("us", "lab"),
            replace(
                GROUP,
                blocks=(Block(UPDATE, ("a",), lines=(LOUD,)),),
                sections=(Section("Notes", ("n",)), Section("", ("m",))),
                closing=("skips <1>", "skips 2"),
            ),
        ),
        TargetGroup(("e<u",), replace(GROUP, blocks=(Block(UPDATE, ("a",)), Block(DELETE, ("b", "c"))))),
        TargetGroup(("x",), replace(GROUP, sections=(Section("", ("only",)),))),
    ),
    commands=(Command("Restore:", "imagesync apply"),),
    closing=("again",),
)


def test_the_whole_page_of_several_targets() -> None:
    """Groups and blocks are numbered over all; a target without a text has only its row."""
    assert read_body(format_page(RICH, now=LATE)) == RICH_BODY.splitlines()


RICH_BODY = """\
<body>
<header>
<p class="lead">imagesync drift, 2026-11-24 01:30 UTC</p>
<h1>Drift &lt;on&gt; 4</h1>
<p class="verdict">4 targets.</p>
</header>
<main>
<section class="alerts"
 aria-labelledby="alerts">
<h2 id="alerts">Look at this first</h2>
<div class="alert change">
<h3>Are public, <span class="keep">1 image</span>
</h3>
<div>
<p>on us, e&lt;u</p>
<ul class="names">
<li>
<a href="#block-1">a</a>
</li>
</ul>
</div>
</div>
</section>
<section class="errors"
 aria-labelledby="errors">
<h2 id="errors">1 error</h2>
<ul class="facts">
<li>
<b>us</b>: no &lt;answer&gt;</li>
</ul>
</section>
<section
 aria-labelledby="targets">
<h2 id="targets">Targets</h2>
<table class="targets" border="1" cellpadding="6">
<caption>
<span>Targets</span>
</caption>
<thead>
<tr>
<th scope="col">target</th>
<th scope="col">place</th>
<th scope="col">wave</th>
<th scope="col">outcome</th>
<th scope="col">changes</th>
<th scope="col">errors</th>
</tr>
</thead>
<tbody>
<tr>
<th scope="row">
<a href="#group-2">e&lt;u</a>
</th>
<td
 data-title="place">cloud &lt;e&gt;</td>
<td
 data-title="wave">0</td>
<td
 data-title="outcome">
<span class="outcome outcome-drift">drift</span>
</td>
<td
 data-title="changes">1 value</td>
<td
 data-title="errors">
</td>
</tr>
<tr>
<th scope="row">
<a href="#group-1">us</a>
</th>
<td
 data-title="place">
</td>
<td
 data-title="wave">1</td>
<td
 data-title="outcome">
<span class="outcome outcome-not-checked">not checked</span>
</td>
<td
 data-title="changes">
</td>
<td
 data-title="errors">1,200</td>
</tr>
</tbody>
</table>
</section>
<div class="controls" role="search"
 aria-label="Filter the images"
 data-nouns="images" hidden>
<input type="search"
 data-do="search"
 aria-label="Search the images" placeholder="Search ( / )" autocomplete="off" spellcheck="false"
 aria-keyshortcuts="/">
<div role="group"
 aria-label="Show only">
<button type="button" class="chip"
 data-group="action"
 data-show="action-update"
 aria-pressed="false">update <b>2</b>
</button>
<button type="button" class="chip"
 data-group="action"
 data-show="action-delete"
 aria-pressed="false">delete <b>2</b>
</button>
<button type="button" class="chip"
 data-group="access"
 data-show="access-public-or-protected"
 aria-pressed="false">public or protected <b>1</b>
</button>
</div>
<div class="tools">
<button type="button"
 data-do="expand"
 aria-label="Expand all">Expand</button>
<button type="button"
 data-do="collapse"
 aria-label="Collapse all">Collapse</button>
<button type="button"
 data-do="print">Print</button>
<button type="button"
 data-do="theme"
 aria-pressed="false">Dark</button>
</div>
<div class="result">
<p role="status"
 data-do="status">
</p>
<button type="button"
 data-do="clear" hidden>Show all</button>
</div>
</div>
<section
 data-part
 aria-labelledby="group-1">
<h2 id="group-1">us, lab: 1 &lt;change&gt;</h2>
<p>Plan: 1.</p>
<div class="blocks">
<details class="block change" id="block-1"
 data-kinds="action-update access-public-or-protected" open>
<summary class="head">
<span class="sign"
 aria-hidden="true">~</span>
 <b class="verb">update</b>
 <b class="key">a</b>
 <span class="loud">! visibility: private → public (drift)</span>
</summary>
<div class="body">
<table class="fields" border="1" cellpadding="6">
<caption>
<span>update a</span>
</caption>
<tbody>
<tr class="loud">
<th scope="row">
<b class="mark">!</b> visibility</th>
 <td>
<del>private</del> → <ins>public</ins> (drift)</td>
</tr>
</tbody>
</table>
</div>
</details>
</div>
<section>
<h3>Notes</h3>
<ul class="facts">
<li>n</li>
</ul>
</section>
<section>
<ul class="facts">
<li>m</li>
</ul>
</section>
<ul class="facts">
<li>skips &lt;1&gt;</li>
<li>skips 2</li>
</ul>
</section>
<section
 data-part
 aria-labelledby="group-2">
<h2 id="group-2">e&lt;u: 1 &lt;change&gt;</h2>
<p>Plan: 1.</p>
<div class="blocks">
<div class="block change" id="block-2"
 data-kinds="action-update">
<div class="head">
<span class="sign"
 aria-hidden="true">~</span>
 <b class="verb">update</b>
 <b class="key">a</b>
</div>
</div>
<details class="block remove" id="block-3"
 data-kinds="action-delete" open>
<summary class="head">
<span class="sign"
 aria-hidden="true">-</span>
 <b class="verb">delete</b>
 <b class="key">2 images</b>
 <span class="what">b, c</span>
 <span class="what">not in the manifest</span>
</summary>
<div class="body">
<ul class="names">
<li>b</li>
<li>c</li>
</ul>
</div>
</details>
</div>
</section>
<section
 aria-labelledby="group-3">
<h2 id="group-3">x: 1 &lt;change&gt;</h2>
<p>Plan: 1.</p>
<section>
<ul class="facts">
<li>only</li>
</ul>
</section>
</section>
<section class="next">
<h2>What to do next</h2>
<p>again</p>
<p>Restore:</p>
<pre>
<code>imagesync apply</code>
</pre>
</section>
<p
 data-none hidden>No image has these words. Esc shows all images.</p>
</main>
"""
