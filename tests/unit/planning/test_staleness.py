"""What a plan relied on, and whether it still holds."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import Fingerprint, Role, Status, UrlSource, Visibility
from imagesync.model.image import LiveImage
from imagesync.model.plan import Plan, Reliance
from imagesync.planning.staleness import collect_taken_names, find_stale_reliances
from tests.unit.factories import PROJECT, candidate, catalog, inventory, live, plan, spec
from tests.unit.planning.plans import plan_stage

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
        ({"name": "theirs"}, "name"),
        ({"owner": "another"}, "owner"),
        ({"visibility": Visibility.PUBLIC}, "visibility"),
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


@pytest.mark.parametrize(
    ("attrs", "is_stale"),
    [({}, True), ({"hidden": True}, False), ({"name": "x"}, False), ({"owner": "project-2"}, False)],
)
def test_a_name_that_was_taken_meanwhile_makes_a_plan_stale(attrs: dict[str, Any], is_stale: bool) -> None:
    """By a visible image of the same project."""
    made = plan(catalog(spec("a")), inventory())
    foreign = replace(LiveImage("foreign", name="a", owner=PROJECT), **attrs)
    expected = ("a: the name 'a' was taken meanwhile by image foreign",) if is_stale else ()
    assert find_stale_reliances(made, inventory(foreign=(foreign,))) == expected


def test_a_name_is_taken_whatever_a_plan_says_it_relied_on() -> None:
    """A forged plan may name the image that holds the name, or a rejected candidate, as relied on."""
    made = plan(catalog(spec("a")), inventory())
    foreign = LiveImage("foreign", name="a", owner=PROJECT)
    rejected = candidate(spec("a"), status=Status.DEACTIVATED)
    forged = replace(made, relies=(Reliance("foreign", "a", {}), Reliance("cand", "a", {})))
    found = find_stale_reliances(forged, inventory(rejected, foreign=(foreign,)))
    assert ["rejected" in found[0], "taken" in found[1]] == [True, True]


def test_a_plan_takes_the_names_that_it_makes_visible() -> None:
    """Of new images and of renamed ones; a hidden image takes none."""
    wanted = catalog(spec("new"), spec("off", hidden=True), spec("other", name="renamed"))
    assert collect_taken_names(plan(wanted, inventory(live(spec("other"))))) == (("new", "new"), ("other", "renamed"))


@pytest.mark.parametrize("make", [plan, plan_stage])
def test_a_build_that_was_rejected_meanwhile_makes_a_plan_stale(make: Callable[..., Plan]) -> None:
    """It is neither published nor staged again; the rejection of another build, or one that the plan knew, is no matter."""
    found = inventory(live(spec("a"), "old"))
    made = make(catalog(spec("a", "b")), found)
    rejected = candidate(spec("a", "b"), status=Status.DEACTIVATED)
    assert find_stale_reliances(made, inventory(*found.owned, rejected)) == (
        "a: candidate cand of this build was deactivated, and so rejected, meanwhile",
    )
    other = candidate(spec("a", "c"), status=Status.DEACTIVATED)
    assert find_stale_reliances(made, inventory(*found.owned, other)) == ()
    packed = spec("a", "b", container_format="compressed")
    known = inventory(*found.owned, rejected)
    assert find_stale_reliances(plan(catalog(packed), known), known) == ()


def test_a_build_without_a_digest_that_was_rejected_meanwhile_makes_a_plan_stale() -> None:
    """It is known by its URL."""
    wanted = spec("a", source=UrlSource(("https://example.org/a.raw",)), fingerprint=Fingerprint())
    made = plan(catalog(wanted), inventory())
    rejected = candidate(wanted, status=Status.DEACTIVATED)
    assert "rejected" in find_stale_reliances(made, inventory(rejected))[0]


def test_a_build_that_is_wanted_deactivated_is_not_rejected() -> None:
    """A run was killed on its way to publish it."""
    wanted = spec("a", status=Status.DEACTIVATED)
    left = candidate(wanted, status=Status.DEACTIVATED)
    assert find_stale_reliances(plan(catalog(wanted), inventory()), inventory(left)) == ()
