"""What users see change when a new build takes the place of an image."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import MemberState
from imagesync.model.plan import Create, FieldChange
from imagesync.planning.succession import find_differences
from imagesync.planning.three_way import make_state
from tests.unit.factories import catalog, inventory, live, plan, spec


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ({}, {"name": "b"}, (("name",), "a", "b")),
        ({}, {"visibility": Visibility.PUBLIC}, (("visibility",), "private", "public")),
        ({"visibility": Visibility.PUBLIC}, {}, (("visibility",), "public", "private")),
        ({}, {"protected": True}, (("protected",), False, True)),
        ({"min_ram": 64}, {}, (("min_ram",), 64, 0)),
        ({"properties": {"p": "1"}}, {"properties": {"p": "2"}}, (("properties", "p"), "1", "2")),
        ({"properties": {"p": "1"}}, {}, (("properties", "p"), "1", None)),
        ({}, {"properties": {"p": "1"}}, (("properties", "p"), None, "1")),
        ({"tags": frozenset("x")}, {"tags": frozenset("xy")}, (("tags",), ("x",), ("x", "y"))),
    ],
)
def test_a_field_that_the_new_build_has_otherwise(
    before: dict[str, Any], after: dict[str, Any], change: tuple[Any, Any, Any]
) -> None:
    """Whether the manifest or a user set it on the old image."""
    by_hand = {name: value for name, value in before.items() if name != "properties"}
    old = live(spec("a"), **by_hand)
    if properties := before.get("properties"):
        old = live(spec("a"), properties={**old.properties, **properties})
    (step, *_) = plan(catalog(spec("a", "b", **after)), inventory(old)).steps
    assert isinstance(step.action, Create)
    assert step.action.changes == (FieldChange(*change),)


def test_text_that_looks_like_a_reference_is_compared_as_the_manifest_writes_it() -> None:
    """Declared text that stays the same is not a change; a change shows the text that a manifest would have."""
    declared = spec("a", properties={"p": "$${images.b.id}"})
    old = live(spec("a"))
    old = replace(old, properties={**old.properties, "p": "${images.b.id}"})
    state = make_state(declared, frozenset(), {})
    assert find_differences(old, state, {}) == ()
    (change,) = find_differences(old, replace(state, properties={"p": "x"}), {})
    assert change == FieldChange(("properties", "p"), "$${images.b.id}", "x")


def test_nothing_but_the_content_changes() -> None:
    """The record of imagesync is not shown; a first build differs from nothing."""
    (step, *_) = plan(catalog(spec("a", "b")), inventory(live(spec("a")))).steps
    assert isinstance(step.action, Create)
    assert step.action.changes == ()
    (step,) = plan(catalog(spec("a", name="x", protected=True)), inventory()).steps
    assert isinstance(step.action, Create)
    assert step.action.changes == ()


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.DEACTIVATED])
def test_a_declared_status_is_not_shown_as_a_change(status: Status) -> None:
    """The status of the old image is that of another build; the step itself shows that the new one is deactivated."""
    (step, *_) = plan(catalog(spec("a", "b", status=status)), inventory(live(spec("a")))).steps
    assert isinstance(step.action, Create)
    assert (step.action.changes, step.action.state.fields["status"]) == ((), status.value)


@pytest.mark.parametrize("known", [False, True])
def test_members_are_compared_where_they_are_known(*, known: bool) -> None:
    """They are asked for shared images only."""
    wanted = spec("a", visibility=Visibility.SHARED, members=frozenset({"m" * 32}))
    old = live(wanted)
    members = {old.id: (MemberState("o" * 32, "pending"),)} if known else {}
    changes = find_differences(old, make_state(wanted, frozenset({"m" * 32}), {}), members)
    assert changes == ((FieldChange(("members",), ("o" * 32,), ("m" * 32,)),) if known else ())
