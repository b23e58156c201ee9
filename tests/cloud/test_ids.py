"""``ids`` on the real services."""

import json
from pathlib import Path

import pytest

from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> CloudWorkspace:
    """An empty catalog."""
    return CloudWorkspace(cloud, tmp_path)


def test_a_reader_gets_the_ids(workspace: CloudWorkspace) -> None:
    """The role that may only read images suffices; nothing is written."""
    source = workspace.file("a.raw", b"\xeb\x3c\x90" + bytes(4096))
    raw = {"disk_format": "raw", "container_format": "bare"}
    workspace.images = {key: {"name": key, "source": source, **raw} for key in ("a", "b-1")}
    workspace.apply()
    before = workspace.live()
    found = json.loads(workspace.run("ids", "--format", "json", user="reader").stdout)
    assert found == {key: image["id"] for key, image in before.items()}
    assert workspace.live() == before
    workspace.images["c"] = {"name": "c", "source": source, **raw}
    assert "1 key has no image on cloud reader" in workspace.run("ids", user="reader", code=1).stderr
