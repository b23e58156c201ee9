"""The id of a step."""

import pytest

from imagesync.model.plan import Action, Deactivate, Delete, Reactivate, Reason, Update
from imagesync.planning.steps import create_id, make_step
from tests.unit.factories import catalog, inventory, plan, spec


@pytest.mark.parametrize(
    ("action", "step_id"),
    [
        (Update("a", "i", (), None), "update:a:i"),
        (Deactivate("a", "i"), "deactivate:a:i"),
        (Reactivate("a", "i"), "reactivate:a:i"),
        (Delete("a", "i"), "delete:a:i"),
    ],
)
def test_a_step_is_named_by_action_key_and_image(action: Action, step_id: str) -> None:
    """Two steps of one image differ in what they do."""
    made = make_step(action, Reason.DRIFT, ["first"])
    assert (made.id, made.needs, made.reason) == (step_id, ("first",), Reason.DRIFT)


def test_a_create_is_named_by_its_key() -> None:
    """A pinned id does not count: other steps can wait for the image of a key."""
    (step,) = plan(catalog(spec("a", id="pinned")), inventory()).steps
    assert step.id == create_id("a") == "create:a"
