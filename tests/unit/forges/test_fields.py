"""Values of JSON that a forge sent: each has its type, or is empty."""

from typing import Any

import pytest

from imagesync.forges.fields import find, find_list, find_number, find_text

DOCUMENT: dict[str, Any] = {"a": {"b": {"text": "t", "number": 3, "list": [1, "x"]}}, "none": None, "": "empty"}


def test_values_are_found_by_their_path() -> None:
    """Also deep inside; without names, the document itself."""
    assert find(DOCUMENT, "a", "b") == {"text": "t", "number": 3, "list": [1, "x"]}
    assert find(DOCUMENT) is DOCUMENT
    assert find_text(DOCUMENT, "a", "b", "text") == "t"
    assert find_number(DOCUMENT, "a", "b", "number") == 3
    assert find_list(DOCUMENT, "a", "b", "list") == [1, "x"]


@pytest.mark.parametrize(
    "path", [("x",), ("a", "x"), ("a", "x", "text"), ("none", "b"), ("a", "b", "list", "0")], ids=str
)
def test_a_path_that_leads_nowhere_has_no_value(path: tuple[str, ...]) -> None:
    """Also through a value that is not an object, or none."""
    assert find(DOCUMENT, *path) is None
    assert (find_text(DOCUMENT, *path), find_number(DOCUMENT, *path), find_list(DOCUMENT, *path)) == ("", 0, [])


@pytest.mark.parametrize("document", [None, [], "text", 3, [{"a": 1}]], ids=str)
def test_what_is_not_an_object_has_no_values(document: object) -> None:
    """A list is not looked through."""
    assert find(document, "a") is None


def test_a_value_of_another_type_is_empty() -> None:
    """A number as a text is not a number, and a truth value is not a number."""
    texts: list[object] = [3, None, ["t"], {"t": 1}, True]
    assert [find_text({"x": one}, "x") for one in texts] == [""] * 5
    numbers: list[object] = ["3", None, [3], 3.0, True, False]
    assert [find_number({"x": one}, "x") for one in numbers] == [0] * 6
    lists: list[object] = ["ab", None, {"a": 1}, 3]
    assert [find_list({"x": one}, "x") for one in lists] == [[]] * 4
    assert (find_number({"x": 0}, "x"), find_number({"x": -2}, "x"), find_text({"x": ""}, "x")) == (0, -2, "")
