"""The built site, and one running Chromium."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.command import ROOT
from tests.site.building import Built, build

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The site of this repository."""
    return build(ROOT / "docs", tmp_path_factory.mktemp("site") / "site")


@pytest.fixture(scope="session")
def site(built: Built) -> Path:
    """The folder of the site, if it could be built."""
    assert built.code == 0, built.warnings
    return built.folder


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """The real browser. A failure to start it, also without playwright, is a failure."""
    from playwright.sync_api import sync_playwright

    from tests.browser.chromium import start_chromium

    with sync_playwright() as playwright, start_chromium(playwright) as browser:
        yield browser
