"""Names and images of others: what clashes, what may not be adopted."""

from dataclasses import replace

import pytest

from imagesync.errors import PlanRefused
from tests.unit.factories import catalog, inventory, live, plan, spec


def test_a_name_held_by_a_foreign_image_is_a_clash() -> None:
    """The error names its id and both ways out."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    with pytest.raises(PlanRefused, match=r"held by image foreign.*adopt: foreign.*another name"):
        plan(catalog(spec("a")), inventory(foreign=(foreign,)))


def test_a_hidden_or_foreign_owned_namesake_is_no_clash() -> None:
    """Only visible images of the same project hold a name."""
    hidden = replace(live(spec("a"), "x", hidden=True), properties={})
    other = replace(live(spec("a"), "y", owner="else"), properties={})
    assert plan(catalog(spec("a")), inventory(foreign=(hidden, other))).steps


def test_several_images_to_adopt_are_refused() -> None:
    """Names repeat in the service: the manifest must say which."""
    twins = tuple(replace(live(spec("a"), name), properties={}) for name in ("x", "y"))
    with pytest.raises(PlanRefused, match=r"2 images.*adopt: ID \(x, y\)"):
        plan(catalog(spec("a", adopt=True)), inventory(foreign=twins))


def test_an_image_of_another_catalogue_is_not_adopted() -> None:
    """Both ways out are named."""
    foreign = live(spec("a"), "foreign")
    foreign = replace(foreign, properties={**foreign.properties, "imagesync_catalog": "other"})
    with pytest.raises(PlanRefused, match=r"belongs to catalogue other.*on_remove: keep.*take adopt out here"):
        plan(catalog(spec("a", adopt="foreign")), inventory(foreign=(foreign,)))


@pytest.mark.parametrize("name", ["base", "other"])
def test_a_snapshot_is_adopted_by_its_id_only(name: str) -> None:
    """It carries a copy of a record, be it of this catalog or another; by its name it is in the way."""
    snapshot = replace(live(spec("a"), "source"), id="snapshot")
    snapshot = replace(snapshot, properties={**snapshot.properties, "imagesync_catalog": name})
    (step,) = plan(catalog(spec("a", adopt="snapshot")), inventory(foreign=(snapshot,))).steps
    assert (step.reason, step.id) == ("adopt", "update:a:snapshot")
    for adopt in (True, False):
        with pytest.raises(PlanRefused, match="held by image snapshot, which carries a copy of another image's record"):
            plan(catalog(spec("a", adopt=adopt)), inventory(foreign=(snapshot,)))


def test_an_image_adopted_by_id_is_not_adopted_by_name_too() -> None:
    """It has one key."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    wanted = catalog(spec("b", adopt="foreign"), spec("a", adopt=True))
    with pytest.raises(PlanRefused, match=r"images\.a: the name 'a' is held by image foreign"):
        plan(wanted, inventory(foreign=(foreign,)))
