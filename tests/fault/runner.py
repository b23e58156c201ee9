"""Runs the command many times without paying for its start: a process that has everything loaded and forks for each run.

As a program (``python -m tests.fault.runner``) it reads a line of JSON a run, ``{"words": [...], "out": FILE}``, and
answers the child's pid, then its exit status, a line each.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4


class Loaded:
    """A process that runs a module of ours as a program and answers lines; use it as a context manager."""

    def __init__(self, module: str, env: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", module]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process: subprocess.Popen[str] = subprocess.Popen(command, env=dict(env), text=True, **pipes)  # type: ignore[call-overload]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()

    def ask(self, asked: Mapping[str, object]) -> str:
        """A line of JSON to it, and the next line of its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self.line()

    def line(self) -> str:
        """A further line of its answer."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()


class Runner(Loaded):
    """One whose runs can be killed while they go on."""

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        super().__init__("tests.fault.runner", env)
        self._out = folder / f"{uuid4()}.out"
        self.pid = 0

    def start(self, *words: str) -> None:
        """Begin ``imagesync WORDS``."""
        self.pid = int(self.ask({"words": words, "out": str(self._out)}))

    def end(self) -> tuple[int, str]:
        """Wait for it: exit code (-9: killed), and all that it told."""
        return os.waitstatus_to_exitcode(int(self.line())), self._out.read_text()

    def run(self, *words: str) -> tuple[int, str]:
        """The whole of it."""
        self.start(*words)
        return self.end()

    def kill(self) -> None:
        """kill -9, now."""
        os.kill(self.pid, 9)


def main() -> None:
    """Load everything that an apply needs, then fork for each line."""
    import keystoneauth1.identity  # noqa: F401
    import openstack.config  # noqa: F401
    import oslo_utils.imageutils.format_inspector  # noqa: F401

    from imagesync.cli.app import main as command

    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            out = os.open(asked["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out, 1)
            os.dup2(out, 2)
            sys.argv = ["imagesync", *asked["words"]]
            try:
                command()
            except SystemExit as leaving:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(leaving.code if isinstance(leaving.code, int) else 1)
            os._exit(99)
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


if __name__ == "__main__":
    main()
