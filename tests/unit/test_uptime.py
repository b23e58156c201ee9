"""The clock by which others wait, and their clocks are judged."""

import time
from dataclasses import fields

import pytest

from imagesync.lease.chain import World
from imagesync.uptime import read_uptime

ASLEEP = 10**6
"""Seconds."""


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="no such clock on this system")
def test_the_clock_goes_on_while_the_host_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others do not sleep: a lease that was confirmed before is theirs afterwards."""
    before, real = read_uptime(), time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda clock: real(clock) + ASLEEP * (clock == time.CLOCK_BOOTTIME))
    assert read_uptime() >= before + ASLEEP


def test_leases_are_held_and_waited_for_by_that_clock() -> None:
    """Not by one that stands still."""
    assert [field.default for field in fields(World) if field.name == "clock"] == [read_uptime]
