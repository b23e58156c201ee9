"""Runs the command of a test in a fork of the test's own process.

``tests.mutants`` plants a defect in the functions of that process, so the run has it, too. Everything that pytest and
other tests change in a process (streams, warnings, handlers of the log) is put back in the fork.
"""

import io
import logging
import os
import select
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from tests.command import Result
from tests.fault.fork_server import become_command, import_command
from tests.json_outputs import check_documents

FILTERS: Final = list(warnings.filters)
SHOW: Final = warnings.showwarning


class OwnForks:
    """Runs in forks of this process, one at a time. ``lines`` is called in the fork when a run ends; what it returns is
    given to ``seen`` in this process."""

    def __init__(self, lines: Callable[[], Iterable[str]], seen: Callable[[Iterable[str]], None]) -> None:
        self._command = import_command()
        self._lines, self._seen = lines, seen

    def run(self, words: tuple[str, ...], folder: Path | None, env: Mapping[str, str], seconds: float) -> Result:
        """Run ``imagesync WORDS`` to its end. If it does not end in time, it is killed, and the test fails."""
        folder = folder or Path.cwd()
        with tempfile.TemporaryDirectory(prefix="imagesync-own-") as name:
            streams = {"stdout": f"{name}/out", "stderr": f"{name}/errors"}
            pid = os.fork()
            if pid == 0:
                self._become({"words": words, "env": dict(env), "folder": str(folder), **streams}, Path(name, "lines"))
            has_ended = _wait(pid, seconds)
            if not has_ended:
                os.kill(pid, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if Path(name, "lines").exists():
                self._seen(Path(name, "lines").read_text().splitlines())
            result = Result(code, *(Path(file).read_text() if Path(file).exists() else "" for file in streams.values()))
        if not has_ended:
            raise AssertionError(f"{words} still runs after {seconds:g} s: {result}")
        check_documents(words, folder, result.code, result.stdout)
        return result

    def _become(self, request: Mapping[str, object], file: Path) -> None:
        sys.stdin, sys.stdout, sys.stderr = _open_streams()
        logging.getLogger().handlers.clear()
        warnings.filters[:] = FILTERS  # type: ignore[index]
        warnings.showwarning = SHOW

        def command() -> None:
            try:
                self._command()
            finally:
                file.write_text("".join(f"{line}\n" for line in self._lines()))

        become_command(request, command)


def _open_streams() -> tuple[io.TextIOWrapper, io.TextIOWrapper, io.TextIOWrapper]:
    return (
        open(0, encoding="utf-8", closefd=False),
        open(1, "w", encoding="utf-8", closefd=False),
        open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False),
    )


def _wait(pid: int, seconds: float) -> bool:
    watch = os.pidfd_open(pid)
    try:
        return bool(select.select([watch], [], [], seconds)[0])
    finally:
        os.close(watch)
