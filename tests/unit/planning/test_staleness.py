"""What a plan relied on, and whether it still holds."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from imagesync.errors import StalePlan
from imagesync.model.catalog import Checksum, Fingerprint, ImageSpec, Role, Status, UrlSource, Visibility
from imagesync.model.image import Inventory, LiveImage, MemberState
from imagesync.model.plan import Create, Plan, Reliance, find_image_id
from imagesync.model.policy import OnRemove, OnReplace, Policy
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.planning import staleness as limits
from imagesync.planning.staleness import (
    collect_taken_names,
    find_published_clashes,
    find_stale_reliances,
    find_unmet_steps,
)
from tests.unit.factories import PROJECT, candidate, catalog, inventory, live, plan, retired, rewrite, spec
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


@pytest.mark.parametrize(("owner", "is_stale"), [("project-2", True), (PROJECT, False)])
def test_a_name_is_taken_in_the_project_that_the_key_names(owner: str, is_stale: bool) -> None:
    """The new image of a key with ``owner`` is in that project: an image of the session's project is not in its way."""
    made = plan(catalog(spec("a", owner="project-2")), inventory())
    foreign = LiveImage("foreign", name="a", owner=owner)
    assert bool(find_stale_reliances(made, inventory(foreign=(foreign,)))) is is_stale
    assert find_clashes_of(made, inventory(foreign=(foreign,))) == is_stale


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
    """A failed step took no name. A step that deferred a deletion has published its image."""
    made = plan(catalog(spec("a")), inventory())
    assert isinstance(made.steps[0].action, Create)
    taken = inventory(live(spec("a"), "new"), foreign=(LiveImage("foreign", name="a", owner=PROJECT),))
    assert [find_clashes_of(made, taken, outcome) for outcome in (Outcome.DONE, Outcome.DEFERRED)] == [1, 1]
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


UNKNOWN = spec("a", fingerprint=Fingerprint((Checksum("sha512", "b" * 128),), 4096), min_ram=3)
"""Compared with images of which only a sha256 is known."""


@pytest.mark.parametrize("image_id", ["now", "cand"])
@pytest.mark.parametrize(
    "attrs",
    [{"status": Status.QUEUED}, {"owner": "f" * 32}, {"protected": True}, {"visibility": Visibility.PUBLIC}, {}],
)
def test_a_plan_relies_on_every_image_that_its_new_build_is_compared_with(image_id: str, attrs: dict[str, Any]) -> None:
    """Their state and record: another image could be taken for the declared build."""
    images = [live(spec("a"), "now"), candidate(spec("a"))]
    made = plan_stage(catalog(UNKNOWN), inventory(*images))
    assert [step.action.may_hold for step in made.steps if isinstance(step.action, Create)] == [("now", "cand")]
    assert [each.image_id for each in made.relies] == ["cand", "now"]
    changed = inventory(*(replace(image, **attrs) if image.id == image_id else image for image in images))
    assert len(find_stale_reliances(made, changed)) == bool(attrs)


def test_a_plan_relies_on_the_fields_in_which_its_new_build_differs() -> None:
    """The plan shows these changes: the image must still have the values that were shown."""
    old = live(spec("a", min_ram=1, min_disk=2), "old")
    made = plan(catalog(spec("a", "b", min_ram=3, min_disk=2)), inventory(old))
    assert find_stale_reliances(made, inventory(replace(old, min_disk=9))) == ()
    assert find_stale_reliances(made, inventory(replace(old, min_ram=9))) == (
        "a: min_ram of image old changed meanwhile",
    )


def test_of_two_current_images_a_plan_relies_on_the_fields_of_the_one_that_it_shows() -> None:
    """The plan shows in which fields the new build differs from the newest of them."""
    first, last = live(spec("a"), "first"), live(spec("a", min_ram=1), "last", generation=2)
    made = plan(catalog(spec("a", "b", min_ram=3)), inventory(first, last))
    assert find_stale_reliances(made, inventory(replace(first, min_ram=9), last)) == ()
    assert find_stale_reliances(made, inventory(first, replace(last, min_ram=9))) == (
        "a: min_ram of image last changed meanwhile",
    )


KERNEL = "c" * 8 + "-0000-4000-8000-000000000000"


@pytest.mark.parametrize("has_image", [True, False])
def test_a_plan_relies_on_images_whose_ids_it_writes(*, has_image: bool) -> None:
    """Only on their role: an image that retired meanwhile must not be referred to. Other fields do not matter."""
    kernel, root = live(spec("kernel"), KERNEL), spec("root", properties={"kernel_id": "${images.kernel.id}"})
    owned = [kernel, live(spec("root"), "root")] if has_image else [kernel]
    made = plan(catalog(spec("kernel"), root), inventory(*owned))
    assert [each.values for each in made.relies if each.image_id == KERNEL] == [
        {"properties.imagesync_role": "current"}
    ]
    renamed = inventory(*(replace(image, name="x") if image.id == KERNEL else image for image in owned))
    assert find_stale_reliances(made, renamed) == ()
    gone = inventory(*(rewrite(image, role=Role.RETIRED) if image.id == KERNEL else image for image in owned))
    assert f"kernel: properties.imagesync_role of image {KERNEL} changed meanwhile" in find_stale_reliances(made, gone)


def test_a_rejected_build_of_the_same_url_with_another_digest_is_another_build() -> None:
    """The URL identifies only content without a digest."""
    source = UrlSource(("https://x/latest.raw",))
    made = plan(catalog(spec("a", "b", source=source)), inventory())
    other = candidate(spec("a", "c", source=source), status=Status.DEACTIVATED)
    assert find_stale_reliances(made, inventory(other)) == ()
    same = candidate(spec("a", "b", source=source), status=Status.DEACTIVATED)
    assert "rejected" in find_stale_reliances(made, inventory(same))[0]


def test_a_candidate_takes_no_name_until_it_is_published() -> None:
    """An earlier build that is shown again takes the name that it has."""
    assert collect_taken_names(plan_stage(catalog(spec("a")), inventory())) == ()
    found = inventory(live(spec("a", "b"), "now", generation=2), retired(spec("a"), "old"))
    assert collect_taken_names(plan(catalog(spec("a")), found)) == (("a", "a"),)
    renamed = inventory(live(spec("a", "b"), "now", generation=2), replace(retired(spec("a"), "old"), name="other"))
    assert collect_taken_names(plan(catalog(spec("a")), renamed)) == (("a", "a"),)
    hidden = plan(catalog(spec("a", hidden=True)), found)
    assert collect_taken_names(hidden) == ()


def test_a_reference_is_not_compared_after_the_run() -> None:
    """The plan has the text, and the image the id. Other properties of the same update are compared."""
    root = spec("root", properties={"kernel_id": "${images.kernel.id}", "p": "1"})
    made = plan(catalog(spec("kernel"), root), inventory(live(spec("root"), "root")))
    after = live(spec("root"), "root")
    done = replace(after, properties={**after.properties, "kernel_id": KERNEL, "p": "1"})
    kernel = live(spec("kernel"), "new")
    assert find_unmet_steps(report_of(made), inventory(kernel, done)) == ()
    without = replace(after, properties={**after.properties, "kernel_id": KERNEL})
    assert len(find_unmet_steps(report_of(made), inventory(kernel, without))) == 1


@pytest.mark.parametrize("number", range(8))
def test_a_message_names_five_changed_fields_and_counts_the_others(number: int) -> None:
    """One more is counted as one more."""
    names = [f"p{index}" for index in range(number)]
    wanted, before = spec("a", properties=dict.fromkeys(names, "1"), min_ram=1), live(spec("a"))
    made = plan(catalog(wanted), inventory(before))
    after = replace(before, properties={**before.properties, **dict.fromkeys(names, "2")})
    sentences = find_stale_reliances(made, inventory(after))
    fields = ", ".join(f"properties.{name}" for name in names[:5]) + (
        f", {number - 5} more fields" if number > 5 else ""
    )
    assert sentences == ((f"a: {fields} of image id-a changed meanwhile",) if number else ())


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.MAX_NAMED_FIELDS == 5


def test_a_plan_relies_on_the_changed_fields_of_the_newest_image_only() -> None:
    """A broken run left two; users who take the newest see the changes."""
    older, newer = live(spec("a", "a"), "older"), live(spec("a", "a"), "newer", generation=2)
    made = plan(catalog(spec("a", "b", min_ram=3)), inventory(newer, older))
    relied = {each.image_id: each.values for each in made.relies}
    assert ("min_ram" in relied["newer"], "min_ram" in relied["older"]) == (True, False)


def test_an_image_that_a_step_touches_is_relied_on_by_the_key_of_that_step() -> None:
    """Not by the former key, which its record names while another image gets its id into a property."""
    image_id = "aaaaaaaa-0000-4000-8000-000000000000"
    user = spec("a", properties={"base": "${images.new.id}"})
    wanted = catalog(user, spec("new", name="old", min_ram=1, moved_from=("old",)), moved={"new": ("old",)})
    made = plan(wanted, inventory(live(spec("a")), live(spec("old"), image_id)))
    assert {each.image_id: each.key for each in made.relies} == {"id-a": "a", image_id: "new"}
