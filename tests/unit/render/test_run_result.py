"""The JSON of a run of several targets."""

from imagesync.errors import Diagnostic
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.model.targets import TargetOutcome, TargetRun
from imagesync.planning.planner import make_plan
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
