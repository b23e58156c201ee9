"""Requests to many servers at once: in order, few at a time, and none is waited for after the deadline."""

import threading
import time

import pytest

from imagesync.errors import SourceError
from imagesync.sources import checking
from imagesync.sources import checking as limits
from imagesync.sources.access import NO_DEADLINE, Deadline, PassingError
from imagesync.sources.checking import GRACE_SECONDS, MAX_LONG, FewThreads, try_each
from tests.waiting import wait_until

OVER = -GRACE_SECONDS - 1
"""Seconds from now: the deadline and the time of grace after it are over."""


@pytest.mark.parametrize("jobs", [1, 3, 100])
@pytest.mark.parametrize("number", [0, 1, 3, 20])
def test_each_item_has_its_result_or_its_error(number: int, jobs: int) -> None:
    """In the order of the items."""

    def work(item: int) -> int:
        if item % 3 == 2:
            raise SourceError(f"no {item}", "")
        return item * item

    found = try_each(work, list(range(number)), jobs, NO_DEADLINE)
    assert [one.message if isinstance(one, SourceError) else one for one in found] == [
        f"no {item}" if item % 3 == 2 else item * item for item in range(number)
    ]


@pytest.mark.parametrize(("jobs", "items", "most"), [(1, 6, 1), (3, 6, 3), (8, 4, 4)])
def test_so_many_items_are_worked_on_at_a_time(jobs: int, items: int, most: int) -> None:
    """No more than ``jobs``; all of them at once if there are fewer."""
    running, highest, lock = 0, 0, threading.Lock()
    are_there = threading.Barrier(most, timeout=30)

    def work(_: int) -> None:
        nonlocal running, highest
        with lock:
            running += 1
            highest = max(highest, running)
        are_there.wait()
        with lock:
            running -= 1

    try_each(work, list(range(items)), jobs, NO_DEADLINE)
    assert highest == most


def test_another_error_is_raised_and_no_further_item_is_begun() -> None:
    """It is a bug, not a server."""
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        raise KeyError(item)

    with pytest.raises(KeyError):
        try_each(work, list(range(100)), 1, NO_DEADLINE)
    assert begun == [0]


def test_after_another_error_no_thread_begins_a_further_item() -> None:
    """The caller does not wait for the results."""
    begun, is_begun, is_raised = list[int](), threading.Event(), threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            is_begun.wait(30)
            raise KeyError(item)
        is_begun.set()
        is_raised.wait(30)

    with pytest.raises(KeyError):
        try_each(work, list(range(100)), 2, NO_DEADLINE)
    is_raised.set()
    wait_until(
        lambda: [thread for thread in threading.enumerate() if thread.name.startswith("imagesync-check")],
        lambda found: not found,
        "the threads end",
    )
    assert begun == [0, 1]


def test_an_item_that_is_not_done_at_the_deadline_is_abandoned() -> None:
    """The others have their results; the error may pass."""
    may_end = threading.Event()

    def work(item: int) -> int:
        if item == 1:
            may_end.wait(20)
        return item

    found = try_each(work, [0, 1, 2], 3, Deadline(time.monotonic() - GRACE_SECONDS + 0.7))
    may_end.set()
    assert (found[0], found[2]) == (0, 2)
    assert isinstance(found[1], PassingError)
    assert "took more than 60 s" in found[1].message


def test_an_error_does_not_keep_what_its_functions_held() -> None:
    """Their variables may be a whole document."""

    def work(item: int) -> None:
        document = bytes(item)
        try:
            raise ValueError(len(document))
        except ValueError as cause:
            error = SourceError("no", "")
            error.__context__ = cause
            raise error from LookupError("inner")

    (found,) = try_each(work, [1000], 1, NO_DEADLINE)
    assert isinstance(found, SourceError)
    assert found.__traceback__ is None
    assert found.__cause__ is not None
    assert found.__cause__.__traceback__ is None


def test_long_documents_are_held_by_few_threads() -> None:
    """Two at a time, however many callers wait for them."""
    assert MAX_LONG == 2
    running, highest, lock = 0, 0, threading.Lock()
    are_there = threading.Barrier(MAX_LONG, timeout=30)

    def hold() -> str:
        nonlocal running, highest
        with lock:
            running += 1
            highest = max(highest, running)
        are_there.wait()
        with lock:
            running -= 1
        return threading.current_thread().name

    with FewThreads(NO_DEADLINE) as threads:
        names = try_each(lambda _: threads.run(hold), list(range(8)), 8, NO_DEADLINE)
    assert highest == MAX_LONG
    assert {str(name).rpartition("-")[0] for name in names} == {"imagesync-long"}


@pytest.mark.parametrize("error", [SourceError("no", ""), KeyError("x"), TimeoutError("of the work")])
def test_an_error_of_a_long_document_is_raised_to_its_caller(error: Exception) -> None:
    """As it is; the thread works on."""

    def fail() -> None:
        raise error

    with FewThreads(NO_DEADLINE, 1) as threads:
        with pytest.raises(type(error)) as caught:
            threads.run(fail)
        assert caught.value is error
        assert threads.run(lambda: 3) == 3


def test_a_long_document_is_not_waited_for_after_the_deadline() -> None:
    """Work that has not begun is never begun."""
    may_end, begun = threading.Event(), list[str]()

    def block() -> None:
        begun.append("first")
        may_end.wait(60)

    with FewThreads(NO_DEADLINE, 1) as threads:
        threading.Thread(target=lambda: threads.run(block), daemon=True).start()
        wait_until(lambda: begun, bool, "the first work has begun")
        threads._deadline = Deadline(time.monotonic() + OVER)
        with pytest.raises(SourceError, match="took more than 60 s"):
            threads.run(lambda: begun.append("second"))
        may_end.set()
        threads._deadline = NO_DEADLINE
        assert threads.run(lambda: 3) == 3
    assert begun == ["first"]


def test_the_threads_for_long_documents_end_with_their_block() -> None:
    """None is left that waits."""
    with FewThreads(NO_DEADLINE, 3):
        pass
    wait_until(
        lambda: [thread for thread in threading.enumerate() if thread.name.startswith("imagesync-long")],
        lambda found: not found,
        "the threads end",
    )


@pytest.mark.parametrize(
    ("at", "seconds"),
    [(OVER, 0.0), (-GRACE_SECONDS, 0.0), (0.0, 2.0), (60.0, 62.0), (float("inf"), threading.TIMEOUT_MAX)],
)
def test_requests_may_end_by_themselves_for_two_seconds(
    monkeypatch: pytest.MonkeyPatch, at: float, seconds: float
) -> None:
    """After the deadline; without one, a wait may be as long as the system allows."""
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    assert checking._seconds_to(Deadline(1000.0 + at)) == seconds


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.MAX_LONG == 2
    assert limits.GRACE_SECONDS == 2
