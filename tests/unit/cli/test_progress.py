"""What a log and a file of events get of a run."""

import io
import json
import os
import pty
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from imagesync.cli.display import Display
from imagesync.cli.progress import INTERVAL, MIN_EVENT_SECONDS, TICK, EventLines, LogLines, ProgressStyle, open_watcher
from imagesync.model.plan import Deactivate, Plan, Reason
from imagesync.model.report import Finished, Outcome, Progress, Report, Started, StepResult, Transferred
from imagesync.planning.steps import make_step
from imagesync.render.result import run_finished_to_json
from imagesync.schemas import load_schema
from tests.unit.factories import TARGET, catalog, inventory, plan, spec
from tests.waiting import wait_until

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


# --------------------------------------------------------------------------------------------------------- watchers


class FailingStream(io.StringIO):
    """A stream whose disk is full."""

    def write(self, text: str, /) -> int:
        """It fails."""
        raise OSError(28, "No space left on device")


class FlushedStream(io.StringIO):
    """A stream that shows only what was flushed."""

    visible = ""

    def flush(self) -> None:
        """Show it."""
        self.visible = self.getvalue()


FAILED = Finished(StepResult(STEP, Outcome.FAILED, error="no space"))


def test_a_stream_that_is_no_terminal_gets_lines_at_once() -> None:
    """With the reason of a failure, if the style says so; a quiet run only that."""
    for style, lines in (
        (ProgressStyle(), ["started     create:up: 2.0 GiB", "failed      create:up"]),
        (ProgressStyle(with_reason=True), ["started     create:up: 2.0 GiB", "failed      create:up: no space"]),
        (ProgressStyle(is_quiet=True, with_reason=True), ["failed      create:up: no space"]),
        (ProgressStyle(is_quiet=True), []),
    ):
        stream = FlushedStream()
        with open_watcher(UPLOAD, stream, style) as watcher:
            watcher(Started(STEP))
            watcher(FAILED)
        assert stream.visible.splitlines() == lines


def test_a_stream_that_fails_does_not_end_the_run() -> None:
    """The steps continue."""
    with open_watcher(UPLOAD, FailingStream(), ProgressStyle()) as watcher:
        watcher(Started(STEP))
        watcher(FAILED)


def read_all(descriptor: int) -> str:
    """What was drawn on a terminal."""
    os.set_blocking(descriptor, False)
    drawn = b""
    with suppress(BlockingIOError):
        while piece := os.read(descriptor, 65536):
            drawn += piece
    return drawn.decode()


@pytest.mark.parametrize(
    ("style", "term", "has_bars", "has_colors"),
    [
        (ProgressStyle(), "xterm", True, True),
        (ProgressStyle(color=False), "xterm", True, False),
        (ProgressStyle(color=True), "xterm", True, True),
        (ProgressStyle(), "dumb", False, False),
        (ProgressStyle(is_quiet=True), "xterm", False, False),
    ],
)
def test_a_terminal_gets_bars_unless_the_run_is_quiet(
    monkeypatch: pytest.MonkeyPatch, style: ProgressStyle, term: str, has_bars: bool, has_colors: bool
) -> None:
    """In colors unless they are off; with the reason of a failure if the style says so."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for with_reason in (False, True):
        ours, its = pty.openpty()
        with closing(os.fdopen(its, "w", encoding="utf-8")) as stream:
            opened = open_watcher(UPLOAD, stream, replace(style, with_reason=with_reason))
            assert isinstance(opened, Display if has_bars else LogLines)
            with opened as watcher:
                watcher(FAILED)
            stream.flush()
            drawn = read_all(ours)
        os.close(ours)
        assert ("\x1b[31m" in drawn) is has_colors
        assert ("no space" in drawn) is with_reason


def test_the_plans_of_several_targets_come_later() -> None:
    """A log measures the transfers of each."""
    clock, lines = HandClock(), list[str]()
    log = LogLines(None, lines.append, clock=clock)
    log.put("eu", UPLOAD)
    log(Started(STEP))
    clock.now = INTERVAL
    log(Progress(STEP, Transferred(2**30, 2 * GIB)))
    log.tick()
    assert lines == [
        "started     create:up: 2.0 GiB",
        "running     create:up: 1.00 of 2.00 GiB (50 %), 34.1 MiB/s, 30 s left",
    ]


def test_each_step_has_its_own_interval() -> None:
    """A line about one does not delay the other."""
    clock, lines = HandClock(), list[str]()
    both = plan(catalog(spec("a", min_ram=1), spec("b", min_ram=1)), inventory())
    log = LogLines(both, lines.append, clock=clock)
    first, second = both.steps
    log(Started(first))
    clock.now = 20
    log(Started(second))
    for now in (29.9, 30.0, 49.9, 50.0, 59.9, 60.0):
        clock.now = now
        before = len(lines)
        log.tick()
        keys = [line.split(":")[1] for line in lines[before:]]
        assert keys == {30.0: ["a"], 50.0: ["b"], 60.0: ["a"]}.get(now, [])


def test_a_log_looks_at_its_clock_by_itself_until_it_is_closed() -> None:
    """Every second; the thread ends."""
    clock, lines = HandClock(), list[str]()
    log = LogLines(UPLOAD, lines.append, clock=clock)
    with log:
        log(Started(STEP))
        clock.now = INTERVAL
        wait_until(lambda: len(lines), lambda count: count > 1, "a line about the running step")
    log._thread.join(60)
    assert not log._thread.is_alive()
    log.close()
    assert TICK == 1


# ---------------------------------------------------------------------------------------------------- files of events


def test_events_of_two_targets_and_two_steps_are_counted_separately(tmp_path: Path) -> None:
    """The first event of each is written, and the next one after exactly a second."""
    assert MIN_EVENT_SECONDS == 1
    both = plan(catalog(spec("a"), spec("b")), inventory())
    clock, path = HandClock(), tmp_path / "events"
    with EventLines(path, clock=clock) as events:
        for now in (0, 0.5, 0.99, 1.0, 1.5):
            clock.now = now
            for target in ("eu", "us"):
                for step in both.steps:
                    events.note(Progress(step, Transferred(int(now * 100), 200)), target)
    found = [(line["target"], line["step"], line["sent_bytes"]) for line in read_events(path)]
    every = [(target, step.id) for target in ("eu", "us") for step in both.steps]
    assert found == [(*one, number) for number in (0, 100) for one in every]


def test_an_event_is_in_the_file_at_once_with_its_time(tmp_path: Path) -> None:
    """In UTC, with milliseconds; a line without a target has none."""
    path = tmp_path / "events"
    with EventLines(path) as events:
        before = datetime.now(UTC) - timedelta(milliseconds=1)
        events.end(run_finished_to_json(None, "refused"))
        (line,) = read_events(path)
        at = datetime.fromisoformat(str(line["at"]))
        assert before <= at <= datetime.now(UTC)
        assert str(line["at"])[-10:-6].startswith(".")
        assert "target" not in line
        events.start(replace(UPLOAD, target_name="eu"))
        events.start(UPLOAD)
        events(Started(STEP))
        place = "store ./lab, project local"
        assert [line.get("target") for line in read_events(path)] == [None, "eu", place, place]
    assert path.stat().st_mode & 0o777 == 0o600
    events.write({}, "eu")
    events.__exit__()
    assert len(read_events(path)) == 4, "after its end nothing is written"


def test_without_a_file_events_go_nowhere() -> None:
    """And there is no problem."""
    with EventLines(None) as events:
        events.start(UPLOAD)
        events(Started(STEP))
    assert events.list_problems() == []


def test_a_file_that_cannot_be_written_is_one_problem() -> None:
    """After the first error nothing more is tried."""
    with EventLines(Path("/dev/full")) as events:
        events.start(UPLOAD)
        events(Started(STEP))
        (problem,) = events.list_problems()
    assert str(problem).startswith("/dev/full cannot be written: No space left on device")


class CountedFile(io.StringIO):
    """A file that fails at its second line, and counts."""

    lines = 0

    def write(self, text: str, /) -> int:
        """Fail once."""
        self.lines += 1
        if self.lines == 2:
            raise OSError(28, "No space left on device")
        return len(text)


def test_no_line_follows_a_missing_one(tmp_path: Path) -> None:
    """A reader would not notice the gap."""
    events: Any = EventLines(tmp_path / "events")
    events._file.close()
    events._file = CountedFile()
    for _ in range(4):
        events(Started(STEP))
    assert events._file.lines == 2
    events.__exit__()
