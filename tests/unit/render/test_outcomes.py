"""What a report shows of the steps of a row."""

from imagesync.model.report import Outcome, StepResult
from imagesync.planning.planner import make_plan
from imagesync.render.blocks import Kind, Row
from imagesync.render.outcomes import list_step_errors
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
