"""Images that a new build supersedes, or whose key left the manifest -> the steps that retire or remove them. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import assert_never

from imagesync.model.catalog import Role, Status
from imagesync.model.fields import read_live_field
from imagesync.model.plan import Deactivate, Delete, FieldChange, Kept, Reason, Step, Update, Value
from imagesync.model.policy import RENAME_FIELD, USUAL_FORM, OnRemove, OnReplace, Policy, format_created
from imagesync.model.record import MAX_GENERATION, Record, hash_names, hash_value, hash_values
from imagesync.planning.generations import Generations, Owned
from imagesync.planning.steps import KeyPlan, make_step


def retire_all(
    generations: Generations, leaving: Sequence[Owned], on_replace: OnReplace, reason: Reason, needs: Sequence[str]
) -> list[Step]:
    """The updates (and deactivations) that retire superseded images, oldest first."""
    numbered = enumerate(leaving, generations.next_retirement)
    return [step for number, owned in numbered for step in _retire(owned, number, on_replace, reason, needs)]


def _retire(owned: Owned, number: int, on_replace: OnReplace, reason: Reason, needs: Sequence[str]) -> tuple[Step, ...]:
    changes = tuple(sorted(_make_changes(owned, on_replace, reason), key=lambda change: change.path))
    deactivated = on_replace.deactivate and owned.image.status is Status.ACTIVE
    before: dict[str, object] = {".".join(change.path): _encode_value(change.before) for change in changes}
    if deactivated:
        before["status"] = Status.ACTIVE.value
    added = hash_values(dict(on_replace.set_properties))
    managed = replace(
        owned.record.managed,
        properties={**owned.record.managed.properties, **added},
        tags=tuple(sorted({*owned.record.managed.tags, *hash_names(on_replace.set_tags)})),
        retired=None,
        before=before,
        retirement=min(number, MAX_GENERATION),
    )
    record = replace(owned.record, role=Role.RETIRED, managed=managed)
    first = make_step(Update(owned.record.key, owned.id, changes, record), reason, needs)
    if not deactivated:
        return (first,)
    return first, make_step(Deactivate(owned.record.key, owned.id), reason, (first.id,))


def _encode_value(value: Value) -> object:
    return list(value) if isinstance(value, tuple) else value


def _make_changes(owned: Owned, on_replace: OnReplace, reason: Reason) -> Iterator[FieldChange]:
    image = owned.image
    fields: dict[str, Value] = dict(on_replace.set_fields)
    if on_replace.hide:
        fields["hidden"] = True
    if on_replace.rename:
        fields["name"] = make_retired_name(on_replace.rename, owned)
    for name, wanted in fields.items():
        if read_live_field(image, name) != wanted:
            yield FieldChange((name,), read_live_field(image, name), wanted, reason)
    for name, value in on_replace.set_properties:
        if image.properties.get(name) != value:
            yield FieldChange(("properties", name), image.properties.get(name), value, reason)
    for name in (path.removeprefix("properties.") for path in on_replace.unset if path.startswith("properties.")):
        if name in image.properties and name not in dict(on_replace.set_properties):
            yield FieldChange(("properties", name), image.properties[name], None, reason)
    tags = tuple(sorted({*image.tags, *on_replace.set_tags}))
    if set(tags) != image.tags:
        yield FieldChange(("tags",), tuple(sorted(image.tags)), tags, reason)


def make_retired_name(pattern: str, owned: Owned) -> str:
    """``pattern`` with ``{name}``, ``{key}``, ``{id}``, ``{generation}`` and ``{created:%Y-%m-%d}`` replaced.

    ``str.format`` would let a manifest read attributes of objects.
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
            return format_created(datetime.fromisoformat(image.created_at), found[2] or USUAL_FORM)
        return plain[found[1]]

    return RENAME_FIELD.sub(fill, pattern)


def expire_generations(
    generations: Generations,
    leaving: Sequence[Owned],
    retiring: Sequence[Step],
    on_replace: OnReplace,
    policy: Policy,
    now: datetime | None,
    needs: Sequence[str] = (),
    spared: Collection[str] = (),
) -> KeyPlan:
    """The deletion of retired images that exceed ``keep`` or ``delete_after``, and why the other images stay.

    ``leaving`` are the images that the steps ``retiring`` retire in this plan. ``keep`` keeps the last retired.
    ``needs``: the step that publishes the new build; if it fails, no image is deleted. ``now`` None: none is deleted by
    age. ``spared``: ids of foreign images that this run adopts; they stay at least until the next run.
    """
    order = [*sorted(leaving, key=lambda owned: owned.order, reverse=True), *generations.last_retired_first]
    left = {owned.id for owned in leaving}
    retired_by: dict[str | None, list[str]] = {}
    for item in retiring:
        retired_by.setdefault(getattr(item.action, "image_id", None), []).append(item.id)
    fates = [
        (owned, _find_deletion_reason(number, owned, owned.id in left, on_replace, now))
        for number, owned in enumerate(order)
    ]
    steps, kept = [], []
    for owned, why in sorted(fates, key=lambda fate: fate[0].order):
        if why is None or owned.id in spared or (owned.image.protected and not policy.allow_protected):
            protected = why is not None and owned.id not in spared
            kept.append(make_kept(owned, on_replace, retires=owned.id in left, protected=protected))
            continue
        steps.append(make_step(_delete(owned), why, retired_by.get(owned.id) or needs))
    return KeyPlan(tuple(steps), kept=tuple(kept))


def _find_deletion_reason(
    number: int, owned: Owned, leaves: bool, on_replace: OnReplace, now: datetime | None
) -> Reason | None:
    if number >= on_replace.keep:
        return Reason.SUPERSEDED
    end = _find_end(owned, on_replace)
    is_old = not leaves and end is not None and now is not None and now >= end
    return Reason.OUTDATED if is_old else None


def _find_end(owned: Owned, on_replace: OnReplace) -> datetime | None:
    since = owned.retired_at
    if on_replace.delete_after is None or since is None:
        return None
    try:
        return since + timedelta(days=on_replace.delete_after)
    except OverflowError:
        return None


def make_kept(owned: Owned, on_replace: OnReplace, *, retires: bool, protected: bool = False) -> Kept:
    """Why a superseded image stays, and until when."""
    end = None if retires else _find_end(owned, on_replace)
    return Kept(
        key=owned.record.key,
        image_id=owned.id,
        keep=on_replace.keep,
        days=on_replace.delete_after,
        until=end.date().isoformat() if end else None,
        retires=retires,
        protected=protected,
    )


def _delete(owned: Owned) -> Delete:
    return Delete(owned.record.key, owned.id, owned.image.size, unprotect=owned.image.protected)


def remove(
    generations: Generations, policy: Policy, on_remove: OnRemove, reason: Reason, now: datetime | None
) -> KeyPlan:
    """What ``on_remove`` does to the images of a key that the manifest no longer declares.

    ``keep`` releases all of them, also the retired ones: they stay as they are, and no catalog owns them. With ``hide``
    and ``deactivate`` the retired ones are deleted later, as the policy's ``on_replace`` says.
    """
    current = generations.current
    leftovers = sweep(generations.staging, generations.deleting)
    match on_remove:
        case OnRemove.DELETE:
            return _refuse_protected(generations.every, policy, "delete", _delete_all(generations.every, reason))
        case OnRemove.KEEP:
            kept = (*current, *generations.retired)
            releases = tuple(make_step(Update(generations.key, owned.id, (), None), reason) for owned in kept)
            return _refuse_protected(kept, policy, "release", (*releases, *leftovers))
        case OnRemove.HIDE:
            touched = [owned for owned in current if not owned.image.hidden]
            steps = hide(current, reason)
        case OnRemove.DEACTIVATE:
            touched = [owned for owned in current if owned.image.status is Status.ACTIVE]
            steps = deactivate(current, reason)
        case _:
            assert_never(on_remove)
    expiry = expire_generations(generations, (), (), policy.on_replace, policy, now)
    found = _refuse_protected(touched, policy, on_remove.value, (*steps, *expiry.steps, *leftovers))
    return replace(found, kept=expiry.kept)


def sweep(
    staging: Sequence[Owned], deleting: Sequence[Owned], needs: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> tuple[Step, ...]:
    """The deletion of left-over staging records, which users never saw, and of images with role ``deleting``.

    ``needs``: by image id the steps that must be done before its deletion.
    """
    left = tuple(
        make_step(_delete(owned), Reason.DISCARDED if owned.is_verified else Reason.INCOMPLETE, needs.get(owned.id, ()))
        for owned in staging
    )
    return (*left, *(make_step(_delete(owned), Reason.DELETING) for owned in deleting))


def _delete_all(images: Sequence[Owned], reason: Reason) -> tuple[Step, ...]:
    return tuple(make_step(_delete(owned), reason) for owned in images)


def _refuse_protected(images: Sequence[Owned], policy: Policy, verb: str, steps: tuple[Step, ...]) -> KeyPlan:
    """The steps; or a refusal if one of ``images`` is protected and the policy does not allow its removal."""
    protected = [owned for owned in images if owned.image.protected]
    if not protected or policy.allow_protected:
        return KeyPlan(steps)
    key, image_id = protected[0].record.key, protected[0].id
    sentence = f"{key}: would {verb} the protected image {image_id}; pass --allow-protected to allow it"
    return KeyPlan(refusals=(sentence,))


def hide(images: Sequence[Owned], reason: Reason) -> tuple[Step, ...]:
    """The steps that hide those of the images that are visible, and change no other field."""
    return tuple(_hide(owned, reason) for owned in images if not owned.image.hidden)


def deactivate(images: Sequence[Owned], reason: Reason) -> tuple[Step, ...]:
    """The steps that deactivate those of the images that are active, and change no other field."""
    return tuple(item for owned in images if owned.image.status is Status.ACTIVE for item in _deactivate(owned, reason))


def _hide(owned: Owned, reason: Reason) -> Step:
    change = FieldChange(("hidden",), False, True, reason)
    return make_step(Update(owned.record.key, owned.id, (change,), _set_field(owned, "hidden", value=True)), reason)


def _deactivate(owned: Owned, reason: Reason) -> tuple[Step, Step]:
    record = _set_field(owned, "status", value=Status.DEACTIVATED.value)
    first = make_step(Update(owned.record.key, owned.id, (), record), reason)
    return first, make_step(Deactivate(owned.record.key, owned.id), reason, (first.id,))


def _set_field(owned: Owned, name: str, *, value: str | bool) -> Record:
    managed = owned.record.managed
    return replace(owned.record, managed=replace(managed, fields={**managed.fields, name: hash_value(value)}))
