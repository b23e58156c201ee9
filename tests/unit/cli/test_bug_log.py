"""The log of a bug: what is removed from it, and what is printed if it cannot be written."""

from pathlib import Path

import pytest

from imagesync.cli.bug_log import describe_environment, write_bug_log


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("OS_PASSWORD", True),
        ("OS_PASSCODE", True),
        ("OS_APPLICATION_CREDENTIAL_SECRET", True),
        ("GITHUB_TOKEN", True),
        ("CI_JOB_TOKEN_OLD", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("SSH_KEY", True),
        ("KEYBOARD", False),
        ("SSH_KEY_FILE", False),
        ("os_password", False),
    ],
)
def test_values_of_secret_variables_are_removed(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    is_secret: bool,
) -> None:
    """Wherever the traceback quotes them; the line on standard error names the file only."""
    monkeypatch.setenv(name, "hunter-two")
    write_bug_log("Traceback\nKeyError: 'a hunter-two b hunter-two'\n")
    (log,) = folder.iterdir()
    kept = "…" if is_secret else "hunter-two"
    assert log.read_text() == f"{describe_environment()}\n\nTraceback\nKeyError: 'a {kept} b {kept}'\n"
    assert log.name.startswith("imagesync-")
    assert log.suffix == ".log"
    assert capsys.readouterr().err == f"imagesync has a bug; please report it with the file {log}\n"


def test_a_secret_that_no_variable_has_is_removed_too(folder: Path) -> None:
    """A query of a URL, a log-in, and the value of a name in a document."""
    write_bug_log("KeyError: https://me:pw@host/a?X=1 {'password': 'abc', 'name': 'x'}\n")
    (log,) = folder.iterdir()
    assert log.read_text().endswith("\n\nKeyError: https://host/a {'password': …, 'name': 'x'}\n")


def test_a_log_that_cannot_be_written_leaves_the_last_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without secrets, and in one line."""
    monkeypatch.setattr("tempfile.tempdir", str(folder / "none"))
    monkeypatch.setenv("OS_PASSWORD", "hunter-two")
    write_bug_log("Traceback\n  line\nKeyError: hunter-two\x1b[2J\n\n")
    assert capsys.readouterr().err == (
        "imagesync has a bug (KeyError: …\\x1b[2J); its log could not be written: No such file or directory\n"
    )
