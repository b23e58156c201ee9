"""What is left of a saved plan once it is known which image holds the bytes that it would send."""

from dataclasses import replace

import pytest

from imagesync.model.catalog import Checksum, Fingerprint
from imagesync.model.plan import Create
from imagesync.planning.contents import drop_settled, find_unknown
from tests.unit.factories import catalog, inventory, live, plan, retired, spec

DISK = spec("a", fingerprint=Fingerprint((Checksum("sha512", "a" * 128),), size=4096))
"""Compared with images of which only a sha256 is known."""
USERS = (spec("b", properties={"base": "${images.a.id}"}), spec("c", properties={"base": "${images.b.id}"}))
FOUND = inventory(live(spec("a"), "now", generation=2), retired(spec("a"), "old"), live(spec("d"), "id-d"))


@pytest.mark.parametrize(
    ("image_id", "undone", "left"),
    [("now", {"a"}, ["b", "c", "d"]), ("old", {"a", "b", "c"}, ["d"])],
    ids=["the current image", "an earlier build"],
)
def test_what_refers_to_a_settled_key_is_done_if_that_keeps_its_current_image(
    image_id: str, undone: set[str], left: list[str]
) -> None:
    """Where an earlier build holds the bytes, only the next plan publishes it: what refers to the key, directly or not,
    waits for that one."""
    made = plan(catalog(DISK, *USERS, spec("d", min_ram=1)), FOUND)
    assert [create.may_hold for create in find_unknown(made)] == [("now", "old")]
    rest, dropped = drop_settled(made, {"a": image_id})
    assert dropped == undone
    assert [step.action.key for step in rest.steps] == left
    assert all(need in {step.id for step in rest.steps} for step in rest.steps for need in step.needs)
    assert rest.ids.get("a") == ("now" if "b" in left else None)
    assert {each.key for each in rest.relies} == {"d"}


def test_a_plan_of_which_nothing_is_settled_stays_as_it_is() -> None:
    """The creates tell what is wrong with their sources."""
    made = plan(catalog(DISK, *USERS), FOUND)
    rest, dropped = drop_settled(made, {})
    assert (replace(rest, ids=made.ids), dropped) == (made, frozenset())
    assert [step.action.key for step in rest.steps if isinstance(step.action, Create)] == ["a", "b", "c"]
