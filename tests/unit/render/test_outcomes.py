"""What a report shows of the steps of a row."""

from dataclasses import replace

import pytest

from imagesync.model.report import Outcome, StepResult
from imagesync.planning.planner import make_plan
from imagesync.render.blocks import Kind, Row
from imagesync.render.outcomes import WORST, find_outcome, list_step_errors
from imagesync.render.style import Ink
from tests.unit.factories import catalog, inventory, plan_input, spec

(STEP,) = make_plan(plan_input(catalog(spec("a")), inventory())).steps
ROW = Row(Kind(Ink.ADD, "+", "create"), "a", steps=("one", "two", "three", "four"))


def fail(error: str) -> StepResult:
    """A result with an error."""
    return StepResult(STEP, Outcome.FAILED if error else Outcome.DONE, error=error)


def test_each_error_of_a_row_is_shown_once_in_the_order_of_the_steps() -> None:
    """A service that is away fails all steps for the same reason. Control characters are escaped."""
    results = {"four": fail("away"), "one": fail("no room"), "two": fail("away"), "three": fail(""), "x": fail("other")}
    assert list_step_errors(ROW, results) == ("no room", "away")
    assert list_step_errors(ROW, {}) == ()
    assert list_step_errors(ROW, {"one": fail("a\x1b[2Jb")}) == ("a\\x1b[2Jb",)


@pytest.mark.parametrize(
    ("outcomes", "worst"),
    [
        (list(WORST), Outcome.FAILED),
        (list(WORST[:0:-1]), Outcome.INTERRUPTED),
        ([Outcome.DONE, Outcome.NOT_STARTED, Outcome.DEFERRED, Outcome.SKIPPED], Outcome.SKIPPED),
        ([Outcome.DONE, Outcome.NOT_STARTED, Outcome.DEFERRED], Outcome.DEFERRED),
        ([Outcome.DONE, Outcome.NOT_STARTED], Outcome.NOT_STARTED),
        ([Outcome.DONE, Outcome.DONE], Outcome.DONE),
        ([], Outcome.NOT_STARTED),
    ],
)
def test_the_outcome_of_a_row_is_the_worst_of_its_steps(outcomes: list[Outcome], worst: Outcome) -> None:
    """Steps of other rows do not count, and steps without a result only if there is no result."""
    names = [f"s{at}" for at in range(len(outcomes))]
    results = {name: StepResult(STEP, outcome) for name, outcome in zip(names, outcomes, strict=True)}
    row = replace(ROW, steps=(*names, "without a result"))
    assert find_outcome(row, {**results, "x": StepResult(STEP, Outcome.FAILED)}) is worst
    assert set(WORST) == set(Outcome)
