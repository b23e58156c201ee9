"""The steps of a plan -> the keys that limits count. Pure.

Limits count keys, not images, and whatever takes a key away counts: that it left the manifest, or that its day has come;
that its image is deleted, hidden, deactivated or let go of. The clean-up of builds that were superseded does not count.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from imagesync.model.catalog import Status
from imagesync.model.plan import Create, Deactivate, Delete, Reason, Step, Update, find_image_id, is_promotion
from imagesync.planning.generations import Groups

_TAKING_AWAY: Final = frozenset({Reason.REMOVED, Reason.EXPIRED})


def find_removed_keys(steps: Sequence[Step], groups: Groups) -> frozenset[str]:
    """The keys of which these steps take a current image away: of several, as a broken run leaves them, any may be in use."""
    return frozenset(step.action.key for step in steps if _takes_away(step) and _is_about_any_current(step, groups))


def find_vanishing_keys(steps: Sequence[Step], groups: Groups) -> frozenset[str]:
    """The keys of which users could use an image and can use none afterwards, whatever reason the steps name."""
    published = {step.action.key for step in steps if _is_publishing(step)}
    taken = {find_image_id(step.action) for step in steps if _is_taken_from_users(step)}
    usable = {
        key: {owned.id for owned in found.current if not owned.image.hidden and owned.image.status is Status.ACTIVE}
        for key, found in groups.items()
    }
    return frozenset(key for key, ids in usable.items() if ids and ids <= taken and key not in published)


def _is_publishing(step: Step) -> bool:
    if isinstance(step.action, Create):
        return not step.action.stage and not step.action.state.fields.get("hidden")
    changes = step.action.changes if isinstance(step.action, Update) else ()
    return any(change.path == ("hidden",) and change.after is False for change in changes)


def _is_taken_from_users(step: Step) -> bool:
    if isinstance(step.action, Update):
        return any(change.path == ("hidden",) and change.after is True for change in step.action.changes)
    return isinstance(step.action, Delete | Deactivate)


def find_changed_keys(steps: Sequence[Step], groups: Groups) -> frozenset[str]:
    """The keys with an image, current or adopted, that these steps change or replace, and do not take away."""
    current = groups.current_ids()
    found = {step.action.key for step in steps if _is_change(step, current)}
    return frozenset(found) - find_removed_keys(steps, groups)


def _is_change(step: Step, current: Mapping[str, str]) -> bool:
    if step.action.key not in current:
        return _changes_adopted(step)
    is_about_current = find_image_id(step.action) == current[step.action.key]
    return isinstance(step.action, Create) or is_promotion(step) or is_about_current


def _changes_adopted(step: Step) -> bool:
    """Whether a step changes an image that somebody else made, or puts another in its place; to note what is managed is no
    change."""
    if isinstance(step.action, Create):
        return bool(step.action.replaces)
    changes = step.action.changes if isinstance(step.action, Update) else (step,)
    return step.reason is Reason.ADOPT and bool(changes)


def _takes_away(step: Step) -> bool:
    changes = step.action.changes if isinstance(step.action, Update) else ()
    return step.reason in _TAKING_AWAY or any(change.reason is Reason.EXPIRED for change in changes)


def _is_about_any_current(step: Step, groups: Groups) -> bool:
    return find_image_id(step.action) in {owned.id for owned in groups[step.action.key].current}
