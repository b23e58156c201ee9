"""An identity service whose catalog has the image service in several regions: imagesync never simply uses the first
one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.command import Result, cloud_environment
from tests.fault.scripted import Say, Server, listening
from tests.fault.test_hostile_service import TOKEN, token

MANIFEST = {"version": 1, "catalog": "c", "images": {"a": {"source": "none", "disk_format": "raw"}}}


class TwoRegions:
    """An identity service whose image service is in ``regions`` (name -> interface); all of them are one server on
    loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.regions = {"east": "public", "west": "public"}
        self.identity = Server(self._log_in)
        self.images = Server(lambda path: Say(body={"images": []}))
        self.auth_url = self.image_url = ""
        (folder / "m.yaml").write_text(json.dumps(MANIFEST))

    def _log_in(self, path: str) -> Say:
        if not path.endswith("/auth/tokens"):
            return Say(404, b"")
        body = token("")
        body["token"]["catalog"][0]["endpoints"] = [
            {"interface": interface, "region": name, "region_id": name, "url": f"{self.image_url}/{name}", "id": name}
            for name, interface in self.regions.items()
        ]
        return Say(201, body, {"X-Subject-Token": TOKEN})

    def run(self, *words: str, code: int = 0, region: str = "", **settings: Any) -> Result:
        """Run ``imagesync WORDS --cloud c`` with these settings of the cloud, and with OS_REGION_NAME if there is a
        ``region``."""
        auth = {"auth_url": f"{self.auth_url}/v3", "username": "u", "password": "p", "project_name": "images"}
        domains = {"project_domain_id": "default", "user_domain_id": "default"}
        entry = {"auth": {**auth, **domains}, "api_timeout": 5, **settings}
        (self.folder / ".clouds.yaml").write_text(json.dumps({"clouds": {"c": entry}}))
        more = {"OS_REGION_NAME": region} if region else {}
        self.images.queries.clear()
        env = cloud_environment(self.folder / ".clouds.yaml", **more)
        return forked.run(*words, "--cloud", "c", folder=self.folder, env=env, code=code)

    def planned(self, **settings: Any) -> str:
        """The region of a plan, which sends requests to the image service of that region only."""
        self.run("plan", "m.yaml", "-o", "plan.json", **settings)
        requests = {line.split("/")[1] for line in self.images.queries}
        region = str(json.loads((self.folder / "plan.json").read_text())["target"]["region"])
        assert requests == {region}
        return region


@pytest.fixture
def cloud_of_two(tmp_path: Path) -> Iterator[TwoRegions]:
    found = TwoRegions(tmp_path)
    with listening(found.identity) as found.auth_url, listening(found.images) as found.image_url:
        yield found


def test_several_regions_are_refused_with_their_names(cloud_of_two: TwoRegions) -> None:
    """Before any request to the image service; exit code 64."""
    for words in (("plan", "m.yaml"), ("list",), ("export",), ("apply", "m.yaml", "--yes")):
        output = cloud_of_two.run(*words, code=64).stderr
        assert output.count("\n") == 1
        assert (
            "cloud c: its image service is in several regions (east, west); "
            "select one: region_name: east in clouds.yaml, or export OS_REGION_NAME=east"
        ) in output
        assert cloud_of_two.images.queries == []


def test_each_setting_of_the_message_selects_a_region(cloud_of_two: TwoRegions) -> None:
    """The settings that the message names, in clouds.yaml and in the environment."""
    assert cloud_of_two.planned(region_name="west") == "west"
    assert cloud_of_two.planned(region="west") == "west"
    assert cloud_of_two.planned(regions=["east", "west"], region="west") == "west"
    assert cloud_of_two.planned(regions=["east", "west"], region_name="west") == "west"


def test_several_regions_in_the_settings_are_refused_before_the_login(cloud_of_two: TwoRegions) -> None:
    output = cloud_of_two.run("plan", "m.yaml", code=64, regions=["east", "west"]).stderr
    assert "cloud c: it has several regions (east, west); select one" in output
    assert cloud_of_two.identity.queries == []


def test_a_plan_of_one_region_is_not_applied_to_another(cloud_of_two: TwoRegions) -> None:
    """The target of the plan has the region."""
    cloud_of_two.planned(region_name="east")
    output = cloud_of_two.run("apply", "plan.json", "--yes", code=64, region_name="west").stderr
    assert "east" in output
    assert "west" in output


def test_the_only_region_needs_no_name(cloud_of_two: TwoRegions) -> None:
    """The plan has its name, so the plan still fits after the settings name the region."""
    cloud_of_two.regions["west"] = "internal"
    assert cloud_of_two.planned() == "east"
    first = (cloud_of_two.folder / "plan.json").read_text()
    assert cloud_of_two.planned(region_name="east") == "east"
    assert (cloud_of_two.folder / "plan.json").read_text() == first
    assert cloud_of_two.planned(interface="internal") == "west"


def test_an_unknown_region_is_reported_with_those_that_exist(cloud_of_two: TwoRegions) -> None:
    output = cloud_of_two.run("plan", "m.yaml", code=64, region_name="north").stderr
    assert "no image endpoint found (interface public, region north); it has one in east, west; select one" in output


def test_a_declared_endpoint_needs_no_region(cloud_of_two: TwoRegions) -> None:
    """image_endpoint_override names the URL of the service."""
    url = f"{cloud_of_two.image_url}/mine"
    cloud_of_two.run("plan", "m.yaml", "-o", "plan.json", image_endpoint_override=url)
    assert {line.split("/")[1] for line in cloud_of_two.images.queries} == {"mine"}
    cloud_of_two.run("plan", "m.yaml", auth_type="none", auth={"endpoint": url})
