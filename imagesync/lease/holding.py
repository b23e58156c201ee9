"""Taking, holding, giving back and breaking the lease of a catalogue, through the Backend protocol only. Does I/O.

Take: look at the end of the chain; wait while its holder lives; POST the next number, which only one can. Hold: a
heartbeat from a thread of its own; when it is refused, or none is confirmed for too long, the lease is lost. It is no
fence: what was sent before may still arrive.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from uuid import uuid4

from imagesync.backends.base import Backend
from imagesync.errors import BackendError, Conflict, ImagesyncError, NotFound, QuotaExceeded, Unavailable
from imagesync.lease.process import identify_process, is_gone, read_clock
from imagesync.lease.record import (
    BEAT,
    MAX_TRIED_NUMBERS,
    STATE,
    USUAL,
    Holder,
    Lease,
    LeaseHeld,
    Sighting,
    State,
    Times,
    can_follow,
    find_end,
    lease_id,
    read_lease,
    update_sighting,
)


@dataclass(frozen=True, slots=True)
class World:
    """What the protocol needs of the world: a clock in seconds, sleep, unique text, who we are, who is gone."""

    here: Holder
    gone: Callable[[Holder], bool]
    clock: Callable[[], float] = read_clock
    sleep: Callable[[float], None] = time.sleep
    new_nonce: Callable[[], str] = lambda: uuid4().hex


def make_world() -> World:
    """The one this process is in."""
    here = identify_process()
    return World(here, partial(is_gone, here=here))


class Posted(Enum):
    """What became of a POST of the next number."""

    MINE = auto()
    ANOTHERS = auto()
    BURNT = auto()


class Chain:
    """The records of one catalogue's lease in one project."""

    def __init__(self, backend: Backend, catalog: str) -> None:
        self._backend, self.catalog = backend, catalog
        self._project = backend.identity().project_id

    def look(self, met: int = 0) -> tuple[Lease, ...]:
        """Every record that is listed; and number ``met``, which a POST found taken, where the listing lacks it."""
        images = self._backend.leases(self.catalog)
        found = tuple(lease for image in images if (lease := read_lease(image, self._project, self.catalog)))
        if all(lease.number < met for lease in found) and met and (unlisted := self._find(met)):
            return (*found, unlisted)
        return found

    def _find(self, number: int) -> Lease | None:
        """Our own record of a number; None where it was deleted, or the id is another project's."""
        try:
            (image,) = self._backend.images(self._id(number))
        except NotFound:
            return None
        return read_lease(image, self._project, self.catalog, number)

    def _id(self, number: int) -> str:
        return lease_id(self._project, self.catalog, number)

    def post(self, lease: Lease) -> Posted:
        """Make a record: of all who try one number, one makes it. A lost answer is told by the nonce."""
        try:
            self._backend.create_image(
                id=self._id(lease.number), visibility="private", hidden=True, properties=lease.properties()
            )
        except QuotaExceeded as error:
            message = f"no room for the record of the lease of catalogue {self.catalog}: {error.message}"
            hint = "free an image of the project's quota, or do without the lease (--no-lock)"
            raise QuotaExceeded(message, hint) from error
        except (Conflict, Unavailable) as error:
            found = self._find(lease.number)
            if found is None and isinstance(error, Unavailable):
                raise
            if found is None:
                return Posted.BURNT
            return Posted.MINE if found.nonce == lease.nonce else Posted.ANOTHERS
        return Posted.MINE

    def patch(self, number: int, properties: Mapping[str, str]) -> None:
        """Change a record; NotFound where it is gone."""
        self._backend.update_image(self._id(number), properties=properties)

    def remove(self, number: int) -> None:
        """A record goes. One that stays does no harm: only the end of the chain counts."""
        with contextlib.suppress(BackendError):
            self._backend.delete_image(self._id(number))


class Held:
    """A lease that is ours until it is lost or given back."""

    def __init__(
        self, chain: Chain, lease: Lease, times: Times, world: World, *, sent: float, tell: Callable[[str], None]
    ) -> None:
        self._chain, self._lease, self._times, self._world, self._tell = chain, lease, times, world, tell
        self._confirmed = sent
        self._beats = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.why = ""
        """Why the lease was lost, and to whom; empty while it is ours."""

    @property
    def number(self) -> int:
        """Its place in the chain."""
        return self._lease.number

    def start(self) -> None:
        """Send heartbeats from now on, until it is lost or given back."""
        self._thread = threading.Thread(target=self._keep_beating, name="lease", daemon=True)
        self._thread.start()

    def _keep_beating(self) -> None:
        while not self.why and not self._ended.wait(self._times.beat):
            try:
                self.beat()
            except Exception as error:
                self._lose(f"its heartbeat failed: a bug in imagesync: {type(error).__name__}")

    def is_lost(self) -> bool:
        """Whether it can no longer be relied on, as of this moment: asked before each step."""
        if self._world.clock() - self._confirmed > self._times.confirm:
            self._lose(f"the service has confirmed no heartbeat for {self._times.confirm:.0f} s")
        return bool(self.why)

    def beat(self) -> None:
        """One heartbeat, and a look whether somebody has followed.

        What is confirmed counts from when it was sent; a service that cannot be asked is only no confirmation.
        """
        sent = self._world.clock()
        self._beats += 1
        try:
            self._chain.patch(self.number, {BEAT: str(self._beats)})
            if not self.is_lost():
                self._confirmed = sent
            self._look_for_followers()
        except NotFound:
            self._lose_to(None)
        except ImagesyncError:
            self.is_lost()

    def _look_for_followers(self) -> None:
        end = find_end(self._chain.look())
        if end is not None and end.number > self.number:
            self._lose_to(end)

    def _lose_to(self, end: Lease | None) -> None:
        with contextlib.suppress(ImagesyncError):
            end = end or find_end(self._chain.look())
        if end is None or end.number <= self.number:
            self._lose("its record was deleted")
        else:
            self._lose(f"it was broken or taken over by {end.holder}")

    def _lose(self, why: str) -> None:
        with self._lock:
            first, self.why = not self.why, self.why or f"the lease of catalogue {self._lease.catalog} is lost: {why}"
        if first:
            self._tell(f"{self.why}; running steps end, no more start")

    def release(self) -> None:
        """No more heartbeats; the record says that it is free. What is not ours any more is left alone."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(self._times.confirm)
        busy = self._thread is not None and self._thread.is_alive()
        if self.why or busy:  # two writers of one record lose updates: a busy one lets it end by itself
            return
        try:
            self._chain.patch(self.number, {BEAT: str(self._beats + 1), STATE: State.FREE.value})
        except NotFound:
            self._tell(f"the lease of catalogue {self._lease.catalog} was broken meanwhile; look what else was at work")
        except ImagesyncError as error:
            self._tell(f"the lease was not given back ({error}); it ends by itself in {self._times.expiry:.0f} s")


class _Taking:
    """One attempt to get the lease."""

    def __init__(self, chain: Chain, times: Times, world: World, timeout: float, tell: Callable[[str], None]) -> None:
        self._chain, self._times, self._world, self._tell = chain, times, world, tell
        self._timeout, self._begun = timeout, world.clock()
        self._seen: Sighting | None = None
        self._told = False

    def take(self) -> Held:
        """The lease, ours; LeaseHeld when it stays with somebody else."""
        met = 0
        while True:
            asked = self._world.clock()
            found = self._chain.look(met)
            end = find_end(found)
            if end is not None:
                self._seen = update_sighting(self._seen, end, self._world.clock())
                if not can_follow(self._seen, asked, self._times, self._world.gone):
                    self._wait(end)
                    continue
            made = self._follow(end.number + 1 if end else 1)
            if isinstance(made, Held):
                for lease in found:
                    self._chain.remove(lease.number)
                return made
            met = made

    def _follow(self, number: int) -> Held | int:
        """The next number, ours; or the number that somebody else was quicker to take. Burnt ones are passed by."""
        while True:
            sent = self._world.clock()
            lease = Lease(self._chain.catalog, number, self._world.new_nonce(), self._world.here)
            posted = self._chain.post(lease)
            if posted is Posted.ANOTHERS:
                return number
            if posted is Posted.MINE:
                self._check_in_time(sent)
                return Held(self._chain, lease, self._times, self._world, sent=sent, tell=self._tell)
            if self._seconds_waited() > self._timeout:
                message = (
                    f"catalogue {self._chain.catalog}: {number} numbers of its lease are used up and no record is left"
                )
                raise BackendError(message, "wait longer (--lock-timeout), or do without the lease (--no-lock)")
            number += 1

    def _check_in_time(self, sent: float) -> None:
        """A record that took so long to make may look dead to others already."""
        seconds = self._world.clock() - sent
        if seconds > self._times.confirm:
            message = f"the service took {seconds:.0f} s to make the record of the lease"
            raise Unavailable(message, "try again later; nothing was changed")

    def _seconds_waited(self) -> float:
        return self._world.clock() - self._begun

    def _wait(self, lease: Lease) -> None:
        left = self._timeout - self._seconds_waited()
        if left <= 0:
            raise LeaseHeld(lease, self._timeout, self._times)
        if not self._told:
            self._tell(
                f"catalogue {lease.catalog} is at work elsewhere: {lease.holder}; waiting for at most {left:.0f} s"
            )
            self._told = True
        self._world.sleep(min(self._times.poll, left))


def take(
    backend: Backend,
    catalog: str,
    *,
    timeout: float,
    tell: Callable[[str], None],
    times: Times = USUAL,
    world: World | None = None,
) -> Held:
    """The lease of a catalogue, as soon as nobody else has it; LeaseHeld after ``timeout`` seconds."""
    return _Taking(Chain(backend, catalog), times, world or make_world(), timeout, tell).take()


def find_held_lease(backend: Backend, catalog: str) -> Lease | None:
    """Who has the lease now, as far as its record says; None where it is free."""
    end = find_end(Chain(backend, catalog).look())
    return end if end is not None and end.state is State.HELD else None


def break_lease(backend: Backend, lease: Lease, world: World | None = None) -> Lease | None:
    """Free a lease that somebody holds, whether alive or not: its holder stops at the next heartbeat.

    None when it is done; else who took it over meanwhile: that one is left alone.
    """
    world, chain = world or make_world(), Chain(backend, lease.catalog)
    following = replace(lease, holder=world.here, beat="0", state=State.FREE)
    for number in range(lease.number + 1, lease.number + MAX_TRIED_NUMBERS):
        following = replace(following, number=number, nonce=world.new_nonce())
        match chain.post(following):
            case Posted.MINE:
                chain.remove(lease.number)
                return None
            case Posted.ANOTHERS:
                return find_end(chain.look(number))
            case Posted.BURNT:
                continue
    raise BackendError(f"no number of the lease of catalogue {lease.catalog} can be taken", "use apply --no-lock")
