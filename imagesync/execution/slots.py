"""A run's limit of steps at the same time -> who may start one: fair between the targets of the run. No I/O."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Slots:
    """The slots of one run: each step that runs occupies one. The targets of a run share them. Thread-safe.

    A target may take every free slot, except one for each other target that runs no step, or may do so soon: so a target
    whose transfers hang delays no other, as long as there are as many slots as targets. ``parallel``: how many targets
    work at the same time at most; None: all.
    """

    def __init__(self, total: int, parallel: int | None = None) -> None:
        self.total, self._parallel = total, parallel
        self._changed = threading.Condition()
        self._seats: list[Seat] = []
        self._expected: set[str] = set()
        self._ended: set[str] = set()

    def expect(self, targets: Iterable[str]) -> None:
        """These targets have a seat, or may have one soon; those that have ended do not count."""
        with self._changed:
            self._expected = {*targets} - self._ended

    def drop(self, target: str) -> None:
        """The target needs no seat, or no longer one: it has no steps, or they have ended."""
        with self._changed:
            self._ended.add(target)
            self._expected.discard(target)
            self._changed.notify_all()

    @contextmanager
    def join(self, target: str = "") -> "Iterator[Seat]":
        """The seat of one target while its steps run."""
        seat = Seat(self)
        with self._changed:
            self._seats.append(seat)
        try:
            yield seat
        finally:
            with self._changed:
                self._seats.remove(seat)
            self.drop(target)

    def _can_take(self, seat: "Seat") -> bool:
        free = self.total - sum(one.used for one in self._seats)
        busy = sum(one.used > 0 for one in self._seats if one is not seat)
        others = max(len(self._expected), len(self._seats)) - 1
        if self._parallel is not None:
            others = min(others, self._parallel - 1)
        return free > 0 and (not seat.used or free > others - busy)


class Seat:
    """The part of one target in the slots of its run. ``used``: the slots that it occupies."""

    def __init__(self, slots: Slots) -> None:
        self._slots, self._changed = slots, slots._changed
        self.used = 0

    @property
    def most(self) -> int:
        """The slots that it may occupy at most."""
        return self._slots.total

    def take(self) -> bool:
        """Occupy one slot; False if there is none for this target now."""
        with self._changed:
            if not self._slots._can_take(self):
                return False
            self.used += 1
            return True

    def release(self) -> None:
        """Give one slot back."""
        with self._changed:
            self.used -= 1
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait until a slot is free for this target, at most ``seconds``."""
        with self._changed:
            self._changed.wait_for(lambda: self._slots._can_take(self), seconds)
