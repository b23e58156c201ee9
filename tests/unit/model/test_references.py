"""References to the ids of other images, in the values of properties."""

import pytest

from imagesync.model.catalog import ImageSpec
from imagesync.model.references import (
    escape_dollars,
    escape_references,
    fill_known_references,
    find_references,
    resolve_references,
)

LONG = "k" * 64


@pytest.mark.parametrize(
    ("text", "resolved", "filled"),
    [
        ("${images.a.id}", "ID-A", "ID-A"),
        ("x${images.a.id}y${images.b-2.c.id}", "xID-AyID-B", "xID-AyID-B"),
        ("${images.other.id}", "${images.other.id}", "${images.other.id}"),
        (f"${{images.{LONG}.id}}", "ID-L", "ID-L"),
        (f"${{images.{LONG}k.id}}", f"${{images.{LONG}k.id}}", f"${{images.{LONG}k.id}}"),
        ("$${images.a.id}", "${images.a.id}", "$${images.a.id}"),
        ("$${images.a.id}${images.a.id}", "${images.a.id}ID-A", "$${images.a.id}ID-A"),
        ("$$ $x ${a} ${images.a} ${images..id} ${images.-a.id}", "$$ $x ${a} ${images.a} ${images..id} ${images.-a.id}", None),
        ("$$$${images.a.id}", "$$${images.a.id}", None),
        ("", "", ""),
    ],
)  # fmt: skip
def test_a_reference_becomes_the_id_if_it_is_known(text: str, resolved: str, filled: str | None) -> None:
    """An escaped one becomes its text at the end only; everything else stays."""
    ids = {"a": "ID-A", "b-2.c": "ID-B", LONG: "ID-L"}
    assert resolve_references(text, ids) == resolved
    assert fill_known_references(text, ids) == (text if filled is None else filled)


def test_every_reference_of_every_property_is_found() -> None:
    """Not those that are escaped."""
    properties = {
        "p": "${images.a.id} and ${images.b.id}",
        "q": "$${images.c.id}",
        "r": "x",
        "s": "${images.d-1.e.id}",
    }
    assert find_references(ImageSpec("x", "x", properties=properties)) == {"a", "b", "d-1.e"}
    assert find_references(ImageSpec("x", "x")) == frozenset()


@pytest.mark.parametrize(
    "text", ["${images.a.id}", "$${images.a.id}", "${images.", "a$b", "$$", "${images.x}", "${images.a.id}$${images."]
)
def test_a_text_that_only_looks_like_a_reference_comes_back(text: str) -> None:
    """Escaped, it refers to nothing."""
    escaped = escape_references(text)
    assert resolve_references(escaped, {"a": "ID"}) == text
    assert find_references(ImageSpec("x", "x", properties={"p": escaped})) == frozenset()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a", "a"),
        ("$5", "$5"),
        ("a$$b", "a$$$$b"),
        ("${x} costs $5", "$${x} costs $$5"),
        ("${images.a.id}", "${images.a.id}"),
        ("${images.a.id}$5", "${images.a.id}$5"),
        ("${images.a.id}${x}", "${images.a.id}$${x}"),
        ("${x}${images.a.id}$${images.b.id}$", "$${x}${images.a.id}$${images.b.id}$$"),
    ],
)
def test_dollars_are_doubled_where_a_manifest_would_read_them(text: str, written: str) -> None:
    """Those of references, plain or escaped, stay as they are."""
    assert escape_dollars(text) == written
