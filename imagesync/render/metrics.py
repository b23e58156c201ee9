"""The numbers of a run -> the text of a file for Prometheus' node_exporter (textfile collector). Pure.

All metrics are gauges: each run writes the whole file, and a counter must never fall. Labels have only the catalog, the
target and the command, and words of a fixed set: names of images would make a new time series for each.

A file may serve several runs one after another, for example of a plan and an apply, or of two targets: the values of
other runs are kept. The time of the last success is kept, too, if the run failed. A failure whose catalog or target was not
known ends with the next run of the same command: no later run has its labels.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeAlias

from imagesync.errors import Diagnostic, ImagesyncError
from imagesync.model.drift import DriftReport, PlaceDrift
from imagesync.model.plan import Plan, summarize
from imagesync.model.report import Outcome, Report
from imagesync.model.targets import PlannedTarget, TargetRun
from imagesync.render.place import name_target
from imagesync.render.summary import VERBS
from imagesync.text import make_printable

MAX_KEPT_LINES: Final = 10_000
"""Lines of other runs that are kept from an earlier file."""
_LAST_SUCCESS: Final = "imagesync_last_success_timestamp_seconds"
METRICS: Final[Mapping[str, str]] = {
    "imagesync_last_run_timestamp_seconds": "When the last run ended, in seconds since 1970.",
    _LAST_SUCCESS: "When the last run that succeeded ended, in seconds since 1970.",
    "imagesync_last_run_duration_seconds": "How long the last run took.",
    "imagesync_last_run_success": "Whether the last run succeeded: 1 or 0.",
    "imagesync_images": "Keys at the start of the run: declared, owned, unchanged; candidate and retired count builds.",
    "imagesync_pending_changes": "Changes that the plan shows and that are not done, by action.",
    "imagesync_steps": "Steps of the last run by outcome.",
    "imagesync_failures": "Errors of the last run: keys that cannot be planned, failed steps, refusals.",
    "imagesync_uploaded_bytes": "Bytes of images that the last run sent to the service.",
    "imagesync_drifted_values": "Values that differ from what imagesync wrote.",
}
"""The metrics, each with its help, in the order of the file."""
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_VALUE: Final = r'"(?:[^"\\\n]|\\[\\"n])*"'
_LINE: Final = re.compile(
    rf"(?P<name>imagesync_[a-z_]+)\{{"
    rf"(?P<labels>(?P<place>catalog={_VALUE},target={_VALUE}),(?P<run>command={_VALUE})(?:,(?P<label>[a-z]+)={_VALUE})?)\}}"
    r" (?P<value>-?[0-9]{1,18}(?:\.[0-9]{1,6})?)"
)
"""A line that this module wrote."""

Samples: TypeAlias = Mapping[str, Mapping[str, float]]
"""Values by metric, then by the value of its label; an empty label for a metric that has none."""


@dataclass(frozen=True, slots=True)
class Measures:
    """The numbers of one run. ``samples``: those that the command knows beside times and success."""

    command: str
    catalog: str
    target: str
    started: datetime
    ended: datetime
    succeeded: bool
    samples: Samples = field(default_factory=dict)


_LABELS: Final[Mapping[str, str]] = {
    "imagesync_images": "state",
    "imagesync_pending_changes": "action",
    "imagesync_steps": "outcome",
}
"""The label of each metric that has one of its own."""


def measure_plan(plan: Plan, *, started: datetime, ended: datetime, is_refused: bool = False) -> Measures:
    """The numbers of a plan; each action and state has a value, also 0, for alerts."""
    samples: Samples = {
        "imagesync_images": _count_images(plan),
        "imagesync_pending_changes": _count_changes(plan),
        "imagesync_failures": {"": len(plan.errors) + is_refused},
    }
    succeeded = not (plan.errors or is_refused)
    target = name_target(plan.target_name, plan.target)
    return Measures("plan", plan.catalog, target, started, ended, succeeded, samples)


def measure_report(report: Report, *, command: str, started: datetime, ended: datetime) -> Measures:
    """The numbers of a run; pending changes are those of steps that are not done."""
    plan, outcomes = report.plan, Counter(result.outcome for result in report.results)
    failures = outcomes[Outcome.FAILED] + outcomes[Outcome.INTERRUPTED] + len(plan.errors) + len(report.leftover)
    samples: Samples = {
        "imagesync_images": _count_images(plan),
        "imagesync_pending_changes": _count_changes(_keep_unfinished(report)),
        "imagesync_steps": {outcome.value: outcomes[outcome] for outcome in Outcome},
        "imagesync_failures": {"": failures + bool(report.stopped)},
        "imagesync_uploaded_bytes": {"": sum(result.bytes_sent for result in report.results)},
    }
    target = name_target(plan.target_name, plan.target)
    return Measures(command, plan.catalog, target, started, ended, report.succeeded, samples)


def _keep_unfinished(report: Report) -> Plan:
    steps = tuple(result.step for result in report.results if result.outcome is not Outcome.DONE)
    return replace(report.plan, steps=steps)


def measure_drift(report: DriftReport, *, catalog: str, target: str, started: datetime, ended: datetime) -> Measures:
    """The numbers of a check for drift, which succeeds also if there is drift."""
    return Measures(
        "drift", catalog, target, started, ended, True, {"imagesync_drifted_values": {"": len(report.found)}}
    )


def measure_failure(command: str, *, catalog: str, target: str, started: datetime, ended: datetime) -> Measures:
    """The numbers of a command that failed before it had a result."""
    return Measures(command, catalog, target, started, ended, False, {"imagesync_failures": {"": 1}})


def measure_plans(
    catalog: str, planned: Sequence[PlannedTarget], *, started: datetime, ended: datetime
) -> tuple[Measures, ...]:
    """The numbers of each target; one without a plan has failed. Each has its own labels, and the times of the command."""
    return tuple(_measure_planned(catalog, one, started, ended) for one in planned)


def _measure_planned(catalog: str, one: PlannedTarget, started: datetime, ended: datetime) -> Measures:
    if one.plan is None:
        return measure_failure("plan", catalog=catalog, target=one.target, started=started, ended=ended)
    found = measure_plan(one.plan, started=started, ended=ended, is_refused=bool(one.refusals))
    return _add_problems(found, one.target, one.problems)


def measure_runs(
    command: str, catalog: str, runs: Sequence[TargetRun], *, started: datetime, ended: datetime
) -> tuple[Measures, ...]:
    """The numbers of each target; ``command``: for example apply. A target that was not started has not succeeded."""
    return tuple(_measure_run(command, catalog, one, started, ended) for one in runs)


def _measure_run(command: str, catalog: str, one: TargetRun, started: datetime, ended: datetime) -> Measures:
    if one.report is not None:
        found = measure_report(one.report, command=command, started=started, ended=ended)
        return _add_problems(replace(found, succeeded=one.outcome.is_success), one.target, one.problems)
    found = measure_failure(command, catalog=catalog, target=one.target, started=started, ended=ended)
    return replace(found, succeeded=True, samples={"imagesync_failures": {"": 0}}) if one.outcome.is_success else found


def measure_drifts(
    catalog: str, found: Mapping[str, PlaceDrift | ImagesyncError], *, started: datetime, ended: datetime
) -> tuple[Measures, ...]:
    """The numbers of each target; one that could not be checked has failed."""
    return tuple(
        measure_drift(one.report, catalog=catalog, target=name, started=started, ended=ended)
        if isinstance(one, PlaceDrift)
        else measure_failure("drift", catalog=catalog, target=name, started=started, ended=ended)
        for name, one in found.items()
    )


def _add_problems(found: Measures, target: str, problems: Sequence[Diagnostic]) -> Measures:
    """The numbers under the name of the target in the run, with the problems that neither plan nor report has."""
    failures = found.samples["imagesync_failures"][""] + len(problems)
    samples = {**found.samples, "imagesync_failures": {"": failures}}
    return replace(found, target=target, succeeded=found.succeeded and not problems, samples=samples)


def _count_images(plan: Plan) -> dict[str, float]:
    return {
        "declared": plan.wanted,
        "owned": plan.owned,
        "unchanged": plan.unchanged,
        "candidate": len(plan.candidates),
        "retired": len(plan.kept),
    }


def _count_changes(plan: Plan) -> dict[str, float]:
    counts = summarize(plan)
    return {verb: getattr(counts, verb) for verb in VERBS}


def format_metrics(measures: Measures, earlier: str = "") -> str:
    """The text of the file. ``earlier``: the text of the file before; lines that are not of this module are dropped.

    Values of an earlier run whose names were not known are dropped, too, if they can be of the same catalog and target: an
    alert about them would never end.
    """
    place, run = {"catalog": measures.catalog, "target": measures.target}, {"command": measures.command}
    own = _format_labels({**place, **run})
    unknown = {
        _format_labels({**place, **dict.fromkeys(names, ""), **run}) for names in (["catalog"], ["target"], place)
    }
    lines: dict[str, dict[str, str]] = {name: {} for name in METRICS}
    for name, labels, labels_of_run, value in _read_lines(earlier):
        is_kept_success = labels == own and name == _LAST_SUCCESS and not measures.succeeded
        if labels_of_run not in {own, *unknown} or is_kept_success:
            lines[name][labels] = value
    for name, label, value in _list_samples(measures):
        further = f",{_format_labels({_LABELS[name]: label})}" if label else ""
        lines[name][f"{own}{further}"] = value
    return "".join(
        f"# HELP {name} {METRICS[name]}\n# TYPE {name} gauge\n"
        + "".join(f"{name}{{{labels}}} {value}\n" for labels, value in sorted(found.items()))
        for name, found in lines.items()
        if found
    )


def _list_samples(measures: Measures) -> Iterator[tuple[str, str, str]]:
    ended = measures.ended.timestamp()
    yield "imagesync_last_run_timestamp_seconds", "", f"{ended:.3f}"
    if measures.succeeded:
        yield _LAST_SUCCESS, "", f"{ended:.3f}"
    yield "imagesync_last_run_duration_seconds", "", f"{(measures.ended - measures.started).total_seconds():.3f}"
    yield "imagesync_last_run_success", "", str(int(measures.succeeded))
    for name, values in measures.samples.items():
        yield from (
            (name, label, f"{value:g}" if isinstance(value, float) else str(value)) for label, value in values.items()
        )


def _format_labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{make_printable(value).translate(_ESCAPES)}"' for name, value in labels.items())


def _read_lines(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Name, labels, labels of the run, and value of each whole line of a known metric with its own label."""
    for line in text.split("\n", MAX_KEPT_LINES)[:-1]:
        found = _LINE.fullmatch(line)
        if found and found["name"] in METRICS and found["label"] == _LABELS.get(found["name"]) and line.isprintable():
            yield found["name"], found["labels"], f"{found['place']},{found['run']}", found["value"]
