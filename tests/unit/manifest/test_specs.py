"""A definition to an ImageSpec."""

from pathlib import Path

import pytest

from tests.unit.manifest.one_file import problems, wanted


def test_a_superseded_image_may_get_other_fields(tmp_path: Path) -> None:
    """``on_replace.set`` takes the service's own fields, properties and tags."""
    text = "images: {a: {on_replace: {set: {visibility: private, protected: false, min_ram: 1, tags: [old], properties: {x: 1}}}}}"
    (spec,) = wanted(tmp_path, text).images
    assert spec.on_replace.set_fields == (("min_ram", 1), ("protected", False), ("visibility", "private"))
    assert (spec.on_replace.set_tags, spec.on_replace.set_properties) == (("old",), (("x", "1"),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "images: {a: {expires: 2027-02-30}}",
            "3:14: images.a.expires: '2027-02-30' is not a day of the calendar; write YYYY-MM-DD",
        ),
    ],
)
def test_a_mistake_is_one_line_with_place_and_way_out(tmp_path: Path, text: str, expected: str) -> None:
    """FILE:LINE:COLUMN: where: what; hint."""
    assert problems(tmp_path, text) == [expected]


def test_days_are_written_in_days_or_weeks(tmp_path: Path) -> None:
    """``delete_after: 2w`` is 14 days."""
    text = "images: {a: {on_replace: {delete_after: 2w}}, b: {on_replace: {delete_after: 90d}}, c: {}}"
    assert [spec.on_replace.delete_after for spec in wanted(tmp_path, text).images] == [14, 90, None]


def test_an_image_is_called_like_its_key_unless_it_has_a_name(tmp_path: Path) -> None:
    """The key is always there."""
    assert [spec.name for spec in wanted(tmp_path, "images: {a: {}, b: {name: x}}").images] == ["a", "x"]
