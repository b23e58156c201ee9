"""A command for several targets on a terminal: it prints their plans, asks once, and prints what happens. Does I/O."""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import typer

from imagesync.backends.base import MissingStore
from imagesync.cli import streams
from imagesync.cli.bug_log import write_bug_log
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.files import find_folder, write_json
from imagesync.cli.interrupts import Interrupted, Interrupts, choose_exit_code
from imagesync.cli.logs import has_log_file, note
from imagesync.cli.outputs import Outputs, raise_last
from imagesync.cli.progress import EventLines, LogLines, ProgressStyle, Watcher, open_watcher
from imagesync.cli.result_options import ResultForm, Results
from imagesync.cli.results import PlansResult, RunsReport
from imagesync.cli.runs import MAX_ENDING, UNKNOWN, make_pins
from imagesync.cli.streams import say
from imagesync.cli.target_group import Group
from imagesync.cli.target_options import SharingOptions
from imagesync.cli.targets import StoreNotes
from imagesync.cli.terminal import confirm
from imagesync.errors import Bug, ImagesyncError
from imagesync.model.partial_report import ReportSoFar
from imagesync.model.plan import Plan
from imagesync.model.report import Event, Finished, Report
from imagesync.model.targets import PlannedTarget, TargetOutcome, TargetRun
from imagesync.render.progress import label_event, label_plan
from imagesync.render.result import run_finished_to_json, run_started_to_json
from imagesync.render.style import format_count
from imagesync.render.summary import format_counts
from imagesync.render.target_groups import list_targets
from imagesync.render.target_text import format_target_runs, has_errors
from imagesync.run import Settings
from imagesync.secrets import hide_secrets
from imagesync.targets.run import TargetPlans, TargetRuns
from imagesync.text import make_printable


def plan_targets(
    group: Group, outputs: Outputs, out: Path | None, ids: Path | None, *, detailed_exitcode: bool
) -> ExitCode:
    """Print the plans of all targets, and save them."""
    subjects = group.read_subjects()
    outputs.know_several(subjects.catalog)
    settings = Settings(jobs=group.options.jobs)
    folder = find_folder(out) if out else Path()
    with group.open_carrier(subjects, group.make_order(MissingStore.EMPTY, settings, folder), None) as carrier:
        run = TargetPlans(carrier, subjects.waves)
        planned = run.plan()
    group.stores.say(subjects.waves)
    result = PlansResult(subjects.catalog, planned, run.documents)
    outputs.publish(result)
    if out:
        write_json(out, result.to_document())
    if ids:
        write_json(ids, {one.target: make_pins(Report(one.plan, ()), one.plan.ids) for one in planned if one.plan})
    if run.bugs:
        raise Bug("\n".join(run.bugs))
    if any(has_errors(one) for one in planned):
        return ExitCode.FAILED
    has_changes = any(one.plan and one.plan.steps for one in planned)
    return ExitCode.CHANGES if has_changes and detailed_exitcode else ExitCode.DONE


def apply_targets(
    group: Group, results: Results, outputs: Outputs, settings: Settings, sharing: SharingOptions
) -> ExitCode:
    """Plan all targets, ask once, and apply the plans."""
    yes = group.approval.yes
    with ExitStack() as opened:
        front = opened.enter_context(SeveralRuns(results, outputs, group.stores, yes=yes, is_quiet=group.is_quiet))
        subjects = group.read_subjects()
        outputs.know_several(subjects.catalog)
        order = group.make_order(MissingStore.CREATE, settings, accepts_changes=yes)
        carrier = opened.enter_context(group.open_carrier(subjects, order, sharing))
        run = TargetRuns(carrier, subjects.waves, front, cancelled=front.cancelled, max_failed=sharing.limit)
        return front.finish(run, subjects.catalog)


def _pin(run: TargetRun) -> dict[str, Any]:
    """The ids of a target for ``--ids``; those of its plan if its run did not begin."""
    return make_pins(run.report, run.ids) if run.report is not None else dict(run.ids)


class SeveralRuns:
    """A context manager for one run of several targets, and its audience; ``finish`` carries it out.

    The requested files are written however the block ends, also after an interrupt.
    """

    def __init__(self, results: Results, outputs: Outputs, stores: StoreNotes, *, yes: bool, is_quiet: bool) -> None:
        self._results, self._outputs, self._yes, self._is_quiet = results, outputs, yes, is_quiet
        self._stores = stores
        self._events = EventLines(results.events)
        self._interrupts = Interrupts(say, self._abandon)
        self._ending = threading.Lock()
        self._open = ExitStack()
        self._watchers: list[Watcher] = []
        self._so_far: dict[str, tuple[Plan, ReportSoFar]] = {}
        self._run: TargetRuns | None = None
        self._catalog = ""
        self._is_ended = self._has_shown = self._has_counted = False
        self._is_after_gap = False
        self._events_ended: set[str] = set()

    @property
    def cancelled(self) -> threading.Event:
        """Set by the first signal."""
        return self._interrupts.cancelled

    def __enter__(self) -> Self:
        self._interrupts.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._close_progress()
            if error is not None and not self._is_ended:
                self._end_early(error)
        finally:
            self._events.__exit__()
            self._interrupts.__exit__(kind, error, trace)

    def finish(self, run: TargetRuns, catalog: str) -> ExitCode:
        """Carry out the run, write its results, and return the exit code."""
        self._run, self._catalog = run, catalog
        runs = run.apply(asks=not self._yes)
        self._interrupts.let_steps_end()
        self._close_progress()
        with self._ending:
            self._is_ended = True
            if runs is None:
                self._end_events("not approved")
                self._outputs.fail(
                    ImagesyncError("the run was not approved; no image was changed", "run it again to apply")
                )
                say("Not applied; no image was changed.")
                return ExitCode.FAILED
            problems = self._write(runs)
            if run.bugs and not self._interrupts.number:
                raise Bug("\n".join(run.bugs))
            raise_last(problems)
        code = self._choose_code(runs)
        if run.bugs:
            write_bug_log("\n".join(run.bugs))
        if not run.is_idle:  # a target that is still being planned must not keep the process alive
            self._leave(code)
        return code

    def _choose_code(self, runs: Sequence[TargetRun]) -> ExitCode:
        if all(run.outcome.is_success for run in runs):
            return ExitCode.DONE
        return self._interrupts.exit_code if self._interrupts.number else ExitCode.FAILED

    def _leave(self, code: ExitCode) -> None:
        self._events.__exit__()
        streams.flush(code)
        os._exit(code)

    def show(self, planned: Sequence[PlannedTarget]) -> None:
        """Print plans before they are applied."""
        self._stores.say([one.target for one in planned])
        for one in planned:
            if one.plan is not None:
                self._events.write(run_started_to_json(one.plan), one.target)
                note(f"target {make_printable(one.target)}: {format_counts(one.plan)}")
        if self._is_quiet and self._yes:
            return
        result, stream = PlansResult(self._catalog, tuple(planned), {}, self._list_counted()), self._stream
        text = result.make_text(self._outputs.make_look(stream))
        is_first_line = self._is_after_gap or not self._has_shown
        typer.echo(text if is_first_line else f"\n{text}", err=not self._is_text, color=True)
        self._has_shown, self._is_after_gap = True, False

    def _list_counted(self) -> tuple[PlannedTarget, ...]:
        """All targets, if the last of them is printed now; else none."""
        if self._run is None or self._has_counted or len(self._run.planned) < len(self._run.waves):
            return ()
        self._has_counted = True
        return self._run.planned

    @property
    def _is_text(self) -> bool:
        return self._outputs.form is ResultForm.TEXT

    @property
    def _stream(self) -> TextIO:
        return sys.stdout if self._is_text else sys.stderr

    def approve(self, planned: Sequence[PlannedTarget]) -> bool:
        """Ask on the terminal."""
        ready = [one for one in planned if one.plan and one.plan.steps]
        steps = format_count(sum(len(one.plan.steps) for one in ready if one.plan), "step")
        names = list_targets(one.target for one in ready)
        return confirm(f"Apply {steps} to {format_count(len(ready), 'target')} ({names})?")

    def begin(self) -> None:
        """Open the progress; from now on a signal lets the running steps end."""
        style = ProgressStyle(is_quiet=self._is_quiet, with_reason=not self._is_text, color=self._results.color)
        self._watchers.append(self._open.enter_context(open_watcher(None, sys.stderr, style)))
        if has_log_file():
            self._watchers.append(self._open.enter_context(LogLines(None, note)))
        self._interrupts.let_steps_end()
        self._is_after_gap = sys.stderr.isatty() and self._stream.isatty()  # the bars begin with an empty line

    def change(self, target: str, plan: Plan) -> None:
        """Say that another plan is applied than the one that was shown, and print it."""
        say(f"{make_printable(target)}: live images changed meanwhile; apply continues with this plan:")
        self.show([PlannedTarget(target, plan)])

    def start(self, target: str, plan: Plan) -> None:
        """Show the progress of a target."""
        name = make_printable(target)
        self._so_far[target] = plan, ReportSoFar()
        for watcher in self._watchers:
            watcher.put(name, label_plan(plan, name))

    def notify(self, target: str, event: Event) -> None:
        """Show an event of a step."""
        self._so_far[target][1](event)
        self._events.note(event, target)
        self._is_after_gap = self._is_after_gap and not isinstance(event, Finished)
        labelled = label_event(event, make_printable(target))
        for watcher in self._watchers:
            watcher(labelled)

    def warn(self, target: str, text: str) -> None:
        """Print a sentence about a target."""
        self._is_after_gap = False
        say(f"{make_printable(target)}: {text}")

    def end(self, run: TargetRun, reason: str = "") -> None:
        """Write the last event of a target. ``reason``: why it was not applied, if it has no problem."""
        if run.target in self._events_ended:
            return
        self._events_ended.add(run.target)
        error = "; ".join(make_printable(str(problem)) for problem in run.problems)
        document = run_finished_to_json(run.report, error or reason)
        self._events.write({**document, "outcome": run.outcome.value}, run.target)

    def _end_events(self, error: str) -> None:
        """Write the last event of each target whose run never began, and why; without targets, the only event."""
        if self._run is None:
            self._events.write(run_finished_to_json(None, error), "")
            return
        for run in self._list_runs():
            self.end(run, error)

    def _write(self, runs: Sequence[TargetRun]) -> list[ImagesyncError]:
        """Write all files, then print the closing lines. Returns the errors."""
        result, problems = RunsReport(self._outputs.command, self._catalog, tuple(runs)), list[ImagesyncError]()
        for run in runs:
            self.end(run)
        ids = {run.target: _pin(run) for run in runs if run.report is not None or run.ids}
        for path, content in ((self._results.out, result.to_document()), (self._results.ids, ids)):
            try:
                if path:
                    write_json(path, content)
            except ImagesyncError as error:
                problems.append(error)
        problems += self._events.list_problems()
        problems += self._outputs.write(result)
        outcomes = {run.outcome for run in runs}
        is_known = outcomes == {TargetOutcome.UNCHANGED}  # from the plans
        is_good = all(outcome.is_success for outcome in outcomes)
        if not self._is_text or not (is_known or (self._is_quiet and is_good)):
            self._outputs.print(result)
        note(format_target_runs(runs))
        return problems

    def _close_progress(self) -> None:
        self._open.close()

    def _end_early(self, error: BaseException) -> None:
        """Report a run that an error, an interrupt or ^C at the confirmation ended before its first step."""
        if not isinstance(error, Interrupted | KeyboardInterrupt | typer.Abort):
            self._end_events(make_printable(hide_secrets("; ".join(str(error).split("\n")))))
            return
        self._interrupts.let_steps_end()
        number = self._interrupts.number or signal.SIGINT
        planned = self._run.planned if self._run is not None else ()
        if not planned:
            self._end_events("interrupted before a plan was made")
            raise Interrupted("interrupted before a plan was made; nothing was changed", number) from error
        with self._ending:
            self._is_ended = True
            raise_last(self._write(self._list_runs()))
        say("imagesync: interrupted before the first step; nothing was changed")
        self._leave(choose_exit_code(number))

    def _list_runs(self) -> list[TargetRun]:
        """Every target, as its run would end now."""
        if self._run is None:
            return []
        ended = {run.target: run for run in self._run.list_runs()}
        return [ended.get(name) or self._end_now(name, wave) for name, wave in self._run.waves.items()]

    def _end_now(self, name: str, wave: int) -> TargetRun:
        if name not in self._so_far:
            ids = self._run.find_ids(name) if self._run is not None else {}
            return TargetRun(name, TargetOutcome.NOT_STARTED, ids=ids, wave=wave)
        plan, so_far = self._so_far[name]
        return TargetRun(name, TargetOutcome.INTERRUPTED, so_far.make_report(plan), so_far.find_ids(plan), wave=wave)

    def _abandon(self) -> None:
        """Write the results up to now and end the process, whatever still runs. It runs in its own thread."""
        if self._ending.acquire(timeout=MAX_ENDING):  # else another thread hangs while it writes the results
            with suppress(Exception):
                if not self._is_ended:
                    self._write_so_far()
        with suppress(Exception):
            streams.flush(ExitCode.DONE)
        os._exit(self._interrupts.exit_code)

    def _write_so_far(self) -> None:
        for watcher in self._watchers:
            watcher.close()
        runs = self._list_runs()
        if not runs:
            say("imagesync: stopped; nothing was changed")
            return
        for problem in self._write(runs):
            say(f"imagesync: {make_printable(str(problem))}")
        if any(so_far.has_running for _, so_far in self._so_far.values()):
            say(UNKNOWN)
