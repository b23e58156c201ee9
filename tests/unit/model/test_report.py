"""What became of a run: candidates, rejected builds, success."""

from dataclasses import replace

import pytest

from imagesync.model.catalog import Status
from imagesync.model.plan import Plan
from imagesync.model.report import Outcome, Report, StepResult, list_rejected_candidates, list_waiting_candidates
from tests.unit.factories import candidate, catalog, inventory, live, plan, spec
from tests.unit.planning.plans import plan_stage


def report_of(made: Plan, outcome: Outcome) -> Report:
    """Every step ended so."""
    return Report(made, tuple(StepResult(step, outcome, "new") for step in made.steps))


@pytest.mark.parametrize("outcome", Outcome)
def test_only_a_build_that_was_staged_is_a_candidate(outcome: Outcome) -> None:
    """Beside those that were there before and are wanted; a failed one was never verified."""
    wanted = catalog(spec("a", "b"), spec("b", "b"), spec("c", "c"))
    there = candidate(spec("b", "b"), "there"), candidate(spec("c", "d"), "unwanted"), live(spec("c", "c"))
    made = plan_stage(wanted, inventory(live(spec("a")), *there))
    assert [step.id for step in made.steps] == ["create:a"]
    new = {"a": "new"} if outcome is Outcome.DONE else {}
    assert list_waiting_candidates(report_of(made, outcome)) == {**new, "b": "there"}


def test_a_build_that_was_published_is_no_candidate() -> None:
    """Neither a new one nor a candidate of before."""
    made = plan(catalog(spec("a", "b"), spec("b")), inventory(live(spec("a")), candidate(spec("a", "b"))))
    assert list_waiting_candidates(report_of(made, Outcome.DONE)) == {}


def test_rejected_builds_are_listed_by_key() -> None:
    """All of them; one that waits is none."""
    off = [candidate(spec("a", "b"), name, status=Status.DEACTIVATED) for name in ("one", "two")]
    made = plan(catalog(spec("a", "b"), spec("b", "b")), inventory(*off))
    report = report_of(made, Outcome.DONE)
    assert list_rejected_candidates(report) == {"a": ["one", "two"]}


@pytest.mark.parametrize("outcome", Outcome)
def test_a_run_has_succeeded_if_all_was_done_that_could_be(outcome: Outcome) -> None:
    """What the service deferred counts; whatever stopped the run, or is not as it should be, does not."""
    report = report_of(plan(catalog(spec("a")), inventory()), outcome)
    assert report.succeeded is (outcome in (Outcome.DONE, Outcome.DEFERRED))
    for other in (
        replace(report, interrupted=True),
        replace(report, stopped="the lease is lost"),
        replace(report, leftover=("x",)),
    ):
        assert not other.succeeded
