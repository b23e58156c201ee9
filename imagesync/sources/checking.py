"""Requests to many servers at once, within the time and memory limits of one run. Threads.

A pull request chooses the servers: some may send data without end, or never respond. So all requests have one deadline, and
few long responses are in memory at a time.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from imagesync.errors import SourceError
from imagesync.labels import make_thread
from imagesync.sources.access import Deadline

T = TypeVar("T")
R = TypeVar("R")

MAX_LONG: Final = 2
"""Long documents in memory at a time; each has one thread."""
GRACE_SECONDS: Final = 2.0
"""Time after the deadline in which requests can end by themselves."""


class FewThreads:
    """The only threads that hold long documents.

    Limiting the documents alone does not limit the memory: the C library keeps freed memory for each thread separately.
    """

    def __init__(self, deadline: Deadline, number: int = MAX_LONG) -> None:
        self._deadline = deadline
        self._waiting: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._number = number

    def __enter__(self) -> "FewThreads":
        for number in range(self._number):
            make_thread(self._run_all, f"imagesync-long-{number}").start()
        return self

    def __exit__(self, *_about: object) -> None:
        for _ in range(self._number):
            self._waiting.put(None)

    def run(self, work: Callable[[], R]) -> R:
        """The result of ``work``, or its error, as soon as a thread is free for it; SourceError after the deadline."""
        future: Future[R] = Future()
        self._waiting.put((future, work))
        try:
            return future.result(timeout=_seconds_to(self._deadline))
        except TimeoutError as error:
            if future.done():
                raise
            future.cancel()
            raise self._deadline.make_error() from error

    def _run_all(self) -> None:
        while item := self._waiting.get():
            future, work = item
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:
                    future.set_exception(error)
            del item, future, work  # the result may be long


def try_each(work: Callable[[T], R], items: Sequence[T], jobs: int, deadline: Deadline) -> list[R | SourceError]:
    """The result of ``work`` for each item, or its SourceError; ``jobs`` items at a time.

    An item that is not done at the deadline is abandoned. Any other error of ``work`` is raised here.
    """
    found: dict[int, R | SourceError] = {}
    errors: list[BaseException] = []
    left = iter(range(len(items)))
    changed = threading.Condition()

    def run() -> None:
        while True:
            with changed:
                index = None if errors else next(left, None)
            if index is None:
                return
            try:
                result: R | SourceError = work(items[index])
            except SourceError as error:
                result = _forget_frames(error)
            except BaseException as error:
                with changed:
                    errors.append(error)
                    changed.notify_all()
                return
            with changed:
                found[index] = result
                changed.notify_all()

    # name resolution cannot be interrupted, and the process would wait for the end of a non-daemon thread
    for number in range(min(jobs, len(items))):
        make_thread(run, f"imagesync-check-{number}").start()
    with changed:
        changed.wait_for(lambda: errors or len(found) == len(items), timeout=_seconds_to(deadline))
        if errors:
            raise errors[0]
        late = deadline.make_error()
        return [found.get(index, late) for index in range(len(items))]


def _forget_frames(error: SourceError) -> SourceError:
    """The error without its tracebacks: their variables may hold a whole document."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error


def _seconds_to(deadline: Deadline) -> float:
    return max(0.0, min(deadline.at - time.monotonic() + GRACE_SECONDS, threading.TIMEOUT_MAX))
