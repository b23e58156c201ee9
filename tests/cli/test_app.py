"""The command as a whole: help, usage, and what a bug leaves behind."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from imagesync.cli.bug_log import LIBRARIES, write_bug_log
from imagesync.cli.exit_codes import ExitCode
from imagesync.version import __version__

ROOT = Path(__file__).parents[2]


def run(*words: str, folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """``imagesync WORDS`` with logs of bugs in ``folder``."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "COLUMNS": "100"}
    command = [sys.executable, "-m", "imagesync", *words]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


def test_without_arguments_it_prints_the_help(tmp_path: Path) -> None:
    """Exit 0, on standard output; no log of a bug."""
    done = run(folder=tmp_path)
    assert done.stdout == run("--help", folder=tmp_path).stdout
    assert done.stdout.startswith("Usage: imagesync [OPTIONS] COMMAND [ARGS]...")
    assert (done.stderr, list(tmp_path.iterdir())) == ("", [])


@pytest.mark.parametrize("words", [(), ("plan",), ("list",), ("rollback",)])
def test_h_is_help(tmp_path: Path, words: tuple[str, ...]) -> None:
    """For the command and for each of its commands."""
    done = run(*words, "-h", folder=tmp_path)
    assert done.stdout == run(*words, "--help", folder=tmp_path).stdout
    assert done.stdout.startswith(" ".join(["Usage: imagesync", *words]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("plna",), "No such command 'plna'"),
        (("plan", "--targte", "eu"), "No such option: --targte"),
        (("rollback",), "Missing argument"),
        (("rollback", ""), "KEY is empty; pass a value"),
        (("plan", ""), "PATH is empty; pass a value, or remove it"),
        (("apply", "--jobs", "many"), "--jobs"),
    ],
)
def test_wrong_words_are_a_usage_error_in_one_line(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    """Exit 64."""
    done = run(*words, folder=tmp_path, code=ExitCode.USAGE)
    (line,) = done.stderr.splitlines()
    assert line.startswith("imagesync: ")
    assert message in line
    assert done.stdout == ""


def test_a_bug_leaves_a_log_with_what_a_report_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions, Python and platform, then the traceback; only its owner can read it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    write_bug_log("Traceback (most recent call last):\nKeyError: 1\n")
    (log,) = tmp_path.iterdir()
    head, traceback = log.read_text().split("\n\n")
    assert head.startswith(f"imagesync {__version__}\npython CPython {platform.python_version()}\nplatform Linux-")
    assert [line.partition(" ")[0] for line in head.splitlines()[3:]] == list(LIBRARIES)
    assert "not installed" not in head
    assert traceback.endswith("KeyError: 1\n")
    assert log.stat().st_mode & 0o077 == 0
