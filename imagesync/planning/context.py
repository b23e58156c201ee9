"""A ``PlanInput`` -> what every kind of plan starts from, and a plan put together from its parts. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime

from imagesync.model.catalog import Catalog, ImageSpec, OnExpire, Policy, Status
from imagesync.model.image import Capabilities, Identity, Inventory, LiveImage
from imagesync.model.plan import Candidate, Delete, Fate, Kind, Plan, Step, is_promotion
from imagesync.model.references import find_references
from imagesync.planning.clashes import find_adopted_images
from imagesync.planning.decisions import Decision, Keep, Make, Promote, decide
from imagesync.planning.generations import Groups, group
from imagesync.planning.ordering import order_steps
from imagesync.planning.ownership import Ownership, make_ownership
from imagesync.planning.staleness import collect_reliances
from imagesync.planning.steps import KeyPlan


@dataclass(frozen=True, slots=True)
class PlanInput:
    """All that a plan is made from: what is wanted, what is live, what is permitted, the target and the time.

    ``capabilities`` None: the target was not asked, and nothing is checked against them (a plan without steps needs
    none). ``now`` has a time zone.
    """

    catalog: Catalog
    inventory: Inventory
    _: KW_ONLY
    policy: Policy
    capabilities: Capabilities | None
    target: Identity
    now: datetime


@dataclass(frozen=True, slots=True)
class PlanningContext:
    """What is wanted today, what is there, and what becomes of each wanted key.

    ``wanted`` is without the keys in ``expired``, which ``on_expire: delete`` takes away; ``lapsed`` are the keys that
    ``on_expire`` hides or deactivates. ``ids`` are what references to keys mean, ``made`` the keys whose image this plan
    makes. ``refusals`` are sentences that forbid any plan.
    """

    given: PlanInput
    wanted: tuple[ImageSpec, ...]
    expired: frozenset[str]
    lapsed: frozenset[str]
    groups: Groups
    adopted: Mapping[str, LiveImage]
    decisions: Mapping[str, Decision]
    ids: Mapping[str, str]
    made: frozenset[str]
    refusals: tuple[str, ...] = ()

    @property
    def ownership(self) -> Ownership:
        """Where the images of the catalog may be."""
        return make_ownership(self.given.catalog, self.given.inventory.project_id)

    def members(self, spec: ImageSpec) -> frozenset[str]:
        """The wanted members of an image as project ids."""
        projects = self.given.inventory.projects
        return frozenset(member if isinstance(member, str) else projects[member] for member in spec.members)


def make_context(given: PlanInput) -> PlanningContext:
    """What is there against what is wanted, with a decision for each key."""
    catalog, policy = given.catalog, given.policy
    wanted, expired, lapsed = _split_expired(catalog, given.now)
    every = group(given.inventory.owned)
    groups = Groups({key: found for key, found in every.items() if catalog.is_in_scope(key)})
    adopted, refusals = find_adopted_images(catalog, wanted, given.inventory, groups)
    decisions = {
        spec.key: decide(
            spec,
            groups[spec.key],
            adopted.get(spec.key),
            catalog.name,
            project=given.inventory.project_id,
            reactivate=policy.reactivate,
        )
        for spec in wanted
    }
    # a reference to an image that --only leaves out means its current image
    ids = {key: image_id for key, image_id in every.current_ids().items() if key not in groups}
    ids |= {key: found.owned.id for key, found in decisions.items() if isinstance(found, Keep | Promote)}
    made = frozenset(key for key, found in decisions.items() if isinstance(found, Make))
    if policy.drift_only:  # nothing is made: a reference means the image that is there
        ids |= {key: image_id for key, image_id in groups.current_ids().items() if key in made}
        made = frozenset()
    refusals += _find_dangling(wanted, set(ids) | made)
    return PlanningContext(given, wanted, expired, lapsed, groups, adopted, decisions, ids, made, tuple(refusals))


def _find_dangling(wanted: Sequence[ImageSpec], known: set[str]) -> list[str]:
    return [
        f"images.{spec.key}: it refers to images.{key}, of which there is no image, and this run makes none"
        for spec in wanted
        for key in sorted(find_references(spec) - known)
    ]


def _split_expired(catalog: Catalog, now: datetime) -> tuple[tuple[ImageSpec, ...], frozenset[str], frozenset[str]]:
    """The images as wanted today, the keys that ``on_expire: delete`` takes away, those that it hides or deactivates."""
    wanted, gone, lapsed = [], [], []
    for spec in catalog.images:
        if spec.expires is None or now.date().isoformat() < spec.expires:
            wanted.append(spec)
        elif spec.on_expire is OnExpire.DELETE:
            gone.append(spec.key)
        else:
            off = spec.on_expire is OnExpire.DEACTIVATE
            wanted.append(replace(spec, status=Status.DEACTIVATED) if off else replace(spec, hidden=True))
            lapsed.append(spec.key)
    return tuple(wanted), frozenset(gone), frozenset(lapsed)


def assemble_plan(context: PlanningContext, steps: Sequence[Step], parts: Sequence[KeyPlan], kind: Kind) -> Plan:
    """The plan of these steps, put in order."""
    catalog, ordered = context.given.catalog, order_steps(steps)
    touched = {item.action.key for item in ordered}
    keys = {spec.key for spec in context.wanted}
    current = context.groups.current_ids()
    # what limits count: a key that a killed run left a staged build of, and nothing else, is neither
    removed, changed = touched & (set(current) - catalog.keys), touched & keys & set(current)
    if kind is Kind.STAGE or kind is Kind.DISCARD:  # what is published stays as it is
        removed, changed = set(), set()
    ids = {key: image_id for key, image_id in context.ids.items() if key in keys}
    return Plan(
        catalog=catalog.name,
        target=context.given.target,
        target_name=catalog.target.name,
        steps=ordered,
        relies=collect_reliances(ordered, context.given.inventory),
        absent=tuple(sorted(key for key in context.made & touched if key not in current)),
        ids=dict(sorted((ids if kind is Kind.APPLY else current).items())),
        wanted=len(context.wanted),
        owned=len(current),
        unchanged=len(keys - touched),
        removed=tuple(sorted(removed)),
        changed=tuple(sorted(changed)),
        notes=(*catalog.warnings, *sorted({note for part in parts for note in part.notes})),
        manifest_digest=catalog.digest,
        base=catalog.base,
        kind=kind,
        kept=tuple(sorted((one for part in parts for one in part.kept), key=lambda one: (one.key, one.image_id))),
        candidates=tuple(_list_candidates(context, ordered)),
        owners={key: owner for key, owner in sorted(context.ownership.owners.items()) if key in touched},
        copies=tuple(image.id for image in context.given.inventory.copies),
    )


def _list_candidates(context: PlanningContext, steps: Sequence[Step]) -> list[Candidate]:
    dropped = {item.action.image_id for item in steps if isinstance(item.action, Delete)}
    published = {getattr(item.action, "image_id", None) for item in steps if is_promotion(item)}
    return [
        Candidate(key, owned.id, owned.image.created_at, _decide_fate(context, key, owned.id, published, dropped))
        for key, generations in sorted(context.groups.items())
        for owned in generations.candidates
    ]


def _decide_fate(
    context: PlanningContext, key: str, image_id: str, published: set[str | None], dropped: set[str]
) -> Fate:
    if image_id in dropped:
        return Fate.DROPPED
    if image_id in published:
        return Fate.PUBLISHED
    decision = context.decisions.get(key)
    wanted = isinstance(decision, Promote) and decision.owned.id == image_id
    return Fate.WAITING if wanted else Fate.UNWANTED
