"""An iterable -> the same items, made ahead of their consumer in a separate thread. No I/O of its own.

A short queue between two stages lets reading, unpacking, hashing and sending run at the same time in constant memory.
An error of a stage is raised to its consumer.
"""

import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, TypeVar

from imagesync.labels import make_thread

T = TypeVar("T")

DEPTH: Final = 4
"""Items that may wait between two stages."""


PATIENCE: Final = 0.2
"""Seconds between two calls of ``check`` while a consumer waits."""
GIVING_WAY: Final = 19
"""Niceness of the threads that work ahead; the thread that sends, or a service on this host, comes first."""


def give_way() -> None:
    """Lower this thread's priority, where the system has priorities of threads."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), GIVING_WAY)


class Stopped(Exception):
    """The pipeline was closed while a consumer waited for an item."""


class Pipeline:
    """The stages of one stream. After ``close`` none of their threads runs.

    ``interrupt`` wakes a stage that waits for something outside, such as a silent server. ``check`` is called while a consumer
    waits for an item; its errors are raised to the consumer.
    """

    def __init__(
        self,
        interrupt: Callable[[], None] = lambda: None,
        depth: int = DEPTH,
        *,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._interrupt, self._depth, self._check = interrupt, depth, check
        self._changed = threading.Condition()
        self._stages: list[_Stage[object]] = []
        self._closed = False

    def run_ahead(self, items: Iterable[T], name: str) -> Iterator[T]:
        """The same items, made in a thread that starts now and is called ``name``."""
        stage = _Stage(items, self._changed, self._depth, name, self._check)
        self._stages.append(stage)  # type: ignore[arg-type]  # only its thread is used
        stage.start()
        return stage

    def close(self) -> None:
        """Stop every stage and wait for its thread; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        with self._changed:
            for stage in self._stages:
                stage.stopped = True
            self._changed.notify_all()
        if any(stage.working for stage in self._stages):
            self._interrupt()
        for stage in self._stages:
            stage.join()


class _Stage(Generic[T]):
    """One thread, and the queue of the items that it has made."""

    def __init__(
        self, items: Iterable[T], changed: threading.Condition, depth: int, name: str, check: Callable[[], None]
    ) -> None:
        self._items, self._changed, self._depth, self._check = items, changed, depth, check
        self._made: deque[T] = deque()
        self._ended = False
        self._error: BaseException | None = None
        self.stopped = False
        self._thread = make_thread(self._work, name)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    @property
    def working(self) -> bool:
        return self._thread.is_alive()

    def _work(self) -> None:
        give_way()
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._hand_over(item):
                    break
        except BaseException as met:  # any error is raised to the consumer
            error = met
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify_all()

    def _hand_over(self, item: T) -> bool:
        """Wait for room and put an item into the queue; False if the pipeline is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self.stopped or len(self._made) < self._depth)
            if self.stopped:
                return False
            self._made.append(item)
            self._changed.notify_all()
            return True

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            while not self._changed.wait_for(lambda: self.stopped or self._ended or bool(self._made), PATIENCE):
                self._check()
            if self.stopped:
                raise Stopped
            if self._made:
                item = self._made.popleft()
                self._changed.notify_all()
                return item
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration
