"""Seconds on a clock that continues while the host sleeps, as the clocks of other hosts do."""

import time


def read_uptime() -> float:
    """Seconds since some moment before; of a clock that stands still while the host sleeps where there is no better one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
