"""The records of one catalog's lease, as one run sees them: listed, made, changed and deleted. Does I/O."""

import contextlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from uuid import uuid4

from imagesync.backends.base import Backend
from imagesync.errors import BackendError, Conflict, Forbidden, NotFound, QuotaExceeded, Unavailable
from imagesync.lease.process import identify_process, is_gone
from imagesync.lease.record import STATE, Holder, Lease, Sighting, State, Times, is_live, read_lease, update_sightings
from imagesync.model.image import LiveImage
from imagesync.uptime import read_uptime


@dataclass(frozen=True, slots=True)
class World:
    """What the protocol needs of the world: a clock in seconds, sleep, randomness, unique ids, this process, which
    processes ended.
    """

    here: Holder
    gone: Callable[[Holder], bool]
    clock: Callable[[], float] = read_uptime
    sleep: Callable[[float], None] = time.sleep
    new_id: Callable[[], str] = lambda: str(uuid4())
    chance: Callable[[], float] = random.random


def make_world() -> World:
    """The one this process is in."""
    here = identify_process()
    return World(here, partial(is_gone, here=here))


class Posted(Enum):
    """What became of the POST of a record."""

    MINE = auto()
    ANOTHERS = auto()
    BURNT = auto()
    """Its id was used, and its record was deleted: no record can follow there."""
    LOST = auto()
    """It did not arrive, or not yet."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one listing showed: every record of the chain, and those whose holder may be alive. Both without our own."""

    found: tuple[Lease, ...] = ()
    live: tuple[Lease, ...] = ()
    own: Lease | None = None


class Chain:
    """The records of one catalog's lease in one project, as one run sees them; ``nonce`` names that run."""

    def __init__(self, backend: Backend, catalog: str, times: Times, world: World) -> None:
        self._backend, self.catalog, self._times, self._world = backend, catalog, times, world
        self._project = backend.identity().project_id
        self._seen: Mapping[str, Sighting] = {}
        self._doomed: set[str] = set()  # what we tried to delete may go at any time
        self.nonce = world.new_id()

    def set_time_limit(self, seconds: float) -> None:
        """From now on requests are given up after so many seconds: a heartbeat that hangs must not be the last one."""
        self._backend = self._backend.with_time_limit(seconds)

    def look(self, own: str = "") -> Look:
        """List the records; ``own`` is the id of the record of this run. Another one with its nonce arrived late and is
        deleted.

        One that this run stepped back from (``step_back``) stays: the chain continues behind it.
        """
        queries = self._world.clock()
        found = self.list()
        self._seen = update_sightings(self._seen, found, self._world.clock())
        late = (lease for lease in found if lease.nonce == self.nonce and lease.id != own)
        strays = [lease.id for lease in late if lease.state is State.HELD]
        for stray in strays:
            self.remove(stray)
        others = tuple(lease for lease in found if lease.id != own and lease.id not in strays)
        live = tuple(lease for lease in others if is_live(self._seen[lease.id], queries, self._times, self._world.gone))
        return Look(others, live, next((lease for lease in found if lease.id == own), None))

    def list(self) -> tuple[Lease, ...]:
        """Every record that is listed."""
        images = self._backend.leases(self.catalog)
        return tuple(lease for image in images if (lease := read_lease(image, self._project, self.catalog)))

    def make(
        self, end: Lease | None, *, before: Lease | None = None, is_fresh: bool = False, state: State = State.HELD
    ) -> Lease:
        """The record of this run behind ``end``; ``is_fresh``: with an id that no other run can know. ``before``: the
        lease of a holder that did not give it back.
        """
        following = "" if end is None or is_fresh or end.next in self._doomed else end.next
        return Lease(
            following or self._world.new_id(),
            self.catalog,
            end.number + 1 if end else 1,
            self._world.new_id(),
            self.nonce,
            self._world.here,
            state=state,
            after=() if before is None else tuple(one for one in before.at_work if not self._world.gone(one)),
        )

    def post(self, lease: Lease) -> Posted:
        """Make a record: of all runs that try one id, one makes it. After a lost answer, the nonce shows which run made
        it.
        """
        try:
            self._backend.create_image(id=lease.id, visibility="private", hidden=True, properties=lease.properties())
        except QuotaExceeded as error:
            message = f"no room for the record of the lease of catalog {self.catalog}: {error.message}"
            hint = "free an image of the project's quota, or do without the lease (--no-lock)"
            raise QuotaExceeded(message, hint) from error
        except (Conflict, Unavailable) as error:
            image = self._find(lease.id)
            if image is None:
                return Posted.BURNT if isinstance(error, Conflict) else Posted.LOST
            if not image.hidden:  # a user made it visible: no listing of leases shows it now
                return Posted.BURNT
            found = read_lease(image, self._project, self.catalog)
            if found is None:
                return Posted.BURNT  # an image that is not a record: no run can make one with this id
            # a record that this run stepped back from is not held: another run may have followed it
            is_mine = found.nonce == lease.nonce and found.state is lease.state
            return Posted.MINE if is_mine else Posted.ANOTHERS
        return Posted.MINE

    def _find(self, image_id: str) -> LiveImage | None:
        try:
            (image,) = self._backend.images(image_id)
        except NotFound:
            return None
        return image

    def patch(self, image_id: str, properties: Mapping[str, str]) -> None:
        """Change a record; NotFound if it was deleted."""
        self._backend.update_image(image_id, properties=properties)

    def step_back(self, image_id: str) -> None:
        """Mark the record that was just made as free: the next run follows it."""
        try:
            self.patch(image_id, {STATE: State.FREE.value})
        except BackendError:
            self.remove(image_id)

    def delete(self, image_id: str) -> None:
        """Delete a record, if it exists; first remove a protection that a user set by hand."""
        self._doomed.add(image_id)
        with contextlib.suppress(NotFound):
            try:
                self._backend.delete_image(image_id)
            except Forbidden:
                self._backend.update_image(image_id, protected=False)
                self._backend.delete_image(image_id)

    def remove(self, image_id: str) -> None:
        """As ``delete``; one that stays does no harm: it is free or dead, and looks so."""
        with contextlib.suppress(BackendError):
            self.delete(image_id)
