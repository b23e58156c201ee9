"""What becomes of one key: keep, promote, make or refuse."""

from dataclasses import replace

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import (
    Checksum,
    Content,
    Fingerprint,
    KnownContent,
    Policy,
    Role,
    Status,
    Visibility,
)
from imagesync.model.plan import (
    Create,
    FieldChange,
    Reason,
    Update,
    summarize,
)
from imagesync.model.record import read
from tests.unit.factories import catalog, inventory, live, plan, retired, spec
from tests.unit.planning.plans import actions, changes, kinds


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


def test_of_two_current_images_the_one_with_the_wanted_content_wins() -> None:
    """The surplus retires; of equal ones the older stays."""
    found = inventory(live(spec("a", "c"), "one"), live(spec("a", "a"), "two", generation=2))
    made = plan(catalog(spec("a", "a")), found)
    assert [(step.action.image_id, step.reason) for step in made.steps if isinstance(step.action, Update)] == [
        ("one", Reason.DUPLICATE)
    ]


def test_the_manifest_going_back_promotes_the_kept_build() -> None:
    """A retired generation with the wanted digest becomes current again: no bytes move."""
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


def test_an_earlier_build_that_somebody_deactivated_is_not_taken() -> None:
    """It would be there for nobody: the build is uploaded, and the plan says why."""
    found = inventory(
        replace(retired(spec("a", "a"), "one"), status=Status.DEACTIVATED), live(spec("a", "b"), "two", generation=2)
    )
    made = plan(catalog(spec("a", "a")), found)
    assert actions(made)[0] == ("Create", "a", "content-changed")
    assert any("image one has this content, but was deactivated" in note for note in made.notes)
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


def test_no_source_is_an_error_only_where_an_image_must_be_made() -> None:
    """Without source the content is not managed."""
    wanted = spec("a", source=Content.UNMANAGED, fingerprint=Fingerprint())
    assert not plan(catalog(wanted), inventory(live(wanted))).steps
    with pytest.raises(PlanRefused, match="no source"):
        plan(catalog(wanted), inventory())


def test_known_content_that_is_another_is_refused() -> None:
    """There is nothing to make a new build from: the sentence names the image."""
    other = KnownContent(Checksum("sha512", "b" * 128))
    foreign = replace(live(spec("a"), "foreign", os_hash_algo="sha512", os_hash_value="c" * 128), properties={})
    with pytest.raises(PlanRefused, match="image foreign is not the declared one"):
        plan(catalog(spec("a", source=other, adopt="foreign")), inventory(foreign=(foreign,)))
