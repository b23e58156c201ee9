"""``run`` does the same as ``tests.command.run``, in a fork of a process that has imported everything already.

A start of the command costs 0.4 s of processor time, and the tests on the real service run it some thousand times.
"""

import atexit
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from tests.command import TIMEOUT, Result, minimal_environment
from tests.fault.fork_server import ForkServer
from tests.json_outputs import check_documents


class CommandRuns(Protocol):
    """What runs the command of a test to its end."""

    def run(self, words: tuple[str, ...], folder: Path | None, env: Mapping[str, str], seconds: float, /) -> Result:
        """Run ``imagesync WORDS`` to its end; AssertionError if it does not end in time."""


class ForkedRuns(ForkServer):
    """Runs in any folder, with any environment, one at a time.

    ``more``: variables that libraries read when they are imported, such as HOME.
    """

    def __init__(self, folder: Path, **more: str) -> None:
        super().__init__("tests.fault.fork_server", {}, folder, more)

    def run(self, words: tuple[str, ...], folder: Path | None, env: Mapping[str, str], seconds: float) -> Result:
        """Run ``imagesync WORDS`` to its end. If it does not end in time, it is killed, and the test fails."""
        pid = self._request(words, env=dict(env), folder=str(folder or Path.cwd()))
        try:
            result = self._result(self._answer(seconds))
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
            self._answer()
            raise AssertionError(f"{words} still runs after {seconds:g} s: {self._result(9)}") from None
        check_documents(words, folder, result.code, result.stdout)
        return result


_chosen: list[CommandRuns] = []
"""What runs the commands of this process, as long as it lives."""


def use(runs: CommandRuns) -> None:
    """Run all later commands of this process with ``runs``."""
    _chosen[:] = [runs]


def _runs() -> CommandRuns:
    if not _chosen:
        folder = tempfile.TemporaryDirectory(prefix="imagesync-forked-")
        atexit.register(folder.cleanup)
        use(ForkedRuns(Path(folder.name)))
    return _chosen[0]


def run(
    *words: str,
    code: int | None = 0,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float = TIMEOUT,
) -> Result:
    """Run ``imagesync WORDS`` to its end: it must exit with ``code`` (None: with any) and without a traceback."""
    result = _runs().run(words, folder, minimal_environment() if env is None else env, seconds)
    assert code is None or result.code == code, f"exit {result.code}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr, result.stderr
    return result
