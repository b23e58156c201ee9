"""Tasks -> what runs them, and their messages. The only place that chooses what that is: threads of this process.

An engine on other hosts is another class with the same three methods. Tasks and messages are plain values for that reason.
"""

import threading
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeAlias

from imagesync.execution.executor import Cancelled
from imagesync.targets.messages import Message, Task, encode_ended
from imagesync.targets.threads import Threads

Emit: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Sends the document of a message to the run."""
Work: TypeAlias = Callable[[Task, Emit, Cancelled], None]
"""Carries out a task. Its last message is ``ended``, also after an error."""


class Carrier(Protocol):
    """What runs the tasks of a run."""

    def submit(self, task: Task) -> None:
        """Start a task, or let it wait until there is room. It returns at once."""

    def events(self, seconds: float) -> list[Message]:
        """The messages that came since the last call; without any, those of the next ``seconds``."""

    def cancel(self) -> None:
        """Stop all tasks in good order: steps that run end or are interrupted, and no further step starts."""


class ThreadCarrier:
    """Runs tasks in threads of this process, ``parallel`` at a time. ``work`` is called in a thread for each task."""

    def __init__(self, work: Work, parallel: int) -> None:
        self._work, self._threads = work, Threads(parallel)
        self._messages: SimpleQueue[Message] = SimpleQueue()
        self._cancelled = threading.Event()

    def submit(self, task: Task) -> None:
        """Start a task, or let it wait until a thread is free."""
        self._threads.submit(task.target, partial(self._run, task))

    def _run(self, task: Task) -> None:
        def emit(document: Mapping[str, Any]) -> None:
            self._messages.put(Message(task.target, task.verb, document))

        try:
            self._work(task, emit, self._cancelled)
        except BaseException:  # the run waits for the end of each task
            emit(encode_ended(bug=traceback.format_exc()))

    def events(self, seconds: float) -> list[Message]:
        """The messages that came since the last call; without any, those of the next ``seconds``."""
        found: list[Message] = []
        try:
            found.append(self._messages.get(timeout=seconds))
            while True:
                found.append(self._messages.get_nowait())
        except Empty:
            return found

    def cancel(self) -> None:
        """Ask all tasks to stop."""
        self._cancelled.set()
