"""Why the image of a key is as it is: builds, differences, and the part of the plan that is about the key."""

from dataclasses import replace

from imagesync.errors import Diagnostic
from imagesync.model.catalog import Role
from imagesync.model.explanation import ContentState, Explanation
from imagesync.model.image import LiveImage
from imagesync.model.listing import Standing
from imagesync.model.plan import Candidate, Fate, Kept, PlanError
from imagesync.model.policy import OnReplace
from imagesync.planning.explanation import explain_key, list_known_keys
from imagesync.planning.planner import make_plan
from tests.unit.factories import candidate, catalog, inventory, live, plan_input, retired, spec

OLD, NEW = spec("a", "a", min_ram=5), spec("a", "b", min_ram=7, on_replace=OnReplace(keep=2, delete_after=30))


def explain(wanted: object, *images: LiveImage, key: str = "a") -> Explanation:
    """The explanation of a key of a catalog that also has the key b."""
    given = plan_input(catalog(wanted, spec("b")), inventory(*images))  # type: ignore[arg-type]
    return explain_key(given, key, make_plan(given))


def test_builds_are_current_candidates_retired() -> None:
    """Each with the state of its content; retired builds are the last retired first, and have a day."""
    images = [
        live(OLD, "now", generation=4),
        candidate(NEW, "next"),
        retired(OLD, "r1", 1, days=20),
        retired(OLD, "r3", 3, days=2),
    ]
    found = explain(NEW, *images)
    assert [(one.image.id, one.standing, one.content) for one in found.builds] == [
        ("now", Standing.CURRENT, ContentState.CHANGED),
        ("next", Standing.CANDIDATE, ContentState.SAME),
        ("r3", Standing.RETIRED, ContentState.CHANGED),
        ("r1", Standing.RETIRED, ContentState.CHANGED),
    ]
    assert found.builds[1].candidate is not None
    assert found.builds[1].candidate.fate is Fate.PUBLISHED
    kept = {one.image.id: one.kept.until for one in found.builds if one.kept}
    assert kept == {"now": None, "r3": "2026-12-21"}
    assert found.builds[3].steps == ("delete:a:r1",)


def test_drift_and_changes_of_the_manifest_are_apart() -> None:
    """Of the current build; what an apply restores is not what the manifest changes."""
    declared = spec("a", min_ram=7, min_disk=3)
    image = replace(live(spec("a", min_ram=5, min_disk=3), "now"), min_disk=9)
    (build,) = explain(declared, image).builds
    assert [(one.path, one.was, one.now) for one in build.drift] == [(("min_disk",), 3, 9)]
    assert [(one.path, one.before, one.after) for one in build.changes] == [(("min_ram",), 5, 7)]


def test_only_what_is_about_the_key_is_kept() -> None:
    """Steps, candidates, notes and errors of other keys are left out."""
    found = explain(OLD, live(OLD), candidate(spec("b"), "x"))
    assert found.plan is not None
    assert (found.plan.steps, found.plan.candidates, found.plan.notes) == ((), (), ())
    other = explain(OLD, live(OLD), candidate(spec("b"), "x"), key="b")
    assert other.plan is not None
    assert [step.id for step in other.plan.steps] == ["update:b:x"]


def test_a_key_is_not_mixed_up_with_one_that_begins_or_ends_like_it() -> None:
    """In no part of the plan."""
    keys = ["a", "a-b", "ab", "b-a", "a:b"]
    specs = [spec(key) for key in keys]
    given = plan_input(catalog(*specs), inventory())
    planned = make_plan(given)
    planned = replace(
        planned,
        kept=tuple(Kept(key, f"old-{key}", 1) for key in keys),
        candidates=tuple(Candidate(key, f"new-{key}", "2026-11-20T00:00:00Z", Fate.WAITING) for key in keys),
        expires={key: f"2027-01-0{number}" for number, key in enumerate(keys, 1)},
        errors=tuple(PlanError(key, Diagnostic("m.yaml", 1, 1, "", key)) for key in keys),
        notes=tuple(f"{key}: note of {key}" for key in keys),
        copies=("x",),
    )
    for number, key in enumerate(keys, 1):
        found = explain_key(given, key, planned).plan
        assert found is not None
        assert [step.id for step in found.steps] == [f"create:{key}"]
        assert [one.image_id for one in found.kept] == [f"old-{key}"]
        assert [one.image_id for one in found.candidates] == [f"new-{key}"]
        assert found.expires == {key: f"2027-01-0{number}"}
        assert [one.problem.message for one in found.errors] == [key]
        assert (found.notes, found.copies) == ((f"{key}: note of {key}",), ())


def test_a_key_that_left_the_manifest_is_explained() -> None:
    """It is not declared; the plan removes its image."""
    given = plan_input(catalog(spec("b")), inventory(live(OLD)))
    found = explain_key(given, "a", make_plan(given))
    assert (found.spec, found.builds[0].content, found.builds[0].steps) == (None, None, ("delete:a:id-a",))
    assert list_known_keys(given) == ["a", "b"]


def test_a_refused_plan_leaves_the_builds() -> None:
    """The reason is beside them."""
    given = plan_input(catalog(OLD), inventory(live(OLD)))
    found = explain_key(given, "a", None, ("no",))
    assert (found.plan, found.refusals, len(found.builds)) == (None, ("no",), 1)
    assert found.builds[0].steps == ()


def test_of_several_builds_with_one_role_the_newest_is_first() -> None:
    """Current ones that a broken run left, candidates, and images that a run is deleting after all others."""
    ages = [(1, "2026-11-01"), (2, "2026-11-02")]
    images = [
        *(live(OLD, f"now{age}", generation=age) for age, _ in ages),
        *(candidate(NEW, f"next{age}", created_at=f"{day}T00:00:00Z") for age, day in ages),
        *(retired(OLD, f"old{age}", age, days=9 - age) for age, _ in ages),
        live(OLD, "gone", Role.DELETING),
    ]
    found = explain(NEW, *images)
    assert [one.image.id for one in found.builds] == ["now2", "now1", "next2", "next1", "old2", "old1", "gone"]
