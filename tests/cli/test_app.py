"""The command as a whole: help, usage, and what a bug leaves behind."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from imagesync.cli.app import COMMANDS
from imagesync.cli.bug_log import LIBRARIES, write_bug_log
from imagesync.cli.exit_codes import ExitCode
from imagesync.version import __version__
from tests import forked

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


SCHEMAS = "manifest, problems, plan, plans, report, run, events, errors, drift, drifts, image, list, targets, doctor"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("plna",), "No such command 'plna'; did you mean plan? See --help"),
        (("xyzzy",), "No such command 'xyzzy'; see --help"),
        (("report", "mrege"), "No such command 'mrege'; did you mean merge? See --help"),
        (("report", "xyzzy"), "No such command 'xyzzy'; see --help"),
        (("--nope",), "No such option: --nope; see --help"),
        (("apply", "--jobs", "many"), "Invalid value for '--jobs': not a whole number; see --help"),
        (
            ("apply", "--jobs", "0"),
            "Invalid value for '--jobs': Input should be greater than or equal to 1; see --help",
        ),
        (("apply", "--jobs", "65"), "Invalid value for '--jobs': Input should be less than or equal to 64; see --help"),
        (("apply", "--lock-timeout", "x"), "Invalid value for '--lock-timeout': not a number; see --help"),
        (
            ("apply", "--lock-timeout=-1"),
            "Invalid value for '--lock-timeout': Input should be greater than or equal to 0; see --help",
        ),
        (
            ("apply", "--min-source-rate=-1"),
            "Invalid value for '--min-source-rate': Input should be greater than or equal to 0; see --help",
        ),
        (
            ("plan", "--parallel-targets", "65"),
            "Invalid value for '--parallel-targets': Input should be less than or equal to 64; see --help",
        ),
        (
            ("plan", "--parallel-targets", "0"),
            "Invalid value for '--parallel-targets': Input should be greater than or equal to 1; see --help",
        ),
        (
            ("plan", "--max-bytes", "1999"),
            "Invalid value for '--max-bytes': Input should be greater than or equal to 2000; see --help",
        ),
        (
            ("plan", "--format", "xml"),
            "Invalid value for '--format': 'xml' is not one of 'text', 'json', 'markdown', 'html', 'junit'; see --help",
        ),
        (("schema", "foo"), f"no schema is named 'foo'; choose one of {SCHEMAS}"),
        (("schema", "plan", "b"), "Got unexpected extra argument(s) (b); see --help"),
        (("plan", "--target", "a", "--target", "a"), "--target a is given twice; pass it once"),
        (("plan", "-q", "-v"), "--quiet and --verbose exclude each other; pass one of them"),
        (
            ("plan", "--log-file", "x.YML"),
            "x.YML has the suffix of a manifest or of a store's database and is not overwritten; "
            "name a file that does not end in .yaml, .yml, .db",
        ),
        (("export", "--owner", "x", "--all-owners"), "--owner and --all-owners exclude each other; pass one of them"),
    ],
)
def test_the_message_about_wrong_words_is_plain(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    """In the words of imagesync instead of those of a library, and with its remedy."""
    done = forked.run(*words, folder=tmp_path, code=ExitCode.USAGE)
    assert (done.stdout, done.stderr) == ("", f"imagesync: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    """Also if a command follows, which is not run."""
    for words in (("--version",), ("--version", "init")):
        assert forked.run(*words, folder=tmp_path).output == f"imagesync {__version__}\n"
    assert list(tmp_path.iterdir()) == []


def test_the_help_lists_each_command_once_in_the_order_of_the_work() -> None:
    """From the first command of a new catalog to the fleet; each with a sentence."""
    lines = forked.run("--help").stdout.partition("Commands:\n")[2].splitlines()
    names = [line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("   ")]
    assert names == list(COMMANDS)
    assert names[:6] == ["init", "add", "validate", "plan", "apply", "drift"]
    assert set(names) == {path.stem for path in (ROOT / "imagesync/cli/commands").glob("[a-z]*.py")}


def test_an_error_of_several_lines_has_no_prefix(tmp_path: Path) -> None:
    """Each of its lines begins with a file; one of a single line begins with the name of the program."""
    (tmp_path / "m.yaml").write_text("version: 1\ncatalog: base\nimages: {a: {nam: x, min_rma: 1}}\n")
    assert forked.run("plan", "m.yaml", folder=tmp_path, code=1).stderr.splitlines() == [
        "m.yaml:3:14: images.a.nam: unknown key; did you mean name?",
        "m.yaml:3:22: images.a.min_rma: unknown key; did you mean min_ram?",
        "2 problems in the manifests",
    ]
    assert forked.run("plan", "m.yaml", "-o", "no/x", folder=tmp_path, code=1).stderr == (
        "imagesync: no/x cannot be written: the folder no does not exist; create it, or check the path\n"
    )
