"""The keys that limits count, whatever else the steps do."""

from typing import Any

import pytest

from imagesync.model.catalog import OnExpire, Status
from imagesync.model.plan import Delete, Reason
from imagesync.planning.counting import find_vanishing_keys
from imagesync.planning.generations import group
from imagesync.planning.steps import make_step
from tests.unit.factories import catalog, inventory, live, plan, spec

PAST = "2026-11-01"


@pytest.mark.parametrize("on_expire", OnExpire)
@pytest.mark.parametrize("attrs", [{}, {"min_ram": 1}, {"tags": frozenset({"t"})}, {"name": "other"}])
def test_a_key_that_expires_is_taken_away_whatever_changes_besides(on_expire: OnExpire, attrs: dict[str, Any]) -> None:
    """It is removed, not changed: a limit of removals must see it."""
    wanted = catalog(spec("a", expires=PAST, on_expire=on_expire, **attrs), spec("b"))
    made = plan(wanted, inventory(live(spec("a")), live(spec("b"))))
    assert (made.removed, made.changed, made.owned) == (("a",), (), 2)


def test_a_key_that_is_only_changed_is_not_taken_away() -> None:
    """An update, a change of the status, a new build; a key without an image is neither."""
    wanted = catalog(spec("a", min_ram=1), spec("b", status=Status.DEACTIVATED), spec("c", "b"), spec("new"))
    made = plan(wanted, inventory(*(live(spec(key)) for key in "abc")))
    assert (made.removed, made.changed) == ((), ("a", "b", "c"))


@pytest.mark.parametrize(
    ("attrs", "vanishes"), [({}, True), ({"hidden": True}, False), ({"status": Status.DEACTIVATED}, False)]
)
def test_only_what_users_could_use_vanishes(attrs: dict[str, Any], *, vanishes: bool) -> None:
    """Of a key that was hidden or deactivated nobody loses anything, whatever reason the step names."""
    step = make_step(Delete("a", "id-a"), Reason.SUPERSEDED)
    assert find_vanishing_keys([step], group([live(spec("a"), **attrs)])) == ({"a"} if vanishes else set())


def test_a_key_with_several_images_vanishes_with_the_last_one() -> None:
    """As a broken run leaves them: users have the other one."""
    steps = [make_step(Delete("a", image_id), Reason.SUPERSEDED) for image_id in ("one", "two")]
    groups = group([live(spec("a"), "one"), live(spec("a"), "two", generation=2)])
    assert find_vanishing_keys(steps[:1], groups) == find_vanishing_keys(steps[1:], groups) == set()
    assert find_vanishing_keys(steps, groups) == {"a"}
