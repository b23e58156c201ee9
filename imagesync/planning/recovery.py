"""A plan made after a run that did not end cleanly -> what must be done before it is carried out. Pure.

What that run sent may still arrive. A staging record that it never filled is deleted and not taken up again. The guard
of every other image of the catalog is renewed, whatever the plan does: that run may have had another manifest, and what
was sent under the old guard is refused then.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from imagesync.model.catalog import Role, Status
from imagesync.model.image import LiveImage
from imagesync.model.plan import Action, Create, Delete, Plan, Reliance, find_image_id
from imagesync.model.record import REVISION, ROLE

UNFILLED: Final = (Status.QUEUED.value, Status.SAVING.value)


@dataclass(frozen=True, slots=True)
class Recovery:
    """Ids of images: staging records to delete, and owned images whose guard is to be renewed."""

    unfilled: tuple[str, ...] = ()
    guarded: tuple[str, ...] = ()


def plan_recovery(plan: Plan, owned: Iterable[LiveImage]) -> Recovery:
    """What to do about the images of a catalog; those that are marked for deletion do no harm."""
    unfilled = find_unfilled(plan)
    guarded = [image.id for image in owned if image.properties.get(ROLE) != Role.DELETING.value]
    return Recovery(unfilled, tuple(sorted(set(guarded) - set(unfilled))))


def find_unfilled(plan: Plan) -> tuple[str, ...]:
    """The staging records without data that a plan deletes, by id."""
    deleted = {find_image_id(step.action) for step in plan.steps if isinstance(step.action, Delete)}
    return tuple(each.image_id for each in plan.relies if each.image_id in deleted and _is_unfilled(each))


def is_same_but_for_recovery(plan: Plan, display: Plan) -> bool:
    """Whether a plan made after a recovery does to the same images what the plan that was shown does."""
    return list_effects(plan) == list_effects(display)


def list_effects(plan: Plan) -> tuple[object, ...]:
    """Actions and what they rely on, to compare two plans; without what a recovery deletes and the guards that it renews."""
    unfilled = set(find_unfilled(plan))
    kept = [step for step in plan.steps if find_image_id(step.action) not in unfilled]
    actions = tuple((step.id, _drop_generation(step.action)) for step in kept)
    relies = tuple(_drop_guard(each) for each in plan.relies if each.image_id not in unfilled)
    return plan.kind, actions, relies


def _drop_generation(action: Action) -> Action:
    """The number of a build counts those that were only staged, too."""
    if not isinstance(action, Create):
        return action
    return replace(action, record=replace(action.record, managed=replace(action.record.managed, generation=1)))


def _drop_guard(reliance: Reliance) -> Reliance:
    return replace(reliance, values={path: value for path, value in reliance.values.items() if not _is_guard(path)})


def renew_reliances(plan: Plan, guards: dict[str, dict[str, str]]) -> Plan:
    """The plan with the guards that the images have now: by image id the guard's property name and value."""
    return replace(plan, relies=tuple(_add_guard(each, guards.get(each.image_id)) for each in plan.relies))


def _add_guard(reliance: Reliance, guard: dict[str, str] | None) -> Reliance:
    if guard is None:
        return reliance
    values = {f"properties.{name}": value for name, value in guard.items()}
    return replace(reliance, values={**_drop_guard(reliance).values, **values})


def _is_unfilled(reliance: Reliance) -> bool:
    is_staging = reliance.values.get(f"properties.{ROLE}") == Role.STAGING.value
    return is_staging and reliance.values.get("status") in UNFILLED


def _is_guard(path: str) -> bool:
    return path.startswith(f"properties.{REVISION}")
