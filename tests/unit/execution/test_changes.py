"""An image before and after: what another user changed."""

from dataclasses import replace

import pytest

from imagesync.execution import changes as limits
from imagesync.execution.changes import MAX_NAMED, find_altered, find_changes, find_unmet
from imagesync.model.catalog import Status, Visibility
from imagesync.model.record import DIGEST, MANAGED, SPEC
from tests.unit.factories import live, spec

LEFT = live(spec("a", tags=frozenset({"t", "u"}), properties={"p": "1"}))


@pytest.mark.parametrize(
    ("tags", "is_changed"),
    [({"t", "u"}, False), ({"t", "u", "theirs"}, False), ({"t"}, True), ({"t", "theirs"}, True), (set[str](), True)],
)
def test_only_a_removed_tag_is_a_change(tags: set[str], is_changed: bool) -> None:
    """Other users may add tags."""
    found = replace(LEFT, tags=frozenset(tags))
    output = ", ".join(sorted(tags)) or "none"
    assert find_changes(LEFT, found) == ([f"tags is {output}, it was t, u"] if is_changed else [])
    assert bool(find_altered([LEFT], {LEFT.id: found})) is is_changed


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"theirs": "1"}, []),
        ({"p": "2"}, ["properties.p is '2', it was '1'"]),
        ({"p": None}, ["properties.p is not set, it was '1'"]),
        ({"imagesync_rev_2": "another"}, ["another run wrote to it"]),
        ({"imagesync_catalog": None}, ["it lost its marker: imagesync_catalog removed"]),
    ],
)
def test_only_managed_properties_count(changed: dict[str, str | None], expected: list[str]) -> None:
    """They are those of the manifest and of the record, to which no other user may add."""
    properties = {**LEFT.properties, **changed}
    found = replace(LEFT, properties={name: value for name, value in properties.items() if value is not None})
    assert find_changes(LEFT, found) == expected


def test_an_image_that_is_no_longer_listed_was_altered() -> None:
    """A user deleted it, or removed it from the catalog."""
    assert find_altered([LEFT], {}) == ["image id-a, which this run wrote, was deleted or lost its marker"]


FIELDS = {
    "name": "b",
    "owner": "somebody",
    "status": Status.DEACTIVATED,
    "visibility": Visibility.PUBLIC,
    "hidden": True,
    "protected": True,
    "min_disk": 7,
    "min_ram": 7,
}


@pytest.mark.parametrize("names", [*((name,) for name in FIELDS), ("name", "min_ram"), tuple(FIELDS)])
def test_each_field_that_changed_is_named(names: tuple[str, ...]) -> None:
    """Ignored fields are not."""
    found = replace(LEFT, **{name: FIELDS[name] for name in names})  # type: ignore[arg-type]
    assert [text.split(" is ")[0] for text in find_changes(LEFT, found)] == list(names)
    assert find_changes(LEFT, found, names) == []
    assert [text.split(" is ")[0] for text in find_changes(LEFT, found, names[:1])] == list(names[1:])
    relied = {name: getattr(LEFT, name) for name in FIELDS}
    assert [text.split(" is ")[0] for text in find_unmet(relied, found)] == list(names)
    assert find_unmet({**relied, "members": ("p1",)}, found, names) == []
    assert find_unmet({}, found) == []


@pytest.mark.parametrize("count", range(1, 8))
def test_a_removed_record_is_described_briefly(count: int) -> None:
    """At most MAX_NAMED properties are named. If one of the two that mark the image is removed, the text says so."""
    marks = sorted(name for name in LEFT.properties if name.startswith("imagesync_") and "_rev_" not in name)
    for first in range(len(marks) - count + 1):
        gone = marks[first : first + count]
        kept = {name: value for name, value in LEFT.properties.items() if name not in gone}
        (text,) = find_changes(LEFT, replace(LEFT, properties=kept))
        assert all((name in text) is (count <= MAX_NAMED) for name in gone)
        assert ("lost its marker" in text) is bool({"imagesync_catalog", "imagesync_id"} & set(gone))


def test_each_image_that_was_altered_is_named() -> None:
    """Of several: the first, the last, a deleted one."""
    images = [replace(LEFT, id=name) for name in "abcd"]
    listed = {image.id: image for image in images}
    listed["a"], listed["d"] = replace(images[0], name="x"), replace(images[3], name="x")
    del listed["b"]
    assert [text.split("image ")[1][0] for text in find_altered(images, listed)] == ["a", "b", "d"]


@pytest.mark.parametrize("name", [DIGEST, MANAGED, SPEC])
def test_a_long_value_of_the_record_is_not_shown(name: str) -> None:
    """Its text means nothing to a reader."""
    assert name in LEFT.properties
    found = replace(LEFT, properties={**LEFT.properties, name: "another"})
    assert find_changes(LEFT, found) == [f"properties.{name} has changed"]


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.MAX_NAMED == 3
