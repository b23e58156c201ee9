"""A run that is ended at once has the report of what was seen of it so far."""

from dataclasses import replace

import pytest

from imagesync.model.partial_report import ReportSoFar
from imagesync.model.plan import Deactivate, Kind, Reason, Step
from imagesync.model.report import Finished, Outcome, Progress, Started, StepResult, Transferred
from tests.unit.factories import catalog, inventory, plan, spec

PLAN = plan(catalog(spec("a"), spec("b"), spec("c")), inventory())
A, B, C = PLAN.steps


def test_running_steps_are_interrupted_with_the_bytes_that_were_sent() -> None:
    """Steps that ended keep their result, the others have not started."""
    so_far = ReportSoFar()
    for event in (
        Started(A),
        Progress(A, Transferred(5, 10)),
        Started(B),
        Progress(B, Transferred(2, 10)),
        Progress(B, Transferred(7, 10)),
        Finished(StepResult(A, Outcome.DONE, "id-a", bytes_sent=10)),
    ):
        so_far(event)
    results = {one.step.id: (one.outcome, one.bytes_sent) for one in so_far.make_report(PLAN).results}
    assert results == {
        A.id: (Outcome.DONE, 10),
        B.id: (Outcome.INTERRUPTED, 7),
        C.id: (Outcome.NOT_STARTED, 0),
    }
    assert so_far.has_running
    assert so_far.find_ids(PLAN) == {"a": "id-a"}


@pytest.mark.parametrize("kind", Kind)
def test_ids_of_a_run_are_those_of_published_creates(kind: Kind) -> None:
    """A candidate is not current; a step on an image that exists makes none."""
    so_far = ReportSoFar()
    update = Step("u", Deactivate("z", "off"), Reason.EXPIRED)
    for event in (
        Finished(StepResult(A, Outcome.DONE, "id-a")),
        Finished(StepResult(B, Outcome.FAILED, None)),
        Started(update),
        Finished(StepResult(update, Outcome.DONE, "off")),
    ):
        so_far(event)
    before = replace(PLAN, kind=kind, ids={"a": "old", "y": "id-y"})
    assert so_far.find_ids(before) == {"a": "old" if kind is Kind.STAGE else "id-a", "y": "id-y"}
    assert not so_far.has_running
    report = so_far.make_report(PLAN)
    assert report.interrupted
    assert [one.outcome for one in report.results] == [Outcome.DONE, Outcome.FAILED, Outcome.NOT_STARTED]
