"""A catalogue that does everything when it is applied, the real cloud behind a proxy, and the command: for faults anywhere."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cloud.service import Cloud, Snapshot
from tests.fault.proxy import Proxy, between
from tests.fault.runner import Runner

DATA = {f"{letter}.raw": letter.encode() * 5000 for letter in "abcdefgh"}
PRIVATE = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}
UNSTEADY = {"id", "created_at", "updated_at", "file", "self", "imagesync_managed", "direct_url", "imagesync_spec"}

BEFORE: dict[str, dict[str, Any]] = {
    "replaced": {"source": "b.raw", "visibility": "public", "tags": ["old"]},
    "updated": {"source": "c.raw", "min_ram": 1, "tags": ["one"], "properties": {"p": "1", "q": "1"}},
    "deactivated": {"source": "d.raw"},
    "reactivated": {"source": "e.raw", "status": "deactivated"},
    "shared": {"source": "f.raw", "visibility": "shared", "members": ["p1", "p2"]},
    "removed": {"source": "g.raw"},
}
AFTER: dict[str, dict[str, Any]] = {
    "created": {
        "source": "h.raw",
        "visibility": "shared",
        "members": ["p3"],
        "tags": ["new"],
        "properties": {"n": "1"},
    },
    "replaced": {"source": "a.raw", "visibility": "public", "tags": ["new"]},
    "updated": {"source": "c.raw", "min_ram": 2, "tags": ["two"], "properties": {"p": "2"}},
    "deactivated": {"source": "d.raw", "status": "deactivated"},
    "reactivated": {"source": "e.raw", "status": "active"},
    "shared": {"source": "f.raw", "visibility": "shared", "members": ["p2", "p3"]},
    "switched-off": {"source": "b.raw", "status": "deactivated"},
}
NEW = 3
"""Images that are uploaded on the way from one to the other."""


@dataclass
class Stage:
    """A catalogue, the cloud behind two proxies (``proxy``: the image service's), and the command."""

    cloud: Cloud
    proxy: Proxy
    identity: Proxy
    runner: Runner
    folder: Path
    env: dict[str, str]
    words: tuple[str, ...] = ("--cloud", "operator", "--jobs", "1", "--max-delete", "100%")

    def want(self, images: dict[str, dict[str, Any]]) -> None:
        """The manifest."""
        document = {"version": 1, "catalog": "base", "defaults": PRIVATE, "images": images}
        (self.folder / "base.yaml").write_text(json.dumps(document))

    def apply(self) -> tuple[int, str]:
        """A plain apply: exit code and what it told."""
        return self.runner.run("apply", "--yes", str(self.folder), *self.words)

    def live(self) -> list[dict[str, Any]]:
        """Every image of the project, over plain HTTP."""
        return self.cloud.http().images()

    def state(self) -> list[str]:
        """All that a person would call the same, in order: no ids and times."""
        return sorted(json.dumps(self._plain(image), sort_keys=True) for image in self.live() if not _is_lease(image))

    def _plain(self, image: dict[str, Any]) -> dict[str, Any]:
        steady = {name: value for name, value in image.items() if name not in UNSTEADY}
        members = []
        if image["visibility"] == "shared":
            members = self.cloud.http().get(f"/images/{image['id']}/members")["members"]
        return {**steady, "tags": sorted(image["tags"]), "members": sorted(one["member_id"] for one in members)}

    def prepared(self) -> Snapshot:
        """The state before, with two generations of the image that will be replaced."""
        self.want({**BEFORE, "replaced": {**BEFORE["replaced"], "source": "h.raw"}})
        assert self.apply()[0] == 0
        self.want(BEFORE)
        assert self.apply()[0] == 0
        self.want(AFTER)
        return self.cloud.snapshot()

    def undisturbed(self, beginning: Snapshot) -> tuple[set[str], list[str]]:
        """The kinds of request that an apply makes when nothing happens, and the state it ends in; then back."""
        self.proxy.forget()
        code, told = self.apply()
        assert code == 0, told
        kinds, state = {call.kind for call in self.proxy.calls}, self.state()
        self.cloud.restore(beginning)
        self.proxy.forget()
        return kinds, state

    def verified(self) -> set[str]:
        """Digests of what is with the service, verified, and not yet published."""
        found = [image for image in self.live() if image.get("imagesync_role") == "staging"]
        return {image["os_hash_value"] for image in found if image["status"] in ("active", "deactivated")}


def _is_lease(image: dict[str, Any]) -> bool:
    return "imagesync_lease" in image


@contextmanager
def staged(cloud: Cloud, tmp_path: Path) -> Iterator[Stage]:
    """Everything ready, nothing applied."""
    folder = tmp_path / "catalogue"
    folder.mkdir()
    for name, content in DATA.items():
        (folder / name).write_bytes(content)
    with between(cloud.image_url) as proxy, between(cloud.auth_url.removesuffix("/v3")) as identity:
        clouds = yaml.safe_load(cloud.clouds_yaml.read_text())
        clouds["clouds"]["operator"]["auth"]["auth_url"] = f"{identity.address}/v3"
        clouds["clouds"]["operator"] |= {"image_endpoint_override": proxy.address, "api_timeout": 3}
        (tmp_path / "clouds.yaml").write_text(yaml.safe_dump(clouds))
        env = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        env |= {"OS_CLIENT_CONFIG_FILE": str(tmp_path / "clouds.yaml"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        with Runner(env, tmp_path) as runner:
            yield Stage(cloud, proxy, identity, runner, folder, env)
