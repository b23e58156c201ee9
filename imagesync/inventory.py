"""A backend -> the inventory that planning needs. I/O through the backend only.

Two passes: the owned images first, then only what they leave open (names about to be taken, images to adopt, members),
so that a catalogue that is as wanted costs two listings however many foreign images the cloud holds.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Final

from imagesync.backends.base import Backend
from imagesync.errors import Forbidden, NotFound, UsageError
from imagesync.model.catalog import Catalog, NamedProject, Visibility
from imagesync.model.image import Filter, Inventory, LiveImage, MemberState
from imagesync.model.plan import Create, Plan, Update
from imagesync.model.record import read
from imagesync.planning.clashes import (
    Questions,
    collect_questions,
    find_keys_without_image,
    find_shared_to_adopt,
    is_assigned,
)
from imagesync.planning.staleness import collect_taken_names

LOOKS: Final = 3
"""How often all is looked at where it changes in the midst of it: another run, or somebody, is at work."""


def take_inventory(backend: Backend, catalog: Catalog, *, promoting: frozenset[str] = frozenset()) -> Inventory:
    """What is live of one catalogue, and what stands in its way; ``promoting``: keys whose retired images are in play."""
    project = backend.identity().project_id
    owners = tuple(sorted({project} | {spec.owner for spec in catalog.images if spec.owner}))

    def look() -> Inventory:
        owned = Inventory(project, owned=_find_owned(backend, catalog.name, owners))
        found = _answer(backend, owned, collect_questions(catalog, owned, promoting))
        found = replace(found, foreign=(*found.foreign, *_find_strays(backend, catalog, owned, owners)))
        return replace(found, members={**found.members, **_list_members(backend, find_shared_to_adopt(catalog, found))})

    return replace(_look_until_consistent(look, catalog.name, owners), projects=_find_project_ids(backend, catalog))


def _look_until_consistent(look: Callable[[], Inventory], catalog: str, owners: Sequence[str]) -> Inventory:
    """What is found at a time when nothing goes and nothing comes between the listing and the questions after it.

    An image that was listed may be gone when its members are asked for (NotFound); one that was not may hold a name, and
    be ours: it would be taken for somebody's in the way.
    """
    for _ in range(LOOKS - 1):
        with suppress(NotFound):
            found = look()
            if not any(_is_ours(image, catalog, owners) for image in found.foreign):
                return found
    return look()


def _find_project_ids(backend: Backend, catalog: Catalog) -> Mapping[NamedProject, str]:
    """The ids of all projects that are named, each asked for once; an error says which image names it."""
    named: dict[NamedProject, str] = {}
    for spec in catalog.images:
        for member in spec.members:
            if isinstance(member, NamedProject):
                named.setdefault(member, spec.key)
    return {member: _find_project_id(backend, member, key) for member, key in sorted(named.items(), key=repr)}


def _find_project_id(backend: Backend, member: NamedProject, key: str) -> str:
    try:
        return backend.project_id(member.project, member.domain)
    except (Forbidden, UsageError) as error:
        raise type(error)(f"images.{key}.members: {error.message}", error.hint) from error


def take_inventory_for_plan(backend: Backend, plan: Plan) -> Inventory:
    """What is live of all that a saved plan relied on."""
    project = backend.identity().project_id
    owners = tuple(sorted({project} | set(_list_owners(plan))))
    names = (
        {project: tuple(sorted({name for _, name in collect_taken_names(plan)}))} if collect_taken_names(plan) else {}
    )
    with_members = tuple(reliance.image_id for reliance in plan.relies if "members" in reliance.values)

    def look() -> Inventory:
        owned = Inventory(project, owned=_find_owned(backend, plan.catalog, owners))
        ours = {image.id for image in owned.owned}
        ids = tuple(reliance.image_id for reliance in plan.relies if reliance.image_id not in ours)
        found = _answer(backend, owned, Questions(names, ids, members=()))
        shared = {image.id for image in (*found.owned, *found.foreign) if image.visibility is Visibility.SHARED}
        return replace(found, members=_list_members(backend, [each for each in with_members if each in shared]))

    return _look_until_consistent(look, plan.catalog, owners)


def _list_owners(plan: Plan) -> Iterable[str]:
    for item in plan.steps:
        if isinstance(item.action, Update):
            yield from (str(c.after) for c in item.action.changes if c.path == ("owner",) and c.after)
        elif isinstance(item.action, Create) and (owner := item.action.state.fields.get("owner")):
            yield str(owner)


def _find_owned(backend: Backend, catalog: str, owners: Sequence[str]) -> tuple[LiveImage, ...]:
    """Ours as the service finds them, compared again here."""
    listed = sorted(backend.inventory(catalog, owners), key=lambda image: image.id)
    return tuple(image for image in listed if _is_ours(image, catalog, owners))


def _is_ours(image: LiveImage, catalog: str, owners: Sequence[str]) -> bool:
    """By mark and owner, byte for byte."""
    return (image.owner or "") in owners and (record := read(image)) is not None and record.catalog == catalog


def _find_strays(backend: Backend, catalog: Catalog, owned: Inventory, owners: Sequence[str]) -> Iterable[LiveImage]:
    """Builds of keys that lack one, in projects that the manifests name no more: asked only where a key lacks one."""
    lacking = find_keys_without_image(catalog, owned)
    found = backend.find_images(Filter(catalog=catalog.name)) if lacking else []
    return [image for image in found if (image.owner or "") not in owners and is_assigned(image, catalog, lacking)]


def _answer(backend: Backend, owned: Inventory, asked: Questions) -> Inventory:
    ours = {image.id for image in owned.owned}
    found = {image.id: image for owner, names in asked.names.items() for image in backend.find_named(names, owner)}
    found |= {image.id: image for image_id in asked.ids for image in _find_image(backend, image_id)}
    members = _list_members(backend, asked.members)
    foreign = tuple(image for _, image in sorted(found.items()) if image.id not in ours)
    return replace(owned, foreign=foreign, members=members)


def _list_members(backend: Backend, image_ids: Iterable[str]) -> Mapping[str, tuple[MemberState, ...]]:
    return {image_id: tuple(backend.members(image_id)) for image_id in image_ids}


def _find_image(backend: Backend, image_id: str) -> list[LiveImage]:
    try:
        return backend.images(image_id)
    except NotFound:
        return []


def read_members(backend: Backend, images: Iterable[LiveImage], jobs: int) -> dict[str, tuple[MemberState, ...]]:
    """The members of those images that are shared, by image id: one request each. An image is left out if the user
    may not ask, or if it is gone."""
    shared = [image.id for image in images if image.visibility is Visibility.SHARED]
    with ThreadPoolExecutor(jobs) as pool:
        found = zip(shared, pool.map(lambda image_id: _list_members_if_allowed(backend, image_id), shared), strict=True)
        return {image_id: members for image_id, members in found if members is not None}


def _list_members_if_allowed(backend: Backend, image_id: str) -> tuple[MemberState, ...] | None:
    try:
        return tuple(backend.members(image_id))
    except (Forbidden, NotFound):
        return None
