"""Runs ``imagesync`` hundreds of times, and starts Python and imports the command only once.

``CommandServer`` is a Python process that imports the whole command (about a second) and then forks a child for each
run. ``ForkServer`` uses an unused one, or starts one, and keeps it for the next user. With ``ForkedCommand`` a test can
start, kill and await a run. ``tests.fault.write_faults`` has another class, which can also stop a run at each of its
writes.

The protocol has one line of JSON in each direction. The test sends ``{"words": [...], "env": {...}, "stdout": FILE,
"stderr": FILE}``, and optionally ``folder``. This module, run as a program, answers with the pid of the child at once,
and with its exit status when it has ended.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self
from uuid import uuid4

import typer

import imagesync
from tests.command import Result, minimal_environment


class CommandServer:
    """A process that has imported the whole command, and forks a child for each request.

    ``module``: its program. ``more``: additional environment variables for its start.
    """

    def __init__(self, module: str, more: Mapping[str, str]) -> None:
        env = {**os.environ, **minimal_environment(), **more}
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], env=env, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._read = b""

    def send(self, request: Mapping[str, object]) -> None:
        """Request a run."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")

    def answer(self, seconds: float | None = None) -> Any:
        """The next line of the answer; TimeoutError if it does not arrive in time.

        Both lines of a short run may arrive at once. The second one is kept in a buffer, which ``select`` does not see.
        """
        assert self._process.stdout is not None
        while b"\n" not in self._read:
            if seconds is not None and not select.select([self._process.stdout], [], [], seconds)[0]:
                raise TimeoutError
            found = os.read(self._process.stdout.fileno(), 4096)
            assert found, "the fork server has ended"
            self._read += found
        line, _, self._read = self._read.partition(b"\n")
        return json.loads(line)

    @property
    def is_running(self) -> bool:
        """Whether it can be used again."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process after its last run."""
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()


_idle: defaultdict[tuple[str, ...], list[CommandServer]] = defaultdict(list)
"""Unused servers, by module and variables. A start takes a second, so they are kept until this process ends."""


def _take(kind: tuple[str, ...], more: Mapping[str, str]) -> CommandServer:
    if _idle[kind]:
        return _idle[kind].pop()
    server = CommandServer(kind[0], more)
    atexit.register(server.stop)
    return server


class ForkServer:
    """A server for one user until the end of the block, for runs with one environment. Use it as a context manager.

    ``more``: additional environment variables for the start of the server.
    """

    def __init__(
        self, module: str, env: Mapping[str, str], folder: Path, more: Mapping[str, str] | None = None
    ) -> None:
        self._env, more = dict(env), more or {}
        self._kind = (module, *map(repr, sorted(more.items())))
        self._server = _take(self._kind, more)
        name = uuid4()
        self._stdout, self._stderr = folder / f"{name}.stdout", folder / f"{name}.stderr"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server.is_running:
            _idle[self._kind].append(self._server)

    @property
    def env(self) -> Mapping[str, str]:
        """The environment of the runs."""
        return self._env

    def _request(self, words: tuple[str, ...], **more: object) -> Any:
        """Request a run; the first line of the answer."""
        streams = {"stdout": str(self._stdout), "stderr": str(self._stderr)}
        self._server.send({"words": words, "env": self._env, **streams, **more})
        return self._answer()

    def _answer(self, seconds: float | None = None) -> Any:
        """The next line of the answer."""
        return self._server.answer(seconds)

    def _result(self, status: int) -> Result:
        """What a run wrote, and its exit code from the status of ``waitpid``."""
        code = os.waitstatus_to_exitcode(status)
        return Result(code, self._stdout.read_text(), self._stderr.read_text())


class ForkedCommand(ForkServer):
    """One run at a time, which can be stopped and killed. At the end of the block the run has ended.

    ``module``: the program that forks; by default it runs the command.
    """

    def __init__(self, env: Mapping[str, str], folder: Path, module: str = "tests.fault.fork_server") -> None:
        super().__init__(module, env, folder)
        self._pid = 0
        self._is_running = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_running:
            self.kill()
            self.wait()
        super().__exit__(kind, error, trace)

    def start(self, *words: str) -> None:
        """Start ``imagesync WORDS``."""
        self._pid = self._request(words)
        self._is_running = True

    def wait(self) -> Result:
        """Wait for the end of the run that was started."""
        status = self._answer()
        self._is_running = False
        return self._result(status)

    def run(self, *words: str) -> Result:
        """Run ``imagesync WORDS`` to its end."""
        self.start(*words)
        return self.wait()

    def kill(self) -> None:
        """Send SIGKILL to the run that was started."""
        os.kill(self._pid, signal.SIGKILL)

    def stop(self) -> None:
        """Stop the run until ``go_on``, as if its host stops."""
        os.kill(self._pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the run that was stopped."""
        os.kill(self._pid, signal.SIGCONT)


def become_command(request: Mapping[str, Any], command: Callable[[], None]) -> NoReturn:
    """In the child: run the command with the words, environment and streams of a request, and exit with its code.

    Exit code 99: the command returned, which it never does.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(request["stdout"], flags), 1)
    os.dup2(os.open(request["stderr"], flags), 2)
    sys.argv = ["imagesync", *request["words"]]
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
    """Import every module of imagesync, because each child would import the late ones again; the function that is the
    command."""
    import jsonschema_rs  # noqa: F401
    import keystoneauth1.identity
    import keystoneauth1.loading._plugins.identity.generic  # noqa: F401
    import openstack.config  # noqa: F401
    import oslo_utils.imageutils.format_inspector  # noqa: F401

    for module in pkgutil.walk_packages(imagesync.__path__, "imagesync."):
        if not module.name.endswith("__main__") and not module.name.startswith("imagesync.fleet."):  # it is an extra
            importlib.import_module(module.name)
    read_words("plan", ".")
    gc.collect()
    gc.freeze()  # the garbage collector of a child would copy the inherited memory, page by page
    return importlib.import_module("imagesync.cli.app").main  # type: ignore[no-any-return]


def read_words(command: str, *words: str) -> None:
    """Parse the words of a command without running it: on its first run Typer imports most of what it needs (0.15 s)."""
    typer.main.get_command(importlib.import_module(f"imagesync.cli.commands.{command}").app).make_context(
        command, [*words]
    )


def serve(command: Callable[[], None]) -> None:
    """Fork a child that becomes the command for each line; the child has all modules already."""
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become_command(request, command)
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


if __name__ == "__main__":
    serve(import_command())
