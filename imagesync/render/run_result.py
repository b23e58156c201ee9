"""The runs of several targets -> JSON for other programs. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from imagesync.model.reported import ReportedRun
from imagesync.model.targets import TargetRun
from imagesync.render.result import problem_to_json, report_to_json


def runs_to_json(catalog: str, runs: Sequence[TargetRun | ReportedRun]) -> dict[str, Any]:
    """The report of a run of several targets, or of the merged reports of several runs, as the schema ``run`` says."""
    return {
        "format_version": 1,
        "catalog": catalog,
        "succeeded": all(run.outcome.is_success for run in runs),
        "targets": [
            {
                "target": run.target,
                "wave": run.wave,
                "outcome": run.outcome.value,
                "problems": [problem_to_json(problem) for problem in run.problems],
                "report": _get_report(run),
            }
            for run in runs
        ],
    }


def _get_report(run: TargetRun | ReportedRun) -> Mapping[str, Any] | None:
    if isinstance(run, ReportedRun):
        return run.document
    return report_to_json(run.report, dict(run.ids)) if run.report else None
