"""Where results go: terminal, files, event lines. Does I/O."""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from imagesync.errors import ImagesyncError
from imagesync.render.jsontext import json_text
from imagesync.render.result import event_to_json
from imagesync.render.style import Paint, painted, plain, size
from imagesync.render.text import result_line
from imagesync.report import Event, Finished, Outcome, Progress, Started


def paint_for(stream: TextIO, wanted: bool | None) -> Paint:
    """Colours where they are asked for, or else on a terminal that can show them and whose user has not declined."""
    if wanted is None:
        wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return painted if wanted else plain


def say(text: str) -> None:
    """A line on standard error."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


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
        raise ImagesyncError(f"{path} cannot be written: {error.strerror}", "check the folder and its space") from error


def write_json(path: Path, document: Any) -> None:
    """JSON, sorted, whole or not at all."""
    write_private(path, json_text(document) + "\n")


class Teller:
    """Tells of a run while it goes on: lines, or on a terminal one line that moves. Events come from any thread."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self._total, self._stream, self._moving = total, stream, stream.isatty()
        self._lock = threading.Lock()
        self._sent: dict[str, int] = {}
        self._running = self._done = 0
        self._shown = 0.0

    def __call__(self, event: Event) -> None:
        """One event."""
        with self._lock:
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


@contextmanager
def event_lines(path: Path | None) -> Iterator[Callable[[Event], None]]:
    """A function that writes each event as a line of JSON; nothing without a path."""
    if path is None:
        yield lambda _event: None
        return
    lock = threading.Lock()
    try:
        with open(path, "w", encoding="utf-8", opener=_private) as file:

            def write(event: Event) -> None:
                with lock:
                    line = {"at": round(time.time(), 3), **event_to_json(event)}
                    file.write(json_text(line, indent=None) + "\n")
                    file.flush()

            yield write
    except OSError as error:
        raise ImagesyncError(f"{path} cannot be written: {error.strerror}", "check the folder and its space") from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
