"""Waits for a condition, for a limited time. Sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    read: Callable[[], T], accept: Callable[[T], object], what: str, *, seconds: float = 60.0, pause: float = 0.01
) -> T:
    """Read a value again and again until it is accepted, and return it.

    After ``seconds`` the test fails. The message says ``what`` the test waited for, and the last value.
    """
    end = time.monotonic() + seconds
    while not accept(value := read()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s until {what}; the last value was {value!r}")
        time.sleep(pause)
    return value
