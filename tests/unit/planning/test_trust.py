"""What is believed of an image in another project before it is published, promoted or adopted."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import (
    Checksum,
    Compression,
    Content,
    FileSource,
    Fingerprint,
    ImageSpec,
    Method,
    Role,
    Status,
    Transfer,
    Visibility,
)
from imagesync.model.image import Capabilities, LiveImage
from imagesync.model.plan import Create, Plan, Step, Update
from imagesync.model.record import MAX_GENERATION, read
from imagesync.planning.generations import Owned, group
from imagesync.planning.planner import make_plan
from imagesync.planning.rollback import rollback_plan
from imagesync.planning.trust import Trust, is_made_visible, is_shown_to_more, judge
from tests.unit.factories import PROJECT, candidate, catalog, inventory, live, mark, plan_input, retired, rewrite, spec

OTHER = "f" * 32
SHA512 = Checksum("sha512", "5" * 128)
MD5 = "6" * 32
TWO = Fingerprint((Checksum("md5", MD5), SHA512), 4096)
"""A weak digest, which another user may have forged, and a strong one."""
FINAL = Capabilities(hash_is_final=True)
HASH: dict[str, Any] = {"os_hash_algo": "sha512", "os_hash_value": SHA512.value}


def wanted(**attrs: Any) -> ImageSpec:
    """A public image in another project, known by the digest that the service computes."""
    given: dict[str, Any] = {
        "owner": OTHER,
        "visibility": Visibility.PUBLIC,
        "fingerprint": Fingerprint((SHA512,), 4096),
    }
    return spec("a", **{**given, **attrs})


def by_sha256(**attrs: Any) -> ImageSpec:
    """The same, known by a digest that the service does not compute."""
    return wanted(**{"fingerprint": Fingerprint((Checksum("sha256", "a" * 64),), 4096), **attrs})


def owned(image: LiveImage) -> Owned:
    """An image with its record."""
    record = read(image)
    assert record is not None
    return Owned(image, record)


def packed(want: ImageSpec) -> ImageSpec:
    """The same from a packed file: the digest is not of what the service stores."""
    transfer = replace(want.source.transfer, compression=Compression.GZ)  # type: ignore[type-var]
    return replace(want, source=replace(want.source, transfer=transfer))  # type: ignore[type-var]


def made(want: ImageSpec, *images: LiveImage, able: Capabilities | None = FINAL) -> Plan:
    """The plan for one key."""
    return make_plan(plan_input(catalog(want), inventory(*images), able=able))


def updates(found: Plan) -> dict[str, Update]:
    """Updates by image id."""
    return {step.action.image_id: step.action for step in found.steps if isinstance(step.action, Update)}


@pytest.mark.parametrize(
    ("want", "attrs", "able", "expected"),
    [
        (wanted(), {**HASH, "owner": PROJECT}, None, Trust.GIVEN),
        (wanted(source=Content.UNMANAGED), {"owner": OTHER}, FINAL, Trust.GIVEN),
        (wanted(), {**HASH, "owner": OTHER}, FINAL, Trust.HASH),
        (wanted(), {**HASH, "owner": OTHER}, Capabilities(), Trust.DATA),
        (wanted(), {**HASH, "owner": OTHER}, None, Trust.DATA),
        (by_sha256(), {**HASH, "owner": OTHER}, FINAL, Trust.DATA),
        (wanted(fingerprint=TWO), {"checksum": MD5, "owner": OTHER}, FINAL, Trust.DATA),
        (wanted(fingerprint=TWO), {**HASH, "checksum": MD5, "owner": OTHER}, FINAL, Trust.HASH),
        (packed(wanted()), {**HASH, "owner": OTHER}, FINAL, Trust.NOTHING),
        (wanted(fingerprint=Fingerprint()), {**HASH, "owner": OTHER}, FINAL, Trust.NOTHING),
    ],
)
def test_what_shows_the_content(
    want: ImageSpec, attrs: Mapping[str, Any], able: Capabilities | None, expected: Trust
) -> None:
    """The service's own hash counts if no store can exchange the data; a recorded digest never does."""
    assert judge(want, owned(live(want, "i", **attrs)), PROJECT, able) is expected


@pytest.mark.parametrize(
    ("want", "live_as", "expected"),
    [
        ({"visibility": Visibility.PUBLIC}, {"visibility": Visibility.PRIVATE}, True),
        ({"visibility": Visibility.PUBLIC}, {"visibility": Visibility.PUBLIC}, False),
        ({"visibility": Visibility.PRIVATE}, {"visibility": Visibility.PUBLIC}, False),
        ({"visibility": Visibility.SHARED}, {"visibility": Visibility.PRIVATE}, True),
        ({"visibility": Visibility.COMMUNITY}, {"visibility": Visibility.SHARED}, True),
        ({"visibility": None}, {"visibility": Visibility.PRIVATE}, False),
        ({"hidden": None}, {"hidden": True}, True),
        ({"hidden": True}, {"hidden": True}, False),
        ({"hidden": False}, {"hidden": False}, False),
    ],
)
def test_whether_more_users_will_see_it(want: dict[str, Any], live_as: dict[str, Any], *, expected: bool) -> None:
    """If the visibility widens, or the image is no longer hidden."""
    image = live(wanted(), "i", **{"visibility": Visibility.PUBLIC, **live_as})
    assert is_made_visible(wanted(**want), image) is expected


PLANTED: dict[str, Any] = {"owner": OTHER, "visibility": Visibility.PRIVATE}


@pytest.mark.parametrize("able", [FINAL, Capabilities()])
@pytest.mark.parametrize("want", [wanted(), by_sha256()])
def test_a_planted_image_is_read_back_before_it_is_made_public(want: ImageSpec, able: Capabilities) -> None:
    """A tenant deleted the public image of its project and made one of its own, with all of the record copied and bound."""
    planted = live(want, "planted", **PLANTED, **HASH)
    found = made(want, planted, able=able)
    needs_reading = want == by_sha256() or not able.hash_is_final
    assert updates(found)["planted"].verify == (want.fingerprint.digests if needs_reading else ())
    notes = [
        note
        for note in found.notes
        if "apply first reads its data back and compares it with the declared checksum" in note
    ]
    assert bool(notes) is needs_reading
    assert any("at that moment only" in note for note in notes) is not able.hash_is_final


def test_a_planted_image_with_other_data_is_replaced() -> None:
    """The service's own hash contradicts the declared digest, whatever the record says."""
    planted = live(wanted(), "planted", **PLANTED, os_hash_algo="sha512", os_hash_value="6" * 128)
    assert isinstance(made(wanted(), planted).steps[0].action, Create)


def test_where_nothing_shows_the_content_a_new_build_is_made() -> None:
    """Of a packed file, or content without a digest: the planted image never becomes public."""
    for want in (packed(wanted()), wanted(fingerprint=Fingerprint())):
        planted = live(want, "planted", **PLANTED, **HASH)
        first = made(want, planted).steps[0]
        assert isinstance(first.action, Create)
        assert first.reason == "unverified"
        assert made(want, live(want, "there", owner=OTHER, **HASH)).steps == ()  # public already: nothing to believe


@pytest.mark.parametrize("role", [Role.STAGING, Role.RETIRED])
def test_a_planted_build_with_the_digest_that_is_declared_next_is_judged_first(role: Role) -> None:
    """A staged or an earlier build with a forged record: read back before it is promoted, or not promoted at all."""
    there = live(by_sha256(fingerprint=Fingerprint((Checksum("sha256", "b" * 64),), 4096)), "there", owner=OTHER)
    make: Callable[..., LiveImage] = candidate if role is Role.STAGING else retired
    planted = replace(make(by_sha256(), "planted"), owner=OTHER)
    found = made(by_sha256(), there, planted)
    assert updates(found)["planted"].verify == by_sha256().fingerprint.digests
    record = updates(found)["planted"].record
    assert record is not None
    assert record.digests == by_sha256().fingerprint.digests
    unpacked = replace(make(packed(by_sha256()), "planted"), owner=OTHER)
    assert isinstance(made(packed(by_sha256()), there, unpacked).steps[0].action, Create)


def test_of_two_current_images_the_one_that_users_see_is_kept() -> None:
    """A planted one with a smaller generation does not push it aside."""
    there = live(wanted(), "there", generation=2, owner=OTHER, **HASH)
    planted = live(wanted(), "planted", generation=1, **PLANTED, **HASH)
    found = updates(made(wanted(), planted, there))
    assert set(found) == {"planted"}
    assert found["planted"].record is not None
    assert found["planted"].record.role is Role.RETIRED


def test_a_duplicate_waits_until_the_kept_image_is_as_wanted() -> None:
    """The update that makes it so may fail: the other one is what users have."""
    first = live(spec("a", min_ram=1), "first", min_ram=2)
    second = live(spec("a", min_ram=1), "second", generation=2)
    steps = make_plan(plan_input(catalog(spec("a", min_ram=1)), inventory(first, second))).steps
    retirement: Step = next(step for step in steps if step.reason == "duplicate")
    assert retirement.needs == ("update:a:first",)


def test_an_update_that_shows_nothing_new_reads_nothing_back() -> None:
    """Drift of a field of the public image: no trust is needed, and its record keeps what it has."""
    there = live(by_sha256(), "there", owner=OTHER, min_ram=7)
    (update,) = updates(made(replace(by_sha256(), min_ram=0), there)).values()
    assert update.verify == ()


def test_an_adopted_image_in_another_project_is_judged() -> None:
    """By the service's hash, by a read-back, or not adopted."""
    foreign = LiveImage(
        "theirs",
        name="a",
        status=Status.ACTIVE,
        visibility=Visibility.PUBLIC,
        owner=OTHER,
        disk_format="raw",
        container_format="bare",
        size=4096,
        **HASH,
    )
    for want, verify in ((wanted(adopt="theirs"), ()), (by_sha256(adopt="theirs"), by_sha256().fingerprint.digests)):
        found = make_plan(plan_input(catalog(want), inventory(foreign=(foreign,)), able=FINAL))
        assert updates(found)["theirs"].verify == verify
    found = make_plan(plan_input(catalog(packed(wanted(adopt="theirs"))), inventory(foreign=(foreign,)), able=FINAL))
    assert isinstance(found.steps[0].action, Create)


def test_a_rollback_in_another_project_needs_the_build_declared() -> None:
    """Only its record says what it holds: refused, with the way that is judged."""
    current = live(wanted(), "new", generation=2, owner=OTHER, **HASH)
    old = replace(retired(wanted(fingerprint=Fingerprint((Checksum("sha512", "4" * 128),), 4096)), "old"), owner=OTHER)
    given = plan_input(catalog(wanted()), inventory(current, old), able=FINAL)
    with pytest.raises(
        PlanRefused, match=r"project f+ may have changed image old, .*declare the checksum of that build, and run apply"
    ):
        rollback_plan(given, key="a", to=None)
    mine = replace(given, inventory=inventory(replace(current, owner=PROJECT), replace(old, owner=PROJECT)))
    assert rollback_plan(mine, key="a", to=None).steps


def test_a_record_of_a_public_past_makes_nothing_public() -> None:
    """In another project only the manifest does; in the session's own the visibility comes back with the build."""
    before = {"visibility": "public", "min_ram": 7}
    want = by_sha256(visibility=None)
    for owner, expected in ((OTHER, {("min_ram",)}), (PROJECT, {("min_ram",), ("visibility",)})):
        image = live(want, "planted", **{**PLANTED, "owner": owner})
        record = read(image)
        assert record is not None
        planted = mark(image, replace(record, managed=replace(record.managed, before=before)))
        (update,) = updates(made(replace(want, owner=owner), planted)).values()
        assert {change.path for change in update.changes} == expected


@pytest.mark.parametrize(
    ("method", "is_believed"), [(Method.UPLOAD, False), (Method.GLANCE_DIRECT, True), (Method.WEB_DOWNLOAD, True)]
)
def test_a_record_cannot_turn_the_hash_of_the_service_off(method: Method, *, is_believed: bool) -> None:
    """Data that is sent as it is, is never converted: an old build with the next digest in its record is replaced."""
    source = FileSource("/images/a.raw", "a.raw", transfer=Transfer(method=method))
    want = wanted(source=source)
    old = rewrite(live(want, "old", owner=OTHER, os_hash_algo="sha512", os_hash_value="6" * 128), converted=True)
    assert [step.action.key for step in made(want, old).steps if isinstance(step.action, Create)] == (
        [] if is_believed else ["a"]
    )
    mine = replace(old, owner=PROJECT)
    assert not any(isinstance(step.action, Create) for step in made(replace(want, owner=None), mine).steps)


def test_a_generation_at_its_end_is_not_exceeded() -> None:
    """A higher one would read as 1."""
    last = live(
        wanted(), "last", generation=MAX_GENERATION, owner=OTHER, os_hash_algo="sha512", os_hash_value="6" * 128
    )
    create = made(wanted(), last).steps[0].action
    assert isinstance(create, Create)
    assert create.record.managed.generation == MAX_GENERATION


@pytest.mark.timeout(60)
@pytest.mark.parametrize("role", [Role.CURRENT, Role.STAGING, Role.RETIRED])
def test_many_planted_images_do_not_slow_the_plan_down(role: Role) -> None:
    """Every image is looked at a fixed number of times; 10,000 of them took up to seven minutes before."""
    planted = [live(wanted(), f"p{number:04}", role, owner=OTHER) for number in range(3000)]
    begun = time.process_time()
    made(wanted(), *planted)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("role", [Role.STAGING, Role.RETIRED])
@pytest.mark.parametrize("able", [None, FINAL])
def test_a_published_image_of_another_project_is_recorded_only_with_digests_that_are_known(
    role: Role, able: Capabilities | None
) -> None:
    """Those of the service and the declared one; a digest that only its record names may be forged."""
    hidden: dict[str, Any] = {"hidden": True, "visibility": Visibility.PRIVATE, "name": "a (staging)"}
    image = live(wanted(), "theirs", role, owner=OTHER, checksum=MD5, **HASH, **hidden)
    image = rewrite(image, digests=(SHA512, Checksum("sha256", "e" * 64)), declared=(Checksum("sha1", "1" * 40),))
    update = updates(made(wanted(), image, able=able))["theirs"]
    assert update.record is not None
    assert (update.record.digests, update.record.declared) == ((Checksum("md5", MD5), SHA512), ())
    assert update.verify == (() if able else (SHA512,))


@pytest.mark.parametrize("now", Visibility)
@pytest.mark.parametrize("wanted", Visibility)
def test_each_visibility_is_seen_by_more_users_than_the_one_before(now: Visibility, wanted: Visibility) -> None:
    """Private, shared, community, public; a hidden image that is shown is seen by more, too."""
    order = [Visibility.PRIVATE, Visibility.SHARED, Visibility.COMMUNITY, Visibility.PUBLIC]
    image = LiveImage("x", visibility=now)
    assert is_shown_to_more(image, wanted, hidden=False) is (order.index(wanted) > order.index(now))
    assert not is_shown_to_more(image, None, hidden=False)
    assert is_shown_to_more(replace(image, hidden=True), None, hidden=False)
    assert not is_shown_to_more(replace(image, hidden=True), None, hidden=True)


@pytest.mark.parametrize("source", [Content.UNMANAGED, Content.NO_DATA])
def test_an_image_without_declared_content_needs_no_proof(source: Content) -> None:
    """Wherever it is: there is nothing to compare."""
    wanted = spec("a", source=source, fingerprint=Fingerprint())
    (owned,) = group([live(wanted, owner="f" * 32)])["a"].current
    assert judge(wanted, owned, PROJECT, None) is Trust.GIVEN
