"""A plugin of the scheduler that says which workers come and go. Imports ``distributed``."""

from collections.abc import Callable
from typing import Any

from distributed.diagnostics.plugin import SchedulerPlugin

from imagesync.fleet.settings import RESOURCE
from imagesync.text import make_printable


class Roll(SchedulerPlugin):  # type: ignore[misc]
    """Prints a line for each worker that joins, and for each one that left or was lost."""

    name = "imagesync-roll"

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._names: dict[str, str] = {}

    def add_worker(self, scheduler: Any, worker: str) -> None:
        """Called by the scheduler with the address of a worker."""
        joined = scheduler.workers[worker]
        self._names[worker] = make_printable(str(joined.name))
        offers = ", ".join(make_printable(one.removeprefix(RESOURCE)) for one in joined.resources)
        self._say(f"worker {self._names[worker]} joined: {offers}")

    def remove_worker(self, scheduler: Any, worker: str, **_more: Any) -> None:  # noqa: ARG002 - the names in distributed
        """Called by the scheduler with the address of a worker."""
        self._say(f"worker {self._names.pop(worker, make_printable(worker))} left")
