"""What no planner writes is seen in the plan itself; ``factories.plan`` checks that nothing else is refused."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import Checksum, Content, FileSource, Fingerprint, Role, UrlSource
from imagesync.model.plan import (
    Create,
    Deactivate,
    Delete,
    Fate,
    FieldChange,
    Kind,
    Plan,
    Reactivate,
    Reason,
    Step,
    Update,
)
from imagesync.model.policy import OnReplace
from imagesync.model.record import is_reserved
from imagesync.planning import plan_checks as limits
from imagesync.planning.plan_checks import MAX_FAULTS, REASONS, find_faulty_steps, shorten_faults
from imagesync.planning.steps import make_step
from tests.unit.factories import candidate, catalog, digest, inventory, live, plan, retired, spec
from tests.unit.planning.plans import plan_discard, plan_rollback, plan_stage

KEEP_NONE = OnReplace(keep=0, deactivate=True)


def replaced() -> Plan:
    """A new build of a, the old one retires and is deleted; b is updated and refers to a; c is new."""
    wanted = catalog(
        spec("a", "b", on_replace=KEEP_NONE),
        spec("b", min_ram=1, properties={"p": "${images.a.id}"}),
        spec("c", source=UrlSource(("https://example.org/c.raw",)), fingerprint=Fingerprint()),
    )
    return plan(wanted, inventory(live(spec("a"), "old"), live(spec("b"), "id-b")))


def change_step(made: Plan, step_id: str, **attrs: Any) -> Plan:
    """A plan with another step of that id."""
    assert any(step.id == step_id for step in made.steps)
    return replace(made, steps=tuple(replace(s, **attrs) if s.id == step_id else s for s in made.steps))


def change_action(made: Plan, step_id: str, **attrs: Any) -> Plan:
    """A plan with another action in the step of that id."""
    (action,) = [step.action for step in made.steps if step.id == step_id]
    return change_step(made, step_id, action=replace(action, **attrs))


def change_record(made: Plan, step_id: str, **attrs: Any) -> Plan:
    """A plan with another record in the step of that id."""
    (action,) = [step.action for step in made.steps if step.id == step_id]
    assert isinstance(action, Create | Update)
    assert action.record is not None
    return change_action(made, step_id, record=replace(action.record, **attrs))


def add_step(made: Plan, step: Step) -> Plan:
    """A plan with one more step, in its place."""
    return replace(made, steps=tuple(sorted((*made.steps, step), key=lambda one: one.id == step.id)))


def change_state(made: Plan, step_id: str, **attrs: Any) -> Plan:
    """A plan that makes an image with another state."""
    (action,) = [step.action for step in made.steps if step.id == step_id]
    assert isinstance(action, Create)
    return change_action(made, step_id, state=replace(action.state, **attrs))


FORGED: dict[str, tuple[Callable[[Plan], Plan], str]] = {
    "id of a step": (lambda p: change_step(p, "create:a", id="create:x"), "does not match this step"),
    "one id twice": (lambda p: replace(p, steps=(p.steps[0], *p.steps)), "two steps have it"),
    "unknown need": (lambda p: change_step(p, "create:c", needs=("create:z",)), "not another step of the plan"),
    "circle": (lambda p: change_step(p, "create:a", needs=("update:b:id-b",)), "in a circle"),
    "order": (lambda p: replace(p, steps=p.steps[::-1]), "not in the order"),
    "reason": (lambda p: change_step(p, "create:a", reason=Reason.REMOVED), "cannot have the reason"),
    "kind": (lambda p: replace(p, kind=Kind.STAGE), "kind stage cannot have this step"),
    "rollback": (lambda p: replace(p, kind=Kind.ROLLBACK), "kind rollback cannot have this step"),
    "staged": (lambda p: change_action(p, "create:c", stage=True), "kind apply cannot have this step"),
    "a secret without a digest": (
        lambda p: change_record(
            change_action(p, "create:c", source=UrlSource(("https://me:pass@example.org/c.raw",))), "create:c", url=None
        ),
        "its URL contains a secret, so its data needs a digest",
    ),
    "changes of nothing": (
        lambda p: change_action(p, "create:c", changes=(FieldChange(("name",), "a", "b"),)),
        "it lists changes to an image, but replaces none",
    ),
    "compared without a reason": (
        lambda p: change_action(p, "create:a", may_hold=("old",)),
        "content-changed) does not match the images that it may be compared with",
    ),
    "compared with nothing": (
        lambda p: change_step(p, "create:a", reason=Reason.CONTENT_UNKNOWN),
        "content-unknown) does not match the images that it may be compared with",
    ),
    "filled and compared": (
        lambda p: change_action(p, "create:c", fill="x", may_hold=("old",)),
        "it fills image x, so it cannot be compared with other images",
    ),
    "catalog of a record": (lambda p: change_record(p, "create:a", catalog="x"), "another catalog or key"),
    "key of a record": (lambda p: change_record(p, "update:b:id-b", key="x"), "another catalog or key"),
    "role of a create": (lambda p: change_record(p, "create:a", role=Role.RETIRED), "a new image becomes current"),
    "role of an update": (lambda p: change_record(p, "update:b:id-b", role=Role.LEASE), "has the role lease"),
    "digest of a record": (lambda p: change_record(p, "create:a", digests=(digest("e"),)), "other digests"),
    "no digest of a file": (
        lambda p: change_action(change_record(p, "create:a", digests=()), "create:a", fingerprint=Fingerprint()),
        "has no digest",
    ),
    "declared digest": (
        lambda p: change_action(p, "create:a", source=FileSource("/images/a.raw", "a.raw", Checksum("md5", "0" * 32))),
        "another digest than its source declares",
    ),
    "URL of a record": (lambda p: change_record(p, "create:c", url="0" * 64), "names another URL"),
    "no data": (lambda p: change_action(p, "create:a", source=Content.UNMANAGED), "no data to make an image from"),
    "fill without data": (
        lambda p: change_action(p, "create:a", source=Content.NO_DATA, fill="other"),
        "cannot fill image other",
    ),
    "changed marker after another change": (
        lambda p: change_action(
            p,
            "update:b:id-b",
            changes=(FieldChange(("min_ram",), 0, 1), FieldChange(("properties", "imagesync_id"), "b", "x")),
        ),
        "'imagesync_id'",
    ),
    "fill": (lambda p: change_action(p, "create:a", image_id="one", fill="other"), "cannot fill image other"),
    "owner": (lambda p: change_state(p, "create:a", fields={"owner": "x"}), "its owner x is not the project"),
    "owner of another key": (
        lambda p: replace(change_state(p, "create:a", fields={"owner": "x"}), owners={"b": "x"}),
        "its owner x is not the project",
    ),
    "lease": (
        lambda p: change_state(p, "create:a", properties={"imagesync_lease": "base"}),
        "which a manifest cannot set",
    ),
    "marker": (lambda p: change_state(p, "create:a", properties={"ImageSync_id": "x"}), "which a manifest cannot set"),
    "field as property": (lambda p: change_state(p, "create:a", properties={"os_hidden": "0"}), "'os_hidden'"),
    "changed marker": (
        lambda p: change_action(p, "update:b:id-b", changes=(FieldChange(("properties", "imagesync_key"), "b", "x"),)),
        "'imagesync_key'",
    ),
    "field twice": (
        lambda p: change_action(p, "update:b:id-b", changes=(FieldChange(("min_ram",), 0, 1),) * 2),
        "changes a field twice",
    ),
    "let go of": (
        lambda p: change_action(p, "update:b:id-b", record=None),
        "releases an image whose key was not removed",
    ),
    "reference": (lambda p: change_step(p, "update:b:id-b", needs=()), "does not wait for it"),
    "no image of a reference": (
        lambda p: change_state(p, "create:a", properties={"p": "${images.z.id}"}),
        "which no step creates",
    ),
    "retired too early": (lambda p: change_step(p, "update:a:old", needs=()), "does not wait for create:a"),
    "deactivated too early": (lambda p: change_step(p, "deactivate:a:old", needs=()), "wait for update:a:old"),
    "deleted too early": (lambda p: change_step(p, "delete:a:old", needs=()), "wait for update:a:old"),
    "two keys of an image": (
        lambda p: add_step(p, make_step(Deactivate("z", "id-b"), Reason.DRIFT)),
        "exclude each other",
    ),
    "changed and deleted": (
        lambda p: add_step(p, make_step(Delete("b", "id-b"), Reason.REMOVED)),
        "exclude each other",
    ),
    "deactivated and reactivated": (
        lambda p: add_step(
            add_step(p, make_step(Deactivate("b", "id-b"), Reason.DRIFT)),
            make_step(Reactivate("b", "id-b"), Reason.DRIFT),
        ),
        "exclude each other",
    ),
    "filled and retired": (lambda p: change_action(p, "create:a", fill="old"), "exclude each other"),
    "two builds": (
        lambda p: add_step(p, make_step(Deactivate("a", "cand"), Reason.STAGED)),
        "2 builds would become current",
    ),
}


def put_in_order(forged: Plan) -> Plan:
    """The steps by key, as far as the forger of a plan would do it."""
    rank = {"create": 0, "reactivate": 1, "update": 2, "deactivate": 3, "delete": 4}
    steps = sorted(forged.steps, key=lambda step: (step.action.key, rank[type(step.action).__name__.lower()], step.id))
    return replace(forged, steps=tuple(steps))


@pytest.mark.parametrize("name", FORGED)
def test_what_no_planner_writes_is_found(name: str) -> None:
    """One sentence, which says what to do."""
    forge, expected = FORGED[name]
    forged = forge(replaced())
    found = find_faulty_steps(forged if name in ("order", "one id twice") else put_in_order(forged))
    assert any(expected in fault and "imagesync plan" in fault for fault in found), found


def test_a_time_of_retirement_is_not_a_plan_s_to_say() -> None:
    """A build with a forged one would be deleted early."""
    made = replaced()
    (action,) = [step.action for step in made.steps if step.id == "update:a:old"]
    assert isinstance(action, Update)
    assert action.record is not None
    managed = replace(action.record.managed, retired="2001-01-01T00:00:00+00:00")
    assert "before the image retires" in find_faulty_steps(change_record(made, "update:a:old", managed=managed))[0]


def test_a_retired_build_is_deleted_only_after_the_new_one_is_published() -> None:
    """Where the new build fails, the old ones stay."""
    wanted = catalog(spec("a", "b", on_replace=OnReplace(keep=1)))
    made = plan(wanted, inventory(live(spec("a"), "now", generation=2), retired(spec("a", "c"), "old")))
    assert "wait for create:a" in find_faulty_steps(put_in_order(change_step(made, "delete:a:old", needs=())))[0]


def test_an_image_does_not_retire_without_a_successor() -> None:
    """The plan must publish its successor."""
    made = replaced()
    alone = replace(made, steps=(replace(next(s for s in made.steps if s.id == "update:a:old"), needs=()),))
    assert "no step publishes the image" in find_faulty_steps(alone)[0]


def test_plans_of_one_purpose_have_only_its_steps() -> None:
    """A stage publishes nothing, and replaces nothing; a discard drops candidates only."""
    staged = plan_stage(catalog(spec("a", "b")), inventory(live(spec("a"))))
    assert "kind stage" in find_faulty_steps(change_action(staged, "create:a", stage=False))[0]
    assert "cannot replace an image" in find_faulty_steps(change_action(staged, "create:a", replaces=("id-a",)))[0]
    dropped = plan_discard(catalog(spec("a")), inventory(candidate(spec("a", "b"))))
    assert "kind discard" in find_faulty_steps(change_step(dropped, "delete:a:cand", reason=Reason.REMOVED))[0]


def test_images_listed_as_kept_are_kept() -> None:
    """Kept images and candidates, as the steps have it."""
    found = inventory(live(spec("a", "b"), "now", generation=2), retired(spec("a"), "old"))
    back = plan_rollback(catalog(spec("a", "b")), found)
    (kept,) = back.kept
    assert "as kept" in find_faulty_steps(replace(back, kept=(replace(kept, retires=False),)))[0]
    dropped = plan_discard(catalog(spec("a")), inventory(candidate(spec("a", "b"))))
    (one,) = dropped.candidates
    forged = replace(dropped, candidates=(replace(one, fate=Fate.WAITING),))
    assert "candidate cand as waiting" in find_faulty_steps(forged)[0]


def test_many_faults_are_counted() -> None:
    """A refusal with a thousand sentences is useless."""
    output = shorten_faults(tuple(map(str, range(MAX_FAULTS + 5))))
    assert (len(output), output[-1]) == (MAX_FAULTS + 1, "and 5 more")


@pytest.mark.parametrize("name", ["Name", "MIN_DISK", "Os_Hidden", "TAGS"])
def test_a_name_of_a_field_in_another_case_is_a_property(name: str) -> None:
    """In a saved plan as in a manifest: the service has properties of such names beside its fields."""
    made = plan(catalog(spec("a")), inventory())
    assert not find_faulty_steps(change_state(made, "create:a", properties={name: "x"}))
    assert not is_reserved(name)
    assert is_reserved(name.lower())


def test_the_reasons_that_a_step_of_each_kind_may_have() -> None:
    """A saved plan with any other reason is refused."""
    published = {"staged", "rollback", "adopt"}
    changed = {"manifest-changed", "drift", "expired", "removed", "superseded", "duplicate"}
    assert {kind.__name__: {reason.value for reason in reasons} for kind, reasons in REASONS.items()} == {
        "Create": {"new", "content-changed", "content-tampered", "incomplete", "manifest-changed"}
        | {"unverified", "content-unknown"},
        "Update": changed | published | {"moved"},
        "Deactivate": changed | published,
        "Reactivate": {"manifest-changed", "drift"} | published,
        "Delete": {"removed", "expired", "superseded", "outdated", "incomplete", "discarded", "deleting"},
    }


def test_a_rollback_deletes_nothing() -> None:
    """Also not the build that it replaces."""
    found = inventory(live(spec("a", "b"), "now", generation=2), retired(spec("a"), "old"))
    back = plan_rollback(catalog(spec("a", "b")), found)
    delete = make_step(Delete("a", "now", 4096), Reason.SUPERSEDED, ("update:a:now",))
    faults = find_faulty_steps(replace(back, steps=(*back.steps, delete), kept=()))
    assert any("kind rollback cannot have this step" in fault for fault in faults)


def test_the_record_of_a_build_with_mirrors_names_the_first_one() -> None:
    """As the planner writes it; the second one is another URL."""
    mirrors = UrlSource(("https://x/a.raw", "https://y/a.raw"), checksum=digest("a"))
    made = plan(catalog(spec("a", source=mirrors)), inventory())
    assert find_faulty_steps(made) == ()
    other = replace(mirrors, urls=mirrors.urls[::-1])
    faults = find_faulty_steps(change_action(made, "create:a", source=other))
    assert any("its record names another URL than its source" in fault for fault in faults)


def test_an_old_build_is_deleted_only_after_the_new_one_is_published() -> None:
    """Because of its age, as because of the number of builds."""
    wanted = catalog(spec("a", "b", on_replace=OnReplace(keep=9, delete_after=1)))
    made = plan(wanted, inventory(live(spec("a"), "now", generation=2), retired(spec("a", "c"), "old", days=9)))
    (delete,) = [step for step in made.steps if step.id == "delete:a:old"]
    assert (delete.reason, delete.needs) == (Reason.OUTDATED, ("create:a",))
    assert "wait for create:a" in find_faulty_steps(put_in_order(change_step(made, "delete:a:old", needs=())))[0]


def test_only_images_of_moved_keys_get_another_key() -> None:
    """The plan lists each move."""
    moved = catalog(spec("new", name="old", moved_from=("old",)), moved={"new": ("old",)})
    made = plan(moved, inventory(live(spec("old"))))
    assert [step.id for step in made.steps] == ["move:new:id-old"]
    faults = find_faulty_steps(replace(made, moved={}))
    assert any("it moves an image that the plan does not list among the moved keys" in fault for fault in faults)


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.MAX_FAULTS == 10
