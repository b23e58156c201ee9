"""The standard streams of a process: it opens missing ones, guards output, and prints lines to standard error. Does I/O."""

import codecs
import contextlib
import errno
import io
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TextIO

from imagesync.labels import format_label
from imagesync.text import LineGuard, make_printable

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Errors of a stream that cannot take more output."""


def say(text: str) -> None:
    """Print a line, with the label of the target, to standard error, and write it to the log file.

    An error is ignored: it must not interrupt a run.

    See ``wrap_for_terminal``; a line that begins with four spaces quotes a file.
    """
    logging.getLogger("imagesync").info("%s", text, extra={"is_shown": True})
    labeled = make_printable(format_label()) + text
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{wrap_for_terminal(labeled)}\n")  # one write: other threads print lines, too
        sys.stderr.flush()


def wrap_for_terminal(text: str) -> str:
    """A text for standard error: on a terminal, its long lines are wrapped between words, except quotes of a file."""
    if not sys.stderr.isatty():
        return text
    from imagesync.cli.terminal import find_width
    from imagesync.render.blocks import wrap

    width = find_width(sys.stderr)
    return "\n".join(
        each for line in text.split("\n") for each in ([line] if line.startswith("    ") else wrap(line, width, "    "))
    )


def complete() -> None:
    """Open the null device for each standard stream that is closed.

    Otherwise the next file that is opened gets the number of the stream, and output is written to that file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number, which is this one
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


class GuardedStream(io.TextIOWrapper):
    """A text stream that escapes control characters and commands of CI systems, which quoted texts may contain."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        # Click opens a second stream if this one is ASCII
        encoding = "utf-8" if codecs.lookup(stream.encoding).name == "ascii" else stream.encoding
        super().__init__(
            stream.buffer,
            encoding,
            stream.errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        self._guard, self._lock = LineGuard(), threading.RLock()
        self.has_output = False
        """Whether anything was written."""
        self.show: Callable[[str], None] | None = None
        """Prints text while progress bars are on this terminal; a direct write would damage them."""

    def write(self, text: str, /) -> int:
        """Write the escaped text; returns the length of the text. Threads that write whole lines do not mix them."""
        with self._lock:
            self._emit(self._guard.escape(text))
        return len(text)

    def write_command(self, command: str) -> None:
        """Write a workflow command of GitHub on a line of its own; see ``LineGuard.escape_command``."""
        with self._lock:
            self._emit(self._guard.escape_command(command))

    def _emit(self, escaped: str) -> None:
        self.has_output = True
        if self.show is not None:
            self.show(escaped)
        else:
            super().write(escaped)


def print_commands(commands: Iterable[str]) -> None:
    """Print workflow commands of GitHub (``::NAME …::TEXT``), one a line. In all other output they are escaped."""
    for command in commands:
        if isinstance(sys.stdout, GuardedStream):
            sys.stdout.write_command(command)
        else:
            print(command)  # noqa: T201
    sys.stdout.flush()


@contextlib.contextmanager
def divert(show: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, give text for standard output and error to ``show``, if they are terminals."""
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
    """A terminal for progress bars: it escapes nothing, and ignores errors, because the run must continue."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._descriptor, self._encoding = stream.fileno(), stream.encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has a plain attribute
        """The encoding of the stream."""
        return self._encoding

    def isatty(self) -> bool:
        """True: rich draws only on a terminal."""
        return True

    def fileno(self) -> int:
        """The descriptor of the stream."""
        return self._descriptor

    def write(self, text: str, /) -> int:
        """Write the text without a buffer; returns its length."""
        left = text.encode(self._encoding, "replace")
        with contextlib.suppress(OSError):
            while left:
                left = left[os.write(self._descriptor, left) :]
        return len(text)


_replaced: list[TextIO] = []
"""The replaced streams; to delete one would close the file that its replacement writes to."""


def guard() -> None:
    """Replace standard output and standard error by guarded streams."""
    for name in ("stdout", "stderr"):
        stream: TextIO = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:
            _replaced.append(stream)
            setattr(sys, name, GuardedStream(stream))


def has_output() -> bool:
    """Whether this process has written anything to standard output."""
    return isinstance(sys.stdout, GuardedStream) and sys.stdout.has_output


def is_full(error: OSError) -> bool:
    """Whether an error means that a standard stream is full; errors of other files have a file name."""
    return error.filename is None and error.errno in NO_ROOM


def flush(code: int) -> int:
    """Flush both streams and return the exit code; 1 instead of 0 if a stream fails.

    The rest of a failed stream is written to the null device: otherwise Python would exit with code 120.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            code = code or 1
    return code
