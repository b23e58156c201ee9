"""A saved plan as a comment: with its last line, it is never longer than the forge takes."""

from pathlib import Path

import pytest

from imagesync.cli.forge_texts import make_comment
from imagesync.forges.base import Request
from tests.forge import SHA, ForgeDouble
from tests.forked import run
from tests.samples import spell


@pytest.mark.parametrize("spare", [-300, 0, 50, 200, 290])
def test_the_last_line_is_counted(tmp_path: Path, spare: int) -> None:
    """At each length around the limit."""
    images = ", ".join(f"image-{number}: {{source: a.raw, properties: {{p{number}: x}}}}" for number in range(30))
    defaults = "defaults: {disk_format: raw, container_format: bare}"
    (tmp_path / "m.yaml").write_text(f"version: 1\ncatalog: base\n{defaults}\nimages: {{{images}}}\n")
    (tmp_path / "a.raw").write_bytes(spell("a") * 1000)
    run("plan", "m.yaml", "--store", "s", "-o", "plan.json", "--also", "markdown=plan.md", folder=tmp_path)
    with ForgeDouble() as double:
        github = double.open_github()
        github.max_chars = len((tmp_path / "plan.md").read_text()) + spare
        text = make_comment(tmp_path / "plan.json", github, Request(3, SHA, "https://github.example/r", is_fork=True))
    assert len(text.whole) <= github.max_chars
    assert text.last.endswith(f"/commit/{SHA}), [run](https://github.example/r)")
