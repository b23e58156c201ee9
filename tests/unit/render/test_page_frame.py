"""``imagesync.render.page_frame``: what every page has, and a policy that permits only its own script and style."""

import base64
import hashlib
import re

import pytest

from imagesync.render.page_frame import Chip, Controls, escape, format_caption, format_frame
from imagesync.render.page_script import SCRIPT
from imagesync.render.page_style import STYLE

CHIPS = (Chip("action", "action-<x>", "do <x>", 2), Chip("outcome", "outcome-y", "y", 1))


def digest(text: str) -> str:
    """The digest of a text, as a policy has it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def format_some(controls: Controls) -> list[str]:
    """A page without its style and script, as lines."""
    page = format_frame("T <t>", ["<h1>h</h1>", "<p>h2</p>"], controls, ["<p>m1</p>", "<p>m2</p>"], first=["<p>f</p>"])
    assert page.count(f"<style>{STYLE}</style>\n") == page.count(f"<script>{SCRIPT}</script>\n") == 1
    return page.replace(STYLE, "STYLE").replace(SCRIPT, "SCRIPT").splitlines()


def test_the_head_has_a_policy_and_the_page_has_its_parts_in_order() -> None:
    """Nothing may be fetched, executed or sent, but the one style and the one script."""
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest(STYLE)}'; script-src 'sha256-{digest(SCRIPT)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    lines = format_some(Controls("image", 0))
    at = lines.index('<div class="controls" role="search" aria-label="Filter the images" data-nouns="images" hidden>')
    end = lines.index("<p>m1</p>")
    assert lines[:at] == [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        "<title>T &lt;t&gt;</title>",
        "<style>STYLE</style>",
        *("</head>", "<body>", "<header>", "<h1>h</h1>", "<p>h2</p>", "</header>", "<main>", "<p>f</p>"),
    ]
    assert lines[end:] == [
        *("<p>m1</p>", "<p>m2</p>", "</main>", "<script>SCRIPT</script>", "</body>", "</html>"),
    ]
    assert format_frame("", [], Controls("image", 0), []).endswith("</html>\n")


SEARCH = (
    '<input type="search" data-do="search" aria-label="Search the builds" placeholder="Search ( / )" autocomplete="off" '
    'spellcheck="false" aria-keyshortcuts="/">'
)
GROUP = [
    '<div role="group" aria-label="Show only">',
    '<button type="button" class="chip" data-group="action" data-show="action-&lt;x&gt;" aria-pressed="false">'
    "do &lt;x&gt; <b>2</b></button>",
    '<button type="button" class="chip" data-group="outcome" data-show="outcome-y" aria-pressed="false">y <b>1</b></button>',
    "</div>",
]
FOLDS = [
    '<button type="button" data-do="expand" aria-label="Expand all">Expand</button>',
    '<button type="button" data-do="collapse" aria-label="Collapse all">Collapse</button>',
]
RESULT = [
    '<div class="result"><p role="status" data-do="status"></p>',
    '<button type="button" data-do="clear" hidden>Show all</button></div>',
]


@pytest.mark.parametrize("total", [0, 1, 2])
@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("is_folded", [False, True])
def test_the_bar_offers_only_what_is_of_use(total: int, number: int, *, is_folded: bool) -> None:
    """One entry needs no search, one kind no filter, and entries without lines need not be opened."""
    lines = format_some(Controls("build", total, CHIPS[:number], is_folded))
    is_long = total > 1
    assert lines[lines.index("<p>f</p>") + 1 : lines.index("<p>m1</p>")] == [
        '<div class="controls" role="search" aria-label="Filter the builds" data-nouns="builds" hidden>',
        *([SEARCH] if is_long else []),
        *(GROUP if is_long and number > 1 else []),
        '<div class="tools">',
        *(FOLDS if is_folded else []),
        '<button type="button" data-do="print">Print</button>',
        '<button type="button" data-do="theme" aria-pressed="false">Dark</button>',
        "</div>",
        *(RESULT if is_long else []),
        "</div>",
    ]
    nothing = "<p data-none hidden>No build has these words. Esc shows all builds.</p>"
    assert lines[lines.index("<p>m2</p>") + 1 : lines.index("</main>")] == ([nothing] if is_long else [])


def test_each_character_with_a_meaning_in_html_is_escaped_once() -> None:
    """And each that has one for a terminal or a CI system."""
    assert escape("<a href='x' title=\"y\">&amp;\x1b") == "&lt;a href=&#39;x&#39; title=&quot;y&quot;&gt;&amp;amp;\\x1b"
    assert format_caption("<b>") == "<caption><span>&lt;b&gt;</span></caption>"


def test_the_script_has_a_button_for_each_of_its_functions() -> None:
    """A function without a button, or a button without a function, would do nothing."""
    page = "\n".join(format_some(Controls("image", 2, CHIPS, is_folded=True)))
    buttons = set(re.findall(r'data-do="(\w+)"', page))
    assert buttons == set(re.findall(r'(?:find|onClick)\("(\w+)"', SCRIPT))
    for name in ("data-kinds", "data-part", "data-none", "data-show"):
        assert f"[{name}]" in SCRIPT
