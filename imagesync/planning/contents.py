"""A plan with creates whose bytes an image may hold already -> which they are, and what is left of it. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from imagesync.model.plan import Create, Plan, find_image_id
from imagesync.planning.recovery import list_effects
from imagesync.planning.staleness import collect_taken_names
from imagesync.planning.steps import create_id


def find_unknown(plan: Plan) -> tuple[Create, ...]:
    """The creates before which the source is hashed, because an image may hold the same bytes."""
    return tuple(step.action for step in plan.steps if isinstance(step.action, Create) and step.action.may_hold)


def drop_settled(plan: Plan, settled: Mapping[str, str]) -> tuple[Plan, frozenset[str]]:
    """A saved plan without the keys that are left as they are, and those keys.

    Those are the ones whose bytes an image holds already (``settled``: by key its id); and, where that image is not the
    current one, which only the next plan publishes, those that would refer to the build that is not made. To others the
    key means the image that is current. What is left as it is keeps its name: who was to take over that is left, too.
    """
    current = {
        create.key: settled[create.key]
        for create in find_unknown(plan)
        if create.key in settled and settled[create.key] in create.replaces
    }
    undone = set(settled)
    waiting = {create_id(key) for key in settled.keys() - current.keys()}
    while more := _find_blocked(plan, undone, waiting):
        undone |= more
        waiting |= {step.id for step in plan.steps if step.action.key in undone}
    left = _drop_keys(plan, undone)
    touched = {find_image_id(step.action) for step in left.steps}
    return replace(
        left,
        relies=tuple(each for each in plan.relies if each.key not in undone or each.image_id in touched),
        ids={**plan.ids, **current},
        removed=tuple(key for key in plan.removed if key not in undone),
        changed=tuple(key for key in plan.changed if key not in undone),
    ), frozenset(undone)


def _find_blocked(plan: Plan, undone: Collection[str], waiting: Collection[str]) -> set[str]:
    """The other keys that need a step which is not done, or whose image would get a name that is not given up."""
    project = plan.target.project_id
    seen = [each.values for each in plan.relies if each.key in undone and not each.values.get("hidden")]
    held = {(values.get("owner"), values.get("name")) for values in seen}
    blocked = {step.action.key for step in plan.steps if not set(waiting).isdisjoint(step.needs)}
    blocked |= {key for key, name in collect_taken_names(plan) if (plan.owners.get(key, project), name) in held}
    return blocked - set(undone)


def is_same_but_for(plan: Plan, display: Plan, settled: Collection[str]) -> bool:
    """Whether a plan does what the displayed plan does, except for these keys, which need no new build."""
    return list_effects(_drop_keys(plan, settled)) == list_effects(_drop_keys(display, settled))


def _drop_keys(plan: Plan, keys: Collection[str]) -> Plan:
    """A plan without the steps of these keys; no other step waits for them."""
    dropped = {step.id for step in plan.steps if step.action.key in keys} | {create_id(key) for key in keys}
    steps = tuple(
        replace(step, needs=tuple(need for need in step.needs if need not in dropped))
        for step in plan.steps
        if step.action.key not in keys
    )
    return replace(plan, steps=steps, relies=tuple(each for each in plan.relies if each.key not in keys))
