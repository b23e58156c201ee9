"""What several clocks show, and what a plan does by them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import OnExpire, Status
from imagesync.model.plan import Plan, Reason
from imagesync.model.policy import OnReplace
from imagesync.model.record import read
from imagesync.planning.clock import Clock, date_plan, find_untimely_steps, read_clocks
from imagesync.planning.plan_checks import find_faulty_steps
from imagesync.planning.planner import make_plan
from imagesync.planning.rollback import rollback_plan
from tests.unit.factories import NOW, catalog, inventory, live, plan, plan_input, retired, rewrite, spec

IDENTITY, IMAGE = "the identity service", "the image service"
YESTERDAY = (NOW - timedelta(days=1)).date().isoformat()


def test_the_earliest_clock_counts_and_the_middle_one_is_noted() -> None:
    """Small differences do not matter; of two clocks the later one is the middle."""
    services = {IDENTITY: NOW - timedelta(minutes=6), IMAGE: NOW + timedelta(minutes=4)}
    clock = read_clocks(NOW, services)
    assert (clock.earliest, clock.middle, clock.latest) == (services[IDENTITY], NOW, services[IMAGE])
    assert clock.problem == ""
    assert read_clocks(NOW, {IMAGE: services[IMAGE]}).middle == services[IMAGE]
    alone = read_clocks(NOW, {})
    assert alone.earliest == alone.middle == alone.latest == NOW


@pytest.mark.parametrize("here", [timedelta(days=3652), timedelta(days=-3652)])
def test_one_wrong_clock_of_three_dates_nothing(here: timedelta) -> None:
    """It is ten years ahead or behind: the time of a retirement is that of the other two."""
    assert read_clocks(NOW + here, {IDENTITY: NOW, IMAGE: NOW}).middle == NOW


@pytest.mark.parametrize(
    ("here", "services", "problem"),
    [
        (
            timedelta(days=3652),
            {IDENTITY: timedelta(), IMAGE: timedelta()},
            f"this host is more than 10 minutes ahead of that of {IDENTITY}",
        ),
        (
            timedelta(minutes=-11),
            {IMAGE: timedelta()},
            f"this host is more than 10 minutes behind that of {IMAGE}",
        ),
        (
            timedelta(),
            {IDENTITY: timedelta(minutes=-6), IMAGE: timedelta(minutes=6)},
            f"{IDENTITY} and {IMAGE} differ by more than 10 minutes",
        ),
    ],
)
def test_clocks_that_differ_by_more_than_ten_minutes_are_a_problem(
    here: timedelta, services: dict[str, timedelta], problem: str
) -> None:
    """The sentence says which one, and is the same a moment later."""
    sentences = {
        read_clocks(NOW + moment + here, {name: NOW + moment + shift for name, shift in services.items()}).problem
        for moment in (timedelta(), timedelta(seconds=7))
    }
    (sentence,) = sentences
    assert problem in sentence
    assert "nothing is deleted because of its age; correct the clock that is wrong" in sentence


def planned(clock: Clock) -> Plan:
    """A retired build that is three days old and kept for two, and three keys that expired yesterday."""
    build = spec("a", "b", on_replace=OnReplace(keep=5, delete_after=2))
    gone = [spec(f"e-{how}", expires=YESTERDAY, on_expire=how) for how in OnExpire]
    found = inventory(live(build), retired(spec("a", "c"), "old", days=3), *map(live, gone))
    return make_plan(replace(plan_input(catalog(build, *gone), found), clock=clock))


def test_nothing_is_deleted_by_time_if_the_clocks_differ() -> None:
    """Steps that can be undone (hide, deactivate) are done; a note says why nothing is deleted."""
    certain, uncertain = planned(Clock((NOW,))), planned(Clock((NOW,), "the clocks differ"))
    deleted = {"delete:a:old": Reason.OUTDATED, "delete:e-delete:id-e-delete": Reason.EXPIRED}
    others = {step.id: step.reason for step in uncertain.steps}
    assert {step.id: step.reason for step in certain.steps} == deleted | others
    assert set(others.values()) == {Reason.EXPIRED}
    assert {step_id.partition(":")[0] for step_id in others} == {"update", "deactivate"}
    assert "the clocks differ: nothing is deleted because of its age" in uncertain.notes[-1]
    assert certain.notes == ()


def test_a_host_that_is_ahead_by_years_deletes_nothing_early() -> None:
    """Neither by ``delete_after`` nor by ``expires``: the earliest clock is before the day."""
    clock = read_clocks(NOW + timedelta(days=3652), {IDENTITY: NOW - timedelta(days=30)})
    assert planned(clock).steps == ()
    assert datetime.now(UTC) > clock.earliest


@pytest.mark.parametrize(
    ("minutes", "until"), [(-65, "2026-11-30"), (-5, "2026-11-30"), (5, "2026-11-30"), (11, "2026-11-08")]
)
def test_the_day_of_a_retirement_is_believed_unless_it_is_after_the_latest_clock(minutes: int, until: str) -> None:
    """A clock that is behind makes no retirement of today one of the future, whose time is replaced by the last write."""
    wanted = spec("a", on_replace=OnReplace(keep=2, delete_after=7))
    image = retired(wanted, "old", days=0)
    record = read(image)
    assert record is not None
    since = (NOW + timedelta(minutes=minutes)).isoformat()
    image = rewrite(image, managed=replace(record.managed, retired=since))
    found = inventory(live(wanted, generation=2), replace(image, updated_at="2026-11-01T00:00:00Z"))
    clock = Clock((NOW - timedelta(hours=1), NOW), "the clocks differ")
    (kept,) = make_plan(replace(plan_input(catalog(wanted), found), clock=clock)).kept
    assert kept.until == until


def test_what_has_expired_does_not_come_back_where_a_clock_is_behind() -> None:
    """What was deleted is not made again, what was hidden or deactivated stays so; what refers to it waits, too."""
    keys = {how: spec(f"e-{how}", expires=YESTERDAY, on_expire=how) for how in OnExpire}
    kernel = spec("kernel", expires=YESTERDAY, on_expire=OnExpire.DELETE)
    user = spec("user", properties={"kernel_id": "${images.kernel.id}"})
    hidden = live(replace(keys[OnExpire.HIDE], hidden=True))
    off = live(replace(keys[OnExpire.DEACTIVATE], status=Status.DEACTIVATED), status=Status.DEACTIVATED)
    found = inventory(hidden, off)
    clock = read_clocks(NOW, {IMAGE: NOW - timedelta(days=30)})
    made = make_plan(replace(plan_input(catalog(*keys.values(), kernel, user), found), clock=clock))
    assert made.steps == ()
    assert made.owned == 0
    for key in (*(each.key for each in keys.values()), "kernel"):
        assert any(f"{key}: the clocks differ on whether it has expired ({YESTERDAY})" in note for note in made.notes)


def test_a_day_that_only_some_clocks_have_reached_changes_nothing() -> None:
    """Also around midnight, if the clocks differ by less than ten minutes."""
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    dated = spec("a", expires=midnight.date().isoformat(), on_expire=OnExpire.HIDE)
    for output, other in ((live(dated), NOW), (live(replace(dated, hidden=True)), midnight - timedelta(minutes=1))):
        given = plan_input(catalog(dated), inventory(output))
        between = Clock((midnight - timedelta(minutes=1), midnight + timedelta(minutes=1)))
        assert make_plan(replace(given, clock=between)).steps == ()
        assert len(make_plan(replace(given, clock=Clock((other,)))).steps) == 1


def test_of_a_saved_plan_what_is_due_by_its_day_or_age_depends_on_the_clocks() -> None:
    """Of retired builds and of what expired. Hidden too early, an image is missing until a user notices; what else the
    manifest declares depends on no clock.
    """
    made = planned(Clock((NOW,)))
    more = plan(catalog(spec("x", min_ram=1)), inventory(live(spec("x"))))
    made = replace(made, steps=(*made.steps, *more.steps))
    assert find_untimely_steps(made, Clock((NOW,))) == []
    output = find_untimely_steps(made, Clock((NOW,), "the clocks differ"))
    deletion = "the clocks differ: nothing is deleted because of its age; correct the clock that is wrong"
    other = "the clocks differ: it is not certain that the image has expired; correct the clock that is wrong"
    assert sorted(output) == [
        f"deactivate:e-deactivate:id-e-deactivate: {other}",
        f"delete:a:old: {deletion}",
        f"delete:e-delete:id-e-delete: {deletion}",
        f"update:e-deactivate:id-e-deactivate: {other}",
        f"update:e-hide:id-e-hide: {other}",
    ]
    assert find_untimely_steps(more, Clock((NOW,), "the clocks differ")) == []


def test_a_saved_plan_of_a_host_that_is_ahead_is_refused_by_one_that_is_right() -> None:
    """The host may have had no other clock, for example with a local store."""
    ahead = planned(Clock((NOW + timedelta(days=3652),)))
    output = find_untimely_steps(ahead, Clock((NOW,)))
    assert len(output) == len(ahead.steps) == 5
    assert all("the plan is dated 2036-11-" in one and "which is in the future" in one for one in output)
    assert find_untimely_steps(ahead, Clock((NOW + timedelta(days=3652, minutes=-9),))) == []
    assert find_untimely_steps(planned(Clock((NOW,))), Clock((NOW + timedelta(days=9),))) == []
    soon = planned(Clock((NOW + timedelta(minutes=5),)))
    assert find_untimely_steps(soon, Clock((NOW,))) == []
    assert find_untimely_steps(soon, Clock((NOW, NOW - timedelta(minutes=9)))) != []  # the earliest clock decides
    undated = plan(catalog(spec("x", min_ram=1)), inventory(live(spec("x"))))
    assert undated.made == ""
    assert find_faulty_steps(ahead) == ()
    assert "does not say when it was made" in find_faulty_steps(replace(ahead, made=""))[0]


def test_a_rollback_publishes_nothing_of_what_may_have_expired() -> None:
    """A rollback would show what ``on_expire`` hid."""
    dated = spec("a", "b", expires=YESTERDAY, on_expire=OnExpire.HIDE)
    found = inventory(live(replace(dated, hidden=True), generation=2), retired(spec("a", "c"), "old"))
    given = replace(plan_input(catalog(dated), found), clock=read_clocks(NOW, {IMAGE: NOW - timedelta(days=30)}))
    with pytest.raises(PlanRefused, match="the clocks differ on whether it has expired"):
        rollback_plan(given, key="a", to=None)


@pytest.mark.parametrize(("minutes", "is_deleted"), [((-5, 4), False), ((0, 9), True), ((-9, 0), False)])
def test_a_build_is_old_once_all_clocks_have_reached_its_time(minutes: tuple[int, int], is_deleted: bool) -> None:
    """Clocks that differ by less than ten minutes are not a problem, and the one that is ahead deletes nothing early."""
    wanted = spec("a", on_replace=OnReplace(keep=5, delete_after=2))
    image = retired(wanted, "old", days=3)
    record = read(image)
    assert record is not None
    since = (NOW - timedelta(days=2)).isoformat()
    found = inventory(live(wanted, generation=2), rewrite(image, managed=replace(record.managed, retired=since)))
    clock = Clock(tuple(NOW + timedelta(minutes=shift) for shift in minutes))
    made = make_plan(replace(plan_input(catalog(wanted), found), clock=clock))
    assert [step.id for step in made.steps] == (["delete:a:old"] if is_deleted else [])


def test_what_expires_in_one_step_with_other_changes_depends_on_the_clocks_too() -> None:
    """The step has the reason of the other change; the one that is due by its day is one of several."""
    dated = spec("a", expires=YESTERDAY, on_expire=OnExpire.HIDE)
    made = make_plan(plan_input(catalog(replace(dated, min_ram=7)), inventory(live(dated))))
    (step,) = made.steps
    assert step.reason is Reason.MANIFEST_CHANGED
    assert made.made
    assert find_untimely_steps(made, Clock((NOW,))) == []
    (sentence,) = find_untimely_steps(made, Clock((NOW,), "the clocks differ"))
    assert "it is not certain that the image has expired" in sentence


def test_sentences_and_days_do_not_depend_on_the_order_or_zone_of_clocks() -> None:
    """Two plans of the same state are the same: the first service by name is named, and days are those of UTC."""
    late = {IMAGE: NOW + timedelta(hours=2), IDENTITY: NOW + timedelta(hours=1)}
    assert read_clocks(NOW, late).difference == (
        f"the clock of this host is more than 10 minutes behind that of {IDENTITY}"
    )
    apart = {IMAGE: NOW + timedelta(minutes=6), IDENTITY: NOW - timedelta(minutes=6)}
    assert read_clocks(NOW, apart).difference == f"the clocks of {IDENTITY} and {IMAGE} differ by more than 10 minutes"
    there = Clock((NOW.astimezone(timezone(timedelta(hours=14))),))
    assert date_plan(planned(Clock((NOW,))).steps, there) == "2026-11-23T12:00:00+00:00"
