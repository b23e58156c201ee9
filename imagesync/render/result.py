"""Events, reports, diagnostics and failures -> JSON for other programs. Pure."""

from collections.abc import Sequence
from typing import Any, assert_never

from imagesync.errors import Diagnostic, ImagesyncError
from imagesync.model.plan import Plan, summarize
from imagesync.model.report import (
    Event,
    Finished,
    Outcome,
    Progress,
    Report,
    Started,
    StepResult,
    list_rejected_candidates,
    list_waiting_candidates,
)
from imagesync.model.targets import judge_run
from imagesync.render.place import place_to_json
from imagesync.render.problems import list_problems
from imagesync.secrets import clean_diagnostic

Json = dict[str, Any]


def event_to_json(event: Event) -> Json:
    """One line of ``--events``; its ``event`` is started, progress or finished."""
    match event:
        case Started(step=step):
            return {"event": "started", "step": step.id}
        case Progress(step=step, amount=amount):
            return {
                "event": "progress",
                "step": step.id,
                "sent_bytes": amount.sent,
                "total_bytes": amount.total,
                "read_bytes": amount.read,
                "source_bytes": amount.source_total,
            }
        case Finished(result=result):
            return {"event": "finished", **result_to_json(result)}
        case _:
            assert_never(event)


def run_started_to_json(plan: Plan) -> Json:
    """The first line of ``--events``: the place, the number of steps and the bytes to upload."""
    return {
        "event": "run-started",
        "catalog": plan.catalog,
        "place": place_to_json(plan.target),
        "steps": len(plan.steps),
        "upload_bytes": summarize(plan).upload,
    }


def run_finished_to_json(report: Report | None, error: str = "", *, interrupted: bool = False) -> Json:
    """The last line of ``--events``. ``error``: why the run did not start, or stopped."""
    results = report.results if report else ()
    counts = {outcome.value: sum(result.outcome is outcome for result in results) for outcome in Outcome}
    return {
        "event": "run-finished",
        "outcome": judge_run(report, error, interrupted=interrupted).value,
        "counts": counts,
        "sent_bytes": sum(result.bytes_sent for result in results),
        "error": error or (report.stopped if report else "") or None,
    }


def result_to_json(result: StepResult) -> Json:
    """The result of one step; ``seconds`` is its duration."""
    return {
        "step": result.step.id,
        "action": type(result.step.action).__name__.lower(),
        "key": result.step.action.key,
        "outcome": result.outcome.value,
        "image_id": result.image_id,
        "error": result.error or None,
        "cause": result.cause,
        "seconds": round(result.seconds, 3),
        "sent_bytes": result.bytes_sent,
    }


def report_to_json(report: Report, ids: dict[str, str]) -> Json:
    """The report of a run as JSON, as the schema ``report`` says.

    ``ids``: the current image of each key. ``candidates``: by key, the image that the next apply publishes.
    ``rejected``: by key, the ids of rejected candidates. ``notes``: the sentences of the plan, and what to change after a
    rollback. ``errors``: the problems of the keys that the plan leaves as they are.
    """
    return {
        "format_version": 1,
        "catalog": report.plan.catalog,
        "target": {"name": report.plan.target_name, **place_to_json(report.plan.target)},
        "succeeded": report.succeeded,
        "interrupted": report.interrupted,
        "stopped": report.stopped or None,
        "results": [result_to_json(result) for result in report.results],
        "leftover": list(report.leftover),
        "ids": dict(sorted(ids.items())),
        "candidates": list_waiting_candidates(report),
        "rejected": list_rejected_candidates(report),
        "notes": [*report.plan.notes, *([report.plan.follow_up] if report.plan.follow_up else [])],
        "errors": diagnostics_to_json([error.problem for error in report.plan.errors]),
    }


def diagnostics_to_json(diagnostics: Sequence[Diagnostic]) -> list[Json]:
    """The problems of manifests, one object each; values of a file that look like a secret are removed."""
    return [
        {
            "file": item.file,
            "line": item.line,
            "column": item.column,
            "where": item.where,
            "message": item.message,
            "hint": item.hint,
        }
        for item in map(clean_diagnostic, diagnostics)
    ]


def failure_to_json(command: str, error: ImagesyncError) -> Json:
    """Why a command failed, as the schema ``errors`` says; values that look like a secret are removed.

    One object for each problem of the manifests, each refusal or each change of a stale plan; else one for the error.
    """
    return {"command": command, "errors": list(map(problem_to_json, list_problems(error)))}


def problem_to_json(problem: Diagnostic) -> Json:
    """The form of ``diagnostics_to_json``; the place is null if there is none."""
    if not problem.file:
        return {**dict.fromkeys(("file", "line", "column", "where")), "message": problem.message, "hint": problem.hint}
    return diagnostics_to_json([problem])[0]
