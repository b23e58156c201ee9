"""The name of a catalog -> its lease, taken or broken. I/O through the Backend protocol only.

To take it: list the records; wait while the holder of one may be alive; POST the record that follows the end of the
chain, which only one run can do; list again, and hold the lease only if no other record is live.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from imagesync.backends.base import Backend
from imagesync.errors import BackendError, Conflict, QuotaExceeded, Unavailable
from imagesync.lease import UNLOCK
from imagesync.lease.chain import Chain, Listing, Posted, World, make_world
from imagesync.lease.holding import Held
from imagesync.lease.record import (
    STATE,
    USUAL,
    Lease,
    LeaseHeld,
    LeaseUnsettled,
    State,
    Times,
    assume_lease,
    describe_end,
    find_end,
)

SETTLING_FACTOR: Final = 4
"""After a dead run, the next one waits this many times the backend's settling time: some 19 retries of the service."""
CHECK_SECONDS: Final = 1.0
"""Seconds between two checks whether a run that waits was canceled."""
MAX_LOST_POSTS: Final = 3
"""POSTs of a record that may have no answer and no effect, before the run fails."""


class _Taking:
    """One attempt to get the lease."""

    def __init__(
        self,
        chain: Chain,
        times: Times,
        world: World,
        timeout: float,
        warn: Callable[[str], None],
        unlock: str,
        *,
        is_new: Callable[[], bool],
        check: Callable[[], None],
    ) -> None:
        self._check = check
        self._chain, self._times, self._world, self._warn, self._unlock = chain, times, world, warn, unlock
        self._is_new, self._has_seen = is_new, False
        self._timeout, self._begun = timeout, world.clock()
        self._has_warned = False
        self._lost_posts = 0

    def take(self) -> Held:
        """Return the lease that this run now holds.

        LeaseHeld if another run keeps it. LeaseUnsettled if too little time is left to wait for late requests of a
        holder that did not release it.
        """
        while True:
            seen = self._chain.read()
            self._has_seen = self._has_seen or bool(seen.found)
            if seen.live:
                self._wait(seen.live)
            elif held := self._follow(seen):
                return held

    def _follow(self, seen: Listing) -> Held | None:
        """Make the record that follows the end of the chain; return the lease if no other record is live, else None."""
        end = find_end(seen.found)
        before = find_end(lease for lease in seen.found if lease.state is not State.FREE)
        if end is None and (self._has_seen or not self._is_new()):
            before = assume_lease(self._chain.catalog)
        self._check_time_to_settle(before)
        lease = self._chain.make(end, before=before)
        is_fresh, sent = end is None or lease.id != end.next, self._world.clock()
        posted = self._chain.post(lease)
        # a damaged end may name an earlier record as its successor
        if posted is Posted.BURNT or (posted is Posted.ANOTHERS and lease.id in {one.id for one in seen.found}):
            again = self._chain.read()  # if the POST was slow, the chain may have grown meanwhile
            if again.live or find_end(again.found) != end:
                self._pause(posted)
                return None
            before = before or assume_lease(self._chain.catalog)
            self._check_time_to_settle(before)
            lease = self._chain.make(end, before=before, is_fresh=True)
            is_fresh, sent = True, self._world.clock()
            posted = self._chain.post(lease)
        if posted is not Posted.MINE:
            self._pause(posted)
            return None
        try:
            if is_fresh:  # another run may have begun a chain too; a listing shows its record a moment later
                self._world.sleep(self._times.lag * (1 + self._world.chance()))
            confirmed = self._confirm(lease, sent)
        except BaseException:  # for example an interrupt: other runs must not have to wait for this one
            self._step_back(lease, is_fresh=is_fresh)
            raise
        if confirmed is None:
            self._step_back(lease, is_fresh=is_fresh)
            self._sleep(self._times.poll * self._world.chance())
            return None
        for old in confirmed.found:
            self._chain.remove(old.id)
        self._chain.set_time_limit(self._times.confirm / 3)
        return Held(
            self._chain, confirmed.own or lease, self._times, self._world, sent=sent, warn=self._warn, before=before
        )

    def _pause(self, posted: Posted) -> None:
        """Pause before the next try; after too many tries raise Unavailable or BackendError."""
        if posted is Posted.LOST:
            self._lost_posts += 1
            if self._lost_posts >= MAX_LOST_POSTS:
                raise Unavailable(
                    f"the service made no lease record of catalog {self._chain.catalog} in {MAX_LOST_POSTS} tries",
                    "nothing was changed; run again later",
                )
        if self._count_seconds_waited() > max(self._timeout, self._times.confirm):
            raise BackendError(
                f"the lease of catalog {self._chain.catalog} could not be taken within {self._count_seconds_waited():.0f} s",
                "nothing was changed; run again, wait longer (--lock-timeout), or run without the lease (--no-lock)",
            )
        self._sleep(self._times.poll * self._world.chance())

    def _sleep(self, seconds: float) -> None:
        sleep(seconds, self._world, self._check)

    def _confirm(self, lease: Lease, sent: float) -> Listing | None:
        """List until the record of this run is the only live one; None if another record has precedence.

        Another record has precedence if it is live and has a smaller id. It also has precedence if it is at the end of
        the chain and was not released: for example a user broke it, and its run may still be running. This run then
        follows it. Unavailable if the service made or listed the record so late that other runs may take it for dead.
        """
        is_contested = False
        while True:
            seen = self._chain.read(lease.id)
            is_contested = is_contested or bool(seen.live)
            seconds = self._world.clock() - sent
            if seconds > self._times.confirm:
                break
            is_ours = seen.own is not None and seen.own.state is State.HELD
            ended = [other for other in seen.found if other.state is not State.FREE and other not in seen.live]
            is_behind = any(other.number >= lease.number for other in ended)
            if is_ours and not seen.live and not is_behind:
                return seen
            if is_behind or any(other.id < lease.id for other in seen.live):
                is_contested = True
                break
            self._world.sleep(self._times.poll * (0.5 + self._world.chance() / 2))
        if not is_contested:
            message = f"the service took {seconds:.0f} s to make or to list the lease record"
            raise Unavailable(message, "nothing was changed; run again later")
        return None

    def _step_back(self, lease: Lease, *, is_fresh: bool) -> None:
        """Give up the record that this run just made.

        A fresh record is deleted: if it stayed as free, the next run would not see that a record before it is missing.
        """
        if is_fresh:
            self._chain.remove(lease.id)
        else:
            self._chain.step_back(lease.id)

    def _check_time_to_settle(self, before: Lease | None) -> None:
        if before is None:
            return
        left = self._timeout - self._count_seconds_waited()
        seconds = count_seconds_to_settle(before, self._times, self._world)
        if seconds and seconds > left:
            raise LeaseUnsettled(before, left, self._times, seconds, self._count_seconds_waited())

    def _count_seconds_waited(self) -> float:
        return self._world.clock() - self._begun

    def _wait(self, live: tuple[Lease, ...]) -> None:
        lease = find_end(live) or live[0]
        left = self._timeout - self._count_seconds_waited()
        if left <= 0:
            raise LeaseHeld(lease, self._timeout, self._times, self._unlock)
        if not self._has_warned:
            self._warn(
                f"catalog {lease.catalog} is locked by another run: {lease.holder}; waiting for at most {left:.0f} s "
                f"(if that run is dead, break its lease: {self._unlock})"
            )
            self._has_warned = True
        self._sleep(min(self._times.poll, left))


def sleep(seconds: float, world: World, check: Callable[[], None]) -> None:
    """Sleep; ``check`` is called before each ``CHECK_SECONDS``, and its error ends the sleep."""
    while seconds > 0:
        check()
        world.sleep(min(seconds, CHECK_SECONDS))
        seconds -= CHECK_SECONDS


def count_seconds_to_settle(before: Lease, times: Times, world: World) -> float:
    """Seconds for which requests of a run that did not release its lease may still arrive.

    If its lease was broken, the run may also send new ones until it notices: at its next heartbeat, or when none was
    confirmed for long enough.
    """
    is_maybe_running = any(not world.has_ended(one) for one in before.maybe_running)
    return times.settling + is_maybe_running * times.confirm


def take(
    backend: Backend,
    catalog: str,
    *,
    timeout: float,
    warn: Callable[[str], None],
    times: Times = USUAL,
    world: World | None = None,
    unlock: str = UNLOCK,
    is_new: Callable[[], bool] = lambda: False,
    check: Callable[[], None] = lambda: None,
) -> Held:
    """Take the lease of a catalog as soon as no other run has it; LeaseHeld after ``timeout`` seconds.

    LeaseUnsettled if too little time is left to wait for late requests of a dead holder. ``Held.before`` is the lease
    of that holder, and the caller must call ``wait_for_last_holder``. ``unlock``: the command that breaks the lease,
    for messages. ``is_new`` is called if no record is found; it returns whether the catalog has no image, because then
    an earlier lease is unlikely. ``check`` is called while the run waits; its error ends the wait.
    """
    world = world or make_world()
    chain = Chain(backend, catalog, times, world)
    return _Taking(chain, times, world, timeout, warn, unlock, is_new=is_new, check=check).take()


def wait_for_last_holder(
    held: Held,
    catalog: str,
    times: Times,
    world: World,
    warn: Callable[[str], None],
    check: Callable[[], None] = lambda: None,
) -> None:
    """Wait until a holder that did not release the lease has noticed its end and its requests have arrived.

    LeaseLost if this run lost the lease meanwhile.
    """
    if held.before is None:
        return
    seconds = count_seconds_to_settle(held.before, times, world)
    waiting = f"; waiting {seconds:.0f} s for its late requests" if seconds else ""
    warn(f"catalog {catalog}: {describe_end(held.before)}{waiting}")
    sleep(seconds, world, check)
    held.has_waited = True
    held.check_listing()  # the late request may be the POST of another run's record
    held.check()


@contextmanager
def hold(
    backend: Backend,
    catalog: str,
    *,
    timeout: float,
    times: Times,
    unlock: str,
    warn: Callable[[str], None],
    is_new: Callable[[], bool] = lambda: False,
    check: Callable[[], None] = lambda: None,
) -> Iterator[Held]:
    """Hold the lease with heartbeats while the block runs; arguments and errors as for ``take``.

    After a run that did not release it, the block begins when no late request of that run can arrive. ``lag`` and
    ``settling`` of ``times`` are maxima: for a backend that settles sooner the wait is shorter.
    """
    settled = backend.settling_time()
    times = replace(times, settling=min(times.settling, SETTLING_FACTOR * settled), lag=min(times.lag, settled))
    world = make_world()
    held = take(
        backend,
        catalog,
        timeout=timeout,
        warn=warn,
        times=times,
        world=world,
        unlock=unlock,
        is_new=is_new,
        check=check,
    )
    try:
        held.start()
        wait_for_last_holder(held, catalog, times, world, warn, check)
        yield held
    finally:
        held.release()


def find_held_lease(backend: Backend, catalog: str) -> Lease | None:
    """The held lease of a catalog by its records; None if it is free."""
    chain = Chain(backend, catalog, USUAL, make_world())
    return find_end(lease for lease in chain.list() if lease.state is State.HELD)


def find_published_keys(backend: Backend, catalog: str) -> frozenset[str] | None:
    """The hashed names of the keys that had a published image after the last run; None if no record has them."""
    end = find_end(Chain(backend, catalog, USUAL, make_world()).list())
    return end.keys if end else None


def find_running_holder(backend: Backend, catalog: str) -> Lease | None:
    """The lease of another run that may be running now, by one listing.

    None if the lease is free, or if its holder is a process of this host that has ended.
    """
    world = make_world()
    chain = Chain(backend, catalog, USUAL, world)
    return find_end(lease for lease in chain.list() if lease.state is State.HELD and not world.has_ended(lease.holder))


def break_lease(backend: Backend, lease: Lease, world: World | None = None, *, unlock: str = UNLOCK) -> Lease | None:
    """Break a lease, whether its holder is alive or not. A live holder notices within ``USUAL.confirm`` and stops.

    First a record with state ``broken`` and the holder is added at the end of the chain: the next run then waits until
    the holder must have noticed, and for its late requests. Return None, or the lease of a run that took over
    meanwhile, which is not broken. ``unlock``: the command that does this, for messages.
    """
    world = world or make_world()
    chain = Chain(backend, lease.catalog, USUAL, world)
    found = chain.list()
    held = find_end(one for one in found if one.state is State.HELD)
    if held is None or held.id != lease.id:
        return held
    end = find_end(found)
    for is_fresh in (False, True):
        made = chain.make(end, before=lease, is_fresh=is_fresh, state=State.BROKEN)
        try:
            posted = chain.post(replace(made, holder=lease.holder))
        except QuotaExceeded:
            _break_in_place(chain, lease, world, unlock)
            return None
        if posted is Posted.ANOTHERS:
            if made.id in {one.id for one in found}:
                continue  # a damaged record names an earlier record as its successor
            others = [one for one in chain.list() if one.id != lease.id and one.state is State.HELD]
            if others:
                return find_end(others)
        if posted in (Posted.MINE, Posted.ANOTHERS):
            chain.delete(lease.id)
            return None
    raise BackendError(f"the service made no lease record of catalog {lease.catalog}", f"run again: {unlock}")


def _break_in_place(chain: Chain, lease: Lease, world: World, unlock: str) -> None:
    """Write ``broken`` into the record itself, if the quota has no room for another; a heartbeat may undo that."""
    for _ in range(MAX_LOST_POSTS):
        chain.patch(lease.id, {STATE: State.BROKEN.value})
        world.sleep(USUAL.lag)
        if all(one.state is not State.HELD for one in chain.list() if one.id == lease.id):
            return
    raise Conflict(
        f"the lease of catalog {lease.catalog} cannot be broken: its holder keeps writing to its record",
        f"run again: {unlock}",
    )
