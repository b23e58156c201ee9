"""Uploads of imagesync and of ``curl -T`` to the same real service, and the peak memory of imagesync. See README.md."""

import argparse
import contextlib
import hashlib
import http.server
import json
import multiprocessing
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.cloud.service import Cloud, find_free_port

MIB = 2**20
WAYS = ("file", "url", "xz")
TOOLS = ("curl", "imagesync")


@dataclass(frozen=True)
class Run:
    """One upload: seconds of the PUT in the service's log, seconds of the whole command, and its peak RSS in KiB."""

    way: str
    tool: str
    put: float
    command: float
    peak: int


@dataclass(frozen=True)
class Data:
    """One image: its file, packed or not, the sha256 of the file, and the sha512 and size of the data to store."""

    path: Path
    sha256: str
    sha512: str
    size: int


class Sending(http.server.SimpleHTTPRequestHandler):
    """Serves files; the kernel copies the data, as for a web server."""

    protocol_version = "HTTP/1.1"

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send the body of a response. A reader that has enough, as for a check of the source, closes the connection."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            outputfile.flush()
            self.connection.sendfile(source)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Log nothing."""


class Server(http.server.ThreadingHTTPServer):
    """A server for many clients at the same time: with a short queue, connections of 500 targets would be refused."""

    request_queue_size = 1024


def serve(folder: str, port: int) -> None:
    """Serve a folder over HTTP on loopback until the process ends."""
    Server(("127.0.0.1", port), partial(Sending, directory=folder)).serve_forever()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder from a separate process."""
    port = find_free_port()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(str(folder), port), daemon=True)
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.join()


def noise(mebibytes: int) -> Iterator[bytes]:
    """Random data, which cannot be packed, like a disk with packed or encrypted files."""
    chance = random.Random(1)
    return (chance.randbytes(MIB) for _ in range(mebibytes))


def disk(mebibytes: int) -> Iterator[bytes]:
    """Data as in a disk image: a third random data, a third text, a third zeros, in runs of 4 MiB."""
    chance = random.Random(2)
    words = [bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(5000)]
    lines = [b" ".join(chance.choices(words, k=2000))[:8191] + b"\n" for _ in range(256)]
    for number in range(mebibytes):
        kind = number // 4 % 3
        yield (
            chance.randbytes(MIB) if kind == 0 else b"".join(chance.choices(lines, k=128)) if kind == 1 else bytes(MIB)
        )


def written(path: Path, blocks: Iterator[bytes]) -> Data:
    """Write a file with these blocks."""
    sha256, sha512, size = hashlib.sha256(), hashlib.sha512(), 0
    with path.open("wb") as file:
        for block in blocks:
            file.write(block)
            sha256.update(block)
            sha512.update(block)
            size += len(block)
    return Data(path, sha256.hexdigest(), sha512.hexdigest(), size)


def packed(plain: Data, times: int = 1) -> Data:
    """The file as ``xz -T0`` packs it, in many blocks; ``times`` in a row. The plain file is deleted."""
    path = plain.path.with_name(f"{plain.path.name}.xz")
    subprocess.run(["xz", "-T0", "-1", "-f", "-k", str(plain.path)], check=True)
    sha512 = hashlib.sha512()
    with plain.path.open("rb") as file:
        for _ in range(times):
            file.seek(0)
            while block := file.read(MIB):
                sha512.update(block)
    plain.path.unlink()
    if times > 1:  # in pieces, because a child's peak RSS begins with that of its parent
        once = path.rename(path.with_suffix(".once"))
        with path.open("wb") as whole:
            for _ in range(times):
                with once.open("rb") as part:
                    shutil.copyfileobj(part, whole, MIB)
        once.unlink()
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Data(path, sha256, sha512.hexdigest(), plain.size * times)


class Bench:
    """Both tools with one cloud."""

    def __init__(self, cloud: Cloud, folder: Path, url: str) -> None:
        self.cloud, self.folder, self.url = cloud, folder, url
        self.http = cloud.http("operator")

    def run(self, way: str, tool: str, data: Data) -> Run:
        """One upload, judged by the service's own hash; nothing of it is left."""
        os.sync()
        command = self._curl(way, data) if tool == "curl" else self._imagesync(way, data)
        env = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        env["OS_CLIENT_CONFIG_FILE"] = str(self.cloud.clouds_yaml)
        self.cloud.forget_requests()
        with (self.folder / "said.txt").open("w+") as output:
            begun = time.monotonic()
            process = subprocess.Popen(command, env=env, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - begun
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            if process.returncode:
                raise SystemExit(f"{tool} {way}: exit {process.returncode}\n{output.read()[-3000:]}")
        puts = [one for one in self.cloud.requests() if one.method == "PUT" and one.path.endswith("/file")]
        self._check(tool, way, data)
        return Run(way, tool, sum(one.seconds for one in puts), seconds, usage.ru_maxrss)

    def _curl(self, way: str, data: Data) -> list[str]:
        wanted = {"name": "bench", "disk_format": "raw", "container_format": "bare", "visibility": "private"}
        image = self.http.send("POST", "/images", json=wanted).json()
        headers = self.folder / "headers.txt"
        token = self.http.session.headers["X-Auth-Token"]
        headers.write_text(f"Expect:\nContent-Type: application/octet-stream\nX-Auth-Token: {token!s}\n")
        to = f"{self.http.url}/images/{image['id']}/file"
        curl = f"curl -sS --fail-with-body -H @{headers} {to} -T"
        if way == "xz":
            return ["bash", "-c", f"set -o pipefail; xz -dc {data.path} | {curl} -"]
        return [*curl.split(), str(data.path)]

    def _imagesync(self, way: str, data: Data) -> list[str]:
        place = {"url": f"{self.url}/{data.path.name}"} if way == "url" else {"path": data.path.name}
        image = {"source": {**place, "checksum": f"sha256:{data.sha256}"}, "visibility": "private"}
        image |= {"disk_format": "raw", "container_format": "bare"}
        manifest = self.folder / "bench.yaml"
        manifest.write_text(json.dumps({"version": 1, "catalog": "bench", "images": {"bench": image}}))
        return [sys.executable, "-m", "imagesync", "apply", "--yes", str(manifest), "--cloud", "operator"]

    def _check(self, tool: str, way: str, data: Data) -> None:
        images = self.http.images()
        stored = [(one["status"], one["size"], one["os_hash_value"]) for one in images]
        if stored != [("active", data.size, data.sha512)]:
            raise SystemExit(f"{tool} {way} stored something else: {stored}")
        self.cloud.reset()


def compare(bench: Bench, ways: list[str], size: int, rounds: int) -> None:
    """Both tools in turn, the order changed from round to round, and a table of medians."""
    found: list[Run] = []
    makers = {"noise": lambda: written(bench.folder / "noise.raw", noise(size))}
    makers["disk"] = lambda: packed(written(bench.folder / "disk.raw", disk(size)))
    for kind, its_ways in (("noise", ("file", "url")), ("disk", ("xz",))):
        chosen = [way for way in its_ways if way in ways]
        data = makers[kind]() if chosen else None
        for way in chosen:
            for number in range(rounds):
                for tool in TOOLS[:: 1 - number % 2 * 2]:
                    one = bench.run(way, tool, data)  # type: ignore[arg-type]  # ``data`` is made for the chosen way
                    found.append(one)
                    print(f"  {way:5} {tool:10} PUT {one.put:6.1f} s, command {one.command:6.1f} s", flush=True)
        if data:
            data.path.unlink()
    print(f"\n{size} MiB, medians of {rounds}: PUT in the log of the service, then the whole command")
    print(f"{'':6}{'curl':>22}{'imagesync':>24}{'ratio':>8}{'curl':>12}{'imagesync':>12}")
    for way in ways:
        put, whole = ({tool: median(found, way, tool, what) for tool in TOOLS} for what in ("put", "command"))
        output = "".join(f"{put[tool]:12.1f} s{size / put[tool]:6.0f} MiB/s" for tool in TOOLS)
        print(
            f"{way:4}{output}{put['curl'] / put['imagesync']:7.2f}{whole['curl']:10.1f} s{whole['imagesync']:10.1f} s"
        )


def median(found: list[Run], way: str, tool: str, what: str) -> float:
    """Of one figure of one tool's runs."""
    return statistics.median(float(getattr(one, what)) for one in found if (one.way, one.tool) == (way, tool))


def memory(bench: Bench, ways: list[str], small: int, large: int) -> None:
    """Peak RSS of the whole command for a small and a large image."""
    print(f"\npeak RSS of imagesync in MiB{small:>10} MiB{large:>10} MiB{'growth':>10}")
    for way in ways:
        peaks = []
        for size in (small, large):
            if way == "xz":
                data = packed(written(bench.folder / "disk.raw", disk(min(size, 1024))), max(1, size // 1024))
            else:
                data = written(bench.folder / "noise.raw", noise(size))
            peaks.append(bench.run(way, "imagesync", data).peak / 1024)
            data.path.unlink()
        print(f"{way:28}{peaks[0]:14.0f}{peaks[1]:14.0f}{peaks[1] - peaks[0]:10.0f}", flush=True)


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2048, help="MiB of the image that both tools upload")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, nargs=2, default=(10, 4096), metavar=("SMALL", "LARGE"), help="MiB")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--only", choices=["speed", "memory"])
    words = parser.parse_args()
    for tool in ("curl", "xz"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is not installed, and imagesync is to be compared with it; install it")
    with tempfile.TemporaryDirectory(prefix="imagesync-bench-") as name, Cloud() as cloud:
        folder = Path(name)
        needed = 3 * max(words.size, words.memory[1]) * MIB
        if shutil.disk_usage(folder).free < needed:
            raise SystemExit(f"{folder} has less than {needed // MIB} MiB free; choose smaller sizes, or TMPDIR")
        with served(folder) as url:
            bench = Bench(cloud, folder, url)
            bench.run("file", "curl", written(folder / "first.raw", noise(1)))  # the workers of the service start
            print(f"load at the beginning {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores", flush=True)
            if words.only != "memory":
                compare(bench, words.ways, words.size, words.rounds)
            if words.only != "speed":
                memory(bench, words.ways, *words.memory)
            print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
