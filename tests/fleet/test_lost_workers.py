"""Workers that are killed, stopped or shut down while they work: one retry on a replacement, and nothing is made twice."""

from pathlib import Path

import pytest

from tests.command import Process
from tests.fleet.lab import Lab, list_outcomes
from tests.waiting import wait_until

pytestmark = pytest.mark.fleet
LEASE = 150.0
"""Seconds within which the lease of a stopped process has expired (60 s), on a busy machine."""


@pytest.fixture
def out(lab: Lab) -> Path:
    """The file for the report."""
    return lab.folder / "report.json"


def start_two(lab: Lab, *targets: str) -> None:
    """A scheduler, two workers for target ``a``, and one for the others."""
    lab.start_scheduler("--worker-ttl", "5")
    lab.start_workers({"w1": ["a"], "w2": ["a"], **({"other": targets} if targets else {})})


def kill_busy(lab: Lab) -> str:
    """Kill the worker that works for target ``a``; the name of the other one."""
    busy = lab.find_busy("w1", "w2")
    lab.processes[busy].kill()
    return "w2" if busy == "w1" else "w1"


@pytest.mark.trial("a worker killed while it plans", "its replacement planned; one upload")
def test_killed_while_it_plans(lab: Lab, out: Path) -> None:
    """The source does not answer the question about its size, so the plan waits."""
    lab.source.silence("one")
    lab.write(lab.declare("one"), ["a"])
    start_two(lab)
    client = lab.start_apply("-o", str(out))
    lab.source.wait_for("one")
    kill_busy(lab)
    lab.source.wait_for("one", 2)
    lab.source.release()
    lab.end(client)
    assert list_outcomes(out) == {"a": "done"}
    assert lab.is_clean("a", "one")
    assert lab.source.count_downloads("one") == 1


@pytest.mark.trial("a worker killed while it waits for the lease", "its replacement waited, and found nothing to do")
def test_killed_while_it_waits_for_the_lease(lab: Lab, out: Path) -> None:
    """A run in one process has the lease. The message about it has a command that can be pasted."""
    lab.source.hold("one")
    lab.write(lab.declare("one"), ["a"])
    holder = lab.start("holder", "apply", "m.yaml", "--target", "a", "--yes", "--allow-outside")
    lab.source.wait_for("one")
    start_two(lab)
    client = lab.start_apply("-o", str(out))
    assert "imagesync unlock m.yaml --target a" in client.wait_for("is locked by another run")
    other = kill_busy(lab)
    assert f"worker {other} plans the target again" in client.wait_for("was lost")
    lab.source.release()
    lab.end(holder)
    lab.end(client)
    assert list_outcomes(out)["a"] in ("done", "unchanged")
    assert lab.is_clean("a", "one")
    assert lab.source.count_downloads("one") == 1


@pytest.mark.trial(
    "a worker killed during an upload", "its replacement uploaded; one image of each key, and no changes"
)
def test_killed_during_an_upload(lab: Lab, out: Path) -> None:
    """An image whose data is verified is not uploaded again, and the other target does not notice."""
    lab.source.hold("two")
    lab.write(lab.declare("one", "two"), ["a", "b"])
    start_two(lab, "b")
    client = lab.start_apply("-o", str(out), "--jobs", "2")
    lab.source.wait_for("two", 2)
    lab.wait_for_stored("a", "one")
    kill_busy(lab)
    client.wait_for("a: worker")
    lab.source.wait_for("two", 3)
    lab.source.release()
    lab.end(client)
    assert list_outcomes(out) == {"a": "done", "b": "done"}
    assert lab.is_clean("a", "one", "two")
    assert lab.source.count_downloads("one") == 2
    lab.run("plan", "--detailed-exitcode")


@pytest.mark.trial("a worker killed after it published one of two images", "its replacement made the other one")
def test_killed_after_publishing(lab: Lab, out: Path) -> None:
    """With one job, the second image begins when the first one is published."""
    lab.source.hold("two")
    lab.write(lab.declare("one", "two"), ["a"])
    start_two(lab)
    client = lab.start_apply("-o", str(out), "--jobs", "1")
    lab.source.wait_for("two")
    lab.wait_for_published("a", "one")
    kill_busy(lab)
    lab.source.wait_for("two", 2)
    lab.source.release()
    lab.end(client)
    assert list_outcomes(out) == {"a": "done"}
    assert lab.is_clean("a", "one", "two")
    assert lab.source.count_downloads("one") == 1


@pytest.mark.trial("two workers killed for one target", "that target failed, the others were done")
def test_killed_twice(lab: Lab, out: Path) -> None:
    """There is one retry: what kills two workers may kill each of them."""
    lab.source.hold("one")
    lab.write(lab.declare("one"), ["a", "b"])
    start_two(lab, "b")
    client = lab.start_apply("-o", str(out))
    lab.source.wait_for("one", 2)
    other = kill_busy(lab)
    lab.source.wait_for("one", 3)
    lab.processes[other].kill()
    lab.source.release()
    printed = lab.end(client, 1).stdout
    message = f"two workers were lost while they worked for this target, the last one was {other}; read the logs of its"
    assert message in printed
    assert list_outcomes(out) == {"a": "lost", "b": "done"}


@pytest.mark.trial("a worker killed, and no other one offers its target", "that target failed, the others were done")
def test_killed_without_a_replacement(lab: Lab, out: Path) -> None:
    """The message has the command that starts one. A target without any worker gets the same command."""
    lab.source.hold("one")
    lab.write(lab.declare("one"), ["a", "b", "c"])
    lab.start_scheduler()
    lab.start_workers({"w1": ["a"], "other": ["b"]})
    client = lab.start_apply("-o", str(out))
    lab.source.wait_for("one", 2)
    lab.processes["w1"].kill()
    lab.source.release()
    printed = lab.end(client, 1).stdout
    command = f"start one on a host beside its cloud: imagesync fleet worker {lab.address} --target"
    assert f"worker w1 was lost while it worked for this target, and no other one offers it; {command} a" in printed
    assert f"no worker offers target c; {command} c" in printed
    assert list_outcomes(out) == {"a": "lost", "b": "done", "c": "failed"}


@pytest.mark.trial("a worker lost right after its success", "one upload, one image, outcome done")
def test_lost_right_after_success(lab: Lab, out: Path) -> None:
    """The command is stopped, so it does not take the last message, and the scheduler keeps the task for it."""
    lab.source.hold("one")
    lab.write(lab.declare("one"), ["a"])
    start_two(lab)
    client = lab.start_apply("-o", str(out))
    lab.source.wait_for("one")
    busy = lab.find_busy("w1", "w2")
    lab.stop(client)
    lab.source.release()
    lab.processes[busy].wait_for("apply ended")
    other = kill_busy_now(lab, busy)
    lab.processes["scheduler"].wait_for(f"worker {busy} left")
    lab.processes[other].wait_for("apply begins")
    lab.resume(client)
    lab.end(client)
    assert list_outcomes(out) == {"a": "done"}
    assert lab.source.count_downloads("one") == 1
    assert lab.is_clean("a", "one")


def kill_busy_now(lab: Lab, busy: str) -> str:
    """Kill this worker; the name of the other one."""
    lab.processes[busy].kill()
    return "w2" if busy == "w1" else "w1"


@pytest.mark.trial(
    "a worker stopped longer than --worker-ttl, and resumed", "its replacement published; the old one nothing"
)
def test_stopped_longer_than_its_time(lab: Lab, out: Path) -> None:
    """Its lease expires, its replacement takes it, and the resumed worker notices the loss and exits for its supervisor."""
    lab.source.hold("one")
    lab.write(lab.declare("one"), ["a"])
    start_two(lab)
    client = lab.start_apply("-o", str(out))
    lab.source.wait_for("one")
    busy = lab.processes[lab.find_busy("w1", "w2")]
    lab.stop(busy)
    client.wait_for("was lost")
    lab.source.wait_for("one", 2, seconds=LEASE)
    lab.resume(busy)
    ended = busy.wait()
    assert (ended.code, "start the worker again" in ended.stderr) == (1, True)
    lab.source.release()
    lab.end(client)
    assert list_outcomes(out) == {"a": "done"}
    assert lab.is_clean("a", "one")


@pytest.mark.trial("SIGTERM for a worker during an upload", "the upload was cleaned up, the lease released, exit 0")
def test_terminated_during_an_upload(lab: Lab, out: Path) -> None:
    """The user gets the report of what was done. The exit code 0 keeps a supervisor from starting it again."""
    lab.source.hold("two")
    lab.write(lab.declare("one", "two"), ["a"])
    lab.start_scheduler()
    lab.start_workers({"w1": ["a"]})
    client = lab.start_apply("-o", str(out), "--jobs", "1")
    lab.source.wait_for("two")
    lab.processes["w1"].terminate()
    printed = lab.end(client, 1).stdout
    assert "Error: worker w1 was stopped while it worked for this target; run the command again" in printed
    assert lab.processes["w1"].wait().code == 0
    assert list_outcomes(out) == {"a": "interrupted"}
    assert lab.is_clean("a", "one")
    assert not lab.has_lease("a")


def test_a_second_sigterm_ends_a_worker_at_once(lab: Lab) -> None:
    """Although a step of its task still runs: here the question about a source."""
    lab.source.silence("one")
    lab.write(lab.declare("one"), ["a"])
    lab.start_scheduler()
    lab.start_workers({"w1": ["a"]})
    lab.start_apply()
    lab.source.wait_for("one")
    worker: Process = lab.processes["w1"]
    worker.terminate()
    worker.wait_for("send the signal again to stop at once")
    worker.terminate()
    wait_until(worker.is_running, lambda runs: not runs, "the worker ends", seconds=10)
