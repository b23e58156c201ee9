"""The name of the target that a thread works for, for log lines; threads and pools that keep it. No I/O.

In a run of several targets their lines are mixed. A new thread begins with an empty context, so the package starts all of its
threads here.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_LABEL: Final = ContextVar("label", default="")


@contextmanager
def label(name: str) -> Iterator[None]:
    """Log lines of this block begin with ``[name]``, also those of threads that it starts; an empty name: without."""
    token = _LABEL.set(name)
    try:
        yield
    finally:
        _LABEL.reset(token)


def format_label() -> str:
    """``[name] `` in the block of a label, else empty. The name is as it was given: it may have control characters."""
    name = _LABEL.get()
    return f"[{name}] " if name else ""


def make_thread(work: Callable[[], object], name: str) -> threading.Thread:
    """A thread that keeps the label of this one. The process does not wait for its end: it may wait for a server."""
    return threading.Thread(target=copy_context().run, args=(work,), name=name, daemon=True)


class ThreadPool(ThreadPoolExecutor):
    """A pool whose threads have the label of the thread that submits the work."""

    def submit(self, work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """As in the standard library."""
        context = copy_context()
        return super().submit(lambda: context.run(work, *args, **kwargs))
