"""What a forged plan claims of the live images is found; ``factories.plan`` checks that nothing else is refused."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import Checksum, Fingerprint, Role, Status, Visibility
from imagesync.model.image import Capabilities, Inventory, LiveImage
from imagesync.model.plan import Create, Deactivate, Delete, FieldChange, Plan, Reactivate, Reason, Update
from imagesync.model.policy import OnReplace
from imagesync.model.record import read
from imagesync.planning.live_checks import find_false_claims
from imagesync.planning.plan_checks import find_faulty_steps
from imagesync.planning.planner import make_plan
from imagesync.planning.staleness import collect_reliances
from imagesync.planning.steps import make_step
from tests.unit.factories import (
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
from tests.unit.planning.plans import plan_rollback
from tests.unit.planning.test_plan_checks import change_action, change_record, change_step

FOREIGN = LiveImage("foreign", name="golden", owner=PROJECT, status=Status.ACTIVE, protected=True, size=7)


def found() -> Inventory:
    """An image that is updated, one that is replaced, a candidate, a retired build, and a foreign image."""
    owned = (
        live(spec("a")),
        live(spec("b")),
        live(spec("c")),
        candidate(spec("c", "e")),
        retired(spec("a", "d"), "old"),
    )
    return inventory(*owned, foreign=(FOREIGN,))


def honest() -> Plan:
    """What is planned for it."""
    wanted = catalog(spec("a", min_ram=1), spec("b", "f"), spec("c", on_replace=OnReplace(keep=3)), spec("d"))
    return plan(wanted, found())


def with_step(action: Any, reason: Reason, *, live_images: Inventory | None = None) -> Plan:
    """A plan of this step alone that relies on all that it should."""
    steps = (make_step(action, reason),)
    relies = collect_reliances(steps, live_images or found())
    return replace(honest(), steps=steps, relies=relies, changed=(), removed=(), kept=(), candidates=())


def refusals(forged: Plan, live_images: Inventory | None = None) -> tuple[str, ...]:
    """What the live images disprove of a plan that fits itself."""
    assert find_faulty_steps(forged) == ()
    return find_false_claims(forged, live_images or found())


FORGED_STEPS: dict[str, tuple[Any, Reason, str]] = {
    "delete a foreign image": (Delete("z", "foreign", 7, unprotect=True), Reason.REMOVED, "does not belong to z"),
    "deactivate a foreign image": (Deactivate("z", "foreign"), Reason.DRIFT, "does not belong to z"),
    "reactivate a foreign image": (Reactivate("z", "foreign"), Reason.DRIFT, "does not belong to z"),
    "let go of a foreign image": (Update("z", "foreign", (), None), Reason.REMOVED, "does not belong to z"),
    "deactivate as an adoption": (Deactivate("z", "foreign"), Reason.ADOPT, "but does not adopt it"),
    "an image of another key": (Delete("a", "id-b", 4096), Reason.REMOVED, "does not belong to a"),
    "an image that is not there": (Delete("a", "nowhere", 4096), Reason.REMOVED, "image nowhere does not exist"),
    "a current image as superseded": (
        Delete("b", "id-b", 4096),
        Reason.SUPERSEDED,
        "has role current, which does not match",
    ),
    "a current image as left over": (
        Delete("b", "id-b", 4096),
        Reason.INCOMPLETE,
        "has role current, which does not match",
    ),
    "a retired image as a candidate": (
        Delete("a", "old", 4096),
        Reason.DISCARDED,
        "has role retired, which does not match",
    ),
    "a staged image as current": (Deactivate("c", "cand"), Reason.DRIFT, "has role staging, which does not match"),
    "another size": (Delete("b", "id-b", 1), Reason.REMOVED, "size or protection"),
    "hidden protection": (Delete("b", "id-b", 4096, unprotect=True), Reason.REMOVED, "size or protection"),
    "active already": (Reactivate("b", "id-b"), Reason.DRIFT, "is active, not deactivated"),
}


@pytest.mark.parametrize("name", FORGED_STEPS)
def test_a_step_on_an_image_that_it_must_not_touch(name: str) -> None:
    """Foreign, of another key, or in another role."""
    action, reason, expected = FORGED_STEPS[name]
    faults = refusals(with_step(action, reason))
    assert any(expected in fault for fault in faults), faults


def test_an_image_that_is_deactivated_already() -> None:
    """It is not deactivated again."""
    off = inventory(live(spec("b"), status=Status.DEACTIVATED))
    assert "not active" in refusals(with_step(Deactivate("b", "id-b"), Reason.DRIFT, live_images=off), off)[0]


def test_a_lease_is_never_touched() -> None:
    """Neither the record of one, nor an image that has its role."""
    lease = rewrite(live(spec("b")), role=Role.LEASE)
    other = inventory(replace(live(spec("b")), properties={**live(spec("b")).properties, "imagesync_lease": "base"}))
    for images in (inventory(lease), other):
        forged = with_step(Delete("b", "id-b", 4096), Reason.REMOVED, live_images=images)
        assert "does not belong to b" in refusals(forged, images)[0]


ADOPTED = replace(FOREIGN, id="adopted", protected=False, name="z", properties={})


def adopting(**attrs: Any) -> tuple[Plan, Inventory]:
    """A plan that adopts an image, and that image as it is, with these attributes."""
    before = inventory(foreign=(replace(ADOPTED, disk_format="raw", container_format="bare", size=4096),))
    made = plan(catalog(spec("z", adopt="adopted", min_ram=1)), before)
    image = replace(before.foreign[0], **attrs)
    return made, inventory(foreign=(image,))


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"owner": "project-2"}, "is not in project project-1"),
        ({"owner": None}, "is not in project project-1"),
        ({"owner": ""}, "is not in project project-1"),
        (
            {"properties": {"imagesync_catalog": "other", "imagesync_id": "adopted"}},
            "is owned by another catalog or is a lease record",
        ),
        ({"properties": {"imagesync_lease": "base"}}, "is owned by another catalog or is a lease record"),
        ({"status": Status.SAVING}, "is saving, so it cannot be adopted"),
        ({"status": Status.PENDING_DELETE}, "is pending_delete, so it cannot be adopted"),
    ],
)
def test_what_cannot_be_adopted(attrs: dict[str, Any], expected: str) -> None:
    """Only a free image of the key's project."""
    made, images = adopting(**attrs)
    assert any(expected in fault for fault in refusals(made, images))


def test_a_key_that_has_an_image_adopts_none() -> None:
    """Two images would be current."""
    made, images = adopting()
    both = replace(images, owned=(live(spec("z"), "mine"),))
    assert "z has a current image" in refusals(made, both)[0]


@pytest.mark.parametrize("name", ["owner", "disk_format", "container_format"])
def test_an_adoption_does_not_change_what_no_manifest_can_change(name: str) -> None:
    """It does not change the owner either."""
    made, images = adopting()
    forged = change_action(made, "update:z:adopted", changes=(FieldChange((name,), PROJECT, "other"),))
    assert f"cannot change {name}" in refusals(forged, images)[0]


def test_an_image_that_was_to_be_adopted_retires_and_is_not_deleted() -> None:
    """Its content is another: a new build takes its place."""
    before = inventory(foreign=(replace(ADOPTED, disk_format="qcow2", container_format="bare", size=4096),))
    keep = catalog(spec("z", adopt="adopted", on_replace=OnReplace(keep=1)))
    made = plan(keep, before)
    assert [step.id for step in made.steps] == ["create:z", "update:z:adopted"]
    delete = make_step(Delete("z", "adopted", 4096), Reason.SUPERSEDED, ("update:z:adopted",))
    forged = replace(made, steps=(*made.steps, delete), kept=())
    assert "does not belong to z" in refusals(forged, before)[0]


def change_managed(made: Plan, step_id: str, **attrs: Any) -> Plan:
    """The record that a step writes remembers something else."""
    (step,) = [one for one in made.steps if one.id == step_id]
    assert isinstance(step.action, Update)
    assert step.action.record is not None
    return change_record(made, step_id, managed=replace(step.action.record.managed, **attrs))


def edit_relies(made: Plan, **attrs: Any) -> Plan:
    """The first reliance with other attributes."""
    return replace(made, relies=(replace(made.relies[0], **attrs), *made.relies[1:]))


def change_ids(made: Plan, **ids: str) -> Plan:
    """The ids of some keys are others."""
    return replace(made, ids={**made.ids, **ids})


def retire_early(made: Plan) -> Plan:
    """The current build of a key retires as a duplicate of itself."""
    (step,) = [one for one in made.steps if one.id == "update:b:id-b"]
    alone = (replace(step, needs=(), reason=Reason.DUPLICATE),)
    return replace(made, steps=alone, kept=(), ids={"b": "id-b"}, candidates=(), changed=("b",))


FORGED: dict[str, tuple[Callable[[Plan], Plan], str]] = {
    "relies on nothing": (lambda p: replace(p, relies=()), "does not list the values of image id-a that it relies on"),
    "empty values": (lambda p: edit_relies(p, values={}), "does not list these values of image cand that it relies on"),
    "another key": (lambda p: edit_relies(p, key="x"), "does not list the values of image cand that it relies on"),
    "twice": (lambda p: replace(p, relies=(p.relies[0], *p.relies)), "lists an image twice"),
    "more than it touches": (
        lambda p: replace(p, relies=(*p.relies, replace(p.relies[0], image_id="id-e", values={}))),
        "lists image id-e among its reliances, but no step",
    ),
    "nothing absent": (
        lambda p: replace(p, absent=()),
        "create:d: the plan does not list d among the keys without an image",
    ),
    "another value before": (
        lambda p: change_action(p, "update:a:id-a", changes=(FieldChange(("min_ram",), 9, 1),)),
        "min_ram of image id-a differs from the plan",
    ),
    "another owner": (
        lambda p: change_action(p, "update:a:id-a", changes=(FieldChange(("owner",), PROJECT, "x"),)),
        "the new owner of image id-a",
    ),
    "a digest that nobody knows": (
        lambda p: change_record(p, "update:a:id-a", digests=(digest("9"),)),
        "the new record of image id-a claims digests",
    ),
    "another URL": (lambda p: change_record(p, "update:a:id-a", url="0" * 64), "another origin"),
    "values to bring back that it never had": (
        lambda p: change_managed(p, "update:a:id-a", before={"visibility": "public"}),
        "the new record of image id-a has earlier values that the image never had",
    ),
    "more to bring back than what changes": (
        lambda p: change_managed(p, "update:b:id-b", before={"hidden": False, "visibility": "public"}),
        "the new record of image id-b has earlier values that the image never had",
    ),
    "data that the service converted": (
        lambda p: change_record(p, "update:a:id-a", converted=True),
        "the new record of image id-a claims that the service converted it",
    ),
    "another number": (lambda p: change_managed(p, "update:a:id-a", generation=7), "has a wrong generation"),
    "a retirement of another number": (
        lambda p: change_managed(p, "update:b:id-b", retirement=7),
        "the new record of image id-b has a wrong retirement number",
    ),
    "a retirement of the number after the last": (
        lambda p: change_managed(p, "update:b:id-b", retirement=2),
        "the new record of image id-b has a wrong retirement number",
    ),
    "a retirement of an image that does not retire": (
        lambda p: change_managed(p, "update:a:id-a", retirement=1),
        "the new record of image id-a has a wrong retirement number",
    ),
    "another time": (
        lambda p: change_managed(p, "update:a:id-a", retired="2000-01-01T00:00:00+00:00"),
        "has a wrong time of retirement",
    ),
    "a digest on trust": (lambda p: change_record(p, "update:a:id-a", declared=(digest("9"),)), "another origin"),
    "replaces nothing": (
        lambda p: change_action(p, "create:b", replaces=()),
        "does not replace the current image of b",
    ),
    "replaces a foreign image": (
        lambda p: change_action(p, "create:b", replaces=("id-b", "foreign")),
        "does not replace the current image of b",
    ),
    "replaces with another change": (
        lambda p: change_action(p, "create:b", changes=(FieldChange(("min_ram",), 0, 512),)),
        "create:b: the fields in which it differs from image id-b are not those that the plan shows",
    ),
    "id of a foreign image": (lambda p: change_ids(p, a="foreign"), "a: image foreign is not an image of this key"),
    "id of another key": (lambda p: change_ids(p, a="id-b"), "a: image id-b is not an image of this key"),
    "duplicate of itself": (retire_early, "no other image of b is current"),
    "uncounted": (lambda p: replace(p, changed=()), "a: the plan's lists of removed and changed keys do not match"),
    "counted twice": (
        lambda p: replace(p, removed=("a",)),
        "a: the plan's lists of removed and changed keys do not match",
    ),
    "counted and untouched": (
        lambda p: replace(p, removed=("z",)),
        "z: the plan's lists of removed and changed keys do not match",
    ),
    "counts": (lambda p: replace(p, owned=0), "counts of keys do not match"),
    "fewer wanted keys than change": (lambda p: replace(p, wanted=0, unchanged=0), "counts of keys do not match"),
    "more unchanged keys than wanted ones": (
        lambda p: replace(p, unchanged=p.wanted + 1),
        "counts of keys do not match",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_claim_that_the_live_images_disprove(name: str) -> None:
    """One sentence, which says what to do."""
    forge, expected = FORGED[name]
    faults = refusals(forge(honest()))
    assert any(expected in fault and "imagesync plan" in fault for fault in faults), faults


def test_an_image_that_a_plan_publishes_is_the_image_of_its_own_key_only() -> None:
    """References to the other key would mean it."""
    before = inventory(live(spec("a")), candidate(spec("c")))
    made = plan(catalog(spec("a"), spec("c")), before)
    assert made.ids["c"] == "cand"
    (fault,) = refusals(change_ids(made, a="cand"), before)
    assert fault.startswith("a: image cand is not an image of this key")


@pytest.mark.parametrize("image_id", ["id-b", "foreign", "theirs"])
def test_only_an_image_of_the_key_in_this_project_is_compared(image_id: str) -> None:
    """What the source turns out to hold is written into the records of what is compared."""
    wanted = catalog(spec("a", fingerprint=Fingerprint((Checksum("sha512", "a" * 128),), size=4096)), spec("b"))
    found = inventory(live(spec("a"), "old"), live(spec("b")), foreign=(live(spec("x"), "foreign"),))
    made = plan(wanted, found)
    assert made.steps[0].reason is Reason.CONTENT_UNKNOWN
    forged = change_action(made, "create:a", may_hold=("old", image_id))
    theirs = live(spec("a"), "theirs", Role.RETIRED, owner="f" * 32)
    output = replace(found, owned=(*found.owned, theirs))
    assert f"image {image_id} cannot be compared: it is not an image of a in this project" in " ".join(
        refusals(forged, output)
    )
    forged = replace(made, relies=tuple(each for each in made.relies if each.image_id != "old"))
    assert "does not list the values of image old that it relies on" in " ".join(refusals(forged, found))


def test_what_is_replaced_retires() -> None:
    """Otherwise two images of the key would be current."""
    made = honest()
    forged = replace(made, steps=tuple(step for step in made.steps if step.id != "update:b:id-b"), kept=())
    assert "it replaces an image that no step retires" in refusals(forged)[0]


def test_a_removed_key_is_counted_among_the_removed() -> None:
    """Not among the changed ones, which have another limit."""
    made = plan(catalog(), inventory(live(spec("b"))))
    forged = replace(made, changed=("b",), removed=(), wanted=1)
    assert (
        "b: the plan's lists of removed and changed keys do not match"
        in refusals(forged, inventory(live(spec("b"))))[0]
    )


def test_a_name_is_given_on_without_a_gap() -> None:
    """The removal of an image waits for the new build of another key that takes over its name."""
    before = inventory(live(spec("old", name="N")))
    made = plan(catalog(spec("new", name="N")), before)
    forged = change_step(made, "delete:old:id-old", needs=())
    assert "does not wait for create:new, which publishes the name again" in refusals(forged, before)[0]


def test_a_rollback_names_the_image_that_becomes_current() -> None:
    """The old one retires only after that one was seen as it should be."""
    before = inventory(live(spec("a", "b"), "now", generation=2), retired(spec("a"), "old"))
    made = plan_rollback(catalog(spec("a", "b")), before)
    assert "no step publishes" in find_faulty_steps(replace(made, ids={}))[0]


OTHER = "project-2"


def in_another_project() -> tuple[Plan, Inventory, Capabilities]:
    """A candidate in a project that its key declares, which is published once its data was read back."""
    wanted = spec("c", owner=OTHER)
    before = inventory(candidate(wanted, owner=OTHER))
    return plan(catalog(wanted), before), before, Capabilities(hash_is_final=True)


def test_data_in_another_project_is_read_back() -> None:
    """A forged plan cannot skip that."""
    made, before, able = in_another_project()
    assert find_false_claims(made, before, able) == ()
    forged = change_action(made, "update:c:cand", verify=())
    assert "without reading its data back" in find_false_claims(forged, before, able)[0]


@pytest.mark.parametrize("able", [None, Capabilities(hash_is_final=False), Capabilities(hash_is_final=True)])
def test_the_hash_of_the_service_replaces_a_read_back_only_if_it_is_final(able: Capabilities | None) -> None:
    """A store of the service may change the data later, and a recorded digest may be forged."""
    wanted = spec("c", owner=OTHER)
    hashed = {"os_hash_algo": "sha256", "os_hash_value": digest("a").value}
    before = inventory(candidate(wanted, owner=OTHER, **hashed))
    made = plan(catalog(wanted), before)
    forged = change_action(made, "update:c:cand", verify=())
    forged = change_record(forged, "update:c:cand", digests=(digest("a"), Checksum("md5", "1" * 32)))
    faults = find_false_claims(forged, before, able)
    assert any("without reading its data back" in fault for fault in faults) is not (
        able is not None and able.hash_is_final
    )


@pytest.mark.parametrize("declared", [(), (digest("a"),)])
def test_an_image_of_another_project_is_read_back_before_it_is_adopted(declared: tuple[Checksum, ...]) -> None:
    """A forged plan cannot skip that, also if its record claims the digest as declared only."""
    image = replace(ADOPTED, owner=OTHER, disk_format="raw", container_format="bare", size=4096)
    before = inventory(foreign=(image,))
    made = plan(catalog(spec("z", adopt="adopted", owner=OTHER)), before)
    assert [step.reason for step in made.steps] == [Reason.ADOPT]
    assert find_false_claims(made, before) == ()
    forged = change_action(made, "update:z:adopted", verify=())
    digests = () if declared else (digest("a"),)
    forged = change_record(forged, "update:z:adopted", digests=digests, declared=declared)
    faults = find_false_claims(forged, before)
    assert any("without reading its data back" in fault for fault in faults), faults


def test_the_strongest_digest_proves_the_others() -> None:
    """The service's sha512 shows that an adopted image has the declared bytes, so their sha256 is known as well."""
    both = Fingerprint((Checksum("sha256", "a" * 64), Checksum("sha512", "b" * 128)), 4096)
    image = replace(ADOPTED, owner=OTHER, disk_format="raw", container_format="bare", size=4096)
    image = replace(image, os_hash_algo="sha512", os_hash_value="b" * 128)
    before, able = inventory(foreign=(image,)), Capabilities(hash_is_final=True)
    wanted = catalog(spec("z", adopt="adopted", fingerprint=both, owner=OTHER))
    made = make_plan(plan_input(wanted, before, able=able))
    (step,) = made.steps
    assert isinstance(step.action, Update)
    assert step.action.record is not None
    assert (step.action.record.digests, step.action.verify) == (both.digests, ())
    assert find_false_claims(made, before, able) == ()
    forged = change_record(made, "update:z:adopted", digests=both.digests[:1])
    assert any("claims digests that are not known" in fault for fault in find_false_claims(forged, before, able))


def test_an_owned_image_in_another_project_that_is_shown_to_more_users_is_read_back() -> None:
    """If it becomes public, or visible."""
    wanted = spec("c", owner=OTHER, visibility=Visibility.PUBLIC)
    before = inventory(live(spec("c", owner=OTHER), owner=OTHER))
    made = plan(catalog(wanted), before)
    assert find_false_claims(made, before) == ()
    forged = change_action(made, "update:c:id-c", verify=())
    assert "without reading its data back" in find_false_claims(forged, before)[0]


@pytest.mark.parametrize("after", [PROJECT, "e" * 32])
def test_no_step_takes_an_image_out_of_the_project_of_its_key(after: str) -> None:
    """Not even into the project of the session."""
    wanted = spec("c", owner=OTHER, min_ram=1)
    before = inventory(live(replace(wanted, min_ram=2), owner=OTHER))
    made = plan(catalog(wanted), before)
    forged = change_action(made, "update:c:id-c", changes=(FieldChange(("owner",), OTHER, after),))
    faults = find_false_claims(forged, before)
    assert any("the new owner of image id-c is not the project of its key" in fault for fault in faults), faults


def test_a_project_that_the_plan_does_not_name_for_the_key_is_foreign() -> None:
    """The owner of one key does not apply to another."""
    made, before, able = in_another_project()
    for owners in ({}, {"x": OTHER}):
        (fault, *_) = find_false_claims(replace(made, owners=owners), before, able)
        assert "does not belong to c" in fault or "is not in project" in fault


def test_a_copied_record_is_adopted_like_any_other_image() -> None:
    """A snapshot that carries the record of the image that it was made from, if the manifest names its id."""
    record = read(live(spec("a")))
    assert record is not None
    copy = mark(replace(ADOPTED, disk_format="raw", container_format="bare", size=4096), record)
    copy = replace(copy, properties={**copy.properties, "imagesync_id": "another"})
    made = plan(catalog(spec("z", adopt="adopted")), inventory(foreign=(copy,)))
    assert [step.reason for step in made.steps] == [Reason.ADOPT]


def test_the_plan_of_these_tests_has_steps_of_several_kinds() -> None:
    """A check that refuses everything would be noticed here."""
    assert {type(step.action) for step in honest().steps} >= {Create, Update, Delete}
    assert refusals(honest()) == ()


@pytest.mark.parametrize("number", [1, 3, 2**31 - 1])
def test_a_number_of_a_build_that_is_off_by_one_is_another(number: int) -> None:
    """They decide the order in which builds retire and are deleted."""
    images = inventory(live(spec("a"), generation=2))
    made = plan(catalog(spec("a", min_ram=1)), images)
    (fault,) = refusals(change_managed(made, "update:a:id-a", generation=number), images)
    assert "the new record of image id-a has a wrong generation" in fault


ROLES = (Role.CURRENT, Role.STAGING, Role.RETIRED, Role.DELETING)
DELETED: dict[Reason, tuple[Role, ...]] = {
    Reason.REMOVED: ROLES,
    Reason.EXPIRED: ROLES,
    Reason.OUTDATED: (Role.RETIRED,),
    Reason.SUPERSEDED: (Role.RETIRED,),
    Reason.INCOMPLETE: (Role.STAGING,),
    Reason.DISCARDED: (Role.STAGING,),
    Reason.DELETING: (Role.DELETING,),
}
CHANGED: dict[Reason, tuple[Role, ...]] = {
    Reason.DRIFT: (Role.CURRENT,),
    Reason.MANIFEST_CHANGED: (Role.CURRENT,),
    Reason.STAGED: (Role.STAGING,),
    Reason.ROLLBACK: (Role.RETIRED, Role.CURRENT),
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("reason", [*DELETED, *CHANGED])
def test_a_step_touches_an_image_only_in_the_roles_of_its_reason(role: Role, reason: Reason) -> None:
    """A current image is deleted only with its key, a candidate only as a left-over, and so on."""
    image = live(spec("b"), role=role)
    action = Delete("b", "id-b", 4096) if reason in DELETED else Deactivate("b", "id-b")
    forged = with_step(action, reason, live_images=inventory(image))
    wrong = f"image id-b has role {role.value}, which does not match the step's reason ({reason.value})"
    is_refused = any(wrong in fault for fault in find_false_claims(forged, inventory(image)))
    assert is_refused is (role not in {**DELETED, **CHANGED}[reason])


@pytest.mark.parametrize("role", ROLES)
def test_only_builds_that_were_published_are_released(role: Role) -> None:
    """A candidate or an image that is being deleted would be left in the project without a marker."""
    image = live(spec("b"), role=role)
    forged = with_step(Update("b", "id-b", (), None), Reason.REMOVED, live_images=inventory(image))
    faults = find_false_claims(forged, inventory(image))
    assert any("does not match the step's reason" in fault for fault in faults) is (
        role not in (Role.CURRENT, Role.RETIRED)
    )


@pytest.mark.parametrize("reason", list(DELETED))
def test_a_build_that_retires_in_a_plan_is_deleted_only_as_superseded(reason: Reason) -> None:
    """The other reasons are about builds that retired before, or were never current."""
    wanted = catalog(spec("b", "f", on_replace=OnReplace(keep=0)))
    images = inventory(live(spec("b")))
    made = plan(wanted, images)
    steps = tuple(replace(step, reason=reason) if isinstance(step.action, Delete) else step for step in made.steps)
    faults = find_false_claims(replace(made, steps=steps), images)
    is_allowed = reason in (Reason.SUPERSEDED, Reason.REMOVED, Reason.EXPIRED)
    assert any("does not match the step's reason" in fault for fault in faults) is not is_allowed


@pytest.mark.parametrize("reason", [Reason.ADOPT, Reason.SUPERSEDED, Reason.REMOVED])
def test_no_saved_plan_deletes_a_foreign_image(reason: Reason) -> None:
    """Also not one that it adopts, or that a new or staged build of the key replaces."""
    image = replace(FOREIGN, name="z", disk_format="raw", container_format="bare", size=4096, protected=False)
    staged = candidate(spec("z", "f"))
    for owned in ((), (staged,)):
        images = inventory(*owned, foreign=(image,))
        made = plan(
            catalog(spec("z", "f", adopt="foreign", disk_format="raw")),
            replace(images, foreign=(replace(image, os_hash_algo="sha256", os_hash_value="a" * 64),)),
        )
        steps = (*made.steps, make_step(Delete("z", "foreign", 4096), reason))
        faults = find_false_claims(replace(made, steps=steps), images)
        assert any("image foreign does not belong to z" in fault for fault in faults)


def test_two_foreign_images_are_not_replaced_by_one_build() -> None:
    """``adopt`` names one image."""
    other = replace(ADOPTED, id="other", name="y", disk_format="qcow2", container_format="bare", size=4096)
    before = inventory(foreign=(replace(other, id="adopted", name="z"), other))
    made = plan(catalog(spec("z", adopt="adopted", on_replace=OnReplace(keep=1))), before)
    (step,) = [one for one in made.steps if one.id == "update:z:adopted"]
    assert isinstance(step.action, Update)
    assert step.action.record is not None
    update = replace(step.action, image_id="other")
    steps = (*made.steps, make_step(update, Reason.SUPERSEDED, step.needs))
    forged = change_action(replace(made, steps=steps), "create:z", replaces=("adopted", "other"))
    forged = replace(forged, relies=collect_reliances(forged.steps, before))
    assert any("does not replace the current image of z" in fault for fault in find_false_claims(forged, before))


def test_a_move_does_not_declare_data_verified() -> None:
    """A staged build that was not verified stays where it is."""
    moved = catalog(spec("new", "b", moved_from=("old",)), moved={"new": ("old",)})
    before = inventory(live(spec("old")), candidate(spec("old", "b", name="new"), "c"))
    made = plan(moved, before)
    assert "move:new:c" in [step.id for step in made.steps]
    after = replace(before, owned=(before.owned[0], rewrite(before.owned[1], unverified=True)))
    for forged in (made, change_record(made, "move:new:c", unverified=True)):
        assert "the move changes more than the key of image c" in " ".join(find_false_claims(forged, after))


def test_a_retirement_has_no_time_in_the_record_of_a_plan() -> None:
    """The run writes the time: a forged one would have the build deleted early."""
    forged = change_managed(honest(), "update:b:id-b", retired="2000-01-01T00:00:00+00:00")
    assert "the new record of image id-b has a wrong time of retirement" in " ".join(find_false_claims(forged, found()))
