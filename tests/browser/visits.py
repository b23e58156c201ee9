"""What the tests of this folder ask a page. Needs no browser until a page is open, and no playwright to be imported."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


class Visit(Protocol):
    """``chromium.open_page`` in the running browser."""

    def __call__(self, html: str, *, policy: str = "", **settings: Any) -> "AbstractContextManager[Page]":
        """The open page; it must be quiet until its end."""
        ...


_LIST_SHOWN: Final = """() => [...document.querySelectorAll("[data-kinds]")].filter((one) => one.checkVisibility())
    .map((one) => (one.querySelector(".key") || one.querySelector("th").firstChild).textContent)"""


def list_shown(page: "Page") -> list[str]:
    """The names of the entries that a reader sees, in order."""
    return list(page.evaluate(_LIST_SHOWN))


def find_violations(page: "Page", axe: str) -> Sequence[str]:
    """What axe-core finds, one line for each element; in all of its rules, also best practices.

    The policy of the page permits no other script; the protocol of the browser evaluates it nevertheless.
    """
    page.evaluate(axe)
    found = page.evaluate(
        "() => axe.run(document, {resultTypes: ['violations'], rules: {'target-size': {enabled: true}}})"
    )
    return [
        f"{rule['id']}: {node['html'][:120]} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def measure_overflow(page: "Page") -> int:
    """The pixels by which the page is wider than the window."""
    return int(page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def is_dark(page: "Page") -> bool:
    """Whether the text is lighter than what is behind it."""
    return bool(
        page.evaluate("""() => {
            const style = getComputedStyle(document.body);
            const [text, back] = [style.color, style.backgroundColor].map((one) => one.match(/\\d+/g).map(Number));
            return text[0] + text[1] + text[2] > back[0] + back[1] + back[2];
        }""")
    )


_READ_TEXTS: Final = """(onlyVisible) => [...document.querySelectorAll("header *, main *")]
    .filter((one) => !one.closest(".controls, [data-none]"))
    .filter((one) => !onlyVisible || one.checkVisibility({contentVisibilityAuto: true}))
    .flatMap((one) => [...one.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()))
    .filter(Boolean)"""


def read_visible_texts(page: "Page") -> list[str]:
    """The texts that a reader sees, without those of the controls, each as one element has it."""
    return list(page.evaluate(_READ_TEXTS, True))


def read_texts(page: "Page") -> list[str]:
    """The same texts, and those that the reader has to open first."""
    return list(page.evaluate(_READ_TEXTS, False))


def open_all(page: "Page") -> None:
    """What a reader does who clicks on everything that opens."""
    page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")


def count_elements(page: "Page", selector: str) -> int:
    """The number of elements in the page."""
    return int(page.locator(selector).count())


def find_block(page: "Page", key: str) -> "Locator":
    """The change of one image."""
    return page.locator(".block", has=page.locator(f'.key:text-is("{key}")'))


def is_open(page: "Page", key: str) -> bool:
    """Whether the reader sees what is inside the change of an image."""
    return bool(find_block(page, key).evaluate("(block) => block.open"))
