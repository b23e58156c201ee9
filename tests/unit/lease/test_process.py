"""The operating system shows whether a holder's process has ended."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from imagesync.lease.process import has_ended, identify_process
from imagesync.lease.record import Holder


@pytest.fixture
def other() -> Holder:
    """A process of this host that has ended and whose exit status was not read yet."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
            start = stat.read().rpartition(")")[2].split()[19]
        holder = replace(identify_process(), pid=str(process.pid), start=start)
        assert not has_ended(holder, identify_process())
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert has_ended(holder, identify_process())
    return holder


def test_a_running_process_has_not_ended() -> None:
    """This process, asked about itself."""
    here = identify_process()
    assert here.host
    made = datetime.strptime(here.since, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    assert timedelta() <= datetime.now(UTC) - made < timedelta(hours=1)
    assert here.pid == str(os.getpid())
    assert not has_ended(here, here)


def test_a_process_of_another_container_is_not_one_of_this_host() -> None:
    """It may have the same host name, and pids of its own: the boot of a holder has the namespace of its pids."""
    boot, _, namespace = identify_process().boot.partition(" ")
    assert boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert namespace == os.readlink("/proc/self/ns/pid")


def test_a_dead_process_has_ended(other: Holder) -> None:
    """Whether its parent has read the exit status or not. A later process with the same pid is another process."""
    here = identify_process()
    assert has_ended(other, here)
    assert has_ended(replace(here, start="1"), here)


@pytest.mark.parametrize(
    "change",
    [
        {"host": "x"},
        {"boot": "x"},
        {"boot": ""},
        {"start": ""},
        {"pid": "-1"},
        {"pid": "0"},
        {"pid": "9" * 30},
        {"pid": f"{2**31}"},
    ],
)
def test_a_process_that_cannot_be_checked_counts_as_running(other: Holder, change: dict[str, str]) -> None:
    """Another host, an earlier boot, another pid namespace (a container), a damaged record."""
    assert not has_ended(replace(other, **change), identify_process())


@pytest.mark.parametrize("error", [PermissionError, OSError])
def test_a_process_of_another_user_is_looked_up(monkeypatch: pytest.MonkeyPatch, error: type[OSError]) -> None:
    """No signal can be sent to it, which says nothing; its start time does."""

    def refuse(_pid: int, _number: int) -> None:
        raise error

    monkeypatch.setattr("os.kill", refuse)
    here = identify_process()
    assert not has_ended(here, here)
    assert has_ended(replace(here, start="1"), here)


def test_without_boot_ids_no_process_has_ended(other: Holder) -> None:
    """Two unknown boots are not the same boot."""
    assert not has_ended(replace(other, boot=""), replace(identify_process(), boot=""))
