"""A plan made after an interrupted run -> what to do before that plan is executed. Pure.

Requests of the interrupted run may still arrive. So staging records that it never filled are deleted and not reused. The
guard of every other owned image is renewed, even if the plan does not touch the image, because the interrupted run may
have had another manifest: the service then rejects requests with the old guard.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from imagesync.model.catalog import Role, Status
from imagesync.model.image import LiveImage
from imagesync.model.plan import Action, Create, Delete, Plan, Reliance, find_image_id
from imagesync.model.record import REVISION, ROLE

UNFILLED: Final = (Status.QUEUED.value, Status.SAVING.value)
"""The statuses of an image without all of its data."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Ids of images: staging records to delete (``unfilled``), and owned images whose guard to renew (``guarded``)."""

    unfilled: tuple[str, ...] = ()
    guarded: tuple[str, ...] = ()


def plan_recovery(plan: Plan, owned: Iterable[LiveImage]) -> Recovery:
    """The recovery of the owned images of a catalog; those with role ``deleting`` need none."""
    unfilled = find_unfilled(plan)
    guarded = [image.id for image in owned if image.properties.get(ROLE) != Role.DELETING.value]
    return Recovery(unfilled, tuple(sorted(set(guarded) - set(unfilled))))


def find_unfilled(plan: Plan) -> tuple[str, ...]:
    """The ids of the staging records without data that a plan deletes."""
    deleted = {find_image_id(step.action) for step in plan.steps if isinstance(step.action, Delete)}
    return tuple(each.image_id for each in plan.relies if each.image_id in deleted and _is_unfilled(each))


def is_same_except_recovery(plan: Plan, approved: Plan) -> bool:
    """Whether a plan made after a recovery has the same effects as the approved plan."""
    return list_effects(plan) == list_effects(approved)


def list_effects(plan: Plan) -> tuple[object, ...]:
    """Actions and reliances, to compare two plans; without the images that a recovery deletes and the guards it renews."""
    unfilled = set(find_unfilled(plan))
    kept = [step for step in plan.steps if find_image_id(step.action) not in unfilled]
    actions = tuple((step.id, _drop_generation(step.action)) for step in kept)
    relies = tuple(_drop_guard(each) for each in plan.relies if each.image_id not in unfilled)
    return plan.kind, actions, relies


def _drop_generation(action: Action) -> Action:
    """The action with generation 1: a staging record that a recovery deletes changes the generation of the next build."""
    if not isinstance(action, Create):
        return action
    return replace(action, record=replace(action.record, managed=replace(action.record.managed, generation=1)))


def _drop_guard(reliance: Reliance) -> Reliance:
    return replace(reliance, values={path: value for path, value in reliance.values.items() if not _is_guard(path)})


def renew_reliances(plan: Plan, guards: dict[str, dict[str, str]]) -> Plan:
    """The plan with the present guards; ``guards``: by image id, property name to value."""
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
