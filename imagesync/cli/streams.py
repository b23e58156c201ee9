"""The three streams that a process is started with: closed ones, full ones, and a line on standard error. Does I/O."""

import codecs
import contextlib
import errno
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import Final, TextIO

from imagesync.text import LineGuard

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})


def say(text: str) -> None:
    """A line on standard error, if it can be written: no work ends half done for want of a log. A log file has it, too.

    On a terminal a long line is wrapped between words; one that begins with four blanks is a line of a file and stays.
    """
    logging.getLogger("imagesync").info("%s", text, extra={"is_shown": True})
    with contextlib.suppress(OSError):
        print(_wrap(text) if sys.stderr.isatty() else text, file=sys.stderr, flush=True)  # noqa: T201


def _wrap(text: str) -> str:
    from imagesync.cli.terminal import find_width
    from imagesync.render.blocks import wrap

    width = find_width(sys.stderr)
    return "\n".join(
        each for line in text.split("\n") for each in ([line] if line.startswith("    ") else wrap(line, width, "    "))
    )


def complete() -> None:
    """Open the null device for streams that the process was started without. Otherwise the next file to be opened gets
    the stream's number, and output is written into it.
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
    """A stream whose text never commands a terminal or a CI system, also in quoted texts."""

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
        self.show: Callable[[str], None] | None = None
        """What shows text while a display that moves is on this terminal: the text must not be written into it."""

    def write(self, text: str, /) -> int:
        """Write a text, escaped; its length."""
        escaped = self._guard.escape(text)
        if self.show is not None:
            self.show(escaped)
        else:
            super().write(escaped)
        return len(text)


@contextlib.contextmanager
def divert(show: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, what is written to standard output or error, if that is a terminal, is given to
    ``show``.
    """
    diverted = [one for one in (sys.stdout, sys.stderr) if isinstance(one, GuardedStream) and one.isatty()]
    for stream in diverted:
        stream.flush()
        stream.show = show
    try:
        yield
    finally:
        for stream in diverted:
            stream.show = None


class TerminalStream(io.TextIOBase):
    """Standard error as a terminal that is drawn on: nothing is escaped, and an error of writing does not fail the
    run.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._descriptor, self._encoding = stream.fileno(), stream.encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has a plain attribute
        """That of the stream."""
        return self._encoding

    def isatty(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """That of the stream."""
        return self._descriptor

    def write(self, text: str, /) -> int:
        """Write all of it at once, as far as it can be written; its length."""
        left = text.encode(self._encoding, "replace")
        with contextlib.suppress(OSError):
            while left:
                left = left[os.write(self._descriptor, left) :]
        return len(text)


_replaced: list[TextIO] = []
"""Replaced streams, kept alive: deleting one would close the file that both write to."""


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
