"""The backends on which each test of this folder runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesync.backends import open_backend
from imagesync.backends.base import Backend
from tests.cloud.service import Cloud


@pytest.fixture(params=["local", "glance", pytest.param("glance-mariadb", marks=pytest.mark.exhaustive)])
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """An empty local store, or an empty project of a real image service, with an administrator's rights."""
    if request.param == "local":
        opened = open_backend(store=tmp_path / "store")
    else:
        cloud: Cloud = request.getfixturevalue("cloud" if request.param == "glance" else "mariadb_cloud")
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.clouds_yaml))
        opened = open_backend(cloud="operator")
    yield opened
    opened.close()
