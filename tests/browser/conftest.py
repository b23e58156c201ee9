"""Pages in the running Chromium, and axe-core."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.visits import Visit
from tests.npm import prepare_packages

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def visit(browser: "Browser") -> Visit:
    """Open a page in the real browser."""
    from tests.browser.chromium import open_page

    return partial(open_page, browser)


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core."""
    folder = prepare_packages(Path(__file__).parent)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
