"""The guides that need a cloud are typed on the real one: each output is what the command prints."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.cloud.service import Cloud
from tests.command import ROOT, cloud_environment
from tests.pages import CLOUD_GUIDES, DOCS, Typist


@pytest.mark.parametrize("name", CLOUD_GUIDES)
def test_a_page_can_be_typed_on_a_cloud(tmp_path: Path, cloud: Cloud, name: str) -> None:
    """Beside the examples, with a clouds.yaml that has the cloud of the page."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("lab-store"))
    clouds = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"mycloud": clouds["operator"]}}))
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert Typist(tmp_path, cloud_environment(tmp_path / "clouds.yaml")).play(page) == page
