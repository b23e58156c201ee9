"""What a command for several targets prints, writes and returns, with a scripted carrier in the place of the targets."""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.interrupts import Interrupted
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.origins import Origin
from imagesync.cli.outputs import Outputs
from imagesync.cli.result_options import Copies, ResultForm, Results
from imagesync.cli.runs import UNKNOWN
from imagesync.cli.several import SeveralRuns
from imagesync.cli.targets import StoreNotes
from imagesync.errors import Bug, Diagnostic, ImagesyncError, UsageError
from imagesync.model.plan import Plan
from imagesync.model.report import Finished, Outcome, Started, StepResult
from imagesync.targets.messages import CHANGED, RUN, WARNING, Verb, encode_ended, encode_event, encode_planned
from imagesync.targets.run import TargetRuns
from tests.unit.factories import TARGET, catalog, inventory, live, plan, spec
from tests.unit.keyboard import Keyboard
from tests.unit.targets.scripted_carrier import ScriptedCarrier, plan_for

EU, US = plan_for("eu", "a"), plan_for("us", "a", "b")
IDLE = replace(
    plan(catalog(spec("a")), inventory(live(spec("a")))), target=replace(TARGET, location="ap"), target_name="ap"
)
LOST = encode_ended(problems=[Diagnostic("", 0, 0, "", "no route", "check it")])


class SeveralBench:
    """A run of several targets over a scripted carrier, with every file of results in a folder."""

    def __init__(self, folder: Path, *names: str, yes: bool = True, is_quiet: bool = False, **attrs: Any) -> None:
        form = attrs.pop("form", ResultForm.TEXT)
        self.folder, self.carrier, self.stores = folder, ScriptedCarrier(), StoreNotes()
        files = {name: folder / name for name in ("out", "ids", "events")}
        self.outputs = Outputs("apply", form, Copies([f"json={folder / 'also'}"]), Origin(folder, is_several=True))
        self.outputs.check()
        self.outputs.know_several("base")
        self.front = SeveralRuns(
            Results(form, **{**files, **attrs}), self.outputs, self.stores, yes=yes, is_quiet=is_quiet
        )
        waves = {name.partition(":")[0]: int(name.partition(":")[2] or 0) for name in names or ("eu", "us")}
        self.run = TargetRuns(
            self.carrier,
            waves,
            self.front,
            cancelled=self.front.cancelled,
            clock=lambda: self.carrier.seconds,
        )

    def finish(self, *actions: Callable[[], object]) -> ExitCode:
        """Carry it out; ``actions``: of the carrier, each when nothing is queued."""
        self.carrier.then(*actions)
        with self.front as front:
            return front.finish(self.run, "base")

    def plans(self, *plans: Plan, **more: Any) -> Callable[[], object]:
        """The answers of planning."""
        return lambda: self.carrier.planned(*plans, **more)

    def steps(self, made: Plan, outcome: Outcome = Outcome.DONE, **more: Any) -> Callable[[], object]:
        """A run with its events."""
        name = str(made.target_name)

        def answer() -> None:
            self.carrier.answer(name, Verb.APPLY, {"event": RUN})
            for step in made.steps:
                for event in (
                    Started(step),
                    Finished(StepResult(step, outcome, "id-1", "boom" * (outcome is Outcome.FAILED))),
                ):
                    self.carrier.answer(name, Verb.APPLY, encode_event(event))
            self.carrier.done(made, outcome=outcome, **more)

        return answer

    def read(self, name: str) -> Any:
        """The JSON of a file; None if it was not written."""
        path = self.folder / name
        return json.loads(path.read_text()) if path.exists() else None

    def outcomes(self) -> dict[str, str]:
        """By target, in the file of --out."""
        return {one["target"]: one["outcome"] for one in self.read("out")["targets"]}

    def events(self) -> list[tuple[str, str]]:
        """The target and the name of each event."""
        found = map(json.loads, (self.folder / "events").read_text().splitlines())
        return [(event.get("target", ""), event["event"]) for event in found]

    def ends(self) -> dict[str, tuple[str, str | None]]:
        """Outcome and error of the last event of each target."""
        found = map(json.loads, (self.folder / "events").read_text().splitlines())
        return {
            event.get("target", ""): (event["outcome"], event["error"])
            for event in found
            if event["event"] == "run-finished"
        }


def test_a_run_that_is_done_prints_plans_steps_and_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The steps are on standard error, with their targets. Every file has every target."""
    bench = SeveralBench(tmp_path)
    assert bench.finish(bench.plans(EU, US), bench.steps(EU), bench.steps(US)) is ExitCode.DONE
    out, err = capsys.readouterr()
    assert out.index("2 to create") < out.index("3 created") if "3 created" in out else "created" in out
    assert all(any(name in line and "create:" in line for line in err.splitlines()) for name in ("eu", "us"))
    assert bench.read("out") == bench.read("also")
    assert bench.outcomes() == {"eu": "done", "us": "done"}
    assert bench.read("ids") == {"eu": {"a": "id-1"}, "us": {"a": "id-1"}}
    assert bench.ends() == {"eu": ("done", None), "us": ("done", None)}
    assert bench.events().count(("us", "started")) == 2
    assert [event for event in bench.events() if event[0] == "eu"] == [
        ("eu", name) for name in ("run-started", "started", "finished", "run-finished")
    ]


@pytest.mark.parametrize("is_quiet", [False, True])
@pytest.mark.parametrize("form", [ResultForm.TEXT, ResultForm.JSON])
@pytest.mark.parametrize("kind", ["unchanged", "done", "failed"])
def test_what_is_printed_to_which_stream(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], is_quiet: bool, form: ResultForm, kind: str
) -> None:
    """With --quiet only what needs attention; a document always; the plans beside a document on standard error."""
    bench = SeveralBench(tmp_path, "ap" if kind == "unchanged" else "us", form=form, is_quiet=is_quiet)
    made = IDLE if kind == "unchanged" else US
    actions = [bench.plans(made)]
    if kind != "unchanged":
        actions.append(bench.steps(made, Outcome.DONE if kind == "done" else Outcome.FAILED))
    code = bench.finish(*actions)
    assert code is (ExitCode.FAILED if kind == "failed" else ExitCode.DONE)
    out, err = capsys.readouterr()
    display = "without changes" if kind == "unchanged" else "2 to create"
    if form is ResultForm.JSON:
        assert json.loads(out) == bench.read("out")
        assert (display in err) is not is_quiet
        assert ("boom" in err) is (kind == "failed"), "a reader of the log need not read the document"
    else:
        assert (f"{display}; " in out or f"{display}." in out) is (not is_quiet or (kind == "failed"))
        assert ("1 failed (us)" in out) is (kind == "failed")
        assert ("2 created" in out) is (kind == "done" and not is_quiet)
        assert display not in err
    if is_quiet and kind != "failed":
        assert (err, form is ResultForm.TEXT and out) in (("", ""), ("", False))


def test_the_outcome_of_each_target_decides_about_the_exit_code(tmp_path: Path) -> None:
    """One that failed is enough."""
    bench = SeveralBench(tmp_path, "eu", "us", "ap")
    code = bench.finish(
        bench.plans(US, IDLE),
        lambda: bench.carrier.answer("eu", Verb.PLAN, LOST),
        bench.steps(US),
    )
    assert code is ExitCode.FAILED
    assert bench.outcomes() == {"eu": "failed", "us": "done", "ap": "unchanged"}
    assert bench.read("ids") == {"us": {"a": "id-1"}, "ap": {"a": "id-a"}}, "a target without a plan has no ids"
    assert bench.ends()["eu"] == ("failed", "no route; check it")


def test_a_target_that_was_not_started_keeps_its_ids(tmp_path: Path) -> None:
    """Those of its plan: its images are as they were."""
    later = replace(US, ids={"b": "id-b"})
    bench = SeveralBench(tmp_path, "eu", "us:1")
    assert bench.finish(bench.plans(EU, later), bench.steps(EU, Outcome.FAILED)) is ExitCode.FAILED
    assert bench.outcomes() == {"eu": "failed", "us": "not-started"}
    assert bench.read("ids")["us"] == {"b": "id-b"}


@pytest.mark.parametrize("is_quiet", [False, True])
def test_one_question_names_the_steps_and_the_targets_that_have_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_quiet: bool
) -> None:
    """The plans are shown before it, also by a quiet run."""
    monkeypatch.setattr(sys, "stdin", Keyboard("y\n"))
    bench = SeveralBench(tmp_path, "eu", "us", "ap", yes=False, is_quiet=is_quiet)
    assert bench.finish(bench.plans(EU, US, IDLE), bench.steps(EU), bench.steps(US)) is ExitCode.DONE
    out, err = capsys.readouterr()
    assert "to create" in out
    assert "Apply 3 steps to 2 targets (eu, us)?" in err


@pytest.mark.parametrize("form", [ResultForm.TEXT, ResultForm.JSON])
def test_a_run_that_is_not_approved_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: ResultForm
) -> None:
    """Each target has a last event; --out and --ids are not written; the further files have the error."""
    monkeypatch.setattr(sys, "stdin", Keyboard("n\n"))
    bench = SeveralBench(tmp_path, yes=False, form=form)
    assert bench.finish(bench.plans(EU, US)) is ExitCode.FAILED
    out, err = capsys.readouterr()
    assert bench.carrier.applied() == []
    assert err.endswith("Not applied; no image was changed.\n")
    assert bench.ends() == dict.fromkeys(("eu", "us"), ("not-started", "not approved"))
    (error,) = bench.read("also")["errors"]
    assert error["message"] == "the run was not approved; no image was changed"
    assert (bench.read("out"), bench.read("ids")) == (None, None)
    if form is ResultForm.JSON:
        assert json.loads(out)["errors"] == [error]


def test_a_target_that_failed_keeps_its_reason_if_the_run_is_not_approved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others have that of the run."""
    monkeypatch.setattr(sys, "stdin", Keyboard("n\n"))
    bench = SeveralBench(tmp_path, yes=False)
    assert bench.finish(bench.plans(US), lambda: bench.carrier.answer("eu", Verb.PLAN, LOST)) is ExitCode.FAILED
    assert bench.ends() == {"eu": ("failed", "no route; check it"), "us": ("not-started", "not approved")}


def test_a_question_needs_a_terminal(tmp_path: Path) -> None:
    """Each target has a last event with the reason."""
    bench = SeveralBench(tmp_path, yes=False)
    with pytest.raises(UsageError):
        bench.finish(bench.plans(EU, US))
    assert {error and error.partition(",")[0] for _, error in bench.ends().values()} == {
        "this command asks for confirmation"
    }
    assert set(bench.ends()) == {"eu", "us"}


def test_an_error_before_the_targets_are_known_is_one_event(tmp_path: Path) -> None:
    """In one line, without secrets and without a target."""
    bench = SeveralBench(tmp_path)

    def stop() -> None:
        with bench.front:
            raise ImagesyncError("m.yaml is wrong\x1b\nhttps://user:s3cr3t@x/")

    with pytest.raises(ImagesyncError):
        stop()
    ((name, (_, error)),) = bench.ends().items()
    assert name == ""
    assert error is not None
    assert error.startswith("m.yaml is wrong")
    assert "; " in error
    assert not any(word in error for word in ("s3cr3t", "\x1b", "\n"))


def test_another_plan_than_the_shown_one_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its target, before its steps."""
    bench = SeveralBench(tmp_path, "us")
    other = replace(plan_for("us", "c"), target=US.target)

    def change() -> None:
        bench.carrier.answer("us", Verb.APPLY, {"event": CHANGED, **encode_planned(other, [])} | {"event": CHANGED})
        bench.steps(other)()

    assert bench.finish(bench.plans(US), change) is ExitCode.DONE
    out, err = capsys.readouterr()
    assert "us: live images changed meanwhile; apply continues with this plan:" in err
    assert out.index("2 to create") < out.index("+ c")
    assert bench.events().count(("us", "run-started")) == 2
    assert out.startswith("us: 2 changes\n")
    assert "\n\nus: 1 change\n" in out, "an empty line is between two plans"
    assert "\n\n\n" not in out


def test_a_warning_has_its_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For example which run holds the lease."""
    bench = SeveralBench(tmp_path, "eu")

    def warn() -> None:
        bench.carrier.answer("eu", Verb.APPLY, {"event": WARNING, "text": "waits"})
        bench.steps(EU)()

    bench.finish(bench.plans(EU), warn)
    assert "eu: waits\n" in capsys.readouterr().err


def test_stores_that_are_created_are_named_once_before_the_plans(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All in one line."""
    bench = SeveralBench(tmp_path)

    def plans() -> None:
        for name in ("eu", "us"):
            bench.stores.make_report(name)(f"./{name}", True)
        bench.carrier.planned(EU, US)

    bench.finish(plans, bench.steps(EU), bench.steps(US))
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "./eu" in line]
    assert "./us" in line


def test_the_last_lines_of_the_plans_count_all_targets_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also if their plans are shown one after another, as the targets answer."""
    bench = SeveralBench(tmp_path)
    waits = [lambda: None] * 4
    bench.finish(bench.plans(EU), *waits, bench.steps(EU), bench.plans(US), bench.steps(US))
    out = capsys.readouterr().out
    assert out.count("3 to create") == 1
    assert out.index("+ a") < out.index("3 to create")


def test_each_file_that_cannot_be_written_is_named_after_the_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No bad file prevents the others."""
    full = Path("/dev/full")
    bench = SeveralBench(tmp_path, "us", out=full, events=full)
    with pytest.raises(ImagesyncError, match="/dev/full cannot be written"):
        bench.finish(bench.plans(US), bench.steps(US))
    out, err = capsys.readouterr()
    assert "2 created" in out
    assert err.count("imagesync: /dev/full cannot be written") == 1
    assert bench.read("ids") == {"us": {"a": "id-1"}}
    assert bench.read("also")["succeeded"]


def test_a_bug_ends_the_run_after_its_files_are_written(tmp_path: Path) -> None:
    """The other targets continue; all bugs are in one log."""
    bench = SeveralBench(tmp_path, "eu", "ap", "us")
    with pytest.raises(Bug) as caught:
        bench.finish(
            bench.plans(US),
            lambda: bench.carrier.answer("eu", Verb.PLAN, encode_ended(bug="Traceback of eu")),
            lambda: bench.carrier.answer("ap", Verb.PLAN, encode_ended(bug="Traceback of ap")),
            bench.steps(US),
        )
    assert str(caught.value) == "Traceback of eu\nTraceback of ap"
    assert bench.outcomes() == {"eu": "failed", "ap": "failed", "us": "done"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("has_bug", [False, True])
def test_a_signal_counts_before_a_bug_and_a_failure(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: int,
    has_bug: bool,
) -> None:
    """The log of the bug is written all the same."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # for the log
    bench = SeveralBench(tmp_path, "us")

    def stop() -> None:
        signal.raise_signal(number)
        ended = (
            encode_ended(bug="Traceback of us") if has_bug else encode_ended(problems=[Diagnostic("", 0, 0, "", "x")])
        )
        bench.carrier.answer("us", Verb.APPLY, ended)

    assert bench.finish(bench.plans(US), stop) == code
    assert bench.outcomes() == {"us": "interrupted"}
    assert ("imagesync has a bug" in capsys.readouterr().err) is has_bug


def test_a_signal_after_all_targets_are_done_changes_nothing(tmp_path: Path) -> None:
    """Every target is as the manifest says."""
    bench = SeveralBench(tmp_path, "us")

    def stop() -> None:
        bench.steps(US)()
        signal.raise_signal(signal.SIGINT)

    assert bench.finish(bench.plans(US), stop) is ExitCode.DONE


def test_a_target_that_is_still_planned_does_not_keep_an_interrupted_process_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread may wait for a silent server."""
    ends = list[int]()
    monkeypatch.setattr(os, "_exit", ends.append)
    bench = SeveralBench(tmp_path)
    bench.front._interrupts.let_steps_end()
    bench.finish(bench.plans(EU), lambda: signal.raise_signal(signal.SIGTERM))
    assert ends == [ExitCode.TERMINATED]
    assert bench.outcomes() == {"eu": "not-started", "us": "not-started"}
    assert set(bench.ends()) == {"eu", "us"}


@pytest.mark.parametrize("end", [KeyboardInterrupt, typer.Abort, lambda: Interrupted("interrupted", signal.SIGTERM)])
def test_an_interrupt_before_a_plan_says_so(tmp_path: Path, end: Callable[[], BaseException]) -> None:
    """Nothing is written but the last events."""
    for known in (False, True):
        bench = SeveralBench(tmp_path)

        def stop() -> None:
            raise end()

        def run(bench: SeveralBench = bench, known: bool = known) -> None:
            if known:
                bench.finish(stop)
                return
            with bench.front:
                stop()

        with pytest.raises(Interrupted) as caught:
            run()
        assert caught.value.text == "interrupted before a plan was made; nothing was changed"
        assert caught.value.number == signal.SIGINT
        assert {error for _, error in bench.ends().values()} == {"interrupted before a plan was made"}
        assert set(bench.ends()) == ({"eu", "us"} if known else {""})
        assert bench.read("out") is None


@pytest.mark.parametrize("end", [KeyboardInterrupt, typer.Abort])
def test_an_interrupt_before_the_first_step_writes_what_is_planned(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    end: type[BaseException],
) -> None:
    """^C at the question, for example. The process ends at once."""
    ends = list[int]()
    monkeypatch.setattr(os, "_exit", ends.append)
    bench = SeveralBench(tmp_path, "eu", "us:1")

    def stop() -> None:
        raise end

    bench.carrier.then(bench.plans(replace(EU, ids={"z": "id-z"})), stop)
    with pytest.raises(end), bench.front as front:  # the exit that is replaced here ends the process before
        front.finish(bench.run, "base")
    assert ends == [ExitCode.INTERRUPTED]
    assert bench.outcomes() == {"eu": "not-started", "us": "not-started"}
    assert [one["wave"] for one in bench.read("out")["targets"]] == [0, 1]
    assert bench.read("ids") == {"eu": {"z": "id-z"}}
    assert "imagesync: interrupted before the first step; nothing was changed\n" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["no plan", "running", "ended"])
def test_a_run_that_is_stopped_at_once_writes_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """A target that ended, one that runs, one that was not started."""
    ends = list[int]()

    def leave(code: int) -> None:
        ends.append(code)
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", leave)
    bench = SeveralBench(tmp_path, "eu", "us", "ap:1")
    later = replace(IDLE, steps=EU.steps, ids={"z": "id-z"})

    def stop() -> None:
        bench.front._abandon()

    def stop_first() -> None:
        with bench.front:
            stop()

    def run() -> None:
        bench.steps(EU)()
        if kind == "running":
            bench.carrier.answer("us", Verb.APPLY, {"event": RUN})
            first, second = US.steps
            for event in (Started(first), Finished(StepResult(first, Outcome.DONE, "id-9")), Started(second)):
                bench.carrier.answer("us", Verb.APPLY, encode_event(event))

    if kind == "no plan":
        with pytest.raises(SystemExit):
            stop_first()
        assert "imagesync: stopped; nothing was changed" in capsys.readouterr().err
        assert bench.read("out") is None
        assert ends
        return
    with pytest.raises(SystemExit):
        bench.finish(bench.plans(EU, US, later), run, stop)
    assert bench.outcomes() == {
        "eu": "done",
        "us": "interrupted" if kind == "running" else "not-started",
        "ap": "not-started",
    }
    ids = bench.read("ids")
    assert (ids["eu"], ids["ap"]) == ({"a": "id-1"}, {"z": "id-z"})
    if kind == "running":
        assert ids["us"] == {US.steps[0].action.key: "id-9"}
        report = bench.read("out")["targets"][1]["report"]
        assert [one["outcome"] for one in report["results"]] == ["done", "interrupted"]
    assert (UNKNOWN in capsys.readouterr().err) is (kind == "running")


def test_a_log_file_has_the_plans_the_steps_and_the_report(tmp_path: Path) -> None:
    """With their targets, also of a quiet run."""
    set_up_logs(LogOptions(log_file=tmp_path / "log"))
    try:
        bench = SeveralBench(tmp_path, "us", is_quiet=True)
        bench.finish(bench.plans(US), bench.steps(US, Outcome.FAILED))
    finally:
        set_up_logs()
    text = (tmp_path / "log").read_text()
    for words in ("target us: ", "2 to create", "create:a", "1 failed (us)"):
        assert words in text
