"""drift and list of several targets, one of which hangs: ^C ends the command at once, and the others are not delayed."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.service import Cloud
from tests.command import start
from tests.fault.proxy import Fault
from tests.fault.several_targets import AFTER, TargetsWorkspace, open_targets_workspace
from tests.waiting import wait_until

LONG = 600.0
"""The command waits longer than the test for an answer."""


@pytest.fixture
def patient(cloud: Cloud, tmp_path: Path) -> Iterator[TargetsWorkspace]:
    """Three targets in three projects. The command waits for answers as long as it is not stopped."""
    with open_targets_workspace(cloud, tmp_path, LONG) as found:
        yield found


@pytest.mark.parametrize("words", [("drift",), ("list", "--manifest"), ("plan",)])
def test_an_interrupt_does_not_wait_for_a_target_that_hangs(patient: TargetsWorkspace, words: tuple[str, ...]) -> None:
    """The first request gets no answer. The other two targets are read: each has a list of visible and one of hidden images."""
    patient.write(AFTER)
    released = threading.Event()
    patient.proxy.fault = lambda call: Fault(stall=released) if call.number == 0 else None
    with start(*words, str(patient.folder), "--all-targets", env=patient.command.env) as process:
        wait_until(lambda: len(patient.proxy.calls), lambda number: number >= 5, "the other targets were read")
        process.interrupt()
        try:
            result = process.wait(seconds=LONG / 10)
        finally:
            released.set()
    assert (result.code, result.stdout) == (130, "")
    assert result.stderr == "imagesync: interrupted; nothing was changed\n"
