"""Changes of fields as lines: nothing that differs looks the same."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesync.model.plan import FieldChange, Reason
from imagesync.render.changes import describe_changes
from imagesync.render.style import MAX_VALUE_CHARS


def line(path: tuple[str, ...], before: Any, after: Any, *, whole: bool = False, mark_drift: bool = False) -> str:
    """One change as text."""
    reason = Reason.DRIFT if mark_drift else Reason.MANIFEST_CHANGED
    (found,) = describe_changes([FieldChange(path, before, after, reason)], mark_drift=mark_drift, whole=whole)
    return found.text


def test_a_change_has_its_two_values_besides_its_text() -> None:
    """As they are in the text; a list has none, because it is not one value that becomes another."""
    changes = [
        FieldChange(("min_ram",), None, 7, Reason.DRIFT),
        FieldChange(("name",), "a → b", "c", Reason.MANIFEST_CHANGED),
        FieldChange(("tags",), ("a",), ("b",), Reason.MANIFEST_CHANGED),
    ]
    found = describe_changes(changes, mark_drift=True, whole=False)
    assert [one.pair for one in found] == [("(none)", "7"), ("a → b", "c"), None]
    assert [one.text for one in found[:2]] == ["(none) → 7  (drift)", "a → b → c"]


@given(st.text(max_size=200), st.text(max_size=100), st.text(max_size=100))
def test_two_values_that_differ_look_different(head: str, before: str, after: str) -> None:
    """Also if they differ only at the end."""
    left, _, right = line(("properties", "p"), f"{head}{before}x", f"{head}{after}y").partition(" → ")
    assert left != right


@pytest.mark.parametrize("length", [MAX_VALUE_CHARS, MAX_VALUE_CHARS + 1, 5000])
def test_a_long_value_is_shown_where_it_differs(length: int) -> None:
    """Whole, if all details are wanted."""
    before, after = "a" * (length - 1) + "b", "a" * (length - 1) + "c"
    output = line(("properties", "p"), before, after)
    assert (output == f"{before} → {after}") is (length <= MAX_VALUE_CHARS)
    assert len(output) <= 2 * MAX_VALUE_CHARS + 60
    assert line(("properties", "p"), before, after, whole=True) == f"{before} → {after}"


def test_a_long_new_value_says_how_long_it_is() -> None:
    """The end of a long new value is cut."""
    digest = hashlib.sha256(b"a" * 100).hexdigest()[:8]
    display = f"(none) → {'a' * MAX_VALUE_CHARS}… (100 characters, sha256 {digest}…)"
    assert line(("properties", "p"), None, "a" * 100) == display


def test_long_values_with_the_same_beginning_and_length_are_distinguished() -> None:
    """Of two images, and of one before and after."""
    one, other = ("a" * 200 + end for end in "xy")
    assert line(("properties", "p"), None, one) != line(("properties", "p"), None, other)
    pair = (f"b{one}{'c' * 100}", f"d{one}{'c' * 100}"), (f"b{other}{'c' * 100}", f"d{other}{'c' * 100}")
    assert line(("properties", "p"), *pair[0]) != line(("properties", "p"), *pair[1])


def test_only_added_and_removed_items_of_a_set_are_printed() -> None:
    """Ninety members that stay are not a change."""
    many = tuple(f"m{i}" for i in range(90))
    assert line(("members",), many, (*many[1:], "new")) == "+ new, - m0"
    assert line(("tags",), None, ("x",)) == "+ x"


def test_drift_is_marked() -> None:
    """Only next to changes of the manifest."""
    assert line(("min_ram",), 1, 2, mark_drift=True) == "1 → 2  (drift)"


@pytest.mark.parametrize(
    ("path", "before", "after", "loud", "named"),
    [
        (("visibility",), "private", "public", True, True),
        (("visibility",), "public", "private", True, True),
        (("visibility",), "private", "shared", False, True),
        (("protected",), True, False, True, True),
        (("hidden",), False, True, False, True),
        (("members",), (), ("a",), False, True),
        (("name",), "a", "b", False, False),
        (("properties", "visibility"), "private", "public", False, False),
    ],
)
def test_which_changes_are_loud(path: tuple[str, ...], before: Any, after: Any, *, loud: bool, named: bool) -> None:
    """Who sees the image, and who can delete it."""
    (found,) = describe_changes([FieldChange(path, before, after)], mark_drift=False, whole=False)
    assert (found.is_loud, found.is_named) == (loud, named)
