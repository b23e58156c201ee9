"""Queries for many images -> images, merged from listings of the Image API. Does I/O through ``Api``.

Each query is two requests, for visible and for hidden images, because the service lists only one kind at a time
(``os_hidden``). The requests run in parallel.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias
from urllib.parse import quote, urlencode

from imagesync.backends.glance.api import Api
from imagesync.backends.glance.pages import ANYBODY, OWN, STRAYS, Bounds, Listing
from imagesync.backends.wire import image_from_wire, is_being_deleted
from imagesync.errors import BackendError, InvalidRequest, Unavailable
from imagesync.labels import ThreadPool
from imagesync.model.catalog import Role
from imagesync.model.image import Filter, LiveImage
from imagesync.model.record import CATALOG, LEASE, ROLE

TRIES: Final = 5
MAX_CONDITION_BYTES: Final = 6000
"""Bytes of a percent-encoded filter in a URL."""
PARALLEL: Final = 8

Query: TypeAlias = list[tuple[str, str]]
"""Conditions of one listing; ``tag`` may occur more than once."""


def list_all(api: Api, missing: list[str] | None = None) -> list[LiveImage]:
    """All images that the project can see, sorted by id.

    A sentence for each record that cannot be read is added to ``missing``; with None, it is a BackendError.
    """
    return _list_in_parallel(api, _both_passes([]), ANYBODY, missing)


def find_images(api: Api, wanted: Filter, missing: list[str] | None = None) -> list[LiveImage]:
    """The images that a filter selects, sorted by id.

    Without ``visibility=all``, the service does not list community images of other projects.
    """
    query = [("visibility", wanted.visibility.value if wanted.visibility else "all")]
    query += [("owner", wanted.owner)] if wanted.owner else []
    query += [("name", f"eq:{wanted.name}")] if wanted.name is not None else []
    query += sorted(wanted.properties.items())
    query += [("tag", tag) for tag in sorted(wanted.tags)]
    found = _list_in_parallel(api, _both_passes(query), ANYBODY, missing)
    return [image for image in found if wanted.is_match(image)]


def find_strays(api: Api, catalog: str, missing: list[str]) -> list[LiveImage]:
    """Images of any project that carry this catalog's marker, sorted by id, within the limits ``STRAYS``; never an error.

    A sentence for each record that cannot be read is added to ``missing``, and the reason if the search ends early.
    """
    passes = _both_passes([(CATALOG, catalog), ("visibility", "all")])
    with ThreadPool(len(passes)) as pool:
        parts = list(pool.map(lambda query: _search(api, query, missing), passes))
    found = {image.id: image for images in parts for image in images if image.properties.get(CATALOG) == catalog}
    return [image for _, image in sorted(found.items())]


def _search(api: Api, query: Query, missing: list[str]) -> list[LiveImage]:
    found: list[LiveImage] = []
    try:
        _read_images(api, query, STRAYS, missing, found)
    except BackendError as error:
        missing.append(error.message)
    return found


def find_owned(api: Api, catalog: str, owners: Sequence[str]) -> list[LiveImage]:
    """Images of these owners that carry this catalog's marker, sorted by id.

    The database of a service may ignore case, so owner and marker are compared again here. Without ``owner`` and
    ``visibility=all``, an administrator's listing has no community images. The empty owner is that of a service without
    projects: the listing has no filter for it, and the images have no owner.
    """
    queries = [[(CATALOG, catalog), ("owner", owner), ("visibility", "all")] for owner in sorted(set(owners))]
    passes = [one for query in queries for one in _both_passes([(name, value) for name, value in query if value])]
    found = _list_in_parallel(api, passes, OWN)
    return [image for image in found if image.properties.get(CATALOG) == catalog and (image.owner or "") in owners]


def find_leases(api: Api, catalog: str | None, owner: str) -> list[LiveImage]:
    """Hidden images of one owner that carry the lease marker of this catalog, sorted by id; compared as ``find_owned``.

    ``catalog`` None: of every catalog.
    """
    marker = (ROLE, Role.LEASE.value) if catalog is None else (LEASE, catalog)
    query = [marker, ("owner", owner), ("visibility", "all"), ("os_hidden", "true")]
    found = _list_in_parallel(api, [[(name, value) for name, value in query if value]], OWN)
    name, wanted = marker
    return [image for image in found if image.properties.get(name) == wanted and (image.owner or "") == owner]


def find_named(api: Api, names: Sequence[str], owner: str) -> list[LiveImage]:
    """Images of one owner that have one of these names and are not hidden, sorted by id; one request for many names."""
    common = [("os_hidden", "false"), *([("owner", owner), ("visibility", "all")] if owner else [])]
    found = _list_in_parallel(api, [[("name", condition), *common] for condition in make_name_conditions(names)], OWN)
    return [image for image in found if image.name in names and (image.owner or "") == owner]


def make_name_conditions(names: Sequence[str]) -> Iterator[str]:
    """Values of ``name=`` filters, at most ``MAX_CONDITION_BYTES`` long: ``in:"a","b"``, or ``eq:`` for one name.

    A name that contains a quote needs ``eq:``, because the service has no escape for a quote in a quoted name.
    """
    batch: list[str] = []
    for name in sorted(set(names)):
        if '"' in name:
            yield f"eq:{name}"
            continue
        if batch and len(quote(",".join([*batch, f'"{name}"']), safe="")) > MAX_CONDITION_BYTES:
            yield f"in:{','.join(batch)}"
            batch = []
        batch.append(f'"{name}"')
    if batch:
        yield f"in:{','.join(batch)}"


def _both_passes(query: Query) -> list[Query]:
    return [[*query, ("os_hidden", hidden)] for hidden in ("false", "true")]


def _list_in_parallel(
    api: Api, queries: Sequence[Query], bounds: Bounds, missing: list[str] | None = None
) -> list[LiveImage]:
    if not queries:
        return []
    with ThreadPool(min(PARALLEL, len(queries))) as pool:
        passes = list(pool.map(lambda query: _list_images(api, query, bounds, missing), queries))
    found = {image.id: image for images in passes for image in images}
    return [image for _, image in sorted(found.items())]


def _list_images(api: Api, query: Query, bounds: Bounds, missing: list[str] | None) -> list[LiveImage]:
    """One listing, started again if the image after which a page begins was deleted in the meantime.

    The service then returns 400 "No image found with ID …", but never for the first page.
    """
    for _ in range(TRIES):
        found: list[LiveImage] = []
        skipped: list[str] = []
        try:
            _read_images(api, query, bounds, None if missing is None else skipped, found)
        except InvalidRequest:
            if not found and not skipped:
                raise
        else:
            if missing is not None:
                missing += skipped
            return found
    raise Unavailable(f"{api.name}: the image list changed during each of {TRIES} attempts", "try again later")


def _read_images(api: Api, query: Query, bounds: Bounds, missing: list[str] | None, found: list[LiveImage]) -> None:
    """Append the images of one listing to ``found``.

    A sentence for each record that cannot be read is added to ``missing``; with None, it is a BackendError.
    """
    path = f"/images?{urlencode([*query, ('limit', str(bounds.page))])}"
    for item in Listing(api, path, bounds, missing).read("images"):
        if is_being_deleted(item):
            continue
        try:
            found.append(image_from_wire(item))
        except BackendError as error:
            if missing is None:
                raise
            missing.append(error.message)
