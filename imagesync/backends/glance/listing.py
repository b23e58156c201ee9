"""Questions about many images -> listings of the Image API, merged. Does I/O through ``Api``.

A listing is asked twice, visible and hidden images, because the service keeps them apart (``os_hidden``); the passes
run in parallel.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias
from urllib.parse import quote, urlencode

from imagesync.backends.glance.api import Api
from imagesync.backends.glance.pages import ANYBODY, OWN, STRAYS, Bounds, Listing
from imagesync.backends.wire import image_from_wire, is_being_deleted
from imagesync.errors import BackendError, InvalidRequest, Unavailable
from imagesync.model.image import Filter, LiveImage
from imagesync.model.record import CATALOG, LEASE

TRIES: Final = 5
MAX_CONDITION_BYTES: Final = 6000
"""Of a filter in a URL, percent-encoded."""
PARALLEL: Final = 8

Query: TypeAlias = list[tuple[str, str]]
"""Conditions of one listing; ``tag`` may stand there more than once."""


def list_all(api: Api, missing: list[str] | None = None) -> list[LiveImage]:
    """Every image that the project sees, by id. ``missing`` takes a sentence for each record that cannot be read."""
    return _list_in_parallel(api, _both_passes([]), ANYBODY, missing)


def find_images(api: Api, wanted: Filter, missing: list[str] | None = None) -> list[LiveImage]:
    """The images that a filter names, by id; ``visibility=all``, or community images of others are missing."""
    query = [("visibility", wanted.visibility.value if wanted.visibility else "all")]
    query += [("owner", wanted.owner)] if wanted.owner else []
    query += [("name", f"eq:{wanted.name}")] if wanted.name is not None else []
    query += [(CATALOG, wanted.catalog)] if wanted.catalog is not None else []
    query += [("tag", tag) for tag in sorted(wanted.tags)]
    found = _list_in_parallel(api, _both_passes(query), ANYBODY, missing)
    return [image for image in found if wanted.is_match(image)]


def find_strays(api: Api, catalog: str, missing: list[str]) -> list[LiveImage]:
    """Images of any project with this catalog's mark, by id, as far as they can be had soon; never an error.

    ``missing`` takes a sentence for each record that cannot be read, and for the reason if the search ends early.
    """
    passes = _both_passes([(CATALOG, catalog), ("visibility", "all")])
    with ThreadPoolExecutor(len(passes)) as pool:
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
    """Images of these owners with this catalog's mark, by id; compared again here, byte for byte.

    Without ``owner`` and ``visibility=all`` an admin's listing misses community images. An empty owner is that of a
    service without projects: no filter, and images without an owner.
    """
    queries = [[(CATALOG, catalog), ("owner", owner), ("visibility", "all")] for owner in sorted(set(owners))]
    passes = [one for query in queries for one in _both_passes([(name, value) for name, value in query if value])]
    found = _list_in_parallel(api, passes, OWN)
    return [image for image in found if image.properties.get(CATALOG) == catalog and (image.owner or "") in owners]


def find_leases(api: Api, catalog: str, owner: str) -> list[LiveImage]:
    """Hidden images of one owner with the mark of this catalog's lease, by id; compared again here, byte for byte."""
    query = [(LEASE, catalog), ("owner", owner), ("visibility", "all"), ("os_hidden", "true")]
    found = _list_in_parallel(api, [[(name, value) for name, value in query if value]], OWN)
    return [image for image in found if image.properties.get(LEASE) == catalog and (image.owner or "") == owner]


def find_named(api: Api, names: Sequence[str], owner: str) -> list[LiveImage]:
    """Visible images of one owner that have one of these names, by id; many names in one request."""
    common = [("os_hidden", "false"), *([("owner", owner), ("visibility", "all")] if owner else [])]
    found = _list_in_parallel(api, [[("name", condition), *common] for condition in name_conditions(names)], OWN)
    return [image for image in found if image.name in names and (image.owner or "") == owner]


def name_conditions(names: Sequence[str]) -> Iterator[str]:
    """Names as ``name=`` filters: ``in:"a","b"`` within the length of a URL; ``eq:`` for one with a quote in it.

    The service reads any character in a quoted name but the quote, which it knows no escape for.
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
    with ThreadPoolExecutor(min(PARALLEL, len(queries))) as pool:
        passes = list(pool.map(lambda query: _list_images(api, query, bounds, missing), queries))
    found = {image.id: image for images in passes for image in images}
    return [image for _, image in sorted(found.items())]


def _list_images(api: Api, query: Query, bounds: Bounds, missing: list[str] | None) -> list[LiveImage]:
    """One listing; begun again when the image that a page begins after vanished meanwhile.

    The service answers that with 400 "No image found with ID …", never for a first page.
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
    raise Unavailable(f"{api.name}: images vanish faster than they can be listed", "try again later")


def _read_images(api: Api, query: Query, bounds: Bounds, missing: list[str] | None, found: list[LiveImage]) -> None:
    """Append the images of one listing to ``found``; a record that is none is an error, or a sentence in ``missing``."""
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
