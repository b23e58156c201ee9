"""The three-way merge: the manifest, the service and the record."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import Auto, FileSource, Fingerprint, Status, Transfer, UrlSource, Visibility
from imagesync.model.image import MemberState
from imagesync.model.plan import (
    Reason,
    Update,
)
from imagesync.model.record import Managed, hash_value
from imagesync.planning.three_way import (
    compute_min_disk,
    find_reason,
    find_wanted_status,
    list_managed_names,
    make_managed,
    make_state,
    merge_states,
    wanted_digest,
)
from tests.unit.factories import catalog, digest, inventory, live, plan, retired, spec
from tests.unit.planning.plans import changes, kinds


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


def test_drift_differs_from_a_change_of_the_manifest() -> None:
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
    """A property and a tag that left the manifest are removed; those of other users stay."""
    before = spec("a", properties={"ours": "1"}, tags=frozenset({"ours"}))
    image = live(before)
    image = replace(image, properties={**image.properties, "theirs": "1"}, tags=frozenset({"ours", "theirs"}))
    made = plan(catalog(spec("a")), inventory(image))
    assert changes(made) == {"properties.ours": ("1", None), "tags": (("ours", "theirs"), ("theirs",))}


def test_a_field_that_is_no_longer_declared_is_reset_to_its_default() -> None:
    """min_ram that imagesync set and the manifest dropped becomes 0 again; one set by others stays."""
    assert changes(plan(catalog(spec("a")), inventory(live(spec("a", min_ram=512))))) == {"min_ram": (512, 0)}
    assert not plan(catalog(spec("a")), inventory(live(spec("a"), min_ram=512))).steps


def test_a_value_that_becomes_managed_is_recorded() -> None:
    """Declaring what is there already changes the record alone: removing it later is noticed."""
    image = live(spec("a"), min_ram=512)
    made = plan(catalog(spec("a", min_ram=512)), inventory(image))
    assert changes(made) == {}
    (step,) = made.steps
    assert isinstance(step.action, Update)
    assert step.action.record is not None
    assert step.action.record.managed.fields["min_ram"] == "94f86079"
    recorded = replace(image, properties={**image.properties, **step.action.record.properties(image.id)})
    assert changes(plan(catalog(spec("a")), inventory(recorded))) == {"min_ram": (512, 0)}


def test_ignored_fields_are_left_to_others() -> None:
    """``ignore`` patterns keep a field out of the diff once the image exists."""
    wanted = spec("a", min_ram=512, properties={"hw_x": "1"}, ignore=("min_ram", "properties.hw_*"))
    image = live(wanted, min_ram=7)
    image = replace(image, properties={**image.properties, "hw_x": "other"})
    assert not plan(catalog(wanted), inventory(image)).steps


@pytest.mark.parametrize(
    ("pattern", "declared", "changed"),
    [
        ("name", {"name": "n"}, {"name": "other"}),
        ("visibility", {"visibility": Visibility.PRIVATE}, {"visibility": Visibility.COMMUNITY}),
        ("protected", {"protected": True}, {"protected": False}),
        ("hidden", {"hidden": False}, {"hidden": True}),
        ("min_disk", {"min_disk": 2}, {"min_disk": 9}),
        ("tags", {"tags": frozenset({"t"})}, {"tags": frozenset({"u"})}),
    ],
)
def test_each_field_can_be_ignored(pattern: str, declared: dict[str, Any], changed: dict[str, Any]) -> None:
    """Without ``ignore`` it is drift."""
    wanted = spec("a", **declared)
    found = inventory(replace(live(wanted), **changed))
    assert list(changes(plan(catalog(wanted), found))) == [pattern]
    assert not plan(catalog(replace(wanted, ignore=(pattern,))), found).steps


def test_members_can_be_ignored() -> None:
    """Added members stay, and removed ones are not added again."""
    wanted = spec("a", visibility=Visibility.SHARED, members=frozenset({"p1", "p2"}), members_declared=True)
    found = inventory(live(wanted), members={"id-a": (MemberState("p1"), MemberState("p3"))})
    assert changes(plan(catalog(wanted), found)) == {"members": (("p1", "p3"), ("p1", "p2", "p3"))}
    assert not plan(catalog(replace(wanted, ignore=("members",))), found).steps


def test_members_are_merged_three_ways() -> None:
    """Members that left the manifest are removed; those of other users stay."""
    before = spec("a", visibility=Visibility.SHARED, members=frozenset({"p1"}), members_declared=True)
    after = replace(before, members=frozenset({"p2"}))
    found = inventory(live(before), members={"id-a": (MemberState("p1"), MemberState("other"))})
    assert changes(plan(catalog(after), found)) == {"members": (("other", "p1"), ("other", "p2"))}


@pytest.mark.parametrize("visibility", [one for one in Visibility if one is not Visibility.SHARED])
def test_an_image_that_is_not_shared_has_no_members(visibility: Visibility) -> None:
    """All members are removed with the sharing; members declared with another visibility are never added."""
    before = spec("a", visibility=Visibility.SHARED, members=frozenset({"p1"}), members_declared=True)
    after = replace(before, visibility=visibility)
    found = inventory(live(before), members={"id-a": (MemberState("p1"), MemberState("other"))})
    assert changes(plan(catalog(after), found)) == {
        "members": (("other", "p1"), ()),
        "visibility": ("shared", visibility.value),
    }
    assert not plan(catalog(after), inventory(live(after))).steps


def test_members_of_an_earlier_build_are_taken_off_with_the_manifest() -> None:
    """Also members that left the manifest meanwhile."""
    shared = spec("a", "a", visibility=Visibility.SHARED, members=frozenset({"p1", "p2"}), members_declared=True)
    now = replace(shared, fingerprint=Fingerprint((digest("b"),)), members=frozenset({"p1"}))
    wanted = replace(shared, members=frozenset({"p1"}))
    members = {"one": (MemberState("p1"), MemberState("p2")), "two": (MemberState("p1"),)}
    found = inventory(retired(shared, "one"), live(now, "two", generation=2), members=members)
    first = plan(catalog(wanted), found).steps[0].action
    assert isinstance(first, Update)
    assert {change.path[0]: change.after for change in first.changes} == {"hidden": False, "members": ("p1",)}


def test_what_on_replace_took_comes_back_although_it_is_ignored() -> None:
    """``ignore`` leaves fields to others, not to our own retirement: an image cannot stay hidden for ever."""
    wanted = spec("a", "a", ignore=("hidden", "properties.*", "min_ram"), min_ram=9, properties={"p": "1"})
    image = retired(wanted, "one", before={"hidden": False, "properties.p": "1"})
    image = replace(image, properties={**image.properties, "p": "old"}, min_ram=3)
    made = plan(catalog(wanted), inventory(image, live(spec("a", "b"), "two", generation=2)))
    first = made.steps[0].action
    assert isinstance(first, Update)
    assert {".".join(change.path): change.after for change in first.changes} == {"hidden": False, "properties.p": "1"}


def test_what_the_manifest_declares_wins_over_what_was_before_a_retirement() -> None:
    """Fields, properties and visibility of today; what it says nothing of is as it was."""
    before: dict[str, object] = {"hidden": False, "visibility": "public", "min_ram": 1, "min_disk": 7}
    before |= {"properties.p": "old", "properties.q": "was"}
    declared = {"visibility": Visibility.COMMUNITY, "min_ram": 5, "properties": {"p": "new"}}
    image = replace(retired(spec("a", "a"), "one", before=before), visibility=Visibility.PRIVATE)
    made = plan(catalog(spec("a", "a", **declared)), inventory(image, live(spec("a", "b"), "two", generation=2)))
    first = made.steps[0].action
    assert isinstance(first, Update)
    after = {"hidden": False, "visibility": "community", "min_ram": 5, "min_disk": 7}
    after |= {"properties.p": "new", "properties.q": "was"}
    assert {".".join(change.path): change.after for change in first.changes} == after


def test_what_on_replace_took_comes_back_as_the_text_that_it_was() -> None:
    """Text of the image that looks like a reference is not one."""
    image = retired(spec("a", "a"), "one", before={"hidden": False, "properties.p": "${images.a.id}"})
    made = plan(catalog(spec("a", "a")), inventory(image, live(spec("a", "b"), "two", generation=2)))
    first = made.steps[0].action
    assert isinstance(first, Update)
    assert {".".join(change.path): change.after for change in first.changes}["properties.p"] == "$${images.a.id}"


def test_a_record_keeps_the_origin_of_the_data() -> None:
    """Another mirror of the same bytes is where the next build comes from."""
    before = spec("a", source=UrlSource(("https://one.example/a.raw",), digest("a")))
    after = replace(before, source=UrlSource(("https://two.example/a.raw",), digest("a")), min_ram=1)
    (step,) = plan(catalog(after), inventory(live(before))).steps
    assert isinstance(step.action, Update)
    assert step.action.record is not None
    assert step.action.record.managed.origin == "https://one.example/a.raw"


@pytest.mark.parametrize(
    "attrs",
    [
        {},
        {"properties": {"p": "x", "q": "y"}, "tags": frozenset({"t"}), "status": Status.ACTIVE, "min_disk": Auto.AUTO},
        {"source": FileSource("/a", "a", transfer=Transfer(stores=("one",))), "owner": "o", "min_disk": 3},
    ],
)
def test_names_are_those_of_the_whole_record(attrs: dict[str, Any]) -> None:
    """They decide whether a record is written again; the hashes of values are not needed for that."""
    wanted, members = spec("a", **attrs), frozenset({"m", "n"})
    assert list_managed_names(wanted, members) == make_managed(wanted, members, 1).names()


@pytest.mark.parametrize("visibility", list(Visibility))
def test_only_a_shared_image_is_made_with_members(visibility: Visibility) -> None:
    """The service takes members of no other image."""
    wanted = spec("a", visibility=visibility, members=frozenset({"p"}), members_declared=True)
    assert make_state(wanted, frozenset({"p"}), {}).members == (("p",) if visibility is Visibility.SHARED else ())


@pytest.mark.parametrize(
    ("virtual_size", "size", "expected"),
    [
        (None, None, 0),
        (None, 1, 1),
        (None, 2**30, 1),
        (None, 2**30 + 1, 2),
        (2**31, 1, 2),
        (2**31 + 1, 2**40, 3),
        (0, 2**30, 1),
    ],
)
def test_an_automatic_min_disk_is_that_of_the_virtual_disk(
    virtual_size: int | None, size: int | None, expected: int
) -> None:
    """In GiB, rounded up; of the stored bytes if the service reports no virtual size. It stays after it was managed."""
    automatic, fixed = spec("a", min_disk=Auto.AUTO), spec("a", min_disk=7)
    image = live(fixed, virtual_size=virtual_size, size=size, min_disk=expected)
    assert compute_min_disk(image) == expected
    managed = make_managed(fixed, frozenset(), 1)
    before, after = merge_states(automatic, image, managed, frozenset(), (), {})
    assert before == after
    assert after.fields["min_disk"] == expected


def test_a_record_has_no_secret_of_a_url() -> None:
    """Every user of the image can read it."""
    source = UrlSource(("https://user:secret@host.example/a.raw?token=secret#part",))
    managed = make_managed(spec("a", source=source), frozenset(), 1)
    assert managed.origin is not None
    assert "secret" not in managed.origin
    assert managed.origin.startswith("https://")
    assert make_managed(spec("a"), frozenset(), 1).origin is None


KNOWN, OTHER = make_managed(spec("a", min_ram=1, properties={"p": "1"}), frozenset(), 1), Managed()


@pytest.mark.parametrize("path", [("min_ram",), ("properties", "p"), ("min_disk",), ("properties", "q")])
@pytest.mark.parametrize("wanted", [KNOWN, OTHER])
@pytest.mark.parametrize("managed", [KNOWN, OTHER])
def test_only_a_value_that_imagesync_wrote_before_can_drift(
    path: tuple[str, ...], wanted: Managed, managed: Managed
) -> None:
    """If neither record names it, the manifest removes it, or another user set it: that is not drift."""
    is_named = path in (("min_ram",), ("properties", "p"))
    expected = Reason.DRIFT if is_named and wanted is managed is KNOWN else Reason.MANIFEST_CHANGED
    assert find_reason(path, wanted, managed) is expected


@pytest.mark.parametrize("declared", [None, Status.ACTIVE, Status.DEACTIVATED])
@pytest.mark.parametrize("recorded", [None, Status.ACTIVE, Status.DEACTIVATED])
@pytest.mark.parametrize("retired_from", [None, "active"])
@pytest.mark.parametrize("ignored", [True, False])
def test_the_wanted_status_by_what_is_declared_and_recorded(
    declared: Status | None, recorded: Status | None, retired_from: str | None, *, ignored: bool
) -> None:
    """The declared one; else active if imagesync deactivated the image; else none, and so if ``ignore`` names it, except
    for a deactivation by ``on_replace``.
    """
    wanted = spec("a", status=declared, ignore=("status",) if ignored else ())
    before: dict[str, object] = {"status": retired_from} if retired_from else {}
    managed = replace(make_managed(spec("a", status=recorded), frozenset(), 1), before=before)
    was_deactivated = recorded is Status.DEACTIVATED or retired_from is not None
    expected = declared or (Status.ACTIVE if was_deactivated else None)
    assert find_wanted_status(wanted, managed) is (None if ignored and retired_from is None else expected)


def test_a_property_that_on_replace_added_is_removed_again() -> None:
    """The record remembers that the image had none."""
    image = retired(spec("a", "a"), "one", before={"hidden": False, "properties.p": None})
    image = replace(image, properties={**image.properties, "p": "1"})
    made = plan(catalog(spec("a", "a")), inventory(image, live(spec("a", "b"), "two", generation=2)))
    first = made.steps[0].action
    assert isinstance(first, Update)
    assert {".".join(change.path): change.after for change in first.changes}.get("properties.p") is None


def test_the_identity_of_a_declared_state_is_the_same_in_every_version() -> None:
    """Members and content do not count: a run that continues an import compares it."""
    plain = spec("a", visibility=Visibility.SHARED, tags=frozenset({"b", "a"}), properties={"z": "1", "y": "2"})
    assert wanted_digest(plain) == wanted_digest(replace(plain, members=frozenset({"p1"}), members_declared=True))
    assert wanted_digest(plain) == wanted_digest(replace(plain, fingerprint=spec(content="b").fingerprint))
    assert wanted_digest(plain) != wanted_digest(replace(plain, tags=frozenset({"a"})))
    assert wanted_digest(plain) != wanted_digest(replace(plain, min_ram=1))
    assert len(wanted_digest(plain)) == 32


def test_the_record_of_an_image_in_all_stores_says_so() -> None:
    """Which stores these are is known only to the service."""
    for transfer, value in (
        (Transfer(all_stores=True), "all"),
        (Transfer(stores=("b", "a")), ("a", "b")),
    ):
        source = UrlSource(("https://x/a",), transfer=transfer)
        assert make_managed(spec("a", source=source), frozenset(), 1).fields["stores"] == hash_value(value)
    assert "stores" not in make_managed(spec("a"), frozenset(), 1).fields
