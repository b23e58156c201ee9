"""Steps and live images -> the values that a plan relies on; a plan and live images -> what changed since. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from imagesync.model.catalog import Status
from imagesync.model.fields import read_live_value
from imagesync.model.image import Inventory, LiveImage
from imagesync.model.plan import (
    Action,
    Create,
    Deactivate,
    Delete,
    FieldChange,
    Plan,
    Reactivate,
    Reliance,
    Step,
    Update,
    Value,
    find_image_id,
)
from imagesync.model.record import PREFIX, ROLE, read
from imagesync.model.references import REFERENCE
from imagesync.model.report import Outcome, Report
from imagesync.planning.moves import group_by_plan
from imagesync.planning.ownership import describe_holder

MAX_NAMED_FIELDS: Final = 5
"""A message about a stale plan names at most this many fields of an image, and counts the rest."""
_ALWAYS: Final = ("name", "owner", "status", "hidden", "visibility", "protected")
_ID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def collect_reliances(steps: Sequence[Step], inventory: Inventory) -> tuple[Reliance, ...]:
    """The values that steps rely on, sorted by image id.

    For each live image that a step touches: the fields it changes, the fields that always count, and the record. For an
    owned image whose id a step writes into a property: only its role.
    """
    images = {image.id: image for image in (*inventory.owned, *inventory.foreign)}
    paths: dict[str, set[str]] = {}
    keys: dict[str, str] = {}
    for item in steps:
        for image_id in _find_mentioned_ids(item.action):
            if (image := images.get(image_id)) is not None and (record := read(image)) is not None:
                keys.setdefault(image_id, record.key)
                paths.setdefault(image_id, set()).add(f"properties.{ROLE}")
        for touched in _find_touched_ids(item.action):
            keys[touched] = item.action.key
            paths.setdefault(touched, set()).update(_list_paths(item, images.get(touched)))
    return tuple(
        Reliance(
            image_id, keys[image_id], {path: read_value(images[image_id], path, inventory) for path in sorted(found)}
        )
        for image_id, found in sorted(paths.items())
        if image_id in images
    )


def _find_touched_ids(action: Action) -> tuple[str, ...]:
    """The ids of the images that an action writes to, or whose fields or bytes the run compares with a new build."""
    compared = (*action.may_hold, *action.replaces[-1:]) if isinstance(action, Create) else ()
    touched = find_image_id(action)
    return (touched, *compared) if touched is not None else compared


def _find_mentioned_ids(action: Action) -> Iterator[str]:
    """Everything that looks like an image id in the properties that an action writes."""
    texts: list[Value] = []
    if isinstance(action, Create):
        texts += action.state.properties.values()
    elif isinstance(action, Update):
        texts += [change.after for change in action.changes if change.path[0] == "properties"]
    for text in texts:
        yield from _ID.findall(text) if isinstance(text, str) else ()


def _list_paths(item: Step, image: LiveImage | None) -> Iterator[str]:
    yield from _ALWAYS
    yield from (f"properties.{name}" for name in (image.properties if image else ()) if name.startswith(PREFIX))
    is_replaced = isinstance(item.action, Create) and image is not None and item.action.replaces[-1:] == (image.id,)
    if isinstance(item.action, Update) or (isinstance(item.action, Create) and is_replaced):
        yield from (".".join(change.path) for change in item.action.changes)


def _is_unhiding(action: Action) -> bool:
    return isinstance(action, Update) and any(c.path == ("hidden",) and c.after is False for c in action.changes)


def read_value(image: LiveImage, path: str, inventory: Inventory) -> Value:
    """One value of a live image by its path text, for example ``properties.os_distro``; the ids of members are sorted."""
    if path == "members":
        return tuple(sorted(member.project for member in inventory.members.get(image.id, ())))
    return read_live_value(image, path)


def find_stale_reliances(plan: Plan, inventory: Inventory) -> tuple[str, ...]:
    """One sentence for each value that the plan relied on and that has changed."""
    images = {image.id: image for image in (*inventory.owned, *inventory.foreign)}
    sentences = []
    for reliance in plan.relies:
        image = images.get(reliance.image_id)
        if image is None:
            sentences.append(f"{reliance.key}: image {reliance.image_id} was deleted or lost its marker meanwhile")
            continue
        changed = [path for path, value in reliance.values.items() if read_value(image, path, inventory) != value]
        if changed:
            sentences.append(f"{reliance.key}: {_name_fields(changed)} of image {reliance.image_id} changed meanwhile")
    made = group_by_plan(plan, inventory.owned).find_current_ids()
    sentences += [f"{key}: another run created image {made[key]} meanwhile" for key in plan.absent if key in made]
    sentences += _find_rejected_builds(plan, inventory)
    return tuple(sentences) + tuple(_find_taken_names(plan, inventory))


def _name_fields(paths: Sequence[str]) -> str:
    """The changed fields as text; those of imagesync's own record only if no other field changed."""
    named = [path for path in paths if not path.startswith(f"properties.{PREFIX}")] or list(paths)
    more = len(named) - MAX_NAMED_FIELDS
    return ", ".join([*named[:MAX_NAMED_FIELDS], *([f"{more} more fields"] if more > 0 else [])])


def _find_rejected_builds(plan: Plan, inventory: Inventory) -> Iterator[str]:
    """One sentence for each build of the plan of which a candidate was staged and rejected since the plan was made."""
    groups, known = group_by_plan(plan, inventory.owned), {find_image_id(item.action) for item in plan.steps}
    for item in plan.steps:
        action = item.action
        if not isinstance(action, Create) or action.state.fields.get("status") == Status.DEACTIVATED.value:
            continue
        for owned in groups[action.key].switched_off:
            same_url = owned.record.url is not None and owned.record.url == action.record.url
            same = set(owned.record.digests) & set(action.fingerprint.digests) or (
                same_url and not action.fingerprint.digests
            )
            if same and owned.id not in known:
                yield f"{action.key}: candidate {owned.id} was deactivated meanwhile, so this build is rejected"


def _find_taken_names(plan: Plan, inventory: Inventory) -> Iterator[str]:
    touched = {find_image_id(item.action) for item in plan.steps}  # includes foreign images to adopt, see live_checks
    for key, image in _find_namesakes(plan, inventory):
        if image.id not in touched:
            yield f"{key}: image {image.id} has taken the name {image.name!r} meanwhile"


def _find_namesakes(plan: Plan, inventory: Inventory) -> Iterator[tuple[str, LiveImage]]:
    """Each key whose name the plan takes, with each visible foreign image of that name in the key's project."""
    for key, name in collect_taken_names(plan):
        owner = plan.owners.get(key, inventory.project_id)
        for image in inventory.foreign:
            if image.name == name and not image.hidden and (image.owner or "") == owner:
                yield key, image


def find_published_clashes(report: Report, inventory: Inventory) -> tuple[str, ...]:
    """One sentence for each name that this run published and that another visible image of the project also has."""
    published = {
        result.step.action.key for result in report.results if result.outcome in (Outcome.DONE, Outcome.DEFERRED)
    }
    return tuple(
        f"{key}: image {image.id}, which {describe_holder(image)}, also has the name {image.name!r}; give one of them "
        f"another name, or remove {key} from one of the manifests"
        for key, image in _find_namesakes(report.plan, inventory)
        if key in published
    )


def find_unmet_steps(report: Report, inventory: Inventory) -> tuple[str, ...]:
    """One sentence for each step that was done but whose result the inventory after the run does not show."""
    images = {image.id: image for image in (*inventory.owned, *inventory.foreign)}
    done = [result for result in report.results if result.outcome is Outcome.DONE]
    deleted = {result.image_id for result in done if isinstance(result.step.action, Delete)}
    done = [result for result in done if result.image_id not in deleted or isinstance(result.step.action, Delete)]
    return tuple(
        f"{result.step.id} was done, but the service reports other values; run apply again"
        for result in done
        if not _is_met(result.step, images.get(result.image_id or ""), inventory)
    )


def _is_met(step: Step, image: LiveImage | None, inventory: Inventory) -> bool:
    match step.action:
        case Delete():
            return image is None
        case Update(record=None):
            return True
        case Update(changes=changes):
            plain = [change for change in changes if not _has_reference(change.after)]
            return image is not None and all(_is_as_changed(change, image, inventory) for change in plain)
        case Deactivate():
            return image is not None and image.status is Status.DEACTIVATED
        case Reactivate():
            return image is not None and image.status is Status.ACTIVE
        case Create():
            return image is not None


def _is_as_changed(change: FieldChange, image: LiveImage, inventory: Inventory) -> bool:
    """Whether a value is that of a change; an empty value may be missing."""
    found = read_value(image, ".".join(change.path), inventory)
    return found == change.after or (found in ((), None) and change.after in ((), None))


def _has_reference(value: Value) -> bool:
    return isinstance(value, str) and REFERENCE.search(value) is not None


def collect_taken_names(plan: Plan) -> tuple[tuple[str, str], ...]:
    """The key and name of each image that the plan publishes or renames."""
    relied = {reliance.image_id: reliance.values for reliance in plan.relies}
    found: list[tuple[str, Value]] = []
    for item in plan.steps:
        if isinstance(item.action, Create):
            fields = item.action.state.fields
            found += [] if item.action.stage or fields.get("hidden") else [(item.action.key, fields.get("name"))]
        elif isinstance(item.action, Update):
            renamed = [change.after for change in item.action.changes if change.path == ("name",)]
            kept = relied.get(item.action.image_id, {}).get("name") if _is_unhiding(item.action) else None
            found += [(item.action.key, name) for name in (renamed or [kept])]
    return tuple((key, name) for key, name in found if isinstance(name, str))
