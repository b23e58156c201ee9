"""What a page loads, in every way that HTML and CSS have."""

from pathlib import Path

import pytest

from tests.site.reading import find_external, find_inline

EXTERNAL = {
    "script": '<script src="https://x.test/a.js"></script>',
    "script without a scheme": '<script src="//x.test/a.js"></script>',
    "style sheet": '<link rel="stylesheet" href="http://x.test/a.css">',
    "address of all links": '<base href="https://x.test/">',
    "image": '<img src="HTTPS://x.test/a.png">',
    "one of several images": '<img src="a.png" srcset="a.png 1x, https://x.test/b.png 2x">',
    "frame": '<iframe src="https://x.test/"></iframe>',
    "object": '<object data="https://x.test/a"></object>',
    "form": '<form action="https://x.test/"></form>',
    "drawing": '<svg><use href="https://x.test/a.svg#b"></use></svg>',
    "style in the text": "<style>@import 'https://x.test/a.css';</style>",
    "reload": '<meta http-equiv="refresh" content="0; url=https://x.test/">',
}
SHEETS = {
    "import": "@import 'https://x.test/a.css';",
    "import by url": "@import url(https://x.test/a.css);",
    "font": '@font-face { src: local("x"), url("//x.test/a.woff2") }',
}
HARMLESS = (
    '<a href="https://x.test/">x</a><script src="../_static/a.js"></script><img src="data:image/png;base64,AA">'
    '<svg xmlns="http://www.w3.org/2000/svg"><use href="#a"></use></svg><code>src="https://x.test"</code>'
)


@pytest.mark.parametrize("text", EXTERNAL.values(), ids=EXTERNAL)
def test_an_element_that_loads_from_elsewhere_is_found(tmp_path: Path, text: str) -> None:
    """Each way by itself."""
    (tmp_path / "a.html").write_text(HARMLESS + text)
    assert [found.file for found in find_external(tmp_path)] == ["a.html"]


@pytest.mark.parametrize("text", SHEETS.values(), ids=SHEETS)
def test_a_style_sheet_that_loads_from_elsewhere_is_found(tmp_path: Path, text: str) -> None:
    """Not in a comment, and not a file beside it."""
    (tmp_path / "a.css").write_text(
        "/* url(https://x.test) */ a { background: url(a.png), url(data:image/png,A) }" + text
    )
    assert [found.file for found in find_external(tmp_path)] == ["a.css"]


def test_links_and_files_of_the_site_are_harmless(tmp_path: Path) -> None:
    """A reader follows links; code is text."""
    (tmp_path / "a.html").write_text(HARMLESS)
    (tmp_path / "a.css").write_text("a { background: url(a.png) }")
    assert [*find_external(tmp_path), *find_inline(tmp_path)] == []


@pytest.mark.parametrize("text", ["<script>x</script>", "<style>a {}</style>", '<a style="x">', '<a onclick="x">'])
def test_scripts_and_styles_in_the_text_are_found(tmp_path: Path, text: str) -> None:
    """Elements and attributes."""
    (tmp_path / "a.html").write_text(HARMLESS + text)
    assert len(list(find_inline(tmp_path))) == 1
