"""A declared image and its live one -> the two states to compare and the record to write. Pure.

This is a three-way merge of the manifest (declared), the service (live) and the record (what imagesync set last).
imagesync manages declared values. It removes values that it set and the manifest no longer declares, or resets them to
their default. It leaves all other values as they are. The states before and after are equal if there is nothing to do,
so the plan after an apply is empty.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from imagesync.model.catalog import Auto, ImageSpec, Status, UrlSource, Visibility
from imagesync.model.fields import collect_declared_fields, read_live_field, simplify_value
from imagesync.model.image import LiveImage, MemberState
from imagesync.model.plan import ImageState, Reason, Value
from imagesync.model.record import (
    Managed,
    Record,
    hash_all,
    hash_name,
    hash_names,
    hash_value,
    hash_values,
)
from imagesync.model.references import escape_references, fill_known_references
from imagesync.model.urls import redact_url

DEFAULTS: Final[Mapping[str, Value]] = {
    "visibility": Visibility.PRIVATE.value,
    "min_disk": 0,
    "min_ram": 0,
    "protected": False,
    "hidden": False,
}
"""The fields of a new image for which nothing is declared; a field that is no longer declared is reset to them."""


def is_left_alone(spec: ImageSpec, managed: Managed, *path: str) -> bool:
    """Whether ``ignore`` applies to a path; not if ``on_replace`` changed it when the image retired: it is restored."""
    return bool(spec.ignore) and spec.is_ignored(*path) and ".".join(path) not in managed.before


def make_state(spec: ImageSpec, members: frozenset[str], ids: Mapping[str, str]) -> ImageState:
    """The state of a new image: everything that is declared, and defaults for the other fields."""
    status = {"status": spec.status.value} if spec.status else {}
    return ImageState(
        fields={**DEFAULTS, **collect_declared_fields(spec), **status},
        properties={name: fill_known_references(value, ids) for name, value in sorted(spec.properties.items())},
        tags=tuple(sorted(spec.tags)),
        members=tuple(sorted(members)) if spec.visibility is Visibility.SHARED else (),
    )


def merge_states(
    spec: ImageSpec,
    image: LiveImage,
    managed: Managed,
    members: frozenset[str],
    live_members: tuple[MemberState, ...],
    ids: Mapping[str, str],
) -> tuple[ImageState, ImageState]:
    """The live state and the declared state, both reduced to managed values: the differences are the changes to make.

    Property values are written as in a manifest: text that only looks like a reference is escaped.
    """
    fields = _merge_fields(spec, image, managed)
    properties = _merge_properties(spec, managed, ids)
    names = set(properties)
    names |= {name for name in image.properties.keys() - names if hash_name(name) in managed.properties}
    projects = tuple(sorted(member.project for member in live_members))
    before = ImageState(
        fields={name: read_live_field(image, name) for name in fields},
        properties={
            name: escape_references(value) if "$" in (value := image.properties[name]) else value
            for name in sorted(names)
            if name in image.properties and not (spec.ignore and is_left_alone(spec, managed, "properties", name))
        },
        tags=tuple(sorted(image.tags)),
        members=projects,
    )
    tags = before.tags if is_left_alone(spec, managed, "tags") else _merge_set(image.tags, spec.tags, managed.tags)
    sharing = fields.get("visibility", image.visibility.value) == Visibility.SHARED.value
    wanted = _merge_set(frozenset(projects), members, managed.members) if sharing else ()
    after = ImageState(fields, properties, tags, projects if spec.is_ignored("members") else wanted)
    return before, after


def _merge_fields(spec: ImageSpec, image: LiveImage, managed: Managed) -> dict[str, Value]:
    declared = collect_declared_fields(spec)
    returned = {name: DEFAULTS[name] for name in managed.fields if name in DEFAULTS}
    returned |= {name: simplify_value(value) for name, value in managed.before.items() if name in DEFAULTS}
    if isinstance(spec.min_disk, Auto):
        declared["min_disk"] = compute_min_disk(image)
    wanted = sorted({**returned, **declared}.items())
    return {name: value for name, value in wanted if not is_left_alone(spec, managed, name)}


def compute_min_disk(image: LiveImage) -> int:
    """The virtual size in GiB, rounded up; the stored size if the service reports no virtual size."""
    return -(-(image.virtual_size or image.size or 0) // 2**30)


def _merge_properties(spec: ImageSpec, managed: Managed, ids: Mapping[str, str]) -> dict[str, str]:
    declared = {
        name: fill_known_references(value, ids) if "$" in value else value for name, value in spec.properties.items()
    }
    wanted = {**_restore_properties(managed), **declared} if managed.before else declared
    return {
        name: wanted[name]
        for name in sorted(wanted)
        if not (spec.ignore and is_left_alone(spec, managed, "properties", name))
    }


def _restore_properties(managed: Managed) -> dict[str, str]:
    """The properties that ``on_replace`` removed or changed when the image retired, with their earlier values."""
    changed = ((path.partition("."), value) for path, value in managed.before.items())
    return {
        name: escape_references(str(value))
        for (kind, _, name), value in changed
        if kind == "properties" and value is not None
    }


def _merge_set(live: frozenset[str], wanted: frozenset[str], managed: tuple[str, ...]) -> tuple[str, ...]:
    foreign = {item for item in live if hash_name(item) not in managed}
    return tuple(sorted(foreign | wanted))


def make_managed(spec: ImageSpec, members: frozenset[str], generation: int) -> Managed:
    """What imagesync manages on an image after it is as declared."""
    return Managed(
        fields={name: hash_value(value) for name, value in sorted(_list_managed_fields(spec).items())},
        properties=hash_values(spec.properties),
        tags=hash_names(spec.tags),
        members=hash_names(members),
        generation=generation,
        origin=_find_public_origin(spec),
    )


def list_managed_names(spec: ImageSpec, members: frozenset[str]) -> tuple[frozenset[str], ...]:
    """``make_managed(…).names()`` without hashing values, which is faster; nearly all images need no new record."""
    texts = (spec.properties, spec.tags, members)
    return frozenset(_list_managed_fields(spec)), *(hash_all(tuple(names)) for names in texts)


def _list_managed_fields(spec: ImageSpec) -> dict[str, Value]:
    fields = collect_declared_fields(spec)
    if spec.status:
        fields["status"] = spec.status.value
    if isinstance(spec.min_disk, Auto):
        fields["min_disk"] = spec.min_disk.value
    if stores := _list_declared_stores(spec):
        fields["stores"] = stores
    return fields


def _list_declared_stores(spec: ImageSpec) -> Value:
    transfer = spec.source.transfer
    if transfer is None:
        return None
    return "all" if transfer.all_stores else tuple(sorted(transfer.stores))


def _find_public_origin(spec: ImageSpec) -> str | None:
    """The URL of the data without credentials and query, because any user of the image can read its record."""
    return redact_url(spec.source.urls[0]) if isinstance(spec.source, UrlSource) else None


def wanted_digest(spec: ImageSpec) -> str:
    """The identity of the declared state without content and members: 32 hexadecimal digits, the same in every version."""
    parts = {
        "fields": collect_declared_fields(spec),
        "properties": dict(spec.properties),
        "tags": sorted(spec.tags),
        "members": [],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def find_reason(path: tuple[str, ...], wanted: Managed, managed: Managed) -> Reason:
    """DRIFT if imagesync set the declared value (``wanted``) before (``managed``), else MANIFEST_CHANGED."""
    match path:
        case ("properties", name):
            hashes = (wanted.properties.get(hash_name(name)), managed.properties.get(hash_name(name)))
            same = hashes[0] == hashes[1] is not None
        case ("tags",):
            same = wanted.tags == managed.tags
        case ("members",):
            same = wanted.members == managed.members
        case _:
            hash_before = managed.fields.get(path[0])
            same = hash_before is not None and hash_before == wanted.fields.get(path[0])
    return Reason.DRIFT if same else Reason.MANIFEST_CHANGED


def make_current_record(catalog: str, spec: ImageSpec, members: frozenset[str], base: Record) -> Record:
    """``base`` with its content and generation, and everything else as the manifest declares now."""
    managed = make_managed(spec, members, base.managed.generation)
    managed = replace(managed, origin=base.managed.origin or managed.origin)
    return replace(base, catalog=catalog, key=spec.key, spec=wanted_digest(spec), managed=managed)


def find_wanted_status(spec: ImageSpec, managed: Managed) -> Status | None:
    """The declared status; ACTIVE if none is declared and imagesync deactivated the image; else None: not managed."""
    if is_left_alone(spec, managed, "status"):
        return None
    if spec.status:
        return spec.status
    recorded = managed.fields.get("status") == hash_value(Status.DEACTIVATED.value)
    return Status.ACTIVE if recorded or "status" in managed.before else None
