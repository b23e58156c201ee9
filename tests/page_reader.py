"""An HTML page -> its elements, attributes and texts, as a strict parser reads them. Pure."""

from html.parser import HTMLParser

from imagesync.render.page_script import SCRIPT
from imagesync.render.page_style import STYLE
from tests.ci_logs import find_commands

VOID = {"meta", "input", "br"}
ELEMENTS = (
    "html head meta title style script body header main footer section nav div h1 h2 h3 p a b br span small code pre time "
    "strong ins del input button table caption thead tbody tr th td ul li dl dt dd details summary"
)
"""None of them can fetch or execute anything but the script and the style, whose hashes are in the policy."""
ATTRIBUTES = (
    "lang charset http-equiv content name id class href hidden open tabindex scope type role placeholder autocomplete "
    "spellcheck datetime border cellpadding colspan"
)
"""With ``aria-…`` and ``data-…``; none of them executes anything. ``href`` begins with ``#``."""


class PageReader(HTMLParser):
    """The elements of a page, and the text of each cell. An end tag of another element is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.cells: list[str] = []
        self.embedded: list[str] = []
        """The texts of script and style."""
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element, its attributes and, for a cell, its text."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")
        if tag in ("script", "style"):
            self.embedded.append("")

    def handle_endtag(self, tag: str) -> None:
        """The innermost element ends."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """The text within a cell; that of a small line after ``|``."""
        if self.open and self.open[-1] in ("script", "style"):
            self.embedded[-1] += data
            return
        self.text += data
        if {"td", "th"} & set(self.open):
            self.cells[-1] += ("|" if "small" in self.open else "") + data


def read_safe_page(page: str) -> PageReader:
    """The page, if it can do nothing: known elements and attributes, our script and style, no address, no command."""
    read = PageReader(page)
    assert set(read.tags) <= set(ELEMENTS.split())
    assert read.embedded == [STYLE, SCRIPT]
    names = {name for name, _ in read.attributes if not name.startswith(("aria-", "data-"))}
    assert names <= set(ATTRIBUTES.split())
    assert all(value.startswith("#") for name, value in read.attributes if name == "href")
    assert "default-src 'none'; style-src 'sha256-" in page
    assert "unsafe" not in page[: page.index("<style>")]
    assert list(find_commands(page)) == []
    assert page.replace("\n", "").isprintable()
    return read
