"""Known bugs of tools of this kind, each by name: the command on the real service, checked over plain HTTP."""

import hashlib
import json
import queue
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import command, forked
from tests.cloud.service import Cloud
from tests.command import Process, cloud_environment
from tests.fault.proxy import Call, Fault, Proxy, between

RAW = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}
DATA = b"build one\0" * 500
READ_ONLY = "os_glance"
BOUND_ID = "5d1f1f3e-6c1b-4c8e-9d53-0f2b7a1c9e11"
"""The id of an image that a test makes with a record of its own."""


class RegressionWorkspace:
    """A catalog in its own folder, and the command as one user of the cloud."""

    def __init__(self, cloud: Cloud, folder: Path, name: str = "base") -> None:
        self.cloud, self.folder, self.name = cloud, folder, name
        self.clouds = cloud.clouds_yaml
        self.images: dict[str, dict[str, Any]] = {}
        self.policy: dict[str, Any] = {}
        folder.mkdir(exist_ok=True)
        (folder / "one.raw").write_bytes(DATA)
        (folder / "two.raw").write_bytes(b"build two\0" * 700)

    def want(self, key: str, source: str = "one.raw", **more: Any) -> None:
        """Declare one image."""
        self.images[key] = {"source": source, **more}

    def write(self) -> None:
        """Write the manifest."""
        document = {"version": 1, "catalog": self.name, "defaults": RAW, "policy": self.policy, "images": self.images}
        (self.folder / "base.yaml").write_text(json.dumps(document))

    def start(self, *words: str, user: str = "operator") -> Process:
        """Start ``imagesync WORDS`` on the written manifest."""
        return command.start(*words, str(self.folder), "--cloud", user, env=cloud_environment(self.clouds))

    def run(self, *words: str, code: int = 0, user: str = "operator") -> str:
        """Run ``imagesync WORDS`` on the written manifest; its output."""
        env = cloud_environment(self.clouds)
        return forked.run(*words, str(self.folder), "--cloud", user, env=env, code=code).output

    def apply(self, *words: str, user: str = "operator") -> str:
        """Write the manifest and apply it; the next plan must be empty."""
        self.write()
        output = self.run("apply", "--yes", *words, user=user)
        assert "No changes." in self.run("plan", "--detailed-exitcode", *words, user=user)
        return output

    def refused(self, *words: str) -> str:
        """The output of a refused plan and a refused apply, which must write nothing."""
        before = self.live()
        self.cloud.forget_requests()
        output = self.run("plan", *words, code=1)
        assert self.run("apply", "--yes", *words, code=1).splitlines()[-1] == output.splitlines()[-1]
        assert [one.path for one in self.cloud.requests() if one.method != "GET"] == []
        assert self.live() == before
        return output.splitlines()[-1]

    def live(self) -> list[dict[str, Any]]:
        """All fields of every image of the test."""
        return self.cloud.http().images()

    def image(self, key: str) -> dict[str, Any]:
        """The visible current image of a key."""
        (found,) = [
            one
            for one in self.live()
            if (one.get("imagesync_catalog"), one.get("imagesync_key"), one["os_hidden"]) == (self.name, key, False)
        ]
        return found


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> RegressionWorkspace:
    """An empty catalog and an empty project."""
    return RegressionWorkspace(cloud, tmp_path / "base")


@pytest.fixture
def proxied(workspace: RegressionWorkspace, tmp_path: Path) -> Iterator[Proxy]:
    """A workspace whose requests to the image service use a proxy."""
    with between(workspace.cloud.image_url) as proxy:
        clouds = yaml.safe_load(workspace.cloud.clouds_yaml.read_text())
        clouds["clouds"]["operator"] |= {"image_endpoint_override": proxy.address}
        workspace.clouds = tmp_path / "clouds.yaml"
        workspace.clouds.write_text(yaml.safe_dump(clouds))
        yield proxy


UNUSABLE: dict[str, str] = {
    "unknown field": '{"source": "one.raw", "nonsense": 1}',
    "wrong type": '{"source": "one.raw", "min_ram": "much"}',
    "no mapping": '"one.raw"',
    "empty": "null",
    "no file": '{"source": "gone.raw"}',
    "undefined value": '{"source": "one.raw", "name": "${nowhere}"}',
    "unknown profile": '{"source": "one.raw", "profiles": ["nowhere"]}',
    "unknown format": '{"source": "one.raw", "disk_format": "nonsense"}',
}


@pytest.mark.trial("a manifest that is YAML but not valid", "the whole catalog was refused, nothing was removed")
def test_an_invalid_manifest_removes_nothing(workspace: RegressionWorkspace) -> None:
    """It is valid YAML, but the loader refuses the whole catalog, and the live image of that key does not change."""
    workspace.want("a")
    workspace.want("b")
    workspace.apply()
    good = (workspace.folder / "base.yaml").read_text()
    for case, text in UNUSABLE.items():
        document = json.loads(good)
        document["images"]["b"] = json.loads(text)
        (workspace.folder / "base.yaml").write_text(json.dumps(document))
        assert "b" in workspace.refused("--max-delete", "100%"), case


@pytest.mark.trial("one file of several cannot be read", "the whole catalog was refused, nothing was removed")
def test_a_part_of_the_catalog_that_cannot_be_read_removes_nothing(workspace: RegressionWorkspace) -> None:
    """One of several files is invalid: its images do not count as removed."""
    workspace.want("a")
    workspace.want("b")
    workspace.apply()
    document = json.loads((workspace.folder / "base.yaml").read_text())
    part = {"version": 1, "images": {"b": document["images"].pop("b")}}
    (workspace.folder / "base.yaml").write_text(json.dumps(document))
    for text in (json.dumps(part)[:-3], "[]", "images: [b]", ""):
        (workspace.folder / "part.yaml").write_text(text)
        workspace.refused("--max-delete", "100%")
    (workspace.folder / "part.yaml").write_text(json.dumps(part))
    assert "No changes." in workspace.run("plan")


@pytest.mark.trial("kill -9 between upload and publishing", "never visible, then published, no byte sent again")
def test_a_run_killed_between_upload_and_publication_is_completed(
    workspace: RegressionWorkspace, proxied: Proxy
) -> None:
    """The data is uploaded, but the PATCH was never sent: users cannot see the image; the next apply publishes it without an upload."""
    workspace.want("a", properties={"p": "1"}, tags=["t"])
    workspace.write()
    running: queue.SimpleQueue[Process] = queue.SimpleQueue()

    def killed(call: Call) -> Fault | None:
        deadly = call.kind == "PATCH /images/ID"
        return Fault(forward=False, cut=0, after=lambda: running.get(timeout=60).kill()) if deadly else None

    proxied.fault = killed
    with workspace.start("apply", "--yes", "--no-lock") as process:
        running.put(process)
        assert process.wait().code == -9
    proxied.forget()
    (left,) = workspace.live()
    assert (left["status"], left["os_hidden"], left["imagesync_role"]) == ("active", True, "staging")
    workspace.cloud.forget_requests()
    workspace.run("apply", "--yes", "--no-lock")
    assert "No changes." in workspace.run("plan")
    assert [one.path for one in workspace.cloud.requests() if one.method == "PUT"] == []
    image = workspace.image("a")
    assert (image["id"], image["p"], image["tags"]) == (left["id"], "1", ["t"])
    assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert len(workspace.live()) == 1


@pytest.mark.trial("only a property changed", "the live image got it by one PATCH")
def test_a_changed_property_updates_the_existing_image(workspace: RegressionWorkspace) -> None:
    """It is one PATCH of the live image, without an upload: id and data stay the same."""
    workspace.want("a", properties={"hw_disk_bus": "virtio"})
    workspace.apply()
    before = workspace.image("a")
    workspace.images["a"]["properties"] = {"hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi"}
    workspace.write()
    workspace.cloud.forget_requests()
    workspace.run("apply", "--yes", "--no-lock")
    assert [one.method for one in workspace.cloud.requests() if one.method != "GET"] == ["PATCH"]
    after = workspace.image("a")
    assert (after["id"], after["hw_disk_bus"], after["hw_scsi_model"]) == (before["id"], "scsi", "virtio-scsi")
    assert after["os_hash_value"] == before["os_hash_value"]


@pytest.mark.trial("only the source changed", "replaced, the old build hidden")
def test_a_new_version_replaces_the_old_one(workspace: RegressionWorkspace) -> None:
    """Only the source changes: the new build is published with the name, and the old one is hidden."""
    workspace.want("a", name="Ubuntu 24.04")
    workspace.want("b")
    workspace.apply()
    old, other = workspace.image("a"), workspace.image("b")
    workspace.images["a"]["source"] = "two.raw"
    assert "1 to replace" in workspace.apply()
    new = workspace.image("a")
    assert (new["id"] != old["id"], new["name"]) == (True, "Ubuntu 24.04")
    assert new["os_hash_value"] == hashlib.sha512(b"build two\0" * 700).hexdigest()
    (kept,) = [one for one in workspace.live() if one["id"] == old["id"]]
    assert (kept["os_hidden"], kept["imagesync_role"]) == (True, "retired")
    assert workspace.image("b") == other


@pytest.mark.trial("two catalogs with the same names", "each touched only its own")
def test_two_catalogs_with_the_same_names(workspace: RegressionWorkspace, tmp_path: Path) -> None:
    """With the same keys in one project, the second is refused while it declares the same visible name; each changes only its images."""
    workspace.want("a")
    workspace.apply()
    mine = workspace.image("a")
    other = RegressionWorkspace(workspace.cloud, tmp_path / "other", "other")
    other.want("a", source="two.raw")
    other.write()
    assert f"image {mine['id']}, which belongs to catalog base, already has the name" in other.refused()
    other.images["a"]["name"] = "a of other"
    other.apply()
    theirs = other.image("a")
    workspace.images["a"]["min_ram"] = 3
    workspace.apply()
    assert other.image("a") == theirs
    workspace.images = {}
    workspace.apply("--destroy")
    assert workspace.live() == [theirs]


@pytest.mark.trial("an exact copy of a marker in another project", "its image was never touched")
@pytest.mark.parametrize("user", ["operator", "alice"])
def test_a_public_image_of_another_project_with_the_marker(workspace: RegressionWorkspace, user: str) -> None:
    """An exact copy of the marker on a foreign image does not make it an owned image, whatever the run changes."""
    workspace.want("a", tags=["t"], owner=workspace.cloud.project_id("images"))
    workspace.apply(user=user)
    mine = workspace.image("a")
    marks = {name: value for name, value in mine.items() if name.startswith("imagesync_")}
    forged = {"name": "a", "visibility": "public", "owner": workspace.cloud.project_id("other"), "tags": ["t"], **marks}
    made = workspace.cloud.http().send("POST", "/images", json={**RAW, **forged}).json()
    kind = {"Content-Type": "application/octet-stream"}
    workspace.cloud.http().send("PUT", f"/images/{made['id']}/file", data=DATA, headers=kind).raise_for_status()
    theirs = workspace.cloud.http().get(f"/images/{made['id']}")
    assert "No changes." in workspace.apply(user=user)
    workspace.images["a"] |= {"min_ram": 5, "source": "two.raw", "tags": []}
    workspace.apply(user=user)
    workspace.want("b")
    del workspace.images["a"]
    workspace.apply("--destroy", user=user)
    workspace.want("a")  # without an owner; only the foreign project has an image of this key
    workspace.apply(user=user)
    workspace.images = {}
    workspace.apply("--destroy", user=user)
    assert [one for one in workspace.live() if one["id"] == theirs["id"]] == [theirs]
    assert len(workspace.live()) == 1


@pytest.mark.trial("two current images of one key, made by a race", "the older stayed, the other retired, no upload")
def test_a_duplicate_name_made_by_a_race(workspace: RegressionWorkspace) -> None:
    """Two runs both created the image: of the two current ones the older stays, the other is retired; nothing is uploaded."""
    workspace.want("a")
    workspace.apply()
    mine = workspace.image("a")
    marks = {name: value for name, value in mine.items() if name.startswith("imagesync_")}
    body = {**RAW, "name": "a", **marks, "id": BOUND_ID, "imagesync_id": BOUND_ID}
    again = workspace.cloud.http().send("POST", "/images", json=body).json()
    kind = {"Content-Type": "application/octet-stream"}
    workspace.cloud.http().send("PUT", f"/images/{again['id']}/file", data=DATA, headers=kind).raise_for_status()
    workspace.cloud.forget_requests()
    workspace.apply()
    assert [one.path for one in workspace.cloud.requests() if one.method == "PUT"] == []
    roles = {one["id"]: (one["imagesync_role"], one["os_hidden"]) for one in workspace.live()}
    assert sorted(roles.values()) == [("current", False), ("retired", True)]
    assert set(roles) == {mine["id"], again["id"]}


@pytest.mark.trial("properties that the service made", "never planned, never copied")
def test_properties_made_by_the_service_are_never_in_a_plan(workspace: RegressionWorkspace) -> None:
    """An import leaves ``os_glance_*`` on the image: it is not drift, not planned, and not copied to the next build."""
    workspace.images["a"] = {"source": {"path": "one.raw", "method": "glance-direct"}}
    workspace.apply()
    assert [name for name in workspace.image("a") if name.startswith(READ_ONLY)]
    workspace.images["a"] |= {"properties": {"p": "1"}}
    workspace.write()
    assert READ_ONLY not in workspace.run("plan", "--format", "json")
    workspace.apply()
    workspace.images["a"] = {"source": "two.raw"}
    workspace.write()
    assert READ_ONLY not in workspace.run("plan", "--format", "json")
    workspace.apply()
    assert [name for name in workspace.image("a") if name.startswith(READ_ONLY)] == []


@pytest.mark.trial(
    "tags, members and properties removed from the manifest",
    "those of the catalog were removed, those of others stayed",
)
@pytest.mark.parametrize("emptied", [{"tags": [], "members": [], "properties": {}}, {}])
def test_tags_and_members_emptied(workspace: RegressionWorkspace, emptied: dict[str, Any]) -> None:
    """With an empty list, or none, the declared values are removed; values that other users added stay."""
    workspace.want("a", tags=["one", "two"], visibility="shared", members=["1" * 32, "2" * 32], properties={"p": "1"})
    workspace.apply()
    image_id, http = workspace.image("a")["id"], workspace.cloud.http()
    http.send("PUT", f"/images/{image_id}/tags/theirs").raise_for_status()
    http.send("POST", f"/images/{image_id}/members", json={"member": "3" * 32}).raise_for_status()
    workspace.images["a"] = {"source": "one.raw", "visibility": "shared", **emptied}
    workspace.apply()
    image = workspace.image("a")
    members = http.get(f"/images/{image_id}/members")["members"]
    assert (image["id"], image["tags"], [one["member_id"] for one in members]) == (image_id, ["theirs"], ["3" * 32])
    assert "p" not in image


TODAY: dict[str, str] = {
    "imagesync_id": BOUND_ID,
    "imagesync_rev_12": "2f9d0c4b7a6e4f0f8a35b1d97c60e2aa",
    "imagesync_catalog": "base",
    "imagesync_key": "a",
    "imagesync_role": "current",
    "imagesync_digest": "md5:26831b2a311e814e3026339059ed15fd "
    "sha256:b2f7f5cbd875b328ed0f90785b10816f3808f8362b9c35e4cc89b650afb73dcd "
    "sha512:f3226007caa929c03ef33f97c362bc9cdd09f4c7cb4edd7bc9c9317b7641973e"
    "4a175e1ce5f8f8d340a1996eab500a7e42adfea0dbafdb16e84a437cdeadbdc9",
    "imagesync_spec": "bf0f4d98c7173280f1613e29626234a7",
    "imagesync_managed": '{"f":{"container_format":"32885bd4","disk_format":"9d8744a6","min_ram":"6b86b273",'
    '"name":"ac8d8342","visibility":"24ed6504"},"g":1,"p":{"148de9c5":"391552c0"},"t":["e3b98a4d"]}',
}
"""The marker as version 0.1.0 writes it, letter by letter: no later one may plan anything for it."""

DAMAGED: list[tuple[dict[str, str | None], int]] = [
    ({}, 0),
    ({"imagesync_more": "of a later version", "imagesync_x": ""}, 0),
    ({"imagesync_spec": None}, 0),
    ({"imagesync_spec": "of an older version"}, 0),
    ({"imagesync_managed": None}, 1),
    ({"imagesync_managed": "{"}, 1),
    ({"imagesync_managed": '{"f":[1],"g":"x","p":7,"t":{},"zz":1}'}, 1),
    ({"imagesync_role": None}, 0),
    ({"imagesync_rev_12": None}, 0),
    ({"imagesync_rev_12": None, "imagesync_spec": None, "imagesync_managed": None}, 1),
]
"""Changed properties of a marker (None: missing), and the maximum number of updates.

The digest is not among them: without it imagesync cannot know the content, and a new build replaces the image.
"""


@pytest.mark.trial("older, unknown and damaged markers", "nothing planned, or one update; no data sent")
def test_an_upgrade_from_an_older_marker_plans_nothing(workspace: RegressionWorkspace) -> None:
    """Markers of this version, saved as literals. A damaged or unknown one leads to one update at most, and to no upload."""
    old = b"build one " * 500  # the digests are those of this data
    (workspace.folder / "one.raw").write_bytes(old)
    workspace.want("a", min_ram=1, tags=["t"], properties={"p": "1"})
    workspace.write()
    body = {**RAW, "id": BOUND_ID, "name": "a", "min_ram": 1, "tags": ["t"], "p": "1", **TODAY}
    http, kind = workspace.cloud.http(), {"Content-Type": "application/octet-stream"}
    image_id = http.send("POST", "/images", json=body).json()["id"]
    http.send("PUT", f"/images/{image_id}/file", data=old, headers=kind).raise_for_status()
    for changed, most in DAMAGED:
        found = http.get(f"/images/{image_id}")
        wanted = {**TODAY, **changed}
        there = [name for name in found if name.startswith("imagesync_")]
        operations: list[dict[str, object]] = [{"op": "remove", "path": f"/{name}"} for name in there]
        operations += [{"op": "add", "path": f"/{n}", "value": v} for n, v in wanted.items() if v is not None]
        http.patch(image_id, *operations).raise_for_status()
        plan = json.loads(workspace.run("plan", "--format", "json"))
        assert [step["action"] for step in plan["steps"]] in ([], ["update"][:most]), (changed, plan["steps"])
        assert all(step["changes"] == [] for step in plan["steps"]), (changed, plan["steps"])
        workspace.run("apply", "--yes", "--no-lock")
        assert "No changes." in workspace.run("plan")
        assert [one["id"] for one in workspace.live()] == [image_id]


@pytest.mark.trial("DELETE refused as in use", "the image stayed hidden, deleted by a later run")
@pytest.mark.parametrize("protected", [False, True])
def test_a_delete_refused_as_in_use_leaves_the_image_hidden(
    workspace: RegressionWorkspace, proxied: Proxy, protected: bool
) -> None:
    """The service returns 409. The output reports it, exit code 0. The image stays hidden, and the next run tries again."""
    workspace.want("a", protected=protected)
    workspace.want("b")
    workspace.apply()
    before = workspace.image("a")
    del workspace.images["a"]
    workspace.write()

    def in_use(call: Call) -> Fault | None:
        return Fault(forward=False, status=409, body=b"in use by volume 7") if is_delete(call) else None

    def is_delete(call: Call) -> bool:
        return call.kind == "DELETE /images/ID" and before["id"] in call.path

    proxied.fault = in_use
    output = workspace.run("apply", "--yes", "--max-delete", "100%", "--allow-protected")
    assert "in use: it is hidden now, and each run tries again to delete it" in output
    (after,) = [one for one in workspace.live() if one["id"] == before["id"]]
    assert (after["os_hidden"], after["protected"], after["imagesync_role"]) == (True, False, "deleting")
    assert after["name"] == before["name"]
    proxied.forget()
    workspace.apply("--max-delete", "100%", "--allow-protected")
    assert [one["imagesync_key"] for one in workspace.live()] == ["b"]


@pytest.mark.trial(
    "more keys removed or changed than the limits allow, or all removed",
    "refused before any write; the message says what to do",
)
def test_limits_are_checked_before_any_write(workspace: RegressionWorkspace) -> None:
    """These are max_delete, max_update, protection and an empty catalog: the error has the number, the limit and a remedy."""
    for number in range(5):
        workspace.want(f"k{number}", protected=number == 0)
    workspace.apply()
    full = {key: dict(image) for key, image in workspace.images.items()}
    workspace.images = {key: image for key, image in full.items() if key in ("k0", "k1", "k2")}
    workspace.write()
    assert "remove 2 of 5 live images (40 %); the limit is 30 %; pass --max-delete 2" in workspace.refused()
    assert "would remove 2 of 5" in workspace.refused("--max-delete", "1")
    workspace.policy = {"max_delete": 1}
    workspace.write()
    assert "the limit is 1" in workspace.refused()
    workspace.policy = {}
    workspace.images = {key: {**image, "min_ram": 7} for key, image in full.items()}
    workspace.write()
    assert "update 5 of 5 live images (100 %); the limit is 50 %" in workspace.refused("--max-update", "50%")
    workspace.images = {key: image for key, image in full.items() if key != "k0"}
    workspace.write()
    assert "protected" in workspace.refused()
    assert "--allow-protected" in workspace.refused("--destroy", "--max-delete", "100%")
    workspace.images = {}
    workspace.write()
    assert "--destroy" in workspace.refused("--max-delete", "100%", "--allow-protected")
    workspace.images = {"other": {"source": "one.raw"}}
    workspace.write()
    assert "--destroy" in workspace.refused("--max-delete", "100%", "--allow-protected")
    workspace.images = {}
    workspace.apply("--destroy", "--allow-protected")
    assert workspace.live() == []


@pytest.mark.trial("a catalog whose folder no longer exists", "an error, nothing removed")
def test_a_missing_folder_is_an_error_and_not_an_empty_catalog(workspace: RegressionWorkspace) -> None:
    """So is a folder without a manifest, or with unreadable files, whatever options are given."""
    workspace.want("a")
    workspace.apply()
    moved = workspace.folder.with_name("moved")
    workspace.folder.rename(moved)
    words = ("--destroy", "--max-delete", "100%", "--allow-protected")
    workspace.refused(*words)
    workspace.folder.mkdir()
    workspace.refused(*words)
    (workspace.folder / "empty.yaml").write_text("")
    workspace.refused(*words)
    shutil.rmtree(workspace.folder)
    moved.rename(workspace.folder)
    assert "No changes." in workspace.run("plan")
