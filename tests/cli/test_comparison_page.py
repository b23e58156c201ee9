"""docs/comparison.md is about the version that the benchmark measures, and its tables are complete."""

from benchmarks.against_image_manager import PEER
from tests.pages import DOCS

PAGE = (DOCS / "comparison.md").read_text(encoding="utf-8")


def test_the_page_is_about_the_measured_version() -> None:
    """If the benchmark gets another version, the page must be checked against its source again."""
    name, version = PEER.split("==")
    assert f"| {name} | {version} |" in PAGE


def test_each_feature_has_a_cell_for_each_tool() -> None:
    """An empty cell would say nothing about a tool."""
    rows = [
        line for line in PAGE.split("## Feature by feature")[1].split("\n## ")[0].splitlines() if line.startswith("|")
    ]
    assert len(rows) > 20
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert {len(row) for row in cells} == {5}
    assert [row for row in cells[2:] if not all(row)] == []
