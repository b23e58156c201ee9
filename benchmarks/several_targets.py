"""One target, twenty targets, and five targets of which one is dead: the time of ``imagesync apply``. See README.md."""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from benchmarks.upload import MIB, served
from tests.cloud.bootstrap import PASSWORD
from tests.cloud.service import Cloud, find_free_port
from tests.command import cloud_environment

SEED = 20261127


@dataclass(frozen=True)
class Trial:
    """One run: seconds of the whole command, its peak RSS in MiB, and seconds until all living targets have ended."""

    seconds: float
    peak: int
    living: float


class Bench:
    """A catalog with targets in stores and in projects of a running cloud."""

    def __init__(self, cloud: Cloud, folder: Path, url: str, files: Path) -> None:
        self._cloud, self._folder, self._url, self._files = cloud, folder, url, files
        clouds = yaml.safe_load(cloud.clouds_yaml.read_text())
        self._entries: dict[str, Any] = {"dead": self._make_dead(clouds["clouds"]["operator"])}
        self._template = clouds["clouds"]["operator"]
        self.targets: dict[str, dict[str, str]] = {"dead": {"cloud": "dead"}}
        self._round = 0

    def _make_dead(self, entry: dict[str, Any]) -> dict[str, Any]:
        """A cloud whose identity service does not listen."""
        return {**entry, "auth": {**entry["auth"], "auth_url": f"http://127.0.0.1:{find_free_port()}/v3"}}

    def add_projects(self, number: int) -> list[str]:
        """New projects of the cloud, each a target; their names."""
        roles = {role["name"]: role["id"] for role in self._cloud.identity("GET", "/roles")["roles"]}
        user = self._cloud.identity("GET", "/users?name=operator")["users"][0]["id"]
        names = [f"project-{index:02}" for index in range(number)]
        for name in names:
            project = self._cloud.identity("POST", "/projects", {"project": {"name": name}})["project"]["id"]
            self._cloud.identity("PUT", f"/projects/{project}/users/{user}/roles/{roles['member']}")
            auth = {**self._template["auth"], "project_name": name, "password": PASSWORD}
            self._entries[name] = {**self._template, "auth": auth}
            self.targets[name] = {"cloud": name}
        return names

    def add_stores(self, number: int) -> list[str]:
        """New stores, each a target; their names."""
        names = [f"store-{index:02}" for index in range(number)]
        self.targets |= {name: {"store": f"stores/{name}"} for name in names}
        return names

    def write(self, images: int, size: int) -> None:
        """Write images of this many MiB, with new data, and the manifest."""
        self._round += 1
        numbers = random.Random(f"{SEED} {self._round}")
        declared = {}
        for index in range(images):
            name = f"{index}.raw"
            with (self._files / name).open("wb") as file:
                for _ in range(size):
                    file.write(numbers.randbytes(MIB))
            digest = subprocess.run(["sha256sum", self._files / name], capture_output=True, check=True, text=True)
            declared[f"image-{index}"] = {
                "source": {"url": f"{self._url}/{name}", "checksum": f"sha256:{digest.stdout.split()[0]}"}
            }
        document = {
            "version": 1,
            "catalog": "bench",
            "targets": self.targets,
            "defaults": {"disk_format": "raw", "container_format": "bare", "visibility": "private"},
            "images": declared,
        }
        (self._folder / "bench.yaml").write_text(json.dumps(document))
        (self._folder / "clouds.yaml").write_text(yaml.safe_dump({"clouds": self._entries}))

    def apply(self, names: Sequence[str], *words: str, code: int = 0) -> Trial:
        """Apply to these targets, from an empty state, in a new process."""
        self._cloud.reset()
        subprocess.run(["rm", "-rf", self._folder / "stores"], check=True)
        (self._folder / "stores").mkdir()
        chosen = [word for name in names for word in ("--target", name)]
        command = [sys.executable, "-m", "imagesync", "apply", "bench.yaml", "--yes", "--quiet", *chosen, *words]
        command += ["--events", "events"] if len(names) > 1 else []
        env = cloud_environment(self._folder / "clouds.yaml", XDG_CACHE_HOME=str(self._folder / "cache"))
        begun, at = time.monotonic(), datetime.now(UTC)
        process = subprocess.Popen(command, cwd=self._folder, env=env, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != code:
            raise SystemExit(f"{names}: exit code {process.returncode}")
        seconds = time.monotonic() - begun
        living = max(self._read_ends(at), default=seconds) if len(names) > 1 else seconds
        return Trial(seconds, usage.ru_maxrss // 1024, living)

    def _read_ends(self, begun: datetime) -> list[float]:
        """Seconds until the end of each target that is not dead."""
        events = map(json.loads, (self._folder / "events").read_text().splitlines())
        ends = [one["at"] for one in events if one["event"] == "run-finished" and one["target"] != "dead"]
        return [(datetime.fromisoformat(end) - begun).total_seconds() for end in ends]


def show(label: str, trials: Sequence[Trial], one: float | None = None) -> float:
    """Print the median, and return it; with ``one`` also the ratio."""
    seconds = statistics.median(trial.seconds for trial in trials)
    living = statistics.median(trial.living for trial in trials)
    ratio = f"  {seconds / one:.2f} times" if one else ""
    peak = max(trial.peak for trial in trials)
    print(f"{label:44} {seconds:6.2f} s  targets ended after {living:6.2f} s  peak RSS {peak:4} MiB{ratio}", flush=True)
    return seconds


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--size", type=int, default=4, help="MiB of each image")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=int, default=256, help="MiB of the image for the memory; 0: not measured")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imagesync-bench-") as name, Cloud() as cloud:
        folder, files = Path(name), Path(name) / "files"
        files.mkdir()
        with served(files) as url:
            bench = Bench(cloud, folder, url, files)
            projects, stores = bench.add_projects(10), bench.add_stores(20)
            bench.write(words.images, words.size)
            print(f"{words.images} images of {words.size} MiB; load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
            found: dict[str, list[Trial]] = {}
            for _ in range(words.rounds):
                for label, names, code in (
                    ("one project", projects[:1], 0),
                    ("one store", stores[:1], 0),
                    ("twenty: five projects, 15 stores", [*projects[:5], *stores[:15]], 0),
                    ("twenty: ten projects, ten stores", [*projects, *stores[:10]], 0),
                    ("twenty stores", stores, 0),
                    ("four: two projects, two stores", [*projects[:2], *stores[:2]], 0),
                    ("the same four and a dead cloud", [*projects[:2], *stores[:2], "dead"], 1),
                ):
                    found.setdefault(label, []).append(bench.apply(names, code=code))
            one = show("one project", found["one project"])
            store = show("one store", found["one store"])
            show("twenty: five projects, 15 stores", found["twenty: five projects, 15 stores"], one)
            show("twenty: ten projects, ten stores", found["twenty: ten projects, ten stores"], one)
            show("twenty stores", found["twenty stores"], store)
            show("four: two projects, two stores", found["four: two projects, two stores"])
            show("the same four and a dead cloud", found["the same four and a dead cloud"])
            if words.large:
                bench.write(1, words.large)
                show(f"twenty stores, one image of {words.large} MiB", [bench.apply(stores, "--jobs", "8")])


if __name__ == "__main__":
    main()
