"""What travels between a run of several targets and the places that work for it: plain values, encoded and decoded. Pure.

A task names a target and what to do. Its answer is a sequence of messages: JSON objects, each with an ``event``.

    task plan    planned (the plan, and why it is refused), then ended (problems)
    task drift   drifted (the drift, and the place), then ended (problems)
    task apply   changed (another plan is applied instead), run (the steps begin), started, progress, finished (a step),
                 warning, then ended (report, ids, problems)
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

from imagesync.errors import Diagnostic, ImagesyncError
from imagesync.model.drift import Drift, DriftReport, PlaceDrift, Remedy
from imagesync.model.image import Identity
from imagesync.model.plan import Plan, Step
from imagesync.model.report import Event, Finished, Outcome, Progress, Report, Started, StepResult, Transferred
from imagesync.planfile.reader import read_trusted_plan
from imagesync.planfile.writer import encode_plan
from imagesync.render.result import event_to_json, problem_to_json, result_to_json
from imagesync.version import __version__

Json: TypeAlias = dict[str, Any]


class Verb(StrEnum):
    """What a task asks for."""

    PLAN = "plan"
    APPLY = "apply"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Task:
    """Work for one target. ``peers``: the targets of its wave that have not ended, which share the limits of the run."""

    target: str
    verb: Verb
    peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One answer to a task."""

    target: str
    verb: Verb
    document: Mapping[str, Any]

    @property
    def event(self) -> str:
        """What happened; ``ended`` is the last one of each task."""
        return str(self.document["event"])


PLANNED: Final = "planned"
DRIFTED: Final = "drifted"
CHANGED: Final = "changed"
RUN: Final = "run"
WARNING: Final = "warning"
ENDED: Final = "ended"
LOST_WHY: Final = "lost"
"""A field of ``ended``, if the place that worked for the task was lost, and the run has only the messages before: why."""


def encode_planned(plan: Plan, refusals: Sequence[str] = (), *, folder: str = "/", event: str = PLANNED) -> Json:
    """A plan as the document of a file in ``folder``, and why the policy refuses it."""
    return {
        "event": event,
        "folder": folder,
        "plan": encode_plan(plan, tool=f"imagesync {__version__}", folder=folder),
        "places": dict(plan.places),
        "refusals": list(refusals),
    }


def decode_planned(document: Mapping[str, Any]) -> tuple[Plan, tuple[str, ...]]:
    """The plan, and why the policy refuses it. URLs with secrets are shown without them."""
    plan = read_trusted_plan(document["plan"], folder=document["folder"])
    return replace(plan, places=document["places"]), tuple(document["refusals"])


def encode_drift(found: PlaceDrift) -> Json:
    """The drift of a target."""
    return {"event": DRIFTED, **asdict(found)}


def decode_drift(document: Mapping[str, Any]) -> PlaceDrift:
    """The drift of ``encode_drift``. KeyError, TypeError or ValueError for a document of another form."""
    report = document["report"]
    return PlaceDrift(
        DriftReport(tuple(map(_decode_one_drift, report["found"])), report["checked"], tuple(report["unknown"])),
        Identity(**document["here"]),
    )


def _decode_one_drift(one: Mapping[str, Any]) -> Drift:
    values = {name: tuple(one[name]) if isinstance(one[name], list) else one[name] for name in ("was", "now")}
    return Drift(**{**one, **values, "path": tuple(one["path"]), "remedy": Remedy(one["remedy"])})


def encode_problems(problems: Sequence[Diagnostic]) -> list[Json]:
    """Problems as in the schema ``errors``."""
    return [problem_to_json(problem) for problem in problems]


def decode_problems(documents: Sequence[Mapping[str, Any]]) -> tuple[Diagnostic, ...]:
    """The problems of ``encode_problems``."""
    return tuple(
        Diagnostic(
            one["file"] or "", one["line"] or 0, one["column"] or 0, one["where"] or "", one["message"], one["hint"]
        )
        for one in documents
    )


def encode_ended(
    report: Report | None = None,
    ids: Mapping[str, str] | None = None,
    problems: Sequence[Diagnostic] = (),
    *,
    bug: str = "",
) -> Json:
    """The end of a task. ``bug``: the traceback of an error in imagesync."""
    document = None
    if report is not None:
        document = {
            "results": [result_to_json(result) for result in report.results],
            "interrupted": report.interrupted,
            "stopped": report.stopped,
            "leftover": list(report.leftover),
        }
    return {
        "event": ENDED,
        "report": document,
        "ids": dict(ids or {}),
        "problems": encode_problems(problems),
        "bug": bug or (report.bug if report else ""),
    }


def make_bug_error(traceback: str) -> ImagesyncError:
    """The error of a target with a bug in imagesync. It has only the class of the bug: its text may contain a secret."""
    message = f"a bug in imagesync: {_find_class(traceback)}"
    return ImagesyncError(message, "its log is named on standard error; please report it")


def _find_class(traceback: str) -> str:
    """The class of the last exception of a traceback: it follows the lines of code. Its text may have several lines."""
    lines = traceback.splitlines()
    start = max((number for number, line in enumerate(lines) if line.startswith("Traceback")), default=-1)
    first = next((line for line in lines[start + 1 :] if line and not line[0].isspace()), "")
    name = first.partition(":")[0]
    return name if _CLASS.fullmatch(name) else "an exception"


_CLASS: Final = re.compile(r"[\w.]+")


def decode_report(document: Mapping[str, Any], plan: Plan, bug: str) -> Report:
    """The report of a run of ``plan``."""
    steps = {step.id: step for step in plan.steps}
    results = tuple(_decode_result(one, steps) for one in document["results"])
    return Report(plan, results, document["interrupted"], bug, tuple(document["leftover"]), document["stopped"])


def _decode_result(document: Mapping[str, Any], steps: Mapping[str, Step]) -> StepResult:
    return StepResult(
        steps[document["step"]],
        Outcome(document["outcome"]),
        document["image_id"],
        document["error"] or "",
        document["cause"],
        document["seconds"],
        document["sent_bytes"],
    )


def encode_event(event: Event) -> Json:
    """An event of a step."""
    return event_to_json(event)


def decode_event(document: Mapping[str, Any], steps: Mapping[str, Step]) -> Event:
    """The event of a step; ``steps``: those of the plan by id."""
    match document["event"]:
        case "started":
            return Started(steps[document["step"]])
        case "progress":
            amount = Transferred(
                document["sent_bytes"], document["total_bytes"], document["read_bytes"], document["source_bytes"]
            )
            return Progress(steps[document["step"]], amount)
        case _:
            return Finished(_decode_result(document, steps))
