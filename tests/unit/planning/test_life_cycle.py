"""Generations, candidates and the way back: what the pure planning functions make of hand-made values."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import (
    Catalog,
    Checksum,
    Content,
    FileSource,
    Fingerprint,
    ImageSpec,
    OnExpire,
    OnRemove,
    OnReplace,
    Place,
    Policy,
    Role,
    Status,
    UrlSource,
    Visibility,
)
from imagesync.model.image import Inventory, LiveImage, MemberState
from imagesync.model.plan import Candidate, Create, Delete, Fate, Kept, Kind, Plan, Reason, Update, summarize
from imagesync.model.record import read
from imagesync.planfile.reader import plan_from_json
from imagesync.planfile.writer import plan_to_json
from imagesync.planning.rollback import rollback_plan
from imagesync.planning.staging import discard_plan, stage_plan
from imagesync.render.text import plan_text
from tests.unit.factories import NOW, catalog, digest, inventory, live, plan, plan_input, spec

SHA512 = Checksum("sha512", "a" * 128)


def retired(
    wanted: ImageSpec, image_id: str, generation: int = 1, days: int = 0, before: dict[str, object] | None = None
) -> LiveImage:
    """A superseded image, retired so many days ago; ``before``: what on_replace changed."""
    image = live(wanted, image_id, Role.RETIRED, generation, hidden=True)
    record = read(image)
    assert record is not None
    since = (NOW - timedelta(days=days)).isoformat()
    managed = replace(record.managed, retired=since, before=before or {"hidden": False})
    return replace(image, properties={**image.properties, **replace(record, managed=managed).properties()})


def candidate(wanted: ImageSpec, image_id: str = "cand", **attrs: object) -> LiveImage:
    """A verified build that is not published."""
    fields = {"hidden": True, "visibility": Visibility.PRIVATE, "name": f"{wanted.key} (staging)", "protected": False}
    return live(wanted, image_id, Role.STAGING, 9, **{**fields, **attrs})


def staged(wanted: Catalog, found: Inventory, now: datetime = NOW) -> Plan:
    """The plan of ``--stage``."""
    return stage_plan(plan_input(wanted, found, now=now))


def discarded(wanted: Catalog, found: Inventory, keys: str = "*") -> Plan:
    """The plan of ``--discard-staged``."""
    return discard_plan(plan_input(wanted, found), keys=keys)


def back(
    wanted: Catalog, found: Inventory, key: str = "a", to: str | None = None, policy: Policy | None = None
) -> Plan:
    """The plan of ``rollback``."""
    return rollback_plan(plan_input(wanted, found, policy), key=key, to=to)


def told(made: Plan) -> list[tuple[str, str, str]]:
    """Action, image (or key) and reason of each step."""
    return [
        (type(one.action).__name__, getattr(one.action, "image_id", None) or one.action.key, one.reason.value)
        for one in made.steps
    ]


def test_staging_makes_new_builds_and_does_nothing_else() -> None:
    """A replacement and a new image are uploaded; updates, removals and retirements wait."""
    wanted = catalog(spec("a", "b"), spec("new"), spec("changed", min_ram=5))
    found = inventory(live(spec("a"), "old"), live(spec("changed")), live(spec("gone")))
    made = staged(wanted, found)
    assert told(made) == [("Create", "a", "content-changed"), ("Create", "new", "new")]
    creates = [one.action for one in made.steps if isinstance(one.action, Create)]
    assert [(one.stage, one.replaces) for one in creates] == [(True, ()), (True, ())]
    assert (made.kind, made.removed, made.changed, summarize(made).stage) == (Kind.STAGE, (), (), 2)
    assert made.ids["a"] == "old"


def test_staging_again_does_nothing() -> None:
    """The candidate is there: it waits for the next whole plan."""
    found = inventory(live(spec("a")), candidate(spec("a", "b")))
    made = staged(catalog(spec("a", "b")), found)
    assert made.steps == ()
    assert made.candidates == (Candidate("a", "cand", "2026-11-01T00:00:00Z", Fate.WAITING),)


def test_a_record_without_data_is_not_staged() -> None:
    """There is nothing to verify in it."""
    wanted = catalog(spec("a", source=Content.NO_DATA, fingerprint=Fingerprint()))
    assert staged(wanted, inventory()).steps == ()


def test_what_a_retired_image_holds_is_not_staged() -> None:
    """The next apply publishes that one; the plan says so."""
    found = inventory(retired(spec("a", "b"), "one"), live(spec("a"), "two", generation=2))
    made = staged(catalog(spec("a", "b")), found)
    assert made.steps == ()
    assert "retired image one has this content" in made.notes[0]


def test_a_candidate_is_published_without_a_byte() -> None:
    """With everything as the manifest says now; the old image retires after it; the record gets every known digest."""
    wanted = spec("a", "b", min_ram=7, visibility=Visibility.PUBLIC, ignore=("name", "hidden", "visibility"))
    image = candidate(spec("a", "b"), os_hash_algo="sha512", os_hash_value="a" * 128, checksum="c" * 32)
    made = plan(catalog(wanted), inventory(live(spec("a"), "old"), image))
    assert told(made) == [("Update", "cand", "staged"), ("Update", "old", "superseded")]
    first = made.steps[0].action
    assert isinstance(first, Update)
    changes = {change.path[0]: change.after for change in first.changes}
    assert changes == {"name": "a", "hidden": False, "visibility": "public", "min_ram": 7}
    assert first.record is not None
    assert [one.algorithm for one in first.record.digests] == ["md5", "sha256", "sha512"]
    assert made.steps[1].needs == (made.steps[0].id,)
    assert made.candidates[0].fate is Fate.PUBLISHED
    assert (summarize(made).replace, summarize(made).upload) == (1, 0)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SAVING, Status.DEACTIVATED])
def test_what_is_not_active_is_no_candidate(status: Status) -> None:
    """Left by a crash, or deactivated by whoever tested it: never published, made anew."""
    found = inventory(live(spec("a"), "old"), candidate(spec("a", "b"), status=status))
    made = plan(catalog(spec("a", "b")), found)
    assert made.candidates == ()
    assert told(made)[0] == ("Create", "a", "content-changed")
    assert ("Delete", "cand", "incomplete") in told(made)
    assert discarded(catalog(spec("a", "b")), found).steps == ()


def test_a_candidate_that_the_service_contradicts_is_not_published() -> None:
    """Its hash is no longer the one that was verified."""
    record = read(candidate(spec("a", "b")))
    assert record is not None
    marks = replace(record, digests=(*record.digests, SHA512)).properties()
    image = candidate(spec("a", "b"), os_hash_algo="sha512", os_hash_value="f" * 128)
    image = replace(image, properties={**image.properties, **marks})
    made = plan(catalog(spec("a", "b")), inventory(live(spec("a"), "old"), image))
    assert told(made)[0] == ("Create", "a", "content-changed")
    assert made.candidates[0].fate is Fate.DROPPED


def test_a_candidate_no_longer_wanted_goes_with_the_next_whole_plan() -> None:
    """Staging leaves it, and says what becomes of it."""
    found = inventory(live(spec("a")), candidate(spec("a", "b")))
    assert told(plan(catalog(spec("a")), found)) == [("Delete", "cand", "discarded")]
    made = staged(catalog(spec("a", "c")), found)
    assert told(made) == [("Create", "a", "content-changed")]
    assert made.candidates[0].fate is Fate.UNWANTED


def test_discarding_drops_candidates_and_nothing_else() -> None:
    """All of them, or those of a key; a key that is nowhere is a mistake."""
    wanted = catalog(spec("a", "b"), spec("b", "b", min_ram=1))
    found = inventory(candidate(spec("a", "b"), "one"), live(spec("b")), candidate(spec("b", "b"), "two"))
    assert told(discarded(wanted, found)) == [("Delete", "one", "discarded"), ("Delete", "two", "discarded")]
    assert told(discarded(wanted, found, "b")) == [("Delete", "two", "discarded")]
    with pytest.raises(PlanRefused, match="no such key"):
        discarded(wanted, found, "bb")


def test_a_candidate_with_the_pinned_id_is_not_dropped() -> None:
    """Its id could never be used again."""
    with pytest.raises(PlanRefused, match="never gives out again"):
        discarded(catalog(spec("a", "b", id="cand")), inventory(candidate(spec("a", "b"))))


def test_plans_a_second_apart_are_equal() -> None:
    """Ages and days are for the reader's clock."""
    wanted = spec("a", "b", on_replace=OnReplace(keep=5, delete_after=90))
    found = inventory(live(spec("a"), "old", generation=2), retired(spec("a", "c"), "r"), candidate(wanted))
    first, second = (plan(catalog(wanted), found, now=NOW + timedelta(seconds=n)) for n in (0, 1))
    assert first == second
    midnight = plan(catalog(wanted), found, now=NOW + timedelta(days=1))
    assert first == midnight
    assert plan_text(first, now=NOW) != plan_text(first, now=NOW + timedelta(days=1))


def test_every_retired_image_has_its_reason_to_stay() -> None:
    """For good, until a day, from this retirement on, protected: as values and in words."""
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
    text = plan_text(made, now=NOW)
    assert "now hidden, kept until 2027-02-21 (keep 2, 90 days)" in text
    assert "earlier  kept until 2027-02-11 (keep 2, 90 days)" in text
    assert "oldest  protected and stays" in text
    assert "for-good  kept for good (keep 1)" in text


def test_many_retired_images_are_told_in_groups() -> None:
    """The text does not shout; the document has each."""
    keys = [f"k{number:02}" for number in range(12)]
    images = [live(spec(key), f"{key}-now", generation=2) for key in keys]
    images += [retired(spec(key, "b"), f"{key}-old") for key in keys]
    made = plan(catalog(*map(spec, keys)), inventory(*images))
    assert "  12 images kept for good (keep 1): k00, k01, k02 and 9 more" in plan_text(made)
    assert len(made.kept) == 12


def test_what_was_current_last_is_kept() -> None:
    """Not the build with the highest number: after a way back that is the bad one."""
    found = inventory(live(spec("a", "a"), "good"), retired(spec("a", "b"), "bad", 2))
    made = plan(catalog(spec("a", "c")), found)
    assert ("Delete", "bad", "superseded") in told(made)
    assert [one.image_id for one in made.kept] == ["good"]


def test_delete_after_has_a_reason_of_its_own() -> None:
    """A kept one whose days are over goes as outdated, and counts as a deletion."""
    wanted = spec("a", on_replace=OnReplace(delete_after=90))
    made = plan(catalog(wanted), inventory(live(wanted, generation=2), retired(spec("a", "b"), "old", days=90)))
    assert told(made) == [("Delete", "old", "outdated")]
    assert "kept as long as delete_after says" in plan_text(made)
    assert summarize(made).delete == 1


def test_a_record_with_a_wrong_time_keeps_its_image() -> None:
    """No day is known, so none has come; a time without a zone is UTC."""
    wanted = spec("a", on_replace=OnReplace(delete_after=1))
    for since, steps in (("nonsense", 0), ("2026-11-01T00:00:00", 1)):
        image = retired(spec("a", "b"), "old")
        record = read(image)
        assert record is not None
        marks = replace(record, managed=replace(record.managed, retired=since)).properties()
        found = inventory(live(wanted, generation=2), replace(image, properties={**image.properties, **marks}))
        assert len(plan(catalog(wanted), found).steps) == steps


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
    assert told(plan(catalog(wanted), found)) == expected
    assert plan(catalog(wanted), found, now=NOW - timedelta(days=1)).steps == ()


def test_an_image_that_expired_before_it_was_made_is_not_made() -> None:
    """An upload that nobody may see helps nobody; the plan says so."""
    made = plan(catalog(spec("a", expires="2026-11-23")), inventory())
    assert made.steps == ()
    assert "expired on 2026-11-23" in made.notes[0]


@pytest.mark.parametrize("on_remove", list(OnRemove))
def test_a_protected_image_leaves_in_no_way_without_permission(on_remove: OnRemove) -> None:
    """Deleted, deactivated, hidden or let go of."""
    found = inventory(live(spec("a")), live(spec("b"), protected=True))
    with pytest.raises(PlanRefused, match="protected image id-b; pass --allow-protected"):
        plan(catalog(spec("a")), found, Policy(on_remove=on_remove))
    assert plan(catalog(spec("a")), found, Policy(on_remove=on_remove, allow_protected=True)).steps


def test_disowning_takes_every_mark_off() -> None:
    """Current and retired images stay as they are and are nobody's; candidates go."""
    found = inventory(live(spec("b"), "now"), retired(spec("b", "c"), "old"), candidate(spec("b", "d")))
    made = plan(catalog(spec("a"), keys=frozenset("a")), found, Policy(on_remove=OnRemove.KEEP))
    updates = [one.action for one in made.steps if isinstance(one.action, Update)]
    assert [(one.image_id, one.changes, one.record) for one in updates] == [("now", (), None), ("old", (), None)]
    assert ("Delete", "cand", "discarded") in told(made)


def test_superseded_images_of_a_hidden_key_go_on_ageing() -> None:
    """By the policy's on_replace; the hidden one stays."""
    policy = Policy(on_remove=OnRemove.HIDE, on_replace=OnReplace(keep=1, delete_after=30))
    found = inventory(live(spec("b"), "now", generation=3, hidden=True), retired(spec("b", "c"), "old", 2, days=31))
    assert told(plan(catalog(spec("a")), inventory(live(spec("a")), *found.owned), policy)) == [
        ("Delete", "old", "outdated")
    ]


def test_a_rollback_is_two_updates() -> None:
    """What was current last is shown again as the manifest says, the present one retires by on_replace; no more."""
    on_replace = OnReplace(keep=1, rename="{name} old")
    wanted = spec("a", "c", min_ram=5, on_replace=on_replace)
    before: dict[str, object] = {"hidden": False, "name": "a", "properties.gone": "back", "properties.old": None}
    found = inventory(
        retired(spec("a", "b"), "two", 2, days=2),
        retired(spec("a", "a"), "one", 1, days=1, before=before),
        live(spec("a", "c"), "three", generation=3),
        live(spec("b", min_ram=3)),
        candidate(spec("a", "d")),
    )
    made = back(catalog(wanted, spec("b")), found)
    assert told(made) == [("Update", "one", "rollback"), ("Update", "three", "superseded")]
    assert made.steps[1].needs == (made.steps[0].id,)
    first = made.steps[0].action
    assert isinstance(first, Update)
    changes = {".".join(change.path): change.after for change in first.changes}
    assert changes == {"hidden": False, "min_ram": 5, "properties.gone": "back"}
    assert first.record is not None
    assert first.record.digests == (digest("a"),)
    assert (made.kind, made.ids["a"], summarize(made).replace) == (Kind.ROLLBACK, "one", 1)


@pytest.mark.parametrize(("to", "image_id"), [("2", "two"), ("two", "two"), ("1", "one"), (None, "one")])
def test_a_rollback_takes_the_build_that_is_named(to: str | None, image_id: str) -> None:
    """By generation or id; else what was current last."""
    found = inventory(
        retired(spec("a", "b"), "two", 2, days=2),
        retired(spec("a", "a"), "one", 1, days=1),
        live(spec("a", "c"), "three", generation=3),
    )
    assert told(back(catalog(spec("a", "c")), found, to=to))[0] == ("Update", image_id, "rollback")


def test_without_an_earlier_build_a_rollback_says_what_there_is() -> None:
    """Neither a queued one nor one that somebody else deactivated can be current."""
    wanted, now = catalog(spec("a")), live(spec("a"), "now", generation=2)
    with pytest.raises(PlanRefused, match="no earlier build to go back to; there is generation 2, current: image now"):
        back(wanted, inventory(now))
    queued = replace(retired(spec("a", "b"), "old"), status=Status.QUEUED)
    with pytest.raises(PlanRefused, match="generation 1, retired, queued: image old"):
        back(wanted, inventory(now, queued))
    with pytest.raises(PlanRefused, match="no retired build is 7"):
        back(wanted, inventory(now, retired(spec("a", "b"), "old")), to="7")
    off = replace(retired(spec("a", "b"), "old"), status=Status.DEACTIVATED)
    with pytest.raises(PlanRefused, match="image old was deactivated, not by imagesync; pass --reactivate"):
        back(wanted, inventory(now, off))
    made = back(wanted, inventory(now, off), policy=Policy(reactivate=True))
    assert told(made)[0] == ("Reactivate", "old", "rollback")


def test_a_rollback_says_which_lines_must_follow() -> None:
    """File and line of digest, URL and format, in the manifest's own algorithm."""
    held = spec("a", "a", source=UrlSource(("https://x/1",), checksum=digest("a")))
    lines = {name: Place("images.yaml", line, 5) for name, line in (("checksum", 7), ("url", 6), ("disk_format", 9))}
    source = UrlSource(("https://x/2",), checksum=digest("b"))
    wanted = spec("a", "b", source=source, disk_format="qcow2", lines=lines)
    found = inventory(retired(held, "one"), live(wanted, "two", generation=2))
    (note,) = back(catalog(wanted), found).notes
    assert f"images.yaml:7: checksum: {digest('a')} (now {digest('b')})" in note
    assert "images.yaml:6: url: https://x/1" in note
    assert "images.yaml:9: disk_format: raw (now qcow2)" in note
    (done,) = back(catalog(held), found).notes
    assert done == "a: the manifest names this build already"


def test_a_file_without_a_declared_checksum_is_told_by_both() -> None:
    """The line of the source gets the digest, the path the file."""
    wanted = spec("a", "b", source=FileSource("/x/new.raw", "new.raw"), source_place=Place("m.yaml", 3, 1))
    found = inventory(retired(spec("a", "a"), "one"), live(wanted, "two", generation=2))
    (note,) = back(catalog(wanted), found).notes
    assert f"m.yaml:3: checksum: {digest('a')} (now none)" in note
    assert "m.yaml:3: path: a file with that content (now new.raw)" in note


def test_what_on_replace_took_comes_back_although_it_is_ignored() -> None:
    """``ignore`` leaves fields to others, not to our own retirement: an image cannot stay hidden for ever."""
    wanted = spec("a", "a", ignore=("hidden", "properties.*", "min_ram"), min_ram=9, properties={"p": "1"})
    image = retired(wanted, "one", before={"hidden": False, "properties.p": "1"})
    image = replace(image, properties={**image.properties, "p": "old"}, min_ram=3)
    made = plan(catalog(wanted), inventory(image, live(spec("a", "b"), "two", generation=2)))
    first = made.steps[0].action
    assert isinstance(first, Update)
    assert {".".join(change.path): change.after for change in first.changes} == {"hidden": False, "properties.p": "1"}


def test_an_earlier_build_that_somebody_deactivated_is_not_taken() -> None:
    """It would be there for nobody: the build is uploaded, and the plan says why."""
    found = inventory(
        replace(retired(spec("a", "a"), "one"), status=Status.DEACTIVATED), live(spec("a", "b"), "two", generation=2)
    )
    made = plan(catalog(spec("a", "a")), found)
    assert told(made)[0] == ("Create", "a", "content-changed")
    assert any("image one has this content, but was deactivated" in note for note in made.notes)
    assert told(plan(catalog(spec("a", "a")), found, Policy(reactivate=True)))[0] == ("Reactivate", "one", "rollback")


def test_members_of_an_earlier_build_are_taken_off_with_the_manifest() -> None:
    """Those that left the manifest meanwhile, too."""
    shared = spec("a", "a", visibility=Visibility.SHARED, members=frozenset({"p1", "p2"}), members_declared=True)
    now = replace(shared, fingerprint=Fingerprint((digest("b"),)), members=frozenset({"p1"}))
    wanted = replace(shared, members=frozenset({"p1"}))
    members = {"one": (MemberState("p1"), MemberState("p2")), "two": (MemberState("p1"),)}
    found = inventory(retired(shared, "one"), live(now, "two", generation=2), members=members)
    first = plan(catalog(wanted), found).steps[0].action
    assert isinstance(first, Update)
    assert {change.path[0]: change.after for change in first.changes} == {"hidden": False, "members": ("p1",)}


def test_references_mean_the_images_that_only_leaves_out() -> None:
    """A narrowed plan does not take an id for a text."""
    kernel, root = spec("kernel"), spec("root", properties={"kernel_id": "${images.kernel.id}"})
    image = live(root)
    image = replace(image, properties={**image.properties, "kernel_id": "k"})
    wanted = catalog(root, keys=frozenset({"kernel", "root"}), only=("root",))
    assert plan(wanted, inventory(live(kernel, "k"), image)).steps == ()


@pytest.mark.parametrize("kind", list(Kind))
def test_a_plan_of_any_kind_is_saved_and_read_back(kind: Kind) -> None:
    """Kept images and candidates too."""
    wanted = catalog(spec("a", "d", on_replace=OnReplace(keep=2, delete_after=9)), base="/images")
    found = inventory(
        live(spec("a", "c"), "now", generation=3), retired(spec("a", "b"), "old", 2), candidate(spec("a", "e"))
    )
    match kind:
        case Kind.APPLY:
            made = plan(wanted, found)
        case Kind.STAGE:
            made = staged(wanted, found)
        case Kind.DISCARD:
            made = discarded(wanted, found)
        case Kind.ROLLBACK:
            made = back(wanted, found)
    assert made.steps
    document = plan_to_json(made, tool="test", folder="/images")
    assert plan_from_json(document, folder="/images", shown="plan.json") == made


def test_a_left_over_delete_alone_is_counted() -> None:
    """``keep`` was lowered: nothing takes the place of anything, and one goes."""
    wanted = spec("a", on_replace=OnReplace(keep=0))
    made = plan(catalog(wanted), inventory(live(wanted, generation=2), retired(spec("a", "b"), "old")))
    (only,) = [one for one in made.steps if isinstance(one.action, Delete)]
    assert only.reason is Reason.SUPERSEDED
    assert "superseded, more than keep allows" in plan_text(made)
    assert "Plan: 1 to delete; " in plan_text(made)


def test_a_reference_to_what_is_not_there_and_not_made_is_refused() -> None:
    """Its text would otherwise stand where an id belongs."""
    root = spec("root", properties={"kernel_id": "${images.kernel.id}"})
    with pytest.raises(PlanRefused, match=r"images.root: it refers to images.kernel, of which there is no image"):
        plan(catalog(root, keys=frozenset({"kernel", "root"}), only=("root",)), inventory())


def test_restoring_drift_leaves_references_to_what_is_there() -> None:
    """A new build of what is referred to waits, and so does its id."""
    root = spec("root", properties={"kernel_id": "${images.kernel.id}"})
    image = live(root)
    image = replace(image, properties={**image.properties, "kernel_id": "k"})
    wanted, found = catalog(spec("kernel", "b"), root), inventory(live(spec("kernel", "a"), "k"), image)
    assert plan(wanted, found, Policy(drift_only=True)).steps == ()


def test_a_candidate_may_refer_to_what_is_not_staged() -> None:
    """A candidate waits for another candidate only; a record without data is made by the whole plan."""
    properties = {"kernel_id": "${images.kernel.id}", "note_id": "${images.note.id}"}
    note = spec("note", source=Content.NO_DATA, fingerprint=Fingerprint())
    made = staged(catalog(spec("kernel"), note, spec("root", properties=properties)), inventory())
    assert [(one.id, one.needs) for one in made.steps] == [
        ("create:kernel", ()),
        ("create:root", ("create:kernel",)),
    ]


def test_a_rollback_that_broke_off_is_ended_by_name() -> None:
    """Two current images: the one that is named stays, the other retires."""
    found = inventory(live(spec("a", "a"), "one"), live(spec("a", "b"), "two", generation=2))
    made = back(catalog(spec("a", "b")), found, to="one")
    assert told(made) == [("Update", "one", "rollback"), ("Update", "two", "superseded")]
    with pytest.raises(PlanRefused, match="no earlier build"):
        back(catalog(spec("a", "b")), found)


def test_a_candidate_takes_a_name_over_without_a_gap() -> None:
    """The key was renamed, its build staged: the old key's image goes once the candidate has the name."""
    found = inventory(live(spec("old", name="N")), candidate(spec("new", name="N")), live(spec("k")))
    made = plan(catalog(spec("new", name="N"), spec("k")), found, Policy(on_remove=OnRemove.DELETE))
    assert [(one.id, one.needs) for one in made.steps] == [
        ("update:new:cand", ()),
        ("delete:old:id-old", ("update:new:cand",)),
    ]
