"""A saved plan and the live images -> one sentence for each false claim of the plan. Pure.

A plan file is untrusted. So this module derives ownership, reliances and counts again, from the plan's steps and the
live images. ``planning.plan_checks`` and ``planning.staleness`` run first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
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
from imagesync.planning.moves import find_moves, group_by_plan, make_moved_record
from imagesync.planning.ordering import chain_name_changes
from imagesync.planning.ownership import Ownership
from imagesync.planning.plan_checks import AGAIN, is_retirement
from imagesync.planning.staleness import collect_reliances, read_value
from imagesync.planning.succession import find_differences
from imagesync.planning.trust import is_shown_to_more

_ADOPTABLE: Final = (Status.ACTIVE, Status.DEACTIVATED, Status.QUEUED)
_CURRENT: Final = frozenset({Role.CURRENT})
_EVERY: Final = frozenset({Role.STAGING, Role.CURRENT, Role.RETIRED, Role.DELETING})
_ROLES: Final[Mapping[Reason, frozenset[Role]]] = {
    Reason.STAGED: frozenset({Role.STAGING}),
    Reason.ROLLBACK: frozenset({Role.RETIRED, Role.CURRENT}),
    Reason.MOVED: frozenset({Role.STAGING, Role.CURRENT, Role.RETIRED}),
}
"""The roles that an image may have before an update or a status change, by reason; without an entry: current."""
_DELETED: Final[Mapping[Reason, frozenset[Role]]] = {
    Reason.REMOVED: _EVERY,
    Reason.EXPIRED: _EVERY,
    Reason.OUTDATED: frozenset({Role.RETIRED}),
    Reason.SUPERSEDED: frozenset({Role.RETIRED}),
    Reason.INCOMPLETE: frozenset({Role.STAGING}),
    Reason.DISCARDED: frozenset({Role.STAGING}),
    Reason.DELETING: frozenset({Role.DELETING}),
}
"""The roles that an image may have before its deletion, by reason; an image that retires first is current."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A plan and the live images: ``images`` by id, ``groups`` the owned ones by key; ``able`` None: unknown."""

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
        return read(image) if self.ownership.is_owned(image) else None

    def find_key(self, record: Record) -> str:
        """The key of an image after the moves of the plan."""
        return self.plan.moved.get(record.key, record.key)


def find_false_claims(plan: Plan, inventory: Inventory, able: Capabilities | None = None) -> tuple[str, ...]:
    """One sentence for each claim of a plan that the live images disprove.

    ``able``: the service's capabilities; needed only if the plan names images in other projects.
    """
    images = {image.id: image for image in (*inventory.owned, *inventory.foreign)}
    case = _Case(plan, inventory, images, group_by_plan(plan, inventory.owned), able)
    if faults := [f"{step.id}: {fault}; {AGAIN}" for step in plan.steps for fault in _find_foreign(case, step)]:
        return tuple(faults)
    faults = [f"{step.id}: {fault}; {AGAIN}" for step in plan.steps for fault in _check_step(case, step)]
    faults += _find_missing_reliances(case)
    faults += [
        f"{fault}; {AGAIN}"
        for fault in (*_find_false_moves(case), *_find_surplus_reliances(case), *_check_ids(case), *_check_counts(case))
    ]
    return tuple(faults)


def _find_foreign(case: _Case, step: Step) -> Iterator[str]:
    """One sentence for each reason why a step may not touch its image."""
    key, image_id = step.action.key, find_image_id(step.action)
    if image_id is None:
        return
    image = case.images.get(image_id)
    if image is None:
        yield f"image {image_id} does not exist, or is neither owned by this catalog nor declared for adoption"
    elif (record := case.find_owned_record(image)) is None:
        if not _is_adoption(case.plan, step):
            yield f"image {image_id} does not belong to {key} of catalog {case.plan.catalog}"
        else:
            yield from _find_adoption_obstacles(case, step, image)
    elif case.find_key(record) != key or record.role is Role.LEASE or LEASE in image.properties:
        yield f"image {image_id} does not belong to {key} of catalog {case.plan.catalog}"
    elif record.role not in _find_allowed_roles(case.plan, step, image):
        yield f"image {image_id} has role {record.role.value}, which does not match the step's reason ({step.reason.value})"


def _is_adoption(plan: Plan, step: Step) -> bool:
    """Whether a step may touch a foreign image: it adopts the image, or retires it in favor of another build of its key.

    The latter happens if ``adopt`` names an image with other content than declared. No saved plan deletes that image.
    """
    if step.reason is Reason.ADOPT:
        return not isinstance(step.action, Delete)
    replaced = {
        image_id for other in plan.steps if isinstance(other.action, Create) for image_id in other.action.replaces
    }
    is_replaced = find_image_id(step.action) in replaced or any(
        is_promotion(other) and other.action.key == step.action.key for other in plan.steps
    )
    return isinstance(step.action, Update | Deactivate) and step.reason is Reason.SUPERSEDED and is_replaced


def _find_adoption_obstacles(case: _Case, step: Step, image: LiveImage) -> Iterator[str]:
    key = step.action.key
    owner = case.plan.owners.get(key, case.inventory.project_id)
    if (image.owner or "") != owner:
        yield f"image {image.id} is not in project {owner}, so it cannot be adopted"
    if read(image) is not None or LEASE in image.properties:  # read() returns None for a copied record
        yield f"image {image.id} is owned by another catalog or is a lease record, so it cannot be adopted"
    if image.status not in _ADOPTABLE:
        yield f"image {image.id} is {image.status.value}, so it cannot be adopted"
    if case.groups[key].current:
        yield f"{key} has a current image, so image {image.id} cannot be adopted"
    if isinstance(step.action, Update):
        # the service still lets the formats of an image without data change
        fixed = {"owner"} if image.status is Status.QUEUED else {"owner", "disk_format", "container_format"}
        if fixed := fixed & {change.path[0] for change in step.action.changes}:
            yield f"an adoption cannot change {', '.join(sorted(fixed))} of image {image.id}"
    elif not any(_is_update_of(other, image.id) for other in case.plan.steps):
        yield f"the plan changes the status of image {image.id} but does not adopt it"


def _is_update_of(step: Step, image_id: str) -> bool:
    return isinstance(step.action, Update) and step.action.image_id == image_id


def _find_allowed_roles(plan: Plan, step: Step, image: LiveImage) -> frozenset[Role]:
    match step.action:
        case Create() if image.status is Status.QUEUED:  # a published image without data can receive data
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
    """Compares what a step says about a live image with that image."""
    image = case.images.get(find_image_id(step.action) or "")
    match step.action:
        case Create() as create:
            yield from _check_replaced(case, create)
            yield from _check_compared(case, create)
        case Update() as update if image is not None:
            yield from _check_move(case, step, update, image)
            yield from _check_changes(case, step, update, image)
            yield from _check_history(case, step, update, image)
            yield from _check_content(case, step, update, image)
        case Deactivate() if image is not None and image.status is not Status.ACTIVE:
            yield f"image {image.id} is {image.status.value}, not active"
        case Reactivate() if image is not None and image.status is not Status.DEACTIVATED:
            yield f"image {image.id} is {image.status.value}, not deactivated"
        case Delete() as delete if image is not None:
            if (delete.size, delete.unprotect) != (image.size, image.protected):
                yield f"the size or protection of image {image.id} differs from the plan"


def _check_replaced(case: _Case, create: Create) -> Iterator[str]:
    """A new build must replace every current image of its key, and each of these must retire in the plan."""
    if create.stage:
        return
    retired = {find_image_id(step.action) for step in case.plan.steps if is_retirement(step)}
    current = {owned.id for owned in case.groups[create.key].current} - {create.fill}
    foreign = {image_id for image_id in create.replaces if image_id not in current}
    if len(foreign) > 1 or (current and foreign) or not current <= set(create.replaces):
        yield f"it does not replace the current image of {create.key}"
    elif not set(create.replaces) <= retired:
        yield "it replaces an image that no step retires"
    elif (
        create.replaces
        and (old := case.images.get(create.replaces[-1])) is not None
        and create.changes != find_differences(old, create.state, case.inventory.members)
    ):
        yield f"the fields in which it differs from image {old.id} are not those that the plan shows"


def _check_compared(case: _Case, create: Create) -> Iterator[str]:
    """The new build may be compared only with images of its key in the session's project."""
    own = {owned.id for owned in case.groups[create.key].every if owned.image.is_in_project(case.inventory.project_id)}
    for image_id in create.may_hold:
        if image_id not in own:
            yield f"image {image_id} cannot be compared: it is not an image of {create.key} in this project"


def _check_changes(case: _Case, step: Step, update: Update, image: LiveImage) -> Iterator[str]:
    for change in update.changes:
        path = ".".join(change.path)
        live = read_value(image, path, case.inventory)
        known: tuple[Value, ...] = (live, escape_references(live) if isinstance(live, str) else live)
        if change.before not in known and not (change.before in ((), None) and live in ((), None)):
            yield f"{path} of image {image.id} differs from the plan"
        if change.path == ("owner",) and change.after != case.plan.owners.get(update.key, case.inventory.project_id):
            yield f"the new owner of image {image.id} is not the project of its key"
    successor = case.plan.ids.get(update.key)
    if (
        is_retirement(step)
        and step.reason is Reason.DUPLICATE
        and (successor == image.id or successor not in {owned.id for owned in case.groups[update.key].current})
    ):
        yield f"no other image of {update.key} is current"


def _check_move(case: _Case, step: Step, update: Update, image: LiveImage) -> Iterator[str]:
    """A move writes the new key and nothing else; a staged build keeps the mark that it was not verified."""
    if step.reason is not Reason.MOVED:
        return
    live = case.find_owned_record(image)
    moved = None if live is None else replace(make_moved_record(live, case.groups[update.key]), nonce=None)
    if live is None or live.unverified or moved != update.record:
        yield f"the move changes more than the key of image {image.id}"


def _check_content(case: _Case, step: Step, update: Update, image: LiveImage) -> Iterator[str]:
    """A record may claim only digests that are known to be of the data, or that the step verifies first."""
    record, live = update.record, case.find_owned_record(image)
    if record is None:
        return
    served = {Checksum(name, value) for name, value in image.digests.items()}
    strongest = max(record.digests, key=lambda digest: HEX_LENGTHS[digest.algorithm], default=None)
    known = served | set(update.verify) | set(live.digests if live else ())
    if not set(record.digests) <= known and strongest not in served:
        yield f"the new record of image {image.id} claims digests that are not known to be of its data"
    if live is not None and (record.url not in (None, live.url) or not set(record.declared) <= set(live.declared)):
        yield f"the new record of image {image.id} names another origin of its data"
    is_in_own_project = image.is_in_project(case.inventory.project_id)
    if is_in_own_project or update.verify or is_retirement(step):
        return
    if not (is_promotion(step) or step.reason is Reason.ADOPT or _is_shown_to_more(update, image)):
        return
    final = case.able is not None and case.able.hash_is_final and strongest in served
    if record.declared or not (final or set(record.digests) <= served):
        yield f"image {image.id} is in another project, and the step publishes it without reading its data back"


def _check_history(case: _Case, step: Step, update: Update, image: LiveImage) -> Iterator[str]:
    """The values of a record that no change of a step shows, but that a later plan uses."""
    record, live = update.record, case.find_owned_record(image)
    if record is None:
        return
    before = live.managed.before if live is not None else {}
    if is_retirement(step):  # the values a rollback restores: those that this step and the deactivation after it change
        changed = {
            ".".join(change.path): read_value(image, ".".join(change.path), case.inventory) for change in update.changes
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
        yield f"the new record of image {image.id} has earlier values that the image never had"
    if record.converted and not (live is not None and live.converted):
        yield f"the new record of image {image.id} claims that the service converted it"
    history = live.managed if live is not None else Managed()
    retired = case.groups[update.key]
    numbers = {history.retirement, 0}
    if is_retirement(step):
        leaving = len(retired.current) or 1  # an adopted image
        numbers = set(range(retired.next_retirement, retired.next_retirement + leaving))
    if record.managed.retirement not in numbers:
        yield f"the new record of image {image.id} has a wrong retirement number"
    if record.managed.generation != history.generation:
        yield f"the new record of image {image.id} has a wrong generation"
    if record.managed.former not in (None, history.former) and step.reason is not Reason.MOVED:
        yield f"the new record of image {image.id} names a former key that the image never had"
    if record.managed.retired not in (None, history.retired):
        yield f"the new record of image {image.id} has a wrong time of retirement"


def _is_shown_to_more(update: Update, image: LiveImage) -> bool:
    after = {change.path[0]: change.after for change in update.changes}
    visibility = Visibility(str(after["visibility"])) if "visibility" in after else None
    return is_shown_to_more(image, visibility, hidden=bool(after.get("hidden", image.hidden)))


def _find_missing_reliances(case: _Case) -> Iterator[str]:
    """Reliances that the plan must name and does not: a change of these values would go unnoticed."""
    relied = {reliance.image_id: reliance for reliance in case.plan.relies}
    if len(relied) < len(case.plan.relies):
        yield f"the plan lists an image twice among its reliances; {AGAIN}"
    for wanted in collect_reliances(case.plan.steps, case.inventory):
        found = relied.get(wanted.image_id)
        if found is None or found.key != wanted.key:
            yield f"{wanted.key}: the plan does not list the values of image {wanted.image_id} that it relies on; {AGAIN}"
        elif missing := sorted(set(wanted.values) - set(found.values)):
            yield (
                f"{wanted.key}: the plan does not list these values of image {wanted.image_id} that it relies on: "
                f"{', '.join(missing)}; {AGAIN}"
            )
    current = case.groups.find_current_ids()
    for step in case.plan.steps:
        if isinstance(step.action, Create) and step.action.key not in {*current, *case.plan.absent}:
            yield f"{step.id}: the plan does not list {step.action.key} among the keys without an image; {AGAIN}"
    if case.plan.kind is Kind.APPLY:
        chained = chain_name_changes(case.plan.steps, case.inventory)
        for step, complete in zip(case.plan.steps, chained, strict=True):
            if late := set(complete.needs) - set(step.needs):
                yield f"{step.id}: it does not wait for {', '.join(sorted(late))}, which publishes the name again; {AGAIN}"


def _find_false_moves(case: _Case) -> Iterator[str]:
    """A former key may be moved only if the planner would do so."""
    declared: dict[str, list[str]] = {}
    for old, key in case.plan.moved.items():
        declared.setdefault(key, []).append(old)
    moved = find_moves(declared, group(case.inventory.owned))
    for old, key in sorted(case.plan.moved.items()):
        if moved.get(old) != key:
            yield f"the images of {old} cannot be moved to {key}"


def _find_surplus_reliances(case: _Case) -> Iterator[str]:
    needed = {each.image_id for each in collect_reliances(case.plan.steps, case.inventory)}
    for image_id in sorted({each.image_id for each in case.plan.relies} - needed):
        yield f"the plan lists image {image_id} among its reliances, but no step touches that image"


def _check_ids(case: _Case) -> Iterator[str]:
    """The image that the plan names for each key, which references and pinned ids mean, must belong to that key."""
    published = {
        find_image_id(step.action): step.action.key
        for step in case.plan.steps
        if is_promotion(step) or step.reason is Reason.ADOPT
    }
    for key, image_id in case.plan.ids.items():
        image = case.images.get(image_id)
        if image is None or published.get(image_id) == key:
            continue  # a deleted image that no step uses does no harm
        record = case.find_owned_record(image)
        if record is None or case.find_key(record) != key:
            yield f"{key}: image {image_id} is not an image of this key"


def _check_counts(case: _Case) -> Iterator[str]:
    """The counts of the plan must be those of its steps: limits depend on them."""
    plan = case.plan
    removed, changed = find_removed_keys(plan.steps, case.groups), find_changed_keys(plan.steps, case.groups)
    if plan.kind in (Kind.STAGE, Kind.DISCARD):
        removed, changed = frozenset(), frozenset()
    wrong = (removed ^ set(plan.removed)) | (changed ^ set(plan.changed))
    for key in sorted(wrong):
        yield f"{key}: the plan's lists of removed and changed keys do not match its steps"
    if plan.owned < len(removed | changed) or plan.wanted < len(changed) or plan.unchanged > plan.wanted:
        yield "the plan's counts of keys do not match its steps"
