"""What is written to a terminal while a display moves on it, and what becomes of output that cannot be written."""

import io
import os
import pty
import subprocess
import sys
from contextlib import ExitStack

import pytest

from imagesync.cli.streams import GuardedStream, TerminalStream, divert


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
