"""Pages of a listing -> its images, within limits."""

import json
from typing import Any

import pytest

from imagesync.backends.glance.api import Answer, Timeouts
from imagesync.backends.glance.pages import Bounds, Listing
from imagesync.errors import BackendError

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
