"""The lease's protocol on a local store, by a clock that only the test moves."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from imagesync.backends.local import Local, open_local
from imagesync.errors import BackendError, NotFound, QuotaExceeded, Unavailable
from imagesync.lease.holding import Held, World, break_lease, held_by, take
from imagesync.lease.record import (
    BEAT,
    HOLDER,
    NUMBER,
    STATE,
    Holder,
    Lease,
    LeaseHeld,
    Times,
    is_lease,
    lease_id,
    read_lease,
)
from imagesync.model.image import LiveImage
from imagesync.model.record import LEASE

A = Holder("a", "boot-a", "1", "10", "2026-11-23 12:00:00 UTC")
B = replace(A, host="b", boot="boot-b")


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


class Between:
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


class Desk:
    """A store, and two processes that want the lease of one catalogue."""

    def __init__(self, backend: Local) -> None:
        self.backend = backend
        self.between = Between(backend)
        self.clock = Clock()
        self.times = Times()
        self.told: list[str] = []

    def take(self, here: Holder = A, timeout: float = 120, gone: Callable[[Holder], bool] = lambda _: False) -> Held:
        """The lease, in the end."""
        world = self.clock.world(here, gone)
        backend: Any = self.between
        return take(backend, "base", timeout=timeout, tell=self.told.append, times=self.times, world=world)

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
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An empty store."""
    backend = open_local(tmp_path / "store")
    yield Desk(backend)
    backend.close()


def test_the_record_is_small_hidden_private_and_nameless(desk: Desk) -> None:
    """It names catalogue, holder and number; it belongs to no catalogue, and is told from images."""
    assert desk.take().number == 1
    (image,) = desk.backend.images()
    assert (image.id, image.name, image.hidden, image.visibility) == (desk.id(1), None, True, "private")
    assert (image.properties[LEASE], image.properties["imagesync_role"]) == ("base", "lease")
    assert "imagesync_catalog" not in image.properties
    lease = read_lease(image, desk.project, "base")
    assert lease is not None
    assert (lease.number, lease.holder, lease.state) == (1, A, "held")
    assert is_lease(image, desk.project)
    assert not is_lease(image, "another")


def test_however_often_it_is_taken_one_record_is_left(desk: Desk) -> None:
    """The record of a free lease remembers the number."""
    for number in range(1, 6):
        held = desk.take(A if number % 2 else B)
        assert held.number == number
        held.release()
    (image,) = desk.records().values()
    assert (image.id, image.properties[STATE]) == (desk.id(5), "free")
    assert held_by(desk.backend, "base") is None
    assert desk.told == []


def test_catalogues_have_leases_of_their_own(desk: Desk) -> None:
    """One never waits for another."""
    desk.take()
    other = take(desk.backend, "other", timeout=0, tell=desk.told.append, world=desk.clock.world(B))
    assert other.number == 1


def test_who_waits_is_told_once_by_whom_and_for_how_long_and_follows_at_once(desk: Desk) -> None:
    """As long as the heartbeat moves it waits, beyond the expiry; the release lets it in."""
    first = desk.take(A)

    def meanwhile(now: float) -> None:
        if now < 1200:
            first.beat()
        elif now < 1202:
            first.release()

    desk.clock.meanwhile = meanwhile
    second = desk.take(B, timeout=500)
    assert second.number == 2
    assert 1200 <= desk.clock.now <= 1204
    assert desk.told == [
        "catalogue base is at work elsewhere: host a, pid 1, since 2026-11-23 12:00:00 UTC; waiting for at most 500 s"
    ]
    assert list(desk.records()) == [2]


def test_a_dead_holder_is_followed_after_its_time_and_not_before(desk: Desk) -> None:
    """60 s without a sign of life, by the clock of the one who waits."""
    desk.take(A)
    assert desk.take(B).number == 2
    assert 1060 <= desk.clock.now < 1063
    assert list(desk.records()) == [2]


def test_one_sign_of_life_starts_the_time_anew(desk: Desk) -> None:
    """The last heartbeat counts."""
    first = desk.take(A)
    beats = iter([40.0])
    due = next(beats)

    def meanwhile(now: float) -> None:
        nonlocal due
        if now - 1000 >= due:
            first.beat()
            due = next(beats, 1e9)

    desk.clock.meanwhile = meanwhile
    desk.take(B)
    assert 1100 <= desk.clock.now < 1104


def test_a_look_that_took_long_does_not_make_a_holder_dead(desk: Desk) -> None:
    """What was seen is as old as the question: a waiter that was asleep in between looks again."""
    first = desk.take(A)
    looks = iter(range(1, 1000))

    def asleep() -> None:
        if next(looks) == 2:
            desk.clock.now += 3600
            first.beat()

    desk.between.after_look = asleep
    with pytest.raises(LeaseHeld):
        desk.take(B, timeout=30)
    assert list(desk.records()) == [1]


def test_time_out_names_the_holder_and_the_ways_out(desk: Desk) -> None:
    """And nothing is changed."""
    desk.take(A)
    with pytest.raises(LeaseHeld) as caught:
        desk.take(B, timeout=30)
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
    assert list(desk.records()) == [1]


def test_whose_process_is_gone_is_followed_at_once(desk: Desk) -> None:
    """Only the process tells; nobody waits."""
    desk.take(A)
    assert desk.take(B, timeout=0, gone=lambda holder: holder == A).number == 2
    assert desk.clock.now == 1000


def test_numbers_whose_records_were_deleted_are_passed_by_one_by_one(desk: Desk) -> None:
    """An id is never given out twice."""
    for number in (1, 2, 3):
        desk.backend.create_image(id=desk.id(number))
        desk.backend.delete_image(desk.id(number))
    assert desk.take().number == 4


def test_a_chain_without_an_end_ends_by_the_time_out(desk: Desk) -> None:
    """A service that refuses every number is not asked for ever."""
    for number in range(1, 5):
        desk.backend.create_image(id=desk.id(number))
        desk.backend.delete_image(desk.id(number))
    desk.between.before_create = lambda: desk.clock.sleep(50)
    with pytest.raises(BackendError, match="3 numbers of its lease are used up"):
        desk.take()


def test_of_two_that_try_one_number_one_has_it(desk: Desk) -> None:
    """The other looks again, waits, and follows."""
    rivals: list[Held] = []

    def rival() -> None:
        desk.between.before_create = lambda: None
        rivals.append(desk.take(B))

    desk.between.before_create = rival
    desk.clock.meanwhile = lambda now: rivals[0].release() if now < 1010 else None
    assert desk.take(A).number == 2
    assert rivals[0].number == 1
    assert "host b" in desk.told[0]


def test_a_lost_answer_is_told_by_the_nonce(desk: Desk) -> None:
    """The record is there: it is ours."""

    def lose() -> None:
        raise Unavailable("no answer")

    desk.between.after_create = lose
    assert desk.take().number == 1
    assert list(desk.records()) == [1]


def test_a_post_that_never_arrived_is_an_error(desk: Desk) -> None:
    """Nothing is there: nothing is ours."""

    def lose() -> None:
        raise Unavailable("no answer")

    desk.between.before_create = lose
    with pytest.raises(Unavailable, match="no answer"):
        desk.take()


def test_a_post_that_took_too_long_is_not_relied_on(desk: Desk) -> None:
    """Others may have taken its record for dead already."""
    desk.between.after_create = lambda: desk.clock.sleep(46)
    with pytest.raises(Unavailable, match="46 s"):
        desk.take()


def test_no_room_names_the_quota_and_the_way_out(desk: Desk) -> None:
    """The lease needs one record."""

    def full() -> None:
        raise QuotaExceeded("POST /images: HTTP 413: image_count_total is over its limit of 3")

    desk.between.before_create = full
    with pytest.raises(QuotaExceeded, match=r"lease of catalogue base.*image_count_total.*--no-lock"):
        desk.take()


def test_a_follower_ends_the_lease_and_is_named(desk: Desk) -> None:
    """Seen at the next heartbeat, whether our own record is gone or still there."""
    for keep in (False, True):
        first = desk.take(A, gone=lambda holder: True)
        if keep:
            properties = Lease("base", first.number + 1, "n", B).properties()
            desk.backend.create_image(id=desk.id(first.number + 1), hidden=True, properties=properties)
        else:
            desk.take(B, gone=lambda holder: True)
        assert not first.is_lost()
        first.beat()
        assert first.is_lost()
        assert "broken or taken over by host b, pid 1" in first.why
        assert desk.told[-1].endswith("running steps end, no more start")
        first.release()
        assert desk.records()[max(desk.records())].properties[STATE] == "held"


def test_a_record_that_somebody_deleted_ends_the_lease(desk: Desk) -> None:
    """By hand, with another tool."""
    held = desk.take()
    desk.backend.delete_image(desk.id(1))
    held.beat()
    assert "its record was deleted" in held.why


def test_without_a_confirmed_heartbeat_the_lease_is_lost_before_anybody_may_follow(desk: Desk) -> None:
    """45 s after the last one that was confirmed was sent; a late confirmation brings it back no more."""
    held = desk.take()
    desk.clock.now += 30
    held.beat()
    desk.clock.now += 45
    assert not held.is_lost()
    desk.clock.now += 1
    assert held.is_lost()
    held.beat()
    assert held.is_lost()
    assert "confirmed no heartbeat for 45 s" in held.why
    assert Times().confirm + Times().beat <= Times().expiry


def test_a_heartbeat_that_is_confirmed_late_does_not_count(desk: Desk) -> None:
    """It counts from when it was sent."""
    held = desk.take()

    desk.between.before_update = lambda: desk.clock.sleep(46)
    held.beat()
    assert held.is_lost()


def test_a_service_that_fails_for_a_moment_loses_nothing(desk: Desk) -> None:
    """The next heartbeat is confirmed."""
    held = desk.take()
    failures = iter([Unavailable("down"), Unavailable("down")])

    def down() -> None:
        if error := next(failures, None):
            raise error

    desk.between.before_update = down
    for _ in range(6):
        desk.clock.now += 14
        held.beat()
        assert not held.is_lost()


def test_unlock_breaks_a_lease_and_its_holder_stops(desk: Desk) -> None:
    """The next run takes it at once; the holder names who broke it."""
    held = desk.take(A)
    lease = held_by(desk.backend, "base")
    assert lease is not None
    assert lease.holder == A
    assert break_lease(desk.backend, lease, desk.clock.world(B)) is None
    assert held_by(desk.backend, "base") is None
    assert list(desk.records()) == [2]
    held.beat()
    assert "host b" in held.why
    assert desk.take(A, timeout=0).number == 3


def test_unlock_leaves_alone_who_followed_meanwhile(desk: Desk) -> None:
    """Only the lease that was shown is broken."""
    desk.take(A)
    lease = held_by(desk.backend, "base")
    assert lease is not None
    second = desk.take(B, gone=lambda holder: True)
    other = break_lease(desk.backend, lease, desk.clock.world(A))
    assert other is not None
    assert other.holder == B
    second.beat()
    assert not second.is_lost()


def test_unlock_passes_burnt_numbers_by(desk: Desk) -> None:
    """As a run does."""
    desk.take(A)
    lease = held_by(desk.backend, "base")
    desk.backend.create_image(id=desk.id(2))
    desk.backend.delete_image(desk.id(2))
    assert lease is not None
    assert break_lease(desk.backend, lease, desk.clock.world(B)) is None
    assert list(desk.records()) == [3]


@pytest.mark.parametrize(
    "damage", [{NUMBER: "x"}, {NUMBER: "7"}, {NUMBER: None, HOLDER: "["}, {STATE: "?", HOLDER: "3"}]
)
def test_a_damaged_record_counts_by_its_id_and_ends_after_its_time(desk: Desk, damage: dict[str, str | None]) -> None:
    """As one held by nobody known; the chain goes on behind it."""
    for _ in range(3):
        desk.take(A).release()
    desk.take(A)
    desk.backend.update_image(desk.id(4), properties=damage)
    assert desk.take(B).number == 5
    assert 1060 <= desk.clock.now < 1063
    assert [image.id for image in desk.backend.leases("base")] == [desk.id(5)]


def test_what_a_record_says_cannot_move_a_cursor(desk: Desk) -> None:
    """Whoever wrote it."""
    desk.take(A)
    desk.backend.update_image(desk.id(1), properties={HOLDER: '{"host": "\\u001b[2Jx", "pid": 3}'})
    lease = held_by(desk.backend, "base")
    assert lease is not None
    assert str(lease.holder).startswith("host [2Jx, pid , since")


def test_forged_records_are_ignored(desk: Desk) -> None:
    """Those of another project, and images of ours whose id is none of the chain: not waited for, not deleted."""
    forged = Lease("base", 7, "n", B).properties()
    ids = [
        desk.backend.create_image(id=desk.id(7), owner="other", hidden=True, properties=forged).id,
        desk.backend.create_image(hidden=True, properties=forged).id,
        desk.backend.create_image(id=str(uuid5(NAMESPACE_URL, "another")), hidden=True, properties=forged).id,
    ]
    held = desk.take(A, timeout=0)
    assert held.number == 1
    held.beat()
    assert not held.is_lost()
    assert {image.id for image in desk.backend.images()} == {*ids, desk.id(1)}


def test_a_number_that_another_project_holds_is_passed_by(desk: Desk) -> None:
    """Ids can be foreseen: whoever takes one only burns it."""
    forged = Lease("base", 1, "n", B).properties()
    desk.backend.create_image(id=desk.id(1), owner="other", visibility="public", hidden=True, properties=forged)
    assert desk.take(A, timeout=0).number == 2


def test_a_record_that_the_listing_lacks_is_met_by_its_number(desk: Desk) -> None:
    """Somebody made it visible, or took its mark off: it is waited for all the same, and cleared away."""
    first = desk.take(A)
    desk.backend.update_image(desk.id(1), hidden=False, properties={LEASE: None})
    desk.clock.meanwhile = lambda now: first.beat() if now < 1040 else None
    assert desk.take(B).number == 2
    assert 1098 <= desk.clock.now < 1104
    assert [image.id for image in desk.backend.images()] == [desk.id(2)]


def test_giving_back_a_lease_that_was_broken_says_so(desk: Desk) -> None:
    """The run was done, but perhaps not alone."""
    held = desk.take()
    desk.backend.delete_image(desk.id(1))
    held.release()
    assert "was broken meanwhile" in desk.told[0]
    with pytest.raises(NotFound):
        desk.backend.images(desk.id(1))


def test_heartbeats_come_by_themselves_and_end_with_the_lease(desk: Desk) -> None:
    """A thread sends them; after the release none is sent."""
    before = threading.active_count()
    desk.times = Times(beat=0.005)
    held = desk.take()
    held.start()
    while desk.records()[1].properties[BEAT] in ("0", "1", "2"):
        pass
    assert threading.active_count() == before + 1
    held.release()
    assert threading.active_count() == before
    assert desk.records()[1].properties[STATE] == "free"


def test_a_bug_in_the_heartbeat_loses_the_lease_and_tells(desk: Desk) -> None:
    """It never goes on unnoticed."""

    def bug() -> None:
        raise KeyError("oops")

    desk.times = Times(beat=0.005)
    held = desk.take()
    desk.between.before_update = bug
    held.start()
    while not held.is_lost():
        pass
    assert "a bug in imagesync: KeyError" in held.why
    held.release()
