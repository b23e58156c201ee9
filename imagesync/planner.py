"""A catalogue and an inventory -> the plan. Pure: the clock and the target's identity are parameters.

Three passes: decide for each key (keep, promote, make), write the steps of each key, order them all. The same input
gives the same bytes, whatever the order of images in either side.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase

from imagesync.clashes import adopted_images, find_clashes, strays
from imagesync.decisions import Keep, Make, Promote, decide
from imagesync.errors import PlanRefused
from imagesync.generations import Generations, group
from imagesync.keysteps import Scene, steps_for
from imagesync.live import Capabilities, Identity, Inventory
from imagesync.model import Catalog, ImageSpec, OnExpire, OnRemove, Policy, Status
from imagesync.ordering import in_order, make_way
from imagesync.plan import Plan, Reason, Step
from imagesync.policy import missing_capabilities
from imagesync.retirement import Part, remove
from imagesync.staleness import reliances


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
    wanted, expired = _split_expired(catalog, now)
    groups = _owned_groups(catalog, inventory)
    adopted, refusals = adopted_images(catalog, wanted, inventory, groups)
    decisions = {
        spec.key: decide(spec, groups.get(spec.key, Generations(spec.key)), adopted.get(spec.key), catalog.name)
        for spec in wanted
    }
    ids = {key: found.owned.id for key, found in decisions.items() if isinstance(found, Keep | Promote)}
    made = frozenset(key for key, found in decisions.items() if isinstance(found, Make))
    scene = Scene(catalog, inventory, policy, now, ids, made)
    parts = [
        steps_for(scene, spec, decisions[spec.key], groups.get(spec.key, Generations(spec.key)), adopted.get(spec.key))
        for spec in wanted
    ]
    parts += [_take_away(scene, generations, expired) for generations in _leaving(scene, groups, wanted)]
    steps = make_way(tuple(item for part in parts for item in part.steps), inventory)
    refusals += [sentence for part in parts for sentence in part.refusals]
    refusals += strays(catalog, wanted, inventory)
    refusals += find_clashes(wanted, decisions, inventory, adopted)
    refusals += missing_capabilities(steps, capabilities, wanted) if capabilities else []
    if refusals:
        raise PlanRefused(sorted(set(refusals)))
    return _assemble(scene, target, groups, wanted, in_order(steps), parts)


def _assemble(
    scene: Scene,
    target: Identity,
    groups: Mapping[str, Generations],
    wanted: Sequence[ImageSpec],
    steps: tuple[Step, ...],
    parts: Sequence[Part],
) -> Plan:
    touched = {item.action.key for item in steps}
    keys = {spec.key for spec in wanted}
    kept_by_name = _leaving_keys(scene.catalog, groups)
    return Plan(
        catalog=scene.catalog.name,
        target=target,
        target_name=scene.catalog.target.name,
        steps=steps,
        relies=reliances(steps, scene.inventory),
        absent=tuple(sorted(key for key in scene.made if not groups.get(key, Generations(key)).current)),
        ids=dict(sorted(scene.ids.items())),
        wanted=len(wanted),
        owned=sum(bool(generations.current) for generations in groups.values()),
        unchanged=len(keys - touched),
        removed=tuple(sorted(touched & kept_by_name)),
        changed=tuple(sorted(touched & keys & set(groups))),
        notes=(*scene.catalog.warnings, *sorted({note for part in parts for note in part.notes})),
        manifest_digest=scene.catalog.digest,
        base=scene.catalog.base,
    )


def _owned_groups(catalog: Catalog, inventory: Inventory) -> dict[str, Generations]:
    return {key: found for key, found in group(inventory.owned).items() if in_scope(catalog, key)}


def in_scope(catalog: Catalog, key: str) -> bool:
    """Whether ``only`` lets the plan look at a key."""
    return not catalog.only or any(fnmatchcase(key, pattern) for pattern in catalog.only)


def _split_expired(catalog: Catalog, now: datetime) -> tuple[tuple[ImageSpec, ...], frozenset[str]]:
    """The images as wanted today, and the keys that ``on_expire: delete`` takes away."""
    wanted, gone = [], []
    for spec in catalog.images:
        if spec.expires is None or now.date().isoformat() < spec.expires:
            wanted.append(spec)
        elif spec.on_expire is OnExpire.DELETE:
            gone.append(spec.key)
        elif spec.on_expire is OnExpire.DEACTIVATE:
            wanted.append(replace(spec, status=Status.DEACTIVATED))
        else:
            wanted.append(replace(spec, hidden=True))
    return tuple(wanted), frozenset(gone)


def _leaving_keys(catalog: Catalog, groups: Mapping[str, Generations]) -> set[str]:
    return set(groups) - catalog.keys


def _leaving(scene: Scene, groups: Mapping[str, Generations], wanted: Sequence[ImageSpec]) -> Iterator[Generations]:
    keys = {spec.key for spec in wanted}
    leaving = _leaving_keys(scene.catalog, groups) | ({spec.key for spec in scene.catalog.images} - keys)
    yield from (groups[key] for key in sorted(leaving) if key in groups)


def _take_away(scene: Scene, generations: Generations, expired: frozenset[str]) -> Part:
    if scene.policy.drift_only:
        return Part()
    if generations.key in expired:
        return remove(generations, scene.policy, OnRemove.DELETE, Reason.EXPIRED)
    return remove(generations, scene.policy, scene.policy.on_remove, Reason.REMOVED)
