"""The guides that need a cloud are typed on the real one, and the programs of docs/python.md are run on it."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.cloud.service import Cloud
from tests.command import ROOT, cloud_environment
from tests.pages import CLOUD_GUIDES, DOCS, Typist, list_programs, run_program


@pytest.mark.parametrize("name", CLOUD_GUIDES)
def test_a_page_can_be_typed_on_a_cloud(tmp_path: Path, cloud: Cloud, name: str) -> None:
    """Beside the examples, with a clouds.yaml that has the cloud of the page."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("lab-store"))
    write_clouds(tmp_path, cloud)
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert Typist(tmp_path, cloud_environment(tmp_path / "clouds.yaml")).play(page) == page


def test_a_program_of_the_python_page_runs_on_a_cloud(tmp_path: Path, cloud: Cloud) -> None:
    """It prints what the page shows."""
    write_clouds(tmp_path, cloud)
    (program,) = [one for one in list_programs((DOCS / "python.md").read_text()) if 'mycloud")' in one.text]
    assert run_program(program, tmp_path, {"PYTHONPATH": str(ROOT)}) == program.output


def write_clouds(folder: Path, cloud: Cloud) -> None:
    """A clouds.yaml with the cloud of the pages."""
    clouds = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]
    (folder / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"mycloud": clouds["operator"]}}))
