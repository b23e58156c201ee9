"""Which backend is opened."""

from pathlib import Path

import pytest

from imagesync import open_backend
from imagesync.errors import UsageError


def test_a_cloud_and_a_store_at_once_are_refused(tmp_path: Path) -> None:
    """One target at a time."""
    with pytest.raises(UsageError):
        open_backend(cloud="x", store=tmp_path)
