"""One image into several local stores: a download for each store, and one for all. See README.md."""

import argparse
import multiprocessing
import os
import resource
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.upload import MIB, Data, disk, noise, packed, served, written
from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.execution.executor import execute
from imagesync.execution.performer import Performer
from imagesync.model.catalog import Checksum, Compression, FileSource, Fingerprint, Transfer, UrlSource
from imagesync.planning.builds import count_sent_builds
from imagesync.sources import OpenSource, SharedSources, SourceStream, open_source
from tests.pipeline import planned
from tests.unit.factories import catalog, spec

WAYS = ("separate", "shared")


@dataclass(frozen=True)
class Figures:
    """Of one run: seconds, CPU seconds (user and system), peak RSS in KiB, and the number of downloads."""

    seconds: float
    cpu: float
    peak: int
    downloads: int


class Counter:
    """``open_source`` that counts its calls."""

    def __init__(self) -> None:
        self.calls, self._lock = 0, threading.Lock()

    @contextmanager
    def __call__(self, *args: object, **ways: object) -> Iterator[SourceStream]:
        """Open a source."""
        with self._lock:
            self.calls += 1
        with open_source(*args, **ways) as stream:  # type: ignore[arg-type]
            yield stream


def run(way: str, url: str | None, data: Data, folder: Path, targets: int, answer: Callable[[Figures], None]) -> None:
    """Fill ``targets`` new stores; the process has done nothing else before. Without ``url`` from the file itself."""
    digest = Checksum("sha256", data.sha256)
    transfer = Transfer(Compression.XZ if data.path.suffix == ".xz" else Compression.NONE)
    name = data.path.name
    source = (
        UrlSource((f"{url}/{name}",), checksum=digest, transfer=transfer)
        if url
        else FileSource(str(data.path), name, digest, transfer=transfer)
    )
    image = spec("x", source=source, fingerprint=Fingerprint((digest,)))
    stores = {f"t{number}": Local(Store(folder / f"store-{number}"), "bench") for number in range(targets)}
    plans = {name: planned(store, catalog(image)) for name, store in stores.items()}
    counter = Counter()

    def fill(name: str, opener: OpenSource) -> None:
        performer = Performer(stores[name], plans[name], opener=opener)
        report = execute(plans[name], performer, jobs=1, notify=lambda _: None, cancelled=threading.Event())
        if not report.succeeded or stores[name].images()[0].os_hash_value != data.sha512:
            raise SystemExit(f"{way} {name}: {report.results}")

    begun = time.monotonic()
    with SharedSources(plans, folder=folder, opener=counter) as shared, ThreadPoolExecutor(targets) as pool:
        for name, plan in plans.items():
            shared.expect(name, count_sent_builds(plan))

        def fill_shared(name: str) -> None:
            with shared.join(name) as opener:
                fill(name, opener)

        work = fill_shared if way == "shared" else lambda name: fill(name, counter)
        list(pool.map(work, plans))
    seconds = time.monotonic() - begun
    used = resource.getrusage(resource.RUSAGE_SELF)
    answer(Figures(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss, counter.calls))


def measure(way: str, url: str | None, data: Data, folder: Path, targets: int) -> Figures:
    """One run in a process of its own; its stores are deleted."""
    os.sync()
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.SimpleQueue()
    with tempfile.TemporaryDirectory(dir=folder) as stores:
        process = spawn.Process(target=run, args=(way, url, data, Path(stores), targets, answers.put))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{way}: exit code {process.exitcode}")
    found: Figures = answers.get()
    return found


def compare(url: str | None, data: Data, folder: Path, targets: int, rounds: int) -> None:
    """Both ways in turn, and their medians."""
    found: dict[str, list[Figures]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in WAYS[:: 1 - number % 2 * 2]:
            found[way].append(measure(way, url, data, folder, targets))
    for way, every in found.items():
        seconds, cpu = (statistics.median(getattr(one, what) for one in every) for what in ("seconds", "cpu"))
        peak, downloads = max(one.peak for one in every) // 1024, max(one.downloads for one in every)
        figures = f"{seconds:6.1f} s  CPU {cpu:6.1f} s  peak RSS {peak:4} MiB  downloads {downloads}"
        print(f"{'url' if url else 'file'} {data.path.name:11} {way:9} {figures}", flush=True)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256, help="MiB of the image")
    parser.add_argument("--targets", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="for files, stores and the shared data")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imagesync-bench-", dir=words.folder) as name:
        folder = Path(name)
        needed = (words.targets + 3) * words.size * MIB
        if shutil.disk_usage(folder).free < 2 * needed:
            raise SystemExit(f"{folder} has less than {2 * needed // MIB} MiB free; choose another --folder")
        files = folder / "files"
        files.mkdir()
        with served(files) as url:
            print(f"load at the beginning {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores", flush=True)
            plain = written(files / "noise.raw", noise(words.size))
            compare(url, plain, folder, words.targets, words.rounds)
            compare(None, plain, folder, words.targets, words.rounds)
            compare(url, packed(written(files / "disk.raw", disk(words.size))), folder, words.targets, words.rounds)
            print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
