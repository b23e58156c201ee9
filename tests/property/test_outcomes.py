"""What is live after a plan, whatever was live before: as the manifest says, and nothing is left to do."""

from dataclasses import replace
from random import Random

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import Catalog, ImageSpec, Status
from imagesync.model.image import Inventory
from imagesync.model.plan import Create, Plan, Reason, Update
from imagesync.model.policy import Policy
from imagesync.model.references import find_references
from imagesync.planning.counting import find_vanishing_keys
from imagesync.planning.generations import group
from imagesync.planning.planner import make_plan
from imagesync.planning.staging import discard_plan, stage_plan
from tests.unit.factories import PROJECT, plan_input
from tests.unit.many_keys import KeyCase, draw_key, draw_policy, join_cases
from tests.unit.simulated import carry_out

ROUNDS = range(60)
KEYS = ("a", "b", "c", "d", "e", "f")
MAX_RUNS = 4


def can_be_used(found: Inventory, ids: set[str]) -> bool:
    """Whether users can use one of these images."""
    images = [image for image in (*found.owned, *found.foreign) if image.id in ids]
    return any(not image.hidden and image.status is Status.ACTIVE for image in images)


@pytest.mark.parametrize("number", ROUNDS)
def test_applying_ends(number: int) -> None:
    """After a few runs no step is left, and each key without a note is just as the manifest says."""
    random = Random(number)
    for policy in [draw_policy(random)]:
        for key in KEYS:
            case = draw_key(random, key)
            manifest, found = join_cases([case])
            try:
                made = make_plan(plan_input(manifest, found, policy))
            except PlanRefused:
                continue
            check_vanishing(made, found)
            runs = 0
            while made.steps:
                runs += 1
                assert runs <= MAX_RUNS, (case, made.steps)
                found = carry_out(made, found)
                made = make_plan(plan_input(manifest, found, policy))
            if case.wanted is not None and not policy.drift_only:
                check_outcome(case.wanted, made, found, policy)


def check_vanishing(made: Plan, found: Inventory) -> None:
    """The keys of which users lose every image are those that the executor counts on."""
    after = carry_out(made, found)
    before = {key: {owned.id for owned in one.current} for key, one in group(found.owned).items()}
    current = {key: {owned.id for owned in one.current} for key, one in group(after.owned).items()}
    lost = {
        key
        for key, ids in before.items()
        if can_be_used(found, ids) and not can_be_used(after, ids | current.get(key, set()))
    }
    assert find_vanishing_keys(made.steps, group(found.owned)) == lost


def check_outcome(wanted: ImageSpec, made: Plan, found: Inventory, policy: Policy) -> None:
    """What is declared is so, unless a note or the day says why not."""
    owned = group(found.owned)[wanted.key]
    if any(note.startswith(f"{wanted.key}: ") for note in made.notes) or wanted.expires == "2026-11-01":
        return
    (current,) = owned.current
    image = current.image
    declared = {
        name: getattr(wanted, name) for name in ("name", "visibility", "hidden", "protected", "min_ram", "status")
    }
    assert {name: getattr(image, name) for name, value in declared.items() if value is not None} == {
        name: value for name, value in declared.items() if value is not None
    }
    assert (image.owner, image.disk_format, image.container_format) == (wanted.owner or PROJECT, "raw", "bare")
    assert wanted.tags <= image.tags
    assert wanted.properties.items() <= image.properties.items()
    if wanted.members_declared:
        assert wanted.members <= {one.project for one in found.members.get(image.id, ())}
    assert (
        current.record.known.get("sha256", wanted.fingerprint.digests[0].value) == wanted.fingerprint.digests[0].value
    )


def draw_catalog(random: Random, policy: Policy, *, adopts: bool = True) -> tuple[Catalog, Inventory]:
    """Several keys that can be planned, some of which refer to an earlier one; ``adopts``: some adopt an image."""
    cases: list[KeyCase] = []
    for key in KEYS[:4]:
        while True:
            case = draw_key(random, key)
            try:
                make_plan(plan_input(*join_cases([case]), policy))
            except PlanRefused:
                continue
            if case.wanted is not None and case.wanted.adopt and not adopts:
                continue
            others = [other.key for other in cases if other.wanted is not None]
            if case.wanted is not None and others and random.random() < 0.6:
                kernel = {"kernel_id": f"${{images.{random.choice(others)}.id}}"}
                case = replace(case, wanted=replace(case.wanted, properties={**case.wanted.properties, **kernel}))
            cases.append(case)
            break
    return join_cases(cases, random)


@pytest.mark.parametrize("number", range(40))
def test_a_reference_becomes_the_id_of_the_current_image(number: int) -> None:
    """Whatever becomes of the key that it names: kept, published, made, or left as it is."""
    random = Random(number)
    policy = replace(draw_policy(random), drift_only=False)
    manifest, found = draw_catalog(random, policy)
    for _ in range(MAX_RUNS):
        try:
            made = make_plan(plan_input(manifest, found, policy))
        except PlanRefused:
            return
        place = {step.id: number for number, step in enumerate(made.steps)}
        assert all(place[need] < place[step.id] for step in made.steps for need in step.needs)
        noted = {note.split(": ")[0] for note in made.notes}
        if not made.steps:
            break
        found = carry_out(made, found)
    assert made.steps == ()
    groups = group(found.owned)
    for spec in manifest.images:
        for key in find_references(spec):
            if spec.key not in noted and spec.expires != "2026-11-01":
                (current,) = groups[spec.key].current
                assert current.image.properties["kernel_id"] == groups[key].current[-1].id


@pytest.mark.parametrize("number", range(40))
def test_staging_changes_nothing_that_is_there_and_leaves_less_to_do(number: int) -> None:
    """Staged once, nothing is left to stage; the next apply makes no build with data, and ends where it would have."""
    random = Random(number)
    policy = draw_policy(random, is_whole=False)
    manifest, found = draw_catalog(random, policy, adopts=False)
    try:
        staged = stage_plan(plan_input(manifest, found, policy))
    except PlanRefused:
        return
    after = carry_out(staged, found)
    filled = {step.action.fill for step in staged.steps if isinstance(step.action, Create)}
    assert [image for image in found.owned if image not in after.owned and image.id not in filled] == []
    assert stage_plan(plan_input(manifest, after, policy)).steps == ()
    made = make_plan(plan_input(manifest, after, policy))
    creates = [step.action for step in made.steps if isinstance(step.action, Create)]
    assert [create.key for create in creates if create.source.transfer is not None] == []
    pinned = {spec.id for spec in manifest.images}
    if not any(owned.id in pinned for one in group(after.owned).values() for owned in one.candidates):
        discarded = carry_out(discard_plan(plan_input(manifest, after, policy), keys="*"), after)
        assert not any(one.candidates for one in group(discarded.owned).values())


@pytest.mark.parametrize("number", range(40))
def test_restoring_drift_does_nothing_else(number: int) -> None:
    """It does not create, publish, release or delete images, except if the data itself differs from what was published."""
    random = Random(number)
    policy = replace(draw_policy(random), drift_only=True)
    manifest, found = draw_catalog(random, policy)
    try:
        made = make_plan(plan_input(manifest, found, policy))
    except PlanRefused:
        return
    tampered = {step.action.key for step in made.steps if step.reason is Reason.CONTENT_TAMPERED}
    for step in made.steps:
        if step.action.key in tampered or step.reason in (Reason.DUPLICATE, Reason.ADOPT):
            continue
        assert step.reason is Reason.DRIFT
        if isinstance(step.action, Update):
            assert {change.reason for change in step.action.changes} == {Reason.DRIFT}
