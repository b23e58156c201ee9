"""drift and list of several targets on the real service: two projects, and one that does not let the user in."""

import json
from pathlib import Path

import yaml

from tests.cloud.service import Cloud
from tests.command import Result, cloud_environment
from tests.forked import run

MANIFEST = {
    "version": 1,
    "catalog": "base",
    "targets": {"one": {"cloud": "alice"}, "closed": {"cloud": "wrong"}, "two": {"cloud": "bob"}},
    "images": {"a": {"source": "none", "min_ram": 512}, "b": {"source": "none"}},
}


class TwoProjects:
    """A folder with the manifest, and the command. The user of the target ``closed`` has a wrong password."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder
        clouds = yaml.safe_load(cloud.clouds_yaml.read_text())
        alice = clouds["clouds"]["alice"]
        clouds["clouds"]["wrong"] = {**alice, "auth": {**alice["auth"], "password": "wrong"}}
        (folder / "clouds.yaml").write_text(yaml.safe_dump(clouds))
        (folder / "catalog").mkdir()
        (folder / "catalog/base.yaml").write_text(json.dumps(MANIFEST))

    def run(self, *words: str, code: int = 0) -> Result:
        """``imagesync WORDS``."""
        env = cloud_environment(self.folder / "clouds.yaml")
        return run(*words, folder=self.folder / "catalog", env=env, code=code)

    def find(self, user: str, key: str) -> str:
        """The id of the image of a key in the project of a user."""
        project = self.cloud.project_id({"alice": "images", "bob": "other"}[user])
        (found,) = (
            image["id"]
            for image in self.cloud.http(user).images()
            if image["owner"] == project and image.get("imagesync_key") == key
        )
        return str(found)


def test_two_projects_are_read_and_a_closed_one_is_named(cloud: Cloud, tmp_path: Path) -> None:
    """Equal drift of two projects is shown once. Nothing is written: every request to the image service is a GET."""
    projects = TwoProjects(cloud, tmp_path)
    projects.run("apply", "--target", "one", "--target", "two", "--yes")
    assert "one, two: no drift\n" in projects.run("drift", "--target", "one", "--target", "two").stdout
    ids = {user: projects.find(user, "a") for user in ("alice", "bob")}
    for user, image in ids.items():
        answer = cloud.http(user).patch(image, {"op": "replace", "path": "/min_ram", "value": 256})
        answer.raise_for_status()
    cloud.forget_requests()
    text = projects.run("drift", "--all-targets", code=1).stdout
    assert "one, two: the same drift: 1 value changed on 1 image\n" in text
    assert text.count("min_ram: was 512, is now 256") == 1
    assert f"    one: image {ids['alice']}, last update " in text
    assert f"    two: image {ids['bob']}, last update " in text
    assert "\nclosed: cannot be checked\nError: " in text
    assert text.endswith("\n3 targets: 2 with drift (one, two), 1 with errors (closed).\n")
    listed = projects.run("list", "--manifest", ".", "--all-targets", "--format", "json", "--key", "a", code=1)
    found = {one["target"]: one["images"] for one in json.loads(listed.stdout)["targets"]}
    assert found["closed"] is None
    assert {name: [image["id"] for image in found[name]] for name in ("one", "two")} == {
        "one": [ids["alice"]],
        "two": [ids["bob"]],
    }
    assert [image["_imagesync"]["drift"] for image in (*found["one"], *found["two"])] == [["min_ram"], ["min_ram"]]
    assert {one.method for one in cloud.requests()} == {"GET"}
    projects.run("apply", "--target", "one", "--target", "two", "--drift-only", "--yes")
    projects.run("drift", "--target", "one", "--target", "two")
