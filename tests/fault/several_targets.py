"""One manifest with targets in several projects of the real cloud, behind one proxy before the image service."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cloud.service import Cloud
from tests.command import Result, cloud_environment
from tests.fault.fork_server import ForkedCommand
from tests.fault.proxy import Proxy, between
from tests.fault.scenario import PRIVATE, select_steady, write_data

TARGETS = {"one": "operator", "two": "bob", "three": "admin"}
"""The cloud of each target: they are three projects."""
BEFORE: dict[str, dict[str, Any]] = {
    "replaced": {"source": "b.raw", "tags": ["old"]},
    "updated": {"source": "c.raw", "min_ram": 1},
    "removed": {"source": "g.raw"},
}
AFTER: dict[str, dict[str, Any]] = {
    "created": {"source": "h.raw", "properties": {"n": "1"}},
    "replaced": {"source": "a.raw", "tags": ["new"]},
    "updated": {"source": "c.raw", "min_ram": 2},
}


@dataclass
class TargetsWorkspace:
    """The manifest, the proxy, and the command."""

    cloud: Cloud
    proxy: Proxy
    command: ForkedCommand
    folder: Path
    words: tuple[str, ...] = ("--all-targets", "--max-delete", "100%")

    def write(self, images: Mapping[str, object], targets: Mapping[str, object] | None = None) -> None:
        """Write the manifest; ``targets``: others than the three projects."""
        chosen = targets or {name: {"cloud": cloud} for name, cloud in TARGETS.items()}
        document = {"version": 1, "catalog": "base", "targets": chosen, "defaults": PRIVATE, "images": images}
        (self.folder / "base.yaml").write_text(json.dumps(document))

    def apply(self, *more: str) -> Result:
        """Run apply on all targets."""
        return self.command.run("apply", "--yes", str(self.folder), *self.words, *more)

    def live(self, user: str) -> list[dict[str, Any]]:
        """The images of a user's project."""
        project = self.cloud.project_id("admin" if user == "admin" else {"operator": "images", "bob": "other"}[user])
        return [image for image in self.cloud.http(user).images() if image["owner"] == project]

    def states(self, users: Sequence[str] = tuple(TARGETS.values())) -> dict[str, list[str]]:
        """By user, the images without ids and times: equal for two states that a user would call the same."""
        return {
            user: sorted(json.dumps(select_steady(image), sort_keys=True) for image in self.live(user))
            for user in users
        }


@contextmanager
def open_targets_workspace(cloud: Cloud, tmp_path: Path, seconds: float = 3) -> Iterator[TargetsWorkspace]:
    """A workspace without a manifest. ``seconds``: how long the command waits for an answer."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    write_data(folder)
    with between(cloud.image_url) as proxy:
        clouds = yaml.safe_load(cloud.clouds_yaml.read_text())
        for user in TARGETS.values():
            clouds["clouds"][user] |= {"image_endpoint_override": proxy.address, "api_timeout": seconds}
        (tmp_path / "clouds.yaml").write_text(yaml.safe_dump(clouds))
        env = cloud_environment(tmp_path / "clouds.yaml", XDG_CACHE_HOME=str(tmp_path / "cache"))
        with ForkedCommand(env, tmp_path) as command:
            yield TargetsWorkspace(cloud, proxy, command, folder)
