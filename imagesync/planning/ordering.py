"""Steps in any order -> steps in the order in which they are printed and started. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush

from imagesync.errors import PlanRefused
from imagesync.model.image import Inventory, LiveImage
from imagesync.model.plan import Create, Deactivate, Delete, Reactivate, Step, Update, Value, is_promotion

_RANK = {Create: 0, Reactivate: 1, Update: 2, Deactivate: 3, Delete: 4}


def order_steps(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps in topological order, then by key, kind and id; PlanRefused if steps wait for each other in a circle."""
    waiting = {item.id: len(item.needs) for item in steps}
    dependants: dict[str, list[Step]] = {}
    for item in steps:
        for needed in item.needs:
            dependants.setdefault(needed, []).append(item)
    ready = [(_sort_key(item), item) for item in steps if not item.needs]
    heapify(ready)
    ordered: list[Step] = []
    while ready:
        _, item = heappop(ready)
        ordered.append(item)
        for dependant in dependants.get(item.id, ()):
            waiting[dependant.id] -= 1
            if not waiting[dependant.id]:
                heappush(ready, (_sort_key(dependant), dependant))
    if len(ordered) < len(steps):
        circle = sorted({item.action.key for item in steps} - {item.action.key for item in ordered})
        raise PlanRefused([f"images {', '.join(circle)} refer to each other in a circle; remove one reference"])
    return tuple(ordered)


def _sort_key(item: Step) -> tuple[str, int, str]:
    return item.action.key, _RANK[type(item.action)], item.id


def chain_name_changes(steps: Sequence[Step], inventory: Inventory) -> tuple[Step, ...]:
    """The steps, where each that frees a visible name waits for those that give it to another image: no gap for users.

    A wait that would close a circle is left out: the owner of another project (``owner:``) may choose names that do so.
    """
    images = {image.id: image for image in inventory.owned}
    givers: dict[str, dict[str, str | None]] = {}
    for item in steps:
        if (name := _find_given_name(item, images)) is not None:
            givers.setdefault(name, {})[item.id] = getattr(item.action, "image_id", None)
    names = {image.id: image.name for image in images.values() if not image.hidden and image.name}
    needs = {item.id: list(item.needs) for item in steps}
    for item in sorted(steps, key=lambda item: item.id):
        for giver in _find_givers(item, names, givers):
            if giver not in needs[item.id] and not _is_waiting_for(giver, item.id, needs):
                needs[item.id].append(giver)
    return tuple(replace(item, needs=tuple(needs[item.id])) for item in steps)


def _find_given_name(item: Step, images: Mapping[str, LiveImage]) -> str | None:
    """The visible name of a new build, or of a build that is published again; None if it stays hidden."""
    fields: Mapping[str, Value] = {}
    if isinstance(item.action, Create):
        fields = item.action.state.fields
    elif isinstance(item.action, Update) and is_promotion(item):
        image = images[item.action.image_id]
        changed = {change.path[0]: change.after for change in item.action.changes}
        fields = {"name": image.name, "hidden": image.hidden} | changed
    name = fields.get("name")
    return name if isinstance(name, str) and not fields.get("hidden") else None


def _find_givers(item: Step, names: Mapping[str, str], givers: Mapping[str, Mapping[str, str | None]]) -> list[str]:
    """The ids of the steps that give another image the name that this step frees."""
    if isinstance(item.action, Create | Reactivate) or not _is_name_freed(item):
        return []
    found = givers.get(names.get(item.action.image_id, ""), {})
    return sorted(giver for giver, image_id in found.items() if image_id != item.action.image_id)


def _is_waiting_for(step: str, other: str, needs: Mapping[str, Sequence[str]]) -> bool:
    """Whether ``step`` is ``other``, or waits for it directly or through other steps."""
    seen, left = {step}, [step]
    while left:
        found = left.pop()
        if found == other:
            return True
        new = set(needs.get(found, ())) - seen
        seen |= new
        left += new
    return False


def _is_name_freed(item: Step) -> bool:
    if isinstance(item.action, Update):
        return any(change.path == ("hidden",) and change.after is True for change in item.action.changes)
    return isinstance(item.action, Delete | Deactivate)
