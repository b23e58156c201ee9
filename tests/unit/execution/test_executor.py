"""The executor: order, failures and interruption, with performers of the test's own."""

import threading
from collections.abc import Callable

from imagesync.errors import ChecksumMismatch
from imagesync.execution.executor import execute
from imagesync.model.plan import Deactivate, Plan, Reason, Step
from imagesync.model.report import Event, Outcome, Performed, Report
from tests.unit.factories import TARGET


def made(*steps: tuple[str, tuple[str, ...]]) -> Plan:
    """A plan of steps by name and needs."""
    return Plan("base", TARGET, tuple(Step(name, Deactivate(name, name), Reason.NEW, needs) for name, needs in steps))


def run(plan: Plan, failing: str = "", bug: str = "", cancel_at: str = "", jobs: int = 4) -> tuple[Report, list[str]]:
    """The report, and the order in which steps were performed."""
    order: list[str] = []
    cancelled = threading.Event()

    def perform(step: Step, progress: Callable[[int, int | None], None]) -> Performed:
        order.append(step.id)
        if step.id == cancel_at:
            cancelled.set()
        if step.id == failing:
            raise ChecksumMismatch("wrong")
        if step.id == bug:
            raise KeyError("oops")
        return Performed(step.id)

    events: list[Event] = []
    return execute(plan, perform, jobs=jobs, notify=events.append, cancelled=cancelled), order


def outcomes(report: Report) -> dict[str, str]:
    """Outcome by step."""
    return {result.step.id: result.outcome.value for result in report.results}


def test_needs_come_first() -> None:
    """Whatever the number of jobs."""
    report, order = run(made(("a", ()), ("b", ("a",)), ("c", ("b",))))
    assert order == ["a", "b", "c"]
    assert report.succeeded


def test_a_failure_skips_what_needs_it_and_names_the_cause() -> None:
    """The rest goes on; the root cause is told once."""
    report, _ = run(made(("a", ()), ("b", ("a",)), ("c", ("b",)), ("d", ())), failing="a")
    assert outcomes(report) == {"a": "failed", "b": "skipped", "c": "skipped", "d": "done"}
    assert [result.cause for result in report.results] == [None, "a", "a", None]
    assert not report.succeeded


def test_a_bug_fails_its_step_and_keeps_the_traceback() -> None:
    """For the log file, not for the user."""
    report, _ = run(made(("a", ()), ("b", ())), bug="a")
    assert "KeyError" in report.bug
    assert outcomes(report) == {"a": "failed", "b": "done"}


def test_after_an_interruption_no_step_starts() -> None:
    """What had no turn is not started."""
    report, _ = run(made(("a", ()), ("b", ()), ("c", ())), cancel_at="a", jobs=1)
    assert outcomes(report) == {"a": "done", "b": "not-started", "c": "not-started"}
    assert report.interrupted
    assert report.results[1].outcome is Outcome.NOT_STARTED
