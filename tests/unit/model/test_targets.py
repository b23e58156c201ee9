"""How the run of a target ended."""

import pytest

from imagesync.model.report import Outcome, Report, StepResult
from imagesync.model.targets import TargetOutcome, judge_end, judge_run
from imagesync.planning.planner import make_plan
from tests.unit.factories import catalog, inventory, plan_input, spec

PLAN = make_plan(plan_input(catalog(spec("a")), inventory()))
(STEP,) = PLAN.steps
DONE, FAILED = StepResult(STEP, Outcome.DONE), StepResult(STEP, Outcome.FAILED, error="no")


@pytest.mark.parametrize(
    ("report", "error", "interrupted", "expected"),
    [
        (None, "", False, TargetOutcome.UNCHANGED),
        (None, "the cloud is gone", False, TargetOutcome.NOT_STARTED),
        (None, "", True, TargetOutcome.INTERRUPTED),
        (None, "the cloud is gone", True, TargetOutcome.INTERRUPTED),
        (Report(PLAN, (DONE,)), "", False, TargetOutcome.DONE),
        (Report(PLAN, (DONE,)), "an error after the steps", False, TargetOutcome.FAILED),
        (Report(PLAN, (DONE,)), "", True, TargetOutcome.INTERRUPTED),
        (Report(PLAN, (DONE,), interrupted=True), "", False, TargetOutcome.INTERRUPTED),
        (Report(PLAN, (FAILED,)), "", False, TargetOutcome.FAILED),
        (Report(PLAN, (FAILED,)), "", True, TargetOutcome.INTERRUPTED),
        (Report(PLAN, (DONE,), stopped="the lease is lost"), "", False, TargetOutcome.LOST),
        (Report(PLAN, (DONE,), stopped="the lease is lost"), "an error", True, TargetOutcome.INTERRUPTED),
        (Report(PLAN, ()), "", False, TargetOutcome.UNCHANGED),
    ],
)
def test_how_a_run_ended(report: Report | None, error: str, interrupted: bool, expected: TargetOutcome) -> None:
    """An error beside steps that are done is a failure: a pipeline that reads only the outcome must stop."""
    assert judge_run(report, error, interrupted=interrupted) is expected


def test_what_is_worst_decides() -> None:
    """An interrupt before a lost lease, and that before a failed step."""
    assert judge_end(True, "lost", succeeded=False, has_steps=True) is TargetOutcome.INTERRUPTED
    assert judge_end(False, "lost", succeeded=False, has_steps=True) is TargetOutcome.LOST
    assert judge_end(False, None, succeeded=False, has_steps=False) is TargetOutcome.FAILED
    assert judge_end(False, None, succeeded=True, has_steps=False) is TargetOutcome.UNCHANGED


@pytest.mark.parametrize("outcome", TargetOutcome)
def test_only_a_target_that_is_as_declared_is_a_success(outcome: TargetOutcome) -> None:
    """Its words have no hyphen."""
    assert outcome.is_success is (outcome in (TargetOutcome.DONE, TargetOutcome.UNCHANGED))
    assert outcome.words == ("not started" if outcome is TargetOutcome.NOT_STARTED else outcome.value)
