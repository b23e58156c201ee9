"""The guides that need a cloud are typed on the real one, and the programs of docs/python.md are run on it."""

from pathlib import Path

import pytest

from tests.cloud.service import Cloud
from tests.cloud.typed_pages import type_page, write_clouds
from tests.command import ROOT
from tests.pages import CLOUD_GUIDES, DOCS, list_programs, run_program


@pytest.mark.parametrize("name", CLOUD_GUIDES)
def test_a_page_can_be_typed_on_a_cloud(tmp_path: Path, cloud: Cloud, name: str) -> None:
    """``python -m tests.documents NAME`` writes the outputs again."""
    assert type_page(name, tmp_path, cloud) == (DOCS / f"{name}.md").read_text(encoding="utf-8")


def test_a_program_of_the_python_page_runs_on_a_cloud(tmp_path: Path, cloud: Cloud) -> None:
    """It prints what the page shows."""
    write_clouds(tmp_path, cloud)
    (program,) = [one for one in list_programs((DOCS / "python.md").read_text()) if 'mycloud")' in one.text]
    assert run_program(program, tmp_path, {"PYTHONPATH": str(ROOT)}) == program.output
