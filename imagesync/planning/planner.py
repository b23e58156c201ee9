"""A catalogue and an inventory -> the plan. Pure: the clock and the target's identity are parameters.

Three passes: decide for each key (keep, promote, make), write the steps of each key, order them all. The same input
gives the same bytes, whatever the order of images in either side.
"""

from collections.abc import Iterator
from datetime import datetime

from imagesync.errors import PlanRefused
from imagesync.model.catalog import Catalog, OnRemove, Policy
from imagesync.model.image import Capabilities, Identity, Inventory
from imagesync.model.plan import Kind, Plan, Reason
from imagesync.planning.clashes import find_clashes, left_alone, strays
from imagesync.planning.context import Situation, assembled, situation
from imagesync.planning.generations import Generations
from imagesync.planning.key_steps import steps_for
from imagesync.planning.ordering import make_way
from imagesync.planning.policy import missing_capabilities
from imagesync.planning.retirement import remove
from imagesync.planning.steps import KeyPlan


def make_plan(
    catalog: Catalog,
    inventory: Inventory,
    *,
    policy: Policy,
    capabilities: Capabilities | None,
    target: Identity,
    now: datetime,
) -> Plan:
    """The steps that turn what is live into what is wanted; PlanRefused for what is wrong with the set as a whole.

    ``capabilities`` None: not asked yet, nothing is checked against them (a plan without steps needs none). Limits of
    the policy are checked apart, by ``policy.check``, so that a plan over its limits can still be looked at.
    """
    found = situation(catalog, inventory, policy, now, capabilities)
    parts = [
        steps_for(found.scene, spec, found.decisions[spec.key], found.groups[spec.key], found.adopted.get(spec.key))
        for spec in found.wanted
    ]
    parts += [_take_away(found, generations) for generations in _leaving(found)]
    parts.append(KeyPlan(notes=tuple(left_alone(catalog, found.wanted, inventory))))
    steps = make_way(tuple(item for part in parts for item in part.steps), inventory)
    refusals = [*found.refusals, *(sentence for part in parts for sentence in part.refusals)]
    refusals += strays(catalog, found.wanted, inventory)
    refusals += find_clashes(found.wanted, found.decisions, inventory, found.adopted)
    refusals += missing_capabilities(steps, capabilities, found.wanted) if capabilities else []
    if refusals:
        raise PlanRefused(sorted(set(refusals)))
    return assembled(found, target, steps, parts, Kind.APPLY)


def _leaving(found: Situation) -> Iterator[Generations]:
    """The keys that left the manifest, and those whose day has come."""
    leaving = (set(found.groups) - found.scene.catalog.keys) | (set(found.groups) & found.expired)
    yield from (found.groups[key] for key in sorted(leaving))


def _take_away(found: Situation, generations: Generations) -> KeyPlan:
    policy, now = found.scene.policy, found.scene.now
    if policy.drift_only:
        return KeyPlan()
    if generations.key in found.expired:
        return remove(generations, policy, OnRemove.DELETE, Reason.EXPIRED, now)
    return remove(generations, policy, policy.on_remove, Reason.REMOVED, now)
