"""A ``PlanInput`` -> the plan of the whole manifest. Pure: the clock and the target's identity are part of the input.

Three passes: decide on each key, make the steps of each key, order all steps. The same input gives the same plan,
whatever the order of the declared or live images.
"""

from collections.abc import Iterator, Mapping

from imagesync.errors import PlanRefused
from imagesync.model.image import Inventory, LiveImage
from imagesync.model.plan import Kind, Plan, Reason, find_image_id
from imagesync.model.policy import OnRemove
from imagesync.model.record import read
from imagesync.planning.clashes import find_clashes
from imagesync.planning.context import PlanInput, PlanningContext, assemble_plan, make_context
from imagesync.planning.generations import Generations
from imagesync.planning.key_steps import plan_key
from imagesync.planning.moves import find_disputed_moves, note_ignored_moves, note_waiting_moves, suggest_moves
from imagesync.planning.ordering import chain_name_changes
from imagesync.planning.ownership import note_misplaced
from imagesync.planning.policy import find_missing_capabilities
from imagesync.planning.retirement import remove
from imagesync.planning.sizes import find_oversized
from imagesync.planning.steps import KeyPlan, collect_refusals, collect_steps


def make_plan(given: PlanInput) -> Plan:
    """The plan that changes the live images to the declared ones; PlanRefused for errors of the manifest as a whole.

    ``policy.check`` checks the limits of the policy separately, so a plan that exceeds them can still be printed.
    """
    images = given.inventory.index_images()
    context, parts = _plan_keys(given, images)
    removed = list(_find_leaving(context))
    leaving = [_remove_key(context, generations) for generations in removed]
    parts += [_leave_oversized(part, given.inventory, images) for part in leaving]
    inventory, wanted = given.inventory, context.wanted
    misplaced = [one for one in inventory.misplaced if (mark := read(one)) and given.catalog.is_in_scope(mark.key)]
    note_moves = note_waiting_moves if given.policy.drift_only else note_ignored_moves
    moves = note_moves(given.catalog.moved, context.groups)
    gone = [generations for generations in removed if generations.key not in context.expired]
    ideas = () if given.policy.drift_only else suggest_moves(wanted, context.made, context.groups, gone)
    parts.append(KeyPlan(notes=(*note_misplaced(misplaced), *inventory.notes, *moves, *ideas)))
    steps = chain_name_changes(collect_steps(parts), inventory)
    refusals = [*context.refusals, *collect_refusals(parts)]
    refusals += find_clashes(wanted, context.decisions, inventory, context.adopted)
    refusals += [*find_missing_capabilities(steps, given.capabilities, wanted), *find_oversized(steps, images)]
    if refusals:
        raise PlanRefused(sorted(set(refusals)))
    return assemble_plan(context, steps, parts, Kind.APPLY)


def _plan_keys(given: PlanInput, images: Mapping[str, LiveImage]) -> tuple[PlanningContext, list[KeyPlan]]:
    """The decisions and the steps of each declared key.

    The owner of another project can make a step too large for the service to hold. Such a key is left as it is, because
    it must not stop the other keys; keys that refer to it are then planned again.
    """
    excluded: dict[str, str] = {}
    while True:
        context = make_context(given, excluded)
        parts = {spec.key: plan_key(context, spec) for spec in context.wanted}
        found = {
            key: left
            for key, part in parts.items()
            if (left := _leave_oversized(part, given.inventory, images)) is not part
        }
        parts |= found
        if set(found) <= set(excluded):
            return context, list(parts.values())
        excluded |= {key: left.notes[0] for key, left in found.items()}


def _leave_oversized(part: KeyPlan, inventory: Inventory, images: Mapping[str, LiveImage]) -> KeyPlan:
    """The steps of a key; or only a note if one is too large and an image of the key is in another project."""
    sentences = sorted(set(find_oversized(part.steps, images)))
    if not sentences or not _is_elsewhere(part, inventory, images):
        return part
    return KeyPlan(notes=(f"{'; '.join(sentences)}; nothing is done for this key",))


def _is_elsewhere(part: KeyPlan, inventory: Inventory, images: Mapping[str, LiveImage]) -> bool:
    """Whether a step touches an image in another project."""
    touched = (images.get(find_image_id(step.action) or "") for step in part.steps)
    return any(image is not None and not image.is_in_project(inventory.project_id) for image in touched)


def _find_leaving(context: PlanningContext) -> Iterator[Generations]:
    """The images of the keys that left the manifest, and of the keys that ``on_expire: delete`` removes."""
    groups, catalog = context.groups, context.given.catalog
    leaving = (set(groups) - catalog.keys) | (set(groups) & context.expired)
    leaving -= find_disputed_moves(catalog.moved, groups)
    yield from (groups[key] for key in sorted(leaving))


def _remove_key(context: PlanningContext, generations: Generations) -> KeyPlan:
    policy, now = context.given.policy, context.given.deletion_time
    if policy.drift_only:
        return KeyPlan()
    if generations.key in context.expired:
        found = remove(generations, policy, OnRemove.DELETE, Reason.EXPIRED, now)
    else:
        found = remove(generations, policy, policy.on_remove, Reason.REMOVED, now)
    own = ("", context.given.inventory.project_id)
    if found.refusals and any((owned.image.owner or "") not in own for owned in generations.every):
        return KeyPlan(notes=found.refusals)  # another project that protects its image must not stop the other keys
    return found
