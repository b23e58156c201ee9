"""Images that a new build supersedes, or whose key left the manifest -> the steps that take them away. Pure."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from imagesync.documents import live_field
from imagesync.generations import Generations, Owned
from imagesync.model import OnRemove, OnReplace, Policy, Role, Status
from imagesync.plan import Action, Deactivate, Delete, FieldChange, Reason, Step, Update, Value
from imagesync.record import Record, short_hash


@dataclass(frozen=True, slots=True)
class Part:
    """What planning one key gives: steps, sentences for the reader, and sentences that refuse the whole plan."""

    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


def step(action: Action, reason: Reason, needs: Sequence[str] = ()) -> Step:
    """A step whose id says action, key and image."""
    kind = type(action).__name__.lower()
    image_id = getattr(action, "image_id", None)
    named = f"{kind}:{action.key}:{image_id}" if kind != "create" else f"create:{action.key}"
    return Step(named, action, reason, tuple(needs))


def retire(owned: Owned, on_replace: OnReplace, reason: Reason, needs: Sequence[str]) -> tuple[Step, ...]:
    """The update (and deactivation) that turns a superseded image into a retired generation."""
    changes = tuple(sorted(_retirement_changes(owned, on_replace, reason), key=lambda change: change.path))
    deactivated = on_replace.deactivate and owned.image.status is Status.ACTIVE
    before: dict[str, object] = {".".join(change.path): _remembered(change.before) for change in changes}
    if deactivated:
        before["status"] = Status.ACTIVE.value
    added = {short_hash(name): short_hash(json.dumps(value)) for name, value in on_replace.set_properties}
    managed = replace(
        owned.record.managed,
        properties={**owned.record.managed.properties, **added},
        tags=tuple(sorted({*owned.record.managed.tags, *map(short_hash, on_replace.set_tags)})),
        retired=None,
        before=before,
    )
    record = replace(owned.record, role=Role.RETIRED, managed=managed)
    first = step(Update(owned.record.key, owned.id, changes, record), reason, needs)
    if not deactivated:
        return (first,)
    return first, step(Deactivate(owned.record.key, owned.id), reason, (first.id,))


def _remembered(value: Value) -> object:
    return list(value) if isinstance(value, tuple) else value


def _retirement_changes(owned: Owned, on_replace: OnReplace, reason: Reason) -> Iterator[FieldChange]:
    image = owned.image
    fields: dict[str, Value] = dict(on_replace.set_fields)
    if on_replace.hide:
        fields["hidden"] = True
    if on_replace.rename:
        fields["name"] = retired_name(on_replace.rename, owned)
    for name, wanted in fields.items():
        if live_field(image, name) != wanted:
            yield FieldChange((name,), live_field(image, name), wanted, reason)
    for name, value in on_replace.set_properties:
        if image.properties.get(name) != value:
            yield FieldChange(("properties", name), image.properties.get(name), value, reason)
    for name in (path.removeprefix("properties.") for path in on_replace.unset if path.startswith("properties.")):
        if name in image.properties and name not in dict(on_replace.set_properties):
            yield FieldChange(("properties", name), image.properties[name], None, reason)
    tags = tuple(sorted({*image.tags, *on_replace.set_tags}))
    if set(tags) != image.tags:
        yield FieldChange(("tags",), tuple(sorted(image.tags)), tags, reason)


_FIELD: Final = re.compile(r"\{(name|key|id|generation|created)(?::([^{}]*))?\}")


def retired_name(pattern: str, owned: Owned) -> str:
    """``{name}``, ``{key}``, ``{id}``, ``{generation}`` and ``{created:%Y-%m-%d}`` filled in; all else as it stands.

    Not ``str.format``: a manifest is not to reach into objects.
    """
    image = owned.image
    plain = {
        "name": image.name or "",
        "key": owned.record.key,
        "id": image.id,
        "generation": str(owned.record.managed.generation),
    }

    def fill(found: re.Match[str]) -> str:
        if found[1] == "created":
            return datetime.fromisoformat(image.created_at).strftime(found[2] or "%Y-%m-%d")
        return plain[found[1]]

    return _FIELD.sub(fill, pattern)


def expired_generations(
    generations: Generations,
    leaving: Sequence[Owned],
    retiring: Sequence[Step],
    on_replace: OnReplace,
    policy: Policy,
    now: datetime,
    needs: Sequence[str] = (),
) -> Part:
    """Deletion of what exceeds ``keep`` or ``delete_after``; ``leaving`` retire in this plan by the steps ``retiring``.

    ``needs``: the step that brings the build which makes them superfluous; where it fails, they stay.
    """
    order = sorted([*leaving, *generations.retired], key=lambda owned: owned.order, reverse=True)
    kept, excess = order[: on_replace.keep], order[on_replace.keep :]
    excess += [owned for owned in kept if owned not in leaving and _is_due(owned, on_replace, now)]
    steps, notes = [], []
    for owned in sorted(excess, key=lambda item: item.order):
        if owned.image.protected and not policy.allow_protected:
            notes.append(
                f"{generations.key}: superseded image {owned.id} is protected and stays; --allow-protected deletes it"
            )
            continue
        retired_by = [item.id for item in retiring if getattr(item.action, "image_id", None) == owned.id]
        steps.append(step(_delete(owned), Reason.SUPERSEDED, retired_by or needs))
    return Part(tuple(steps), tuple(notes))


def _is_due(owned: Owned, on_replace: OnReplace, now: datetime) -> bool:
    retired = owned.record.managed.retired
    if on_replace.delete_after is None or retired is None:
        return False
    try:
        since = datetime.fromisoformat(retired)
    except ValueError:
        return False
    return now >= since + timedelta(days=on_replace.delete_after)


def _delete(owned: Owned) -> Delete:
    return Delete(owned.record.key, owned.id, owned.image.size, unprotect=owned.image.protected)


def remove(generations: Generations, policy: Policy, on_remove: OnRemove, reason: Reason) -> Part:
    """What ``on_remove`` does with the images of a key that the manifest no longer names."""
    leftovers = sweep(generations.staging)
    match on_remove:
        case OnRemove.DELETE:
            return _remove_all(generations, policy, reason)
        case OnRemove.KEEP:
            kept = (*generations.current, *generations.retired)
            steps = (step(Update(generations.key, owned.id, (), None), reason) for owned in kept)
            return Part((*steps, *leftovers))
        case OnRemove.HIDE:
            steps = (_hide(owned, reason) for owned in generations.current if not owned.image.hidden)
            return Part((*steps, *leftovers))
        case OnRemove.DEACTIVATE:
            active = [owned for owned in generations.current if owned.image.status is Status.ACTIVE]
            return Part((*(item for owned in active for item in _deactivate(owned, reason)), *leftovers))


def sweep(staging: Sequence[Owned]) -> tuple[Step, ...]:
    """Left-over staging records go: nobody ever saw them, and they protect nothing."""
    return tuple(step(_delete(owned), Reason.INCOMPLETE) for owned in staging)


def _remove_all(generations: Generations, policy: Policy, reason: Reason) -> Part:
    protected = [owned.id for owned in generations.every if owned.image.protected]
    if protected and not policy.allow_protected:
        sentence = (
            f"{generations.key}: would delete the protected image {protected[0]}; pass --allow-protected to allow"
        )
        return Part(refusals=(sentence,))
    return Part(tuple(step(_delete(owned), reason) for owned in generations.every))


def _hide(owned: Owned, reason: Reason) -> Step:
    change = FieldChange(("hidden",), False, True, reason)
    return step(Update(owned.record.key, owned.id, (change,), _with_field(owned, "hidden", value=True)), reason)


def _deactivate(owned: Owned, reason: Reason) -> tuple[Step, Step]:
    record = _with_field(owned, "status", value=Status.DEACTIVATED.value)
    first = step(Update(owned.record.key, owned.id, (), record), reason)
    return first, step(Deactivate(owned.record.key, owned.id), reason, (first.id,))


def _with_field(owned: Owned, name: str, *, value: str | bool) -> Record:
    managed = owned.record.managed
    return replace(
        owned.record, managed=replace(managed, fields={**managed.fields, name: short_hash(json.dumps(value))})
    )
