"""Jobs -> daemon threads that run them: the process can end although a job waits for a silent server."""

import threading
from collections.abc import Callable
from queue import SimpleQueue


class Threads:
    """Runs jobs in the order in which they come, ``parallel`` at a time. A job raises no error."""

    def __init__(self, parallel: int) -> None:
        self._parallel = parallel
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._submitted = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Start a job, or let it wait until a thread is free. It returns at once."""
        if self._submitted < self._parallel:
            threading.Thread(target=self._run_all, name=f"imagesync-target-{self._submitted}", daemon=True).start()
        self._submitted += 1
        self._jobs.put(job)

    def _run_all(self) -> None:
        while True:
            self._jobs.get()()
