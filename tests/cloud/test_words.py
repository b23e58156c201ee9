"""Requests that the real services reject or accept without a message, and what imagesync prints about them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import forked
from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace
from tests.command import Result, cloud_environment

DATA = b"\0data" * 1000


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> CloudWorkspace:
    """A folder with a file of data."""
    made = CloudWorkspace(cloud, tmp_path)
    made.file("d.raw", DATA)
    return made


def image(**fields: Any) -> dict[str, Any]:
    """An image of that data."""
    return {"source": "d.raw", "disk_format": "raw", "container_format": "bare", **fields}


def command(cloud: Cloud, *words: str, user: str, folder: Path | None = None, code: int = 0) -> Result:
    """A command without a manifest."""
    return forked.run(*words, "--cloud", user, env=cloud_environment(cloud.clouds_yaml), folder=folder, code=code)


def test_the_error_of_an_apply_as_reader_names_the_required_role(workspace: CloudWorkspace) -> None:
    """It is refused before any write; a reader may plan."""
    workspace.images = {"a": image()}
    assert "1 to create" in workspace.run("plan", user="reader").stdout
    output = workspace.run("apply", "--yes", user="reader", code=1)
    assert output.stderr.splitlines()[-1] == (
        "imagesync: POST /images: HTTP 403: You are not authorized to complete add_image action; the image service requires "
        "the role member, and this user has only reader: ask an administrator for the role, or use another user"
    )
    assert workspace.cloud.http().images() == []


def test_the_error_of_a_member_for_another_owner_names_the_required_role(workspace: CloudWorkspace) -> None:
    """It is the role of an administrator."""
    workspace.images = {"a": image(owner={"id": "somebody"})}
    output = workspace.run("apply", "--yes", user="alice", code=1)
    assert "the image service requires the role admin, and this user has only member and reader" in output.output


def test_an_administrator_sees_no_leases_of_other_projects(workspace: CloudWorkspace) -> None:
    """Alice's apply leaves one in her project; the image that it created is listed."""
    workspace.images = {"a": image()}
    workspace.run("apply", "--yes", user="alice")
    (lease,) = [found["id"] for found in workspace.cloud.http().leases()]
    for user in ("alice", "operator", "admin"):
        listed = json.loads(command(workspace.cloud, "list", "--format", "json", user=user).stdout)
        assert lease not in [found["id"] for found in listed]
        assert "a" in [found["name"] for found in listed]


def test_projects_by_name_for_owner_and_members(workspace: CloudWorkspace) -> None:
    """The service would accept names instead of ids; the images belong to, and are shared with, the right projects."""
    other = workspace.cloud.project_id("other")
    workspace.images = {"theirs": image(owner="other"), "lent": image(visibility="shared", members=["other"])}
    output = workspace.run("apply", "--yes", code=1).stderr
    assert (
        output.count("'other' is not a project id (32 hexadecimal digits in lower case, or a UUID); for a name write")
        == 2
    )
    assert workspace.cloud.http().images() == []
    named = {"project": "other", "domain": "Default"}
    workspace.images = {"theirs": image(owner=named), "lent": image(visibility="shared", members=[named])}
    workspace.apply()
    found = workspace.live()
    assert found["theirs"]["owner"] == other
    members = workspace.cloud.http().get(f"/images/{found['lent']['id']}/members")["members"]
    assert [member["member_id"] for member in members] == [other]
    workspace.images["theirs"]["owner"] = other
    assert workspace.run("plan", "--detailed-exitcode").stdout.startswith("Catalog base")
    workspace.images = {"theirs": image(owner={"project": "nowhere"})}
    output = workspace.run("plan", code=64).stderr
    assert (
        "images.theirs.owner: project 'nowhere' does not exist in domain 'Default'; check the name and the domain"
        in output
    )


def test_a_key_of_a_project_by_name_is_removed_from_it(workspace: CloudWorkspace) -> None:
    """``removed`` also accepts the name."""
    named = {"project": "other"}
    workspace.images = {"theirs": image(owner=named), "ours": image()}
    workspace.apply()
    document = {"version": 1, "catalog": "base", "images": {"ours": image()}, "removed": {"theirs": {"owner": named}}}
    path = workspace.folder / "less" / "base.yaml"
    path.parent.mkdir()
    (path.parent / "d.raw").write_bytes(DATA)
    path.write_text(json.dumps(document))
    done = workspace.run("apply", "--yes", "--max-delete", "100%", path=str(path.parent)).stdout
    assert "Applied" in done
    assert list(workspace.live()) == ["ours"]


def test_a_snapshot_of_a_server_that_boots_from_a_volume_is_exported(workspace: CloudWorkspace) -> None:
    """It is an image of 0 bytes, with properties that name volumes: the manifest has neither its digest nor those."""
    http = workspace.cloud.http("alice")
    volumes = [{"source_type": "snapshot", "destination_type": "volume", "snapshot_id": "0", "boot_index": 0}]
    written = {
        "bdm_v2": "True",
        "root_device_name": "/dev/vda",
        "block_device_mapping": json.dumps(volumes),
        "image_type": "snapshot",
        "clean_attempts": "1",
        "hw_disk_bus": "virtio",
    }
    snapshot = {"name": "snap", "disk_format": "raw", "container_format": "bare", **written}
    made = http.send("POST", "/images", json=snapshot).json()
    http.send("PUT", f"/images/{made['id']}/file", data=b"", headers={"Content-Type": "application/octet-stream"})
    path = workspace.folder / "x.yaml"
    command(workspace.cloud, "export", "--name", "snap", "-o", str(path), user="alice")
    assert yaml.safe_load(path.read_text()) == {
        "version": 1,
        "catalog": "images",
        "images": {
            "snap": {
                "adopt": made["id"],
                "disk_format": "raw",
                "container_format": "bare",
                "visibility": "shared",
                "properties": {"hw_disk_bus": "virtio"},
            }
        },
    }
    command(workspace.cloud, "adopt", str(path), "--yes", user="alice")
    assert command(workspace.cloud, "plan", str(path), "--detailed-exitcode", user="alice").code == 0


def test_an_owner_of_export_is_an_id(workspace: CloudWorkspace) -> None:
    """The service accepts any text, and finds nothing."""
    output = command(workspace.cloud, "export", "--owner", "other", user="operator", code=64).stderr
    assert output == (
        "imagesync: --owner other: not a project id (32 hexadecimal digits, or a UUID); "
        "pass the id of the project: openstack project show other -f value -c id\n"
    )


def test_a_property_with_the_name_of_a_field_in_another_case(workspace: CloudWorkspace) -> None:
    """The service has both: a direct apply and a saved plan must keep them apart."""
    workspace.images = {"a": image(properties={"Name": "x", "MIN_DISK": "7"})}
    workspace.apply()
    workspace.images["a"]["properties"]["Tags"] = "y"
    saved = str(workspace.folder / "plan.json")
    workspace.run("plan", "-o", saved)
    workspace.run("apply", "--yes", path=saved)
    found = workspace.live()["a"]
    assert (found["Name"], found["MIN_DISK"], found["Tags"], found["min_disk"], found["name"]) == (
        "x",
        "7",
        "y",
        0,
        "a",
    )
