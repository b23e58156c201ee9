"""The steps of a plan -> the keys that limits count. Pure.

Limits count keys, not images, and whatever takes a key away counts: that it left the manifest, or that its day has come;
that its image is deleted, hidden, deactivated or let go of. The clean-up of builds that were superseded does not count.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from imagesync.model.plan import Create, Reason, Step, Update, find_image_id, is_promotion
from imagesync.planning.generations import Groups

_TAKING_AWAY: Final = frozenset({Reason.REMOVED, Reason.EXPIRED})


def find_removed_keys(steps: Sequence[Step], groups: Groups) -> frozenset[str]:
    """The keys of which these steps take a current image away: of several, as a broken run leaves them, any may be in use."""
    return frozenset(step.action.key for step in steps if _takes_away(step) and _is_about_any_current(step, groups))


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
