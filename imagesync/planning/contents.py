"""A plan whose new builds may equal existing images -> the keys that need no new build, and the remaining plan. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from imagesync.model.plan import Create, Plan, find_image_id
from imagesync.planning.recovery import list_effects
from imagesync.planning.staleness import collect_taken_names
from imagesync.planning.steps import create_id


def find_unknown(plan: Plan) -> tuple[Create, ...]:
    """The creates whose source must be hashed first, because an existing image may hold the same bytes."""
    return tuple(step.action for step in plan.steps if isinstance(step.action, Create) and step.action.may_hold)


def drop_settled(plan: Plan, settled: Mapping[str, str]) -> tuple[Plan, frozenset[str]]:
    """A saved plan without the keys that are left as they are; and those keys.

    A key is left as it is if an image already holds its bytes (``settled``: key to image id). If that image is not
    current, only the next plan publishes it, so keys that refer to the new build are left as well; otherwise a
    reference means the current image. A key that is left keeps its name, so a key that was to take that name is left, too.
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
        waiting |= {step.id for step in plan.steps if step.action.key in more}
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
    """The other keys that wait for a step which is not done, or take a name that stays in use."""
    project = plan.target.project_id
    seen = [each.values for each in plan.relies if each.key in undone and not each.values.get("hidden")]
    held = {(values.get("owner"), values.get("name")) for values in seen}
    blocked = {step.action.key for step in plan.steps if not set(waiting).isdisjoint(step.needs)}
    blocked |= {key for key, name in collect_taken_names(plan) if (plan.owners.get(key, project), name) in held}
    return blocked - set(undone)


def is_same_except_keys(plan: Plan, approved: Plan, settled: Collection[str]) -> bool:
    """Whether a plan does what the approved plan does, except for the keys ``settled``, which need no new build."""
    return list_effects(_drop_keys(plan, settled)) == list_effects(_drop_keys(approved, settled))


def _drop_keys(plan: Plan, keys: Collection[str]) -> Plan:
    """A plan without the steps of ``keys``, and without waits for those steps."""
    dropped = {step.id for step in plan.steps if step.action.key in keys} | {create_id(key) for key in keys}
    steps = tuple(
        replace(step, needs=tuple(need for need in step.needs if need not in dropped))
        for step in plan.steps
        if step.action.key not in keys
    )
    return replace(plan, steps=steps, relies=tuple(each for each in plan.relies if each.key not in keys))
