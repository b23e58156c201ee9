"""What is left of a saved plan once it is known which image holds the bytes that it would send."""

from dataclasses import replace

import pytest

from imagesync.model.catalog import Checksum, Fingerprint
from imagesync.model.plan import Create
from imagesync.model.record import Managed
from imagesync.planning.contents import drop_settled, find_unknown, is_same_except_keys
from tests.unit.factories import PROJECT, candidate, catalog, inventory, live, plan, retired, rewrite, spec

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
    """The creates report what is wrong with their sources."""
    made = plan(catalog(DISK, *USERS), FOUND)
    rest, dropped = drop_settled(made, {})
    assert (replace(rest, ids=made.ids), dropped) == (made, frozenset())
    assert [step.action.key for step in rest.steps if isinstance(step.action, Create)] == ["a", "b", "c"]


@pytest.mark.parametrize(("owner", "undone"), [(None, {"a", "b"}), ("f" * 32, {"a"})])
def test_a_key_that_was_to_take_the_name_of_a_key_that_is_left_is_left_too(owner: str | None, undone: set[str]) -> None:
    """In the same project; the others stay, with what they rely on and how they are counted."""
    renamed = replace(DISK, name="new name")
    others = (spec("b", name="a", owner=owner), spec("d", min_ram=1), spec("e", min_ram=1))
    found = inventory(
        *(live(spec("a"), "now", generation=2), retired(spec("a"), "old")),
        *(live(spec(key), owner=owner if key == "b" and owner else PROJECT) for key in "bde"),
    )
    wanted = catalog(renamed, *others, owners={"b": owner} if owner else {})
    made = plan(wanted, found)
    assert made.changed == ("a", "b", "d", "e")
    rest, dropped = drop_settled(made, {"a": "old"})
    assert dropped == undone
    left = tuple(key for key in "abde" if key not in undone)
    assert tuple(step.action.key for step in rest.steps) == left
    assert {each.key for each in rest.relies} == set(left)
    assert (rest.removed, rest.changed) == ((), left)
    assert rest.ids == made.ids
    assert is_same_except_keys(rest, made, undone)
    assert not is_same_except_keys(rest, made, set())
    assert not is_same_except_keys(rest, replace(made, steps=made.steps[:-1]), undone)


def test_images_that_may_hold_the_bytes_in_the_order_in_which_they_are_compared() -> None:
    """Current ones first, then candidates, then retired ones; of each the newest first; of other formats none."""
    found = inventory(
        live(spec("a"), "first", generation=1),
        live(spec("a"), "second", generation=2),
        candidate(spec("a"), "third"),
        rewrite(candidate(spec("a"), "fourth"), managed=Managed(generation=10)),
        retired(spec("a"), "fifth", 3, days=1),
        retired(spec("a"), "sixth", 4, days=2),
        retired(replace(spec("a"), disk_format="qcow2"), "other", 5),
        replace(retired(spec("a"), "larger", 6), size=5000),
    )
    (create,) = find_unknown(plan(catalog(DISK), found))
    assert create.may_hold == ("second", "first", "fourth", "third", "fifth", "sixth")
    other = replace(DISK, key="b", name="b")
    both = plan(catalog(DISK, other), replace(found, owned=(*found.owned, live(spec("b")))))
    assert [(one.key, one.may_hold) for one in find_unknown(both)] == [("a", create.may_hold), ("b", ("id-b",))]
    rest, dropped = drop_settled(both, {"a": "second", "b": "id-b"})
    assert (len(rest.steps), len(rest.relies), set(dropped)) == (0, 0, {"a", "b"})
    assert rest.ids == {"a": "second", "b": "id-b"}


def test_what_refers_to_a_key_that_keeps_its_image_is_done_although_another_key_waits() -> None:
    """One settled key keeps its current image, the other waits: each reference is judged by its own key."""
    other, third = replace(DISK, key="k", name="k"), spec("x", properties={"base": "${images.k.id}"})
    last = spec("y", properties={"base": "${images.a.id}"})
    found = inventory(*FOUND.owned, live(spec("k"), "k-now", generation=2), retired(spec("k"), "k-old"))
    made = plan(catalog(DISK, other, third, last), found)
    rest, dropped = drop_settled(made, {"a": "now", "k": "k-old"})
    assert dropped == {"a", "k", "x"}
    assert [(step.action.key, step.needs) for step in rest.steps if isinstance(step.action, Create)] == [("y", ())]


def test_a_key_that_is_left_and_hidden_keeps_its_name_from_nobody() -> None:
    """Only visible images hold a name."""
    hidden = replace(DISK, hidden=True)
    found = inventory(
        live(spec("a", hidden=True), "now", generation=2),
        retired(spec("a", name="other"), "old"),
        live(spec("b")),
    )
    made = plan(catalog(hidden, spec("b", name="a")), found)
    rest, dropped = drop_settled(made, {"a": "old"})
    assert dropped == {"a"}
    assert [step.id for step in rest.steps] == ["update:b:id-b"]
