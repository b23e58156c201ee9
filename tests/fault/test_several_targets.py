"""Runs of several targets on the real cloud: kill -9 at every request, a dead target, a hanging target, and signals."""

import json
import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests import points
from tests.cloud.service import Cloud, find_free_port
from tests.fault.proxy import Call, Fault
from tests.fault.several_targets import AFTER, BEFORE, TARGETS, TargetsWorkspace, open_targets_workspace
from tests.trials import note
from tests.waiting import wait_until

SEED = 20261127


@pytest.fixture
def several(cloud: Cloud, tmp_path: Path) -> Iterator[TargetsWorkspace]:
    """Three targets in three projects."""
    with open_targets_workspace(cloud, tmp_path) as found:
        yield found


@pytest.mark.exhaustive
def test_killed_at_any_request_the_next_run_converges_on_every_target(
    pytestconfig: pytest.Config, several: TargetsWorkspace
) -> None:
    """Killed before or after each number of requests, while the other targets send their requests."""
    rng, killed = random.Random(SEED), 0
    several.write(BEFORE)
    assert several.apply().code == 0
    several.write(AFTER)
    beginning = several.cloud.snapshot()
    several.proxy.forget()
    assert several.apply().code == 0
    expected, numbers = several.states(), points.choose(pytestconfig, range(len(several.proxy.calls)))
    assert set(map(len, expected.values())) == {4}  # the old build is kept
    for number in numbers:
        forward = rng.random() < 0.5
        point = f"seed {SEED}, {'after' if forward else 'before'} request {number}"
        several.cloud.restore(beginning)
        killed += killed_at(several, number, forward=forward)
        result = several.apply()
        assert result.code == 0, (point, result)
        assert several.states() == expected, point
        note("kill -9 with three targets", "the next run converged on every target")
    assert killed > 0.8 * len(numbers)  # the number of requests varies a little


def killed_at(several: TargetsWorkspace, number: int, *, forward: bool) -> bool:
    """Whether an apply was killed at one request, which the service gets only if ``forward``."""

    def fault(call: Call) -> Fault | None:
        if call.number != number:
            return None
        return Fault(forward=forward, cut=0, after=several.command.kill)

    several.proxy.forget()
    several.proxy.fault = fault
    result = several.apply()
    assert result.code in (-9, 0), (number, result)
    several.proxy.settle()
    several.proxy.forget()
    return result.code == -9


def test_one_dead_target_of_five_stops_only_itself(several: TargetsWorkspace, tmp_path: Path) -> None:
    """Nothing listens at its address. The others are done, and the report names it."""
    path = tmp_path / "clouds.yaml"
    clouds = yaml.safe_load(path.read_text())
    auth = {**clouds["clouds"]["operator"]["auth"], "auth_url": f"http://127.0.0.1:{find_free_port()}/v3"}
    clouds["clouds"]["gone"] = {**clouds["clouds"]["operator"], "auth": auth}
    path.write_text(yaml.safe_dump(clouds))
    targets = {name: {"cloud": cloud} for name, cloud in TARGETS.items()}
    several.write(AFTER, {**targets, "lab": {"store": "lab"}, "dead": {"cloud": "gone"}})
    result = several.apply("--out", str(tmp_path / "report.json"))
    assert result.code == 1
    assert "5 targets: 4 done, 1 failed (dead).\n" in result.stdout
    assert "dead:\n  Error: cloud gone at 127.0.0.1:" in result.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert {one["target"]: one["outcome"] for one in report["targets"]} == {
        **dict.fromkeys([*TARGETS, "lab"], "done"),
        "dead": "failed",
    }
    assert set(map(len, several.states().values())) == {3}


def test_a_hanging_target_delays_no_other(several: TargetsWorkspace, tmp_path: Path) -> None:
    """The service never answers one project's first listing; the others are done before it gives up."""
    several.write(AFTER)
    hanging, bob = threading.Event(), several.cloud.project_id("other")
    several.command.start(
        "apply",
        "--yes",
        str(several.folder),
        *several.words,
        "--events",
        str(tmp_path / "events"),
        "--log-file",
        str(tmp_path / "log"),
    )
    several.proxy.fault = lambda call: Fault(stall=hanging) if bob in call.path else None
    try:
        wait_until(lambda: read_ends(tmp_path / "events"), lambda ends: len(ends) >= 2, "two targets ended")
        assert read_ends(tmp_path / "events") == {"one": "done", "three": "done"}
    finally:
        hanging.set()
        several.proxy.forget()
        several.command.wait()


def read_ends(path: Path) -> dict[str, str]:
    """The outcome of each target that has ended, from the events."""
    lines = path.read_text().splitlines() if path.exists() else []
    events = [json.loads(line) for line in lines if line.endswith("}")]
    return {event["target"]: event["outcome"] for event in events if event["event"] == "run-finished"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_targets_in_good_order(
    several: TargetsWorkspace, tmp_path: Path, number: signal.Signals
) -> None:
    """Running steps end; the report has every target; no lease is held; the next run converges."""
    several.write(AFTER)
    held, seen = threading.Event(), threading.Event()

    def fault(call: Call) -> Fault | None:
        if call.method != "PUT":
            return None
        seen.set()
        return Fault(held=held)

    several.proxy.fault = fault
    several.command.start(
        "apply", "--yes", str(several.folder), *several.words, "--jobs", "3", "--out", str(tmp_path / "report.json")
    )
    assert seen.wait(60)
    os.kill(several.command._pid, number)
    held.set()
    result = several.command.wait()
    assert result.code == 128 + number, result
    report = json.loads((tmp_path / "report.json").read_text())
    outcomes = {one["target"]: one["outcome"] for one in report["targets"]}
    assert set(outcomes) == set(TARGETS)
    assert "interrupted" in outcomes.values()
    for user in TARGETS.values():
        assert [one for one in several.cloud.http(user).leases() if one.get("imagesync_lease_state") == "held"] == []
    several.proxy.forget()
    assert several.apply().code == 0
    assert set(map(len, several.states().values())) == {3}
