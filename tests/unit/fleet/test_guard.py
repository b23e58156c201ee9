"""The unpickler of a fleet calls nothing but what a run sends."""

import asyncio
import collections
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from imagesync.fleet.guard import ALLOWED, FAMILIES, MAX_FRAME, limit_frames, load_guarded


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


def test_what_a_run_sends_is_a_short_list() -> None:
    """Its one function, plain containers, the graph of a task, and two errors; no other serializer."""
    graph = {("dask._task_spec", name) for name in ("Task", "Alias", "DataNode", "TaskRef")}
    graph |= {("dask._expr", name) for name in ("Expr._reconstruct", "LLGExpr")}
    plain = {("builtins", name) for name in ("dict", "set", "frozenset")}
    errors = {("distributed.scheduler", name) for name in ("KilledWorker", "NoValidWorkerError")}
    assert {("imagesync.fleet.task", "work"), *graph, *plain, *errors} == ALLOWED
    assert {"pickle", "msgpack", "error"} == FAMILIES


def test_a_part_of_a_message_has_a_limit() -> None:
    """Before its bytes are read; the limit itself is accepted. A second call changes nothing more."""
    requests: list[tuple[object, int]] = []

    async def read(stream: object, length: int) -> str:
        requests.append((stream, length))
        return f"{length} bytes"

    connections = SimpleNamespace(read_bytes_rw=read)
    limit_frames(connections)
    limited = connections.read_bytes_rw
    limit_frames(connections)
    assert connections.read_bytes_rw is limited
    assert asyncio.run(limited("stream", MAX_FRAME)) == "268435456 bytes"
    with pytest.raises(OSError, match="a message of 268435457 bytes was refused; the limit is 268435456"):
        asyncio.run(limited("stream", MAX_FRAME + 1))
    assert requests == [("stream", MAX_FRAME)]
