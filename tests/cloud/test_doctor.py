"""doctor on the real Keystone and Glance: what it finds for each user and each wrong setting. It never writes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> CloudWorkspace:
    """A private and a public image, not applied."""
    made = CloudWorkspace(cloud, tmp_path)
    made.file("d.raw", b"\0data" * 500_000)
    made.images = {"a": image(), "p": image(name="p", visibility="public")}
    return made


def image(**fields: Any) -> dict[str, Any]:
    """An image of that data."""
    return {"source": "d.raw", "disk_format": "raw", "container_format": "bare", **fields}


def check(
    workspace: CloudWorkspace, user: str, code: int = 0, clouds: Path | None = None
) -> dict[str, tuple[str, str]]:
    """Grade, and what was found with its remedy, by name; every request to the image service is a GET."""
    workspace.cloud.forget_requests()
    document = json.loads(workspace.run("doctor", "--format", "json", user=user, code=code, clouds=clouds).stdout)
    assert {one.method for one in workspace.cloud.requests()} <= {"GET"}
    return {one["name"]: (one["grade"], f"{one['found']}; {one['fix']}") for one in document["checks"]}


def other_clouds(cloud: Cloud, *changes: tuple[str, str]) -> Path:
    """The clouds.yaml of the tests with other texts."""
    text = cloud.clouds_yaml.read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path = cloud.folder / "other.yaml"
    path.write_text(text)
    return path


def test_an_administrator_may_do_everything(workspace: CloudWorkspace) -> None:
    """No problem and no warning."""
    found = check(workspace, "operator")
    assert {grade for grade, _ in found.values()} == {"ok"}
    assert str(workspace.cloud.clouds_yaml) in found["settings"][1]
    assert found["credentials"][1].startswith("user operator, project images")
    assert found["images"] == ("ok", "0 images owned; 2 declared images to create; None")
    assert "allows it to the role admin (needed for p)" in found["publish"][1]
    assert found["stores"] == ("ok", "fast, slow; None")
    assert found["region"][1].startswith(f"region RegionOne, image service at {workspace.cloud.image_url}/v2")


def test_a_member_may_write_but_perhaps_not_publish(workspace: CloudWorkspace) -> None:
    """Only an apply shows whether the policy is the default one."""
    found = check(workspace, "alice")
    assert found["write images"][0] == "ok"
    assert found["publish"][0] == "warning"
    assert "requires the role admin (needed for p), and this user has member and reader" in found["publish"][1]
    workspace.images.pop("p")
    assert check(workspace, "alice")["publish"] == ("ok", "not needed: the catalog has no public image; None")


def test_a_reader_may_not_write(workspace: CloudWorkspace) -> None:
    """Its apply fails with 403; listing works."""
    found = check(workspace, "reader", code=1)
    assert found["list images"][0] == "ok"
    assert found["write images"][0] == "problem"
    assert "ask an administrator of the cloud for the role" in found["write images"][1]


def test_a_wrong_region_lists_the_others(workspace: CloudWorkspace) -> None:
    """The credentials were right, and are shown so."""
    clouds = other_clouds(workspace.cloud, ("RegionOne", "Nowhere"))
    found = check(workspace, "alice", code=1, clouds=clouds)
    assert found["credentials"][0] == "ok"
    assert found["region"][0] == "problem"
    assert "it has one in RegionOne; select one: region_name: RegionOne" in found["region"][1]


def test_a_wrong_password_is_one_problem(workspace: CloudWorkspace) -> None:
    """The manifest and the settings are checked all the same."""
    clouds = other_clouds(workspace.cloud, ("password: ", "password: wrong-"))
    found = check(workspace, "alice", code=1, clouds=clouds)
    assert [name for name, (grade, _) in found.items() if grade == "problem"] == ["credentials"]
    assert "rejected the credentials" in found["credentials"][1]
    assert found["manifest"][0] == "ok"


def test_an_image_service_that_requires_a_token_is_named(workspace: CloudWorkspace) -> None:
    """``auth_type: none`` is for services without an identity service."""
    clouds = workspace.cloud.folder / "none.yaml"
    cloud = {"auth_type": "none", "auth": {"endpoint": workspace.cloud.image_url}}
    clouds.write_text(json.dumps({"clouds": {"c": cloud}}))
    found = check(workspace, "c", code=1, clouds=clouds)
    assert found["API version"][0] == "ok"
    assert "this service requires a token: set auth_type" in found["list images"][1]
    assert [name for name, (grade, _) in found.items() if grade == "problem"] == ["list images"]


def test_an_endpoint_of_the_settings_is_used(workspace: CloudWorkspace) -> None:
    """Nothing listens on it; the identity service is right."""
    clouds = other_clouds(
        workspace.cloud, ("    region_name", "    image_endpoint_override: http://127.0.0.1:9\n    region_name")
    )
    found = check(workspace, "alice", code=1, clouds=clouds)
    assert found["region"] == ("ok", "region RegionOne, image service at http://127.0.0.1:9/v2; None")
    assert "Connection refused" in found["image service"][1]


def test_a_quota_that_the_next_apply_exceeds_is_a_problem(workspace: CloudWorkspace) -> None:
    """Number and size; one more image for the lease. An apply fails on it."""
    workspace.cloud.start_limited()
    workspace.cloud.set_limits("images", image_count_total=2, image_size_total=1)
    try:
        found = check(workspace, "limited", code=1)
        assert found["quota: images"][0] == "problem"
        assert found["quota: images"][1].startswith("0 of 2 images used; the next apply needs at least 3 more; delete")
        assert found["quota: size"][1].startswith("0 of 1 MiB used; the next apply needs at least 5 more")
        workspace.cloud.set_limits("images", image_count_total=3, image_size_total=5)
        found = check(workspace, "limited")
        assert (found["quota: images"][0], found["quota: size"][0]) == ("ok", "ok")
    finally:
        workspace.cloud.set_limits("images")


def test_a_project_name_that_the_user_may_not_ask_for_hides_no_other_check(workspace: CloudWorkspace) -> None:
    """The number of images to create is known all the same."""
    workspace.images["a"] |= {"visibility": "shared", "members": [{"project": "other", "domain": "Default"}]}
    found = check(workspace, "alice", code=1)
    assert "may not list projects" in found["projects"][1]
    assert found["images"][0] == "ok"
    assert check(workspace, "operator")["images"][0] == "ok"


def test_a_held_lease_and_what_is_applied(workspace: CloudWorkspace) -> None:
    """After an apply nothing is to create."""
    workspace.apply()
    found = check(workspace, "operator")
    assert found["images"] == ("ok", "2 images owned; 0 declared images to create; None")
    (lease,) = workspace.cloud.http().leases()
    change: dict[str, object] = {"op": "replace", "path": "/imagesync_lease_state", "value": "held"}
    holder: dict[str, object] = {
        "op": "replace",
        "path": "/imagesync_lease_holder",
        "value": json.dumps({"host": "ci-3", "pid": "1"}),
    }
    workspace.cloud.http().patch(lease["id"], change, holder).raise_for_status()
    grade, text = check(workspace, "operator")["lease"]
    assert grade == "warning"
    assert "held by host ci-3" in text
    assert f"imagesync unlock {workspace.folder} --cloud operator" in text
