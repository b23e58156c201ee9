"""After a run that did not release its lease: its requests arrive late and do no harm."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import pytest

from imagesync.backends import open_backend
from imagesync.backends.base import Backend, UpdateFields
from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import (
    BackendError,
    Conflict,
    Forbidden,
    InUse,
    LeaseLost,
    NotFound,
    QuotaExceeded,
    Unavailable,
)
from imagesync.execution import recovery as limits
from imagesync.execution.recovery import recover
from imagesync.lease.chain import make_world
from imagesync.lease.record import STATE, LeaseUnsettled
from imagesync.lease.taking import take
from imagesync.model.catalog import Role, Status
from imagesync.model.image import IMPORT_TASK, MAX_PARTS, LiveImage
from imagesync.model.plan import Plan, Reliance
from imagesync.model.record import KEY, LEASE, ROLE, Record, Revision, read, read_revisions
from imagesync.model.report import Event, Progress
from imagesync.planning.recovery import find_unfilled
from imagesync.run import Hooks, Settings, Watch
from imagesync.workflow import Planner, apply, apply_saved, read_catalog
from tests.samples import spell

OTHER = "0" * 31 + "2"
"""A project."""


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    """An empty store."""
    with open_backend(store=tmp_path / "store") as opened:
        yield opened


def plan_builds(
    backend: Backend, folder: Path, only: tuple[str, ...] = (), fields: Mapping[str, str] = {}, /, **builds: int
) -> Planner:
    """A planner for a catalog of these keys, each with the data of a numbered build; ``only`` some of them.

    ``fields`` are further fields of key a.
    """
    images: dict[str, dict[str, str]] = {}
    for key, build in builds.items():
        (folder / f"{key}.{build}.raw").write_bytes(spell(f"{key} {build}") * 100)
        images[key] = {"source": f"{key}.{build}.raw", "disk_format": "raw", "container_format": "bare"}
        images[key] |= fields if key == "a" else {}
    path = folder / "base.yaml"
    path.write_text(json.dumps({"version": 1, "catalog": "base", "images": images}))
    return Planner(backend, read_catalog(path, only=only))


def die_with_lease(backend: Backend) -> None:
    """A process of this host that took the lease and ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    world = make_world()
    here = replace(world.here, pid=str(ended.pid))
    take(backend, "base", timeout=60, warn=lambda _: None, world=replace(world, here=here), is_new=lambda: True)


def leave_unfilled(backend: Backend, key: str) -> str:
    """A staging record that the dead run made and never filled; its id."""
    image_id = "0a4d55a8-d778-4c4f-9b32-b8bd1ecd6d41"
    marks = Record("base", key, Role.STAGING).properties(image_id)
    guard = Revision(1, "dead")
    backend.create_image(id=image_id, hidden=True, visibility="private", properties={**marks, guard.name: guard.nonce})
    return image_id


def current(backend: Backend, key: str) -> LiveImage:
    """The visible image of a key."""
    listed = backend.inventory("base", (backend.identity().project_id, OTHER))
    (image,) = [one for one in listed if one.properties[KEY] == key and not one.hidden]
    return image


def prepare_late_update(backend: Backend, image: LiveImage) -> Callable[[], LiveImage]:
    """The late PATCH of the dead run: it retires the image."""
    (guard,) = read_revisions(image)
    following = Revision(guard.number + 1, "dead")
    record = read(image)
    assert record is not None
    managed = replace(record.managed, before={"hidden": False}, retired="2026-11-26T00:00:00+00:00")
    marks = replace(record, role=Role.RETIRED, managed=managed).properties(image.id)
    properties = {guard.name: None, following.name: following.nonce, **marks}
    return lambda: backend.update_image(image.id, hidden=True, properties=properties, required=[guard.name])


def deliver_during_upload(
    late: Callable[[], LiveImage], refused: list[str]
) -> Callable[[Plan], AbstractContextManager[Watch]]:
    """For ``Hooks.watch``: the late PATCH arrives at the first progress of an upload, and is refused."""

    def deliver(event: Event) -> None:
        if isinstance(event, Progress) and not refused:
            with pytest.raises(Conflict):
                late()
            refused.append("late")

    return lambda _: nullcontext(Watch(notify=deliver))


def test_late_requests_of_a_dead_run_are_refused_once_the_next_run_writes(backend: Backend, tmp_path: Path) -> None:
    """Its guard is renewed before the first step: a PATCH that arrives during the upload is a conflict."""
    assert apply(plan_builds(backend, tmp_path, a=1, b=1)).report.succeeded
    late = prepare_late_update(backend, current(backend, "a"))
    die_with_lease(backend)
    refused: list[str] = []
    output: list[str] = []
    hooks = Hooks(watch=deliver_during_upload(late, refused), warn=output.append)
    report = apply(plan_builds(backend, tmp_path, a=2, b=1), hooks=hooks).report
    assert (report.succeeded, report.leftover, refused) == (True, (), ["late"])
    assert "its last run did not release the lease (host " in output[0]
    assert not current(backend, "a").hidden
    assert [record.properties[STATE] for record in backend.leases("base")] == ["free"]


@pytest.mark.parametrize("owner", [{}, {"owner": OTHER}], ids=["ours", "in another project"])
@pytest.mark.parametrize("only", [(), ("b",)])
def test_late_requests_to_an_image_without_steps_are_refused_too(
    backend: Backend, tmp_path: Path, only: tuple[str, ...], owner: Mapping[str, str]
) -> None:
    """The dead run had another manifest.

    It retired an image that the next run, with the earlier manifest, keeps unchanged.
    """
    assert apply(plan_builds(backend, tmp_path, (), owner, a=1, b=1)).report.succeeded
    late = prepare_late_update(backend, current(backend, "a"))
    die_with_lease(backend)
    report = apply(plan_builds(backend, tmp_path, only, owner, a=1, b=2)).report
    assert report.succeeded
    assert {step.action.key for step in report.plan.steps} == {"b"}
    with pytest.raises(Conflict):
        late()
    assert not current(backend, "a").hidden


@pytest.mark.parametrize("is_ours", [False, True])
def test_changes_by_the_owner_of_another_project_do_not_stop_the_recovery(
    backend: Backend, tmp_path: Path, *, is_ours: bool
) -> None:
    """The image has as many properties as the service allows, so no guard can be added.

    For an image in this project that is an error.
    """
    owner = {} if is_ours else {"owner": OTHER}
    assert apply(plan_builds(backend, tmp_path, (), owner, a=1, b=1)).report.succeeded
    image = current(backend, "a")
    (guard,) = read_revisions(image)
    more = {f"x{number}": "1" for number in range(MAX_PARTS + 1 - len(image.properties))}
    backend.update_image(image.id, properties={guard.name: None, **more})
    die_with_lease(backend)
    planner = plan_builds(backend, tmp_path, (), owner, a=1, b=2)
    if is_ours:
        with pytest.raises(QuotaExceeded):
            apply(planner)
        return
    assert apply(planner).report.succeeded
    assert current(backend, "b").size == len(b"b 2") * 200


def test_late_requests_are_refused_even_if_no_step_is_left(backend: Backend, tmp_path: Path) -> None:
    """Another run has already done what was planned."""
    assert apply(plan_builds(backend, tmp_path, a=1)).report.succeeded
    planner = plan_builds(backend, tmp_path, a=1, b=1)
    late: list[Callable[[], LiveImage]] = []

    def let_another_run_do_it(_plan: Plan) -> bool:
        assert apply(plan_builds(backend, tmp_path, a=1, b=1)).report.succeeded
        late.append(prepare_late_update(backend, current(backend, "a")))
        die_with_lease(backend)
        return True

    seen: list[Plan] = []

    def approve_change(plan: Plan) -> bool:
        seen.append(plan)
        return True

    report = apply(planner, hooks=Hooks(approve=let_another_run_do_it, approve_change=approve_change)).report
    assert report.results == ()
    assert [plan.steps for plan in seen] == [()]  # it is another plan than the one that was approved
    with pytest.raises(Conflict):
        late[0]()
    assert [record.properties[STATE] for record in backend.leases("base")] == ["free"]


def test_a_recovery_writes_to_images_of_the_catalog_only(backend: Backend, tmp_path: Path) -> None:
    """A saved plan is untrusted: it could name any image among those that it relies on."""
    assert apply(plan_builds(backend, tmp_path, a=1)).report.succeeded
    plain = backend.create_image(name="somebody's")
    marks = Record("other", "a", Role.CURRENT)
    foreign = backend.create_image(name="of another catalog")
    backend.update_image(foreign.id, properties={**marks.properties(foreign.id), "imagesync_rev_2": "theirs"})
    plan = plan_builds(backend, tmp_path, a=2).plan()
    surplus = tuple(Reliance(one.id, "a", {f"properties.{ROLE}": None, "name": one.name}) for one in (plain, foreign))
    before = [backend.images(one.id)[0].properties for one in (plain, foreign)]
    recover(backend, replace(plan, relies=(*plan.relies, *surplus)), jobs=2, check_lease=lambda: None)
    assert [backend.images(one.id)[0].properties for one in (plain, foreign)] == before


def test_a_request_that_arrives_during_the_wait_is_planned_for(tmp_path: Path) -> None:
    """It arrives before the guard is renewed, so it is saved. The plan under the lease is made after that."""

    class LateArrival(Local):
        """A store on which the dead run's PATCH arrives when the settling time is read."""

        late: Callable[[], object] = staticmethod(lambda: None)

        def settling_time(self) -> float:
            self.late, late = (lambda: None), self.late
            late()
            return 0.0

    backend = LateArrival(Store(tmp_path / "store"), "late")
    assert apply(plan_builds(backend, tmp_path, a=1)).report.succeeded
    late = prepare_late_update(backend, current(backend, "a"))
    die_with_lease(backend)
    backend.late = late
    report = apply(plan_builds(backend, tmp_path, a=1, b=1)).report
    assert report.succeeded
    assert sorted(step.id.partition(":")[0] for step in report.plan.steps) == ["create", "update"]
    assert not current(backend, "a").hidden
    backend.close()


def test_a_record_that_a_dead_run_never_filled_is_deleted_without_a_second_approval(
    backend: Backend, tmp_path: Path
) -> None:
    """Before the first step: a late upload then has no record to fill. The plan is the same as before."""
    die_with_lease(backend)
    left = leave_unfilled(backend, "a")
    requests: list[str] = []

    def notify(event: Event) -> None:
        if isinstance(event, Progress):
            with pytest.raises(NotFound):
                backend.images(left)
            requests.append("gone")

    def refuse(_plan: object) -> bool:
        raise AssertionError("what the recovery did needs no approval")

    hooks = Hooks(approve_change=refuse, watch=lambda _: nullcontext(Watch(notify=notify)))
    report = apply(plan_builds(backend, tmp_path, a=1), hooks=hooks).report
    assert report.succeeded
    assert requests
    assert [image.status for image in backend.inventory("base")] == ["active"]


def test_a_record_that_was_filled_meanwhile_is_left_to_the_next_plan(backend: Backend, tmp_path: Path) -> None:
    """It is no longer as the plan relied on."""
    left = leave_unfilled(backend, "a")
    backend.update_image(left, disk_format="raw", container_format="bare")
    plan = plan_builds(backend, tmp_path, a=1).plan()
    assert find_unfilled(plan) == (left,)
    backend.upload(left, [b"\xf8" * 100], 100)
    recover(backend, plan, jobs=2, check_lease=lambda: None)
    assert backend.images(left)[0].status == "active"


def test_a_record_that_was_deleted_meanwhile_needs_no_recovery(backend: Backend, tmp_path: Path) -> None:
    """The late request that deletes it arrived."""
    left = leave_unfilled(backend, "a")
    plan = plan_builds(backend, tmp_path, a=1).plan()
    assert find_unfilled(plan) == (left,)
    backend.delete_image(left)
    assert recover(backend, plan, jobs=2, check_lease=lambda: None) == plan


def test_an_image_that_changes_while_the_guards_are_renewed_stops_the_run(backend: Backend, tmp_path: Path) -> None:
    """Another run still writes; no step was carried out yet."""
    assert apply(plan_builds(backend, tmp_path, a=1)).report.succeeded
    plan = plan_builds(backend, tmp_path, a=2).plan()
    backend.update_image(current(backend, "a").id, min_ram=5, name="theirs")
    with pytest.raises(Conflict, match=r"another user or run changed image .*: name is 'theirs'"):
        recover(backend, plan, jobs=2, check_lease=lambda: None)


class RunningCopy(Local):
    """A service that copies image ``copied`` into another store, and at the end writes it back as it was."""

    copied = ""
    reads_left = 3

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        found = super().images(image_id)
        if image_id == self.copied and self.reads_left:
            self.reads_left -= 1
            if not self.reads_left:
                guards = {guard.name: guard.nonce for guard in read_revisions(self.before)}
                now = {guard.name: None for guard in read_revisions(found[0])}
                super().update_image(self.copied, properties={**now, **guards})
        return [self._show(image) for image in found]

    def inventory(self, catalog: str, owners: Sequence[str] = ()) -> list[LiveImage]:
        return [self._show(image) for image in super().inventory(catalog, owners)]

    def begin(self, image: LiveImage) -> None:
        """Start the copy."""
        self.copied, self.before = image.id, image

    def _show(self, image: LiveImage) -> LiveImage:
        is_copied = image.id == self.copied and self.reads_left
        return replace(image, service={IMPORT_TASK: "t"}, stores=("a",)) if is_copied else image


def test_a_copy_that_a_dead_run_began_is_waited_for(tmp_path: Path) -> None:
    """At its end the service would restore the old guard, and would then accept late requests."""
    backend = RunningCopy(Store(tmp_path / "store"), "copying")
    assert apply(plan_builds(backend, tmp_path, a=1, b=1)).report.succeeded
    image = current(backend, "a")
    late = prepare_late_update(backend, image)
    backend.begin(image)
    die_with_lease(backend)
    assert apply(plan_builds(backend, tmp_path, a=1, b=2)).report.succeeded
    assert backend.reads_left == 0
    with pytest.raises(Conflict):
        late()


def test_a_copy_without_progress_does_not_stop_the_run(tmp_path: Path) -> None:
    """Its worker died with the service, and its sign stays. After a short wait the guard is renewed all the same."""
    backend = RunningCopy(Store(tmp_path / "store"), "copying")
    assert apply(plan_builds(backend, tmp_path, a=1, b=1)).report.succeeded
    backend.reads_left = 10**9
    backend.begin(current(backend, "a"))
    late, waited = prepare_late_update(backend, current(backend, "a")), list[float]()
    plan = plan_builds(backend, tmp_path, a=1, b=2).plan()
    recover(backend, plan, jobs=2, check_lease=lambda: None, copy_patience=0.0, sleep=waited.append)
    with pytest.raises(Conflict):
        late()
    assert len(waited) <= 2


def test_a_change_during_the_wait_for_a_copy_stops_the_run_before_it_writes(tmp_path: Path) -> None:
    """The image is read again after the wait, also if the copy made no progress."""
    backend = RunningCopy(Store(tmp_path / "store"), "copying")
    assert apply(plan_builds(backend, tmp_path, a=1)).report.succeeded
    backend.reads_left = 10**9
    backend.begin(image := current(backend, "a"))
    plan = plan_builds(backend, tmp_path, a=2).plan()

    def change(_seconds: float) -> None:
        backend.update_image(image.id, name="theirs")

    with pytest.raises(Conflict, match=r"name is 'theirs'.*nothing more was written to it"):
        recover(backend, plan, jobs=1, check_lease=lambda: None, copy_patience=0.0, sleep=change)
    assert read_revisions(current(backend, "a")) == read_revisions(image)


def test_the_stores_that_a_copy_changed_are_no_change_by_another_user(tmp_path: Path) -> None:
    """The plan was made during the copy, and relies on the stores of that time."""
    backend = RunningCopy(Store(tmp_path / "store"), "copying")
    assert apply(plan_builds(backend, tmp_path, a=1)).report.succeeded
    backend.begin(image := current(backend, "a"))
    plan = plan_builds(backend, tmp_path, a=2).plan()
    relies = tuple(replace(one, values={**one.values, "stores": ("a",)}) for one in plan.relies)
    assert [one.image_id for one in relies] == [image.id]
    recover(backend, replace(plan, relies=relies), jobs=1, check_lease=lambda: None)
    assert current(backend, "a").stores == ()
    assert read_revisions(current(backend, "a")) != read_revisions(image)


def test_only_a_copy_is_waited_for(tmp_path: Path) -> None:
    """An import fills an image that has no data yet. At its end the service does not write back an old guard."""

    class RunningImport(RunningCopy):
        """A service that imports the data of one image."""

        def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
            return self._show(super().update_image(image, **attrs))

        def _show(self, image: LiveImage) -> LiveImage:
            found = super()._show(image)
            return replace(found, status=Status.IMPORTING) if found.importing else found

    backend = RunningImport(Store(tmp_path / "store"), "importing")
    assert apply(plan_builds(backend, tmp_path, a=1, b=1)).report.succeeded
    plan, waited = plan_builds(backend, tmp_path, a=1, b=2).plan(), list[float]()
    backend.reads_left = 10**9
    backend.begin(current(backend, "a"))
    recover(backend, plan, jobs=1, check_lease=lambda: None, copy_patience=0.0, sleep=waited.append)
    assert waited == []


def test_the_lease_is_checked_during_the_wait_for_a_copy(tmp_path: Path) -> None:
    """Another run may have taken it."""
    backend = RunningCopy(Store(tmp_path / "store"), "copying")
    assert apply(plan_builds(backend, tmp_path, a=1, b=1)).report.succeeded
    backend.reads_left = 10**9
    backend.begin(current(backend, "a"))
    plan, requests = plan_builds(backend, tmp_path, a=1, b=2).plan(), list[str]()

    def check() -> None:
        requests.append("asked")
        if len(requests) > 20:
            raise LeaseLost("the lease is lost")

    with pytest.raises(LeaseLost):
        recover(backend, plan, jobs=1, check_lease=check, sleep=lambda _: None)


@pytest.mark.parametrize("error", [Forbidden("it is protected"), InUse("a volume uses it"), BackendError("no")])
def test_a_record_that_cannot_be_deleted_does_not_stop_other_keys(tmp_path: Path, error: BackendError) -> None:
    """For example a user protected it: the plan's own step removes the protection, and reports its own failure."""

    class Keeping(Local):
        """A store that refuses the first deletion."""

        kept = 1

        def delete_image(self, image: LiveImage | str) -> None:
            if self.kept and LEASE not in self.images(str(image))[0].properties:
                self.kept -= 1
                raise error
            super().delete_image(image)

    backend = Keeping(Store(tmp_path / "store"), "keeping")
    die_with_lease(backend)
    left = leave_unfilled(backend, "a")
    report = apply(plan_builds(backend, tmp_path, a=1, b=1)).report
    assert report.succeeded
    assert backend.kept == 0
    assert left not in [image.id for image in backend.inventory("base")]
    assert not current(backend, "b").hidden


class RefusingUpdates(Local):
    """A store that answers each update of one image with an error."""

    refused, error = "", BackendError("")

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        if self.refused == (image if isinstance(image, str) else image.id):
            raise self.error
        return super().update_image(image, **attrs)


@pytest.mark.parametrize(
    ("error", "key", "stops"),
    [
        (Forbidden("no"), "a", True),
        (Forbidden("no"), "b", False),
        (NotFound("gone"), "a", True),
        (NotFound("gone"), "b", False),
        (Unavailable("no answer"), "a", True),
        (Unavailable("no answer"), "b", True),
        (BackendError("not kept"), "b", True),
    ],
)
def test_a_guard_that_cannot_be_renewed_stops_the_run_if_the_plan_relies_on_the_image(
    tmp_path: Path, error: BackendError, key: str, stops: bool
) -> None:
    """The plan relies on a, but not on b: b may be deleted or not writable, and stays unchanged."""
    store = RefusingUpdates(Store(tmp_path / "store"), "refusing")
    assert apply(plan_builds(store, tmp_path, a=1, b=1)).report.succeeded
    plan = plan_builds(store, tmp_path, a=2, b=1).plan()
    store.refused, store.error = current(store, key).id, error
    if stops:
        with pytest.raises(type(error), match=error.message):
            recover(store, plan, jobs=1, check_lease=lambda: None)
    else:
        assert [each.image_id for each in recover(store, plan, jobs=1, check_lease=lambda: None).relies] == [
            current(store, "a").id
        ]


def test_no_answer_about_an_image_of_another_project_stops_the_recovery(tmp_path: Path) -> None:
    """The service is out of reach, and the owner changed nothing: no step could be carried out."""
    store = RefusingUpdates(Store(tmp_path / "store"), "refusing")
    assert apply(plan_builds(store, tmp_path, (), {"owner": OTHER}, a=1, b=1)).report.succeeded
    plan = plan_builds(store, tmp_path, (), {"owner": OTHER}, a=1, b=2).plan()
    store.refused, store.error = current(store, "a").id, Unavailable("no answer")
    with pytest.raises(Unavailable, match="no answer"):
        recover(store, plan, jobs=1, check_lease=lambda: None)


def test_a_saved_plan_is_carried_out_with_the_renewed_guards(backend: Backend, tmp_path: Path) -> None:
    """The renewal does not make a plan stale; late requests of the dead run are refused."""
    assert apply(plan_builds(backend, tmp_path, a=1)).report.succeeded
    plan = plan_builds(backend, tmp_path, a=2).plan()
    late = prepare_late_update(backend, current(backend, "a"))
    die_with_lease(backend)
    refused: list[str] = []
    hooks = Hooks(watch=deliver_during_upload(late, refused))
    report = apply_saved(backend, plan, hooks=hooks).report
    assert (report.succeeded, report.leftover, refused) == (True, (), ["late"])


class SlowStore(Local):
    """A store on which a read may not show a write at first."""

    def settling_time(self) -> float:
        return 0.4


@pytest.mark.parametrize("lock_timeout", [0.0, 5.0])
def test_the_wait_after_a_dead_run_counts_as_waiting_time(tmp_path: Path, lock_timeout: float) -> None:
    """If the timeout is too short, nothing is changed, and the error names the time."""
    backend = SlowStore(Store(tmp_path / "store"), "slow")
    die_with_lease(backend)
    settings = Settings(lock_timeout=lock_timeout)
    if lock_timeout:
        begun = time.monotonic()
        assert apply(plan_builds(backend, tmp_path, a=1), settings).report.succeeded
        assert time.monotonic() - begun >= 4 * backend.settling_time()
    else:
        with pytest.raises(LeaseUnsettled, match=r"nothing was changed; only 0 s were left to wait.*--lock-timeout"):
            apply(plan_builds(backend, tmp_path, a=1), settings)
        assert backend.inventory("base") == []
    backend.close()


def test_after_a_dead_run_the_final_listing_waits_until_a_read_is_final(tmp_path: Path) -> None:
    """Another run may have written: the settling time is read once more than usual."""

    class CountingStore(Local):
        queries = 0

        def settling_time(self) -> float:
            self.queries += 1
            return 0.0

    backend = CountingStore(Store(tmp_path / "store"), "counting")
    assert apply(plan_builds(backend, tmp_path, a=1)).report.succeeded
    usual, backend.queries = backend.queries, 0
    die_with_lease(backend)
    assert apply(plan_builds(backend, tmp_path, a=1, b=1)).report.succeeded
    assert backend.queries == usual + 1
    backend.close()


def test_without_a_dead_run_no_guard_is_renewed(backend: Backend, tmp_path: Path) -> None:
    """Each renewal costs a request."""
    assert apply(plan_builds(backend, tmp_path, a=1, b=1)).report.succeeded
    before = read_revisions(current(backend, "b"))
    assert apply(plan_builds(backend, tmp_path, a=2, b=1)).report.succeeded
    assert read_revisions(current(backend, "b")) == before
    retired = next(image for image in backend.inventory("base") if image.properties[ROLE] == Role.RETIRED)
    assert read_revisions(retired)[0].number == read_revisions(current(backend, "a"))[0].number + 1


@pytest.mark.parametrize("is_filled", [False, True])
def test_a_recovery_without_the_lease_writes_nothing(backend: Backend, tmp_path: Path, *, is_filled: bool) -> None:
    """It deletes no record that was never filled, and renews no guard."""
    if is_filled:
        assert apply(plan_builds(backend, tmp_path, a=1)).report.succeeded
    else:
        leave_unfilled(backend, "a")
    plan, before = plan_builds(backend, tmp_path, a=2).plan(), backend.inventory("base")

    def check() -> None:
        raise LeaseLost("the lease is lost")

    with pytest.raises(LeaseLost):
        recover(backend, plan, jobs=1, check_lease=check)
    assert backend.inventory("base") == before
    assert len(before) == 1


def test_a_deletion_without_an_answer_stops_the_recovery(tmp_path: Path) -> None:
    """The service is out of reach: no step could be carried out."""

    class Unanswering(Local):
        """A store that answers no deletion."""

        def delete_image(self, image: LiveImage | str) -> None:
            raise Unavailable(f"no answer about {image}")

    store = Unanswering(Store(tmp_path / "store"), "unanswering")
    left = leave_unfilled(store, "a")
    with pytest.raises(Unavailable, match=left):
        recover(store, plan_builds(store, tmp_path, a=1).plan(), jobs=1, check_lease=lambda: None)


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.COPY_PATIENCE == 30
