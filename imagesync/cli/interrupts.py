"""SIGINT and SIGTERM during a run -> a stop in good order, or at once. Does I/O: handles signals, ends the process."""

import signal
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import FrameType, TracebackType
from typing import Any, Final, Self

from imagesync.cli.exit_codes import ExitCode

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
MAX_UNWINDING: Final = 5.0
"""Seconds in which a command that is interrupted before its first step must have ended by itself."""
NOTICE: Final = (
    "Stopping: transfers are interrupted, running steps finish, no further step starts.\n{again} to stop at once."
)
_AGAIN: Final = {signal.SIGINT: "Press ^C again", signal.SIGTERM: "Send SIGTERM again"}
_END: Final = 0


class Interrupted(BaseException):
    """A signal came before the first step, or during the confirmation; its text is a sentence for a person.

    It is not a KeyboardInterrupt: Click turns that into an Abort, which does not have the signal.
    """

    def __init__(self, text: str, number: int = signal.SIGINT) -> None:
        super().__init__(text)
        self.text, self.number = text, number


class Interrupts:
    """The signals that end a run, caught while the block runs; also in a background job, for which shells ignore SIGINT.

    The first one raises ``Interrupted`` in the main thread; once ``let_steps_end`` was called it only sets ``cancelled``. The
    second one, and a first one that does not end the block in ``MAX_UNWINDING`` seconds, calls ``abandon`` in a thread of
    its own: that one must end the process. ``say`` gets a sentence for a person.
    """

    def __init__(self, say: Callable[[str], None], abandon: Callable[[], None]) -> None:
        self._say, self._abandon = say, abandon
        self.cancelled = threading.Event()
        self.number = 0
        """Of the first signal; 0 before."""
        self._has_steps = False
        self._came: SimpleQueue[int] = SimpleQueue()
        self._before: dict[int, Any] = {}
        self._watcher = threading.Thread(target=self._watch, name="interrupts", daemon=True)

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
        """That of a process which the first signal ended."""
        return choose_exit_code(self.number)

    def let_steps_end(self) -> None:
        """From now on the first signal raises nothing: steps run, or their results are written."""
        self._has_steps = True

    def _catch(self, number: int, _frame: FrameType | None) -> None:
        is_first = not self.number
        self.number = self.number or number
        self.cancelled.set()
        self._came.put(number)  # the only queue that may be written to from here
        if is_first and not self._has_steps:
            raise Interrupted("interrupted", number)

    def _watch(self) -> None:
        first = self._came.get()
        if first == _END:
            return
        if self._has_steps:
            self._say(NOTICE.format(again=_AGAIN[signal.Signals(first)]))
        try:
            second = self._came.get(timeout=None if self._has_steps else MAX_UNWINDING)
        except Empty:
            second = first
        if second != _END:
            self._abandon()


def choose_exit_code(number: int) -> ExitCode:
    """128 and the number of a signal, as shells say it."""
    return ExitCode.TERMINATED if number == signal.SIGTERM else ExitCode.INTERRUPTED
