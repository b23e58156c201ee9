"""Whether a holder's process ended, asked from the operating system."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from imagesync.lease.process import identify_process, is_gone
from imagesync.lease.record import Holder


@pytest.fixture
def other() -> Holder:
    """A process of this host that has ended and that no process has waited for yet."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
            start = stat.read().rpartition(")")[2].split()[19]
        holder = replace(identify_process(), pid=str(process.pid), start=start)
        assert not is_gone(holder, identify_process())
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(holder, identify_process())
    return holder


def test_this_process_is_not_gone() -> None:
    """Nor is another one of this host that lives."""
    here = identify_process()
    assert here.host
    assert here.pid == str(os.getpid())
    assert not is_gone(here, here)


def test_a_process_that_has_ended_is_gone(other: Holder) -> None:
    """Whether its parent has noticed or not; a later process with its pid is another."""
    here = identify_process()
    assert is_gone(other, here)
    assert is_gone(replace(here, start="1"), here)


@pytest.mark.parametrize(
    "change",
    [{"host": "x"}, {"boot": "x"}, {"boot": ""}, {"start": ""}, {"pid": "-1"}, {"pid": "0"}, {"pid": "9" * 30}],
)
def test_what_cannot_be_known_is_never_taken_for_gone(other: Holder, change: dict[str, str]) -> None:
    """Another host, an earlier boot, another space of pids (a container), a damaged record."""
    assert not is_gone(replace(other, **change), identify_process())


def test_where_the_system_tells_nothing_nobody_is_gone(other: Holder) -> None:
    """Two that know nothing of their boot are not of the same boot."""
    assert not is_gone(replace(other, boot=""), replace(identify_process(), boot=""))
