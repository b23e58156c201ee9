"""An image as it was and as it is: what somebody changed."""

from dataclasses import replace

import pytest

from imagesync.execution.changes import find_altered, find_changes
from tests.unit.factories import live, spec

LEFT = live(spec("a", tags=frozenset({"t", "u"}), properties={"p": "1"}))


@pytest.mark.parametrize(
    ("tags", "is_changed"),
    [({"t", "u"}, False), ({"t", "u", "theirs"}, False), ({"t"}, True), ({"t", "theirs"}, True), (set[str](), True)],
)
def test_only_a_tag_of_ours_that_is_gone_is_a_change(tags: set[str], is_changed: bool) -> None:
    """Others may add theirs beside it."""
    found = replace(LEFT, tags=frozenset(tags))
    output = ", ".join(sorted(tags))
    assert find_changes(LEFT, found) == ([f"tags is {output}, it was t, u"] if is_changed else [])
    assert bool(find_altered([LEFT], {LEFT.id: found})) is is_changed


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"theirs": "1"}, []),
        ({"p": "2"}, ["properties.p is '2', it was '1'"]),
        ({"p": None}, ["properties.p is not there, it was '1'"]),
        ({"imagesync_rev_2": "another"}, ["another run wrote to it"]),
        ({"imagesync_catalog": None}, ["it lost its marker: imagesync_catalog removed"]),
    ],
)
def test_a_property_counts_if_it_is_ours(changed: dict[str, str | None], expected: list[str]) -> None:
    """The manifest's, or one of the record, which nobody else may add either."""
    properties = {**LEFT.properties, **changed}
    found = replace(LEFT, properties={name: value for name, value in properties.items() if value is not None})
    assert find_changes(LEFT, found) == expected


def test_an_image_that_is_not_listed_any_more_was_altered() -> None:
    """Somebody deleted it, or took it out of the catalog."""
    assert find_altered([LEFT], {}) == ["image id-a was written by this run and was deleted, or lost its marker"]
