"""A catalog and its live images -> what other users changed since imagesync wrote them. Pure.

The record of an image has a hash of each value that imagesync set. A live value with another hash is drift, whatever the
manifest declares now. The manifest gives the values that belong to the hashes, and shows which apply restores them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from imagesync.model.catalog import Auto, Catalog, ImageSpec, Status, Visibility
from imagesync.model.drift import Drift, DriftReport, Remedy
from imagesync.model.fields import collect_declared_fields, read_live_field
from imagesync.model.image import Inventory, LiveImage
from imagesync.model.plan import Reason, Value
from imagesync.model.record import Managed, hash_name, hash_value
from imagesync.model.references import REFERENCE, escape_references, fill_known_references
from imagesync.planning.generations import Groups, Owned, group, is_stored_as_published
from imagesync.planning.moves import group_by_new_key
from imagesync.planning.ownership import make_ownership
from imagesync.planning.three_way import DEFAULTS, compute_min_disk, find_reason, is_left_alone, make_managed

MAX_GUESSED_NUMBER: Final = 2**16
"""Numbers up to this one are tried to find the value that belongs to a hash: min_disk in GB, min_ram in MB."""
_COMPARED_ELSEWHERE: Final = frozenset({"status", "stores"})


def find_drift(catalog: Catalog, inventory: Inventory, known: frozenset[str] | None, *, today: str = "") -> DriftReport:
    """What other users changed on the published images of a catalog, within its ``only``.

    ``known``: the hashed names of the keys that had a published image after the last run; None if no run recorded them.
    ``today``: the ISO date, for keys that expire; empty: none has expired.
    """
    groups, moved = group_by_new_key(catalog.moved, inventory.owned)
    specs = {spec.key: spec for spec in catalog.images}
    world = _World(inventory, groups, catalog.moved, frozenset(moved.values()))
    published = [
        (owned, specs.get(key))
        for key, found in sorted(groups.items())
        if catalog.is_in_scope(key)
        for owned in found.current
    ]
    changed = chain.from_iterable(_compare(world, owned, spec) for owned, spec in published)
    lacking = [spec for spec in catalog.images if catalog.is_in_scope(spec.key) and not groups[spec.key].current]
    lacking = [spec for spec in lacking if not _has_expired(spec, today)]
    made = _find_made(published, specs) | {
        spec.key for spec in lacking if not {*map(hash_name, world.list_names(spec.key))}.isdisjoint(known or ())
    }
    missing = [
        Drift(spec.key, None, ("image",), "published", None, Remedy.APPLY) for spec in lacking if spec.key in made
    ]
    unknown = tuple(sorted(spec.key for spec in lacking if spec.key not in made)) if known is None else ()
    found = sorted(
        (*changed, *missing), key=lambda drift: (drift.key, drift.image_id or "", drift.path, str(drift.was))
    )
    return DriftReport(tuple(found), len(published), unknown)


def find_drift_of_listed(catalog: Catalog, images: Sequence[LiveImage], project: str) -> dict[str, tuple[Drift, ...]]:
    """The drift of each listed image that is the current one of a key of the catalog, by id; empty without drift.

    ``project``: that of the session. A listing has no members, so they are not compared. The catalog must have the ids of
    its owners (``identify_owners``).
    """
    specs = tuple(replace(spec, members=frozenset(), members_declared=False) for spec in catalog.images)
    wanted = replace(catalog, images=specs)
    inventory = Inventory(project, owned=make_ownership(wanted, project).select_owned(images))
    found = find_drift(wanted, inventory, frozenset()).found
    current = [owned.id for each in group(inventory.owned).values() for owned in each.current]
    by_image: dict[str, list[Drift]] = {image_id: [] for image_id in current}
    for drift in found:
        if drift.image_id in by_image:
            by_image[drift.image_id].append(drift)
    return {image_id: tuple(drifts) for image_id, drifts in by_image.items()}


def _has_expired(spec: ImageSpec, today: str) -> bool:
    """Whether ``on_expire: delete`` removed the image, or no image is made for the key after that day."""
    return bool(spec.expires and today and today >= spec.expires)


def _find_made(published: Iterable[tuple[Owned, ImageSpec | None]], specs: Mapping[str, ImageSpec]) -> set[str]:
    """Keys that certainly had an image: imagesync wrote its id into a property of another image."""
    made: set[str] = set()
    for owned, spec in published:
        for name, value in (spec.properties if spec else {}).items():
            if owned.record.managed.properties.get(hash_name(name)) == hash_value(value):
                made |= {key for key in REFERENCE.findall(value) if key}
    return made & specs.keys()


@dataclass(frozen=True, slots=True)
class _World:
    """All live images of the catalog by their new keys: the values of references depend on them.

    ``former``: the former keys by new key, ``moving``: the new keys whose move is not applied yet.
    """

    inventory: Inventory
    groups: Groups
    former: Mapping[str, Sequence[str]]
    moving: frozenset[str]

    def list_names(self, key: str) -> tuple[str, ...]:
        """The key and its former keys."""
        return (key, *self.former.get(key, ()))

    def find_members(self, spec: ImageSpec) -> frozenset[str]:
        projects = self.inventory.projects
        return frozenset(member if isinstance(member, str) else projects[member] for member in spec.members)

    def is_reference_to_build(self, text: str, digest: str) -> bool:
        """Whether ``text`` is a value with references, whose hash is ``digest``, filled with ids of owned images."""
        owned = ((key, one.id) for key, found in self.groups.items() for one in found.every if one.id in text)
        texts = {text}
        for key, image_id in owned:
            texts = {one.replace(image_id, f"${{images.{name}.id}}") for one in texts for name in self.list_names(key)}
        return digest in map(hash_value, texts)


def _compare(world: _World, owned: Owned, spec: ImageSpec | None) -> Iterator[Drift]:
    """The drift of one published image."""
    managed = owned.record.managed
    wanted = make_managed(spec, world.find_members(spec), managed.generation) if spec else Managed()

    def note(
        path: tuple[str, ...], was: Value, now: Value, *, known: bool = True, remedy: Remedy | None = None
    ) -> Drift:
        is_moving = owned.record.key in world.moving  # apply --drift-only leaves a move for the next apply
        is_kept = not is_moving and find_reason(path[:2], wanted, managed) is Reason.DRIFT
        chosen = remedy or (Remedy.NONE if spec is None else Remedy.DRIFT_ONLY if is_kept else Remedy.APPLY)
        return Drift(
            owned.record.key, owned.id, path, was, now, chosen, is_was_known=known, updated=owned.image.updated_at
        )

    for part in (_compare_fields, _compare_properties, _compare_names, _compare_status, _compare_stores, _compare_data):
        for drift in part(world, owned, spec, note):
            if spec is None or not is_left_alone(spec, managed, *drift.path):
                yield drift


Note = Callable[..., Drift]


def _compare_fields(_world: _World, owned: Owned, spec: ImageSpec | None, note: Note) -> Iterator[Drift]:
    declared = collect_declared_fields(spec) if spec else {}
    for name, digest in owned.record.managed.fields.items():
        if name in _COMPARED_ELSEWHERE or not hasattr(owned.image, name):
            continue
        if owned.record.converted and name in ("disk_format", "container_format"):
            continue  # the service chose the formats itself
        now = read_live_field(owned.image, name)
        if name == "min_disk" and digest == hash_value(Auto.AUTO.value):
            if now != (was := compute_min_disk(owned.image)):
                yield note((name,), was, now)
        elif hash_value(now) != digest:
            known = [value for value in _guess_values(name, declared) if hash_value(value) == digest][:1]
            yield note((name,), known[0] if known else None, now, known=bool(known))


def _guess_values(name: str, declared: Mapping[str, Value]) -> Iterator[Value]:
    """Values that a field may have had, the likely ones first."""
    yield from (values[name] for values in (declared, DEFAULTS) if name in values)
    match DEFAULTS.get(name):
        case bool():
            yield from (True, False)
        case int():
            yield from range(MAX_GUESSED_NUMBER)
        case str():
            yield from (visibility.value for visibility in Visibility)


def _compare_properties(world: _World, owned: Owned, spec: ImageSpec | None, note: Note) -> Iterator[Drift]:
    declared, live = (spec.properties if spec else {}), owned.image.properties
    names = {hash_name(name): name for name in (*live, *declared)}
    ids = world.groups.find_current_ids()
    for hashed, digest in owned.record.managed.properties.items():
        name = names.get(hashed)
        if name is None:
            yield note(("properties",), None, None, known=False, remedy=Remedy.NONE)
            continue
        now = live.get(name)
        raw = value if (value := declared.get(name)) is not None and hash_value(value) == digest else None
        was = None if raw is None else fill_known_references(raw, ids)
        written = None if now is None else escape_references(now)
        if written is not None and (hash_value(written) == digest or world.is_reference_to_build(written, digest)):
            continue
        if now is not None and raw is not None and REFERENCE.search(was or ""):
            continue  # the image that it refers to does not exist: the value cannot be judged
        yield note(("properties", name), was, now, known=raw is not None)


def _compare_names(world: _World, owned: Owned, spec: ImageSpec | None, note: Note) -> Iterator[Drift]:
    """Tags and members that imagesync set and that another user removed. Those that other users added stay."""
    managed = owned.record.managed
    yield from _find_removed("tags", managed.tags, owned.image.tags, spec.tags if spec else (), note)
    members = world.inventory.members.get(owned.id)
    if members is not None and owned.image.visibility is Visibility.SHARED:
        declared = world.find_members(spec) if spec else frozenset()
        yield from _find_removed("members", managed.members, [one.project for one in members], declared, note)


def _find_removed(
    field: str, recorded: Sequence[str], live: Iterable[str], declared: Iterable[str], note: Note
) -> Iterator[Drift]:
    present, names = {hash_name(name) for name in live}, {hash_name(name): name for name in declared}
    for hashed in recorded:
        if hashed not in present:
            is_declared = hashed in names
            remedy = None if is_declared else Remedy.NONE
            yield note((field,), names.get(hashed), None, known=is_declared, remedy=remedy)


def _compare_status(_world: _World, owned: Owned, spec: ImageSpec | None, note: Note) -> Iterator[Drift]:
    live, digest = owned.image.status, owned.record.managed.fields.get("status")
    if digest is not None:
        known = [status for status in Status if hash_value(status.value) == digest]
        if hash_value(live.value) != digest:
            yield note(("status",), known[0].value if known else None, live.value, known=bool(known))
    elif live is Status.DEACTIVATED:
        remedy = Remedy.NONE if spec is None else Remedy.APPLY if spec.status else Remedy.REACTIVATE
        yield note(("status",), Status.ACTIVE.value, live.value, remedy=remedy)


def _compare_stores(_world: _World, owned: Owned, spec: ImageSpec | None, note: Note) -> Iterator[Drift]:
    """Stores that lost their copy; which ones ``all`` means is known only to the planner."""
    digest, transfer = owned.record.managed.fields.get("stores"), spec.source.transfer if spec else None
    if transfer is None or digest is None or not owned.image.stores or transfer.all_stores:
        return
    was, now = tuple(sorted(transfer.stores)), tuple(sorted(owned.image.stores))
    if hash_value(was) == digest and not set(was) <= set(now):
        yield note(("stores",), was, now)


def _compare_data(_world: _World, owned: Owned, spec: ImageSpec | None, note: Note) -> Iterator[Drift]:
    """Data that is not what imagesync published, judged by the service's own digests.

    Only if the manifest still names the same content: it shows whether the service stores the published bytes unchanged.
    """
    if spec is None or not is_stored_as_published(spec, owned) or not _is_same_content(spec, owned):
        return
    recorded = {item.algorithm: item.value for item in owned.record.digests}
    for name, now in sorted(owned.image.digests.items()):
        if name in recorded and recorded[name] != now:
            yield note(("content",), f"{name}:{recorded[name]}", f"{name}:{now}", remedy=Remedy.DRIFT_ONLY)
            return


def _is_same_content(spec: ImageSpec, owned: Owned) -> bool:
    recorded = owned.record.known
    shared = [item for item in spec.fingerprint.digests if item.algorithm in recorded]
    if shared:
        return all(recorded[item.algorithm] == item.value for item in shared)
    return owned.record.url is not None and spec.is_published_at(owned.record.url)
