"""The scheduler or the command of the user is killed or interrupted during uploads: running steps end in good order."""

from pathlib import Path

import pytest

from tests.command import Process
from tests.fleet.lab import Lab, list_outcomes, read_report
from tests.waiting import wait_until

pytestmark = pytest.mark.fleet


@pytest.fixture
def out(lab: Lab) -> Path:
    """The file for the report."""
    return lab.folder / "report.json"


@pytest.fixture
def client(lab: Lab, out: Path) -> Process:
    """An apply to two targets, each with one published image and an upload that stopped in the middle."""
    lab.source.hold("two")
    lab.write(lab.declare("one", "two", "three"), ["a", "b"])
    lab.start_scheduler()
    lab.start_workers({"w-a": ["a"], "w-b": ["b"]})
    process = lab.start_apply("-o", str(out), "--jobs", "2")
    lab.source.wait_for("two", 2)
    for target in ("a", "b"):
        lab.wait_for_stored(target, "one", "three")
    return process


def assert_clean_up(lab: Lab) -> None:
    """Each target has only verified images, and no run has its lease."""
    for target in ("a", "b"):
        assert lab.list_keys(target) == ["one", "three"]
        assert not lab.has_lease(target)


def assert_next_run_converges(lab: Lab) -> None:
    """What was uploaded is not uploaded again."""
    lab.source.release()
    lab.run("apply", "--yes")
    for target in ("a", "b"):
        assert lab.is_clean(target, "one", "three", "two")
    assert lab.source.count_downloads("one") == 2


@pytest.mark.trial("the scheduler killed during uploads", "uploads cleaned up, leases released; the next run converged")
def test_the_scheduler_is_killed(lab: Lab, client: Process, out: Path) -> None:
    """The command says what it knows. The workers exit with 1, so a supervisor starts them again."""
    lab.processes["scheduler"].kill()
    printed = lab.end(client, 1).stdout
    assert f"the connection to the scheduler {lab.address} is lost, and what worker w-a did since then" in printed
    assert list_outcomes(out) == {"a": "lost", "b": "lost"}
    for name in ("w-a", "w-b"):
        ended = lab.processes[name].wait()
        assert ended.code == 1
        message = f"imagesync: the connection to the scheduler {lab.address} ended; start the worker again"
        assert ended.stderr.splitlines()[-1] == message
    assert_clean_up(lab)
    lab.start_scheduler()
    lab.start_workers({"w-a": ["a"], "w-b": ["b"]})
    assert_next_run_converges(lab)


@pytest.mark.trial("SIGTERM for the scheduler during uploads", "uploads cleaned up, leases released")
def test_the_scheduler_is_terminated(lab: Lab, client: Process, out: Path) -> None:
    """As if it were killed, but its exit code is 0."""
    lab.processes["scheduler"].terminate()
    lab.end(client, 1)
    assert lab.processes["scheduler"].wait().code == 0
    assert [lab.processes[name].wait().code for name in ("w-a", "w-b")] == [1, 1]
    assert list_outcomes(out) == {"a": "lost", "b": "lost"}
    assert_clean_up(lab)


@pytest.mark.trial("the command killed during uploads", "uploads cleaned up, leases released; the next run converged")
def test_the_command_is_killed(lab: Lab, client: Process) -> None:
    """The workers continue to wait for tasks."""
    client.kill()
    for name in ("w-a", "w-b"):
        lab.processes[name].wait_for("apply ended")
    assert_clean_up(lab)
    assert_next_run_converges(lab)


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.trial("SIGINT or SIGTERM for the command during uploads", "uploads cleaned up; the report was written")
def test_the_command_is_interrupted(lab: Lab, client: Process, out: Path, number: str, code: int) -> None:
    """The report has what the workers did before."""
    (client.interrupt if number == "SIGINT" else client.terminate)()
    printed = lab.end(client, code).stdout
    assert "interrupted: create:two" in printed
    assert list_outcomes(out) == {"a": "interrupted", "b": "interrupted"}
    assert_clean_up(lab)


def test_the_scheduler_is_killed_before_a_worker_begins(lab: Lab, out: Path) -> None:
    """Then the command knows that nothing was changed."""
    lab.write(lab.declare("one"), ["a"])
    scheduler = lab.start_scheduler()
    client = lab.start_apply("-v", "-o", str(out))
    client.wait_for("connected to the scheduler")
    scheduler.kill()
    ended = client.wait()
    message = f"the connection to the scheduler {lab.address} is lost, and no worker began to work for this target"
    assert (ended.code, message in ended.stdout) == (1, True)
    assert list_outcomes(out) == {"a": "failed"}


def test_without_a_scheduler(lab: Lab) -> None:
    """The command and a worker end with a message."""
    lab.write(lab.declare("one"), ["a"])
    start = lab.start("worker", "fleet", "worker", lab.address, "--target", "a", *lab.tls)
    printed = lab.run("plan", code=1).stderr
    assert f"imagesync: no connection to the scheduler {lab.address}: " in printed
    assert "check the address, the certificates in the folder of --tls, and that the scheduler runs" in printed
    assert f"imagesync: no connection to the scheduler {lab.address}: " in lab.end(start, 1).stderr


def test_the_known_results_are_in_the_report(lab: Lab, client: Process, out: Path) -> None:
    """Those of steps that ended before the connection was lost."""
    wait_until(client.read_output, lambda text: "a: create:one" in text and "a: create:three" in text, "two steps end")
    lab.processes["scheduler"].kill()
    lab.end(client, 1)
    (target,) = (one for one in read_report(out)["targets"] if one["target"] == "a")
    results = {one["key"]: one["outcome"] for one in target["report"]["results"]}
    assert results == {"one": "done", "three": "done", "two": "interrupted"}
