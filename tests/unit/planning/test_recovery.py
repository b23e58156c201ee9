"""What must be done before a plan is carried out that was made after a run that did not end cleanly."""

from dataclasses import replace

import pytest

from imagesync.model.catalog import Role, Status
from imagesync.model.plan import Kind
from imagesync.planning.recovery import (
    Recovery,
    is_same_except_recovery,
    plan_recovery,
    renew_reliances,
)
from tests.unit.factories import REVISION, candidate, catalog, inventory, live, plan, retired, spec


@pytest.mark.parametrize(
    ("status", "is_unfilled"), [(Status.QUEUED, True), (Status.SAVING, True), (Status.ACTIVE, False)]
)
def test_unfilled_staging_records_are_deleted_and_all_other_guards_renewed(status: Status, is_unfilled: bool) -> None:
    """An active unused one is deleted by the plan: an operator may be booting it for a test."""
    left = candidate(spec("b", "c"), "left", status=status)
    found = inventory(live(spec("a", "a")), live(spec("b", "a")), retired(spec("b", "d"), "old", days=99), left)
    made = plan(catalog(spec("a", "b"), spec("b", "a")), found)
    unfilled = ("left",) if is_unfilled else ()
    guarded = {"id-a", "id-b", "old", "left"} - set(unfilled)
    assert plan_recovery(made, found.owned) == Recovery(unfilled, tuple(sorted(guarded)))


def test_guards_of_images_that_the_plan_does_not_touch_are_renewed_too() -> None:
    """The run before may have had another manifest. What is marked to go is let go."""
    going = live(spec("b", "c"), "going", Role.DELETING, hidden=True)
    found = inventory(live(spec("a")), live(spec("b")), retired(spec("b", "d"), "old"), going)
    for wanted in (catalog(spec("a"), spec("b")), catalog(spec("a"), keys=frozenset({"a", "b"}), only=("a",))):
        assert plan_recovery(plan(wanted, found), found.owned) == Recovery((), ("id-a", "id-b", "old"))


def test_an_image_that_a_staging_record_only_looks_like_is_not_deleted_at_once() -> None:
    """A queued image that is published, without data, is not a staging record."""
    found = inventory(live(spec("a"), status=Status.QUEUED), live(spec("b")))
    made = plan(catalog(spec("b")), found)
    assert plan_recovery(made, found.owned).unfilled == ()


def test_what_a_recovery_does_is_no_change_of_the_plan() -> None:
    """Another reason, a deleted record and a new guard are none; another build, another image, or other values are."""
    left = candidate(spec("b", "c"), "left", status=Status.QUEUED)
    wanted = catalog(spec("a", "b"), spec("b", "c"))
    output = plan(wanted, inventory(live(spec("a", "a")), left))
    renewed = {**live(spec("a", "a")).properties, "imagesync_rev_2": "this-run"}
    renewed.pop(next(iter(REVISION)))
    after = plan(wanted, inventory(live(spec("a", "a"), properties=renewed)))
    assert after != output
    assert is_same_except_recovery(after, output)
    for other in (
        plan(catalog(spec("a", "d"), spec("b", "c")), inventory(live(spec("a", "a")), left)),
        plan(wanted, inventory(live(spec("a", "a"), min_ram=7), left)),
        plan(wanted, inventory(live(spec("a", "a"), name="theirs"), left)),
        plan(wanted, inventory(live(spec("a", "a"), "another"), left)),
    ):
        assert not is_same_except_recovery(other, output) or other.relies == output.relies


def test_a_plan_relies_on_the_guards_that_the_recovery_wrote() -> None:
    """Nothing else of what it relies on changes."""
    made = plan(catalog(spec("a", "b")), inventory(live(spec("a", "a"))))
    (reliance,) = made.relies
    (guard,) = REVISION
    (found,) = renew_reliances(made, {"id-a": {"imagesync_rev_2": "this-run"}}).relies
    expected = {**reliance.values, "properties.imagesync_rev_2": "this-run"}
    expected.pop(f"properties.{guard}")
    assert found == replace(reliance, values=expected)
    assert renew_reliances(made, {}) == made


def test_a_plan_of_another_kind_is_not_the_approved_one() -> None:
    """Although neither does anything."""
    made = plan(catalog(spec("a")), inventory(live(spec("a"))))
    assert is_same_except_recovery(made, made)
    assert not is_same_except_recovery(replace(made, kind=Kind.STAGE), made)
