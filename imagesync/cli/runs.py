"""A run on a terminal: it prints the plan, asks for approval, prints progress and writes results. Does I/O."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

import typer

from imagesync import workflow
from imagesync.backends.base import Backend
from imagesync.cli import streams
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.files import write_json
from imagesync.cli.interrupts import Interrupted, Interrupts
from imagesync.cli.logs import has_log_file, note
from imagesync.cli.options import Locking, Options, parse_pairs
from imagesync.cli.outputs import Outputs, raise_last
from imagesync.cli.pasting import format_command
from imagesync.cli.progress import EventLines, LogLines, ProgressStyle, Watcher, open_watcher
from imagesync.cli.result_options import ResultForm, Results
from imagesync.cli.results import PlanResult, RunReport
from imagesync.cli.streams import say
from imagesync.cli.terminal import choose_paint, confirm, find_width
from imagesync.errors import Bug, ImagesyncError
from imagesync.model.catalog import Catalog
from imagesync.model.partial_report import ReportSoFar
from imagesync.model.plan import Kind, Plan
from imagesync.model.report import Event, Report, list_waiting_candidates
from imagesync.render.place import describe_place
from imagesync.render.report import format_report
from imagesync.render.result import run_finished_to_json
from imagesync.render.style import Detail, format_count
from imagesync.render.summary import format_counts
from imagesync.render.text import format_plan
from imagesync.run import Hooks, RunResult, Settings, Watch
from imagesync.secrets import clean_diagnostic, hide_secrets
from imagesync.sources import SourceAccess
from imagesync.text import make_printable

log = logging.getLogger(__name__)

MAX_ENDING: Final = 5.0
"""Seconds that an immediate stop waits for results that are being written."""


UNKNOWN: Final = (
    "Stopped at once: the outcome of the interrupted steps is unknown. The next run reads it from the service."
)


def read_catalog(path: Path, options: Options, access: SourceAccess) -> Catalog:
    """The catalog of one target, with the digests and sizes of its sources."""
    return workflow.read_catalog(
        path,
        target=options.target,
        cloud=options.cloud,
        store=options.store,
        values=parse_pairs(options.set_values),
        only=options.only,
        allow_outside=options.allow_outside,
        strict=options.strict,
        jobs=options.jobs,
        access=access,
    )


def make_settings(path: Path, options: Options, locking: Locking) -> Settings:
    """The settings of a run of the manifests, or of the saved plan, at ``path``."""
    return Settings(
        jobs=options.jobs,
        lock=not locking.no_lock,
        lock_timeout=locking.seconds,
        unlock=make_unlock_command(path, options),
    )


def make_unlock_command(path: Path, options: Options) -> str:
    """The command that breaks the lease for which a run with these options waits; ready to paste."""
    return format_command("unlock", path, replace(options, only=[]))


def show_plan(result: PlanResult, outputs: Outputs) -> None:
    """Print a plan to standard output, and write it to the further files; errors also as lines, if it is not text."""
    _log_copies(result.plan)
    outputs.publish(result)
    if outputs.form is not ResultForm.TEXT:
        for error in result.plan.errors:
            say(f"imagesync: {make_printable(str(clean_diagnostic(error.problem)))}")


def _format_plan(plan: Plan, stream: TextIO, color: bool | None, detail: Detail) -> str:
    paint, width = choose_paint(stream, color), find_width(stream)
    return format_plan(plan, paint, now=datetime.now(UTC), detail=detail, width=width)


def _log_copies(plan: Plan) -> None:
    """Log the ids of images with a copied record, for ``-v``; the plan only counts them."""
    if plan.copies:
        log.info("images with a copy of another image's record: %s", ", ".join(plan.copies))


def describe_running(backend: Backend, catalog: str, unlock: str) -> str:
    """A note about another run that holds the lease of a catalog; empty if there is none. It costs one request.

    ``unlock`` is the command that breaks the lease.
    """
    from imagesync.lease.taking import find_running_holder

    with suppress(ImagesyncError):  # the note only explains the plan
        if lease := find_running_holder(backend, catalog):
            seen = f", last sign of life {make_printable(lease.updated)}" if lease.updated else ""
            return (
                f"Note: the lease of catalog {catalog} is held by {lease.holder}{seen}.\n"
                "That run may change what this plan shows. Its uploads are shown as unfinished.\n"
                f"If that run is dead, break its lease: {unlock}"
            )
    return ""


def make_pins(report: Report, ids: Mapping[str, str]) -> dict[str, Any]:
    """The content of ``--ids``: the id of the current image by key; of a stage run, ``candidates`` by key."""
    return {"candidates": list_waiting_candidates(report)} if report.plan.kind is Kind.STAGE else dict(ids)


class Run:
    """A context manager for one run: pass ``hooks`` to the workflow, then ``finish`` its result.

    If a plan was made, the requested files are written however the block ends, also after an interrupt.
    """

    def __init__(self, results: Results, outputs: Outputs, *, yes: bool, is_quiet: bool = False) -> None:
        self._results, self._outputs, self._yes, self._is_quiet = results, outputs, yes, is_quiet
        self._problems: list[ImagesyncError] = []
        self._has_shown_steps = self._is_ended = False
        self._plan: Plan | None = None
        self._so_far = ReportSoFar()
        self._events = EventLines(results.events)
        self._interrupts = Interrupts(say, self._abandon)
        self._ending = threading.Lock()
        self._watcher: Watcher | None = None
        self.hooks = Hooks(self._show, self._approve, self._approve_change, self._watch, say)

    def __enter__(self) -> Self:
        self._interrupts.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is not None and not self._is_ended:
                self._end_early(error)
            elif not self._is_ended:
                self._events.end(run_finished_to_json(None))
        finally:
            self._events.__exit__()
            self._interrupts.__exit__(kind, error, trace)

    def _end_early(self, error: BaseException) -> None:
        """Write the files of a run that an error, an interrupt or ^C at the confirmation ended early."""
        if not isinstance(error, Interrupted | KeyboardInterrupt | typer.Abort):
            lines = "; ".join(str(error).split("\n"))
            self._events.end(run_finished_to_json(None, make_printable(hide_secrets(lines))))
            return
        self._interrupts.let_steps_end()
        number = self._interrupts.number or signal.SIGINT
        if self._plan is None:
            raise Interrupted("interrupted before the plan was made; nothing was changed", number) from error
        with self._ending:
            self._is_ended = True
            raise_last(self._write_files(self._so_far.make_report(self._plan), self._plan.ids))
        raise Interrupted("interrupted before the first step; nothing was changed", number) from error

    def _show(self, plan: Plan) -> None:
        """Print the plan before it is applied: to standard output, or to standard error if that is for another format."""
        _log_copies(plan)
        self._begin(plan)
        self._has_shown_steps = bool(plan.steps)
        if self._is_quiet and self._yes:
            return
        text = _format_plan(
            plan, sys.stdout if self._is_text else sys.stderr, self._results.color, self._outputs.detail
        )
        typer.echo(text, err=not self._is_text, color=True)

    @property
    def _is_text(self) -> bool:
        return self._outputs.form is ResultForm.TEXT

    def _begin(self, plan: Plan) -> None:
        """Give the plan to the events and the log, if it is another plan than before."""
        if self._plan is None or plan != self._plan:
            self._plan = plan
            self._events.start(plan)
            note(f"catalog {plan.catalog}, {describe_place(plan)}: {format_counts(plan)}")

    def _approve(self, plan: Plan) -> bool:
        question = f"Apply {format_count(len(plan.steps), 'step')} to {describe_place(plan)}?"
        return self._yes or confirm(question)

    def _approve_change(self, plan: Plan) -> bool:
        if self._yes:
            say("Live images changed meanwhile; apply continues with this plan:")
            self._show(plan)
        return self._yes

    @contextmanager
    def _watch(self, plan: Plan) -> Iterator[Watch]:
        self._begin(plan)
        with ExitStack() as opened:
            watcher = opened.enter_context(open_watcher(plan, sys.stderr, self._make_style()))
            watchers: list[Callable[[Event], None]] = [watcher, self._events, self._so_far]
            if has_log_file():
                watchers.append(opened.enter_context(LogLines(plan, note)))
            self._watcher = watcher

            def notify(event: Event) -> None:
                for each in watchers:
                    each(event)

            self._interrupts.let_steps_end()
            yield Watch(notify, self._interrupts.cancelled)

    def _make_style(self) -> ProgressStyle:
        """How to print the steps. If the report is not text, the reason of a failure is printed at once."""
        return ProgressStyle(is_quiet=self._is_quiet, with_reason=not self._is_text, color=self._results.color)

    def finish(self, result: RunResult) -> ExitCode:
        """Write the results, print the closing lines, and return the exit code."""
        self._interrupts.let_steps_end()
        with self._ending:
            self._is_ended = True
            if not result.approved:
                self._events.end(run_finished_to_json(None, "not approved"))
                self._outputs.fail(
                    ImagesyncError("the run was not approved; no image was changed", "run it again to apply")
                )
                say("Not applied; no image was changed.")
                return ExitCode.FAILED
            report = result.report
            problems = [*self._write(report, result.ids), *self._problems]
            if report.bug:
                raise Bug(report.bug)
            raise_last(problems)
            if report.interrupted:
                return self._interrupts.exit_code
            return ExitCode.DONE if report.succeeded else ExitCode.FAILED

    def _write(self, report: Report, ids: Mapping[str, str]) -> list[ImagesyncError]:
        """Write all files, then print the closing lines. Returns the errors."""
        problems = self._write_files(report, ids)
        if (
            self._is_text
            and (report.plan.steps or report.plan.errors or self._has_shown_steps)
            and not (self._is_quiet and report.succeeded)
        ):
            self._outputs.print(RunReport(self._outputs.command, report, ids))
        return problems

    def _write_files(self, report: Report, ids: Mapping[str, str]) -> list[ImagesyncError]:
        """Write all files, and a report that is not text. Returns the errors: one bad file must not prevent the others."""
        result, problems = RunReport(self._outputs.command, report, ids), list[ImagesyncError]()
        self._events.end(run_finished_to_json(report))
        for path, content in ((self._results.out, result.to_document()), (self._results.ids, make_pins(report, ids))):
            try:
                if path:
                    write_json(path, content)
            except ImagesyncError as error:
                problems.append(error)
        problems += self._events.list_problems()
        problems += self._outputs.write(result)
        if not self._is_text:
            self._outputs.print(result)
        note(format_report(report))
        return problems

    def _abandon(self) -> None:
        """Write the results up to now and end the process, whatever still runs. It runs in its own thread."""
        if self._ending.acquire(timeout=MAX_ENDING):  # else another thread hangs while it writes the results
            with suppress(Exception):
                if not self._is_ended:  # else the results are written, and a second report would follow the first
                    self._write_so_far()
        with suppress(Exception):
            streams.flush(ExitCode.DONE)
        os._exit(self._interrupts.exit_code)

    def _write_so_far(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
        if self._plan is None:
            say("imagesync: stopped; nothing was changed")
            return
        report = self._so_far.make_report(self._plan)
        for problem in self._write(report, self._so_far.find_ids(self._plan)):
            say(f"imagesync: {make_printable(str(problem))}")
        if self._so_far.has_running:
            say(UNKNOWN)
