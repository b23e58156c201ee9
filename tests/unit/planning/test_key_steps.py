"""The steps of one key: status, references, records without data."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import (
    Checksum,
    Content,
    FileSource,
    Fingerprint,
    ImageSpec,
    Method,
    OnExpire,
    Role,
    SourceFault,
    Status,
    Transfer,
    UrlSource,
    Visibility,
)
from imagesync.model.image import LiveImage
from imagesync.model.plan import Create, Delete, Reactivate, Reason, Update
from imagesync.model.policy import Policy, Publish
from imagesync.model.record import read
from tests.unit.factories import candidate, catalog, inventory, live, plan, retired, rewrite, spec
from tests.unit.planning.plans import kinds


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


def test_a_deactivation_by_another_user_is_reported_and_not_undone() -> None:
    """The other user may have had a security reason."""
    found = inventory(live(spec("a"), status=Status.DEACTIVATED))
    made = plan(catalog(spec("a")), found)
    assert not made.steps
    assert "--reactivate" in made.notes[0]
    assert isinstance(plan(catalog(spec("a")), found, Policy(reactivate=True)).steps[0].action, Reactivate)


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


@pytest.mark.parametrize("role", [Role.CURRENT, Role.RETIRED])
def test_a_hidden_image_in_whose_favor_a_visible_one_retires_is_shown(role: Role) -> None:
    """A user gave a staged record another role: the key must not be left without a visible image."""
    wanted = spec("a", "b")
    old = live(spec("a", "a"), "old")
    staged = live(wanted, "new", role, 9, hidden=True, name="a (staging)")
    made = plan(catalog(wanted), inventory(old, staged))
    (output,) = (step for step in made.steps if step.id == "update:a:new")
    assert isinstance(output.action, Update)
    assert {change.path: change.after for change in output.action.changes} == {("hidden",): False, ("name",): "a"}
    (retired,) = (step for step in made.steps if step.id == "update:a:old")
    assert retired.needs == ("update:a:new",)
    hidden = plan(catalog(replace(wanted, hidden=True)), inventory(old, staged))
    changed = [
        change.path for step in hidden.steps if isinstance(step.action, Update) for change in step.action.changes
    ]
    assert changed == [("name",), ("hidden",)]  # the new one keeps hidden, the old one retires


@pytest.mark.parametrize("number", [1, 2])
def test_an_image_that_another_user_hid_stays_hidden(number: int) -> None:
    """The manifest does not declare whether it is hidden, and it replaces no visible image."""
    images = [live(spec("a"), f"old-{one}", generation=one, hidden=True) for one in range(1, number + 1)]
    made = plan(catalog(spec("a", min_ram=1)), inventory(*images))
    changes = [change for step in made.steps if isinstance(step.action, Update) for change in step.action.changes]
    assert [change.path for change in changes] == [("min_ram",)]


def test_a_staging_record_with_the_pinned_id_is_never_deleted() -> None:
    """The service would not give the id out again."""
    kept = spec("a", "a", id="pinned", status=Status.ACTIVE)
    left = candidate(spec("a", "b"), "pinned", status=Status.QUEUED)
    other = candidate(spec("a", "b"), "left", status=Status.QUEUED)
    made = plan(catalog(kept), inventory(live(spec("a", "a"), "id-a"), left, other))
    assert {getattr(step.action, "image_id", "") for step in made.steps if isinstance(step.action, Delete)} == {"left"}


def test_a_candidate_with_the_pinned_id_is_not_deleted_even_if_its_content_is_unknown() -> None:
    """It may hold the declared bytes, and no other image could get its id."""
    wanted = spec("a", id="pinned", fingerprint=Fingerprint((Checksum("sha512", "b" * 128),), 4096))
    made = plan(catalog(wanted), inventory(candidate(spec("a", "b"), "pinned"), candidate(spec("a", "c"), "left")))
    creates = [step.action for step in made.steps if isinstance(step.action, Create)]
    assert [create.may_hold for create in creates] == [("pinned",)]
    assert {step.action.image_id for step in made.steps if isinstance(step.action, Delete)} == {"left"}


def damaged(key: str = "a", **attrs: Any) -> tuple[ImageSpec, LiveImage]:
    """A declared image, and its live one whose data is not what imagesync published."""
    wanted = spec(key, fingerprint=Fingerprint((Checksum("sha512", "b" * 128),), 4096), **attrs)
    return wanted, live(wanted, "now", os_hash_algo="sha512", os_hash_value="f" * 128)


def test_restoring_drift_replaces_damaged_data_and_makes_no_other_build() -> None:
    """New content, a missing image and another format wait for a whole apply."""
    wanted, image = damaged()
    only = Policy(drift_only=True)
    made = plan(catalog(wanted, spec("b", "c"), spec("new")), inventory(image, live(spec("b"))), only)
    assert kinds(made) == [("Create", "a", "content-tampered"), ("Update", "a", "superseded")]
    kept = candidate(spec("a", "c"))
    marked = live(spec("a"), "marked", Role.DELETING, hidden=True)
    made = plan(catalog(wanted), inventory(image, kept, marked, retired(spec("a"), "old", days=99)), only)
    assert [kind for kind, *_ in kinds(made)] == ["Create", "Update"]


@pytest.mark.parametrize("is_left", ["rejected", "staged-only", "expired", "no list"])
def test_of_a_key_that_is_left_only_staged_images_that_it_needs_stay(is_left: str) -> None:
    """Other left-over records and images that are marked for deletion are deleted as for any key."""
    wanted = spec("a", "b", expires="2026-11-23" if is_left == "expired" else None)
    if is_left == "no list":
        fault = SourceFault("HTTP 503", "wait", is_passing=True, hides_content=True)
        wanted = replace(wanted, fault=fault, source=UrlSource(("https://x/a",)), fingerprint=Fingerprint())
    status = Status.DEACTIVATED if is_left == "rejected" else Status.ACTIVE
    found = inventory(
        live(spec("a"), "now", hidden=is_left == "expired"),
        *([] if is_left == "staged-only" else [candidate(spec("a", "b"), "needed", status=status)]),
        live(spec("a", "c"), "leftover", Role.STAGING, hidden=True, status=Status.QUEUED),
        live(spec("a", "c"), "marked", Role.DELETING, hidden=True),
    )
    made = plan(catalog(wanted), found, Policy(publish=Publish.STAGED_ONLY) if is_left == "staged-only" else None)
    deleted = {getattr(step.action, "image_id", "") for step in made.steps if isinstance(step.action, Delete)}
    assert deleted == ({"marked"} if is_left in ("no list", "expired") else {"marked", "leftover"})
    assert len(made.steps) == len(deleted)


@pytest.mark.parametrize(("members", "has_image", "noted"), [("p", True, True), ("p", False, False), ("", True, False)])
def test_a_new_build_for_members_is_announced(members: str, *, has_image: bool, noted: bool) -> None:
    """Each member must accept it; a first build has nothing to compare with."""
    shared: dict[str, Any] = {"visibility": Visibility.SHARED, "members": frozenset(members), "members_declared": True}
    found = inventory(*([live(spec("a", **shared), "now")] if has_image else []))
    made = plan(catalog(spec("a", "b", **shared)), found)
    assert any("each member must accept the new build" in note for note in made.notes) is noted


def test_restoring_drift_does_not_rewrite_the_record() -> None:
    """A value that the manifest newly declares is already live: a whole apply records it, and changes nothing else."""
    found = inventory(live(spec("a")))
    wanted = catalog(spec("a", min_ram=0))
    (step,) = plan(wanted, found).steps
    assert isinstance(step.action, Update)
    assert (step.action.changes, step.reason) == ((), Reason.MANIFEST_CHANGED)
    assert plan(wanted, found, Policy(drift_only=True)).steps == ()


@pytest.mark.parametrize("role", [Role.CURRENT, Role.STAGING])
@pytest.mark.parametrize("status", [Status.ACTIVE, Status.DEACTIVATED])
@pytest.mark.parametrize("wanted_status", [Status.ACTIVE, Status.DEACTIVATED])
def test_an_image_is_copied_to_further_stores_while_it_is_active(
    role: Role, status: Status, wanted_status: Status
) -> None:
    """A current image is deactivated after its update, a candidate before it; a reactivation always comes first."""
    source = FileSource("/images/a.raw", "a.raw", transfer=Transfer(stores=("fast", "slow")))
    wanted = spec("a", source=source, status=wanted_status)
    is_current = role is Role.CURRENT
    declared = replace(wanted, status=status)
    image = live(declared, "id-a", role, hidden=not is_current, stores=("fast",), status=status)
    if role is Role.STAGING and status is Status.DEACTIVATED and wanted_status is Status.ACTIVE:
        return  # rejected
    steps = plan(catalog(wanted), inventory(image)).steps
    copied = [change.path for step in steps if isinstance(step.action, Update) for change in step.action.changes].count(
        ("stores",)
    )
    is_active = wanted_status is Status.ACTIVE or (is_current and status is Status.ACTIVE)
    assert copied == is_active


def test_an_expired_key_with_a_rejected_candidate_is_noted_as_rejected() -> None:
    """It has no current image: the candidate stays until an operator decides about it."""
    wanted = spec("a", expires="2026-11-22")
    made = plan(catalog(wanted), inventory(candidate(spec("a"), status=Status.DEACTIVATED)))
    assert made.steps == ()
    assert "candidate cand was deactivated, so its build is rejected" in " ".join(made.notes)


@pytest.mark.parametrize("method", Method)
def test_only_a_digest_of_bytes_that_imagesync_sends_is_recorded_as_verified(method: Method) -> None:
    """What the service fetches is verified after the fetch, or is recorded as declared only."""
    source = UrlSource(("https://x.example/a.raw",), transfer=Transfer(method=method))
    wanted = spec("a", source=source)
    (step,) = plan(catalog(wanted), inventory()).steps
    assert isinstance(step.action, Create)
    digests = wanted.fingerprint.digests
    expected = ((), digests) if method is Method.WEB_DOWNLOAD else (digests, ())
    assert (step.action.record.digests, step.action.record.declared) == expected


def test_a_new_build_replaces_every_current_image() -> None:
    """A run that died may have left several."""
    found = inventory(live(spec("a"), "one"), live(spec("a"), "two", generation=2), live(spec("a"), "three"))
    steps = plan(catalog(spec("a", "b")), found).steps
    assert isinstance(steps[0].action, Create)
    assert set(steps[0].action.replaces) == {"one", "two", "three"}
    assert {step.id for step in steps[1:]} >= {"update:a:one", "update:a:two", "update:a:three"}


def test_restoring_drift_restores_only_what_another_user_changed() -> None:
    """A value that the manifest changes waits for a whole apply, and the record does not name it before."""
    image = live(spec("a", min_ram=1, min_disk=1), min_ram=9)
    wanted = catalog(spec("a", min_ram=1, min_disk=2, properties={"p": "1"}))
    (step,) = plan(wanted, inventory(image), Policy(drift_only=True)).steps
    assert isinstance(step.action, Update)
    assert [(change.path, change.after) for change in step.action.changes] == [(("min_ram",), 1)]
    assert step.action.record == read(image)


def test_a_published_record_that_gets_its_data_replaces_the_other_current_images_only() -> None:
    """It has the pinned id, and stays the same image."""
    wanted = spec("a", id="pinned")
    empty = live(replace(wanted, source=Content.NO_DATA, fingerprint=Fingerprint()), "pinned", status=Status.QUEUED)
    (step,) = plan(catalog(wanted), inventory(replace(empty, size=None))).steps
    assert isinstance(step.action, Create)
    assert (step.action.fill, step.action.replaces) == ("pinned", ())
    steps = plan(catalog(wanted), inventory(replace(empty, size=None), live(spec("a", "b"), "other"))).steps
    assert isinstance(steps[0].action, Create)
    assert (steps[0].action.fill, steps[0].action.replaces) == ("pinned", ("other",))


def test_only_an_image_that_becomes_current_is_noted_as_unverified() -> None:
    """The note is not repeated with every later plan."""
    wanted = spec("a", min_ram=1)
    digests = wanted.fingerprint.digests
    current = rewrite(live(spec("a")), digests=(), declared=digests)
    made = plan(catalog(wanted), inventory(current))
    assert [kind for kind, *_ in kinds(made)] == ["Update"]
    assert not any("without verification" in note for note in made.notes)
    retired_build = rewrite(retired(wanted, "old"), digests=(), declared=digests)
    made = plan(catalog(wanted), inventory(live(spec("a", "b"), generation=2), retired_build))
    assert any("image old is published without verification" in note for note in made.notes)


def test_only_what_an_expiry_does_has_its_reason() -> None:
    """A reactivation and other changes of the same image have their own."""
    hide = spec("a", expires="2026-11-22", on_expire=OnExpire.HIDE, status=Status.ACTIVE)
    made = plan(catalog(hide), inventory(live(spec("a"), status=Status.DEACTIVATED)))
    assert kinds(made) == [("Reactivate", "a", "manifest-changed"), ("Update", "a", "expired")]
    off = spec("a", expires="2026-11-22", on_expire=OnExpire.DEACTIVATE, min_ram=7)
    made = plan(catalog(off), inventory(live(spec("a"))))
    assert kinds(made) == [("Update", "a", "manifest-changed"), ("Deactivate", "a", "expired")]
    made = plan(catalog(replace(off, min_ram=None)), inventory(live(spec("a"))))
    assert kinds(made) == [("Update", "a", "expired"), ("Deactivate", "a", "expired")]


def test_of_several_earlier_builds_that_other_users_deactivated_the_last_one_is_noted() -> None:
    """One note is enough."""
    builds = [
        replace(retired(spec("a"), f"old{days}", 9 - days, days=days), status=Status.DEACTIVATED) for days in (3, 1)
    ]
    made = plan(catalog(spec("a")), inventory(live(spec("a", "b"), "now", generation=9), *builds))
    assert [note for note in made.notes if "has this content" in note] == [
        "a: image old1 has this content, but another user deactivated it; to publish it again without an upload, declare "
        "status: active or pass --reactivate"
    ]
