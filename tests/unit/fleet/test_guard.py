"""The unpickler of a fleet calls nothing but what a run sends."""

import collections
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from imagesync.fleet.guard import load_guarded


class FolderExploit:
    """Creates a file in each process that unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_other_name_is_called(tmp_path: Path, protocol: int) -> None:
    """In every protocol of pickle, also inside of values."""
    data = pickle.dumps({"a": [FolderExploit(tmp_path / "owned")]}, protocol)
    with pytest.raises(pickle.UnpicklingError, match="is not part of a run of imagesync"):
        load_guarded(data)
    assert not (tmp_path / "owned").exists()
    pickle.loads(data)
    assert (tmp_path / "owned").exists(), "the exploit works without the guard"


@pytest.mark.parametrize(
    "data",
    [
        b"cimagesync.fleet.task\nwork.__globals__\n.",
        b"\x80\x04\x8c\x14imagesync.fleet.task\x8c\x0djson.JSONLoad\x93.",
        b"cbuiltins\neval\n.",
        b"cbuiltins\ngetattr\n.",
        pickle.dumps(collections.OrderedDict()),
        b"(S'x'\nios\nsystem\n.",
        b"\x82\x01.",
        b"P1\n.",
    ],
    ids=["dotted", "dotted 4", "eval", "getattr", "class", "INST", "extension", "persistent"],
)
def test_a_name_is_compared_whole(data: bytes) -> None:
    """A part of an allowed name, another name of an allowed module, and old opcodes are refused."""
    with pytest.raises((pickle.UnpicklingError, ValueError)):
        load_guarded(data)


def test_plain_values_are_loaded() -> None:
    """Those need no name."""
    value = {"a": [1, 2.5, None, True, b"x", "ü", (1, 2)], "b": {"c"}}
    assert load_guarded(pickle.dumps(value)) == value
