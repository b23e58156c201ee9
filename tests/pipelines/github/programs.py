"""A ``run`` of a step -> what it did: output, command lines, and each call of imagesync. Runs bash, writes files.

bash traces each command with its arguments into a pipe. ``python3`` is a double that makes a virtual environment without
installing anything: its ``imagesync`` is the code under test, and notes its arguments and its environment.
"""

import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.command import ROOT

FILE_COMMANDS: Final = ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
BUILTINS: Final = frozenset(
    [
        "printf",
        "echo",
        "export",
        "unset",
        "local",
        "readonly",
        "cd",
        "source",
        "set",
        "shopt",
        "[[",
        "((",
        "for",
        "while",
        "case",
        "read",
    ]
)
"""Words of bash that start no process, so their arguments are in no list of processes."""
SECONDS: Final = 120

_PYTHON3: Final = """#!/bin/bash
# python3 -I -m venv DIR makes the environment; everything else is done by the real one
if [[ "$1 $2 $3" == "-I -m venv" ]]; then
    mkdir -p "$4/bin"
    ln -s {launcher} "$4/bin/imagesync"
    ln -s {python_of_venv} "$4/bin/python"
    exit 0
fi
exec {python} "$@"
"""
_PYTHON_OF_VENV: Final = """#!/bin/bash
# -I -m pip installs nothing; everything else is done by the real one
if [[ "$1 $2 $3" == "-I -m pip" ]]; then
    exit 0
fi
exec {python} "$@"
"""
_LAUNCHER: Final = """#!{python}
import json, os, sys
with open({calls!r}, "a") as notes:
    settings = os.environ.get("OS_CLIENT_CONFIG_FILE")
    mode = os.stat(settings).st_mode & 0o777 if settings else None
    notes.write(json.dumps([sys.argv[1:], dict(os.environ), mode]) + "\\n")
sys.path[0] = {root!r}
from imagesync.cli.app import main
sys.argv[0] = "imagesync"
sys.exit(main())
"""


class Started(NamedTuple):
    """One start of imagesync. ``mode``: the permissions of the file with the cloud settings, None without one."""

    arguments: list[str]
    environment: dict[str, str]
    mode: int | None


def make_path(folder: Path) -> str:
    """A PATH for one job, with the double of python3 first."""
    made = folder / "programs"
    if not made.exists():
        made.mkdir(parents=True)
        texts = {
            "launcher": _LAUNCHER.format(python=sys.executable, calls=str(folder / "calls"), root=str(ROOT)),
            "python_of_venv": _PYTHON_OF_VENV.format(python=shlex.quote(sys.executable)),
            "python3": _PYTHON3.format(
                python=shlex.quote(sys.executable),
                launcher=shlex.quote(str(made / "launcher")),
                python_of_venv=shlex.quote(str(made / "python_of_venv")),
            ),
        }
        for name, text in texts.items():
            (made / name).write_text(text)
            (made / name).chmod(0o755)
    return f"{made}:/usr/bin:/bin"


def run_bash(
    script: str, env: Mapping[str, str], workspace: Path, folder: Path
) -> tuple[subprocess.CompletedProcess[str], list[Started], list[str]]:
    """Run a script as a step: what it printed, its calls of imagesync, and the command lines of its other processes."""
    calls = folder / "calls"
    calls.unlink(missing_ok=True)
    path = folder / "step.sh"
    path.write_text(script)
    reader, writer = os.pipe()
    tracing = {"SHELLOPTS": "xtrace", "BASH_XTRACEFD": str(writer), "PS4": "+ "}
    collected: list[bytes] = []
    thread = threading.Thread(target=_read_all, args=(reader, collected))
    thread.start()
    try:
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(path)],
            cwd=workspace,
            env={**env, **tracing},
            pass_fds=[writer],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    finally:
        os.close(writer)
        thread.join()
    notes = calls.read_text().splitlines() if calls.exists() else []
    return done, [Started(*json.loads(line)) for line in notes], list_commands(b"".join(collected).decode())


def _read_all(handle: int, into: list[bytes]) -> None:
    with os.fdopen(handle, "rb") as pipe:
        into.append(pipe.read())


def list_commands(trace: str) -> list[str]:
    """The lines of a trace that start a process; an assignment starts none."""
    commands = [part.lstrip("+").strip() for part in f"\n{trace}".split("\n+") if part.strip()]
    return [one for one in commands if one.split(" ", 1)[0] not in BUILTINS and not _is_assignment(one)]


def _is_assignment(command: str) -> bool:
    name, sign, _ = command.partition("=")
    return bool(sign) and name.rstrip("+").isidentifier()


def read_file_command(path: Path) -> dict[str, str]:
    """The pairs of GITHUB_OUTPUT or GITHUB_ENV: NAME=VALUE, or NAME<<END with lines until END."""
    found = {}
    lines = iter(path.read_text(encoding="utf-8").splitlines())
    for line in lines:
        name, sign, value = line.partition("=")
        if "<<" in name:
            name, _, end = line.partition("<<")
            value = "\n".join(iter(lambda: next(lines), end))
            sign = "="
        assert sign, f"not a pair: {line!r}"
        found[name] = value
    return found


def write_json(path: Path, content: Any) -> None:
    """Write JSON."""
    path.write_text(json.dumps(content), encoding="utf-8")
