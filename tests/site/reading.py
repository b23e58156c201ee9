"""A built site -> what its pages would load, and what its policy would block. Reads the files of the site.

A link that the reader follows is not loaded. ``tests/site/test_pages.py`` finds with a browser what a script loads.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

LOADED: Final = frozenset(
    {"src", "srcset", "poster", "data", "action", "formaction", "background", "ping", "xlink:href"}
)
"""Attributes whose address the browser loads or sends data to; ``href`` only of the elements in LOADING."""
LOADING: Final = frozenset({"link", "use", "image", "base"})
IN_CSS: Final = re.compile(r"""url\(\s*["']?(?P<url>[^"')]+)|@import\s+["'](?P<imported>[^"']+)""")


class Finding(NamedTuple):
    """A file of the site, relative to it, and what is wrong there."""

    file: str
    what: str


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses = list[str]()
        self.inline = list[str]()
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the element loads, and its own script or style."""
        given = {name: value or "" for name, value in attrs}
        self._style = tag == "style"
        if self._style or (tag == "script" and "src" not in given):
            self.inline.append(f"<{tag}>")
        for name, value in given.items():
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{name}={value}")
            if name == "srcset":
                self.addresses += [one.split()[0] for one in value.split(",") if one.strip()]
            elif name in LOADED or (name == "href" and tag in LOADING):
                self.addresses.append(value)
        if tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self.addresses.append(given.get("content", "").partition("=")[2])

    def handle_data(self, data: str) -> None:
        """Note what the text of a ``style`` element loads."""
        if self._style:
            self.addresses += list_css_addresses(data)


def list_css_addresses(text: str) -> list[str]:
    """The addresses that a style sheet loads."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return [found["url"] or found["imported"] for found in IN_CSS.finditer(text)]


def is_external(address: str) -> bool:
    """Whether an address leads out of the site."""
    parts = urlsplit(address.strip())
    return bool(parts.netloc) or parts.scheme not in {"", "data"}


def find_external(site: Path) -> Iterator[Finding]:
    """Each address outside of the site that a page or a style sheet would load."""
    for path, reader in _read_pages(site):
        yield from (Finding(path, one) for one in reader.addresses if is_external(one))
    for file in sorted(site.rglob("*.css")):
        addresses = list_css_addresses(file.read_text(encoding="utf-8"))
        yield from (Finding(str(file.relative_to(site)), one) for one in addresses if is_external(one))


def find_inline(site: Path) -> Iterator[Finding]:
    """Each script or style in the text of a page, which the policy of the pages blocks."""
    for path, reader in _read_pages(site):
        yield from (Finding(path, one) for one in reader.inline)


def _read_pages(site: Path) -> Iterator[tuple[str, _Reader]]:
    for file in list_pages(site):
        reader = _Reader()
        reader.feed(file.read_text(encoding="utf-8"))
        yield str(file.relative_to(site)), reader


def list_pages(site: Path) -> list[Path]:
    """The HTML files of a site."""
    return sorted(site.rglob("*.html"))
