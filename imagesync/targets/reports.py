"""JSON reports of one or of several targets -> the runs of all their targets. Pure, except for reading the schemas."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from imagesync.errors import UsageError
from imagesync.model.image import Identity
from imagesync.model.report import Outcome
from imagesync.model.reported import ReportedRun, ReportedStep
from imagesync.model.targets import TargetOutcome, judge_end
from imagesync.planfile.reader import check_shape
from imagesync.secrets import quote_value, show_key
from imagesync.targets.messages import decode_problems
from imagesync.targets.saved import is_several

FORMAT_VERSION: Final = 1
KIND: Final = "a report of imagesync"
AGAIN: Final = "name a file that apply --out FILE.json or report merge has written"
"""What to do with a document that cannot be used."""


def merge_reports(documents: Iterable[tuple[str, object]]) -> tuple[str, tuple[ReportedRun, ...]]:
    """The catalog, and the runs of all targets in the order of the documents.

    ``documents``: the name of each file, for messages, and its JSON; at least one. UsageError if one is not a report, if
    they are of different catalogs, or if a target is there twice.
    """
    catalogs, files, runs = dict[str, str](), dict[str, str](), list[ReportedRun]()
    for display, document in documents:
        catalog, found = decode_report_file(document, display)
        catalogs.setdefault(catalog, display)
        for run in found:
            if run.target in files:
                message = f"target {show_key(run.target)} is in {files[run.target]} and in {display}"
                raise UsageError(message, "name each report once")
        files |= {run.target: display for run in found}
        runs += found
    if len(catalogs) > 1:
        (one, first), (two, second), *_ = catalogs.items()
        message = f"{first} is of catalog {show_key(one)}, and {second} is of catalog {show_key(two)}"
        raise UsageError(message, "merge the reports of one catalog")
    return next(iter(catalogs)), tuple(runs)


def decode_report_file(document: object, display: str) -> tuple[str, list[ReportedRun]]:
    """The catalog and the runs of one document, which has one target or several; UsageError if it is not a report."""
    if isinstance(document, dict) and "command" in document and "errors" in document:
        message = f"{display} is not a report: it has the errors of a command that failed before it had a result"
        raise UsageError(message, "leave the file out, or run that command again")
    if not isinstance(document, dict) or "format_version" not in document:
        raise UsageError(f"{display} is not {KIND}", AGAIN)
    if document["format_version"] != FORMAT_VERSION:
        version = quote_value(document["format_version"])
        raise UsageError(f"{display} has format_version {version}; this imagesync reads {FORMAT_VERSION}", AGAIN)
    if not is_several(document):
        _check_shape(document, display, "report")
        return document["catalog"], [_decode_run(_name_place(document["target"]), document, _judge(document))]
    _check_shape(document, display, "run")
    runs = [_decode_entry(entry, document["catalog"], display) for entry in document["targets"]]
    names = [run.target for run in runs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"{display} is not {KIND}: target {show_key(twice)} is there twice", AGAIN)
    if document["succeeded"] != all(run.outcome.is_success for run in runs):
        raise UsageError(f"{display} is not {KIND}: succeeded does not match the outcomes of the targets", AGAIN)
    return document["catalog"], runs


def _decode_entry(entry: Mapping[str, Any], catalog: str, display: str) -> ReportedRun:
    name, report, outcome = entry["target"], entry["report"], TargetOutcome(entry["outcome"])
    problems = decode_problems(entry["problems"])
    if report is None:
        return ReportedRun(name, outcome, entry["wave"], problems)
    _check_shape(report, f"{display}, target {show_key(name)},", "report")
    if (report["catalog"], _name_place(report["target"])) != (catalog, name):
        raise UsageError(f"{display} is not {KIND}: target {show_key(name)} has the report of another", AGAIN)
    return _decode_run(name, report, outcome, entry["wave"], problems)


def _check_shape(document: dict[str, Any], display: str, schema: str) -> None:
    check_shape(document, display, schema=schema, kind=KIND, hint=AGAIN)


def _name_place(place: Mapping[str, Any]) -> str:
    """The name of a target; of a place that has none, its label or its location."""
    return str(place["name"] or place["label"] or place["location"])


def _judge(document: Mapping[str, Any]) -> TargetOutcome:
    """How the run of one target ended."""
    succeeded, has_steps = document["succeeded"], bool(document["results"])
    return judge_end(document["interrupted"], document["stopped"], succeeded=succeeded, has_steps=has_steps)


def _decode_run(
    target: str, document: Mapping[str, Any], outcome: TargetOutcome, wave: int = 0, problems: tuple[Any, ...] = ()
) -> ReportedRun:
    return ReportedRun(
        target,
        outcome,
        wave,
        problems,
        tuple(map(_decode_step, document["results"])),
        decode_problems(document["errors"]),
        tuple(document["leftover"]),
        tuple(document["notes"]),
        document["stopped"] or "",
        Identity(**{name: value for name, value in document["target"].items() if name != "name"}),
        document,
    )


def _decode_step(result: Mapping[str, Any]) -> ReportedStep:
    return ReportedStep(
        result["step"],
        result["action"],
        result["key"],
        Outcome(result["outcome"]),
        result["image_id"] or "",
        result["error"] or "",
        result["cause"] or "",
        result["seconds"],
        result["sent_bytes"],
    )
