"""The steps of a plan -> the keys that limits count. Pure.

Limits count keys, not images. A key counts as removed if it left the manifest or expired, whether its image is deleted,
hidden, deactivated or released. The deletion of superseded builds does not count.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from imagesync.model.catalog import Status
from imagesync.model.image import LiveImage
from imagesync.model.plan import (
    Create,
    Deactivate,
    Delete,
    Reactivate,
    Reason,
    Step,
    Update,
    find_image_id,
    is_promotion,
)
from imagesync.planning.generations import Groups

_REMOVALS: Final = frozenset({Reason.REMOVED, Reason.EXPIRED})


def find_removed_keys(steps: Sequence[Step], groups: Groups) -> frozenset[str]:
    """The keys of which these steps remove a current image.

    An interrupted run may leave several current images of a key: any of them may be in use.
    """
    return frozenset(step.action.key for step in steps if _is_removal(step) and _is_about_any_current(step, groups))


def find_vanishing_keys(steps: Sequence[Step], groups: Groups) -> frozenset[str]:
    """The keys of which users can use an image before these steps and none after, whatever reason the steps name.

    Only images that are or become current count; an earlier build that is still visible does not.
    """
    made = {step.action.key for step in steps if isinstance(step.action, Create) and _is_made_usable(step.action)}
    promoted = {find_image_id(step.action) for step in steps if is_promotion(step)}
    lost = frozenset(filter(None, (find_image_id(step.action) for step in steps if _is_loss(step))))
    visible = frozenset(
        step.action.image_id for step in steps if isinstance(step.action, Update) and _is_hidden(step, False)
    )
    active = frozenset(step.action.image_id for step in steps if isinstance(step.action, Reactivate))
    vanishing = set()
    for key, found in groups.items():
        left = [owned.image for owned in found.every if owned in found.current or owned.id in promoted]
        was_usable = any(_is_usable(owned.image) for owned in found.current)
        if was_usable and key not in made and not any(_is_usable(image, visible, active, lost) for image in left):
            vanishing.add(key)
    return frozenset(vanishing)


def _is_made_usable(create: Create) -> bool:
    fields = create.state.fields
    return not create.stage and not fields.get("hidden") and fields.get("status") != Status.DEACTIVATED.value


def _is_usable(
    image: LiveImage,
    visible: frozenset[str] = frozenset(),
    active: frozenset[str] = frozenset(),
    lost: frozenset[str] = frozenset(),
) -> bool:
    """Whether users can use an image, after steps that show, activate and remove images with these ids."""
    is_visible = not image.hidden or image.id in visible
    return is_visible and (image.status is Status.ACTIVE or image.id in active) and image.id not in lost


def _is_loss(step: Step) -> bool:
    return isinstance(step.action, Delete | Deactivate) or _is_hidden(step, True)


def _is_hidden(step: Step, after: bool) -> bool:
    """Whether a step hides (``after`` True) or shows an image."""
    changes = step.action.changes if isinstance(step.action, Update) else ()
    return any(change.path == ("hidden",) and change.after is after for change in changes)


def find_changed_keys(steps: Sequence[Step], groups: Groups) -> frozenset[str]:
    """The keys whose current or adopted image these steps change or replace, but do not remove."""
    current = groups.find_current_ids()
    found = {step.action.key for step in steps if _is_change(step, current)}
    return frozenset(found) - find_removed_keys(steps, groups)


def _is_change(step: Step, current: Mapping[str, str]) -> bool:
    if step.action.key not in current:
        return _is_change_of_adopted(step)
    is_about_current = find_image_id(step.action) == current[step.action.key]
    return isinstance(step.action, Create) or is_promotion(step) or is_about_current


def _is_change_of_adopted(step: Step) -> bool:
    """Whether a step changes an image that another user made, or replaces it; writing the marker is not a change."""
    if isinstance(step.action, Create):
        return bool(step.action.replaces)
    if isinstance(step.action, Update) and step.reason is Reason.SUPERSEDED:
        return True
    changes = step.action.changes if isinstance(step.action, Update) else (step,)
    return step.reason is Reason.ADOPT and bool(changes)


def _is_removal(step: Step) -> bool:
    changes = step.action.changes if isinstance(step.action, Update) else ()
    return step.reason in _REMOVALS or any(change.reason is Reason.EXPIRED for change in changes)


def _is_about_any_current(step: Step, groups: Groups) -> bool:
    return find_image_id(step.action) in {owned.id for owned in groups[step.action.key].current}
