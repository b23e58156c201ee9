"""A plan -> a report: a pool of threads carries out the steps in the order of their needs. The I/O is in ``perform``.

Only the calling thread touches graph and results. If a step fails, the steps that need it are skipped, each naming the
cause; the others are done. Once ``cancelled`` is set no further step starts.
"""

import time
import traceback
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol

from imagesync.errors import ImagesyncError
from imagesync.model.plan import Plan, Step
from imagesync.model.report import Event, Finished, Outcome, Performed, Progress, Report, Started, StepResult

Perform = Callable[[Step, Callable[[int, int | None], None]], Performed]


class Cancelled(Protocol):
    """Asked before steps are started; a ``threading.Event`` will do."""

    def is_set(self) -> bool:
        """Whether no further step may start."""


def execute(
    plan: Plan, perform: Perform, *, jobs: int, notify: Callable[[Event], None], cancelled: Cancelled
) -> Report:
    """Carry out every step whose needs are done, at most ``jobs`` at once."""
    run = _Run(plan, notify)
    with ThreadPoolExecutor(jobs) as pool:
        working: dict[Future[StepResult], Step] = {}
        while True:
            run.skip_hopeless()
            for step in run.find_ready()[: jobs - len(working)] if not cancelled.is_set() else ():
                run.started.add(step.id)
                notify(Started(step))
                working[pool.submit(run.attempt, step, perform)] = step
            if not working:
                break
            done, _ = wait(working, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in done:
                run.finish(future.result())
                del working[future]
    return run.make_report(interrupted=cancelled.is_set())


class _Run:
    def __init__(self, plan: Plan, notify: Callable[[Event], None]) -> None:
        self.plan, self._notify = plan, notify
        self.results: dict[str, StepResult] = {}
        self.started: set[str] = set()
        self.bug = ""

    def find_ready(self) -> list[Step]:
        """Steps whose needs are all done, in plan order."""
        done = {name for name, result in self.results.items() if result.outcome is Outcome.DONE}
        waiting = (step for step in self.plan.steps if step.id not in self.started | set(self.results))
        return [step for step in waiting if done.issuperset(step.needs)]

    def skip_hopeless(self) -> None:
        """Steps that need one that did not succeed: plan order is topological, so one pass reaches all."""
        for step in self.plan.steps:
            if step.id in self.results or step.id in self.started:
                continue
            failed = [self.results[name] for name in step.needs if self._has_failed(name)]
            if failed:
                cause = failed[0].cause or failed[0].step.id
                self.finish(StepResult(step, Outcome.SKIPPED, error=f"needs {cause}", cause=cause))

    def _has_failed(self, name: str) -> bool:
        return name in self.results and self.results[name].outcome is not Outcome.DONE

    def attempt(self, step: Step, perform: Perform) -> StepResult:
        """One step in a thread of the pool."""
        begun = time.monotonic()
        try:
            made = perform(step, lambda sent, total: self._notify(Progress(step, sent, total)))
        except ImagesyncError as error:
            return StepResult(step, Outcome.FAILED, error=str(error), seconds=time.monotonic() - begun)
        except Exception as error:
            self.bug = traceback.format_exc()
            text = f"a bug in imagesync: {type(error).__name__}"
            return StepResult(step, Outcome.FAILED, error=text, seconds=time.monotonic() - begun)
        return StepResult(
            step, made.outcome, made.image_id, made.remark, None, time.monotonic() - begun, made.bytes_sent
        )

    def finish(self, result: StepResult) -> None:
        """Keep a result and tell of it."""
        self.results[result.step.id] = result
        self._notify(Finished(result))

    def make_report(self, *, interrupted: bool) -> Report:
        """All results in plan order; what never had its turn is not started."""
        every = tuple(self.results.get(step.id, StepResult(step, Outcome.NOT_STARTED)) for step in self.plan.steps)
        stopped = interrupted and any(result.outcome is Outcome.NOT_STARTED for result in every)
        return Report(self.plan, every, interrupted=stopped, bug=self.bug)
