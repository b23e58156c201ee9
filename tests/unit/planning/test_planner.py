"""The planner: desired against live, by hand-made values."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import (
    Checksum,
    Content,
    FileSource,
    Fingerprint,
    KnownContent,
    Limit,
    OnExpire,
    OnRemove,
    OnReplace,
    Policy,
    Role,
    Status,
    UrlSource,
    Visibility,
)
from imagesync.model.image import MemberState
from imagesync.model.plan import Create, Deactivate, Delete, FieldChange, Plan, Reactivate, Reason, Update, summarize
from imagesync.model.record import read
from imagesync.planfile.writer import plan_text_json, plan_to_json
from imagesync.planning.policy import check
from tests.unit.factories import NOW, catalog, digest, inventory, live, plan, spec


def kinds(made: Plan) -> list[tuple[str, str, str]]:
    """Action, key and reason of each step."""
    return [(type(step.action).__name__, step.action.key, step.reason.value) for step in made.steps]


def changes(made: Plan) -> dict[str, tuple[object, object]]:
    """Path to (before, after) of the only update."""
    (update,) = [step.action for step in made.steps if isinstance(step.action, Update)]
    return {".".join(change.path): (change.before, change.after) for change in update.changes}


def test_a_new_key_is_created() -> None:
    """What is wanted and not there is made; its absence is relied on."""
    made = plan(catalog(spec("a")), inventory())
    assert kinds(made) == [("Create", "a", "new")]
    assert made.absent == ("a",)


def test_an_image_as_wanted_needs_no_step() -> None:
    """After a successful apply the next plan is empty."""
    wanted = spec("a", tags=frozenset({"t"}), properties={"os_distro": "ubuntu"}, min_ram=512)
    made = plan(catalog(wanted), inventory(live(wanted)))
    assert not made.steps
    assert made.unchanged == 1


@pytest.mark.parametrize(
    ("attrs", "path", "values"),
    [
        ({"name": "b"}, "name", ("a", "b")),
        ({"min_ram": 512}, "min_ram", (0, 512)),
        ({"min_disk": 4}, "min_disk", (0, 4)),
        ({"protected": True}, "protected", (False, True)),
        ({"hidden": True}, "hidden", (False, True)),
        ({"visibility": Visibility.PUBLIC}, "visibility", ("private", "public")),
        ({"properties": {"hw.x": "1"}}, "properties.hw.x", (None, "1")),
        ({"tags": frozenset({"t"})}, "tags", ((), ("t",))),
    ],
)
def test_a_changed_field_is_one_update(attrs: dict[str, Any], path: str, values: tuple[object, object]) -> None:
    """Every field that can change in place does, in one update that names before and after."""
    made = plan(catalog(replace(spec("a"), **attrs)), inventory(live(spec("a"))))
    assert kinds(made) == [("Update", "a", "manifest-changed")]
    assert changes(made) == {path: values}


def test_drift_is_told_from_a_manifest_change() -> None:
    """A live value that is no longer what imagesync wrote is drift; a new wanted value is not."""
    before = spec("a", min_ram=512, properties={"p": "1", "q": "1"})
    after = replace(before, properties={"p": "1", "q": "2"})
    image = live(before, min_ram=1)
    made = plan(catalog(after), inventory(image))
    (update,) = [step.action for step in made.steps if isinstance(step.action, Update)]
    assert {change.path: change.reason for change in update.changes} == {
        ("min_ram",): Reason.DRIFT,
        ("properties", "q"): Reason.MANIFEST_CHANGED,
    }
    assert kinds(plan(catalog(before), inventory(image))) == [("Update", "a", "drift")]


def test_three_way_merge_removes_only_what_imagesync_set() -> None:
    """A property and a tag of ours that left the manifest go; those of others stay."""
    before = spec("a", properties={"ours": "1"}, tags=frozenset({"ours"}))
    image = live(before)
    image = replace(image, properties={**image.properties, "theirs": "1"}, tags=frozenset({"ours", "theirs"}))
    made = plan(catalog(spec("a")), inventory(image))
    assert changes(made) == {"properties.ours": ("1", None), "tags": (("ours", "theirs"), ("theirs",))}


def test_a_field_no_longer_declared_goes_back_to_its_default() -> None:
    """min_ram that imagesync set and the manifest dropped becomes 0 again; one set by others stays."""
    assert changes(plan(catalog(spec("a")), inventory(live(spec("a", min_ram=512))))) == {"min_ram": (512, 0)}
    assert not plan(catalog(spec("a")), inventory(live(spec("a"), min_ram=512))).steps


def test_a_value_that_becomes_managed_is_recorded() -> None:
    """Declaring what is there already changes the record alone, so that dropping it later is seen."""
    image = live(spec("a"), min_ram=512)
    made = plan(catalog(spec("a", min_ram=512)), inventory(image))
    assert changes(made) == {}
    (step,) = made.steps
    assert isinstance(step.action, Update)
    assert step.action.record is not None
    assert step.action.record.managed.fields["min_ram"] == "94f86079"
    recorded = replace(image, properties={**image.properties, **step.action.record.properties()})
    assert changes(plan(catalog(spec("a")), inventory(recorded))) == {"min_ram": (512, 0)}


def test_ignored_fields_are_left_to_others() -> None:
    """``ignore`` patterns keep a field out of the diff once the image exists."""
    wanted = spec("a", min_ram=512, properties={"hw_x": "1"}, ignore=("min_ram", "properties.hw_*"))
    image = live(wanted, min_ram=7)
    image = replace(image, properties={**image.properties, "hw_x": "other"})
    assert not plan(catalog(wanted), inventory(image)).steps


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


def test_superseded_generations_beyond_keep_are_deleted() -> None:
    """``keep: 1``: of two earlier builds the older goes, after the new one is there."""
    old, older = live(spec("a", "a"), "old", generation=2), live(spec("a", "c"), "older", Role.RETIRED, hidden=True)
    made = plan(catalog(spec("a", "b")), inventory(old, older))
    assert [kind for kind, _, _ in kinds(made)] == ["Create", "Update", "Delete"]
    deleted = [step for step in made.steps if isinstance(step.action, Delete)]
    assert [step.action.image_id for step in deleted if isinstance(step.action, Delete)] == ["older"]


def test_retired_builds_go_when_their_time_is_over() -> None:
    """``delete_after`` counts from the moment of retirement."""
    wanted = spec("a", on_replace=OnReplace(delete_after=90))
    old = live(spec("a", "c"), "old", Role.RETIRED, hidden=True)
    record = read(old)
    assert record is not None
    for days, steps in ((89, 0), (90, 1)):
        since = (NOW - timedelta(days=days)).isoformat()
        marked = replace(record, managed=replace(record.managed, retired=since)).properties()
        found = inventory(live(wanted, generation=2), replace(old, properties={**old.properties, **marked}))
        assert len(plan(catalog(wanted), found).steps) == steps


def test_the_manifest_going_back_promotes_the_kept_build() -> None:
    """A retired generation with the wanted digest becomes current again: no bytes move."""
    wanted = spec("a", "a")
    retired = live(wanted, "one", Role.RETIRED, hidden=True)
    record = read(retired)
    assert record is not None
    marked = replace(record, managed=replace(record.managed, before={"hidden": False})).properties()
    retired = replace(retired, properties={**retired.properties, **marked})
    made = plan(catalog(wanted), inventory(retired, live(spec("a", "b"), "two", generation=2)))
    assert kinds(made) == [("Update", "a", "rollback"), ("Update", "a", "superseded")]
    first = made.steps[0].action
    assert isinstance(first, Update)
    assert first.changes == (FieldChange(("hidden",), True, False, Reason.ROLLBACK),)


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
        (Status.ACTIVE, [("Create", "a", "incomplete"), ("Delete", "a", "incomplete")]),
        (None, [("Create", "a", "incomplete"), ("Delete", "a", "incomplete")]),
    ],
)
def test_a_staged_build_that_was_deactivated(wanted: Status | None, steps: list[tuple[str, str, str]]) -> None:
    """It is published where the manifest wants it so: a run was killed on its way there; else somebody rejected it."""
    off = spec("a", status=wanted)
    found = live(off, "s", Role.STAGING, hidden=True, status=Status.DEACTIVATED)
    made = plan(catalog(off), inventory(found))
    assert kinds(made) == steps


def test_an_incomplete_staging_image_is_made_anew() -> None:
    """A queued left-over is deleted; the image is created."""
    staged = live(spec("a"), "s", Role.STAGING, hidden=True, status=Status.QUEUED)
    made = plan(catalog(spec("a")), inventory(staged))
    assert kinds(made) == [("Create", "a", "incomplete"), ("Delete", "a", "incomplete")]


def test_a_queued_staging_image_with_the_pinned_id_is_filled() -> None:
    """Deleting it would burn the id for ever."""
    staged = live(spec("a"), "pinned", Role.STAGING, hidden=True, status=Status.QUEUED)
    (step,) = plan(catalog(spec("a", id="pinned")), inventory(staged)).steps
    assert isinstance(step.action, Create)
    assert step.action.fill == "pinned"


def test_a_pinned_id_cannot_get_new_content() -> None:
    """A plan error that says what to do."""
    with pytest.raises(PlanRefused, match="pinned id pinned"):
        plan(catalog(spec("a", "b", id="pinned")), inventory(live(spec("a", "a"), "pinned")))


def test_formats_cannot_change_in_place() -> None:
    """Another disk_format is another image."""
    made = plan(catalog(spec("a", disk_format="qcow2")), inventory(live(spec("a"))))
    assert kinds(made) == [("Create", "a", "manifest-changed"), ("Update", "a", "superseded")]


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


def test_keys_outside_only_are_left_alone() -> None:
    """With ``only``, what lies outside is neither changed nor taken for removed."""
    found = inventory(live(spec("a")), live(spec("b")), live(spec("c")))
    wanted = catalog(spec("a", min_ram=1), keys=frozenset({"a", "b"}), only=("a",))
    assert kinds(plan(wanted, found)) == [("Update", "a", "manifest-changed")]


def test_a_protected_image_leaves_only_with_permission() -> None:
    """The refusal names image and flag; with it the delete takes the protection off."""
    found = inventory(live(spec("a")), live(spec("b"), protected=True))
    with pytest.raises(PlanRefused, match="--allow-protected"):
        plan(catalog(spec("a")), found)
    (step,) = plan(catalog(spec("a")), found, Policy(allow_protected=True)).steps
    assert isinstance(step.action, Delete)
    assert step.action.unprotect


def test_status_both_ways() -> None:
    """deactivated and active are reached by the two actions of the service."""
    off, on = spec("a", status=Status.DEACTIVATED), spec("a", status=Status.ACTIVE)
    made = plan(catalog(off), inventory(live(on)))
    assert kinds(made) == [("Deactivate", "a", "manifest-changed")]
    back = plan(catalog(on), inventory(live(off, status=Status.DEACTIVATED)))
    assert kinds(back) == [("Reactivate", "a", "manifest-changed")]


def test_a_status_no_longer_declared_is_undone() -> None:
    """What imagesync deactivated becomes active again when the manifest drops the line."""
    made = plan(catalog(spec("a")), inventory(live(spec("a", status=Status.DEACTIVATED), status=Status.DEACTIVATED)))
    assert isinstance(made.steps[0].action, Reactivate)


def test_somebody_elses_deactivation_is_reported_not_undone() -> None:
    """It may have been for a security reason."""
    found = inventory(live(spec("a"), status=Status.DEACTIVATED))
    made = plan(catalog(spec("a")), found)
    assert not made.steps
    assert "--reactivate" in made.notes[0]
    assert isinstance(plan(catalog(spec("a")), found, Policy(reactivate=True)).steps[0].action, Reactivate)


def test_a_name_held_by_a_foreign_image_is_a_clash() -> None:
    """The error names its id and both ways out."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    with pytest.raises(PlanRefused, match=r"held by image foreign.*adopt: foreign.*another name"):
        plan(catalog(spec("a")), inventory(foreign=(foreign,)))


def test_a_hidden_or_foreign_owned_namesake_is_no_clash() -> None:
    """Only visible images of the same project hold a name."""
    hidden = replace(live(spec("a"), "x", hidden=True), properties={})
    other = replace(live(spec("a"), "y", owner="else"), properties={})
    assert plan(catalog(spec("a")), inventory(foreign=(hidden, other))).steps


def test_adoption_takes_the_one_image_of_that_name() -> None:
    """No byte moves; the content is taken on trust, and the plan says so."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    made = plan(catalog(spec("a", adopt=True)), inventory(foreign=(foreign,)))
    assert kinds(made) == [("Update", "a", "adopt")]
    assert "on trust" in made.notes[0]


def test_an_adopted_image_whose_hash_contradicts_is_replaced() -> None:
    """The service's own sha512 says that the content is another."""
    wanted = spec("a", fingerprint=Fingerprint((digest("b").__class__("sha512", "b" * 128),)), adopt="foreign")
    foreign = replace(live(spec("a"), "foreign", os_hash_algo="sha512", os_hash_value="c" * 128), properties={})
    made = plan(catalog(wanted), inventory(foreign=(foreign,)))
    assert kinds(made) == [("Create", "a", "content-changed"), ("Update", "a", "superseded")]


def test_several_images_to_adopt_are_refused() -> None:
    """Names repeat in the service: the manifest must say which."""
    twins = tuple(replace(live(spec("a"), name), properties={}) for name in ("x", "y"))
    with pytest.raises(PlanRefused, match=r"2 images.*adopt: ID \(x, y\)"):
        plan(catalog(spec("a", adopt=True)), inventory(foreign=twins))


def test_of_two_current_images_the_one_with_the_wanted_content_wins() -> None:
    """The surplus retires; of equal ones the older stays."""
    found = inventory(live(spec("a", "c"), "one"), live(spec("a", "a"), "two", generation=2))
    made = plan(catalog(spec("a", "a")), found)
    assert [(step.action.image_id, step.reason) for step in made.steps if isinstance(step.action, Update)] == [
        ("one", Reason.DUPLICATE)
    ]


def test_tampered_content_is_found() -> None:
    """The record says our digest, the service's hash another."""
    sha512 = digest("a").__class__("sha512", "a" * 128)
    wanted = spec("a", fingerprint=Fingerprint((sha512,)))
    made = plan(catalog(wanted), inventory(live(wanted, os_hash_algo="sha512", os_hash_value="b" * 128)))
    assert kinds(made)[0] == ("Create", "a", "content-tampered")


def test_a_stronger_digest_of_the_same_content_uploads_nothing() -> None:
    """A manifest that goes from sha256 to sha512 is compared with the service's own hash."""
    sha512 = digest("a").__class__("sha512", "a" * 128)
    image = live(spec("a"), os_hash_algo="sha512", os_hash_value="a" * 128)
    assert not plan(catalog(spec("a", fingerprint=Fingerprint((sha512,)))), inventory(image)).steps


def test_content_without_digest_is_its_url() -> None:
    """Another URL is another content."""
    one = spec("a", source=UrlSource(("https://x/1",)), fingerprint=Fingerprint())
    two = replace(one, source=UrlSource(("https://x/2",)), fingerprint=Fingerprint())
    assert not plan(catalog(one), inventory(live(one))).steps
    assert kinds(plan(catalog(two), inventory(live(one))))[0] == ("Create", "a", "content-changed")


def test_no_source_is_an_error_only_where_an_image_must_be_made() -> None:
    """Without source the content is not managed."""
    wanted = spec("a", source=Content.UNMANAGED, fingerprint=Fingerprint())
    assert not plan(catalog(wanted), inventory(live(wanted))).steps
    with pytest.raises(PlanRefused, match="no source"):
        plan(catalog(wanted), inventory())


def test_exported_content_is_checked_against_the_live_hash() -> None:
    """``source: {checksum}`` cannot be made, only compared."""
    wanted = spec("a", source=KnownContent(digest("a")), fingerprint=Fingerprint((digest("a"),)))
    with pytest.raises(PlanRefused, match="not the declared one"):
        plan(catalog(wanted), inventory(live(wanted, os_hash_algo="sha256", os_hash_value="f" * 64)))


def test_a_record_without_data_is_one_create() -> None:
    """``source: none`` is legal in Glance: status queued for ever."""
    wanted = spec("a", source=Content.NO_DATA, fingerprint=Fingerprint())
    assert kinds(plan(catalog(wanted), inventory())) == [("Create", "a", "new")]
    assert not plan(catalog(wanted), inventory(live(wanted, status=Status.QUEUED))).steps


def test_references_are_ordered_and_resolved() -> None:
    """An image that names another's id waits for it, and gets the id that is known at plan time."""
    kernel, root = spec("kernel"), spec("root", properties={"kernel_id": "${images.kernel.id}"})
    made = plan(catalog(kernel, root), inventory())
    assert made.steps[1].needs == ("create:kernel",)
    after = plan(catalog(kernel, root), inventory(live(kernel, "k")))
    assert isinstance(after.steps[0].action, Create)
    assert after.steps[0].action.state.properties["kernel_id"] == "k"


def test_members_are_merged_three_ways() -> None:
    """Members of ours that left the manifest go; those of others stay."""
    before = spec("a", visibility=Visibility.SHARED, members=frozenset({"p1"}), members_declared=True)
    after = replace(before, members=frozenset({"p2"}))
    found = inventory(live(before), members={"id-a": (MemberState("p1"), MemberState("other"))})
    assert changes(plan(catalog(after), found)) == {"members": (("other", "p1"), ("other", "p2"))}


def test_an_expired_image_is_hidden_by_default() -> None:
    """``expires`` takes effect on its day."""
    wanted = spec("a", expires="2026-11-23")
    assert changes(plan(catalog(wanted), inventory(live(spec("a"))))) == {"hidden": (False, True)}
    gone = plan(catalog(replace(wanted, on_expire=OnExpire.DELETE)), inventory(live(spec("a"))))
    assert kinds(gone) == [("Delete", "a", "expired")]


def test_drift_only_restores_and_nothing_else() -> None:
    """Creates, removals and manifest changes wait."""
    found = inventory(live(spec("a", min_ram=1), min_ram=7), live(spec("gone")))
    wanted = catalog(spec("a", min_ram=1, min_disk=3), spec("new"))
    made = plan(wanted, found, Policy(drift_only=True))
    assert changes(made) == {"min_ram": (7, 1)}


def test_the_same_input_gives_the_same_bytes() -> None:
    """The order of images on either side does not show in the plan."""
    specs = [spec("a", "b"), spec("b", min_ram=1), spec("c")]
    images = [live(spec("a", "a")), live(spec("b")), live(spec("d"))]
    policy = Policy(allow_destroy=True)
    plans = {
        plan_text_json(plan_to_json(plan(catalog(*one), inventory(*two), policy), tool="test", folder="/"))
        for one in permutations(specs)
        for two in permutations(images)
    }
    assert len(plans) == 1


def test_a_name_passes_from_one_key_to_another_without_a_gap() -> None:
    """The removal waits for the create that takes the name over."""
    made = plan(catalog(spec("new", name="x"), spec("k")), inventory(live(spec("old", name="x")), live(spec("k"))))
    assert [(type(step.action).__name__, step.needs) for step in made.steps] == [
        ("Create", ()),
        ("Delete", ("create:new",)),
    ]


def test_what_a_killed_run_left_does_not_count_against_the_limits() -> None:
    """A key that has a staged build alone is made, not updated, nor removed: the next plain apply goes on."""
    wanted = [spec(f"k{number}", min_ram=7) for number in range(5)]
    owned = [live(spec(one.key), f"i{one.key}") for one in wanted]
    left = live(spec("new"), "s", Role.STAGING, hidden=True, name="new (staging)")
    made = plan(catalog(*wanted, spec("new")), inventory(*owned, left))
    assert (len(made.changed), made.owned, check(made, Policy())) == (5, 5, ())
    emptied = plan(catalog(), inventory(*owned, left))
    assert len(emptied.removed) == 5
    assert "--destroy" in check(emptied, Policy(max_delete=Limit(99, percent=False)))[0]


def test_policy_refuses_too_many_removals_in_one_sentence() -> None:
    """Number, limit and way out."""
    keep = [spec(f"k{number}") for number in range(5)]
    found = inventory(*map(live, keep), *(live(spec(f"g{number}")) for number in range(5)))
    made = plan(catalog(*keep), found)
    (sentence,) = check(made, Policy())
    assert sentence == "would delete 5 of 10 owned images (50 %), the limit is 30 %; pass --max-delete 5 to allow"


def test_an_empty_catalogue_is_refused_whatever_the_limits_say() -> None:
    """A catalogue that names none of the keys it owns needs --destroy."""
    made = plan(catalog(), inventory(live(spec("a"))), Policy())
    assert "--destroy" in check(made, Policy())[0]
    assert not check(made, Policy(allow_destroy=True))


def test_unnamed_file_sources_do_not_matter_to_identity() -> None:
    """Where the file lies is not what it holds."""
    moved = spec("a", source=FileSource("/elsewhere/a.raw", "../a.raw"))
    assert not plan(catalog(moved), inventory(live(spec("a")))).steps


def test_deactivate_on_replace_follows_the_retirement() -> None:
    """One writer per image: update, then deactivate."""
    wanted = spec("a", "b", on_replace=OnReplace(deactivate=True, rename="{name} ({created:%Y-%m-%d})"))
    made = plan(catalog(wanted), inventory(live(spec("a", "a"), "old")))
    assert [type(step.action) for step in made.steps] == [Create, Update, Deactivate]
    assert made.steps[2].needs[0] == made.steps[1].id
    assert changes(made)["name"] == ("a", "a (2026-11-01)")


def test_an_earlier_build_goes_only_once_the_new_one_is_there() -> None:
    """Where the new build fails, the one to roll back to stays."""
    found = inventory(
        live(spec("a", "1"), "old", Role.RETIRED, 1, hidden=True),
        live(spec("a", "2"), "current", generation=2),
    )
    made = plan(catalog(spec("a", "3")), found)
    assert {item.id: item.needs for item in made.steps}["delete:a:old"] == ("create:a",)


def test_what_does_not_fit_is_not_adopted() -> None:
    """Another format, no data, or data where none is declared: a new build takes its place, and the plan says so."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    for found in (
        replace(foreign, disk_format="qcow2"),
        replace(foreign, status=Status.QUEUED, size=None),
    ):
        made = plan(catalog(spec("a", adopt="foreign")), inventory(foreign=(found,)))
        assert kinds(made) == [("Create", "a", "content-changed"), ("Update", "a", "superseded")]
        assert any("named to be adopted" in note for note in made.notes)
    made = plan(
        catalog(spec("a", adopt="foreign", source=Content.NO_DATA, fingerprint=Fingerprint())),
        inventory(foreign=(foreign,)),
    )
    assert kinds(made)[0] == ("Create", "a", "content-changed")


def test_known_content_that_is_another_is_refused() -> None:
    """There is nothing to make a new build from: the sentence names the image."""
    other = KnownContent(Checksum("sha512", "b" * 128))
    foreign = replace(live(spec("a"), "foreign", os_hash_algo="sha512", os_hash_value="c" * 128), properties={})
    with pytest.raises(PlanRefused, match="image foreign is not the declared one"):
        plan(catalog(spec("a", source=other, adopt="foreign")), inventory(foreign=(foreign,)))


def test_content_that_the_service_confirms_is_not_taken_on_trust() -> None:
    """Its own sha512 is the declared one."""
    declared = Checksum("sha512", "c" * 128)
    foreign = replace(live(spec("a"), "foreign", os_hash_algo="sha512", os_hash_value="c" * 128), properties={})
    wanted = spec("a", source=KnownContent(declared), fingerprint=Fingerprint((declared,)), adopt="foreign")
    made = plan(catalog(wanted), inventory(foreign=(foreign,)))
    assert (kinds(made), made.notes) == ([("Update", "a", "adopt")], ())


def test_an_image_of_another_catalogue_is_not_adopted() -> None:
    """Both ways out are named."""
    foreign = replace(live(spec("a"), "foreign"), properties={"imagesync_catalog": "other"})
    with pytest.raises(PlanRefused, match=r"belongs to catalogue other.*on_remove: keep.*take adopt out here"):
        plan(catalog(spec("a", adopt="foreign")), inventory(foreign=(foreign,)))


def test_status_protection_and_hiding_are_not_flipped_by_adoption() -> None:
    """What is declared as it is changes nothing."""
    wanted = spec("a", adopt="foreign", protected=True, hidden=True, status=Status.DEACTIVATED)
    foreign = replace(live(wanted, "foreign", status=Status.DEACTIVATED), properties={})
    (only,) = plan(catalog(wanted), inventory(foreign=(foreign,))).steps
    assert isinstance(only.action, Update)
    assert only.action.changes == ()


def test_an_image_adopted_by_id_is_not_adopted_by_name_too() -> None:
    """It has one key."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    wanted = catalog(spec("b", adopt="foreign"), spec("a", adopt=True))
    with pytest.raises(PlanRefused, match=r"images\.a: the name 'a' is held by image foreign"):
        plan(wanted, inventory(foreign=(foreign,)))
