"""Events of a run -> lines on a terminal, and lines of JSON in a file. Does I/O."""

import contextlib
import threading
import time
from pathlib import Path
from typing import Self, TextIO

from imagesync.cli.files import make_write_error, open_private
from imagesync.errors import ImagesyncError
from imagesync.model.report import Event, Finished, Outcome, Progress, Started
from imagesync.render.report import progress_line, result_line
from imagesync.render.result import event_to_json
from imagesync.render.style import format_size
from imagesync.text import json_text


class ProgressLines:
    """Shows a run while it goes on: a line a step, and on a terminal one line that moves. Events come from any thread.

    A stream that cannot be written (a full disk, a closed pipe) is not written: the run goes on.
    """

    def __init__(self, total: int, stream: TextIO, *, tells_why: bool = False) -> None:
        """``tells_why``: whether a failed step's line has the reason, which the report in text repeats."""
        self._tells_why = tells_why
        self._total, self._stream, self._moving = total, stream, stream.isatty()
        self._lock = threading.Lock()
        self._sent: dict[str, int] = {}
        self._running = self._done = 0
        self._shown = 0.0

    def __call__(self, event: Event) -> None:
        """One event."""
        with self._lock, contextlib.suppress(OSError):
            match event:
                case Started():
                    self._running += 1
                case Progress(step=step, sent=sent):
                    self._sent[step.id] = sent
                case Finished(result=result):
                    # a step that was skipped never started
                    self._running -= result.outcome not in (Outcome.SKIPPED, Outcome.NOT_STARTED)
                    self._done += 1
                    self._sent[result.step.id] = result.bytes_sent
                    self._write_line(result_line(result, {}) if self._tells_why else progress_line(result))
            self._write_status()

    def _write_line(self, text: str) -> None:
        self._stream.write(f"\r\x1b[K{text}\n" if self._moving else f"{text}\n")
        self._stream.flush()

    def _write_status(self) -> None:
        if not self._moving or (time.monotonic() - self._shown < 0.1 and self._done < self._total):
            return
        self._shown = time.monotonic()
        sent = sum(self._sent.values())
        text = f"{self._done} of {self._total} steps done, {self._running} at work, {format_size(sent)} sent"
        self._stream.write("\r\x1b[K" + (text if self._done < self._total else ""))
        self._stream.flush()


class EventLines:
    """Writes each event as a line of JSON, from any thread; nothing without a path. A context manager.

    A file that cannot be written any more does not stop the run: it is one of ``problems`` afterwards.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._lock = path, threading.Lock()
        self._error: OSError | None = None
        self._file: TextIO | None = None
        if path is not None:
            self._file = open_private(path)

    def __call__(self, event: Event) -> None:
        """One event."""
        line = {"at": round(time.time(), 3), **event_to_json(event)}
        with self._lock:
            if self._file is None or self._error is not None:
                return
            try:
                self._file.write(json_text(line, indent=None) + "\n")
                self._file.flush()
            except OSError as error:
                self._error = error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        with contextlib.suppress(OSError):  # all was flushed, or is one of ``problems``
            if self._file is not None:
                self._file.close()

    def problems(self) -> list[ImagesyncError]:
        """Why the file lacks events, if it does."""
        return [make_write_error(self._path, self._error)] if self._path and self._error else []
