"""Runs ``imagesync`` on a terminal of 80 columns, as a person does: tests type keys, and read everything that is drawn."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from tests.command import IMAGESYNC, TIMEOUT, minimal_environment
from tests.waiting import wait_until

INTERRUPT: Final = "\x03"
"""The key ^C, for which the terminal sends SIGINT."""
_CODES: Final = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]|\r")


class Terminal:
    """A command whose three streams are one terminal; a context manager that kills the command if it still runs."""

    def __init__(self, *words: str, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self._ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, *IMAGESYNC, *words],
            cwd=folder,
            env={**(minimal_environment() if env is None else env), "TERM": "xterm-256color"},
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(its)
        self._drawn = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while piece := os.read(self._ours, 65536):
                self._drawn += piece
        except OSError:  # its other end is closed
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        os.close(self._ours)

    @property
    def drawn(self) -> str:
        """Everything that was drawn until now, with control sequences."""
        return self._drawn.decode(errors="ignore")

    @property
    def text(self) -> str:
        """The same without control sequences for cursor and colors."""
        return _CODES.sub("", self.drawn)

    def wait_for(self, text: str) -> None:
        """Wait until a text was drawn."""
        wait_until(
            lambda: text in self.text or self.text[-2000:], lambda found: found is True, f"the terminal shows {text!r}"
        )

    def type(self, text: str) -> None:
        """Type a text."""
        os.write(self._ours, text.encode())

    def wait(self) -> int:
        """The exit code, after the command has ended and all its output was read."""
        code = self._process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        return code
