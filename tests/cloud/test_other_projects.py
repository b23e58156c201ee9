"""Very large images with the catalog's marker, of another project and of the session's project, on the real service."""

import json
from pathlib import Path

import pytest

from imagesync.model.record import hash_value
from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace
from tests.command import cloud_environment
from tests.fault.proxy import UUID
from tests.forked import run as run_forked

PROPERTIES = 90
"""Of one image, 65,535 characters each: 6 MB, as large as the quota and the columns of the service allow."""
ID = "0b16b16b-0000-4000-8000-{:012x}"


def publish(cloud: Cloud, user: str, number: int, visibility: str) -> str:
    """Create one very large image with the catalog's marker for key ``fresh``; its id."""
    project = cloud.project_id({"bob": "other", "alice": "images"}[user])
    image_id = ID.format(number)
    marks = {"imagesync_id": image_id, "imagesync_catalog": "base", "imagesync_key": "fresh"}
    managed = json.dumps({"f": {"owner": hash_value(project)}})
    marks |= {"imagesync_role": "current", "imagesync_managed": managed}
    padding = {f"p{index}": "x" * 65_535 for index in range(PROPERTIES)}
    record = {"id": image_id, "name": f"big-{number}", "visibility": visibility, **marks, **padding}
    answer = cloud.http(user).send("POST", "/images", json=record)
    assert answer.status_code == 201, answer.text[:300]
    return image_id


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> CloudWorkspace:
    """A key with an image, a new key, and three very large community images of another project."""
    made = CloudWorkspace(cloud, tmp_path)
    source = made.file("a.raw", b"\xe1" * 2000)
    plain = {"source": source, "disk_format": "raw", "container_format": "bare"}
    made.images["a"] = plain
    made.run("apply", "--yes", user="alice")
    made.images["fresh"] = plain
    for number in range(3):
        publish(cloud, "bob", number, "community")
    return made


def test_large_community_images_of_others_do_not_stop_a_run(workspace: CloudWorkspace) -> None:
    """Plan and apply of a new key succeed; the plan names the project of those images."""
    output = workspace.run("plan", user="alice").stdout
    assert "+ fresh" in output
    assert f"project {workspace.cloud.project_id('other')} has images of fresh" in output
    workspace.run("apply", "--yes", user="alice")
    assert set(workspace.live("alice")) == {"a", "fresh"}
    workspace.cloud.forget_requests()
    workspace.run("plan", "--detailed-exitcode", user="alice")
    requests = [one for one in workspace.cloud.requests() if one.agent.startswith("imagesync/")]
    assert [UUID.sub("ID", one.path) for one in requests] == ["/v2/images", "/v2/images"]


def test_large_community_images_of_others_do_not_stop_an_export(workspace: CloudWorkspace) -> None:
    """Five fit into a manifest of 32 MiB; the output names the others."""
    for number in range(3, 7):
        publish(workspace.cloud, "bob", number, "community")
    env = cloud_environment(workspace.cloud.clouds_yaml)
    words = ("export", "--all-owners", "--name", "big-*", "--managed", "--cloud", "alice", "-o", "big.yaml")
    output = run_forked(*words, env=env, folder=workspace.folder, code=1).stderr
    assert output.count("left out: with it the manifest has more than 32 MiB") == 2
    assert "5 images written to big.yaml" in output
    listed = run_forked("list", "--cloud", "alice", "--format", "json", env=env)
    assert "a" in {image["name"] for image in json.loads(listed.stdout)}


def test_large_owned_images_are_listed(cloud: Cloud, tmp_path: Path) -> None:
    """A page of them is larger than the limit of a response; a plan still reads all of them."""
    workspace = CloudWorkspace(cloud, tmp_path)
    workspace.images["fresh"] = {"id": ID.format(0)}
    ids = [publish(cloud, "alice", number, "private") for number in range(5)]
    env = cloud_environment(cloud.clouds_yaml)
    listed = run_forked("list", "--cloud", "alice", "--format", "json", env=env)
    assert set(ids) <= {image["id"] for image in json.loads(listed.stdout)}
    output = workspace.run("plan", user="alice", code=None).output
    assert "larger than" not in output
