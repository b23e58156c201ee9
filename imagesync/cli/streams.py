"""The three streams that a process is started with: closed ones, full ones, and a line on standard error. Does I/O."""

import codecs
import contextlib
import errno
import io
import os
import sys
from typing import Final, TextIO

from imagesync.text import LineGuard

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})


def say(text: str) -> None:
    """A line on standard error, if it can be written: no work ends half done for want of a log."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def complete() -> None:
    """Streams that the process was started without lead nowhere.

    Else the next file to be opened takes the stream's number, and what is told is written into it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


class GuardedStream(io.TextIOWrapper):
    """A stream that never carries what commands a terminal or a CI system, whoever's words are in it."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        # Click opens a stream of its own beside one in ASCII
        encoding = "utf-8" if codecs.lookup(stream.encoding).name == "ascii" else stream.encoding
        super().__init__(
            stream.buffer,
            encoding,
            stream.errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        self._guard = LineGuard()

    def write(self, text: str, /) -> int:
        """Write a text, escaped; its length."""
        super().write(self._guard.escape(text))
        return len(text)


_replaced: list[TextIO] = []
"""Streams that others stand for now: one that nobody holds would close the file that both write to."""


def guard() -> None:
    """Guard standard output and standard error."""
    for name in ("stdout", "stderr"):
        stream: TextIO = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:
            _replaced.append(stream)
            setattr(sys, name, GuardedStream(stream))


def is_full(error: OSError) -> bool:
    """Whether this is a stream's: our own files are named in their errors."""
    return error.filename is None and error.errno in NO_ROOM


def flush(code: int) -> int:
    """The exit code; what a stream could not take is dropped, or Python would exit with a code of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            code = code or 1
    return code
