"""The protocol that takes and breaks a lease, with a clock that only the test moves."""

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from imagesync.errors import BackendError, Conflict, LeaseLost, QuotaExceeded, Unavailable
from imagesync.lease.chain import Chain, Posted
from imagesync.lease.holding import Held
from imagesync.lease.record import (
    AFTER,
    HOLDER,
    NEXT,
    NUMBER,
    STATE,
    USUAL,
    Holder,
    Lease,
    LeaseHeld,
    LeaseUnsettled,
    State,
    Times,
    describe_end,
)
from imagesync.lease.taking import (
    break_lease,
    count_seconds_to_settle,
    find_held_lease,
    find_published_keys,
    hold,
    sleep,
    take,
    wait_for_last_holder,
)
from imagesync.model.image import LiveImage
from imagesync.model.record import ID, LEASE
from tests.unit.lease.two_runs import UNLOCK, A, B, HookedStore, TwoRuns, lose


def test_the_record_is_small_hidden_private_and_nameless(runs: TwoRuns) -> None:
    """It names its own id, catalog, holder, number and the id of its successor; it belongs to no catalog."""
    held = runs.take()
    (image,) = runs.backend.images()
    assert (image.id, image.name, image.hidden, image.visibility) == (held.id, None, True, "private")
    assert (image.properties[ID], image.properties[LEASE]) == (held.id, "base")
    assert image.properties["imagesync_role"] == "lease"
    assert "imagesync_catalog" not in image.properties
    (lease,) = runs.records()
    assert (lease.number, lease.holder, lease.state) == (1, A, "held")
    assert lease.next not in ("", held.id)


def test_repeated_leases_leave_one_record(runs: TwoRuns) -> None:
    """Each record has the id that the one before named; the record of a free lease names the next id."""
    following = ""
    for number in range(1, 6):
        held = runs.take(A if number % 2 else B)
        assert held.number == number
        assert held.id == (following or held.id)
        assert held.before is None
        (lease,) = runs.records()
        following = lease.next
        held.release()
    assert [(lease.number, lease.state) for lease in runs.records()] == [(5, State.FREE)]
    assert find_held_lease(runs.backend, "base") is None
    assert runs.messages == []


def test_catalogs_have_leases_of_their_own(runs: TwoRuns) -> None:
    """A run on one catalog does not wait for a run on another."""
    runs.take()
    other = take(runs.backend, "other", timeout=0, warn=runs.report, world=runs.clock.world(B), is_new=lambda: True)
    assert other.number == 1


def test_a_waiting_run_reports_holder_wait_and_command_once_and_follows_at_once(runs: TwoRuns) -> None:
    """It waits longer than the expiry while heartbeats arrive; the release ends its wait."""
    first = runs.take(A)
    begun = runs.clock.now

    def meanwhile(now: float) -> None:
        if now < begun + 200:
            first.beat()
        elif now < begun + 202:
            first.release()

    runs.clock.meanwhile = meanwhile
    second = runs.take(B, timeout=500)
    assert second.number == 2
    assert begun + 200 <= runs.clock.now <= begun + 204
    assert runs.messages == [
        "catalog base is locked by another run: host a, pid 1, since 2026-11-23 12:00:00 UTC; waiting for at most 500 s "
        f"(if that run is dead, break its lease: {UNLOCK})"
    ]
    assert runs.numbers() == [2]


def test_a_run_follows_a_dead_holder_after_the_expiry_and_not_before(runs: TwoRuns) -> None:
    """60 s without a heartbeat, by the clock of the waiting run; that run knows the dead holder."""
    runs.take(A)
    begun = runs.clock.now
    second = runs.take(B)
    assert second.number == 2
    assert begun + 60 <= runs.clock.now < begun + 63
    assert runs.numbers() == [2]
    assert second.before is not None
    assert second.before.holder == A


def test_one_heartbeat_restarts_the_expiry(runs: TwoRuns) -> None:
    """The waiting run counts from the last heartbeat."""
    first = runs.take(A)
    begun = runs.clock.now
    beats = iter([40.0])
    due = next(beats)

    def meanwhile(now: float) -> None:
        nonlocal due
        if now - begun >= due:
            first.beat()
            due = next(beats, 1e9)

    runs.clock.meanwhile = meanwhile
    runs.take(B)
    assert begun + 100 <= runs.clock.now < begun + 104


def test_a_slow_listing_does_not_make_a_holder_dead(runs: TwoRuns) -> None:
    """A listing is as old as its request: a waiting run that slept in between lists again."""
    first = runs.take(A)
    listings = iter(range(1, 1000))

    def asleep() -> None:
        if next(listings) == 2:
            runs.clock.now += 3600
            first.beat()

    runs.hooked.after_listing = asleep
    with pytest.raises(LeaseHeld):
        runs.take(B, timeout=30)
    assert runs.numbers() == [1]


def test_a_timeout_names_the_holder_and_what_to_do(runs: TwoRuns) -> None:
    """Nothing is changed."""
    runs.take(A)
    with pytest.raises(LeaseHeld) as caught:
        runs.take(B, timeout=30)
    text = str(caught.value)
    for part in ("host a, pid 1, since 2026", "waited 30 s", "--lock-timeout", UNLOCK, "nothing was changed"):
        assert part in text
    assert "\n" not in text
    assert runs.numbers() == [1]


def test_a_holder_whose_process_has_ended_is_followed_at_once_if_time_is_left_for_its_requests(runs: TwoRuns) -> None:
    """No run waits for its heartbeat. The ten seconds for its late requests count as waiting time."""
    runs.take(A)
    begun = runs.clock.now
    with pytest.raises(LeaseUnsettled, match=r"did not release the lease \(host a.*may arrive for 10 s.*9 s were left"):
        runs.take(B, timeout=9, has_ended=lambda holder: holder == A)
    assert runs.numbers() == [1]
    second = runs.take(B, timeout=10, has_ended=lambda holder: holder == A)
    assert second.number == 2
    assert second.before is not None
    assert runs.clock.now == begun


def test_without_late_requests_a_dead_holder_costs_no_time(runs: TwoRuns) -> None:
    """A local store has no late requests."""
    runs.times = Times(settling=0)
    runs.take(A)
    assert runs.take(B, timeout=0, has_ended=lambda holder: holder == A).number == 2


def test_a_successor_id_that_was_used_is_replaced(runs: TwoRuns) -> None:
    """Its image was deleted. The next record gets a new id and the next number."""
    runs.take(A).release()
    (lease,) = runs.records()
    runs.burn(lease.next)
    held = runs.take(B)
    assert held.number == 2
    assert held.id != lease.next


def test_a_slow_post_does_not_take_the_lease_of_a_running_holder(runs: TwoRuns) -> None:
    """The end of the chain that it follows is old: meanwhile one run ended and another one is running."""
    runs.take(A).release()
    working: list[Held] = []

    def overtake() -> None:
        runs.hooked.before_create = lambda: None
        runs.take(B).release()
        working.append(runs.take(B))
        runs.hooked.before_create = fail

    def fail() -> None:
        raise AssertionError("a second record beside that of a running holder")

    runs.hooked.before_create = overtake
    with pytest.raises(LeaseHeld, match="host b"):
        runs.take(A, timeout=5)
    working[0].beat()
    assert not working[0].is_lost()
    assert runs.numbers() == [3]


@pytest.mark.parametrize("state", [State.UNSETTLED, State.BROKEN, State.HELD])
def test_two_runs_begin_a_chain_and_one_does_not_release_it(runs: TwoRuns, state: State) -> None:
    """Both records have number 1.

    The other run ends without a release, so this run follows it: its requests may still arrive.
    """
    other = Lease(runs.clock.new_id(), "base", 1, runs.clock.new_id(), "n", B, state=state)

    def arrive(_now: float) -> None:
        runs.clock.meanwhile = lambda now: None
        runs.backend.create_image(id=other.id, hidden=True, visibility="private", properties=other.properties())

    runs.clock.meanwhile = arrive
    held = runs.take(A, has_ended=lambda holder: holder == B)
    assert held.number == 2
    assert held.before is not None
    assert (held.before.state, held.before.holder) == (state, B)
    assert runs.numbers() == [2]


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("change", ["deleted", "shared", "deleted, its id given out"])
def test_a_holder_whose_record_was_deleted_may_be_running(runs: TwoRuns, change: str, *, is_new: bool) -> None:
    """A user or a cleanup job deletes it. The heartbeats of its run hang, so it has not noticed yet.

    A catalog without images probably had no lease before.
    """
    if "given out" in change:
        runs.take(A).release()
        runs.hooked.undeletable = {runs.records()[0].id}
        is_new = False
    first = runs.take(A)
    if change == "shared":
        runs.backend.update_image(first.id, visibility="shared")
    else:
        runs.backend.delete_image(first.id)
    begun = runs.clock.now
    if is_new:
        assert runs.take(B, timeout=0).before is None
        assert runs.clock.now == begun + 1.5 * runs.times.lag
        return
    with pytest.raises(LeaseUnsettled, match=r"it has no lease record.*may arrive for 55 s"):
        runs.take(B, timeout=54, is_new=is_new)
    second = runs.take(B, timeout=55, is_new=is_new)
    assert runs.clock.now == begun + 1.5 * runs.times.lag
    assert second.before is not None
    assert count_seconds_to_settle(second.before, USUAL, runs.clock.world(B)) == USUAL.confirm + USUAL.settling
    first.beat()
    assert first.is_lost()
    second.beat()
    assert not second.is_lost()


@pytest.mark.parametrize("is_new", [True, False])
def test_an_interrupted_run_does_not_hide_a_missing_record(runs: TwoRuns, *, is_new: bool) -> None:
    """The next run still sees that the record is missing."""

    def interrupt(_now: float) -> None:
        raise KeyboardInterrupt

    runs.clock.meanwhile = interrupt
    with pytest.raises(KeyboardInterrupt):
        runs.take(A, is_new=is_new)
    runs.clock.meanwhile = lambda now: None
    assert runs.records() == []
    assert (runs.take(B, is_new=is_new).before is None) is is_new


def test_the_chain_continues_behind_a_record_that_was_freed_at_once(runs: TwoRuns) -> None:
    """If it were deleted, its used id could not be distinguished from that of a deleted holder."""
    chain = Chain(runs.backend, "base", USUAL, runs.clock.world(A))
    lease = chain.make(None)
    assert chain.post(lease) is Posted.MINE
    chain.step_back(lease.id)
    assert [(one.id, one.state) for one in chain.read().found] == [(lease.id, State.FREE)]
    assert runs.take(B).id == lease.next


def test_a_late_delete_of_this_run_does_not_delete_its_lease(runs: TwoRuns) -> None:
    """A POST got no answer and arrived late.

    The DELETE of its record gets no answer either and may arrive at any time.
    """
    runs.take(B).release()
    (end,) = runs.records()
    runs.hooked.undeletable = {end.next}
    real, lost = runs.hooked.create_image, list[dict[str, Any]]()

    def create(**attrs: Any) -> LiveImage:
        if not lost:
            lost.append(attrs)
            raise Unavailable("no answer")
        return real(**attrs)

    def arrive(_now: float) -> None:
        runs.clock.meanwhile = lambda now: None
        runs.backend.create_image(**lost[0])

    runs.hooked.create_image = create  # type: ignore[method-assign]  # a double of the test's own
    runs.clock.meanwhile = arrive
    held = runs.take(A)
    assert held.id != end.next
    assert held.before is None
    runs.backend.delete_image(end.next)
    held.beat()
    assert not held.is_lost()


def test_a_run_tries_again_when_its_record_became_too_old(runs: TwoRuns) -> None:
    """Another run also held the lease, longer than a record may be unconfirmed, and then released it."""
    rivals: list[Held] = []

    def rival() -> None:
        runs.hooked.after_create = lambda: None
        rivals.append(hold_beside(runs))

    def meanwhile(now: float) -> None:
        if rivals and now > begun + 47:
            rivals[0].release()
        elif rivals:
            rivals[0].beat()

    begun = runs.clock.now
    runs.hooked.after_create = rival
    runs.clock.meanwhile = meanwhile
    held = runs.take(A)
    assert not held.is_lost()
    assert runs.numbers() == [held.number]


def hold_beside(runs: TwoRuns) -> Held:
    """The lease, held by B, which does not check for other records."""
    world = runs.clock.world(B)
    chain = Chain(runs.backend, "base", USUAL, world)
    lease = chain.make(None)
    assert chain.post(lease) is Posted.MINE
    return Held(chain, lease, USUAL, world, sent=runs.clock.now, warn=runs.report)


def test_of_two_runs_that_follow_one_record_one_gets_the_lease(runs: TwoRuns) -> None:
    """The other run lists again, waits, and follows."""
    runs.take(A).release()
    rivals: list[Held] = []

    def rival() -> None:
        runs.hooked.before_create = lambda: None
        rivals.append(runs.take(B))

    runs.hooked.before_create = rival
    end = runs.clock.now + 10
    runs.clock.meanwhile = lambda now: rivals[0].release() if now > end else None
    assert runs.take(A).number == 3
    assert rivals[0].number == 2
    assert "host b" in runs.messages[0]


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_runs_that_begin_a_chain_the_smaller_id_gets_the_lease(runs: TwoRuns, is_first: bool) -> None:
    """Both list no record, and each makes one with its own id: only one of them may hold the lease."""
    found: dict[str, Held] = {}
    failed: list[LeaseHeld] = []

    def rival() -> None:
        runs.hooked.before_create = runs.hooked.after_create = lambda: None
        try:
            found["b"] = runs.take(B, timeout=0)
        except LeaseHeld as error:
            failed.append(error)

    if is_first:
        runs.hooked.before_create = rival  # the other run makes and lists its record before this run does
    else:
        runs.hooked.after_create = rival  # the record of this run, with the smaller id, exists when the other run lists
    runs.clock.meanwhile = lambda now: found["b"].release() if found else None
    held = runs.take(A)
    assert bool(found) is is_first
    assert not held.is_lost()
    held.check_listing()
    assert not held.is_lost()
    assert runs.numbers() == [held.number]
    assert [error.lease.holder for error in failed] == ([] if is_first else [A])


def test_a_run_that_begins_a_chain_waits_for_the_lag_of_listings(runs: TwoRuns) -> None:
    """A listing shows a record a moment after it was made, so the run lists after that time."""
    made_at: dict[str, float] = {}
    runs.hooked.display = lambda image: runs.clock.now - made_at.setdefault(image.id, runs.clock.now) >= 0.4
    failed: list[LeaseHeld] = []

    def rival() -> None:
        runs.hooked.after_create = lambda: None
        try:
            runs.take(B, timeout=0)
        except LeaseHeld as error:
            failed.append(error)

    runs.hooked.after_create = rival
    held = runs.take(A)
    assert [error.lease.holder for error in failed] == [A]
    assert not held.is_lost()


def test_a_record_that_is_never_listed_is_not_used(runs: TwoRuns) -> None:
    """Other runs would not see it either."""
    runs.hooked.display = lambda image: False
    with pytest.raises(Unavailable, match="to make or to list the lease record"):
        runs.take()
    assert runs.records() == []


def test_the_nonce_shows_which_run_made_a_record_after_a_lost_answer(runs: TwoRuns) -> None:
    """The record exists and has this run's nonce."""
    runs.hooked.after_create = lose
    assert runs.take().number == 1
    assert runs.numbers() == [1]


def test_posts_that_never_arrive_are_an_error(runs: TwoRuns) -> None:
    """After three of them; no record exists."""
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        lose()

    runs.hooked.before_create = fail
    with pytest.raises(Unavailable, match="made no lease record of catalog base in 3 tries; nothing was changed"):
        runs.take()
    assert len(tries) == 3


def test_a_late_record_of_this_run_is_deleted_and_does_not_end_the_lease(runs: TwoRuns) -> None:
    """The run took its POST for lost and made another record: one of the two counts."""
    late: list[dict[str, Any]] = []
    real = runs.hooked.create_image

    def create(**attrs: Any) -> LiveImage:
        if not late:
            late.append(attrs)
            raise Unavailable("no answer")
        return real(**attrs)

    runs.hooked.create_image = create  # type: ignore[method-assign]  # a double of the test's own
    held = runs.take()
    runs.backend.create_image(**late[0])
    held.beat()
    assert not held.is_lost()
    assert [lease.id for lease in runs.records()] == [held.id]


def test_a_record_whose_post_took_too_long_is_not_used(runs: TwoRuns) -> None:
    """Other runs may already take its record for dead, so the run frees it."""
    runs.take(B).release()
    runs.hooked.after_create = lambda: runs.clock.sleep(46)
    with pytest.raises(Unavailable, match=r"took 4[678] s to make"):
        runs.take()
    assert [(one.number, one.state) for one in runs.records()] == [(1, State.FREE), (2, State.FREE)]


def test_an_interrupt_during_the_taking_frees_the_lease(runs: TwoRuns) -> None:
    """Ctrl-C directly after the POST: the next run does not have to wait for the expiry."""
    runs.take(B).release()
    runs.hooked.after_listing = interrupt_second_listing(iter(range(9)))
    with pytest.raises(KeyboardInterrupt):
        runs.take(A)
    runs.hooked.after_listing = lambda: None
    second = runs.take(B, timeout=0)
    assert (second.number, second.before) == (3, None)


def interrupt_second_listing(listings: Iterator[int]) -> Callable[[], None]:
    """Ctrl-C at the second listing."""

    def interrupt() -> None:
        if next(listings):
            raise KeyboardInterrupt

    return interrupt


def test_a_full_quota_is_named_with_what_to_do(runs: TwoRuns) -> None:
    """The lease needs room for one record."""

    def full() -> None:
        raise QuotaExceeded("POST /images: HTTP 413: image_count_total is over its limit of 3")

    runs.hooked.before_create = full
    with pytest.raises(QuotaExceeded, match=r"lease record of catalog base.*image_count_total.*--no-lock"):
        runs.take()


def test_unlock_breaks_a_lease_and_its_holder_stops(runs: TwoRuns) -> None:
    """The next run takes it at once, and knows that it was broken and its holder."""
    held = runs.take(A)
    lease = find_held_lease(runs.backend, "base")
    assert lease is not None
    assert lease.holder == A
    assert break_lease(runs.backend, lease, runs.clock.world(B)) is None
    assert find_held_lease(runs.backend, "base") is None
    assert [(one.number, one.state, one.holder) for one in runs.records()] == [(2, State.BROKEN, A)]
    held.beat()
    assert "its record was deleted" in held.why or "broken with unlock" in held.why
    third = runs.take(B, timeout=100)
    assert third.number == 3
    assert third.before is not None
    assert third.before.state is State.BROKEN
    third.is_settled = True
    third.release()
    assert runs.take(B).before is None


def test_unlock_does_not_break_the_lease_of_a_run_that_followed_meanwhile(runs: TwoRuns) -> None:
    """Only the lease that the user saw is broken."""
    runs.take(A)
    lease = find_held_lease(runs.backend, "base")
    assert lease is not None
    second = runs.take(B, has_ended=lambda holder: True)
    other = break_lease(runs.backend, lease, runs.clock.world(A))
    assert other is not None
    assert other.holder == B
    second.beat()
    assert not second.is_lost()


def test_the_recorded_keys_follow_the_lease(runs: TwoRuns) -> None:
    """Through runs that record nothing, a dead run and unlock; a chain that a lost record ends has none."""
    first = runs.take(A)
    assert first.keys == frozenset()
    first.record_keys({"00c0ffee"})
    first.release()
    assert find_published_keys(runs.backend, "base") == frozenset({"00c0ffee"})
    runs.take(A)
    lease = find_held_lease(runs.backend, "base")
    assert lease is not None
    assert break_lease(runs.backend, lease, runs.clock.world(B)) is None
    assert runs.take(B).keys == frozenset({"00c0ffee"})
    for record in runs.records():
        runs.backend.delete_image(record.id)
    assert find_published_keys(runs.backend, "base") is None
    assert runs.take(A, is_new=False).keys is None


def test_unlock_changes_nothing_if_the_lease_was_released_meanwhile(runs: TwoRuns) -> None:
    """The record stays free."""
    held = runs.take(A)
    lease = find_held_lease(runs.backend, "base")
    assert lease is not None
    held.release()
    assert break_lease(runs.backend, lease, runs.clock.world(B)) is None
    assert [(one.number, one.state) for one in runs.records()] == [(1, State.FREE)]


@pytest.mark.parametrize("undone", [0, 1, 9])
def test_unlock_works_with_a_full_quota(runs: TwoRuns, undone: int) -> None:
    """Unlock writes ``broken`` into the record itself. A heartbeat that is running may restore the former state."""
    held = runs.take(A)
    lease = find_held_lease(runs.backend, "base")
    assert lease is not None
    left = iter(range(undone))

    def full() -> None:
        raise QuotaExceeded("POST /images: HTTP 413: image_count_total is over its limit of 3")

    def undo(_now: float) -> None:
        if next(left, None) is not None:
            runs.backend.update_image(lease.id, properties={STATE: State.HELD.value})

    runs.hooked.before_create = full
    runs.clock.meanwhile = undo
    backend: Any = runs.hooked
    if undone == 9:
        with pytest.raises(Conflict, match=r"cannot be broken.*run again: imagesync unlock PATH"):
            break_lease(backend, lease, runs.clock.world(B))
        return
    assert break_lease(backend, lease, runs.clock.world(B)) is None
    assert find_held_lease(runs.backend, "base") is None
    held.beat()
    assert held.why.endswith("a user broke it with unlock")
    runs.hooked.before_create = lambda: None
    second = runs.take(B)
    assert second.before is not None
    assert (second.before.state, second.before.holder) == (State.BROKEN, A)


def test_unlock_replaces_a_successor_id_that_was_used(runs: TwoRuns) -> None:
    """The broken record gets a new id."""
    runs.take(A)
    lease = find_held_lease(runs.backend, "base")
    assert lease is not None
    runs.burn(lease.next)
    assert break_lease(runs.backend, lease, runs.clock.world(B)) is None
    assert [(one.number, one.state) for one in runs.records()] == [(2, State.BROKEN)]


@pytest.mark.parametrize("has_ended", [True, False])
def test_the_run_after_a_broken_lease_waits_until_its_holder_must_have_noticed(
    runs: TwoRuns, *, has_ended: bool
) -> None:
    """It may be between two heartbeats, or get no answers. A process that has ended cannot send anything."""
    runs.take(A)
    lease = find_held_lease(runs.backend, "base")
    assert lease is not None
    break_lease(runs.backend, lease, runs.clock.world(B))
    expected = USUAL.settling if has_ended else USUAL.settling + USUAL.confirm
    with pytest.raises(LeaseUnsettled, match=f"may arrive for {expected:.0f} s"):
        runs.take(B, timeout=expected - 1, has_ended=lambda _: has_ended)
    held = runs.take(B, timeout=expected, has_ended=lambda _: has_ended)
    assert held.before is not None
    assert count_seconds_to_settle(held.before, USUAL, runs.clock.world(B, lambda _: has_ended)) == expected


@pytest.mark.parametrize("end", ["interrupted", "killed", "interrupted after the wait"])
@pytest.mark.parametrize("how", ["broken", "deleted"])
def test_the_run_after_an_interrupted_wait_must_wait_as_long(runs: TwoRuns, end: str, how: str) -> None:
    """The first holder is alive and has not noticed the end of its lease; the second run ends during its wait."""
    first = runs.take(A)
    lease = find_held_lease(runs.backend, "base")
    assert lease is not None
    if how == "broken":
        break_lease(runs.backend, lease, runs.clock.world(B))
    else:
        runs.backend.delete_image(first.id)
    second = runs.take(B, is_new=False)
    if "after" in end:

        def sleep(seconds: float) -> None:
            for _ in range(10):
                runs.clock.sleep(seconds / 10)
                second.beat()

        wait_for_last_holder(second, "base", USUAL, replace(runs.clock.world(B), sleep=sleep), runs.report)
    if end != "killed":
        second.release()
    third = runs.take(A, has_ended=lambda holder: holder == B, is_new=False)
    assert third.before is not None
    expected = USUAL.settling + (0 if "after" in end else USUAL.confirm)
    assert count_seconds_to_settle(third.before, USUAL, runs.clock.world(A)) == expected
    if "after" not in end:
        assert "may still be running" in describe_end(third.before)


@pytest.mark.parametrize("is_full", [False, True])
def test_unlock_of_a_waiting_run_also_names_the_holder_that_it_waited_for(runs: TwoRuns, *, is_full: bool) -> None:
    """Both may still be running: the wait ends when both have ended or must have noticed."""
    runs.take(A)
    runs.backend.delete_image(runs.records()[0].id)
    runs.take(B, is_new=False)
    lease = find_held_lease(runs.backend, "base")
    assert lease is not None
    assert (lease.holder, lease.after) == (B, (Holder(),))

    def full() -> None:
        raise QuotaExceeded("image_count_total is over its limit")

    runs.hooked.before_create = full if is_full else (lambda: None)
    backend: Any = runs.hooked
    assert break_lease(backend, lease, runs.clock.world(A)) is None
    assert [(one.state, one.maybe_running) for one in runs.records()] == [(State.BROKEN, (B, Holder()))]
    runs.hooked.before_create = lambda: None
    third = runs.take(A, has_ended=lambda holder: holder == B)
    assert third.before is not None
    known = runs.clock.world(A, lambda holder: holder == B)
    assert count_seconds_to_settle(third.before, USUAL, known) == USUAL.confirm + USUAL.settling


def test_a_record_that_its_run_freed_is_not_held(runs: TwoRuns) -> None:
    """A listing that lags still shows the holder before.

    The run frees its record and then makes it again. Another run may already have followed the free record.
    """
    first = runs.take(B)
    (end,) = runs.records()
    first.release()
    chain = Chain(runs.backend, "base", USUAL, runs.clock.world(A))
    lease = chain.make(end)
    assert chain.post(lease) is Posted.MINE
    chain.step_back(lease.id)
    assert chain.post(lease) is Posted.ANOTHERS
    held = Held(chain, lease, USUAL, runs.clock.world(A), sent=runs.clock.now, warn=runs.report)
    held.check_listing()
    assert held.is_lost()


def test_a_lease_that_is_broken_while_it_is_taken_is_not_taken(runs: TwoRuns) -> None:
    """The record of unlock names the run that may still be running, so it must be followed."""
    runs.take(B).release()
    broken: list[Lease] = []

    def unlock() -> None:
        lease = find_held_lease(runs.backend, "base")
        assert lease is not None
        if not broken:
            broken.append(lease)
            assert break_lease(runs.backend, lease, runs.clock.world(B)) is None

    runs.hooked.after_create = unlock
    held = runs.take(A)
    assert held.before is not None
    assert held.before.maybe_running == (A,)
    assert held.number == 4


def test_a_record_that_was_deleted_during_the_wait_is_remembered(runs: TwoRuns) -> None:
    """The record of the holder that it waits for is deleted: the catalog is not new, even without images."""
    first = runs.take(A)
    waited = iter([first.id])

    def delete(_now: float) -> None:
        for image_id in waited:
            runs.backend.delete_image(image_id)

    runs.clock.meanwhile = delete
    second = runs.take(B, is_new=True)
    assert second.before is not None
    assert count_seconds_to_settle(second.before, USUAL, runs.clock.world(B)) == USUAL.confirm + USUAL.settling


def test_a_record_that_was_made_visible_does_not_block_the_next_run(runs: TwoRuns) -> None:
    """The listing of leases no longer shows it, and its id is used. Its run may be running."""
    runs.take(A).release()
    runs.hooked.undeletable = {runs.records()[0].id}
    second = runs.take(B)
    runs.backend.update_image(second.id, hidden=False)
    third = runs.take(A)
    assert third.id != second.id
    assert third.before is not None
    assert count_seconds_to_settle(third.before, USUAL, runs.clock.world(A)) == USUAL.confirm + USUAL.settling
    second.beat()
    assert second.is_lost()


def test_the_suggested_timeout_includes_the_time_already_waited(runs: TwoRuns) -> None:
    """It adds the time for late requests."""
    runs.take(A)
    (lease,) = runs.records()
    assert "with --lock-timeout 173 or more" in str(LeaseUnsettled(lease, 5, USUAL, 55, 118))


@pytest.mark.parametrize("text", ["{", "3", "[", '"x"'])
def test_unreadable_earlier_holders_count_as_a_run_that_may_be_running(runs: TwoRuns, text: str) -> None:
    """A user edited the record by hand."""
    held = runs.take(A)
    runs.backend.update_image(held.id, properties={AFTER: text, STATE: State.UNSETTLED.value})
    (lease,) = runs.records()
    assert lease.maybe_running == (Holder(),)


@pytest.mark.parametrize("state", [State.FREE, State.HELD])
@pytest.mark.parametrize("following", ["itself", "an image", "a hidden image"])
def test_a_record_with_a_wrong_successor_does_not_block_the_next_run(
    runs: TwoRuns, state: State, following: str
) -> None:
    """A user edited it by hand. The chain continues with a new random id, also after unlock."""
    held = runs.take(A)
    other = runs.backend.create_image(name="foreign", hidden=following == "a hidden image").id
    named = held.id if following == "itself" else other
    runs.backend.update_image(held.id, properties={STATE: state.value, NEXT: named})
    if state is State.HELD:
        lease = find_held_lease(runs.backend, "base")
        assert lease is not None
        assert break_lease(runs.backend, lease, runs.clock.world(B)) is None
        assert [one.state for one in runs.records()] == [State.BROKEN]
    second = runs.take(B)
    assert [one.id for one in runs.records()] == [second.id]
    assert second.id not in (held.id, other)
    assert runs.backend.images(other)[0].name == "foreign"


@pytest.mark.parametrize("damage", [{NUMBER: "x"}, {NUMBER: None, HOLDER: "["}, {STATE: "?", HOLDER: "3"}, {NEXT: "x"}])
def test_a_damaged_record_counts_until_it_expires(runs: TwoRuns, damage: dict[str, str | None]) -> None:
    """It has an unknown holder; the chain continues behind it."""
    first = runs.take(A)
    runs.backend.update_image(first.id, properties=damage)
    begun = runs.clock.now
    held = runs.take(B)
    assert held.number == (2 if NUMBER not in damage else 1)
    late = 0.0 if NEXT not in damage else 1.5 * runs.times.lag
    assert begun + 60 <= runs.clock.now - late < begun + 64
    assert [image.id for image in runs.backend.leases("base")] == [held.id]


def test_forged_records_are_ignored(runs: TwoRuns) -> None:
    """Records of another project, copies on other images, and public records: no run waits for them or deletes them."""
    forged = [Lease(runs.clock.new_id(), "base", 7, "", "n", B) for _ in range(3)]
    ids = [
        runs.backend.create_image(
            id=forged[0].id, owner="other", visibility="private", hidden=True, properties=forged[0].properties()
        ).id,
        runs.backend.create_image(hidden=True, visibility="private", properties=forged[1].properties()).id,
        runs.backend.create_image(
            id=forged[2].id, hidden=True, visibility="public", properties=forged[2].properties()
        ).id,
    ]
    held = runs.take(A, timeout=0)
    assert held.number == 1
    held.beat()
    assert not held.is_lost()
    assert {image.id for image in runs.backend.images()} == {*ids, held.id}


def test_a_late_record_of_another_run_ends_the_lease_before_the_first_step(runs: TwoRuns) -> None:
    """A POST of another run arrives while this one waits for late requests."""
    first = runs.take(A)
    runs.backend.update_image(first.id, properties={STATE: State.UNSETTLED.value})
    late = Chain(runs.backend, "base", USUAL, runs.clock.world(B))

    def arrive(message: str) -> None:
        if "got no answer" in message:
            assert late.post(late.make(runs.records()[-1], is_fresh=True)) is Posted.MINE

    held = hold(runs.backend, "base", timeout=120, times=USUAL, unlock=UNLOCK, warn=arrive)
    with pytest.raises(LeaseLost, match="it was taken over by host b"):
        held.__enter__()


def test_a_heartbeat_during_a_slow_listing_counts_from_the_end_of_the_listing(runs: TwoRuns) -> None:
    """A heartbeat may be saved during the listing, so its time counts from the answer of the listing."""
    first = runs.take(A)
    begun, delays = runs.clock.now, iter([30.0])

    def wait() -> None:
        if seconds := next(delays, 0.0):
            runs.clock.now += seconds
            first.beat()

    def meanwhile(now: float) -> None:
        assert first.is_lost() == (now > begun + 75)

    runs.hooked.before_listing = wait
    runs.clock.meanwhile = meanwhile
    second = runs.take(B)
    assert second.number == 2
    assert begun + 90 <= runs.clock.now < begun + 93


def test_heartbeats_are_sent_during_the_wait_for_late_requests(runs: TwoRuns) -> None:
    """Without them, a third run would take the second one for dead."""
    held = runs.take(A)
    held.is_settled = False
    held.release()
    names = list[str]()

    def note(_message: str) -> None:
        names.extend(thread.name for thread in threading.enumerate())

    with hold(runs.backend, "base", timeout=120, times=USUAL, unlock=UNLOCK, warn=note):
        assert "lease" in names


@pytest.mark.parametrize("is_broken", [False, True])
def test_a_protected_record_is_deleted_all_the_same(runs: TwoRuns, *, is_broken: bool) -> None:
    """If it stayed, each run would wait for the dead holder again."""
    held = runs.take(A)
    runs.backend.update_image(held.id, protected=True)
    if is_broken:
        lease = find_held_lease(runs.backend, "base")
        assert lease is not None
        assert break_lease(runs.backend, lease, runs.clock.world(B)) is None
        assert [one.state for one in runs.records()] == [State.BROKEN]
    second = runs.take(B, has_ended=lambda _: True)
    assert [one.id for one in runs.records()] == [second.id]


def test_a_slow_post_continues_the_chain_that_other_runs_continued_meanwhile(runs: TwoRuns) -> None:
    """They have ended, too, and the id of its record was used by one of them: nothing is missing, nothing has to settle."""
    runs.take(A).release()

    def overtake() -> None:
        runs.hooked.before_create = lambda: None
        runs.take(B).release()
        runs.take(B).release()

    runs.hooked.before_create = overtake
    held = runs.take(A)
    assert (held.number, held.before) == (4, None)
    assert (runs.numbers(), runs.messages) == ([4], [])


def test_requests_of_a_holder_end_in_time_for_another_heartbeat(runs: TwoRuns) -> None:
    """Three of them fit into the time after which the holder gives up. The taking itself is not limited."""
    limits: list[float] = []

    def limit(seconds: float) -> HookedStore:
        limits.append(seconds)
        return runs.hooked

    runs.hooked.with_time_limit = limit  # type: ignore[method-assign]
    runs.take()
    assert limits == [runs.times.confirm / 3] == [15.0]


def test_a_new_record_names_the_earlier_holders_that_may_still_be_running(runs: TwoRuns) -> None:
    """Not those that have certainly ended: the next run need not wait for them."""
    ended, running = Holder("host", pid="1"), Holder("host", pid="2")
    chain = Chain(runs.backend, "base", Times(), runs.clock.world(B, lambda holder: holder == ended))
    before = replace(chain.make(None), after=(ended, running))
    assert chain.make(None).after == ()
    assert chain.make(before, before=before).after == (running,)
    broken = replace(before, holder=ended, state=State.BROKEN, after=(running,))
    assert chain.make(broken, before=broken).after == (running,)


def test_a_new_record_keeps_the_known_keys(runs: TwoRuns) -> None:
    """A catalog without a record and without images has none; if a record was deleted, they are unknown."""
    chain = Chain(runs.backend, "base", Times(), runs.clock.world(B))
    first = chain.make(None)
    assert (first.number, first.keys) == (1, frozenset())
    assert chain.make(None, before=first).keys is None
    for keys in (None, frozenset({"one"})):
        following = chain.make(replace(first, keys=keys))
        assert (following.id, following.number, following.keys) == (first.next, 2, keys)
    assert chain.make(first, is_fresh=True).id not in (first.id, first.next)


def add_rival(runs: TwoRuns, image_id: str) -> Lease:
    """A record of B with this id, which exists beside the one that this run makes."""
    other = Lease(image_id, "base", 1, runs.clock.new_id(), "n", B)
    runs.backend.create_image(id=other.id, hidden=True, visibility="private", properties=other.properties())
    return other


def test_a_run_makes_no_second_record_beside_one_that_arrived_late(runs: TwoRuns) -> None:
    """The id of the next record was used, so the run lists again before it takes a new id."""
    for _ in range(2):
        runs.take(A).release()

    def arrive() -> None:
        runs.hooked.before_create = fail
        runs.burn(runs.records()[-1].next)
        add_rival(runs, str(UUID(int=2**100)))

    def fail() -> None:
        raise AssertionError("a second record beside that of a running holder")

    runs.hooked.before_create = arrive
    with pytest.raises(LeaseHeld, match="host b"):
        runs.take(A, timeout=5)


def test_a_run_that_another_one_precedes_frees_its_record(runs: TwoRuns) -> None:
    """The chain continues behind it. If it were missing, the next run would wait for a holder that never was."""
    runs.take(B).release()

    def rival() -> None:
        runs.hooked.after_create = lambda: None
        add_rival(runs, str(UUID(int=0)))

    runs.hooked.after_create = rival
    with pytest.raises(LeaseHeld, match="host b"):
        runs.take(A, timeout=5)
    assert [lease.state for lease in runs.records() if lease.number == 2] == [State.FREE]


def test_a_run_that_precedes_another_one_waits_until_that_has_ended(runs: TwoRuns) -> None:
    """The other one may hold the lease already: it made its record before this run did, and its answer was slow."""
    others: list[Lease] = []

    def rival() -> None:
        runs.hooked.after_create = lambda: None
        others.append(add_rival(runs, str(UUID(int=2**100))))

    def end(now: float) -> None:
        if others and now > begun + 20:
            runs.backend.update_image(others.pop().id, properties={STATE: State.FREE.value})

    begun = runs.clock.now
    runs.hooked.after_create, runs.clock.meanwhile = rival, end
    held = runs.take(A)
    assert begun + 20 < runs.clock.now < begun + 25
    assert not held.is_lost()


@pytest.mark.parametrize("timeout", [0.0, 100.0])
def test_a_successor_that_no_listing_shows_is_an_error_after_a_while(runs: TwoRuns, timeout: float) -> None:
    """Another run made the next record, so this run cannot; it waits for as long as a listing may be wrong."""
    runs.take(B).release()
    (end,) = runs.records()
    add_rival(runs, end.next)
    runs.hooked.display = lambda image: image.id == end.id
    begun, limit = runs.clock.now, max(timeout, runs.times.confirm)
    with pytest.raises(BackendError, match=rf"could not be taken within {limit + 1:.0f} s; nothing was changed"):
        runs.take(A, timeout=timeout)
    assert begun + limit < runs.clock.now <= begun + limit + 2


def test_the_time_that_a_run_waited_for_a_holder_is_not_left_for_its_late_requests(runs: TwoRuns) -> None:
    """The holder ended without a sign: 60 of 65 seconds have passed when the run may follow."""
    runs.take(A)
    with pytest.raises(LeaseUnsettled, match="may arrive for 10 s"):
        runs.take(B, timeout=65)
    assert runs.numbers() == [1]


@pytest.mark.parametrize("timeout", [1.0, 3.0])
def test_a_run_waits_no_longer_than_its_timeout(runs: TwoRuns, timeout: float) -> None:
    """Also if it would read the list later than that."""
    runs.take(A)
    begun = runs.clock.now
    with pytest.raises(LeaseHeld):
        runs.take(B, timeout=timeout)
    assert runs.clock.now == begun + timeout


def test_late_requests_have_their_time_before_the_run_begins(runs: TwoRuns) -> None:
    """The message names the seconds."""
    first = runs.take(A)
    runs.backend.update_image(first.id, properties={STATE: State.UNSETTLED.value})
    held, begun = runs.take(B), runs.clock.now
    wait_for_last_holder(held, "base", USUAL, runs.clock.world(B), runs.report)
    assert runs.clock.now == begun + USUAL.settling
    assert runs.messages[-1].endswith("; waiting 10 s for its late requests")


@pytest.mark.parametrize(("settled", "seconds"), [(2.0, 8), (100.0, 10)])
def test_the_wait_for_late_requests_depends_on_the_service(runs: TwoRuns, settled: float, seconds: int) -> None:
    """Four times as long as a read there may be old, but not longer than ``Times`` says."""
    first = runs.take(A)
    runs.backend.update_image(first.id, properties={STATE: State.UNSETTLED.value})
    store: Any = runs.hooked
    store.settling_time = lambda: settled
    with (
        pytest.raises(LeaseUnsettled, match=f"may arrive for {seconds} s"),
        hold(store, "base", timeout=0, times=USUAL, unlock=UNLOCK, warn=runs.report),
    ):
        raise AssertionError("the lease was taken")


def test_where_a_read_is_final_at_once_a_new_chain_needs_no_wait(runs: TwoRuns) -> None:
    """``lag`` is a maximum; a process cannot sleep as long as this one."""
    with hold(
        runs.backend, "base", timeout=0, times=Times(lag=1e20), unlock=UNLOCK, warn=runs.report, is_new=lambda: True
    ):
        assert runs.numbers() == [1]


def test_the_lease_is_released_at_the_end_of_its_block(runs: TwoRuns) -> None:
    """Also after an error."""
    for number in (1, 2):
        with (
            pytest.raises(KeyboardInterrupt) if number == 2 else nullcontext(),
            hold(runs.backend, "base", timeout=0, times=USUAL, unlock=UNLOCK, warn=runs.report, is_new=lambda: True),
        ):
            assert [lease.state for lease in runs.records()] == [State.HELD]
            if number == 2:
                raise KeyboardInterrupt
        assert [(lease.number, lease.state) for lease in runs.records()] == [(number, State.FREE)]


def test_unlock_does_not_break_the_lease_of_a_run_that_follows_at_this_moment(runs: TwoRuns) -> None:
    """That run made the next record after unlock read the list, and before unlock could make it."""
    runs.take(A)
    lease = find_held_lease(runs.backend, "base")
    assert lease is not None
    followed: list[Held] = []

    def follow() -> None:
        runs.hooked.before_create = lambda: None
        followed.append(runs.take(B, has_ended=lambda holder: holder == A))

    runs.hooked.before_create = follow
    store: Any = runs.hooked
    other = break_lease(store, lease, runs.clock.world(A))
    assert other is not None
    assert (other.id, other.holder) == (followed[0].id, B)
    followed[0].beat()
    assert not followed[0].is_lost()


def test_a_record_that_cannot_be_freed_is_deleted(runs: TwoRuns) -> None:
    """If it stayed as held, every run would wait until it expires."""
    runs.take(B).release()
    (end,) = runs.records()
    backend: Any = runs.hooked
    chain = Chain(backend, "base", USUAL, runs.clock.world(A))
    lease = chain.make(end)
    assert chain.post(lease) is Posted.MINE
    runs.hooked.before_update = lose
    chain.step_back(lease.id)
    assert runs.records() == [end]


def test_a_run_that_sleeps_is_asked_each_second_whether_it_was_canceled(runs: TwoRuns) -> None:
    """Before the first one, too; the error ends the sleep."""
    slept: list[float] = []
    world = replace(runs.clock.world(A), sleep=slept.append)
    sleep(2.5, world, lambda: slept.append(0))
    assert slept == [0, 1.0, 0, 1.0, 0, 0.5]
    sleep(0, world, lose)
    assert len(slept) == 6
    with pytest.raises(Unavailable):
        sleep(9, world, lambda: lose() if len(slept) > 7 else None)
    assert len(slept) == 8
