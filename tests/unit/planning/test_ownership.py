"""Ownership: a bound record, the right catalog, a project of its key."""

from dataclasses import replace

import pytest

from imagesync.model.image import LiveImage
from imagesync.planning import ownership as limits
from imagesync.planning.ownership import MAX_NAMED_KEYS, make_ownership, name_some, note_misplaced
from tests.unit.factories import PROJECT, catalog, inventory, live, plan, spec

OTHER = "f" * 32
OWNERSHIP = make_ownership(catalog(spec("a"), spec("b", owner=OTHER), owners={"old": "e" * 32, "b": "d" * 32}), PROJECT)


@pytest.mark.parametrize(
    ("key", "owner", "expected"),
    [
        ("a", PROJECT, True),
        ("a", OTHER, False),
        ("b", OTHER, True),
        ("b", PROJECT, True),
        ("b", "d" * 32, False),
        ("old", "e" * 32, True),
        ("old", PROJECT, True),
        ("old", OTHER, False),
        ("gone", PROJECT, True),
        ("gone", OTHER, False),
        ("a", None, False),
        ("a", PROJECT.upper(), False),
    ],
)
def test_an_image_is_owned_only_in_the_project_of_its_key(key: str, owner: str | None, *, expected: bool) -> None:
    """The session's own project is always one of them; a declared key's owner wins over ``removed``."""
    image = live(spec(key), "i", owner=owner)
    assert OWNERSHIP.is_owned(image) is expected
    assert (image in OWNERSHIP.select_misplaced([image])) is not expected
    assert OWNERSHIP.select_copies([image]) == ()


@pytest.mark.parametrize("change", [{"imagesync_id": "another"}, {"imagesync_id": ""}, {"imagesync_catalog": "Base"}])
def test_a_copy_or_an_image_of_another_catalog_is_not_owned(change: dict[str, str]) -> None:
    """A copy is counted as such; an image of a catalog whose name differs in case only is none of our business."""
    image = live(spec("a"), "i")
    image = replace(image, properties={**image.properties, **change})
    assert not OWNERSHIP.is_owned(image)
    assert (OWNERSHIP.select_copies([image]) == (image,)) is ("imagesync_id" in change)
    assert OWNERSHIP.select_misplaced([image]) == ()


def test_the_projects_to_read() -> None:
    """The session's, those of declared keys, those of removed keys; each once."""
    assert OWNERSHIP.projects == tuple(sorted({PROJECT, OTHER, "e" * 32}))
    assert make_ownership(catalog(spec("a", owner=PROJECT)), PROJECT).projects == (PROJECT,)


def test_misplaced_images_are_reported_once_for_each_project() -> None:
    """However many an attacker plants."""
    planted = [live(spec(f"k{number}"), f"i{number}", owner=OTHER) for number in range(100)]
    (note,) = note_misplaced(planted)
    assert note.startswith(
        f"project {OTHER} has images of k0, k1, k10 and 97 more, but the manifest does not declare it as their owner"
    )
    assert f"removed: {{KEY: {{owner: {OTHER}}}}}" in note
    assert note_misplaced([]) == []


def test_names_are_shown_without_control_characters() -> None:
    """Any user may write their text."""
    assert name_some(["a\x1b[2J"] * MAX_NAMED_KEYS) == ", ".join(["a\\x1b[2J"] * MAX_NAMED_KEYS)


def test_a_misplaced_image_of_a_key_out_of_scope_is_not_reported() -> None:
    """--only looks at its keys alone."""
    planted = live(spec("z"), "i", owner=OTHER)
    wanted = catalog(spec("a"), only=("a",))
    found = inventory(live(spec("a")), misplaced=(planted,))
    assert plan(wanted, found).notes == ()
    assert plan(replace(wanted, only=()), found).notes != ()


def test_copies_are_counted_and_make_no_other_plan() -> None:
    """A user who takes a snapshot between two plans changes neither."""
    wanted, ours = catalog(spec("a")), live(spec("a"))
    snapshot: LiveImage = replace(ours, id="snapshot")
    bare, beside = plan(wanted, inventory(ours)), plan(wanted, inventory(ours, copies=(snapshot,)))
    assert beside.copies == ("snapshot",)
    assert bare == beside


def test_a_former_key_is_in_the_project_of_its_new_key_unless_the_manifest_names_another() -> None:
    """``removed`` may name the project of the former key."""
    wanted = catalog(
        spec("new", owner=OTHER, moved_from=("old", "older")),
        moved={"new": ("old", "older")},
        owners={"older": "e" * 32},
    )
    assert make_ownership(wanted, PROJECT).owners == {"new": OTHER, "old": OTHER, "older": "e" * 32}
    within = replace(wanted, images=(), owners={"new": OTHER})  # --only leaves the new key out
    assert make_ownership(within, PROJECT).owners == {"new": OTHER, "old": OTHER, "older": OTHER}
    ours = catalog(spec("new", moved_from=("old",)), moved={"new": ("old",)}, owners={"new": PROJECT})
    assert make_ownership(ours, PROJECT).owners == {}


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.MAX_NAMED_KEYS == 3
