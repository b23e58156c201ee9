"""What every plan starts from: expiry, and what references mean."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import Method, OnExpire, Place, Role, Status, Transfer, UrlSource
from imagesync.model.plan import Create, Fate, Plan, Reason
from imagesync.model.policy import OnReplace, Policy, Publish
from imagesync.planning.clock import Clock
from imagesync.planning.context import PlanInput
from imagesync.planning.planner import make_plan
from imagesync.planning.staging import stage_plan
from tests.unit.factories import NOW, candidate, catalog, inventory, live, plan, plan_input, retired, rewrite, spec
from tests.unit.planning.plans import actions, changes, kinds, plan_discard, plan_rollback, plan_stage


def test_an_expired_image_is_hidden_by_default() -> None:
    """``expires`` takes effect on its day."""
    wanted = spec("a", expires="2026-11-23")
    assert changes(plan(catalog(wanted), inventory(live(spec("a"))))) == {"hidden": (False, True)}
    gone = plan(catalog(replace(wanted, on_expire=OnExpire.DELETE)), inventory(live(spec("a"))))
    assert kinds(gone) == [("Delete", "a", "expired")]


@pytest.mark.parametrize(
    ("on_expire", "expected"),
    [
        (OnExpire.HIDE, [("Update", "id-a", "expired")]),
        (OnExpire.DEACTIVATE, [("Update", "id-a", "expired"), ("Deactivate", "id-a", "expired")]),
        (OnExpire.DELETE, [("Delete", "id-a", "expired")]),
    ],
)
def test_an_expiry_is_its_own_reason(on_expire: OnExpire, expected: list[tuple[str, str, str]]) -> None:
    """Whatever it does; on the day before nothing happens."""
    wanted = spec("a", expires="2026-11-23", on_expire=on_expire)
    found = inventory(live(spec("a")))
    assert actions(plan(catalog(wanted), found)) == expected
    assert plan(catalog(wanted), found, now=NOW - timedelta(days=1)).steps == ()


def test_an_image_that_expired_before_it_was_made_is_not_made() -> None:
    """An upload that users may not see is useless; the plan says so."""
    made = plan(catalog(spec("a", expires="2026-11-23")), inventory())
    assert made.steps == ()
    assert "expired on 2026-11-23" in made.notes[0]


def test_references_mean_the_images_that_only_leaves_out() -> None:
    """A plan with ``only`` still fills in the ids of the other keys."""
    kernel, root = spec("kernel"), spec("root", properties={"kernel_id": "${images.kernel.id}"})
    image = live(root)
    image = replace(image, properties={**image.properties, "kernel_id": "k"})
    wanted = catalog(root, keys=frozenset({"kernel", "root"}), only=("root",))
    assert plan(wanted, inventory(live(kernel, "k"), image)).steps == ()


def test_a_reference_to_what_is_not_there_and_not_made_is_refused() -> None:
    """Otherwise its text would be in the place of an id."""
    root = spec("root", properties={"kernel_id": "${images.kernel.id}"})
    with pytest.raises(PlanRefused, match=r"images.root: it refers to images.kernel, which has no image"):
        plan(catalog(root, keys=frozenset({"kernel", "root"}), only=("root",)), inventory())


def test_restoring_drift_leaves_references_to_what_is_there() -> None:
    """The new build is not made, so a reference means the current image."""
    root = spec("root", properties={"kernel_id": "${images.kernel.id}"})
    image = live(root)
    image = replace(image, properties={**image.properties, "kernel_id": "k"})
    wanted, found = catalog(spec("kernel", "b"), root), inventory(live(spec("kernel", "a"), "k"), image)
    assert plan(wanted, found, Policy(drift_only=True)).steps == ()


@pytest.mark.parametrize("make", [make_plan, stage_plan])
def test_what_refers_to_a_rejected_key_without_an_image_waits_for_it(make: Callable[[PlanInput], Plan]) -> None:
    """The other keys continue; the note names the key that it waits for, and its own candidate stays."""
    root = spec("root", properties={"kernel_id": "${images.kernel.id}"})
    top = spec("top", properties={"root_id": "${images.root.id}"})
    found = inventory(candidate(spec("kernel"), "k", status=Status.DEACTIVATED), candidate(root, "r"))
    made = make(plan_input(catalog(spec("kernel"), root, top, spec("z")), found))
    assert [step.id for step in made.steps] == ["create:z"]
    waits = "which has no published image yet; this key is left as it is until then"
    assert made.notes[1:] == (
        f"root: it refers to images.kernel, {waits}",
        f"top: it refers to images.root, {waits}",
    )
    assert [(one.image_id, one.fate.value) for one in made.candidates] == [("k", "rejected"), ("r", "waiting")]


def test_what_refers_to_a_key_that_is_left_as_it_is_gets_its_current_image() -> None:
    """Rejected, or not staged yet."""
    root = spec("root", properties={"kernel_id": "${images.kernel.id}"})
    wanted = catalog(spec("kernel", "b"), root)
    rejected = candidate(spec("kernel", "b"), "k", status=Status.DEACTIVATED)
    for found, policy in (
        (inventory(live(spec("kernel"), "now"), rejected), Policy()),
        (inventory(live(spec("kernel"), "now"), candidate(root, "r")), Policy(publish=Publish.STAGED_ONLY)),
    ):
        made = plan(wanted, found, policy)
        action = made.steps[0].action
        if isinstance(action, Create):
            assert action.state.properties["kernel_id"] == "now"
        else:
            assert changes(made)["properties.kernel_id"][1] == "now"
        assert made.ids["kernel"] == "now"


def test_a_plan_names_the_projects_of_the_images_that_it_names() -> None:
    """Also of an image that it does not touch: apply must know that it is the catalog's."""
    wanted = spec("a", owner="project-2")
    made = plan(catalog(wanted, spec("b")), inventory(live(wanted, owner="project-2")))
    assert (made.owners, made.ids["a"]) == ({"a": "project-2"}, "id-a")
    assert {step.action.key for step in made.steps} == {"b"}


def test_a_plan_knows_where_its_keys_stand() -> None:
    """Those whose line is known."""
    wanted = [spec("a", places={"image": Place("f", 3, 5)}), spec("b", places={"image": Place("g", 7, 1)}), spec("c")]
    made = plan(catalog(*wanted), inventory())
    assert (dict(made.places), len(made.places)) == ({"a": "f:3:5", "b": "g:7:1"}, 2)
    assert made.places.get("c") is None


def test_every_key_that_refers_to_no_image_is_refused_with_its_place() -> None:
    """Each reference by itself; one to a key that is there is none."""
    texts = {"a": "${images.x.id} ${images.y.id} ${images.ours.id}", "b": "${images.z.id}", "c": "${images.ours.id}"}
    wanted = [
        spec(key, properties={"base": text}, places={"image": Place("f", line, 1)})
        for line, (key, text) in enumerate(texts.items(), 1)
    ]
    with pytest.raises(PlanRefused) as refused:
        plan(catalog(*wanted, spec("ours")), inventory(live(spec("ours"))))
    found = [(text.split(" images.")[0], text.split("refers to images.")[1][0]) for text in refused.value.refusals]
    assert found == [("f:1:1:", "x"), ("f:1:1:", "y"), ("f:2:1:", "z")]


@pytest.mark.parametrize("on_expire", [OnExpire.HIDE, OnExpire.DEACTIVATE])
def test_every_key_of_an_uncertain_day_is_left(on_expire: OnExpire) -> None:
    """Several keys, also before other ones; keys without an expiry are planned as usual."""
    dated = [spec(key, expires="2026-11-23", on_expire=on_expire, min_ram=5) for key in "ab"]
    clock = Clock((NOW - timedelta(days=1), NOW), "they differ")
    found = inventory(*(live(spec(key)) for key in "abc"))
    made = make_plan(replace(plan_input(catalog(*dated, spec("c", min_ram=5)), found), clock=clock))
    assert [step.action.key for step in made.steps] == ["c"]
    assert {note.split(": ")[0] for note in made.notes} >= {"a", "b"}
    assert (made.wanted, made.unchanged, made.owned) == (3, 0, 1)


def test_a_staged_build_that_a_later_one_replaces_is_not_the_one_that_waits() -> None:
    """Two of the declared build and one of another: only the newest of the declared build waits for its publication."""
    staged = [candidate(spec("a", content), content + age[-2:], created_at=age) for content, age in AGES]
    made = plan_stage(catalog(spec("a", "b")), inventory(live(spec("a"), "old"), *staged))
    assert {one.image_id: one.fate for one in made.candidates} == {
        "b02": Fate.UNWANTED,
        "b03": Fate.WAITING,
        "c04": Fate.UNWANTED,
    }
    done = plan(catalog(spec("a", "b")), inventory(live(spec("a"), "old"), *staged))
    assert {one.image_id: one.fate for one in done.candidates} == {
        "b02": Fate.DROPPED,
        "b03": Fate.PUBLISHED,
        "c04": Fate.DROPPED,
    }


AGES = [("b", "2026-11-02"), ("b", "2026-11-03"), ("c", "2026-11-04")]


def test_only_keys_that_get_a_new_build_and_have_no_image_must_still_have_none() -> None:
    """Not those that publish a candidate or an earlier build, adopt an image, or replace one."""
    wanted = catalog(
        spec("new"), spec("staged"), spec("earlier"), spec("adopted", adopt=True), spec("replaced", "b"), spec("new2")
    )
    foreign = replace(live(spec("adopted"), "foreign"), properties={})
    found = inventory(
        *(candidate(spec("staged")), retired(spec("earlier"), "earlier"), live(spec("replaced"))), foreign=(foreign,)
    )
    made = plan(wanted, found)
    assert {step.action.key for step in made.steps} == {spec.key for spec in wanted.images}
    assert made.absent == ("new", "new2")


def test_lists_of_a_plan_are_sorted_by_key() -> None:
    """Whatever order the images are listed in; the same input gives the same plan."""
    keys = [f"k{number}" for number in range(20)]
    images = [live(spec(key)) for key in keys]
    gone = plan(catalog(), inventory(*reversed(images)), Policy(allow_destroy=True))
    assert gone.removed == tuple(sorted(keys))
    changed = plan(catalog(*(spec(key, min_ram=1) for key in keys)), inventory(*reversed(images)))
    assert (changed.changed, list(changed.ids)) == (tuple(sorted(keys)), sorted(keys))
    made = plan(catalog(*map(spec, keys)), inventory())
    assert made.absent == tuple(sorted(keys))


@pytest.mark.parametrize("is_ours", [True, False])
@pytest.mark.parametrize("has_image", [True, False])
def test_a_candidate_of_an_expired_key_is_rejected_if_an_operator_deactivated_it(
    *, is_ours: bool, has_image: bool
) -> None:
    """``on_expire: deactivate`` does not excuse it: only the image's own record shows that imagesync did it."""
    wanted = spec("a", "b", expires="2026-11-23", on_expire=OnExpire.DEACTIVATE)
    staged = candidate(spec("a", "b", status=Status.DEACTIVATED if is_ours else None), status=Status.DEACTIVATED)
    found = inventory(staged, *([live(spec("a"), "old")] if has_image else []))
    made = plan(catalog(wanted), found)
    assert [one.fate for one in made.candidates] == ([] if is_ours else [Fate.REJECTED])
    assert any("is rejected" in note for note in made.notes) is not is_ours
    ended = [("Update", "old", "expired"), ("Deactivate", "old", "expired")]
    assert actions(made) == (ended if has_image else [])


@pytest.mark.parametrize("make", [make_plan, stage_plan])
def test_each_of_several_keys_that_are_left_keeps_its_image_for_references(make: Callable[[PlanInput], Plan]) -> None:
    """Also the second of them."""
    rejected = [candidate(spec(key, "b"), f"{key}-cand", status=Status.DEACTIVATED) for key in "ab"]
    root = spec("root", properties={"one": "${images.a.id}", "two": "${images.b.id}"})
    found = inventory(*rejected, *(live(spec(key), f"{key}-now") for key in "ab"))
    made = make(plan_input(catalog(spec("a", "b"), spec("b", "b"), root), found))
    (create,) = [step.action for step in made.steps if isinstance(step.action, Create)]
    assert dict(create.state.properties) == {"one": "a-now", "two": "b-now"}
    assert (made.ids["a"], made.ids["b"]) == ("a-now", "b-now")


def test_every_key_that_cannot_adopt_is_refused_at_its_line() -> None:
    """The place is that of ``adopt``, and of the key if it has none."""
    places = {"adopt": Place("f", 3, 5)}
    wanted = [
        spec("a", adopt="x", places={"image": Place("f", 1, 1), **places}),
        spec("b", adopt="y", places={"image": Place("f", 7, 1)}),
    ]
    with pytest.raises(PlanRefused) as refused:
        plan(catalog(*wanted), inventory())
    assert [text.split(": images.")[0] for text in refused.value.refusals] == ["f:3:5", "f:7:1"]


def test_restoring_drift_waits_for_no_build_that_is_not_made() -> None:
    """A reference means the current image; a key without an image cannot be referred to."""
    root = spec("root", properties={"kernel_id": "${images.kernel.id}"})
    image = live(root, min_ram=0)
    image = replace(image, properties={**image.properties, "kernel_id": "theirs"})
    wanted, only = catalog(spec("kernel", "b"), root), Policy(drift_only=True)
    made = plan(wanted, inventory(live(spec("kernel", "a"), "k"), image), only)
    assert [(step.action.key, step.needs) for step in made.steps] == [("root", ())]
    assert changes(made) == {"properties.kernel_id": ("theirs", "k")}
    assert made.absent == ()
    with pytest.raises(PlanRefused, match=r"refers to images\.kernel, which has no image, and this run makes none"):
        plan(wanted, inventory(image), only)


def test_a_plan_has_the_digest_base_and_coming_expiries_of_its_manifest() -> None:
    """A key that has expired is not announced again; one without a day neither."""
    wanted = catalog(
        spec("past", expires="2026-11-23"),
        spec("today", expires="2026-11-24"),
        spec("later", expires="2027-01-01", on_expire=OnExpire.DELETE),
        spec("gone", expires="2026-11-01", on_expire=OnExpire.DELETE),
        spec("always"),
        digest="d" * 64,
    )
    made = plan(wanted, inventory(live(spec("past"))))
    assert made.expires == {"today": "2026-11-24", "later": "2027-01-01"}
    assert (made.manifest_digest, made.base) == ("d" * 64, "/images")


def test_an_import_that_a_waiting_key_will_continue_stays() -> None:
    """Its key refers to a key without an image; another left-over record of it is deleted."""
    source = UrlSource(("https://x/a",), transfer=Transfer(method=Method.WEB_DOWNLOAD))
    root = spec("root", source=source, properties={"kernel_id": "${images.kernel.id}"})
    running = rewrite(candidate(root, "running"), unverified=True)
    other = live(spec("root", "c"), "other", Role.STAGING, hidden=True, status=Status.QUEUED)
    rejected = candidate(spec("kernel"), "k", status=Status.DEACTIVATED)
    made = plan(catalog(spec("kernel"), root), inventory(rejected, running, other))
    assert actions(made) == [("Delete", "other", "incomplete")]
    assert any(note.startswith("root: it refers to images.kernel") for note in made.notes)


def test_a_new_build_is_compared_with_the_newest_image_that_it_replaces() -> None:
    """A broken run left two: users who take the newest see these changes."""
    older, newer = live(spec("a", "a", min_ram=1), "older"), live(spec("a", "a", min_ram=2), "newer", generation=2)
    made = plan(catalog(spec("a", "b", min_ram=3)), inventory(newer, older))
    (create,) = [step.action for step in made.steps if isinstance(step.action, Create)]
    assert create.replaces == ("older", "newer")
    assert [(change.path, change.before, change.after) for change in create.changes] == [(("min_ram",), 2, 3)]


def test_beside_a_rejected_candidate_one_of_another_build_is_not_wanted() -> None:
    """A staging run leaves both; the next apply deletes only the other one."""
    rejected, other = candidate(spec("a", "b"), "no", status=Status.DEACTIVATED), candidate(spec("a", "c"), "other")
    found = inventory(live(spec("a"), "now"), rejected, other)
    made = plan_stage(catalog(spec("a", "b")), found)
    assert {one.image_id: one.fate for one in made.candidates} == {"no": Fate.REJECTED, "other": Fate.UNWANTED}
    assert actions(plan(catalog(spec("a", "b")), found)) == [("Delete", "other", "discarded")]


def test_images_that_stay_are_listed_by_key_and_id() -> None:
    """Not by their age."""
    wanted = [spec(key, "d", on_replace=OnReplace(keep=5)) for key in "ba"]
    images = [
        *(
            retired(spec(key), f"{key}-{name}", number)
            for key in "ab"
            for number, name in ((1, "z"), (2, "y"), (3, "x"))
        ),
        *(live(one, generation=4) for one in wanted),
    ]
    made = plan(catalog(*wanted), inventory(*images))
    assert [one.image_id for one in made.kept] == ["a-x", "a-y", "a-z", "b-x", "b-y", "b-z"]


def test_a_key_that_waits_names_the_first_of_the_keys_without_an_image() -> None:
    """Of several references."""
    user = spec("user", properties={"one": "${images.z.id}", "two": "${images.k.id}", "three": "${images.m.id}"})
    rejected = [candidate(spec(key), f"{key}-cand", status=Status.DEACTIVATED) for key in "zkm"]
    made = plan(catalog(user, *map(spec, "zkm")), inventory(*rejected))
    assert made.notes[-2].startswith("user: it refers to images.k, which") or made.notes[1].startswith(
        "user: it refers to images.k, which"
    )
    assert sum("it refers to images." in note for note in made.notes) == 1


def test_a_candidate_that_a_staging_run_continues_waits() -> None:
    """It is not published by that run; the next apply publishes it."""
    source = UrlSource(("https://x/a",), transfer=Transfer(method=Method.WEB_DOWNLOAD))
    wanted = spec("a", source=source)
    image = rewrite(candidate(wanted, "c"), digests=(), declared=wanted.fingerprint.digests)
    staged, applied = plan_stage(catalog(wanted), inventory(image)), plan(catalog(wanted), inventory(image))
    for made, fate in ((staged, Fate.WAITING), (applied, Fate.PUBLISHED)):
        (create,) = [step.action for step in made.steps if isinstance(step.action, Create)]
        assert create.fill == "c"
        assert [one.fate for one in made.candidates] == [fate]


@pytest.mark.parametrize("make", [plan, plan_stage, plan_discard, plan_rollback])
def test_a_plan_of_every_kind_names_the_moves_behind_its_ids(make: Callable[..., Plan]) -> None:
    """Also one that writes no new key: without the move, its check would not find the image of the key."""
    wanted = catalog(
        spec("new", name="old", moved_from=("old",)),
        spec("none", moved_from=("gone",)),
        spec("a", "b"),
        moved={"new": ("old",), "none": ("gone",)},
    )
    found = inventory(
        live(spec("old")), candidate(spec("gone"), "staged"), live(spec("a")), retired(spec("a", "c"), "r")
    )
    made = make(wanted, found)
    assert made.moved == {"old": "new"} | ({"gone": "none"} if make in (plan, plan_discard) else {})
    assert made.ids["new"] == "id-old"
    assert any(step.reason is Reason.MOVED for step in made.steps) is (make is plan)


def test_an_adopted_image_that_changes_counts_among_the_live_ones() -> None:
    """Limits are a share of them."""
    foreign = replace(live(spec("a"), "theirs"), properties={})
    made = plan(catalog(spec("a", adopt=True, min_ram=7)), inventory(foreign=(foreign,)))
    assert (made.owned, made.changed) == (1, ("a",))
