"""The keys that limits count, whatever else the steps do."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import OnExpire, Role, Status
from imagesync.model.plan import Create, Deactivate, Delete, FieldChange, Reactivate, Reason, Update
from imagesync.model.record import read
from imagesync.planning.counting import find_vanishing_keys
from imagesync.planning.generations import group
from imagesync.planning.steps import make_step
from tests.unit.factories import catalog, inventory, live, plan, spec

PAST = "2026-11-01"


@pytest.mark.parametrize("on_expire", OnExpire)
@pytest.mark.parametrize("attrs", [{}, {"min_ram": 1}, {"tags": frozenset({"t"})}, {"name": "other"}])
def test_a_key_that_expires_counts_as_removed_whatever_else_changes(on_expire: OnExpire, attrs: dict[str, Any]) -> None:
    """It counts as removed, not as changed: the limit of removals applies."""
    wanted = catalog(spec("a", expires=PAST, on_expire=on_expire, **attrs), spec("b"))
    made = plan(wanted, inventory(live(spec("a")), live(spec("b"))))
    assert (made.removed, made.changed, made.owned) == (("a",), (), 2)


def test_a_key_that_is_only_changed_does_not_count_as_removed() -> None:
    """An update, a change of the status, a new build; a key without an image is neither."""
    wanted = catalog(spec("a", min_ram=1), spec("b", status=Status.DEACTIVATED), spec("c", "b"), spec("new"))
    made = plan(wanted, inventory(*(live(spec(key)) for key in "abc")))
    assert (made.removed, made.changed) == ((), ("a", "b", "c"))


@pytest.mark.parametrize(
    ("attrs", "vanishes"), [({}, True), ({"hidden": True}, False), ({"status": Status.DEACTIVATED}, False)]
)
def test_only_what_users_could_use_vanishes(attrs: dict[str, Any], *, vanishes: bool) -> None:
    """Users lose nothing of a key that was hidden or deactivated, whatever reason the step names."""
    step = make_step(Delete("a", "id-a"), Reason.SUPERSEDED)
    assert find_vanishing_keys([step], group([live(spec("a"), **attrs)])) == ({"a"} if vanishes else set())


def test_a_key_with_several_images_vanishes_with_the_last_one() -> None:
    """As a broken run leaves them: users have the other one."""
    steps = [make_step(Delete("a", image_id), Reason.SUPERSEDED) for image_id in ("one", "two")]
    groups = group([live(spec("a"), "one"), live(spec("a"), "two", generation=2)])
    assert find_vanishing_keys(steps[:1], groups) == find_vanishing_keys(steps[1:], groups) == set()
    assert find_vanishing_keys(steps, groups) == {"a"}


STATES = [(hidden, status) for hidden in (False, True) for status in (Status.ACTIVE, Status.DEACTIVATED)]


@pytest.mark.parametrize(("hidden", "status"), STATES)
@pytest.mark.parametrize(
    "change", ["none", "show", "hide", "reactivate", "deactivate", "delete", "show and reactivate"]
)
def test_a_key_vanishes_unless_what_becomes_current_can_be_used(hidden: bool, status: Status, change: str) -> None:
    """The one that users have is deleted; another is published, in each state, with each change of it."""
    other = live(spec("a"), "other", Role.RETIRED, hidden=hidden, status=status)
    record = read(live(spec("a"), "other"))
    display = {"show": (FieldChange(("hidden",), hidden, False),), "hide": (FieldChange(("hidden",), hidden, True),)}
    changes = display["show"] if "show" in change else display.get(change, (FieldChange(("protected",), True, False),))
    steps = [
        make_step(Delete("a", "id-a"), Reason.SUPERSEDED),
        make_step(Update("a", "other", changes, record), Reason.ROLLBACK),
    ]
    if "reactivate" in change:
        steps.append(make_step(Reactivate("a", "other"), Reason.ROLLBACK))
    if change == "deactivate":
        steps.append(make_step(Deactivate("a", "other"), Reason.ROLLBACK))
    if change == "delete":
        steps.append(make_step(Delete("a", "other"), Reason.SUPERSEDED))
    is_visible = (not hidden or "show" in change) and change != "hide"
    is_active = (status is Status.ACTIVE or "reactivate" in change) and change not in ("deactivate", "delete")
    groups = group([live(spec("a")), other, live(spec("b"))])
    assert find_vanishing_keys(steps, groups) == (set() if is_visible and is_active else {"a"})
    assert find_vanishing_keys(steps[:1], groups) == {"a"}


@pytest.mark.parametrize(
    ("fields", "stage", "vanishes"),
    [
        ({}, False, False),
        ({"hidden": False, "status": "active"}, False, False),
        ({}, True, True),
        ({"hidden": True}, False, True),
        ({"status": "deactivated"}, False, True),
    ],
)
def test_a_key_vanishes_unless_its_new_build_can_be_used(fields: dict[str, Any], stage: bool, vanishes: bool) -> None:
    """One that is staged, hidden or deactivated is not usable by users."""
    (step,) = plan(catalog(spec("a")), inventory()).steps
    assert isinstance(step.action, Create)
    create = replace(step.action, state=replace(step.action.state, fields=fields), stage=stage)
    steps = [make_step(create, Reason.CONTENT_CHANGED), make_step(Delete("a", "id-a"), Reason.SUPERSEDED)]
    assert find_vanishing_keys(steps, group([live(spec("a"))])) == ({"a"} if vanishes else set())
