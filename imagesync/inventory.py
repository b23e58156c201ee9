"""A backend -> the inventory that planning needs. I/O through the backend only.

The first pass lists the owned images. The second one reads only what they leave open: names that the plan would use,
images to adopt, members. An unchanged catalog costs two listings, however many foreign images the cloud has.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from imagesync.backends.base import Backend
from imagesync.errors import Diagnostic, Forbidden, ManifestError, NotFound, UsageError
from imagesync.labels import ThreadPool
from imagesync.model.catalog import Catalog, ImageSpec, Member, NamedProject, Visibility
from imagesync.model.image import Inventory, LiveImage, MemberState
from imagesync.model.plan import Plan, find_image_id
from imagesync.model.record import hash_name
from imagesync.planning.clashes import (
    Questions,
    collect_questions,
    find_keys_without_image,
    find_shared_to_adopt,
    is_assigned,
)
from imagesync.planning.generations import Groups, group
from imagesync.planning.moves import group_by_new_key
from imagesync.planning.ownership import Ownership, make_ownership
from imagesync.planning.staleness import collect_taken_names
from imagesync.secrets import quote_value

MAX_READS: Final = 3
"""Times that the inventory is read if another run or user changes it meanwhile."""


def take_inventory(backend: Backend, catalog: Catalog, *, promoting: frozenset[str] = frozenset()) -> Inventory:
    """The live images of one catalog, and the foreign images that conflict with it.

    ``promoting``: keys of which a retired build may become current. The catalog must have the ids of its owners
    (``identify_owners``).
    """
    ownership = make_ownership(catalog, backend.identity().project_id)

    def read() -> Inventory:
        owned = _list_marked(backend, ownership)
        groups, _ = group_by_new_key(catalog.moved, owned.owned)
        found = _answer(backend, owned, collect_questions(catalog, owned, groups, promoting))
        strays, notes = _find_strays(backend, catalog, groups, ownership)
        found = replace(found, misplaced=(*found.misplaced, *strays), notes=notes)
        shared = find_shared_to_adopt(catalog, found, groups)
        return replace(found, members={**found.members, **_list_members(backend, shared)})

    return replace(_read_until_consistent(read, ownership), projects=identify_members(backend, catalog))


def _read_until_consistent(read: Callable[[], Inventory], ownership: Ownership) -> Inventory:
    """Read an inventory in which no image appears or disappears between the listing and the requests after it.

    Another user may delete a listed image before its members are requested (NotFound). An owned image that is created
    after the listing would be found by its name only, and would be taken for a foreign image.
    """
    for _ in range(MAX_READS - 1):
        with suppress(NotFound):
            found = read()
            if not any(map(ownership.is_owned, found.foreign)):
                return found
    return read()


def identify_owners(backend: Backend, catalog: Catalog) -> Catalog:
    """The catalog with the id of each project that ``owner`` or ``removed`` names.

    Only projects that are given by name cost a request to the identity service. ManifestError if two visible images of
    one project have the same name: only the ids show that two names mean one project.
    """
    named = [(spec.owner, _describe_place(spec, "owner")) for spec in catalog.images]
    named += [(owner, f"owner of {key}") for key, owner in sorted(catalog.owners.items())]
    ids = _find_project_ids(backend, named)
    images = tuple(replace(spec, owner=_identify(spec.owner, ids)) for spec in catalog.images)
    if problems := list(_find_namesakes(images, backend.identity().project_id)):
        raise ManifestError(problems)
    return replace(catalog, images=images, owners={key: ids.get(one, one) for key, one in catalog.owners.items()})


def _identify(owner: Member | None, ids: Mapping[Member, str]) -> Member | None:
    return owner if owner is None else ids.get(owner, owner)


def _find_namesakes(images: Sequence[ImageSpec], project: str) -> Iterator[Diagnostic]:
    seen: dict[tuple[str, str], ImageSpec] = {}
    for spec in images:
        other = spec if spec.hidden else seen.setdefault((spec.name, spec.owner_id or project), spec)
        if other is not spec:
            message = f"images.{other.key} in the same project has the name {quote_value(spec.name)} too"
            yield Diagnostic(*spec.place, f"images.{spec.key}.name", message, "choose another name for one of them")


def _describe_place(spec: ImageSpec, name: str) -> str:
    """Where a field of an image is declared: ``FILE:LINE:COLUMN: images.KEY.NAME``."""
    place = spec.place
    where = f"images.{spec.key}.{name}"
    return f"{place}: {where}" if place.line else where


def _find_project_ids(backend: Backend, named: Iterable[tuple[Member | None, str]]) -> dict[Member, str]:
    """The ids of all named projects, with one request for each; an error gives the first place that names it."""
    wanted: dict[NamedProject, str] = {}
    for project, where in named:
        if isinstance(project, NamedProject):
            wanted.setdefault(project, where)
    return {project: _find_project_id(backend, project, where) for project, where in sorted(wanted.items(), key=repr)}


def _find_project_id(backend: Backend, project: NamedProject, where: str) -> str:
    try:
        return backend.project_id(project.project, project.domain)
    except (Forbidden, UsageError) as error:
        raise type(error)(f"{where}: {error.message}", error.hint) from error


def _name_members(catalog: Catalog) -> Iterator[tuple[Member, str]]:
    return ((member, _describe_place(spec, "members")) for spec in catalog.images for member in spec.members)


def take_inventory_for_plan(
    backend: Backend, plan: Plan, written: Collection[str] = (), deleted: Collection[str] = ()
) -> Inventory:
    """The live images that concern a plan.

    These are the owned images, those that the plan names or relies on, those that its run has ``written``, and those
    with a name that it gives to an image. ``deleted``: images that its run deleted; no request asks for them, and the
    listing shows those that still exist.
    """
    project = backend.identity().project_id
    ownership = Ownership(plan.catalog, project, plan.owners)
    names: dict[str, set[str]] = {}
    for key, name in collect_taken_names(plan):
        names.setdefault(plan.owners.get(key, project), set()).add(name)
    taken = {owner: tuple(sorted(found)) for owner, found in sorted(names.items())}
    named = {reliance.image_id for reliance in plan.relies} | set(plan.ids.values())
    named |= {image_id for step in plan.steps if (image_id := find_image_id(step.action)) is not None}
    with_members = tuple(reliance.image_id for reliance in plan.relies if "members" in reliance.values)

    def read() -> Inventory:
        owned = _list_marked(backend, ownership)
        ours = {image.id for image in owned.owned}
        ids = sorted({*written, *named} - ours - set(deleted))
        found = _answer(backend, owned, Questions(taken, tuple(ids), members=()))
        shared = {image.id for image in (*found.owned, *found.foreign) if image.visibility is Visibility.SHARED}
        return replace(found, members=_list_members(backend, [each for each in with_members if each in shared]))

    return _read_until_consistent(read, ownership)


def find_current_ids(backend: Backend, catalog: Catalog) -> dict[str, str]:
    """The id of the current image of each of the catalog's images that has one. It costs one listing for each project."""
    ownership = make_ownership(identify_owners(backend, catalog), backend.identity().project_id)
    groups, _ = group_by_new_key(catalog.moved, _list_marked(backend, ownership).owned)
    found = groups.find_current_ids()
    return {spec.key: found[spec.key] for spec in catalog.images if spec.key in found}


def identify_members(backend: Backend, catalog: Catalog) -> Mapping[Member, str]:
    """The ids of the projects that ``members`` names, by name; errors as for ``identify_owners``."""
    return _find_project_ids(backend, _name_members(catalog))


def list_owned(backend: Backend, catalog: Catalog) -> tuple[LiveImage, ...]:
    """The owned images of a catalog, in the projects whose ids are known."""
    return _list_marked(backend, make_ownership(catalog, backend.identity().project_id)).owned


def find_published_keys(backend: Backend, plan: Plan) -> frozenset[str]:
    """The hashed names of all keys of a plan's catalog that have a published image, also outside the plan's scope."""
    ownership = Ownership(plan.catalog, backend.identity().project_id, plan.owners)
    return frozenset(hash_name(key) for key in group(_list_marked(backend, ownership).owned).find_current_ids())


def _list_marked(backend: Backend, ownership: Ownership) -> Inventory:
    """Images with the catalog's marker in its projects: owned images, copies, and images in a wrong project."""
    listed = backend.inventory(ownership.catalog, ownership.projects)
    return Inventory(
        ownership.project,
        owned=ownership.select_owned(listed),
        copies=ownership.select_copies(listed),
        misplaced=ownership.select_misplaced(listed),
    )


def _find_strays(
    backend: Backend, catalog: Catalog, groups: Groups, ownership: Ownership
) -> tuple[list[LiveImage], tuple[str, ...]]:
    """Builds of keys without an image, in projects that the manifests no longer name, and notes for the plan.

    Only keys without an image cost requests. Any project may publish images with the catalog's marker, so these builds
    are only mentioned. A note names what could not be read.
    """
    lacking = find_keys_without_image(catalog, groups)
    if not lacking:
        return [], ()
    missing: list[str] = []
    found, projects = backend.find_strays(catalog.name, missing), ownership.projects
    strays = [image for image in found if (image.owner or "") not in projects and is_assigned(image, catalog, lacking)]
    return strays, (_note_missing(missing),) if missing else ()


def _note_missing(missing: Sequence[str]) -> str:
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return (
        "not all images of other projects with this catalog's marker could be read "
        f"({min(missing)}{more}); this plan may not mention a build in another project"
    )


def _answer(backend: Backend, owned: Inventory, queries: Questions) -> Inventory:
    ours = {image.id for image in owned.owned}
    found = {image.id: image for owner, names in queries.names.items() for image in backend.find_named(names, owner)}
    found |= {image.id: image for image_id in queries.ids for image in _find_image(backend, image_id)}
    members = _list_members(backend, queries.members)
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
    """The members of the shared images among these, by image id; one request for each.

    An image is left out if the user may not list its members, or if it was deleted.
    """
    shared = [image.id for image in images if image.visibility is Visibility.SHARED]
    with ThreadPool(jobs) as pool:
        found = zip(shared, pool.map(lambda image_id: _list_members_if_allowed(backend, image_id), shared), strict=True)
        return {image_id: members for image_id, members in found if members is not None}


def _list_members_if_allowed(backend: Backend, image_id: str) -> tuple[MemberState, ...] | None:
    try:
        return tuple(backend.members(image_id))
    except (Forbidden, NotFound):
        return None
