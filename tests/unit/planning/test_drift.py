"""What other users changed on published images; changes of the manifest are not drift."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import (
    Auto,
    Fingerprint,
    NamedProject,
    OnExpire,
    Role,
    Status,
    Transfer,
    UrlSource,
    Visibility,
)
from imagesync.model.drift import Drift, DriftReport, Remedy
from imagesync.model.image import LiveImage, MemberState
from imagesync.model.record import hash_name
from imagesync.planning.drift import find_drift, find_drift_of_listed
from tests.unit.factories import PROJECT, candidate, catalog, inventory, live, retired, rewrite, spec

WRITTEN = spec(min_ram=512, tags=frozenset({"lts"}), properties={"os_version": "12", "hw_disk_bus": "virtio"})


def find(wanted: Any, *images: LiveImage, known: frozenset[str] | None = frozenset(), **attrs: Any) -> DriftReport:
    """The drift of a catalog of the declared images."""
    declared = wanted if isinstance(wanted, tuple) else (wanted,)
    return find_drift(catalog(*declared, **attrs), inventory(*images), known)


def values(report: DriftReport) -> list[tuple[str, object, object, Remedy]]:
    """Path, was, now and remedy of each value."""
    return [(".".join(one.path), one.was, one.now, one.remedy) for one in report.found]


def alter(image: LiveImage, **properties: str | None) -> LiveImage:
    """The image with other properties; None removes one."""
    found = {**image.properties, **properties}
    return replace(image, properties={name: value for name, value in found.items() if value is not None})


def test_an_image_as_imagesync_wrote_it_has_no_drift() -> None:
    """It counts as checked."""
    assert find(WRITTEN, live(WRITTEN)) == DriftReport((), 1)


def test_each_kind_of_value_that_another_user_changed() -> None:
    """Values of the manifest are what imagesync wrote; ``--drift-only`` restores all of them."""
    image = alter(
        live(WRITTEN, min_ram=256, tags=frozenset(), name="x", updated_at="2026"), os_version="11", hw_disk_bus=None
    )
    report = find(WRITTEN, image)
    assert values(report) == [
        ("min_ram", 512, 256, Remedy.DRIFT_ONLY),
        ("name", "a", "x", Remedy.DRIFT_ONLY),
        ("properties.hw_disk_bus", "virtio", None, Remedy.DRIFT_ONLY),
        ("properties.os_version", "12", "11", Remedy.DRIFT_ONLY),
        ("tags", "lts", None, Remedy.DRIFT_ONLY),
    ]
    assert {one.updated for one in report.found} == {"2026"}
    assert {one.image_id for one in report.found} == {"id-a"}


def test_values_that_imagesync_did_not_set_belong_to_other_users() -> None:
    """Properties, tags and fields that the manifest did not declare."""
    plain = spec()
    assert not find(plain, alter(live(plain, min_ram=9, tags=frozenset({"mine"})), theirs="1")).found


def test_a_changed_manifest_alone_is_no_drift() -> None:
    """Other values, removed values, added values, a new build, a new key and a removed key."""
    changed = spec(content="b", min_ram=1024, tags=frozenset({"new"}), properties={"os_version": "13"}, protected=True)
    assert not find((changed, spec("new")), live(WRITTEN), live(spec("old"))).found


def test_a_changed_manifest_hides_no_drift() -> None:
    """The record has hashes only: a value that neither the manifest nor a guess gives is unknown."""
    changed = spec(
        min_ram=1024, tags=frozenset({"lts", "new"}), properties={"os_version": "13", "hw_disk_bus": "virtio"}
    )
    image = alter(live(WRITTEN, min_ram=256, tags=frozenset()), os_version="11", hw_disk_bus="scsi")
    assert values(find(changed, image)) == [
        ("min_ram", 512, 256, Remedy.APPLY),
        ("properties.hw_disk_bus", "virtio", "scsi", Remedy.DRIFT_ONLY),
        ("properties.os_version", None, "11", Remedy.APPLY),
        ("tags", "lts", None, Remedy.APPLY),
    ]
    assert [one.path[-1] for one in find(changed, image).found if not one.is_was_known] == ["os_version"]


def test_drift_of_values_and_keys_that_left_the_manifest() -> None:
    """No apply restores them; their names may be unknown."""
    image = alter(live(WRITTEN, tags=frozenset()), os_version=None)
    found = find(spec(), image).found
    assert [(one.path, one.is_was_known, one.remedy) for one in found] == [
        (("properties",), False, Remedy.NONE),
        (("tags",), False, Remedy.NONE),
    ]
    assert {one.remedy for one in find(spec("b"), live(spec("b")), live(WRITTEN, min_ram=1)).found} == {Remedy.NONE}


@pytest.mark.parametrize(
    ("field", "wrote", "now"),
    [("visibility", Visibility.COMMUNITY, Visibility.PUBLIC), ("protected", True, False), ("hidden", True, False)],
)
def test_a_value_that_the_manifest_no_longer_declares_is_guessed_from_its_hash(
    field: str, wrote: Any, now: Any
) -> None:
    """Fields with few values are always known."""
    written = spec(**{field: wrote})
    (one,) = find(spec(visibility=None), live(written, **{field: now})).found
    assert (one.path, one.was, one.now, one.is_was_known) == ((field,), wrote, now, True)


def test_ignored_values_are_left_to_other_users() -> None:
    """Also if imagesync set them once."""
    ignoring = replace(WRITTEN, ignore=("properties.os_*", "tags", "min_ram", "status"))
    image = alter(live(WRITTEN, min_ram=1, tags=frozenset(), status=Status.DEACTIVATED), os_version="11")
    assert not find(ignoring, image).found


def test_an_automatic_min_disk_is_compared_with_the_size_of_the_data() -> None:
    """The record has no number."""
    auto = spec(min_disk=Auto.AUTO)
    image = live(auto, min_disk=3, virtual_size=3 * 2**30)
    assert not find(auto, image).found
    assert values(find(auto, replace(image, min_disk=5))) == [("min_disk", 3, 5, Remedy.DRIFT_ONLY)]


def test_a_deactivated_image_is_drift_unless_imagesync_deactivated_it() -> None:
    """Without a declared status, only --reactivate makes it active again."""
    plain, off = spec(), spec(status=Status.DEACTIVATED)
    assert values(find(plain, live(plain, status=Status.DEACTIVATED))) == [
        ("status", "active", "deactivated", Remedy.REACTIVATE)
    ]
    assert not find(off, live(off, status=Status.DEACTIVATED)).found
    assert values(find(off, live(off))) == [("status", "deactivated", "active", Remedy.DRIFT_ONLY)]


def test_members_that_another_user_removed() -> None:
    """Those that another user added stay."""
    shared = spec(visibility=Visibility.SHARED, members=frozenset({"p1", "p2"}))
    found = inventory(live(shared), members={"id-a": (MemberState("p2"), MemberState("p9"))})
    assert values(find_drift(catalog(shared), found, None)) == [("members", "p1", None, Remedy.DRIFT_ONLY)]


def test_a_deleted_image_is_drift_if_the_last_run_recorded_its_key() -> None:
    """A new key is not; without a record it is unknown which of them it is."""
    wanted = (spec("a"), spec("gone"), spec("new"))
    report = find(wanted, live(spec("a")), known=frozenset(map(hash_name, ("a", "gone"))))
    assert report == DriftReport((Drift("gone", None, ("image",), "published", None, Remedy.APPLY),), 1)
    report = find(wanted, live(spec("a")), known=None)
    assert (report.found, report.unknown) == ((), ("gone", "new"))


def test_a_reference_shows_that_a_deleted_image_existed() -> None:
    """Its id in the property of another image is what imagesync wrote: the property has not drifted."""
    user = spec("user", properties={"kernel": "${images.kernel.id}"})
    image = alter(live(user), kernel="id-kernel")
    assert not find((user, spec("kernel")), image, live(spec("kernel"))).found
    report = find((user, spec("kernel")), image, known=None)
    assert [(one.key, one.path) for one in report.found] == [("kernel", ("image",))]


def test_a_reference_to_an_earlier_build_is_no_drift() -> None:
    """For example after ``apply --only``; another value is drift."""
    user = spec("user", properties={"kernel": "${images.kernel.id}"})
    images = (live(spec("kernel"), "new"), retired(spec("kernel"), "old"))
    assert not find((user, spec("kernel")), alter(live(user), kernel="old"), *images).found
    assert values(find((user, spec("kernel")), alter(live(user), kernel="theirs"), *images)) == [
        ("properties.kernel", "new", "theirs", Remedy.DRIFT_ONLY)
    ]


def test_a_reference_to_a_moved_key_is_no_drift() -> None:
    """Its hash is that of the former key."""
    user = spec("user", properties={"kernel": "${images.old.id}"})
    changed = spec("user", properties={"kernel": "${images.kernel.id}"})
    wanted, moved = (changed, spec("kernel", moved_from=("old",))), {"kernel": ("old",)}
    assert not find(wanted, alter(live(user), kernel="id-old"), live(spec("old")), moved=moved).found
    report = find(wanted, known=frozenset({hash_name("old")}), moved=moved)
    assert [(one.key, one.path) for one in report.found] == [("kernel", ("image",))]


def test_the_drift_of_an_image_that_is_to_get_a_new_key_waits_for_apply() -> None:
    """``apply --drift-only`` changes nothing of a key that is moved."""
    wanted = spec("new", min_ram=512, moved_from=("old",))
    image = live(spec("old", min_ram=512, name="new"), min_ram=9)
    report = find(wanted, image, moved={"new": ("old",)})
    assert values(report) == [("min_ram", 512, 9, Remedy.APPLY)]
    assert values(find(wanted, rewrite(image, key="new"))) == [("min_ram", 512, 9, Remedy.DRIFT_ONLY)]


def test_only_limits_the_keys() -> None:
    """Of live images and of missing ones."""
    wanted, lacking = (spec("a", min_ram=1), spec("b", min_ram=1)), (spec("c"), spec("d"))
    images = [live(one, min_ram=2) for one in wanted]
    report = find((*wanted, *lacking), *images, known=frozenset(map(hash_name, "cd")), only=("a", "c"))
    assert ([one.key for one in report.found], report.checked) == (["a", "c"], 1)


def test_only_published_images_are_compared() -> None:
    """Not staged or retired builds, and not those that a run is deleting."""
    images = [live(WRITTEN, str(role), role, min_ram=1) for role in (Role.STAGING, Role.RETIRED, Role.DELETING)]
    assert find(WRITTEN, *images, live(WRITTEN)) == DriftReport((), 1)


def test_an_expired_image_is_not_missing() -> None:
    """``on_expire: delete`` removed it."""
    wanted = spec(expires="2026-11-20", on_expire=OnExpire.DELETE)
    known = frozenset({hash_name("a")})
    assert find_drift(catalog(wanted), inventory(), known, today="2026-11-19").found
    assert not find_drift(catalog(wanted), inventory(), known, today="2026-11-20").found


def test_other_data_than_published_is_drift() -> None:
    """Judged by the service's hash, if the manifest still names the same content; packed data cannot be judged."""
    image = live(WRITTEN, os_hash_algo="sha256", os_hash_value="f" * 64)
    assert values(find(WRITTEN, image)) == [("content", f"sha256:{'a' * 64}", f"sha256:{'f' * 64}", Remedy.DRIFT_ONLY)]
    assert not find(replace(WRITTEN, fingerprint=spec(content="b").fingerprint), image).found
    record = rewrite(image, converted=True)
    assert not find(WRITTEN, record).found


def test_a_listing_compares_current_images_and_no_members() -> None:
    """A foreign image, a copied record, an image of another project and a retired build are not compared."""
    shared = replace(WRITTEN, visibility=Visibility.SHARED, members=frozenset({NamedProject("m", "d")}))
    current, copy = live(shared, min_ram=9), replace(live(shared), id="copy")
    elsewhere = live(spec("b"), "elsewhere", owner="p2", min_ram=9)
    images = [current, copy, elsewhere, LiveImage("foreign"), retired(shared, "r"), candidate(shared)]
    found = find_drift_of_listed(catalog(shared, spec("b")), images, PROJECT)
    assert {image_id: [one.path for one in drifts] for image_id, drifts in found.items()} == {
        current.id: [("min_ram",)]
    }
    assert find_drift_of_listed(catalog(shared), [live(shared)], PROJECT) == {current.id: ()}


def test_a_store_that_lost_its_copy_is_drift() -> None:
    """Not a further copy that another user made, not all stores, and not stores that the service does not report."""
    written = spec(source=UrlSource(("https://x/a",), transfer=Transfer(stores=("slow", "fast"))))
    assert values(find(written, live(written, stores=("fast",)))) == [
        ("stores", ("fast", "slow"), ("fast",), Remedy.DRIFT_ONLY)
    ]
    assert not find(written, live(written, stores=("slow", "more", "fast"))).found
    assert not find(written, live(written, stores=())).found
    other = replace(written, source=UrlSource(("https://x/a",), transfer=Transfer(stores=("slow",))))
    assert not find(other, live(written, stores=("more",))).found
    every = spec(source=UrlSource(("https://x/a",), transfer=Transfer(all_stores=True)))
    assert not find(every, live(every, stores=("fast",))).found


def test_what_makes_a_deactivated_image_active_again() -> None:
    """An apply if the manifest declares a status since, ``--reactivate`` without one; nothing if the key left it."""
    images = [live(spec(key), status=Status.DEACTIVATED) for key in "abc"]
    report = find((spec("a"), spec("b", status=Status.ACTIVE)), *images)
    assert [(one.key, one.remedy) for one in report.found] == [
        ("a", Remedy.REACTIVATE),
        ("b", Remedy.APPLY),
        ("c", Remedy.NONE),
    ]


def test_members_of_an_image_that_is_no_longer_shared_are_not_compared() -> None:
    """Such an image has no members. That it is private now is drift."""
    shared = spec(visibility=Visibility.SHARED, members=frozenset({"p1"}))
    found = inventory(live(shared, visibility=Visibility.PRIVATE), members={"id-a": ()})
    assert values(find_drift(catalog(shared), found, None)) == [("visibility", "shared", "private", Remedy.DRIFT_ONLY)]


def test_other_data_of_a_file_without_a_digest_is_judged_by_its_url() -> None:
    """Only if the record names a URL that the manifest still has."""
    written = spec(source=UrlSource(("https://x/a", "https://y/a")), fingerprint=Fingerprint())
    image = live(written, os_hash_algo="sha256", os_hash_value="f" * 64)
    image = rewrite(image, digests=spec().fingerprint.digests)
    expected = [("content", f"sha256:{'a' * 64}", f"sha256:{'f' * 64}", Remedy.DRIFT_ONLY)]
    assert values(find(written, image)) == expected
    assert not find(written, rewrite(image, url=None)).found
    assert not find(replace(written, source=UrlSource(("https://z/a",))), image).found
    assert not find(spec(fingerprint=Fingerprint()), rewrite(image, url=None)).found


def test_keys_without_an_image_and_drift_are_sorted() -> None:
    """By key, image and value, whatever the order of the manifest and the listing."""
    wanted = replace(catalog(), images=tuple(map(spec, "dbca")), keys=frozenset("abcd"))
    found = inventory(*(live(spec(key, min_ram=1, min_disk=1), min_ram=2, min_disk=2) for key in "ca"))
    report = find_drift(wanted, found, None)
    assert [(one.key, one.path[0]) for one in report.found] == [
        ("a", "min_disk"),
        ("a", "min_ram"),
        ("c", "min_disk"),
        ("c", "min_ram"),
    ]
    assert (report.unknown, report.checked) == (("b", "d"), 2)
