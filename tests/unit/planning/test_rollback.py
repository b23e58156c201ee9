"""One key back to an earlier build."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import Checksum, FileSource, Fingerprint, OnExpire, Place, Status, UrlSource
from imagesync.model.image import LiveImage
from imagesync.model.plan import (
    Kind,
    Update,
    summarize,
)
from imagesync.model.policy import OnReplace, Policy
from imagesync.model.record import read
from imagesync.planning.clock import Clock
from imagesync.planning.generations import group
from imagesync.planning.live_checks import find_false_claims
from imagesync.planning.rollback import describe_follow_up, quote, read_build, rollback_plan
from tests.unit.factories import (
    NOW,
    PROJECT,
    candidate,
    catalog,
    digest,
    inventory,
    live,
    mark,
    plan,
    plan_input,
    retired,
    rewrite,
    spec,
)
from tests.unit.planning.plans import actions, plan_rollback
from tests.unit.simulated import carry_out


def test_nothing_of_an_expired_key_is_published_again() -> None:
    """A rollback would remove the current image without counting it."""
    wanted = spec("a", "b", expires="2026-11-01", on_expire=OnExpire.HIDE)
    found = inventory(retired(spec("a", "a"), "one"), live(spec("a", "b"), "two", generation=2))
    with pytest.raises(PlanRefused, match=r"images.a: it has expired \(2026-11-01\).*change expires first"):
        plan_rollback(catalog(wanted), found)


@pytest.mark.parametrize("wrong", ["2036-01-01T00:00:00+00:00", "1999-01-01T00:00:00+00:00", None])
def test_what_was_current_last_is_known_without_a_clock(wrong: str | None) -> None:
    """Retirements are numbered: a wrong clock, or a later change of the images, does not change the order."""
    images = []
    for number, content in enumerate("abc", 1):
        image = retired(spec("a", content), f"g{number}", number, days=30 - number)
        record = read(image)
        assert record is not None
        times = record.managed.retired if number != 2 else wrong
        managed = replace(record.managed, retired=times, retirement=number)
        images.append(replace(mark(image, replace(record, managed=managed)), updated_at=NOW.isoformat()))
    current = live(spec("a", "d"), "g4", generation=4)
    made = plan_rollback(catalog(spec("a", "d")), inventory(*images, current))
    assert actions(made) == [("Update", "g3", "rollback"), ("Update", "g4", "superseded")]
    retirement = made.steps[1].action
    assert isinstance(retirement, Update)
    assert retirement.record is not None
    assert retirement.record.managed.retirement == 4
    assert find_false_claims(made, inventory(*images, current)) == ()
    keep = plan(catalog(spec("a", "d", on_replace=OnReplace(keep=2))), inventory(*images, current))
    assert actions(keep) == [("Delete", "g1", "superseded")]


def test_a_rollback_is_two_updates() -> None:
    """What was current last is shown again as the manifest says, the present one retires by on_replace; no more."""
    on_replace = OnReplace(keep=1, rename="{name} old")
    wanted = spec("a", "c", min_ram=5, on_replace=on_replace)
    before: dict[str, object] = {"hidden": False, "name": "a", "properties.gone": "back", "properties.old": None}
    found = inventory(
        retired(spec("a", "b"), "two", 2, days=2),
        retired(spec("a", "a"), "one", 1, days=1, before=before),
        live(spec("a", "c"), "three", generation=3),
        live(spec("b", min_ram=3)),
        candidate(spec("a", "d")),
    )
    made = plan_rollback(catalog(wanted, spec("b")), found)
    assert actions(made) == [("Update", "one", "rollback"), ("Update", "three", "superseded")]
    assert made.steps[1].needs == (made.steps[0].id,)
    first = made.steps[0].action
    assert isinstance(first, Update)
    changes = {".".join(change.path): change.after for change in first.changes}
    assert changes == {"hidden": False, "min_ram": 5, "properties.gone": "back"}
    assert first.record is not None
    assert first.record.digests == (digest("a"),)
    assert (made.kind, made.ids["a"], summarize(made).replace) == (Kind.ROLLBACK, "one", 1)


@pytest.mark.parametrize(("to", "image_id"), [("2", "two"), ("two", "two"), ("1", "one"), (None, "one")])
def test_a_rollback_takes_the_build_that_is_named(to: str | None, image_id: str) -> None:
    """By generation or id; else what was current last."""
    found = inventory(
        retired(spec("a", "b"), "two", 2, days=2),
        retired(spec("a", "a"), "one", 1, days=1),
        live(spec("a", "c"), "three", generation=3),
    )
    assert actions(plan_rollback(catalog(spec("a", "c")), found, to=to))[0] == ("Update", image_id, "rollback")


def test_without_an_earlier_build_a_rollback_says_what_there_is() -> None:
    """Neither a queued one nor one that another user deactivated can be current."""
    wanted, now = catalog(spec("a")), live(spec("a"), "now", generation=2)
    with pytest.raises(
        PlanRefused, match="no earlier build exists to go back to; existing builds: generation 2, current: image now"
    ):
        plan_rollback(wanted, inventory(now))
    queued = replace(retired(spec("a", "b"), "old"), status=Status.QUEUED)
    with pytest.raises(PlanRefused, match="generation 1, retired, queued: image old"):
        plan_rollback(wanted, inventory(now, queued))
    with pytest.raises(PlanRefused, match="no retired build has the generation or id 7"):
        plan_rollback(wanted, inventory(now, retired(spec("a", "b"), "old")), to="7")
    off = replace(retired(spec("a", "b"), "old"), status=Status.DEACTIVATED)
    with pytest.raises(PlanRefused, match="another user deactivated image old; to publish it again, pass --reactivate"):
        plan_rollback(wanted, inventory(now, off))
    made = plan_rollback(wanted, inventory(now, off), policy=Policy(reactivate=True))
    assert actions(made)[0] == ("Reactivate", "old", "rollback")


def test_a_rollback_says_which_lines_must_follow() -> None:
    """File and line of digest, URL and format, in the manifest's own algorithm."""
    held = spec("a", "a", source=UrlSource(("https://x/1",), checksum=digest("a")))
    lines = {name: Place("images.yaml", line, 5) for name, line in (("checksum", 7), ("url", 6), ("disk_format", 9))}
    source = UrlSource(("https://x/2",), checksum=digest("b"))
    wanted = spec("a", "b", source=source, disk_format="qcow2", places=lines)
    found = inventory(retired(held, "one"), live(wanted, "two", generation=2))
    note = plan_rollback(catalog(wanted), found).follow_up
    assert f"images.yaml:7: checksum: {digest('a')}; images.yaml:6" in note
    assert "images.yaml:6: url: https://x/1" in note
    assert note.endswith("images.yaml:9: disk_format: raw (now qcow2)")
    done = plan_rollback(catalog(held), found).follow_up
    assert done == "a: the manifest already declares this build"


@pytest.mark.parametrize("name", ["min_ram", "min_disk"])
@pytest.mark.parametrize("is_ignored", [False, True])
def test_a_line_of_a_field_that_is_ignored_need_not_follow(name: str, *, is_ignored: bool) -> None:
    """Another user may have set it, and no apply changes it."""
    old: dict[str, Any] = {name: 1}
    new: dict[str, Any] = {name: 2, "ignore": (name,) if is_ignored else ()}
    wanted = spec("a", "b", **new)
    found = inventory(retired(spec("a", "a", **old), "one"), live(wanted, "two", generation=2))
    note = plan_rollback(catalog(wanted), found).follow_up
    assert (f"{name}: 1 (now 2)" in note) is not is_ignored


def test_a_file_without_a_declared_checksum_is_named_by_path_and_digest() -> None:
    """The line of the source gets the digest, the path the file."""
    wanted = spec("a", "b", source=FileSource("/x/new.raw", "new.raw"), places={"source": Place("m.yaml", 3, 1)})
    found = inventory(retired(spec("a", "a"), "one"), live(wanted, "two", generation=2))
    note = plan_rollback(catalog(wanted), found).follow_up
    assert f"m.yaml:3: checksum: {digest('a')};" in note
    assert "m.yaml:3: path: a file with this content" in note


@pytest.mark.parametrize(("entry", "more"), [(None, ""), ("a-2.raw", " and checksum_entry: a-2.raw")])
def test_a_declared_digest_takes_the_place_of_a_list_and_its_entry(entry: str | None, more: str) -> None:
    """A declared digest excludes both."""
    lines = {"checksum_url": Place("images.yaml", 7, 5)}
    source = UrlSource(("https://x/a",), checksum_url="https://x/SUMS", checksum_entry=entry)
    wanted = spec("a", "b", source=source, places=lines)
    found = inventory(retired(spec("a", "a"), "one"), live(wanted, "two", generation=2))
    note = plan_rollback(catalog(wanted), found).follow_up
    assert f"images.yaml:7: checksum: {digest('a')} (in place of checksum_url: https://x/SUMS{more})" in note


def test_a_rollback_to_a_build_on_trust_says_so() -> None:
    """The follow-up names a digest that was computed, if there is one; else it says that this one was not."""
    wanted = spec("a", "b", source=FileSource("/x/a.raw", "a.raw", checksum=digest("b")))
    held = rewrite(retired(spec("a", "a"), "one"), digests=(), declared=(digest("a"),))
    found = inventory(held, live(wanted, "two", generation=2))
    made = plan_rollback(catalog(wanted), found)
    (trust,), follow = made.notes, made.follow_up
    assert trust == f"a: image one is published without verification: its content is assumed to be {digest('a')}"
    assert f"checksum: {digest('a')} (imagesync did not compute it from the data)" in follow
    sha512 = Checksum("sha512", "c" * 128)
    known = inventory(rewrite(held, digests=(sha512,)), live(wanted, "two", generation=2))
    follow = plan_rollback(catalog(wanted), known).follow_up
    assert f"checksum: {sha512};" in follow
    named = spec("a", "a", source=FileSource("/x/a.raw", "a.raw", checksum=digest("a")))
    assert plan_rollback(catalog(named), found).follow_up == "a: the manifest already declares this build"


def test_an_interrupted_rollback_is_finished_with_to() -> None:
    """Two current images: the one that is named stays, the other retires."""
    found = inventory(live(spec("a", "a"), "one"), live(spec("a", "b"), "two", generation=2))
    made = plan_rollback(catalog(spec("a", "b")), found, to="one")
    assert actions(made) == [("Update", "one", "rollback"), ("Update", "two", "superseded")]
    with pytest.raises(PlanRefused, match="no earlier build"):
        plan_rollback(catalog(spec("a", "b")), found)


def test_a_key_with_a_rejected_candidate_is_rolled_back_as_usual() -> None:
    """The candidate stays rejected."""
    rejected = candidate(spec("a", "c"), status=Status.DEACTIVATED)
    found = inventory(live(spec("a", "b"), "now", generation=2), retired(spec("a"), "old"), rejected)
    assert actions(plan_rollback(catalog(spec("a", "c")), found)) == [
        ("Update", "old", "rollback"),
        ("Update", "now", "superseded"),
    ]


def test_a_rollback_says_that_a_pinned_id_must_follow() -> None:
    """Otherwise the next apply uploads the pinned image again."""
    wanted = spec("a", "b", id="two")
    found = inventory(live(wanted, "two", generation=2), retired(spec("a", "a"), "one"))
    made = plan_rollback(catalog(wanted), found)
    assert made.follow_up.endswith("id: one (now two)")
    assert "id: one" not in plan_rollback(catalog(spec("a", "b")), found).follow_up


@pytest.mark.parametrize(
    ("name", "is_hidden", "is_refused"), [("a", False, True), ("a", True, False), ("b", False, False)]
)
def test_a_rollback_gives_no_second_image_a_name_that_is_taken(name: str, is_hidden: bool, is_refused: bool) -> None:
    """Another user made a visible image of this name since: a machine could boot either."""
    found = inventory(
        retired(spec("a", "a"), "one"),
        live(spec("a", "b"), "two", generation=2),
        foreign=(LiveImage("their", name, Status.ACTIVE, owner=PROJECT, hidden=is_hidden),),
    )
    if is_refused:
        with pytest.raises(
            PlanRefused, match="image their, which is not managed by imagesync, already has the name 'a'"
        ):
            plan_rollback(catalog(spec("a", "b")), found)
        return
    assert [step[1] for step in actions(plan_rollback(catalog(spec("a", "b")), found))] == ["one", "two"]


def built(content: str, image_id: str, generation: int, **attrs: object) -> LiveImage:
    """A retired build that was published with these values."""
    return retired(spec("a", content, **attrs), image_id, generation)


def test_an_earlier_build_keeps_the_values_that_belong_to_it() -> None:
    """Its properties, tags and minimums describe its data; name and visibility are those of the manifest."""
    old = {"os_version": "22.04", "hw_disk_bus": "virtio", "gone": "1"}
    new = {"os_version": "24.04", "hw_disk_bus": "virtio", "added": "2"}
    wanted = spec("a", "b", name="web", properties=new, tags=frozenset({"noble"}), min_ram=2, min_disk=20)
    found = inventory(
        built("a", "one", 1, properties=old, tags=frozenset({"jammy"}), min_ram=1, min_disk=10),
        live(wanted, "two", generation=2),
    )
    made = plan_rollback(catalog(wanted), found)
    first = made.steps[0].action
    assert isinstance(first, Update)
    assert {".".join(change.path): change.after for change in first.changes} == {"hidden": False, "name": "web"}
    (own,), follow = made.notes, made.follow_up
    assert own == (
        "a: the earlier build keeps its own properties.added, properties.gone, properties.os_version, tags, min_disk, min_ram; "
        "the manifest declares other values"
    )
    for line in (
        "properties.added: none (now 2)",
        "properties.gone: 1 (now none)",
        "properties.os_version: 22.04 (now 24.04)",
        "tags: jammy (now noble)",
        "min_ram: 1 (now 2)",
    ):
        assert line in follow


@pytest.mark.parametrize("name", ["min_disk", "min_ram"])
def test_an_earlier_build_keeps_a_minimum_that_the_manifest_no_longer_declares(name: str) -> None:
    """Its data still needs it. The line of the note makes the next plan empty."""
    numbers: dict[str, object] = {name: 20}
    old, new = spec("a", "a", **numbers), spec("a", "b")
    found = inventory(built("a", "one", 1, **numbers), live(new, "two", generation=2))
    made = plan_rollback(catalog(new), found)
    assert f"{name}: 20 (now none)" in made.follow_up
    after = carry_out(made, found)
    (image,) = [image for image in after.owned if image.id == "one"]
    assert getattr(image, name) == 20
    assert plan(catalog(old), after).steps == ()


def test_a_note_writes_dollar_signs_as_a_manifest_does() -> None:
    """Single ones would be a placeholder or a reference there."""
    values = {"p": "${x} costs $5", "q": "${images.b.id}"}
    found = inventory(built("a", "one", 1, properties=values), live(spec("a", "b"), "two"))
    follow = plan_rollback(catalog(spec("a", "b")), found).follow_up
    assert "properties.p: $${x} costs $$5 (now none)" in follow
    assert "properties.q: $${images.b.id} (now none)" in follow


def test_after_a_rollback_and_its_lines_the_plan_is_empty() -> None:
    """The record names the values of the build, so declaring them changes nothing."""
    old, new = {"os_version": "22.04"}, {"os_version": "24.04"}
    wanted = spec("a", "b", properties=new)
    found = inventory(built("a", "one", 1, properties=old), live(wanted, "two", generation=2))
    first, second = (step.action for step in plan_rollback(catalog(wanted), found).steps)
    assert isinstance(first, Update)
    assert isinstance(second, Update)
    assert first.record is not None
    assert second.record is not None
    image, current = found.owned
    after = inventory(
        mark(replace(image, hidden=False), first.record), mark(replace(current, hidden=True), second.record)
    )
    assert plan(catalog(spec("a", "a", properties=old)), after).steps == ()
    (again,) = (step.action for step in plan(catalog(spec("a", "a", properties=new)), after).steps)
    assert isinstance(again, Update)
    assert [change.path for change in again.changes] == [("properties", "os_version")]


@pytest.mark.parametrize(
    ("before", "live_value", "expected"),
    [
        ({"hidden": False, "properties.p": "old"}, "deprecated", "old"),
        ({"hidden": False, "properties.p": None}, "deprecated", None),
        ({"hidden": False}, "1", "1"),
        ({"hidden": False}, "changed by hand", "1"),
    ],
)
def test_values_of_an_earlier_build_are_those_that_it_was_published_with(
    before: dict[str, object], live_value: str, expected: str | None
) -> None:
    """What ``on_replace`` changed is restored; a declared value that another user changed later, too."""
    wanted = spec("a", "b", properties={"p": "1"})
    image = retired(spec("a", "a", properties={"p": "1"}), "one", 1, before=before)
    found = inventory(
        replace(image, properties={**image.properties, "p": live_value}), live(wanted, "two", generation=2)
    )
    first = plan_rollback(catalog(wanted), found).steps[0].action
    assert isinstance(first, Update)
    after = {change.path: change.after for change in first.changes}.get(("properties", "p"), live_value)
    assert after == expected


@pytest.mark.parametrize("name", ["min_disk", "min_ram"])
@pytest.mark.parametrize(
    ("before", "live_value", "expected"), [({}, 1, 1), ({}, 9, 9), ({"hidden": False}, 9, 9), ({"it": 1}, 9, 1)]
)
def test_minimums_of_an_earlier_build_are_those_that_it_was_published_with(
    name: str, before: dict[str, object], live_value: int, expected: int
) -> None:
    """What ``on_replace`` raised when the build retired is restored; another value is that of the image."""
    remembered = {name if path == "it" else path: value for path, value in before.items()}
    wanted = spec("a", "b", **{name: 2})
    image = retired(spec("a", "a", **{name: 1}), "one", 1, before=remembered)
    image = replace(image, min_disk=live_value) if name == "min_disk" else replace(image, min_ram=live_value)
    found = inventory(image, live(wanted, "two", generation=2))
    made = plan_rollback(catalog(wanted), found)
    first = made.steps[0].action
    assert isinstance(first, Update)
    assert {change.path: change.after for change in first.changes}.get((name,), live_value) == expected
    assert f"{name}: {expected} (now 2)" in made.follow_up


@pytest.mark.parametrize("declared", ["22.04", "${images.b.id}", None])
def test_a_value_of_an_earlier_build_is_never_a_reference(declared: str | None) -> None:
    """Text that only looks like one stays as it is, whatever the manifest declares now."""
    text = "${images.b.id}"
    properties = {} if declared is None else {"p": declared}
    wanted, other = spec("a", "b", properties=properties), spec("b")
    image = retired(spec("a", "a", properties={"p": "$" + text}), "one", 1)
    found = inventory(
        replace(image, properties={**image.properties, "p": text}),
        live(spec("a", "b", properties=properties and {"p": "id-b"}), "two", generation=2),
        live(other),
    )
    first = plan_rollback(catalog(wanted, other), found).steps[0].action
    assert isinstance(first, Update)
    assert ("properties", "p") not in {change.path for change in first.changes}


def test_values_of_a_build_in_another_project_are_not_believed() -> None:
    """Its owner can write them."""
    wanted = spec("a", "a", owner="p2", properties={"p": "1"})
    image = retired(spec("a", "a", owner="p2", properties={"p": "forged"}), "one", 1)
    found = inventory(replace(image, owner="p2", os_hash_algo="sha256", os_hash_value=digest("a").value))
    first = plan_rollback(catalog(wanted), found).steps[0].action
    assert isinstance(first, Update)
    assert ("properties", "p") in {change.path for change in first.changes}


def test_an_ignored_property_is_neither_changed_nor_mentioned() -> None:
    """It belongs to other users."""
    wanted = spec("a", "b", properties={"p": "2"}, ignore=("properties.p",))
    found = inventory(built("a", "one", 1, properties={"p": "1"}), live(wanted, "two", generation=2))
    made = plan_rollback(catalog(wanted), found)
    assert "properties.p" not in "".join(made.notes)
    assert all(("properties", "p") not in {c.path for c in getattr(step.action, "changes", ())} for step in made.steps)


def test_a_rollback_waits_for_the_clocks_if_they_differ_on_the_expiry() -> None:
    """A clock that is behind must not publish what has expired."""
    wanted = spec("a", "b", expires="2026-11-23")
    found = inventory(retired(spec("a"), "one"), live(spec("a", "b"), "two", generation=2))
    given = replace(plan_input(catalog(wanted), found), clock=Clock((NOW - timedelta(days=1), NOW), "they differ"))
    with pytest.raises(PlanRefused, match=r"the clocks differ on whether it has expired \(2026-11-23\); correct"):
        rollback_plan(given, key="a", to=None)


def test_a_rollback_that_would_give_too_long_a_name_is_refused() -> None:
    """The new build would be published, and the present one could not retire."""
    wanted = spec("a", "b", on_replace=OnReplace(rename="{name}" + "x" * 255))
    found = inventory(retired(spec("a"), "one"), live(wanted, "two", generation=2))
    with pytest.raises(PlanRefused, match="the new name of image two is 256 characters long"):
        plan_rollback(catalog(wanted), found)


def test_a_rollback_uses_the_images_that_references_mean_now() -> None:
    """It makes no image of another key, whatever the manifest declares for that key."""
    root = spec("root", "b", properties={"kernel_id": "${images.kernel.id}"})
    found = inventory(
        live(spec("kernel"), "k"), retired(spec("root"), "one"), live(spec("root", "b"), "two", generation=2)
    )
    made = plan_rollback(catalog(spec("kernel", "c"), root), found, "root")
    assert [step.needs for step in made.steps] == [(), (made.steps[0].id,)]
    earlier = retired(replace(root, fingerprint=spec("root").fingerprint), "one")
    earlier = replace(earlier, properties={**earlier.properties, "kernel_id": "k"})
    made = plan_rollback(catalog(spec("kernel", "c"), root), inventory(found.owned[0], earlier, found.owned[2]), "root")
    assert [step.needs for step in made.steps] == [(), (made.steps[0].id,)]
    with pytest.raises(PlanRefused, match=r"images.root: it refers to images.kernel, which has no image; run apply"):
        plan_rollback(catalog(spec("kernel", "c"), root), inventory(*found.owned[1:]), "root")


def test_a_rollback_refers_to_no_candidate_of_another_key() -> None:
    """The next apply would publish it; until then, users have the current image of that key."""
    root = spec("root", "b", properties={"kernel_id": "${images.kernel.id}"})
    found = inventory(
        live(spec("kernel"), "k"),
        candidate(spec("kernel", "c"), "staged"),
        retired(replace(root, fingerprint=spec("root").fingerprint), "one"),
        live(root, "two", generation=2),
    )
    made = plan_rollback(catalog(spec("kernel", "c"), root), found, "root")
    written = [change.after for step in made.steps if isinstance(step.action, Update) for change in step.action.changes]
    assert ("k" in written, "staged" in written) == (True, False)


def test_a_rollback_needs_a_build_other_than_the_current_one() -> None:
    """The current image is named only after an interrupted rollback, which left two."""
    found = inventory(live(spec("a", "b"), "now", generation=2), retired(spec("a"), "old"))
    for to in ("now", "2"):
        with pytest.raises(PlanRefused, match=f"no retired build has the generation or id {to}; existing builds"):
            plan_rollback(catalog(spec("a", "b")), found, to=to)


def test_a_generation_that_several_builds_have_does_not_name_one() -> None:
    """The message has their ids; an id does."""
    twins = [retired(spec("a", content), image_id) for content, image_id in (("b", "x"), ("c", "y"))]
    found = inventory(live(spec("a"), "now", generation=2), *twins)
    with pytest.raises(PlanRefused, match=r"several images have generation 1: [xy], [xy]; pass --to IMAGE_ID"):
        plan_rollback(catalog(spec("a")), found, to="1")
    assert actions(plan_rollback(catalog(spec("a")), found, to="y"))[0] == ("Update", "y", "rollback")


@pytest.mark.parametrize("to", ["1", "off", None])
def test_a_build_that_another_user_deactivated_is_not_published_however_it_is_named(to: str | None) -> None:
    """Another retired build is published only if none is named."""
    off = replace(retired(spec("a", "b"), "off"), status=Status.DEACTIVATED)
    found = inventory(live(spec("a"), "now", generation=3), off)
    with pytest.raises(PlanRefused, match="another user deactivated image off"):
        plan_rollback(catalog(spec("a")), found, to=to)
    usable = inventory(*found.owned, retired(spec("a", "c"), "old", 2, days=9))
    if to is None:
        assert actions(plan_rollback(catalog(spec("a")), usable, to=to))[0] == ("Update", "old", "rollback")


def test_a_rollback_changes_neither_formats_nor_the_line_of_an_id_that_fits() -> None:
    """The service never changes them: the image keeps its own, and the note says what to write."""
    wanted = spec("a", "b", disk_format="qcow2", container_format="ova", id="one")
    found = inventory(retired(spec("a", id="one"), "one"), live(wanted, "two", generation=2))
    made = plan_rollback(catalog(wanted), found)
    first = made.steps[0].action
    assert isinstance(first, Update)
    assert [change.path for change in first.changes] == [("hidden",)]
    note = made.follow_up
    assert ("disk_format: raw (now qcow2)" in note, "container_format: bare (now ova)" in note) == (True, True)
    assert " id: " not in note
    undeclared = plan_rollback(catalog(replace(wanted, disk_format=None, container_format=None, id=None)), found)
    assert "format" not in undeclared.follow_up


def test_the_line_of_a_url_that_still_has_the_build_is_not_named() -> None:
    """One of its mirrors is the recorded URL: only the digest must follow."""
    held = spec("a", "a", source=UrlSource(("https://x/1",), checksum=digest("a")))
    for urls, named in ((("https://y/1", "https://x/1"), False), (("https://y/1",), True)):
        wanted = spec("a", "b", source=UrlSource(urls, checksum=digest("b")))
        found = inventory(retired(held, "one"), live(wanted, "two", generation=2))
        note = plan_rollback(catalog(wanted), found).follow_up
        assert "checksum: " in note
        assert ("url: https://x/1" in note) is named


def test_a_value_is_quoted_as_it_is_written_in_a_manifest() -> None:
    """An empty one is visible, and one that is not set has a word."""
    assert [quote(value) for value in (None, "", "x", "${a}", "a\x1b")] == ["none", "''", "x", "$${a}", "a\\x1b"]


def test_a_build_comes_back_with_the_values_that_it_had() -> None:
    """Empty ones, too; not tags and properties that other users added."""
    image = retired(
        spec("a", "a", properties={"empty": "x", "kept": "1"}, tags=frozenset({"ours"})),
        "old",
        before={"hidden": False, "properties.empty": "", "properties.kept": None},
    )
    image = replace(image, tags=frozenset({"ours", "theirs"}), properties={**image.properties, "theirs": "1"})
    (owned,) = group([image])["a"].retired
    build = read_build(spec("a"), owned, PROJECT)
    assert (dict(build.properties), build.tags) == ({"empty": ""}, frozenset({"ours"}))
    (owned,) = group([rewrite(image, managed=replace(owned.record.managed, before={"tags": ["ours", "theirs"]}))])[
        "a"
    ].retired
    assert read_build(spec("a"), owned, PROJECT).tags == {"ours"}


def test_the_whole_follow_up_of_a_rollback() -> None:
    """In the algorithm of the manifest; ignored fields are left out, and so is a URL that the record does not have."""
    sha512 = Checksum("sha512", "a" * 128)
    held = rewrite(retired(spec("a", "a"), "old"), digests=(sha512, digest("a")))
    declared = FileSource("/images/a.raw", "a.raw", Checksum("sha512", "b" * 128))
    wanted = spec("a", source=declared, fingerprint=Fingerprint((declared.checksum,), 4096), disk_format="qcow2")  # type: ignore[arg-type]
    places = {"checksum": Place("m.yaml", 4, 1), "path": Place("m.yaml", 3, 1), "disk_format": Place("m.yaml", 5, 1)}
    (owned,) = group([held])["a"].retired
    begin = "a: the next apply publishes the newer build again, unless you write "
    lines = f"m.yaml:4: checksum: {sha512}; m.yaml:3: path: a file with this content"
    whole = replace(wanted, places=places)
    assert describe_follow_up(whole, owned, PROJECT) == f"{begin}{lines}; m.yaml:5: disk_format: raw (now qcow2)"
    assert describe_follow_up(replace(whole, ignore=("disk_format",)), owned, PROJECT) == begin + lines
    url = replace(whole, source=UrlSource(("https://x/a",), checksum=declared.checksum), ignore=("disk_format",))
    assert describe_follow_up(url, owned, PROJECT) == f"{begin}m.yaml:4: checksum: {sha512}"
