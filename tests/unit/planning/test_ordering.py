"""The order of steps: a name is never without an image."""

from imagesync.model.catalog import (
    OnRemove,
    Policy,
)
from tests.unit.factories import candidate, catalog, inventory, live, plan, spec


def test_a_name_passes_from_one_key_to_another_without_a_gap() -> None:
    """The removal waits for the create that takes the name over."""
    made = plan(catalog(spec("new", name="x"), spec("k")), inventory(live(spec("old", name="x")), live(spec("k"))))
    assert [(type(step.action).__name__, step.needs) for step in made.steps] == [
        ("Create", ()),
        ("Delete", ("create:new",)),
    ]


def test_a_candidate_takes_a_name_over_without_a_gap() -> None:
    """The key was renamed, its build staged: the old key's image goes once the candidate has the name."""
    found = inventory(live(spec("old", name="N")), candidate(spec("new", name="N")), live(spec("k")))
    made = plan(catalog(spec("new", name="N"), spec("k")), found, Policy(on_remove=OnRemove.DELETE))
    assert [(one.id, one.needs) for one in made.steps] == [
        ("update:new:cand", ()),
        ("delete:old:id-old", ("update:new:cand",)),
    ]
