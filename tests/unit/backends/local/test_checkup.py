"""What ``doctor`` says about the folder of a store."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from imagesync.backends.local.checkup import MIN_FREE_BYTES, examine_store
from imagesync.model.diagnosis import Grade


@pytest.mark.parametrize(
    ("left", "grade"),
    [(-1, Grade.PROBLEM), (0, Grade.WARNING), (MIN_FREE_BYTES - 1, Grade.WARNING), (MIN_FREE_BYTES, Grade.OK)],
)
@pytest.mark.parametrize("needed", [0, 5 * MIN_FREE_BYTES])
def test_the_free_space_after_the_next_apply_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needed: int, left: int, grade: Grade
) -> None:
    """What the files of the catalog need is no longer free."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed + left))
    (check,) = [one for one in examine_store(tmp_path / "store", needed) if one.name == "disk"]
    assert check.grade is grade
