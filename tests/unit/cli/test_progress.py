"""What a terminal shows while a run goes on."""

import io

import pytest

from imagesync.cli.progress import ProgressLines
from imagesync.model.plan import Deactivate, Reason
from imagesync.model.report import Finished, Outcome, Started, StepResult
from imagesync.planning.steps import make_step

STEP = make_step(Deactivate("a", "id-a"), Reason.DRIFT)


class Terminal(io.StringIO):
    """A stream that says that it is one."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("outcome", [Outcome.SKIPPED, Outcome.NOT_STARTED])
def test_a_step_that_never_began_is_done_and_was_not_at_work(outcome: Outcome) -> None:
    """Only what was started can end."""
    stream = Terminal()
    ProgressLines(3, stream)(Finished(StepResult(STEP, outcome)))
    assert stream.getvalue().endswith("\r\x1b[K1 of 3 steps done, 0 at work, 0 B sent")


def test_a_step_that_began_is_at_work() -> None:
    """Until it ends."""
    stream = Terminal()
    lines = ProgressLines(1, stream)
    lines(Started(STEP))
    assert stream.getvalue() == "\r\x1b[K0 of 1 steps done, 1 at work, 0 B sent"
    lines(Finished(StepResult(STEP, Outcome.DONE)))
    assert stream.getvalue().endswith("done        deactivate:a:id-a\n\r\x1b[K")


def test_what_is_no_terminal_gets_a_line_a_step_and_nothing_that_moves() -> None:
    """A log holds no status that is written over."""
    stream = io.StringIO()
    lines = ProgressLines(1, stream)
    lines(Started(STEP))
    lines(Finished(StepResult(STEP, Outcome.DONE)))
    assert stream.getvalue() == "done        deactivate:a:id-a\n"
