"""The tasks that run in this worker's process, and the order to stop all of them. No I/O."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final


class RunningTasks:
    """Counts tasks. ``stop`` is for all of them, because their worker ends; it is never taken back."""

    def __init__(self) -> None:
        self._lock, self._number = threading.Lock(), 0
        self._stopping = threading.Event()

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Count a task for the length of the block."""
        with self._lock:
            self._number += 1
        try:
            yield
        finally:
            with self._lock:
                self._number -= 1

    @property
    def number(self) -> int:
        """How many tasks run now."""
        with self._lock:
            return self._number

    def stop(self) -> None:
        """Ask all tasks to stop in good order."""
        self._stopping.set()

    @property
    def is_stopping(self) -> bool:
        """Whether they were asked."""
        return self._stopping.is_set()


RUNNING: Final = RunningTasks()
"""Those of this process: ``distributed`` calls a function, and the signal comes to the process."""
