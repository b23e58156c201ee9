"""A listing, page by page, and what it may cost."""

import json
from typing import Any

import pytest

from imagesync.backends.glance.api import Answer, Timeouts
from imagesync.backends.glance.pages import Bounds, Listing
from imagesync.errors import BackendError

CHARS = 100_000
"""Of each image of these pages."""


class Pages:
    """As much of an ``Api`` as a listing needs: pages of images, each by its ids."""

    name = "image service"
    timeouts = Timeouts()

    def __init__(self, *pages: str) -> None:
        self.pages, self.asked = pages, 0

    def request(self, _method: str, _path: str, **_options: object) -> Answer:
        """The next page, which names the one after it."""
        number, self.asked = self.asked, self.asked + 1
        images = [{"id": name, "text": "x" * CHARS} for name in self.pages[number]]
        more = {"next": f"/v2/images?marker={number}"} if number + 1 < len(self.pages) else {}
        return Answer(200, {}, json.dumps({"images": images, **more}).encode())

    def decode(self, answer: Answer, _path: str) -> Any:
        """The JSON of an answer."""
        return json.loads(answer.body)


def read(pages: Pages, bounds: Bounds) -> str:
    """The ids that a listing gives."""
    listing = Listing(pages, "/images", bounds)  # type: ignore[arg-type]  # as much as is used
    return "".join(item["id"] for item in listing.read("images"))


@pytest.mark.parametrize("pages", [("ab", "bc", "d"), ("abc", "abcd"), ("ab", "cb", "ad", "e")])
def test_a_page_that_repeats_some_images_is_not_the_end(pages: tuple[str, ...]) -> None:
    """Images that come meanwhile move the others on; only a page without any new one shows that it goes in a circle."""
    assert set(read(Pages(*pages), Bounds())) == set("".join(pages))


def test_a_page_without_any_new_image_is_an_error() -> None:
    """It would never end."""
    with pytest.raises(BackendError, match="never ends"):
        read(Pages("ab", "c", "ba", "d"), Bounds())


@pytest.mark.parametrize(
    ("bounds", "asked"), [(Bounds(items=3), 2), (Bounds(size=3 * CHARS), 2), (Bounds(items=5, size=5 * CHARS), 3)]
)
def test_what_is_kept_of_a_listing_is_bounded(bounds: Bounds, asked: int) -> None:
    """By the number of images, and by their bytes in all: no further page is asked for then."""
    pages = Pages("ab", "cd", "ef", "gh")
    with pytest.raises(BackendError, match="has more than"):
        read(pages, bounds)
    assert pages.asked == asked
    assert read(Pages("ab", "cd"), bounds) == "abcd" if asked == 3 else True
