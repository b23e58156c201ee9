"""Questions about many images -> listings of the Image API, merged. Does I/O through ``Api``.

A listing is asked twice, visible and hidden images, because the service keeps them apart (``os_hidden``); the passes
run in parallel.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias
from urllib.parse import quote, urlencode

from imagesync.backends.glance.api import Api
from imagesync.backends.wire import image_from_wire
from imagesync.errors import InvalidRequest, Unavailable
from imagesync.model.image import Filter, LiveImage
from imagesync.model.record import CATALOG, LEASE

PAGE: Final = 1000
"""The most that Glance gives in one page."""
TRIES: Final = 5
MAX_CONDITION_BYTES: Final = 6000
"""Of a filter in a URL, percent-encoded."""
PARALLEL: Final = 8

Query: TypeAlias = list[tuple[str, str]]
"""Conditions of one listing; ``tag`` may stand there more than once."""


def list_all(api: Api) -> list[LiveImage]:
    """Every image that the project sees, by id."""
    return _list_in_parallel(api, _both_passes([]))


def find_images(api: Api, wanted: Filter) -> list[LiveImage]:
    """The images that a filter names, by id; ``visibility=all``, or community images of others are missing."""
    query = [("visibility", wanted.visibility.value if wanted.visibility else "all")]
    query += [("owner", wanted.owner)] if wanted.owner else []
    query += [("name", f"eq:{wanted.name}")] if wanted.name is not None else []
    query += [(CATALOG, wanted.catalog)] if wanted.catalog is not None else []
    query += [("tag", tag) for tag in sorted(wanted.tags)]
    return [image for image in _list_in_parallel(api, _both_passes(query)) if wanted.is_match(image)]


def find_owned(api: Api, catalog: str, owners: Sequence[str]) -> list[LiveImage]:
    """Images of these owners with this catalogue's mark, by id; compared again here, byte for byte.

    Without ``owner`` and ``visibility=all`` an admin's listing misses community images. An empty owner is that of a
    service without projects: no filter, and images without an owner.
    """
    queries = [[(CATALOG, catalog), ("owner", owner), ("visibility", "all")] for owner in sorted(set(owners))]
    passes = [one for query in queries for one in _both_passes([(name, value) for name, value in query if value])]
    found = _list_in_parallel(api, passes)
    return [image for image in found if image.properties.get(CATALOG) == catalog and (image.owner or "") in owners]


def find_leases(api: Api, catalog: str, owner: str) -> list[LiveImage]:
    """Hidden images of one owner with the mark of this catalogue's lease, by id; compared again here, byte for byte."""
    query = [(LEASE, catalog), ("owner", owner), ("visibility", "all"), ("os_hidden", "true")]
    found = _list_in_parallel(api, [[(name, value) for name, value in query if value]])
    return [image for image in found if image.properties.get(LEASE) == catalog and (image.owner or "") == owner]


def find_named(api: Api, names: Sequence[str], owner: str) -> list[LiveImage]:
    """Visible images of one owner that have one of these names, by id; many names in one request."""
    common = [("os_hidden", "false"), *([("owner", owner), ("visibility", "all")] if owner else [])]
    found = _list_in_parallel(api, [[("name", condition), *common] for condition in name_conditions(names)])
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


def _list_in_parallel(api: Api, queries: Sequence[Query]) -> list[LiveImage]:
    if not queries:
        return []
    with ThreadPoolExecutor(min(PARALLEL, len(queries))) as pool:
        passes = list(pool.map(lambda query: _list_images(api, query), queries))
    found = {image.id: image for images in passes for image in images}
    return [image for _, image in sorted(found.items())]


def _list_images(api: Api, query: Query) -> list[LiveImage]:
    """One listing; begun again when the image that a page begins after vanished meanwhile.

    The service answers that with 400 "No image found with ID …", never for a first page.
    """
    path = f"/images?{urlencode([*query, ('limit', str(PAGE))])}"
    for _ in range(TRIES):
        found: list[LiveImage] = []
        try:
            found.extend(map(image_from_wire, api.list_items(path, "images")))
        except InvalidRequest:
            if not found:
                raise
        else:
            return found
    raise Unavailable(f"{api.name}: images vanish faster than they can be listed", "try again later")
