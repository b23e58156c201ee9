"""What is written to a terminal while a display moves on it, and what becomes of output that cannot be written."""

import errno
import io
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from imagesync.cli.streams import (
    GuardedStream,
    TerminalStream,
    divert,
    guard,
    has_output,
    is_full,
    print_commands,
    say,
    wrap_for_terminal,
)
from imagesync.labels import ThreadPool, label


def test_text_is_given_to_the_display_while_it_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Escaped as ever; before and after it is written to the stream, and output to a pipe always is."""
    ours, its = pty.openpty()
    with open(its, "w", encoding="utf-8") as terminal, io.BytesIO() as file, ExitStack() as opened:
        under = io.TextIOWrapper(file, encoding="utf-8")
        for name, stream in (("stderr", terminal), ("stdout", under)):
            guarded = GuardedStream(stream)
            monkeypatch.setattr(sys, name, guarded)
            opened.callback(guarded.detach)
        output: list[str] = []
        print("before", file=sys.stderr, flush=True)
        with divert(output.append):
            print("a\x1b[2J", file=sys.stderr, flush=True)
            print("to a file", flush=True)
        print("after", file=sys.stderr, flush=True)
        assert "".join(output) == "a\\u001b[2J\n"
        drawn = b""
        while not drawn.endswith(b"after\r\n"):
            drawn += os.read(ours, 100)
        assert drawn == b"before\r\nafter\r\n"
        assert file.getvalue() == b"to a file\n"
    os.close(ours)


class Pieces(io.StringIO):
    """A stream that remembers each write."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        """Keep the piece."""
        self.pieces.append(text)
        return len(text)


def test_a_line_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the lines of two targets mix."""
    stream = Pieces()
    monkeypatch.setattr(sys, "stderr", stream)
    say("one")
    with label("eu"):
        say("two\nthree")
    assert stream.pieces == ["one\n", "[eu] two\nthree\n"]


def test_lines_of_threads_are_written_one_after_another() -> None:
    """While one is shown above the bars, the next one waits."""
    output, begun, second = list[str](), threading.Event(), threading.Event()

    def show(text: str) -> None:
        begun.set()
        if text == "a\n":
            second.wait(0.3)
        else:
            second.set()
        output.append(text)

    with io.BytesIO() as file:
        under = io.TextIOWrapper(file, encoding="utf-8")
        guarded = GuardedStream(under)
        guarded.show = show
        with ThreadPool(2) as pool:
            first = pool.submit(guarded.write, "a\n")
            assert begun.wait(30)
            assert pool.submit(guarded.write, "b\n").result(30) == first.result(30) == 2
        guarded.detach()
    assert output == ["a\n", "b\n"]


def test_a_closed_terminal_does_not_fail_the_run() -> None:
    """The user closed its window."""
    ours, its = pty.openpty()
    with open(its, "w", encoding="utf-8") as terminal:
        drawn = TerminalStream(terminal)
        assert (drawn.isatty(), drawn.encoding, drawn.fileno()) == (True, "utf-8", its)
        os.close(ours)
        assert drawn.write("bars") == 4


PROGRAM = """
import sys
from imagesync.cli import streams
sys.{stream} = open(sys.{stream}.fileno(), "w", closefd=False)
sys.{stream}.write("what nobody gets to read")
raise SystemExit(streams.flush({code}))
"""


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(("code", "expected"), [(0, 1), (1, 1), (64, 64), (130, 130)])
def test_output_that_is_lost_at_the_end_is_a_failure(stream: str, code: int, expected: int) -> None:
    """Of a run that has failed otherwise the exit code stays; Python's own would be 120."""
    command = [sys.executable, "-c", PROGRAM.format(stream=stream, code=code)]
    with open("/dev/full", "w") as full:
        outputs = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: full}
        assert subprocess.run(command, **outputs, check=False).returncode == expected  # type: ignore[call-overload]


class Window(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """True."""
        return True


class Broken(io.StringIO):
    """A stream whose other end was closed."""

    def flush(self) -> None:
        """It has no reader."""
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_a_line_that_cannot_be_printed_interrupts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run continues."""
    stream = Broken()
    monkeypatch.setattr(sys, "stderr", stream)
    say("one")
    assert stream.getvalue() == "one\n"


def test_only_on_a_terminal_lines_are_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between words, with an indent for what follows; a quote of a file stays as it is, and so does all in a pipe."""
    monkeypatch.setenv("COLUMNS", "44")
    text = f"one two {'x' * 34} three\n    quoted {'y' * 40} end\nlast"
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert wrap_for_terminal(text) == text
    window = Window()
    monkeypatch.setattr(sys, "stderr", window)
    assert wrap_for_terminal(text) == (f"one two {'x' * 34}\n    three\n    quoted {'y' * 40} end\nlast")
    with label("a-target"):
        say(f"one {'z' * 30}")
    assert window.getvalue() == f"[a-target] one\n    {'z' * 30}\n"


UNDER: list[io.TextIOWrapper] = []
"""The streams below those that are guarded; to delete one would close its file."""


def open_guarded(file: io.BytesIO, encoding: str = "utf-8", **more: Any) -> GuardedStream:
    """A guarded stream over this file."""
    UNDER.append(io.TextIOWrapper(file, encoding=encoding, **more))
    return GuardedStream(UNDER[-1])


def test_commands_of_imagesync_are_printed_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """On lines of their own; the same text anywhere else is escaped, and so are further commands in it."""
    file = io.BytesIO()
    stream = open_guarded(file)
    monkeypatch.setattr(sys, "stdout", stream)
    print("::notice::from a file")
    print("begun", end="")
    print_commands(["::notice file=a::one", "::error file=b::two ##[x]"])
    assert file.getvalue().decode() == (
        ":\\u003anotice::from a file\nbegun\n::notice file=a::one\n::error file=b::two #\\u0023[x]\n"
    )
    stream.detach()


def test_commands_are_printed_to_any_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a program that calls the functions of the command."""
    stream = Pieces()
    monkeypatch.setattr(sys, "stdout", stream)
    print_commands(["::a::b", "::c::d"])
    assert "".join(stream.pieces) == "::a::b\n::c::d\n"


def test_what_was_written_to_standard_output_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text and commands; not the text of standard error, and not of a stream that is not guarded."""
    opened = [open_guarded(io.BytesIO()) for _ in range(3)]
    monkeypatch.setattr(sys, "stderr", opened[0])
    say("x")
    writes: tuple[Callable[[], None], ...] = (lambda: print("x"), lambda: print_commands(["::a::b"]))
    for stream, write in zip(opened[1:], writes, strict=True):
        monkeypatch.setattr(sys, "stdout", stream)
        assert not has_output()
        write()
        assert has_output()
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    print("x")
    assert not has_output()
    for stream in opened:
        stream.detach()


@pytest.mark.parametrize(
    ("encoding", "errors", "is_buffered", "expected"),
    [
        ("ascii", "strict", True, "utf-8"),
        ("US-ASCII", "replace", False, "utf-8"),
        ("latin-1", "strict", True, "latin-1"),
    ],
)
def test_a_guarded_stream_is_as_the_one_before(encoding: str, errors: str, is_buffered: bool, expected: str) -> None:
    """Except ASCII, which could not show names; its length counts what was asked to be written."""
    file = io.BytesIO()
    stream = open_guarded(file, encoding, errors=errors, line_buffering=is_buffered, write_through=is_buffered)
    assert (stream.encoding, stream.errors) == (expected, errors)
    assert (stream.line_buffering, stream.write_through) == (is_buffered, is_buffered)
    assert stream.write("é\x1b\n") == 3
    stream.flush()
    assert file.getvalue() == "é\\u001b\n".encode(expected)
    stream.detach()


def test_the_streams_of_the_process_are_guarded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of another kind, as that of a test, is left alone."""
    files = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()]
    monkeypatch.setattr(sys, "stdout", files[0])
    monkeypatch.setattr(sys, "stderr", files[1])
    guard()
    first = sys.stdout
    assert isinstance(first, GuardedStream)
    assert sys.stderr is files[1]
    guard()
    assert sys.stdout is first
    first.detach()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (OSError(errno.EIO, "Input/output error"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (OSError(errno.ENOSPC, "No space left on device", "a file"), False),
    ],
)
def test_a_full_stream_is_told_from_a_full_file(error: OSError, expected: bool) -> None:
    """An error of a file has its name."""
    assert is_full(error) is expected


def test_a_display_that_fails_gives_the_terminal_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text before it is written first."""
    ours, its = pty.openpty()
    with open(its, "w", encoding="utf-8") as terminal:
        guarded = GuardedStream(terminal)
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, guarded)
        guarded.write("before")
        with ExitStack() as opened:
            opened.enter_context(pytest.raises(KeyError))
            opened.enter_context(divert(print))
            assert os.read(ours, 100) == b"before"
            assert guarded.show is print
            raise KeyError
        assert guarded.show is None
        guarded.detach()
    os.close(ours)


CLOSED = """
import os, sys
from imagesync.cli import streams
streams.complete()
handle = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
for stream in (sys.stdout, sys.stderr):
    print("lost or not", file=stream, flush=True)
os.write(handle, f"{handle > 2} {sys.stdin.fileno()} {sys.stdout.fileno()} {sys.stderr.fileno()}".encode())
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path, closed: str) -> None:
    """What would be printed would be written to it."""
    line = f'exec {sys.executable} -c "$0" "$1" {closed}'
    subprocess.run(["sh", "-c", line, CLOSED, str(tmp_path / "out")], check=True, capture_output=True)
    assert (tmp_path / "out").read_text() == "True 0 1 2"
