"""The decision on one key -> its steps. Pure.

``plan_key`` returns the create, or the update and status change of a kept or promoted image. It adds the retirement of
superseded images and the deletion of left-over ones.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from imagesync.model.catalog import Auto, Checksum, ImageSpec, OnExpire, Role, Status, UrlSource
from imagesync.model.image import LiveImage
from imagesync.model.plan import Create, Deactivate, FieldChange, Reactivate, Reason, Step, Update
from imagesync.model.record import Managed, Record, hash_value
from imagesync.model.references import find_references
from imagesync.model.urls import has_secret
from imagesync.planning.context import PlanningContext
from imagesync.planning.decisions import (
    Keep,
    Leave,
    Make,
    Promote,
    Refuse,
    is_tampered,
    is_wanted_build,
    pass_over_content,
)
from imagesync.planning.diff import compare
from imagesync.planning.generations import Generations, Owned, is_stored_as_published, settle_digests
from imagesync.planning.moves import add_moves
from imagesync.planning.retirement import deactivate, expire_generations, hide, retire_all, sweep
from imagesync.planning.steps import KeyPlan, create_id, make_step
from imagesync.planning.stores import note_stores, note_verification, plan_store_copy
from imagesync.planning.succession import find_differences
from imagesync.planning.three_way import (
    DEFAULTS,
    find_reason,
    find_wanted_status,
    list_managed_names,
    make_current_record,
    make_managed,
    make_state,
    merge_states,
    wanted_digest,
)
from imagesync.planning.trust import Trust, believe_history, is_made_visible, judge, note_read_back


def plan_key(context: PlanningContext, spec: ImageSpec) -> KeyPlan:
    """All the steps of one declared key."""
    part = _plan_changes(context, spec)
    if spec.key not in context.moved.values() or part.refusals:
        return part
    return replace(part, steps=add_moves(part.steps, context.groups[spec.key]))


def _plan_changes(context: PlanningContext, spec: ImageSpec) -> KeyPlan:
    """The steps of one declared key whose images have this key."""
    decision, generations = context.decisions[spec.key], context.groups[spec.key]
    adopted, policy = context.adopted.get(spec.key), context.given.policy
    match decision:
        case Refuse(sentence):
            return KeyPlan(refusals=(spec.place.add_to(sentence),))
        case Leave():
            return _leave_alone(context, spec, decision, generations)
        case Keep(owned, took_over):
            first = bring_up(context, spec, owned, Reason.ADOPT if took_over else None)
        case Promote(owned, reason):
            if policy.drift_only:
                return KeyPlan()
            generations = _add_passed_over(context, spec, generations)
            first = bring_up(context, spec, owned, reason)
            first = replace(first, notes=(*_note_unadopted(spec, adopted, f"image {owned.id}"), *first.notes))
        case Make(reason) as make:
            if policy.drift_only and reason is not Reason.CONTENT_TAMPERED:
                return KeyPlan()
            generations = _add_passed_over(context, spec, generations)
            notes = (
                *_note_members(spec, generations),
                *_note_passed_over(spec, generations),
                *_note_unadopted(spec, adopted, "a new build"),
                *note_verification(spec),
            )
            first = KeyPlan((create(context, spec, generations, make),), notes)
        case _:
            assert_never(decision)
    return _add_retirements(context, spec, decision, generations, first)


def _add_passed_over(context: PlanningContext, spec: ImageSpec, generations: Generations) -> Generations:
    """The images of a key with the image that ``adopt`` names as the current one: it retires."""
    adopted = context.adopted.get(spec.key)
    if adopted is None:
        return generations
    return replace(generations, current=(pass_over_content(spec, adopted, context.given.catalog.name),))


def _leave_alone(context: PlanningContext, spec: ImageSpec, decision: Leave, generations: Generations) -> KeyPlan:
    """Only what ``on_expire`` does to the current image, and the deletion of unused staged images."""
    if context.given.policy.drift_only:
        return KeyPlan(notes=(decision.sentence,) if is_tampered(spec, generations) else ())
    if spec.key in context.lapsed and not generations.current and not decision.rejected:
        return KeyPlan(notes=(_note_expired(spec),))
    steps: tuple[Step, ...] = ()
    if spec.key in context.lapsed:
        switch_off = deactivate if spec.on_expire is OnExpire.DEACTIVATE else hide
        steps = switch_off(generations.current, Reason.EXPIRED)
    kept = {owned.id for owned in decision.staged}
    left_over = [owned for owned in generations.staging if owned.id not in kept]
    swept = sweep(left_over, generations.deleting)
    return KeyPlan((*steps, *swept), (decision.sentence,) if decision.sentence else ())


def _add_retirements(
    context: PlanningContext, spec: ImageSpec, decision: Keep | Promote | Make, generations: Generations, first: KeyPlan
) -> KeyPlan:
    """The steps ``first`` and those that retire or delete superseded, surplus and left-over images of the key."""
    used = (decision.fill,) if isinstance(decision, Make) else (decision.owned.id,)
    leaving = [owned for owned in generations.current if owned.id not in used]
    if isinstance(decision, Keep) and not (
        leaving or generations.staging or generations.retired or generations.deleting
    ):
        return first  # nearly all keys
    if isinstance(decision, Keep):
        needs = _find_publishing_step(first)  # a duplicate stays until the kept image is as declared
        retiring = retire_all(generations, leaving, spec.on_replace, Reason.DUPLICATE, needs)
    else:
        retiring = retire_superseded(spec, generations, leaving, first)
    if context.given.policy.drift_only:
        return KeyPlan((*first.steps, *retiring), first.notes)
    left = replace(generations, retired=tuple(owned for owned in generations.retired if owned.id not in used))
    needs = () if isinstance(decision, Keep) else _find_publishing_step(first)
    foreign = context.adopted.get(spec.key)
    expiry = expire_generations(
        left,
        leaving,
        retiring,
        spec.on_replace,
        context.given.policy,
        context.given.deletion_time,
        needs,
        spared=frozenset() if foreign is None else frozenset({foreign.id}),
    )
    left_over = [owned for owned in generations.staging if owned.id not in used and owned.id != spec.id]
    compared = decision.may_hold if isinstance(decision, Make) else ()
    swept = sweep(left_over, generations.deleting, {image_id: _find_publishing_step(first) for image_id in compared})
    return KeyPlan((*first.steps, *retiring, *expiry.steps, *swept), first.notes, kept=expiry.kept)


def retire_superseded(
    spec: ImageSpec, generations: Generations, leaving: Sequence[Owned], first: KeyPlan
) -> list[Step]:
    """The steps that retire the images ``leaving``, after the last step of ``first`` published their successor: no gap."""
    return retire_all(generations, leaving, spec.on_replace, Reason.SUPERSEDED, _find_publishing_step(first))


def _find_publishing_step(first: KeyPlan) -> tuple[str, ...]:
    return tuple(item.id for item in first.steps[-1:])


def create(context: PlanningContext, spec: ImageSpec, generations: Generations, make: Make) -> Step:
    """The step that creates the new image of a key."""
    members = context.find_members(spec)
    transfer, digests = spec.source.transfer, spec.fingerprint.digests
    fetched = transfer is not None and not transfer.is_sent  # the service fetches it: imagesync verifies no byte
    record = Record(
        catalog=context.given.catalog.name,
        key=spec.key,
        role=Role.CURRENT,
        digests=() if fetched else digests,
        declared=digests if fetched else (),
        url=spec.url_identity,
        spec=wanted_digest(spec),
        managed=make_managed(spec, members, generations.next_number),
    )
    state = make_state(spec, members, context.ids)
    replaced = [owned for owned in generations.current if owned.id != make.fill]
    action = Create(
        key=spec.key,
        state=state,
        source=spec.source,
        fingerprint=spec.fingerprint,
        record=record,
        image_id=spec.id,
        fill=make.fill,
        replaces=tuple(owned.id for owned in replaced),
        min_disk_auto=isinstance(spec.min_disk, Auto),
        may_hold=make.may_hold,
        changes=find_differences(replaced[-1].image, state, context.given.inventory.members) if replaced else (),
    )
    return make_step(action, make.reason, _find_needed_steps(context, spec))


def _find_needed_steps(context: PlanningContext, spec: ImageSpec) -> tuple[str, ...]:
    return tuple(sorted(create_id(key) for key in find_references(spec) & context.made))


def bring_up(context: PlanningContext, spec: ImageSpec, owned: Owned, reason: Reason | None) -> KeyPlan:
    """The steps that make an existing image current and as declared; ``reason`` None: it is current already."""
    members, project = context.find_members(spec), context.given.inventory.project_id
    managed = believe_history(owned.record.managed, owned.image, project)
    trust = judge(spec, owned, project, context.given.capabilities)
    is_published = reason is not None or is_made_visible(spec, owned.image)
    verify = spec.fingerprint.digests if is_published and trust is Trust.DATA else ()
    if trust is Trust.HASH or verify:
        judged = replace(owned.record, digests=_collect_judged_digests(spec, owned), declared=())
        owned = replace(owned, record=judged)
    if owned.record.role is Role.STAGING:
        # a staged image has temporary values: set every field, including those that ignore leaves alone later
        managed = replace(managed, fields={**dict.fromkeys(DEFAULTS, ""), **managed.fields})
        spec = replace(spec, ignore=())
    if owned.image.hidden and any(not other.image.hidden for other in context.groups[spec.key].current):
        managed = replace(managed, fields={"hidden": "", **managed.fields})  # it replaces a visible image: show it
    if owned.record.role is Role.STAGING or owned.record.declared:
        owned = replace(owned, record=settle_digests(spec, owned))
    live_members = context.given.inventory.members.get(owned.id, ())
    before, after = merge_states(
        _ignore_converted_formats(spec, owned), owned.image, managed, members, live_members, context.ids
    )
    made: list[Record] = []

    def make_record() -> Record:
        if not made:  # nearly all images need no new record
            made.append(_make_next_record(context.given.catalog.name, spec, members, owned.record))
        return made[0]

    def choose_reason(path: tuple[str, ...]) -> Reason:
        found = reason or find_reason(path, make_record().managed, owned.record.managed)
        lapsed = found is Reason.MANIFEST_CHANGED and path == ("hidden",) and spec.key in context.lapsed and spec.hidden
        return Reason.EXPIRED if lapsed else found

    status = _make_status_step(context, spec, owned, managed, reason)
    by_then = _predict_status(owned, status)
    moved = plan_store_copy(spec, owned.image, by_then, context.given.capabilities, choose_reason)
    changes = tuple(sorted((*compare(before, after, choose_reason), *moved), key=lambda change: change.path))
    if context.given.policy.drift_only:
        changes = tuple(change for change in changes if change.reason is Reason.DRIFT)
    is_noted = not _is_record_named(spec, members, owned.record)
    update = None
    if changes or reason or (is_noted and not context.given.policy.drift_only):
        update = _make_update_step(context, spec, owned, changes, make_record(), reason, verify)
    notes = (*_note_status(context, spec, owned, managed), *_note_trust(spec, owned, reason))
    notes += (note_read_back(spec, owned.image, context.given.capabilities),) if verify and update else ()
    notes += note_stores(spec, owned.image, by_then, context.given.capabilities)
    return KeyPlan(_chain(update, status, promoted=owned.record.role is not Role.CURRENT), notes)


def _make_next_record(catalog: str, spec: ImageSpec, members: frozenset[str], base: Record) -> Record:
    """The record of an image after it is current and as declared."""
    record = replace(make_current_record(catalog, spec, members, base), role=Role.CURRENT)
    return replace(record, url=_find_kept_identity(spec, base))


def _find_kept_identity(spec: ImageSpec, base: Record) -> str | None:
    """The URL identity to keep in a record; None drops the hash of a URL with secrets that an earlier version kept."""
    return None if isinstance(spec.source, UrlSource) and has_secret(spec.source.urls[0]) else base.url


def _is_record_named(spec: ImageSpec, members: frozenset[str], record: Record) -> bool:
    """Whether a record names everything that is managed now; it is then not rewritten, even if its values differ."""
    names = list_managed_names(spec, members)
    return (names, _find_kept_identity(spec, record)) == (record.managed.names(), record.url)


def _ignore_converted_formats(spec: ImageSpec, owned: Owned) -> ImageSpec:
    """The spec without formats if the service converted the image: it chose the formats itself."""
    return replace(spec, disk_format=None, container_format=None) if owned.record.converted else spec


def _predict_status(owned: Owned, status: Step | None) -> Status:
    """The status of the image when its update is done; ``_chain`` puts a status step first."""
    match status:
        case Step(action=Reactivate()):
            return Status.ACTIVE
        case Step(action=Deactivate()) if owned.record.role is not Role.CURRENT:
            return Status.DEACTIVATED
        case _:
            return owned.image.status


def _make_update_step(
    context: PlanningContext,
    spec: ImageSpec,
    owned: Owned,
    changes: tuple[FieldChange, ...],
    record: Record,
    reason: Reason | None,
    verify: tuple[Checksum, ...],
) -> Step:
    written = owned.record if context.given.policy.drift_only else record
    action = Update(spec.key, owned.id, changes, written, verify)
    found = {change.reason for change in changes}
    only = found.pop() if len(found) == 1 else Reason.MANIFEST_CHANGED
    if not changes and spec.key in context.lapsed and spec.status is Status.DEACTIVATED:
        only = Reason.EXPIRED  # the update only prepares the deactivation that follows
    return make_step(action, reason or only, _find_needed_steps(context, spec))


def _collect_judged_digests(spec: ImageSpec, owned: Owned) -> tuple[Checksum, ...]:
    """The trusted digests of an image in another project: the declared ones, which the run verifies, and the
    service's own.
    """
    known = {digest.algorithm: digest for digest in spec.fingerprint.digests}
    if is_stored_as_published(spec, owned):
        known = {name: Checksum(name, value) for name, value in owned.image.digests.items()} | known
    return tuple(known[name] for name in sorted(known))


def _make_status_step(
    context: PlanningContext, spec: ImageSpec, owned: Owned, managed: Managed, reason: Reason | None
) -> Step | None:
    wanted, live = find_wanted_status(spec, managed), owned.image.status
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


def _chain(update: Step | None, status: Step | None, *, promoted: bool) -> tuple[Step, ...]:
    """Both steps, one after the other: an image has one writer at a time.

    The status change comes first if the update publishes the image, or if it is a reactivation.
    """
    if update is None or status is None:
        return tuple(item for item in (update, status) if item)
    status_first = promoted or isinstance(status.action, Reactivate)
    first, second = (status, update) if status_first else (update, status)
    return first, replace(second, needs=(*second.needs, first.id))


def _note_status(context: PlanningContext, spec: ImageSpec, owned: Owned, managed: Managed) -> tuple[str, ...]:
    is_foreign = owned.image.status is Status.DEACTIVATED and find_wanted_status(spec, managed) is None
    if not is_foreign or context.given.policy.reactivate:
        return ()
    ways = "to reactivate it, declare status: active or pass --reactivate"
    return (f"{spec.key}: another user deactivated image {owned.id}, so it stays deactivated; {ways}",)


def _note_trust(spec: ImageSpec, owned: Owned, reason: Reason | None) -> tuple[str, ...]:
    """A note if an image becomes current and its declared digest was never compared with its data."""
    if reason is None or not owned.record.declared:
        return ()
    done = "adopted" if reason is Reason.ADOPT else "published"
    digest = owned.record.declared[0]
    return (f"{spec.key}: image {owned.id} is {done} without verification: its content is assumed to be {digest}",)


def _note_unadopted(spec: ImageSpec, adopted: LiveImage | None, successor: str) -> tuple[str, ...]:
    if adopted is None:
        return ()
    why = "does not have the declared content and format"
    return (f"{spec.key}: image {adopted.id}, which adopt names, {why}; {successor} replaces it",)


def _note_passed_over(spec: ImageSpec, generations: Generations) -> tuple[str, ...]:
    """A note on an earlier build that has the declared content but that another user deactivated."""
    deactivated = [owned for owned in generations.last_retired_first if owned.image.status is Status.DEACTIVATED]
    found = [owned.id for owned in deactivated if is_wanted_build(spec, owned)]
    ways = "to publish it again without an upload, declare status: active or pass --reactivate"
    return tuple(
        f"{spec.key}: image {image_id} has this content, but another user deactivated it; {ways}"
        for image_id in found[:1]
    )


def _note_expired(spec: ImageSpec) -> str:
    return f"{spec.key}: it expired on {spec.expires}; apply does not create it again"


def _note_members(spec: ImageSpec, generations: Generations) -> tuple[str, ...]:
    if not (spec.members and generations.current):
        return ()
    return (f"{spec.key}: each member must accept the new build; their acceptance of the old one does not apply to it",)
