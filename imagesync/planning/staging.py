"""A catalogue and an inventory -> the plans of test before publishing: candidates made, or dropped. Pure.

A candidate is a staged build that is active, hidden and private: verified, and seen by nobody but its project. ``stage``
adds those that are missing and does nothing else: what is published stays as it is, whatever the manifest says of it.
The next whole plan publishes a candidate that is still wanted, and drops the others.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase

from imagesync.errors import PlanRefused
from imagesync.model.catalog import Catalog, ImageSpec, Policy, Role
from imagesync.model.image import Capabilities, Identity, Inventory
from imagesync.model.plan import Create, Delete, Kind, Plan, Reason, Step
from imagesync.planning.clashes import find_clashes
from imagesync.planning.context import Situation, assembled, situation
from imagesync.planning.decisions import Make, Promote, Refuse
from imagesync.planning.key_steps import create
from imagesync.planning.policy import missing_capabilities
from imagesync.planning.steps import KeyPlan, make_step
from imagesync.planning.stores import verification_notes


def stage_plan(
    catalog: Catalog,
    inventory: Inventory,
    *,
    policy: Policy,
    capabilities: Capabilities | None,
    target: Identity,
    now: datetime,
) -> Plan:
    """Every build that would be uploaded, as a candidate; PlanRefused as for the whole plan."""
    found = situation(catalog, inventory, policy, now, capabilities)
    parts = [_staged(found, spec) for spec in found.wanted]
    steps = _among_themselves([item for part in parts for item in part.steps])
    refusals = [*found.refusals, *(sentence for part in parts for sentence in part.refusals)]
    refusals += find_clashes(found.wanted, found.decisions, inventory, found.adopted)
    refusals += missing_capabilities(steps, capabilities, found.wanted) if capabilities else []
    if refusals:
        raise PlanRefused(sorted(set(refusals)))
    return assembled(found, target, steps, parts, Kind.STAGE)


def _staged(found: Situation, spec: ImageSpec) -> KeyPlan:
    match found.decisions[spec.key]:
        case Refuse(sentence):
            return KeyPlan(refusals=(sentence,))
        case Make(reason, fill) if spec.has_data and not _is_over(found, spec):
            item = create(found.scene, spec, found.groups[spec.key], reason, fill)
            assert isinstance(item.action, Create)  # noqa: S101 - for the type checker
            staged = replace(item, action=replace(item.action, stage=True, replaces=()))
            return KeyPlan((staged,), verification_notes(spec))
        case Promote(owned) if owned.record.role is Role.RETIRED:
            note = (
                f"{spec.key}: retired image {owned.id} has this content; the next apply publishes it, nothing is staged"
            )
            return KeyPlan(notes=(note,))
        case _:
            return KeyPlan()


def _among_themselves(steps: Sequence[Step]) -> tuple[Step, ...]:
    """A candidate waits for those it refers to; a record without data it gets to know when it is published."""
    ids = {item.id for item in steps}
    return tuple(replace(item, needs=tuple(need for need in item.needs if need in ids)) for item in steps)


def _is_over(found: Situation, spec: ImageSpec) -> bool:
    return spec.key in found.scene.lapsed and not found.groups[spec.key].current


def discard_plan(
    catalog: Catalog,
    inventory: Inventory,
    *,
    keys: str,
    policy: Policy,
    capabilities: Capabilities | None,
    target: Identity,
    now: datetime,
) -> Plan:
    """The deletion of the candidates whose key matches the glob ``keys``; PlanRefused where it matches no key at all."""
    found = situation(catalog, inventory, policy, now, capabilities)
    known = sorted({*found.groups, *(spec.key for spec in catalog.images)})
    matching = [key for key in known if fnmatchcase(key, keys)]
    if not matching and keys != "*":
        close = get_close_matches(keys, known, 3) or sorted(key for key in known if found.groups[key].candidates)
        ways = f"did you mean {', '.join(close)}?" if close else "nothing is staged"
        raise PlanRefused([f"--discard-staged {keys}: no such key (a PATH stands before the option); {ways}"])
    pinned = {spec.id for spec in catalog.images}
    steps: list[Step] = []
    refusals = []
    for key in matching:
        for owned in found.groups[key].candidates:
            if owned.id in pinned:
                refusals.append(
                    f"images.{key}: the candidate has the pinned id {owned.id}, which the service never gives out again; "
                    "take id out of the manifest, or choose another, and drop it then"
                )
            steps.append(make_step(Delete(key, owned.id, owned.image.size, owned.image.protected), Reason.DISCARDED))
    if refusals:
        raise PlanRefused(refusals)
    return assembled(found, target, steps, (), Kind.DISCARD)
