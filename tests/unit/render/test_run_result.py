"""The JSON of a run of several targets."""

import pytest

from imagesync.errors import Diagnostic
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.model.targets import TargetOutcome, TargetRun
from imagesync.planning.planner import make_plan
from imagesync.render.result import report_to_json
from imagesync.render.run_result import runs_to_json
from tests.unit.factories import catalog, inventory, plan_input, spec

PLAN = make_plan(plan_input(catalog(spec("a")), inventory()))
(STEP,) = PLAN.steps


def test_each_target_has_its_outcome_its_problems_and_its_ids() -> None:
    """A program that continues with the images reads the ids; without a run there is no report."""
    problem = Diagnostic("m.yaml", 3, 5, "images.a", "no", "yes")
    runs = [
        TargetRun("eu", TargetOutcome.DONE, Report(PLAN, (StepResult(STEP, Outcome.DONE, "i1"),)), {"a": "i1"}, wave=1),
        TargetRun("us", TargetOutcome.NOT_STARTED, None, {"a": "i2"}, (problem,), wave=2),
    ]
    document = runs_to_json("base", runs)
    eu, us = document["targets"]
    assert (document["catalog"], document["succeeded"]) == ("base", False)
    assert (eu["target"], eu["wave"], eu["outcome"], eu["problems"]) == ("eu", 1, "done", [])
    assert (eu["report"]["ids"], [one["image_id"] for one in eu["report"]["results"]]) == ({"a": "i1"}, ["i1"])
    assert (us["target"], us["wave"], us["outcome"], us["report"]) == ("us", 2, "not-started", None)
    assert [(one["file"], one["line"], one["message"]) for one in us["problems"]] == [("m.yaml", 3, "no")]
    assert runs_to_json("base", runs[:1])["succeeded"]


def test_the_whole_document_of_a_run() -> None:
    """Targets have the order of the run, each its own report and ids; one unchanged target is a success."""
    report = Report(PLAN, (StepResult(STEP, Outcome.DONE, "i1"),))
    problem = Diagnostic("", 0, 0, "", "no answer", "try again")
    runs = [
        TargetRun("us", TargetOutcome.UNCHANGED, None, {"a": "i0"}, (), 3),
        TargetRun("eu", TargetOutcome.DONE, report, {"b": "i2", "a": "i1"}, (problem, problem), 1),
    ]
    nowhere = {"file": None, "line": None, "column": None, "where": None, "message": "no answer", "hint": "try again"}
    assert runs_to_json("base", runs) == {
        "format_version": 1,
        "catalog": "base",
        "succeeded": True,
        "targets": [
            {"target": "us", "wave": 3, "outcome": "unchanged", "problems": [], "report": None},
            {
                "target": "eu",
                "wave": 1,
                "outcome": "done",
                "problems": [nowhere, nowhere],
                "report": report_to_json(report, {"a": "i1", "b": "i2"}),
            },
        ],
    }


@pytest.mark.parametrize("outcome", list(TargetOutcome))
def test_a_run_has_succeeded_if_each_target_has(outcome: TargetOutcome) -> None:
    """Wherever the other one is; no target at all is a success."""
    runs = [TargetRun("a", TargetOutcome.DONE), TargetRun("b", outcome), TargetRun("c", TargetOutcome.UNCHANGED)]
    is_good = outcome in (TargetOutcome.DONE, TargetOutcome.UNCHANGED)
    assert runs_to_json("base", runs)["succeeded"] is is_good
    assert runs_to_json("base", [])["succeeded"] is True
