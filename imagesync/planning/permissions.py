"""A saved plan and the permissions of the user who applies it -> sentences that refuse the plan. Pure."""

from dataclasses import replace

from imagesync.model.catalog import Role, Status
from imagesync.model.image import Inventory, LiveImage
from imagesync.model.plan import Delete, Plan, Reason, Step, Update, find_image_id
from imagesync.model.policy import Policy
from imagesync.model.record import read
from imagesync.planning.counting import find_vanishing_keys
from imagesync.planning.moves import group_by_plan
from imagesync.planning.plan_checks import is_retirement
from imagesync.planning.policy import check


def find_exceeded_limits(plan: Plan, inventory: Inventory, policy: Policy) -> tuple[str, ...]:
    """One sentence for each permission that the plan needs and ``policy`` does not give.

    The file cannot prove that its maker had a permission, so the user who applies it must give it again.
    """
    images = {image.id: image for image in (*inventory.owned, *inventory.foreign)}
    groups = group_by_plan(plan, inventory.owned)
    # the reasons and lists in a file may be forged: count what its steps do
    removed = tuple(sorted({*plan.removed, *find_vanishing_keys(plan.steps, groups)}))
    plan = replace(plan, removed=removed, changed=tuple(key for key in plan.changed if key not in removed))
    visible = {
        key
        for key, found in groups.items()
        if any(not owned.image.hidden and owned.image.status is Status.ACTIVE for owned in found.current)
    }
    refusals = list(check(replace(plan, owned=len(visible | {*plan.removed, *plan.changed})), policy))
    if policy.allow_protected:
        return tuple(refusals)
    for step in plan.steps:
        image = images.get(find_image_id(step.action) or "")
        if image is not None and image.protected and (verb := _find_protected_loss(step, image)):
            refusals.append(
                f"{step.id}: would {verb} the protected image {image.id}; pass --allow-protected to allow it"
            )
    return tuple(refusals)


def _find_protected_loss(step: Step, image: LiveImage) -> str:
    """The verb for what a step does to a protected image; empty if that needs no permission."""
    record, action = read(image), step.action
    if isinstance(action, Delete):
        return "delete" if record is None or record.role in (Role.CURRENT, Role.RETIRED) else ""
    if isinstance(action, Update) and action.record is None:
        return "release"
    if isinstance(action, Update) and step.reason is Reason.REMOVED:
        return "hide" if action.changes else "deactivate"
    if isinstance(action, Update) and record is None:  # an adoption
        unprotected = any(change.path == ("protected",) for change in action.changes)
        return "take over" if unprotected or is_retirement(step) else ""
    return ""
