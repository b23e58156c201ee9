"""What is written to a terminal while a display moves on it, and what becomes of output that cannot be written."""

import io
import os
import pty
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from imagesync.cli.streams import GuardedStream, TerminalStream, divert, say
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
