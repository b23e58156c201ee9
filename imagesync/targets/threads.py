"""Jobs for targets -> daemon threads that run them: the process can end although a job waits for a silent server."""

import threading
from collections import deque
from collections.abc import Callable

from imagesync.labels import label, make_thread


class Threads:
    """Runs jobs in the order in which they come, ``parallel`` at a time. A job raises no error.

    A thread ends when no job is left. The log lines of a job begin with the name of its target.
    """

    def __init__(self, parallel: int) -> None:
        self._parallel, self._running = parallel, 0
        self._jobs: deque[tuple[str, Callable[[], None]]] = deque()
        self._lock = threading.Lock()

    def submit(self, target: str, job: Callable[[], None]) -> None:
        """Start a job, or let it wait until a thread is free. It returns at once."""
        with self._lock:
            self._jobs.append((target, job))
            if self._running == self._parallel:
                return
            self._running += 1
            number = self._running
        make_thread(self._run_all, f"imagesync-target-{number}").start()

    def _run_all(self) -> None:
        while (item := self._take()) is not None:
            target, job = item
            with label(target):
                job()

    def _take(self) -> tuple[str, Callable[[], None]] | None:
        """The next job; None, if there is none, ends the thread."""
        with self._lock:
            if self._jobs:
                return self._jobs.popleft()
            self._running -= 1
            return None
