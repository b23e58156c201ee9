"""The built site."""

from pathlib import Path

import pytest

from tests.command import ROOT
from tests.site.building import Built, build


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The site of this repository."""
    return build(ROOT / "docs", tmp_path_factory.mktemp("site") / "site")


@pytest.fixture(scope="session")
def site(built: Built) -> Path:
    """The folder of the site, if it could be built."""
    assert built.code == 0, built.warnings
    return built.folder
