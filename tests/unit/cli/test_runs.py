"""What a command reports of its run: what is printed, which files are written, and the exit code, after each end."""

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.interrupts import Interrupted
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import Locking, Options
from imagesync.cli.origins import Origin
from imagesync.cli.outputs import Outputs
from imagesync.cli.progress import ProgressStyle
from imagesync.cli.result_options import Copies, ResultForm, Results
from imagesync.cli.results import PlanResult
from imagesync.cli.runs import (
    UNKNOWN,
    Run,
    describe_running,
    make_pins,
    make_settings,
    make_unlock_command,
    read_catalog,
    show_plan,
)
from imagesync.errors import Bug, Diagnostic, ImagesyncError, UsageError
from imagesync.lease import LOCK_TIMEOUT
from imagesync.model.plan import Kind, Plan, PlanError
from imagesync.model.report import Finished, Outcome, Report, Started, StepResult
from imagesync.render.report import format_report
from imagesync.run import RunResult
from imagesync.sources import SourceAccess
from tests.unit.factories import catalog, inventory, live, plan, spec
from tests.unit.keyboard import Keyboard

TOKEN = "gAAAAABmabcdefghijklmnopqrstuvwxyz-_0123456789=="


@pytest.mark.parametrize(
    ("pair", "display"),
    [
        ("STREAM=noble", "STREAM=noble"),
        ("TOKEN=s3cr3t-Pa55", "TOKEN=VALUE"),
        (f"WHERE={TOKEN}", "WHERE=VALUE"),
        ("URL=https://user:s3cr3t@mirror.example/a", "URL=VALUE"),
        ("EMPTY=", "EMPTY="),
    ],
)
def test_the_unlock_command_contains_no_secret(pair: str, display: str) -> None:
    """Logs of pipelines keep it."""
    command = make_unlock_command(Path("images"), Options(cloud="eu", set_values=[pair]))
    assert command == f"imagesync unlock images --cloud eu --set {display}"


def test_a_second_signal_after_the_results_were_written_does_not_write_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program reads one document from the output."""
    ends = list[int]()
    monkeypatch.setattr(os, "_exit", ends.append)
    outputs = Outputs("apply", ResultForm.JSON, Copies(), Origin(tmp_path))
    run = Run(Results(ResultForm.JSON, tmp_path / "report.json"), outputs, yes=True)

    def stop() -> None:
        with run:
            run.hooks.show(plan(catalog(spec("a")), inventory()))
            raise Interrupted("interrupted")

    with pytest.raises(Interrupted):
        stop()
    assert json.loads((tmp_path / "report.json").read_text())["interrupted"]
    run._abandon()
    assert len(ends) == 1
    assert json.loads(capsys.readouterr().out)["interrupted"]


# ------------------------------------------------------------------------------------------------------- small rules


def test_the_settings_of_a_run_are_those_of_the_options() -> None:
    """The command that breaks the lease has no keys: the lease is that of the whole catalog."""
    options = Options(cloud="eu", jobs=3, only=["a"])
    usual, other = (make_settings(Path("m"), options, one) for one in (Locking(), Locking(7.0)))
    assert (usual.jobs, usual.lock, usual.lock_timeout) == (3, True, LOCK_TIMEOUT)
    assert (other.lock, other.lock_timeout) == (True, 7)
    assert not make_settings(Path("m"), options, Locking(no_lock=True)).lock
    assert usual.unlock == "imagesync unlock m --cloud eu"


def test_pins_of_a_stage_run_are_its_candidates() -> None:
    """Of any other run the current images."""
    made = plan(catalog(spec("a")), inventory())
    done = Report(made, (StepResult(made.steps[0], Outcome.DONE, "id-a"),))
    assert make_pins(done, {"a": "id-a"}) == {"a": "id-a"}
    assert make_pins(replace(done, plan=replace(made, kind=Kind.STAGE)), {"a": "old"}) == {"candidates": {}}
    for kind in Kind:
        pins = make_pins(Report(replace(made, kind=kind), ()), {"a": "old"})
        assert ("candidates" in pins) is (kind is Kind.STAGE)


class UnansweredBackend:
    """A backend that does not answer."""

    def __getattr__(self, name: str) -> Any:
        raise ImagesyncError("no answer")


def test_a_plan_is_shown_also_if_the_lease_cannot_be_read() -> None:
    """The note only explains it."""
    assert describe_running(UnansweredBackend(), "base", "imagesync unlock") == ""


ERROR = PlanError("b", Diagnostic("m.yaml", 3, 1, "images.b", "its source is gone", "correct it"))


@pytest.mark.parametrize("form", [ResultForm.TEXT, ResultForm.JSON, ResultForm.MARKDOWN])
def test_the_errors_of_a_plan_are_lines_if_the_output_is_not_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: ResultForm
) -> None:
    """The log of a pipeline has them; the text has them already."""
    made = replace(plan(catalog(spec("a")), inventory()), errors=(ERROR,))
    outputs = Outputs("plan", form, Copies([f"text={tmp_path / 'x'}"]), Origin(tmp_path))
    outputs.check()
    show_plan(PlanResult(made, tmp_path), outputs)
    out, err = capsys.readouterr()
    assert "its source is gone" in out
    assert "its source is gone" in (tmp_path / "x").read_text()
    assert ("imagesync: m.yaml:3" in err) is (form is not ResultForm.TEXT)


# -------------------------------------------------------------------------------------------------------------- runs

CREATE = plan(catalog(spec("a"), spec("b")), inventory())
IDLE = plan(catalog(spec("a")), inventory(live(spec("a"))))


class RunBench:
    """A run with every file of results in a folder."""

    def __init__(self, folder: Path, *, yes: bool = True, is_quiet: bool = False, **attrs: Any) -> None:
        form = attrs.pop("form", ResultForm.TEXT)
        self.folder = folder
        files = {name: folder / name for name in ("out", "ids", "events")}
        self.outputs = Outputs(
            "apply", form, Copies([f"json={folder / 'also'}"]), Origin(folder, catalog="base", target="lab")
        )
        self.outputs.check()
        self.run = Run(Results(form, **{**files, **attrs}), self.outputs, yes=yes, is_quiet=is_quiet)

    def read(self, name: str) -> Any:
        """The JSON of a file; None if it was not written."""
        path = self.folder / name
        return json.loads(path.read_text()) if path.exists() else None

    def events(self) -> list[dict[str, Any]]:
        """The lines of the file of events."""
        return [json.loads(line) for line in (self.folder / "events").read_text().splitlines()]

    def apply(
        self,
        made: Plan,
        *outcomes: Outcome,
        approved: bool = True,
        before: Callable[[], object] | None = None,
        **attrs: Any,
    ) -> ExitCode:
        """Show a plan, carry out its steps with these outcomes, and finish."""
        results = tuple(
            StepResult(step, one, f"id-{step.action.key}", "boom" * (one is Outcome.FAILED))
            for step, one in zip(made.steps, outcomes, strict=False)
        )
        with self.run as run:
            run.hooks.show(made)
            if results:
                with run.hooks.watch(made) as watch:
                    if before is not None:
                        before()
                    for result in results:
                        watch.notify(Started(result.step))
                        watch.notify(Finished(result))
            return run.finish(RunResult(Report(made, results, **attrs), {"a": "id-a"}, approved))


def test_a_run_that_is_done_prints_plan_steps_and_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan and the closing lines are the output; the steps are on standard error. Every file is written."""
    bench = RunBench(tmp_path)
    assert bench.apply(CREATE, Outcome.DONE, Outcome.DONE) is ExitCode.DONE
    out, err = capsys.readouterr()
    assert out.index("2 to create") < out.index("2 created")
    assert "2 created" not in err
    assert err.count("create:a") + err.count("create:b") >= 2
    assert bench.read("out") == bench.read("also")
    assert bench.read("out")["succeeded"] is True
    assert bench.read("out")["ids"] == {"a": "id-a"}
    assert bench.read("ids") == {"a": "id-a"}
    events = bench.events()
    assert [event["event"] for event in events] == [
        "run-started",
        *["started", "finished"] * 2,
        "run-finished",
    ]
    assert events[-1]["outcome"] == "done"


@pytest.mark.parametrize(
    ("outcomes", "attrs", "code"),
    [
        ((Outcome.DONE, Outcome.DONE), {}, ExitCode.DONE),
        ((Outcome.DONE, Outcome.DEFERRED), {}, ExitCode.DONE),
        ((Outcome.DONE, Outcome.FAILED), {}, ExitCode.FAILED),
        ((Outcome.DONE, Outcome.DONE), {"leftover": ("a: hidden",)}, ExitCode.FAILED),
        ((Outcome.DONE, Outcome.DONE), {"stopped": "another run"}, ExitCode.FAILED),
        ((Outcome.DONE, Outcome.INTERRUPTED), {"interrupted": True}, ExitCode.INTERRUPTED),
    ],
)
@pytest.mark.parametrize("is_quiet", [False, True])
def test_the_exit_code_is_that_of_the_report(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    outcomes: tuple[Outcome, ...],
    attrs: dict[str, Any],
    code: ExitCode,
    is_quiet: bool,
) -> None:
    """With --quiet, a run with --yes prints only what needs attention."""
    bench = RunBench(tmp_path, is_quiet=is_quiet)
    assert bench.apply(CREATE, *outcomes, **attrs) is code
    out, err = capsys.readouterr()
    assert ("2 to create" in out) is not is_quiet
    assert bool(out) is not (is_quiet and code is ExitCode.DONE)
    assert err == "" or not is_quiet
    assert bench.read("out")["succeeded"] is (code is ExitCode.DONE)


def test_an_interrupted_run_has_the_code_of_its_signal(tmp_path: Path) -> None:
    """SIGTERM is not ^C. Its steps end, and its files are written."""
    bench = RunBench(tmp_path)
    code = bench.apply(
        CREATE,
        Outcome.DONE,
        Outcome.NOT_STARTED,
        before=lambda: signal.raise_signal(signal.SIGTERM),
        interrupted=True,
    )
    assert code is ExitCode.TERMINATED
    assert bench.read("out")["interrupted"] is True


@pytest.mark.parametrize("is_quiet", [False, True])
@pytest.mark.parametrize("form", [ResultForm.JSON, ResultForm.MARKDOWN])
def test_a_report_that_is_not_text_is_the_only_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: ResultForm, is_quiet: bool
) -> None:
    """The plan is on standard error, unless the run is quiet; the report is printed once, also by a quiet run."""
    bench = RunBench(tmp_path, form=form, is_quiet=is_quiet)
    assert bench.apply(CREATE, Outcome.DONE, Outcome.FAILED) is ExitCode.FAILED
    out, err = capsys.readouterr()
    assert "2 to create" not in out
    assert ("2 to create" in err) is not is_quiet
    assert "boom" in err, "a reader of the log need not read the document"
    if form is ResultForm.JSON:
        assert json.loads(out) == bench.read("out")
    else:
        assert out.count("<!-- imagesync") == 1


def test_a_run_without_steps_prints_no_second_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan says that nothing is to do."""
    bench = RunBench(tmp_path)
    assert bench.apply(IDLE) is ExitCode.DONE
    first = capsys.readouterr().out
    assert first.endswith("No changes. 1 image matches the manifest.\n")
    assert [event["event"] for event in bench.events()] == ["run-started", "run-finished"]
    assert bench.events()[-1]["outcome"] == "unchanged"
    assert bench.read("out")["succeeded"] is True
    with_error = RunBench(tmp_path)
    assert with_error.apply(replace(IDLE, errors=(ERROR,))) is ExitCode.FAILED
    closing = format_report(Report(replace(IDLE, errors=(ERROR,)), ()))
    assert capsys.readouterr().out.endswith(f"\n{closing}\n")
    assert closing


def test_steps_that_another_run_did_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan that was shown had steps; the plan under the lease has none. The events have both plans."""
    bench = RunBench(tmp_path)
    with bench.run as run:
        run.hooks.show(CREATE)
        display = capsys.readouterr().out
        assert run.hooks.approve_change is not None
        assert run.hooks.approve_change(IDLE)
        out, err = capsys.readouterr()
        assert "Live images changed meanwhile; apply continues with this plan:" in err
        assert out
        assert out != display
        assert run.finish(RunResult(Report(IDLE, ()), {})) is ExitCode.DONE
    assert [event["event"] for event in bench.events()] == ["run-started", "run-started", "run-finished"]


def test_the_same_plan_begins_once(tmp_path: Path) -> None:
    """It is shown before the lease, and watched under it."""
    bench = RunBench(tmp_path)
    with bench.run as run:
        run.hooks.show(CREATE)
        with run.hooks.watch(CREATE):
            pass
        with run.hooks.watch(IDLE):
            pass
        run.finish(RunResult(Report(IDLE, ()), {}))
    assert [event["event"] for event in bench.events()] == ["run-started", "run-started", "run-finished"]


def test_a_change_is_never_approved_without_yes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed: the question follows."""
    bench = RunBench(tmp_path, yes=False)
    hooks = bench.run.hooks
    with bench.run:
        assert hooks.approve_change is not None
        assert not hooks.approve_change(CREATE)
    assert capsys.readouterr() == ("", "")


def test_a_question_needs_a_terminal(tmp_path: Path) -> None:
    """The last event says so."""
    bench = RunBench(tmp_path, yes=False)

    def ask() -> None:
        with bench.run as run:
            run.hooks.approve(CREATE)

    with pytest.raises(UsageError):
        ask()
    assert bench.events()[-1]["error"].startswith("this command asks for confirmation")


@pytest.mark.parametrize(("typed", "expected"), [("y\n", True), ("n\n", False), ("\n", False)])
@pytest.mark.parametrize("is_quiet", [False, True])
def test_the_question_has_the_number_of_steps_and_the_place(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    expected: bool,
    is_quiet: bool,
) -> None:
    """A quiet run shows what it asks about, too."""
    monkeypatch.setattr(sys, "stdin", Keyboard(typed))
    bench = RunBench(tmp_path, yes=False, is_quiet=is_quiet)
    with bench.run as run:
        run.hooks.show(CREATE)
        assert run.hooks.approve(CREATE) is expected
        code = run.finish(RunResult(Report(CREATE, ()), {}, approved=False))
    assert code is ExitCode.FAILED
    out, err = capsys.readouterr()
    assert "2 to create" in out
    assert "Apply 2 steps to" in err
    assert err.endswith("Not applied; no image was changed.\n")


def test_a_run_that_is_not_approved_writes_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To each format; --out and --ids get nothing. The last event says why."""
    bench = RunBench(tmp_path, form=ResultForm.JSON)
    assert bench.apply(CREATE, approved=False) is ExitCode.FAILED
    out, err = capsys.readouterr()
    (error,) = json.loads(out)["errors"]
    assert error["message"] == "the run was not approved; no image was changed"
    assert bench.read("also")["errors"] == [error]
    assert (bench.read("out"), bench.read("ids")) == (None, None)
    assert bench.events()[-1]["error"] == "not approved"
    assert err.endswith("Not applied; no image was changed.\n")


def test_a_bug_in_a_step_ends_the_run_after_its_files_are_written(tmp_path: Path) -> None:
    """The other steps are in the report."""
    bench = RunBench(tmp_path)
    with pytest.raises(Bug, match="Traceback"):
        bench.apply(CREATE, Outcome.DONE, Outcome.FAILED, bug="Traceback")
    assert len(bench.read("out")["results"]) == 2
    assert bench.read("ids") == {"a": "id-a"}
    assert bench.events()[-1]["outcome"] == "failed"


def test_each_file_that_cannot_be_written_is_named_after_the_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No bad file prevents the others or the closing lines. The run has failed."""
    full = Path("/dev/full")
    bench = RunBench(tmp_path, out=full, events=full)
    with pytest.raises(ImagesyncError, match="/dev/full cannot be written"):
        bench.apply(CREATE, Outcome.DONE, Outcome.DONE)
    out, err = capsys.readouterr()
    assert "2 created" in out
    assert err.count("imagesync: /dev/full cannot be written") == 1
    assert bench.read("ids") == {"a": "id-a"}
    assert bench.read("also")["succeeded"]


@pytest.mark.parametrize("end", [KeyboardInterrupt, typer.Abort, lambda: Interrupted("interrupted", signal.SIGTERM)])
@pytest.mark.parametrize("has_plan", [False, True])
def test_a_run_that_is_interrupted_before_its_first_step(
    tmp_path: Path, end: Callable[[], BaseException], has_plan: bool
) -> None:
    """If a plan was made, the files have it, with the images as they are; nothing was changed."""
    bench = RunBench(tmp_path)
    made = replace(CREATE, ids={"z": "id-z"})

    def stop() -> None:
        with bench.run as run:
            if has_plan:
                run.hooks.show(made)
            raise end()

    with pytest.raises(Interrupted) as caught:
        stop()
    what = "the first step" if has_plan else "the plan was made"
    assert caught.value.text == f"interrupted before {what}; nothing was changed"
    assert caught.value.number == signal.SIGINT, "without a signal of its own"
    assert bench.read("ids") == ({"z": "id-z"} if has_plan else None)
    assert (bench.read("out") or {"interrupted": None})["interrupted"] is (True if has_plan else None)
    if has_plan:
        assert bench.events()[-1]["outcome"] == "interrupted"


def test_an_interrupt_before_the_first_step_has_the_number_of_its_signal(tmp_path: Path) -> None:
    """For the exit code."""
    bench = RunBench(tmp_path)

    def stop() -> None:
        with bench.run:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted) as caught:
        stop()
    assert caught.value.number == signal.SIGTERM


def test_an_error_before_the_first_step_is_the_last_event(tmp_path: Path) -> None:
    """In one line, and without secrets."""
    bench = RunBench(tmp_path)

    def stop() -> None:
        with bench.run as run:
            run.hooks.show(CREATE)
            raise ImagesyncError(f"no answer\x1b\nof https://user:s3cr3t@x/ or of {TOKEN}")

    with pytest.raises(ImagesyncError):
        stop()
    last = bench.events()[-1]
    assert last["event"] == "run-finished"
    assert last["error"].startswith("no answer")
    assert "; of" in last["error"]
    assert all(word not in last["error"] for word in ("s3cr3t", TOKEN, "\x1b"))


def test_a_command_that_finds_nothing_to_plan_for_has_a_last_event(tmp_path: Path) -> None:
    """For example adopt without an image to adopt."""
    bench = RunBench(tmp_path)
    with bench.run:
        pass
    assert [(event["event"], event["outcome"]) for event in bench.events()] == [("run-finished", "unchanged")]


@pytest.mark.parametrize("kind", ["no plan", "not started", "running", "ended"])
def test_a_run_that_is_stopped_at_once_writes_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """The outcome of a running step is unknown, and the output says so."""
    ends = list[int]()
    monkeypatch.setattr(os, "_exit", ends.append)
    bench = RunBench(tmp_path)
    first = CREATE.steps[0]
    with bench.run as run:
        if kind != "no plan":
            run.hooks.show(CREATE)
            with run.hooks.watch(CREATE) as watch:
                if kind != "not started":
                    watch.notify(Started(first))
                if kind == "ended":
                    watch.notify(Finished(StepResult(first, Outcome.DONE, "id-a")))
                signal.raise_signal(signal.SIGTERM)
                run._abandon()
        else:
            run._abandon()
    assert ends == [ExitCode.INTERRUPTED if kind == "no plan" else ExitCode.TERMINATED]
    out, err = capsys.readouterr()
    assert ("imagesync: stopped; nothing was changed" in err) is (kind == "no plan")
    assert (UNKNOWN in err) is (kind == "running")
    if kind == "no plan":
        assert bench.read("out") is None
        return
    report = bench.read("out")
    outcomes = [result["outcome"] for result in report["results"]]
    expected = {"not started": "not-started", "running": "interrupted", "ended": "done"}[kind]
    assert (report["interrupted"], outcomes) == (True, [expected, "not-started"])
    assert bench.read("ids") == ({"a": "id-a"} if kind == "ended" else {})
    assert "not started" in out


def test_files_that_cannot_be_written_at_a_stop_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process ends all the same."""
    ends = list[int]()
    monkeypatch.setattr(os, "_exit", ends.append)
    bench = RunBench(tmp_path, out=Path("/dev/full"), ids=Path("/dev/full"))
    with bench.run as run:
        run.hooks.show(CREATE)
        run._abandon()
    assert len(ends) == 1
    assert capsys.readouterr().err.count("imagesync: /dev/full cannot be written") == 2


def test_a_log_file_has_plan_steps_and_report(tmp_path: Path) -> None:
    """Also of a quiet run."""
    set_up_logs(LogOptions(log_file=tmp_path / "log"))
    try:
        bench = RunBench(tmp_path, is_quiet=True)
        bench.apply(replace(CREATE, copies=("copied-1", "copied-2")), Outcome.DONE, Outcome.FAILED)
    finally:
        set_up_logs()
    text = (tmp_path / "log").read_text()
    for words in ("catalog base, ", "2 to create", "create:a", "boom", "1 created", "copied-1, copied-2"):
        assert words in text


def test_a_plan_gets_the_options_that_select_its_manifest(tmp_path: Path) -> None:
    """The target and its values, the keys, what is allowed, and how warnings count."""
    text = "version: 1\ncatalog: base\ntargets: {eu: {store: eu}, us: {store: us}}\nimages:\n"
    for key in ("a", "b"):
        text += f"  {key}: {{name: '${{N}}-{key}', source: {key}.raw, disk_format: raw, container_format: bare}}\n"
        (tmp_path / f"{key}.raw").write_bytes(b"\xf8" * 1000)
    path = tmp_path / "m.yaml"
    path.write_text(text)
    access = SourceAccess()
    options = Options(target="us", set_values=["N=x"], only=["b"])
    found = read_catalog(path, options, access)
    assert (found.target.name, [one.name for one in found.images]) == ("us", ["x-b"])
    store = Options(store=tmp_path / "us", set_values=["N=x"])
    assert read_catalog(path, store, access).target.name == "us"
    assert read_catalog(path, Options(cloud="west", set_values=["N=x"]), access).target.cloud == "west"
    path.write_text(f"profiles: {{old: {{visibility: public}}}}\n{text}")
    read_catalog(path, options, access)
    with pytest.raises(ImagesyncError, match="old"):
        read_catalog(path, replace(options, strict=True), access)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "m.yaml").write_text(text.replace("source: ", "source: ../"))
    with pytest.raises(ImagesyncError):
        read_catalog(tmp_path / "in", options, access)
    assert read_catalog(tmp_path / "in", replace(options, allow_outside=True), access).images


def test_with_yes_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a terminal."""
    monkeypatch.setattr(sys, "stdin", Keyboard("n\n"))
    bench = RunBench(tmp_path)
    with bench.run as run:
        assert run.hooks.approve(CREATE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_a_run_signals_do_what_they_did_before(tmp_path: Path, number: int) -> None:
    """Whatever ended it."""
    before = signal.getsignal(number)
    bench = RunBench(tmp_path)

    def stop() -> None:
        with bench.run:
            assert signal.getsignal(number) is not before
            raise ImagesyncError("no answer")

    with pytest.raises(ImagesyncError):
        stop()
    assert signal.getsignal(number) is before


def test_an_interrupt_names_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """Instead of the interrupt: the reader expects the file."""
    bench = RunBench(tmp_path, out=Path("/dev/full"))

    def stop() -> None:
        with bench.run as run:
            run.hooks.show(CREATE)
            raise KeyboardInterrupt

    with pytest.raises(ImagesyncError, match="/dev/full"):
        stop()


def test_steps_that_are_gone_have_a_closing_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan before the question had some; another run did them meanwhile."""
    bench = RunBench(tmp_path)
    with bench.run as run:
        run.hooks.show(CREATE)
        before = capsys.readouterr().out
        run.finish(RunResult(Report(IDLE, ()), {}))
    assert before
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("color", [None, True, False])
@pytest.mark.parametrize("is_quiet", [False, True])
@pytest.mark.parametrize("form", [ResultForm.TEXT, ResultForm.JSON])
def test_the_progress_has_the_style_of_the_run(
    tmp_path: Path, color: bool | None, is_quiet: bool, form: ResultForm
) -> None:
    """Its colors; the reason of a failure at once, if no closing lines follow."""
    style = RunBench(tmp_path, color=color, is_quiet=is_quiet, form=form, events=None).run._make_style()
    assert style == ProgressStyle(is_quiet, form is not ResultForm.TEXT, color)


class ClosedWatcher:
    """A watcher that remembers when it was closed."""

    def __init__(self, folder: Path) -> None:
        self._out = folder / "out"
        self.had_results: list[bool] = []

    def close(self) -> None:
        """Remember whether the results were written before."""
        self.had_results.append(self._out.exists())


def test_a_stop_at_once_removes_the_bars_before_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the closing lines are drawn over."""
    monkeypatch.setattr(os, "_exit", lambda _code: None)
    bench, watcher = RunBench(tmp_path), ClosedWatcher(tmp_path)
    with bench.run as run:
        run.hooks.show(CREATE)
        run._watcher = watcher  # type: ignore[assignment]
        run._abandon()
    assert watcher.had_results == [False]
    assert bench.read("out")["interrupted"]
