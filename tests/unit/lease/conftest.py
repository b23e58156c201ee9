"""Fixtures for the tests of the lease."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesync.backends.local import open_local
from tests.unit.lease.two_runs import TwoRuns


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[TwoRuns]:
    """Two runs on an empty store."""
    backend = open_local(tmp_path / "store")
    yield TwoRuns(backend)
    backend.close()
