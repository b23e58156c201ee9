"""The lease on the real Glance: processes that race for it and die, and applies that run at the same time.

The lease is an image record without data. A run creates it before its first write and frees it at the end, so only one
run at a time works on a catalog. These tests check it from three sides:

* The race: eight processes (``tests.cloud.lease_racer``) take and leave one lease again and again. Some are killed while
  they hold it, some exit without a release, some lose the answer of the POST that creates it. Each holder creates a file
  with ``O_EXCL``; a second file at the same time would be a violation. The lease numbers must be unique and ascending.
* Two applies: an apply must be stopped in its middle, at a known point, while the test runs another command. That is
  what ``Gate`` is for: a source whose last byte the server keeps back until the test opens the gate. ``gate.asked``
  says that the apply has begun the upload and therefore holds the lease.
* The cost: the requests of an apply with and without a lease are compared.

``ConcurrentWorkspace`` has the manifest and starts commands; those that still run are killed at the end of a test.
"""

import contextlib
import http.server
import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest

from imagesync.backends import open_backend
from imagesync.backends.base import Backend
from imagesync.lease.record import Times
from imagesync.lease.taking import take
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.sources import identify
from tests import command, forked, points
from tests.cloud.neighbors import is_neighbor
from tests.cloud.service import Cloud
from tests.command import Process, cloud_environment
from tests.pipeline import applied, planned
from tests.trials import note
from tests.waiting import wait_until


def run_race(cloud: Cloud, folder: Path, *, processes: int, times: int, seed: int) -> dict[str, list[str]]:
    """One race; the lines of each file that the racers wrote, by file name."""
    folder.mkdir()
    for name in ("taken", "killed", "lost", "deleted", "violations"):
        (folder / name).touch()
    arguments = (str(folder), "alice", str(processes), str(times), str(seed))
    env, program = cloud_environment(cloud.clouds_yaml), ("-m", "tests.cloud.lease_racer")
    with command.start(*arguments, env=env, program=program) as racers:
        result = racers.wait(seconds=280)
    assert (result.code, result.stderr) == (0, "")
    return {path.name: path.read_text().splitlines() for path in folder.iterdir()}


def test_racing_and_dying_processes_never_hold_the_lease_together(cloud: Cloud, tmp_path: Path) -> None:
    """Some are killed while they hold it, some during a POST, some exit without a release. POSTs get lost or arrive late, and a
    clean-up deletes the newest record.
    """
    found = run_race(cloud, tmp_path / "race", processes=6, times=2, seed=0)
    assert found["violations"] == []
    assert len(found["taken"]) >= 6
    assert 1 <= len(found["killed"]) <= 3  # one that lost its lease, or three POSTs, in its last turn lives on
    for _ in found["taken"]:
        note("a lease that is taken while six processes race for it, die, and lose answers", "never two holders")


@pytest.mark.exhaustive
@pytest.mark.parametrize("database", ["cloud", "mariadb_cloud"])
def test_sixteen_processes_race_on_each_database(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> None:
    """Each race has its own faults."""
    cloud: Cloud = request.getfixturevalue(database)
    for seed in points.choose(request.config, range(points.TURNS)):
        cloud.reset()
        found = run_race(cloud, tmp_path / f"race-{seed}", processes=16, times=3, seed=1000 * seed + 1)
        assert found["violations"] == [], seed
        assert len(found["taken"]) >= 20, seed
        for _ in found["taken"]:
            note(f"a lease that is taken while sixteen processes race for it ({database})", "never two holders")


class ConcurrentWorkspace:
    """A manifest, and commands that run on it at the same time."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder
        self.env = cloud_environment(cloud.clouds_yaml)
        self._started = contextlib.ExitStack()

    def write(self, sources: dict[str, str], **fields: object) -> None:
        """Write the manifest, with one image for each source."""
        defaults = {"disk_format": "raw", "container_format": "bare", **fields}
        images = {key: {"source": source} for key, source in sources.items()}
        document = {"version": 1, "catalog": "base", "defaults": defaults, "images": images}
        (self.folder / "base.yaml").write_text(json.dumps(document))

    def files(self, number: int, **fields: object) -> None:
        """Declare ``count`` images with small files."""
        for index in range(number):
            (self.folder / f"{index}.raw").write_bytes(bytes([index]) * 4096)
        self.write({f"k{index}": f"{index}.raw" for index in range(number)}, **fields)

    def start(self, *words: str, user: str = "alice", path: str | None = None) -> Process:
        """Start ``imagesync WORDS``; it is killed at the end of the test if it still runs."""
        process = command.start(*words, path or str(self.folder), "--cloud", user, env=self.env)
        return self._started.enter_context(process)

    def close(self) -> None:
        """Kill commands that still run."""
        self._started.close()

    def run(self, *words: str, user: str = "alice", code: int = 0) -> str:
        """Run ``imagesync WORDS``; both outputs."""
        return forked.run(*words, str(self.folder), "--cloud", user, env=self.env, code=code).output

    def holder(self) -> dict[str, Any]:
        """The only lease record."""
        (lease,) = self.cloud.http("alice").leases()
        return lease


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> Iterator[ConcurrentWorkspace]:
    """An empty folder and an empty cloud."""
    with contextlib.closing(ConcurrentWorkspace(cloud, tmp_path)) as workspace:
        yield workspace


@pytest.fixture
def backend(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """The cloud as alice sees it, as a Backend."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.clouds_yaml))
    with contextlib.closing(open_backend(cloud="alice")) as opened:
        yield opened


class Gate:
    """A web server with one file, whose last byte it sends only when ``opened`` is set; ``queries`` is set when a client waits."""

    size = 2**22

    def __init__(self) -> None:
        self.queries, self.opened = threading.Event(), threading.Event()
        self.url = ""


@contextlib.contextmanager
def gated() -> Iterator[Gate]:
    """A running gate. The end of the block opens it, so no client waits without end."""
    gate = Gate()

    class GateHandler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(gate.size))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(b"\0" * (gate.size - 1))
            gate.queries.set()
            gate.opened.wait(300)
            self.wfile.write(b"\0")

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    class GateServer(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Do not print that a killed client closed its connection."""

    with GateServer(("127.0.0.1", 0), GateHandler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        gate.url = f"http://127.0.0.1:{server.server_port}/x.raw"
        try:
            yield gate
        finally:
            gate.opened.set()
            server.shutdown()


@pytest.mark.trial("two applies at once on a cloud", "one set of images, both succeeded")
def test_two_applies_at_once_make_one_set_of_images(workspace: ConcurrentWorkspace) -> None:
    """The second reports the running one, waits, plans again, and has nothing to do."""
    with gated() as gate:
        workspace.files(4)
        manifest = json.loads((workspace.folder / "base.yaml").read_text())
        manifest["images"]["slow"] = {"source": gate.url}
        (workspace.folder / "base.yaml").write_text(json.dumps(manifest))
        first = workspace.start("apply", "--yes")
        assert gate.queries.wait(60)
        second = workspace.start("apply", "--yes")
        output = second.wait_for("locked by another run")
        gate.opened.set()
        one, two = first.wait(), second.wait()
    holder = json.loads(workspace.holder()["imagesync_lease_holder"])
    assert f"pid {first.pid}, since " in output
    assert "waiting for at most 120 s" in output
    assert (one.code, two.code) == (0, 0)
    assert "Applied: 5 created." in one.stdout
    assert two.stdout.endswith("No changes. 5 images match the manifest.\n")
    assert holder["pid"] == str(second.pid)
    assert [image["imagesync_key"] for image in workspace.cloud.http("alice").images()] == [
        "k0",
        "k1",
        "k2",
        "k3",
        "slow",
    ]


def test_without_a_wait_the_error_has_the_holder_and_the_remedies(workspace: ConcurrentWorkspace) -> None:
    """Exit code 1, nothing changed; with ``--no-lock`` it runs."""
    with gated() as gate:
        workspace.write({"slow": gate.url})
        first = workspace.start("apply", "--yes")
        assert gate.queries.wait(60)
        workspace.files(1)
        output = workspace.run("apply", "--yes", "--lock-timeout", "0", "--only", "k*", code=1)
        assert f"pid {first.pid}, since " in output
        assert "imagesync unlock" in output
        assert "k0" not in {image.get("imagesync_key") for image in workspace.cloud.http("alice").images()}
        assert "Applied: 1 created." in workspace.run("apply", "--yes", "--no-lock", "--only", "k*")
        gate.opened.set()
        first.wait()
    assert workspace.holder()["imagesync_lease_number"] == "1"


@pytest.mark.trial("an apply killed while it holds the lease", "the next one on its host waited only for late requests")
def test_the_next_apply_on_the_host_of_a_killed_one_starts_at_once(workspace: ConcurrentWorkspace) -> None:
    """The process no longer runs: the next run waits only for requests that it may have sent, and deletes what it left."""
    with gated() as gate:
        workspace.write({"slow": gate.url})
        first = workspace.start("apply", "--yes")
        assert gate.queries.wait(60)
        first.kill()
        first.wait()
        gate.opened.set()
        assert workspace.holder()["imagesync_lease_state"] == "held"
        refused = workspace.run("apply", "--yes", "--lock-timeout", "0", code=1)
        assert f"its last run did not release the lease (host {os.uname().nodename}, pid {first.pid}, since " in refused
        assert "run again with --lock-timeout 61 or more" in refused
        begun = time.monotonic()
        output = workspace.run("apply", "--yes", "--lock-timeout", "30")
        assert time.monotonic() - begun < 30  # far less than the time of a holder that cannot be asked
    assert "for its late requests" in output
    assert "Applied: " in output
    assert [image["status"] for image in workspace.cloud.http("alice").images()] == ["active"]
    assert workspace.holder()["imagesync_lease_state"] == "free"


@pytest.mark.trial("a lease broken by unlock", "its holder published nothing more and started no further step")
def test_unlock_stops_the_apply_that_holds_the_lease(workspace: ConcurrentWorkspace) -> None:
    """It shows the holder and asks. The running step ends without publishing, and no other starts. The report names
    unlock, and the next run publishes the verified build without an upload.
    """
    with gated() as gate:
        workspace.write({"slow": gate.url, "z1": gate.url, "z2": gate.url})
        running = workspace.start("apply", "--yes", "--jobs", "1")
        assert gate.queries.wait(60)
        assert "pass --yes" in workspace.run("unlock", code=64)
        output = workspace.run("unlock", "--yes")
        assert f"is held by host {os.uname().nodename}, pid {running.pid}, since " in output
        running.wait_for("lease of catalog base is lost")
        gate.opened.set()
        stopped = running.wait()
    assert stopped.code == 1
    closing = stopped.stdout.splitlines()[-1]
    assert closing.startswith("Stopped, the lease of catalog base is lost: it was broken with unlock, or ")
    assert closing.endswith("nothing done; not done: 3 to create. Run apply again to continue.")
    assert "the change was not made; run apply again" in stopped.stdout
    assert "is free; nothing to do" in workspace.run("unlock")
    (left,) = workspace.cloud.http("alice").images()
    found = (left["imagesync_key"], left["imagesync_role"], left["status"], left["os_hidden"])
    assert found == ("slow", "staging", "active", True)


def test_heartbeats_continue_during_the_maximum_of_uploads(workspace: ConcurrentWorkspace, backend: Backend) -> None:
    """Eight uploads wait for the rest of their source; the lease uses a ninth connection."""

    def statuses() -> list[str]:
        return [image["status"] for image in workspace.cloud.http("alice").images()]

    def heartbeat() -> int:
        return int(workspace.holder()["imagesync_lease_heartbeat"])

    with gated() as gate, ThreadPoolExecutor(1) as pool:
        workspace.write({f"slow{number}": gate.url for number in range(8)})
        plan = planned(backend, identify(resolve(load(workspace.folder))))
        held = take(backend, "base", timeout=0, warn=print, times=Times(beat=0.1, poll=0.05), is_new=lambda: True)
        held.start()
        running = pool.submit(applied, backend, plan, jobs=8)
        wait_until(statuses, lambda found: found == ["saving"] * 8, "the service receives eight bodies at once")
        before = heartbeat()
        wait_until(heartbeat, lambda found: found >= before + 5, f"there are 5 heartbeats after {before}")
        gate.opened.set()
        running.result(timeout=60)
        held.release()
    assert workspace.holder()["imagesync_lease_state"] == "free"


def test_the_lease_costs_six_requests_and_an_empty_plan_none(workspace: ConcurrentWorkspace) -> None:
    """They read, take, read again, delete the earlier record, read at the end, and release; each heartbeat (15 s) is two more."""

    def queries(number: int, *words: str) -> list[str]:
        """What an apply that changes two images asks for."""
        workspace.files(2, min_ram=number)
        workspace.cloud.forget_requests()
        workspace.run("apply", "--yes", *words)
        return sorted(request.method for request in workspace.cloud.requests())

    queries(1)
    without = queries(2, "--no-lock")
    for number in (3, 4):
        assert queries(number) == sorted([*without, "GET", "POST", "GET", "DELETE", "GET", "PATCH"])
    assert queries(4) == ["GET", "GET"]


def test_after_many_applies_one_record_is_left_that_no_output_shows(workspace: ConcurrentWorkspace) -> None:
    """It is not in the list, the ids, the plan or the counts, and list does not find it by its id."""
    for number in range(1, 5):
        workspace.files(2, min_ram=number)
        workspace.run("apply", "--yes", "--ids", str(workspace.folder / "ids.json"))
    record = workspace.holder()
    assert (record["os_hidden"], record["visibility"], record["name"]) == (True, "private", None)
    assert record["imagesync_lease_number"] == "4"

    def list_images(*words: str, code: int = 0) -> str:
        result = command.run("list", *words, "--cloud", "alice", env=workspace.env, code=code)
        return result.stdout + result.stderr

    assert record["id"] not in list_images() + list_images("--format", "json")
    assert "no image has the id, key or name" in list_images(record["id"], code=1)
    assert len([one for one in json.loads(list_images("--format", "json")) if not is_neighbor(one["id"])]) == 2
    assert set(json.loads((workspace.folder / "ids.json").read_text())) == {"k0", "k1"}
    assert "2 images declared, 2 owned" in workspace.run("plan")


def test_other_tenants_cannot_see_the_records_or_use_the_next_id(workspace: ConcurrentWorkspace) -> None:
    """If they could compute the ids of the chain, they could use them first: 400 such ids stopped two applies."""
    for number in (1, 2):
        workspace.files(1, min_ram=number)
        workspace.run("apply", "--yes")
    record = workspace.holder()
    other = workspace.cloud.http("bob")
    assert other.send("GET", f"/images/{record['id']}").status_code == 404
    assert record["id"] not in {image["id"] for image in other.everything("visibility=all")}
    computed = [str(uuid5(NAMESPACE_URL, f"{record['owner']}/base/{number}")) for number in range(10)]
    assert not {record["id"], record["imagesync_lease_next"]} & set(computed)
    assert UUID(record["imagesync_lease_next"]).version == 4


def test_the_error_for_a_full_quota_has_a_remedy(workspace: ConcurrentWorkspace) -> None:
    """Only the lease of this update needs space. The error has the quota of the 413, and the remedy --no-lock."""
    workspace.cloud.start_limited()
    workspace.files(1, min_ram=1)
    workspace.run("apply", "--yes", "--no-lock")
    workspace.files(1, min_ram=2)
    workspace.cloud.set_limits("images", image_count_total=1)
    try:
        output = workspace.run("apply", "--yes", user="limited", code=1)
        assert "no room for the lease record of catalog base" in output
        assert "image_count_total" in output
        assert "--no-lock" in output
        workspace.run("apply", "--yes", "--no-lock", user="limited")
    finally:
        workspace.cloud.set_limits("images")
    assert [image["min_ram"] for image in workspace.cloud.http("alice").images()] == [2]


def test_a_saved_plan_is_applied_under_the_lease_too(workspace: ConcurrentWorkspace) -> None:
    """It is checked again with the lease: if another run has changed something, it is stale."""
    with gated() as gate:
        workspace.write({"slow": gate.url})
        saved = str(workspace.folder / "plan.json")
        workspace.run("plan", "-o", saved)
        first = workspace.start("apply", "--yes")
        assert gate.queries.wait(60)
        second = workspace.start("apply", "--yes", path=saved)
        second.wait_for("locked by another run")
        gate.opened.set()
        first.wait()
        stale = second.wait()
    assert stale.code == 1
    assert "the plan is stale" in stale.stderr
    assert "slow: " in stale.stderr
    assert len(workspace.cloud.http("alice").images()) == 1


def test_the_lease_of_a_catalog_that_has_no_image_is_stale(workspace: ConcurrentWorkspace) -> None:
    """Leases of catalogs with images, and of other projects, stay; each user sees those of the own project."""
    workspace.files(1)
    for user in ("alice", "bob"):
        workspace.run("apply", "--yes", user=user)
    assert "is stale; nothing to do" in workspace.run("unlock", "--stale", "--yes")
    workspace.write({})
    workspace.run("apply", "--yes", "--destroy")
    output = workspace.run("unlock", "--stale", "--yes")
    assert "\n  base: free, last run: host " in output
    assert output.endswith("\nDeleted: 1.\n")
    (left,) = workspace.cloud.http("admin").leases()
    assert left["owner"] == workspace.cloud.project_id("other")
    workspace.files(1)
    workspace.run("apply", "--yes")
