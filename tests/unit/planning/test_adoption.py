"""Images that a key takes over."""

from dataclasses import replace

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import (
    Checksum,
    Compression,
    Content,
    FileSource,
    Fingerprint,
    KnownContent,
    Role,
    Status,
    Transfer,
)
from imagesync.model.image import LiveImage
from imagesync.model.plan import (
    Fate,
    Plan,
    Update,
)
from imagesync.model.policy import Limit, Policy
from imagesync.planning.adoption import pick_adoptable, request_adoption
from imagesync.planning.policy import check
from tests.unit.factories import PROJECT, candidate, catalog, digest, inventory, live, plan, retired, rewrite, spec
from tests.unit.planning.plans import actions, kinds, plan_stage


def test_adoption_takes_the_one_image_of_that_name() -> None:
    """Nothing is uploaded; a note says that the content was not verified."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    made = plan(catalog(spec("a", adopt=True)), inventory(foreign=(foreign,)))
    assert kinds(made) == [("Update", "a", "adopt")]
    assert made.notes == (
        f"a: image foreign is adopted without verification: its content is assumed to be {digest('a')}",
    )
    assert recorded(made) == ((), (digest("a"),))


def recorded(made: Plan) -> tuple[tuple[Checksum, ...], tuple[Checksum, ...]]:
    """Computed and declared digests that the first update writes."""
    update = next(step.action for step in made.steps if isinstance(step.action, Update))
    assert update.record is not None
    return update.record.digests, update.record.declared


def test_an_adopted_image_is_recorded_with_what_the_service_computed() -> None:
    """The service's own hash next to the declared one; not if the data is packed, because it is then of other bytes."""
    foreign = replace(live(spec("a"), "foreign", os_hash_algo="sha512", os_hash_value="c" * 128), properties={})
    made = plan(catalog(spec("a", adopt=True)), inventory(foreign=(foreign,)))
    assert recorded(made) == ((Checksum("sha512", "c" * 128),), (digest("a"),))
    packed = FileSource("/a.xz", "a.xz", transfer=Transfer(Compression.XZ))
    made = plan(catalog(spec("a", adopt=True, source=packed)), inventory(foreign=(foreign,)))
    assert recorded(made) == ((), (digest("a"),))


@pytest.mark.parametrize(
    ("compression", "size", "is_adopted"),
    [
        (Compression.NONE, 4096, True),
        (Compression.NONE, None, True),
        (Compression.NONE, 4097, False),
        (Compression.XZ, 4097, True),
    ],
)
def test_an_image_of_another_size_is_not_taken_for_the_declared_content(
    compression: Compression, size: int | None, *, is_adopted: bool
) -> None:
    """It cannot hold the bytes of the file; packed data has another size than its file."""
    foreign = replace(live(spec("a"), "foreign", size=size), properties={})
    source = FileSource("/images/a.raw", "a.raw", transfer=Transfer(compression))
    made = plan(catalog(spec("a", adopt=True, source=source)), inventory(foreign=(foreign,)))
    assert kinds(made)[0] == (("Update", "a", "adopt") if is_adopted else ("Create", "a", "content-changed"))


def test_a_record_on_trust_is_judged_at_the_next_write_and_not_before() -> None:
    """The service reports the declared digest later: no step only for the record; the next record has no declared digest."""
    sha512 = Checksum("sha512", "c" * 128)
    wanted = spec("a", fingerprint=Fingerprint((sha512,)))
    image = live(wanted, os_hash_algo="sha512", os_hash_value=sha512.value)
    image = rewrite(image, digests=(), declared=(digest("a"), sha512))
    assert not plan(catalog(wanted), inventory(image)).steps
    made = plan(catalog(replace(wanted, min_ram=5)), inventory(image))
    assert recorded(made) == ((sha512,), ())
    assert made.notes == ()
    other = Checksum("sha512", "d" * 128)
    unmanaged = spec("a", source=Content.UNMANAGED, fingerprint=Fingerprint(), min_ram=5)
    made = plan(catalog(unmanaged), inventory(rewrite(image, digests=(), declared=(digest("a"), other))))
    assert recorded(made) == ((sha512,), (digest("a"),))  # the service contradicts the other one


def test_an_image_that_is_not_taken_for_the_declared_content_is_not_recorded_as_if() -> None:
    """It has another format: it retires with only the service's digests, so no later plan promotes it for this content."""
    foreign = live(spec("a"), "foreign", os_hash_algo="sha512", os_hash_value="c" * 128)
    foreign = replace(foreign, properties={}, disk_format="qcow2")
    made = plan(catalog(spec("a", adopt=True)), inventory(foreign=(foreign,)))
    assert kinds(made) == [("Create", "a", "content-changed"), ("Update", "a", "superseded")]
    assert recorded(made) == ((Checksum("sha512", "c" * 128),), ())


def test_an_adopted_image_whose_hash_contradicts_is_replaced() -> None:
    """The service's own sha512 differs from the declared one."""
    wanted = spec("a", fingerprint=Fingerprint((digest("b").__class__("sha512", "b" * 128),)), adopt="foreign")
    foreign = replace(live(spec("a"), "foreign", os_hash_algo="sha512", os_hash_value="c" * 128), properties={})
    made = plan(catalog(wanted), inventory(foreign=(foreign,)))
    assert kinds(made) == [("Create", "a", "content-changed"), ("Update", "a", "superseded")]


@pytest.mark.parametrize("adopt", [True, "foreign"])
@pytest.mark.parametrize("build", [candidate(spec("a", "b"), "ours"), retired(spec("a", "b"), "ours")])
def test_a_build_that_is_there_replaces_an_image_that_does_not_fit(adopt: bool | str, build: LiveImage) -> None:
    """A candidate or an earlier build is published without an upload; the image that ``adopt`` names retires after it."""
    wanted = catalog(spec("a", "b", adopt=adopt))
    foreign = replace(live(spec("a"), "foreign", os_hash_algo="sha256", os_hash_value="a" * 64), properties={})
    reason = "staged" if build.name == "a (staging)" else "rollback"
    found = inventory(build, foreign=(foreign,))
    made = plan(wanted, found)
    assert actions(made) == [("Update", "ours", reason), ("Update", "foreign", "superseded")]
    assert made.steps[1].needs == (made.steps[0].id,)
    assert (made.ids, made.changed, made.removed) == ({"a": "ours"}, ("a",), ())
    why = "does not have the declared content and format"
    assert made.notes == (f"a: image foreign, which adopt names, {why}; image ours replaces it",)
    assert "would update 1 of 1" in check(made, Policy(max_update=Limit(0, percent=False)))[0]
    assert plan(wanted, found, Policy(drift_only=True)).steps == ()


def test_a_candidate_of_a_key_with_adopt_is_staged_once() -> None:
    """Whatever adopt names; an image that has the declared content is adopted, and the candidate is deleted."""
    foreign = replace(live(spec("a"), "foreign", os_hash_algo="sha256", os_hash_value="a" * 64), properties={})
    wanted = catalog(spec("a", "b", adopt="foreign"))
    assert actions(plan_stage(wanted, inventory(foreign=(foreign,)))) == [("Create", "a", "content-changed")]
    made = plan_stage(wanted, inventory(candidate(spec("a", "b")), foreign=(foreign,)))
    assert (made.steps, [one.fate for one in made.candidates]) == ((), [Fate.WAITING])
    fitting = replace(foreign, os_hash_value="b" * 64)
    found = inventory(candidate(spec("a", "b")), foreign=(fitting,))
    assert actions(plan(wanted, found)) == [("Update", "foreign", "adopt"), ("Delete", "cand", "discarded")]


def test_what_does_not_fit_is_not_adopted() -> None:
    """Another format, no data, or data where none is declared: a new build takes its place, and the plan says so."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    for found in (
        replace(foreign, disk_format="qcow2"),
        replace(foreign, status=Status.QUEUED, size=None),
    ):
        made = plan(catalog(spec("a", adopt="foreign")), inventory(foreign=(found,)))
        assert kinds(made) == [("Create", "a", "content-changed"), ("Update", "a", "superseded")]
        assert any("which adopt names" in note for note in made.notes)
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
    assert recorded(made) == ((declared,), ())


def test_status_protection_and_hiding_are_not_flipped_by_adoption() -> None:
    """Live values that are also declared cause no change."""
    wanted = spec("a", adopt="foreign", protected=True, hidden=True, status=Status.DEACTIVATED)
    foreign = replace(live(wanted, "foreign", status=Status.DEACTIVATED), properties={})
    (only,) = plan(catalog(wanted), inventory(foreign=(foreign,))).steps
    assert isinstance(only.action, Update)
    assert only.action.changes == ()


def test_the_adopt_command_takes_the_keys_that_lack_an_image() -> None:
    """``adopt`` on every image; a key with an image is left as it is, and a key that finds none gets a warning."""
    foreign = LiveImage("foreign", name="free", owner=PROJECT, status=Status.ACTIVE, disk_format="raw")
    foreign = replace(foreign, container_format="bare")
    wanted = request_adoption(catalog(spec("free"), spec("ours"), spec("nowhere")))
    found = pick_adoptable(wanted, inventory(live(spec("ours")), foreign=(foreign,)))
    assert [one.key for one in found.images] == ["free"]
    assert found.only == ("free",)
    assert found.warnings == ("nowhere: not adopted: no visible image is named 'nowhere'",)


def test_the_adopt_command_without_anything_to_adopt_looks_at_no_key() -> None:
    """No pattern at all would mean every key."""
    found = pick_adoptable(request_adoption(catalog(spec("a"))), inventory())
    assert found.images == ()
    assert not found.is_in_scope("a")


def test_a_reference_to_what_is_not_adopted_keeps_an_image_out() -> None:
    """A plan of only these keys would refuse the reference."""
    foreign = LiveImage("foreign", name="root", owner=PROJECT, status=Status.ACTIVE, disk_format="raw")
    foreign = replace(foreign, container_format="bare")
    root = spec("root", properties={"kernel_id": "${images.kernel.id}"})
    found = pick_adoptable(request_adoption(catalog(spec("kernel"), root)), inventory(foreign=(foreign,)))
    assert found.images == ()
    assert "root: not adopted: it refers to images.kernel, which has no image" in found.warnings


@pytest.mark.parametrize("role", [Role.CURRENT, Role.STAGING, Role.RETIRED, Role.DELETING])
def test_a_key_that_has_a_build_of_its_own_adopts_none(role: Role) -> None:
    """Whatever became of that build: ``apply`` continues from there."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    found = inventory(live(spec("a", "b"), "own", role, hidden=role is not Role.CURRENT), foreign=(foreign,))
    part = pick_adoptable(request_adoption(catalog(spec("a"))), found)
    assert (part.images, part.warnings) == ((), ())
    without = pick_adoptable(request_adoption(catalog(spec("a"))), inventory(foreign=(foreign,)))
    assert [one.key for one in without.images] == ["a"]


def test_each_key_with_a_reference_to_a_missing_image_is_reported_with_the_first_one() -> None:
    """Directly or through another key; not if the image exists or is adopted in the same run."""
    refer = {"a": "${images.ours.id} ${images.z.id} ${images.y.id}", "b": "${images.a.id}", "c": "${images.d.id}"}
    wanted = [spec(key, properties={"base": text}) for key, text in refer.items()]
    foreign = tuple(replace(live(spec(key), f"foreign-{key}"), properties={}) for key in "abcd")
    manifest = request_adoption(catalog(*wanted, spec("d"), spec("ours"), spec("y"), spec("z")))
    picked = pick_adoptable(manifest, inventory(live(spec("ours")), foreign=foreign))
    assert [one.key for one in picked.images] == ["c", "d"]
    texts = {text.split(": ")[0]: text for text in picked.warnings}
    assert sorted(texts) == ["a", "b", "y", "z"]
    assert "images.y" in texts["a"]
    assert "images.a" in texts["b"]


def test_references_to_images_that_are_there_are_filled_in_before_an_adoption() -> None:
    """The part of the catalog needs no other keys."""
    wanted = spec("a", properties={"base": "x ${images.ours.id}", "q": "r"})
    foreign = replace(live(spec("a"), "foreign"), properties={})
    found = inventory(live(spec("ours")), foreign=(foreign,))
    picked = pick_adoptable(request_adoption(catalog(wanted, spec("ours"))), found)
    assert picked.images[0].properties == {"base": "x id-ours", "q": "r"}


def test_an_adoption_that_leaves_open_which_image_is_meant_is_refused() -> None:
    """The refusal names every such key, and nothing is adopted."""
    foreign = tuple(replace(live(spec(key), f"{key}-{number}"), properties={}) for key in "ab" for number in range(2))
    one = replace(live(spec("c"), "c-0"), properties={})
    manifest = request_adoption(catalog(spec("b"), spec("a"), spec("c")))
    with pytest.raises(PlanRefused) as refused:
        pick_adoptable(manifest, inventory(foreign=(*foreign, one)))
    assert [text.split(": ")[0] for text in refused.value.refusals] == ["images.a", "images.b"]
    assert "a-0, a-1" in refused.value.refusals[0]


def test_the_adopt_command_keeps_the_id_that_the_manifest_names() -> None:
    """Of two images with the name, it names one."""
    twins = tuple(replace(live(spec("a"), image_id), properties={}) for image_id in ("x", "y"))
    wanted = request_adoption(catalog(spec("a", adopt="y")))
    picked = pick_adoptable(wanted, inventory(foreign=twins))
    assert [image.adopt for image in picked.images] == ["y"]
    with pytest.raises(PlanRefused, match="2 images are named 'a'"):
        pick_adoptable(request_adoption(catalog(spec("a"))), inventory(foreign=twins))
