"""The set-up of a process of a fleet."""

import sys

import pytest

from imagesync.errors import UsageError
from imagesync.fleet.settings import apply_settings


@pytest.mark.parametrize("name", ["dask", "distributed"])
def test_without_the_extra_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Also if only a part of it is there."""
    monkeypatch.setitem(sys.modules, "dask", sys)
    monkeypatch.setitem(sys.modules, "distributed", sys)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match="distributed, which is not installed") as caught:
        apply_settings()
    assert caught.value.hint == "install imagesync with the extra fleet: pip install 'imagesync[fleet]'"
