"""Names and records that the service cannot hold are found when the plan is made."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import OnExpire
from imagesync.model.image import MAX_NAME_CHARS, MAX_PARTS
from imagesync.model.plan import Create, Plan
from imagesync.model.policy import OnRemove, OnReplace, Policy
from imagesync.model.record import MANAGED, read
from imagesync.planning.context import PlanInput
from imagesync.planning.planner import make_plan
from imagesync.planning.rollback import rollback_plan
from imagesync.planning.sizes import MAX_RECORD_BYTES, find_oversized
from imagesync.planning.staging import stage_plan
from tests.unit.factories import PROJECT, catalog, inventory, live, plan, plan_input, retired, spec


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
        "a: the new name of image id-a is 256 characters long; the limit is 255; shorten name or on_replace.rename"
    )


@pytest.mark.parametrize("size", [30_000, MAX_RECORD_BYTES])
def test_the_record_of_a_retired_image_stays_below_what_a_property_holds(size: int) -> None:
    """It stores what ``on_replace`` removed, to restore it at a rollback: it grew to 90 KB."""
    unset = OnReplace(unset=("properties.long",))
    properties = {**live(spec("a", "a")).properties, "long": "x" * size}
    if size < MAX_RECORD_BYTES:
        replacing(unset, properties=properties)
        return
    with pytest.raises(PlanRefused) as caught:
        replacing(unset, properties=properties)
    (sentence,) = caught.value.refusals
    assert sentence.startswith("a: the record of image id-a would be 65")
    assert f"the limit is {MAX_RECORD_BYTES}; declare fewer or shorter properties and tags in on_replace" in sentence


@pytest.mark.parametrize("make", [make_plan, stage_plan])
@pytest.mark.parametrize("number", [2, 5_000])
def test_the_record_of_a_new_image_stays_below_what_a_property_holds(
    make: Callable[[PlanInput], Plan], number: int
) -> None:
    """It stores a hash of each declared property. The error comes before the upload."""
    properties = {f"{'p' * 200}{one}": "1" for one in range(number)}
    given = plan_input(catalog(spec("a", properties=properties)), inventory())
    if number == 2:
        assert make(given).steps
        return
    with pytest.raises(PlanRefused) as caught:
        make(given)
    (sentence,) = [one for one in caught.value.refusals if "record" in one]
    assert sentence.startswith("a: the record of the new image would be ")
    assert f"the limit is {MAX_RECORD_BYTES}; declare fewer or shorter properties and tags in the manifest" in sentence


def test_a_rollback_has_the_same_limits() -> None:
    """It retires the current image, too."""
    rename = OnReplace(rename="{name}" + "x" * 255)
    new = spec("a", "b", on_replace=rename)
    found = inventory(live(new, generation=2), retired(spec("a", "a"), "old"))
    given = plan_input(catalog(new), found)
    with pytest.raises(PlanRefused, match="is 256 characters long"):
        rollback_plan(given, key="a", to=None)
    short = replace(new, on_replace=OnReplace())
    assert rollback_plan(plan_input(catalog(short), found), key="a", to=None).steps


@pytest.mark.parametrize(
    ("part", "on_replace"),
    [
        ("tags", OnReplace(set_tags=("old", "older"))),
        ("properties", OnReplace(set_properties=(("old", "1"), ("older", "1")))),
    ],
)
def test_the_parts_of_a_retired_image_are_counted_with_those_of_others(part: str, on_replace: OnReplace) -> None:
    """A user put all on it that the service takes, less one; or more, and then its limit is higher than usual."""
    own = live(spec("a", "a")).properties

    def look(number: int) -> object:
        names = [f"n{one}" for one in range(number - (len(own) if part == "properties" else 0))]
        attrs = {"tags": frozenset(names)} if part == "tags" else {"properties": {**own, **dict.fromkeys(names, "1")}}
        return replacing(on_replace, **attrs)

    look(MAX_PARTS - 2)
    look(MAX_PARTS + 1)
    with pytest.raises(PlanRefused) as caught:
        look(MAX_PARTS - 1)
    assert str(caught.value) == (
        f"a: image id-a would have 129 {part}; the service's limit is 128; remove {part} from the image or from on_replace.set"
    )


def test_properties_that_are_taken_off_make_room() -> None:
    """The number is that after the whole change."""
    own = live(spec("a", "a")).properties
    properties = {**own, **{f"n{one}": "1" for one in range(MAX_PARTS - len(own))}}
    swap = OnReplace(set_properties=(("old", "1"),), unset=("properties.n0",))
    assert replacing(swap, properties=properties)


@pytest.mark.parametrize("expires", [None, "2000-01-01"], ids=["replaced", "expired"])
def test_the_owner_of_another_project_stops_only_the_key_that_is_his(expires: str | None) -> None:
    """The owner uses the longest name and the most properties; the other keys continue, keys that refer to this one
    wait.
    """
    rename = OnReplace(rename="{name} (retired)")
    theirs = spec("theirs", "b", owner="p2", on_replace=rename, expires=expires, on_expire=OnExpire.HIDE)
    user = spec("user", "d", properties={"kernel_id": "${images.theirs.id}"})
    old = live(replace(theirs, fingerprint=spec("x", "a").fingerprint), owner="p2", name="n" * MAX_NAME_CHARS)
    record = read(old)
    assert record is not None
    grown = replace(record, managed=replace(record.managed, before={"doc": "x" * MAX_RECORD_BYTES}))
    old = replace(old, properties={**old.properties, **grown.properties(old.id)})
    found = inventory(old, live(spec("ours", "c")))
    wanted = catalog(theirs, user, spec("ours", "d"))
    made = plan(wanted, found)
    assert {"ours"} <= {step.action.key for step in made.steps} <= {"ours", "user"}
    (note,) = [one for one in made.notes if one.startswith("theirs: ")]
    assert note.endswith("; nothing is done for this key")
    with pytest.raises(PlanRefused, match="theirs: "):
        plan(wanted, replace(found, owned=tuple(replace(image, owner=PROJECT) for image in found.owned)))


def test_nor_does_the_owner_of_a_key_that_left_the_manifest_stop_the_others() -> None:
    """``removed:`` says where its images are; it would be hidden."""
    theirs = spec("theirs", "b", owner="p2")
    old = live(theirs, owner="p2")
    record = read(old)
    assert record is not None
    grown = replace(record, managed=replace(record.managed, before={"doc": "x" * MAX_RECORD_BYTES}))
    old = replace(old, properties={**old.properties, **grown.properties(old.id)})
    wanted = catalog(spec("ours", "d"), owners={"theirs": "p2"})
    found, policy = inventory(old, live(spec("ours", "c"))), Policy(on_remove=OnRemove.HIDE)
    made = plan(wanted, found, policy)
    assert {step.action.key for step in made.steps} == {"ours"}
    assert [
        note for note in made.notes if note.startswith("theirs: ") and note.endswith("nothing is done for this key")
    ]


def test_a_record_may_be_as_long_as_the_limit() -> None:
    """The margin is for the time of the retirement, which the run adds."""
    assert MAX_RECORD_BYTES == 65_535 - 256
    (step,) = plan(catalog(spec("a")), inventory()).steps
    assert isinstance(step.action, Create)
    create, record = step.action, step.action.record

    def find(length: int) -> list[str]:
        managed = replace(record.managed, origin="x" * length)
        return list(
            find_oversized([replace(step, action=replace(create, record=replace(record, managed=managed)))], {})
        )

    size = len(replace(record, managed=replace(record.managed, origin="x")).properties("")[MANAGED].encode()) - 1
    assert find(MAX_RECORD_BYTES - size) == []
    assert find(MAX_RECORD_BYTES - size + 1) == [
        f"a: the record of the new image would be {MAX_RECORD_BYTES + 1} bytes long; the limit is {MAX_RECORD_BYTES}; declare "
        "fewer or shorter properties and tags in the manifest"
    ]


@pytest.mark.parametrize(("before", "is_refused"), [(MAX_PARTS - 1, False), (MAX_PARTS, True), (MAX_PARTS + 1, False)])
def test_an_image_with_as_many_tags_as_usual_gets_no_further_one(before: int, *, is_refused: bool) -> None:
    """With more, the service has another limit."""
    image = replace(live(spec("a")), tags=frozenset(f"t{number}" for number in range(before)))
    given = plan_input(catalog(spec("a", tags=frozenset({"new"}))), inventory(image))
    if not is_refused:
        assert len(make_plan(given).steps) == 1
        return
    with pytest.raises(
        PlanRefused, match=f"image id-a would have {before + 1} tags; the service's limit is {MAX_PARTS}"
    ):
        make_plan(given)
