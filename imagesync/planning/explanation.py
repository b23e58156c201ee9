"""A key, its live builds and the next plan -> why the image of this key is as it is. Pure."""

from dataclasses import replace

from imagesync.model.catalog import ImageSpec
from imagesync.model.drift import Drift
from imagesync.model.explanation import Build, ContentState, Explanation
from imagesync.model.plan import Plan, Reason, Update, find_image_id
from imagesync.planning.context import PlanInput, make_context
from imagesync.planning.drift import find_drift
from imagesync.planning.generations import Owned, compare_content


def list_known_keys(given: PlanInput) -> list[str]:
    """The declared keys and the keys of owned images, sorted."""
    return sorted(given.catalog.keys | make_context(given).groups.keys())


def explain_key(given: PlanInput, key: str, plan: Plan | None, refusals: tuple[str, ...] = ()) -> Explanation:
    """The explanation of one key; without builds if it has none. ``plan``: the next plan, which may have other keys."""
    spec = next((spec for spec in given.catalog.images if spec.key == key), None)
    generations = make_context(given).groups[key]
    own = _select(plan, key) if plan is not None else None
    drift = find_drift(given.catalog, given.inventory, frozenset()).found
    order = (
        *reversed(generations.current),
        *reversed(generations.staging),
        *generations.last_retired_first,
        *generations.deleting,
    )
    return Explanation(key, spec, tuple(_explain_build(owned, spec, drift, own) for owned in order), own, refusals)


def _select(plan: Plan, key: str) -> Plan:
    """The part of a plan that is about one key."""
    return replace(
        plan,
        steps=tuple(step for step in plan.steps if step.action.key == key),
        kept=tuple(one for one in plan.kept if one.key == key),
        candidates=tuple(one for one in plan.candidates if one.key == key),
        expires={name: day for name, day in plan.expires.items() if name == key},
        errors=tuple(error for error in plan.errors if error.key == key),
        notes=tuple(note for note in plan.notes if note.startswith(f"{key}: ")),
        copies=(),
    )


def _explain_build(owned: Owned, spec: ImageSpec | None, drift: tuple[Drift, ...], plan: Plan | None) -> Build:
    steps = tuple(step for step in plan.steps if find_image_id(step.action) == owned.id) if plan else ()
    updates = [step.action for step in steps if isinstance(step.action, Update)]
    return Build(
        owned.image,
        owned.record,
        ContentState(compare_content(spec, owned).name.lower()) if spec is not None else None,
        tuple(one for one in drift if one.image_id == owned.id),
        tuple(change for update in updates for change in update.changes if change.reason is Reason.MANIFEST_CHANGED),
        tuple(step.id for step in steps),
        next((one for one in plan.kept if one.image_id == owned.id), None) if plan else None,
        next((one for one in plan.candidates if one.image_id == owned.id), None) if plan else None,
    )
