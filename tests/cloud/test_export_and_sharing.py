"""Export, adoption and sharing on the real services, checked over plain HTTP."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagesync.backends import open_backend
from imagesync.model.image import LiveImage
from tests import forked
from tests.cloud.service import Cloud
from tests.command import Result, cloud_environment
from tests.varied_images import create_varied_images, filled, record
from tests.waiting import wait_until


class SharingWorkspace:
    """A folder for manifests, and the command as one user of the cloud."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder

    def run(self, *words: str, user: str = "operator", code: int = 0) -> Result:
        """Run ``imagesync WORDS --cloud USER``."""
        env = cloud_environment(self.cloud.clouds_yaml)
        return forked.run(*words, "--cloud", user, folder=self.folder, env=env, code=code)

    def write(self, **images: dict[str, Any]) -> None:
        """Write the manifest base.yaml."""
        (self.folder / "data.raw").write_bytes(b"dat\0" * 1000)
        plain = {"disk_format": "raw", "container_format": "bare"}
        document = {"version": 1, "catalog": "base", "defaults": plain, "images": images}
        (self.folder / "base.yaml").write_text(json.dumps(document))

    def apply(self, user: str = "operator") -> None:
        """Apply; the next plan must be empty."""
        self.run("apply", "base.yaml", "--yes", user=user)
        self.is_settled(user)

    def is_settled(self, user: str = "operator") -> None:
        """Whether the plan is empty."""
        assert "No changes." in self.run("plan", "base.yaml", "--detailed-exitcode", user=user).stdout

    def fill(self, user: str) -> list[LiveImage]:
        """Create images of every kind in the project of one user."""
        backend = open_backend(cloud=user)
        made = (
            list(create_varied_images(backend))
            if user == "operator"
            else [filled(backend, name="mine"), record(backend, name="q")]
        )
        backend.close()
        return made

    def read_images(self, user: str = "operator") -> dict[str, Any]:
        """Every image with its data and members, without markers and without the time of the last update."""
        http = self.cloud.http(user)
        found = {}
        for image in http.images("visibility=all"):
            data = http.send("GET", f"/images/{image['id']}/file")
            members = http.send("GET", f"/images/{image['id']}/members")
            plain = {k: v for k, v in image.items() if not k.startswith("imagesync_") and k != "updated_at"}
            output = members.json()["members"] if members.ok else members.status_code
            found[image["id"]] = ({**plain, "tags": sorted(image["tags"])}, data.status_code, data.content, output)
        return found


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SharingWorkspace:
    """An empty folder and an empty cloud."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.clouds_yaml))
    return SharingWorkspace(cloud, tmp_path)


def imported(workspace: SharingWorkspace) -> str:
    """An image whose data was imported; the service adds its own ``os_glance_*``."""
    http = workspace.cloud.http()
    image = {"name": "imported", "disk_format": "raw", "container_format": "bare", "visibility": "private"}
    image_id = str(http.send("POST", "/images", json=image).json()["id"])
    stage = {"Content-Type": "application/octet-stream"}
    http.send("PUT", f"/images/{image_id}/stage", data=b"imported", headers=stage).raise_for_status()
    http.send("POST", f"/images/{image_id}/import", json={"method": {"name": "glance-direct"}}).raise_for_status()
    wait_until(lambda: http.get(f"/images/{image_id}")["status"], lambda status: status == "active", "the import ends")
    return image_id


def test_a_project_with_all_kinds_of_images_is_exported_and_adopted(workspace: SharingWorkspace) -> None:
    """Ids, data, members, acceptances and foreign fields stay the same; then the plan is empty."""
    made = {image.id: image for image in workspace.fill("operator")}
    import_id = imported(workspace)
    shared = next(image.id for image in made.values() if image.name == "shared with nobody")
    other = workspace.cloud.project_id("other")
    workspace.cloud.http().send("POST", f"/images/{shared}/members", json={"member": other}).raise_for_status()
    accept(workspace, shared)
    workspace.fill("bob")
    before = workspace.read_images()
    assert any(name.startswith("os_glance") for name in before[import_id][0])
    done = workspace.run("export", "--catalog", "base", "-o", ".")
    assert done.stderr == f"{len(made) + 1} images written to base.yaml\n"
    text = (workspace.folder / "base.yaml").read_text()
    assert "os_glance" not in text
    assert "owner_specified" not in text
    assert {image["adopt"] for image in yaml.safe_load(text)["images"].values()} == {*made, import_id}
    output = workspace.run("adopt", "base.yaml", "--yes").stdout
    assert f"{len(made) + 1} to update" in output
    workspace.is_settled()
    assert workspace.read_images() == before
    assert workspace.run("export", "--managed", "--catalog", "base").stdout == text
    assert f"{len(made) + 1} images of catalog base left out" in workspace.run("export").stderr


def accept(workspace: SharingWorkspace, image_id: str) -> None:
    """Make project other accept an image."""
    place = f"/images/{image_id}/members/{workspace.cloud.project_id('other')}"
    workspace.cloud.http("bob").send("PUT", place, json={"status": "accepted"}).raise_for_status()


def test_a_member_exports_and_adopts_images_of_its_project(workspace: SharingWorkspace) -> None:
    """It has no administrator's rights; images of other projects are neither exported nor changed."""
    workspace.fill("alice")
    workspace.fill("bob")
    others = workspace.read_images("bob")
    workspace.run("export", "-o", "base.yaml", user="alice")
    assert yaml.safe_load((workspace.folder / "base.yaml").read_text())["catalog"] == "images"
    workspace.run("adopt", "base.yaml", "--yes", user="alice")
    workspace.is_settled("alice")
    assert workspace.read_images("bob") == others


def test_the_images_to_export_can_be_selected(workspace: SharingWorkspace) -> None:
    """They are selected by name pattern, tags, visibility and owner; the service filters them."""
    backend = open_backend(cloud="operator")
    for name, tags in (("linux-1", ["x"]), ("linux-2", ["x", "y"]), ("Linux: 3", ["y"])):
        record(backend, name=name, tags=tags)
    record(backend, name="theirs", owner=workspace.cloud.project_id("other"), visibility="community")
    backend.close()

    def keys(*words: str) -> set[str]:
        return set(yaml.safe_load(workspace.run("export", *words).stdout)["images"])

    assert keys() == {"linux-1", "linux-2", "linux-3"}
    assert keys("--name", "linux-*") == {"linux-1", "linux-2"}
    assert keys("--name", "Linux: 3") == {"linux-3"}
    assert keys("--tag", "x", "--tag", "y") == {"linux-2"}
    assert keys("--visibility", "community") == set()
    assert keys("--owner", workspace.cloud.project_id("other")) == {"theirs"}
    assert keys("--all-owners", "--visibility", "community", "--name", "th*rs") == {"theirs"}


def test_images_that_cannot_be_exported_are_listed(workspace: SharingWorkspace) -> None:
    """Exit code 1; the other images are written, but never to a file that exists."""
    backend = open_backend(cloud="operator")
    nameless, one, two = record(backend, name=None), record(backend, name="twin"), record(backend, name="twin")
    fine = record(backend, name="fine", properties={"bell": "\x07", "good": "1"})
    backend.close()
    done = workspace.run("export", "-o", "base.yaml", code=1)
    assert f"image {nameless.id}: left out: it has no name" in done.stderr
    assert f"image {one.id} (twin): left out: visible image {two.id} has its name too" in done.stderr
    assert f"image {fine.id} (fine): property 'bell' left out: has a control character" in done.stderr
    images = yaml.safe_load((workspace.folder / "base.yaml").read_text())["images"]
    assert {key: image["properties"] for key, image in images.items()} == {"fine": {"good": 1}}
    assert (
        "base.yaml already exists; write to another file, or pass --force"
        in workspace.run("export", "-o", "base.yaml", code=64).stderr
    )


def test_an_image_of_another_catalog_is_not_adopted(workspace: SharingWorkspace) -> None:
    """The error has both remedies; the image still belongs to the other catalog."""
    workspace.write(mine={"source": "data.raw"})
    workspace.apply()
    (image,) = workspace.cloud.http().images()
    (workspace.folder / "other.yaml").write_text(
        f"version: 1\ncatalog: other\nimages: {{x: {{name: mine, adopt: {image['id']}}}}}\n"
    )
    for name in ("plan", "apply", "adopt"):
        output = workspace.run(name, "other.yaml", code=1).stderr
        assert f"image {image['id']} belongs to catalog base; first remove key " in output
        assert "on_remove: keep" in output
        assert "or remove adopt here" in output
    assert workspace.cloud.http().images() == [image]


def test_members_by_name_can_accept_and_be_removed(workspace: SharingWorkspace) -> None:
    """Keystone finds their ids. An acceptance is shown, but is not a difference; after it, the member can be removed."""
    other = workspace.cloud.project_id("other")
    named = {"source": "data.raw", "visibility": "shared", "members": [{"project": "other", "domain": "Default"}]}
    workspace.write(shared=named)
    workspace.apply()
    image_id = workspace.cloud.http().images()[0]["id"]
    assert json.loads(workspace.run("list", image_id, "--format", "json").stdout)["members"] == [
        {"project": other, "status": "pending"}
    ]
    accept(workspace, image_id)
    workspace.is_settled()
    assert [image["id"] for image in workspace.cloud.http("bob").images()] == [image_id]
    assert json.loads(workspace.run("list", image_id, "--format", "json").stdout)["members"] == [
        {"project": other, "status": "accepted"}
    ]
    listed = {image["id"]: image for image in json.loads(workspace.run("list", "--format", "json", "--members").stdout)}
    assert listed[image_id]["members"][0]["status"] == "accepted"
    assert f"{other} accepted" in workspace.run("list", "--members").stdout
    assert "1 image is shared; to show the members, pass --members" in workspace.run("list").stderr
    named["members"] = [other]
    workspace.write(shared=named)
    workspace.is_settled()
    del named["members"]
    workspace.write(shared=named)
    assert f"members  - {other}" in workspace.run("plan", "base.yaml").stdout
    workspace.apply()
    assert workspace.cloud.http("bob").images() == []
    assert json.loads(workspace.run("list", image_id, "--format", "json").stdout)["members"] == []


def test_a_user_who_may_not_list_projects_gets_a_remedy(workspace: SharingWorkspace) -> None:
    """It is one line with a remedy; for a project that does not exist it is another line. No image is made."""
    wanted = {"source": "data.raw", "visibility": "shared", "members": [{"project": "other"}]}
    workspace.write(shared=wanted)
    output = workspace.run("plan", "base.yaml", user="alice", code=1).stderr
    assert output.splitlines() == [
        "imagesync: base.yaml:1:110: images.shared.members: project 'other' of domain 'Default': this user may not list "
        "projects; write the project's id instead of its name; an administrator finds the id with: openstack project "
        "show other -f value -c id"
    ]
    wanted["members"] = [{"project": "nowhere"}]
    workspace.write(shared=wanted)
    assert "images.shared.members: " in workspace.run("plan", "base.yaml", code=64).stderr
    assert "nowhere" in workspace.run("apply", "base.yaml", "--yes", code=64).stderr
    assert workspace.cloud.http().images() == []


def test_a_list_reads_members_only_with_the_option(workspace: SharingWorkspace) -> None:
    """The whole list costs two requests, with any number of shared images."""
    backend = open_backend(cloud="alice")
    for number in range(5):
        record(backend, name=f"s{number}", visibility="shared")
    backend.close()
    workspace.cloud.forget_requests()
    assert "5 images are shared" in workspace.run("list", user="alice").stderr
    assert len(workspace.cloud.requests()) == 2


def test_a_new_kernel_is_used_by_its_machine_in_the_same_run(workspace: SharingWorkspace) -> None:
    """The kernel is replaced first; the machine keeps its id and refers to the new kernel."""
    kernel = {"source": "data.raw", "disk_format": "aki", "container_format": "aki"}
    machine = {"source": "data.raw", "disk_format": "ami", "container_format": "ami"}
    machine["properties"] = {"kernel_id": "${images.z-kernel.id}"}  # type: ignore[assignment]
    workspace.write(**{"z-kernel": kernel, "a-machine": machine})
    workspace.apply()
    first = {image["imagesync_key"]: image["id"] for image in workspace.cloud.http().images()}
    (workspace.folder / "new.raw").write_bytes(b"a new kernel")
    kernel["source"] = "new.raw"
    workspace.write(**{"z-kernel": kernel, "a-machine": machine})
    workspace.run("apply", "base.yaml", "--yes", "--events", "events.json")
    workspace.is_settled()
    live = {image["imagesync_key"]: image for image in workspace.cloud.http().images() if not image["os_hidden"]}
    assert live["a-machine"]["id"] == first["a-machine"]
    assert live["z-kernel"]["id"] != first["z-kernel"]
    assert live["a-machine"]["kernel_id"] == live["z-kernel"]["id"]
    events = [json.loads(line) for line in (workspace.folder / "events.json").read_text().splitlines()]
    finished = [event["key"] for event in events if event["event"] == "finished"]
    assert finished.index("z-kernel") < finished.index("a-machine")


def test_only_an_administrator_creates_images_for_other_projects(workspace: SharingWorkspace) -> None:
    """The administrator's image belongs to the other project. A member gets one line of error, and nothing is left."""
    workspace.write(theirs={"source": "data.raw", "owner": workspace.cloud.project_id("other")})
    output = workspace.run("apply", "base.yaml", "--yes", user="alice", code=1)
    assert "failed      create:theirs" in output.stdout
    assert workspace.cloud.http().images() == []
    workspace.apply()
    assert [image["owner"] for image in workspace.cloud.http("bob").images()] == [workspace.cloud.project_id("other")]
