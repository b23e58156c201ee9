"""Images that a key takes over."""

from dataclasses import replace

from imagesync.model.catalog import (
    Checksum,
    Content,
    Fingerprint,
    KnownContent,
    Status,
)
from imagesync.model.plan import (
    Update,
)
from tests.unit.factories import catalog, digest, inventory, live, plan, spec
from tests.unit.planning.plans import kinds


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


def test_content_that_the_service_confirms_is_not_taken_on_trust() -> None:
    """Its own sha512 is the declared one."""
    declared = Checksum("sha512", "c" * 128)
    foreign = replace(live(spec("a"), "foreign", os_hash_algo="sha512", os_hash_value="c" * 128), properties={})
    wanted = spec("a", source=KnownContent(declared), fingerprint=Fingerprint((declared,)), adopt="foreign")
    made = plan(catalog(wanted), inventory(foreign=(foreign,)))
    assert (kinds(made), made.notes) == ([("Update", "a", "adopt")], ())


def test_status_protection_and_hiding_are_not_flipped_by_adoption() -> None:
    """What is declared as it is changes nothing."""
    wanted = spec("a", adopt="foreign", protected=True, hidden=True, status=Status.DEACTIVATED)
    foreign = replace(live(wanted, "foreign", status=Status.DEACTIVATED), properties={})
    (only,) = plan(catalog(wanted), inventory(foreign=(foreign,))).steps
    assert isinstance(only.action, Update)
    assert only.action.changes == ()
