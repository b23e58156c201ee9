"""Pages of a listing -> its images, within limits."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from imagesync.backends.glance.api import Answer, Timeouts
from imagesync.backends.glance.pages import (
    ANYBODY,
    MAX_ID_CHARS,
    MAX_PAGES,
    MAX_SKIPPED_BYTES,
    OWN,
    PAGE,
    STRAYS,
    Bounds,
    Listing,
    to_path_below_version,
)
from imagesync.backends.glance.response_limits import MAX_RESPONSE_BYTES, UnfitAnswer
from imagesync.errors import BackendError, Unavailable

CHARS = 100_000
"""Size of each image of these pages."""


class Pages:
    """The part of an ``Api`` that a listing needs. Each page is a text of ids, one character each."""

    name = "image service"
    timeouts = Timeouts()

    def __init__(self, *pages: str) -> None:
        self.pages, self.requests = pages, 0

    def request(self, _method: str, _path: str, **_options: object) -> Answer:
        """The next page, with a link to the page after it."""
        number, self.requests = self.requests, self.requests + 1
        images = [{"id": name, "text": "x" * CHARS} for name in self.pages[number]]
        more = {"next": f"/v2/images?marker={number}"} if number + 1 < len(self.pages) else {}
        return Answer(200, {}, json.dumps({"images": images, **more}).encode())

    def decode(self, answer: Answer, _path: str) -> Any:
        """The JSON of a response."""
        return json.loads(answer.body)


def read(pages: Pages, bounds: Bounds) -> str:
    """The ids of the images of a listing."""
    listing = Listing(pages, "/images", bounds)  # type: ignore[arg-type]  # only the part that is used
    return "".join(item["id"] for item in listing.read("images"))


@pytest.mark.parametrize("pages", [("ab", "bc", "d"), ("abc", "abcd"), ("ab", "cb", "ad", "e")])
def test_a_page_that_repeats_some_images_is_not_the_end(pages: tuple[str, ...]) -> None:
    """New images move others to the next page; only a page without a new image shows that the pages repeat."""
    assert set(read(Pages(*pages), Bounds())) == set("".join(pages))


def test_a_page_without_any_new_image_is_an_error() -> None:
    """Otherwise the listing would never end."""
    with pytest.raises(BackendError, match="never ends"):
        read(Pages("ab", "c", "ba", "d"), Bounds())


@pytest.mark.parametrize(
    ("bounds", "requests"), [(Bounds(items=3), 2), (Bounds(size=3 * CHARS), 2), (Bounds(items=5, size=5 * CHARS), 3)]
)
def test_a_listing_ends_at_its_limits(bounds: Bounds, requests: int) -> None:
    """The limits are a number of images and a number of bytes; no more pages are requested then."""
    pages = Pages("ab", "cd", "ef", "gh")
    with pytest.raises(BackendError, match="has more than"):
        read(pages, bounds)
    assert pages.requests == requests
    assert read(Pages("ab", "cd"), bounds) == "abcd" if requests == 3 else True


def test_the_limits_of_listings() -> None:
    """Images of others cost less than one's own; a search whose result is only explained ends soon."""
    assert (PAGE, MAX_PAGES, MAX_SKIPPED_BYTES, MAX_ID_CHARS) == (1000, 10_000, 2**27, 64)
    assert Bounds(100_000, 96 * 2**20, 2**30, 900.0, 1000, True) == ANYBODY
    assert Bounds(100_000, 768 * 2**20, 2**30, 900.0, 1000, True) == OWN
    assert Bounds(10_000, 64 * 2**20, 512 * 2**20, 60.0, 100, False) == STRAYS


class Shelf:
    """The part of an ``Api`` that a listing needs: pages of images of given sizes, as Glance sends them.

    A page larger than ``largest`` does not fit. ``limits``: the limit of each request; ``seconds``: what one takes.
    """

    name = "image service"

    def __init__(
        self, sizes: list[int], *, largest: int = 1000, link: Callable[[str], object] = str, tail: bool = True
    ) -> None:
        self._sizes, self._largest, self._link, self._tail = sizes, largest, link, tail
        self.timeouts = Timeouts()
        self.limits: list[int] = []
        self.patient: list[bool] = []
        self.tails: list[int] = []
        self.now, self.seconds = 0.0, 0.0

    def request(self, method: str, path: str, *, repeat: bool) -> Answer:
        """One page."""
        assert method == "GET"
        self.now += self.seconds
        self.patient.append(repeat)
        query = parse_qs(urlsplit(path).query)
        limit = int(query.get("limit", ["1000"])[0])
        self.limits.append(limit)
        start = int(query.get("marker", ["-1"])[0]) + 1
        ids = range(len(self._sizes))[start : start + limit]
        size = sum(self._sizes[index] for index in ids)
        if size > self._largest:
            raise UnfitAnswer("too large", size)
        images = [{"id": str(index)} for index in ids]
        after = {"next": self._link(f"/v2/images?limit={limit}&marker={ids[-1]}")} if len(ids) == limit else {}
        return Answer(200, {}, json.dumps({"images": images, **after}).encode().ljust(size))

    def decode(self, answer: Answer, _path: str) -> Any:
        """The JSON of a response."""
        return json.loads(answer.body)

    def read_tail(self, path: str, largest: int) -> tuple[bytes, int]:
        """The end of a page of one image."""
        self.tails.append(largest)
        index = int(parse_qs(urlsplit(path).query).get("marker", ["-1"])[0]) + 1
        end = f'"x": "]"}}], "first": "/v2/images", "next": "/v2/images?limit=1&marker={index}"}}'
        if index + 1 == len(self._sizes):
            end = '}], "first": "/v2/images"}'
        return (end if self._tail else "no json").encode(), self._sizes[index]


def ids_of(shelf: Shelf, bounds: Bounds = ANYBODY, missing: list[str] | None = None) -> list[int]:
    """The images of a listing."""
    listing = Listing(shelf, "/images", bounds, missing)  # type: ignore[arg-type]  # only the part that is used
    return [int(item["id"]) for item in listing.read("images")]


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 250])
def test_every_image_is_listed_once_and_in_order(number: int) -> None:
    """Whatever the number of full pages."""
    shelf = Shelf([0] * number)
    assert ids_of(shelf, Bounds(page=100)) == list(range(number))
    assert set(shelf.limits) == {100}
    assert len(shelf.limits) == number // 100 + 1
    assert set(shelf.patient) == {True}
    ids_of(impatient := Shelf([0] * 3), Bounds(patient=False))
    assert impatient.patient == [False]


def test_a_page_that_is_too_large_is_requested_again_with_half_as_many_images() -> None:
    """Until it fits; then the pages grow again, but not beyond the first limit."""
    shelf = Shelf([300] * 8 + [1] * 60)
    assert ids_of(shelf, Bounds(page=16)) == list(range(68))
    assert shelf.limits == [16, 8, 4, 2, 4, 2, 4, 2, 4, 8, 16, 16, 16, 16][: len(shelf.limits)]


def test_pages_do_not_grow_while_they_are_nearly_as_large_as_allowed() -> None:
    """Else every other request would be for nothing."""
    quarter = MAX_RESPONSE_BYTES // 4
    for size, limits in ((quarter - 1, [2, 1, 2, 1]), (quarter, [2, 1, 1, 1])):
        shelf = Shelf([size] * 3, largest=quarter)
        assert ids_of(shelf, Bounds(page=2)) == [0, 1, 2]
        assert shelf.limits[:4] == limits


def test_a_record_that_never_fits_is_skipped_and_named() -> None:
    """The next page begins after it. Without a place for such a sentence, it is an error."""
    shelf, missing = Shelf([1, 2000, 1, 3000]), list[str]()
    assert ids_of(shelf, Bounds(page=2), missing) == [0, 2]
    assert missing == ["image 1: too large", "an image and all images after it: too large"]
    assert shelf.tails == [MAX_SKIPPED_BYTES] * 2
    with pytest.raises(BackendError, match="the record of one image cannot be read: too large"):
        ids_of(Shelf([1, 2000, 1]), Bounds(page=2))


def test_a_record_without_a_link_after_it_ends_the_listing() -> None:
    """What follows is unknown, and the sentence says so."""
    missing: list[str] = []
    assert ids_of(Shelf([1, 2000, 1], tail=False), Bounds(page=2), missing) == [0]
    assert missing == ["an image and all images after it: too large"]


class Endless(Shelf):
    """A shelf whose large record is even too large to skip."""

    def read_tail(self, path: str, largest: int) -> tuple[bytes, int]:
        raise UnfitAnswer("larger than 128 MiB", largest)


def test_a_record_that_is_too_large_to_skip_ends_the_listing() -> None:
    """Its end is not waited for."""
    missing: list[str] = []
    assert ids_of(Endless([1, 2000, 1]), Bounds(page=1), missing) == [0]
    assert missing == ["an image and all images after it: too large"]


def test_the_id_of_a_skipped_record_is_printable_and_short() -> None:
    """Another project chooses it."""

    class Hostile(Shelf):
        def read_tail(self, path: str, largest: int) -> tuple[bytes, int]:
            return ("], " + json.dumps({"next": f"/v2/images?marker=%1b{'x' * 99}"})[1:]).encode(), 2000

    missing: list[str] = []
    with pytest.raises(ValueError, match="invalid literal"):
        ids_of(Hostile([2000]), Bounds(page=1), missing)
    assert missing == [f"image \\x1b{'x' * (MAX_ID_CHARS - 5)}…: too large"]


@pytest.mark.parametrize(
    ("bounds", "is_allowed"),
    [
        (Bounds(items=20, page=10), True),
        (Bounds(items=19, page=10), False),
        (Bounds(size=2000, page=10), True),
        (Bounds(size=1999, page=10), False),
    ],
)
def test_the_limits_of_a_listing_are_exact(bounds: Bounds, is_allowed: bool) -> None:
    """Before each further page they are checked."""
    shelf = Shelf([100] * 20)
    if is_allowed:
        assert len(ids_of(shelf, bounds)) == 20
    else:
        with pytest.raises(BackendError, match=r"the listing /images has more than .* images or .* MiB; use a filter"):
            ids_of(shelf, bounds)


@pytest.mark.parametrize(("dropped", "is_allowed"), [(1800, True), (1799, False)])
def test_pages_that_are_dropped_have_a_limit(dropped: int, is_allowed: bool) -> None:
    """They cost time; skipped records count, too."""
    shelf, missing = Shelf([900, 900, 1, 1], largest=1400), list[str]()
    bounds = Bounds(page=2, dropped=dropped)
    if is_allowed:
        assert ids_of(shelf, bounds, missing) == [0, 1, 2, 3]
        assert ids_of(Shelf([1500, 1]), Bounds(page=1, dropped=3000), missing) == [1]
    else:
        with pytest.raises(BackendError, match=r"the listing /images has more than 0 MiB in pages that are too large"):
            ids_of(shelf, bounds, missing)
        with pytest.raises(BackendError, match="in pages that are too large"):
            ids_of(Shelf([1500, 1]), Bounds(page=1, dropped=2999), missing)


@pytest.mark.parametrize(
    ("listing", "seconds", "is_allowed"),
    [(900.0, 30.0, True), (900.0, 29.0, False), (29.0, 900.0, False), (30.0, 900.0, True)],
)
def test_a_listing_has_a_time_limit(
    monkeypatch: pytest.MonkeyPatch, listing: float, seconds: float, is_allowed: bool
) -> None:
    """The shorter one of the caller's and the service's. Three pages of ten seconds; the third check is after 30."""
    shelf = Shelf([1] * 35)
    shelf.timeouts, shelf.seconds = Timeouts(listing=listing), 10.0
    monkeypatch.setattr(time, "monotonic", lambda: shelf.now)
    if is_allowed:
        assert len(ids_of(shelf, Bounds(page=10, seconds=seconds))) == 35
    else:
        with pytest.raises(
            Unavailable, match=r"the listing /images takes longer than 29 s; use a filter .* or try again"
        ):
            ids_of(shelf, Bounds(page=10, seconds=seconds))


@pytest.mark.parametrize("document", [[], {}, {"images": None}, {"images": {}}, None, 3])
def test_a_page_of_another_shape_is_an_error(document: object) -> None:
    """It is not an image service, and it is not asked again."""

    class Other(Shelf):
        def decode(self, answer: Answer, _path: str) -> Any:
            return document

    shelf = Other([1])
    with pytest.raises(BackendError, match="a page of a listing has no list 'images'"):
        ids_of(shelf, Bounds(seconds=5.0))
    assert len(shelf.limits) == 1


def test_items_without_an_id_are_returned() -> None:
    """The caller reports them."""

    class Odd(Shelf):
        def decode(self, answer: Answer, _path: str) -> Any:
            return {"images": [3, {"id": 4}, {}, {"id": "a"}]}

    listing = Listing(Odd([1]), "/images")  # type: ignore[arg-type]
    assert list(listing.read("images")) == [3, {"id": 4}, {}, {"id": "a"}]


@pytest.mark.parametrize("link", [3, None, [], {}])
def test_a_link_that_is_no_text_ends_a_listing(link: object) -> None:
    """So does an empty page, whatever comes next."""
    assert ids_of(Shelf([1] * 5, link=lambda _: link), Bounds(page=2)) == [0, 1]


def test_a_page_that_was_read_is_not_read_again() -> None:
    """Its address may have another limit; then the listing would never end."""
    shelf = Shelf([1] * 9, link=lambda _: "/v2/images?limit=3&marker=1")
    with pytest.raises(BackendError, match="the listing /images repeats pages and never ends; report this"):
        ids_of(shelf, Bounds(page=2))
    assert len(shelf.limits) == 2


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("/v2/images?marker=a", "/images?marker=a"),
        ("/image/v2/images?marker=a&path=/v2/x", "/images?marker=a&path=/v2/x"),
        ("http://elsewhere.invalid/x/v2/images?marker=a", "/images?marker=a"),
        ("//elsewhere.invalid/v2/images?marker=a", "/images?marker=a"),
        ("/images?marker=a", "/images?marker=a"),
        ("?marker=a", "/?marker=a"),
    ],
)
def test_the_next_page_is_on_the_same_service(link: str, path: str) -> None:
    """The token must not reach another host."""
    assert to_path_below_version(link) == path
    with pytest.raises(BackendError, match="invalid link to the next page"):
        to_path_below_version("http://[")


@pytest.mark.parametrize(("number", "is_allowed"), [(MAX_PAGES - 1, True), (MAX_PAGES, False)])
def test_a_listing_has_at_most_ten_thousand_pages(number: int, is_allowed: bool) -> None:
    """The last one is empty here."""
    shelf = Shelf([0] * number)
    if is_allowed:
        assert len(ids_of(shelf, Bounds(page=1))) == number
    else:
        with pytest.raises(BackendError, match="repeats pages and never ends"):
            ids_of(shelf, Bounds(page=1))
    assert len(shelf.limits) == MAX_PAGES


class Noted(Shelf):
    """A shelf that notes the path of each request."""

    paths: list[str]

    def request(self, method: str, path: str, *, repeat: bool) -> Answer:
        self.paths = [*getattr(self, "paths", []), path]
        return super().request(method, path, repeat=repeat)


QUERY = "/images?tag=a&tag=b&name=&os_hidden=true&limit=4"


def read_with_query(shelf: Shelf, bounds: Bounds, missing: list[str] | None = None) -> list[int]:
    """The images of a listing that has conditions."""
    return [int(item["id"]) for item in Listing(shelf, QUERY, bounds, missing).read("images")]  # type: ignore[arg-type]


def test_a_smaller_page_has_the_same_conditions() -> None:
    """Each tag is one, and a name may be empty."""
    shelf = Noted([300] * 6)
    assert read_with_query(shelf, Bounds(page=4)) == [0, 1, 2, 3, 4, 5]
    assert shelf.paths[:2] == [QUERY, QUERY.replace("limit=4", "limit=2")]
    assert shelf.paths[2:] == [f"/images?marker=1&limit={limit}" for limit in (4, 2)] + ["/images?marker=3&limit=4"]


class Plain(Noted):
    """A shelf whose first pages do not fit, and that has no limit in its links."""

    def request(self, method: str, path: str, *, repeat: bool) -> Answer:
        super().request(method, path, repeat=repeat)
        if "limit" not in path:
            raise UnfitAnswer("too large", 5)
        return Answer(200, {}, b'{"images": []}')


def test_the_service_chooses_the_size_of_a_page_without_a_limit() -> None:
    """The first request has none; the next one, for half as many images, has one."""
    shelf = Plain([])
    assert ids_of(shelf) == []
    assert shelf.paths == ["/images", "/images?limit=500"]


ALL_AFTER = "an image and all images after it"


@pytest.mark.parametrize(
    ("tail", "names", "paths"),
    [
        (b'\xbf\x80"}], "next": "/v2/images?marker=m&limit=1"}', "image m", ["/images?marker=m&limit=1"]),
        (b'"tags": ["]"]}],\n "next": "/x/v2/images?marker=n"}', "image n", ["/images?marker=n&limit=1"]),
        (b'}], "next": 3}', ALL_AFTER, []),
        (b'}], "next": null}', ALL_AFTER, []),
        (b"}], 3}", ALL_AFTER, []),
        (b"}]}", ALL_AFTER, []),
        (b"", ALL_AFTER, []),
    ],
)
def test_the_link_after_a_skipped_record(tail: bytes, names: str, paths: list[str]) -> None:
    """It follows the images; the tail may begin in the middle of a character."""

    class Tailed(Noted):
        def request(self, method: str, path: str, *, repeat: bool) -> Answer:
            if "marker" in path:
                self.paths = [*getattr(self, "paths", []), path]
                return Answer(200, {}, b'{"images": []}')
            raise UnfitAnswer("too large", 5)

        def read_tail(self, path: str, largest: int) -> tuple[bytes, int]:
            return tail, 5

    shelf, missing = Tailed([]), list[str]()
    assert ids_of(shelf, Bounds(page=1), missing) == []
    assert missing == [f"{names}: too large"]
    assert getattr(shelf, "paths", []) == paths


def test_an_empty_page_ends_a_listing() -> None:
    """Whatever link it has."""

    class Empty(Noted):
        def decode(self, answer: Answer, _path: str) -> Any:
            return {"images": [], "next": "/v2/images?marker=x"}

    shelf = Empty([1])
    assert ids_of(shelf) == []
    assert len(shelf.paths) == 1


@pytest.mark.parametrize(
    ("bounds", "sizes", "text"),
    [
        (
            Bounds(items=3, size=5 * 2**20, page=4),
            [1] * 9,
            "the listing /images has more than 3 images or 5 MiB; use a filter to list fewer images",
        ),
        (
            Bounds(dropped=2**21, page=4),
            [2**20] * 9,
            "the listing /images has more than 2 MiB in pages that are too large; use a filter to list fewer images",
        ),
    ],
)
def test_the_message_about_a_limit_has_the_limit(bounds: Bounds, sizes: list[int], text: str) -> None:
    """And the path of the listing without its conditions."""
    with pytest.raises(BackendError) as caught:
        read_with_query(Shelf(sizes), bounds, [])
    assert str(caught.value) == f"image service: {text}"
    assert type(caught.value) is BackendError


def test_the_other_messages_of_a_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has the service, the path without conditions, and what to do."""
    shelf = Shelf([1] * 9)
    shelf.seconds = 20.0
    monkeypatch.setattr(time, "monotonic", lambda: shelf.now)
    with pytest.raises(Unavailable) as late:
        read_with_query(shelf, Bounds(page=4, seconds=19.6))
    assert str(late.value) == (
        "image service: the listing /images takes longer than 20 s; use a filter to list fewer images, or try again later"
    )
    with pytest.raises(BackendError) as endless:
        read_with_query(Shelf([1] * 9, link=lambda _: QUERY), Bounds(page=4))
    assert str(endless.value) == (
        "image service: the listing /images repeats pages and never ends; report this to the cloud's operator"
    )
    with pytest.raises(BackendError) as large:
        read_with_query(Shelf([2000]), Bounds(page=4))
    assert str(large.value) == (
        "image service: the record of one image cannot be read: too large; find the image of this project that has such "
        "large properties, and remove some of them"
    )


def test_a_page_that_is_halved_often_ends_at_the_limit_of_dropped_bytes() -> None:
    """It is checked before each further try."""
    shelf = Shelf([100] * 64, largest=99)
    with pytest.raises(BackendError, match="in pages that are too large"):
        ids_of(shelf, Bounds(page=64, dropped=6400), [])
    assert shelf.limits == [64, 32]


def test_a_listing_is_of_anybody_unless_it_is_said() -> None:
    """Its limit of images is that of a page of the service, and a failed request is repeated."""
    shelf = Shelf([0] * 3)
    assert len(list(Listing(shelf, "/images").read("images"))) == 3  # type: ignore[arg-type]
    assert (shelf.limits, shelf.patient) == ([1000], [True])
