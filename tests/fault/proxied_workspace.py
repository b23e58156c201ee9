"""The manifests of ``scenario``, applied by the command to the real cloud through proxies that can make each request
fail."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import yaml

from tests.cloud.service import Cloud, Snapshot
from tests.command import Result, cloud_environment
from tests.fault.fork_server import ForkedCommand
from tests.fault.proxy import Proxy, between
from tests.fault.scenario import AFTER, BEFORE, earlier, select_steady, write_data, write_manifest

_prepared: WeakKeyDictionary[Cloud, Snapshot] = WeakKeyDictionary()
"""What ``prepare`` created."""


@dataclass
class ProxiedWorkspace:
    """A manifest, the cloud behind two proxies (``proxy`` before the image service), and the command."""

    cloud: Cloud
    proxy: Proxy
    identity: Proxy
    command: ForkedCommand
    folder: Path
    env: dict[str, str]
    words: tuple[str, ...] = ("--cloud", "operator", "--jobs", "1", "--max-delete", "100%")

    def apply(self) -> Result:
        """Run apply without further options."""
        return self.command.run("apply", "--yes", str(self.folder), *self.words)

    def set_api_timeout(self, seconds: int) -> None:
        """Set how long the command waits for an answer. At first it is 3 s, which is too short for answers that a test
        delays."""
        path = Path(self.env["OS_CLIENT_CONFIG_FILE"])
        clouds = yaml.safe_load(path.read_text())
        clouds["clouds"]["operator"]["api_timeout"] = seconds
        path.write_text(yaml.safe_dump(clouds))

    def live(self) -> list[dict[str, Any]]:
        """Every image of the project, over plain HTTP."""
        return self.cloud.http().images()

    def state(self) -> list[str]:
        """The images without ids and times, sorted: equal for two states that a user would call the same."""
        return sorted(json.dumps(self._plain(image), sort_keys=True) for image in self.live() if not _is_lease(image))

    def _plain(self, image: dict[str, Any]) -> dict[str, Any]:
        steady = select_steady(image)
        members = []
        if image["visibility"] == "shared":
            members = self.cloud.http().get(f"/images/{image['id']}/members")["members"]
        return {**steady, "tags": sorted(image["tags"]), "members": sorted(one["member_id"] for one in members)}

    def prepare(self) -> Snapshot:
        """Create the state before the apply, with two generations of the image that will be replaced; once for each
        cloud."""
        if self.cloud in _prepared:
            write_manifest(self.folder, AFTER)
            self.cloud.restore(_prepared[self.cloud])
            return _prepared[self.cloud]
        for images in (earlier(BEFORE), BEFORE):
            write_manifest(self.folder, images)
            result = self.apply()
            assert result.code == 0, result
        write_manifest(self.folder, AFTER)
        _prepared[self.cloud] = self.cloud.snapshot()
        return _prepared[self.cloud]

    def apply_undisturbed(self, beginning: Snapshot) -> tuple[set[str], list[str]]:
        """The kinds of request of an apply without a fault, and the state after it. Then the state before is restored."""
        self.proxy.forget()
        result = self.apply()
        assert result.code == 0, result
        kinds, state = {call.kind for call in self.proxy.calls}, self.state()
        self.cloud.restore(beginning)
        self.proxy.forget()
        return kinds, state

    def verified_digests(self) -> set[str]:
        """Digests of data that the service has, that imagesync verified, and that is not published yet."""
        found = [image for image in self.live() if image.get("imagesync_role") == "staging"]
        return {image["os_hash_value"] for image in found if image["status"] in ("active", "deactivated")}


def _is_lease(image: dict[str, Any]) -> bool:
    return "imagesync_lease" in image


@contextmanager
def open_proxied_workspace(cloud: Cloud, tmp_path: Path) -> Iterator[ProxiedWorkspace]:
    """A workspace with the manifest's folder and the proxies; no manifest is applied yet."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    write_data(folder)
    with between(cloud.image_url) as proxy, between(cloud.auth_url.removesuffix("/v3")) as identity:
        clouds = yaml.safe_load(cloud.clouds_yaml.read_text())
        clouds["clouds"]["operator"]["auth"]["auth_url"] = f"{identity.address}/v3"
        clouds["clouds"]["operator"] |= {"image_endpoint_override": proxy.address, "api_timeout": 3}
        (tmp_path / "clouds.yaml").write_text(yaml.safe_dump(clouds))
        env = cloud_environment(tmp_path / "clouds.yaml", XDG_CACHE_HOME=str(tmp_path / "cache"))
        with ForkedCommand(env, tmp_path) as command:
            yield ProxiedWorkspace(cloud, proxy, identity, command, folder, env)
