"""The runs of several targets -> JSON for other programs. Pure."""

from collections.abc import Sequence
from typing import Any

from imagesync.model.targets import TargetRun
from imagesync.render.result import problem_to_json, report_to_json


def runs_to_json(catalog: str, runs: Sequence[TargetRun]) -> dict[str, Any]:
    """The report of a run of several targets."""
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
                "report": report_to_json(run.report, dict(run.ids)) if run.report else None,
            }
            for run in runs
        ],
    }
