"""A ``PlanInput`` -> the plan that stages candidates, or the plan that drops them. Pure.

A candidate is a verified, staged build that is active, hidden and private: only its project sees it. Staging adds the
missing candidates and changes no published image, whatever the manifest declares. The next ``apply`` publishes the
candidates whose build is still declared, and drops the others.
"""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from imagesync.errors import PlanRefused
from imagesync.model.catalog import ImageSpec, Role
from imagesync.model.plan import Create, Delete, Kind, Plan, Reason, Step
from imagesync.model.policy import Publish
from imagesync.planning.clashes import find_clashes
from imagesync.planning.context import PlanInput, PlanningContext, assemble_plan, make_context
from imagesync.planning.decisions import Leave, Make, Promote, Refuse
from imagesync.planning.key_steps import create
from imagesync.planning.policy import find_missing_capabilities
from imagesync.planning.sizes import find_oversized
from imagesync.planning.steps import KeyPlan, collect_refusals, collect_steps, make_step
from imagesync.planning.stores import note_verification


def stage_plan(given: PlanInput) -> Plan:
    """The plan that makes a candidate of each build that ``apply`` would upload; PlanRefused as for ``make_plan``."""
    context = make_context(replace(given, policy=replace(given.policy, publish=Publish.ANY)))
    parts = [_stage_key(context, spec) for spec in context.wanted]
    steps = _drop_other_needs(collect_steps(parts))
    refusals = [*context.refusals, *collect_refusals(parts)]
    refusals += find_clashes(context.wanted, context.decisions, given.inventory, context.adopted)
    refusals += [
        *find_missing_capabilities(steps, given.capabilities, context.wanted),
        *find_oversized(steps, given.inventory.index_images()),
    ]
    if refusals:
        raise PlanRefused(sorted(set(refusals)))
    return assemble_plan(context, steps, parts, Kind.STAGE)


def _stage_key(context: PlanningContext, spec: ImageSpec) -> KeyPlan:
    match context.decisions[spec.key]:
        case Refuse(sentence):
            return KeyPlan(refusals=(spec.place.add_to(sentence),))
        case Leave(sentence):
            return KeyPlan(notes=(sentence,) if sentence else ())
        case Make() as make if spec.has_data:
            item = create(context, spec, context.groups[spec.key], make)
            assert isinstance(item.action, Create)  # noqa: S101 - for the type checker
            staged = replace(item, action=replace(item.action, stage=True, replaces=(), changes=()))
            return KeyPlan((staged,), note_verification(spec))
        case Promote(owned) if owned.record.role is Role.RETIRED:
            note = (
                f"{spec.key}: retired image {owned.id} has this content, so no candidate is needed: apply publishes it"
            )
            return KeyPlan(notes=(note,))
        case _:
            return KeyPlan()


def _drop_other_needs(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps without waits for steps of other plans: an image without data is made when the candidate is published."""
    ids = {item.id for item in steps}
    return tuple(replace(item, needs=tuple(need for need in item.needs if need in ids)) for item in steps)


def discard_plan(given: PlanInput, *, keys: str) -> Plan:
    """The plan that deletes the candidates whose key matches the glob ``keys``; PlanRefused if it matches no key.

    ``*`` keeps rejected candidates, because they record the rejection; any other glob deletes them, too.
    """
    context, images = make_context(given), given.catalog.images
    known = sorted({*context.groups, *(spec.key for spec in images)})
    matching = [key for key in known if fnmatchcase(key, keys)]
    if not matching and keys != "*":
        close = get_close_matches(keys, known, 3) or sorted(key for key in known if context.groups[key].verified)
        ways = f"did you mean {', '.join(close)}?" if close else "no candidate is staged"
        raise PlanRefused([f"--discard-staged {keys}: no key matches (write PATH before the option); {ways}"])
    pinned = {spec.id for spec in images}
    steps: list[Step] = []
    refusals = []
    notes: list[str] = []
    for key in matching:
        generations, decision = context.groups[key], context.decisions.get(key)
        if keys == "*" and isinstance(decision, Leave) and decision.rejected:
            notes.append(
                f"{key}: the rejected candidate stays; to drop it: imagesync apply PATH --discard-staged {key}"
            )
        for owned in (*generations.candidates, *(generations.switched_off if keys != "*" else ())):
            if owned.id in pinned:
                refusals.append(
                    f"images.{key}: the candidate has the pinned id {owned.id}, which the service never gives to a new "
                    "image; remove id from the manifest, or choose another id, and run this again"
                )
            steps.append(make_step(Delete(key, owned.id, owned.image.size, owned.image.protected), Reason.DISCARDED))
    if refusals:
        raise PlanRefused(refusals)
    return assemble_plan(context, steps, (KeyPlan(notes=tuple(notes)),), Kind.DISCARD)
