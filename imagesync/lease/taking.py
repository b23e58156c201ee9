"""Taking and breaking the lease of a catalog, through the Backend protocol only. Does I/O.

List the records; wait while the holder of one may be alive; POST the record that follows the end of the chain, which only
one can; list again, and hold the lease only if no other record is live.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from imagesync.backends.base import Backend
from imagesync.errors import BackendError, Conflict, QuotaExceeded, Unavailable
from imagesync.lease import UNLOCK
from imagesync.lease.chain import Chain, Look, Posted, World, make_world
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
"""Times the backend's settling time that who follows a dead run waits: some 19 repeats of the service's own."""
MAX_LOST_POSTS: Final = 3
"""POSTs of a record that a service may leave without answer and without effect."""


class _Taking:
    """One attempt to get the lease."""

    def __init__(
        self,
        chain: Chain,
        times: Times,
        world: World,
        timeout: float,
        tell: Callable[[str], None],
        unlock: str,
        *,
        is_new: Callable[[], bool],
    ) -> None:
        self._chain, self._times, self._world, self._tell, self._unlock = chain, times, world, tell, unlock
        self._is_new, self._has_seen = is_new, False
        self._timeout, self._begun = timeout, world.clock()
        self._told = False
        self._lost_posts = 0

    def take(self) -> Held:
        """Return the lease that this run now holds.  LeaseHeld if another run keeps it. LeaseUnsettled if too little
        time is left to wait for late requests of a holder that did not give it back.
        """
        while True:
            seen = self._chain.look()
            self._has_seen = self._has_seen or bool(seen.found)
            if seen.live:
                self._wait(seen.live)
            elif held := self._follow(seen):
                return held

    def _follow(self, seen: Look) -> Held | None:
        """Make the record behind the end of the chain, and hold the lease if it is the only live one; None: look again."""
        end = find_end(seen.found)
        before = find_end(lease for lease in seen.found if lease.state is not State.FREE)
        if end is None and (self._has_seen or not self._is_new()):
            before = assume_lease(self._chain.catalog)
        self._check_time_to_settle(before)
        lease = self._chain.make(end, before=before)
        is_fresh, sent = end is None or lease.id != end.next, self._world.clock()
        posted = self._chain.post(lease)
        # a damaged end may name a record of the past as the one that follows
        if posted is Posted.BURNT or (posted is Posted.ANOTHERS and lease.id in {one.id for one in seen.found}):
            again = self._chain.look()  # a POST that was slow may have met the chain as it was long ago
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
            if is_fresh:  # another run may have begun the chain too, which a listing shows a moment later
                self._world.sleep(self._times.lag * (1 + self._world.chance()))
            confirmed = self._confirm(lease, sent)
        except BaseException:  # for example an interruption: no other run has to wait for this one
            self._step_back(lease, before, is_fresh=is_fresh)
            raise
        if confirmed is None:
            self._step_back(lease, before, is_fresh=is_fresh)
            self._world.sleep(self._times.poll * self._world.chance())
            return None
        for old in confirmed.found:
            self._chain.remove(old.id)
        self._chain.set_time_limit(self._times.confirm / 3)
        return Held(
            self._chain, confirmed.own or lease, self._times, self._world, sent=sent, tell=self._tell, before=before
        )

    def _pause(self, posted: Posted) -> None:
        """Before another try. A service that takes no POST at all is not asked for ever."""
        if posted is Posted.LOST:
            self._lost_posts += 1
            if self._lost_posts >= MAX_LOST_POSTS:
                raise Unavailable(
                    f"the service made no record of the lease of catalog {self._chain.catalog} in {MAX_LOST_POSTS} tries",
                    "nothing was changed; run it again later",
                )
        if self._seconds_waited() > max(self._timeout, self._times.confirm):
            raise BackendError(
                f"the lease of catalog {self._chain.catalog} could not be taken in {self._seconds_waited():.0f} s",
                "nothing was changed; run it again, wait longer (--lock-timeout), or do without the lease (--no-lock)",
            )
        self._world.sleep(self._times.poll * self._world.chance())

    def _confirm(self, lease: Lease, sent: float) -> Look | None:
        """Read the list until the record of this run is the only live one; None if another run has the better claim, or
        time ran out.  This run has no claim if a new record is at the end of the chain and was not given back: for
        example it was broken, and its run may be running. Then this run follows it. Of several live records, all but
        the one with the smallest id are deleted. A record that took too long to make, or was not listed for too long,
        may look dead to other runs.
        """
        is_contested = False
        while True:
            seen = self._chain.look(lease.id)
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
            message = f"the service took {seconds:.0f} s to make, or to show, the record of the lease"
            raise Unavailable(message, "try again later; nothing was changed")
        return None

    def _step_back(self, lease: Lease, before: Lease | None, *, is_fresh: bool) -> None:
        """The record of this run, which it does not rely on, must not hide that the one before it is missing. No run
        follows a fresh record.
        """
        if not is_fresh and (before is None or before.id):
            self._chain.step_back(lease.id)
        else:
            self._chain.remove(lease.id)

    def _check_time_to_settle(self, before: Lease | None) -> None:
        if before is None:
            return
        left = self._timeout - self._seconds_waited()
        seconds = count_seconds_to_settle(before, self._times, self._world)
        if seconds and seconds > left:
            raise LeaseUnsettled(before, left, self._times, seconds, self._seconds_waited())

    def _seconds_waited(self) -> float:
        return self._world.clock() - self._begun

    def _wait(self, live: tuple[Lease, ...]) -> None:
        lease = find_end(live) or live[0]
        left = self._timeout - self._seconds_waited()
        if left <= 0:
            raise LeaseHeld(lease, self._timeout, self._times, self._unlock)
        if not self._told:
            self._tell(
                f"catalog {lease.catalog} is locked by another run: {lease.holder}; waiting for at most {left:.0f} s "
                f"(if that run is dead, break its lease: {self._unlock})"
            )
            self._told = True
        self._world.sleep(min(self._times.poll, left))


def count_seconds_to_settle(before: Lease, times: Times, world: World) -> float:
    """How long a run that did not give its lease back may still send something, or what it sent may arrive.

    One whose lease was broken does not know that before its next heartbeat, or before none was confirmed for long enough.
    """
    is_at_work = any(not world.gone(one) for one in before.at_work)
    return times.settling + is_at_work * times.confirm


def take(
    backend: Backend,
    catalog: str,
    *,
    timeout: float,
    tell: Callable[[str], None],
    times: Times = USUAL,
    world: World | None = None,
    unlock: str = UNLOCK,
    is_new: Callable[[], bool] = lambda: False,
) -> Held:
    """The lease of a catalog, as soon as no other run has it; LeaseHeld after ``timeout`` seconds.

    LeaseUnsettled if too little time is left to wait for late requests of a dead holder. ``Held.before`` names that
    holder, and the caller waits with ``wait_for_last_holder``. ``unlock``: the command that breaks the lease, for
    messages. ``is_new`` says whether the catalog has no image, so a lease before this one is unlikely; it is called if
    no record is found.
    """
    world = world or make_world()
    chain = Chain(backend, catalog, times, world)
    return _Taking(chain, times, world, timeout, tell, unlock, is_new=is_new).take()


def wait_for_last_holder(held: Held, catalog: str, times: Times, world: World, warn: Callable[[str], None]) -> None:
    """Wait until a holder that did not give the lease back has noticed its end and its requests have arrived. LeaseLost
    if this run lost the lease meanwhile.
    """
    if held.before is None:
        return
    seconds = count_seconds_to_settle(held.before, times, world)
    waiting = f"; waiting {seconds:.0f} s for what it may have sent" if seconds else ""
    warn(f"catalog {catalog}: {describe_end(held.before)}{waiting}")
    world.sleep(seconds)
    held.has_waited = True
    held.look()  # what arrived late may be the record of another run
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
) -> Iterator[Held]:
    """A lease, held with heartbeats while the block runs; arguments and errors as for ``take``.

    After a run that did not give it back the block begins when what that one sent has arrived, or never will. ``lag``
    and ``settling`` of ``times`` are limits: a backend that settles sooner is waited for less.
    """
    settled = backend.settling_time()
    times = replace(times, settling=min(times.settling, SETTLING_FACTOR * settled), lag=min(times.lag, settled))
    world = make_world()
    held = take(backend, catalog, timeout=timeout, tell=warn, times=times, world=world, unlock=unlock, is_new=is_new)
    try:
        held.start()
        wait_for_last_holder(held, catalog, times, world, warn)
        yield held
    finally:
        held.release()


def find_held_lease(backend: Backend, catalog: str) -> Lease | None:
    """The holder of the lease by its record; None if it is free."""
    chain = Chain(backend, catalog, USUAL, make_world())
    return find_end(lease for lease in chain.list() if lease.state is State.HELD)


def find_running_holder(backend: Backend, catalog: str) -> Lease | None:
    """The lease of another run that may be running now, by one listing; None if the lease is free, or its holder is a
    process of this host that has ended.
    """
    world = make_world()
    chain = Chain(backend, catalog, USUAL, world)
    return find_end(lease for lease in chain.list() if lease.state is State.HELD and not world.gone(lease.holder))


def break_lease(backend: Backend, lease: Lease, world: World | None = None) -> Lease | None:
    """Break a lease, whether its holder is alive or not. A live holder notices within ``USUAL.confirm`` and stops.

    First a record that says ``broken`` and names the holder is made at the end of the chain: the next run waits until
    the holder must have noticed, and for its late requests. Return None when it is done, or the run that took the lease
    meanwhile, which is left as it is.
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
            _break_in_place(chain, lease, world)
            return None
        if posted is Posted.ANOTHERS:
            if made.id in {one.id for one in found}:
                continue  # a damaged record names one of the past as the one that follows
            others = [one for one in chain.list() if one.id != lease.id and one.state is State.HELD]
            if others:
                return find_end(others)
        if posted in (Posted.MINE, Posted.ANOTHERS):
            chain.delete(lease.id)
            return None
    raise BackendError(f"no record could be made in the lease of catalog {lease.catalog}", "run unlock again")


def _break_in_place(chain: Chain, lease: Lease, world: World) -> None:
    """The record itself says ``broken``, where there is no room for another; a heartbeat of just then may undo that."""
    for _ in range(MAX_LOST_POSTS):
        chain.patch(lease.id, {STATE: State.BROKEN.value})
        world.sleep(USUAL.lag)
        if all(one.state is not State.HELD for one in chain.list() if one.id == lease.id):
            return
    raise Conflict(
        f"the lease of catalog {lease.catalog} cannot be broken: its record is written to", "run unlock again"
    )
