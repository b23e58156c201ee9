"""Questions to many servers at once, within the time and the memory of one run. Threads.

A pull request chooses the servers: some may answer without end, or never. So each question has the deadline of them all,
and only few long answers are in memory at a time.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from imagesync.errors import SourceError
from imagesync.sources.access import Deadline

T = TypeVar("T")
R = TypeVar("R")

MAX_LONG: Final = 2
"""Long documents that are in memory at a time."""
GRACE_SECONDS: Final = 2.0
"""After the deadline, for the questions to notice it by themselves."""


class Room:
    """Places for long documents."""

    def __init__(self, places: int = MAX_LONG) -> None:
        self._places = threading.Semaphore(places)

    @contextmanager
    def offer(self, deadline: Deadline) -> Iterator[Callable[[], None]]:
        """A function that waits for a place, once; the end of the block gives it back."""
        has_place = False

        def enter() -> None:
            nonlocal has_place
            while not has_place:
                has_place = self._places.acquire(timeout=deadline.limit(1.0))

        try:
            yield enter
        finally:
            if has_place:
                self._places.release()


def try_each(work: Callable[[T], R], items: Sequence[T], jobs: int, deadline: Deadline) -> list[R | SourceError]:
    """The result for each item, or why it has none, ``jobs`` at a time.

    Whoever is not done at the deadline is given up. Any other error of ``work`` is raised here.
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
                result = error
            except BaseException as error:
                with changed:
                    errors.append(error)
                    changed.notify_all()
                return
            with changed:
                found[index] = result
                changed.notify_all()

    # a look-up of a name cannot be interrupted, and the end of the process would wait for a thread that is no daemon
    for number in range(min(jobs, len(items))):
        threading.Thread(target=run, name=f"imagesync-check-{number}", daemon=True).start()
    with changed:
        changed.wait_for(lambda: errors or len(found) == len(items), timeout=_seconds_to(deadline))
        if errors:
            raise errors[0]
        late = deadline.make_error()
        return [found.get(index, late) for index in range(len(items))]


def _seconds_to(deadline: Deadline) -> float:
    return max(0.0, min(deadline.at - time.monotonic() + GRACE_SECONDS, threading.TIMEOUT_MAX))
