"""The page of a catalog for its users, in the real Chromium."""

import pytest

from tests.browser.pages import make_list_page
from tests.browser.visits import Visit, list_shown

pytestmark = pytest.mark.browser


def test_the_search_finds_images_by_any_of_their_texts(visit: Visit) -> None:
    """All words must be in the row, in any case; the number of rows is announced."""
    with visit(make_list_page(10)) as page:
        page.get_by_role("searchbox").fill("UBUNTU cloud-init")
        assert list_shown(page) == ["Ubuntu 0", "Ubuntu 5"]
        assert page.get_by_role("status").text_content() == "2 of 10 images shown"


def test_a_visibility_is_a_filter(visit: Visit) -> None:
    """Pressed twice, it filters nothing."""
    with visit(make_list_page(4)) as page:
        private = page.get_by_role("button", name="private")
        private.click()
        assert list_shown(page) == ["Rocky 2"]
        private.click()
        assert len(list_shown(page)) == 4
