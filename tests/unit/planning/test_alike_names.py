"""Notes on changes that MariaDB and MySQL refuse: names that differ only in case, accents or trailing spaces."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.image import LiveImage
from tests.unit.factories import catalog, inventory, live, plan, spec

PROPERTY = "property 'foo' differs from 'Foo', which the image has, only in case, accents or trailing spaces"
TAGS = "tags 'A' and 'a' differ only in case, accents or trailing spaces"


def notes(image: LiveImage, **wanted: Any) -> list[str]:
    """Of the plan for one image."""
    return list(plan(catalog(spec("a", **wanted)), inventory(image)).notes)


def with_properties(image: LiveImage, **further: str) -> LiveImage:
    """The image with what another user added."""
    return replace(image, properties={**image.properties, **further})


@pytest.mark.parametrize(
    "image",
    [live(spec("a", properties={"Foo": "1"})), with_properties(live(spec("a")), Foo="1")],
    ids=["ours", "somebody else's"],
)
def test_a_property_in_another_case_is_noted(image: LiveImage) -> None:
    """Whatever user wrote the live one."""
    (note,) = notes(image, properties={"foo": "1"})
    assert note.startswith(
        f"a: image id-a: {PROPERTY}; a service on MariaDB or MySQL rejects this update (HTTP 500); keep"
    )


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        ({"foo": "1"}, {"foo": "2"}),
        ({"Foo": "1"}, {}),
        ({"Foo": "1"}, {"Foo": "1", "fo": "1"}),
    ],
)
def test_any_other_change_of_a_property_is_not_noted(before: dict[str, str], wanted: dict[str, str]) -> None:
    """A new value, a removal, another name."""
    assert notes(live(spec("a", properties=before)), properties=wanted) == []


def test_what_is_not_changed_is_not_noted() -> None:
    """An image that has both already is on a service that can."""
    wanted = spec("a", properties={"foo": "1"}, tags=frozenset({"A"}))
    image = with_properties(replace(live(wanted), tags=frozenset({"A", "a"})), Foo="1")
    assert plan(catalog(wanted), inventory(image)).notes == ()


@pytest.mark.parametrize(
    ("image_tags", "wanted", "expected"),
    [
        (("A", "a"), ("b",), [TAGS]),
        (("A",), ("a",), [TAGS]),
        (("A",), ("b",), []),
    ],
)
def test_alike_tags_of_one_image_are_noted(
    image_tags: Iterable[str], wanted: Iterable[str], expected: list[str]
) -> None:
    """Another user set the live ones: they stay beside the declared ones."""
    image = replace(live(spec("a")), tags=frozenset(image_tags))
    found = notes(image, tags=frozenset(wanted))
    assert [note.removeprefix("a: image id-a: ").partition(";")[0] for note in found] == expected


def test_our_tag_that_changes_its_case_is_not_noted() -> None:
    """That can be done in two requests."""
    assert notes(live(spec("a", tags=frozenset({"A"}))), tags=frozenset({"a"})) == []


def test_each_image_with_alike_names_is_noted() -> None:
    """Of several that a plan changes, owned ones and one that is adopted; images without such names are not."""
    ours = [live(spec(key, properties={"Foo": "1"})) for key in "abc"]
    foreign = replace(live(spec("d"), "foreign"), properties={"Foo": "1"})
    wanted = [spec(key, properties={"foo": "1"}) for key in "ab"]
    wanted += [spec("c", properties={"Foo": "2"}), spec("d", properties={"foo": "1"}, adopt="foreign")]
    made = plan(catalog(*wanted), inventory(*ours, foreign=(foreign,)))
    assert [note.split(": image ")[0] for note in made.notes if "'foo'" in note] == ["a", "b", "d"]
