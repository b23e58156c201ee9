"""Plans of keys in random states, changed in one place: some check of saved plans refuses each."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import Role, Status, Visibility
from imagesync.model.image import Inventory, LiveImage
from imagesync.model.plan import Create, Delete, Fate, FieldChange, Kind, Plan, Reason, Step, Update, find_image_id
from imagesync.model.policy import Policy
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.planning.counting import find_vanishing_keys
from imagesync.planning.generations import group
from imagesync.planning.live_checks import find_false_claims
from imagesync.planning.permissions import find_exceeded_limits
from imagesync.planning.plan_checks import find_faulty_steps, is_retirement
from imagesync.planning.planner import make_plan
from imagesync.planning.policy import check
from imagesync.planning.staleness import find_stale_reliances, find_unmet_steps
from tests.unit.factories import plan_input
from tests.unit.many_keys import KeyCase, draw_key, draw_policy, join_cases
from tests.unit.simulated import carry_out

KEYS = ("a", "b", "c", "d")
ROUNDS = range(30)
WRONG: dict[str, Any] = {"role": Role.RETIRED, "catalog": "other", "key": "z", "url": "0", "digests": ()}
"""What no record of a new build says."""
CHANGE = FieldChange(("min_disk",), 71, 72)


def draw_plan(number: int) -> tuple[Plan, Inventory, Policy]:
    """A plan of several keys, each of which could be planned by itself."""
    random = Random(number)
    policy = draw_policy(random)
    cases: list[KeyCase] = []
    for key in KEYS:
        while len(cases) < len(KEYS):
            case = draw_key(random, key)
            try:
                made = make_plan(plan_input(*join_cases([case]), policy))
            except PlanRefused:
                continue
            if made.steps:
                cases.append(case)
                break
    manifest, found = join_cases(cases)
    return make_plan(plan_input(manifest, found, policy)), found, policy


def is_refused(made: Plan, found: Inventory) -> bool:
    """Whether a plan is refused, be it by itself or against the live images."""
    return bool(find_faulty_steps(made)) or bool(find_false_claims(made, found))


def change_step(made: Plan, place: int, **attrs: object) -> Plan:
    """A plan with another action in one of its steps."""
    step = made.steps[place]
    changed = replace(step, action=replace(step.action, **attrs))  # type: ignore[arg-type]
    return replace(made, steps=(*made.steps[:place], changed, *made.steps[place + 1 :]))


def forge_lists(made: Plan, found: Inventory) -> Iterator[tuple[str, Plan]]:
    """What a plan says beside its steps, changed by one element."""
    for name in ("removed", "changed"):
        names = getattr(made, name)
        for key in KEYS:
            other = tuple(one for one in names if one != key) if key in names else tuple(sorted((*names, key)))
            changed: dict[str, Any] = {name: other}
            yield f"{name}: {key}", replace(made, **changed)
    for key in made.absent:
        if any(isinstance(step.action, Create) and step.action.key == key for step in made.steps):
            yield f"absent: {key}", replace(made, absent=tuple(one for one in made.absent if one != key))
    yield from forge_reliances(made, found)
    yield from forge_fates(made)
    published = {find_image_id(step.action) for step in made.steps}
    for key, image in product(made.ids, found.owned):
        if key not in image.id and image.id not in published:
            yield f"ids: {key} is {image.id}", replace(made, ids={**made.ids, key: image.id})
    counts: dict[str, Any] = {"owned": len({*made.removed, *made.changed}) - 1, "wanted": len(made.changed) - 1}
    yield from ((f"{name}: {value}", replace(made, **{name: value})) for name, value in counts.items() if value >= 0)
    yield "unchanged", replace(made, unchanged=made.wanted + 1)
    is_rollback = all(isinstance(step.action, Update) for step in made.steps)
    for kind in set(Kind) - {made.kind} - ({Kind.ROLLBACK} if is_rollback else set()):
        yield f"kind: {kind.value}", replace(made, kind=kind)


def forge_reliances(made: Plan, found: Inventory) -> Iterator[tuple[str, Plan]]:
    """What a plan says that it relied on."""
    for place, relied in enumerate(made.relies):
        others = (*made.relies[:place], *made.relies[place + 1 :])
        yield f"relies: {relied.image_id}", replace(made, relies=others)
        yield f"relies: key of {relied.image_id}", replace(made, relies=(*others, replace(relied, key="z")))
        for path in relied.values:
            fewer = {name: value for name, value in relied.values.items() if name != path}
            yield f"relies: {path} of {relied.image_id}", replace(made, relies=(*others, replace(relied, values=fewer)))
    for image in found.owned:
        if image.id not in {relied.image_id for relied in made.relies} and made.relies:
            yield (
                f"relies: on {image.id}, too",
                replace(made, relies=(*made.relies, replace(made.relies[0], image_id=image.id))),
            )


def forge_fates(made: Plan) -> Iterator[tuple[str, Plan]]:
    """What a plan says of images that stay, or that are published or dropped."""
    for place, kept in enumerate(made.kept):
        others = tuple(replace(one, retires=not one.retires) if one is kept else one for one in made.kept)
        yield f"kept: {kept.image_id} {place}", replace(made, kept=others)
    for step in made.steps:
        if isinstance(step.action, Delete) and made.kept:
            yield (
                f"kept: {step.id}",
                replace(made, kept=(*made.kept, replace(made.kept[0], image_id=step.action.image_id))),
            )
    for one in made.candidates:
        fate = Fate.WAITING if one.fate in (Fate.DROPPED, Fate.PUBLISHED) else Fate.DROPPED
        changed = tuple(replace(other, fate=fate) if other is one else other for other in made.candidates)
        yield f"candidate: {one.image_id}", replace(made, candidates=changed)


def forge_steps(made: Plan, found: Inventory) -> Iterator[tuple[str, Plan]]:
    """One step changed."""
    images = {image.id: image for image in (*found.owned, *found.foreign)}
    for place, step in enumerate(made.steps):
        yield f"{step.id}: twice", replace(made, steps=(*made.steps[: place + 1], step, *made.steps[place + 1 :]))
        renamed = replace(step, id=f"{step.id}x")
        yield f"{step.id}: id", replace(made, steps=(*made.steps[:place], renamed, *made.steps[place + 1 :]))
        waiting = replace(step, needs=(*step.needs, "create:nothing"))
        yield f"{step.id}: needs", replace(made, steps=(*made.steps[:place], waiting, *made.steps[place + 1 :]))
        if place:
            swapped = (*made.steps[: place - 1], step, made.steps[place - 1], *made.steps[place + 1 :])
            yield f"{step.id}: order", replace(made, steps=swapped)
        yield from ((f"{step.id}: {what}", forged) for what, forged in forge_action(made, place, step, images))


def forge_action(made: Plan, place: int, step: Step, images: dict[str, LiveImage]) -> Iterator[tuple[str, Plan]]:
    """One field of one action changed."""
    match step.action:
        case Delete(size=size, unprotect=unprotect):
            yield "size", change_step(made, place, size=(size or 0) + 1)
            yield "protection", change_step(made, place, unprotect=not unprotect)
        case Create() as create:
            if create.replaces:
                yield "replaces less", change_step(made, place, replaces=create.replaces[1:])
                yield "changes", change_step(made, place, changes=create.changes[1:] if create.changes else (CHANGE,))
            yield "replaces more", change_step(made, place, replaces=(*create.replaces, "another"))
            yield "staged", change_step(made, place, stage=True)
            yield "may hold", change_step(made, place, may_hold=(*create.may_hold, "another"))
            yield "filled", change_step(made, place, fill="another", image_id="one more")
            for name, value in WRONG.items():
                if getattr(create.record, name) != value:
                    yield f"record: {name}", change_step(made, place, record=replace(create.record, **{name: value}))
            fields = {**create.state.fields, "owner": "somebody"}
            yield "owner", change_step(made, place, state=replace(create.state, fields=fields))
            properties = {**create.state.properties, "imagesync_x": "1"}
            yield "property", change_step(made, place, state=replace(create.state, properties=properties))
        case Update(record=None):
            yield "disowned and changed", change_step(made, place, changes=(CHANGE,))
        case Update() as update:
            yield from forge_update(made, place, step, update, images[update.image_id])


def forge_update(made: Plan, place: int, step: Step, update: Update, image: LiveImage) -> Iterator[tuple[str, Plan]]:
    """One field of an update, or of the record that it writes, changed."""
    record = update.record
    assert record is not None
    managed = record.managed
    others: dict[str, Any] = {
        "key": replace(record, key="z"),
        "catalog": replace(record, catalog="other"),
        "role": replace(record, role=Role.STAGING),
        "role of the lease": replace(record, role=Role.LEASE),
        "role of the other kind": replace(record, role=Role.CURRENT if is_retirement(step) else Role.RETIRED),
        "converted": replace(record, converted=True),
        "before": replace(record, managed=replace(managed, before={**managed.before, "min_disk": 77})),
        "generation": replace(record, managed=replace(managed, generation=managed.generation + 1)),
        "retirement": replace(record, managed=replace(managed, retirement=managed.retirement + 50)),
        "former": replace(record, managed=replace(managed, former="z")),
        "retired": replace(record, managed=replace(managed, retired="2020-01-01T00:00:00+00:00")),
    }
    if not image.id.startswith("foreign"):
        others["url"] = replace(record, url="0" * 64)
    yield from ((f"record: {what}", change_step(made, place, record=other)) for what, other in others.items())
    if step.reason is not Reason.REMOVED or update.changes:
        yield "no record", change_step(made, place, record=None)
    for number, change in enumerate(update.changes):
        rest = (*update.changes[:number], *update.changes[number + 1 :])
        yield f"{change.path}: twice", change_step(made, place, changes=(*update.changes, change))
        wrong = replace(change, before="something else")
        yield f"{change.path}: before", change_step(made, place, changes=(*rest, wrong))


@pytest.mark.parametrize("number", ROUNDS)
def test_a_plan_that_is_changed_in_one_place_is_refused(number: int) -> None:
    """Whatever the place is, and whatever the other keys of the plan are."""
    made, found, _ = draw_plan(number)
    assert not is_refused(made, found)
    forged = [*forge_lists(made, found), *forge_steps(made, found)]
    assert [what for what, other in forged if not is_refused(other, found)] == []


def alter(image: LiveImage) -> Iterator[tuple[str, LiveImage]]:
    """An image in each field that a plan always relies on."""
    yield "name", replace(image, name=f"{image.name} too")
    yield "owner", replace(image, owner="somebody")
    yield "status", replace(image, status=Status.DEACTIVATED if image.status is Status.ACTIVE else Status.ACTIVE)
    yield "hidden", replace(image, hidden=not image.hidden)
    other = Visibility.PUBLIC if image.visibility is Visibility.PRIVATE else Visibility.PRIVATE
    yield "visibility", replace(image, visibility=other)
    yield "protected", replace(image, protected=not image.protected)
    for name in image.properties:
        if name.startswith("imagesync_") and name not in ("imagesync_catalog", "imagesync_id"):
            yield name, replace(image, properties={**image.properties, name: "x"})


@pytest.mark.parametrize("number", ROUNDS)
def test_a_plan_is_stale_if_any_image_that_it_touches_changed(number: int) -> None:
    """And is not if another image did, or none."""
    made, found, _ = draw_plan(number)
    assert find_stale_reliances(made, found) == ()
    touched = {find_image_id(step.action) for step in made.steps} - {None}
    touched |= {image_id for step in made.steps if isinstance(step.action, Create) for image_id in step.action.may_hold}
    touched |= {
        image_id for step in made.steps if isinstance(step.action, Create) for image_id in step.action.replaces[-1:]
    }
    everything = [*found.owned, *found.foreign]
    for place, image in enumerate(found.owned):
        others = (*found.owned[:place], *found.owned[place + 1 :])
        gone = bool(find_stale_reliances(made, replace(found, owned=others)))
        assert gone is (image.id in touched), image.id
        for what, altered in alter(image):
            stale = find_stale_reliances(made, replace(found, owned=(*others, altered)))
            if image.id in touched:
                assert any(image.id in sentence for sentence in stale), what
            elif not what.startswith("imagesync_") and what not in ("status", "hidden"):
                assert stale == (), what
    assert touched <= {image.id for image in everything} | {
        step.action.fill for step in made.steps if isinstance(step.action, Create)
    }


def find_made_id(step: Step) -> str:
    """The id of the image that a step is about, or that carrying it out makes."""
    pinned = step.action.image_id if isinstance(step.action, Create) else None
    return find_image_id(step.action) or pinned or f"made-{step.action.key}"


@pytest.mark.parametrize("number", ROUNDS)
def test_a_step_that_had_no_effect_is_found(number: int) -> None:
    """After a run that says that every step was done, whichever was not."""
    made, found, _ = draw_plan(number)

    def report(after: Inventory) -> tuple[str, ...]:
        results = tuple(StepResult(step, Outcome.DONE, find_made_id(step)) for step in made.steps)
        return find_unmet_steps(Report(made, results), after)

    assert report(carry_out(made, found)) == ()
    deleted = {step.action.image_id for step in made.steps if isinstance(step.action, Delete)}
    for step in made.steps:
        is_seen = not isinstance(step.action, Update) or any(
            change.before != change.after for change in step.action.changes
        )
        if isinstance(step.action, Update) and step.action.record is None:
            continue
        if is_seen and (isinstance(step.action, Delete) or find_image_id(step.action) not in deleted):
            left = carry_out(replace(made, steps=tuple(one for one in made.steps if one is not step)), found)
            if isinstance(step.action, Create) and step.action.fill:
                continue
            assert [step.id in sentence for sentence in report(left)] == [True], step.id


@pytest.mark.parametrize("number", ROUNDS)
def test_who_applies_a_plan_must_permit_what_its_maker_did(number: int) -> None:
    """With the same permissions nothing more is refused than when it was made, but keys that users lose."""
    made, found, policy = draw_plan(number)
    if find_vanishing_keys(made.steps, group(found.owned)) <= set(made.removed):
        limits = {text.split(" of ")[0] for text in find_exceeded_limits(made, found, policy)}
        assert limits == {text.split(" of ")[0] for text in check(made, policy)}
