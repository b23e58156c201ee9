"""A plan -> a report: a pool of threads carries out the steps in the order of their needs. The I/O is in ``perform``.

Only the calling thread changes the graph and the results. If a step fails, the steps that need it are skipped, each
with the cause; the other steps continue. Images are deleted together, after all other steps. Once ``cancelled`` is set,
no further step starts.
"""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Final, Protocol

from imagesync.errors import ImagesyncError, RunStopped
from imagesync.execution.deletions import Waiting
from imagesync.execution.slots import Seat, Slots
from imagesync.labels import ThreadPool
from imagesync.model.plan import Delete, Plan, Step
from imagesync.model.report import (
    Advance,
    Event,
    Finished,
    Outcome,
    Performed,
    Progress,
    Report,
    Started,
    StepResult,
    Transferred,
)

TICK: Final = 0.2
"""Seconds between two looks at ``cancelled``."""


class Perform(Protocol):
    """What carries out steps: ``execution.performer.Performer``, or a double in tests."""

    def __call__(self, step: Step, advance: Advance, /) -> Performed:
        """Carry out one step other than a deletion. ImagesyncError if it failed, RunStopped if it was interrupted."""

    def delete(
        self, deletes: Sequence[Delete], jobs: int, waiting: Waiting, /
    ) -> Mapping[str, Performed | ImagesyncError]:
        """Delete images; return the outcome of each by image id. A missing one was not started."""


class Cancelled(Protocol):
    """The cancellation of a run; a ``threading.Event`` is one."""

    def is_set(self) -> bool:
        """Whether no further step may start."""


def execute(
    plan: Plan,
    perform: Perform,
    *,
    jobs: int,
    notify: Callable[[Event], None],
    cancelled: Cancelled,
    slots: Slots | None = None,
) -> Report:
    """Carry out every step whose needs are done, at most ``jobs`` at once.

    ``slots``: the limit that the targets of one run share.
    """
    run = _Run(plan, notify)
    with (slots or Slots(jobs)).join(plan.target_name or "") as seat, ThreadPool(seat.most) as pool:
        working: dict[Future[StepResult], Step] = {}
        while True:
            run.skip_blocked()
            ready = run.find_ready() if not cancelled.is_set() else []
            while ready and seat.take():
                step = ready.pop(0)
                run.started.add(step.id)
                notify(Started(step))
                working[pool.submit(run.attempt, step, perform)] = step
            if working:
                done, _ = wait(working, timeout=TICK, return_when=FIRST_COMPLETED)
                for future in done:
                    run.finish(future.result())
                    del working[future]
                    seat.release()
            elif ready:
                seat.wait(TICK)
            elif deletes := run.find_ready_deletes() if not cancelled.is_set() else ():
                run.delete(deletes, perform, seat, cancelled)
            else:
                break
    return run.make_report(interrupted=cancelled.is_set())


class _Run:
    def __init__(self, plan: Plan, notify: Callable[[Event], None]) -> None:
        self.plan, self._notify = plan, notify
        self.results: dict[str, StepResult] = {}
        self.started: set[str] = set()
        self.bug = ""

    def find_ready(self) -> list[Step]:
        """Steps other than deletions whose needs are all done, in plan order."""
        return [step for step in self._find_startable() if not isinstance(step.action, Delete)]

    def find_ready_deletes(self) -> list[Step]:
        """Deletions whose needs are all done."""
        return [step for step in self._find_startable() if isinstance(step.action, Delete)]

    def _find_startable(self) -> list[Step]:
        done = {name for name, result in self.results.items() if result.outcome is Outcome.DONE}
        waiting = (step for step in self.plan.steps if step.id not in self.started | set(self.results))
        return [step for step in waiting if done.issuperset(step.needs)]

    def skip_blocked(self) -> None:
        """Skip the steps that need a failed step. Plan order is topological, so one pass reaches all."""
        for step in self.plan.steps:
            if step.id in self.results or step.id in self.started:
                continue
            failed = [self.results[name] for name in step.needs if self._has_failed(name)]
            if failed:
                cause = failed[0].cause or failed[0].step.id
                self.finish(StepResult(step, Outcome.SKIPPED, error=f"needs {cause}", cause=cause))

    def _has_failed(self, name: str) -> bool:
        return name in self.results and self.results[name].outcome not in (Outcome.DONE, Outcome.INTERRUPTED)

    def attempt(self, step: Step, perform: Perform) -> StepResult:
        """Carry out one step in a thread of the pool."""
        begun, sent = time.monotonic(), 0

        def advance(amount: Transferred) -> None:
            nonlocal sent
            sent = amount.sent
            self._notify(Progress(step, amount))

        def end(outcome: Outcome, error: str = "") -> StepResult:
            return StepResult(step, outcome, error=error, seconds=time.monotonic() - begun, bytes_sent=sent)

        try:
            made = perform(step, advance)
        except RunStopped:
            return end(Outcome.INTERRUPTED)
        except ImagesyncError as error:
            return end(Outcome.FAILED, str(error))
        except Exception as error:
            self.bug = traceback.format_exc()
            return end(Outcome.FAILED, f"a bug in imagesync: {type(error).__name__}")
        return StepResult(
            step, made.outcome, made.image_id, made.remark, None, time.monotonic() - begun, made.bytes_sent
        )

    def delete(self, steps: Sequence[Step], perform: Perform, seat: Seat, cancelled: Cancelled) -> None:
        """Carry out all deletions together, in one slot. If the run is canceled, the others are reported as not started."""
        while not seat.take():
            seat.wait(TICK)
            if cancelled.is_set():
                return
        try:
            self._delete(steps, perform, seat.most, cancelled)
        finally:
            seat.release()

    def _delete(self, steps: Sequence[Step], perform: Perform, jobs: int, cancelled: Cancelled) -> None:
        for step in steps:
            self.started.add(step.id)
            self._notify(Started(step))
        begun, made = time.monotonic(), dict[str, Performed | ImagesyncError]()
        error = ""
        try:
            deletes = [step.action for step in steps if isinstance(step.action, Delete)]
            made |= perform.delete(deletes, jobs, Waiting(cancelled.is_set))
        except ImagesyncError as failure:
            error = str(failure)
        except Exception as bug:
            self.bug = traceback.format_exc()
            error = f"a bug in imagesync: {type(bug).__name__}"
        seconds = time.monotonic() - begun
        for step in steps:
            outcome = made.get(getattr(step.action, "image_id", ""))
            self.finish(_make_deletion_result(step, outcome, error, seconds))

    def finish(self, result: StepResult) -> None:
        """Store a result and send its event."""
        self.results[result.step.id] = result
        self._notify(Finished(result))

    def make_report(self, *, interrupted: bool) -> Report:
        """All results in plan order; a step without a result is not started."""
        every = tuple(self.results.get(step.id, StepResult(step, Outcome.NOT_STARTED)) for step in self.plan.steps)
        # a deferred image is marked for deletion, but not deleted in this run
        open_ends = (Outcome.NOT_STARTED, Outcome.INTERRUPTED, Outcome.DEFERRED)
        stopped = interrupted and any(result.outcome in open_ends for result in every)
        return Report(self.plan, every, interrupted=stopped, bug=self.bug)


def _make_deletion_result(
    step: Step, outcome: Performed | ImagesyncError | None, error: str, seconds: float
) -> StepResult:
    match outcome:
        case Performed():
            return StepResult(step, outcome.outcome, outcome.image_id, outcome.remark, None, seconds)
        case ImagesyncError():
            return StepResult(step, Outcome.FAILED, error=str(outcome), seconds=seconds)
        case None:
            return StepResult(step, Outcome.FAILED if error else Outcome.NOT_STARTED, error=error)
