"""Leases of catalogs that no longer exist, with a clock that only the test moves."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from imagesync.errors import Unavailable
from imagesync.lease.record import AFTER, BEAT, STATE, USUAL, Holder, Lease, State, Times
from imagesync.lease.stale import StaleLease, delete_stale_leases, find_stale_leases
from imagesync.lease.taking import break_lease, find_held_lease
from tests.unit.lease.two_runs import A, B, TwoRuns


def find(runs: TwoRuns, has_ended: Callable[[Holder], bool] = lambda _: False) -> list[StaleLease]:
    """The stale leases, as another process finds them."""
    backend: Any = cast("Any", runs.hooked)
    return find_stale_leases(backend, warn=runs.report, world=runs.clock.world(B, has_ended))


def delete(runs: TwoRuns, found: list[StaleLease]) -> list[str]:
    """Delete them; the catalogs that are kept."""
    backend: Any = cast("Any", runs.hooked)
    return list(delete_stale_leases(backend, found, runs.clock.world(B)))


def test_a_free_lease_of_a_catalog_without_images_is_stale(runs: TwoRuns) -> None:
    """It is found without a wait; after its deletion a run begins a new chain."""
    runs.take(A).release()
    before = runs.clock.now
    (lease,) = found = find(runs)
    assert (lease.catalog, lease.end.holder, runs.clock.now) == ("base", A, before)
    assert delete(runs, found) == []
    assert runs.backend.images() == []
    assert runs.take(B).number == 1


def test_a_lease_of_a_catalog_with_an_image_is_not_stale(runs: TwoRuns) -> None:
    """Not even if the image is hidden, or a staged one."""
    runs.take(A).release()
    image = runs.backend.create_image(name="x", hidden=True, properties={"imagesync_catalog": "base"})
    assert find(runs) == []
    runs.backend.delete_image(image.id)
    assert [lease.catalog for lease in find(runs)] == ["base"]


def test_a_live_lease_is_never_stale(runs: TwoRuns) -> None:
    """Its heartbeat changes the record while it is watched."""
    held = runs.take(A)
    runs.clock.meanwhile = lambda _: runs.backend.update_image(held.id, properties={BEAT: "9"})
    assert find(runs) == []
    assert delete(runs, []) == []
    assert [one.id for one in runs.records()] == [held.id]
    assert runs.messages == ["waiting 60 s to see whether the holders of these leases are alive"]


@pytest.mark.parametrize(("is_dead", "seconds"), [(False, 60), (True, 10)])
def test_the_lease_of_a_dead_holder_is_stale_after_it_was_watched(
    runs: TwoRuns, seconds: float, *, is_dead: bool
) -> None:
    """Longer if the process may still run; its late requests have arrived then."""
    runs.take(A)
    before = runs.clock.now
    found = find(runs, lambda _: is_dead)
    assert [lease.end.state for lease in found] == [State.HELD]
    assert runs.clock.now - before == seconds
    assert delete(runs, found) == []
    assert runs.records() == []


@pytest.mark.parametrize("ended", [A.host, B.host])
def test_every_holder_that_may_still_run_counts(runs: TwoRuns, ended: str) -> None:
    """A broken lease names its holder, and the next one the holders before."""
    runs.take(A)
    lease = find_held_lease(runs.backend, "base")
    assert lease is not None
    break_lease(runs.backend, lease, runs.clock.world(B))
    runs.take(B)
    assert [one.holder.host for one in runs.records()] == ["b"]
    before = runs.clock.now
    assert find(runs, lambda holder: holder.host == ended)
    assert runs.clock.now - before == USUAL.expiry
    (record,) = runs.records()
    assert AFTER in runs.backend.images(record.id)[0].properties


def test_a_broken_lease_is_watched_too(runs: TwoRuns) -> None:
    """The next run would wait for its holder; without the record it would not."""
    runs.take(A)
    lease = find_held_lease(runs.backend, "base")
    assert lease is not None
    break_lease(runs.backend, lease, runs.clock.world(B))
    before = runs.clock.now
    assert [one.end.state for one in find(runs)] == [State.BROKEN]
    assert runs.clock.now - before >= USUAL.confirm + USUAL.settling


def test_a_run_that_begins_while_the_user_answers_keeps_its_lease(runs: TwoRuns) -> None:
    """The records are read again before the deletion."""
    runs.take(A).release()
    found = find(runs)
    held = runs.take(A)
    assert delete(runs, found) == ["base"]
    held.beat()
    assert not held.is_lost()


def test_an_image_that_was_made_meanwhile_keeps_the_lease(runs: TwoRuns) -> None:
    """Of a run without a lease."""
    runs.take(A).release()
    found = find(runs)
    runs.backend.create_image(properties={"imagesync_catalog": "base"})
    assert delete(runs, found) == ["base"]


def test_the_end_of_a_chain_is_deleted_last(runs: TwoRuns) -> None:
    """An interrupt in between leaves a chain that runs can follow."""
    runs.take(A).release()
    (first,) = runs.records()
    runs.hooked.undeletable = {first.id}
    runs.take(A).release()
    runs.hooked.undeletable = set()
    found = find(runs)
    runs.hooked.undeletable = {first.id}
    with pytest.raises(Unavailable):
        delete(runs, found)
    assert [one.id for one in runs.records()] == [first.id, first.next]


def test_what_is_not_a_record_is_left_alone(runs: TwoRuns) -> None:
    """A copy, a visible one, and one that belongs to a catalog."""
    runs.take(A).release()
    (record,) = runs.backend.images()
    copied = runs.backend.create_image(hidden=True, properties=record.properties)
    runs.backend.update_image(record.id, visibility="community", properties={STATE: "free"})
    assert find(runs) == []
    assert {image.id for image in runs.backend.images()} == {record.id, copied.id}


def put(runs: TwoRuns, catalog: str, number: int, state: State = State.FREE, after: tuple[Holder, ...] = ()) -> str:
    """A record of A; its id."""
    lease = Lease(runs.clock.new_id(), catalog, number, runs.clock.new_id(), "n", A, state=state, after=after)
    runs.backend.create_image(id=lease.id, hidden=True, visibility="private", properties=lease.properties())
    return lease.id


def test_the_records_of_each_catalog_are_together(runs: TwoRuns) -> None:
    """Sorted by catalog, then by number, whatever the order of their ids."""
    ids = {(name, number): put(runs, name, number) for name, number in (("b", 1), ("a", 2), ("b", 2), ("a", 1))}
    found = find(runs)
    assert [(lease.catalog, [one.number for one in lease.records]) for lease in found] == [("a", [1, 2]), ("b", [1, 2])]
    assert [lease.end.id for lease in found] == [ids["a", 2], ids["b", 2]]
    assert runs.messages == []
    assert delete(runs, found) == []
    assert runs.backend.images() == []


def test_each_record_is_watched_for_as_long_as_it_needs(runs: TwoRuns) -> None:
    """Also one that is not the end of its chain; the longest wait counts for all."""
    put(runs, "a", 1, State.HELD)
    put(runs, "a", 2)
    put(runs, "b", 1)
    before, backend = runs.clock.now, cast("Any", runs.hooked)
    times = Times(expiry=60, confirm=80, settling=10)
    found = find_stale_leases(backend, warn=runs.report, times=times, world=runs.clock.world(B))
    assert [lease.catalog for lease in found] == ["a", "b"]
    assert runs.clock.now - before == 90
    assert runs.messages == ["waiting 90 s to see whether the holders of these leases are alive"]


def test_a_lease_that_changed_is_kept_and_the_others_are_deleted(runs: TwoRuns) -> None:
    """Whatever their order."""
    for name in "abc":
        put(runs, name, 1)
    found = find(runs)
    kept = put(runs, "a", 2)
    runs.backend.create_image(name="x", properties={"imagesync_catalog": "b"})
    assert delete(runs, found) == ["a", "b"]
    left = [image.properties.get("imagesync_lease") for image in runs.backend.images()]
    assert sorted(map(str, left)) == ["None", "a", "a", "b"]
    assert kept in {image.id for image in runs.backend.images()}


def test_a_lease_that_changes_while_others_are_watched_is_not_stale(runs: TwoRuns) -> None:
    """Only that one."""
    put(runs, "a", 1, State.HELD)
    busy = put(runs, "b", 1, State.UNSETTLED)
    runs.clock.meanwhile = lambda _: runs.backend.update_image(busy, properties={BEAT: "7"})
    assert [lease.catalog for lease in find(runs)] == ["a"]
