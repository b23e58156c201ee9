"""The page of a plan or a report in the real Chromium: filter, search, expand, links."""

import pytest

from tests.browser.pages import make_page
from tests.browser.visits import Visit, find_block, is_open, list_shown, read_visible_texts

pytestmark = pytest.mark.browser


def test_an_action_is_a_filter(visit: Visit) -> None:
    """Several actions are alternatives; the number of changes is announced."""
    with visit(make_page("plan for 3")) as page:
        page.get_by_role("button", name="create").click()
        assert list_shown(page) == ["key-000"]
        page.get_by_role("button", name="update").click()
        assert list_shown(page) == ["key-000", "key-002"]
        assert page.get_by_role("status").text_content() == "2 of 3 changes shown"
        page.get_by_role("button", name="Show all").click()
        assert len(list_shown(page)) == 3
        assert page.get_by_role("status").text_content() == ""


def test_filters_of_two_kinds_must_both_fit(visit: Visit) -> None:
    """What failed of what is public: an action and an outcome."""
    with visit(make_page("report of 300")) as page:
        page.get_by_role("button", name="failed").click()
        failed = set(list_shown(page))
        page.get_by_role("button", name="public or protected").click()
        both = set(list_shown(page))
        page.get_by_role("button", name="failed").click()
        loud = set(list_shown(page))
        assert both == failed & loud
        assert both < failed
        assert both < loud


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("KEY-001", ["key-001"]),
        ("12.8", ["key-001"]),
        ("hw_disk_bus", ["key-000"]),
        ("public key-00", ["key-000", "key-002"]),
        ("key-000 key-001", []),
    ],
    ids=["a key", "a value", "a field", "two words", "words of two images"],
)
def test_the_search_finds_keys_fields_and_values(visit: Visit, words: str, names: list[str]) -> None:
    """All words, in any case; if nothing is found, a sentence says so."""
    with visit(make_page("plan for 3")) as page:
        page.get_by_role("searchbox").fill(words)
        assert list_shown(page) == names
        assert page.locator("[data-none]").is_visible() is (not names)


def test_a_match_inside_a_change_is_opened_and_marked(visit: Visit) -> None:
    """And closed again, if the reader had it closed; what the reader opened stays open."""
    with visit(make_page("plan for 300, each alone")) as page:
        search = page.get_by_role("searchbox")
        find_block(page, "key-000").locator("summary").click()
        search.fill("virtio key-00")
        assert list_shown(page) == ["key-000", "key-005"]
        assert [is_open(page, name) for name in ("key-000", "key-005")] == [True, True]
        assert page.evaluate("() => CSS.highlights.get('found').size") >= 2
        search.fill("")
        assert [is_open(page, name) for name in ("key-000", "key-005")] == [True, False]
        assert not page.evaluate("() => CSS.highlights.has('found')")


def test_all_changes_are_opened_and_closed_at_once(visit: Visit) -> None:
    """Only those that are shown."""
    with visit(make_page("plan for 300, each alone")) as page:
        assert "images.example" not in read_visible_texts(page)
        page.get_by_role("button", name="create").click()
        page.get_by_role("button", name="Expand all").click()
        page.get_by_role("button", name="Show all").click()
        assert [is_open(page, name) for name in ("key-000", "key-001")] == [True, False]
        page.get_by_role("button", name="Collapse all").click()
        assert not is_open(page, "key-000")


def test_a_name_at_the_top_leads_to_its_change(visit: Visit) -> None:
    """It is opened, shown although a filter hides it, and not hidden below the bar."""
    with visit(make_page("plan for 300, each alone")) as page:
        page.get_by_role("searchbox").fill("no such text")
        page.get_by_role("link", name="key-022").click()
        assert is_open(page, "key-022")
        assert "key-022" in list_shown(page)
        bar, block = (one.bounding_box() for one in (page.locator(".controls"), find_block(page, "key-022")))
        assert bar["y"] + bar["height"] <= block["y"] < 700


def test_the_bar_stays_visible_while_the_reader_scrolls(visit: Visit) -> None:
    """At the top of the window."""
    with visit(make_page("plan for 300, each alone")) as page:
        page.mouse.wheel(0, 5000)
        page.wait_for_function("() => scrollY > 4000")
        assert abs(page.locator(".controls").bounding_box()["y"]) < 1


def test_what_the_reader_had_closed_is_closed_after_printing(visit: Visit) -> None:
    """The events of a print open everything and restore it."""
    with visit(make_page("plan for 300, each alone")) as page:
        page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        assert is_open(page, "key-000")
        page.evaluate("() => dispatchEvent(new Event('afterprint'))")
        assert not is_open(page, "key-000")


def test_a_filter_hides_the_groups_of_targets_that_have_nothing_of_it(visit: Visit) -> None:
    """The names in the table of targets lead to them nevertheless."""
    with visit(make_page("plans of few targets")) as page:
        page.get_by_role("searchbox").fill("hw_tpm_version")
        assert list_shown(page) == ["key-004"]
        assert [one.is_visible() for one in page.locator("h2[id^=group]").all()] == [False, False, True]
        page.get_by_role("link", name="region-1").click()
        assert page.locator("#group-1").is_visible()


def test_300_changes_stay_usable(visit: Visit) -> None:
    """A search with each typed character; the page is smaller than a photograph."""
    html = make_page("plan for 300, each alone")
    assert len(html.encode()) < 1_000_000
    with visit(html) as page:
        search = page.get_by_role("searchbox")
        search.press_sequentially("key-29")
        assert sorted(list_shown(page)) == [f"key-29{number}" for number in range(10)]
