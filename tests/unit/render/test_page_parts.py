"""``imagesync.render.page_parts``: each part of a page, as a browser gets it."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from imagesync.render.blocks import Kind
from imagesync.render.changes import Line
from imagesync.render.document import Alert, Block, Command, Document, Section, Subject, TargetGroup
from imagesync.render.page import format_page
from imagesync.render.page_frame import Chip, Controls
from imagesync.render.page_parts import (
    MAX_FIRST,
    MAX_LISTED,
    find_anchors,
    format_alerts,
    format_blocks,
    format_errors,
    format_header,
    format_list,
    format_next,
    make_controls,
    number_blocks,
)
from imagesync.render.style import Ink

UPDATE = Kind(Ink.CHANGE, "~", "update")
DELETE = Kind(Ink.REMOVE, "-", "delete", "not in the manifest")
LOUD = Line("visibility", "private → public (drift)", is_loud=True, pair=("private", "public"))
LATE = datetime(2026, 11, 23, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
RICH = Document(
    Subject.REPORT,
    "base",
    "eu",
    "Catalog <base>",
    "Run: 2 done.",
    alerts=(
        Alert("become public: they stay", ("a (A & B)", "x")),
        Alert("are deleted", ("b",), is_loss=True),
    ),
    errors=("a <wrong>", "c"),
    blocks=(
        Block(
            UPDATE,
            ("a",),
            "1 GiB",
            (
                LOUD,
                Line("min_ram", "0 → 7", pair=("0", "7")),
                Line("", "it & this"),
                Line("", "stays", is_loud=True),
            ),
            "not started",
            "no <space>",
            "a.yaml:3",
        ),
        Block(DELETE, ("b",), outcome="done"),
        Block(UPDATE, ("c", "d", "e", "f"), lines=tuple(Line(f"f{at}", f"{at}") for at in range(1, 5)), outcome="done"),
    ),
    sections=(Section("Notes & more", ("one <1>", "two")), Section("", ("three",))),
    commands=(Command("Apply <now>:", "imagesync apply > x"), Command("Show:", "imagesync show")),
    closing=("Fix <it>.", "Again."),
)


def read_body(page: str) -> list[str]:
    """What is between the head and the script, with a line for each element and for some attributes."""
    body = page[page.index("<body>") : page.index("<script>")]
    return re.sub(r"(?<=>)(?= ?<)|(?= (?:aria|data)-)", "\n", body).splitlines()


def test_the_whole_page_of_a_rich_document() -> None:
    """Two of each part; what others wrote is escaped everywhere."""
    assert read_body(format_page(RICH, now=LATE)) == RICH_BODY.splitlines()


@pytest.mark.parametrize(
    ("subject", "lead", "heading", "noun"),
    [
        (Subject.PLAN, "imagesync plan", "Changes", "change"),
        (Subject.REPORT, "imagesync report", "Results", "result"),
        (Subject.DRIFT, "imagesync drift", "Changed images", "image"),
        (Subject.IMAGE, "imagesync show", "Builds", "build"),
        (Subject.FAILURE, "imagesync", "Problems", "problem"),
    ],
)
def test_each_subject_has_its_words(subject: Subject, lead: str, heading: str, noun: str) -> None:
    """Above the title, above the blocks and in the bar; the time is that of Greenwich."""
    assert format_header(subject, "T <t>", "S <s>", LATE) == [
        f'<p class="lead">{lead}, 2026-11-24 01:30 UTC</p>',
        "<h1>T &lt;t&gt;</h1>",
        '<p class="verdict">S &lt;s&gt;</p>',
    ]
    blocks = [Block(UPDATE, ("a",)), Block(UPDATE, ("b",))]
    assert list(format_blocks(subject, number_blocks(blocks)))[:2] == [
        '<section data-part aria-labelledby="blocks">',
        f'<h2 id="blocks">{heading}</h2>',
    ]
    assert make_controls(subject, [blocks, blocks]) == Controls(noun, 4, [Chip("action", "action-update", "update", 4)])
    assert list(format_blocks(subject, ())) == []


@pytest.mark.parametrize("most", [MAX_FIRST, MAX_LISTED])
@pytest.mark.parametrize("more", [0, 1, 2, 5])
def test_a_long_list_has_its_rest_behind_a_click(most: int, more: int) -> None:
    """One entry more is shown instead of a line that says so."""
    items = [f"<b>{at}</b>" for at in range(most + more)]
    lines = list(format_list(items, "names", most))
    visible = most if more > 1 else most + more
    rest = [f"<li>{item}</li>" for item in items[visible:]]
    assert lines == [
        '<ul class="names">',
        *(f"<li>{item}</li>" for item in items[:visible]),
        "</ul>",
        *(
            [f"<details><summary>and {more} more</summary>", '<ul class="names">', *rest, "</ul>", "</details>"]
            * (more > 1)
        ),
    ]
    assert list(format_list(items[:MAX_LISTED], "facts")) == [
        '<ul class="facts">',
        *(f"<li>{item}</li>" for item in items[:MAX_LISTED]),
        "</ul>",
    ]


def test_the_limits_of_lists() -> None:
    """Lists at the top are shorter, because the changes are below them."""
    alert = TargetGroup((), Alert("end", tuple(map(str, range(100)))))
    lines = list(format_alerts([alert], {}))
    assert lines[: lines.index("</ul>")].count("<li>11</li>") == 1
    assert f"<details><summary>and {100 - 12} more</summary>" in lines
    errors = list(format_errors([TargetGroup((), str(at)) for at in range(100)]))
    assert f"<details><summary>and {100 - 24} more</summary>" in errors
    assert (list(format_alerts([], {})), list(format_errors([])), list(format_next([], []))) == ([], [], [])


def test_an_image_has_the_anchor_of_its_first_block() -> None:
    """The numbers continue from one group to the next."""
    numbered = number_blocks([Block(UPDATE, ("a", "b")), Block(UPDATE, ("b", "c"))], 7)
    assert [anchor for anchor, _ in numbered] == ["block-7", "block-8"]
    assert find_anchors(numbered) == {"a": "block-7", "b": "block-7", "c": "block-8"}
    assert [anchor for anchor, _ in number_blocks(RICH.blocks)] == ["block-1", "block-2", "block-3"]


def test_an_alert_links_the_images_of_its_first_target() -> None:
    """By its whole label, else by its key; those of a single document have no target."""
    anchors = {None: {"a": "block-1", "b (B)": "block-2"}, "eu": {"a": "block-3"}, "us": {"a": "block-4"}}
    alert = Alert("end", ("a (A)", "b (B)", "b"))

    def list_links(*names: str) -> list[str]:
        return [line for line in format_alerts([TargetGroup(names, alert)], anchors) if line.startswith("<li>")]

    assert list_links() == [
        '<li><a href="#block-1">a (A)</a></li>',
        '<li><a href="#block-2">b (B)</a></li>',
        "<li>b</li>",
    ]
    assert list_links("us", "eu")[0] == '<li><a href="#block-4">a (A)</a></li>'
    assert list_links("lab", "eu")[0] == "<li>a (A)</li>"


def test_a_block_can_be_opened_if_it_has_more_than_its_first_line() -> None:
    """Names, fields or a place; the bar offers to open all only then."""
    plain = Block(UPDATE, ("a",), "what", outcome="failed", error="no")
    for block in (
        plain,
        replace(plain, labels=("a", "b")),
        replace(plain, lines=(LOUD,)),
        replace(plain, place="a.yaml:3"),
    ):
        is_folded = block is not plain
        lines = list(format_blocks(Subject.PLAN, number_blocks([block])))
        assert lines[3].startswith("<details " if is_folded else "<div ")
        assert make_controls(Subject.PLAN, [[plain, block]]).is_folded is is_folded


@pytest.mark.parametrize(
    ("ink", "tone"),
    [(Ink.ADD, "add"), (Ink.CHANGE, "change"), (Ink.REMOVE, "remove"), (Ink.STATE, "state"), (Ink.BOLD, "")],
)
def test_the_color_of_a_plan_is_that_of_the_action(ink: Ink, tone: str) -> None:
    """Each has its own."""
    lines = list(format_blocks(Subject.PLAN, number_blocks([Block(Kind(ink, "", "do"), ("a",))])))
    assert lines[3] == (
        f'<div class="block {tone}" id="block-1" data-kinds="action-do"><div class="head"><b class="verb">do</b> '
        '<b class="key">a</b></div></div>'
    )


def test_the_time_of_a_page_has_the_zone_of_greenwich() -> None:
    """Also if the clock has another one."""
    at = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
    assert format_header(Subject.PLAN, "", "", at)[0] == '<p class="lead">imagesync plan, 2026-01-01 00:05 UTC</p>'


RICH_BODY = """\
<body>
<header>
<p class="lead">imagesync report, 2026-11-24 01:30 UTC</p>
<h1>Catalog &lt;base&gt;</h1>
<p class="verdict">Run: 2 done.</p>
</header>
<main>
<section class="alerts"
 aria-labelledby="alerts">
<h2 id="alerts">Look at this first</h2>
<div class="alert change">
<h3>Become public, <span class="keep">2 images</span>: they stay</h3>
<div>
<ul class="names">
<li>
<a href="#block-1">a (A &amp; B)</a>
</li>
<li>x</li>
</ul>
</div>
</div>
<div class="alert remove">
<h3>Are deleted, <span class="keep">1 image</span>
</h3>
<div>
<ul class="names">
<li>
<a href="#block-2">b</a>
</li>
</ul>
</div>
</div>
</section>
<section class="errors"
 aria-labelledby="errors">
<h2 id="errors">2 errors</h2>
<ul class="facts">
<li>a &lt;wrong&gt;</li>
<li>c</li>
</ul>
</section>
<div class="controls" role="search"
 aria-label="Filter the results"
 data-nouns="results" hidden>
<input type="search"
 data-do="search"
 aria-label="Search the results" placeholder="Search ( / )" autocomplete="off" spellcheck="false"
 aria-keyshortcuts="/">
<div role="group"
 aria-label="Show only">
<button type="button" class="chip"
 data-group="action"
 data-show="action-update"
 aria-pressed="false">update <b>5</b>
</button>
<button type="button" class="chip"
 data-group="action"
 data-show="action-delete"
 aria-pressed="false">delete <b>1</b>
</button>
<button type="button" class="chip"
 data-group="outcome"
 data-show="outcome-not-started"
 aria-pressed="false">not started <b>1</b>
</button>
<button type="button" class="chip"
 data-group="outcome"
 data-show="outcome-done"
 aria-pressed="false">done <b>5</b>
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
 aria-labelledby="blocks">
<h2 id="blocks">Results</h2>
<div class="blocks">
<details class="block change" id="block-1"
 data-kinds="action-update outcome-not-started access-public-or-protected" open>
<summary class="head">
<span class="sign"
 aria-hidden="true">~</span>
 <b class="verb">update</b>
 <b class="key">a</b>
 <span class="what">1 GiB</span>
 <span class="loud">! visibility: private → public (drift)</span>
 <span class="loud">! stays</span>
 <span class="outcome outcome-not-started">not started</span>
 <span class="error">no &lt;space&gt;</span>
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
<tr>
<th scope="row">min_ram</th>
 <td>
<del>0</del> → <ins>7</ins>
</td>
</tr>
<tr>
<td colspan="2">it &amp; this</td>
</tr>
<tr class="loud">
<td colspan="2">
<b class="mark">!</b> stays</td>
</tr>
</tbody>
</table>
<p class="place">declared in <code>a.yaml:3</code>
</p>
</div>
</details>
<div class="block add" id="block-2"
 data-kinds="action-delete outcome-done">
<div class="head">
<span class="sign"
 aria-hidden="true">-</span>
 <b class="verb">delete</b>
 <b class="key">b</b>
 <span class="what">not in the manifest</span>
 <span class="outcome outcome-done">done</span>
</div>
</div>
<details class="block add" id="block-3"
 data-kinds="action-update outcome-done" open>
<summary class="head">
<span class="sign"
 aria-hidden="true">~</span>
 <b class="verb">update</b>
 <b class="key">4 images</b>
 <span class="what">c, d, e and 1 more</span>
 <span class="what">f1, f2, f3 and 1 more</span>
 <span class="outcome outcome-done">done</span>
</summary>
<div class="body">
<table class="fields" border="1" cellpadding="6">
<caption>
<span>update c, d, e and 1 more</span>
</caption>
<tbody>
<tr>
<th scope="row">f1</th>
 <td>1</td>
</tr>
<tr>
<th scope="row">f2</th>
 <td>2</td>
</tr>
<tr>
<th scope="row">f3</th>
 <td>3</td>
</tr>
<tr>
<th scope="row">f4</th>
 <td>4</td>
</tr>
</tbody>
</table>
<ul class="names">
<li>c</li>
<li>d</li>
<li>e</li>
<li>f</li>
</ul>
</div>
</details>
</div>
</section>
<section>
<h2>Notes &amp; more</h2>
<ul class="facts">
<li>one &lt;1&gt;</li>
<li>two</li>
</ul>
</section>
<section>
<ul class="facts">
<li>three</li>
</ul>
</section>
<section class="next">
<h2>What to do next</h2>
<p>Fix &lt;it&gt;.</p>
<p>Again.</p>
<p>Apply &lt;now&gt;:</p>
<pre>
<code>imagesync apply &gt; x</code>
</pre>
<p>Show:</p>
<pre>
<code>imagesync show</code>
</pre>
</section>
<p
 data-none hidden>No result has these words. Esc shows all results.</p>
</main>
"""
