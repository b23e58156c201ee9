"""Candidates: made, published, dropped."""

from dataclasses import replace

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import (
    Checksum,
    Content,
    Fingerprint,
    Method,
    OnExpire,
    Status,
    Transfer,
    UrlSource,
    Visibility,
)
from imagesync.model.plan import (
    Candidate,
    Create,
    Delete,
    Fate,
    Kind,
    Update,
    summarize,
)
from imagesync.model.policy import OnRemove, Policy, Publish
from imagesync.model.record import read
from imagesync.planning.staging import stage_plan
from tests.unit.factories import candidate, catalog, inventory, live, plan, plan_input, retired, spec
from tests.unit.planning.plans import actions, plan_discard, plan_stage

SHA512 = Checksum("sha512", "a" * 128)


def test_staging_makes_new_builds_and_does_nothing_else() -> None:
    """A replacement and a new image are uploaded; updates, removals and retirements wait."""
    wanted = catalog(spec("a", "b"), spec("new"), spec("changed", min_ram=5))
    found = inventory(live(spec("a"), "old"), live(spec("changed")), live(spec("gone")))
    made = plan_stage(wanted, found)
    assert actions(made) == [("Create", "a", "content-changed"), ("Create", "new", "new")]
    creates = [one.action for one in made.steps if isinstance(one.action, Create)]
    assert [(one.stage, one.replaces) for one in creates] == [(True, ()), (True, ())]
    assert (made.kind, made.removed, made.changed, summarize(made).stage) == (Kind.STAGE, (), (), 2)
    assert made.ids["a"] == "old"


def test_staging_again_does_nothing() -> None:
    """The candidate is there: it waits for the next whole plan."""
    found = inventory(live(spec("a")), candidate(spec("a", "b")))
    made = plan_stage(catalog(spec("a", "b")), found)
    assert made.steps == ()
    assert made.candidates == (Candidate("a", "cand", "2026-11-01T00:00:00Z", Fate.WAITING),)


def test_a_record_without_data_is_not_staged() -> None:
    """It has no data to verify."""
    wanted = catalog(spec("a", source=Content.NO_DATA, fingerprint=Fingerprint()))
    assert plan_stage(wanted, inventory()).steps == ()


def test_what_a_retired_image_holds_is_not_staged() -> None:
    """The next apply publishes the retired image; a note says so."""
    found = inventory(retired(spec("a", "b"), "one"), live(spec("a"), "two", generation=2))
    made = plan_stage(catalog(spec("a", "b")), found)
    assert made.steps == ()
    assert "retired image one has this content" in made.notes[0]


def test_a_candidate_may_refer_to_what_is_not_staged() -> None:
    """A candidate waits for another candidate only; a record without data is made by the whole plan."""
    properties = {"kernel_id": "${images.kernel.id}", "note_id": "${images.note.id}"}
    note = spec("note", source=Content.NO_DATA, fingerprint=Fingerprint())
    made = plan_stage(catalog(spec("kernel"), note, spec("root", properties=properties)), inventory())
    assert [(one.id, one.needs) for one in made.steps] == [
        ("create:kernel", ()),
        ("create:root", ("create:kernel",)),
    ]


def test_a_candidate_is_published_without_a_byte() -> None:
    """With everything as the manifest says now; the old image retires after it; the record gets every known digest."""
    wanted = spec("a", "b", min_ram=7, visibility=Visibility.PUBLIC, ignore=("name", "hidden", "visibility"))
    image = candidate(spec("a", "b"), os_hash_algo="sha512", os_hash_value="a" * 128, checksum="c" * 32)
    made = plan(catalog(wanted), inventory(live(spec("a"), "old"), image))
    assert actions(made) == [("Update", "cand", "staged"), ("Update", "old", "superseded")]
    first = made.steps[0].action
    assert isinstance(first, Update)
    changes = {change.path[0]: change.after for change in first.changes}
    assert changes == {"name": "a", "hidden": False, "visibility": "public", "min_ram": 7}
    assert first.record is not None
    assert [one.algorithm for one in first.record.digests] == ["md5", "sha256", "sha512"]
    assert made.steps[1].needs == (made.steps[0].id,)
    assert made.candidates[0].fate is Fate.PUBLISHED
    assert (summarize(made).replace, summarize(made).upload) == (1, 0)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SAVING])
def test_what_is_not_active_is_no_candidate(status: Status) -> None:
    """A crash left it: it is never published but made again."""
    found = inventory(live(spec("a"), "old"), candidate(spec("a", "b"), status=status))
    made = plan(catalog(spec("a", "b")), found)
    assert made.candidates == ()
    assert actions(made)[0] == ("Create", "a", "content-changed")
    assert ("Delete", "cand", "incomplete") in actions(made)
    assert plan_discard(catalog(spec("a", "b")), found).steps == ()


def test_a_candidate_that_the_service_contradicts_is_not_published() -> None:
    """Its hash is no longer the one that was verified."""
    record = read(candidate(spec("a", "b")))
    assert record is not None
    marks = replace(record, digests=(*record.digests, SHA512)).properties("cand")
    image = candidate(spec("a", "b"), os_hash_algo="sha512", os_hash_value="f" * 128)
    image = replace(image, properties={**image.properties, **marks})
    made = plan(catalog(spec("a", "b")), inventory(live(spec("a"), "old"), image))
    assert actions(made)[0] == ("Create", "a", "content-changed")
    assert made.candidates[0].fate is Fate.DROPPED


@pytest.mark.parametrize(("size", "is_published"), [(4096, True), (4095, False), (4097, False)])
def test_a_candidate_of_another_size_is_not_published(size: int, is_published: bool) -> None:
    """The file says how many bytes it has."""
    made = plan(catalog(spec("a", "b")), inventory(live(spec("a"), "old"), candidate(spec("a", "b"), size=size)))
    assert actions(made)[0] == (("Update", "cand", "staged") if is_published else ("Create", "a", "content-changed"))


def test_the_next_apply_drops_a_candidate_that_is_no_longer_declared() -> None:
    """A stage run leaves it and prints its fate."""
    found = inventory(live(spec("a")), candidate(spec("a", "b")))
    assert actions(plan(catalog(spec("a")), found)) == [("Delete", "cand", "discarded")]
    made = plan_stage(catalog(spec("a", "c")), found)
    assert actions(made) == [("Create", "a", "content-changed")]
    assert made.candidates[0].fate is Fate.UNWANTED


def test_a_staging_record_that_users_see_is_no_candidate_to_drop() -> None:
    """The service lost a part of its publishing: dropping it would take an image from its users."""
    found = inventory(candidate(spec("a", "b"), hidden=False, visibility=Visibility.COMMUNITY))
    assert plan_discard(catalog(spec("a", "b")), found).steps == ()


def test_discarding_drops_candidates_and_nothing_else() -> None:
    """All of them, or those of a key; a key that is nowhere is a mistake."""
    wanted = catalog(spec("a", "b"), spec("b", "b", min_ram=1))
    found = inventory(candidate(spec("a", "b"), "one"), live(spec("b")), candidate(spec("b", "b"), "two"))
    assert actions(plan_discard(wanted, found)) == [("Delete", "one", "discarded"), ("Delete", "two", "discarded")]
    assert actions(plan_discard(wanted, found, "b")) == [("Delete", "two", "discarded")]
    with pytest.raises(PlanRefused, match="no key matches"):
        plan_discard(wanted, found, "bb")


def test_a_rejected_build_is_not_staged_again() -> None:
    """The note says why; the next build is."""
    found = inventory(live(spec("a")), candidate(spec("a", "b"), status=Status.DEACTIVATED))
    made = plan_stage(catalog(spec("a", "b")), found)
    assert made.steps == ()
    assert "rejected" in made.notes[0]
    assert made.candidates[0].fate is Fate.REJECTED
    assert actions(plan_stage(catalog(spec("a", "c")), found)) == [("Create", "a", "content-changed")]


def test_under_staged_only_staging_makes_what_a_whole_plan_waits_for() -> None:
    """The policy limits only publishing."""
    given = plan_input(catalog(spec("a", "b")), inventory(live(spec("a"))), Policy(publish=Publish.STAGED_ONLY))
    assert actions(stage_plan(given)) == [("Create", "a", "content-changed")]


@pytest.mark.parametrize("on_remove", list(OnRemove))
def test_a_rejected_candidate_of_a_removed_key_is_deleted(on_remove: OnRemove) -> None:
    """Like other staged images."""
    found = inventory(live(spec("a"), "old"), candidate(spec("a", "b"), status=Status.DEACTIVATED), live(spec("b")))
    made = plan(catalog(spec("b")), found, Policy(on_remove=on_remove))
    reason = "removed" if on_remove is OnRemove.DELETE else "discarded"
    assert ("Delete", "cand", reason) in actions(made)
    assert not any("rejected" in note for note in made.notes)


def test_a_rejected_candidate_is_dropped_only_by_its_key() -> None:
    """Dropping all candidates must not forget a rejection; the note says how to. Then the build is made again."""
    wanted = catalog(spec("a", "b"), spec("b", "b"))
    rejected = candidate(spec("a", "b"), "one", status=Status.DEACTIVATED)
    found = inventory(rejected, candidate(spec("b", "b"), "two"))
    made = plan_discard(wanted, found)
    assert actions(made) == [("Delete", "two", "discarded")]
    assert made.notes == ("a: the rejected candidate stays; to drop it: imagesync apply PATH --discard-staged a",)
    assert [one.fate for one in made.candidates] == [Fate.REJECTED, Fate.DROPPED]
    named = plan_discard(wanted, found, "a")
    assert actions(named) == [("Delete", "one", "discarded")]
    assert [one.fate for one in named.candidates] == [Fate.DROPPED, Fate.WAITING]
    assert actions(plan(wanted, inventory())) == [("Create", "a", "new"), ("Create", "b", "new")]


def test_a_candidate_with_the_pinned_id_is_not_dropped() -> None:
    """Its id could never be used again, whatever else there is of the key, and whether it was rejected."""
    wanted, pinned = catalog(spec("a", "b", id="cand")), candidate(spec("a", "b"))
    rejected = replace(pinned, status=Status.DEACTIVATED)
    for found in ((pinned,), (pinned, live(spec("a"), "old")), (pinned, retired(spec("a", "c"), "older")), (rejected,)):
        with pytest.raises(PlanRefused, match="never gives to a new image"):
            plan_discard(wanted, inventory(*found), "a")


@pytest.mark.parametrize("has_image", [True, False])
def test_no_build_of_an_expired_key_is_staged(has_image: bool) -> None:
    """No more builds of the key are made."""
    dated = spec("a", "b", expires="2000-01-01", on_expire=OnExpire.HIDE)
    found = inventory(live(spec("a", "c"))) if has_image else inventory()
    made = plan_stage(catalog(dated), found)
    assert made.steps == ()
    assert any("expired" in note for note in made.notes)


def test_staging_refuses_what_apply_would_refuse() -> None:
    """A taken name, and a record that is too long: the next apply could not publish the candidate."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    with pytest.raises(PlanRefused, match="already has the name 'a'"):
        plan_stage(catalog(spec("a")), inventory(foreign=(foreign,)))
    many = {f"p{number}": "x" for number in range(5000)}
    with pytest.raises(PlanRefused, match="the record of the new image would be"):
        plan_stage(catalog(spec("a", properties=many)), inventory())


def test_staging_notes_data_that_nothing_verifies() -> None:
    """As a whole plan does."""
    transfer = Transfer(method=Method.WEB_DOWNLOAD, verify=False)
    wanted = spec("a", "b", source=UrlSource(("https://x/a",), transfer=transfer))
    for made in (plan_stage(catalog(wanted), inventory()), plan(catalog(wanted), inventory())):
        assert any("does not verify the data that the service fetches" in note for note in made.notes)


@pytest.mark.parametrize("protected", [True, False])
def test_a_protected_candidate_is_dropped_with_its_protection(protected: bool) -> None:
    """The service deletes no protected image."""
    found = inventory(candidate(spec("a", "b"), protected=protected))
    (step,) = plan_discard(catalog(spec("a", "c")), found).steps
    assert step.action == Delete("a", "cand", 4096, unprotect=protected)


def test_dropping_a_rejected_candidate_by_its_key_does_not_say_that_it_stays() -> None:
    """The note belongs to ``*``, which is also no mistake if nothing is staged."""
    found = inventory(candidate(spec("a", "b"), status=Status.DEACTIVATED))
    assert plan_discard(catalog(spec("a", "b")), found, "a").notes == ()
    assert plan_discard(catalog(spec("a", "b")), found, "*").notes != ()
    assert plan_discard(catalog(), inventory()).steps == ()


def test_a_candidate_replaces_nothing_and_shows_no_changes() -> None:
    """What differs from the current image is shown when the candidate is published."""
    made = plan_stage(catalog(spec("a", "b", min_ram=7)), inventory(live(spec("a"))))
    (create,) = [step.action for step in made.steps if isinstance(step.action, Create)]
    assert (create.stage, create.replaces, create.changes) == (True, (), ())


def test_only_a_retired_image_that_comes_back_is_noted_by_a_staging_run() -> None:
    """A candidate that waits is listed among the candidates."""
    made = plan_stage(catalog(spec("a", "b")), inventory(live(spec("a")), candidate(spec("a", "b"))))
    assert (made.notes, len(made.candidates)) == ((), 1)


def test_a_glob_of_candidates_to_drop_without_a_match_names_the_nearest_keys() -> None:
    """Up to three, of the manifest and of live images; the case of a key counts."""
    wanted = catalog(*(spec(f"debian-1{number}") for number in (1, 2, 3)))
    found = inventory(live(spec("debian-10")), candidate(spec("z"), "c"))
    with pytest.raises(
        PlanRefused,
        match=r"no key matches \(write PATH before the option\); did you mean debian-1\d(, debian-1\d){2}\?",
    ):
        plan_discard(wanted, found, "debian-1")
    with pytest.raises(PlanRefused, match=r"did you mean z\?"):
        plan_discard(wanted, found, "Z*")
    for keys in ("*13", "debian-1[23]"):
        assert plan_discard(wanted, found, keys).steps == ()
    with pytest.raises(PlanRefused, match="no key matches"):
        plan_discard(wanted, found, "q*")
