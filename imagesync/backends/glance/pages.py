"""A listing of the Image API -> its items, page by page, within bounds. Does I/O through ``Api``.

A page that is too large is asked for again with half as many images. What other projects publish may cost time, but
must not end a run: where the caller allows it, a record that is too large alone is skipped and named.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from imagesync.backends.glance.response_limits import MAX_RESPONSE_BYTES, UnfitAnswer
from imagesync.errors import BackendError, Unavailable
from imagesync.text import make_printable, shorten

if TYPE_CHECKING:
    from imagesync.backends.glance.api import Api

PAGE: Final = 1000
"""The most that Glance gives in one page."""
MAX_PAGES: Final = 10_000
MAX_SKIPPED_BYTES: Final = 128 * 2**20
"""Of one record that is skipped: it is read to its end, because the address of the next page follows it."""
MAX_ID_CHARS: Final = 64
"""Of the id of a skipped image, in a message."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one listing may cost in all.

    ``size``: bytes of the pages that are kept; three times as many are needed to keep them. ``dropped``: bytes that are
    read in vain, of pages that are too large. ``page``: images of the first page. ``patient``: whether a request that
    fails is tried again.
    """

    items: int = 100_000
    size: int = 96 * 2**20
    dropped: int = 2**30
    seconds: float = 900.0
    page: int = PAGE
    patient: bool = True


ANYBODY: Final = Bounds()
"""For images of any project."""
OWN: Final = Bounds(size=768 * 2**20)
"""For images of the projects that a catalog names: 10,000 of them with records of 64 KiB each."""
STRAYS: Final = Bounds(items=10_000, size=64 * 2**20, dropped=512 * 2**20, seconds=60.0, page=100, patient=False)
"""For a search that only explains: whatever other projects publish, it ends soon."""


class Listing:
    """One listing below ``path``. ``missing`` takes a sentence for each record that is skipped; None: that is an error."""

    def __init__(self, api: "Api", path: str, bounds: Bounds = ANYBODY, missing: list[str] | None = None) -> None:
        self._api, self._bounds, self._missing = api, bounds, missing
        self._first, self._following = path, path
        self._limit = bounds.page
        self._kept = self._dropped = 0
        self._seconds = min(bounds.seconds, api.timeouts.listing)
        self._end = time.monotonic() + self._seconds
        self._pages, self._ids = set[str](), set[str]()

    def read(self, key: str) -> Iterator[dict[str, Any]]:
        """The items; an error when the service hands pages out without end, or more than the bounds allow."""
        while self._following:
            self._check_bounds()
            self._pages.add(_set_limit(self._following, PAGE))
            page = self._ask()
            if page is None:
                continue
            if not isinstance(page, dict) or not isinstance(page.get(key), list):
                raise BackendError(f"{self._api.name}: a listing has no {key!r}", "is this an Image API v2?")
            ids = _collect_ids(page[key])
            if ids and ids <= self._ids:
                raise self._endless_error()
            self._ids |= ids
            yield from page[key]
            self._follow(page.get("next") if page[key] else None)

    def _ask(self) -> Any:
        """The next page, as large as can be read; None: a record was skipped."""
        while True:
            path = _set_limit(self._following, self._limit)
            try:
                answer = self._api.request("GET", path, repeat=self._bounds.patient)
                page = self._api.decode(answer, path)
            except UnfitAnswer as error:
                self._dropped += error.size
                if self._limit > 1:
                    self._limit //= 2
                    self._check_bounds()
                    continue
                self._skip(path, error)
                return None
            self._kept += len(answer.body)
            if len(answer.body) < MAX_RESPONSE_BYTES // 4:
                self._limit = min(self._bounds.page, self._limit * 2)
            return page

    def _skip(self, path: str, error: UnfitAnswer) -> None:
        """Go on after a record that cannot be read, or end here if the service does not say where the next one is."""
        if self._missing is None:
            hint = "look for an image whose properties are this large, and shorten them"
            raise BackendError(f"{self._api.name}: the record of one image cannot be read: {error.message}", hint)
        try:
            tail, size = self._api.read_tail(path, MAX_SKIPPED_BYTES)
        except UnfitAnswer as larger:
            tail, size = b"", larger.size
        self._dropped += size
        link = _find_next_link(tail)
        marker = dict(parse_qsl(urlsplit(link).query)).get("marker", "") if link else ""
        name = f"image {shorten(make_printable(marker), MAX_ID_CHARS)}" if marker else "an image, and all after it"
        self._missing.append(f"{name}: {error.message}")
        self._follow(link)

    def _follow(self, link: object) -> None:
        """Go on at a link, which must be a new one."""
        self._following = path_below_version(link) if isinstance(link, str) else ""
        if self._following and (_set_limit(self._following, PAGE) in self._pages or len(self._pages) >= MAX_PAGES):
            raise self._endless_error()

    def _check_bounds(self) -> None:
        """BackendError when the listing has cost as much as it may."""
        bounds, what = self._bounds, f"{self._api.name}: the listing {self._first.partition('?')[0]}"
        if time.monotonic() > self._end:
            text = f"{what} takes longer than {self._seconds:.0f} s"
            raise Unavailable(text, "ask for fewer, by a filter, or try again later")
        text = ""
        if len(self._ids) > bounds.items or self._kept > bounds.size:
            text = f"has more than {bounds.items} images or {bounds.size // 2**20} MiB"
        elif self._dropped > bounds.dropped:
            text = f"has more than {bounds.dropped // 2**20} MiB in pages that are too large"
        if text:
            raise BackendError(f"{what} {text}", "ask for fewer, by a filter")

    def _endless_error(self) -> BackendError:
        what = self._first.partition("?")[0]
        return BackendError(f"{self._api.name}: the listing {what} never ends", "tell the cloud's operator")


def _set_limit(path: str, limit: int) -> str:
    """The path of a page of ``limit`` images; one without a limit gives as many as the service wants."""
    place, _, query = path.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    if limit >= PAGE and "limit" not in dict(pairs):
        return path
    return f"{place}?{urlencode([*((name, value) for name, value in pairs if name != 'limit'), ('limit', limit)])}"


def _find_next_link(tail: bytes) -> str | None:
    """The address of the next page, from the last bytes of a page: Glance writes it after the images."""
    try:
        rest = json.loads("{" + tail.decode(errors="replace").rpartition("]")[2].lstrip(" ,\n"))
    except ValueError:
        return None
    link = rest.get("next")
    return link if isinstance(link, str) else None


def _collect_ids(items: list[Any]) -> set[str]:
    return {item["id"] for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)}


def path_below_version(link: str) -> str:
    """A ``next`` link as a path below /v2, whatever host or prefix it names: a token goes nowhere else."""
    try:
        parts = urlsplit(link)
    except ValueError as error:
        raise BackendError("the image service's listing goes on at no address", "is this an Image API v2?") from error
    return f"/{parts.path.rpartition('/v2/')[2].lstrip('/')}?{parts.query}"
