"""What all HTML pages do in the real Chromium: schemes, keyboard, paper, no script, no style, nothing from outside."""

import re
from typing import Final

import pytest

from tests.browser.pages import HOSTILE, LONG, PAGES, make_hostile_pages, make_page
from tests.browser.visits import (
    Visit,
    count_elements,
    find_violations,
    is_dark,
    list_shown,
    measure_overflow,
    open_all,
    read_texts,
    read_visible_texts,
)

pytestmark = pytest.mark.browser

JENKINS: Final = "sandbox; default-src 'none'; img-src 'self'; style-src 'self'"
"""The policy with which Jenkins serves files (hudson.model.DirectoryBrowserSupport.CSP); it forbids script and style."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(visit: Visit, axe: str, name: str, scheme: str) -> None:
    """In both schemes: contrast, names, landmarks, order of headings."""
    with visit(make_page(name), color_scheme=scheme) as page:
        assert find_violations(page, axe) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_narrow_window_needs_no_scroll_to_the_side(visit: Visit, axe: str, name: str) -> None:
    """A telephone is 400 pixels wide. Controls stay large enough for a finger (axe: target-size)."""
    with visit(make_page(name), viewport={"width": 400, "height": 800}) as page:
        open_all(page)
        assert measure_overflow(page) <= 0
        assert find_violations(page, axe) == []


@pytest.mark.parametrize("name", ["plan", "document", "targets", "list", "lists"])
@pytest.mark.parametrize("width", [400, 1280])
def test_long_words_do_not_make_a_page_wider(visit: Visit, name: str, width: int) -> None:
    """Names and values without a space are broken anywhere."""
    with visit(make_hostile_pages("x" * 255)[name], viewport={"width": width, "height": 800}) as page:
        open_all(page)
        assert measure_overflow(page) <= 0


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_scheme_is_that_of_the_system_until_the_reader_chooses(visit: Visit, name: str, scheme: str) -> None:
    """The choice lasts when the page is loaded again."""
    with visit(make_page(name), color_scheme=scheme) as page:
        switch = page.get_by_role("button", name="Dark")
        assert is_dark(page) is (scheme == "dark")
        assert switch.get_attribute("aria-pressed") == str(scheme == "dark").lower()
        switch.click()
        assert is_dark(page) is (scheme != "dark")
        assert switch.get_attribute("aria-pressed") == str(scheme != "dark").lower()
        page.reload()
        assert is_dark(page) is (scheme != "dark")


@pytest.mark.parametrize("name", PAGES)
def test_paper_has_everything_and_no_controls(visit: Visit, name: str) -> None:
    """Also what is closed on the screen; dark text on white, although the reader has dark."""
    with visit(make_page(name), color_scheme="dark") as page:
        page.emulate_media(media="print")
        assert not page.get_by_role("search").is_visible()
        assert not is_dark(page)
        assert read_visible_texts(page) == read_texts(page)
        assert page.pdf().startswith(b"%PDF-")


@pytest.mark.parametrize("name", PAGES)
def test_paper_is_wide_enough(visit: Visit, name: str) -> None:
    """A4 with a margin of 12 mm; on its side for the many columns of a list."""
    is_wide = name.startswith("list") and name != "list of 0"
    width = int(((297 if is_wide else 210) - 24) / 25.4 * 96)
    with visit(make_page(name), viewport={"width": width, "height": 800}) as page:
        page.emulate_media(media="print")
        assert measure_overflow(page) <= 0
        pages = set(re.findall(rb"/MediaBox \[0 0 (\d+)[.\d]* (\d+)", page.pdf(prefer_css_page_size=True)))
        assert [int(across) > int(down) for across, down in pages] == [is_wide]


@pytest.mark.parametrize("name", LONG)
def test_the_keyboard_does_all(visit: Visit, name: str) -> None:
    """``/`` moves to the search, Esc empties it, Esc again leaves it; a slash in the search is a character."""
    with visit(make_page(name)) as page:
        everything = list_shown(page)
        search = page.get_by_role("searchbox")
        page.keyboard.press("/")
        page.keyboard.type("a/b no such text")
        assert search.input_value() == "a/b no such text"
        assert list_shown(page) == []
        assert page.locator("[data-none]").is_visible()
        page.keyboard.press("Escape")
        assert search.input_value() == ""
        assert list_shown(page) == everything
        page.keyboard.press("Escape")
        assert page.evaluate("() => document.activeElement.localName") == "body"


@pytest.mark.parametrize("name", PAGES)
def test_the_focus_can_be_seen(visit: Visit, name: str) -> None:
    """Of everything that the tabulator reaches: an outline of two pixels."""
    with visit(make_page(name)) as page:
        for _ in range(8):
            page.keyboard.press("Tab")
            style = page.evaluate(
                "() => { const style = getComputedStyle(document.activeElement);"
                " return document.activeElement === document.body ? '2px solid' : `${style.outlineWidth} ${style.outlineStyle}`; }"
            )
            assert style == "2px solid"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("how", ["no script", "as Jenkins serves it"])
def test_without_script_and_style_everything_is_there(visit: Visit, name: str, how: str) -> None:
    """The same texts, without controls that do nothing."""
    settings = {"java_script_enabled": False} if how == "no script" else {"policy": JENKINS}
    with visit(make_page(name), **settings) as page:
        assert page.get_by_role("searchbox").count() == 0
        assert page.get_by_role("button", name="Print").count() == 0
        open_all(page)
        assert read_visible_texts(page) == read_texts(page)


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", ["plan", "document", "targets", "list", "lists"])
def test_what_others_wrote_is_only_text(visit: Visit, kind: str, name: str) -> None:
    """No request, no dialog, no element; a reader sees the text as it is. (``open_page`` looks for the first two.)"""
    with visit(make_hostile_pages(HOSTILE[kind])[name]) as page:
        open_all(page)
        assert count_elements(page, "img, iframe, object, embed, svg, form, base, link, a:not([href^='#'])") == 0
        assert count_elements(page, "script, style") == 2
        assert HOSTILE[kind] in read_visible_texts(page)


def test_the_policy_stops_what_the_escape_would_not(visit: Visit) -> None:
    """A page in which a script was smuggled: nothing runs, nothing is fetched."""
    html = make_page("list of 3").replace(
        "</main>", "<script>document.title = 'evil'</script><img src='https://evil.test/x' onerror=\"alert(1)\"></main>"
    )
    with visit(html, policy="default-src * 'unsafe-inline'") as page:
        assert page.title() == "Images of base"
