"""Changes of fields as lines: nothing that differs looks the same."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesync.model.plan import Create, FieldChange, ImageState, Reason
from imagesync.render.changes import (
    CONTEXT_CHARS,
    Alarm,
    Line,
    describe_changes,
    describe_new_image,
    list_alarms,
    list_alarms_of_new,
)
from imagesync.render.style import MAX_VALUE_CHARS
from tests.unit.factories import catalog, inventory, plan, spec


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
        (("visibility",), "community", "private", True, True),
        (("visibility",), None, "community", True, True),
        (("visibility",), "shared", None, False, True),
        (("protected",), None, False, True, True),
        (("owner",), "a", "b", False, True),
        (("status",), "active", "deactivated", False, True),
        (("tags",), (), ("a",), False, False),
        (("properties", "owner"), "a", "b", False, False),
        (("properties", "protected"), "a", "b", False, False),
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


def test_which_alarms_are_losses() -> None:
    """They make the box of a review red; an image that is opened, protected or released is still there."""
    losses = [Alarm.DEACTIVATED, Alarm.HIDDEN, Alarm.OLD_DELETED, Alarm.DELETED]
    assert [alarm for alarm in Alarm if alarm.is_loss] == losses


def test_alarms_are_in_the_order_of_the_changes() -> None:
    """Each change makes at most one; fields of that name among the properties make none."""
    paths = [("protected",), ("visibility",), ("hidden",), ("min_ram",), ("properties", "hidden")]
    changes = [FieldChange(path, None, "public") for path in paths]
    assert list(list_alarms(changes)) == [Alarm.PROTECTED, Alarm.PUBLIC, Alarm.HIDDEN]
    quiet = [FieldChange(("hidden",), True, False), FieldChange(("visibility",), "private", "shared")]
    assert list(list_alarms(quiet)) == []


@pytest.mark.parametrize(
    ("path", "before", "after", "text", "uncut"),
    [
        (("tags",), ("a", "b", "c"), None, "- a, - b, - c", False),
        (("tags",), (), ("c", "d"), "+ c, + d", False),
        (("tags",), ("a", "b", "c"), ("b",), "- a, - c", False),
        (("tags",), ("a",), ("b,c", " d", "e ", "", "f\x1b"), '+ "b,c", + " d", + "e ", + "", + f\\x1b, - a', False),
        (("protected",), False, True, "false → true", False),
        (("min_ram",), None, 7, "(none) → 7", False),
        (("min_ram",), 7, None, "7 → (none)", False),
        (("properties", "a.b\x1b"), "x", None, "x → (none)", False),
        (("name",), "x" * MAX_VALUE_CHARS, None, f"{'x' * MAX_VALUE_CHARS} → (none)", False),
        (("name",), "a\x1b", "b\x1b", "a\\x1b → b\\x1b", False),
    ],
)
def test_the_text_of_a_change(path: tuple[str, ...], before: Any, after: Any, text: str, *, uncut: bool) -> None:
    """Sets as what is added and removed; single values as an exchange, printable, without what is missing."""
    (found,) = describe_changes([FieldChange(path, before, after)], mark_drift=False, whole=False)
    assert (found.text, bool(found.uncut)) == (text, uncut)
    assert found.name == ".".join(path).replace("\x1b", "\\x1b")


@pytest.mark.parametrize("is_before", [True, False])
def test_a_line_of_cut_values_has_the_whole_values(*, is_before: bool) -> None:
    """Of both, if one of them is longer than the limit; so images with other values do not share the line."""
    for size in (MAX_VALUE_CHARS, MAX_VALUE_CHARS + 1):
        values = ("x" * size, "y") if is_before else ("y", "x" * size)
        (found,) = describe_changes([FieldChange(("name",), *values)], mark_drift=False, whole=False)
        assert found.uncut == (values if size > MAX_VALUE_CHARS else ())
        assert ("characters, sha256" in found.text) is (size > MAX_VALUE_CHARS)


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("a" * 50 + "b" + "c" * 50, "a" * 50 + "d" + "c" * 50, 50),
        ("a" * 80, "a" * 90, 80),
        ("a" * 90, "a" * 80, 80),
        ("a" * (CONTEXT_CHARS + 1) + "b" * 90, "a" * (CONTEXT_CHARS + 1), CONTEXT_CHARS + 1),
    ],
)
def test_long_values_begin_a_little_before_their_difference(before: str, after: str, same: int) -> None:
    """The cut at the beginning is marked; what is left of each is whole if it fits."""
    for left, right in ((before, after), (after, before)):
        start = same - CONTEXT_CHARS
        assert line(("name",), left, right).split(" → ") == [cut(left, start), cut(right, start)]


def cut(value: str, start: int) -> str:
    """The part of a value from a character on, as it is shown."""
    part = f"…{value[start : start + MAX_VALUE_CHARS]}"
    if len(value) - start <= MAX_VALUE_CHARS:
        return part
    return f"{part}… ({len(value)} characters, sha256 {hashlib.sha256(value.encode()).hexdigest()[:8]}…)"


def test_values_with_a_difference_near_the_beginning_are_shown_from_there() -> None:
    """One that is short is shown whole beside a long one."""
    for same in (0, CONTEXT_CHARS):
        left, right = f"{'a' * same}b", f"{'a' * same}{'c' * 100}"
        before, after = line(("name",), left, right).split(" → ")
        assert before == left
        assert after.startswith(right[:MAX_VALUE_CHARS])
    surrogate = "\ud800" * 100
    assert "(100 characters, sha256 " in line(("name",), None, surrogate)


def create(fields: dict[str, Any] | None = None, **attrs: Any) -> Create:
    """A create of an image whose state has only these fields."""
    action = plan(catalog(spec("a")), inventory()).steps[0].action
    assert isinstance(action, Create)
    names = ("properties", "tags", "members")
    state = ImageState(
        {"visibility": "private", **(fields or {})}, **{name: attrs.pop(name) for name in names if name in attrs}
    )
    return replace(action, state=state, **attrs)


LONG = "x" * (MAX_VALUE_CHARS + 1)
ACCESS = Line("visibility", "private", is_named=True)


@pytest.mark.parametrize(
    ("new", "lines"),
    [
        (create(), []),
        (create({"disk_format": "raw", "container_format": "bare"}), [Line("format", "raw in bare")]),
        (create({"min_disk": 7}), [Line("format", "min_disk 7 GB")]),
        (create({"min_ram": 9, "min_disk": 0}), [Line("format", "min_ram 9 MB")]),
        (create(min_disk_auto=True), [Line("format", "min_disk auto")]),
        (
            create({"disk_format": "raw", "container_format": "o\x1b", "min_ram": 9}, min_disk_auto=True),
            [Line("format", "raw in o\\x1b, min_disk auto, min_ram 9 MB")],
        ),
        (create({"owner": "p\x1b"}), [Line("owner", "p\\x1b", is_named=True)]),
        (create(members=("m", "n")), [Line("members", "+ m, + n", is_named=True)]),
        (create(tags=("a,b", "c")), [Line("tags", '"a,b", c')]),
        (create(properties={"p\x1b": "v\x1b"}), [Line("properties.p\\x1b", "v\\x1b")]),
    ],
)
def test_the_fields_of_a_new_image(new: Create, lines: list[Line]) -> None:
    """Only what is not the default; who has it and who may use it names every image."""
    for whole in (False, True):
        assert list(describe_new_image(new, whole=whole)) == [ACCESS, *lines]


def test_a_long_property_of_a_new_image_is_cut() -> None:
    """Unless all details are shown; its whole value distinguishes the line."""
    usual, whole = (list(describe_new_image(create(properties={"p": LONG}), whole=one))[1] for one in (False, True))
    assert (whole.text, whole.uncut) == (LONG, (LONG,))
    assert usual.text.startswith(f"{LONG[:-1]}… (73 characters, sha256 ")
    assert usual.uncut == (LONG,)


@pytest.mark.parametrize(
    ("fields", "text", "loud", "alarms"),
    [
        ({}, "private", False, []),
        ({"visibility": "shared"}, "shared", False, []),
        ({"visibility": "public"}, "public", True, [Alarm.PUBLIC]),
        ({"visibility": "community"}, "community", True, [Alarm.COMMUNITY]),
        ({"protected": True}, "private, protected", True, [Alarm.PROTECTED]),
        ({"hidden": True}, "private, hidden", False, []),
        ({"status": "deactivated"}, "private, deactivated", False, []),
        ({"status": "active"}, "private", False, []),
        (
            {"visibility": "public", "protected": True, "hidden": True, "status": "deactivated"},
            "public, protected, hidden, deactivated",
            True,
            [Alarm.PUBLIC, Alarm.PROTECTED],
        ),
    ],
)
def test_the_access_of_a_new_image(fields: dict[str, Any], text: str, alarms: list[Alarm], *, loud: bool) -> None:
    """One line; it is loud if all users see the image, or a user cannot delete it. That of a candidate never is."""
    assert next(describe_new_image(create(fields), whole=False)) == Line("visibility", text, loud, is_named=True)
    staged = next(describe_new_image(create(fields, stage=True), whole=False))
    assert staged == Line("visibility", text, is_named=True)
    assert list(list_alarms_of_new(create(fields))) == alarms


def test_the_words_of_each_alarm() -> None:
    """Each completes a sentence about images; the first that a reviewer reads is what all users get."""
    assert [alarm.value for alarm in Alarm] == [
        "become public",
        "become visible to all projects (community)",
        "are no longer public",
        "become protected",
        "are no longer protected",
        "are released: they stay, and no catalog owns them",
        "are deactivated",
        "are hidden",
        "have old builds that are deleted",
        "are deleted",
    ]


def test_what_is_left_of_two_long_values() -> None:
    """Twelve characters that are the same, 72 in all, and eight digits of the digest of the whole value."""
    before, after = f"{'a' * 80}b{'c' * 80}", f"{'a' * 80}d"
    digest = hashlib.sha256(before.encode()).hexdigest()[:8]
    assert line(("name",), before, after, mark_drift=True) == (
        f"…{'a' * 12}b{'c' * 59}… (161 characters, sha256 {digest}…) → …{'a' * 12}d  (drift)"
    )


def test_several_changes_keep_their_order() -> None:
    """Only drift is marked, and only if it is asked for; a set may be marked, too."""
    changes = [
        FieldChange(("tags",), ("b", "a"), ("a", "c"), Reason.DRIFT),
        FieldChange(("min_ram",), 1, 2, Reason.MANIFEST_CHANGED),
        FieldChange(("min_disk",), 3, 4, Reason.DRIFT),
    ]
    for mark, drift in ((True, "  (drift)"), (False, "")):
        found = describe_changes(changes, mark_drift=mark, whole=False)
        assert [(one.name, one.text) for one in found] == [
            ("tags", f"+ c, - b{drift}"),
            ("min_ram", "1 → 2"),
            ("min_disk", f"3 → 4{drift}"),
        ]


def test_the_lines_of_a_new_image_in_their_order() -> None:
    """Access, format, owner, members, tags, properties; numbers have their units."""
    new = create(
        {"disk_format": "qcow2", "container_format": "ovf", "min_disk": 7, "min_ram": 9, "owner": "p"},
        members=("m",),
        tags=("t", "u"),
        properties={"z": "1", "b": "2"},
    )
    assert list(describe_new_image(new, whole=False)) == [
        ACCESS,
        Line("format", "qcow2 in ovf, min_disk 7 GB, min_ram 9 MB"),
        Line("owner", "p", is_named=True),
        Line("members", "+ m", is_named=True),
        Line("tags", "t, u"),
        Line("properties.z", "1"),
        Line("properties.b", "2"),
    ]
