"""Declared names and foreign images -> what to request, which images can be adopted, what conflicts. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from imagesync.model.catalog import Catalog, ImageSpec, Place, Role, Visibility
from imagesync.model.image import Inventory, LiveImage
from imagesync.model.record import CATALOG, Record, hash_value, is_bound, read
from imagesync.planning.decisions import Decision, Keep, Make, Promote, Refuse, decide
from imagesync.planning.generations import Generations, Groups, Owned
from imagesync.planning.ownership import describe_holder


@dataclass(frozen=True, slots=True)
class Questions:
    """What planning must know besides the owned images.

    ``names``: the names that the plan may take, by owner. ``ids``: images to look up. ``members``: shared images whose
    members to read.
    """

    names: Mapping[str, tuple[str, ...]]
    ids: tuple[str, ...]
    members: tuple[str, ...]


def collect_questions(
    catalog: Catalog, inventory: Inventory, groups: Groups, promoting: frozenset[str] = frozenset()
) -> Questions:
    """What to request for a catalog; the name of an image that is already published is not requested.

    ``groups`` are the owned images of the inventory. ``promoting`` are keys whose retired images may be published,
    whatever content the manifest declares.
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
            members |= shared if isinstance(decision, Make) else set()  # a new build begins without members
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
    ids = {spec.adopt} if isinstance(spec.adopt, str) and not generations.current else set()
    if spec.id and spec.id not in {owned.id for owned in generations.every}:
        ids.add(spec.id)
    return ids


def _collect_members(spec: ImageSpec, images: Iterable[Owned]) -> set[str]:
    """Only shared images have members to read. They matter only if the manifest declares or the record has members."""
    return {
        owned.id
        for owned in images
        if owned.image.visibility is Visibility.SHARED and (spec.members_declared or owned.record.managed.members)
    }


def find_keys_without_image(catalog: Catalog, groups: Groups) -> frozenset[str]:
    """Keys that have no current image among ``groups``, and adopt none."""
    return frozenset(spec.key for spec in catalog.images if not groups[spec.key].current and not spec.adopt)


def is_assigned(image: LiveImage, catalog: Catalog, keys: Collection[str]) -> bool:
    """Whether this image is the current build of one of ``keys``, and this catalog made it for its present owner.

    The marker alone proves nothing: another project may have a catalog of the same name, or copy a marker.
    """
    record = read(image)
    if record is None or record.catalog != catalog.name or record.key not in keys:
        return False
    return record.role is Role.CURRENT and record.managed.fields.get("owner") == hash_value(image.owner)


def find_adopted_images(
    catalog: Catalog, wanted: Sequence[ImageSpec], inventory: Inventory, groups: Groups
) -> tuple[dict[str, LiveImage], dict[str, str]]:
    """By key, the image that ``adopt`` takes over, and one sentence for each key that cannot adopt."""
    adopted: dict[str, LiveImage] = {}
    refusals: dict[str, str] = {}
    by_id = {spec.adopt for spec in wanted if isinstance(spec.adopt, str)}
    for spec in wanted:
        if not spec.adopt or groups[spec.key].current:
            continue
        found = [image for image in _find_adoptable(spec, inventory) if spec.adopt == image.id or image.id not in by_id]
        if len(found) == 1 and (record := read(found[0])) is not None and record.catalog != catalog.name:
            refusals[spec.key] = _refuse_owned(spec, found[0], record)
        elif len(found) == 1:
            adopted[spec.key] = found[0]
        elif isinstance(spec.adopt, str):
            refusals[spec.key] = (
                f"images.{spec.key}: project {spec.owner_id or inventory.project_id} has no foreign image {spec.adopt}; "
                "check the id that adopt names"
            )
        elif found:
            ids = ", ".join(sorted(image.id for image in found))
            refusals[spec.key] = (
                f"images.{spec.key}: {len(found)} images are named {spec.name!r}; choose one with adopt: ID ({ids})"
            )
    return adopted, refusals


def _refuse_owned(spec: ImageSpec, image: LiveImage, record: Record) -> str:
    ways = f"{_describe_release(record)}; or remove adopt here"
    return f"images.{spec.key}: image {image.id} belongs to catalog {record.catalog}; {ways}"


def _describe_release(record: Record) -> str:
    """How another catalog releases an image: what its users must do first."""
    key = f"key {record.key}" if record.key else "its key"
    return f"first remove {key} from catalog {record.catalog}, with policy.on_remove: keep, and run apply there"


def find_shared_to_adopt(catalog: Catalog, inventory: Inventory, groups: Groups) -> tuple[str, ...]:
    """Ids of shared images that keys with declared members may adopt: the caller must read their members."""
    adopting = [
        spec for spec in catalog.images if spec.adopt and spec.members_declared and not groups[spec.key].current
    ]
    found = {image.id: image for spec in adopting for image in _find_adoptable(spec, inventory)}
    return tuple(sorted(image.id for image in found.values() if image.visibility is Visibility.SHARED))


def _find_adoptable(spec: ImageSpec, inventory: Inventory) -> list[LiveImage]:
    owner = spec.owner_id or inventory.project_id
    owned = {image.id for image in inventory.owned}
    if isinstance(spec.adopt, str):
        return [image for image in inventory.foreign if image.id == spec.adopt and image.owner == owner]
    return [
        image
        for image in inventory.foreign
        if image.name == spec.name
        and image.owner == owner
        and not image.hidden
        and image.id not in owned
        and (is_bound(image) or CATALOG not in image.properties)  # a copied marker (a snapshot) is adopted by id only
    ]


def find_clashes(
    wanted: Sequence[ImageSpec],
    decisions: Mapping[str, Decision],
    inventory: Inventory,
    adopted: Mapping[str, LiveImage],
) -> list[str]:
    """One sentence for each declared name that a visible foreign image of the project has, and each pinned id of one.

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
    owned = {image.id for image in inventory.owned}
    found: dict[str | None, list[LiveImage]] = {}
    for image in inventory.foreign:
        for word in {image.id, image.name} if image.id not in owned else ():
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
            sentence = f"images.{spec.key}: a foreign image has the id {image.id}; choose another id"
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
    """Sentences about one key that another project can cause: they must not stop the other keys.

    These are all problems of a key whose images are in another project, and a pinned id that another project has.
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
    record, adopt = read(image), f"declare adopt: {image.id}"
    ways = (
        f"to manage it here, {adopt}"
        if record is None
        else f"to take it over, {_describe_release(record)}, then {adopt}"
    )
    return (
        f"images.{spec.key}: image {image.id}, which {describe_holder(image)}, already has the name {spec.name!r}; "
        f"{ways}; to keep both images, declare another name"
    )
