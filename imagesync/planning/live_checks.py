"""A saved plan against the live images -> one sentence for each claim that is not true. Pure.

A plan file is untrusted. So whatever it says of ownership, of what it relied on and of its own counts is derived again
from its steps and from the images as they are; ``planning.plan_checks`` and ``planning.staleness`` come before.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from imagesync.model.catalog import HEX_LENGTHS, Checksum, Role, Status, Visibility
from imagesync.model.image import Capabilities, Inventory, LiveImage
from imagesync.model.plan import (
    Create,
    Deactivate,
    Delete,
    Kind,
    Plan,
    Reactivate,
    Reason,
    Step,
    Update,
    Value,
    find_image_id,
    is_promotion,
)
from imagesync.model.record import LEASE, Managed, Record, read
from imagesync.model.references import escape_references
from imagesync.planning.counting import find_changed_keys, find_removed_keys
from imagesync.planning.generations import Groups, group
from imagesync.planning.ordering import chain_name_changes
from imagesync.planning.ownership import Ownership
from imagesync.planning.plan_checks import AGAIN, is_retirement
from imagesync.planning.staleness import collect_reliances, value_at
from imagesync.planning.succession import find_differences
from imagesync.planning.trust import is_shown_to_more

_ADOPTABLE: Final = (Status.ACTIVE, Status.DEACTIVATED, Status.QUEUED)
_CURRENT: Final = frozenset({Role.CURRENT})
_EVERY: Final = frozenset({Role.STAGING, Role.CURRENT, Role.RETIRED, Role.DELETING})
_ROLES: Final[Mapping[Reason, frozenset[Role]]] = {
    Reason.STAGED: frozenset({Role.STAGING}),
    Reason.ROLLBACK: frozenset({Role.RETIRED, Role.CURRENT}),
}
"""The role that an image has before an update or a change of its status, by reason; otherwise it is current."""
_DELETED: Final[Mapping[Reason, frozenset[Role]]] = {
    Reason.REMOVED: _EVERY,
    Reason.EXPIRED: _EVERY,
    Reason.OUTDATED: frozenset({Role.RETIRED}),
    Reason.SUPERSEDED: frozenset({Role.RETIRED}),
    Reason.INCOMPLETE: frozenset({Role.STAGING}),
    Reason.DISCARDED: frozenset({Role.STAGING}),
    Reason.DELETING: frozenset({Role.DELETING}),
}
"""The role that an image has before it is deleted, by reason; one that retires first is current."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A plan and what is live: ``images`` by id, ``groups`` the owned ones by key; ``able`` None: not asked."""

    plan: Plan
    inventory: Inventory
    images: Mapping[str, LiveImage]
    groups: Groups
    able: Capabilities | None

    @property
    def ownership(self) -> Ownership:
        return Ownership(self.plan.catalog, self.inventory.project_id, self.plan.owners)

    def find_owned_record(self, image: LiveImage) -> Record | None:
        """The record of an image of the catalog; None for a foreign image."""
        return read(image) if self.ownership.is_ours(image) else None


def find_false_claims(plan: Plan, inventory: Inventory, able: Capabilities | None = None) -> tuple[str, ...]:
    """One sentence for each claim of a plan that the live images disprove.

    ``able``: what the service can do; it is needed only if the plan names images in other projects.
    """
    images = {image.id: image for image in (*inventory.owned, *inventory.foreign)}
    case = _Case(plan, inventory, images, group(inventory.owned), able)
    if faults := [f"{step.id}: {fault}; {AGAIN}" for step in plan.steps for fault in _find_foreign(case, step)]:
        return tuple(faults)
    faults = [f"{step.id}: {fault}; {AGAIN}" for step in plan.steps for fault in _check_step(case, step)]
    faults += _find_missing_reliances(case)
    faults += [
        f"{fault}; {AGAIN}" for fault in (*_find_surplus_reliances(case), *_check_ids(case), *_check_counts(case))
    ]
    return tuple(faults)


def _find_foreign(case: _Case, step: Step) -> Iterator[str]:
    """Why the image that a step touches is not one that it may touch."""
    key, image_id = step.action.key, find_image_id(step.action)
    if image_id is None:
        return
    image = case.images.get(image_id)
    if image is None:
        yield f"there is no image {image_id} of this catalog, or to adopt"
    elif (record := case.find_owned_record(image)) is None:
        if not _is_adoption(case.plan, step):
            yield f"image {image_id} does not belong to {key} of catalog {case.plan.catalog}"
        else:
            yield from _find_adoption_obstacles(case, step, image)
    elif record.key != key or record.role is Role.LEASE or LEASE in image.properties:
        yield f"image {image_id} does not belong to {key} of catalog {case.plan.catalog}"
    elif record.role not in _find_allowed_roles(case.plan, step, image):
        yield f"image {image_id} is {record.role.value}, which does not fit the step's reason ({step.reason.value})"


def _is_adoption(plan: Plan, step: Step) -> bool:
    """Whether a step may touch a foreign image: it adopts it, or it retires one that the manifest names to be adopted.

    That one has other content, so a new build takes its place. It is never deleted by a saved plan.
    """
    if step.reason is Reason.ADOPT:
        return not isinstance(step.action, Delete)
    replaced = {
        image_id for other in plan.steps if isinstance(other.action, Create) for image_id in other.action.replaces
    }
    is_kept = isinstance(step.action, Update | Deactivate) and step.reason is Reason.SUPERSEDED
    return is_kept and find_image_id(step.action) in replaced


def _find_adoption_obstacles(case: _Case, step: Step, image: LiveImage) -> Iterator[str]:
    key = step.action.key
    owner = case.plan.owners.get(key, case.inventory.project_id)
    if (image.owner or "") != owner:
        yield f"image {image.id} is not in project {owner}, and cannot be adopted"
    if read(image) is not None or LEASE in image.properties:  # a copied record is none
        yield f"image {image.id} carries a record of something else, and cannot be adopted"
    if image.status not in _ADOPTABLE:
        yield f"image {image.id} is {image.status.value}, and cannot be adopted"
    if case.groups[key].current:
        yield f"{key} has a current image, so image {image.id} cannot be adopted"
    if isinstance(step.action, Update):
        # the formats of a record without data can still be set
        fixed = {"owner"} if image.status is Status.QUEUED else {"owner", "disk_format", "container_format"}
        if fixed := fixed & {change.path[0] for change in step.action.changes}:
            yield f"an adoption does not change {', '.join(sorted(fixed))} of image {image.id}"
    elif not any(_is_taken_over(other, image.id) for other in case.plan.steps):
        yield f"image {image.id} is not adopted by the plan"


def _is_taken_over(step: Step, image_id: str) -> bool:
    return isinstance(step.action, Update) and step.action.image_id == image_id


def _find_allowed_roles(plan: Plan, step: Step, image: LiveImage) -> frozenset[Role]:
    match step.action:
        case Create() if image.status is Status.QUEUED:  # a published record without data can be filled
            return frozenset({Role.STAGING, Role.CURRENT})
        case Create():
            return frozenset({Role.STAGING})
        case Delete(image_id=image_id):
            retires = any(is_retirement(other) and find_image_id(other.action) == image_id for other in plan.steps)
            return _CURRENT if retires and step.reason is Reason.SUPERSEDED else _DELETED[step.reason]
        case Update(record=None):
            return frozenset({Role.CURRENT, Role.RETIRED})
        case _:
            return _ROLES.get(step.reason, _CURRENT)


def _check_step(case: _Case, step: Step) -> Iterator[str]:
    """What a step says of a live image, against that image."""
    image = case.images.get(find_image_id(step.action) or "")
    match step.action:
        case Create() as create:
            yield from _check_replaced(case, create)
            yield from _check_compared(case, create)
        case Update() as update if image is not None:
            yield from _check_changes(case, step, update, image)
            yield from _check_history(case, step, update, image)
            yield from _check_content(case, step, update, image)
        case Deactivate() if image is not None and image.status is not Status.ACTIVE:
            yield f"image {image.id} is {image.status.value}, not active"
        case Reactivate() if image is not None and image.status is not Status.DEACTIVATED:
            yield f"image {image.id} is {image.status.value}, not deactivated"
        case Delete() as delete if image is not None:
            if (delete.size, delete.unprotect) != (image.size, image.protected):
                yield f"size or protection of image {image.id} is another"


def _check_replaced(case: _Case, create: Create) -> Iterator[str]:
    """A new build takes the place of every current image of its key; each of them retires in the plan."""
    if create.stage:
        return
    retired = {find_image_id(step.action) for step in case.plan.steps if is_retirement(step)}
    current = {owned.id for owned in case.groups[create.key].current} - {create.fill}
    foreign = {image_id for image_id in create.replaces if image_id not in current}
    if len(foreign) > 1 or (current and foreign) or not current <= set(create.replaces):
        yield f"it does not replace what is current of {create.key}"
    elif not set(create.replaces) <= retired:
        yield "an image that it replaces does not retire"
    elif (
        create.replaces
        and (old := case.images.get(create.replaces[-1])) is not None
        and create.changes != find_differences(old, create.state, case.inventory.members)
    ):
        yield f"it differs from image {old.id} in other fields than the plan shows"


def _check_compared(case: _Case, create: Create) -> Iterator[str]:
    """Only images of the key, in the session's project, get to know what their bytes turn out to be."""
    ours = {owned.id for owned in case.groups[create.key].every if owned.image.is_in_project(case.inventory.project_id)}
    for image_id in create.may_hold:
        if image_id not in ours:
            yield f"image {image_id} is not an image of {create.key} in this project, and cannot be compared"


def _check_changes(case: _Case, step: Step, update: Update, image: LiveImage) -> Iterator[str]:
    for change in update.changes:
        path = ".".join(change.path)
        live = value_at(image, path, case.inventory)
        known: tuple[Value, ...] = (live, escape_references(live) if isinstance(live, str) else live)
        if change.before not in known and not (change.before in ((), None) and live in ((), None)):
            yield f"{path} of image {image.id} is another than the plan shows"
        if change.path == ("owner",) and change.after != case.plan.owners.get(update.key, case.inventory.project_id):
            yield f"the new owner of image {image.id} is not the project of its key"
    successor = case.plan.ids.get(update.key)
    if (
        is_retirement(step)
        and step.reason is Reason.DUPLICATE
        and (successor == image.id or successor not in {owned.id for owned in case.groups[update.key].current})
    ):
        yield f"no other image of {update.key} is current"


def _check_content(case: _Case, step: Step, update: Update, image: LiveImage) -> Iterator[str]:
    """The digests that a record claims: only what is known of the data, or is compared with it first."""
    record, live = update.record, case.find_owned_record(image)
    if record is None:
        return
    served = {Checksum(name, value) for name, value in image.digests.items()}
    strongest = max(record.digests, key=lambda digest: HEX_LENGTHS[digest.algorithm], default=None)
    known = served | set(update.verify) | set(live.digests if live else ())
    if not set(record.digests) <= known and strongest not in served:
        yield f"nothing shows that image {image.id} has the digests that its record would claim"
    if live is not None and (record.url not in (None, live.url) or not set(record.declared) <= set(live.declared)):
        yield f"the record of image {image.id} would name another origin of its data"
    is_ours = image.is_in_project(case.inventory.project_id)
    if is_ours or update.verify or is_retirement(step):
        return
    if not (is_promotion(step) or step.reason is Reason.ADOPT or _is_shown_to_more(update, image)):
        return
    final = case.able is not None and case.able.hash_is_final and strongest in served
    if record.declared or not (final or set(record.digests) <= served):
        yield f"image {image.id} lies in another project, and its data is not read back before it is published"


def _check_history(case: _Case, step: Step, update: Update, image: LiveImage) -> Iterator[str]:
    """Values of a record that no step shows: a later plan acts on them."""
    record, live = update.record, case.find_owned_record(image)
    if record is None:
        return
    before = live.managed.before if live is not None else {}
    if is_retirement(step):  # what a rollback brings back: just what this step, and the one after it, change
        changed = {
            ".".join(change.path): value_at(image, ".".join(change.path), case.inventory) for change in update.changes
        }
        deactivated = any(
            isinstance(other.action, Deactivate) and other.action.image_id == image.id for other in case.plan.steps
        )
        before = {**changed, **({"status": image.status.value} if deactivated else {})}
    remembered = {
        path: tuple(value) if isinstance(value, list) else value for path, value in record.managed.before.items()
    }
    known = {path: tuple(value) if isinstance(value, list) else value for path, value in before.items()}
    if not remembered.items() <= known.items():
        yield f"the record of image {image.id} would remember values that it never had"
    if record.converted and not (live is not None and live.converted):
        yield f"the record of image {image.id} would say that the service converted it"
    history = live.managed if live is not None else Managed()
    retired = case.groups[update.key]
    numbers = {history.retirement, 0}
    if is_retirement(step):
        leaving = len(retired.current) or 1  # one that another user made
        numbers = set(range(retired.next_retirement, retired.next_retirement + leaving))
    if record.managed.retirement not in numbers:
        yield f"the record of image {image.id} would have another number of its retirement"
    if record.managed.generation != history.generation:
        yield f"the record of image {image.id} would have another number of its build"
    if record.managed.retired not in (None, history.retired):
        yield f"the record of image {image.id} would have another time of its retirement"


def _is_shown_to_more(update: Update, image: LiveImage) -> bool:
    after = {change.path[0]: change.after for change in update.changes}
    visibility = Visibility(str(after["visibility"])) if "visibility" in after else None
    return is_shown_to_more(image, visibility, hidden=bool(after.get("hidden", image.hidden)))


def _find_missing_reliances(case: _Case) -> Iterator[str]:
    """What a plan must have relied on, and does not name: a change of it would not be noticed."""
    relied = {reliance.image_id: reliance for reliance in case.plan.relies}
    if len(relied) < len(case.plan.relies):
        yield f"the plan names an image twice in what it relied on; {AGAIN}"
    for wanted in collect_reliances(case.plan.steps, case.inventory):
        found = relied.get(wanted.image_id)
        if found is None or found.key != wanted.key:
            yield f"{wanted.key}: the plan does not say what it relied on of image {wanted.image_id}; {AGAIN}"
        elif missing := sorted(set(wanted.values) - set(found.values)):
            yield (
                f"{wanted.key}: the plan does not say what it relied on of image {wanted.image_id}: "
                f"{', '.join(missing)}; {AGAIN}"
            )
    current = case.groups.current_ids()
    for step in case.plan.steps:
        if isinstance(step.action, Create) and step.action.key not in {*current, *case.plan.absent}:
            yield f"{step.id}: the plan does not say that {step.action.key} had no image; {AGAIN}"
    if case.plan.kind is Kind.APPLY:
        chained = chain_name_changes(case.plan.steps, case.inventory)
        for step, complete in zip(case.plan.steps, chained, strict=True):
            if late := set(complete.needs) - set(step.needs):
                yield f"{step.id}: it does not wait for {', '.join(sorted(late))}, which gives its name on; {AGAIN}"


def _find_surplus_reliances(case: _Case) -> Iterator[str]:
    needed = {each.image_id for each in collect_reliances(case.plan.steps, case.inventory)}
    for image_id in sorted({each.image_id for each in case.plan.relies} - needed):
        yield f"the plan names image {image_id} in what it relied on, and no step of it touches that image"


def _check_ids(case: _Case) -> Iterator[str]:
    """The image that the plan names for each key: references and pinned ids mean it."""
    published = {
        find_image_id(step.action): step.action.key
        for step in case.plan.steps
        if is_promotion(step) or step.reason is Reason.ADOPT
    }
    for key, image_id in case.plan.ids.items():
        image = case.images.get(image_id)
        if image is None or published.get(image_id) == key:
            continue  # one that was deleted meanwhile and that no step uses does not matter
        record = case.find_owned_record(image)
        if record is None or record.key != key:
            yield f"{key}: image {image_id} is not an image of this key"


def _check_counts(case: _Case) -> Iterator[str]:
    """The keys that limits count, from the steps."""
    plan = case.plan
    removed, changed = find_removed_keys(plan.steps, case.groups), find_changed_keys(plan.steps, case.groups)
    if plan.kind in (Kind.STAGE, Kind.DISCARD):
        removed, changed = frozenset(), frozenset()
    wrong = (removed ^ set(plan.removed)) | (changed ^ set(plan.changed))
    for key in sorted(wrong):
        yield f"{key}: the plan counts it wrongly among the keys that it removes or changes"
    if plan.owned < len(removed | changed) or plan.wanted < len(changed) or plan.unchanged > plan.wanted:
        yield "the plan's counts of keys do not fit its steps"
