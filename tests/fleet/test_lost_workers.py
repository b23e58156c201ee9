"""Workers that are killed, stopped or shut down while they work: one retry on a replacement, and no byte published twice."""

import signal
import os

import pytest

from tests.fleet.lab import Lab, list_outcomes, read_report
from tests.waiting import wait_until

pytestmark = pytest.mark.fleet


@pytest.mark.trial("a worker killed while it plans", "its replacement planned and applied")
def test_killed_while_it_plans(lab: Lab) -> None:
    """The source does not answer the question about its size, so the plan waits."""
    lab.source.silence("one")
    lab.write(lab.declare("one"), ["a"])
    lab.start_scheduler()
    first, _ = lab.start_worker("w1", "a"), lab.start_worker("w2", "a")
    client = lab.start_apply()
    lab.source.wait_for("one")
    busy = lab.find_busy("w1", "w2")
    lab.processes[busy].kill()
    lab.source.wait_for("one", 2)
    lab.source.release()
    result = lab.end(client)
    print(result.output)
    assert lab.is_clean("a", "one")
    assert lab.source.count_downloads("one") == 1


@pytest.mark.trial("a worker killed while it waits for the lease", "its replacement waited and applied")
def test_killed_while_it_waits_for_the_lease(lab: Lab) -> None:
    lab.source.hold("one")
    lab.write(lab.declare("one"), ["a"])
    other = lab.start("other", "apply", "m.yaml", "--target", "a", "--yes", "--allow-outside")
    lab.source.wait_for("one")
    lab.start_scheduler()
    lab.start_worker("w1", "a")
    lab.start_worker("w2", "a")
    client = lab.start_apply()
    client.wait_for("waiting")
    busy = lab.find_busy("w1", "w2")
    lab.processes[busy].kill()
    client.wait_for("was lost")
    lab.source.release()
    assert lab.end(other).code == 0
    print(lab.end(client).output)
    assert lab.is_clean("a", "one")
    assert lab.source.count_downloads("one") == 1


@pytest.mark.trial("a worker killed during an upload", "its replacement uploaded; the next plan was empty")
def test_killed_during_an_upload(lab: Lab) -> None:
    lab.source.hold("two")
    lab.write(lab.declare("one", "two"), ["a", "b"])
    lab.start_scheduler()
    lab.start_worker("w-b", "b")
    lab.start_worker("w1", "a")
    lab.start_worker("w2", "a")
    out = lab.folder / "report.json"
    client = lab.start_apply("-o", str(out), "--events", str(lab.folder / "events.jsonl"))
    lab.source.wait_for("two", 2)
    lab.wait_for_published("a", "one")
    busy = lab.find_busy("w1", "w2")
    lab.processes[busy].kill()
    lab.source.wait_for("two", 3)
    lab.source.release()
    print(lab.end(client).output)
    assert lab.is_clean("a", "one", "two")
    assert list_outcomes(out) == {"a": "done", "b": "done"}
    assert lab.source.count_downloads("one") == 2
    print(lab.run("plan", "--detailed-exitcode").output)


@pytest.mark.trial("two workers killed for one target", "that target failed, the others went on")
def test_killed_twice(lab: Lab) -> None:
    lab.source.hold("one")
    lab.write(lab.declare("one"), ["a", "b"])
    lab.start_scheduler()
    lab.start_worker("w-b", "b")
    lab.start_worker("w1", "a")
    lab.start_worker("w2", "a")
    out = lab.folder / "report.json"
    client = lab.start_apply("-o", str(out))
    lab.source.wait_for("one", 2)
    first = lab.find_busy("w1", "w2")
    lab.processes[first].kill()
    lab.source.wait_for("one", 3)
    second = "w1" if first == "w2" else "w2"
    lab.processes[second].kill()
    client.wait_for("was lost")
    lab.source.release()
    print(lab.end(client, 1).output)
    assert list_outcomes(out) == {"a": "failed", "b": "done"}
    print(read_report(out))
    assert 0


@pytest.mark.trial("a worker killed, and no other one offers its target", "that target failed, the others went on")
def test_killed_without_a_replacement(lab: Lab) -> None:
    lab.source.hold("one")
    lab.write(lab.declare("one"), ["a", "b"])
    lab.start_scheduler()
    lab.start_worker("w-b", "b")
    worker = lab.start_worker("w1", "a")
    out = lab.folder / "report.json"
    client = lab.start_apply("-o", str(out))
    lab.source.wait_for("one", 2)
    worker.kill()
    lab.source.release()
    print(lab.end(client, 1).output)
    assert list_outcomes(out) == {"a": "failed", "b": "done"}


@pytest.mark.trial("a worker lost right after its success", "exactly one upload")
def test_lost_right_after_success(lab: Lab) -> None:
    """The command is stopped, so it does not take the last message, and the scheduler still keeps the task for it."""
    lab.source.hold("one")
    lab.write(lab.declare("one"), ["a"])
    lab.start_scheduler()
    lab.start_worker("w1", "a")
    lab.start_worker("w2", "a")
    out = lab.folder / "report.json"
    client = lab.start_apply("-o", str(out))
    lab.source.wait_for("one")
    busy = lab.find_busy("w1", "w2")
    lab.stop(client)
    lab.source.release()
    lab.wait_for_published("a", "one")
    wait_until(lambda: lab.has_lease("a"), lambda held: not held, "the lease is released")
    import time

    time.sleep(2)
    lab.processes[busy].kill()
    time.sleep(2)
    lab.resume(client)
    print(lab.end(client).output)
    assert list_outcomes(out) == {"a": "done"}
    assert lab.source.count_downloads("one") == 1
    assert lab.is_clean("a", "one")


@pytest.mark.trial("a worker stopped longer than worker-ttl, and resumed", "its replacement applied; one image")
def test_stopped_longer_than_its_time(lab: Lab) -> None:
    lab.source.hold("one")
    lab.write(lab.declare("one"), ["a"])
    lab.start_scheduler("--worker-ttl", "5")
    lab.start_worker("w1", "a")
    lab.start_worker("w2", "a")
    client = lab.start_apply()
    lab.source.wait_for("one")
    busy = lab.processes[lab.find_busy("w1", "w2")]
    lab.stop(busy)
    lab.source.wait_for("one", 2)
    lab.resume(busy)
    lab.source.release()
    print(lab.end(client).output)
    lab.is_clean("a", "one")
    print(busy.wait().output)


@pytest.mark.trial("SIGTERM for a worker during an upload", "the upload was cleaned up, the lease released")
def test_terminated_during_an_upload(lab: Lab) -> None:
    lab.source.hold("two")
    lab.write(lab.declare("one", "two"), ["a"])
    lab.start_scheduler()
    worker = lab.start_worker("w1", "a")
    out = lab.folder / "report.json"
    client = lab.start_apply("-o", str(out))
    lab.source.wait_for("two")
    lab.wait_for_published("a", "one")
    worker.terminate()
    print(lab.end(client, 1).output)
    print(worker.wait())
    assert list_outcomes(out) == {"a": "interrupted"}
    assert lab.is_clean("a", "one")
    assert not lab.has_lease("a")
