"""The lease on the real Glance: many processes that race and die, and real applies that meet."""

import contextlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from imagesync import load, open_backend, resolve
from imagesync.backends.base import Backend
from imagesync.lease.holding import take
from imagesync.lease.record import Times
from imagesync.sources import identify
from tests.cloud.neighbours import is_neighbour
from tests.cloud.service import Cloud
from tests.pipeline import applied, planned
from tests.trials import note
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
def test_eight_processes_that_race_and_die_are_never_two_inside(cloud: Cloud, tmp_path: Path) -> None:
    """64 acquisitions and more: some killed while inside, some gone without a release, POST answers lost."""
    (tmp_path / "killed").touch()
    env = {k: v for k, v in os.environ.items() if not k.startswith("OS_")}
    env |= {"OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.cloud.racer", str(tmp_path), "8"]
    racers = [subprocess.Popen([*command, str(seed)], env=env, stderr=subprocess.PIPE, text=True) for seed in range(8)]
    errors = [racer.communicate(timeout=300)[1] for racer in racers]
    assert [error for error in errors if error] == []
    assert not (tmp_path / "violations").exists(), (tmp_path / "violations").read_text()
    taken = [int(line.split()[0]) for line in (tmp_path / "taken").read_text().splitlines()]
    assert len(taken) == len(set(taken)) >= 64
    assert taken == sorted(taken)
    killed = [racer for racer in racers if racer.returncode == -signal.SIGKILL]
    assert len(killed) == 3
    assert len(cloud.http("alice").leases()) == 1
    for _ in taken:
        note("a lease taken while eight processes race for it, die, and lose answers", "never two inside")


class Desk:
    """A catalogue, and applies of it that go on beside each other."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("OS_")}
        self.env |= {"OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml), "PYTHONPATH": str(ROOT)}
        self.started: list[subprocess.Popen[str]] = []

    def write(self, sources: dict[str, str], **fields: object) -> None:
        """The manifest: an image a source."""
        defaults = {"disk_format": "raw", "container_format": "bare", **fields}
        images = {key: {"source": source} for key, source in sources.items()}
        document = {"version": 1, "catalog": "base", "defaults": defaults, "images": images}
        (self.folder / "base.yaml").write_text(json.dumps(document))

    def files(self, number: int, **fields: object) -> None:
        """That many images of small files."""
        for index in range(number):
            (self.folder / f"{index}.raw").write_bytes(bytes([index]) * 4096)
        self.write({f"k{index}": f"{index}.raw" for index in range(number)}, **fields)

    def start(self, *words: str, user: str = "alice") -> subprocess.Popen[str]:
        """``imagesync WORDS``, at work."""
        command = [sys.executable, "-m", "imagesync", *words, str(self.folder), "--cloud", user]
        return self._opened(command)

    def _opened(self, command: list[str]) -> subprocess.Popen[str]:
        pipe, none = subprocess.PIPE, subprocess.DEVNULL
        process = subprocess.Popen(command, env=self.env, stdin=none, stdout=pipe, stderr=pipe, text=True)
        self.started.append(process)
        return process

    def close(self) -> None:
        """Nothing goes on after its test, whatever became of it."""
        for process in self.started:
            with process:
                process.kill()

    def run(self, *words: str, user: str = "alice", code: int = 0) -> str:
        """``imagesync WORDS``, done: both outputs."""
        with self.start(*words, user=user) as process:
            out, errors = process.communicate(timeout=120)
        assert process.returncode == code, (process.returncode, out, errors)
        assert "Traceback" not in errors
        return out + errors

    def told(self, process: subprocess.Popen[str], text: str) -> str:
        """The line with that text on a process's standard error, as soon as it is there."""
        assert process.stderr is not None
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line)
            if text in line:
                return line
        out, _ = process.communicate(timeout=60)
        live = self.cloud.http("alice").everything()
        raise AssertionError(f"exit {process.returncode} without {text!r}: {lines}, {out}, live: {live}")

    def holder(self) -> dict[str, Any]:
        """The only record of a lease."""
        (lease,) = self.cloud.http("alice").leases()
        return lease


@pytest.fixture
def desk(cloud: Cloud, tmp_path: Path) -> Iterator[Desk]:
    """An empty folder beside an empty cloud."""
    with contextlib.closing(Desk(cloud, tmp_path)) as desk:
        yield desk


@pytest.fixture
def backend(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """The cloud as alice sees it, from Python."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.clouds_yaml))
    with contextlib.closing(open_backend(cloud="alice")) as opened:
        yield opened


class Gate:
    """A web server with one file whose end it gives only once it is open; ``asked`` tells that somebody waits for it."""

    size = 2**22

    def __init__(self) -> None:
        self.asked, self.opened = threading.Event(), threading.Event()
        self.url = ""


@contextlib.contextmanager
def gated() -> Iterator[Gate]:
    """A gate, opened at the end at the latest."""
    gate = Gate()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(gate.size))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(b"g" * (gate.size - 1))
            gate.asked.set()
            gate.opened.wait(300)
            self.wfile.write(b"g")

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that was killed is no news."""

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        gate.url = f"http://127.0.0.1:{server.server_port}/x.raw"
        try:
            yield gate
        finally:
            gate.opened.set()
            server.shutdown()


@pytest.mark.trial("two applies at once on a cloud", "one set of images, both succeeded")
def test_two_applies_at_once_make_one_set_of_images(desk: Desk) -> None:
    """The second says who is at work, waits, plans again and finds nothing left to do."""
    with gated() as gate:
        desk.files(4)
        manifest = json.loads((desk.folder / "base.yaml").read_text())
        manifest["images"]["slow"] = {"source": gate.url}
        (desk.folder / "base.yaml").write_text(json.dumps(manifest))
        first = desk.start("apply", "--yes")
        assert gate.asked.wait(60)
        second = desk.start("apply", "--yes")
        told = desk.told(second, "at work elsewhere")
        gate.opened.set()
        one, two = first.communicate(timeout=60)[0], second.communicate(timeout=60)[0]
    holder = json.loads(desk.holder()["imagesync_lease_holder"])
    assert f"pid {first.pid}, since " in told
    assert "waiting for at most 120 s" in told
    assert (first.returncode, second.returncode) == (0, 0)
    assert "Applied: 5 of 5 steps done." in one
    assert two.endswith("No changes. 5 images match the manifest.\n")
    assert holder["pid"] == str(second.pid)
    assert [image["imagesync_key"] for image in desk.cloud.http("alice").images()] == ["k0", "k1", "k2", "k3", "slow"]


def test_who_does_not_want_to_wait_is_told_the_holder_and_the_ways_out(desk: Desk) -> None:
    """Exit 1, nothing changed; ``--no-lock`` goes ahead."""
    with gated() as gate:
        desk.write({"slow": gate.url})
        first = desk.start("apply", "--yes")
        assert gate.asked.wait(60)
        desk.files(1)
        told = desk.run("apply", "--yes", "--lock-timeout", "0", "--only", "k*", code=1)
        assert f"pid {first.pid}, since " in told
        assert "imagesync unlock" in told
        assert "k0" not in {image.get("imagesync_key") for image in desk.cloud.http("alice").images()}
        assert "Applied: 1 of 1 step done." in desk.run("apply", "--yes", "--no-lock", "--only", "k*")
        gate.opened.set()
        first.communicate(timeout=60)
    assert desk.holder()["imagesync_lease_number"] == "1"


@pytest.mark.trial("an apply killed while it holds the lease", "the next one on its host did not wait")
def test_a_killed_apply_is_followed_at_once_on_its_host(desk: Desk) -> None:
    """Its process is gone: nobody waits; what it left is cleared away."""
    with gated() as gate:
        desk.write({"slow": gate.url})
        first = desk.start("apply", "--yes")
        assert gate.asked.wait(60)
        first.kill()
        first.communicate()
        gate.opened.set()
        assert desk.holder()["imagesync_lease_state"] == "held"
        told = desk.run("apply", "--yes", "--lock-timeout", "0")
    assert "Applied: " in told
    assert [image["status"] for image in desk.cloud.http("alice").images()] == ["active"]
    assert desk.holder()["imagesync_lease_state"] == "free"


@pytest.mark.trial("a lease broken by unlock", "its holder started no further step")
def test_unlock_stops_the_apply_that_holds_the_lease(desk: Desk) -> None:
    """It shows the holder and asks; the running step ends, no other starts, and the report says to whom it was lost."""
    with gated() as gate:
        desk.write({"slow": gate.url, "z1": gate.url, "z2": gate.url})
        running = desk.start("apply", "--yes", "--jobs", "1")
        assert gate.asked.wait(60)
        assert "pass --yes" in desk.run("unlock", code=64)
        told = desk.run("unlock", "--yes")
        assert f"is held by host {os.uname().nodename}, pid {running.pid}, since " in told
        desk.told(running, "lease of catalogue base is lost")
        gate.opened.set()
        out, _ = running.communicate(timeout=60)
    assert running.returncode == 1
    closing = out.splitlines()[-1]
    assert closing.startswith("Stopped, the lease of catalogue base is lost: it was broken or taken over by host ")
    assert closing.endswith("1 of 3 steps done, 2 not started. 4.0 MiB uploaded. Apply again to go on.")
    assert "is free: nothing to do" in desk.run("unlock")
    assert [image["imagesync_key"] for image in desk.cloud.http("alice").images()] == ["slow"]


def test_heartbeats_go_on_beside_as_many_uploads_as_there_may_be(desk: Desk, backend: Backend) -> None:
    """Eight uploads wait for the rest of their source; the lease has a ninth connection."""

    def statuses() -> list[str]:
        return [image["status"] for image in desk.cloud.http("alice").images()]

    def heartbeat() -> int:
        return int(desk.holder()["imagesync_lease_heartbeat"])

    with gated() as gate, ThreadPoolExecutor(1) as pool:
        desk.write({f"slow{number}": gate.url for number in range(8)})
        plan = planned(backend, identify(resolve(load(desk.folder))))
        held = take(backend, "base", timeout=0, tell=print, times=Times(beat=0.1, poll=0.05))
        held.start()
        running = pool.submit(applied, backend, plan, jobs=8)
        wait_until(statuses, lambda found: found == ["saving"] * 8, "the service receives eight bodies at once")
        before = heartbeat()
        wait_until(heartbeat, lambda found: found >= before + 5, f"there are 5 heartbeats after {before}")
        gate.opened.set()
        running.result(timeout=60)
        held.release()
    assert desk.holder()["imagesync_lease_state"] == "free"


def test_the_lease_costs_four_requests_and_an_empty_plan_none(desk: Desk) -> None:
    """Look, take, clear the earlier record away, give back; nothing else while it takes less than a heartbeat."""

    def asked(number: int, *words: str) -> list[str]:
        """What an apply that changes two images asks for."""
        desk.files(2, min_ram=number)
        desk.cloud.forget_requests()
        desk.run("apply", "--yes", *words)
        return sorted(request.method for request in desk.cloud.requests())

    asked(1, "--no-lock")
    without = asked(2, "--no-lock")
    assert asked(3) == sorted([*without, "GET", "POST", "PATCH"])
    assert asked(4) == sorted([*without, "GET", "POST", "DELETE", "PATCH"])
    assert asked(4) == ["GET", "GET"]


def test_after_many_applies_one_record_is_left_that_nobody_is_shown(desk: Desk) -> None:
    """Not in the list, the ids, the plan or the counts; by its id every field."""
    for number in range(1, 5):
        desk.files(2, min_ram=number)
        desk.run("apply", "--yes", "--ids", str(desk.folder / "ids.json"))
    record = desk.holder()
    assert (record["os_hidden"], record["visibility"], record["name"]) == (True, "private", None)
    assert record["imagesync_lease_number"] == "4"
    environment = {**desk.env, "PATH": ""}

    def listed(*words: str) -> str:
        command = [sys.executable, "-m", "imagesync", "list", *words, "--cloud", "alice"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert record["id"] not in listed() + listed("--format", "json")
    assert json.loads(listed(record["id"]))["imagesync_lease"] == "base"
    assert len([one for one in json.loads(listed("--format", "json")) if not is_neighbour(one["id"])]) == 2
    assert set(json.loads((desk.folder / "ids.json").read_text())) == {"k0", "k1"}
    assert "2 images wanted, 2 owned" in desk.run("plan")


def test_a_full_quota_names_itself_and_the_way_out(desk: Desk) -> None:
    """An update needs no room but for the lease: 413 says so, and --no-lock does without."""
    desk.cloud.start_limited()
    desk.files(1, min_ram=1)
    desk.run("apply", "--yes", "--no-lock")
    desk.files(1, min_ram=2)
    desk.cloud.set_limits("images", image_count_total=1)
    try:
        told = desk.run("apply", "--yes", user="limited", code=1)
        assert "the record of the lease of catalogue base" in told
        assert "image_count_total" in told
        assert "--no-lock" in told
        desk.run("apply", "--yes", "--no-lock", user="limited")
    finally:
        desk.cloud.set_limits("images")
    assert [image["min_ram"] for image in desk.cloud.http("alice").images()] == [2]


def test_a_saved_plan_is_applied_under_the_lease_too(desk: Desk) -> None:
    """Judged again once the lease is there: what the other run made meanwhile makes it stale."""
    with gated() as gate:
        desk.write({"slow": gate.url})
        saved = str(desk.folder / "plan.json")
        desk.run("plan", "-o", saved)
        first = desk.start("apply", "--yes")
        assert gate.asked.wait(60)
        command = [sys.executable, "-m", "imagesync", "apply", saved, "--yes", "--cloud", "alice"]
        second = desk._opened(command)
        desk.told(second, "at work elsewhere")
        gate.opened.set()
        first.communicate(timeout=60)
        _, errors = second.communicate(timeout=60)
    assert second.returncode == 1
    assert "the plan is stale: slow: image " in errors
    assert len(desk.cloud.http("alice").images()) == 1
