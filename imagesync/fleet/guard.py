"""Which names the connections of a fleet may carry: an unpickler that admits only those of a run. Changes ``distributed``.

Everything that ``distributed`` receives and that is not a plain value is a pickle, and a pickle can call any function. So a
stolen certificate of one site would run code on the scheduler, on every worker, and on the host of the user. Each process
of a fleet calls ``admit_only_runs`` before it opens a connection.
"""

import io
import pickle
from types import SimpleNamespace
from typing import Any, Final

ALLOWED: Final = frozenset(
    {
        ("imagesync.fleet.task", "work"),
        ("builtins", "dict"),
        ("builtins", "set"),
        ("builtins", "frozenset"),
        ("dask._expr", "Expr._reconstruct"),
        ("dask._expr", "LLGExpr"),
        ("dask._task_spec", "Task"),
        ("dask._task_spec", "Alias"),
        ("dask._task_spec", "DataNode"),
        ("dask._task_spec", "TaskRef"),
        ("distributed.scheduler", "KilledWorker"),
        ("distributed.scheduler", "NoValidWorkerError"),
    }
)
"""The names that a run sends: its function, the graph of one task, and the two errors of the scheduler."""
FAMILIES: Final = frozenset({"pickle", "msgpack", "error"})
"""The ways to decode a value that a run uses; the others import and call the code of libraries."""
MAX_FRAME: Final = 256 * 2**20
"""The largest part of a message, in bytes: memory for a part is taken when its length comes."""


class GuardedUnpickler(pickle.Unpickler):
    """Refuses every name that no run sends."""

    def find_class(self, module: str, name: str) -> Any:
        """The object of an allowed name; UnpicklingError for any other."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a run of imagesync")
        return super().find_class(module, name)


def load_guarded(data: bytes, /, *, buffers: Any = ()) -> Any:
    """As ``pickle.loads``, for allowed names only."""
    return GuardedUnpickler(io.BytesIO(data), buffers=buffers).load()


def admit_only_runs() -> None:
    """From now on, this process refuses what a connection carries beyond what a run sends."""
    import distributed.comm.tcp as connections
    import distributed.protocol.pickle as received
    from distributed import Client
    from distributed.protocol.serialize import families

    received.pickle = SimpleNamespace(
        loads=load_guarded,
        dumps=pickle.dumps,
        Pickler=pickle.Pickler,
        HIGHEST_PROTOCOL=pickle.HIGHEST_PROTOCOL,
    )
    for name, (dumps, _, wants_context) in list(families.items()):
        if name not in FAMILIES:
            families[name] = (dumps, _refuse_family, wants_context)
    Client._default_event_handlers = {}  # else any worker prints on the terminal of the user
    limit_frames(connections)


def _refuse_family(header: Any, frames: Any) -> Any:  # noqa: ARG001
    raise pickle.UnpicklingError("this serializer is not part of a run of imagesync")


def limit_frames(connections: Any) -> None:
    """Let the connections of a module refuse a part of a message that is larger than ``MAX_FRAME``."""
    read = connections.read_bytes_rw
    if getattr(read, "is_limited", False):
        return

    async def read_limited(stream: Any, length: int) -> Any:
        if length > MAX_FRAME:
            raise OSError(f"a message of {length} bytes was refused; the limit is {MAX_FRAME}")
        return await read(stream, length)

    read_limited.is_limited = True  # type: ignore[attr-defined]
    connections.read_bytes_rw = read_limited
