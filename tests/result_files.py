"""The files of ``--also`` and ``--metrics``, read by parsers: they have the structure that imagesync gives them, and no other."""

from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from prometheus_client.parser import text_string_to_metric_families

from imagesync.render.metrics import METRICS
from tests.markdown_pages import OURS, PARSERS, read_page
from tests.page_reader import read_safe_page

COPIES: Final = (
    *("--also", "markdown=out/result.md", "--also", "html=out/result.html", "--also", "text=out/result.txt"),
    *("--also", "json=out/result.json", "--metrics", "out/result.prom"),
)
"""Options of each command that has these formats, but ``show``, which has no metrics."""
JUNIT: Final = ("--also", "junit=out/result.xml")
_XML: Final = frozenset(
    ["testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "skipped", "system-out"]
)


def check_files(folder: Path) -> None:
    """AssertionError if a file of a folder has an element that the text of a manifest made."""
    for path in sorted(folder.iterdir()):
        text = path.read_text(encoding="utf-8") if path.suffix in _CHECKS else ""
        if text:
            _CHECKS[path.suffix](text)


def check_markdown(text: str) -> None:
    """The same for Markdown, as GitHub and as CommonMark read it."""
    for parser in PARSERS:
        page = read_page(text, parser)
        assert page.tags <= OURS, page.tags - OURS
        assert len(page.comments) == 1
        assert page.comments[0].startswith(" imagesync ")


def _check_html(text: str) -> None:
    read_safe_page(text)


def _check_xml(text: str) -> None:
    found = {element.tag for element in ElementTree.fromstring(text.encode()).iter()}
    assert found <= _XML, found - _XML


def _check_metrics(text: str) -> None:
    families = list(text_string_to_metric_families(text))
    assert {family.name for family in families} <= set(METRICS)
    labels = {name for family in families for sample in family.samples for name in sample.labels}
    assert labels <= {"catalog", "target", "command", "state", "action", "outcome"}


_CHECKS: Final = {".md": check_markdown, ".html": _check_html, ".xml": _check_xml, ".prom": _check_metrics}
