"""Snapshots with a copy of an image's record: no apply of any kind changes one, on the real service.

Nova copies every property of an image to the snapshots of its servers, Cinder to images of volumes.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cloud.service import Cloud
from tests.cloud.snapshots import Snapshots, inherit_properties
from tests.command import Result, cloud_environment
from tests.fault.fork_server import ForkedCommand
from tests.samples import spell
from tests.trials import note

PINNED = "abcdef01-0000-4000-8000-00000000abcd"
PLAIN = {"disk_format": "raw", "container_format": "bare", "visibility": "public"}
MANY = 150
"""Snapshots beside which a plan without changes costs what it costs without any."""


class SnapshotWorkspace:
    """A manifest, the command as the operator, and snapshots that must not change."""

    def __init__(self, cloud: Cloud, folder: Path, command: ForkedCommand) -> None:
        self.cloud, self.folder, self._command = cloud, folder, command
        self.images: dict[str, dict[str, Any]] = {}
        self.policy: dict[str, Any] = {"max_delete": "100%", "on_replace": {"keep": 2}}
        self.snapshots = Snapshots(cloud)
        self.applies = 0

    def build(self, number: int) -> str:
        """Write the file of a build."""
        name = f"build-{number}.raw"
        (self.folder / name).write_bytes(spell(f"build {number} ") * 150)
        return name

    def run(self, *words: str, code: int = 0) -> Result:
        """Run ``imagesync WORDS`` on the manifest."""
        document = {
            "version": 1, "catalog": "base", "policy": self.policy, "defaults": PLAIN, "images": self.images,
        }  # fmt: skip
        (self.folder / "base.yaml").write_text(json.dumps(document))
        result = self._command.run(*words, "--cloud", "operator")
        assert result.code == code, result
        assert "Traceback" not in result.stderr
        return result

    def apply(self, *words: str, settled: bool = True, requests: int | None = 2) -> Result:
        """Apply beside the snapshots, and check the result."""
        result = self.run("apply", str(self.folder), "--yes", *words)
        self.check(settled=settled, requests=requests)
        return result

    def check(self, *, settled: bool = True, requests: int | None = 2) -> None:
        """No snapshot was changed, and no request has its id; the next plan is empty, counts the copies, and costs two requests."""
        self.applies += 1
        known = set(self.snapshots.ids)
        queries = [one for one in self.cloud.requests() if known & set(re.split(r"[/=&,:]", f"{one.path}/{one.query}"))]
        assert [one for one in queries if one.agent.startswith("imagesync")] == []
        assert self.snapshots.read_state() == self.snapshots.seen
        self.cloud.forget_requests()
        if settled:
            self.is_settled(requests)
        self.cloud.forget_requests()
        note("an apply beside snapshots that have a copy of a marker", "each snapshot untouched; next plan empty")

    def is_settled(self, requests: int | None = 2) -> None:
        """Whether the next plan is empty, counts the copies once, and costs ``requests`` requests (None: any number)."""
        self.cloud.forget_requests()
        result = self.run("plan", str(self.folder), "--detailed-exitcode", "-v")
        queries = [one for one in self.cloud.requests() if one.agent.startswith("imagesync")]
        assert "No changes." in result.stdout, result
        assert requests in (None, len(queries)), queries
        ours = self.snapshots.ours
        output = [line for line in result.stdout.splitlines() if "a copy of another image's record" in line]
        assert len(output) == (1 if ours else 0), result.stdout
        assert all(line.startswith(f"Note: {len(ours)} image") for line in output)
        assert {each for each in self.snapshots.ids if each in result.stderr} == set(ours)

    def make(self, name: str, data: bytes) -> str:
        """Create a foreign image; its id."""
        http = self.cloud.http()
        image_id = str(http.send("POST", "/images", json={**PLAIN, "name": name}).json()["id"])
        kind = {"Content-Type": "application/octet-stream"}
        http.send("PUT", f"/images/{image_id}/file", data=data, headers=kind).raise_for_status()
        self.cloud.forget_requests()
        return image_id

    def image(self, key: str, role: str = "current") -> dict[str, Any]:
        """The newest image of a key, which is bound."""
        found = [
            one
            for one in self.cloud.http().images()
            if one.get("imagesync_id") == one["id"] and (one["imagesync_key"], one["imagesync_role"]) == (key, role)
        ]
        return max(found, key=lambda one: str(one["imagesync_managed"]))

    def take(self, *keys: str, role: str = "current") -> None:
        """Take snapshots of the images of some keys: with the declared name, of a volume, and in another project."""
        for source in (self.image(key, role) for key in keys):
            self.snapshots.take(source)
            self.snapshots.take(source, user="bob", visibility="community", name=source["name"])
            self.snapshots.save_volume(source, os_hidden=True, name=source["name"])
        self._note()

    def take_all_ways(self, key: str) -> None:
        """Take snapshots of one image: a shared one, a hidden one, one with its name, and one of a volume."""
        source = self.image(key)
        for user in ("alice", "bob"):
            self.snapshots.take(source, user=user, os_hidden=True, name=source["name"])
            self.snapshots.take(source, user=user, visibility="community", name=f"{user}'s")
            self.snapshots.take(source, user=user, visibility="shared", protected=True)
            self.snapshots.save_volume(source, user=user)
        self.snapshots.take(source, user="operator", visibility="public", name="public")
        self._note()

    def _note(self) -> None:
        self.snapshots.note()
        self.cloud.forget_requests()


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> Iterator[SnapshotWorkspace]:
    """A catalog that is not applied, and no snapshot."""
    env = cloud_environment(cloud.clouds_yaml, XDG_CACHE_HOME=str(tmp_path / "cache"))
    (tmp_path / "catalog").mkdir()
    with ForkedCommand(env, tmp_path) as command:
        yield SnapshotWorkspace(cloud, tmp_path / "catalog", command)


def test_builds_are_replaced_beside_snapshots(workspace: SnapshotWorkspace) -> None:
    """A candidate is published, a build is replaced and restored, rolled back, and a candidate is discarded: 12 applies."""
    first, second, third = (workspace.build(number) for number in (1, 2, 3))
    ubuntu = {"source": first, "properties": {"os_version": "1", "long": "x" * 300}, "tags": ["linux"]}
    workspace.images |= {"ubuntu": ubuntu, "pinned": {"source": first, "id": PINNED}}
    workspace.apply()
    workspace.take_all_ways("ubuntu")
    workspace.take("pinned")
    workspace.apply()
    ubuntu["source"] = second
    workspace.apply("--stage", settled=False)
    staged = workspace.image("ubuntu", "staging")
    workspace.take("ubuntu", role="staging")
    workspace.apply()
    assert workspace.image("ubuntu")["id"] == staged["id"]
    workspace.take("ubuntu")
    workspace.take("ubuntu", role="retired")
    ubuntu["source"] = first
    workspace.apply()
    workspace.take("ubuntu")  # promoted again
    ubuntu["source"] = second
    workspace.apply()
    workspace.run("rollback", "ubuntu", str(workspace.folder), "--yes")
    ubuntu["source"] = first
    workspace.check()
    workspace.take("ubuntu")  # rolled back
    workspace.apply()
    ubuntu["source"] = third
    workspace.apply("--stage", settled=False)
    workspace.take("ubuntu", role="staging")
    workspace.apply("--discard-staged", settled=False)
    workspace.images |= {"pinned": {**workspace.images["pinned"], "properties": {"p": "1"}}}
    workspace.apply()
    ubuntu |= {"source": second, "on_replace": {"keep": 0}}
    workspace.apply()  # every earlier build, however recent, is deleted
    assert workspace.applies == 12


def test_fields_change_beside_snapshots(workspace: SnapshotWorkspace) -> None:
    """Adoption, drift, a new name, deactivation and reactivation, and the end of a retired build: 9 applies."""
    http, first, second = workspace.cloud.http(), workspace.build(1), workspace.build(2)
    mine = workspace.make("mine", (workspace.folder / first).read_bytes())
    ubuntu: dict[str, Any] = {"source": first, "properties": {"os_version": "1"}}
    workspace.images |= {"ubuntu": ubuntu, "adopted": {"source": first, "name": "mine", "adopt": mine}}
    workspace.apply()
    assert workspace.image("adopted")["id"] == mine
    workspace.take("ubuntu", "adopted")
    ubuntu["source"] = second
    workspace.apply()
    change: dict[str, object] = {"op": "replace", "path": "/os_version", "value": "drifted"}
    http.patch(workspace.image("ubuntu")["id"], change).raise_for_status()
    workspace.apply("--drift-only")
    assert workspace.image("ubuntu")["os_version"] == "1"
    ubuntu["name"] = "Ubuntu"
    workspace.apply()
    for status in ("deactivated", "active"):
        ubuntu["status"] = status
        workspace.apply()
        assert workspace.image("ubuntu")["status"] == status
    more = workspace.make("more", b"m")
    workspace.images["more"] = {"adopt": True}
    workspace.run("adopt", str(workspace.folder), "--yes")
    workspace.check()
    assert workspace.image("more")["id"] == more
    workspace.take("more", "ubuntu")
    workspace.apply()
    ubuntu["on_replace"] = {"keep": 5, "delete_after": "30d"}
    retired = workspace.image("ubuntu", "retired")
    managed = {**json.loads(retired["imagesync_managed"]), "r": "2020-01-01T00:00:00+00:00"}
    change = {"op": "replace", "path": "/imagesync_managed", "value": json.dumps(managed)}
    http.patch(retired["id"], change).raise_for_status()
    workspace.take("ubuntu", role="retired")
    workspace.apply()
    assert http.send("GET", f"/images/{retired['id']}").status_code == 404
    assert workspace.applies == 9


def test_keys_are_removed_and_expire_beside_snapshots(workspace: SnapshotWorkspace) -> None:
    """Keys are removed in every possible way: 9 applies."""
    ways = ("hide", "deactivate", "keep", "delete")
    first = workspace.build(1)
    workspace.images |= {f"gone-{way}": {"source": first} for way in ways}
    workspace.images |= {f"over-{way}": {"source": first} for way in ways if way != "keep"}
    workspace.apply()
    workspace.take(*workspace.images)
    for way in ways:
        del workspace.images[f"gone-{way}"]
        workspace.policy["on_remove"] = way
        workspace.apply("--max-delete=100%")
    for way in ("hide", "deactivate", "delete"):
        workspace.images[f"over-{way}"] |= {"expires": "2020-01-01", "on_expire": way}
        # an expired key that is still in the manifest has no visible image, so its name is asked for
        workspace.apply("--max-delete=100%", "--destroy", requests=None)
    workspace.images.clear()
    workspace.apply("--destroy")
    assert workspace.applies == 9


@pytest.mark.trial(f"{MANY} snapshots with a copy of a marker", "a plan without changes stays at 2 requests")
def test_many_snapshots_cost_no_request(workspace: SnapshotWorkspace) -> None:
    """No request has the id of a snapshot."""
    workspace.images["ubuntu"] = {"source": workspace.build(1)}
    workspace.apply()
    source, http = workspace.image("ubuntu"), workspace.cloud.http("alice")
    snapshot_of = {**inherit_properties(source), "image_type": "snapshot", "base_image_ref": source["id"]}
    for number in range(MANY):
        made = {**snapshot_of, "name": f"s{number}", "visibility": "private"}
        workspace.snapshots.ids.append(http.send("POST", "/images", json=made).json()["id"])
    workspace.snapshots.ours += workspace.snapshots.ids
    workspace.snapshots.note()
    workspace.cloud.forget_requests()
    workspace.apply()


def test_snapshots_are_listed_and_exported_as_foreign_images(workspace: SnapshotWorkspace) -> None:
    """Their exported manifest has none of the imagesync properties; adoption writes only markers."""
    workspace.images["ubuntu"] = {"source": workspace.build(1), "properties": {"os_version": "1"}}
    workspace.apply()
    source = workspace.image("ubuntu")
    taken = [workspace.snapshots.take(source), workspace.snapshots.save_volume(source)]
    rows = [line for line in workspace.run("list").stdout.splitlines() if set(line.split()) & set(taken)]
    assert len(rows) == len(taken)
    assert all("(a copy of the record of base/ubuntu)" in row for row in rows)
    path = workspace.folder.parent / "exported.yaml"
    workspace.run("export", "--catalog", "mine", "-o", str(path))
    text = path.read_text()
    assert "imagesync_" not in text
    assert {entry["adopt"] for entry in yaml.safe_load(text)["images"].values()} == set(taken)
    before = {image_id: _without_marks(workspace, image_id) for image_id in taken}
    workspace.run("adopt", str(path), "--yes")
    assert "No changes." in workspace.run("plan", str(path)).stdout
    assert {image_id: _without_marks(workspace, image_id) for image_id in taken} == before
    for image_id in taken:
        image = workspace.cloud.http().get(f"/images/{image_id}")
        assert (image["imagesync_id"], image["imagesync_catalog"]) == (image_id, "mine")
    assert "No changes." in workspace.run("plan", str(workspace.folder)).stdout
    assert workspace.image("ubuntu") == source


def _without_marks(workspace: SnapshotWorkspace, image_id: str) -> tuple[dict[str, Any], bytes]:
    http = workspace.cloud.http()
    image = http.get(f"/images/{image_id}")
    plain = {name: value for name, value in image.items() if not name.startswith("imagesync_") and name != "updated_at"}
    return plain, http.send("GET", f"/images/{image_id}/file").content


Take = Callable[[SnapshotWorkspace, dict[str, Any]], str]


@pytest.mark.parametrize(
    "take",
    [
        lambda workspace, source: workspace.snapshots.take(source, name="Wanted"),
        lambda workspace, source: workspace.snapshots.save_volume(source, name="Wanted"),
    ],
    ids=["nova", "cinder"],
)
def test_a_snapshot_is_adopted_only_by_its_id(workspace: SnapshotWorkspace, take: Take) -> None:
    """With the declared name in the same project, it is an error of the catalog. By id it is adopted, and then bound."""
    workspace.images["ubuntu"] = {"source": workspace.build(1)}
    workspace.apply()
    base = workspace.image("ubuntu")["id"]
    image_id = take(workspace, workspace.image("ubuntu"))
    workspace.snapshots.note()
    wanted = {"name": "Wanted", "visibility": "private"}
    for declared in ({"source": workspace.build(2)}, {"adopt": True, "source": workspace.build(2)}):
        workspace.images["other"] = {**wanted, **declared}
        for command in ("apply", "plan"):
            words = ("--yes",) if command == "apply" else ()
            output = workspace.run(command, str(workspace.folder), *words, code=1).output
            assert "already has the name 'Wanted'" in output
            assert image_id in output
            assert "carries a copy of another image's record, as snapshots do" in output
            assert f"declare adopt: {image_id}; to keep both images, declare another name" in output
        output = workspace.run("adopt", str(workspace.folder), "--yes").output
        assert "other: not adopted" in output
        assert workspace.snapshots.read_state() == workspace.snapshots.seen
    workspace.images["other"] = {**wanted, "adopt": image_id}
    workspace.run("apply", str(workspace.folder), "--yes")
    taken = workspace.cloud.http().get(f"/images/{image_id}")
    assert (taken["imagesync_id"], taken["imagesync_key"], taken["imagesync_role"]) == (image_id, "other", "current")
    assert taken.get("base_image_ref", base) == base
    assert [name for name in taken if name.startswith("imagesync_rev_")] != []
    workspace.snapshots.ours.remove(image_id)
    workspace.snapshots.ids.remove(image_id)
    workspace.is_settled()
