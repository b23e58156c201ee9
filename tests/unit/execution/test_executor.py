"""The executor: order, failures and interruption, with performers that the tests define."""

import threading
import time
from collections.abc import Sequence

import pytest

from imagesync.errors import ChecksumMismatch, ImagesyncError, RunStopped
from imagesync.execution.deletions import Waiting
from imagesync.execution.executor import execute
from imagesync.model.plan import Deactivate, Delete, Plan, Reason, Step
from imagesync.model.report import Advance, Event, Finished, Outcome, Performed, Progress, Report, Started, Transferred
from tests.unit.factories import TARGET
from tests.waiting import wait_until


def made(*steps: tuple[str, tuple[str, ...]]) -> Plan:
    """A plan of steps by name and needs; a name that begins with "-" is a deletion."""
    actions = (
        (name, needs, Delete(name, name) if name.startswith("-") else Deactivate(name, name)) for name, needs in steps
    )
    return Plan("base", TARGET, tuple(Step(name, action, Reason.NEW, needs) for name, needs, action in actions))


def run(plan: Plan, failing: str = "", bug: str = "", cancel_at: str = "", jobs: int = 4) -> tuple[Report, list[str]]:
    """The report, and the order in which steps were performed."""
    order: list[str] = []
    cancelled = threading.Event()

    class Performing:
        def __call__(self, step: Step, advance: Advance, /) -> Performed:
            order.append(step.id)
            if step.id == cancel_at:
                cancelled.set()
            if step.id == failing:
                raise ChecksumMismatch("wrong")
            if step.id == bug:
                raise KeyError("oops")
            return Performed(step.id)

        def delete(
            self, deletes: Sequence[Delete], jobs: int, waiting: Waiting, /
        ) -> dict[str, Performed | ImagesyncError]:
            order.append("+".join(delete.image_id for delete in deletes))
            if bug == "delete":
                raise KeyError("oops")
            wrong = ChecksumMismatch("wrong")
            found: dict[str, Performed | ImagesyncError] = {}
            found |= {one.image_id: wrong if one.image_id == failing else Performed(one.image_id) for one in deletes}
            return {} if waiting.is_cancelled() else found

    events: list[Event] = []
    return execute(plan, Performing(), jobs=jobs, notify=events.append, cancelled=cancelled), order


def outcomes(report: Report) -> dict[str, str]:
    """Outcome by step."""
    return {result.step.id: result.outcome.value for result in report.results}


def test_needs_come_first() -> None:
    """With any number of jobs."""
    report, order = run(made(("a", ()), ("b", ("a",)), ("c", ("b",))))
    assert order == ["a", "b", "c"]
    assert report.succeeded


def test_a_failure_skips_the_steps_that_need_it_and_names_the_cause() -> None:
    """The other steps continue; the root cause is reported once."""
    report, _ = run(made(("a", ()), ("b", ("a",)), ("c", ("b",)), ("d", ())), failing="a")
    assert outcomes(report) == {"a": "failed", "b": "skipped", "c": "skipped", "d": "done"}
    assert [result.cause for result in report.results] == [None, "a", "a", None]
    assert not report.succeeded


def test_a_bug_fails_its_step_and_keeps_the_traceback() -> None:
    """For the log file, not for the user."""
    report, _ = run(made(("a", ()), ("b", ())), bug="a")
    assert "KeyError" in report.bug
    assert outcomes(report) == {"a": "failed", "b": "done"}


@pytest.mark.parametrize("error", [RunStopped(), ChecksumMismatch("wrong"), KeyError("oops"), None])
def test_bytes_that_were_sent_are_in_the_result_however_the_step_ends(error: Exception | None) -> None:
    """Those of the last try; a step that succeeds returns their number itself."""

    class Sending:
        def __call__(self, step: Step, advance: Advance, /) -> Performed:
            for sent in (500, 30, 70):
                advance(Transferred(sent, 100, sent, 100))
            if error is not None:
                raise error
            return Performed(step.id, bytes_sent=100)

        def delete(
            self, deletes: Sequence[Delete], jobs: int, waiting: Waiting, /
        ) -> dict[str, Performed | ImagesyncError]:
            return {}

    report = execute(made(("a", ())), Sending(), jobs=1, notify=lambda _: None, cancelled=threading.Event())
    assert [result.bytes_sent for result in report.results] == [70 if error else 100]


def test_after_an_interruption_no_step_starts() -> None:
    """The remaining steps are reported as not started."""
    report, _ = run(made(("a", ()), ("b", ()), ("c", ())), cancel_at="a", jobs=1)
    assert outcomes(report) == {"a": "done", "b": "not-started", "c": "not-started"}
    assert report.interrupted
    assert report.results[1].outcome is Outcome.NOT_STARTED


def test_images_are_deleted_together_after_all_other_steps() -> None:
    """In any order of the plan."""
    report, order = run(made(("-x", ()), ("a", ()), ("-y", ("a",)), ("b", ())), jobs=1)
    assert order == ["a", "b", "-x+-y"]
    assert report.succeeded


def test_a_deletion_that_needs_a_failed_step_is_skipped() -> None:
    """The others are carried out; one that fails itself reports its error."""
    report, order = run(made(("a", ()), ("-x", ("a",)), ("-y", ()), ("-z", ("-x",))), failing="a")
    assert order == ["a", "-y"]
    assert outcomes(report) == {"a": "failed", "-x": "skipped", "-y": "done", "-z": "skipped"}
    report, _ = run(made(("-x", ()), ("-y", ())), failing="-x")
    assert outcomes(report) == {"-x": "failed", "-y": "done"}
    assert report.results[0].error == "wrong"


def test_a_bug_fails_the_deletions_and_keeps_the_traceback() -> None:
    report, _ = run(made(("-x", ()), ("a", ())), bug="delete")
    assert "KeyError" in report.bug
    assert outcomes(report) == {"-x": "failed", "a": "done"}


def test_after_an_interruption_nothing_is_deleted() -> None:
    report, order = run(made(("a", ()), ("-x", ())), cancel_at="a")
    assert (order, report.interrupted) == (["a"], True)
    assert outcomes(report) == {"a": "done", "-x": "not-started"}


def test_a_run_that_is_stopped_after_it_marked_images_is_interrupted() -> None:
    """The images are deferred to the next run; no step is reported as not started."""
    cancelled = threading.Event()

    class Marking:
        def __call__(self, step: Step, advance: Advance, /) -> Performed:
            raise AssertionError("there is nothing else to do")

        def delete(self, deletes: Sequence[Delete], jobs: int, waiting: Waiting, /) -> dict[str, Performed]:
            cancelled.set()
            return {one.image_id: Performed(one.image_id, Outcome.DEFERRED) for one in deletes}

    report = execute(made(("-x", ())), Marking(), jobs=1, notify=lambda _: None, cancelled=cancelled)
    assert outcomes(report) == {"-x": "deferred"}
    assert report.interrupted


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_no_more_steps_start_than_may_run_at_once(jobs: int) -> None:
    """Also when some of them have ended: after a stop in the meantime, no other step starts."""
    lock, ended, cancelled = threading.Lock(), list[str](), threading.Event()
    running, most = set[str](), 0

    def notify(event: Event) -> None:
        nonlocal most
        with lock:
            if isinstance(event, Started):
                running.add(event.step.id)
                most = max(most, len(running))
            elif isinstance(event, Finished):
                running.discard(event.result.step.id)

    def perform(step: Step, advance: Advance, /) -> Performed:
        wait_until(lambda: len(running) + len(ended), lambda number: number >= jobs, "the others were begun")
        with lock:
            ended.append(step.id)
            if len(ended) == jobs + 1:
                cancelled.set()
        return Performed(step.id)

    plan = made(*((f"s{number}", ()) for number in range(4 * jobs)))
    report = execute(plan, perform, jobs=jobs, notify=notify, cancelled=cancelled)  # type: ignore[arg-type]
    assert most == jobs
    done = [name for name, outcome in outcomes(report).items() if outcome == "done"]
    assert jobs < len(done) <= 2 * jobs + 1
    assert sorted(done) == sorted(ended)


def test_each_step_starts_and_ends_once_and_its_result_is_complete() -> None:
    """It has image, remark, outcome and bytes from the performer, and no more seconds than have passed."""
    begun = time.monotonic()
    events: list[Event] = []

    class Speaking:
        def __call__(self, step: Step, advance: Advance, /) -> Performed:
            if step.id == "stopped":
                raise RunStopped
            if step.id == "failed":
                raise ChecksumMismatch("wrong")
            if step.id == "bug":
                raise KeyError("oops")
            advance(Transferred(1, 2, 3, 4))
            return Performed(f"image of {step.id}", Outcome.DEFERRED, remark=f"remark of {step.id}", bytes_sent=5)

        def delete(
            self, deletes: Sequence[Delete], jobs: int, waiting: Waiting, /
        ) -> dict[str, Performed | ImagesyncError]:
            assert (jobs, waiting.is_cancelled()) == (1, False)
            return {
                "-x": Performed("-x", Outcome.DEFERRED, remark="in use"),
                "-y": Performed("-y"),
                "-z": ChecksumMismatch("no"),
            }

    plan = made(*((name, ()) for name in ("said", "failed", "bug", "stopped", "-x", "-y", "-z", "-missing")))
    report = execute(plan, Speaking(), jobs=1, notify=events.append, cancelled=threading.Event())
    elapsed = time.monotonic() - begun
    names = [step.id for step in plan.steps]
    for kind in (Started, Finished):
        ids = [e.step.id if isinstance(e, Started) else e.result.step.id for e in events if isinstance(e, kind)]
        assert sorted(ids) == sorted(names)
    for name in names:
        steps = [(type(one), one.result.step if isinstance(one, Finished) else one.step) for one in events]
        kinds = [kind for kind, step in steps if step.id == name]
        assert kinds == ([Started, Progress, Finished] if name == "said" else [Started, Finished])
    assert [event for event in events if isinstance(event, Progress)] == [
        Progress(plan.steps[0], Transferred(1, 2, 3, 4))
    ]
    assert [result.step for result in report.results] == list(plan.steps)
    assert tuple(event.result for event in sorted_ends(events, names)) == report.results
    assert all(0 <= result.seconds <= elapsed for result in report.results)
    found = {one.step.id: (one.outcome, one.image_id, one.error, one.cause, one.bytes_sent) for one in report.results}
    assert found == {
        "said": (Outcome.DEFERRED, "image of said", "remark of said", None, 5),
        "failed": (Outcome.FAILED, None, "wrong", None, 0),
        "bug": (Outcome.FAILED, None, found["bug"][2], None, 0),
        "stopped": (Outcome.INTERRUPTED, None, "", None, 0),
        "-x": (Outcome.DEFERRED, "-x", "in use", None, 0),
        "-y": (Outcome.DONE, "-y", "", None, 0),
        "-z": (Outcome.FAILED, None, "no", None, 0),
        "-missing": (Outcome.NOT_STARTED, None, "", None, 0),
    }
    assert not report.interrupted


def sorted_ends(events: Sequence[Event], names: Sequence[str]) -> list[Finished]:
    """The ends of steps in the order of the plan."""
    return sorted((one for one in events if isinstance(one, Finished)), key=lambda one: names.index(one.result.step.id))


@pytest.mark.parametrize("error", [ChecksumMismatch("wrong"), KeyError("oops")])
def test_deletions_that_fail_together_fail_one_by_one(error: Exception) -> None:
    """Each has the error, or is reported as a bug."""

    class Failing:
        def __call__(self, step: Step, advance: Advance, /) -> Performed:
            raise AssertionError

        def delete(self, deletes: Sequence[Delete], jobs: int, waiting: Waiting, /) -> dict[str, Performed]:
            raise error

    report = execute(
        made(("-x", ()), ("-y", ())), Failing(), jobs=2, notify=lambda _: None, cancelled=threading.Event()
    )
    assert outcomes(report) == {"-x": "failed", "-y": "failed"}
    assert all(result.error for result in report.results)
    assert bool(report.bug) is isinstance(error, KeyError)


def test_a_step_that_has_become_ready_does_not_wait_for_others() -> None:
    """While one long step runs, two other steps are carried out, one after the other."""
    last = threading.Event()

    class Waits:
        def __call__(self, step: Step, advance: Advance, /) -> Performed:
            if step.id == "long":
                assert last.wait(60)
            if step.id == "c":
                last.set()
            return Performed(step.id)

        def delete(self, deletes: Sequence[Delete], jobs: int, waiting: Waiting, /) -> dict[str, Performed]:
            return {}

    plan = made(("long", ()), ("a", ()), ("b", ("a",)), ("c", ("b",)))
    report = execute(plan, Waits(), jobs=2, notify=lambda _: None, cancelled=threading.Event())
    assert set(outcomes(report).values()) == {"done"}


def test_a_stop_after_the_last_step_interrupts_nothing() -> None:
    """All steps are done."""
    report, _ = run(made(("a", ()), ("b", ("a",))), cancel_at="b")
    assert (outcomes(report), report.interrupted) == ({"a": "done", "b": "done"}, False)


def test_a_step_waits_for_all_that_it_needs() -> None:
    """Not only for the first, and whatever ends first; a step that needs less starts before it."""
    started: list[str] = []
    other = threading.Event()

    def notify(event: Event) -> None:
        if isinstance(event, Started):
            started.append(event.step.id)
            if event.step.id == "e":
                other.set()

    class WaitsForOther:
        def __call__(self, step: Step, advance: Advance, /) -> Performed:
            if step.id == "b":
                assert other.wait(60)
            return Performed(step.id)

        def delete(self, deletes: Sequence[Delete], jobs: int, waiting: Waiting, /) -> dict[str, Performed]:
            return {}

    plan = made(("a", ()), ("b", ()), ("c", ("a", "b")), ("d", ("b", "a")), ("e", ("a",)))
    report = execute(plan, WaitsForOther(), jobs=5, notify=notify, cancelled=threading.Event())
    assert set(outcomes(report).values()) == {"done"}
    assert started == ["a", "b", "e", "c", "d"]


def test_deletions_learn_of_a_stop_while_they_run() -> None:
    """Between the marks and the deletions there is a wait."""
    cancelled, seen = threading.Event(), list[bool]()

    class Deleting:
        def __call__(self, step: Step, advance: Advance, /) -> Performed:
            raise AssertionError

        def delete(self, deletes: Sequence[Delete], jobs: int, waiting: Waiting, /) -> dict[str, Performed]:
            seen.append(waiting.is_cancelled())
            cancelled.set()
            seen.append(waiting.is_cancelled())
            return {}

    execute(made(("-x", ())), Deleting(), jobs=1, notify=lambda _: None, cancelled=cancelled)
    assert seen == [False, True]


def test_what_needs_an_interrupted_step_is_not_started() -> None:
    """It is not skipped: nothing failed."""

    class Stopping:
        def __call__(self, step: Step, advance: Advance, /) -> Performed:
            raise RunStopped

        def delete(
            self, deletes: Sequence[Delete], jobs: int, waiting: Waiting, /
        ) -> dict[str, Performed | ImagesyncError]:
            return {}

    stopped = threading.Event()

    def notify(event: Event) -> None:
        if isinstance(event, Started):
            stopped.set()

    steps = made(("a", ()), ("b", ("a",)), ("-c", ("b",)))
    report = execute(steps, Stopping(), jobs=1, notify=notify, cancelled=stopped)
    assert outcomes(report) == {"a": "interrupted", "b": "not-started", "-c": "not-started"}
    assert [result.error for result in report.results] == ["", "", ""]
    assert report.interrupted
