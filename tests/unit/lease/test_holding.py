"""The lease's protocol on a local store, by a clock that only the test moves."""

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from imagesync.backends.local import Local, open_local
from imagesync.errors import BackendError, NotFound, QuotaExceeded, Unavailable
from imagesync.lease.holding import Held, World, break_lease, find_held_lease, take
from imagesync.lease.record import (
    BEAT,
    HOLDER,
    NUMBER,
    STATE,
    Holder,
    Lease,
    LeaseHeld,
    Times,
    lease_id,
    read_lease,
)
from imagesync.model.image import LiveImage
from imagesync.model.record import LEASE

A = Holder("a", "boot-a", "1", "10", "2026-11-23 12:00:00 UTC")
B = replace(A, host="b", boot="boot-b")
MAX_WAIT = 30.0
"""Seconds for another thread to do something that takes milliseconds."""


class Clock:
    """Time that passes when somebody sleeps; ``meanwhile`` is called with the time after each sleep."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.meanwhile: Callable[[float], object] = lambda now: None
        self._names = iter(range(1000))

    def sleep(self, seconds: float) -> None:
        """The others have their turn."""
        self.now += seconds
        self.meanwhile(self.now)

    def world(self, here: Holder, gone: Callable[[Holder], bool] = lambda holder: False) -> World:
        """The world as one process sees it."""
        return World(here, gone, lambda: self.now, self.sleep, lambda: f"nonce-{next(self._names)}")


class HookedStore:
    """The store, with something of the test's own around its answers."""

    def __init__(self, real: Local) -> None:
        self._real = real
        self.before_create: Callable[[], object] = lambda: None
        self.after_create: Callable[[], object] = lambda: None
        self.before_update: Callable[[], object] = lambda: None
        self.after_look: Callable[[], object] = lambda: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def create_image(self, **attrs: Any) -> LiveImage:
        """What happens before may fail, too."""
        self.before_create()
        image = self._real.create_image(**attrs)
        self.after_create()
        return image

    def update_image(self, image: str, **attrs: Any) -> LiveImage:
        """A heartbeat, say."""
        self.before_update()
        return self._real.update_image(image, **attrs)

    def leases(self, catalog: str) -> list[LiveImage]:
        """What was seen may be old when it arrives."""
        found = self._real.leases(catalog)
        self.after_look()
        return found


class TwoRuns:
    """A store, and two processes that want the lease of one catalogue."""

    def __init__(self, backend: Local) -> None:
        self.backend = backend
        self.hooked = HookedStore(backend)
        self.clock = Clock()
        self.times = Times()
        self.messages: list[str] = []
        self.reported = threading.Event()

    def tell(self, message: str) -> None:
        """Take down what a run reports."""
        self.messages.append(message)
        self.reported.set()

    def take(self, here: Holder = A, timeout: float = 120, gone: Callable[[Holder], bool] = lambda _: False) -> Held:
        """The lease, in the end."""
        world = self.clock.world(here, gone)
        backend: Any = self.hooked
        return take(backend, "base", timeout=timeout, tell=self.tell, times=self.times, world=world)

    def records(self) -> dict[int, LiveImage]:
        """The live records by number."""
        return {int(image.properties[NUMBER]): image for image in self.backend.leases("base")}

    @property
    def project(self) -> str:
        """The id of the store's project."""
        return str(self.backend.identity().project_id)

    def id(self, number: int) -> str:
        """The id of a record."""
        return lease_id(self.project, "base", number)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[TwoRuns]:
    """An empty store."""
    backend = open_local(tmp_path / "store")
    yield TwoRuns(backend)
    backend.close()


def test_the_record_is_small_hidden_private_and_nameless(runs: TwoRuns) -> None:
    """It names catalogue, holder and number; it belongs to no catalogue."""
    assert runs.take().number == 1
    (image,) = runs.backend.images()
    assert (image.id, image.name, image.hidden, image.visibility) == (runs.id(1), None, True, "private")
    assert (image.properties[LEASE], image.properties["imagesync_role"]) == ("base", "lease")
    assert "imagesync_catalog" not in image.properties
    lease = read_lease(image, runs.project, "base")
    assert lease is not None
    assert (lease.number, lease.holder, lease.state) == (1, A, "held")


def test_however_often_it_is_taken_one_record_is_left(runs: TwoRuns) -> None:
    """The record of a free lease remembers the number."""
    for number in range(1, 6):
        held = runs.take(A if number % 2 else B)
        assert held.number == number
        held.release()
    (image,) = runs.records().values()
    assert (image.id, image.properties[STATE]) == (runs.id(5), "free")
    assert find_held_lease(runs.backend, "base") is None
    assert runs.messages == []


def test_catalogues_have_leases_of_their_own(runs: TwoRuns) -> None:
    """One never waits for another."""
    runs.take()
    other = take(runs.backend, "other", timeout=0, tell=runs.tell, world=runs.clock.world(B))
    assert other.number == 1


def test_who_waits_is_told_once_by_whom_and_for_how_long_and_follows_at_once(runs: TwoRuns) -> None:
    """As long as the heartbeat moves it waits, beyond the expiry; the release lets it in."""
    first = runs.take(A)

    def meanwhile(now: float) -> None:
        if now < 1200:
            first.beat()
        elif now < 1202:
            first.release()

    runs.clock.meanwhile = meanwhile
    second = runs.take(B, timeout=500)
    assert second.number == 2
    assert 1200 <= runs.clock.now <= 1204
    assert runs.messages == [
        "catalogue base is at work elsewhere: host a, pid 1, since 2026-11-23 12:00:00 UTC; waiting for at most 500 s"
    ]
    assert list(runs.records()) == [2]


def test_a_dead_holder_is_followed_after_its_time_and_not_before(runs: TwoRuns) -> None:
    """60 s without a sign of life, by the clock of the one who waits."""
    runs.take(A)
    assert runs.take(B).number == 2
    assert 1060 <= runs.clock.now < 1063
    assert list(runs.records()) == [2]


def test_one_sign_of_life_starts_the_time_anew(runs: TwoRuns) -> None:
    """The last heartbeat counts."""
    first = runs.take(A)
    beats = iter([40.0])
    due = next(beats)

    def meanwhile(now: float) -> None:
        nonlocal due
        if now - 1000 >= due:
            first.beat()
            due = next(beats, 1e9)

    runs.clock.meanwhile = meanwhile
    runs.take(B)
    assert 1100 <= runs.clock.now < 1104


def test_a_look_that_took_long_does_not_make_a_holder_dead(runs: TwoRuns) -> None:
    """What was seen is as old as the question: a waiter that was asleep in between looks again."""
    first = runs.take(A)
    looks = iter(range(1, 1000))

    def asleep() -> None:
        if next(looks) == 2:
            runs.clock.now += 3600
            first.beat()

    runs.hooked.after_look = asleep
    with pytest.raises(LeaseHeld):
        runs.take(B, timeout=30)
    assert list(runs.records()) == [1]


def test_time_out_names_the_holder_and_the_ways_out(runs: TwoRuns) -> None:
    """And nothing is changed."""
    runs.take(A)
    with pytest.raises(LeaseHeld) as caught:
        runs.take(B, timeout=30)
    text = str(caught.value)
    for part in (
        "host a, pid 1, since 2026",
        "waited 30 s",
        "--lock-timeout",
        "imagesync unlock",
        "nothing was changed",
    ):
        assert part in text
    assert "\n" not in text
    assert list(runs.records()) == [1]


def test_whose_process_is_gone_is_followed_at_once(runs: TwoRuns) -> None:
    """Only the process tells; nobody waits."""
    runs.take(A)
    assert runs.take(B, timeout=0, gone=lambda holder: holder == A).number == 2
    assert runs.clock.now == 1000


def test_numbers_whose_records_were_deleted_are_passed_by_one_by_one(runs: TwoRuns) -> None:
    """An id is never given out twice."""
    for number in (1, 2, 3):
        runs.backend.create_image(id=runs.id(number))
        runs.backend.delete_image(runs.id(number))
    assert runs.take().number == 4


def test_a_chain_without_an_end_ends_by_the_time_out(runs: TwoRuns) -> None:
    """A service that refuses every number is not asked for ever."""
    for number in range(1, 5):
        runs.backend.create_image(id=runs.id(number))
        runs.backend.delete_image(runs.id(number))
    runs.hooked.before_create = lambda: runs.clock.sleep(50)
    with pytest.raises(BackendError, match="3 numbers of its lease are used up"):
        runs.take()


def test_of_two_that_try_one_number_one_has_it(runs: TwoRuns) -> None:
    """The other looks again, waits, and follows."""
    rivals: list[Held] = []

    def rival() -> None:
        runs.hooked.before_create = lambda: None
        rivals.append(runs.take(B))

    runs.hooked.before_create = rival
    runs.clock.meanwhile = lambda now: rivals[0].release() if now < 1010 else None
    assert runs.take(A).number == 2
    assert rivals[0].number == 1
    assert "host b" in runs.messages[0]


def test_a_lost_answer_is_told_by_the_nonce(runs: TwoRuns) -> None:
    """The record is there: it is ours."""

    def lose() -> None:
        raise Unavailable("no answer")

    runs.hooked.after_create = lose
    assert runs.take().number == 1
    assert list(runs.records()) == [1]


def test_a_post_that_never_arrived_is_an_error(runs: TwoRuns) -> None:
    """Nothing is there: nothing is ours."""

    def lose() -> None:
        raise Unavailable("no answer")

    runs.hooked.before_create = lose
    with pytest.raises(Unavailable, match="no answer"):
        runs.take()


def test_a_post_that_took_too_long_is_not_relied_on(runs: TwoRuns) -> None:
    """Others may have taken its record for dead already."""
    runs.hooked.after_create = lambda: runs.clock.sleep(46)
    with pytest.raises(Unavailable, match="46 s"):
        runs.take()


def test_no_room_names_the_quota_and_the_way_out(runs: TwoRuns) -> None:
    """The lease needs one record."""

    def full() -> None:
        raise QuotaExceeded("POST /images: HTTP 413: image_count_total is over its limit of 3")

    runs.hooked.before_create = full
    with pytest.raises(QuotaExceeded, match=r"lease of catalogue base.*image_count_total.*--no-lock"):
        runs.take()


def test_a_follower_ends_the_lease_and_is_named(runs: TwoRuns) -> None:
    """Seen at the next heartbeat, whether our own record is gone or still there."""
    for keep in (False, True):
        first = runs.take(A, gone=lambda holder: True)
        if keep:
            properties = Lease("base", first.number + 1, "n", B).properties()
            runs.backend.create_image(id=runs.id(first.number + 1), hidden=True, properties=properties)
        else:
            runs.take(B, gone=lambda holder: True)
        assert not first.is_lost()
        first.beat()
        assert first.is_lost()
        assert "broken or taken over by host b, pid 1" in first.why
        assert runs.messages[-1].endswith("running steps end, no more start")
        first.release()
        assert runs.records()[max(runs.records())].properties[STATE] == "held"


def test_a_record_that_somebody_deleted_ends_the_lease(runs: TwoRuns) -> None:
    """By hand, with another tool."""
    held = runs.take()
    runs.backend.delete_image(runs.id(1))
    held.beat()
    assert "its record was deleted" in held.why


def test_without_a_confirmed_heartbeat_the_lease_is_lost_before_anybody_may_follow(runs: TwoRuns) -> None:
    """45 s after the last one that was confirmed was sent; a late confirmation brings it back no more."""
    held = runs.take()
    runs.clock.now += 30
    held.beat()
    runs.clock.now += 45
    assert not held.is_lost()
    runs.clock.now += 1
    assert held.is_lost()
    held.beat()
    assert held.is_lost()
    assert "confirmed no heartbeat for 45 s" in held.why


def test_a_heartbeat_that_is_confirmed_late_does_not_count(runs: TwoRuns) -> None:
    """It counts from when it was sent."""
    held = runs.take()

    runs.hooked.before_update = lambda: runs.clock.sleep(46)
    held.beat()
    assert held.is_lost()


def test_a_service_that_fails_for_a_moment_loses_nothing(runs: TwoRuns) -> None:
    """The next heartbeat is confirmed."""
    held = runs.take()
    failures = iter([Unavailable("down"), Unavailable("down")])

    def down() -> None:
        if error := next(failures, None):
            raise error

    runs.hooked.before_update = down
    for _ in range(6):
        runs.clock.now += 14
        held.beat()
        assert not held.is_lost()


def test_unlock_breaks_a_lease_and_its_holder_stops(runs: TwoRuns) -> None:
    """The next run takes it at once; the holder names who broke it."""
    held = runs.take(A)
    lease = find_held_lease(runs.backend, "base")
    assert lease is not None
    assert lease.holder == A
    assert break_lease(runs.backend, lease, runs.clock.world(B)) is None
    assert find_held_lease(runs.backend, "base") is None
    assert list(runs.records()) == [2]
    held.beat()
    assert "host b" in held.why
    assert runs.take(A, timeout=0).number == 3


def test_unlock_leaves_alone_who_followed_meanwhile(runs: TwoRuns) -> None:
    """Only the lease that was shown is broken."""
    runs.take(A)
    lease = find_held_lease(runs.backend, "base")
    assert lease is not None
    second = runs.take(B, gone=lambda holder: True)
    other = break_lease(runs.backend, lease, runs.clock.world(A))
    assert other is not None
    assert other.holder == B
    second.beat()
    assert not second.is_lost()


def test_unlock_passes_burnt_numbers_by(runs: TwoRuns) -> None:
    """As a run does."""
    runs.take(A)
    lease = find_held_lease(runs.backend, "base")
    runs.backend.create_image(id=runs.id(2))
    runs.backend.delete_image(runs.id(2))
    assert lease is not None
    assert break_lease(runs.backend, lease, runs.clock.world(B)) is None
    assert list(runs.records()) == [3]


@pytest.mark.parametrize(
    "damage", [{NUMBER: "x"}, {NUMBER: "7"}, {NUMBER: None, HOLDER: "["}, {STATE: "?", HOLDER: "3"}]
)
def test_a_damaged_record_counts_by_its_id_and_ends_after_its_time(
    runs: TwoRuns, damage: dict[str, str | None]
) -> None:
    """As one held by nobody known; the chain goes on behind it."""
    for _ in range(3):
        runs.take(A).release()
    runs.take(A)
    runs.backend.update_image(runs.id(4), properties=damage)
    assert runs.take(B).number == 5
    assert 1060 <= runs.clock.now < 1063
    assert [image.id for image in runs.backend.leases("base")] == [runs.id(5)]


def test_forged_records_are_ignored(runs: TwoRuns) -> None:
    """Those of another project, and images of ours whose id is none of the chain: not waited for, not deleted."""
    forged = Lease("base", 7, "n", B).properties()
    ids = [
        runs.backend.create_image(id=runs.id(7), owner="other", hidden=True, properties=forged).id,
        runs.backend.create_image(hidden=True, properties=forged).id,
        runs.backend.create_image(id=str(uuid5(NAMESPACE_URL, "another")), hidden=True, properties=forged).id,
    ]
    held = runs.take(A, timeout=0)
    assert held.number == 1
    held.beat()
    assert not held.is_lost()
    assert {image.id for image in runs.backend.images()} == {*ids, runs.id(1)}


def test_a_number_that_another_project_holds_is_passed_by(runs: TwoRuns) -> None:
    """Ids can be foreseen: whoever takes one only burns it."""
    forged = Lease("base", 1, "n", B).properties()
    runs.backend.create_image(id=runs.id(1), owner="other", visibility="public", hidden=True, properties=forged)
    assert runs.take(A, timeout=0).number == 2


def test_a_record_that_the_listing_lacks_is_met_by_its_number(runs: TwoRuns) -> None:
    """Somebody made it visible, or took its mark off: it is waited for all the same, and cleared away."""
    first = runs.take(A)
    runs.backend.update_image(runs.id(1), hidden=False, properties={LEASE: None})
    runs.clock.meanwhile = lambda now: first.beat() if now < 1040 else None
    assert runs.take(B).number == 2
    assert 1098 <= runs.clock.now < 1104
    assert [image.id for image in runs.backend.images()] == [runs.id(2)]


def test_giving_back_a_lease_that_was_broken_says_so(runs: TwoRuns) -> None:
    """The run was done, but perhaps not alone."""
    held = runs.take()
    runs.backend.delete_image(runs.id(1))
    held.release()
    assert "was broken meanwhile" in runs.messages[0]
    with pytest.raises(NotFound):
        runs.backend.images(runs.id(1))


def test_heartbeats_come_by_themselves_and_end_with_the_lease(runs: TwoRuns) -> None:
    """A thread sends them; after the release none is sent."""
    before, third, beats = threading.active_count(), threading.Event(), itertools.count(1)
    runs.times = Times(beat=0.005)
    held = runs.take()
    runs.hooked.before_update = lambda: third.set() if next(beats) >= 3 else None
    held.start()
    assert third.wait(MAX_WAIT)
    assert threading.active_count() == before + 1
    held.release()
    assert threading.active_count() == before
    assert int(runs.records()[1].properties[BEAT]) >= 3
    assert runs.records()[1].properties[STATE] == "free"


def test_a_bug_in_the_heartbeat_loses_the_lease_and_tells(runs: TwoRuns) -> None:
    """It never goes on unnoticed."""

    def bug() -> None:
        raise KeyError("oops")

    runs.times = Times(beat=0.005)
    held = runs.take()
    runs.hooked.before_update = bug
    held.start()
    assert runs.reported.wait(MAX_WAIT)
    assert held.is_lost()
    assert "a bug in imagesync: KeyError" in held.why
    held.release()
