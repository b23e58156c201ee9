"""One running Chromium for all tests of this folder, and axe-core."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.browser.visits import Visit
from tests.npm import prepare_packages


@pytest.fixture(scope="session")
def visit() -> Iterator[Visit]:
    """Open a page in the real browser. A failure to start it, also without playwright, is a failure."""
    from playwright.sync_api import sync_playwright

    from tests.browser.chromium import open_page, start_chromium

    with sync_playwright() as playwright, start_chromium(playwright) as browser:
        yield partial(open_page, browser)


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core."""
    folder = prepare_packages(Path(__file__).parent)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
