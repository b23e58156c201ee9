"""Where results go: terminal, files, event lines. Does I/O."""

import contextlib
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Self, TextIO

from imagesync.errors import ImagesyncError
from imagesync.model.report import Event, Finished, Outcome, Progress, Started
from imagesync.render.result import event_to_json
from imagesync.render.style import Paint, painted, plain, size
from imagesync.render.text import result_line
from imagesync.text import json_text


def paint_for(stream: TextIO, wanted: bool | None) -> Paint:
    """Colours where they are asked for, or else on a terminal that can show them and whose user has not declined."""
    if wanted is None:
        wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return painted if wanted else plain


def check_places(*paths: Path | None) -> None:
    """ImagesyncError where a file cannot be written at all: better known before the work than after it."""
    for path in paths:
        if path is None:
            continue
        if not path.parent.is_dir():
            raise ImagesyncError(
                f"{path} cannot be written: there is no folder {path.parent}", "make it, or check the path"
            )
        if path.is_dir():
            raise ImagesyncError(f"{path} cannot be written: it is a folder", "name a file in it")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise ImagesyncError(
                f"{path} cannot be written: its folder is read-only", "check its permissions and mount"
            )


def write_private(path: Path, text: str) -> None:
    """A file that only its owner can read, whole or not at all."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise _unwritable(path, error) from error


def write_json(path: Path, document: Any) -> None:
    """JSON, sorted, whole or not at all."""
    write_private(path, json_text(document) + "\n")


class Teller:
    """Tells of a run while it goes on: lines, or on a terminal one line that moves. Events come from any thread.

    A stream that cannot be written (a full disk, a closed pipe) is not written: the run goes on.
    """

    def __init__(self, total: int, stream: TextIO) -> None:
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
                    self._line(result_line(result))
            self._status()

    def _line(self, text: str) -> None:
        self._stream.write(f"\r\x1b[K{text}\n" if self._moving else f"{text}\n")
        self._stream.flush()

    def _status(self) -> None:
        if not self._moving or (time.monotonic() - self._shown < 0.1 and self._done < self._total):
            return
        self._shown = time.monotonic()
        sent = sum(self._sent.values())
        text = f"{self._done} of {self._total} steps done, {self._running} at work, {size(sent)} sent"
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
            try:
                self._file = open(path, "w", encoding="utf-8", opener=_private)  # noqa: SIM115 - closed by __exit__
            except OSError as error:
                raise _unwritable(path, error) from error

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
        return [_unwritable(self._path, self._error)] if self._path and self._error else []


def _unwritable(path: Path, error: OSError) -> ImagesyncError:
    return ImagesyncError(f"{path} cannot be written: {error.strerror}", "check the folder and its space")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
