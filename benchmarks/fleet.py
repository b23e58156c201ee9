"""Targets on the workers of a fleet against the number of targets, beside one process: time, memory, events. See README.md."""

import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from benchmarks.upload import served
from tests.command import cloud_environment
from tests.fleet.certificates import write_certificates

SEED = 20261127
KIB = 1024


@dataclass(frozen=True)
class Trial:
    """One apply: seconds, peak RSS in MiB of the command, the scheduler and the largest worker, lines of ``--events``."""

    seconds: float
    client: int
    scheduler: int
    worker: int
    events: int


class Bench:
    """A catalog whose targets are stores, and the processes of a fleet on this host."""

    def __init__(self, folder: Path, url: str, files: Path, parallel: int) -> None:
        self._parallel = parallel
        self._folder, self._url, self._files = folder, url, files
        self.tls = write_certificates(folder / "tls")
        self._env = cloud_environment(None, XDG_CACHE_HOME=str(folder / "cache"))

    def write(self, targets: Sequence[str], images: int, size: int) -> None:
        """Write images of this many bytes, and the manifest."""
        numbers = random.Random(f"{SEED} {len(targets)} {size}")
        declared = {}
        for index in range(images):
            data = numbers.randbytes(size)
            (self._files / f"{index}.raw").write_bytes(data)
            checksum = f"sha256:{sha256(data).hexdigest()}"
            declared[f"image-{index}"] = {"source": {"url": f"{self._url}/{index}.raw", "checksum": checksum}}
        document = {
            "version": 1,
            "catalog": "bench",
            "targets": {name: {"store": str(self._folder / "stores" / name)} for name in targets},
            "defaults": {"disk_format": "raw", "container_format": "bare"},
            "images": declared,
        }
        (self._folder / "bench.yaml").write_text(json.dumps(document))

    @contextmanager
    def open_fleet(self, shares: Sequence[Sequence[str]]) -> Iterator[tuple[str, list[int]]]:
        """A scheduler and a worker for each share of the targets: its address, and the ids of the processes."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        address = f"tls://127.0.0.1:{port}"
        processes = [self._start("scheduler", "--port", str(port))]
        for index, share in enumerate(shares):
            offers = [word for name in share for word in ("--target", name)]
            limit = ("--parallel-targets", str(self._parallel)) if self._parallel else ()
            processes.append(self._start("worker", address, *offers, *limit, "--name", f"worker-{index}"))
        try:
            for process in processes:
                self._wait_until_ready(process)
            yield address, [process.pid for process in processes]
        finally:
            for process in reversed(processes):
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(180)

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        log = (self._folder / f"{words[0]}-{words[-1]}.log").open("wb")
        command = [sys.executable, "-m", "imagesync", "fleet", *words, "--tls", str(self.tls)]
        process = subprocess.Popen(command, cwd=self._folder, env=self._env, stdout=log, stderr=log)
        process.log = Path(log.name)  # type: ignore[attr-defined]
        return process

    @staticmethod
    def _wait_until_ready(process: subprocess.Popen[bytes]) -> None:
        while b" ready" not in process.log.read_bytes():  # type: ignore[attr-defined]
            if process.poll() is not None:
                raise SystemExit(process.log.read_text())  # type: ignore[attr-defined]
            time.sleep(0.1)

    def apply(self, address: str | None, pids: Sequence[int], *words: str) -> Trial:
        """Apply to all targets, from an empty state, in a new process."""
        subprocess.run(["rm", "-rf", self._folder / "stores", self._folder / "cache"], check=True)
        (self._folder / "stores").mkdir()
        on = ("--on", address, "--tls", str(self.tls)) if address else ()
        command = [sys.executable, "-m", "imagesync", "apply", "bench.yaml", "--yes", "--quiet", "--all-targets"]
        command += ["--allow-outside", "--events", "events", *on, *words]
        begun = time.monotonic()
        with (self._folder / "client.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=self._folder, env=self._env, stdout=log, stderr=log)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            lines = (self._folder / "client.log").read_text().splitlines()
            text = "\n".join(line[:300] for line in lines if not line.startswith("target-"))
            raise SystemExit(f"exit code {process.returncode}: {text[-3000:]}")
        seconds, peaks = time.monotonic() - begun, [read_peak(pid) for pid in pids] or [0, 0]
        lines = len((self._folder / "events").read_text().splitlines())
        return Trial(seconds, usage.ru_maxrss // 1024, peaks[0], max(peaks[1:]), lines)


def read_peak(pid: int) -> int:
    """The peak RSS of a running process, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def share_out(targets: Sequence[str], workers: int) -> list[Sequence[str]]:
    """The targets of each worker."""
    return [share for index in range(workers) if (share := targets[index::workers])]


def measure_row(bench: Bench, number: int, workers: int, images: int, size: int, rounds: int) -> None:
    """Print one line of the table: on the fleet, and in one process."""
    targets = [f"target-{index:03}" for index in range(number)]
    bench.write(targets, images, size)
    with bench.open_fleet(share_out(targets, workers)) as (address, pids):
        on_fleet = [bench.apply(address, pids) for _ in range(rounds)]
    alone = [bench.apply(None, ()) for _ in range(rounds)]
    print(
        f"| {number} | {workers} | {find_median(on_fleet):.1f} s | {max(one.client for one in on_fleet)} MiB | "
        f"{max(one.scheduler for one in on_fleet)} MiB | {max(one.worker for one in on_fleet)} MiB | "
        f"{max(one.events for one in on_fleet)} | {find_median(alone):.1f} s | {max(one.client for one in alone)} MiB |",
        flush=True,
    )


def find_median(trials: Sequence[Trial]) -> float:
    """The median of the seconds."""
    return statistics.median(one.seconds for one in trials)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, nargs="+", default=[10, 50, 100, 200, 500])
    parser.add_argument("--workers", type=int, default=5)
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--size", type=int, default=64, help="KiB of each image")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--parallel", type=int, default=0, help="targets of a worker at a time; 0: all")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imagesync-bench-") as name:
        folder, files = Path(name), Path(name) / "files"
        files.mkdir()
        with served(files) as url:
            bench = Bench(folder, url, files, words.parallel)
            print(f"{words.images} images of {words.size} KiB; load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
            print(
                "| targets | workers | fleet | command | scheduler | largest worker | events | one process | its memory |"
            )
            print("|---|---|---|---|---|---|---|---|---|")
            for number in words.targets:
                measure_row(bench, number, words.workers, words.images, words.size * KIB, words.rounds)


if __name__ == "__main__":
    main()
