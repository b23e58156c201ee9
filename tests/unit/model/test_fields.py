"""Declared and live images as plain values."""

from dataclasses import replace

import pytest

from imagesync.model.catalog import Auto, ImageSpec, NamedProject, Visibility
from imagesync.model.fields import collect_declared_fields, read_live_field, read_live_value, simplify_value
from imagesync.model.image import LiveImage
from imagesync.model.plan import Value


def test_only_declared_fields_are_collected() -> None:
    """A false and a zero are declared; a number that comes from the data is not known."""
    assert collect_declared_fields(ImageSpec("a", "n")) == {"name": "n"}
    spec = ImageSpec(
        "a",
        "n",
        owner="p",
        disk_format="raw",
        container_format="bare",
        visibility=Visibility.SHARED,
        min_disk=0,
        min_ram=0,
        protected=False,
        hidden=False,
    )
    found = collect_declared_fields(spec)
    assert list(found.items()) == [
        ("name", "n"),
        ("visibility", "shared"),
        ("disk_format", "raw"),
        ("container_format", "bare"),
        ("owner", "p"),
        ("min_disk", 0),
        ("min_ram", 0),
        ("protected", False),
        ("hidden", False),
    ]
    assert type(found["visibility"]) is str
    assert "min_disk" not in collect_declared_fields(replace(spec, min_disk=Auto.AUTO))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("tags", ("s", "t")),
        ("stores", ("a", "b")),
        ("properties.os.x", "1"),
        ("properties.none", None),
        ("visibility", "public"),
        ("min_ram", 0),
        ("protected", False),
        ("owner", None),
    ],
)
def test_a_live_value_by_its_path(path: str, value: Value) -> None:
    """Sets are sorted; a property that is not set is None, not an empty text."""
    image = LiveImage(
        "i",
        visibility=Visibility.PUBLIC,
        tags=frozenset({"t", "s"}),
        stores=("b", "a"),
        properties={"os.x": "1", "tags": "no"},
    )
    found = read_live_value(image, path)
    assert (found, type(found)) == (value, type(value))


def test_only_scalars_are_values() -> None:
    """A word of an enumeration is a plain text."""
    assert type(simplify_value(Visibility.PUBLIC)) is str
    values: list[object] = ["x", 5, True, None, 1.5, ["x"], NamedProject("p", "d")]
    assert [simplify_value(value) for value in values] == ["x", 5, True, None, None, None, None]
    assert read_live_field(LiveImage("i", name="n"), "name") == "n"
