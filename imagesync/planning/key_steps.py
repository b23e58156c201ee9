"""The decision on one key -> its steps. Pure.

``steps_for`` writes the create, or the update and status change of a kept or promoted image, and with it the retirement
of what is superseded and the removal of what is left over.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from imagesync.model.catalog import Auto, Checksum, ImageSpec, Role, Status
from imagesync.model.image import LiveImage
from imagesync.model.plan import Create, Deactivate, FieldChange, Reactivate, Reason, Step, Update
from imagesync.model.record import Managed, Record, hash_value
from imagesync.model.references import references
from imagesync.planning.context import PlanningContext
from imagesync.planning.decisions import Keep, Make, Promote, Refuse, adopted_image, fits
from imagesync.planning.diff import compare
from imagesync.planning.generations import Generations, Owned, is_confirmed, is_stored_as_published, live_digests
from imagesync.planning.retirement import expired_generations, retire, sweep
from imagesync.planning.steps import KeyPlan, create_id, make_step
from imagesync.planning.stores import stores_change, stores_notes, verification_notes
from imagesync.planning.three_way import (
    DEFAULTS,
    current_record,
    make_state,
    managed_by,
    merge_states,
    reason_for,
    wanted_digest,
    wanted_status,
)


def steps_for(context: PlanningContext, spec: ImageSpec) -> KeyPlan:
    """All the steps of one wanted key."""
    decision, generations = context.decisions[spec.key], context.groups[spec.key]
    adopted, policy = context.adopted.get(spec.key), context.given.policy
    match decision:
        case Refuse(sentence):
            return KeyPlan(refusals=(sentence,))
        case Keep(owned, took_over):
            first = bring_up(context, spec, owned, Reason.ADOPT if took_over else None)
        case Promote(owned, reason):
            if policy.drift_only:
                return KeyPlan()
            first = bring_up(context, spec, owned, reason)
        case Make(reason, fill):
            if policy.drift_only and reason is not Reason.CONTENT_TAMPERED:
                return KeyPlan()
            if adopted is not None:
                generations = replace(generations, current=(adopted_image(spec, adopted, context.given.catalog.name),))
            if spec.key in context.lapsed and not generations.current:
                return KeyPlan(notes=(f"{spec.key}: expired on {spec.expires} and not there: it is not made any more",))
            notes = (
                *_member_notes(spec, generations),
                *_passed_over(spec, generations),
                *_unadopted_notes(spec, adopted),
                *verification_notes(spec),
            )
            first = KeyPlan((create(context, spec, generations, reason, fill),), notes)
        case _:
            assert_never(decision)
    return _with_retirements(context, spec, decision, generations, first)


def _with_retirements(
    context: PlanningContext, spec: ImageSpec, decision: Keep | Promote | Make, generations: Generations, first: KeyPlan
) -> KeyPlan:
    """The steps of a key together with those that take its superseded, surplus and left-over images away."""
    used = (decision.fill,) if isinstance(decision, Make) else (decision.owned.id,)
    leaving = [owned for owned in generations.current if owned.id not in used]
    if isinstance(decision, Keep):
        retiring = [item for owned in leaving for item in retire(owned, spec.on_replace, Reason.DUPLICATE, ())]
    else:
        retiring = superseded(spec, leaving, first)
    if context.given.policy.drift_only:
        return KeyPlan((*first.steps, *retiring), first.notes)
    left = replace(generations, retired=tuple(owned for owned in generations.retired if owned.id not in used))
    needs = () if isinstance(decision, Keep) else _published_by(first)
    gone = expired_generations(left, leaving, retiring, spec.on_replace, context.given.policy, context.given.now, needs)
    swept = sweep([owned for owned in generations.staging if owned.id not in used and owned.id != spec.id])
    return KeyPlan((*first.steps, *retiring, *gone.steps, *swept), first.notes, kept=gone.kept)


def superseded(spec: ImageSpec, leaving: Sequence[Owned], first: KeyPlan) -> list[Step]:
    """The retirement of the images in whose place the last step of ``first`` publishes another: after that, no gap."""
    needs = _published_by(first)
    return [item for owned in leaving for item in retire(owned, spec.on_replace, Reason.SUPERSEDED, needs)]


def _published_by(first: KeyPlan) -> tuple[str, ...]:
    return tuple(item.id for item in first.steps[-1:])


def create(
    context: PlanningContext, spec: ImageSpec, generations: Generations, reason: Reason, fill: str | None
) -> Step:
    """The new image of a key; ``fill`` is the queued record that it fills."""
    members = context.members(spec)
    record = Record(
        catalog=context.given.catalog.name,
        key=spec.key,
        role=Role.CURRENT,
        digests=spec.fingerprint.digests,
        url=spec.url_identity,
        spec=wanted_digest(spec),
        managed=managed_by(spec, members, generations.next_number),
    )
    action = Create(
        key=spec.key,
        state=make_state(spec, members, context.ids),
        source=spec.source,
        fingerprint=spec.fingerprint,
        record=record,
        image_id=spec.id,
        fill=fill,
        replaces=tuple(owned.id for owned in generations.current if owned.id != fill),
        min_disk_auto=isinstance(spec.min_disk, Auto),
    )
    return make_step(action, reason, _needed_by(context, spec))


def _needed_by(context: PlanningContext, spec: ImageSpec) -> tuple[str, ...]:
    return tuple(sorted(create_id(key) for key in references(spec) & context.made))


def bring_up(context: PlanningContext, spec: ImageSpec, owned: Owned, reason: Reason | None) -> KeyPlan:
    """What makes one existing image the current one as wanted; ``reason`` None: it is current already."""
    members, managed = context.members(spec), owned.record.managed
    if owned.record.role is Role.STAGING:
        # it is as it was staged, which no manifest says: everything is set, what is left to others once it is there too
        managed = replace(managed, fields={**dict.fromkeys(DEFAULTS, ""), **managed.fields})
        spec = replace(spec, ignore=())
        owned = replace(owned, record=replace(owned.record, digests=_known_digests(spec, owned)))
    live_members = context.given.inventory.members.get(owned.id, ())
    before, after = merge_states(_as_made(spec, owned), owned.image, managed, members, live_members, context.ids)
    record = replace(current_record(context.given.catalog.name, spec, members, owned.record), role=Role.CURRENT)

    def why(path: tuple[str, ...]) -> Reason:
        found = reason or reason_for(path, record.managed, owned.record.managed)
        lapsed = found is Reason.MANIFEST_CHANGED and path == ("hidden",) and spec.key in context.lapsed and spec.hidden
        return Reason.EXPIRED if lapsed else found

    status = _status_step(context, spec, owned, managed, reason)
    by_then = _status_by_then(owned, status)
    moved = stores_change(spec, owned.image, by_then, context.given.capabilities, why(("stores",)))
    changes = tuple(sorted((*compare(before, after, why), *moved), key=lambda change: change.path))
    if context.given.policy.drift_only:
        changes = tuple(change for change in changes if change.reason is Reason.DRIFT)
    update = _update_step(context, spec, owned, changes, record, reason)
    notes = (*_status_notes(context, spec, owned, managed), *_adoption_notes(spec, owned, reason))
    notes += stores_notes(spec, owned.image, by_then, context.given.capabilities)
    return KeyPlan(_chained(update, status, promoted=owned.record.role is not Role.CURRENT), notes)


def _as_made(spec: ImageSpec, owned: Owned) -> ImageSpec:
    """The formats of an image that the service converted are its own choice."""
    return replace(spec, disk_format=None, container_format=None) if owned.record.converted else spec


def _status_by_then(owned: Owned, status: Step | None) -> Status:
    """What the image's status is when its update is done: a status step comes first, see ``_chained``."""
    match status:
        case Step(action=Reactivate()):
            return Status.ACTIVE
        case Step(action=Deactivate()) if owned.record.role is not Role.CURRENT:
            return Status.DEACTIVATED
        case _:
            return owned.image.status


def _update_step(
    context: PlanningContext,
    spec: ImageSpec,
    owned: Owned,
    changes: tuple[FieldChange, ...],
    record: Record,
    reason: Reason | None,
) -> Step | None:
    noted = record.managed.names() != owned.record.managed.names() and not context.given.policy.drift_only
    if not (changes or noted or reason):
        return None
    written = owned.record if context.given.policy.drift_only else record
    action = Update(spec.key, owned.id, changes, written)
    found = {change.reason for change in changes}
    only = found.pop() if len(found) == 1 else Reason.MANIFEST_CHANGED
    if not changes and spec.key in context.lapsed and spec.status is Status.DEACTIVATED:
        only = Reason.EXPIRED  # the note of the deactivation that follows
    return make_step(action, reason or only, _needed_by(context, spec))


def _known_digests(spec: ImageSpec, owned: Owned) -> tuple[Checksum, ...]:
    """Every digest of a staged build's published bytes: those recorded, and the service's own where nothing was packed."""
    known = {digest.algorithm: digest for digest in owned.record.digests}
    if is_stored_as_published(spec, owned):
        known = {digest.algorithm: digest for digest in live_digests(owned.image)} | known
    return tuple(known[name] for name in sorted(known))


def _status_step(
    context: PlanningContext, spec: ImageSpec, owned: Owned, managed: Managed, reason: Reason | None
) -> Step | None:
    wanted, live = wanted_status(spec, managed), owned.image.status
    if wanted is None and live is Status.DEACTIVATED and context.given.policy.reactivate:
        wanted = Status.ACTIVE
    recorded = managed.fields.get("status")
    again = spec.status is not None and recorded == hash_value(spec.status.value)
    changed = Reason.EXPIRED if spec.key in context.lapsed and wanted is Status.DEACTIVATED else Reason.MANIFEST_CHANGED
    why = reason or (Reason.DRIFT if again else changed)
    if context.given.policy.drift_only and why is not Reason.DRIFT:
        return None
    if wanted is Status.DEACTIVATED and live is Status.ACTIVE:
        return make_step(Deactivate(spec.key, owned.id), why)
    if wanted is Status.ACTIVE and live is Status.DEACTIVATED:
        return make_step(Reactivate(spec.key, owned.id), why)
    return None


def _chained(update: Step | None, status: Step | None, *, promoted: bool) -> tuple[Step, ...]:
    """One writer per image. A status change comes before the update that publishes, or that follows a reactivation."""
    if update is None or status is None:
        return tuple(item for item in (update, status) if item)
    status_first = promoted or isinstance(status.action, Reactivate)
    first, second = (status, update) if status_first else (update, status)
    return first, replace(second, needs=(*second.needs, first.id))


def _status_notes(context: PlanningContext, spec: ImageSpec, owned: Owned, managed: Managed) -> tuple[str, ...]:
    by_others = owned.image.status is Status.DEACTIVATED and wanted_status(spec, managed) is None
    if not by_others or context.given.policy.reactivate:
        return ()
    ways = "declare status: active, or pass --reactivate, to take it back into use"
    return (f"{spec.key}: image {owned.id} was deactivated, not by imagesync, and stays so; {ways}",)


def _adoption_notes(spec: ImageSpec, owned: Owned, reason: Reason | None) -> tuple[str, ...]:
    if reason is not Reason.ADOPT or not spec.fingerprint.digests or is_confirmed(spec, owned.image):
        return ()
    return (f"{spec.key}: image {owned.id} is adopted, its content taken for {spec.fingerprint.digests[0]} on trust",)


def _unadopted_notes(spec: ImageSpec, adopted: LiveImage | None) -> tuple[str, ...]:
    if adopted is None:
        return ()
    why = "does not hold the declared content, or not in the declared format"
    return (f"{spec.key}: image {adopted.id}, named to be adopted, {why}: a new build takes its place",)


def _passed_over(spec: ImageSpec, generations: Generations) -> tuple[str, ...]:
    """Earlier builds with the wanted content that somebody else deactivated."""
    deactivated = [owned for owned in generations.last_retired_first if owned.image.status is Status.DEACTIVATED]
    found = [owned.id for owned in deactivated if fits(spec, owned)]
    ways = "declare status: active, or pass --reactivate, to go back to it without an upload"
    return tuple(
        f"{spec.key}: image {image_id} has this content, but was deactivated, not by imagesync; {ways}"
        for image_id in found[:1]
    )


def _member_notes(spec: ImageSpec, generations: Generations) -> tuple[str, ...]:
    if not (spec.members and generations.current):
        return ()
    return (f"{spec.key}: members have to accept the new build; what they accepted does not carry over to it",)
