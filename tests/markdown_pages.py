"""Markdown as parsers understand it: GitHub's own, and one of CommonMark with tables, with and without HTML."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

import cmarkgfm
from cmarkgfm.cmark import Options
from markdown_it import MarkdownIt

OURS: Final = frozenset(
    [
        *("h2", "p", "strong", "code", "pre", "blockquote", "ul", "li", "br", "details", "summary"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    ]
)
"""The elements that imagesync makes on purpose; the services let all of them pass."""
_EMPTY: Final = frozenset({"br", "img", "hr", "input", "meta", "link"})
_LITERAL: Final = frozenset({"code", "pre"})
"""Elements whose text no service interprets."""


@dataclass
class Page(HTMLParser):
    """The elements, the comments and the text of a page of HTML."""

    shape: list[str] = field(default_factory=list)
    """Start and end tags, without those of ``code``."""
    tags: set[str] = field(default_factory=set)
    comments: list[str] = field(default_factory=list)
    text: str = ""
    loose: str = ""
    """The text outside of code; a line break replaces each element."""
    cells: list[list[str]] = field(default_factory=list)
    """The texts of the cells of each row of a table."""
    _path: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loose += "\n"
        if tag not in _EMPTY:
            self._path.append(tag)
        if tag != "code":
            self.shape.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in _EMPTY:
            return
        assert self._path, f"{tag} is closed twice"
        assert self._path.pop() == tag
        self.loose += "\n"
        if tag != "code":
            self.shape.append(f"/{tag}")

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        self.text += data
        if not _LITERAL & set(self._path):
            self.loose += data
        if {"td", "th"} & set(self._path):
            self.cells[-1][-1] += data

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")


def _render_github(text: str) -> str:
    return str(cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES))


def _render_common(text: str) -> str:
    return str(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))


def _render_without_html(text: str) -> str:
    return str(MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).render(text))


PARSERS: Final[Mapping[str, Callable[[str], str]]] = {"github": _render_github, "commonmark": _render_common}
"""GitHub, GitLab, Gitea and others."""
ESCAPING: Final = "escaping"
"""The parser of services that show tags as text, such as Bitbucket."""
_ALL: Final = {**PARSERS, ESCAPING: _render_without_html}


def read_page(text: str, parser: str) -> Page:
    """The page that one of ``PARSERS``, or ``ESCAPING``, makes of a text; all elements are closed."""
    page = Page()
    page.feed(_ALL[parser](text))
    page.close()
    assert page._path == []
    return page
