"""What a plan relied on, and whether it still holds."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import Role, Status
from imagesync.model.image import LiveImage
from imagesync.planning.staleness import collect_taken_names, find_stale_reliances
from tests.unit.factories import catalog, inventory, live, plan, spec

WANTED = catalog(spec("a", min_ram=1))
OLD = live(spec("a"), "old")


def test_a_plan_of_what_is_still_there_is_not_stale() -> None:
    """Whatever else changed: a field that no step touches, another image."""
    made = plan(WANTED, inventory(OLD))
    assert find_stale_reliances(made, inventory(replace(OLD, min_disk=7), live(spec("z")))) == ()


@pytest.mark.parametrize(
    ("attrs", "path"),
    [
        ({"status": Status.DEACTIVATED}, "status"),
        ({"hidden": True}, "hidden"),
        ({"protected": True}, "protected"),
        ({"properties": {**OLD.properties, "imagesync_role": Role.RETIRED.value}}, "properties.imagesync_role"),
    ],
)
def test_a_touched_image_that_changed_makes_a_plan_stale(attrs: dict[str, Any], path: str) -> None:
    """Its state, its protection and its record."""
    made = plan(WANTED, inventory(OLD))
    assert find_stale_reliances(made, inventory(replace(OLD, **attrs))) == (
        f"a: {path} of image old changed meanwhile",
    )


def test_a_field_that_the_plan_changes_must_be_as_it_was() -> None:
    """Somebody else's change is not overwritten."""
    image = live(spec("a"))
    made = plan(catalog(spec("a", min_ram=1)), inventory(image))
    assert find_stale_reliances(made, inventory(replace(image, min_ram=2))) == (
        "a: min_ram of image id-a changed meanwhile",
    )


def test_an_image_that_is_gone_makes_a_plan_stale() -> None:
    """Deleted, or taken out of the catalog."""
    assert find_stale_reliances(plan(WANTED, inventory(OLD)), inventory()) == (
        "a: image old is gone or no longer ours",
    )


def test_an_image_that_was_made_meanwhile_makes_a_plan_stale() -> None:
    """Two builds of one key would be current."""
    made = plan(catalog(spec("a")), inventory())
    assert find_stale_reliances(made, inventory(live(spec("a"), "other"))) == ("a: image other was made meanwhile",)


@pytest.mark.parametrize(("attrs", "is_stale"), [({}, True), ({"hidden": True}, False), ({"name": "x"}, False)])
def test_a_name_that_was_taken_meanwhile_makes_a_plan_stale(attrs: dict[str, Any], is_stale: bool) -> None:
    """By a visible image."""
    made = plan(catalog(spec("a")), inventory())
    foreign = replace(LiveImage("foreign", name="a"), **attrs)
    expected = ("a: the name 'a' was taken meanwhile by image foreign",) if is_stale else ()
    assert find_stale_reliances(made, inventory(foreign=(foreign,))) == expected


def test_a_plan_takes_the_names_that_it_makes_visible() -> None:
    """Of new images and of renamed ones; a hidden image takes none."""
    wanted = catalog(spec("new"), spec("off", hidden=True), spec("other", name="renamed"))
    assert collect_taken_names(plan(wanted, inventory(live(spec("other"))))) == (("new", "new"), ("other", "renamed"))
