"""What a plan relied on, and whether it still holds."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from imagesync.errors import StalePlan
from imagesync.model.catalog import Fingerprint, ImageSpec, Role, Status, UrlSource, Visibility
from imagesync.model.image import Inventory, LiveImage, MemberState
from imagesync.model.plan import Create, Plan, Reliance, find_image_id
from imagesync.model.policy import OnRemove, OnReplace, Policy
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.planning.staleness import (
    collect_taken_names,
    find_published_clashes,
    find_stale_reliances,
    find_unmet_steps,
)
from tests.unit.factories import PROJECT, candidate, catalog, inventory, live, plan, spec
from tests.unit.planning.plans import plan_stage

WANTED = catalog(spec("a", min_ram=1))
OLD = live(spec("a"), "old")


def test_a_plan_of_what_is_still_there_is_not_stale() -> None:
    """Whatever else changed: a field that no step touches, another image."""
    made = plan(WANTED, inventory(OLD))
    assert find_stale_reliances(made, inventory(replace(OLD, min_disk=7), live(spec("z")))) == ()


@pytest.mark.parametrize(
    ("attrs", "path"),
    [
        ({"status": Status.DEACTIVATED}, "status"),
        ({"hidden": True}, "hidden"),
        ({"name": "theirs"}, "name"),
        ({"owner": "another"}, "owner"),
        ({"visibility": Visibility.PUBLIC}, "visibility"),
        ({"protected": True}, "protected"),
        ({"properties": {**OLD.properties, "imagesync_role": Role.RETIRED.value}}, "properties.imagesync_role"),
    ],
)
def test_a_touched_image_that_changed_makes_a_plan_stale(attrs: dict[str, Any], path: str) -> None:
    """A change of its state, protection or record."""
    made = plan(WANTED, inventory(OLD))
    assert find_stale_reliances(made, inventory(replace(OLD, **attrs))) == (
        f"a: {path} of image old changed meanwhile",
    )


def test_a_field_that_the_plan_changes_must_be_as_it_was() -> None:
    """The change of another user is not overwritten."""
    image = live(spec("a"))
    made = plan(catalog(spec("a", min_ram=1)), inventory(image))
    assert find_stale_reliances(made, inventory(replace(image, min_ram=2))) == (
        "a: min_ram of image id-a changed meanwhile",
    )


def test_a_deleted_image_makes_a_plan_stale() -> None:
    """Deleted, or taken out of the catalog."""
    assert find_stale_reliances(plan(WANTED, inventory(OLD)), inventory()) == (
        "a: image old was deleted or lost its marker meanwhile",
    )


def test_an_image_that_was_made_meanwhile_makes_a_plan_stale() -> None:
    """Two builds of one key would be current."""
    made = plan(catalog(spec("a")), inventory())
    assert find_stale_reliances(made, inventory(live(spec("a"), "other"))) == (
        "a: another run created image other meanwhile",
    )


@pytest.mark.parametrize(
    ("attrs", "is_stale"),
    [({}, True), ({"hidden": True}, False), ({"name": "x"}, False), ({"owner": "project-2"}, False)],
)
def test_a_name_that_was_taken_meanwhile_makes_a_plan_stale(attrs: dict[str, Any], is_stale: bool) -> None:
    """By a visible image of the same project."""
    made = plan(catalog(spec("a")), inventory())
    foreign = replace(LiveImage("foreign", name="a", owner=PROJECT), **attrs)
    expected = ("a: image foreign has taken the name 'a' meanwhile",) if is_stale else ()
    assert find_stale_reliances(made, inventory(foreign=(foreign,))) == expected


def test_a_name_is_taken_whatever_a_plan_says_it_relied_on() -> None:
    """A forged plan may name the image that holds the name, or a rejected candidate, as relied on."""
    made = plan(catalog(spec("a")), inventory())
    foreign = LiveImage("foreign", name="a", owner=PROJECT)
    rejected = candidate(spec("a"), status=Status.DEACTIVATED)
    forged = replace(made, relies=(Reliance("foreign", "a", {}), Reliance("cand", "a", {})))
    found = find_stale_reliances(forged, inventory(rejected, foreign=(foreign,)))
    assert ["rejected" in found[0], "taken" in found[1]] == [True, True]


def test_a_plan_takes_the_names_that_it_makes_visible() -> None:
    """Of new images and of renamed ones; a hidden image takes none."""
    wanted = catalog(spec("new"), spec("off", hidden=True), spec("other", name="renamed"))
    assert collect_taken_names(plan(wanted, inventory(live(spec("other"))))) == (("new", "new"), ("other", "renamed"))


@pytest.mark.parametrize("make", [plan, plan_stage])
def test_a_build_that_was_rejected_meanwhile_makes_a_plan_stale(make: Callable[..., Plan]) -> None:
    """It is neither published nor staged again; the rejection of another build, or one that the plan knew, does not
    matter.
    """
    found = inventory(live(spec("a"), "old"))
    made = make(catalog(spec("a", "b")), found)
    rejected = candidate(spec("a", "b"), status=Status.DEACTIVATED)
    assert find_stale_reliances(made, inventory(*found.owned, rejected)) == (
        "a: candidate cand was deactivated meanwhile, so this build is rejected",
    )
    other = candidate(spec("a", "c"), status=Status.DEACTIVATED)
    assert find_stale_reliances(made, inventory(*found.owned, other)) == ()
    packed = spec("a", "b", container_format="compressed")
    known = inventory(*found.owned, rejected)
    assert find_stale_reliances(plan(catalog(packed), known), known) == ()


def test_a_build_without_a_digest_that_was_rejected_meanwhile_makes_a_plan_stale() -> None:
    """The build is identified by its URL."""
    wanted = spec("a", source=UrlSource(("https://example.org/a.raw",)), fingerprint=Fingerprint())
    made = plan(catalog(wanted), inventory())
    rejected = candidate(wanted, status=Status.DEACTIVATED)
    assert "rejected" in find_stale_reliances(made, inventory(rejected))[0]


def test_a_build_that_is_wanted_deactivated_is_not_rejected() -> None:
    """A run was killed on its way to publish it."""
    wanted = spec("a", status=Status.DEACTIVATED)
    left = candidate(wanted, status=Status.DEACTIVATED)
    assert find_stale_reliances(plan(catalog(wanted), inventory()), inventory(left)) == ()


def report_of(made: Plan, outcome: Outcome = Outcome.DONE) -> Report:
    """Every step ended so; each new image is called new."""
    return Report(
        made,
        tuple(StepResult(step, outcome, find_image_id(step.action) or "new") for step in made.steps),
    )


ON, OFF = spec("a", status=Status.ACTIVE), spec("a", status=Status.DEACTIVATED)
SHARED = spec("a", visibility=Visibility.SHARED, members=frozenset({"p1"}), members_declared=True)
OF_P1 = {"id-a": (MemberState("p1"),)}
AT_ONCE = spec("a", "b", on_replace=OnReplace(keep=0))


@pytest.mark.parametrize(
    ("before", "wanted", "met", "unmet"),
    [
        ((), spec("a"), [live(spec("a"), "new")], [[]]),
        ((live(spec("a")),), spec("a", min_ram=1), [live(spec("a", min_ram=1))], [[live(spec("a"))], []]),
        (
            (live(spec("a", properties={"p": "1"})),),
            spec("a"),
            [live(spec("a"))],
            [[live(spec("a", properties={"p": "1"}))]],
        ),
        (  # the last tag is removed
            (live(spec("a", tags=frozenset({"t"}))),),
            spec("a", tags=frozenset()),
            [live(spec("a"))],
            [[live(spec("a", tags=frozenset({"t"})))]],
        ),
        ((live(ON),), OFF, [live(OFF, status=Status.DEACTIVATED)], [[live(OFF)], []]),
        (
            (live(OFF, status=Status.DEACTIVATED),),
            ON,
            [live(ON)],
            [[live(ON, status=Status.DEACTIVATED)], []],
        ),
        (
            (live(spec("a"), "old"),),
            AT_ONCE,
            [live(AT_ONCE, "new")],
            [[live(AT_ONCE, "new"), live(spec("a"), "old", hidden=True)], []],
        ),
    ],
)
def test_a_step_whose_outcome_is_not_there_afterwards_is_named(
    before: tuple[LiveImage, ...], wanted: ImageSpec, met: list[LiveImage], unmet: list[list[LiveImage]]
) -> None:
    """A create, an update, a change of the status, a deletion; what did not succeed is named elsewhere."""
    made = plan(catalog(wanted), inventory(*before))
    assert find_unmet_steps(report_of(made), inventory(*met)) == ()
    for found in unmet:
        (sentence,) = find_unmet_steps(report_of(made), inventory(*found))
        assert sentence.endswith(" was done, but the service reports other values; run apply again")
        assert sentence.split()[0] in {step.id for step in made.steps}
        assert find_unmet_steps(report_of(made, Outcome.FAILED), inventory(*found)) == ()


def test_members_are_as_they_were_to_be() -> None:
    """Added, removed, and removed with the sharing."""
    more, private = replace(SHARED, members=frozenset({"p1", "p2"})), replace(SHARED, visibility=Visibility.PRIVATE)
    found = inventory(live(SHARED), members=OF_P1)
    for wanted, after in ((more, inventory(live(more), members=OF_P1)), (private, found)):
        made = plan(catalog(wanted), found)
        assert len(find_unmet_steps(report_of(made), after)) == 1
    assert find_unmet_steps(report_of(plan(catalog(private), found)), inventory(live(private))) == ()
    both = {"id-a": (MemberState("p2"), MemberState("p1"))}
    assert find_unmet_steps(report_of(plan(catalog(more), found)), inventory(live(more), members=both)) == ()


def test_a_released_image_is_not_expected_afterwards() -> None:
    """No catalog owns it now."""
    made = plan(catalog(), inventory(live(spec("a"))), Policy(on_remove=OnRemove.KEEP, allow_destroy=True))
    assert len(made.steps) == 1
    assert find_unmet_steps(report_of(made), inventory()) == ()


def find_clashes_of(made: Plan, found: Inventory, outcome: Outcome = Outcome.DONE) -> int:
    """How many names another image has, too, after this run."""
    return len(find_published_clashes(report_of(made, outcome), found))


def test_only_a_name_that_this_run_published_is_held_against_others() -> None:
    """A failed step took no name."""
    made = plan(catalog(spec("a")), inventory())
    assert isinstance(made.steps[0].action, Create)
    taken = inventory(live(spec("a"), "new"), foreign=(LiveImage("foreign", name="a", owner=PROJECT),))
    assert find_clashes_of(made, taken) == 1
    assert [find_clashes_of(made, taken, outcome) for outcome in (Outcome.FAILED, Outcome.NOT_STARTED)] == [0, 0]


@pytest.mark.parametrize(("number", "lines"), [(1, 1), (2, 4), (10, 12), (300, 13)])
def test_a_stale_plan_is_a_message_that_can_be_read(number: int, lines: int) -> None:
    """One line for each change, at most ten, and the remedy."""
    text = str(StalePlan([f"k{index}: min_ram of image i{index} changed meanwhile" for index in range(number)]))
    assert len(text.splitlines()) == lines
    assert max(map(len, text.splitlines())) < 140
    assert text.endswith("nothing was applied; make the plan again: imagesync plan PATH")
    assert ("and 290 more" in text) is (number == 300)


@pytest.mark.parametrize(
    ("attrs", "named"),
    [
        ({"min_ram": 9}, "min_ram of image"),
        ({"properties": {}}, "properties.imagesync_catalog, properties.imagesync_digest, properties.imagesync_id, "),
        ({"name": "x", "protected": True, "properties": {}}, "name, protected of image"),
    ],
)
def test_the_fields_that_changed_are_named(attrs: dict[str, Any], named: str) -> None:
    """Those of imagesync's own record only if there is nothing else to name."""
    before = live(spec("a"))
    made = plan(catalog(spec("a", min_ram=1)), inventory(before))
    (sentence,) = find_stale_reliances(made, inventory(replace(before, **attrs)))
    assert sentence.startswith(f"a: {named}")
