"""SIGINT and SIGTERM during a run -> an orderly stop, or an immediate one. Does I/O: it handles signals."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import FrameType, TracebackType
from typing import Any, Final, Self

from imagesync.cli import streams
from imagesync.cli.exit_codes import ExitCode
from imagesync.labels import make_thread

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
MAX_UNWINDING: Final = 5.0
"""Seconds within which a command that is interrupted before its first step must end by itself."""
NOTICE: Final = (
    "Stopping: transfers are interrupted, running steps finish, no further step starts.\n{again} to stop at once."
)
_AGAIN: Final = {signal.SIGINT: "Press ^C again", signal.SIGTERM: "Send SIGTERM again"}
_END: Final = 0


class Interrupted(BaseException):
    """A signal arrived before the first step, or during the confirmation; ``text`` is the sentence for the user.

    It is not a KeyboardInterrupt, because Click turns that into an Abort and loses the signal.
    """

    def __init__(self, text: str, number: int = signal.SIGINT) -> None:
        super().__init__(text)
        self.text, self.number = text, number


class Interrupts:
    """A context manager that catches SIGINT and SIGTERM; also in a background job, where shells ignore SIGINT.

    The first signal raises ``Interrupted`` in the main thread; after ``let_steps_end`` it only sets ``cancelled``. A second
    signal calls ``abandon`` in another thread, which must end the process. So does a first signal if the block has not
    ended ``unwinding`` seconds later. ``say`` prints a sentence for the user.
    """

    def __init__(
        self, say: Callable[[str], None], abandon: Callable[[], None], *, unwinding: float = MAX_UNWINDING
    ) -> None:
        self._say, self._abandon, self._unwinding = say, abandon, unwinding
        self.cancelled = threading.Event()
        self.number = 0
        """The number of the first signal; 0 before it."""
        self._has_steps = self._was_with_steps = False
        self._came: SimpleQueue[int] = SimpleQueue()
        self._before: dict[int, Any] = {}
        self._watcher = make_thread(self._watch, "interrupts")

    def __enter__(self) -> Self:
        self._watcher.start()
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._catch)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._came.put(_END)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of a process that the first signal ended."""
        return choose_exit_code(self.number)

    def let_steps_end(self) -> None:
        """From now on the first signal raises no error, because steps run or results are written."""
        self._has_steps = True

    def _catch(self, number: int, _frame: FrameType | None) -> None:
        is_first = not self.number
        if is_first:  # the other thread may run only after the unwinding has called let_steps_end
            self._was_with_steps = self._has_steps
        self.number = self.number or number
        self.cancelled.set()
        self._came.put(number)  # only a SimpleQueue is safe in a signal handler
        if is_first and not self._has_steps:
            raise Interrupted("interrupted", number)

    def _watch(self) -> None:
        first = self._came.get()
        if first == _END:
            return
        if self._was_with_steps:
            self._say(NOTICE.format(again=_AGAIN[signal.Signals(first)]))
        try:
            second = self._came.get(timeout=None if self._was_with_steps else self._unwinding)
        except Empty:
            second = first
        if second != _END:
            self._abandon()


def choose_exit_code(number: int) -> ExitCode:
    """128 plus the number of a signal, as in shells."""
    return ExitCode.TERMINATED if number == signal.SIGTERM else ExitCode.INTERRUPTED


@contextmanager
def end_at_once(say: Callable[[str], None]) -> Iterator[None]:
    """End the process at ^C, for a block that changes nothing. Its threads may wait for a silent server, so none is awaited."""
    try:
        yield
    except KeyboardInterrupt:
        say("imagesync: interrupted; nothing was changed")
        streams.flush(ExitCode.INTERRUPTED)
        os._exit(ExitCode.INTERRUPTED)
