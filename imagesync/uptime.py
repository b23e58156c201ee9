"""A clock in seconds that continues while the host sleeps, as the clocks of other hosts do."""

import time


def read_uptime() -> float:
    """Seconds since an unspecified moment. On a system without CLOCK_BOOTTIME the clock stops while the host sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
