"""The records of one catalog's lease: a run lists, creates, changes and deletes them. Does I/O."""

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
from imagesync.lease.process import has_ended, identify_process
from imagesync.lease.record import STATE, Holder, Lease, Sighting, State, Times, is_live, read_lease, update_sightings
from imagesync.model.image import LiveImage
from imagesync.uptime import read_uptime


@dataclass(frozen=True, slots=True)
class World:
    """The environment of the protocol; tests replace it.

    ``here`` is this process; ``has_ended`` returns whether another process has certainly ended; ``clock`` counts
    seconds; ``chance`` returns a random number below 1.
    """

    here: Holder
    has_ended: Callable[[Holder], bool]
    clock: Callable[[], float] = read_uptime
    sleep: Callable[[float], None] = time.sleep
    new_id: Callable[[], str] = lambda: str(uuid4())
    chance: Callable[[], float] = random.random


def make_world() -> World:
    """The environment of this process."""
    here = identify_process()
    return World(here, partial(has_ended, here=here))


class Posted(Enum):
    """The outcome of the POST of a record."""

    MINE = auto()
    """This run made the record."""
    ANOTHERS = auto()
    """Another run made the record with this id."""
    BURNT = auto()
    """The id was used before, and its image was deleted or is not a usable record: no run can make one with it."""
    LOST = auto()
    """The request did not arrive, or not yet."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One listing: ``found``, every record of other runs; ``live``, those with a live holder; ``own``, of this run."""

    found: tuple[Lease, ...] = ()
    live: tuple[Lease, ...] = ()
    own: Lease | None = None


class Chain:
    """The records of one catalog's lease in one project; ``nonce`` identifies this run in its records."""

    def __init__(self, backend: Backend, catalog: str, times: Times, world: World) -> None:
        self._backend, self.catalog, self._times, self._world = backend, catalog, times, world
        self._project = backend.identity().project_id
        self._seen: Mapping[str, Sighting] = {}
        self._doomed: set[str] = set()  # a DELETE without an answer may still arrive
        self.nonce = world.new_id()

    def set_time_limit(self, seconds: float) -> None:
        """Limit the seconds of each request: if one heartbeat hangs, there must be time for another."""
        self._backend = self._backend.with_time_limit(seconds)

    def read(self, own: str = "") -> Listing:
        """List the records; ``own`` is the id of this run's record.

        Another held record with this run's nonce comes from a POST that arrived late, and is deleted. A record that
        this run marked as free (``step_back``) is kept: the chain continues behind it.
        """
        asked_at = self._world.clock()
        found = self.list()
        self._seen = update_sightings(self._seen, found, self._world.clock())
        late = (lease for lease in found if lease.nonce == self.nonce and lease.id != own)
        strays = [lease.id for lease in late if lease.state is State.HELD]
        for stray in strays:
            self.remove(stray)
        others = tuple(lease for lease in found if lease.id != own and lease.id not in strays)
        live = tuple(
            lease for lease in others if is_live(self._seen[lease.id], asked_at, self._times, self._world.has_ended)
        )
        return Listing(others, live, next((lease for lease in found if lease.id == own), None))

    def list(self) -> tuple[Lease, ...]:
        """Every record of the catalog's lease."""
        images = self._backend.leases(self.catalog)
        return tuple(lease for image in images if (lease := read_lease(image, self._project, self.catalog)))

    def make(
        self, end: Lease | None, *, before: Lease | None = None, is_fresh: bool = False, state: State = State.HELD
    ) -> Lease:
        """A record of this run that follows ``end``; it is not sent.

        ``is_fresh``: with an id that no other run can know. ``before``: the lease of a holder that did not release it.
        """
        is_first = end is None and before is None  # no image of the catalog exists, else ``before`` is assumed
        following = "" if end is None or is_fresh or end.next in self._doomed else end.next
        return Lease(
            following or self._world.new_id(),
            self.catalog,
            end.number + 1 if end else 1,
            self._world.new_id(),
            self.nonce,
            self._world.here,
            state=state,
            after=()
            if before is None
            else tuple(one for one in before.maybe_running if not self._world.has_ended(one)),
            keys=end.keys if end else frozenset() if is_first else None,
        )

    def post(self, lease: Lease) -> Posted:
        """Create the image of a record. If several runs try the same id, only one succeeds.

        If the answer is lost, the nonce of the record shows which run made it.
        """
        try:
            self._backend.create_image(id=lease.id, visibility="private", hidden=True, properties=lease.properties())
        except QuotaExceeded as error:
            message = f"the quota has no room for the lease record of catalog {self.catalog}: {error.message}"
            hint = (
                "delete an image or the records of catalogs that no longer exist (imagesync unlock --stale), raise the "
                "project's quota, or run without the lease (--no-lock)"
            )
            raise QuotaExceeded(message, hint) from error
        except (Conflict, Unavailable) as error:
            image = self._find(lease.id)
            if image is None:
                return Posted.BURNT if isinstance(error, Conflict) else Posted.LOST
            if not image.hidden:  # a user made it visible: the listing of leases no longer has it
                return Posted.BURNT
            found = read_lease(image, self._project, self.catalog)
            if found is None:
                return Posted.BURNT  # an image that is not a record: no run can make one with this id
            # if this run has marked it as free, another run may have followed it
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
        """Mark the record that this run just made as free: the next run follows it."""
        try:
            self.patch(image_id, {STATE: State.FREE.value})
        except BackendError:
            self.remove(image_id)

    def delete(self, image_id: str) -> None:
        """Delete a record, if it exists, and first its protection, if a user set one by hand."""
        self._doomed.add(image_id)
        with contextlib.suppress(NotFound):
            try:
                self._backend.delete_image(image_id)
            except Forbidden:
                self._backend.update_image(image_id, protected=False)
                self._backend.delete_image(image_id)

    def remove(self, image_id: str) -> None:
        """As ``delete``, without errors: a record that stays is free or dead, and every run reads it as such."""
        with contextlib.suppress(BackendError):
            self.delete(image_id)
