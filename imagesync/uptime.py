"""Seconds on a clock that goes on while the host sleeps: what others wait for, and what their clocks show, goes on, too."""

import time


def read_uptime() -> float:
    """Seconds since some moment before; of a clock that stands still while the host sleeps where there is no better one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
