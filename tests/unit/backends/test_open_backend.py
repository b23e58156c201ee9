"""Arguments of ``open_backend`` -> the backend."""

from pathlib import Path

import pytest

from imagesync.backends import open_backend
from imagesync.errors import UsageError


def test_a_cloud_together_with_a_store_is_refused(tmp_path: Path) -> None:
    """A backend has one target."""
    with pytest.raises(UsageError):
        open_backend(cloud="x", store=tmp_path)
