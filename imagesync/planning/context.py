"""A ``PlanInput`` -> the decisions that every kind of plan starts from; and steps -> a whole ``Plan``. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from imagesync.model.catalog import Catalog, ImageSpec, OnExpire, Status
from imagesync.model.image import Capabilities, Identity, Inventory, LiveImage
from imagesync.model.plan import Candidate, Create, Delete, Fate, Kind, Plan, PlanError, Step, is_promotion
from imagesync.model.policy import Policy
from imagesync.model.references import find_references
from imagesync.planning.alike_names import note_alike_names
from imagesync.planning.clashes import find_adopted_images, find_disputes
from imagesync.planning.clock import Clock, date_plan
from imagesync.planning.counting import find_changed_keys, find_removed_keys
from imagesync.planning.decisions import Decision, Keep, Leave, Make, Promote, Refuse, decide
from imagesync.planning.faults import find_faults
from imagesync.planning.generations import Generations, Groups, Owned
from imagesync.planning.moves import group_by_new_key
from imagesync.planning.ordering import order_steps
from imagesync.planning.ownership import Ownership, make_ownership
from imagesync.planning.staleness import collect_reliances
from imagesync.planning.steps import KeyPlan
from imagesync.planning.undigested import refuse_undigested


@dataclass(frozen=True, slots=True)
class PlanInput:
    """All that a plan is made from: declared images, live images, permissions, the target and the time.

    ``capabilities`` None: they are unknown, and no step is checked against them. A plan without steps needs none.
    """

    catalog: Catalog
    inventory: Inventory
    _: KW_ONLY
    policy: Policy
    capabilities: Capabilities | None
    target: Identity
    clock: Clock

    @property
    def deletion_time(self) -> datetime | None:
        """The time that decides whether an image is old enough to be deleted; None if none may be deleted by age."""
        return None if self.clock.problem else self.clock.earliest


@dataclass(frozen=True, slots=True)
class PlanningContext:
    """The images declared today, the live images, and the decision for each declared key.

    ``wanted`` are the declared images without ``expired``: keys that ``on_expire: delete`` removes. ``lapsed`` are keys
    that ``on_expire`` hides or deactivates. ``undated`` are keys for which the clocks disagree on ``expires``: they are
    left as they are. ``ids`` is the image that a reference to a key means; ``made`` are the keys that this plan makes an
    image for. ``refusals`` are sentences that forbid any plan. ``moved``: the new key of each former key with images.
    """

    given: PlanInput
    wanted: tuple[ImageSpec, ...]
    expired: frozenset[str]
    lapsed: frozenset[str]
    undated: frozenset[str]
    groups: Groups
    adopted: Mapping[str, LiveImage]
    decisions: Mapping[str, Decision]
    ids: Mapping[str, str]
    made: frozenset[str]
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    errors: tuple[PlanError, ...] = ()
    moved: Mapping[str, str] = field(default_factory=dict)

    @property
    def ownership(self) -> Ownership:
        """The projects that the catalog may own images in."""
        return make_ownership(self.given.catalog, self.given.inventory.project_id)

    def find_members(self, spec: ImageSpec) -> frozenset[str]:
        """The declared members of an image as project ids."""
        projects = self.given.inventory.projects
        return frozenset(member if isinstance(member, str) else projects[member] for member in spec.members)


def make_context(given: PlanInput, excluded: Mapping[str, str] = MappingProxyType({})) -> PlanningContext:
    """Compares declared and live images and decides on each key.

    ``excluded``: keys to leave as they are for a reason that only their steps show; by key the sentence about it.
    """
    catalog, policy = given.catalog, given.policy
    wanted, expired, lapsed, undated = _split_expired(given)
    declared = {} if policy.drift_only else catalog.moved
    every, moved = group_by_new_key(declared, given.inventory.owned, given.clock.latest)
    groups = Groups({key: found for key, found in every.items() if catalog.is_in_scope(key)})
    adopted, refused = find_adopted_images(catalog, wanted, given.inventory, groups)
    current = groups.find_current_ids()
    decisions = _decide_keys(given, wanted, groups, adopted, lapsed)
    decisions |= _leave_disputed(wanted, decisions, groups, given.inventory, adopted, refused)
    decisions |= _leave_excluded(wanted, decisions, groups, excluded, lapsed, undated)
    refusals = [
        spec.places.get("adopt", spec.place).add_to(refused[spec.key])
        for spec in wanted
        if spec.key in refused and not isinstance(decisions[spec.key], Leave)
    ]
    refusals += refuse_undigested(wanted, groups)
    # a reference to a key that --only excludes means its current image
    ids = {key: image_id for key, image_id in every.find_current_ids().items() if key not in groups}
    faults = find_faults(wanted, decisions, groups)
    decisions |= faults.left
    decisions |= _leave_dependents(wanted, decisions, groups)
    ids |= {key: current[key] for key in _find_left(decisions) if key in current}
    ids |= {key: found.owned.id for key, found in decisions.items() if isinstance(found, Keep | Promote)}
    made = frozenset(key for key, found in decisions.items() if isinstance(found, Make))
    if policy.drift_only:  # makes no image: a reference means the current one
        ids |= {key: image_id for key, image_id in current.items() if key in made}
        made = frozenset()
    left = _find_left(decisions)
    refusals += _find_dangling([spec for spec in wanted if spec.key not in left], set(ids) | made)
    return PlanningContext(
        given,
        wanted,
        expired,
        lapsed,
        undated,
        groups,
        adopted,
        decisions,
        ids,
        made,
        tuple(refusals),
        faults.warnings,
        faults.errors,
        {old: key for old, key in moved.items() if key in groups},
    )


def _decide_keys(
    given: PlanInput,
    wanted: Sequence[ImageSpec],
    groups: Groups,
    adopted: Mapping[str, LiveImage],
    lapsed: frozenset[str],
) -> dict[str, Decision]:
    """The decision on each key, without regard to the other keys."""
    return {
        spec.key: decide(
            spec,
            groups[spec.key],
            adopted.get(spec.key),
            given.catalog.name,
            given.policy,
            project=given.inventory.project_id,
            lapsed=spec.key in lapsed,
        )
        for spec in wanted
    }


def _leave_excluded(
    wanted: Sequence[ImageSpec],
    decisions: Mapping[str, Decision],
    groups: Groups,
    excluded: Mapping[str, str],
    lapsed: frozenset[str],
    undated: frozenset[str],
) -> dict[str, Decision]:
    """The keys that are left as they are because the caller excludes them, or because of their expiry."""
    left: dict[str, Decision] = {}
    for spec in wanted:
        if spec.key in excluded:
            left[spec.key] = Leave(excluded[spec.key], groups[spec.key].staging)
        if spec.key in undated:
            left[spec.key] = _leave_undated(spec, groups[spec.key])
        elif spec.key in lapsed and not _is_kept(left.get(spec.key, decisions[spec.key])):
            left[spec.key] = _leave_lapsed(spec, groups[spec.key])
    return left


def _find_left(decisions: Mapping[str, Decision]) -> frozenset[str]:
    """The keys that are left as they are."""
    return frozenset(key for key, found in decisions.items() if isinstance(found, Leave))


def _leave_disputed(
    wanted: Sequence[ImageSpec],
    decisions: Mapping[str, Decision],
    groups: Groups,
    inventory: Inventory,
    adopted: Mapping[str, LiveImage],
    refused: Mapping[str, str],
) -> dict[str, Decision]:
    """The keys that images of another project block: they are left as they are, and a note says why."""
    found: dict[str, Decision] = {}
    for spec in wanted:
        if sentences := find_disputes(spec, decisions, inventory, adopted, refused):
            sentence = f"nothing is done for this key: {'; '.join(sorted(set(sentences)))}"
            found[spec.key] = Leave(f"{spec.key}: {sentence}", groups[spec.key].staging)
    return found


def _leave_dependents(
    wanted: Sequence[ImageSpec], decisions: Mapping[str, Decision], groups: Groups
) -> dict[str, Decision]:
    """The keys that refer, directly or through others, to a key that stays without an image."""
    current = groups.find_current_ids()
    found: dict[str, Decision] = {}
    while True:
        missing = _find_left({**decisions, **found}) - set(current)
        new = {
            spec.key: _wait_for(spec, min(lacking), decisions[spec.key], groups[spec.key])
            for spec in wanted
            if spec.key not in found and not isinstance(decisions[spec.key], Leave | Refuse)
            if (lacking := find_references(spec) & missing)
        }
        if not new:
            return found
        found |= new


def _wait_for(spec: ImageSpec, key: str, decision: Decision, generations: Generations) -> Leave:
    used = decision.owned.id if isinstance(decision, Promote) else None
    used = decision.fill if isinstance(decision, Make) else used
    sentence = (
        f"{spec.key}: it refers to images.{key}, which has no published image yet; this key is left as it is until then"
    )
    return Leave(sentence, tuple(owned for owned in generations.staging if owned.id == used))


def _find_dangling(wanted: Sequence[ImageSpec], known: set[str]) -> list[str]:
    return [
        spec.place.add_to(
            f"images.{spec.key}: it refers to images.{key}, which has no image, and this run makes none; "
            "include that key in the run, or remove the reference"
        )
        for spec in wanted
        for key in sorted(find_references(spec) - known)
    ]


def _split_expired(
    given: PlanInput,
) -> tuple[tuple[ImageSpec, ...], frozenset[str], frozenset[str], frozenset[str]]:
    """``wanted``, ``expired``, ``lapsed`` and ``undated`` of a ``PlanningContext``, in this order."""
    wanted, expired, lapsed, undated = [], [], [], []
    earliest, latest = (moment.date().isoformat() for moment in (given.clock.earliest, given.clock.latest))
    for spec in given.catalog.images:
        is_deleted = spec.on_expire is OnExpire.DELETE
        if spec.expires is None or latest < spec.expires:
            wanted.append(spec)
        elif earliest < spec.expires or (is_deleted and given.deletion_time is None):
            wanted.append(spec)
            undated.append(spec.key)
        elif is_deleted:
            expired.append(spec.key)
        else:
            off = spec.on_expire is OnExpire.DEACTIVATE
            wanted.append(replace(spec, status=Status.DEACTIVATED) if off else replace(spec, hidden=True))
            lapsed.append(spec.key)
    return tuple(wanted), frozenset(expired), frozenset(lapsed), frozenset(undated)


def _leave_undated(spec: ImageSpec, generations: Generations) -> Leave:
    """A clock that is behind must not bring back what ``on_expire`` removed."""
    sentence = f"{spec.key}: the clocks differ on whether it has expired ({spec.expires}); nothing is done for this key"
    return Leave(sentence, generations.staging)


def _is_kept(decision: Decision) -> bool:
    """Whether an expired key may have this decision: no image is made, published or adopted for it after that day."""
    return isinstance(decision, Leave | Refuse) or (isinstance(decision, Keep) and not decision.adopted)


def _leave_lapsed(spec: ImageSpec, generations: Generations) -> Leave:
    """``on_expire`` hides or deactivates the current image, which counts as a removal; a new build would evade that."""
    return Leave(
        f"{spec.key}: it has expired ({spec.expires}): no image is made, published or adopted", generations.staging
    )


class _Places(Mapping[str, str]):
    """The places of the declared images, as text. They are computed on demand: all of 10,000 images take a second."""

    def __init__(self, images: Sequence[ImageSpec]) -> None:
        self._images = {spec.key: spec for spec in images}

    def __getitem__(self, key: str) -> str:
        place = self._images[key].place
        if not place.line:
            raise KeyError(key)
        return str(place)

    def __iter__(self) -> Iterator[str]:
        return (key for key, spec in self._images.items() if spec.place.line)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def assemble_plan(context: PlanningContext, steps: Sequence[Step], parts: Sequence[KeyPlan], kind: Kind) -> Plan:
    """The plan of these steps; it sorts them, counts keys and lists candidates. PlanRefused for circular references."""
    catalog, ordered = context.given.catalog, order_steps(steps)
    touched = {item.action.key for item in ordered}
    keys = {spec.key for spec in context.wanted}
    current = context.groups.find_current_ids()
    removed, changed = find_removed_keys(ordered, context.groups), find_changed_keys(ordered, context.groups)
    if kind is Kind.STAGE or kind is Kind.DISCARD:  # published images stay as they are
        removed, changed = frozenset(), frozenset()
    live = set(current) & catalog.keys - context.lapsed - context.expired - context.undated
    left = frozenset[str]() if context.given.policy.drift_only else _find_left(context.decisions)
    ids = {key: image_id for key, image_id in context.ids.items() if key in keys}
    named = ids if kind is Kind.APPLY else current
    notes = {note for part in parts for note in part.notes} | set(note_alike_names(ordered, context.given.inventory))
    notes = (notes | {context.given.clock.problem, *context.warnings}) - {""}
    return Plan(
        catalog=catalog.name,
        target=context.given.target,
        target_name=catalog.target.name,
        steps=ordered,
        relies=collect_reliances(ordered, context.given.inventory),
        absent=tuple(sorted(key for key in context.made & touched if key not in current)),
        ids=dict(sorted(named.items())),
        wanted=len(context.wanted),
        owned=len(live | removed | changed),
        unchanged=len((keys & current.keys()) - touched - left),
        removed=tuple(sorted(removed)),
        changed=tuple(sorted(changed)),
        notes=(*catalog.warnings, *sorted(notes)),
        manifest_digest=catalog.digest,
        base=catalog.base,
        kind=kind,
        kept=tuple(sorted((one for part in parts for one in part.kept), key=lambda one: (one.key, one.image_id))),
        candidates=tuple(_list_candidates(context, ordered)),
        owners=dict(sorted(context.ownership.owners.items())),
        places=_Places(catalog.images),
        copies=tuple(image.id for image in context.given.inventory.copies),
        expires={spec.key: spec.expires for spec in context.wanted if spec.expires and spec.key not in context.lapsed},
        errors=() if kind is Kind.DISCARD else context.errors,
        moved={old: key for old, key in sorted(context.moved.items()) if key in touched or key in named},
        made=date_plan(ordered, context.given.clock),
    )


def _list_candidates(context: PlanningContext, steps: Sequence[Step]) -> list[Candidate]:
    dropped = {item.action.image_id for item in steps if isinstance(item.action, Delete)}
    published = {getattr(item.action, "image_id", None) for item in steps if is_promotion(item)}
    published |= {item.action.fill for item in steps if isinstance(item.action, Create) and not item.action.stage}
    return [
        Candidate(key, owned.id, owned.image.created_at, _decide_fate(decision, owned, left, published, dropped))
        for key, generations in sorted(context.groups.items())
        for decision in [context.decisions.get(key)]
        for left in [_find_left_ids(decision)]
        for listed in [_find_listed_ids(decision, generations, left)]
        for owned in generations.verified
        if owned.id in listed
    ]


def _find_left_ids(decision: Decision | None) -> frozenset[str]:
    """The ids of the staged images that stay because their key is left as it is."""
    return frozenset(owned.id for owned in decision.staged) if isinstance(decision, Leave) else frozenset()


def _find_listed_ids(decision: Decision | None, generations: Generations, left: frozenset[str]) -> frozenset[str]:
    """The ids of the staged images that a plan lists: active candidates, and those that an operator rejected."""
    rejected = left if isinstance(decision, Leave) and decision.rejected else frozenset()
    return rejected | {owned.id for owned in generations.candidates}


def _decide_fate(
    decision: Decision | None, owned: Owned, left: frozenset[str], published: set[str | None], dropped: set[str]
) -> Fate:
    if owned.id in dropped:
        return Fate.DROPPED
    if owned.id in published:
        return Fate.PUBLISHED
    if isinstance(decision, Leave):
        kept = Fate.REJECTED if decision.rejected else Fate.WAITING
        return kept if owned.id in left else Fate.UNWANTED
    wanted = (isinstance(decision, Promote) and decision.owned.id == owned.id) or (
        isinstance(decision, Make) and decision.fill == owned.id
    )
    return Fate.WAITING if wanted else Fate.UNWANTED
