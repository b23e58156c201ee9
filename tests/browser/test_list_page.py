"""The page of a catalog for its users, in the real Chromium."""

import pytest

from tests.browser.pages import make_list_page, make_target_lists_page
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


def test_a_filter_hides_targets_without_a_match(visit: Visit) -> None:
    """Those without images stay: nothing of them was filtered."""
    with visit(make_target_lists_page(10)) as page:
        headings = page.locator("main h2")
        assert [one.partition(" (")[0] for one in headings.all_text_contents()] == [
            "Target eu",
            "Target lab",
            "Target lost",
        ]
        assert [one.is_visible() for one in headings.all()] == [True, True, True]
        page.get_by_role("searchbox").fill("no such words")
        assert [one.is_visible() for one in headings.all()] == [False, True, True]
