"""How much a run says, and where: each failure once on the terminal, once in the log file."""

import json
import re
from pathlib import Path

import pytest

from tests import forked
from tests.command import Result
from tests.fault.mirror import File, mirror

APPLY = ("apply", "--store", "store", "--yes", "--no-source-check")
REASON = "the data looks like raw, not qcow2"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalog of two images, of which one fails."""
    (tmp_path / "a.raw").write_bytes(b"\xe1" * 1000)
    write(tmp_path, good={}, bad={"disk_format": "qcow2"})
    return tmp_path


def write(folder: Path, **images: dict[str, str]) -> None:
    """A manifest of images with the same source."""
    defaults = {"disk_format": "raw", "container_format": "bare"}
    wanted = {key: {"source": "a.raw", **image} for key, image in images.items()}
    document = {"version": 1, "catalog": "base", "defaults": defaults, "images": wanted}
    (folder / "base.yaml").write_text(json.dumps(document))


def run(folder: Path, *words: str, code: int = 0) -> Result:
    """``imagesync WORDS`` there."""
    return forked.run(*words, folder=folder, code=code)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_failure_is_shown_once(folder: Path, form: str) -> None:
    """Before the closing line, or on standard error if that is for a program; the log file has it once, too."""
    done = run(folder, *APPLY, "--format", form, "--log-file", "run.log", code=1)
    output = done.stdout if form == "text" else ""
    assert (done.stderr + output).count(REASON) == 1
    assert "failed      create:bad" in done.stderr
    assert done.stderr.count(REASON) == (form == "json")
    log = (folder / "run.log").read_text()
    assert log.count(REASON) == 1
    assert log.count("done        create:good") == 1
    assert "apply" in log.splitlines()[0]
    assert "Failed: 1 created; not done: 1 to create." in log


def test_quiet_prints_nothing_about_success(folder: Path) -> None:
    """Neither the plan nor a closing line; the files that were asked for are written."""
    write(folder, good={})
    done = run(folder, *APPLY, "-q", "-o", "report.json")
    assert done.output == ""
    assert json.loads((folder / "report.json").read_text())["succeeded"]
    assert run(folder, *APPLY, "-q").output == ""
    assert run(folder, "validate", "-q").output == ""
    assert "No changes." in run(folder, "plan", "--store", "store", "-q").stdout


def test_quiet_prints_failures(folder: Path) -> None:
    """The failed step and the closing line."""
    done = run(folder, *APPLY, "-q", code=1)
    assert done.stderr == ""
    failed, closing = done.stdout.splitlines()
    assert failed.startswith("failed      create:bad: ")
    assert closing.startswith("Failed: 1 created; not done: 1 to create.")


def test_quiet_without_yes_shows_what_is_asked_about(folder: Path) -> None:
    """A plan that was not shown cannot be approved."""
    refused = run(folder, "apply", "--store", "store", "-q", "--no-source-check", code=64)
    assert "Plan: 2 to create" in refused.stdout


def test_an_error_before_the_run_is_in_the_log_file(folder: Path) -> None:
    """As it was shown, and once in the events."""
    write(folder, good={"no": "1"})
    done = run(folder, *APPLY, "--log-file", "run.log", "--events", "events", code=1)
    assert done.stderr.count("unknown key") == 1
    assert (folder / "run.log").read_text().count("unknown key") == 1
    (event,) = [json.loads(line) for line in (folder / "events").read_text().splitlines()]
    assert (event["event"], event["outcome"]) == ("run-finished", "not-started")
    assert "unknown key" in event["error"]


def test_a_run_with_nothing_to_do_has_a_first_and_a_last_event(folder: Path) -> None:
    """So has one that is refused."""
    write(folder, good={})
    run(folder, *APPLY)
    run(folder, *APPLY, "--events", "events")
    lines = [json.loads(line) for line in (folder / "events").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["run-started", "run-finished"]
    assert lines[-1]["outcome"] == "unchanged"
    write(folder)
    run(folder, *APPLY, "--events", "events", code=1)
    lines = [json.loads(line) for line in (folder / "events").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["run-started", "run-finished"]
    assert (lines[-1]["outcome"], "--destroy" in lines[-1]["error"]) == ("not-started", True)


def test_a_command_that_finds_nothing_to_plan_for_has_a_last_event(folder: Path) -> None:
    """As adopt, if there is no image to adopt."""
    assert "Nothing to adopt." in run(folder, "adopt", "--store", "store", "--events", "events").stdout
    (event,) = [json.loads(line) for line in (folder / "events").read_text().splitlines()]
    assert (event["event"], event["outcome"]) == ("run-finished", "unchanged")


def test_each_line_of_the_log_names_its_target(tmp_path: Path) -> None:
    """Two targets apply at the same time, and the first download of each is interrupted."""
    with mirror() as web:
        for name in ("eu", "us"):
            web.publish(f"/{name}/a.raw", File(b"\1" * 1000, cuts=[10]))
        targets = {name: {"store": name, "values": {"place": name}} for name in ("eu", "us")}
        image = {"source": f"{web.address}/${{place}}/a.raw", "disk_format": "raw", "container_format": "bare"}
        document = {
            "version": 1,
            "catalog": "base",
            "targets": targets,
            "values": {"place": ""},
            "images": {"a": image},
        }
        (tmp_path / "base.yaml").write_text(json.dumps(document))
        done = run(tmp_path, "apply", "--all-targets", "--yes", "-v", "--log-file", "run.log")
    for text in (done.stderr, (tmp_path / "run.log").read_text()):
        lines = [line for line in text.splitlines() if "asking for the rest" in line]
        assert sorted(re.search(r"\[(eu|us)\] http\S*/(eu|us)/", line).groups() for line in lines) == [  # type: ignore[union-attr]
            ("eu", "eu"),
            ("us", "us"),
        ]
