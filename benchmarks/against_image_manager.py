"""imagesync and openstack-image-manager on the same service with the same images, in the same run. See README.md."""

import argparse
import datetime
import functools
import hashlib
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.cloud.service import Cloud

PEER = "openstack-image-manager==0.20261006.0"


@dataclass(frozen=True)
class Measured:
    """One command: seconds of wall time, and image-service requests."""

    tool: str
    what: str
    seconds: float
    requests: int


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a log."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Log nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder over HTTP on loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def peer_command() -> str:
    """The command openstack-image-manager in a separate virtual environment, which is kept."""
    cache = Path(os.environ.get("IMAGESYNC_TEST_CACHE", Path.home() / ".cache" / "imagesync-tests"))
    venv = cache / hashlib.sha256(PEER.encode()).hexdigest()[:16]
    command = venv / "bin" / "openstack-image-manager"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin" / "pip"), "install", "--quiet", PEER], check=True)
    return str(command)


def prepare(folder: Path, number: int) -> dict[str, str]:
    """Write image files of 4 KiB of no format, which differ; name -> sha256."""
    (folder / "files").mkdir()
    digests = {}
    for index in range(number):
        data = index.to_bytes(4).ljust(4096, b"\xff")
        (folder / "files" / f"{index:04}.raw").write_bytes(data)
        digests[f"bench {index:04}"] = hashlib.sha256(data).hexdigest()
    return digests


PROPERTIES = {
    "architecture": "x86_64",
    "hw_disk_bus": "scsi",
    "hw_rng_model": "virtio",
    "os_distro": "ubuntu",
    "replace_frequency": "never",
}


def write_manifest(folder: Path, url: str, digests: dict[str, str]) -> None:
    """Write the images as a manifest of imagesync."""
    manifest = {
        "version": 1,
        "catalog": "bench",
        "defaults": {
            "disk_format": "raw",
            "container_format": "bare",
            "visibility": "public",
            "properties": PROPERTIES,
        },
        "images": {
            name.replace(" ", "-"): {
                "name": name,
                "source": {"url": f"{url}/{name[-4:]}.raw", "checksum": f"sha256:{digest}"},
            }
            for name, digest in digests.items()
        },
    }
    (folder / "imagesync.yaml").write_text(json.dumps(manifest))


def write_definitions(folder: Path, url: str, digests: dict[str, str]) -> None:
    """Write the same images as definitions of openstack-image-manager."""
    images = [
        {
            "name": name,
            "enable": True,
            "format": "raw",
            "login": "ubuntu",
            "min_disk": 1,
            "min_ram": 0,
            "status": "active",
            "visibility": "public",
            "multi": False,
            "meta": {**PROPERTIES, "uuid_validity": "none", "provided_until": "none", "hypervisor_type": "qemu"},
            "tags": [],
            "versions": [
                {
                    "version": "1",
                    "url": f"{url}/{name[-4:]}.raw",
                    "checksum": f"sha256:{digest}",
                    "build_date": datetime.date(2026, 1, 1),
                    "image_source": f"{url}/{name[-4:]}.raw",
                }
            ],
        }
        for name, digest in digests.items()
    ]
    (folder / "peer").mkdir()
    (folder / "peer" / "images.yml").write_text(yaml.safe_dump({"images": images}))


class Bench:
    """The commands of both tools for one cloud."""

    def __init__(self, cloud: Cloud, folder: Path, digests: dict[str, str], jobs: int) -> None:
        self.cloud, self.folder, self.digests = cloud, folder, digests
        here = [sys.executable, "-m", "imagesync"]
        manifest = [str(folder / "imagesync.yaml"), "--cloud", "operator", "--jobs", str(jobs)]
        peer = [peer_command(), "--cloud", "operator", "--images", str(folder / "peer"), "--no-check"]
        self.commands = {
            "imagesync": ([*here, "apply", *manifest, "--yes"], [*here, "plan", *manifest, "--detailed-exitcode"]),
            "openstack-image-manager": (peer, peer),
        }

    def measure(self, tool: str) -> list[Measured]:
        """Apply to an empty project, and then again with nothing to do."""
        self.cloud.reset()
        first, second = self.commands[tool]
        found = [self._timed(tool, "apply", first)]
        self._check(tool)
        return [*found, self._timed(tool, "no-op", second)]

    def _timed(self, tool: str, what: str, command: list[str]) -> Measured:
        env = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(self.cloud.clouds_yaml)}
        env.pop("OS_AUTH_URL", None)
        self.cloud.forget_requests()
        begun = time.monotonic()
        done = subprocess.run(command, env=env, cwd=self.folder, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - begun
        if done.returncode:
            raise SystemExit(f"{tool} {what}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        (self.folder / f"{tool}.log").write_text(done.stdout + done.stderr)
        return Measured(tool, what, seconds, len(self.cloud.requests()))

    def _check(self, tool: str) -> None:
        """Check that every image exists, is active and public, and has the right data."""
        hashes = {
            hashlib.sha512((self.folder / "files" / f"{name[-4:]}.raw").read_bytes()).hexdigest()
            for name in self.digests
        }
        images = self.cloud.http("operator").images()
        right = [one for one in images if one["status"] == "active" and one["visibility"] == "public"]
        if len(images) != len(hashes) or {one["os_hash_value"] for one in right} != hashes:
            output = (self.folder / f"{tool}.log").read_text()[-3000:]
            raise SystemExit(
                f"{output}\n{tool} made {len(right)} right ones of {len(images)} images, {len(hashes)} were wanted"
            )


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--only", choices=["imagesync", "openstack-image-manager"])
    words = parser.parse_args()
    found: list[Measured] = []
    with tempfile.TemporaryDirectory() as name, Cloud() as cloud:
        folder = Path(name)
        digests = prepare(folder, words.images)
        with served(folder / "files") as url:
            write_manifest(folder, url, digests)
            write_definitions(folder, url, digests)
            bench = Bench(cloud, folder, digests, words.jobs)
            for number in range(words.rounds):
                tools = [words.only] if words.only else ["imagesync", "openstack-image-manager"][:: 1 - number % 2 * 2]
                for tool in tools:
                    for one in bench.measure(tool):
                        found.append(one)
                        each = f"{one.requests / words.images:.1f} an image"
                        print(
                            f"{one.tool:24} {one.what:6} {one.seconds:7.1f} s {one.requests:6} requests, {each}",
                            flush=True,
                        )
    for what in ("apply", "no-op"):
        mine = [one.seconds for one in found if (one.tool, one.what) == ("imagesync", what)]
        theirs = [one.seconds for one in found if (one.tool, one.what) == ("openstack-image-manager", what)]
        if mine and theirs:
            ratio = sum(theirs) / len(theirs) / (sum(mine) / len(mine))
            print(f"{what}: imagesync is {ratio:.1f} times as fast")


if __name__ == "__main__":
    main()
