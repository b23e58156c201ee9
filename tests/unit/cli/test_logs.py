"""How much is reported, and what a log file holds."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesync.cli.logs import LogOptions, has_log_file, note, set_up_logs
from imagesync.errors import UsageError

LOG = logging.getLogger("imagesync.test")
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 (DEBUG  |INFO   |WARNING) \S.*")


@pytest.fixture(autouse=True)
def usual_logs() -> Iterator[None]:
    """Afterwards everything is as before."""
    yield
    for handler in list(logging.getLogger("imagesync").handlers):
        handler.close()
        logging.getLogger("imagesync").removeHandler(handler)
    logging.getLogger("imagesync").propagate = True


def say_everything() -> None:
    """One record of each level, and one that was shown already."""
    LOG.debug("a request")
    LOG.info("tried again")
    LOG.warning("left alone")
    note("done        create:a")


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        (LogOptions(quiet=True), ["left alone"]),
        (LogOptions(), ["left alone"]),
        (LogOptions(verbose=1), ["tried again", "left alone"]),
        (LogOptions(verbose=2), ["a request", "tried again", "left alone"]),
        (LogOptions(verbose=5), ["a request", "tried again", "left alone"]),
    ],
)
def test_how_much_is_printed(options: LogOptions, texts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error; what was shown already is not repeated."""
    set_up_logs(options)
    say_everything()
    lines = capsys.readouterr().err.splitlines()
    assert [
        next(text for text in ("a request", "tried again", "left alone") if text in line) for line in lines
    ] == texts


def test_a_log_file_has_everything_with_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also what was shown, each once; standard error is as without it. Only its owner can read it."""
    path = tmp_path / "run.log"
    set_up_logs(LogOptions(log_file=path))
    assert has_log_file()
    say_everything()
    lines = path.read_text().splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert [line[38:] for line in lines[1:]] == ["a request", "tried again", "left alone", "done        create:a"]
    assert lines[0][38:].startswith("imagesync 0")
    assert path.stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr().err == "imagesync: left alone\n"
    set_up_logs()
    assert not has_log_file()


@pytest.mark.parametrize(
    "secret",
    [
        "https://me:hunter2@mirror.example/a",
        "https://mirror.example/a?X-Amz-Signature=hunter2",
        "gAAAAABmabcdefghijklmnopqrstuvwxyz-_0123456789hunter2",
        "password: hunter2",
        "Authorization: Bearer aaaaaaaaaaaaaaaa0hunter2",
    ],
)
def test_a_log_file_has_no_secret(tmp_path: Path, secret: str) -> None:
    """From any module, in any quotes."""
    path = tmp_path / "run.log"
    set_up_logs(LogOptions(log_file=path))
    LOG.info("the service said: %s", secret)
    note(f"failed      create:a: {secret}; correct it")
    assert "hunter2" not in path.read_text()
    assert len(path.read_text().splitlines()) == 3


def test_a_log_file_is_not_commanded_by_what_it_holds(tmp_path: Path) -> None:
    """A viewer and a CI system read it, too."""
    path = tmp_path / "run.log"
    set_up_logs(LogOptions(log_file=path))
    LOG.info("%s", "a\n::error::b\x1b[2J ##vso[task.x]")
    assert path.read_text().splitlines()[1][38:] == "a\\n::error::b\\x1b[2J #\\x23vso[task.x]"


def test_a_full_disk_under_the_log_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It ends, without a traceback."""
    set_up_logs(LogOptions(log_file=Path("/dev/full")))
    for _ in range(3):
        LOG.info("x")
    assert capsys.readouterr().err == ""
    assert not has_log_file()


def test_quiet_and_verbose_contradict_each_other() -> None:
    """One of them is a mistake."""
    with pytest.raises(UsageError, match="exclude each other"):
        set_up_logs(LogOptions(quiet=True, verbose=1))
