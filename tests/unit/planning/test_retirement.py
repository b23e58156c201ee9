"""Superseded builds and removed keys: what is deleted, what stays and why."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import Role, Status
from imagesync.model.plan import (
    Create,
    Deactivate,
    Delete,
    Kept,
    Reason,
    Update,
    find_image_id,
    summarize,
)
from imagesync.model.policy import OnRemove, OnReplace, Policy
from imagesync.model.record import hash_names, read
from imagesync.render.text import format_plan
from tests.unit.factories import NOW, candidate, catalog, inventory, live, mark, plan, retired, rewrite, spec
from tests.unit.planning.plans import actions, changes, kinds


def test_superseded_generations_beyond_keep_are_deleted() -> None:
    """``keep: 1``: of two earlier builds the older is deleted, after the new one is published."""
    old, older = live(spec("a", "a"), "old", generation=2), live(spec("a", "c"), "older", Role.RETIRED, hidden=True)
    made = plan(catalog(spec("a", "b")), inventory(old, older))
    assert [kind for kind, _, _ in kinds(made)] == ["Create", "Update", "Delete"]
    deleted = [step for step in made.steps if isinstance(step.action, Delete)]
    assert [step.action.image_id for step in deleted if isinstance(step.action, Delete)] == ["older"]


def test_of_several_images_that_retire_at_once_the_newest_is_kept() -> None:
    """A broken run may leave two current ones."""
    current = [live(spec("a", "c"), "old", generation=2), live(spec("a", "d"), "new", generation=3)]
    for images in (current, current[::-1]):
        made = plan(catalog(spec("a", "b")), inventory(*images))
        deleted = [step.action.image_id for step in made.steps if isinstance(step.action, Delete)]
        assert deleted == [current[0].id]


def test_retired_builds_are_deleted_after_their_time() -> None:
    """``delete_after`` counts from the moment of retirement."""
    wanted = spec("a", on_replace=OnReplace(delete_after=90))
    old = live(spec("a", "c"), "old", Role.RETIRED, hidden=True)
    record = read(old)
    assert record is not None
    for days, steps in ((89, 0), (90, 1)):
        since = (NOW - timedelta(days=days)).isoformat()
        marked = replace(record, managed=replace(record.managed, retired=since)).properties(old.id)
        found = inventory(live(wanted, generation=2), replace(old, properties={**old.properties, **marked}))
        assert len(plan(catalog(wanted), found).steps) == steps


def test_every_retired_image_has_its_reason_to_stay() -> None:
    """Without limit, until a day, from this retirement on, protected: as values and in words."""
    on_replace = OnReplace(keep=2, delete_after=90)
    wanted = spec("a", "d", on_replace=on_replace)
    found = inventory(
        live(spec("a", "c"), "now", generation=3),
        retired(spec("a", "b"), "earlier", 2, days=10),
        replace(retired(spec("a", "a"), "oldest", 1, days=20), protected=True),
        live(spec("b"), "b", generation=2),
        retired(spec("b", "c"), "for-good", 1, days=5),
    )
    made = plan(catalog(wanted, spec("b")), found)
    assert made.kept == (
        Kept("a", "earlier", 2, 90, "2027-02-11"),
        Kept("a", "now", 2, 90, retires=True),
        Kept("a", "oldest", 2, 90, "2027-02-01", protected=True),
        Kept("b", "for-good", 1),
    )
    text = format_plan(made, now=NOW)
    assert "old build  hidden, kept until 2027-02-21 (keep 2, 90 days)" in text
    assert "earlier  kept until 2027-02-11 (keep 2, 90 days)" in text
    assert "oldest  kept because it is protected" in text
    assert "and 1 more, of keys that this plan does not change" in text


def test_a_property_that_is_set_and_unset_is_set() -> None:
    """One change, which a request can carry."""
    on_replace = OnReplace(hide=False, set_properties=(("os", "old"),), unset=("properties.os", "properties.rest"))
    old = live(spec("a", "a", properties={"os": "new", "rest": "x"}), "old")
    made = plan(catalog(spec("a", "b", on_replace=on_replace)), inventory(old))
    (update,) = [step.action for step in made.steps if isinstance(step.action, Update)]
    assert [(change.path[1], change.after) for change in update.changes] == [("os", "old"), ("rest", None)]


def test_what_was_current_last_is_kept() -> None:
    """Not the build with the highest number: after a way back that is the bad one."""
    found = inventory(live(spec("a", "a"), "good"), retired(spec("a", "b"), "bad", 2))
    made = plan(catalog(spec("a", "c")), found)
    assert ("Delete", "bad", "superseded") in actions(made)
    assert [one.image_id for one in made.kept] == ["good"]


@pytest.mark.parametrize(("minutes", "gone"), [(5, "older"), (11, "wrong")])
def test_a_retirement_in_the_future_is_not_believed(minutes: int, gone: str) -> None:
    """One run had a clock that was ahead. What counts then is when the image was last written to; else that build would
    be kept for ever, and better ones would go in its place. Clocks may differ a little.
    """
    wrong = retired(spec("a", "a"), "wrong", 1, days=0)
    record = read(wrong)
    assert record is not None
    ahead = (NOW + timedelta(minutes=minutes)).isoformat()
    wrong = mark(wrong, replace(record, managed=replace(record.managed, retired=ahead)))
    wrong = replace(wrong, updated_at=(NOW - timedelta(days=30)).isoformat())
    older = retired(spec("a", "b"), "older", 2, days=20)
    on_replace = OnReplace(keep=1, delete_after=25)
    found = inventory(wrong, older, live(spec("a", "c", on_replace=on_replace), "now", generation=3))
    made = plan(catalog(spec("a", "c", on_replace=on_replace)), found)
    assert [item.action.image_id for item in made.steps if isinstance(item.action, Delete)] == [gone]


def test_delete_after_has_a_reason_of_its_own() -> None:
    """A kept one whose days are over is deleted as outdated, and counts as a deletion."""
    wanted = spec("a", on_replace=OnReplace(delete_after=90))
    made = plan(catalog(wanted), inventory(live(wanted, generation=2), retired(spec("a", "b"), "old", days=90)))
    assert actions(made) == [("Delete", "old", "outdated")]
    assert "older than delete_after allows" in format_plan(made)
    assert summarize(made).delete == 1


def test_a_record_with_a_wrong_time_keeps_its_image() -> None:
    """No day is known, so none has come; a time without a zone is UTC."""
    wanted = spec("a", on_replace=OnReplace(delete_after=1))
    for since, steps in (("nonsense", 0), ("2026-11-01T00:00:00", 1)):
        image = retired(spec("a", "b"), "old")
        record = read(image)
        assert record is not None
        marks = replace(record, managed=replace(record.managed, retired=since)).properties(image.id)
        found = inventory(live(wanted, generation=2), replace(image, properties={**image.properties, **marks}))
        assert len(plan(catalog(wanted), found).steps) == steps


def test_deactivate_on_replace_follows_the_retirement() -> None:
    """One writer per image: update, then deactivate."""
    wanted = spec("a", "b", on_replace=OnReplace(deactivate=True, rename="{name} ({created:%Y-%m-%d})"))
    made = plan(catalog(wanted), inventory(live(spec("a", "a"), "old")))
    assert [type(step.action) for step in made.steps] == [Create, Update, Deactivate]
    assert made.steps[2].needs[0] == made.steps[1].id
    assert changes(made)["name"] == ("a", "a (2026-11-01)")


def test_an_earlier_build_is_deleted_only_after_the_new_one_is_published() -> None:
    """Where the new build fails, the one to roll back to stays."""
    found = inventory(
        live(spec("a", "1"), "old", Role.RETIRED, 1, hidden=True),
        live(spec("a", "2"), "current", generation=2),
    )
    made = plan(catalog(spec("a", "3")), found)
    assert {item.id: item.needs for item in made.steps}["delete:a:old"] == ("create:a",)


def test_a_left_over_delete_alone_is_counted() -> None:
    """``keep`` was lowered: nothing is replaced, and one is deleted."""
    wanted = spec("a", on_replace=OnReplace(keep=0))
    made = plan(catalog(wanted), inventory(live(wanted, generation=2), retired(spec("a", "b"), "old")))
    (only,) = [one for one in made.steps if isinstance(one.action, Delete)]
    assert only.reason is Reason.SUPERSEDED
    assert "superseded, more than keep allows" in format_plan(made)
    assert "Plan: 1 to delete; " in format_plan(made)


@pytest.mark.parametrize(
    ("on_remove", "expected"),
    [
        (OnRemove.DELETE, ["Delete"]),
        (OnRemove.HIDE, ["Update"]),
        (OnRemove.DEACTIVATE, ["Update", "Deactivate"]),
        (OnRemove.KEEP, ["Update"]),
    ],
)
def test_a_key_that_left_the_manifest(on_remove: OnRemove, expected: list[str]) -> None:
    """``on_remove`` decides; the plan counts the key as removed."""
    made = plan(catalog(spec("a")), inventory(live(spec("a")), live(spec("b"))), Policy(on_remove=on_remove))
    assert [kind for kind, _, _ in kinds(made)] == expected
    assert made.removed == ("b",)


def test_a_disowned_image_loses_the_mark() -> None:
    """``keep`` is an update without a record."""
    made = plan(catalog(spec("a")), inventory(live(spec("a")), live(spec("b"))), Policy(on_remove=OnRemove.KEEP))
    assert isinstance(made.steps[0].action, Update)
    assert made.steps[0].action.record is None


def test_disowning_takes_every_mark_off() -> None:
    """Current and retired images stay as they are, unowned; candidates are deleted."""
    found = inventory(live(spec("b"), "now"), retired(spec("b", "c"), "old"), candidate(spec("b", "d")))
    made = plan(catalog(spec("a"), keys=frozenset("a")), found, Policy(on_remove=OnRemove.KEEP))
    updates = [one.action for one in made.steps if isinstance(one.action, Update)]
    assert [(one.image_id, one.changes, one.record) for one in updates] == [("now", (), None), ("old", (), None)]
    assert ("Delete", "cand", "discarded") in actions(made)


def test_superseded_images_of_a_hidden_key_continue_to_age() -> None:
    """By the policy's on_replace; the hidden one stays."""
    policy = Policy(on_remove=OnRemove.HIDE, on_replace=OnReplace(keep=1, delete_after=30))
    found = inventory(live(spec("b"), "now", generation=3, hidden=True), retired(spec("b", "c"), "old", 2, days=31))
    assert actions(plan(catalog(spec("a")), inventory(live(spec("a")), *found.owned), policy)) == [
        ("Delete", "old", "outdated")
    ]


def test_a_protected_image_leaves_only_with_permission() -> None:
    """The refusal names image and flag; with it the delete takes the protection off."""
    found = inventory(live(spec("a")), live(spec("b"), protected=True))
    with pytest.raises(PlanRefused, match="--allow-protected"):
        plan(catalog(spec("a")), found)
    (step,) = plan(catalog(spec("a")), found, Policy(allow_protected=True)).steps
    assert isinstance(step.action, Delete)
    assert step.action.unprotect


@pytest.mark.parametrize("on_remove", list(OnRemove))
def test_a_protected_image_leaves_in_no_way_without_permission(on_remove: OnRemove) -> None:
    """Deleted, deactivated, hidden or released."""
    found = inventory(live(spec("a")), live(spec("b"), protected=True))
    with pytest.raises(PlanRefused, match="protected image id-b; pass --allow-protected"):
        plan(catalog(spec("a")), found, Policy(on_remove=on_remove))
    assert plan(catalog(spec("a")), found, Policy(on_remove=on_remove, allow_protected=True)).steps


@pytest.mark.parametrize(
    ("on_remove", "attrs"), [(OnRemove.HIDE, {"hidden": True}), (OnRemove.DEACTIVATE, {"status": Status.DEACTIVATED})]
)
def test_a_protected_image_that_was_already_removed_needs_no_permission(
    on_remove: OnRemove, attrs: dict[str, Any]
) -> None:
    """Nothing more is done to it: else each later plan would be refused."""
    found = inventory(live(spec("a")), live(spec("b"), protected=True, **attrs))
    assert plan(catalog(spec("a")), found, Policy(on_remove=on_remove)).steps == ()


@pytest.mark.parametrize("on_remove", [OnRemove.DELETE, OnRemove.KEEP])
def test_a_protected_earlier_build_leaves_in_no_way_without_permission(on_remove: OnRemove) -> None:
    """With the key all its builds go, not the current one alone."""
    found = inventory(live(spec("a")), live(spec("b")), replace(retired(spec("b", "c"), "old"), protected=True))
    with pytest.raises(PlanRefused, match=r"protected image old; pass --allow-protected"):
        plan(catalog(spec("a")), found, Policy(on_remove=on_remove))
    assert plan(catalog(spec("a")), found, Policy(on_remove=on_remove, allow_protected=True)).steps


@pytest.mark.parametrize("on_remove", list(OnRemove))
def test_an_image_that_an_earlier_run_began_to_delete_is_deleted(on_remove: OnRemove) -> None:
    """Of a wanted key, and of a removed one in every way; whatever else holds its content, it never comes back."""
    wanted = spec("a")
    marked = live(wanted, "marked", Role.DELETING, hidden=True)
    made = plan(catalog(wanted), inventory(marked))
    assert kinds(made) == [("Create", "a", "new"), ("Delete", "a", "deleting")]
    assert kinds(plan(catalog(wanted), inventory(marked, live(wanted)))) == [("Delete", "a", "deleting")]
    gone = plan(catalog(), inventory(marked), Policy(on_remove=on_remove, allow_destroy=True))
    assert [kind for kind, _, _ in kinds(gone)] == ["Delete"]


def test_what_retires_now_is_not_too_old_whatever_its_record_says() -> None:
    """A user wrote a time of retirement into the record of the current image."""
    new = spec("a", "b", on_replace=OnReplace(keep=2, delete_after=1))
    old = live(spec("a", "a"))
    record = read(old)
    assert record is not None
    forged = rewrite(old, managed=replace(record.managed, retired="2000-01-01T00:00:00+00:00"))
    made = plan(catalog(new), inventory(forged))
    assert [type(step.action).__name__ for step in made.steps] == ["Create", "Update"]


def test_a_retired_build_remembers_what_the_manifest_and_what_the_retirement_set() -> None:
    """Published again, it loses the tags and properties of both that are declared no more; those of other users stay."""
    old = spec("a", "a", tags=frozenset({"t"}), properties={"p": "1"})
    new = spec("a", "b", on_replace=OnReplace(set_tags=("old",), set_properties=(("q", "2"),)))
    made = plan(catalog(new), inventory(live(old, "one")))
    (retirement,) = (step.action for step in made.steps if isinstance(step.action, Update))
    assert retirement.record is not None
    assert set(retirement.record.managed.tags) == set(hash_names(("t", "old")))
    assert set(retirement.record.managed.properties) == set(hash_names(("p", "q")))
    image = live(old, "one")
    later = mark(
        replace(image, hidden=True, tags=frozenset({"t", "old", "x"}), properties={**image.properties, "q": "2"}),
        retirement.record,
    )
    back = plan(catalog(spec("a", "a")), inventory(later, live(new, "two", generation=2)))
    (published,) = (step.action for step in back.steps if find_image_id(step.action) == "one")
    assert isinstance(published, Update)
    after = {change.path: change.after for change in published.changes}
    assert after == {("hidden",): False, ("tags",): ("x",), ("properties", "p"): None, ("properties", "q"): None}


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.DEACTIVATED])
@pytest.mark.parametrize("deactivates", [True, False])
def test_only_an_active_build_is_deactivated_when_it_retires(status: Status, *, deactivates: bool) -> None:
    """Only then a rollback reactivates it: what another user deactivated stays so."""
    wanted = spec("a", "b", on_replace=OnReplace(deactivate=deactivates))
    made = plan(catalog(wanted), inventory(live(spec("a"), "old", status=status)))
    is_deactivated = deactivates and status is Status.ACTIVE
    assert ["update:a:old" in step.needs for step in made.steps if isinstance(step.action, Deactivate)] == (
        [True] if is_deactivated else []
    )
    (record,) = [step.action.record for step in made.steps if isinstance(step.action, Update)]
    assert record is not None
    assert record.managed.before.get("status") == ("active" if is_deactivated else None)


@pytest.mark.parametrize("keep", [0, 1])
def test_an_image_to_adopt_that_is_passed_over_is_not_deleted_by_the_same_run(keep: int) -> None:
    """Another user made it: at the earliest the next run deletes it. An owned one beyond ``keep`` is deleted at once."""
    foreign = replace(live(spec("a"), "foreign", disk_format="qcow2"), properties={})
    wanted = spec("a", "b", adopt="foreign", on_replace=OnReplace(keep=keep))
    made = plan(catalog(wanted), inventory(foreign=(foreign,)))
    assert [kind for kind, *_ in kinds(made)] == ["Create", "Update"]
    assert [(one.image_id, one.retires, one.protected) for one in made.kept] == [("foreign", True, False)]
    owned = plan(catalog(replace(wanted, adopt=False)), inventory(live(spec("a"), "ours")))
    assert [kind for kind, *_ in kinds(owned)] == ["Create", "Update", *(["Delete"] if keep == 0 else [])]


@pytest.mark.parametrize("days", [0, 29, 30, 31])
def test_the_end_of_a_retired_build_is_named_and_kept_to_the_day(days: int) -> None:
    """Of one that retires in this plan the day is not known yet."""
    wanted = spec("a", "b", on_replace=OnReplace(keep=5, delete_after=30))
    old = retired(spec("a", "c"), "old", 1, days=days)
    made = plan(catalog(wanted), inventory(old, live(spec("a"), "now", generation=2)))
    until = (NOW + timedelta(days=30 - days)).date().isoformat()
    assert {(one.image_id, one.until, one.retires) for one in made.kept} == {
        ("now", None, True),
        *([("old", until, False)] if days < 30 else []),
    }
    assert [step.action.image_id for step in made.steps if isinstance(step.action, Delete)] == ["old"] * (days >= 30)


@pytest.mark.parametrize("on_remove", [OnRemove.HIDE, OnRemove.DEACTIVATE])
def test_earlier_builds_of_a_removed_key_are_listed_and_its_deactivation_is_recorded_first(on_remove: OnRemove) -> None:
    """A run that dies in between must not take its own deactivation for another user's."""
    found = inventory(live(spec("a"), "now", generation=2), retired(spec("a", "b"), "old"), live(spec("b")))
    made = plan(catalog(spec("b")), found, Policy(on_remove=on_remove))
    assert [one.image_id for one in made.kept] == ["old"]
    assert [(step.id, step.needs) for step in made.steps] == (
        [("update:a:now", ())]
        if on_remove is OnRemove.HIDE
        else [("update:a:now", ()), ("deactivate:a:now", ("update:a:now",))]
    )


@pytest.mark.parametrize(
    ("attrs", "unverified", "reason"),
    [
        ({}, False, "discarded"),
        ({}, True, "incomplete"),
        ({"status": Status.QUEUED}, False, "incomplete"),
        ({"status": Status.SAVING}, False, "incomplete"),
        ({"status": Status.DEACTIVATED}, False, "discarded"),
        ({"service": {"os_glance_import_task": "t"}}, False, "incomplete"),
    ],
)
def test_only_a_verified_build_is_discarded(attrs: dict[str, Any], *, unverified: bool, reason: str) -> None:
    """Every other staged record is a left-over of a run that did not end."""
    left = rewrite(candidate(spec("a", "b"), "left", **attrs), unverified=unverified)
    assert actions(plan(catalog(spec("a")), inventory(live(spec("a")), left))) == [("Delete", "left", reason)]


def test_the_end_of_a_build_that_retires_now_is_not_known_yet() -> None:
    """It depends on the time of the apply, not on one that a user wrote into the record."""
    old = live(spec("a", "a"))
    record = read(old)
    assert record is not None
    forged = rewrite(old, managed=replace(record.managed, retired="2000-01-01T00:00:00+00:00"))
    made = plan(catalog(spec("a", "b", on_replace=OnReplace(keep=2, delete_after=1))), inventory(forged))
    assert [(kept.image_id, kept.retires, kept.until) for kept in made.kept] == [("id-a", True, None)]
