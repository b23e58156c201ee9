"""A run as a person sees it: plans shown, approval asked, progress, results written, an exit code. Does I/O."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import typer

from imagesync import workflow
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.files import write_json
from imagesync.cli.options import Form, Locking, Options, Results, parse_pairs
from imagesync.cli.progress import EventLines, ProgressLines
from imagesync.cli.saved_plans import to_document
from imagesync.cli.streams import say
from imagesync.cli.terminal import confirm, paint_for, width_of
from imagesync.errors import Bug, ImagesyncError
from imagesync.model.catalog import Catalog
from imagesync.model.plan import Kind, Plan
from imagesync.model.report import Event, Report, candidates_of
from imagesync.planfile.writer import plan_text_json
from imagesync.render.report import report_text
from imagesync.render.result import report_to_json
from imagesync.render.style import Detail, format_count
from imagesync.render.text import plan_text
from imagesync.run import Hooks, RunResult, Settings, Watch
from imagesync.secrets import is_secret, names_secret
from imagesync.sources import SourceAccess
from imagesync.text import json_text, make_printable, quote_word

log = logging.getLogger(__name__)


def read_catalog(path: Path, options: Options, access: SourceAccess) -> Catalog:
    """The catalog of one target with the digests and sizes of its sources."""
    return workflow.read_catalog(
        path,
        target=options.target,
        values=parse_pairs(options.set_values),
        only=options.only,
        allow_outside=options.allow_outside,
        jobs=options.jobs,
        access=access,
    )


def settings_of(path: Path, options: Options, locking: Locking) -> Settings:
    """How the options want the run on the manifests, or the saved plan, at ``path`` to be carried out."""
    return Settings(
        jobs=options.jobs,
        lock=not locking.no_lock,
        lock_timeout=locking.lock_timeout,
        unlock=make_unlock_command(path, options),
    )


def make_unlock_command(path: Path, options: Options) -> str:
    """The command that breaks the lease that a run with these options waits for, to be pasted."""
    place = str(path)
    words = ["imagesync", "unlock", f"./{place}" if place.startswith("-") else place]
    for option, value in (
        ("--target", options.target),
        ("--cloud", options.cloud),
        ("--clouds-file", options.clouds_file),
        ("--store", options.store),
    ):
        words += [option, str(value)] if value is not None else []
    for pair in options.set_values:
        words += ["--set", _hide_secret(pair)]
    words += ["--allow-outside"] if options.allow_outside else []
    return " ".join(map(quote_word, words))


def _hide_secret(pair: str) -> str:
    """NAME=VALUE; of a value that is called a secret, or looks like one, only that it is to be filled in."""
    name, _, value = pair.partition("=")
    return f"{name}=VALUE" if names_secret(name) or is_secret(value) else pair


def show_plan(plan: Plan, form: Form, color: bool | None, folder: Path, detail: Detail) -> None:
    """A plan on standard output; paths in its JSON are relative to ``folder``."""
    _log_copies(plan)
    if form is Form.JSON:
        typer.echo(plan_text_json(to_document(plan, folder)), nl=False)
    else:
        typer.echo(_format_plan(plan, sys.stdout, color, detail), color=True)


def _format_plan(plan: Plan, stream: TextIO, color: bool | None, detail: Detail) -> str:
    paint, width = paint_for(stream, color), width_of(stream)
    return plan_text(plan, paint, now=datetime.now(UTC), detail=detail, width=width)


def _log_copies(plan: Plan) -> None:
    """With -v: which images carry a copied record; the plan itself only counts them."""
    if plan.copies:
        log.info("images with a copy of another image's record: %s", ", ".join(plan.copies))


def ids_to_pin(report: Report, ids: Mapping[str, str]) -> dict[str, Any]:
    """Key -> id of the current image; of a run that stages, under ``candidates``, key -> id of the build to try."""
    return {"candidates": candidates_of(report)} if report.plan.kind is Kind.STAGE else dict(ids)


class Run:
    """One run on this terminal: ``hooks`` for the workflow, then ``finish`` with its result."""

    def __init__(self, results: Results, *, yes: bool, detail: Detail = Detail.USUAL) -> None:
        self._results, self._yes, self._detail = results, yes, detail
        self._problems: list[ImagesyncError] = []
        self._has_shown_steps = False
        self.hooks = Hooks(self._show, self._approve, self._approve_change, self._watch, say)

    def _show(self, plan: Plan) -> None:
        """The plan before it is applied: on standard output, or on standard error if the other is for JSON."""
        _log_copies(plan)
        self._has_shown_steps = bool(plan.steps)
        is_json = self._results.form is Form.JSON
        text = _format_plan(plan, sys.stderr if is_json else sys.stdout, self._results.color, self._detail)
        typer.echo(text, err=is_json, color=True)

    def _approve(self, plan: Plan) -> bool:
        refusal = "what would be changed is asked first, and there is no terminal to ask on"
        return self._yes or confirm(f"Apply {format_count(len(plan.steps), 'step')}?", without_terminal=refusal)

    def _approve_change(self, plan: Plan) -> bool:
        if self._yes:
            say("what is live changed meanwhile; this is the plan that is applied:")
            self._show(plan)
        return self._yes

    @contextmanager
    def _watch(self, plan: Plan) -> Iterator[Watch]:
        lines = ProgressLines(len(plan.steps), sys.stderr, tells_why=self._results.form is Form.JSON)
        with EventLines(self._results.events) as record:

            def notify(event: Event) -> None:
                lines(event)
                record(event)

            with _catch_interrupts() as cancelled:
                yield Watch(notify, cancelled)
        self._problems += record.problems()

    def finish(self, result: RunResult) -> ExitCode:
        """Write and print what became of the run."""
        if not result.approved:
            say("Not applied; nothing was changed.")
            return ExitCode.FAILED
        report = result.report
        problems = [*self._write(report, result.ids), *self._problems]
        if report.bug:
            raise Bug(report.bug)
        _raise_last(problems)
        if report.interrupted:
            return ExitCode.INTERRUPTED
        return ExitCode.DONE if report.succeeded else ExitCode.FAILED

    def _write(self, report: Report, ids: Mapping[str, str]) -> list[ImagesyncError]:
        """Files first, and all of them: one that cannot be written, or a closed pipe, costs none of the others."""
        document, problems = report_to_json(report, dict(ids)), list[ImagesyncError]()
        for path, content in ((self._results.out, document), (self._results.ids, ids_to_pin(report, ids))):
            try:
                if path:
                    write_json(path, content)
            except ImagesyncError as error:
                problems.append(error)
        if self._results.form is Form.JSON:
            typer.echo(json_text(document))
        elif report.plan.steps or self._has_shown_steps:
            typer.echo(report_text(report, paint_for(sys.stdout, self._results.color)), color=True)
        return problems


def _raise_last(problems: Sequence[ImagesyncError]) -> None:
    """Raise the last problem, after a line for each of the others."""
    for error in problems[:-1]:
        say(f"imagesync: {make_printable(str(error))}")
    for error in problems[-1:]:
        raise error


@contextmanager
def _catch_interrupts() -> Iterator[threading.Event]:
    """The first ^C sets the event, and running steps end; the second ends the process at once."""
    cancelled = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        if cancelled.is_set():
            os._exit(ExitCode.INTERRUPTED)
        cancelled.set()
        # the interrupted code may be writing to the same stream, which must not be entered twice
        os.write(2, b"stopping: running steps end, no more start; ^C again stops at once\n")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield cancelled
    finally:
        signal.signal(signal.SIGINT, before)
