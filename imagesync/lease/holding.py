"""A lease that this run holds: heartbeats, the detection of its loss, and its release. Does I/O.

A thread sends heartbeats. The lease is lost if the service refuses a heartbeat, if a listing shows another live record,
or if no heartbeat is confirmed for too long. A request that this run sent before may still arrive later; the guard of
each write (``execution.writes``) makes it fail.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from imagesync.errors import ImagesyncError, LeaseLost, NotFound
from imagesync.labels import make_thread
from imagesync.lease.chain import Chain, World
from imagesync.lease.record import AFTER, BEAT, KEYS, STATE, Lease, State, Times, find_end, write_keys


class Held:
    """The lease that this run holds until it is lost or released.

    ``before`` is the lease of an earlier holder that did not release it, or None: requests of that holder may still
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
        warn: Callable[[str], None],
        before: Lease | None = None,
    ) -> None:
        self._chain, self._lease, self._times, self._world, self._warn = chain, lease, times, world, warn
        self.before = before
        self.is_settled = before is None
        """Whether no late request of this run or of an earlier holder can do harm, as far as this run knows."""
        self.has_waited = before is None
        """Whether an earlier holder must have noticed by now that its lease ended."""
        self._confirmed = self._taken = sent
        self._beats = 0
        self._keys: frozenset[str] | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.why = ""
        """The reason of the loss, with the run that has the lease now; empty while this run holds it."""

    @property
    def number(self) -> int:
        """The number of its record in the chain."""
        return self._lease.number

    @property
    def id(self) -> str:
        """The id of its record."""
        return self._lease.id

    @property
    def keys(self) -> frozenset[str] | None:
        """The hashed keys that had a published image after the last run; None if it did not record them."""
        return self._lease.keys

    def record_keys(self, keys: Iterable[str]) -> None:
        """Record these hashed keys when the lease is released."""
        self._keys = frozenset(keys)

    @property
    def moment(self) -> datetime | None:
        """The current time of the service's clock: the time at which it made our record, plus the time since then."""
        try:
            made = datetime.fromisoformat(self._lease.updated)
        except ValueError:
            return None
        passed = timedelta(seconds=self._world.clock() - self._taken)
        return (made if made.tzinfo else made.replace(tzinfo=UTC)) + passed

    def start(self) -> None:
        """Start the thread that sends heartbeats until the lease is lost or released."""
        self._thread = make_thread(self._keep_beating, "lease")
        self._thread.start()

    def _keep_beating(self) -> None:
        while not self.why and not self._ended.wait(self._times.beat):
            try:
                self.beat()
            except Exception as error:
                self._lose(f"its heartbeat failed: a bug in imagesync: {type(error).__name__}")

    def is_lost(self) -> bool:
        """Whether the lease is lost at this moment; without a request, for a check before each step."""
        if self._world.clock() - self._confirmed > self._times.confirm:
            self._lose(f"the service has confirmed no heartbeat for {self._times.confirm:.0f} s")
        return bool(self.why)

    def check(self) -> None:
        """Raise LeaseLost if this run no longer holds it."""
        if self.is_lost():
            raise LeaseLost(self.why, "the change was not made; run apply again")

    def beat(self) -> None:
        """Send one heartbeat, and check whether another record is live.

        A confirmed heartbeat counts from the time at which it was sent; one without an answer does not count.
        """
        sent = self._world.clock()
        try:
            self._chain.patch(self.id, self._beat_once())
            self.check_listing()
            if not self.is_lost():
                self._confirmed = sent
        except NotFound:
            self._lose_to(())
        except ImagesyncError:
            self.is_lost()

    def _beat_once(self) -> dict[str, str]:
        """The properties that the next heartbeat writes into the record."""
        self._beats += 1
        return {BEAT: str(self._beats), **({AFTER: ""} if self._lease.after and self.has_waited else {})}

    def check_listing(self) -> None:
        """Read one listing. The lease is lost if our record is missing or not held, or if another record is live."""
        seen = self._chain.read(self.id)
        if seen.own is None:
            self._lose_to(seen.live)
        elif seen.own.state is not State.HELD:
            self._lose("a user broke it with unlock")
        elif other := find_end(seen.live):
            how = "it was taken over by" if other.number > self.number else "another run holds it too:"
            self._lose(f"{how} {other.holder}")

    def _lose_to(self, live: tuple[Lease, ...]) -> None:
        end = find_end(live)
        if end is None:
            with contextlib.suppress(ImagesyncError):
                end = find_end(self._chain.read(self.id).found)
        if end is None or end.number < self.number:
            self._lose("its record was deleted")
        elif end.state is State.HELD:
            self._lose(f"it was taken over by {end.holder}")
        else:  # the record that unlock writes names the holder that it replaces
            self._lose("it was broken with unlock, or by a run that has ended since")

    def _lose(self, why: str) -> None:
        with self._lock:
            first, self.why = not self.why, self.why or f"the lease of catalog {self._lease.catalog} is lost: {why}"
        if first:
            self._warn(f"{self.why}; running steps end, no more start")

    def release(self) -> None:
        """Stop the heartbeats and mark the record as free. A record that this run no longer holds is not changed."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(self._times.confirm)
        busy = self._thread is not None and self._thread.is_alive()
        if self.why or busy:  # beside a heartbeat that is still running, this update could be lost: the lease expires
            return
        state = State.FREE if self.is_settled else State.UNSETTLED
        try:
            keys = {} if self._keys in (None, self.keys) else {KEYS: write_keys(self._keys or ())}
            self._chain.patch(self.id, {**self._beat_once(), STATE: state.value, **keys})
        except NotFound:
            self._warn(
                f"the lease of catalog {self._lease.catalog} was broken during this run; check which other run was active"
            )
        except ImagesyncError as error:
            self._warn(
                f"the lease of catalog {self._lease.catalog} was not released ({error}); "
                f"it expires in {self._times.expiry:.0f} s"
            )
