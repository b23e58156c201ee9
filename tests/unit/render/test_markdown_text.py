"""``imagesync.render.markdown_text``: whatever a text is, a reader sees it, and nothing of it is interpreted."""

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imagesync.render.markdown_text import (
    MAX_MARKER_CHARS,
    choose_fence,
    format_marker,
    has_only_plain_words,
    mark_code,
    mark_html_name,
    mark_sentence,
    read_marker,
)
from imagesync.text import make_printable
from tests.markdown_pages import OURS, PARSERS, Page, read_page

HOSTILE = (
    *("|", "a|b", "\\|", "a\\|b|", "\\", "`", "``", "a`b``c", "`|`", "a\\`b", "```", "~~~", "~~a~~", "*a* **b** _c_"),
    *(
        "<img src=x onerror=alert(1)>",
        "</code></td><script>alert(1)</script>",
        "<!-- x -->",
        "-->",
        "--!>",
        "&lt;",
        "&#35;",
    ),
    *("[a](https://evil.example)", "![a](https://evil.example/a.png)", "[a]: https://evil.example", "[^1]", "[ ] task"),
    *("https://evil.example", "www.evil.example", "http://evil.example/|", "a@evil.example", "<a@evil.example>"),
    *(
        "@user",
        "@org/team",
        "(@user)",
        "org/repo#1",
        "#12",
        "GH-12",
        "!12",
        "&12",
        "%12",
        "$12",
        "~12",
        '~"a label"',
        "^alert#1",
    ),
    *("0123456789abcdef0123456789abcdef01234567", "deadbeef", "1234567", "org/repo@deadbeef"),
    *(":smile:", ":+1:", "$x^2$", "$$x$$", "$`x`$", "\\(x\\)", "{+ a +}", "[- a -]", "[[page]]", "[TOC]", "[[_TOC_]]"),
    *(
        "/close",
        "/assign @user",
        "- a",
        "+ a",
        "1. a",
        "1) a",
        "2.",
        "# a",
        "> a",
        ">>> a",
        "---",
        "===",
        "    a",
        "| a | b |",
    ),
    *(
        "##vso[task.setvariable variable=a]b",
        "::set-output name=a::b",
        "::error::a",
        "a\u202eb",
        "\u200b@user",
        "a\nb",
        "a\r\n/close",
    ),
    *(
        "",
        " ",
        "  ",
        " a ",
        "  a  ",
        "a  b",
        "| |",
        "` `",
        "é",
        "日本語",
        "مرحبا",
        "🚀",
        "a" * 300,
        "`" * 100,
        "|" * 100,
    ),
)
"""Names with what Markdown, HTML, GitHub, GitLab and CI systems give a meaning to."""
TEXTS = st.one_of(st.text(), st.text(alphabet="|`\\<>&*_~[]()#!@:/.-+$ a1\n"), st.sampled_from(HOSTILE)).map(
    make_printable
)


def for_texts(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test with each hostile name, and with random texts."""
    for text in HOSTILE:
        test = example(text=make_printable(text))(test)
    return given(text=TEXTS)(settings(max_examples=100, deadline=None)(test))


_SAFE = re.compile(r"[^\W\d_'’-]+(?:['’-][^\W\d_]+)*|[0-9]{1,6}(?:\.[0-9]{1,3})?|[→…%().,;:?⚠\ufe0f\[!\] ]")
_REFERENCE = re.compile(r"(?:www|://|\b[0-9a-fA-F]{7,40}\b|[@#!&%$~^/\\`<>{}|*+=_]\w|:\w+:)")


def check_loose_text(page: Page) -> None:
    """Outside of code there are only words, numbers and harmless punctuation, so no service finds a reference there."""
    for line in page.loose.replace("[!CAUTION]", "").replace("[!WARNING]", "").split("\n"):
        assert not _REFERENCE.search(line), line
        assert _SAFE.sub("", line) == "", line


@pytest.mark.parametrize("parser", PARSERS)
@for_texts
def test_code_shows_each_character_in_a_cell(parser: str, text: str) -> None:
    """Also spaces, and bars and backticks, which end a cell or a code span."""
    page = read_page(f"| x | y |\n|---|---|\n| {mark_code(text)} | z |", parser)
    assert page.cells == [["x", "y"], [text, "z"]]
    assert page.tags <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert page.loose.split() == ["x", "y", "z"]


@pytest.mark.parametrize("parser", PARSERS)
@for_texts
def test_a_sentence_shows_each_character(parser: str, text: str) -> None:
    """Code spans for all that is not a plain word; with a word before and after, because a line has no spaces there."""
    page = read_page(f"- {mark_sentence(f'Note {text} end')}", parser)
    assert page.text.strip() == f"Note {text} end"
    assert page.tags <= {"ul", "li", "code"}
    check_loose_text(page)


@pytest.mark.parametrize("parser", PARSERS)
@for_texts
def test_a_text_that_begins_a_line_is_text(parser: str, text: str) -> None:
    """It makes neither a heading, a list, a quotation, a rule or HTML, nor a quick action of GitLab."""
    marked = mark_sentence(text)
    page = read_page(f"{marked}\n-----", parser)
    assert page.text.split() == text.split()
    assert page.tags <= {"h2", "code", *(["hr"] if not text.strip() else [])}
    assert marked[:1] not in set("/:#>-+*=~")


@pytest.mark.parametrize("parser", PARSERS)
@for_texts
def test_a_name_in_a_line_of_html_is_plain(parser: str, text: str) -> None:
    """No parser finds anything in it, whether it reads the line as HTML or as Markdown."""
    marked = mark_html_name(text)
    page = read_page(f"<details><summary>{marked}x</summary>\n\ny\n\n</details>", parser)
    assert page.tags <= OURS
    assert marked in ("", f"<code>{text}</code>")
    check_loose_text(page)


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [("web-1", True), ("ubuntu-24.04_x", True), ("a--b", False), ("_a_", False), ("www.a", False), ("@a", False)],
)
def test_usual_keys_are_in_the_line_of_html(text: str, is_plain: bool) -> None:
    """A reader finds the image without a click."""
    assert mark_html_name(text) == (f"<code>{text}</code>" if is_plain else "")
    assert not has_only_plain_words(f"about {text}")
    assert has_only_plain_words("Retired builds kept")


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("Plan: 2 to create, 1 unchanged.", "Plan: 2 to create, 1 unchanged."),
        ("hidden, kept without limit (keep 1)", "hidden, kept without limit (keep 1)"),
        ("the image's 4.0 KiB are re-used", "the image's 4.0 KiB are re-used"),
        ("see web-1 (images/a.yaml:3).", "see `web-1` (`images/a.yaml:3`)."),
        ("did you mean min_disk?", "did you mean `min_disk`?"),
        ("83 %; the limit", "83 %; the limit"),
        ("1 of 3 (33 %); the limit", "1 of 3 (33 %); the limit"),
        ("2026-11-27 07:37 UTC (2026-11-28), 08:00.", "2026-11-27 07:37 UTC (2026-11-28), 08:00."),
        ("07:37: 07:37:12 2026-11-27T07:37", "`07:37`: `07:37:12` `2026-11-27T07:37`"),
        ("%12 %a", "`%12` `%a`"),
        ("1. a", "`1`. a"),
        ("defaced", "`defaced`"),
        ("www", "`www`"),
        ("a  b", "a  b"),
    ],
)
def test_plain_words_stay_readable(text: str, marked: str) -> None:
    """The source of a comment is also read in a log and in a mail."""
    assert mark_sentence(text) == marked


@given(TEXTS, TEXTS)
@settings(max_examples=100, deadline=None)
def test_a_marker_is_one_comment(catalog: str, target: str) -> None:
    """A name cannot end it, and has no spaces, so a program can split it."""
    marker = format_marker(catalog, target)
    assert re.fullmatch(r"<!-- imagesync [\w.%~-]+ [\w.%~-]+ -->", marker, re.ASCII)
    assert "--" not in marker[4:-3]
    assert len(marker) <= 2 * MAX_MARKER_CHARS + 24
    for parser in PARSERS:
        page = read_page(marker, parser)
        assert page.comments == [marker[4:-3]]
        assert page.text.strip() == ""


@pytest.mark.parametrize("unit", ["x", "ä", "_", "-", "~"])
@pytest.mark.parametrize("number", [95, 96, 97, 500])
def test_the_marker_of_a_long_name_is_read_back(unit: str, number: int) -> None:
    """Else each run would write a new comment. Two long names with one beginning have two markers."""
    name = unit * number
    marker = format_marker(name, f"{name}1")
    found = read_marker(f"{marker}\nThe plan")
    assert found is not None
    assert found[0] == marker
    assert max(len(found[1]), len(found[2])) <= MAX_MARKER_CHARS
    assert found[1] != found[2]


@given(st.lists(st.tuples(TEXTS, TEXTS), unique=True, min_size=2, max_size=2))
@settings(max_examples=100, deadline=None)
def test_different_names_have_different_markers(names: list[tuple[str, str]]) -> None:
    """Otherwise the comment of one target would replace that of another."""
    assert format_marker(*names[0]) != format_marker(*names[1])


def test_a_marker_is_readable() -> None:
    """Usual names are in it unchanged, and an unknown name is a hyphen."""
    assert format_marker("base", "prod-1") == "<!-- imagesync base prod-1 -->"
    assert format_marker("a_b", "_a_") == "<!-- imagesync a_b %5Fa%5F -->"
    assert format_marker("a--b", "-->") == "<!-- imagesync a-%2Db -%2D%3E -->"
    assert format_marker("", "") == "<!-- imagesync - - -->"
    assert format_marker("-", "a b") == "<!-- imagesync %2D a%20b -->"
    assert format_marker("~", "a" * 300) != format_marker("~", "a" * 301)


@pytest.mark.parametrize("text", ["imagesync plan", "```", "`a", "~~~", "a ``` b"])
@pytest.mark.parametrize("parser", PARSERS)
def test_a_command_does_not_end_its_fence(text: str, parser: str) -> None:
    """A line of the same characters as the fence would."""
    fence = choose_fence(text)
    page = read_page(f"{fence}sh\n{text}\n{fence}\n\nafter", parser)
    assert page.text.strip() == f"{text}\n\nafter"
    assert page.shape == ["pre", "/pre", "p", "/p"]
