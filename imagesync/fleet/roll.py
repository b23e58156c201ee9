"""A plugin of the scheduler that says which workers come and go."""

from collections.abc import Callable
from typing import Any

from imagesync.fleet.settings import RESOURCE
from imagesync.text import make_printable


class Roll:
    """Prints a line for each worker that joins, and for each one that left or was lost."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._names: dict[str, str] = {}

    def add(self, address: str, worker: Any) -> None:
        """A worker joined, as the scheduler knows it."""
        name = self._names[address] = make_printable(str(worker.name))
        offers = ", ".join(make_printable(one.removeprefix(RESOURCE)) for one in worker.resources)
        self._say(f"worker {name} joined: {offers}")

    def remove(self, address: str) -> None:
        """A worker left or was lost."""
        self._say(f"worker {self._names.pop(address, make_printable(address))} left")


def make_plugin(roll: Roll) -> Any:
    """The plugin that calls ``roll``. Its class is made here, because only a fleet has ``distributed``."""
    from distributed.diagnostics.plugin import SchedulerPlugin

    class RollPlugin(SchedulerPlugin):  # type: ignore[misc]
        """The names are those in ``distributed``."""

        name = "imagesync-roll"

        def add_worker(self, scheduler: Any, worker: str) -> None:
            roll.add(worker, scheduler.workers[worker])

        def remove_worker(self, scheduler: Any, worker: str, **_more: Any) -> None:  # noqa: ARG002 - as in distributed
            roll.remove(worker)

    return RollPlugin()
