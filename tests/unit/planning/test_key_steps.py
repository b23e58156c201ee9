"""The steps of one key: status, references, records without data."""

from dataclasses import replace

import pytest

from imagesync.model.catalog import Content, Fingerprint, Role, Status
from imagesync.model.plan import Create, Delete, Reactivate, Update
from imagesync.model.policy import Policy
from tests.unit.factories import candidate, catalog, inventory, live, plan, spec
from tests.unit.planning.plans import kinds


def test_status_both_ways() -> None:
    """deactivated and active are reached by the two actions of the service."""
    off, on = spec("a", status=Status.DEACTIVATED), spec("a", status=Status.ACTIVE)
    made = plan(catalog(off), inventory(live(on)))
    assert kinds(made) == [("Deactivate", "a", "manifest-changed")]
    back = plan(catalog(on), inventory(live(off, status=Status.DEACTIVATED)))
    assert kinds(back) == [("Reactivate", "a", "manifest-changed")]


def test_a_status_no_longer_declared_is_undone() -> None:
    """What imagesync deactivated becomes active again when the manifest drops the line."""
    made = plan(catalog(spec("a")), inventory(live(spec("a", status=Status.DEACTIVATED), status=Status.DEACTIVATED)))
    assert isinstance(made.steps[0].action, Reactivate)


def test_a_deactivation_by_another_user_is_reported_and_not_undone() -> None:
    """The other user may have had a security reason."""
    found = inventory(live(spec("a"), status=Status.DEACTIVATED))
    made = plan(catalog(spec("a")), found)
    assert not made.steps
    assert "--reactivate" in made.notes[0]
    assert isinstance(plan(catalog(spec("a")), found, Policy(reactivate=True)).steps[0].action, Reactivate)


def test_a_record_without_data_is_one_create() -> None:
    """``source: none`` is legal in Glance: status queued for ever."""
    wanted = spec("a", source=Content.NO_DATA, fingerprint=Fingerprint())
    assert kinds(plan(catalog(wanted), inventory())) == [("Create", "a", "new")]
    assert not plan(catalog(wanted), inventory(live(wanted, status=Status.QUEUED))).steps


def test_references_are_ordered_and_resolved() -> None:
    """An image that names another's id waits for it, and gets the id that is known at plan time."""
    kernel, root = spec("kernel"), spec("root", properties={"kernel_id": "${images.kernel.id}"})
    made = plan(catalog(kernel, root), inventory())
    assert made.steps[1].needs == ("create:kernel",)
    after = plan(catalog(kernel, root), inventory(live(kernel, "k")))
    assert isinstance(after.steps[0].action, Create)
    assert after.steps[0].action.state.properties["kernel_id"] == "k"


@pytest.mark.parametrize("role", [Role.CURRENT, Role.RETIRED])
def test_a_hidden_image_in_whose_favor_a_visible_one_retires_is_shown(role: Role) -> None:
    """A user gave a staged record another role: the key must not be left without a visible image."""
    wanted = spec("a", "b")
    old = live(spec("a", "a"), "old")
    staged = live(wanted, "new", role, 9, hidden=True, name="a (staging)")
    made = plan(catalog(wanted), inventory(old, staged))
    (output,) = (step for step in made.steps if step.id == "update:a:new")
    assert isinstance(output.action, Update)
    assert {change.path: change.after for change in output.action.changes} == {("hidden",): False, ("name",): "a"}
    (retired,) = (step for step in made.steps if step.id == "update:a:old")
    assert retired.needs == ("update:a:new",)
    hidden = plan(catalog(replace(wanted, hidden=True)), inventory(old, staged))
    changed = [
        change.path for step in hidden.steps if isinstance(step.action, Update) for change in step.action.changes
    ]
    assert changed == [("name",), ("hidden",)]  # the new one keeps hidden, the old one retires


def test_a_staging_record_with_the_pinned_id_is_never_deleted() -> None:
    """The service would not give the id out again."""
    kept = spec("a", "a", id="pinned", status=Status.ACTIVE)
    left = candidate(spec("a", "b"), "pinned", status=Status.QUEUED)
    other = candidate(spec("a", "b"), "left", status=Status.QUEUED)
    made = plan(catalog(kept), inventory(live(spec("a", "a"), "id-a"), left, other))
    assert {getattr(step.action, "image_id", "") for step in made.steps if isinstance(step.action, Delete)} == {"left"}
