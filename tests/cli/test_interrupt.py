"""^C and SIGTERM in the middle of an apply."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from imagesync.backends import open_backend
from imagesync.lease.record import STATE
from imagesync.lease.taking import take
from imagesync.schemas import load_schema
from tests import command
from tests.silent import full_server, silent_server
from tests.terminal import INTERRUPT, Terminal
from tests.waiting import wait_until


def test_an_interrupted_apply_ends_in_order_and_the_next_one_continues(tmp_path: Path) -> None:
    """Running steps end, no more start, exit 130; nothing half-made stays, and the next apply does the rest."""
    images = {}
    for number in range(30):
        (tmp_path / f"{number}.raw").write_bytes(os.urandom(2**21))
        images[f"k{number:02}"] = {"source": f"{number}.raw"}
    defaults = {"disk_format": "raw", "container_format": "bare"}
    document = {"version": 1, "catalog": "c", "defaults": defaults, "images": images}
    (tmp_path / "c.yaml").write_text(json.dumps(document))
    words = ("apply", "--store", "store", "--yes", "--jobs", "2")
    with command.start(*words, folder=tmp_path) as process:
        process.wait_for("done ")
        process.interrupt()
        interrupted = process.wait()
    assert interrupted.code == 130
    assert "Stopping: " in interrupted.stderr
    assert "Interrupted: " in interrupted.stdout
    live = open_backend(store=tmp_path / "store").inventory("c")
    assert 0 < len(live) < 30
    assert {image.status.value for image in live} == {"active"}
    rest = 30 - len(live)
    assert f"Applied: {rest} created." in command.run(*words, folder=tmp_path).stdout


DATA = os.urandom(2**20)


@pytest.fixture
def web() -> Iterator[str]:
    """The address of a server that gives three of four MiB while the test runs."""
    with silent_server(4 * DATA, 3 * len(DATA)) as silent:
        yield silent.address


APPLY = ("apply", "--store", "store", "--source-hosts", "127.0.0.1", "--lock-timeout", "60")
FILES = ("-o", "report.json", "--ids", "ids.json", "--events", "events.jsonl")


def write_manifest(folder: Path, *sources: str, **more: Any) -> None:
    """A catalog with an image for each source."""
    images = {f"k{number}": {"source": source} for number, source in enumerate(sources)}
    defaults = {"disk_format": "raw", "container_format": "bare"}
    document = {"version": 1, "catalog": "c", "defaults": defaults, "images": images, **more}
    (folder / "c.yaml").write_text(json.dumps(document))
    (folder / "small.raw").write_bytes(DATA)


def read_files(folder: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The outcomes of a report by step, and the events; all files are whole."""
    report = json.loads((folder / "report.json").read_text())
    assert report["interrupted"]
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert isinstance(json.loads((folder / "ids.json").read_text()), dict)
    validator = Draft202012Validator(load_schema("events"))
    assert [error.message for event in events for error in validator.iter_errors(event)] == []
    return {result["step"]: result["outcome"] for result in report["results"]}, events


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_breaks_a_transfer_off_and_leaves_nothing(
    tmp_path: Path, web: str, number: signal.Signals, code: int
) -> None:
    """Although its source has fallen silent. Output and files name what is done and what is left."""
    write_manifest(tmp_path, "small.raw", f"{web}/slow.raw", "small.raw")
    with command.start(*APPLY, "--yes", "--jobs", "1", *FILES, folder=tmp_path) as process:
        wait_for_event(tmp_path, '"progress", "step": "create:k1"')
        os.kill(process.pid, number)
        ended = process.wait()
    assert ended.code == code
    assert ended.stdout.endswith(
        "interrupted: create:k1\n"
        "not started: create:k2\n"
        "Interrupted: 1 created; not done: 2 to create. 1.0 MiB uploaded. Run apply again to continue.\n"
    )
    assert (
        ended.stderr.count("Stopping: transfers are interrupted, running steps finish, no further step starts.\n") == 1
    )
    outcomes, events = read_files(tmp_path)
    assert outcomes == {"create:k0": "done", "create:k1": "interrupted", "create:k2": "not-started"}
    assert (events[0]["event"], events[-1]["event"], events[-1]["outcome"]) == (
        "run-started",
        "run-finished",
        "interrupted",
    )
    with open_backend(store=tmp_path / "store") as backend:
        assert [image.name for image in backend.inventory("c")] == ["k0"]
        assert [record.properties[STATE] for record in backend.leases("c")] == ["free"]


def wait_for_event(folder: Path, text: str) -> None:
    """Wait until the file of events has a line with this text."""

    def read() -> str:
        path = folder / "events.jsonl"
        return path.read_text() if path.exists() else ""

    wait_until(read, lambda lines: text in lines, f"there is an event with {text}")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_ends_a_step_that_waits_for_a_connection(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """An earlier version waited for half a minute and then reported a failure."""
    with full_server() as address:
        write_manifest(tmp_path, f"{address}/a.raw", "small.raw")
        with command.start(*APPLY, "--yes", "--jobs", "1", "--no-source-check", *FILES, folder=tmp_path) as process:
            wait_for_event(tmp_path, '"started", "step": "create:k0"')
            os.kill(process.pid, number)
            ended = process.wait()
    assert ended.code == code
    assert "Interrupted: nothing done; not done: 2 to create." in ended.stdout
    outcomes, _ = read_files(tmp_path)
    assert outcomes == {"create:k0": "interrupted", "create:k1": "not-started"}


def test_ctrl_c_ends_the_reading_of_sources_with_a_sentence(tmp_path: Path) -> None:
    """Also while a source sends nothing."""
    with silent_server(DATA, 0) as silent:
        write_manifest(tmp_path, f"{silent.address}/slow.raw")
        words = ("validate", "--fetch", "--source-hosts", "127.0.0.1")
        with command.start(*words, folder=tmp_path) as process:
            assert silent.queries.wait(60)
            os.kill(process.pid, signal.SIGINT)
            ended = process.wait(seconds=40)  # the time for checks is a minute
    assert (ended.code, ended.stdout) == (130, "")
    assert ended.stderr == "imagesync: interrupted; nothing was changed\n"


def test_ctrl_c_ends_a_plan_with_a_sentence(tmp_path: Path) -> None:
    """Also while a source sends nothing; an earlier version ended without a message."""
    with silent_server(DATA, 0) as silent:
        write_manifest(tmp_path, f"{silent.address}/slow.raw")
        with command.start("plan", "--store", "store", "--source-hosts", "127.0.0.1", folder=tmp_path) as process:
            assert silent.queries.wait(60)
            os.kill(process.pid, signal.SIGINT)
            ended = process.wait()
    assert ended.code == 130
    assert ended.stderr.splitlines()[1:] == [
        "imagesync: interrupted; nothing was changed"
    ]  # the first is about the store


HANGING = """
import sys, time
from pathlib import Path
from imagesync.cli.origins import Origin
from imagesync.cli.outputs import Outputs
from imagesync.cli.result_options import Copies, ResultForm, Results
from imagesync.cli.runs import Run
from imagesync.model.report import Finished, Outcome, Started, StepResult
from tests.unit.factories import catalog, inventory, plan, spec

made = plan(catalog(*map(spec, "abc")), inventory())
files = Results(out=Path("report.json"), ids=Path("ids.json"), events=Path("events.jsonl"))
outputs = Outputs("apply", ResultForm.TEXT, Copies(), Origin(Path()))
with Run(files, outputs, yes=True) as run:
    run.hooks.show(made)
    with run.hooks.watch(made) as watch:
        for step in made.steps[:2]:
            watch.notify(Started(step))
        watch.notify(Finished(StepResult(made.steps[0], Outcome.DONE, "id-a")))
        while True:
            time.sleep(100)
"""
"""A run of three steps, of which one is done, and one hangs forever."""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_a_run_that_hangs(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """It still prints the sentence and writes the files."""
    with command.start(program=("-c", HANGING), folder=tmp_path) as process:
        process.wait_for("done        create:a")
        os.kill(process.pid, number)
        process.wait_for("again to stop at once.")
        os.kill(process.pid, number)
        ended = process.wait()
    assert ended.code == code
    assert (
        "interrupted: create:b\nnot started: create:c\nInterrupted: 1 created; not done: 2 to create. " in ended.stdout
    )
    assert "Stopped at once: the outcome of the interrupted steps is unknown." in ended.stderr
    outcomes, events = read_files(tmp_path)
    assert outcomes == {"create:a": "done", "create:b": "interrupted", "create:c": "not-started"}
    assert events[-1]["outcome"] == "interrupted"
    assert json.loads((tmp_path / "ids.json").read_text()) == {"a": "id-a"}


def test_the_next_plan_says_what_a_killed_run_left(tmp_path: Path, web: str) -> None:
    """The plan prints the unfinished upload."""
    write_manifest(tmp_path, f"{web}/slow.raw")
    with command.start(*APPLY, "--yes", *FILES, folder=tmp_path) as process:
        wait_for_event(tmp_path, '"progress", "step": "create:k0"')
        process.kill()
        process.wait()
    output = command.run("plan", *APPLY[1:5], folder=tmp_path)
    assert "unfinished upload of an earlier run" in output.stdout
    assert "no data" not in output.stdout
    assert "another run" not in output.stderr  # its process ended
    write_manifest(tmp_path, "small.raw")
    assert "Applied: " in command.run(*APPLY, "--yes", folder=tmp_path).stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_waits_for_the_lease_is_interrupted_before_its_first_step(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Nothing was changed; the result files show that."""
    write_manifest(tmp_path, "small.raw")
    with open_backend(store=tmp_path / "store") as backend:
        held = take(backend, "c", timeout=0, warn=print, is_new=lambda: True)
        held.start()
        with command.start(*APPLY, "--yes", *FILES, folder=tmp_path) as process:
            process.wait_for("is locked by another run")
            os.kill(process.pid, number)
            ended = process.wait()
        held.release()
    assert ended.code == code
    assert ended.stderr.endswith("imagesync: interrupted before the first step; nothing was changed\n")
    outcomes, events = read_files(tmp_path)
    assert (outcomes, events[-1]["outcome"]) == ({"create:k0": "not-started"}, "interrupted")


def test_a_plan_names_the_holder_of_the_lease(tmp_path: Path) -> None:
    """Host, pid and since when; not on standard output, and not if there is nothing to do."""
    write_manifest(tmp_path, "small.raw")
    words = ("plan", "--store", "store")
    with open_backend(store=tmp_path / "store") as backend:
        held = take(backend, "c", timeout=0, warn=print, is_new=lambda: True)
        output = command.run(*words, folder=tmp_path)
        assert f"Note: the lease of catalog c is held by host {socket.gethostname()}, pid " in output.stderr
        assert "another run" not in output.stdout
        assert command.run(*words, "-q", folder=tmp_path).stderr == ""
        held.release()
    assert command.run(*words, folder=tmp_path).stderr == ""
    command.run(*APPLY, "--yes", folder=tmp_path)
    with open_backend(store=tmp_path / "store") as backend:
        held = take(backend, "c", timeout=0, warn=print)
        assert command.run(*words, folder=tmp_path).stderr == ""
        held.release()


def test_ctrl_c_at_the_question_changes_nothing(tmp_path: Path) -> None:
    """One line says so, below the question: no step has ended, so there is no report. The files are written."""
    write_manifest(tmp_path, "small.raw")
    with Terminal(*APPLY, *FILES, folder=tmp_path) as terminal:
        terminal.wait_for("[y/N]: ")  # the last letter of the question is drawn after the others
        terminal.type(INTERRUPT)
        assert terminal.wait() == 130
        ending = "[y/N]: ^C\nimagesync: interrupted before the first step; nothing was changed\n"
        assert terminal.text.endswith(ending)
    outcomes, _ = read_files(tmp_path)
    assert outcomes == {"create:k0": "not-started"}


def test_ctrl_c_on_a_terminal_leaves_no_piece_of_a_bar(tmp_path: Path, web: str) -> None:
    """Below the plan there are the steps that ended, the notice and the closing lines; the cursor is back."""
    write_manifest(tmp_path, "small.raw", f"{web}/slow.raw")
    with Terminal(*APPLY, "--yes", *FILES, folder=tmp_path) as terminal:
        terminal.wait_for("2.0 of 4.0 MiB")
        terminal.type(INTERRUPT)
        assert terminal.wait() == 130
        drawn, text = terminal.drawn, terminal.text
    assert "k1     ━" in text
    last = drawn[drawn.rindex("\x1b[2K") :]  # nothing is drawn over now
    assert "total" not in last
    assert "Interrupted: 1 created; not done: 1 to create." in text
    assert drawn.count("\x1b[?25h") == drawn.count("\x1b[?25l")
    assert text.count("Stopping: ") == 1
