"""Images that get a new key: ``moved``."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import Catalog, ImageSpec, OnExpire, Role, Status
from imagesync.model.image import Inventory, LiveImage
from imagesync.model.plan import Create, Fate, Plan, Reason, Update
from imagesync.model.policy import OnReplace, Policy
from imagesync.model.record import KEY, read
from imagesync.planning.live_checks import find_false_claims
from imagesync.planning.moves import find_moves
from imagesync.planning.ownership import make_ownership
from imagesync.planning.plan_checks import find_faulty_steps
from tests.unit.factories import PROJECT, candidate, catalog, inventory, live, plan, retired, rewrite, spec
from tests.unit.planning.plans import actions, plan_discard, plan_rollback, plan_stage
from tests.unit.simulated import carry_out

OTHER = "project-2"


def renamed(*specs: ImageSpec, former: str = "old", **attrs: object) -> Catalog:
    """A catalog in which ``new`` had the key ``former``."""
    return catalog(*specs, moved={"new": (former,)}, **attrs)


def named(key: str, content: str = "a", **attrs: object) -> ImageSpec:
    """An image whose name does not follow its key."""
    return spec(key, content, name="web", **attrs)


def written(made: Plan) -> dict[str, str]:
    """The key that each update writes into the record of an image."""
    updates = [step.action for step in made.steps if isinstance(step.action, Update)]
    return {update.image_id: update.record.key for update in updates if update.record}


def test_a_move_writes_the_key_into_every_image_and_does_nothing_else() -> None:
    """The current image and the retired builds get the key; no id changes and nothing is uploaded."""
    owned = (live(named("old"), "now"), retired(named("old", "b"), "then", 1))
    made = plan(renamed(named("new", "a")), inventory(*owned))
    assert actions(made) == [("Update", "now", "moved"), ("Update", "then", "moved")]
    assert (made.moved, written(made)) == ({"old": "new"}, {"now": "new", "then": "new"})
    assert (made.removed, made.owned, made.ids) == ((), 1, {"new": "now"})
    for step in made.steps:
        assert isinstance(step.action, Update)
        before = read(next(image for image in owned if image.id == step.action.image_id))
        assert before is not None
        assert step.action.record == replace(before, key="new")
        assert step.action.changes == ()


def test_a_candidate_is_moved_before_it_is_published() -> None:
    """One write for the key, then the one that publishes; the old build waits for both."""
    found = inventory(live(named("old"), "now"), candidate(named("old", "b"), "next"))
    made = plan(renamed(named("new", "b")), found)
    steps = {step.id: step for step in made.steps}
    assert [step.split(":")[::2] for step in steps] == [
        ["move", "next"],
        ["move", "now"],
        ["update", "next"],
        ["update", "now"],
    ]
    assert {"move:new:next", "move:new:now"} <= set(steps["update:new:next"].needs)
    assert "update:new:next" in steps["update:new:now"].needs


def test_a_rejected_candidate_is_moved_and_stays_rejected() -> None:
    """Although nothing else is done for the key: without the candidate, its build would be published again."""
    rejected = candidate(named("old", "b"), "next", status=Status.DEACTIVATED)
    made = plan(renamed(named("new", "b")), inventory(live(named("old"), "now"), rejected))
    assert actions(made) == [("Update", "next", "moved"), ("Update", "now", "moved")]
    assert [one.fate for one in made.candidates] == [Fate.REJECTED]


def test_after_the_move_the_plan_is_empty() -> None:
    """The line may stay in the manifest; the retired build counts for the new key."""
    moved = (rewrite(live(named("old"), "now"), key="new"), rewrite(retired(named("old", "b"), "then"), key="new"))
    made = plan(renamed(named("new")), inventory(*moved))
    assert (made.steps, made.moved, made.notes) == ((), {}, ())


def test_changes_and_new_builds_wait_for_every_move() -> None:
    """So a run that ends in between leaves no current image under both keys."""
    found = inventory(live(named("old"), "now"), retired(named("old", "c"), "then"))
    made = plan(renamed(named("new", "b", min_ram=1, on_replace=OnReplace(keep=2))), found)
    moves = {step.id for step in made.steps if step.reason is Reason.MOVED}
    assert moves == {"move:new:now", "move:new:then"}
    for step in made.steps:
        assert step.reason is Reason.MOVED or moves <= set(step.needs)
    (create,) = [step.action for step in made.steps if isinstance(step.action, Create)]
    assert create.replaces == ("now",)
    assert create.record.managed.generation == 2


def test_beside_a_move_the_steps_of_a_key_are_those_without_it() -> None:
    """They wait for the moves, and also for what they always wait for."""
    kernel, later = spec("kernel", "c"), spec("kernel", "d")
    wanted = named("new", "b", properties={"kernel_id": "${images.kernel.id}"}, on_replace=OnReplace(keep=0))
    before = (live(named("old"), "now"), live(kernel, "k"), candidate(named("old", "e"), "next", status=Status.QUEUED))
    after = tuple(rewrite(image, key="new") if image.id != "k" else image for image in before)
    made = plan(renamed(wanted, later), inventory(*before))
    plain = plan(renamed(wanted, later), inventory(*after))
    moves = {step.id for step in made.steps if step.reason is Reason.MOVED}
    assert moves == {"move:new:now"}
    others = {step.id: (step.action, set(step.needs) - moves) for step in made.steps if step.id not in moves}
    assert others == {step.id: (step.action, set(step.needs)) for step in plain.steps}
    assert "create:kernel" in others["create:new"][1]
    assert others["update:new:now"][1] == {"create:new"}


def test_a_run_that_ended_between_the_moves_is_continued() -> None:
    """Whichever images have the new key already: the same images get the key, none is removed, made or retired."""
    owned = (live(named("old"), "now"), retired(named("old", "b"), "then"), retired(named("old", "c"), "first"))
    for done in product((False, True), repeat=3):
        images = [rewrite(image, key="new") if is_done else image for image, is_done in zip(owned, done, strict=True)]
        made = plan(renamed(named("new", on_replace=OnReplace(keep=2))), inventory(*images))
        left = {image.id for image, is_done in zip(owned, done, strict=True) if not is_done}
        assert {action for action in actions(made) if action[2] == "moved"} == {
            ("Update", image_id, "moved") for image_id in left
        }
        assert (made.removed, [step for step in made.steps if isinstance(step.action, Create)]) == ((), [])


def keep_some_moves(wanted: Catalog, found: Inventory) -> Iterator[Inventory]:
    """The images after each run of the plan that ended after some of its moves, in any order."""
    made = plan(wanted, found)
    moves = [step for step in made.steps if step.reason is Reason.MOVED]
    for done in product((False, True), repeat=len(moves)):
        some = tuple(step for step, is_done in zip(moves, done, strict=True) if is_done)
        yield carry_out(replace(made, steps=some), found)


@pytest.mark.parametrize("content", ["a", "b", "d"])
def test_several_current_images_of_the_former_key_are_moved_together(content: str) -> None:
    """An interrupted run left them. Another one ends between the moves, and the key may change once more before the next."""
    found = inventory(*(live(named("old", letter), f"with-{letter}") for letter in "abc"))
    last = catalog(named("new", content), moved={"new": ("mid", "old")})
    expected = carry_out(plan(last, found), found)
    for first in keep_some_moves(catalog(named("mid", content), moved={"mid": ("old",)}), found):
        for second in keep_some_moves(last, first):
            made = plan(last, second)
            assert (refuse(made, second), made.removed) == ("", ())
            left = carry_out(made, second)
            assert {(one.id, one.hidden) for one in left.owned} == {(one.id, one.hidden) for one in expected.owned}
            assert plan(last, left).steps == ()


def test_a_retired_build_that_is_deleted_is_not_written_first() -> None:
    """``keep`` counts the builds of both keys together."""
    found = inventory(
        live(named("old"), "now"), retired(named("old", "b"), "then", 2), retired(named("old", "c"), "first", 1)
    )
    made = plan(renamed(named("new")), found)
    assert actions(made) == [
        ("Update", "now", "moved"),
        ("Update", "then", "moved"),
        ("Delete", "first", "superseded"),
    ]


def test_two_current_images_are_not_merged() -> None:
    """The former key counts as removed, with its limits; a note says so."""
    found = inventory(live(named("old"), "before"), live(named("new"), "now"))
    made = plan(renamed(named("new")), found)
    assert actions(made) == [("Delete", "before", "removed")]
    assert (made.removed, made.moved) == (("old",), {})
    assert made.notes == (
        "new: both new and old have a current image, so moved is ignored: old counts as removed from the manifest",
    )


def test_another_project_cannot_have_an_image_deleted_by_its_new_key() -> None:
    """It may make an image of any key whose owner it is; that must not make the former key count as removed."""
    mine, wanted = live(named("old"), "mine"), named("new", owner=OTHER)
    for moved in (("old",), ("mid", "old")):
        forged = [live(named(key), f"forged-{key}", owner=OTHER) for key in ("new", *moved)]
        for done in product((False, True), repeat=len(forged)):
            some = [image for image, is_done in zip(forged, done, strict=True) if is_done]
            made = plan(catalog(wanted, moved={"new": moved}), inventory(mine, *some))
            assert ("Delete", "mine", "removed") not in actions(made)
    made = plan(renamed(wanted), inventory(mine, live(wanted, "forged", owner=OTHER)))
    assert (made.steps, made.removed) == ((), ())
    assert made.notes == (
        "new: both new and old have a current image, in different projects, so nothing is done for old; to have its images "
        "removed, remove moved",
    )


@pytest.mark.parametrize(
    ("declared", "current", "expected"),
    [
        (("b", "a"), ("a",), {"a": "new", "b": "new"}),
        (("b", "a"), ("b", "a"), {"b": "new"}),
        (("a", "b"), ("b", "a"), {"a": "new"}),
        (("b", "a"), (), {"a": "new", "b": "new"}),
        (("b", "a"), ("new", "a"), {"b": "new"}),
        (("c",), ("a", "b"), {}),
    ],
)
def test_of_several_former_keys_one_gives_the_current_image(
    declared: tuple[str, ...], current: tuple[str, ...], expected: dict[str, str]
) -> None:
    """The new key wins, then the first in the list; retired builds come from all of them."""
    from imagesync.planning.generations import group

    images = [live(spec(key), f"{key}-now") for key in current]
    images += [retired(spec(key, "f"), f"{key}-then") for key in ("a", "b")]
    assert find_moves({"new": declared}, group(images)) == expected


def test_keys_that_are_not_in_scope_are_left_as_they_are() -> None:
    """``--only`` another key: the images of the former key are neither moved nor removed."""
    found = inventory(live(named("old"), "now"), live(spec("b"), "other"))
    wanted = catalog(spec("b"), keys=frozenset({"b", "new"}), only=("b",), moved={"new": ("old",)})
    assert plan(wanted, found).steps == ()


def test_a_plan_of_drift_only_moves_nothing_and_says_so() -> None:
    """It writes nothing but what other users changed."""
    made = plan(renamed(named("new")), inventory(live(named("old"), "now", min_ram=9)), Policy(drift_only=True))
    assert made.steps == ()
    assert made.notes == ("new: its images still have the key old; apply without --drift-only moves them",)


def test_an_earlier_build_is_published_only_after_the_move() -> None:
    """A rollback makes no other change, and half a move would look like a removed key."""
    found = inventory(live(named("old"), "now"), retired(named("old", "b"), "then"))
    with pytest.raises(PlanRefused, match="its images still have the key old; run apply first"):
        plan_rollback(renamed(named("new")), found, "new")


def test_candidates_are_staged_and_dropped_beside_a_move() -> None:
    """The plans for candidates write into no other image; a candidate of the former key is found by the new one."""
    found = inventory(live(named("old"), "now"), candidate(named("old", "b"), "next"))
    assert actions(plan_stage(renamed(named("new", "c")), found)) == [("Create", "new", "content-changed")]
    dropped = plan_discard(renamed(named("new", "b")), found, "new")
    assert (actions(dropped), dropped.moved) == ([("Delete", "next", "discarded")], {"old": "new"})


def test_an_expired_image_is_deleted_under_its_new_key() -> None:
    """It counts as one removed key."""
    wanted = named("new", expires="2026-11-01", on_expire=OnExpire.DELETE)
    made = plan(renamed(wanted), inventory(live(named("old"), "now")))
    assert (actions(made), made.removed) == ([("Delete", "now", "expired")], ("new",))


def test_the_owner_of_the_new_key_owns_the_images_of_the_former_one() -> None:
    """Whether the key is part of this run or not."""
    here = renamed(named("new", owner=OTHER))
    elsewhere = catalog(spec("b"), owners={"new": OTHER}, moved={"new": ("old",)})
    for wanted in (here, elsewhere):
        ownership = make_ownership(wanted, PROJECT)
        assert ownership.owners == {"new": OTHER, "old": OTHER}
        assert ownership.is_owned(live(named("old"), "now", owner=OTHER))
    assert not make_ownership(renamed(named("new")), PROJECT).is_owned(live(named("old"), "now", owner=OTHER))


def moving() -> tuple[Plan, Inventory]:
    """The plan of a move and a change, and the images it was made from."""
    found = inventory(live(named("old"), "now"), live(spec("b"), "b"), live(spec("c"), "c"))
    return plan(renamed(named("new", min_ram=1), spec("b"), spec("c")), found), found


def refuse(made: Plan, found: Inventory) -> str:
    """What the checks of a saved plan say."""
    return "\n".join((*find_faulty_steps(made), *find_false_claims(made, found)))


def test_a_forged_move_is_refused() -> None:
    """A move changes nothing but the key, of an image of a listed key, whose new key has no current image."""
    made, found = moving()
    assert refuse(made, found) == ""
    assert "does not belong to new" in refuse(replace(made, moved={}), found)
    assert "does not list among the moved keys" in refuse(replace(made, moved={}), found)
    assert "the images of b cannot be moved to c" in refuse(replace(made, moved={**made.moved, "b": "c"}), found)
    move, *others = made.steps
    assert isinstance(move.action, Update)
    record = move.action.record
    assert record is not None
    for forged in (replace(record, role=Role.RETIRED), replace(record, digests=()), replace(record, spec="f" * 32)):
        steps = (replace(move, action=replace(move.action, record=forged)), *others)
        assert "changes more than the key of image now" in refuse(replace(made, steps=steps), found)
    changes = next(step.action.changes for step in others if isinstance(step.action, Update))
    steps = (replace(move, action=replace(move.action, changes=changes)), *others)
    assert "or also changes it" in refuse(replace(made, steps=steps), found)


def test_a_saved_move_is_refused_when_the_new_key_got_an_image() -> None:
    """Another run made it meanwhile."""
    made, found = moving()
    later = replace(found, owned=(*found.owned, live(named("new"), "made")))
    assert "the images of old cannot be moved to new" in refuse(made, later)


def test_a_candidate_that_was_not_verified_is_not_moved() -> None:
    """Its record says that its data is unknown; it is deleted as every left-over upload."""
    unverified: LiveImage = rewrite(candidate(named("old", "b"), "next"), unverified=True)
    made = plan(renamed(named("new")), inventory(live(named("old"), "now"), unverified))
    assert actions(made) == [("Update", "now", "moved"), ("Delete", "next", "incomplete")]
    assert KEY not in {".".join(change.path) for step in made.steps for change in getattr(step.action, "changes", ())}


@pytest.mark.parametrize(
    ("new", "is_suggested"),
    [
        (named("new"), True),
        (spec("new", "a"), True),
        (named("new", "f"), True),
        (spec("new", "f"), False),
    ],
    ids=["both", "content", "name", "neither"],
)
def test_a_move_is_suggested_for_a_new_key_that_looks_like_a_removed_one(new: ImageSpec, *, is_suggested: bool) -> None:
    """A user may not know of moved; without it the image is uploaded again, and the old one deleted."""
    made = plan(catalog(new, spec("b")), inventory(live(named("old"), "now"), live(spec("b"), "b")))
    assert ("Delete", "now", "removed") in actions(made)
    note = (
        "new: if this is the image old with a new key, declare moved: {from: old}; then nothing is uploaded or deleted"
    )
    assert any(one.startswith(note) for one in made.notes) is is_suggested


def test_no_move_is_suggested_for_a_key_that_has_an_image() -> None:
    """Nor for an image that has expired, nor where nothing is made."""
    found = inventory(live(named("old"), "before"), live(named("new"), "now"))
    assert not [note for note in plan(catalog(named("new", "b")), found).notes if "moved" in note]
    gone = named("old", expires="2026-11-01", on_expire=OnExpire.DELETE)
    assert not [
        note for note in plan(catalog(gone, spec("new", "a")), inventory(live(named("old")))).notes if "moved" in note
    ]


def test_no_move_is_suggested_for_a_key_that_has_images() -> None:
    """Its candidate shows that it is not a former key with a new name."""
    wanted, gone = catalog(spec("new", "b", name="n"), spec("z")), live(spec("old", "c", name="n"))
    bare = plan(wanted, inventory(gone, live(spec("z"))))
    assert any("new: if this is the image old with a new key" in note for note in bare.notes)
    left = candidate(spec("new", "d"), "left")
    assert not any("with a new key" in note for note in plan(wanted, inventory(gone, left, live(spec("z")))).notes)
