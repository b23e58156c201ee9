"""``imagesync.render.target_groups``: targets with equal results are one group."""

from dataclasses import replace

import pytest

from imagesync.errors import Diagnostic
from imagesync.model.catalog import Visibility
from imagesync.model.image import Identity
from imagesync.model.plan import Plan, PlanError
from imagesync.model.targets import PlannedTarget
from imagesync.render.document import TargetGroup
from imagesync.render.style import Detail
from imagesync.render.target_groups import describe_group, group_equal, group_plans
from tests.unit.factories import NOW, candidate, catalog, inventory, live, plan, spec


def test_equal_results_are_one_group_at_the_place_of_its_first_target() -> None:
    """The names and the groups are in the order of the manifest, and a group has the result of its first one."""
    results = [("us", "b1"), ("eu", "a1"), ("lab", "B2"), ("asia", "c1"), ("test", "A2")]
    assert group_equal(results, lambda result: result[0].lower()) == (
        TargetGroup(("us", "lab"), "b1"),
        TargetGroup(("eu", "test"), "a1"),
        TargetGroup(("asia",), "c1"),
    )
    assert group_equal([], lambda result: result) == ()


@pytest.mark.parametrize(
    ("names", "changes", "words"),
    [
        (["eu"], 0, "eu: no changes"),
        (["eu"], 1, "eu: 1 change"),
        (["eu", "us"], 0, "eu, us: no changes"),
        (["eu", "us"], 1, "eu, us: the same change"),
        (["eu", "us"], 3, "eu, us: the same 3 changes"),
        (["e\x1bu"], 3, "e\\x1bu: 3 changes"),
    ],
)
def test_a_group_has_its_targets_and_the_number_of_changes(names: list[str], changes: int, words: str) -> None:
    """Control characters of a name are escaped."""
    assert describe_group(names, changes) == words


def test_no_target_is_left_out() -> None:
    """Also of fifty."""
    names = [f"region-{number:02}" for number in range(50)]
    assert describe_group(names, 2) == f"{', '.join(names)}: the same 2 changes"


def make_plan_on(target: str, made: Plan) -> PlannedTarget:
    """The plan of one target, in a place of its own."""
    here = Identity("glance", f"https://{target}.example", f"project-of-{target}", target, label=target)
    return PlannedTarget(target, replace(made, target=here, target_name=target))


MADE = plan(catalog(spec("a", "b"), spec("b")), inventory(live(spec("a"))))
PROBLEM = Diagnostic("a.yaml", 3, 5, "images.b", "not found", "correct it")


@pytest.mark.parametrize(
    "other",
    [
        plan(catalog(spec("a", "b"), spec("b", visibility=Visibility.PUBLIC)), inventory(live(spec("a")))),
        plan(catalog(spec("a", "b"), spec("b")), inventory(live(spec("a")), candidate(spec("b")))),
        replace(MADE, notes=("a note",)),
        replace(MADE, errors=(PlanError("b", PROBLEM),)),
    ],
    ids=["a field", "a candidate", "a note", "an error"],
)
def test_plans_that_differ_for_a_reader_are_not_one_group(other: Plan) -> None:
    """The names of the place do not count."""
    planned = [make_plan_on("eu", MADE), make_plan_on("lab", other), make_plan_on("us", MADE)]
    assert [group.names for group in group_plans(planned, now=NOW)] == [("eu", "us"), ("lab",)]


def test_plans_that_differ_only_in_counts_are_one_group() -> None:
    """The text has the counts of each target."""
    planned = [make_plan_on("eu", MADE), make_plan_on("lab", replace(MADE, unchanged=7, wanted=9))]
    assert [group.names for group in group_plans(planned, now=NOW)] == [("eu", "lab")]


def test_refusals_and_problems_are_part_of_a_plan() -> None:
    """A target that was not reached has only its problem."""
    eu, us = make_plan_on("eu", MADE), make_plan_on("us", MADE)
    dead = [PlannedTarget(name, None, problems=(Diagnostic("", 0, 0, "", "no answer"),)) for name in ("x", "y")]
    other = PlannedTarget("z", None, problems=(PROBLEM,))
    planned = [eu, replace(us, refusals=("too many",)), *dead, other]
    assert [group.names for group in group_plans(planned, now=NOW)] == [("eu",), ("us",), ("x", "y"), ("z",)]


def test_with_all_details_an_id_makes_a_difference() -> None:
    """Without them no reader sees it."""
    wanted = catalog(spec("a", min_ram=7))
    planned = [make_plan_on(name, plan(wanted, inventory(live(spec("a"), f"id-{name}")))) for name in ("eu", "us")]
    groups = [group_plans(planned, now=NOW, detail=detail) for detail in Detail]
    assert [len(group) for group in groups] == [1, 1, 2]
