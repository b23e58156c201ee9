"""A listing of the Image API -> its items, page by page, within limits. Does I/O through ``Api``.

If a page is too large, it is requested again with half as many images. Images of other projects may cost time, but must
not make a run fail: if the caller allows it, a single record that is too large is skipped and named.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from imagesync.backends.glance.response_limits import MAX_RESPONSE_BYTES, UnfitAnswer
from imagesync.backends.wire import NOT_IMAGE_API
from imagesync.errors import BackendError, Unavailable
from imagesync.text import make_printable, shorten

if TYPE_CHECKING:
    from imagesync.backends.glance.api import Api

PAGE: Final = 1000
"""Maximum images in one page of Glance."""
MAX_PAGES: Final = 10_000
MAX_SKIPPED_BYTES: Final = 128 * 2**20
"""Bytes of one skipped record, which is read to its end, because the address of the next page follows it."""
MAX_ID_CHARS: Final = 64
"""Characters of a skipped image's id in a message."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one listing in total.

    ``items``: images. ``size``: bytes of the pages that are kept; they take three times as much memory. ``dropped``: bytes
    of pages that are too large and therefore dropped. ``page``: images of the first page. ``patient``: whether a failed
    request is repeated.
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
"""For images of the projects that a catalog names: enough for 10,000 images with records of 64 KiB."""
STRAYS: Final = Bounds(items=10_000, size=64 * 2**20, dropped=512 * 2**20, seconds=60.0, page=100, patient=False)
"""For a search whose result is only explained to the user: it ends soon, whatever images other projects have."""


class Listing:
    """One listing below ``path``.

    A sentence for each skipped record is added to ``missing``; with None, such a record is a BackendError.
    """

    def __init__(self, api: "Api", path: str, bounds: Bounds = ANYBODY, missing: list[str] | None = None) -> None:
        self._api, self._bounds, self._missing = api, bounds, missing
        self._first, self._following = path, path
        self._limit = bounds.page
        self._kept = self._dropped = 0
        self._seconds = min(bounds.seconds, api.timeouts.listing)
        self._end = time.monotonic() + self._seconds
        self._pages, self._ids = set[str](), set[str]()

    def read(self, key: str) -> Iterator[dict[str, Any]]:
        """The items of all pages.

        BackendError if the pages repeat or are more than the limits allow, Unavailable if the time limit is exceeded.
        """
        while self._following:
            self._check_bounds()
            self._pages.add(_set_limit(self._following, PAGE))
            page = self._read_page(key)
            if page is None:
                continue
            ids = _collect_ids(page[key])
            if ids and ids <= self._ids:
                raise self._endless_error()
            self._ids |= ids
            yield from page[key]
            self._follow(page.get("next") if page[key] else None)

    def _read_page(self, key: str) -> dict[str, Any] | None:
        """The next page, with as many images as can be read below ``key``; None if a record was skipped."""
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
            if not isinstance(page, dict) or not isinstance(page.get(key), list):
                raise BackendError(f"{self._api.name}: a page of a listing has no list {key!r}", NOT_IMAGE_API)
            return page

    def _skip(self, path: str, error: UnfitAnswer) -> None:
        """Continue after a record that cannot be read, or end the listing if it contains no link to the next page."""
        if self._missing is None:
            hint = "find the image of this project that has such large properties, and remove some of them"
            raise BackendError(f"{self._api.name}: the record of one image cannot be read: {error.message}", hint)
        try:
            tail, size = self._api.read_tail(path, MAX_SKIPPED_BYTES)
        except UnfitAnswer as larger:
            tail, size = b"", larger.size
        self._dropped += size
        link = _find_next_link(tail)
        marker = dict(parse_qsl(urlsplit(link).query)).get("marker", "") if link else ""
        name = (
            f"image {shorten(make_printable(marker), MAX_ID_CHARS)}" if marker else "an image and all images after it"
        )
        self._missing.append(f"{name}: {error.message}")
        self._follow(link)

    def _follow(self, link: object) -> None:
        """Set the next page; BackendError if this link was read already."""
        self._following = to_path_below_version(link) if isinstance(link, str) else ""
        if self._following and (_set_limit(self._following, PAGE) in self._pages or len(self._pages) >= MAX_PAGES):
            raise self._endless_error()

    def _check_bounds(self) -> None:
        """BackendError or Unavailable if the listing exceeds a limit."""
        bounds, what = self._bounds, f"{self._api.name}: the listing {self._first.partition('?')[0]}"
        if time.monotonic() > self._end:
            text = f"{what} takes longer than {self._seconds:.0f} s"
            raise Unavailable(text, "use a filter to list fewer images, or try again later")
        text = ""
        if len(self._ids) > bounds.items or self._kept > bounds.size:
            text = f"has more than {bounds.items} images or {bounds.size // 2**20} MiB"
        elif self._dropped > bounds.dropped:
            text = f"has more than {bounds.dropped // 2**20} MiB in pages that are too large"
        if text:
            raise BackendError(f"{what} {text}", "use a filter to list fewer images")

    def _endless_error(self) -> BackendError:
        text = f"{self._api.name}: the listing {self._first.partition('?')[0]} repeats pages and never ends"
        return BackendError(text, "report this to the cloud's operator")


def _set_limit(path: str, limit: int) -> str:
    """The path of a page of ``limit`` images; without a limit, the service chooses how many."""
    place, _, query = path.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    if limit >= PAGE and "limit" not in dict(pairs):
        return path
    return f"{place}?{urlencode([*((name, value) for name, value in pairs if name != 'limit'), ('limit', limit)])}"


def _find_next_link(tail: bytes) -> str | None:
    """The address of the next page, from the last bytes of a page, because Glance writes it after the images."""
    try:
        rest = json.loads("{" + tail.decode(errors="replace").rpartition("]")[2].lstrip(" ,\n"))
    except ValueError:
        return None
    link = rest.get("next")
    return link if isinstance(link, str) else None


def _collect_ids(items: list[Any]) -> set[str]:
    return {item["id"] for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)}


def to_path_below_version(link: str) -> str:
    """A ``next`` link as a path below /v2, without its host and prefix: the token must not reach another host."""
    try:
        parts = urlsplit(link)
    except ValueError as error:
        raise BackendError("the image service returned an invalid link to the next page", NOT_IMAGE_API) from error
    return f"/{parts.path.rpartition('/v2/')[2].lstrip('/')}?{parts.query}"
