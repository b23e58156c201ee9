"""docs/index.md -> the pages of the site and its navigation. Reads that file; Sphinx reads the pages.

The tables of index.md are the only list of pages. A row whose link leads out of docs/, like ``../CHANGELOG.md``, makes that
file a page, too. Every other file of the repository that a page links to becomes a download.
"""

import os
import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

from sphinx.application import Sphinx
from sphinx.project import Project
from sphinx.util.typing import ExtensionMetadata

INDEX: Final = "index"
LINE: Final = re.compile(r"^## (?P<section>.+)$|^\| *\[(?P<title>[^\]]+)\]\((?P<path>[^)#]+\.md)\)", re.MULTILINE)
"""A heading, or a row of a table that begins with a link to a page."""


class Entry(NamedTuple):
    """One page of the navigation: the heading above its row, the text of its link, and its path relative to docs/."""

    section: str
    title: str
    path: PurePosixPath

    @property
    def name(self) -> str:
        """The name of the page in the site: that of its folder for a README."""
        return self.path.parent.name if self.path.stem == "README" else self.path.stem.lower()

    @property
    def is_outside(self) -> bool:
        """Whether the file is not in docs/."""
        return ".." in self.path.parts


def list_entries(index: str) -> list[Entry]:
    """The rows of index.md, in order."""
    entries, section = list[Entry](), ""
    for found in LINE.finditer(index):
        section = found["section"] or section
        if found["path"]:
            entries.append(Entry(section, found["title"], PurePosixPath(found["path"])))
    return entries


def render_navigation(entries: Iterable[Entry]) -> str:
    """Hidden tables of contents in MyST, one for each section."""
    return "".join(
        "\n".join(
            ["", "```{toctree}", ":hidden:", f":caption: {section}", ""]
            + [f"{entry.title} <{entry.name}>" for entry in group]
            + ["```", ""]
        )
        for section, group in groupby(entries, lambda entry: entry.section)
    )


class SitePages(Project):
    """The pages of docs/, and the files outside of it that index.md lists."""

    def __init__(self, srcdir: Path, source_suffix: Iterable[str]) -> None:
        super().__init__(srcdir, source_suffix)
        entries = list_entries((Path(srcdir) / f"{INDEX}.md").read_text(encoding="utf-8"))
        self._outside = {entry.name: Path(entry.path) for entry in entries if entry.is_outside}

    def discover(self, exclude_paths: Iterable[str] = (), include_paths: Iterable[str] = ("**",)) -> set[str]:
        """The names of all pages. ValueError if two files have one name."""
        found = super().discover(exclude_paths, include_paths)
        if both := found & self._outside.keys():
            raise ValueError(f"docs/{INDEX}.md lists two files for the page {min(both)}; rename one of them")
        found |= {name for name, path in self._outside.items() if (self.srcdir / path).is_file()}
        return found

    def path2doc(self, filename: str | os.PathLike[str]) -> str | None:
        """The name of the page that a file is, or None. ``filename``: absolute, or relative to docs/."""
        path = (self.srcdir / filename).resolve()
        if path.is_relative_to(self.srcdir):
            return super().path2doc(filename)
        return next((name for name, one in self._outside.items() if (self.srcdir / one).resolve() == path), None)

    def doc2path(self, docname: str, absolute: bool) -> Any:
        """The file of a page, as a path of Sphinx: absolute, or relative to docs/."""
        if (path := self._outside.get(docname)) is None:
            return super().doc2path(docname, absolute)
        return type(self.srcdir)((self.srcdir / path).resolve() if absolute else path)


def use_pages(app: Sphinx) -> None:
    """Replace the pages that Sphinx would find."""
    app.project = app.env.project = SitePages(app.srcdir, app.config.source_suffix)


def add_navigation(_app: Sphinx, name: str, source: list[str]) -> None:
    """Add the hidden tables of contents to the text of index.md. ``source``: the text of a page, as its only item."""
    if name == INDEX:
        source[0] += render_navigation(list_entries(source[0]))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register with Sphinx."""
    app.connect("builder-inited", use_pages)
    app.connect("source-read", add_navigation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
