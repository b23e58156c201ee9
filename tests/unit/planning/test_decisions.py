"""What becomes of one key: keep, promote, make or refuse."""

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import (
    Checksum,
    Compression,
    Content,
    FileSource,
    Fingerprint,
    KnownContent,
    Method,
    OnExpire,
    Role,
    Status,
    Transfer,
    UrlSource,
    Visibility,
)
from imagesync.model.image import LiveImage
from imagesync.model.plan import (
    Candidate,
    Create,
    Delete,
    Fate,
    FieldChange,
    Reason,
    Update,
    summarize,
)
from imagesync.model.policy import Policy, Publish
from imagesync.model.record import Record, read
from imagesync.planning.planner import make_plan
from imagesync.planning.staging import stage_plan
from tests.unit.factories import candidate, catalog, inventory, live, plan, plan_input, retired, rewrite, spec
from tests.unit.planning.plans import actions, changes, kinds


def read_record(image: LiveImage) -> Record:
    """The record of an owned image."""
    record = read(image)
    assert record is not None
    return record


def test_changed_content_is_a_replacement() -> None:
    """New content is a new image; the old one is hidden after it and remembers how it was."""
    made = plan(catalog(spec("a", "b")), inventory(live(spec("a", "a"), "old")))
    assert kinds(made) == [("Create", "a", "content-changed"), ("Update", "a", "superseded")]
    create, retire = made.steps
    assert retire.needs == (create.id,)
    assert isinstance(retire.action, Update)
    assert retire.action.changes == (FieldChange(("hidden",), False, True, Reason.SUPERSEDED),)
    assert retire.action.record is not None
    assert retire.action.record.role is Role.RETIRED
    assert summarize(made).replace == 1
    assert summarize(made).update == 0


def test_formats_cannot_change_in_place() -> None:
    """Another disk_format is another image."""
    made = plan(catalog(spec("a", disk_format="qcow2")), inventory(live(spec("a"))))
    assert kinds(made) == [("Create", "a", "manifest-changed"), ("Update", "a", "superseded")]


@pytest.mark.parametrize(("name", "other"), [("disk_format", "qcow2"), ("container_format", "ova")])
@pytest.mark.parametrize("pattern", ["disk_format", "container_format", "disk_*", "c*t", "*_format"])
def test_a_format_that_is_left_to_others_makes_no_other_image(name: str, other: str, pattern: str) -> None:
    """Only those that ``ignore`` names, whole or by a glob."""
    wanted = spec("a", **{name: other}, ignore=(pattern,))
    made = plan(catalog(wanted), inventory(live(spec("a"))))
    assert [kind for kind, *_ in kinds(made)] == ([] if fnmatchcase(name, pattern) else ["Create", "Update"])


def test_of_two_current_images_the_one_with_the_wanted_content_wins() -> None:
    """The surplus retires; of equal ones the older stays."""
    found = inventory(live(spec("a", "c"), "one"), live(spec("a", "a"), "two", generation=2))
    made = plan(catalog(spec("a", "a")), found)
    assert [(step.action.image_id, step.reason) for step in made.steps if isinstance(step.action, Update)] == [
        ("one", Reason.DUPLICATE)
    ]


def test_the_manifest_going_back_promotes_the_kept_build() -> None:
    """A retired build with the declared digest becomes current again, without an upload."""
    wanted = spec("a", "a")
    retired = live(wanted, "one", Role.RETIRED, hidden=True)
    record = read(retired)
    assert record is not None
    marked = replace(record, managed=replace(record.managed, before={"hidden": False})).properties("one")
    retired = replace(retired, properties={**retired.properties, **marked})
    made = plan(catalog(wanted), inventory(retired, live(spec("a", "b"), "two", generation=2)))
    assert kinds(made) == [("Update", "a", "rollback"), ("Update", "a", "superseded")]
    first = made.steps[0].action
    assert isinstance(first, Update)
    assert first.changes == (FieldChange(("hidden",), True, False, Reason.ROLLBACK),)


def test_an_earlier_build_that_another_user_deactivated_is_not_promoted() -> None:
    """No user could boot it: the build is uploaded, and the plan says why."""
    found = inventory(
        replace(retired(spec("a", "a"), "one"), status=Status.DEACTIVATED), live(spec("a", "b"), "two", generation=2)
    )
    made = plan(catalog(spec("a", "a")), found)
    assert actions(made)[0] == ("Create", "a", "content-changed")
    assert any("image one has this content, but another user deactivated it" in note for note in made.notes)
    assert actions(plan(catalog(spec("a", "a")), found, Policy(reactivate=True)))[0] == (
        "Reactivate",
        "one",
        "rollback",
    )


def test_a_verified_staging_image_is_promoted() -> None:
    """Killed between upload and publishing: the next plan publishes what is there."""
    wanted = spec("a", visibility=Visibility.PUBLIC)
    staged = live(wanted, "s", Role.STAGING, hidden=True, visibility=Visibility.PRIVATE, name="a (staging)")
    made = plan(catalog(wanted), inventory(staged))
    assert kinds(made) == [("Update", "a", "staged")]
    assert changes(made) == {
        "hidden": (True, False),
        "name": ("a (staging)", "a"),
        "visibility": ("private", "public"),
    }


@pytest.mark.parametrize(
    ("wanted", "steps"),
    [
        (Status.DEACTIVATED, [("Update", "a", "staged")]),
        (Status.ACTIVE, []),
        (None, []),
    ],
)
def test_a_staged_build_that_was_deactivated(wanted: Status | None, steps: list[tuple[str, str, str]]) -> None:
    """It is published where the manifest wants it so: a run was killed on its way there; else an operator rejected
    it.
    """
    off = spec("a", status=wanted)
    found = live(off, "s", Role.STAGING, hidden=True, status=Status.DEACTIVATED)
    made = plan(catalog(off), inventory(found))
    assert kinds(made) == steps


def test_of_several_builds_with_the_wanted_content_the_newest_is_used() -> None:
    """Whatever their ids: a candidate is published, an interrupted import is taken up, an image is compared first."""
    wanted = spec("a", "b")
    older, newer = {"created_at": "2026-11-01T00:00:00Z"}, {"created_at": "2026-11-02T00:00:00Z"}
    staged = candidate(wanted, "z", **older), candidate(wanted, "a", **newer)
    made = plan(catalog(wanted), inventory(*staged))
    assert actions(made) == [("Update", "a", "staged"), ("Delete", "z", "discarded")]

    fetched = replace(wanted, source=UrlSource(("https://x/a",), transfer=Transfer(method=Method.WEB_DOWNLOAD)))
    left = [candidate(fetched, image_id, **age) for image_id, age in (("z", older), ("a", newer))]
    left = [rewrite(image, unverified=True, digests=(), declared=wanted.fingerprint.digests) for image in left]
    made = plan(catalog(fetched), inventory(*left))
    assert [step.action.fill for step in made.steps if isinstance(step.action, Create)] == ["a"]

    other = spec("a", fingerprint=Fingerprint((Checksum("sha512", "a" * 128),), size=4096))
    current, builds = live(wanted, "y", generation=8), [retired(wanted, "x", 2), retired(wanted, "b", 3)]
    made = plan(catalog(other), inventory(current, *builds, *staged))
    (compared,) = [step.action.may_hold for step in made.steps if isinstance(step.action, Create)]
    assert compared == ("y", "a", "z", "b", "x")


def test_a_staged_build_that_the_service_still_works_on_is_not_published() -> None:
    """It may be copied to a further store just now: what is written meanwhile would be undone."""
    wanted = spec("a", "b")
    idle, busy = candidate(wanted), candidate(wanted, service={"os_glance_import_task": "one"})
    assert kinds(plan(catalog(wanted), inventory(live(spec("a")), idle)))[0] == ("Update", "a", "staged")
    assert kinds(plan(catalog(wanted), inventory(live(spec("a")), busy)))[0] == ("Create", "a", "incomplete")


@pytest.mark.parametrize("is_verified", [True, False])
@pytest.mark.parametrize("verify", [True, False])
def test_a_candidate_that_was_staged_without_verification_is_verified_first(*, verify: bool, is_verified: bool) -> None:
    """Its digest was only declared, with ``verify: none``; the manifest now asks for verification."""
    source = UrlSource(("https://x/a",), transfer=Transfer(method=Method.WEB_DOWNLOAD, verify=verify))
    wanted = spec("a", "b", source=source)
    staged = candidate(wanted)
    if not is_verified:
        staged = rewrite(staged, digests=(), declared=wanted.fingerprint.digests)
    made = plan(catalog(wanted), inventory(staged))
    if is_verified or not verify:
        assert actions(made) == [("Update", "cand", "staged")]
    else:
        assert [step.action.fill for step in made.steps if isinstance(step.action, Create)] == ["cand"]
        assert len(made.steps) == 1


def test_an_incomplete_staging_image_is_replaced() -> None:
    """A queued left-over is deleted; the image is created."""
    staged = live(spec("a"), "s", Role.STAGING, hidden=True, status=Status.QUEUED)
    made = plan(catalog(spec("a")), inventory(staged))
    assert kinds(made) == [("Create", "a", "incomplete"), ("Delete", "a", "incomplete")]


def test_a_queued_staging_image_with_the_pinned_id_is_filled() -> None:
    """The service would never accept its id again."""
    staged = live(spec("a"), "pinned", Role.STAGING, hidden=True, status=Status.QUEUED)
    (step,) = plan(catalog(spec("a", id="pinned")), inventory(staged)).steps
    assert isinstance(step.action, Create)
    assert step.action.fill == "pinned"


def test_a_pinned_id_cannot_get_new_content() -> None:
    """The error says what to do."""
    with pytest.raises(PlanRefused, match="pinned id pinned"):
        plan(catalog(spec("a", "b", id="pinned")), inventory(live(spec("a", "a"), "pinned")))


def test_no_source_is_an_error_only_where_an_image_must_be_made() -> None:
    """Without ``source`` the content is not managed."""
    wanted = spec("a", source=Content.UNMANAGED, fingerprint=Fingerprint())
    assert not plan(catalog(wanted), inventory(live(wanted))).steps
    with pytest.raises(PlanRefused, match="no source"):
        plan(catalog(wanted), inventory())


def test_known_content_that_is_another_is_refused() -> None:
    """There is nothing to make a new build from: the sentence names the image."""
    other = KnownContent(Checksum("sha512", "b" * 128))
    foreign = replace(live(spec("a"), "foreign", os_hash_algo="sha512", os_hash_value="c" * 128), properties={})
    with pytest.raises(PlanRefused, match="image foreign does not have the declared content"):
        plan(catalog(spec("a", source=other, adopt="foreign")), inventory(foreign=(foreign,)))


REJECTED = candidate(spec("a", "b"), status=Status.DEACTIVATED)


@pytest.mark.parametrize(
    "beside",
    [
        (),
        (live(spec("a"), "old"),),
        (candidate(spec("a", "b"), "twin"),),
        (live(spec("a"), "old"), retired(spec("a", "b"), "earlier")),
        (live(spec("a"), "one"), live(spec("a"), "two")),
    ],
    ids=["no current image", "current image", "active twin", "retired build of that content", "two current images"],
)
@pytest.mark.parametrize("policy", [Policy(), Policy(reactivate=True), Policy(drift_only=True)])
def test_a_rejected_build_is_not_published_in_any_way(beside: tuple[LiveImage, ...], policy: Policy) -> None:
    """No upload, no other candidate, no earlier build; what is published and the rejected image stay as they are."""
    made = plan(catalog(spec("a", "b", min_ram=7)), inventory(REJECTED, *beside), policy)
    assert made.steps == ()
    assert Candidate("a", "cand", "2026-11-01T00:00:00Z", Fate.REJECTED) in made.candidates
    assert {one.fate for one in made.candidates} == {Fate.REJECTED}
    assert (made.changed, made.removed) == ((), ())


def test_a_rejection_is_a_note_that_says_what_to_do() -> None:
    """One sentence; it is not counted as an image that matches the manifest."""
    made = plan(catalog(spec("a", "b")), inventory(live(spec("a"), "old"), REJECTED))
    assert made.notes == (
        "a: candidate cand was deactivated, so its build is rejected and not published; the current image "
        "stays as it is; to publish it: openstack image set --activate cand, then apply; to drop it: "
        "imagesync apply PATH --discard-staged a; or declare another build",
    )
    assert (made.unchanged, made.ids) == (0, {"a": "old"})


def test_the_build_after_a_rejected_one_is_published_and_the_rejected_one_deleted() -> None:
    """Also when the manifest goes back to what is current."""
    found = inventory(live(spec("a"), "old"), REJECTED)
    made = plan(catalog(spec("a", "c")), found)
    assert actions(made)[0] == ("Create", "a", "content-changed")
    assert ("Delete", "cand", "discarded") in actions(made)
    assert actions(plan(catalog(spec("a")), found)) == [("Delete", "cand", "discarded")]


def test_a_rejection_ends_when_its_build_is_current() -> None:
    """An operator rolled back to it: its rejected copy is no longer needed."""
    found = inventory(live(spec("a", "b"), "now"), REJECTED)
    assert actions(plan(catalog(spec("a", "b")), found)) == [("Delete", "cand", "discarded")]


def test_a_rejected_key_counts_as_ever_where_only_drift_is_restored() -> None:
    """A new build is not drift."""
    found = inventory(live(spec("a"), "old"), REJECTED)
    made = plan(catalog(spec("a", "b")), found, Policy(drift_only=True))
    assert (made.unchanged, made.notes) == (1, ())


def test_a_rejected_build_leaves_a_damaged_image_and_says_so() -> None:
    """Also while only drift is restored: an earlier publication does not justify publishing a rejected build."""
    wanted = spec("a", fingerprint=Fingerprint((Checksum("sha512", "b" * 128),), 4096))
    current = live(wanted, "old", os_hash_algo="sha512", os_hash_value="f" * 128)
    found = inventory(current, candidate(wanted, status=Status.DEACTIVATED))
    for policy in (Policy(), Policy(drift_only=True)):
        made = plan(catalog(wanted), found, policy)
        assert made.steps == ()
        assert "although its data is not what imagesync published" in made.notes[0]


def test_a_rejected_candidate_that_is_reactivated_is_published() -> None:
    """This is the remedy in the note."""
    made = plan(catalog(spec("a", "b")), inventory(live(spec("a"), "old"), replace(REJECTED, status=Status.ACTIVE)))
    assert actions(made)[0] == ("Update", "cand", "staged")


def test_other_staged_images_of_a_rejected_key_go() -> None:
    """Left-overs of a killed run, and a candidate of another build."""
    left = candidate(spec("a", "b"), "queued", status=Status.QUEUED)
    other = candidate(spec("a", "c"), "other")
    made = plan(catalog(spec("a", "b")), inventory(REJECTED, left, other))
    assert actions(made) == [("Delete", "other", "discarded"), ("Delete", "queued", "incomplete")]


@pytest.mark.parametrize(
    ("on_expire", "expected"),
    [
        (OnExpire.HIDE, [("Update", "old", "expired")]),
        (OnExpire.DEACTIVATE, [("Update", "old", "expired"), ("Deactivate", "old", "expired")]),
        (OnExpire.DELETE, [("Delete", "cand", "expired"), ("Delete", "old", "expired")]),
    ],
)
def test_the_current_image_of_a_rejected_key_expires(on_expire: OnExpire, expected: list[tuple[str, str, str]]) -> None:
    """``expires`` still takes effect; the rejected build is not published, not even as a deactivated one."""
    wanted = spec("a", "b", expires="2026-11-23", on_expire=on_expire)
    made = plan(catalog(wanted), inventory(live(spec("a"), "old"), REJECTED))
    assert sorted(actions(made)) == sorted(expected)


def test_an_image_that_names_the_rejected_content_is_not_adopted() -> None:
    """Adoption would also publish it."""
    foreign = replace(live(spec("a", "b"), "foreign"), properties={})
    made = plan(catalog(spec("a", "b", adopt="foreign")), inventory(REJECTED, foreign=(foreign,)))
    assert made.steps == ()


STAGED_ONLY = Policy(publish=Publish.STAGED_ONLY)


@pytest.mark.parametrize("beside", [(), (live(spec("a"), "old"),)], ids=["no current image", "current image"])
def test_under_staged_only_nothing_is_done_until_the_build_is_staged(beside: tuple[LiveImage, ...]) -> None:
    """The note names the command; fields wait with the build."""
    made = plan(catalog(spec("a", "b", min_ram=7)), inventory(*beside), STAGED_ONLY)
    assert made.steps == ()
    assert made.notes == (
        "a: the declared build is not staged yet, and policy.publish is staged-only, so it is not published; "
        "to stage it: imagesync apply PATH --stage",
    )
    assert made.unchanged == 0


def test_under_staged_only_a_candidate_is_published() -> None:
    """The usual case."""
    found = inventory(live(spec("a"), "old"), candidate(spec("a", "b")))
    assert actions(plan(catalog(spec("a", "b")), found, STAGED_ONLY)) == [
        ("Update", "cand", "staged"),
        ("Update", "old", "superseded"),
    ]


def test_under_staged_only_other_ways_stay_as_they_are() -> None:
    """Records without data, an earlier build, fields of what is published, an image whose data was tampered with."""
    record = spec("n", source=Content.NO_DATA, fingerprint=Fingerprint())
    assert kinds(plan(catalog(record), inventory(), STAGED_ONLY)) == [("Create", "n", "new")]
    found = inventory(live(spec("a"), "old", generation=2), retired(spec("a", "b"), "earlier"))
    assert actions(plan(catalog(spec("a", "b")), found, STAGED_ONLY))[0] == ("Update", "earlier", "rollback")
    made = plan(catalog(spec("a", min_ram=7)), inventory(live(spec("a"))), STAGED_ONLY)
    assert actions(made) == [("Update", "id-a", "manifest-changed")]
    wanted = spec("a", fingerprint=Fingerprint((Checksum("sha512", "b" * 128),), 4096))
    damaged = live(wanted, "old", os_hash_algo="sha512", os_hash_value="f" * 128)
    assert kinds(plan(catalog(wanted), inventory(damaged), STAGED_ONLY))[0] == ("Create", "a", "content-tampered")


def test_under_staged_only_what_a_killed_run_fetches_waits_for_the_next_staging() -> None:
    """An unverified import is not a candidate; it stays for the run that can verify it. A queued left-over is
    deleted.
    """
    source = UrlSource(("https://example.org/a.raw",), transfer=Transfer(method=Method.WEB_DOWNLOAD))
    wanted = spec("a", source=source)
    left = candidate(wanted, "fetched")
    record = read(left)
    assert record is not None
    marks = replace(record, unverified=True).properties("fetched")
    left = replace(left, properties={**left.properties, **marks})
    queued = candidate(wanted, "queued", status=Status.QUEUED)
    made = plan(catalog(wanted), inventory(left, queued), STAGED_ONLY)
    assert actions(made) == [("Delete", "queued", "incomplete")]
    assert made.candidates == ()
    staged = stage_plan(plan_input(catalog(wanted), inventory(left), STAGED_ONLY)).steps[0].action
    assert isinstance(staged, Create)
    assert staged.fill == "fetched"


def test_under_staged_only_an_expired_image_that_is_not_there_is_not_asked_for() -> None:
    """No command could stage it."""
    made = plan(catalog(spec("a", expires="2026-11-23")), inventory(), STAGED_ONLY)
    assert "expired on 2026-11-23" in made.notes[0]


def test_under_staged_only_images_that_may_hold_the_build_stay_until_they_are_compared() -> None:
    """Deleting one would delete what the next staging run compares; other staged images are deleted."""
    wanted = spec("a", fingerprint=Fingerprint((Checksum("sha512", "b" * 128),), 4096))
    compared = candidate(spec("a", "b"), "compared")
    other = candidate(replace(spec("a", "b"), disk_format="qcow2"), "other")
    made = plan(catalog(wanted), inventory(live(spec("a"), "old", size=5000), compared, other), STAGED_ONLY)
    assert actions(made) == [("Delete", "other", "discarded")]
    assert "it is unknown whether image compared holds the declared build" in made.notes[0]


def test_only_an_upload_needs_formats() -> None:
    """A record without data may lack both; an upload may lack neither."""
    bare: dict[str, Any] = {"disk_format": None, "container_format": None}
    record = spec("a", source=Content.NO_DATA, fingerprint=Fingerprint(), **bare)
    assert kinds(plan(catalog(record), inventory())) == [("Create", "a", "new")]
    lacks: list[dict[str, Any]] = [bare, {"disk_format": None}, {"container_format": None}]
    for lacking in lacks:
        with pytest.raises(PlanRefused, match="an upload needs disk_format and container_format"):
            plan(catalog(spec("a", **lacking)), inventory())


@pytest.mark.parametrize("role", [Role.CURRENT, Role.STAGING, Role.RETIRED, Role.DELETING])
@pytest.mark.parametrize("status", [Status.QUEUED, Status.SAVING, Status.ACTIVE])
@pytest.mark.parametrize("has_data", [True, False])
def test_an_image_with_the_pinned_id_is_filled_or_the_plan_is_refused(
    role: Role, status: Status, *, has_data: bool
) -> None:
    """The service never gives an id to a second image. Only a record without data can still become the declared image;
    one that is not to have data only if no user saw it.
    """
    wanted = spec("a", "b", id="pinned")
    if not has_data:
        wanted = replace(wanted, source=Content.NO_DATA, fingerprint=Fingerprint())
    image = live(spec("a", "a", disk_format="qcow2"), "pinned", role, status=status, hidden=role is not Role.CURRENT)
    found = inventory(image)
    is_same = not has_data and status is Status.QUEUED and role is Role.CURRENT  # it is the declared image
    if is_same:
        assert not any(isinstance(step.action, Create) for step in plan(catalog(wanted), found).steps)
        return
    if status is Status.QUEUED and role is not Role.DELETING and (has_data or role is Role.STAGING):
        (step,) = make_plan(plan_input(catalog(wanted), found)).steps
        assert isinstance(step.action, Create)
        assert (step.action.fill, step.action.replaces, step.action.changes) == ("pinned", (), ())
        return
    with pytest.raises(PlanRefused, match="the pinned id pinned already has an image"):
        plan(catalog(wanted), found)


def test_of_earlier_builds_with_the_declared_content_the_last_retired_is_published() -> None:
    """Whatever their generations and ids: it is the one that users had last."""
    builds = [retired(spec("a", "b"), image_id, generation) for image_id, generation in (("x", 2), ("y", 3), ("z", 1))]
    numbered = [
        rewrite(image, managed=replace(read_record(image).managed, retirement=number))
        for image, number in zip(builds, (3, 1, 2), strict=True)
    ]
    for order in (numbered, numbered[::-1]):
        made = plan(catalog(spec("a", "b")), inventory(live(spec("a", "c"), "now", generation=4), *order))
        assert actions(made)[0] == ("Update", "x", "rollback")


def test_with_a_pinned_id_only_that_image_may_hold_the_build() -> None:
    """The image of another id could not be kept."""
    wanted = spec("a", fingerprint=Fingerprint((Checksum("sha512", "b" * 128),), 4096))
    found = inventory(live(spec("a"), "other"), retired(spec("a"), "pinned"))
    compared = [step.action for step in plan(catalog(wanted), found).steps if isinstance(step.action, Create)]
    assert [create.may_hold for create in compared] == [("other", "pinned")]
    elsewhere = plan(catalog(replace(wanted, id="free")), found)
    assert [(one.may_hold, one.image_id) for step in elsewhere.steps if isinstance(one := step.action, Create)] == [
        ((), "free")
    ]


@pytest.mark.parametrize("on_expire", OnExpire)
@pytest.mark.parametrize("expires", [None, "2030-01-01"])
@pytest.mark.parametrize("status", [None, Status.ACTIVE, Status.DEACTIVATED])
@pytest.mark.parametrize("recorded", [None, Status.DEACTIVATED])
def test_only_the_declared_status_excuses_a_deactivated_candidate(
    on_expire: OnExpire, expires: str | None, status: Status | None, recorded: Status | None
) -> None:
    """Before the day, ``on_expire`` does not matter; nor does what an earlier manifest declared, if this one says active."""
    staged = candidate(spec("a", status=recorded), status=Status.DEACTIVATED)
    made = plan(catalog(spec("a", status=status, expires=expires, on_expire=on_expire)), inventory(staged))
    assert [one.fate for one in made.candidates] == ([] if status is Status.DEACTIVATED else [Fate.REJECTED])
    assert actions(made) == ([("Update", "cand", "staged")] if status is Status.DEACTIVATED else [])


def test_a_passed_over_image_is_recorded_without_the_declared_content() -> None:
    """Neither its digest nor its URL: else the next plan would take it for an earlier build of what is declared."""
    source = UrlSource(("https://example.org/a.raw",))
    for fingerprint in (Fingerprint(), Fingerprint((Checksum("sha256", "b" * 64),))):
        wanted = spec("a", source=source, fingerprint=fingerprint, adopt="foreign")
        foreign = replace(live(spec("a"), "foreign", disk_format="qcow2", checksum="c" * 32), properties={})
        made = plan(catalog(wanted), inventory(foreign=(foreign,)))
        (record,) = [step.action.record for step in made.steps if isinstance(step.action, Update)]
        assert record is not None
        assert (record.url, record.declared, record.digests) == (None, (), (Checksum("md5", "c" * 32),))


def test_of_two_current_images_the_newest_is_the_damaged_one() -> None:
    """The note about a rejected build speaks of the image that references mean."""
    wanted = spec("a", fingerprint=Fingerprint((Checksum("sha512", "b" * 128),), 4096))
    damaged: dict[str, Any] = {"os_hash_algo": "sha512", "os_hash_value": "f" * 128}
    rejected = candidate(wanted, status=Status.DEACTIVATED)
    states: list[tuple[dict[str, Any], dict[str, Any]]] = [({}, damaged), (damaged, {})]
    for older, newer in states:
        other = spec("a", "c")
        current = (
            live(wanted if older else other, "one", generation=1, **older),
            live(wanted if newer else other, "two", generation=2, **newer),
        )
        made = plan(catalog(wanted), inventory(rejected, *current))
        assert ("not what imagesync published" in made.notes[0]) is bool(newer)


def test_a_damaged_or_unverifiable_image_is_replaced_without_a_comparison() -> None:
    """Another image may hold the declared bytes, but what users have now must go: the new build is made at once."""
    sha512 = Fingerprint((Checksum("sha512", "b" * 128),), 4096)
    wanted, unknown = spec("a", fingerprint=sha512), retired(spec("a"), "old")
    damaged = live(wanted, "now", generation=2, os_hash_algo="sha512", os_hash_value="f" * 128)
    made = plan(catalog(wanted), inventory(damaged, unknown))
    assert [(step.reason.value, step.action.may_hold) for step in made.steps if isinstance(step.action, Create)] == [
        ("content-tampered", ())
    ]
    packed = FileSource("/images/a.gz", "a.gz", transfer=Transfer(Compression.GZ))
    theirs = replace(wanted, source=packed, owner="f" * 32, visibility=Visibility.PUBLIC)
    elsewhere = live(theirs, "now", generation=2, owner="f" * 32, visibility=Visibility.PRIVATE)
    made = plan(catalog(theirs), inventory(elsewhere, unknown))
    assert [(step.reason.value, step.action.may_hold) for step in made.steps if isinstance(step.action, Create)] == [
        ("unverified", ())
    ]


@pytest.mark.parametrize("role", [Role.CURRENT, Role.STAGING, Role.RETIRED])
def test_with_a_pinned_id_no_image_of_another_id_is_the_declared_one(role: Role) -> None:
    """Although its content is: the new image gets the pinned id."""
    image = live(spec("a"), "other", role, hidden=role is not Role.CURRENT)
    made = plan(catalog(spec("a", id="pinned")), inventory(image))
    creates = [step.action for step in made.steps if isinstance(step.action, Create)]
    assert [(create.image_id, create.fill) for create in creates] == [("pinned", None)]
    assert plan(catalog(spec("a", id="other")), inventory(live(spec("a"), "other"))).steps == ()


def test_a_candidate_of_unknown_content_is_deleted_only_after_the_new_build() -> None:
    """If the bytes prove to be the same, it is published, and the new build is not made."""
    wanted = spec("a", fingerprint=Fingerprint((Checksum("sha512", "b" * 128),), 4096))
    other = candidate(spec("a", "c", disk_format="qcow2"), "other")
    made = plan(catalog(wanted), inventory(candidate(spec("a", "b"), "compared"), other))
    needs = {step.action.image_id: step.needs for step in made.steps if isinstance(step.action, Delete)}
    assert needs == {"compared": ("create:a",), "other": ()}


def test_of_two_equal_current_images_the_visible_one_stays() -> None:
    """Also if it is the newer one: users keep the image that they see."""
    found = inventory(live(spec("a"), "one", hidden=True), live(spec("a"), "two", generation=2))
    assert actions(plan(catalog(spec("a")), found)) == [("Update", "one", "duplicate")]


@pytest.mark.parametrize(("size", "kind"), [(4096, "Update"), (5000, "Create"), (None, "Update")])
def test_an_image_of_another_size_is_not_adopted_as_the_declared_content(size: int | None, kind: str) -> None:
    """Its digest is unknown, its size is not."""
    foreign = replace(live(spec("a"), "theirs"), properties={}, size=size)
    made = plan(catalog(spec("a", adopt=True)), inventory(foreign=(foreign,)))
    assert type(made.steps[0].action).__name__ == kind


@pytest.mark.parametrize(("size", "kind"), [(4096, "Update"), (5000, "Create")])
def test_a_candidate_of_another_size_is_not_published(size: int, kind: str) -> None:
    """The service holds other data than was verified."""
    found = inventory(live(spec("a"), "now"), candidate(spec("a", "b"), size=size))
    assert type(plan(catalog(spec("a", "b")), found).steps[0].action).__name__ == kind


@pytest.mark.parametrize(("declared", "is_kept"), [("vmdk", True), ("qcow2", False)])
def test_an_image_that_the_service_converted_has_the_format_that_was_sent(declared: str, *, is_kept: bool) -> None:
    """Another declared format makes a new build."""
    image = rewrite(live(spec("a", disk_format="vmdk"), disk_format="raw"), converted=True)
    made = plan(catalog(spec("a", disk_format=declared)), inventory(image))
    assert [kind for kind, *_ in kinds(made)] == ([] if is_kept else ["Create", "Update"])


def test_the_whole_sentence_about_rejected_candidates() -> None:
    """Each of them by its id, the newest last; and every way out."""
    rejected = [
        candidate(spec("a", "b"), name, status=Status.DEACTIVATED, created_at=f"2026-11-0{day}T00:00:00Z")
        for day, name in ((2, "y"), (1, "x"))
    ]
    made = plan(catalog(spec("a", "b")), inventory(live(spec("a"), "now"), *rejected))
    assert made.notes == (
        "a: candidate x, y was deactivated, so its build is rejected and not published; the current image stays as it is; to "
        "publish it: openstack image set --activate x && openstack image set --activate y, then apply; to drop it: "
        "imagesync apply PATH --discard-staged a; or declare another build",
    )


def test_the_whole_sentence_about_images_that_may_hold_a_build_that_is_not_staged() -> None:
    """It names the one that is compared first."""
    wanted = spec("a", fingerprint=Fingerprint((Checksum("sha512", "a" * 128),), size=4096))
    found = inventory(live(spec("a"), "old"), live(spec("a"), "new", generation=2))
    made = plan(catalog(wanted), found, Policy(publish=Publish.STAGED_ONLY))
    assert made.notes == (
        "a: it is unknown whether image new holds the declared build, and policy.publish is staged-only, so it is not "
        "published; to compare them, and to stage the build if it differs: imagesync apply PATH --stage",
    )
