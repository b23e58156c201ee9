"""The order of steps: a name is never without an image."""

from dataclasses import replace
from itertools import permutations

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import Status
from imagesync.model.plan import Action, Deactivate, Delete, Reactivate, Reason, Update
from imagesync.model.policy import OnRemove, Policy
from imagesync.planning.ordering import order_steps
from imagesync.planning.steps import make_step
from tests.unit.factories import candidate, catalog, inventory, live, plan, retired, spec


def test_a_name_passes_from_one_key_to_another_without_a_gap() -> None:
    """The removal waits for the create that takes the name over."""
    made = plan(catalog(spec("new", name="x"), spec("k")), inventory(live(spec("old", name="x")), live(spec("k"))))
    assert [(type(step.action).__name__, step.needs) for step in made.steps] == [
        ("Create", ()),
        ("Delete", ("create:new",)),
    ]


@pytest.mark.parametrize("on_remove", [OnRemove.DELETE, OnRemove.HIDE, OnRemove.DEACTIVATE])
@pytest.mark.parametrize("gives", ["create:new", "update:new:cand", "update:new:back"])
def test_whatever_takes_a_name_away_waits_for_what_gives_it_to_another(on_remove: OnRemove, gives: str) -> None:
    """A new build, a candidate, or an earlier build gives it; users always find an image of that name."""
    wanted = spec("new", name="x")
    given = {
        "create:new": (),
        "update:new:cand": (candidate(wanted),),
        "update:new:back": (retired(wanted, "back"), live(spec("new", "b", name="y"), "now", generation=2)),
    }[gives]
    found = inventory(live(spec("old", name="x")), live(spec("k")), *given)
    made = plan(catalog(wanted, spec("k")), found, Policy(on_remove=on_remove))
    taking = [step for step in made.steps if step.action.key == "old"]
    kinds = {OnRemove.DELETE: "Delete", OnRemove.HIDE: "Update", OnRemove.DEACTIVATE: "Deactivate"}
    (away,) = [step for step in taking if type(step.action).__name__ == kinds[on_remove]]
    assert gives in away.needs


def test_a_candidate_takes_a_name_over_without_a_gap() -> None:
    """The key was renamed, its build staged: the old key's image is deleted once the candidate has the name."""
    found = inventory(live(spec("old", name="N")), candidate(spec("new", name="N")), live(spec("k")))
    made = plan(catalog(spec("new", name="N"), spec("k")), found, Policy(on_remove=OnRemove.DELETE))
    assert [(one.id, one.needs) for one in made.steps] == [
        ("update:new:cand", ()),
        ("delete:old:id-old", ("update:new:cand",)),
    ]


def test_a_build_that_comes_back_deactivated_does_not_wait_for_itself() -> None:
    """It gives the name, and its deactivation takes the name away: that would be a circle of one."""
    off = spec("a", status=Status.DEACTIVATED)
    visible = replace(retired(off, "old", before={}), hidden=False)  # on_replace.hide was false
    found = inventory(visible, live(spec("a", "b"), "new", generation=2))
    made = plan(catalog(off), found)
    assert [(one.id, one.needs) for one in made.steps] == [
        ("deactivate:a:old", ()),
        ("update:a:old", ("deactivate:a:old",)),
        ("update:a:new", ("update:a:old",)),
    ]


def test_swapped_names_in_another_project_do_not_stop_a_plan() -> None:
    """Two builds that come back deactivated, each under the other's name: each would wait until the other has its own.

    Who owns the project of ``owner:`` can name images there so. One of the two waits, as in every plan of the same images.
    """
    off = {key: spec(key, status=Status.DEACTIVATED) for key in "ab"}
    images = [
        replace(retired(off[key], f"old-{key}", before={}), hidden=False, name=name) for key, name in ("ab", "ba")
    ]
    images += [live(spec(key, "c"), f"new-{key}", generation=2) for key in "ab"]
    made = plan(catalog(*off.values()), inventory(*images))
    assert {one.id: one.needs for one in made.steps if one.id.startswith("deactivate")} == {
        "deactivate:a:old-a": ("update:b:old-b",),
        "deactivate:b:old-b": (),
    }
    again = plan(catalog(*reversed(off.values())), inventory(*reversed(images)))
    assert again.steps == made.steps


def test_steps_that_wait_for_each_other_are_refused() -> None:
    """Two images that refer to each other can never be made."""
    wanted = catalog(
        spec("a", properties={"p": "${images.b.id}"}), spec("b", properties={"p": "${images.a.id}"}), spec("c")
    )
    with pytest.raises(PlanRefused, match="images a, b refer to each other in a circle; remove one reference"):
        plan(wanted, inventory())


def test_steps_start_in_the_order_of_keys_as_far_as_needs_allow() -> None:
    """What is referred to comes first."""
    wanted = catalog(spec("a", properties={"p": "${images.c.id}"}), spec("b"), spec("c"))
    assert [step.id for step in plan(wanted, inventory()).steps] == ["create:b", "create:c", "create:a"]


def test_steps_that_wait_for_nothing_are_ordered_by_key_and_kind() -> None:
    """What gives users an image comes before what takes one away."""
    actions: list[Action] = [
        *(Delete("a", "x", 1), Deactivate("a", "x"), Update("a", "x", (), None), Reactivate("a", "x")),
        *(Delete("B", "x", 1), Update("a", "w", (), None)),
    ]
    steps = [make_step(action, Reason.DRIFT) for action in actions]
    expected = [
        *("delete:B:x", "reactivate:a:x", "update:a:w", "update:a:x", "deactivate:a:x", "delete:a:x"),
    ]
    for one in permutations(steps):
        assert [step.id for step in order_steps(one)] == expected


def test_a_hidden_image_neither_gives_nor_frees_its_name() -> None:
    """No user finds it by that name, so nothing waits."""
    wanted, found = catalog(spec("new", name="x"), spec("k")), inventory(live(spec("old", name="x", hidden=True)))
    made = plan(wanted, replace(found, owned=(*found.owned, live(spec("k")))))
    assert [step.needs for step in made.steps if step.action.key == "old"] == [()]
    hidden = spec("new", name="x", hidden=True)
    for image in (candidate(hidden), candidate(hidden, name="x")):
        made = plan(catalog(hidden, spec("k")), inventory(image, live(spec("old", name="x")), live(spec("k"))))
        assert [(step.id, step.needs) for step in made.steps] == [
            ("update:new:cand", ()),
            ("delete:old:id-old", ()),
        ]
