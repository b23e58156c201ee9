"""A saved plan -> one sentence for each part that the planner would not write. Pure.

A plan file is untrusted: its digest has no key, so an attacker can compute a matching one. This module checks what needs
no live images, ``planning.live_checks`` the rest.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from imagesync.errors import PlanRefused
from imagesync.model.catalog import Content, FileSource, Role, UrlSource
from imagesync.model.plan import (
    Create,
    Deactivate,
    Delete,
    Fate,
    Kind,
    Plan,
    Reactivate,
    Reason,
    Step,
    Update,
    find_image_id,
    is_promotion,
)
from imagesync.model.record import Record, is_reserved
from imagesync.model.references import REFERENCE
from imagesync.model.urls import identify_url
from imagesync.planning.clock import is_dated
from imagesync.planning.ordering import order_steps
from imagesync.planning.steps import create_id, make_step

AGAIN: Final = "make the plan again: imagesync plan PATH -o PLAN.json"
"""What to do about a plan that the planner would not write."""
MAX_FAULTS: Final = 10
"""A refusal has at most this many sentences, and counts the rest."""
BESIDE: Final = (Reason.SUPERSEDED, Reason.DUPLICATE)
"""The reasons for which a current image retires."""
_CHANGED: Final = frozenset({Reason.MANIFEST_CHANGED, Reason.DRIFT, Reason.EXPIRED, Reason.REMOVED, *BESIDE})
_PUBLISHED: Final = frozenset({Reason.STAGED, Reason.ROLLBACK, Reason.ADOPT})
REASONS: Final[Mapping[type, frozenset[Reason]]] = {
    Create: frozenset({Reason.NEW, Reason.CONTENT_CHANGED, Reason.CONTENT_TAMPERED, Reason.INCOMPLETE})
    | {Reason.MANIFEST_CHANGED, Reason.UNVERIFIED, Reason.CONTENT_UNKNOWN},
    Update: _CHANGED | _PUBLISHED | {Reason.MOVED},
    Deactivate: _CHANGED | _PUBLISHED,
    Reactivate: (_CHANGED | _PUBLISHED) - {Reason.EXPIRED, Reason.REMOVED, *BESIDE},
    Delete: frozenset({Reason.REMOVED, Reason.EXPIRED, Reason.SUPERSEDED, Reason.OUTDATED})
    | {Reason.INCOMPLETE, Reason.DISCARDED, Reason.DELETING},
}
"""The reasons that a step of each kind may have."""


def find_faulty_steps(plan: Plan) -> tuple[str, ...]:
    """One sentence for each part of a plan that contradicts another part."""
    if not plan.made and any(map(is_dated, plan.steps)):
        return (f"the plan does not say when it was made; {AGAIN}",)
    if faults := [*_find_faulty_order(plan), *_find_faulty_kind(plan)]:
        return tuple(faults)  # the checks below rely on ids and order
    faults += [fault for step in plan.steps for fault in _check_step(plan, step)]
    return (*faults, *_find_contradictions(plan), *_find_false_fates(plan))


def shorten_faults(faults: tuple[str, ...]) -> tuple[str, ...]:
    """The first ``MAX_FAULTS`` sentences, and how many more there are."""
    rest = len(faults) - MAX_FAULTS
    return (*faults[:MAX_FAULTS], f"and {rest} more") if rest > 0 else faults


def _find_faulty_order(plan: Plan) -> Iterator[str]:
    """Checks the ids and needs of the steps, and their order."""
    counts = Counter(step.id for step in plan.steps)
    for step in plan.steps:
        if step.id != make_step(step.action, step.reason).id or counts[step.id] > 1:
            yield f"{step.id}: the id does not match this step, or two steps have it; {AGAIN}"
        for need in step.needs:
            if need not in counts or need == step.id:
                yield f"{step.id}: it needs {need}, which is not another step of the plan; {AGAIN}"
        if step.reason not in REASONS[type(step.action)]:
            yield f"{step.id}: a step of this kind cannot have the reason {step.reason.value}; {AGAIN}"
    try:
        ordered = order_steps(plan.steps)
    except PlanRefused:
        yield f"the steps wait for each other in a circle; {AGAIN}"
        return
    if ordered != plan.steps:
        yield f"the steps are not in the order that their needs and keys require; {AGAIN}"


def _find_faulty_kind(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        action = step.action
        match plan.kind:
            case Kind.STAGE:
                fits = isinstance(action, Create) and action.stage
            case Kind.DISCARD:
                fits = isinstance(action, Delete) and step.reason is Reason.DISCARDED
            case Kind.ROLLBACK:
                fits = not isinstance(action, Create | Delete) and step.reason in (Reason.ROLLBACK, Reason.SUPERSEDED)
            case Kind.APPLY:
                fits = not (isinstance(action, Create) and action.stage)
        if not fits:
            yield f"{step.id}: a plan of kind {plan.kind.value} cannot have this step; {AGAIN}"


def _check_step(plan: Plan, step: Step) -> Iterator[str]:
    """Checks one step, and that it waits for the steps it must follow."""
    match step.action:
        case Create() as create:
            found = [*_check_record(plan, create.key, create.record), *_check_create(plan, create)]
            if bool(create.may_hold) is not (step.reason is Reason.CONTENT_UNKNOWN):
                found.append(f"its reason ({step.reason.value}) does not match the images that it may be compared with")
        case Update() as update:
            found = [*_check_update(plan, step, update)]
            found += _check_record(plan, update.key, update.record) if update.record else []
        case _:
            found = []
    yield from (f"{step.id}: {fault}; {AGAIN}" for fault in (*found, *_find_missing_needs(plan, step)))


def _check_record(plan: Plan, key: str, record: Record) -> Iterator[str]:
    if (record.catalog, record.key) != (plan.catalog, key):
        yield "its record names another catalog or key"


def _check_create(plan: Plan, create: Create) -> Iterator[str]:
    source, fields = create.source, create.state.fields
    if source.transfer is None and source is not Content.NO_DATA:
        yield "its source has no data to make an image from"
    if create.fill and (create.image_id not in (None, create.fill) or source is Content.NO_DATA):
        yield f"it cannot fill image {create.fill}"
    if create.changes and not create.replaces:
        yield "it lists changes to an image, but replaces none"
    if create.stage and create.replaces:
        yield "a staged build cannot replace an image"
    if create.may_hold and create.fill:
        yield f"it fills image {create.fill}, so it cannot be compared with other images"
    owner = fields.get("owner")
    if owner not in (None, plan.owners.get(create.key, plan.target.project_id)):
        yield f"its owner {owner} is not the project of its key"
    yield from _check_content(create)
    yield from _check_names(create.state.properties)


def _check_content(create: Create) -> Iterator[str]:
    """The record, the source and the fingerprint of a create must agree on its data."""
    record, source, digests = create.record, create.source, create.fingerprint.digests
    if record.role is not Role.CURRENT:
        yield f"its record has the role {record.role.value}, but a new image becomes current"
    if {*record.digests, *record.declared} != set(digests):
        yield "its record has other digests than its fingerprint"
    if record.url != (identify_url(source.urls[0]) if isinstance(source, UrlSource) else None):
        yield "its record names another URL than its source"
    if isinstance(source, UrlSource) and source.needs_digest and not digests:
        yield "its URL contains a secret, so its data needs a digest"
    if isinstance(source, FileSource) and not digests:
        yield "its file has no digest"
    declared = source.checksum if isinstance(source, FileSource | UrlSource) else None
    if declared is not None and digests != (declared,):
        yield "its fingerprint has another digest than its source declares"


def _check_names(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if is_reserved(name):
            yield f"it sets the property {name!r}, which a manifest cannot set"


def _check_update(plan: Plan, step: Step, update: Update) -> Iterator[str]:
    record, paths = update.record, [change.path for change in update.changes]
    if record is None:
        if step.reason is not Reason.REMOVED or update.changes:
            yield "it releases an image whose key was not removed, or also changes it"
        return
    if step.reason is Reason.MOVED:
        if update.changes or update.verify or update.key not in plan.moved.values():
            yield "it moves an image that the plan does not list among the moved keys, or also changes it"
        return
    if record.role is not (Role.RETIRED if step.reason in BESIDE else Role.CURRENT):
        yield f"its record has the role {record.role.value}, which does not match its reason ({step.reason.value})"
    if record.role is Role.RETIRED and record.managed.retired is not None:
        yield "its record has a time of retirement before the image retires"
    if len(paths) != len(set(paths)):
        yield "it changes a field twice"
    yield from _check_names(path[1] for path in paths if len(path) == 2)


def _find_missing_needs(plan: Plan, step: Step) -> Iterator[str]:
    """A step must wait for the images that it refers to; the retirement of a build, for its successor."""
    made = {other.action.key for other in plan.steps if isinstance(other.action, Create)}
    for key in sorted(_find_referenced_keys(step)):
        if key in made and create_id(key) not in step.needs:
            yield f"it refers to images.{key} but does not wait for it"
        elif key not in made and plan.kind is not Kind.STAGE:
            yield f"it refers to images.{key}, which no step creates"
    needed = _find_steps_before(plan, step)
    if is_retirement(step) and step.reason is Reason.SUPERSEDED and not needed:
        yield "no step publishes the image that replaces it"
    if needed and not set(needed) <= set(step.needs):
        yield f"it does not wait for {', '.join(needed)}"


def _find_referenced_keys(step: Step) -> set[str]:
    match step.action:
        case Create(state=state):
            texts = list(state.properties.values())
        case Update(changes=changes):
            texts = [str(change.after) for change in changes if change.path[0] == "properties"]
        case _:
            texts = []
    return {key for text in texts for key in REFERENCE.findall(text) if key}


def _find_steps_before(plan: Plan, step: Step) -> tuple[str, ...]:
    """The ids of the steps that a retirement, or the deletion or deactivation of an old build, must follow."""
    action, image_id = step.action, find_image_id(step.action)
    retirement = [other for other in plan.steps if find_image_id(other.action) == image_id and is_retirement(other)]
    if is_retirement(step):
        return tuple(other.id for other in find_successor_steps(plan, step)[-1:])
    if retirement and isinstance(action, Deactivate):
        return (retirement[0].id,)
    if isinstance(action, Delete) and step.reason in (Reason.SUPERSEDED, Reason.OUTDATED):
        if retirement:
            return (retirement[0].id,)
        promoting = [other for other in find_successor_steps(plan, step) if is_replacing(other)]
        return tuple(other.id for other in find_successor_steps(plan, step)[-1:]) if promoting else ()
    return ()


def is_retirement(step: Step) -> bool:
    """Whether a step retires a current image."""
    return isinstance(step.action, Update) and step.action.record is not None and step.reason in BESIDE


def is_replacing(step: Step) -> bool:
    """Whether a step publishes a new, staged or earlier build of its key."""
    return (isinstance(step.action, Create) and not step.action.stage) or is_promotion(step)


def find_successor_steps(plan: Plan, step: Step) -> Sequence[Step]:
    """The steps that publish the image which replaces the image of ``step``: a create, or those of ``plan.ids``."""
    key = step.action.key
    made = [other for other in plan.steps if other.id == create_id(key)]
    kept = plan.ids.get(key)
    return made or [s for s in plan.steps if find_image_id(s.action) == kept is not None and not is_retirement(s)]


def _find_contradictions(plan: Plan) -> Iterator[str]:
    """Steps that exclude each other: one image under two keys, deleted and changed, or two current builds of a key."""
    by_image: dict[str, list[Step]] = {}
    becoming: dict[str, set[str]] = {}
    for step in plan.steps:
        if (image_id := find_image_id(step.action)) is not None:
            by_image.setdefault(image_id, []).append(step)
        if is_replacing(step) or (step.reason is Reason.ADOPT and isinstance(step.action, Update)):
            becoming.setdefault(step.action.key, set()).add(image_id or step.id)
    for image_id, steps in by_image.items():
        deleted = any(isinstance(step.action, Delete) for step in steps)
        retired = any(map(is_retirement, steps))
        kinds = {type(step.action) for step in steps}
        again = {Deactivate, Reactivate} <= kinds or (Create in kinds and len(steps) > 1)
        if len({step.action.key for step in steps}) > 1 or (deleted and len(steps) > 1 and not retired) or again:
            yield f"{', '.join(step.id for step in steps)}: these steps of image {image_id} exclude each other; {AGAIN}"
    for key, builds in becoming.items():
        if len(builds) > 1:
            yield f"{key}: {len(builds)} builds would become current at once; {AGAIN}"


def _find_false_fates(plan: Plan) -> Iterator[str]:
    """Images that the plan lists as kept, dropped or published, but whose steps do otherwise."""
    deleted = {step.action.image_id for step in plan.steps if isinstance(step.action, Delete)}
    retired = {find_image_id(step.action) for step in plan.steps if is_retirement(step)}
    published = {find_image_id(step.action) for step in plan.steps if is_replacing(step)}
    for kept in plan.kept:
        if kept.image_id in deleted or kept.retires != (kept.image_id in retired):
            yield f"{kept.key}: the plan lists image {kept.image_id} as kept, but its steps do otherwise; {AGAIN}"
    for one in plan.candidates:
        stated = (one.fate is Fate.DROPPED, one.fate is Fate.PUBLISHED)
        if stated != (one.image_id in deleted, one.image_id in published - deleted):
            yield (
                f"{one.key}: the plan lists candidate {one.image_id} as {one.fate.value}, but its steps do otherwise; {AGAIN}"
            )
