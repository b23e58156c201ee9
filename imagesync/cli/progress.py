"""Events of a run -> progress bars on a terminal, lines of a log, and lines of JSON in a file. Does I/O."""

import contextlib
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, Self, TextIO

from imagesync.cli.files import make_write_error, open_private
from imagesync.cli.terminal import can_move_cursor, has_colors
from imagesync.errors import ImagesyncError
from imagesync.labels import make_thread
from imagesync.model.plan import Plan
from imagesync.model.report import Event, Finished, Outcome, Progress, Started
from imagesync.render.place import describe_place
from imagesync.render.progress import RunProgress, format_age, format_end, format_progress, format_start
from imagesync.render.result import event_to_json, run_started_to_json
from imagesync.text import format_json

INTERVAL: Final = 30.0
"""Seconds between two log lines about one step."""
MIN_EVENT_SECONDS: Final = 1.0
"""Seconds between two progress events of one transfer."""
TICK: Final = 1.0
"""Seconds between two checks whether a log line is due."""


class Watcher(Protocol):
    """Prints the events of a run; it may be called from any thread."""

    def __call__(self, event: Event, /) -> None:
        """Take one event."""

    def put(self, target: str, plan: Plan) -> None:
        """Take the plan of a target; see ``RunProgress.put``."""

    def close(self) -> None:
        """Print nothing more; a second call does nothing."""


@dataclass(frozen=True, slots=True)
class ProgressStyle:
    """How the progress of a run is printed.

    ``is_quiet``: only steps that were not done. ``with_reason``: print the reason of a failed step at once, because no
    closing lines follow. ``color``: see ``has_colors``.
    """

    is_quiet: bool = False
    with_reason: bool = False
    color: bool | None = None


def open_watcher(plan: Plan | None, stream: TextIO, style: ProgressStyle) -> AbstractContextManager[Watcher]:
    """A watcher for a stream: bars on a terminal; lines on other streams and for a quiet run.

    ``plan`` None: the plans of several targets are given to ``put``.
    """
    if style.is_quiet or not can_move_cursor(stream):
        return LogLines(plan, partial(_write_line, stream), style)
    from imagesync.cli.display import Display

    colors = has_colors(stream, style.color)
    return Display(plan, stream, has_colors=colors, with_reason=style.with_reason)


def _write_line(stream: TextIO, line: str) -> None:
    """Write a line to a stream. An error (a full disk, a closed pipe) is ignored, because the run must continue."""
    with contextlib.suppress(OSError):
        stream.write(f"{line}\n")
        stream.flush()


class LogLines:
    """Prints a run as lines: the start of a large transfer, long steps every ``INTERVAL``, the end of each step.

    ``write`` prints a line; it must not raise.
    """

    def __init__(
        self,
        plan: Plan | None,
        write: Callable[[str], None],
        style: ProgressStyle = ProgressStyle(),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress, self._write, self._style, self._clock = RunProgress(plan), write, style, clock
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._shown: dict[str, float] = {}
        self._thread = make_thread(self._tick_on, "progress")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Print nothing more."""
        self._ended.set()

    def put(self, target: str, plan: Plan) -> None:
        """Take the plan of a target."""
        with self._lock:
            self._progress.put(target, plan)

    def __call__(self, event: Event) -> None:
        """Take one event."""
        with self._lock:
            at = self._clock()
            self._progress.note(event, at)
            match event:
                case Started(step=step):
                    self._shown[step.id] = at
                    if not self._style.is_quiet and (line := format_start(step)):
                        self._write(line)
                case Finished(result=result):
                    if self._is_worth_a_line(result.outcome):
                        self._write(format_end(result, with_reason=self._style.with_reason))

    def _is_worth_a_line(self, outcome: Outcome) -> bool:
        """Whether the end of a step gets a line; the closing lines name interrupted and failed steps."""
        if self._style.is_quiet:
            return self._style.with_reason and outcome not in (Outcome.DONE, Outcome.INTERRUPTED)
        return outcome is not Outcome.INTERRUPTED

    def tick(self) -> None:
        """Print a line about each running step whose last line is ``INTERVAL`` old."""
        if self._style.is_quiet:
            return
        with self._lock:
            at, progress = self._clock(), self._progress
            for step in progress.running.values():
                if at - self._shown[step.id] < INTERVAL:
                    continue
                self._shown[step.id] = at
                if step in progress.list_transfers():
                    line = format_progress(step, progress.measure(step, at), has_begun=progress.has_begun(step))
                else:
                    line = format_age(step, progress.age(step, at))
                self._write(line)

    def _tick_on(self) -> None:
        while not self._ended.wait(TICK):
            self.tick()


class EventLines:
    """A context manager that writes each event as a line of JSON; nothing if ``path`` is None. Thread-safe.

    It writes at most one progress event a second for each transfer. An error of the file does not stop the run;
    ``list_problems`` reports it afterwards.
    """

    def __init__(self, path: Path | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock, self._lock = path, clock, threading.Lock()
        self._error: OSError | None = None
        self._target = ""
        self._sent: dict[tuple[str, str], float] = {}
        self._file: TextIO | None = None
        if path is not None:
            self._file = open_private(path)

    def start(self, plan: Plan) -> None:
        """Write that the run begins with this plan; again if another plan is applied instead."""
        self._target = plan.target_name or describe_place(plan)
        self.write(run_started_to_json(plan), self._target)

    def __call__(self, event: Event) -> None:
        """Take one event of a step."""
        self.note(event, self._target)

    def note(self, event: Event, target: str) -> None:
        """Take one event of a step of this target."""
        if isinstance(event, Progress):
            with self._lock:
                at, last = self._clock(), self._sent.get((target, event.step.id))
                if last is not None and at - last < MIN_EVENT_SECONDS:
                    return
                self._sent[target, event.step.id] = at
        self.write(event_to_json(event), target)

    def end(self, document: dict[str, Any]) -> None:
        """Write the last line."""
        self.write(document, self._target)

    def write(self, document: dict[str, Any], target: str) -> None:
        """Write a line about this target; empty: it is not known."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._lock:
            if self._file is None or self._error is not None:
                return
            try:
                line = {"at": at, **({"target": target} if target else {}), **document}
                self._file.write(format_json(line, indent=None) + "\n")
                self._file.flush()
            except OSError as error:
                self._error = error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        with self._lock, contextlib.suppress(OSError):  # everything was flushed, or ``_error`` is set
            if self._file is not None:
                self._file.close()
                self._file = None

    def list_problems(self) -> list[ImagesyncError]:
        """The error that made the file incomplete, if there was one."""
        return [make_write_error(self._path, self._error)] if self._path and self._error else []
