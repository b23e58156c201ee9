"""A call that may wait for a server -> its result, or an error as soon as the caller no longer needs it. Threads."""

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from imagesync.labels import make_thread

T = TypeVar("T")

PATIENCE: Final = 0.2
"""Seconds between two checks whether the caller still needs the result."""


def call_until(check: Callable[[], None], work: Callable[[Callable[[], bool]], T], discard: Callable[[T], None]) -> T:
    """The result of ``work``, or its error. ``check`` is called while ``work`` runs; its errors are raised here at once.

    Nothing can interrupt the opening of a connection. So ``work`` runs in a thread, which is abandoned if ``check`` raises.
    ``work`` gets a function that returns whether its result is still needed. A late result is passed to ``discard``.
    """
    changed, results, errors = threading.Condition(), list[T](), list[BaseException]()
    is_wanted = True

    def run() -> None:
        try:
            made = work(lambda: is_wanted)
        except BaseException as error:
            with changed:
                errors.append(error)
                changed.notify_all()
            return
        with changed:
            results.append(made)
            changed.notify_all()
            is_late = not is_wanted
        if is_late:
            discard(made)

    make_thread(run, "imagesync-open").start()
    with changed:
        try:
            while not changed.wait_for(lambda: results or errors, PATIENCE):
                check()
        except BaseException:
            is_wanted = False
            raise
        if errors:
            raise errors[0]
        return results[0]
