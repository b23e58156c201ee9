"""The result of a run: candidates, rejected builds, success."""

from dataclasses import replace

import pytest

from imagesync.errors import Diagnostic
from imagesync.model.catalog import Status
from imagesync.model.plan import Candidate, Fate, Plan, PlanError
from imagesync.model.report import Outcome, Report, StepResult, list_rejected_candidates, list_waiting_candidates
from tests.unit.factories import candidate, catalog, inventory, live, plan, spec
from tests.unit.planning.plans import plan_stage


def report_of(made: Plan, outcome: Outcome) -> Report:
    """A report in which every step has this outcome."""
    return Report(made, tuple(StepResult(step, outcome, "new") for step in made.steps))


@pytest.mark.parametrize("outcome", Outcome)
def test_only_a_build_that_was_staged_is_a_candidate(outcome: Outcome) -> None:
    """Earlier candidates that the next plan publishes count too; a failed build was never verified."""
    wanted = catalog(spec("a", "b"), spec("b", "b"), spec("c", "c"))
    there = candidate(spec("b", "b"), "there"), candidate(spec("c", "d"), "unwanted"), live(spec("c", "c"))
    made = plan_stage(wanted, inventory(live(spec("a")), *there))
    assert [step.id for step in made.steps] == ["create:a"]
    new = {"a": "new"} if outcome is Outcome.DONE else {}
    assert list_waiting_candidates(report_of(made, outcome)) == {**new, "b": "there"}


def test_a_published_build_is_not_a_candidate() -> None:
    """Neither a new build nor an earlier candidate."""
    made = plan(catalog(spec("a", "b"), spec("b")), inventory(live(spec("a")), candidate(spec("a", "b"))))
    assert list_waiting_candidates(report_of(made, Outcome.DONE)) == {}


def test_rejected_builds_are_listed_by_key() -> None:
    """All of them; a waiting candidate is not one."""
    off = [candidate(spec("a", "b"), name, status=Status.DEACTIVATED) for name in ("one", "two")]
    made = plan(catalog(spec("a", "b"), spec("b", "b")), inventory(*off))
    report = report_of(made, Outcome.DONE)
    assert list_rejected_candidates(report) == {"a": ["one", "two"]}


@pytest.mark.parametrize("outcome", Outcome)
def test_a_run_succeeds_if_all_steps_are_done_or_deferred(outcome: Outcome) -> None:
    """A stop, or a difference in the final listing, is not a success."""
    report = report_of(plan(catalog(spec("a")), inventory()), outcome)
    assert report.succeeded is (outcome in (Outcome.DONE, Outcome.DEFERRED))
    for other in (
        replace(report, interrupted=True),
        replace(report, stopped="the lease is lost"),
        replace(report, leftover=("x",)),
    ):
        assert not other.succeeded
        assert not other.is_carried_out


def test_a_key_with_an_error_is_no_success() -> None:
    """Although every step of the plan was done; one step that was not done is enough, too."""
    made = plan(catalog(spec("a"), spec("b")), inventory())
    done = report_of(made, Outcome.DONE)
    failed = replace(made, errors=(PlanError("c", Diagnostic("m.yaml", 1, 1, "images.c", "gone")),))
    assert (done.is_carried_out, done.succeeded) == (True, True)
    assert (replace(done, plan=failed).is_carried_out, replace(done, plan=failed).succeeded) == (True, False)
    first, last = done.results
    assert not replace(done, results=(first, replace(last, outcome=Outcome.SKIPPED))).succeeded


@pytest.mark.parametrize("outcome", Outcome)
def test_the_words_of_an_outcome_have_no_hyphen(outcome: Outcome) -> None:
    """They are for people."""
    assert outcome.words == ("not started" if outcome is Outcome.NOT_STARTED else outcome.value)


def test_candidates_are_listed_by_key_and_each_key_once() -> None:
    """Sorted, whatever the order of the plan."""
    waiting = [Candidate(key, f"id-{key}", "", Fate.WAITING) for key in "cab"]
    rejected = [Candidate("z", f"z{number}", "", Fate.REJECTED) for number in range(2)]
    made = replace(plan(catalog(spec("a")), inventory()), candidates=(*waiting, *rejected))
    report = Report(made, ())
    assert list(list_waiting_candidates(report).items()) == [("a", "id-a"), ("b", "id-b"), ("c", "id-c")]
    assert list_rejected_candidates(report) == {"z": ["z0", "z1"]}
