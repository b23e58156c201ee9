"""A plan with creates whose image may hold the declared bytes already -> which they are, and what is left of it. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from imagesync.model.plan import Create, Plan, Reason, find_image_id
from imagesync.planning.recovery import list_effects
from imagesync.planning.steps import create_id


def find_unknown(plan: Plan) -> tuple[tuple[Create, str], ...]:
    """The creates before which the source is hashed, each with the id of the image that may hold the same bytes."""
    return tuple(
        (step.action, image_id)
        for step in plan.steps
        if isinstance(step.action, Create) and step.reason is Reason.CONTENT_UNKNOWN
        if (image_id := step.action.replaces[-1] if step.action.replaces else plan.ids.get(step.action.key))
    )


def drop_settled(plan: Plan, settled: Mapping[str, str]) -> Plan:
    """A saved plan without the new builds of these keys, whose images stay (``settled``: their ids), and without what
    would follow such a build; a reference to the key means the image that is there."""
    if not settled:
        return plan
    dropped = {create_id(key) for key in settled}
    while (
        more := {step.id for step in plan.steps if step.action.key in settled and dropped & set(step.needs)} - dropped
    ):
        dropped |= more
    steps = tuple(
        replace(step, needs=tuple(need for need in step.needs if need not in dropped))
        for step in plan.steps
        if step.id not in dropped
    )
    touched = {find_image_id(step.action) for step in steps}
    return replace(
        plan,
        steps=steps,
        relies=tuple(each for each in plan.relies if each.key not in settled or each.image_id in touched),
        ids={**plan.ids, **settled},
        changed=tuple(key for key in plan.changed if key not in settled),
    )


def is_same_but_for(plan: Plan, shown: Plan, settled: Collection[str]) -> bool:
    """Whether a plan does what the plan that was shown does, but for these keys, which get no new build after all."""
    return list_effects(_drop_keys(plan, settled)) == list_effects(_drop_keys(shown, settled))


def _drop_keys(plan: Plan, keys: Collection[str]) -> Plan:
    created = {create_id(key) for key in keys}
    steps = tuple(
        replace(step, needs=tuple(need for need in step.needs if need not in created))
        for step in plan.steps
        if step.action.key not in keys
    )
    return replace(plan, steps=steps, relies=tuple(each for each in plan.relies if each.key not in keys))
