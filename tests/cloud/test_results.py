"""A pipeline on the real service: what the files of each format have after a plan, an apply, a drift and a refusal."""

import json
from pathlib import Path

import pytest

from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace
from tests.command import Result
from tests.result_files import COPIES, JUNIT, check_files


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> CloudWorkspace:
    """Two images that are not applied yet, one of them public."""
    made = CloudWorkspace(cloud, tmp_path)
    made.file("d.raw", b"\0data" * 1000)
    (made.folder / "out").mkdir()
    made.images = {
        "a": {"source": "d.raw", "disk_format": "raw", "container_format": "bare", "min_ram": 32},
        "b": {"source": "d.raw", "disk_format": "raw", "container_format": "bare", "visibility": "public"},
    }
    return made


def run(workspace: CloudWorkspace, *words: str, user: str = "operator", code: int = 0) -> Result:
    """``imagesync WORDS`` with a file of each format."""
    options = (*COPIES, *(JUNIT if words[0] in ("plan", "apply") else ()))
    options = tuple(word.replace("out/", f"{workspace.folder}/out/") for word in options)
    return workspace.run(*words, *options, user=user, code=code)


def read(workspace: CloudWorkspace, suffix: str) -> str:
    """One file, after all have been read by their parsers."""
    check_files(workspace.folder / "out")
    return (workspace.folder / f"out/result{suffix}").read_text()


def find_value(text: str, name: str, label: str = "") -> float:
    """The value of the only sample of a metric with this label."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"imagesync_{name}{{") and label in line]
    return float(line.rpartition(" ")[2])


def test_a_pull_request_a_merge_and_a_nightly_check(workspace: CloudWorkspace) -> None:
    """Each file is that of the last command, and its comment has the same marker."""
    plan = run(workspace, "plan")
    assert "Plan: 2 to create" in plan.stdout
    marker, *_ = comment = read(workspace, ".md").splitlines()
    assert any("**Become public**, 1 image: `b" in line for line in comment)
    assert find_value(read(workspace, ".prom"), "pending_changes", 'action="create"') == 2
    run(workspace, "apply", "--yes")
    assert read(workspace, ".md").splitlines()[0] == marker
    assert "**Became public**, 1 image: `b" in read(workspace, ".md")
    assert json.loads(read(workspace, ".json"))["succeeded"] is True
    assert read(workspace, ".xml").count("<testcase ") == 2
    assert find_value(read(workspace, ".prom"), "uploaded_bytes", 'command="apply"') == 10_000
    run(workspace, "drift", code=0)
    assert read(workspace, ".md").splitlines()[0] == marker
    image_id = workspace.live("operator")["a"]["id"]
    patched = workspace.cloud.http("operator").patch(image_id, {"op": "replace", "path": "/min_ram", "value": 64})
    patched.raise_for_status()
    run(workspace, "drift", code=2)
    assert "min_ram" in read(workspace, ".html")
    assert find_value(read(workspace, ".prom"), "drifted_values") == 1


def test_a_refusal_of_the_service_is_in_every_file(workspace: CloudWorkspace) -> None:
    """A member may not publish: the private image is made, and the other one is named with the reason."""
    run(workspace, "apply", "--yes", user="alice", code=1)
    report = json.loads(read(workspace, ".json"))
    (error,) = [one["error"] for one in report["results"] if one["outcome"] == "failed"]
    assert [one["key"] for one in report["results"] if one["outcome"] == "done"] == ["a"]
    assert "<failure " in read(workspace, ".xml")
    assert "`b`" in read(workspace, ".md")
    assert "failed" in read(workspace, ".md")
    assert error.split(";")[0][:40] in read(workspace, ".txt")
    assert find_value(read(workspace, ".prom"), "failures", 'command="apply"') == 1
    assert find_value(read(workspace, ".prom"), "pending_changes", 'action="create"') == 1
