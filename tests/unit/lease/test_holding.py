"""What ends a held lease, and how a run releases it."""

import itertools
import threading
from datetime import UTC, datetime, timedelta

import pytest

from imagesync.errors import LeaseLost, NotFound, Unavailable
from imagesync.lease.record import (
    STATE,
    Lease,
    State,
    Times,
)
from imagesync.lease.taking import break_lease, find_held_lease
from tests.unit.lease.two_runs import MAX_WAIT, A, B, TwoRuns
from tests.waiting import wait_until


def test_another_live_record_ends_the_lease_and_the_message_names_its_holder(runs: TwoRuns) -> None:
    """The next heartbeat detects it, whether the run's own record still exists or not."""
    for keep in (False, True):
        first = runs.take(A, has_ended=lambda holder: holder == A)
        if keep:
            other = Lease(runs.clock.new_id(), "base", first.number + 1, "", "n", B)
            runs.backend.create_image(id=other.id, hidden=True, visibility="private", properties=other.properties())
        else:
            runs.take(B, has_ended=lambda holder: True)
        assert not first.is_lost()
        first.beat()
        assert first.is_lost()
        assert "taken over by host b, pid 1" in first.why
        assert runs.messages[-1].endswith("running steps end, no more start")
        first.release()
        assert runs.records()[-1].state is State.HELD


def test_a_dead_record_that_could_not_be_deleted_does_not_end_the_lease(runs: TwoRuns) -> None:
    """It does not change, so it stays dead."""
    first = runs.take(A)
    runs.hooked.undeletable.add(first.id)
    second = runs.take(B)
    assert runs.numbers() == [1, 2]
    for _ in range(5):
        runs.clock.now += 15
        second.beat()
        assert not second.is_lost()
    second.release()
    runs.hooked.undeletable.clear()
    assert runs.take(A).number == 3
    assert runs.numbers() == [3]


def test_a_deleted_record_ends_the_lease(runs: TwoRuns) -> None:
    """A user deletes it by hand, with another tool."""
    held = runs.take()
    runs.backend.delete_image(held.id)
    held.beat()
    assert "its record was deleted" in held.why


def test_a_published_record_ends_the_lease(runs: TwoRuns) -> None:
    """Other projects then know the id of its successor, so no run accepts the record."""
    held = runs.take()
    runs.backend.update_image(held.id, visibility="public")
    held.beat()
    assert held.is_lost()


def test_without_a_confirmed_heartbeat_the_lease_is_lost_before_another_run_may_follow(runs: TwoRuns) -> None:
    """45 s after the last confirmed one was sent; a later confirmation does not restore it."""
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


def test_a_heartbeat_that_is_confirmed_too_late_does_not_count(runs: TwoRuns) -> None:
    """46 s pass between the request and its answer."""
    held = runs.take()

    runs.hooked.before_update = lambda: runs.clock.sleep(46)
    held.beat()
    assert held.is_lost()


def test_a_heartbeat_that_is_confirmed_after_the_loss_does_not_restore_the_lease(runs: TwoRuns) -> None:
    """Its answer arrives more than 45 s after the heartbeat before it."""
    held = runs.take()
    runs.clock.now += 40
    runs.hooked.before_update = lambda: runs.clock.sleep(10)
    held.beat()
    assert held.is_lost()


def test_a_lease_counts_from_the_time_at_which_its_record_was_sent(runs: TwoRuns) -> None:
    """The time of the answer does not count: another run counts from the time at which the service made the record."""
    delays = iter([30.0])
    runs.hooked.after_create = lambda: runs.clock.sleep(next(delays, 0.0))
    held = runs.take()  # 1.5 s more, because it begins the chain
    runs.clock.now += 13
    held.check()
    runs.clock.now += 1
    with pytest.raises(LeaseLost) as lost:
        held.check()
    assert str(lost.value) == (
        "the lease of catalog base is lost: the service has confirmed no heartbeat for 45 s; "
        "the change was not made; run apply again"
    )


def test_a_heartbeat_counts_from_the_time_of_sending(runs: TwoRuns) -> None:
    """The time of its answer does not count: a waiting run counts from the time at which the service saved it."""
    held, delays = runs.take(), iter([30.0])
    runs.hooked.before_update = lambda: runs.clock.sleep(next(delays, 0.0))
    held.beat()
    assert not held.is_lost()
    runs.clock.now += 15
    assert not held.is_lost()
    runs.clock.now += 1
    assert held.is_lost()


def test_a_short_failure_of_the_service_does_not_end_the_lease(runs: TwoRuns) -> None:
    """Two heartbeats fail, the next one is confirmed in time."""
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


def test_a_run_that_got_no_answer_records_that_its_lease_is_unsettled(runs: TwoRuns) -> None:
    """The next run waits until no request of this one can arrive."""
    held = runs.take(A)
    held.is_settled = False
    held.release()
    assert [lease.state for lease in runs.records()] == [State.UNSETTLED]
    assert find_held_lease(runs.backend, "base") is None
    assert runs.take(B, timeout=10).before is not None


def test_a_run_that_ends_before_the_recovery_leaves_the_lease_unsettled(runs: TwoRuns) -> None:
    """For example it was interrupted while it waited: the next run must wait too."""
    runs.take(A)
    second = runs.take(B)
    assert not second.is_settled
    second.release()
    third = runs.take(A)
    assert third.before is not None
    third.is_settled = True
    third.release()
    assert runs.take(B).before is None


def test_the_record_shows_the_clock_of_the_service(runs: TwoRuns) -> None:
    """The time at which the record was made, plus the time since then by this host's clock."""
    held = runs.take()
    first = held.moment
    assert first is not None
    assert abs(datetime.now(UTC) - first) < timedelta(minutes=1)
    runs.clock.now += 100
    assert held.moment == first + timedelta(seconds=100)


def test_the_release_of_a_broken_lease_is_reported(runs: TwoRuns) -> None:
    """The run ended, but another one may have been active."""
    held = runs.take()
    runs.backend.delete_image(held.id)
    held.release()
    assert "was broken during this run" in runs.messages[0]
    with pytest.raises(NotFound):
        runs.backend.images(held.id)


def test_a_thread_sends_heartbeats_until_the_release(runs: TwoRuns) -> None:
    """After the release none is sent."""
    before, third, beats = threading.active_count(), threading.Event(), itertools.count(1)
    runs.times = Times(beat=0.005)
    held = runs.take()
    runs.hooked.before_update = lambda: third.set() if next(beats) >= 3 else None
    held.start()
    assert third.wait(MAX_WAIT)
    assert threading.active_count() == before + 1
    held.release()
    assert threading.active_count() == before
    assert int(runs.records()[0].beat) >= 3
    assert runs.records()[0].state is State.FREE


def test_a_lease_is_not_released_while_a_heartbeat_hangs(runs: TwoRuns) -> None:
    """Two writers of one record lose updates: the lease expires instead, and no further heartbeat is sent."""
    before, begun, may_end, sent = threading.active_count(), threading.Event(), threading.Event(), list[int]()
    runs.times = Times(beat=0.005, confirm=0.1, lag=0.0)
    held = runs.take()

    def hang() -> None:
        sent.append(len(sent))
        if len(sent) == 1:
            begun.set()
            assert may_end.wait(MAX_WAIT)

    runs.hooked.before_update = hang
    held.start()
    assert begun.wait(MAX_WAIT)
    held.release()
    assert (len(sent), runs.records()[0].state) == (1, State.HELD)
    may_end.set()
    wait_until(threading.active_count, lambda number: number == before, "the thread of the heartbeats has ended")
    assert (len(sent), runs.records()[0].state) == (1, State.HELD)


def test_a_bug_in_the_heartbeat_ends_the_lease_and_is_reported(runs: TwoRuns) -> None:
    """The run must not continue without heartbeats."""

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


def add_record(runs: TwoRuns, number: int, state: State = State.HELD) -> Lease:
    """A record of another run."""
    other = Lease(runs.clock.new_id(), "base", number, "", "n", B, state=state)
    runs.backend.create_image(id=other.id, hidden=True, visibility="private", properties=other.properties())
    return other


@pytest.mark.parametrize("state", list(State))
def test_only_a_record_in_state_held_is_held(runs: TwoRuns, state: State) -> None:
    """Whichever run wrote another state: this one must stop, because the next one does not wait for it."""
    held = runs.take()
    runs.backend.update_image(held.id, properties={STATE: state.value})
    held.beat()
    assert held.is_lost() is (state is not State.HELD)
    assert ("broke it with unlock" in held.why) is (state is not State.HELD)


@pytest.mark.parametrize("difference", [-1, 0, 1])
@pytest.mark.parametrize("state", list(State))
def test_any_other_live_record_ends_the_lease_whatever_its_number(runs: TwoRuns, difference: int, state: State) -> None:
    """Two runs must never write; which of them is first does not matter. Records that are not held do not count."""
    held = runs.take()
    for _ in range(2):  # a record of an earlier number is possible
        held.release()
        held = runs.take()
    add_record(runs, held.number + difference, state)
    held.beat()
    assert held.is_lost() is (state is State.HELD)
    how = "it was taken over by host b" if difference > 0 else "another run holds it too: host b"
    assert (how in held.why) is (state is State.HELD)


@pytest.mark.parametrize("state", [State.FREE, State.HELD])
@pytest.mark.parametrize("difference", [-1, 0, 1])
def test_a_deleted_record_is_explained_by_a_later_one_only(runs: TwoRuns, difference: int, state: State) -> None:
    """An earlier record did not take the lease over. The record that unlock writes names this run itself as the holder."""
    held = runs.take()
    held.release()
    held = runs.take()
    add_record(runs, held.number + difference, state)
    runs.backend.delete_image(held.id)
    held.beat()
    how = (
        "it was taken over by host b"
        if state is State.HELD
        else "it was broken with unlock, or by a run that has ended"
    )
    assert ("its record was deleted" in held.why) is (difference < 0)
    assert (how in held.why) is (difference >= 0)


def test_the_first_reason_of_a_loss_stays_and_is_reported_once(runs: TwoRuns) -> None:
    """Later checks meet other ones."""
    held = runs.take()
    add_record(runs, held.number + 1)
    held.beat()
    why = held.why
    assert "taken over by host b" in why
    runs.backend.delete_image(held.id)
    runs.clock.now += 1000
    held.beat()
    assert held.is_lost()
    assert held.why == why
    assert [message for message in runs.messages if "running steps end" in message] == [
        f"{why}; running steps end, no more start"
    ]


def test_the_time_of_the_service_goes_on_whatever_heartbeats_are_confirmed(runs: TwoRuns) -> None:
    """It is counted from the time at which the record was made."""
    held = runs.take()
    beginning = held.moment
    assert beginning is not None
    for seconds in (15, 30, 45):
        runs.clock.now += 15
        held.beat()
        assert held.moment == beginning + timedelta(seconds=seconds)


@pytest.mark.parametrize("waits", [True, False])
def test_earlier_holders_stay_in_the_record_until_they_must_have_noticed(runs: TwoRuns, *, waits: bool) -> None:
    """A run that dies during that wait leaves them to the next one."""
    runs.take(A)
    lease = find_held_lease(runs.backend, "base")
    assert lease is not None
    assert break_lease(runs.backend, lease, runs.clock.world(B)) is None
    second = runs.take(B)
    assert second.before is not None
    assert second.before.maybe_running == (A,)
    assert (second.is_settled, second.has_waited) == (False, False)
    second.has_waited = waits
    second.beat()
    assert [one.after for one in runs.records()] == [() if waits else (A,)]
