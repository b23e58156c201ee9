"""The pages of the site in the real Chromium: nothing leaves the site, every page fits, the keyboard reaches the search."""

import mimetypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest

from tests.browser.visits import find_violations
from tests.command import ROOT
from tests.npm import prepare_packages
from tests.site.reading import list_pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, Route

pytestmark = pytest.mark.site

ORIGIN: Final = "https://docs.test"
HEIGHT: Final = 900
SERIOUS: Final = ("error", "warning")
"""Messages of the console that are not information."""
WIDTHS: Final = (1280, 400)
SCHEMES: Final = ("light", "dark")
OVERFLOW: Final = """() => Math.max(...[document.documentElement, ...document.querySelectorAll(".main, .content, article")]
    .map((one) => one.scrollWidth - one.clientWidth))"""
"""The pixels by which the page, or a part of it that has all of the text, scrolls to the side."""
EXAMINED: Final = ("", "tutorial/", "manifest/", "commands/", "several-clouds/", "reliability/", "search/?q=lease")
"""Pages of each form, which axe-core reads: tables, long headings, blocks of each language, results of a search."""


@contextmanager
def open_site(browser: "Browser", site: Path, width: int = 1280, scheme: str = "light") -> Iterator["Page"]:
    """A page of a browser that finds only this site, at ``ORIGIN``.

    AssertionError at the end if a page wanted an address outside of the site or a file that does not exist, or reported
    an error or a violation of its policy.
    """
    noise = list[str]()
    with browser.new_context(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme) as context:

        def answer(route: "Route", request: "Request") -> None:
            path = site / urlsplit(request.url).path.strip("/")
            file = path / "index.html" if path.is_dir() else path
            if request.url.startswith(f"{ORIGIN}/") and file.is_file():
                kind = mimetypes.guess_type(file)[0] or "text/plain"
                route.fulfill(body=file.read_bytes(), content_type=kind)
            else:
                noise.append(f"no such address: {request.url}")
                route.abort()

        context.route("**/*", answer)
        page = context.new_page()
        page.on("dialog", lambda dialog: noise.append(f"dialog: {dialog.message}"))
        page.on("pageerror", lambda error: noise.append(f"error: {error}"))
        page.on(
            "console", lambda message: noise.append(f"console: {message.text}") if message.type in SERIOUS else None
        )
        yield page
        assert noise == []


def list_addresses(site: Path) -> list[str]:
    """The addresses of all pages."""
    folders = [str(path.parent.relative_to(site)) for path in list_pages(site)]
    return [f"{ORIGIN}/" if folder == "." else f"{ORIGIN}/{folder}/" for folder in folders]


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core."""
    folder = prepare_packages(ROOT / "tests" / "browser")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_scrolls_to_the_side(browser: "Browser", site: Path, width: int, scheme: str) -> None:
    """Also nothing leaves the site, and no page breaks its policy: ``open_site`` checks that."""
    wide = list[str]()
    with open_site(browser, site, width, scheme) as page:
        for address in list_addresses(site):
            page.goto(address)
            wide += [address] if page.evaluate(OVERFLOW) > 0 else []
    assert wide == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing(browser: "Browser", site: Path, axe: str, width: int, scheme: str) -> None:
    """Contrast, names, landmarks, order of headings."""
    with open_site(browser, site, width, scheme) as page:
        for path in EXAMINED:
            page.goto(f"{ORIGIN}/{path}")
            assert find_violations(page, axe) == [], path


@pytest.mark.parametrize("width", WIDTHS)
def test_the_keyboard_reaches_the_search(browser: "Browser", site: Path, width: int) -> None:
    """The field is visible when it has the focus, and a result is found without another server."""
    with open_site(browser, site, width) as page:
        page.goto(f"{ORIGIN}/")
        search = page.get_by_role("textbox", name="Search")
        for _ in range(10):
            page.keyboard.press("Tab")
            if search.evaluate("(one) => one === document.activeElement"):
                break
        page.wait_for_function("() => document.activeElement.getBoundingClientRect().left >= 0")
        page.keyboard.type("drift-only")
        page.keyboard.press("Enter")
        page.locator("#search-results a[href*='operations/']").first.wait_for()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_contents_of_a_long_page_lead_to_its_parts(browser: "Browser", site: Path, width: int) -> None:
    """They are beside the text, or behind a button of the head."""
    with open_site(browser, site, width) as page:
        page.goto(f"{ORIGIN}/manifest/")
        if width == min(WIDTHS):
            page.locator(".mobile-header label[for=__toc]").click()
        page.get_by_role("link", name="source.checksum_entry", exact=True).last.click()
        heading = page.get_by_role("heading", name="source.checksum_entry")
        page.wait_for_function("(one) => Math.abs(one.getBoundingClientRect().top) < 200", arg=heading.element_handle())


def test_a_reader_chooses_light_or_dark(browser: "Browser", site: Path) -> None:
    """The choice lasts on the next page."""
    with open_site(browser, site, scheme="light") as page:
        page.goto(f"{ORIGIN}/")
        before = read_background(page)
        while page.evaluate("document.body.dataset.theme") != "dark":
            page.locator(".theme-toggle-content button").click()
        assert read_background(page) != before
        chosen = read_background(page)
        page.goto(f"{ORIGIN}/tutorial/")
        assert read_background(page) == chosen


def read_background(page: "Page") -> str:
    """The color behind the text."""
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_a_copied_command_has_no_prompt(browser: "Browser", site: Path) -> None:
    """Of a block with commands and output, the prompts are not selected."""
    with open_site(browser, site) as page:
        page.goto(f"{ORIGIN}/tutorial/")
        page.evaluate("""() => getSelection().selectAllChildren(document.querySelector(".highlight-console pre"))""")
        assert page.evaluate("() => getSelection().toString()").startswith("imagesync --version\n")
