"""A call that may wait for long ends when its result is no longer needed."""

import threading
from collections.abc import Callable

import pytest

from imagesync.sources.abandonment import call_until
from tests.waiting import wait_until


class NoLongerWanted(Exception):
    """What ``check`` raises."""


def resume() -> None:
    """It does not matter."""


def test_a_call_gives_its_result_or_its_error() -> None:
    """As if it had been made here."""
    late: list[int] = []
    assert call_until(resume, lambda is_wanted: int(is_wanted()), late.append) == 1
    with pytest.raises(KeyError, match="x"):
        call_until(resume, lambda _: dict[str, int]()["x"], late.append)
    assert late == []


def test_an_abandoned_call_is_left_behind_and_its_result_discarded() -> None:
    """It can find out, and what it opened is closed."""
    may_end, late, wanted = threading.Event(), list[str](), list[bool]()

    def work(is_wanted: Callable[[], bool]) -> str:
        may_end.wait(60)
        wanted.append(is_wanted())
        return "opened"

    def stop() -> None:
        raise NoLongerWanted

    with pytest.raises(NoLongerWanted):
        call_until(stop, work, late.append)
    assert (wanted, late) == ([], [])  # it was not waited for
    may_end.set()
    wait_until(lambda: late, lambda found: found == ["opened"], "the late result is discarded")
    assert wanted == [False]


def test_an_error_that_comes_too_late_is_dropped() -> None:
    """It is not reported."""
    may_end, ended = threading.Event(), threading.Event()

    def work(_: Callable[[], bool]) -> None:
        may_end.wait(60)
        ended.set()
        raise OSError

    def stop() -> None:
        raise NoLongerWanted

    with pytest.raises(NoLongerWanted):
        call_until(stop, work, lambda _: None)
    may_end.set()
    assert ended.wait(60)
