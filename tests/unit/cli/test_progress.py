"""What a log and a file of events get of a run."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from imagesync.cli.progress import INTERVAL, EventLines, LogLines, ProgressStyle
from imagesync.model.plan import Deactivate, Plan, Reason
from imagesync.model.report import Finished, Outcome, Progress, Report, Started, StepResult, Transferred
from imagesync.planning.steps import make_step
from imagesync.render.result import run_finished_to_json
from imagesync.schemas import load_schema
from tests.unit.factories import TARGET, catalog, inventory, plan, spec

GIB = 2**30
SMALL = make_step(Deactivate("a", "id-a"), Reason.DRIFT)
UPLOAD = plan(catalog(spec("up", fingerprint=replace(spec().fingerprint, size=2 * GIB))), inventory())
(STEP,) = UPLOAD.steps


class HandClock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_has_start_progress_and_end_of_a_large_transfer() -> None:
    """A line every thirty seconds, also while nothing comes."""
    clock, lines = HandClock(), list[str]()
    log = LogLines(UPLOAD, lines.append, clock=clock)
    log(Started(STEP))
    for second in range(1, 96):
        clock.now = second
        if second <= 64:
            log(Progress(STEP, Transferred(second * 2**24, 2 * GIB)))
        log.tick()
    log(Finished(StepResult(STEP, Outcome.DONE, seconds=96, bytes_sent=2 * GIB)))
    clock.now = 200
    log.tick()
    assert INTERVAL == 30
    assert lines == [
        "started     create:up: 2.0 GiB",
        "running     create:up: 0.47 of 2.00 GiB (23 %), 16.0 MiB/s, 98 s left",
        "running     create:up: 0.94 of 2.00 GiB (46 %), 16.0 MiB/s, 68 s left",
        "running     create:up: 1.00 of 2.00 GiB (50 %), no data for 26 s",
        "done        create:up: 2.0 GiB in 1 min 36 s, 21.3 MiB/s",
    ]


def test_a_small_step_is_one_line_at_its_end_and_a_long_one_says_that_it_runs() -> None:
    """So is a step that the service executes."""
    clock, lines = HandClock(), list[str]()
    log = LogLines(Plan("base", TARGET, (SMALL,)), lines.append, clock=clock)
    log(Started(SMALL))
    clock.now = 29
    log.tick()
    assert lines == []
    clock.now = 31
    log.tick()
    log(Finished(StepResult(SMALL, Outcome.DONE)))
    assert lines == ["running     deactivate:a:id-a: for 31 s", "done        deactivate:a:id-a"]


def test_the_closing_lines_alone_name_what_was_broken_off() -> None:
    """An interrupted step has no line of its own."""
    lines = list[str]()
    log = LogLines(UPLOAD, lines.append)
    log(Finished(StepResult(STEP, Outcome.INTERRUPTED)))
    assert lines == []


@pytest.mark.parametrize("with_reason", [False, True])
@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SKIPPED, Outcome.DEFERRED, Outcome.DONE])
def test_a_quiet_log_has_what_no_closing_line_tells(outcome: Outcome, with_reason: bool) -> None:
    """Neither the starts nor the successful ends of steps."""
    clock, lines = HandClock(), list[str]()
    log = LogLines(UPLOAD, lines.append, ProgressStyle(is_quiet=True, with_reason=with_reason), clock=clock)
    log(Started(STEP))
    clock.now = 100
    log.tick()
    log(Finished(StepResult(STEP, outcome, error="why")))
    has_reason = with_reason and outcome is not Outcome.DONE
    assert lines == ([f"{outcome.value:11} create:up: why"] if has_reason else [])


def read_events(path: Path) -> list[dict[str, object]]:
    """The lines of a file, each as the schema says."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    validator = Draft202012Validator(load_schema("events"), format_checker=FormatChecker())
    assert [error.message for line in lines for error in validator.iter_errors(line)] == []
    return lines


def test_a_transfer_has_at_most_one_event_a_second(tmp_path: Path) -> None:
    """Each transfer by itself; the ends of steps are never left out."""
    clock = HandClock()
    with EventLines(tmp_path / "events", clock=clock) as events:
        events.start(UPLOAD)
        events(Started(STEP))
        for tenth in range(35):
            clock.now = tenth / 10
            events(Progress(STEP, Transferred(tenth + 1, 2 * GIB, tenth + 1, 2 * GIB)))
        result = StepResult(STEP, Outcome.DONE, "id", bytes_sent=2 * GIB)
        events(Finished(result))
        events.end(run_finished_to_json(Report(UPLOAD, (result,))))
    lines = read_events(tmp_path / "events")
    kinds = [line["event"] for line in lines]
    assert kinds == ["run-started", "started", *["progress"] * 4, "finished", "run-finished"]
    assert [line["sent_bytes"] for line in lines if line["event"] == "progress"] == [1, 11, 21, 31]


def test_events_name_the_target_the_place_and_the_time_with_its_zone(tmp_path: Path) -> None:
    """The target in each line: the files of several runs can be joined."""
    with EventLines(tmp_path / "events") as events:
        events.start(replace(UPLOAD, target_name="prod"))
        events.end(run_finished_to_json(None, "refused"))
    begun, ended = read_events(tmp_path / "events")
    assert begun["place"] == {
        "kind": "store",
        "location": "store-1",
        "region": "",
        "project_id": TARGET.project_id,
        "project_name": "local",
        "label": "./lab",
    }
    assert (begun["target"], ended["target"]) == ("prod", "prod")
    assert str(begun["at"]).endswith("+00:00")
    assert (ended["outcome"], ended["error"]) == ("not-started", "refused")


@pytest.mark.parametrize(
    ("report", "error", "outcome"),
    [
        (None, "", "unchanged"),
        (None, "refused", "not-started"),
        (Report(UPLOAD, ()), "", "unchanged"),
        (Report(UPLOAD, (StepResult(STEP, Outcome.DONE),)), "", "done"),
        (Report(UPLOAD, (StepResult(STEP, Outcome.FAILED),)), "", "failed"),
        (Report(UPLOAD, (StepResult(STEP, Outcome.DONE),), leftover=("x",)), "", "failed"),
        (Report(UPLOAD, (StepResult(STEP, Outcome.INTERRUPTED),), interrupted=True), "", "interrupted"),
        (Report(UPLOAD, (StepResult(STEP, Outcome.NOT_STARTED),), stopped="the lease is lost"), "", "lost"),
    ],
)
def test_how_a_run_ended_in_one_word(report: Report | None, error: str, outcome: str) -> None:
    """The words are a closed list of the schema."""
    assert run_finished_to_json(report, error)["outcome"] == outcome
