"""The documentation builds without a warning, and each kind of defect is a warning."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.site.building import Built, build, copy_docs
from tests.site.reading import Finding, find_external, find_inline

pytestmark = pytest.mark.site

DEFECTS: Final = {
    "a dead link": ("share.md", "[x](no-such-page.md)", r"share\.md:\d+: .*no-such-page\.md"),
    "a dead link to the repository": ("share.md", "[x](../examples/no-such.yaml)", r"share\.md:\d+: .*no-such\.yaml"),
    "a dead anchor": ("rename.md", "[x](tutorial.md#no-such-part)", r"rename\.md:\d+: .*no-such-part"),
    "a dead anchor of this page": ("expire.md", "[x](#no-such-part)", r"expire\.md:\d+: .*no-such-part"),
    "a dead anchor outside of docs": (
        "adopt.md",
        "[x](../CHANGELOG.md#no-such-part)",
        r"adopt\.md:\d+: .*no-such-part",
    ),
    "a page that is not listed": ("unlisted.md", "# Unlisted", r"unlisted\.md: .*any toctree"),
    "an unknown language of a block": ("list.md", "```no-such-language\nx\n```", r"list\.md:\d+: .*no-such-language"),
    "a block that is not its language": ("protect.md", "```json\n{nothing: 'x'\n```", r"protect\.md:\d+: .*json"),
    "a listed page that does not exist": (
        "index.md",
        "\n| a | b |\n|---|---|\n| [x](gone.md) | y |",
        r"index\.md.*gone",
    ),
}
"""Kind of defect: a page, what is added at its end, and the warning that must name it."""


def test_the_site_builds_without_a_warning(built: Built) -> None:
    """Links, anchors, navigation, code languages."""
    assert (built.code, built.warnings) == (0, "")


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The site with every defect, and with a script of another site."""
    folder = tmp_path_factory.mktemp("broken")
    docs = copy_docs(folder)
    for name, text, _ in DEFECTS.values():
        with (docs / name).open("a", encoding="utf-8") as page:
            page.write(f"\n{text}\n")
    with (docs / "python.md").open("a", encoding="utf-8") as page:
        page.write('\n<script src="https://cdn.test/x.js"></script>\n\n<script>alert(1)</script>\n')
    with (docs / "_static" / "site.css").open("a", encoding="utf-8") as sheet:
        sheet.write("\n@font-face { font-family: x; src: url(//fonts.test/x.woff2); }\n")
    return build(docs, folder / "site")


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_defect_is_a_warning_and_warnings_fail(broken: Built, kind: str) -> None:
    """The warning names the page, and, inside of a page, the line."""
    assert broken.code == 1
    assert re.search(DEFECTS[kind][2], broken.warnings), broken.warnings


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    """A page of docs/ and a file outside of it would have one address."""
    docs = copy_docs(tmp_path)
    (docs / "changelog.md").write_text("# Changelog\n")
    found = build(docs, tmp_path / "site")
    assert found.code
    assert "two files for the page changelog" in found.warnings


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    """No address in an element or a style sheet that the browser would load."""
    assert list(find_external(site)) == []


def test_no_page_has_a_script_or_a_style_of_its_own(site: Path) -> None:
    """The policy of the pages permits only files of the site."""
    assert list(find_inline(site)) == []


def test_what_comes_from_elsewhere_is_found(broken: Built) -> None:
    """A script in a page, and a font in a style sheet."""
    assert list(find_external(broken.folder)) == [
        Finding("python/index.html", "https://cdn.test/x.js"),
        Finding("_static/site.css", "//fonts.test/x.woff2"),
    ]
    assert list(find_inline(broken.folder)) == [Finding("python/index.html", "<script>")]


def test_every_page_has_the_policy(site: Path) -> None:
    """One that permits only files of the site."""
    pages = [path.read_text(encoding="utf-8") for path in site.rglob("*.html")]
    assert len(pages) > 25
    assert [
        text for text in pages if "content=\"default-src 'none'; script-src 'self'; style-src 'self';" not in text
    ] == []


def test_files_of_the_repository_are_pages_or_downloads(site: Path) -> None:
    """Both are copies in the site."""
    results = (site / "results" / "index.html").read_text(encoding="utf-8")
    assert len(re.findall(r'href="\.\./_downloads/\w+/plan\.md"', results)) == 2
    index = (site / "index.html").read_text(encoding="utf-8")
    assert [name for name in ("changelog", "contributing", "benchmarks") if f'href="{name}/"' not in index] == []
