"""Declared names and foreign images: what to request, what may be adopted, what conflicts. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from imagesync.model.catalog import Catalog, ImageSpec, Place, Role, Visibility
from imagesync.model.image import Inventory, LiveImage
from imagesync.model.record import CATALOG, hash_value, is_bound, read
from imagesync.planning.decisions import Decision, Keep, Make, Promote, Refuse, decide
from imagesync.planning.generations import Generations, Groups, Owned
from imagesync.planning.ownership import describe_holder


@dataclass(frozen=True, slots=True)
class Questions:
    """What planning has to know beyond the owned images: by owner the names about to be taken, ids, shared images."""

    names: Mapping[str, tuple[str, ...]]
    ids: tuple[str, ...]
    members: tuple[str, ...]


def collect_questions(
    catalog: Catalog, inventory: Inventory, groups: Groups, promoting: frozenset[str] = frozenset()
) -> Questions:
    """What to ask for one catalog: nothing of an image that already has its name.

    ``groups`` are the owned images of the inventory. ``promoting`` are keys whose retired images are in play, whatever the
    manifest's content.
    """
    names: dict[str, set[str]] = {}
    ids: set[str] = set()
    members: set[str] = set()
    for spec in catalog.images:
        generations = groups[spec.key]
        if not _has_name(spec, generations):
            names.setdefault(spec.owner_id or inventory.project_id, set()).add(spec.name)
        ids.update(_collect_ids(spec, generations))
        promoted = generations.retired if spec.key in promoting else ()
        shared = {owned.id for owned in generations.current if owned.image.visibility is Visibility.SHARED}
        if shared or generations.staging or generations.retired:
            decision = decide(spec, generations, None, catalog.name, catalog.policy, project=inventory.project_id)
            promoted += (decision.owned,) if isinstance(decision, Promote) else ()
            members |= shared if isinstance(decision, Make) else set()  # the new build has none of them
        members.update(_collect_members(spec, (*generations.current, *promoted)))
    return Questions(
        {owner: tuple(sorted(found)) for owner, found in sorted(names.items())},
        tuple(sorted(ids)),
        tuple(sorted(members)),
    )


def _has_name(spec: ImageSpec, generations: Generations) -> bool:
    visible = {owned.image.name for owned in generations.current if not owned.image.hidden}
    return bool(spec.hidden) or spec.name in visible


def _collect_ids(spec: ImageSpec, generations: Generations) -> set[str]:
    queries = {spec.adopt} if isinstance(spec.adopt, str) and not generations.current else set()
    if spec.id and spec.id not in {owned.id for owned in generations.every}:
        queries.add(spec.id)
    return queries


def _collect_members(spec: ImageSpec, images: Iterable[Owned]) -> set[str]:
    """Members can be read of shared images only, and matter only where they are declared or recorded."""
    return {
        owned.id
        for owned in images
        if owned.image.visibility is Visibility.SHARED and (spec.members_declared or owned.record.managed.members)
    }


def find_keys_without_image(catalog: Catalog, groups: Groups) -> frozenset[str]:
    """Keys that have no current image where it is looked for."""
    return frozenset(spec.key for spec in catalog.images if not groups[spec.key].current and not spec.adopt)


def is_assigned(image: LiveImage, catalog: Catalog, keys: Collection[str]) -> bool:
    """Whether this is the current build of one of these keys, made by this catalog for the owner that has it.

    The marker alone proves nothing: other projects may have a catalog of the same name, or copy a marker.
    """
    record = read(image)
    if record is None or record.catalog != catalog.name or record.key not in keys:
        return False
    return record.role is Role.CURRENT and record.managed.fields.get("owner") == hash_value(image.owner)


def find_adopted_images(
    catalog: Catalog, wanted: Sequence[ImageSpec], inventory: Inventory, groups: Groups
) -> tuple[dict[str, LiveImage], dict[str, str]]:
    """The image that each key with ``adopt`` takes over, and the sentence of each key that cannot."""
    adopted: dict[str, LiveImage] = {}
    refusals: dict[str, str] = {}
    by_id = {spec.adopt for spec in wanted if isinstance(spec.adopt, str)}
    for spec in wanted:
        if not spec.adopt or groups[spec.key].current:
            continue
        found = [image for image in _find_adoptable(spec, inventory) if spec.adopt == image.id or image.id not in by_id]
        if len(found) == 1 and (record := read(found[0])) is not None and record.catalog != catalog.name:
            refusals[spec.key] = _refuse_owned(spec, found[0], record.catalog)
        elif len(found) == 1:
            adopted[spec.key] = found[0]
        elif isinstance(spec.adopt, str):
            refusals[spec.key] = f"images.{spec.key}: there is no image {spec.adopt} of this project to adopt"
        elif found:
            ids = ", ".join(sorted(image.id for image in found))
            refusals[spec.key] = (
                f"images.{spec.key}: {len(found)} images are named {spec.name!r}; say which by adopt: ID ({ids})"
            )
    return adopted, refusals


def _refuse_owned(spec: ImageSpec, image: LiveImage, mark: str) -> str:
    ways = f"let {mark} go of it first (take it out there, with on_remove: keep), or take adopt out here"
    return f"images.{spec.key}: image {image.id} belongs to catalog {mark}; {ways}"


def find_shared_to_adopt(catalog: Catalog, inventory: Inventory, groups: Groups) -> tuple[str, ...]:
    """Ids of shared images that keys with declared members may take over: their members have to be asked for."""
    asking = [spec for spec in catalog.images if spec.adopt and spec.members_declared and not groups[spec.key].current]
    found = {image.id: image for spec in asking for image in _find_adoptable(spec, inventory)}
    return tuple(sorted(image.id for image in found.values() if image.visibility is Visibility.SHARED))


def _find_adoptable(spec: ImageSpec, inventory: Inventory) -> list[LiveImage]:
    owner = spec.owner_id or inventory.project_id
    ours = {image.id for image in inventory.owned}
    if isinstance(spec.adopt, str):
        return [image for image in inventory.foreign if image.id == spec.adopt and image.owner == owner]
    return [
        image
        for image in inventory.foreign
        if image.name == spec.name
        and image.owner == owner
        and not image.hidden
        and image.id not in ours
        and (is_bound(image) or CATALOG not in image.properties)  # a snapshot is taken over by its id only
    ]


def find_clashes(
    wanted: Sequence[ImageSpec],
    decisions: Mapping[str, Decision],
    inventory: Inventory,
    adopted: Mapping[str, LiveImage],
) -> list[str]:
    """Visible images of the same project that already have a declared name, and pinned ids of foreign images.

    Each sentence begins with the place in the manifest.
    """
    near = _index_foreign(inventory)
    return [
        place.add_to(sentence)
        for spec in wanted
        for place, sentence in _find_clashes_of(spec, decisions[spec.key], inventory, adopted.get(spec.key), near)
    ]


def _index_foreign(inventory: Inventory) -> Mapping[str | None, Sequence[LiveImage]]:
    """The foreign images by id and by name."""
    ours = {image.id for image in inventory.owned}
    found: dict[str | None, list[LiveImage]] = {}
    for image in inventory.foreign:
        for word in {image.id, image.name} if image.id not in ours else ():
            found.setdefault(word, []).append(image)
    return found


def _find_clashes_of(
    spec: ImageSpec,
    decision: Decision,
    inventory: Inventory,
    adopted: LiveImage | None,
    foreign: Mapping[str | None, Sequence[LiveImage]],
) -> Iterator[tuple[Place, str]]:
    if not isinstance(decision, Keep | Promote | Make):
        return
    owner = spec.owner_id or inventory.project_id
    near = {image.id: image for word in (spec.id, spec.name) for image in foreign.get(word, ())}
    for image in near.values():
        if adopted is not None and image.id == adopted.id:
            continue
        if image.id == spec.id:
            sentence = f"images.{spec.key}: the id {image.id} is taken by a foreign image; choose another id"
            yield spec.places.get("id", spec.place), sentence
        elif image.name == spec.name and image.owner == owner and not image.hidden and not spec.hidden:
            yield spec.places.get("name", spec.place), _describe_clash(spec, image)


def find_disputes(
    spec: ImageSpec,
    decisions: Mapping[str, Decision],
    inventory: Inventory,
    adopted: Mapping[str, LiveImage],
    refused: Mapping[str, str],
) -> list[str]:
    """What another project put in the way of one key: it must not stop the other keys.

    That is all that is wrong with a key whose images lie there, and a pinned id that was taken there.
    """
    is_elsewhere = spec.owner_id not in (None, inventory.project_id)
    takers = {image.owner for image in inventory.foreign if image.id == spec.id} if spec.id else set()
    if not is_elsewhere and takers <= {inventory.project_id}:
        return []
    decision = decisions[spec.key]
    sentences = [decision.sentence] if isinstance(decision, Refuse) else []
    sentences += [refused[spec.key]] if spec.key in refused else []
    clashes = _find_clashes_of(spec, decision, inventory, adopted.get(spec.key), _index_foreign(inventory))
    return [*sentences, *(sentence for _, sentence in clashes)]


def _describe_clash(spec: ImageSpec, image: LiveImage) -> str:
    adopt = f"adopt it (adopt: {image.id})"
    if (record := read(image)) is not None:
        adopt = f"let catalog {record.catalog} go of it (take it out there, with on_remove: keep) and {adopt}"
    ways = f"{adopt}, or give this image another name"
    holder = describe_holder(image)
    return f"images.{spec.key}: the name {spec.name!r} is held by image {image.id}, which {holder}; {ways}"
