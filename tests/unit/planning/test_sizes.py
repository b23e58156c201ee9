"""Names and records that the service cannot hold are found when the plan is made."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.image import MAX_NAME_CHARS
from imagesync.model.policy import OnReplace
from imagesync.planning.rollback import rollback_plan
from imagesync.planning.sizes import MAX_RECORD_BYTES
from tests.unit.factories import catalog, inventory, live, plan, plan_input, retired, spec


def replacing(on_replace: OnReplace, name: str = "a", **live_attrs: Any) -> object:
    """The plan of a new build in whose place the old one retires."""
    old, new = spec("a", "a", name=name), spec("a", "b", name=name, on_replace=on_replace)
    return plan(catalog(new), inventory(live(old, **live_attrs)))


@pytest.mark.parametrize("length", [MAX_NAME_CHARS, MAX_NAME_CHARS + 1])
def test_the_name_of_a_retired_image_is_no_longer_than_a_name_may_be(length: int) -> None:
    """The limit is in characters, of the name that comes out."""
    rename = OnReplace(rename="{name} (retired)")
    name = "ä" * (length - len(" (retired)"))
    if length <= MAX_NAME_CHARS:
        replacing(rename, name)
        return
    with pytest.raises(PlanRefused) as caught:
        replacing(rename, name)
    assert str(caught.value) == (
        "a: the new name of image id-a has 256 characters, the limit is 255; shorten name, or on_replace.rename"
    )


@pytest.mark.parametrize("size", [30_000, MAX_RECORD_BYTES])
def test_the_record_of_a_retired_image_stays_below_what_a_property_holds(size: int) -> None:
    """It keeps what ``on_replace`` took away, to bring it back at a rollback: it grew to 90 KB."""
    unset = OnReplace(unset=("properties.long",))
    properties = {**live(spec("a", "a")).properties, "long": "x" * size}
    if size < MAX_RECORD_BYTES:
        replacing(unset, properties=properties)
        return
    with pytest.raises(PlanRefused) as caught:
        replacing(unset, properties=properties)
    (sentence,) = caught.value.refusals
    assert sentence.startswith("a: the record of image id-a would have 65")
    assert f"the limit is {MAX_RECORD_BYTES}; name fewer or shorter properties and tags in on_replace" in sentence


def test_a_rollback_is_held_to_the_same_limits() -> None:
    """It retires the current image, too."""
    rename = OnReplace(rename="{name}" + "x" * 255)
    new = spec("a", "b", on_replace=rename)
    found = inventory(live(new, generation=2), retired(spec("a", "a"), "old"))
    given = plan_input(catalog(new), found)
    with pytest.raises(PlanRefused, match="has 256 characters"):
        rollback_plan(given, key="a", to=None)
    short = replace(new, on_replace=OnReplace())
    assert rollback_plan(plan_input(catalog(short), found), key="a", to=None).steps
