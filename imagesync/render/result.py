"""Events, reports and diagnostics -> JSON for other programs. Pure."""

from collections.abc import Sequence
from typing import Any, assert_never

from imagesync.errors import Diagnostic
from imagesync.model.report import Event, Finished, Progress, Report, Started, StepResult, candidates_of, rejected_of
from imagesync.render.place import place_to_json
from imagesync.secrets import clean_diagnostic

Json = dict[str, Any]


def event_to_json(event: Event) -> Json:
    """One line of ``--events``: ``event`` is started, progress or finished."""
    match event:
        case Started(step=step):
            return {"event": "started", "step": step.id}
        case Progress(step=step, sent=sent, total=total):
            return {"event": "progress", "step": step.id, "sent_bytes": sent, "total_bytes": total}
        case Finished(result=result):
            return {"event": "finished", **result_to_json(result)}
        case _:
            assert_never(event)


def result_to_json(result: StepResult) -> Json:
    """How one step ended; ``seconds`` of wall time."""
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
    """A whole run: ``ids`` is the current image of each key, ``candidates`` what the next apply publishes.

    ``target`` is the place, ``rejected`` are the ids of rejected candidates by key, ``notes`` the sentences of the plan,
    ``errors`` the problems of keys for which it does nothing.
    """
    return {
        "catalog": report.plan.catalog,
        "target": place_to_json(report.plan),
        "succeeded": report.succeeded,
        "interrupted": report.interrupted,
        "stopped": report.stopped or None,
        "results": [result_to_json(result) for result in report.results],
        "leftover": list(report.leftover),
        "ids": dict(sorted(ids.items())),
        "candidates": candidates_of(report),
        "rejected": rejected_of(report),
        "notes": list(report.plan.notes),
        "errors": diagnostics_to_json([error.problem for error in report.plan.errors]),
    }


def diagnostics_to_json(diagnostics: Sequence[Diagnostic]) -> list[Json]:
    """What is wrong with manifests, one object a problem; nothing in it that looks like a secret of a file."""
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
