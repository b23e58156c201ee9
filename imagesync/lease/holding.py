"""A lease that is held: heartbeats, the signs that it is lost, and giving it back. Does I/O.

A thread sends heartbeats. The lease is lost if a heartbeat is refused, if another live record is seen, or if none is
confirmed for too long. The lease is not a fence: a request that was sent before may still arrive. The guard of each
write stops it (``execution.writes``).
"""

import contextlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from imagesync.errors import ImagesyncError, LeaseLost, NotFound
from imagesync.lease.chain import Chain, World
from imagesync.lease.record import AFTER, BEAT, STATE, Lease, State, Times, find_end


class Held:
    """The lease that this run holds until it is lost or given back.

    ``before`` is the lease of the holder that did not give it back, if there was one: what that one has sent may still
    arrive.
    """

    def __init__(
        self,
        chain: Chain,
        lease: Lease,
        times: Times,
        world: World,
        *,
        sent: float,
        tell: Callable[[str], None],
        before: Lease | None = None,
    ) -> None:
        self._chain, self._lease, self._times, self._world, self._tell = chain, lease, times, world, tell
        self.before = before
        self.is_settled = before is None
        """Whether nothing that was sent under it, or by a holder before it, can still do harm, as far as its run knows."""
        self.has_waited = before is None
        """Whether a holder before it must have noticed by now that its lease ended."""
        self._confirmed = self._taken = sent
        self._beats = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.why = ""
        """Why the lease was lost, and to which run; empty while this run holds it."""

    @property
    def number(self) -> int:
        """Its place in the chain."""
        return self._lease.number

    @property
    def id(self) -> str:
        """The id of its record."""
        return self._lease.id

    @property
    def moment(self) -> datetime | None:
        """What the clock of the service shows now: when it made our record, and what has passed since then."""
        try:
            made = datetime.fromisoformat(self._lease.updated)
        except ValueError:
            return None
        passed = timedelta(seconds=self._world.clock() - self._taken)
        return (made if made.tzinfo else made.replace(tzinfo=UTC)) + passed

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

    def check(self) -> None:
        """LeaseLost if this run no longer holds it."""
        if self.is_lost():
            raise LeaseLost(self.why, "the change was not made; run apply again")

    def beat(self) -> None:
        """Send one heartbeat, and check whether another record is live.  A confirmation counts from the time of
        sending. A service that does not answer confirms nothing.
        """
        sent = self._world.clock()
        try:
            self._chain.patch(self.id, self._beat_once())
            self.look()
            if not self.is_lost():
                self._confirmed = sent
        except NotFound:
            self._lose_to(())
        except ImagesyncError:
            self.is_lost()

    def _beat_once(self) -> dict[str, str]:
        """What the next heartbeat writes into the record."""
        self._beats += 1
        return {BEAT: str(self._beats), **({AFTER: ""} if self._lease.after and self.has_waited else {})}

    def look(self) -> None:
        """One listing: lost if our record is not there or says so, or another one is live."""
        seen = self._chain.look(self.id)
        if seen.own is None:
            self._lose_to(seen.live)
        elif seen.own.state is not State.HELD:
            self._lose("it was broken")
        elif other := find_end(seen.live):
            how = "it was taken over by" if other.number > self.number else "another run has one beside it:"
            self._lose(f"{how} {other.holder}")

    def _lose_to(self, live: tuple[Lease, ...]) -> None:
        end = find_end(live)
        if end is None:
            with contextlib.suppress(ImagesyncError):
                end = find_end(self._chain.look(self.id).found)
        if end is None or end.number < self.number:
            self._lose("its record was deleted")
        else:
            self._lose(f"it was broken or taken over by {end.holder}")

    def _lose(self, why: str) -> None:
        with self._lock:
            first, self.why = not self.why, self.why or f"the lease of catalog {self._lease.catalog} is lost: {why}"
        if first:
            self._tell(f"{self.why}; running steps end, no more start")

    def release(self) -> None:
        """Stop the heartbeats and mark the record as free. A record that this run no longer holds is left as it is."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(self._times.confirm)
        busy = self._thread is not None and self._thread.is_alive()
        if self.why or busy:  # two writers of one record lose updates: a busy one lets it end by itself
            return
        state = State.FREE if self.is_settled else State.UNSETTLED
        try:
            self._chain.patch(self.id, {**self._beat_once(), STATE: state.value})
        except NotFound:
            self._tell(
                f"the lease of catalog {self._lease.catalog} was broken meanwhile; check which other run was active"
            )
        except ImagesyncError as error:
            self._tell(f"the lease was not given back ({error}); it ends by itself in {self._times.expiry:.0f} s")
