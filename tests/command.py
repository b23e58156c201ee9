"""Runs ``imagesync`` as a process. All tests run the command in this way, and get a ``Result``.

``run`` waits for the end and checks the exit code. ``start`` returns a running ``Process``, which a test can interrupt
or kill. Tests that are not about the process itself (its start, streams and signals) use ``tests.forked.run``, whose
results are the same.
"""

import os
import pty
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

from tests.json_outputs import check_documents
from tests.waiting import wait_until

ROOT = Path(__file__).parents[1]
TIMEOUT = 120.0
IMAGESYNC = ("-m", "imagesync")


@dataclass(frozen=True, slots=True)
class Result:
    """A run that has ended: exit code (-9: killed), standard output and standard error."""

    code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams, standard output first."""
        return self.stdout + self.stderr


def minimal_environment(**more: str) -> dict[str, str]:
    """Only the variables that find the package: for tests without a cloud."""
    return {"PATH": "", "PYTHONPATH": str(ROOT), **more}


def cloud_environment(clouds_yaml: Path | None, **more: str) -> dict[str, str]:
    """The environment of the tests without ``OS_*`` variables, and with the clouds of one file, if it is given."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    clouds = {"OS_CLIENT_CONFIG_FILE": str(clouds_yaml)} if clouds_yaml else {}
    return {**env, "PYTHONPATH": str(ROOT), **clouds, **more}


class Process:
    """A running command; a context manager that kills it at the end of the block if it still runs.

    Its streams are files, so no text is lost when it is killed, and a full pipe never stops it. Standard input is
    empty; with ``typed`` it is a terminal into which this text is typed.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        folder: Path | None,
        env: Mapping[str, str],
        typed: str | None = None,
        program: Sequence[str] = IMAGESYNC,
    ) -> None:
        self._resources = ExitStack()
        self._out = self._resources.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed by __exit__
        self._errors = self._resources.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed by __exit__
        self._keyboard = -1
        self._command = [sys.executable, *program, *words]
        self._words, self._folder = (words if program == IMAGESYNC else ()), folder
        self._process = subprocess.Popen(
            self._command,
            cwd=folder,
            env=dict(env),
            stdin=subprocess.DEVNULL if typed is None else self._terminal(typed),
            stdout=self._out,
            stderr=self._errors,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._process.wait()
        self._resources.close()

    def _terminal(self, typed: str) -> int:
        """The handle of a terminal into which a text was typed."""
        ours, its = pty.openpty()
        for handle in (ours, its):
            self._resources.callback(os.close, handle)
        os.write(ours, typed.encode())
        self._keyboard = ours
        return its

    def type_text(self, text: str) -> None:
        """Type more on its terminal."""
        os.write(self._keyboard, text.encode())

    def read_output(self) -> str:
        """The output until now, standard output first."""
        return self._result().output

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def interrupt(self) -> None:
        """Send SIGINT, as ^C does."""
        self._process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        """Send SIGTERM, as a supervisor does."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    def wait_for(self, text: str, *, seconds: float = 60.0) -> str:
        """Wait until a line of standard error contains the text, and return that line."""

        def lines_with_text() -> list[str]:
            has_ended = not self.is_running()
            errors = _content(self._errors)
            found = [line for line in errors.splitlines(keepends=True) if text in line and line.endswith("\n")]
            assert found or not has_ended, f"exit {self._process.returncode} without {text!r}: {self._result()}"
            return found

        return wait_until(lines_with_text, bool, f"standard error has a line with {text!r}", seconds=seconds)[0]

    def wait(self, *, seconds: float = TIMEOUT) -> Result:
        """Wait for its end, and check its JSON. If it does not end in time, it is killed, and the test fails."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
            raise AssertionError(f"{self._command} still runs after {seconds:g} s: {self._result()}") from None
        result = self._result()
        check_documents(self._words, self._folder, result.code, result.stdout)
        return result

    def _result(self) -> Result:
        code = self._process.poll()
        return Result(-1 if code is None else code, _content(self._out), _content(self._errors))


def _content(stream: IO[bytes]) -> str:
    """The content of a file that another process writes to. Both share the position in the file, so it is not moved."""
    return os.pread(stream.fileno(), os.fstat(stream.fileno()).st_size, 0).decode(errors="replace")


class RunCommand(Protocol):
    """The signature of ``run`` in this module and in ``tests.forked``."""

    def __call__(self, *words: str, code: int | None = 0, folder: Path | None = None, env: Mapping[str, str]) -> Result:
        """Run ``imagesync WORDS`` to its end."""


def start(
    *words: str,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
    typed: str | None = None,
    program: Sequence[str] = IMAGESYNC,
) -> Process:
    """Start ``imagesync WORDS`` in a folder; the environment is ``minimal_environment()`` unless one is given."""
    return Process(
        words, folder=folder, env=minimal_environment() if env is None else env, typed=typed, program=program
    )


def run(
    *words: str,
    code: int | None = 0,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
    typed: str | None = None,
    program: Sequence[str] = IMAGESYNC,
    seconds: float = TIMEOUT,
) -> Result:
    """Run ``imagesync WORDS`` to its end: it must exit with ``code`` (None: with any) and without a traceback."""
    with start(*words, folder=folder, env=env, typed=typed, program=program) as process:
        result = process.wait(seconds=seconds)
    assert code is None or result.code == code, f"exit {result.code}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr, result.stderr
    return result
