"""The workflow as a Python program calls it: limits, approval, lease, and changes by other runs."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Unpack
from uuid import uuid4

import pytest

from imagesync.backends import open_backend, open_target
from imagesync.backends.base import Backend, CreateFields, UpdateFields
from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import ManifestError, PlanRefused, StalePlan, Unavailable, UsageError
from imagesync.lease.record import STATE, LeaseHeld, State, Times
from imagesync.lease.taking import break_lease, find_held_lease, take
from imagesync.model.catalog import Checksum, Fingerprint, Target
from imagesync.model.image import Identity, LiveImage
from imagesync.model.plan import Create, Plan, Update
from imagesync.model.policy import Limit, Policy
from imagesync.model.record import LEASE, read, read_revisions
from imagesync.model.report import Event, Finished, Outcome, Progress, Started
from imagesync.planning.rollback import rollback_plan
from imagesync.run import Hooks, Settings, Watch
from imagesync.sources import SourceAccess, SourceChecks
from imagesync.workflow import Planner, apply, apply_saved, check_place, read_catalog, select_adoptable
from tests.fault.mirror import mirror
from tests.waiting import wait_until


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    """An empty store."""
    with open_backend(store=tmp_path / "store") as opened:
        yield opened


def write_manifest(folder: Path, number: int) -> Path:
    """A catalog of this many small images."""
    for index in range(number):
        (folder / f"{index}.raw").write_bytes(bytes([index]) * 1000)
    images = {f"k{index}": {"source": f"{index}.raw"} for index in range(number)}
    defaults = {"disk_format": "raw", "container_format": "bare"}
    document = {"version": 1, "catalog": "base", "defaults": defaults, "images": images}
    path = folder / "base.yaml"
    path.write_text(json.dumps(document))
    return path


def planner(backend: Backend, folder: Path, number: int) -> Planner:
    """A planner for a catalog of this many images."""
    return Planner(backend, read_catalog(write_manifest(folder, number)))


def test_after_apply_the_next_plan_is_empty_and_the_ids_are_known(backend: Backend, tmp_path: Path) -> None:
    """The result names the current image of each key; the lease is released."""
    result = apply(planner(backend, tmp_path, 2))
    assert result.report.succeeded
    assert sorted(result.ids) == ["k0", "k1"]
    again = planner(backend, tmp_path, 2).plan()
    assert (again.steps, again.ids) == ((), result.ids)
    assert [record.properties[STATE] for record in backend.leases("base")] == ["free"]


def test_a_catalog_is_planned_only_for_the_target_that_it_was_read_for(backend: Backend, tmp_path: Path) -> None:
    """The overlay of one target must never change another cloud or store."""
    path = write_manifest(tmp_path, 1)
    document = json.loads(path.read_text())
    targets = {"lab": {"store": "lab"}, "eu": {"cloud": "eu"}}
    path.write_text(json.dumps(document | {"targets": targets}))
    for catalog in (
        read_catalog(path, target="lab"),
        read_catalog(path, cloud="eu"),
        read_catalog(path, cloud="other"),
    ):
        with pytest.raises(UsageError, match=r"was read for (store .*|cloud \w+), but the backend is store "):
            Planner(backend, catalog)
    with pytest.raises(UsageError, match="no target selected"):
        read_catalog(path)
    here = read_catalog(path, store=backend.identity().location)
    assert (here.target.name, len(Planner(backend, here).plan().steps)) == (None, 1)
    with open_target(read_catalog(path, target="lab").target) as lab:
        assert lab.identity().location == str(tmp_path / "lab")


def test_a_plan_over_its_limits_is_shown_and_changes_nothing(backend: Backend, tmp_path: Path) -> None:
    """It would delete 5 of 6 images, and the limit is 30 %: it is refused before approval and before the lease."""
    before = apply(planner(backend, tmp_path, 6)).ids
    output: list[Plan] = []
    requests: list[Plan] = []

    def approve(plan: Plan) -> bool:
        requests.append(plan)
        return True

    with pytest.raises(PlanRefused, match="the plan would remove 5 of 6 live images"):
        apply(planner(backend, tmp_path, 1), hooks=Hooks(show=output.append, approve=approve))
    assert (len(output), requests) == (1, [])
    assert planner(backend, tmp_path, 6).plan().ids == before


def test_a_declined_plan_changes_nothing(backend: Backend, tmp_path: Path) -> None:
    """No lease is taken for it either."""
    result = apply(planner(backend, tmp_path, 1), hooks=Hooks(approve=lambda _: False))
    assert (result.approved, result.report.results) == (False, ())
    assert backend.images() == []


def test_the_wait_for_the_lease_of_another_run_ends_at_the_timeout(backend: Backend, tmp_path: Path) -> None:
    """LeaseHeld, and nothing is changed."""
    held = take(backend, "base", timeout=0, warn=lambda _: None, is_new=lambda: True)
    with pytest.raises(LeaseHeld, match="waited 0 s"):
        apply(planner(backend, tmp_path, 1), Settings(lock_timeout=0))
    assert backend.inventory("base") == []
    held.release()


def test_without_the_lock_no_record_is_made(backend: Backend, tmp_path: Path) -> None:
    """``Settings(lock=False)``."""
    assert apply(planner(backend, tmp_path, 1), Settings(lock=False)).report.succeeded
    assert backend.leases("base") == []


@pytest.mark.parametrize("agrees", [True, False])
def test_a_plan_that_changed_before_the_lease_needs_a_second_approval(
    backend: Backend, tmp_path: Path, *, agrees: bool
) -> None:
    """Changes by another run between approval and lease give a new plan or StalePlan; they are never applied without
    approval."""
    seen: list[Plan] = []

    def run_another(_plan: Plan) -> bool:
        return apply(planner(backend, tmp_path, 1)).report.succeeded

    def approve_change(plan: Plan) -> bool:
        seen.append(plan)
        return agrees

    hooks = Hooks(approve=run_another, approve_change=approve_change)
    if agrees:
        assert apply(planner(backend, tmp_path, 2), hooks=hooks).report.succeeded
    else:
        with pytest.raises(StalePlan):
            apply(planner(backend, tmp_path, 2), hooks=hooks)
    assert [[step.id for step in plan.steps] for plan in seen] == [["create:k1"]]
    assert sorted(image.name or "" for image in backend.inventory("base")) == (["k0", "k1"] if agrees else ["k0"])


def test_a_change_between_approval_and_lease_must_have_been_reviewed(backend: Backend, tmp_path: Path) -> None:
    """Although the caller accepts every change: the reviewed plan does not have it."""
    reviewed = planner(backend, tmp_path, 2).plan()
    wanted = Planner(backend, planner(backend, tmp_path, 2).catalog, reviewed=reviewed)

    def run_another(_plan: Plan) -> bool:
        apply(planner(backend, tmp_path, 3))
        write_manifest(tmp_path, 2)
        return True

    with pytest.raises(PlanRefused, match=r"delete k2 .* is not in the reviewed plan"):
        apply(wanted, hooks=Hooks(approve=run_another, approve_change=lambda _plan: True))
    assert len(backend.inventory("base")) == 3


def test_without_approve_change_a_changed_plan_is_approved_like_the_first(backend: Backend, tmp_path: Path) -> None:
    """A program that only passes ``approve`` sees every plan that may be applied."""
    seen: list[list[str]] = []

    def approve(plan: Plan) -> bool:
        seen.append([step.id for step in plan.steps])
        if len(seen) == 1:
            apply(planner(backend, tmp_path, 1))
        return len(seen) == 1

    with pytest.raises(StalePlan):
        apply(planner(backend, tmp_path, 2), hooks=Hooks(approve=approve))
    assert seen == [["create:k0", "create:k1"], ["create:k1"]]
    assert len(backend.inventory("base")) == 1


@pytest.mark.parametrize("kind", [Started, Progress, Finished])
def test_an_error_of_the_listener_stops_the_run_cleanly_and_is_raised(
    backend: Backend, tmp_path: Path, kind: type[Event]
) -> None:
    """Running steps end normally; no unfinished record and no held lease are left."""

    def notify(event: Event) -> None:
        if isinstance(event, kind):
            raise RuntimeError("of the caller")

    with pytest.raises(RuntimeError, match="of the caller"):
        apply(planner(backend, tmp_path, 3), Settings(jobs=1), Hooks(watch=lambda _: nullcontext(Watch(notify=notify))))
    assert [image.properties["imagesync_role"] for image in backend.inventory("base")] == ["current"]
    assert [record.properties[STATE] for record in backend.leases("base")] == ["free"]


def test_settings_without_a_job_are_refused() -> None:
    """Before any request."""
    with pytest.raises(ValueError, match="jobs is 0; it must be at least 1"):
        Settings(jobs=0)


def test_a_changed_plan_is_checked_against_the_limits_again(backend: Backend, tmp_path: Path) -> None:
    """The first plan removes 1 of 6 images; before the lease is taken, 5 more images become undeclared."""
    apply(planner(backend, tmp_path, 5))

    def run_another(_plan: Plan) -> bool:
        for image in backend.inventory("base"):
            properties = {"imagesync_key": f"old-{image.properties['imagesync_key']}"}
            backend.update_image(image.id, properties=properties)
        return True

    with pytest.raises(PlanRefused, match=r"every live image|would remove 5 of 5"):
        apply(planner(backend, tmp_path, 4), hooks=Hooks(approve=run_another))
    assert len(backend.inventory("base")) == 5


def test_a_saved_plan_is_checked_again_under_the_lease(backend: Backend, tmp_path: Path) -> None:
    """Another run made the image between approval and lease: nothing is done, and no second image is made."""
    plan = planner(backend, tmp_path, 1).plan()

    def run_another(_plan: Plan) -> bool:
        return apply(planner(backend, tmp_path, 1)).report.succeeded

    with pytest.raises(StalePlan, match="another run created image"):
        apply_saved(backend, plan, hooks=Hooks(approve=run_another))
    assert len(backend.inventory("base")) == 1


def test_the_report_of_a_saved_plan_names_the_target_as_the_backend_does(backend: Backend, tmp_path: Path) -> None:
    """A plan file may give the same place another label."""
    plan, output = planner(backend, tmp_path, 1).plan(), list[Plan]()
    labeled = replace(plan, target=replace(plan.target, label="another lab"))
    result = apply_saved(backend, labeled, hooks=Hooks(show=output.append))
    assert [one.target for one in (*output, result.report.plan)] == [backend.identity()] * 2


def test_a_saved_plan_for_another_place_is_refused(tmp_path: Path, backend: Backend) -> None:
    """Also if it is a store, too. The message names both places."""
    plan = planner(backend, tmp_path, 1).plan()
    with open_backend(store=tmp_path / "other") as other:
        with pytest.raises(
            UsageError, match=r"the plan was made for store .*, but the selected target is store .*"
        ) as found:
            apply_saved(other, plan)
        assert backend.identity().location in str(found.value)
        assert other.identity().location in str(found.value)
        assert other.images() == []


def test_places_are_named_by_the_name_of_their_project(backend: Backend, tmp_path: Path) -> None:
    """By its id only if its name is not known."""
    plan = planner(backend, tmp_path, 1).plan()
    for name, expected in (("prod", "store /elsewhere eu prod, but"), ("", f"store /elsewhere eu {'f' * 32}, but")):
        target = replace(plan.target, location="/elsewhere", region="eu", project_name=name, project_id="f" * 32)
        with pytest.raises(UsageError, match=f"the plan was made for {expected}"):
            apply_saved(backend, replace(plan, target=target))


def test_sources_are_asked_before_a_plan_is_shown(backend: Backend, tmp_path: Path) -> None:
    """A file that is known to be no disk fails its key before the lease is taken, unless the caller forbids requests."""
    path = write_manifest(tmp_path, 2)
    (tmp_path / "0.raw").write_text("<!doctype html><title>Log in</title>" * 100)
    (error,) = Planner(backend, read_catalog(path)).plan().errors
    assert "k0" in str(error)
    assert Planner(backend, read_catalog(path), access=SourceAccess(asks_sources=False)).plan().errors == ()


def test_planners_of_one_run_check_each_source_once(tmp_path: Path) -> None:
    """Three targets, two of them planned at the same time: one request for the size, and each plan has it."""
    with mirror() as web, ExitStack() as opened:
        url = web.publish("/a.raw", b"\1" * 1000)
        images = {"a": {"source": url, "disk_format": "raw", "container_format": "bare"}}
        path = tmp_path / "base.yaml"
        path.write_text(json.dumps({"version": 1, "catalog": "base", "images": images}))
        backends = [opened.enter_context(open_backend(store=tmp_path / name)) for name in ("eu", "us", "lab")]
        checks = SourceChecks(SourceAccess())
        planners = [Planner(each, read_catalog(path), sources=checks) for each in backends]
        with ThreadPoolExecutor(2) as pool:
            plans = list(pool.map(Planner.plan, planners))
        assert len(web.queries) == 1
        assert [
            made.steps[0].action.fingerprint.size for made in plans if isinstance(made.steps[0].action, Create)
        ] == [1000] * 3
        assert all(each.access is checks.access for each in planners)


def test_a_plan_with_the_same_steps_and_other_kept_builds_needs_a_second_approval(
    backend: Backend, tmp_path: Path
) -> None:
    """The user saw that an earlier build stays, and it no longer exists."""
    path = write_manifest(tmp_path, 1)
    document = json.loads(path.read_text())
    document["defaults"]["on_replace"] = {"keep": 3}
    for build in range(2):
        (tmp_path / "0.raw").write_bytes(b"build" + bytes([build]) * 1000)
        path.write_text(json.dumps(document))
        assert apply(Planner(backend, read_catalog(path))).report.succeeded
    (tmp_path / "1.raw").write_bytes(b"\1" * 1000)
    document["images"]["k1"] = {"source": "1.raw"}
    path.write_text(json.dumps(document))
    seen: list[Plan] = []

    def delete_earlier(plan: Plan) -> bool:
        seen.append(plan)
        backend.delete_image(plan.kept[0].image_id)
        return True

    def approve_change(plan: Plan) -> bool:
        seen.append(plan)
        return True

    hooks = Hooks(approve=delete_earlier, approve_change=approve_change)
    assert apply(Planner(backend, read_catalog(path)), hooks=hooks).report.succeeded
    assert [len(plan.kept) for plan in seen] == [1, 0]
    assert seen[0].steps == seen[1].steps


def test_a_saved_plan_that_is_declined_changes_nothing(backend: Backend, tmp_path: Path) -> None:
    """It is shown, and not executed."""
    plan, output = planner(backend, tmp_path, 1).plan(), list[Plan]()
    result = apply_saved(backend, plan, hooks=Hooks(show=output.append, approve=lambda _: False))
    assert (result.approved, output) == (False, [plan])
    assert backend.images() == []


def test_a_watch_gets_the_end_of_every_step(backend: Backend, tmp_path: Path) -> None:
    """One Finished for each step."""
    events: list[Event] = []
    apply(planner(backend, tmp_path, 2), hooks=Hooks(watch=lambda _: nullcontext(Watch(notify=events.append))))
    finished = [event.result.step.id for event in events if isinstance(event, Finished)]
    assert sorted(finished) == ["create:k0", "create:k1"]


def change_when_made(backend: Backend, change: Callable[[str], object]) -> Hooks:
    """Hooks that call a function at the end of the first create."""

    def notify(event: Event) -> None:
        if isinstance(event, Finished) and event.result.image_id:
            change(event.result.image_id)

    return Hooks(watch=lambda _: nullcontext(Watch(notify=notify)))


def test_an_image_that_was_changed_after_its_write_is_reported(backend: Backend, tmp_path: Path) -> None:
    """The final listing checks every write: the run fails and reports the differences."""
    hooks = change_when_made(backend, lambda image_id: backend.update_image(image_id, name="theirs"))
    report = apply(planner(backend, tmp_path, 1), hooks=hooks).report
    (sentence,) = report.leftover
    assert "which this run wrote: name is 'theirs', it was 'k0'" in sentence
    assert not report.succeeded


def test_a_tag_that_another_user_adds_meanwhile_is_not_a_failure(backend: Backend, tmp_path: Path) -> None:
    """The run did not write that tag."""
    hooks = change_when_made(
        backend, lambda image_id: backend.update_image(image_id, tags=["t"], properties={"p": "1"})
    )
    assert apply(planner(backend, tmp_path, 1), hooks=hooks).report.succeeded


@pytest.mark.parametrize("marks", [{}, {"imagesync_catalog": "other", "imagesync_key": "x"}])
def test_a_name_that_another_image_took_at_the_same_time_is_reported(
    backend: Backend, tmp_path: Path, marks: dict[str, str]
) -> None:
    """Both are already published: the run fails, with the id and what to do."""

    def take_name(_image_id: str) -> None:
        other = str(uuid4())
        bound = {"imagesync_id": other, **marks} if marks else {}
        backend.create_image(id=other, name="k0", visibility="private", properties=bound)

    report = apply(planner(backend, tmp_path, 1), hooks=change_when_made(backend, take_name)).report
    (sentence,) = report.leftover
    whose = "belongs to catalog other" if marks else "is not managed by imagesync"
    assert sentence.startswith("k0: image ")
    assert f", which {whose}, also has the name 'k0'; give one of them another name, or remove k0 from one" in sentence


class Contested(Local):
    """A store that saves the first update and loses the answer; ``settled`` counts reads of the settling time."""

    settled, lost = 0, False

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        made = super().update_image(image, **attrs)
        if not self.lost:
            self.lost = True
            raise Unavailable("no answer")
        return made

    def settling_time(self) -> float:
        self.settled += 1
        return 0.0


def test_after_a_write_without_an_answer_the_final_listing_waits_until_a_read_is_final(tmp_path: Path) -> None:
    """Another run may be writing, or the service may retry a write by itself."""
    store = Contested(Store(tmp_path / "store"), "contested")
    assert apply(planner(store, tmp_path, 1), Settings(lock=False)).report.succeeded
    assert store.settled == 1
    assert apply(planner(store, tmp_path, 2), Settings(lock=False)).report.succeeded
    assert store.settled == 1


def test_after_a_write_without_an_answer_the_lease_is_unsettled(tmp_path: Path) -> None:
    """The next run makes the late request harmless before its first step."""
    store = Contested(Store(tmp_path / "store"), "contested")
    assert apply(planner(store, tmp_path, 1)).report.succeeded
    assert [record.properties[STATE] for record in store.leases("base")] == ["unsettled"]
    output: list[str] = []
    assert apply(planner(store, tmp_path, 2), hooks=Hooks(warn=output.append)).report.succeeded
    assert "its last run got no answer to a request" in output[0]
    assert [record.properties[STATE] for record in store.leases("base")] == ["free"]


def test_a_lease_whose_records_were_deleted_is_taken_with_a_wait_unless_the_catalog_is_new(
    backend: Backend, tmp_path: Path
) -> None:
    """A catalog with images had a lease before: its holder must have noticed the loss, and its requests are made
    harmless."""
    output: list[str] = []
    settings = Settings(lease_times=Times(beat=0.05, confirm=2.0))
    assert apply(planner(backend, tmp_path, 1), settings, Hooks(warn=output.append)).report.succeeded
    assert output == []
    (record,) = backend.leases("base")
    backend.delete_image(record.id)
    (image,) = backend.inventory("base")
    assert apply(planner(backend, tmp_path, 2), settings, Hooks(warn=output.append)).report.succeeded
    assert output == [
        "catalog base: it has no lease record; the record may have been deleted during a run; waiting 2 s for its late "
        "requests"
    ]
    (later,) = [one for one in backend.inventory("base") if one.id == image.id]
    assert read_revisions(later) != read_revisions(image)


class SlowClock(Local):
    """A store with an identity service whose clock is far behind that of this host."""

    behind = timedelta(days=3652)

    def times(self) -> Mapping[str, datetime]:
        return {"the identity service": datetime.now(UTC) - self.behind}


def test_a_clock_that_only_the_lease_shows_changes_no_plan(tmp_path: Path) -> None:
    """The clock of the image service, from the lease record: it adds a note and needs no second approval."""
    store = SlowRecords(Store(tmp_path / "store"), "slow")

    def refuse(_plan: Plan) -> bool:
        raise AssertionError("the plan under the lease is the one that was shown")

    report = apply(planner(store, tmp_path, 1), hooks=Hooks(approve_change=refuse)).report
    assert report.succeeded
    (note,) = report.plan.notes
    assert "that of the image service" in note


class SlowRecords(Local):
    """A store whose clock, as lease records show it, is behind."""

    def leases(self, catalog: str | None) -> list[LiveImage]:
        behind = (datetime.now(UTC) - timedelta(minutes=15)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return [replace(image, updated_at=behind) for image in super().leases(catalog)]


def test_a_key_that_is_new_does_not_make_a_catalog_new(backend: Backend, tmp_path: Path) -> None:
    """``--only`` leaves the other keys out; the record of the lease was deleted, and its holder may be running."""
    output: list[str] = []
    assert apply(planner(backend, tmp_path, 1)).report.succeeded
    (record,) = backend.leases("base")
    backend.delete_image(record.id)
    catalog = read_catalog(write_manifest(tmp_path, 2), only=["k1"])
    settings = Settings(lease_times=Times(beat=0.05, confirm=2.0))
    assert apply(Planner(backend, catalog), settings, Hooks(warn=output.append)).report.succeeded
    assert "it has no lease record" in output[0]


def test_a_saved_plan_is_refused_if_it_deletes_by_age_and_the_clocks_differ(
    tmp_path: Path,
) -> None:
    """It may have been made by a clock that was ahead; its other steps are not carried out either."""
    store = SlowClock(Store(tmp_path / "store"), "slow")
    store.behind = timedelta()
    path = write_manifest(tmp_path, 1)
    assert apply(Planner(store, read_catalog(path))).report.succeeded
    document = json.loads(path.read_text())
    document["images"]["k0"] |= {"expires": "2000-01-01", "on_expire": "delete"}
    path.write_text(json.dumps(document))
    saved = Planner(store, read_catalog(path)).plan()
    store.behind = timedelta(minutes=11)
    policy = Policy(max_delete=Limit(100), allow_destroy=True)
    with pytest.raises(
        StalePlan, match=r"delete:k0:.*more than 10 minutes ahead.*nothing is deleted because of its age"
    ):
        apply_saved(store, saved, policy=policy)
    assert len(store.inventory("base")) == 1
    store.behind = timedelta(minutes=9)
    assert apply_saved(store, saved, policy=policy).report.succeeded
    assert len(store.inventory("base")) == 0


def test_a_plan_uses_the_earliest_clock_and_reports_that_they_differ(tmp_path: Path) -> None:
    """Here that of the identity service: an image that expired only by this host's clock stays.

    The plan under the lease is the same, so no second approval is needed.
    """
    store = SlowClock(Store(tmp_path / "store"), "slow")
    assert apply(Planner(store, read_catalog(write_manifest(tmp_path, 1)))).report.succeeded
    path = write_manifest(tmp_path, 2)
    document = json.loads(path.read_text())
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    document["images"]["k0"] |= {"expires": yesterday, "on_expire": "hide"}
    path.write_text(json.dumps(document))

    def refuse(_plan: Plan) -> bool:
        raise AssertionError("the plan under the lease is the one that was shown")

    report = apply(Planner(store, read_catalog(path)), hooks=Hooks(approve_change=refuse)).report
    assert report.succeeded
    assert [image.hidden for image in store.inventory("base")] == [False, False]
    left, clock = sorted(report.plan.notes)
    assert f"k0: the clocks differ on whether it has expired ({yesterday})" in left
    assert "the clock of this host is more than 10 minutes ahead of that of the identity service" in clock


@pytest.mark.parametrize("days", [3652, -3652])
def test_an_image_retires_by_the_middle_clock(tmp_path: Path, days: int) -> None:
    """Here two of three: a clock that is years ahead would make it the last retired image, and would keep it without
    limit. By one that is years behind, it would be deleted at once."""

    class FastClock(Local):
        def times(self) -> Mapping[str, datetime]:
            return {"the identity service": datetime.now(UTC) + timedelta(days=days)}

    store = FastClock(Store(tmp_path / "store"), "fast")
    assert apply(planner(store, tmp_path, 1)).report.succeeded
    (tmp_path / "0.raw").write_bytes(b"another buil\0" * 100)
    assert apply(Planner(store, read_catalog(tmp_path / "base.yaml"))).report.succeeded
    (retired,) = [image for image in store.inventory("base") if image.hidden]
    record = read(retired)
    assert record is not None
    assert abs(datetime.fromisoformat(str(record.managed.retired)) - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_run_whose_lease_was_broken_publishes_nothing(backend: Backend, tmp_path: Path) -> None:
    """The running step ends before the update that publishes; the uploaded data stays for the next run."""
    times, output = Times(expiry=60, beat=0.01, confirm=45, poll=0.01), list[str]()

    def break_it(event: Event) -> None:
        if isinstance(event, Progress) and not output:
            lease = find_held_lease(backend, "base")
            assert lease is not None
            break_lease(backend, lease)
            wait_until(lambda: output, bool, "the run knows that its lease is lost")

    hooks = Hooks(watch=lambda _: nullcontext(Watch(notify=break_it)), warn=output.append)
    report = apply(planner(backend, tmp_path, 1), Settings(jobs=1, lease_times=times), hooks).report
    assert (report.succeeded, bool(report.stopped)) == (False, True)
    (image,) = backend.inventory("base")
    assert (image.properties["imagesync_role"], image.hidden) == ("staging", True)
    at_once = Settings(lease_times=Times(beat=0.05, confirm=2.0))
    assert apply(planner(backend, tmp_path, 1), at_once).report.succeeded
    assert [one.id for one in backend.inventory("base")] == [image.id]


def test_a_lease_that_is_lost_before_the_next_heartbeat_is_detected_at_the_end(
    backend: Backend, tmp_path: Path
) -> None:
    """The run checks it once more at its end, because another run may have been active."""

    def delete_record(event: Event) -> None:
        if isinstance(event, Finished):
            (record,) = backend.leases("base")
            backend.delete_image(record.id)

    hooks = Hooks(watch=lambda _: nullcontext(Watch(notify=delete_record)))
    report = apply(planner(backend, tmp_path, 1), hooks=hooks).report
    assert [result.outcome for result in report.results] == [Outcome.DONE]
    assert (report.succeeded, report.stopped) == (False, "the lease of catalog base is lost: its record was deleted")


def test_a_failed_step_does_not_hide_other_differences(backend: Backend, tmp_path: Path) -> None:
    """The final listing is read then too."""
    given = Planner(backend, read_catalog(write_manifest(tmp_path, 2)), access=SourceAccess(asks_sources=False))
    (tmp_path / "1.raw").unlink()
    hooks = change_when_made(backend, lambda image_id: backend.update_image(image_id, name="theirs"))
    report = apply(given, hooks=hooks).report
    assert [result.outcome for result in report.results] == [Outcome.DONE, Outcome.FAILED]
    assert len(report.leftover) == 1


def test_steps_that_were_skipped_after_a_failure_are_not_reported_again(backend: Backend, tmp_path: Path) -> None:
    """The failed step has the reason; the next plan would only repeat it."""
    given = Planner(backend, read_catalog(write_manifest(tmp_path, 2)), access=SourceAccess(asks_sources=False))
    (tmp_path / "1.raw").unlink()
    report = apply(given).report
    assert [result.outcome for result in report.results] == [Outcome.DONE, Outcome.FAILED]
    assert (report.succeeded, report.leftover) == (False, ())


def test_a_watch_can_stop_the_run(backend: Backend, tmp_path: Path) -> None:
    """``cancelled`` stops further steps: the report has interrupted, and the steps that were not started."""
    cancelled = threading.Event()
    cancelled.set()
    result = apply(planner(backend, tmp_path, 2), hooks=Hooks(watch=lambda _: nullcontext(Watch(cancelled=cancelled))))
    assert result.report.interrupted
    assert {one.outcome for one in result.report.results} == {Outcome.NOT_STARTED}
    assert backend.inventory("base") == []


def test_a_broken_manifest_holds_all_its_problems(tmp_path: Path) -> None:
    """``read_catalog`` raises ManifestError with a diagnostic for each."""
    path = tmp_path / "x.yaml"
    path.write_text("version: 1\ncatalog: x\nimages: {a: {min_rma: 1}, b: {nmae: x}}")
    with pytest.raises(ManifestError) as caught:
        read_catalog(path)
    assert [item.where for item in caught.value.diagnostics] == ["images.a.min_rma", "images.b.nmae"]


def test_images_that_exist_are_selected_for_adoption(backend: Backend, tmp_path: Path) -> None:
    """The key whose name exists is in the returned catalog, the other one is in its warnings."""
    made = backend.create_image(name="k0", disk_format="raw", container_format="bare", visibility="private")
    backend.upload(made.id, [b"\0" * 1000], 1000)
    part = select_adoptable(backend, read_catalog(write_manifest(tmp_path, 2)))
    assert [spec.key for spec in part.images] == ["k0"]
    assert any(warning.startswith("k1: ") for warning in part.warnings)


class Leased(Local):
    """A store that a run may write to only through the backend of ``with_lease``, except for lease records."""

    check: Callable[[], None] | None = None

    def with_lease(self, check: Callable[[], None]) -> "Leased":
        leased = Leased(Store(Path(self.identity().location)), "leased")
        leased.check = check
        return leased

    def create_image(self, **attrs: Unpack[CreateFields]) -> LiveImage:
        self._ask(is_lease=LEASE in attrs.get("properties", {}))
        return super().create_image(**attrs)

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        (found,) = self.images(image if isinstance(image, str) else image.id)
        self._ask(is_lease=LEASE in found.properties)
        return super().update_image(image, **attrs)

    def _ask(self, *, is_lease: bool) -> None:
        if not is_lease:
            assert self.check is not None, "a write that does not ask for the lease when it is repeated"
            self.check()


def test_every_write_and_every_retry_checks_the_lease(tmp_path: Path) -> None:
    """Fresh and saved plans, and the recovery after a run that did not end cleanly."""
    store = Leased(Store(tmp_path / "store"), "leased")
    assert apply(planner(store, tmp_path, 1)).report.succeeded
    assert apply_saved(store, planner(store, tmp_path, 2).plan()).report.succeeded
    (record,) = store.leases("base")
    Local(Store(tmp_path / "store"), "leased").update_image(record.id, properties={STATE: State.UNSETTLED.value})
    revisions = {image.id: read_revisions(image) for image in store.inventory("base")}
    assert apply(planner(store, tmp_path, 3)).report.succeeded
    assert all(read_revisions(image) != revisions.get(image.id) for image in store.inventory("base"))


class RefusesGuards(Local):
    """A store that does not answer changes of images, except of lease records."""

    is_silent = False

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        (found,) = self.images(image if isinstance(image, str) else image.id)
        if self.is_silent and LEASE not in found.properties:
            raise Unavailable("no answer")
        return super().update_image(image, **attrs)


def test_a_recovery_that_fails_is_left_to_the_next_run(tmp_path: Path) -> None:
    """Late requests of the dead run may still arrive: the lease is released as unsettled until a recovery succeeds."""
    store = RefusesGuards(Store(tmp_path / "store"), "silent")
    assert apply(planner(store, tmp_path, 1)).report.succeeded
    (record,) = store.leases("base")
    store.update_image(record.id, properties={STATE: State.UNSETTLED.value})
    store.is_silent = True
    with pytest.raises(Unavailable):
        apply(planner(store, tmp_path, 2))
    assert [one.properties[STATE] for one in store.leases("base")] == [State.UNSETTLED]
    store.is_silent = False
    assert apply(planner(store, tmp_path, 2)).report.succeeded
    assert [one.properties[STATE] for one in store.leases("base")] == [State.FREE]


def forge(plan: Plan) -> dict[str, Plan]:
    """Plans that differ from an honest one: by a part that contradicts another one, and by a false claim about images."""
    (step,) = plan.steps
    other = replace(step, action=replace(step.action, key="k9"))
    return {
        "the id does not match this step": replace(plan, steps=(other,)),
        "counts of keys do not match": replace(plan, unchanged=9),
    }


@pytest.mark.parametrize("fault", ["the id does not match this step", "counts of keys do not match"])
def test_a_saved_plan_that_contradicts_itself_or_the_live_images_is_refused(
    backend: Backend, tmp_path: Path, fault: str
) -> None:
    """A user may have edited its file. Nothing is shown, approved or written."""
    assert apply(planner(backend, tmp_path, 1)).report.succeeded
    forged = forge(planner(backend, tmp_path, 2).plan())[fault]
    output: list[Plan] = []
    with pytest.raises(PlanRefused, match=fault):
        apply_saved(backend, forged, hooks=Hooks(show=output.append))
    assert output == []
    assert len(backend.inventory("base")) == 1


@pytest.mark.parametrize("policy", [None, Policy(max_delete=Limit(100)), Policy(allow_destroy=True)])
def test_a_saved_plan_needs_the_permissions_of_its_run(backend: Backend, tmp_path: Path, policy: Policy | None) -> None:
    """Without one, it does not remove the last images of a catalog, whatever the policy was when it was made."""
    assert apply(planner(backend, tmp_path, 1)).report.succeeded
    path = write_manifest(tmp_path, 1)
    path.write_text(json.dumps({**json.loads(path.read_text()), "images": {}}))
    saved = Planner(backend, read_catalog(path), policy=Policy(max_delete=Limit(100), allow_destroy=True)).plan()
    given: dict[str, Any] = {} if policy is None else {"policy": policy}
    if policy is not None and policy.allow_destroy:
        assert apply_saved(backend, saved, **given).report.succeeded
    else:
        with pytest.raises(PlanRefused, match="every live image"):
            apply_saved(backend, saved, **given)
        assert [image.hidden for image in backend.inventory("base")] == [False]


def test_a_saved_plan_whose_file_is_gone_is_refused_before_it_is_shown(backend: Backend, tmp_path: Path) -> None:
    """All such files are named at once."""
    saved, output = planner(backend, tmp_path, 2).plan(), list[Plan]()
    for index in range(2):
        (tmp_path / f"{index}.raw").unlink()
    with pytest.raises(PlanRefused) as caught:
        apply_saved(backend, saved, hooks=Hooks(show=output.append))
    assert [text.partition(":")[0] for text in caught.value.refusals] == ["images.k0.source", "images.k1.source"]
    assert (output, backend.images()) == ([], [])


def test_a_saved_plan_after_a_dead_run_renews_the_guards_first(backend: Backend, tmp_path: Path) -> None:
    """Late requests of that run are then refused, also for an image that the plan does not touch."""
    assert apply(planner(backend, tmp_path, 1)).report.succeeded
    saved = planner(backend, tmp_path, 2).plan()
    (record,) = backend.leases("base")
    backend.update_image(record.id, properties={STATE: State.UNSETTLED.value})
    (before,) = backend.inventory("base")
    assert apply_saved(backend, saved).report.succeeded
    (after,) = [image for image in backend.inventory("base") if image.id == before.id]
    assert read_revisions(after) != read_revisions(before)


def test_after_a_rollback_no_further_build_is_missing(backend: Backend, tmp_path: Path) -> None:
    """A second rollback plan would go back one more build, which is not a difference."""
    path = write_manifest(tmp_path, 1)
    document = json.loads(path.read_text())
    document["defaults"]["on_replace"] = {"keep": 3}
    path.write_text(json.dumps(document))
    for build in range(3):
        (tmp_path / "0.raw").write_bytes(b"build" + bytes([build]) * 1000)
        assert apply(Planner(backend, read_catalog(path))).report.succeeded
    back = Planner(backend, read_catalog(path), make=partial(rollback_plan, key="k0", to=None))
    report = apply(back).report
    assert (report.succeeded, report.leftover) == (True, ())
    assert back.plan().steps


def test_a_saved_plan_may_rely_on_the_hash_of_the_service_in_another_project(backend: Backend, tmp_path: Path) -> None:
    """The hash of a store is final, so the data is not read back. It also proves the declared digest that a store does
    not compute."""
    path = write_manifest(tmp_path, 1)
    document, data = json.loads(path.read_text()), (tmp_path / "0.raw").read_bytes()
    both = tuple(Checksum(name, hashlib.new(name, data).hexdigest()) for name in ("sha256", "sha512"))
    for visibility in ("private", "public"):
        document["images"]["k0"] = {"source": "0.raw", "owner": "f" * 32, "visibility": visibility}
        path.write_text(json.dumps(document))
        catalog = read_catalog(path)
        images = tuple(replace(spec, fingerprint=Fingerprint(both, len(data))) for spec in catalog.images)
        saved = Planner(backend, replace(catalog, images=images)).plan()
        assert apply_saved(backend, saved).report.succeeded
    (update,) = [step.action for step in saved.steps if isinstance(step.action, Update)]
    assert update.verify == ()
    assert update.record is not None
    assert set(both) < set(update.record.digests)
    assert [one.visibility for one in backend.inventory("base", ("f" * 32,))] == ["public"]


EU = Identity("glance", "https://eu.example.org", "p", label="eu")
LAB = Identity("store", "/srv/lab", "p", label="lab")


@pytest.mark.parametrize(
    ("target", "here", "is_same"),
    [
        (Target(cloud="eu"), EU, True),
        (Target(cloud="us"), EU, False),
        (Target(cloud="lab"), LAB, False),
        (Target(store="/srv/lab"), LAB, True),
        (Target(store="/srv/../srv/lab"), LAB, True),
        (Target(store="/srv/other"), LAB, False),
        (Target(store="/srv/lab"), replace(EU, location="/srv/lab"), False),
        (Target(), LAB, True),
    ],
)
def test_a_place_is_a_store_by_its_folder_and_a_cloud_by_its_name(
    target: Target, here: Identity, *, is_same: bool
) -> None:
    """A catalog without a target has no overlay: it may be planned anywhere."""
    if is_same:
        check_place(target, here)
    else:
        with pytest.raises(UsageError, match="but the backend is"):
            check_place(target, here)


def test_the_policy_of_the_caller_replaces_that_of_the_manifest(backend: Backend, tmp_path: Path) -> None:
    """The command line passes both as one policy."""
    catalog = read_catalog(write_manifest(tmp_path, 1))
    given = Policy(max_delete=Limit(7))
    assert Planner(backend, catalog, policy=given).policy == given
    assert Planner(backend, catalog).policy == catalog.policy != given
