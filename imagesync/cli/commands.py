"""The commands: each asks, shows and returns an exit code; decisions are made below. Does I/O."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from imagesync.backends.base import Backend
from imagesync.cli import flow, reading
from imagesync.cli.locking import Locking, leased
from imagesync.cli.modes import Maker
from imagesync.cli.options import Form, Options, Results
from imagesync.cli.output import EventLines, Teller, check_places, paint_for, write_json
from imagesync.cli.planfile import document_of, is_plan_file, read_plan, save_plan, with_whole_urls
from imagesync.cli.streams import say
from imagesync.errors import Bug, ImagesyncError, StalePlan, UsageError
from imagesync.lease.holding import Held
from imagesync.lease.record import is_lease
from imagesync.model.catalog import Visibility
from imagesync.model.plan import Kind, Plan
from imagesync.model.report import Event, Report, candidates_of
from imagesync.planfile.writer import plan_text_json
from imagesync.render.result import report_to_json
from imagesync.render.style import count
from imagesync.render.text import plan_text, report_text
from imagesync.text import json_text

DONE, FAILED, CHANGES, INTERRUPTED = 0, 1, 2, 130


def _show(plan: Plan, results: Results, folder: Path) -> None:
    if results.form is Form.JSON:
        typer.echo(plan_text_json(document_of(plan, folder)), nl=False)
    else:
        typer.echo(plan_text(plan, paint_for(sys.stdout, results.color), now=datetime.now(UTC)), color=True)


def plan(path: Path, options: Options, results: Results, make: Maker, *, detailed_exitcode: bool) -> int:
    """Show what apply would do, and save it where that is asked for."""
    if is_plan_file(path):
        raise UsageError(f"{path} is a saved plan", "look at it with: imagesync show")
    check_places(results.out, results.ids)
    catalog = reading.identified(path, options)
    with flow.opened(options, catalog.target) as backend:
        planning = flow.Planning(backend, catalog, options, make)
        made = planning.plan()
    _show(made, results, results.out.parent if results.out else Path())
    planning.check_limits(made)
    if results.out:
        save_plan(made, results.out)
    if results.ids:
        write_json(results.ids, _ids_to_pin(Report(made, ()), dict(made.ids)))
    return CHANGES if made.steps and detailed_exitcode else DONE


def show(path: Path, results: Results) -> int:
    """A saved plan as it was shown when it was made."""
    made, _ = read_plan(path)
    _show(made, results, path.parent)
    return DONE


def apply(path: Path, options: Options, results: Results, make: Maker, locking: Locking, *, yes: bool) -> int:
    """Make the cloud as the manifests, or a saved plan, say."""
    check_places(results.out, results.ids)
    if is_plan_file(path):
        return _apply_saved(path, options, results, locking, yes)
    catalog = reading.identified(path, options)
    with flow.opened(options, catalog.target) as backend:
        return converge(flow.Planning(backend, catalog, options, make), options, results, locking, yes=yes)


def converge(planning: flow.Planning, options: Options, results: Results, locking: Locking, *, yes: bool) -> int:
    """Plan, show, ask, take the lease, plan again and carry out: what each command does that knows what is wanted."""
    shown = planning.plan()
    _announce(shown, results)
    planning.check_limits(shown)
    if not shown.steps:
        return _nothing_to_do(shown, results)
    if not yes and not _confirmed(shown):
        return FAILED
    with leased(planning.backend, planning.catalog.name, locking) as lease:
        made = planning.plan()
        if made != shown:
            if not yes:
                raise StalePlan(["what is live changed while the plan was looked at"])
            say("what is live changed meanwhile; this is the plan that is applied:")
            _announce(made, results)
            planning.check_limits(made)
        if not made.steps:
            return _nothing_to_do(made, results)
        # a second rollback would go back once more: its outcome is looked at, not planned again
        again = None if made.kind is Kind.ROLLBACK else planning
        return _carried_out(planning.backend, made, options, results, again, lease=lease)


def _apply_saved(path: Path, options: Options, results: Results, locking: Locking, yes: bool) -> int:
    from imagesync.sources import check_sources

    saved, missing = read_plan(path)
    made = with_whole_urls(saved, missing, options)
    check_sources(made)
    with flow.opened(replace(options, target=None), flow.declared_by(made)) as backend:
        flow.check_saved(backend, made)
        _announce(made, results)
        if not made.steps:
            return _nothing_to_do(made, results)
        if not yes and not _confirmed(made):
            return FAILED
        with leased(backend, made.catalog, locking) as lease:
            flow.check_saved(backend, made)
            return _carried_out(backend, made, options, results, None, lease=lease)


def _announce(made: Plan, results: Results) -> None:
    """The plan before it is applied: on standard output, or beside it where that is for JSON."""
    stream = sys.stderr if results.form is Form.JSON else sys.stdout
    text = plan_text(made, paint_for(stream, results.color), now=datetime.now(UTC))
    typer.echo(text, err=results.form is Form.JSON, color=True)


def _confirmed(made: Plan) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("what would be changed is asked first, and there is no terminal to ask on", "pass --yes")
    agreed = typer.confirm(f"Apply {count(len(made.steps), 'step')}?", err=True)
    if not agreed:
        say("Not applied; nothing was changed.")
    return agreed


def _nothing_to_do(made: Plan, results: Results) -> int:
    _complain(_write(Report(made, ()), dict(made.ids), results))
    return DONE


def _write(report: Report, ids: dict[str, str], results: Results) -> list[ImagesyncError]:
    """The files first, and all of them: what one of them lacks room for, or a closed pipe, costs none of the others."""
    document, problems = report_to_json(report, ids), list[ImagesyncError]()
    for path, content in ((results.out, document), (results.ids, _ids_to_pin(report, ids))):
        try:
            if path:
                write_json(path, content)
        except ImagesyncError as error:
            problems.append(error)
    if results.form is Form.JSON:
        typer.echo(json_text(document))
    elif report.plan.steps:
        typer.echo(report_text(report, paint_for(sys.stdout, results.color)), color=True)
    return problems


def _complain(problems: Sequence[ImagesyncError]) -> None:
    """Raise the last of them, after a line for each of the others."""
    for error in problems[:-1]:
        say(f"imagesync: {error}")
    for error in problems[-1:]:
        raise error


def _ids_to_pin(report: Report, ids: dict[str, str]) -> dict[str, Any]:
    """Key -> id of what is current; of a run that stages, under ``candidates``, of what can be tried now."""
    return {"candidates": candidates_of(report)} if report.plan.kind is Kind.STAGE else ids


def _carried_out(
    backend: Backend,
    made: Plan,
    options: Options,
    results: Results,
    planning: flow.Planning | None,
    *,
    lease: Held | None,
) -> int:
    """Execute, look whether the next plan is empty (a saved plan: whether it was met), and tell."""
    teller = Teller(len(made.steps), sys.stderr)
    with EventLines(results.events) as record:

        def notify(event: Event) -> None:
            teller(event)
            record(event)

        report, ids = flow.carry_out(backend, made, options.jobs, notify, lease)
    if made.kind is Kind.STAGE:
        ids = dict(made.ids)  # a candidate is not current
    if report.succeeded:
        report = flow.looked_at(backend, report, planning)
    problems = [*_write(report, ids, results), *record.problems()]
    if report.bug:
        raise Bug(report.bug)
    _complain(problems)
    return INTERRUPTED if report.interrupted else DONE if report.succeeded else FAILED


def list_images(image_id: str | None, options: Options, form: Form, *, members: bool) -> int:
    """The images the project sees, or every field of one; members of the one, or of all shared ones of the project."""
    from imagesync.render.listing import image_to_json, listing_text

    with flow.existing(options) as backend:
        found, project = backend.images(image_id), backend.identity().project_id
        if image_id is None:
            found = [image for image in found if not is_lease(image, project)]
        shared = [image for image in found if image_id or image.owner == project]
        shared = [image for image in shared if image.visibility is Visibility.SHARED]
        known = flow.members_of(backend, shared, options.jobs) if image_id or members else {}
    if unasked := len(shared) - len(known):
        are = "is" if unasked == 1 else "are"
        told = "this user may not ask with whom" if image_id or members else "--members tells with whom"
        say(f"{count(unasked, 'image')} {are} shared: {told}")
    if image_id is not None:
        typer.echo(json_text(image_to_json(found[0], known)))
    elif form is Form.JSON:
        typer.echo(json_text([image_to_json(image, known) for image in found]))
    else:
        typer.echo(listing_text(found, known))
    return DONE


def schema(name: str) -> int:
    """One of the JSON Schemas, as it lies in the package."""
    from imagesync.schemas import NAMES, schema_text

    if name not in NAMES:
        raise UsageError(f"there is no schema {name!r}", f"there are: {', '.join(NAMES)}")
    typer.echo(schema_text(name), nl=False)
    return DONE
