"""What the user who applies a saved plan must permit again."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import Status
from imagesync.model.plan import Deactivate, Delete, FieldChange, Reason, Update
from imagesync.model.policy import Limit, OnRemove, OnReplace, Policy
from imagesync.model.record import read
from imagesync.planning.permissions import find_exceeded_limits
from imagesync.planning.steps import make_step
from tests.unit.factories import candidate, catalog, inventory, live, plan, retired, spec
from tests.unit.planning.test_live_checks import ADOPTED

LIMITLESS = Policy(max_delete=Limit(100), max_update=Limit(100))


@pytest.mark.parametrize(
    ("on_remove", "verb"),
    [
        (OnRemove.DELETE, "delete"),
        (OnRemove.KEEP, "release"),
        (OnRemove.HIDE, "hide"),
        (OnRemove.DEACTIVATE, "deactivate"),
    ],
)
def test_a_saved_plan_needs_allow_protected_again_for_protected_images(on_remove: OnRemove, verb: str) -> None:
    """The file cannot show that its maker had it. The sentence names what the plan does to the image."""
    allowed = Policy(on_remove=on_remove, allow_protected=True)
    before = inventory(live(spec("a"), protected=True), live(spec("b")))
    made = plan(catalog(spec("b")), before, allowed)
    (refused,) = find_exceeded_limits(made, before, LIMITLESS)
    assert refused.endswith(f"would {verb} the protected image id-a; pass --allow-protected to allow it")
    assert find_exceeded_limits(made, before, replace(LIMITLESS, allow_protected=True)) == ()


@pytest.mark.parametrize("on_replace", [OnReplace(keep=0), OnReplace(keep=5, delete_after=1)])
def test_a_superseded_protected_build_is_deleted_only_with_allow_protected(on_replace: OnReplace) -> None:
    """Whether there are too many of them, or it is too old."""
    wanted = spec("a", on_replace=on_replace)
    before = inventory(live(wanted), replace(retired(spec("a", "b"), "old", days=9), protected=True))
    made = plan(catalog(wanted), before, Policy(allow_protected=True))
    assert [type(step.action) for step in made.steps] == [Delete]
    (refused,) = find_exceeded_limits(made, before, LIMITLESS)
    assert "would delete the protected image old" in refused
    assert find_exceeded_limits(made, before, replace(LIMITLESS, allow_protected=True)) == ()


def test_a_protected_image_that_is_taken_over_keeps_its_protection() -> None:
    """Unless the user who applies the plan permits it."""
    image = replace(ADOPTED, protected=True, disk_format="raw", container_format="bare", size=4096)
    before = inventory(foreign=(image,))
    made = plan(catalog(spec("z", adopt="adopted", protected=False)), before)
    assert "would take over the protected image adopted" in find_exceeded_limits(made, before, LIMITLESS)[0]
    as_it_is = plan(catalog(spec("z", adopt="adopted", protected=True)), before)
    assert find_exceeded_limits(as_it_is, before, LIMITLESS) == ()


def test_left_over_records_need_no_permission() -> None:
    """Users never saw staging records."""
    left = inventory(candidate(spec("a", "b"), protected=True), live(spec("a")))
    made = plan(catalog(spec("a")), left)
    assert [type(step.action) for step in made.steps] == [Delete]
    assert find_exceeded_limits(made, left, LIMITLESS) == ()


def test_the_last_images_of_a_catalog_are_removed_only_with_destroy() -> None:
    """Whatever counts and ids the plan claims."""
    before = inventory(live(spec("a")), live(spec("b")))
    made = replace(plan(catalog(), before), owned=9, ids={"z": "id-a"})
    assert "pass --destroy" in find_exceeded_limits(made, before, LIMITLESS)[0]
    assert find_exceeded_limits(made, before, replace(LIMITLESS, allow_destroy=True)) == ()


@pytest.mark.parametrize("change", ["hide", "deactivate", "hide one of two"])
def test_limits_at_apply_count_what_the_steps_do(change: str) -> None:
    """A file may name any reason, here a change of the manifest."""
    keys = "abcd"
    images = [live(spec(key)) for key in keys]
    if change == "hide one of two":
        images += [live(spec(key), f"more-{key}", generation=2, hidden=True) for key in keys]
    before = inventory(*images)
    steps = tuple(
        make_step(Deactivate(key, f"id-{key}"), Reason.DRIFT)
        if change == "deactivate"
        else make_step(
            Update(key, f"id-{key}", (FieldChange(("hidden",), False, True, Reason.DRIFT),), read(image)), Reason.DRIFT
        )
        for key, image in zip(keys, images, strict=False)
    )
    made = replace(
        plan(catalog(*map(spec, keys)), inventory(*map(live, map(spec, keys)))), steps=steps, changed=tuple(keys)
    )
    refused = find_exceeded_limits(made, before, LIMITLESS)
    assert "the plan would remove every live image of catalog base (4)" in refused[0]
    assert find_exceeded_limits(made, before, replace(LIMITLESS, allow_destroy=True)) == ()
    one = replace(made, steps=steps[:1], changed=("a",))
    assert find_exceeded_limits(one, before, replace(LIMITLESS, max_delete=Limit(0, percent=False))) == (
        "the plan would remove 1 of 4 live images (25 %); the limit is 0; pass --max-delete 1 to allow it",
    )


def test_what_another_build_replaces_does_not_vanish() -> None:
    """Users have the other build."""
    before = inventory(live(spec("a")), live(spec("b")))
    made = plan(catalog(spec("a", "b"), spec("b")), before)
    assert find_exceeded_limits(made, before, replace(LIMITLESS, max_delete=Limit(0, percent=False))) == ()


def test_limits_at_apply_count_live_keys() -> None:
    """Not the number that the plan claims."""
    before = inventory(live(spec("a")), live(spec("b")), live(spec("c")), live(spec("d")))
    made = replace(plan(catalog(spec("a"), spec("b")), before), owned=100)
    refused = find_exceeded_limits(made, before, replace(LIMITLESS, max_delete=Limit(30)))
    assert refused == (
        "the plan would remove 2 of 4 live images (50 %); the limit is 30 %; pass --max-delete 2 to allow it",
    )


@pytest.mark.parametrize("attrs", [{"hidden": True}, {"status": Status.DEACTIVATED}, {"status": Status.QUEUED}])
def test_images_that_no_user_could_use_before_do_not_dilute_them(attrs: dict[str, Any]) -> None:
    """A saved plan that hides half of the usable images is not saved by those of the past."""
    past = [live(spec(f"p{number}"), **attrs) for number in range(20)]
    before = inventory(*past, *(live(spec(key)) for key in "abcd"))
    keys = (*(f"p{number}" for number in range(20)), "a", "b")
    wanted = catalog(*map(spec, "ab"), keys=frozenset(keys))
    made = plan(wanted, before, Policy(on_remove=OnRemove.HIDE))
    (refused,) = find_exceeded_limits(made, before, replace(LIMITLESS, max_delete=Limit(30)))
    assert (
        refused == "the plan would remove 2 of 4 live images (50 %); the limit is 30 %; pass --max-delete 2 to allow it"
    )


def test_a_protected_image_that_a_new_build_replaces_needs_allow_protected() -> None:
    """``adopt`` names it, and it has other content: it is hidden in favor of the new build."""
    image = replace(ADOPTED, protected=True, disk_format="qcow2", container_format="bare", size=4096)
    before = inventory(foreign=(image,))
    made = plan(catalog(spec("z", adopt="adopted", on_replace=OnReplace(keep=1))), before)
    assert [step.id for step in made.steps] == ["create:z", "update:z:adopted"]
    assert find_exceeded_limits(made, before, LIMITLESS) == (
        "update:z:adopted: would take over the protected image adopted; pass --allow-protected to allow it",
    )


def test_a_key_that_vanishes_counts_as_removed_and_not_as_changed() -> None:
    """Whatever lists a forged plan has."""
    before = inventory(*(live(spec(key)) for key in "abcdef"))
    made = plan(catalog(*(spec(key) for key in "bcdef")), before)
    forged = replace(made, removed=(), changed=("a",))
    output = find_exceeded_limits(forged, before, Policy(max_delete=Limit(0), max_update=Limit(0)))
    assert output == (
        "the plan would remove 1 of 6 live images (16 %); the limit is 0 %; pass --max-delete 1 to allow it",
    )
