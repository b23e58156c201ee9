"""Several targets need the same image: one download, whatever single targets, the disk or the publisher do."""

import hashlib
import json
import lzma
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import Unavailable
from imagesync.execution.executor import execute
from imagesync.execution.performer import Performer
from imagesync.execution.transfers import MAX_TRIES
from imagesync.labels import format_label, label
from imagesync.model.catalog import Catalog, Checksum, Compression, Fingerprint, Status, Transfer, UrlSource
from imagesync.model.plan import Plan
from imagesync.model.report import Outcome, Report
from imagesync.planning.builds import count_sent_builds
from imagesync.run import Settings
from imagesync.sources import SharedSources
from imagesync.workflow import Planner, apply
from tests.fault.mirror import File, Mirror, mirror
from tests.mounts import run_mounted
from tests.pipeline import planned
from tests.trials import note
from tests.unit.factories import catalog, spec

MIB = 2**20
DATA = b"".join(hashlib.sha256(bytes([number])).digest() * (MIB // 32) for number in range(6))
"""6 MiB."""


class Site(Local):
    """A store whose uploads may fail or wait.

    ``failures``: of the next uploads, each after the whole body (True) or in its middle. ``may_begin``: what each upload
    waits for.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(Store(folder), "site")
        self.failures: list[bool] = []
        self.may_begin, self.begun = threading.Event(), threading.Event()
        self.may_begin.set()
        self.uploads = 0

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        self.uploads += 1
        super().upload(image_id, self._spoil(chunks), size, store=store)

    def _spoil(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        is_late = self.failures.pop(0) if self.failures else None
        for number, chunk in enumerate(chunks):
            yield chunk
            if number == 0:
                self.begun.set()
                self.may_begin.wait(60)
            if is_late is False:
                raise Unavailable("the connection is broken")
        if is_late:
            raise Unavailable("503")


class Fleet:
    """Sites that are targets, and an image at a URL of ``web``."""

    def __init__(
        self, folder: Path, web: Mirror, sites: str, data: bytes = DATA, compression: Compression = Compression.NONE
    ) -> None:
        self.web, self.temporary = web, folder / "temporary"
        self.temporary.mkdir()
        self.sites = {name: Site(folder / f"store-{name}") for name in sites}
        self.digest = Checksum("sha256", hashlib.sha256(data).hexdigest())
        self.url = web.publish("/x.raw", data)
        source = UrlSource((self.url,), checksum=self.digest, transfer=Transfer(compression))
        self.image = spec("x", source=source, fingerprint=Fingerprint((self.digest,)))
        self.warnings: list[str] = []

    def plan(self, catalogs: Mapping[str, Catalog] | None = None) -> dict[str, Plan]:
        """The plan of each target."""
        every = catalogs or dict.fromkeys(self.sites, catalog(self.image))
        return {name: planned(site, every[name]) for name, site in self.sites.items()}

    def share(self, plans: Mapping[str, Plan], limit: int | None = None) -> SharedSources:
        """What the targets open."""
        shared = SharedSources(plans, folder=self.temporary, limit=limit, warn=self.warnings.append)
        for name, plan in plans.items():
            shared.expect(name, count_sent_builds(plan))
        return shared

    def run(self, plans: Mapping[str, Plan] | None = None, limit: int | None = None) -> dict[str, Report]:
        """Apply all plans at the same time."""
        plans = plans or self.plan()
        with self.share(plans, limit) as shared, ThreadPoolExecutor(len(plans)) as pool:
            running = {name: pool.submit(self.run_one, name, plan, shared) for name, plan in plans.items()}
            return {name: one.result() for name, one in running.items()}

    def run_one(
        self, name: str, plan: Plan, shared: SharedSources, is_stopped: Callable[[], bool] = lambda: False
    ) -> Report:
        """Apply the plan of one target."""
        with shared.join(name) as opener:
            performer = Performer(self.sites[name], plan, opener=opener, is_stopped=is_stopped)
            cancelled = type("Stop", (), {"is_set": staticmethod(is_stopped)})()
            return execute(plan, performer, jobs=4, notify=lambda _: None, cancelled=cancelled)

    def count_downloads(self) -> int:
        """GETs of the file."""
        return self.web.queries.count("GET /x.raw")

    def read(self, name: str) -> list[bytes]:
        """The data of each image of a target."""
        site = self.sites[name]
        return [b"".join(site.download(image.id)) for image in site.images() if image.status is Status.ACTIVE]


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A web server."""
    with mirror() as found:
        yield found


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("imagesync-")] == []


def list_outcomes(reports: Mapping[str, Report]) -> str:
    """The outcome of the step of each target."""
    return " ".join(f"{name}:{result.outcome.value}" for name, one in reports.items() for result in one.results)


@pytest.mark.parametrize("sites", ["ab", "abcdef"])
def test_targets_of_one_run_download_an_image_once(tmp_path: Path, web: Mirror, sites: str) -> None:
    """Each gets all bytes, and no file is left."""
    fleet = Fleet(tmp_path, web, sites)
    reports = fleet.run()
    assert all(report.succeeded for report in reports.values())
    assert fleet.count_downloads() == 1
    assert all(fleet.read(name) == [DATA] for name in sites)
    assert os.listdir(fleet.temporary) == fleet.warnings == []


def test_a_packed_image_is_unpacked_once(tmp_path: Path, web: Mirror) -> None:
    """What is recorded of it is the same as without sharing."""
    fleet = Fleet(tmp_path, web, "abc", lzma.compress(DATA), Compression.XZ)
    fleet.run({name: plan for name, plan in fleet.plan().items() if name != "c"})
    assert fleet.count_downloads() == 1
    fleet.run({"c": fleet.plan()["c"]})
    shared, alone = ({**fleet.sites[name].images()[0].properties} for name in "ac")
    assert shared["imagesync_digest"] == alone["imagesync_digest"]
    assert fleet.read("a") == fleet.read("b") == fleet.read("c") == [DATA]


def test_a_slow_target_delays_no_other(tmp_path: Path, web: Mirror) -> None:
    """The others end while it has sent its first chunk."""
    fleet = Fleet(tmp_path, web, "abc")
    plans = fleet.plan()
    fleet.sites["a"].may_begin.clear()
    with fleet.share(plans) as shared, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(fleet.run_one, "a", plans["a"], shared)
        assert fleet.sites["a"].begun.wait(60)
        assert fleet.run_one("b", plans["b"], shared).succeeded
        assert fleet.run_one("c", plans["c"], shared).succeeded
        fleet.sites["a"].may_begin.set()
        assert slow.result().succeeded
    assert fleet.count_downloads() == 1
    assert fleet.read("a") == [DATA]


def test_a_target_that_fails_fails_alone(tmp_path: Path, web: Mirror) -> None:
    """However often it tries, the source is read once."""
    fleet = Fleet(tmp_path, web, "abc")
    fleet.sites["a"].failures = [False, True, True]
    fleet.sites["b"].failures = [False, True]
    assert list_outcomes(fleet.run()) == "a:failed b:done c:done"
    assert [site.uploads for site in fleet.sites.values()] == [MAX_TRIES, MAX_TRIES, 1]
    assert fleet.count_downloads() == 1
    note("uploads of some targets that share data break", "one target failed, the others were done, one download")
    assert fleet.read("b") == fleet.read("c") == [DATA]


def test_a_late_target_reads_the_file_of_the_others(tmp_path: Path, web: Mirror) -> None:
    """A later wave, say; the publisher may be unreachable by then."""
    fleet = Fleet(tmp_path, web, "abc")
    plans = fleet.plan()
    with fleet.share(plans) as shared:
        assert fleet.run_one("a", plans["a"], shared).succeeded
        web.files.clear()
        assert fleet.run_one("b", plans["b"], shared).succeeded
        assert fleet.run_one("c", plans["c"], shared).succeeded
    assert fleet.count_downloads() == 1
    assert fleet.read("c") == [DATA]


def test_a_target_that_is_stopped_stops_no_other(tmp_path: Path, web: Mirror) -> None:
    """Its upload is interrupted."""
    fleet = Fleet(tmp_path, web, "ab")
    plans = fleet.plan()
    with fleet.share(plans) as shared:
        stopped = fleet.run_one("a", plans["a"], shared, fleet.sites["a"].begun.is_set)
        assert [result.outcome for result in stopped.results] == [Outcome.INTERRUPTED]
        assert fleet.run_one("b", plans["b"], shared).succeeded
    assert fleet.read("a") == []
    assert fleet.read("b") == [DATA]


@pytest.mark.parametrize("compression", [Compression.NONE, Compression.XZ])
def test_a_wrong_checksum_makes_no_image_active(tmp_path: Path, web: Mirror, compression: Compression) -> None:
    """At any target, also at one that comes later; the file is read once."""
    data = lzma.compress(DATA) if compression is Compression.XZ else DATA
    fleet = Fleet(tmp_path, web, "abcd", data, compression)
    web.publish("/x.raw", data[:-40] + bytes(8) + data[-32:])
    plans = fleet.plan()
    with fleet.share(plans) as shared, ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda name: fleet.run_one(name, plans[name], shared), "abc"))
        reports.append(fleet.run_one("d", plans["d"], shared))
    for report in reports:
        assert [result.outcome for result in report.results] == [Outcome.FAILED]
        assert "not the declared sha256" in str(report.results[0].error)
    assert [site.images() for site in fleet.sites.values()] == [[]] * 4
    assert fleet.count_downloads() == 1
    note("data that four targets share has a wrong checksum", "no image became active, one download")


def test_after_a_failed_download_a_later_target_tries_again(tmp_path: Path, web: Mirror) -> None:
    """The server has recovered."""
    fleet = Fleet(tmp_path, web, "abc")
    plans = fleet.plan()
    with fleet.share(plans) as shared:
        web.publish("/x.raw", File(b"", 404))
        failed = fleet.run_one("a", plans["a"], shared)
        assert "404" in str(failed.results[0].error)
        web.publish("/x.raw", DATA)
        assert fleet.run_one("b", plans["b"], shared).succeeded
        assert fleet.run_one("c", plans["c"], shared).succeeded
    assert fleet.count_downloads() == 2


def test_different_formats_are_read_separately(tmp_path: Path, web: Mirror) -> None:
    """Their inspection differs; targets with the same formats share a download."""
    fleet = Fleet(tmp_path, web, "abcd")
    other = replace(fleet.image, disk_format="ami", container_format="ami")
    catalogs = {name: catalog(fleet.image if name in "ab" else other) for name in "abcd"}
    assert all(report.succeeded for report in fleet.run(fleet.plan(catalogs)).values())
    assert fleet.count_downloads() == 2
    assert {name: site.images()[0].disk_format for name, site in fleet.sites.items()} == {
        "a": "raw",
        "b": "raw",
        "c": "ami",
        "d": "ami",
    }


@pytest.mark.parametrize("is_packed", [False, True])
def test_no_target_fails_because_of_the_limit(tmp_path: Path, web: Mirror, *, is_packed: bool) -> None:
    """Each target reads the source by itself, whether the size was known before or not."""
    data, compression = (lzma.compress(DATA), Compression.XZ) if is_packed else (DATA, Compression.NONE)
    fleet = Fleet(tmp_path, web, "abc", data, compression)
    reports = fleet.run(limit=2 * MIB)
    assert all(report.succeeded for report in reports.values()), list_outcomes(reports)
    assert all(fleet.read(name) == [DATA] for name in "abc")
    assert len(fleet.warnings) == 1


def test_the_warning_about_the_limit_has_the_label_of_no_target(tmp_path: Path, web: Mirror) -> None:
    """It is about all of them, whichever needs the room first."""
    fleet, labels = Fleet(tmp_path, web, "ab"), list[str]()
    fleet.image = replace(fleet.image, fingerprint=Fingerprint((fleet.digest,), len(DATA)))
    plans = fleet.plan()
    with SharedSources(plans, folder=fleet.temporary, limit=1, warn=lambda _: labels.append(format_label())) as shared:
        for name, plan in plans.items():
            with label(name):
                assert fleet.run_one(name, plan, shared).succeeded
    assert labels == [""]


KILLED = """
import sys, threading
from pathlib import Path
from imagesync.model.catalog import Fingerprint, UrlSource
from imagesync.sources import SharedSources
url, folder = sys.argv[1:]
source = UrlSource((url,))
with SharedSources("ab", folder=folder) as shared, shared.join("a") as opener:
    with opener(
        source, Fingerprint(), disk_format="raw", container_format="bare", access=None, check=lambda: None
    ) as stream:
        print(len(next(iter(stream))), flush=True)
        threading.Event().wait()
"""


def test_a_killed_run_leaves_no_file(tmp_path: Path, web: Mirror) -> None:
    """The file has no name, so nothing can be left of it."""
    url = web.publish("/x.raw", DATA)
    with subprocess.Popen([sys.executable, "-c", KILLED, url, tmp_path], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == f"{MIB}\n"
        links = [os.readlink(link) for link in Path(f"/proc/{running.pid}/fd").iterdir() if link.is_symlink()]
        assert [link for link in links if link.startswith(str(tmp_path))]
        assert os.listdir(tmp_path) == []
        running.send_signal(signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL
    assert os.listdir(tmp_path) == []
    note("kill -9 while targets share data", "no file is left")


def test_a_whole_run_opens_its_sources_with_the_given_function(tmp_path: Path, web: Mirror) -> None:
    """Through lease, second plan and final check."""
    fleet = Fleet(tmp_path, web, "ab")
    with fleet.share(fleet.plan()) as shared:
        for name, site in fleet.sites.items():
            with shared.join(name) as opener:
                ended = apply(Planner(site, catalog(fleet.image)), Settings(opener=opener))
            assert ended.report.succeeded
    assert fleet.count_downloads() == 1


def test_a_full_or_read_only_disk_under_the_shared_data(tmp_path: Path) -> None:
    """Every target gets its image, and the user is warned once; a folder that cannot be written is refused before the run."""
    (tmp_path / "x.raw.xz").write_bytes(lzma.compress(DATA))
    image = {"source": "x.raw.xz", "disk_format": "raw", "container_format": "bare"}
    targets = {name: {"store": name} for name in "abc"}
    document = {"version": 1, "catalog": "base", "targets": targets, "images": {"x": image}}
    (tmp_path / "base.yaml").write_text(json.dumps(document))
    (tmp_path / "disk").mkdir()
    refused, short, again = run_mounted(
        tmp_path,
        """
        mount -t tmpfs -o size=2m,ro none disk
        imagesync apply --yes --all-targets --spool disk base.yaml
        test ! -e a
        mount -o remount,rw disk
        imagesync apply --yes --all-targets --spool disk --spool-limit 1GiB base.yaml
        test -z "$(ls -A disk)"
        imagesync plan --all-targets base.yaml
        """,
    )
    assert refused == (
        64,
        "imagesync: no temporary file can be written in disk: Read-only file system; pass another folder: --spool DIR; "
        "or let each target read its sources by itself: --spool off",
    )
    assert short[0] == 0, short
    warning = (
        "x.raw.xz: each target reads the source by itself, because its temporary file cannot be written: No space left"
    )
    assert short[1].count(warning) == short[1].count("--spool-limit") == 1
    assert again[1].count("3 without changes.") == 1
    note("disk full under the data that targets share", "every target got its image, one warning")
