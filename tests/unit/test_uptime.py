"""The clock that leases use."""

import time
from dataclasses import fields

import pytest

from imagesync.lease.chain import World
from imagesync.uptime import read_uptime

ASLEEP = 10**6
"""Seconds."""


def test_the_clock_continues_while_the_host_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other hosts do not sleep: they may take over a lease that was confirmed before."""
    boot, now = 1_000, time.monotonic()
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", boot, raising=False)
    monkeypatch.setattr(time, "clock_gettime", lambda clock: now + ASLEEP * (clock == boot))
    assert read_uptime() == now + ASLEEP


def test_leases_use_that_clock() -> None:
    """A clock that stops during sleep would be wrong."""
    assert [field.default for field in fields(World) if field.name == "clock"] == [read_uptime]
