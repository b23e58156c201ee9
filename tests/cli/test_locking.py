"""apply and unlock on one store beside another holder of the lease."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from imagesync import Settings, open_backend
from imagesync.lease.holding import Held, take
from imagesync.lease.record import STATE, Times
from imagesync.workflow import hold_lease
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


class Desk:
    """A catalogue of one image and a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "a.raw").write_bytes(b"a" * 1000)
        image = {"source": "a.raw", "disk_format": "raw", "container_format": "bare"}
        (folder / "base.yaml").write_text(json.dumps({"version": 1, "catalog": "base", "images": {"a": image}}))
        self.backend = open_backend(store=folder / "store")
        self.told: list[str] = []

    def held(self) -> Held:
        """The lease, held by this process."""
        held = take(self.backend, "base", timeout=0, tell=self.told.append, times=Times(beat=0.01))
        held.start()
        return held

    def start(self, *words: str) -> subprocess.Popen[str]:
        """``imagesync WORDS`` on the store."""
        command = [sys.executable, "-m", "imagesync", *words, "--store", "store"]
        env, pipe = {"PATH": "", "PYTHONPATH": str(ROOT)}, subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        )

    def run(self, *words: str, code: int = 0) -> tuple[str, str]:
        """Both outputs of ``imagesync WORDS``."""
        with self.start(*words) as process:
            out, errors = process.communicate(timeout=60)
        assert process.returncode == code, (process.returncode, out, errors)
        return out, errors

    def records(self) -> list[Any]:
        """The records of the lease."""
        return self.backend.leases("base")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Nothing applied."""
    return Desk(tmp_path)


def test_an_apply_that_may_not_wait_changes_nothing(desk: Desk) -> None:
    """One line: holder and ways out, exit 1."""
    held = desk.held()
    out, errors = desk.run("apply", "--yes", "--lock-timeout", "0", code=1)
    assert "1 to create" in out
    (line,) = errors.splitlines()
    assert line.startswith("imagesync: catalogue base is at work elsewhere: host ")
    assert desk.backend.inventory("base") == []
    held.release()
    desk.run("apply", "--yes", "--lock-timeout", "0")
    assert len(desk.records()) == 1


def test_whatever_ends_a_run_gives_the_lease_back(desk: Desk) -> None:
    """A bug or ^C too; no heartbeat outlives it."""

    def run(error: type[BaseException]) -> None:
        with hold_lease(desk.backend, "base", Settings(lease_times=Times(beat=0.01)), desk.told.append):
            assert "lease" in {thread.name for thread in threading.enumerate()}
            raise error

    for error in (KeyError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error):
            run(error)
        assert "lease" not in {thread.name for thread in threading.enumerate()}
        assert [record.properties[STATE] for record in desk.records()] == ["free"]


def test_plan_and_an_empty_apply_take_no_lease(desk: Desk) -> None:
    """They write nothing."""
    desk.run("apply", "--yes", "--no-lock")
    held = desk.held()
    assert "No changes" in desk.run("apply", "--yes", "--lock-timeout", "0")[0]
    assert "No changes" in desk.run("plan")[0]
    held.release()


def test_unlock_breaks_a_lease_and_its_holder_learns_it(desk: Desk) -> None:
    """Without --yes and a terminal it refuses; a free lease is nothing to do; the next apply goes ahead."""
    assert desk.run("unlock")[0] == "The lease of catalogue base is free: nothing to do.\n"
    held = desk.held()
    assert "--yes" in desk.run("unlock", code=64)[1]
    assert not held.is_lost()
    out, _ = desk.run("unlock", "--yes")
    assert "is held by host " in out
    wait_until(held.is_lost, bool, "the holder notices that its lease was broken")
    assert "running steps end, no more start" in desk.told[0]
    held.release()
    desk.run("apply", "--yes", "--lock-timeout", "0")
    assert [record.properties[STATE] for record in desk.records()] == ["free"]


def test_unlock_takes_a_saved_plan_too(desk: Desk) -> None:
    """As apply does."""
    desk.run("plan", "-o", "plan.json")
    held = desk.held()
    assert "It is broken" in desk.run("unlock", "plan.json", "--yes")[0]
    held.release()


def test_an_interruption_while_waiting_leaves_everything_as_it_was(desk: Desk) -> None:
    """Exit 130; the lease stays with its holder."""
    held = desk.held()
    with desk.start("apply", "--yes") as process:
        assert process.stderr is not None
        assert "waiting for at most 120 s" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert not held.is_lost()
    assert len(desk.records()) == 1
    held.release()
