"""Runs ``imagesync`` hundreds of times without paying for its start each time.

``ForkServer`` starts a Python process that imports the whole command once (about a second) and then forks a child for
each run. ``ForkedCommand`` is the plain one: a run can be started, killed and waited for. ``tests.fault.write_faults``
has one that also stops a run at each of its writes.

Protocol, one line of JSON in each direction: the test sends ``{"words": [...], "stdout": FILE, "stderr": FILE}``, and
perhaps ``env`` and ``folder``; this module, run as a program, answers the pid of the child at once and its exit status
when it has ended.
"""

import importlib
import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self
from uuid import uuid4

import imagesync
from tests.command import Result


class ForkServer:
    """The process that forks; ``module`` is the program that it runs. Use it as a context manager."""

    def __init__(self, module: str, env: Mapping[str, str], folder: Path) -> None:
        command = [sys.executable, "-m", module]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process: subprocess.Popen[str] = subprocess.Popen(command, env=dict(env), text=True, **pipes)  # type: ignore[call-overload]
        name = uuid4()
        self._stdout, self._stderr = folder / f"{name}.stdout", folder / f"{name}.stderr"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _request(self, words: tuple[str, ...], **more: object) -> Any:
        """Ask for a run; the first line of the answer."""
        request = {"words": words, "stdout": str(self._stdout), "stderr": str(self._stderr), **more}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        """The next line of the answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the fork server has ended"
        return json.loads(line)

    def _result(self, status: int) -> Result:
        """What a run wrote, and its exit code from the status of ``waitpid``."""
        code = os.waitstatus_to_exitcode(status)
        return Result(code, self._stdout.read_text(), self._stderr.read_text())


class ForkedCommand(ForkServer):
    """One run at a time, which can be killed while it goes on."""

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        super().__init__("tests.fault.fork_server", env, folder)
        self._pid = 0

    def start(self, *words: str) -> None:
        """Start ``imagesync WORDS``."""
        self._pid = self._request(words)

    def wait(self) -> Result:
        """Wait for the end of the run that was started."""
        return self._result(self._answer())

    def run(self, *words: str) -> Result:
        """Run ``imagesync WORDS`` to its end."""
        self.start(*words)
        return self.wait()

    def kill(self) -> None:
        """Send SIGKILL to the run that was started."""
        os.kill(self._pid, 9)


def become_command(request: Mapping[str, Any], command: Callable[[], None]) -> NoReturn:
    """In the child: run the command with the words and streams of a request, and exit with its code.

    A request may also have an environment and a folder.

    99: the command returned, which it never does.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(request["stdout"], flags), 1)
    os.dup2(os.open(request["stderr"], flags), 2)
    sys.argv = ["imagesync", *request["words"]]
    if "env" in request:
        os.environ.clear()
        os.environ.update(request["env"])
    if "folder" in request:
        os.chdir(request["folder"])
    code = 99
    try:
        command()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def import_command() -> Callable[[], None]:
    """Import every module of imagesync, which a child would import late and again; the function that is the command."""
    for module in pkgutil.walk_packages(imagesync.__path__, "imagesync."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return importlib.import_module("imagesync.cli.app").main  # type: ignore[no-any-return]


def main() -> None:
    """Import everything that an apply needs, then fork for each line."""
    import keystoneauth1.identity  # noqa: F401
    import openstack.config  # noqa: F401
    import oslo_utils.imageutils.format_inspector  # noqa: F401

    command = import_command()
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become_command(request, command)
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


if __name__ == "__main__":
    main()
