"""How much is reported, and what a log file holds."""

import json
import logging
import platform
import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from imagesync.backends import open_backend
from imagesync.backends.glance.connect import connect
from imagesync.cli.logs import LogOptions, _Forwarder, has_log_file, note, set_up_logs
from imagesync.cli.streams import say
from imagesync.errors import Unavailable, UsageError
from imagesync.labels import ThreadPool, label, make_thread
from imagesync.retry import Pace
from imagesync.version import __version__
from imagesync.workflow import Planner, apply, read_catalog
from tests.fault.mirror import File, mirror

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
    logging.captureWarnings(False)
    for handler in [one for one in logging.getLogger().handlers if isinstance(one, _Forwarder)]:
        logging.getLogger().removeHandler(handler)


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


def test_lines_of_a_target_begin_with_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error and in the log file, of every level, and of threads; without a label the lines are as ever."""
    path = tmp_path / "run.log"
    set_up_logs(LogOptions(verbose=2, log_file=path))
    with label("e\x1bu"):
        LOG.debug("a request")
        thread = make_thread(lambda: LOG.warning("left alone"), "other")
        note("done        create:a")
        say("a sentence")
    thread.start()
    thread.join()
    LOG.info("tried again")
    words = [r"[e\x1bu] a request", r"[e\x1bu] left alone", "tried again"]
    lines = capsys.readouterr().err.splitlines()
    assert lines.pop(1) == r"[e\x1bu] a sentence"
    assert [line[24:] for line in lines] == words
    assert [line[38:] for line in path.read_text().splitlines()[1:]] == [
        words[0],
        r"[e\x1bu] done        create:a",
        r"[e\x1bu] a sentence",
        *words[1:],
    ]


def test_a_label_is_before_the_message_of_a_plain_run(capsys: pytest.CaptureFixture[str]) -> None:
    """As in ``imagesync: [eu] …``."""
    set_up_logs()
    with label("eu"):
        LOG.warning("left alone")
    assert capsys.readouterr().err == "imagesync: [eu] left alone\n"


def test_warnings_of_libraries_name_the_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Python would print them without it. A library that is silent by itself stays silent."""
    path = tmp_path / "run.log"
    set_up_logs(LogOptions(log_file=path))
    set_up_logs(LogOptions(log_file=path))
    quiet = logging.getLogger("quiet_library")
    quiet.addHandler(logging.NullHandler())
    with label("eu"), warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.getLogger("keystoneauth.session").warning("Retrying %s", "https://me:hunter2@h/v3")
        logging.getLogger("keystoneauth.session").info("no warning")
        logging.getLogger("quiet_library.part").warning("not shown")
        logging.getLogger("oslo_utils.imageutils").warning("not shown")
        warnings.warn("an old name", UserWarning, stacklevel=1)
    expected = ["[eu] Retrying https://h/v3", "[eu] an old name"]
    assert capsys.readouterr().err.splitlines() == [f"imagesync: {line}" for line in expected]
    assert [line[38:] for line in path.read_text().splitlines()[1:]] == expected


def test_what_libraries_warn_of_a_log_in_is_in_the_log_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of the log-in explains it; standard error does not repeat it."""
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    auth = {"auth_url": "http://127.0.0.1:9", "username": "u", "password": "x", "project_name": "p"}
    domains = {"user_domain_name": "d", "project_domain_name": "d"}
    (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": {"c": {"auth": {**auth, **domains}}}}))
    set_up_logs(LogOptions(log_file=tmp_path / "run.log"))
    with label("eu"), pytest.raises(Unavailable):
        connect("c", Pace(tries=1), clouds_file=str(tmp_path / "clouds.yaml"))
    assert capsys.readouterr().err == ""
    assert "[eu] Failed to discover available identity versions" in (tmp_path / "run.log").read_text()


def test_targets_at_the_same_time_each_have_their_lines(tmp_path: Path) -> None:
    """Two stores get an image whose server fails at first: the retries are logged by threads that threads started."""
    log_file = tmp_path / "run.log"
    set_up_logs(LogOptions(log_file=log_file))
    with mirror() as web, ExitStack() as opened:

        def run(name: str) -> bool:
            url = web.publish(f"/{name}.raw", File(b"\1" * 1000, cuts=[10]))
            images = {"a": {"source": url, "disk_format": "raw", "container_format": "bare"}}
            path = tmp_path / f"{name}.yaml"
            path.write_text(json.dumps({"version": 1, "catalog": "base", "images": images}))
            with label(name):
                backend = opened.enter_context(open_backend(store=tmp_path / name))
                return apply(Planner(backend, read_catalog(path))).report.succeeded

        with ThreadPool(2) as pool:
            assert list(pool.map(run, ["eu", "us"])) == [True, True]
    lines = [line[38:] for line in log_file.read_text().splitlines()[1:]]
    for name in ("eu", "us"):
        own = [line for line in lines if f"/{name}.raw" in line]
        assert any("asking for the rest" in line for line in own)
        assert all(line.startswith(f"[{name}] ") for line in own)
    assert [line for line in lines if not line.startswith(("[eu] ", "[us] "))] == []


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["imagesync", "apply", "--set", "token=hunter2"], "apply"),
        (["imagesync", "--set", "hunter2", "apply"], ""),
        (["imagesync"], ""),
        (["imagesync", "report", "hunter2"], "report"),
    ],
)
def test_the_first_line_of_a_log_file_names_the_versions_and_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], command: str
) -> None:
    """Without the rest of its line, which may have secrets."""
    monkeypatch.setattr("sys.argv", words)
    set_up_logs(LogOptions(log_file=tmp_path / "run.log"))
    (line,) = (tmp_path / "run.log").read_text().splitlines()
    assert line[29:38] == " INFO    "
    assert line[38:] == f"imagesync {__version__}, Python {platform.python_version()}, {command}"


def test_lines_of_a_verbose_run_have_times_and_others_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is one printable line."""
    set_up_logs(LogOptions(verbose=1))
    LOG.info("a\nb\x1b")
    set_up_logs()
    LOG.warning("c\nd\x1b")
    verbose, plain = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} a\\nb\\x1b", verbose)
    assert plain == r"imagesync: c\nd\x1b"


def test_a_log_file_is_no_input_of_a_command(tmp_path: Path) -> None:
    """It would be overwritten."""
    for name in ("m.yaml", "M.YML", "store.db"):
        with pytest.raises(UsageError, match="has the suffix of a manifest or of a store's database"):
            set_up_logs(LogOptions(log_file=tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_each_line_of_a_text_is_a_line_of_the_log_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the level of the text; nothing of it is printed again, whatever its level is."""
    path = tmp_path / "run.log"
    set_up_logs(LogOptions(verbose=2, log_file=path))
    note("one\n\ntwo\n", logging.WARNING)
    note("three")
    lines = [line[30:] for line in path.read_text().splitlines()[1:]]
    assert lines == ["WARNING one", "WARNING ", "WARNING two", "INFO    three"]
    assert capsys.readouterr().err == ""


def test_times_are_in_utc_and_of_the_record(tmp_path: Path) -> None:
    """Whatever the time zone of the host is."""
    path = tmp_path / "run.log"
    set_up_logs(LogOptions(log_file=path))
    record = LOG.makeRecord(LOG.name, logging.INFO, "f", 1, "a %s", ("b",), None)
    record.created = 1_700_000_000.25
    LOG.handle(record)
    assert path.read_text().splitlines()[1] == "2023-11-14T22:13:20.250+00:00 INFO    a b"


def test_a_log_file_that_ends_is_closed_and_others_are_kept(tmp_path: Path) -> None:
    """Another set-up closes the files of the one before, and writes nothing to them."""
    set_up_logs(LogOptions(log_file=tmp_path / "one"))
    handlers = list(logging.getLogger("imagesync").handlers)
    set_up_logs(LogOptions(log_file=tmp_path / "two"))
    LOG.info("x")
    assert [handler.stream.closed for handler in handlers if isinstance(handler, logging.StreamHandler)] == [
        False,
        True,
    ]
    assert len((tmp_path / "one").read_text().splitlines()) == 1
    assert len((tmp_path / "two").read_text().splitlines()) == 2
    assert len(logging.getLogger("imagesync").handlers) == 2


def test_the_usual_amount_of_logs() -> None:
    """Warnings, and no file."""
    usual = LogOptions()
    assert (usual.quiet, usual.verbose, usual.log_file) == (False, 0, None)


def test_a_warning_of_a_library_is_one_line_without_its_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And without secrets; also one that a child of the root logger reports with an error."""
    set_up_logs(LogOptions(log_file=tmp_path / "run.log"))
    try:
        raise KeyError("password: hunter2")
    except KeyError:
        logging.getLogger("other.part").exception("token=%s\nfailed", "hunter2", stack_info=True)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("imagesync: ")
    assert "hunter2" not in line
    assert "KeyError" not in (tmp_path / "run.log").read_text()
    assert len((tmp_path / "run.log").read_text().splitlines()) == 2
