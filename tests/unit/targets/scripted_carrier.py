"""A carrier without threads, whose answers a test gives one after another; and an audience that remembers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from imagesync.model.plan import Plan
from imagesync.model.report import Event, Outcome, Report, StepResult
from imagesync.model.targets import PlannedTarget, TargetRun
from imagesync.targets.messages import Message, Task, Verb, encode_ended, encode_planned
from tests.unit.factories import TARGET, catalog, inventory, plan, spec


def plan_for(target: str, *keys: str) -> Plan:
    """A plan that creates these images in a store of this name."""
    made = plan(catalog(*(spec(key) for key in keys)), inventory())
    return replace(made, target=replace(TARGET, location=target), target_name=target)


class ScriptedCarrier:
    """Keeps the tasks; ``answer`` queues a message; each call of ``events`` returns those that were queued.

    If there are none, ``idle`` is called, which may queue some; AssertionError if it does not, because the run would
    wait for ever.
    """

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.is_cancelled = False
        self._queue: list[Message] = []
        self._script: list[Any] = []
        self.seconds = 0.0

    def then(self, *actions: Any) -> None:
        """Call each of ``actions`` when nothing is queued."""
        self._script += actions

    def submit(self, task: Task) -> None:
        """Keep a task."""
        self.tasks.append(task)

    def events(self, seconds: float) -> list[Message]:
        """What was queued; else the next action of the script is carried out, and time passes."""
        if not self._queue:
            assert self._script, f"the run waits for ever; its tasks: {self.tasks}"
            self._script.pop(0)()
            self.seconds += seconds
        queued, self._queue = self._queue, []
        return queued

    def cancel(self) -> None:
        """Remember it."""
        self.is_cancelled = True

    def applied(self) -> list[str]:
        """The targets whose run was submitted."""
        return [task.target for task in self.tasks if task.verb is Verb.APPLY]

    def answer(self, target: str, verb: Verb, document: Mapping[str, Any]) -> None:
        """Queue a message."""
        self._queue.append(Message(target, verb, document))

    def planned(self, *plans: Plan, refusals: Sequence[str] = ()) -> None:
        """Queue the answers of planning."""
        for made in plans:
            self.answer(str(made.target_name), Verb.PLAN, encode_planned(made, refusals))
            self.answer(str(made.target_name), Verb.PLAN, encode_ended())

    def done(self, *plans: Plan, outcome: Outcome = Outcome.DONE, **more: Any) -> None:
        """Queue the end of runs."""
        for made in plans:
            results = tuple(StepResult(step, outcome, "id-1") for step in made.steps)
            report = replace(Report(made, results), **more)
            self.answer(str(made.target_name), Verb.APPLY, encode_ended(report, {"a": "id-1"}))


@dataclass
class Remembered:
    """What an audience got, in order."""

    approves: bool = True
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def show(self, planned: Sequence[PlannedTarget]) -> None:
        """Remember the names."""
        self.calls.append(("show", *(one.target for one in planned)))

    def approve(self, planned: Sequence[PlannedTarget]) -> bool:
        """Remember the names."""
        self.calls.append(("approve", *(one.target for one in planned)))
        return self.approves

    def begin(self) -> None:
        """Remember it."""
        self.calls.append(("begin",))

    def change(self, target: str, plan: Plan) -> None:
        """Remember it."""
        self.calls.append(("change", target, len(plan.steps)))

    def start(self, target: str, plan: Plan) -> None:
        """Remember it."""
        self.calls.append(("start", target, len(plan.steps)))

    def notify(self, target: str, event: Event) -> None:
        """Remember it."""
        self.calls.append(("notify", target, type(event).__name__))

    def warn(self, target: str, text: str) -> None:
        """Remember it."""
        self.calls.append(("warn", target, text))

    def end(self, run: TargetRun) -> None:
        """Remember it."""
        self.calls.append(("end", run.target, run.outcome.value))
