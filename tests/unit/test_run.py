"""What a run does around its steps: clocks, lease, comparison of sources, recorded keys, final listing."""

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import InUse, LeaseLost, Unavailable
from imagesync.lease.holding import Held
from imagesync.lease.record import STATE, State, Times
from imagesync.lease.taking import find_published_keys
from imagesync.model.catalog import Checksum, Fingerprint
from imagesync.model.image import LiveImage
from imagesync.model.plan import Reason
from imagesync.model.policy import Limit, OnRemove, Policy
from imagesync.model.record import hash_name, read_revisions
from imagesync.model.report import Event, Finished, Outcome, Progress, Report, Started, StepResult
from imagesync.planning.planner import make_plan
from imagesync.planning.staging import stage_plan
from imagesync.render.progress import LARGE
from imagesync.run import Hooks, Settings, Watch, list_published_keys, read_time, recover, settle
from imagesync.sources import SourceAccess
from imagesync.workflow import Maker, Planner, apply, read_catalog
from tests.unit.factories import catalog, inventory, live, plan, plan_input, spec
from tests.unit.test_workflow import write_manifest
from tests.waiting import wait_until

FAR = timedelta(days=100)
ALL = Policy(on_remove=OnRemove.KEEP, allow_destroy=True)


class LeaseStub:
    """The part of a held lease that a run reads: the clock of the service, and whether the lease is lost."""

    def __init__(self, lost: str = "", moment: datetime | None = None) -> None:
        self.moment, self.lost, self.is_settled = moment, lost, False

    def check(self) -> None:
        if self.lost:
            raise LeaseLost(self.lost, "run apply again")

    def hold(self) -> Held:
        """Itself, as the type of a lease."""
        return cast("Held", self)


class Watched(Local):
    """A store with an identity service, which has a clock; ``checks``: those of the lease that a run passed.

    ``requested``: the ids of single images that were read. ``settled`` counts reads of the settling time.
    """

    behind, settled = timedelta(), 0

    def __init__(self, folder: Path) -> None:
        super().__init__(Store(folder), "watched")
        self.checks: list[Callable[[], None]] = []
        self.requested: list[str] = []

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        self.requested += [image_id] if image_id is not None else []
        return super().images(image_id)

    def settling_time(self) -> float:
        self.settled += 1
        return 0.0

    def times(self) -> Mapping[str, datetime]:
        return {"the identity service": datetime.now(UTC) - self.behind}

    def with_lease(self, check: Callable[[], None]) -> "Watched":
        self.checks.append(check)
        return self


@pytest.fixture
def store(tmp_path: Path) -> Watched:
    """An empty store."""
    return Watched(tmp_path / "store")


def plan_for(store: Local, folder: Path, number: int, make: Maker = make_plan, **more: Any) -> Planner:
    """A planner for a catalog of this many images; ``more``: further fields of the first one."""
    path = write_manifest(folder, number)
    if more:
        document = json.loads(path.read_text())
        document["images"]["k0"] |= more
        path.write_text(json.dumps(document))
    return Planner(store, read_catalog(path), policy=ALL, make=make)


def rename_first(store: Local, folder: Path) -> Planner:
    """A planner for the manifest in which k0 has the key new."""
    path = folder / "base.yaml"
    document = json.loads(path.read_text())
    document["images"]["new"] = {**document["images"].pop("k0"), "name": "k0", "moved": {"from": "k0"}}
    path.write_text(json.dumps(document))
    return Planner(store, read_catalog(path), policy=ALL)


def stop_at_once() -> Hooks:
    """Hooks of a run that the caller cancels before its first step."""
    cancelled = threading.Event()
    cancelled.set()
    return Hooks(watch=lambda _: nullcontext(Watch(cancelled=cancelled)))


def hash_keys(*keys: str) -> frozenset[str]:
    """As the lease records them."""
    return frozenset(map(hash_name, keys))


def test_every_clock_counts(store: Watched) -> None:
    """That of this host, those of the services, and that of the image service, which only the lease shows."""
    store.behind, now = FAR, datetime.now(UTC)
    assert len(read_time(store, None).times) == 2
    clock = read_time(store, LeaseStub(moment=now + FAR).hold())
    assert len(clock.times) == 3
    assert clock.earliest < now < clock.latest
    assert abs(clock.middle - now) < timedelta(hours=1)
    assert len(read_time(store, LeaseStub().hold()).times) == 2


def test_a_recovery_writes_nothing_after_the_lease_is_lost(store: Watched, tmp_path: Path) -> None:
    """The next run finds the lease unsettled, and makes the late requests harmless."""
    assert apply(plan_for(store, tmp_path, 1)).report.succeeded
    before, made = store.inventory("base"), plan_for(store, tmp_path, 2).plan()
    lost = LeaseStub("it is lost")
    with pytest.raises(LeaseLost):
        recover(store, made, Settings(), lost.hold())
    assert (store.inventory("base"), lost.is_settled) == (before, False)
    held = LeaseStub()
    recover(store, made, Settings(), held.hold())
    assert held.is_settled
    assert all(
        read_revisions(image) != read_revisions(old) for image, old in zip(store.inventory("base"), before, strict=True)
    )


@pytest.mark.parametrize(("size", "is_long"), [(None, True), (4096, False), (LARGE - 1, False), (LARGE, True)])
def test_a_long_comparison_is_announced(store: Watched, size: int | None, *, is_long: bool) -> None:
    """It may take minutes. A source of unknown size may be large."""
    wanted = spec("a", fingerprint=Fingerprint((Checksum("sha512", "a" * 128),), size))
    made = plan(catalog(wanted), inventory(live(spec("a"), "old", size=size or 4096)))
    output: list[str] = []
    assert settle(store, made, Settings(), Hooks(warn=output.append), None, SourceAccess()) == {}
    assert [line.endswith("with image old before any upload") for line in output] == [True] * is_long


def test_writes_of_the_comparison_check_the_lease(store: Watched) -> None:
    """Also if a request is repeated."""
    made = plan(
        catalog(spec("a", fingerprint=Fingerprint((Checksum("sha512", "a" * 128),), 4096))),
        inventory(live(spec("a"), "old")),
    )
    settle(store, made, Settings(), Hooks(), LeaseStub("it is lost").hold(), SourceAccess())
    (check,) = store.checks
    with pytest.raises(LeaseLost):
        check()


def test_a_run_that_is_canceled_ends_without_the_final_listing(store: Watched, tmp_path: Path) -> None:
    """The user waits for its end; the report has the steps that were not started."""
    cancelled = threading.Event()

    def notify(event: Event) -> None:
        if isinstance(event, Finished) and event.result.image_id:
            cancelled.set()
            store.update_image(event.result.image_id, name="theirs")

    hooks = Hooks(watch=lambda _: nullcontext(Watch(notify, cancelled)))
    report = apply(plan_for(store, tmp_path, 2), Settings(jobs=1), hooks).report
    assert [one.outcome for one in report.results] == [Outcome.DONE, Outcome.NOT_STARTED]
    assert (report.interrupted, report.leftover) == (True, ())


def test_a_run_that_lost_its_lease_ends_without_the_final_listing(store: Watched, tmp_path: Path) -> None:
    """Another run may be running: what it changes is not held against this one."""
    is_lost = threading.Event()

    def notify(event: Event) -> None:
        if isinstance(event, Finished) and event.result.image_id:
            store.update_image(event.result.image_id, name="theirs")
            for record in store.leases("base"):
                store.delete_image(record)
            assert is_lost.wait(60)

    def warn(text: str) -> None:
        if "is lost" in text:
            is_lost.set()

    hooks = Hooks(warn=warn, watch=lambda _: nullcontext(Watch(notify)))
    report = apply(plan_for(store, tmp_path, 1), Settings(lease_times=Times(beat=0.05)), hooks).report
    assert [one.outcome for one in report.results] == [Outcome.DONE]
    assert ("its record was deleted" in report.stopped, report.leftover) == (True, ())


def test_the_keys_with_a_published_image_are_recorded_after_each_run(store: Watched, tmp_path: Path) -> None:
    """With them, drift distinguishes a missing image from a key that was never published."""
    assert apply(plan_for(store, tmp_path, 2)).report.succeeded
    assert find_published_keys(store, "base") == hash_keys("k0", "k1")
    moved = rename_first(store, tmp_path)
    assert apply(moved, Settings(), stop_at_once()).report.interrupted
    assert find_published_keys(store, "base") == hash_keys("k0", "k1")
    assert apply(moved).report.succeeded
    assert find_published_keys(store, "base") == hash_keys("new", "k1")


def test_a_candidate_is_not_the_image_of_its_key(store: Watched, tmp_path: Path) -> None:
    """Neither in the result of the run that made it, nor for drift: users cannot find it yet."""
    staged = apply(plan_for(store, tmp_path, 1, stage_plan))
    assert staged.report.succeeded
    assert (staged.ids, find_published_keys(store, "base")) == ({}, frozenset())
    published = apply(plan_for(store, tmp_path, 1))
    (image,) = (one for one in store.images() if one.name == "k0")
    assert (published.ids, find_published_keys(store, "base")) == ({"k0": image.id}, hash_keys("k0"))
    assert apply(plan_for(store, tmp_path, 1, stage_plan, tags=["x"])).ids == {"k0": image.id}


def test_a_key_whose_adoption_was_not_started_is_not_recorded(store: Watched, tmp_path: Path) -> None:
    """Its image is still a foreign one."""
    image = store.create_image(name="k0", visibility="private", disk_format="raw", container_format="bare")
    store.upload(image.id, [bytes(1000)], 1000)
    planner = plan_for(store, tmp_path, 1, adopt=image.id)
    assert planner.plan().ids == {"k0": image.id}
    assert apply(planner, Settings(), stop_at_once()).report.interrupted
    assert find_published_keys(store, "base") == frozenset()
    assert apply(planner).report.succeeded
    assert find_published_keys(store, "base") == hash_keys("k0")


def test_an_image_that_was_released_is_not_missing_in_the_final_listing(store: Watched, tmp_path: Path) -> None:
    """It no longer has the marker, as planned."""
    assert apply(plan_for(store, tmp_path, 2)).report.succeeded
    report = apply(plan_for(store, tmp_path, 1)).report
    assert [step.reason for step in report.plan.steps] == [Reason.REMOVED]
    assert (report.leftover, len(store.images())) == ((), 3)


def test_an_image_that_lost_its_marker_after_its_write_is_found_and_described(store: Watched, tmp_path: Path) -> None:
    """The final listing asks for each image that the run wrote, also if it is now a foreign one."""

    def notify(event: Event) -> None:
        if isinstance(event, Finished) and event.result.image_id:
            (image,) = store.images(event.result.image_id)
            store.update_image(image.id, properties=dict.fromkeys(image.properties))

    report = apply(plan_for(store, tmp_path, 1), hooks=Hooks(watch=lambda _: nullcontext(Watch(notify)))).report
    sentence = report.leftover[0]
    assert "another user or run changed image" in sentence
    assert "it lost its marker: its imagesync properties removed" in sentence


def test_after_the_lease_is_lost_no_further_step_starts(store: Watched, tmp_path: Path) -> None:
    """The caller did not cancel the run: the report does not say so."""
    output: list[str] = []

    def notify(event: Event) -> None:
        if isinstance(event, Started):
            for record in store.leases("base"):
                store.delete_image(record)
            wait_until(lambda: output, bool, "the run knows that its lease is lost")

    hooks = Hooks(warn=output.append, watch=lambda _: nullcontext(Watch(notify)))
    settings = Settings(jobs=1, lease_times=Times(beat=0.05))
    report = apply(plan_for(store, tmp_path, 3), settings, hooks).report
    assert [one.outcome for one in report.results] == [Outcome.FAILED, Outcome.NOT_STARTED, Outcome.NOT_STARTED]
    assert ("its record was deleted" in report.stopped, report.interrupted) == (True, False)


def test_a_run_that_is_canceled_does_not_finish_its_upload(store: Watched, tmp_path: Path) -> None:
    """A large file may need hours."""
    cancelled = threading.Event()
    planner = plan_for(store, tmp_path, 1)
    (tmp_path / "0.raw").write_bytes(bytes(range(256)) * 2**16)
    planner = Planner(store, read_catalog(tmp_path / "base.yaml"), policy=ALL)

    def notify(event: Event) -> None:
        if isinstance(event, Progress):
            cancelled.set()

    report = apply(planner, hooks=Hooks(watch=lambda _: nullcontext(Watch(notify, cancelled)))).report
    assert report.interrupted
    assert store.inventory("base") == []


@pytest.mark.parametrize("state", [State.FREE, State.UNSETTLED])
def test_after_a_dead_run_the_final_listing_waits_until_a_read_is_final(
    store: Watched, tmp_path: Path, state: State
) -> None:
    """Its last requests may have arrived only now."""
    assert apply(plan_for(store, tmp_path, 1)).report.succeeded
    (record,) = store.leases("base")
    store.update_image(record.id, properties={STATE: state.value})
    assert apply(plan_for(store, tmp_path, 2)).report.succeeded
    assert store.settled == 2 + (state is State.UNSETTLED)  # each run reads it when it takes the lease


def test_a_clean_run_after_a_dead_one_settles_the_lease(store: Watched, tmp_path: Path) -> None:
    """Else each later run would wait for late requests, renew guards and warn, without end."""
    assert apply(plan_for(store, tmp_path, 1)).report.succeeded
    (record,) = store.leases("base")
    store.update_image(record.id, properties={STATE: State.UNSETTLED.value})
    assert apply(plan_for(store, tmp_path, 2)).report.succeeded
    assert [one.properties[STATE] for one in store.leases("base")] == [State.FREE]


def test_a_deleted_image_is_not_requested_in_the_final_listing(store: Watched, tmp_path: Path) -> None:
    """Each such request would be answered with an error."""
    assert apply(plan_for(store, tmp_path, 2)).report.succeeded
    store.requested.clear()  # those of the first run
    everything = replace(ALL, on_remove=OnRemove.DELETE, max_delete=Limit(100))
    planner = Planner(store, read_catalog(write_manifest(tmp_path, 1)), policy=everything)
    report = apply(planner).report
    assert [step.reason for step in report.plan.steps] == [Reason.REMOVED]
    (deleted,) = [one.image_id for one in report.results]
    assert deleted not in store.requested


@pytest.mark.parametrize("jobs", [-1, 0])
def test_a_run_has_at_least_one_job(jobs: int) -> None:
    """With none, no step would ever start."""
    with pytest.raises(ValueError, match=rf"^jobs is {jobs}; it must be at least 1$"):
        Settings(jobs=jobs)
    assert Settings(jobs=1).jobs == 1


def test_a_run_of_which_nothing_is_said_is_as_the_documentation_says() -> None:
    """Eight jobs, with the lease, for which it waits two minutes."""
    usual = Settings()
    assert (usual.jobs, usual.lock, usual.lock_timeout, usual.unlock) == (8, True, 120.0, "imagesync unlock PATH")
    assert (usual.lease_times, usual.slots) == (Times(60.0, 15.0, 45.0, 2.0, 1.0, 10.0), None)


def test_the_first_error_of_the_caller_ends_the_run(store: Watched, tmp_path: Path) -> None:
    """Later ones follow from it; the running step ends, and no further one starts."""
    seen: list[Event] = []

    def notify(event: Event) -> None:
        seen.append(event)
        raise LookupError(f"error {len(seen)}")

    hooks = Hooks(watch=lambda _: nullcontext(Watch(notify)))
    with pytest.raises(LookupError, match=r"^error 1$"):
        apply(plan_for(store, tmp_path, 3), Settings(jobs=1), hooks)
    assert len(seen) > 1
    assert {event.step.id for event in seen if isinstance(event, Started)} == {"create:k0"}
    assert len(store.inventory("base")) == 1


class UnansweredUpdates(Watched):
    """A store that answers no update of an image after the first ``answered`` ones, except those of a lease."""

    answered = 99

    def update_image(self, image: Any, **attrs: Any) -> LiveImage:
        is_lease = any(name.startswith("imagesync_lease") for name in attrs.get("properties") or {})
        self.answered -= not is_lease
        if self.answered < 0 and not is_lease:
            raise Unavailable("no answer")
        return super().update_image(image, **attrs)


@pytest.mark.parametrize(("answered", "state"), [(99, State.FREE), (0, State.UNSETTLED)])
def test_a_write_without_an_answer_leaves_the_lease_unsettled(tmp_path: Path, answered: int, state: State) -> None:
    """It may still arrive: the next run waits for it."""
    store = UnansweredUpdates(tmp_path / "store")
    store.answered = answered
    report = apply(plan_for(store, tmp_path, 1)).report
    assert report.succeeded is (answered > 0)
    assert [record.properties[STATE] for record in store.leases("base")] == [state]


class InUseForever(Watched):
    """A store in which a server uses each image."""

    def delete_image(self, image: Any) -> None:
        raise InUse("a server was booted from it")


def test_a_deletion_that_waits_is_no_difference(tmp_path: Path) -> None:
    """The next run tries it again; what differs of another key is one."""
    store = InUseForever(tmp_path / "store")
    assert apply(plan_for(store, tmp_path, 3)).report.succeeded
    path = write_manifest(tmp_path, 2)
    report = apply(Planner(store, read_catalog(path), policy=Policy(max_delete=Limit(100)))).report
    assert [(one.step.action.key, one.outcome) for one in report.results] == [("k2", Outcome.DEFERRED)]
    assert (report.leftover, report.succeeded) == ((), True)


def test_only_an_apply_forgets_the_former_keys_of_moved_images() -> None:
    """A staging run names the moves, and leaves the images under their former keys. A failed move forgets none."""
    wanted = catalog(spec("new", name="old", moved_from=("old",)), spec("z", "b"), moved={"new": ("old",)})
    found = inventory(live(spec("old")), live(spec("z")))
    known = frozenset(map(hash_name, ("old", "z")))
    applied, staged = plan(wanted, found), stage_plan(plan_input(wanted, found))
    for made, outcome, keys in (
        (applied, Outcome.DONE, ("new", "z")),
        (applied, Outcome.FAILED, ("old", "z")),
        (staged, Outcome.DONE, ("old", "new", "z")),
    ):
        assert made.moved == {"old": "new"}
        report = Report(made, tuple(StepResult(step, outcome) for step in made.steps))
        assert list_published_keys(known, report, made.ids) == frozenset(map(hash_name, keys))
