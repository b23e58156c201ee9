"""drift on the real service: what a colleague changed, seen by a user who may only read."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> CloudWorkspace:
    """Three images that are applied."""
    made = CloudWorkspace(cloud, tmp_path)
    made.file("d.raw", b"\0data" * 1000)
    made.images = {
        "a": image(min_ram=512, tags=["lts", "x"], properties={"os_version": "12", "hw_disk_bus": "virtio"}),
        "b": image(visibility="shared", members=[{"id": "p1"}, {"id": "p2"}]),
        "c": image(),
    }
    made.apply(user="alice")
    return made


def image(**fields: Any) -> dict[str, Any]:
    """An image of that data."""
    return {"source": "d.raw", "disk_format": "raw", "container_format": "bare", **fields}


def read(workspace: CloudWorkspace, code: int) -> list[tuple[str, str, object, object]]:
    """Key, path, was and now of the drift that the reader sees; every request must be a GET."""
    workspace.cloud.forget_requests()
    report = json.loads(workspace.run("drift", "--format", "json", user="reader", code=code).stdout)
    assert {one.method for one in workspace.cloud.requests()} == {"GET"}
    return [(one["key"], ".".join(one["path"]), one["was"], one["now"]) for one in report["drift"]]


def test_a_reader_sees_what_a_member_of_the_project_changed(workspace: CloudWorkspace) -> None:
    """No lease, no write, no source: the file is not there. The restoring commands work for a user who may write."""
    (workspace.folder / "d.raw").rename(workspace.folder / "elsewhere")
    assert read(workspace, 0) == []
    http, found = workspace.cloud.http("alice"), workspace.live("alice")
    patched = http.patch(
        found["a"]["id"],
        {"op": "replace", "path": "/min_ram", "value": 256},
        {"op": "replace", "path": "/tags", "value": ["x", "mine"]},
        {"op": "replace", "path": "/hw_disk_bus", "value": "scsi"},
        {"op": "remove", "path": "/os_version"},
        {"op": "add", "path": "/theirs", "value": "1"},
    )
    patched.raise_for_status()
    http.send("DELETE", f"/images/{found['b']['id']}/members/p1").raise_for_status()
    http.send("POST", f"/images/{found['b']['id']}/actions/deactivate").raise_for_status()
    http.send("DELETE", f"/images/{found['c']['id']}").raise_for_status()
    workspace.images["a"]["properties"]["os_version"] = "13"
    workspace.images["n"] = image(name="n")
    assert read(workspace, 2) == [
        ("a", "min_ram", 512, 256),
        ("a", "properties.hw_disk_bus", "virtio", "scsi"),
        ("a", "properties.os_version", None, None),
        ("a", "tags", "lts", None),
        ("b", "members", "p1", None),
        ("b", "status", "active", "deactivated"),
        ("c", "image", "published", None),
    ]
    (workspace.folder / "elsewhere").rename(workspace.folder / "d.raw")
    workspace.run("apply", "--yes", "--drift-only", user="alice")
    assert [row[:2] for row in read(workspace, 2)] == [
        ("a", "properties.os_version"),
        ("b", "status"),
        ("c", "image"),
    ]
    workspace.run("apply", "--yes", "--reactivate", user="alice")
    assert read(workspace, 0) == []


def test_a_snapshot_with_a_copied_record_and_foreign_images_are_no_drift(workspace: CloudWorkspace) -> None:
    """They are not owned."""
    original = workspace.live("alice")["a"]
    copied = {name: value for name, value in original.items() if name.startswith("imagesync_")}
    answer = workspace.cloud.http("alice").send("POST", "/images", json={"name": "copy", "min_ram": 1, **copied})
    answer.raise_for_status()
    workspace.cloud.http("alice").send("POST", "/images", json={"name": "a"}).raise_for_status()
    assert read(workspace, 0) == []


def test_wrong_credentials_exit_1(workspace: CloudWorkspace) -> None:
    """The error has its usual line."""
    text = workspace.cloud.clouds_yaml.read_text().replace("password: ", "password: wrong")
    clouds = workspace.cloud.folder / "wrong.yaml"
    clouds.write_text(text)
    assert "rejected the credentials" in workspace.run("drift", user="reader", code=1, clouds=clouds).stderr
