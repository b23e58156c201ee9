"""A local store, two processes that try to take the lease of one catalog, and a clock that only the test moves."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

from imagesync.backends.local import Local
from imagesync.errors import Unavailable
from imagesync.lease.chain import World
from imagesync.lease.holding import Held
from imagesync.lease.record import Holder, Lease, Times, read_lease
from imagesync.lease.taking import take
from imagesync.model.image import LiveImage

A = Holder("a", "boot-a", "1", "10", "2026-11-23 12:00:00 UTC")
B = replace(A, host="b", boot="boot-b")
MAX_WAIT = 30.0
"""Seconds for another thread to do something that takes milliseconds."""
UNLOCK = "imagesync unlock images/ --cloud eu"


class Clock:
    """Time that passes when a run sleeps; ``meanwhile`` is called with the time after each sleep."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.meanwhile: Callable[[float], object] = lambda now: None
        self._numbers = itertools.count(1)

    def sleep(self, seconds: float) -> None:
        """Advance the time, then let other runs act."""
        self.now += seconds
        self.meanwhile(self.now)

    def new_id(self) -> str:
        """A new id, greater than the ones before."""
        return str(UUID(int=next(self._numbers)))

    def world(self, here: Holder, has_ended: Callable[[Holder], bool] = lambda holder: False) -> World:
        """The environment of one process."""
        return World(here, has_ended, lambda: self.now, self.sleep, self.new_id, lambda: 0.5)


class HookedStore:
    """A store that calls hooks of the test before and after its requests."""

    def __init__(self, real: Local) -> None:
        self._real = real
        self.before_create: Callable[[], object] = lambda: None
        self.after_create: Callable[[], object] = lambda: None
        self.before_update: Callable[[], object] = lambda: None
        self.before_listing: Callable[[], object] = lambda: None
        self.after_listing: Callable[[], object] = lambda: None
        self.display: Callable[[LiveImage], bool] = lambda image: True
        self.undeletable: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def with_time_limit(self, seconds: float) -> "HookedStore":
        """The same store."""
        return self

    def create_image(self, **attrs: Any) -> LiveImage:
        """Create an image; the hook before it may raise."""
        self.before_create()
        image = self._real.create_image(**attrs)
        self.after_create()
        return image

    def update_image(self, image: str, **attrs: Any) -> LiveImage:
        """Update an image; a heartbeat does."""
        self.before_update()
        return self._real.update_image(image, **attrs)

    def delete_image(self, image: str) -> None:
        """Delete an image; Unavailable for the undeletable ones."""
        if image in self.undeletable:
            raise Unavailable("no answer")
        self._real.delete_image(image)

    def leases(self, catalog: str) -> list[LiveImage]:
        """List the records; hooks make the listing slow or outdated."""
        self.before_listing()
        found = [image for image in self._real.leases(catalog) if self.display(image)]
        self.after_listing()
        return found


class TwoRuns:
    """A store, and two processes that try to take the lease of one catalog."""

    def __init__(self, backend: Local) -> None:
        self.backend = backend
        self.hooked = HookedStore(backend)
        self.clock = Clock()
        self.times = Times()
        self.messages: list[str] = []
        self.reported = threading.Event()

    def report(self, message: str) -> None:
        """Store a message of a run."""
        self.messages.append(message)
        self.reported.set()

    def take(
        self,
        here: Holder = A,
        timeout: float = 120,
        has_ended: Callable[[Holder], bool] = lambda _: False,
        *,
        is_new: bool = True,
    ) -> Held:
        """Take the lease, waiting as long as ``timeout``."""
        return take(
            cast("Any", self.hooked),
            "base",
            timeout=timeout,
            warn=self.report,
            times=self.times,
            world=self.clock.world(here, has_ended),
            unlock=UNLOCK,
            is_new=lambda: is_new,
        )

    def records(self) -> list[Lease]:
        """The records of the lease, sorted by number."""
        found = [read_lease(image, self.project, "base") for image in self.backend.leases("base")]
        return sorted((lease for lease in found if lease), key=lambda lease: lease.number)

    def numbers(self) -> list[int]:
        """The numbers of the records."""
        return [lease.number for lease in self.records()]

    def burn(self, image_id: str) -> None:
        """Use an id: create an image with it and delete the image."""
        self.backend.create_image(id=image_id)
        self.backend.delete_image(image_id)

    @property
    def project(self) -> str:
        """The id of the store's project."""
        return str(self.backend.identity().project_id)


def lose() -> None:
    """Lose the answer of a request."""
    raise Unavailable("no answer")
