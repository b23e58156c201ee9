"""The targets of one run -> the plan of each, and how its run ended. Decides when each target starts. Reads the clock.

All targets are planned at the same time. Their plans are shown together and approved once. A target that fails, hangs or
cannot be reached delays no other target of its wave: a run without a question starts each target as soon as it is
planned. The next wave starts when all targets of the waves before it have ended, unless too many of them failed.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from imagesync.errors import Diagnostic, PlanRefused
from imagesync.execution.executor import Cancelled
from imagesync.manifest.selection import list_names, refuse_same_place
from imagesync.model.partial_report import ReportSoFar
from imagesync.model.plan import Kind, Plan, Step
from imagesync.model.policy import Limit
from imagesync.model.report import Event, Report
from imagesync.model.targets import PlannedTarget, TargetOutcome, TargetRun, judge_run
from imagesync.render.place import describe_target
from imagesync.render.problems import list_problems
from imagesync.targets.carrier import Carrier
from imagesync.targets.messages import (
    CHANGED,
    ENDED,
    LOST_WHY,
    PLANNED,
    RUN,
    WARNING,
    Message,
    Task,
    Verb,
    decode_event,
    decode_planned,
    decode_problems,
    decode_report,
    make_bug_error,
)

NO_FAILURE: Final = Limit(0)
"""The default limit of failed targets for the next wave."""
TICK: Final = 0.2
"""Seconds between two looks at ``cancelled``."""
PATIENCE: Final = 0.5
"""Seconds that a run without approval waits after the first plan, so the plans of most targets are shown together."""
FAILED: Final = frozenset({TargetOutcome.FAILED, TargetOutcome.LOST})
"""The outcomes that count for the limit of failed targets."""


def refuse_wave(wave: int, ended: Sequence[TargetRun], targets: int, limit: Limit) -> Diagnostic | None:
    """Why a wave does not start: more targets of the waves before it failed than ``limit`` permits; else None.

    ``ended``: the runs that have ended, of every wave; a failure in the wave itself or in a later one does not count.
    ``targets``: all targets of the run, of which a percentage is one, rounded down.
    """
    failed = [run.target for run in ended if run.outcome in FAILED and run.wave < wave]
    allowed = targets * limit.value // 100 if limit.percent else limit.value
    if len(failed) <= allowed:
        return None
    message = f"wave {wave} was not started, because of failed targets before it: {list_names(failed)}"
    return Diagnostic("", 0, 0, "", message, f"correct that and run again, or pass --max-failed-targets {len(failed)}")


class Audience(Protocol):
    """Who follows a run of several targets; called in the thread of the run."""

    def show(self, planned: Sequence[PlannedTarget]) -> None:
        """Take the plans of targets, before any of them is applied."""

    def approve(self, planned: Sequence[PlannedTarget]) -> bool:
        """Whether the plans are applied."""

    def begin(self) -> None:
        """The first target is about to be applied."""

    def change(self, target: str, plan: Plan) -> None:
        """The images of a target changed after its plan was shown; this plan is applied instead."""

    def start(self, target: str, plan: Plan) -> None:
        """The steps of a target begin."""

    def notify(self, target: str, event: Event) -> None:
        """Take an event of a step."""

    def warn(self, target: str, text: str) -> None:
        """Take a sentence for the user."""

    def end(self, run: TargetRun) -> None:
        """The run of a target ended."""


@dataclass(slots=True)
class _Course:
    """What is known of one target."""

    planned: PlannedTarget | None = None
    plan: Plan | None = None
    steps: Mapping[str, Step] = field(default_factory=dict)
    is_shown: bool = False
    is_running: bool = False
    so_far: ReportSoFar | None = None
    run: TargetRun | None = None
    document: Mapping[str, object] = field(default_factory=dict)


class TargetPlans:
    """The plans of several targets. ``waves``: the wave of each target, in the order of the manifest."""

    def __init__(self, carrier: Carrier, waves: Mapping[str, int]) -> None:
        self._carrier, self.waves = carrier, waves
        self._courses = {name: _Course() for name in waves}
        self._places: dict[str, str] = {}
        self.bugs: list[str] = []
        """The tracebacks of errors in imagesync."""

    @property
    def planned(self) -> tuple[PlannedTarget, ...]:
        """The targets that are planned so far, in the order of the manifest."""
        return tuple(course.planned for course in self._courses.values() if course.planned is not None)

    @property
    def documents(self) -> dict[str, Mapping[str, object]]:
        """The document of each plan, for its file."""
        return {name: course.document for name, course in self._courses.items() if course.document}

    def plan(self) -> tuple[PlannedTarget, ...]:
        """Plan every target."""
        self._submit_plans()
        while len(self.planned) < len(self._courses):
            self._receive()
        return self.planned

    def _submit_plans(self) -> None:
        for name in sorted(self.waves, key=lambda one: self.waves[one]):
            self._carrier.submit(Task(name, Verb.PLAN))

    def _receive(self) -> None:
        for message in self._carrier.events(TICK):
            self._take(message)

    def _take(self, message: Message) -> None:
        self._take_plan(message)

    def _take_plan(self, message: Message) -> None:
        name, document = message.target, message.document
        course = self._courses[name]
        if message.event == PLANNED:
            plan, refusals = decode_planned(document)
            course.plan, course.steps = plan, {step.id: step for step in plan.steps}
            course.document = document["plan"]
            course.planned = PlannedTarget(name, plan, refusals, wave=self.waves[name])
            self._refuse_same_place(name, plan)
        elif message.event == ENDED and course.planned is None:
            course.planned = PlannedTarget(name, None, (), self._read_problems(document), self.waves[name])

    def _read_problems(self, document: Mapping[str, object]) -> tuple[Diagnostic, ...]:
        problems = decode_problems(document["problems"])  # type: ignore[arg-type]
        if bug := str(document["bug"]):
            self.bugs.append(bug)
            return (*problems, *list_problems(make_bug_error(bug)))
        return problems

    def _refuse_same_place(self, name: str, plan: Plan) -> None:
        """Refuse a target that turns out to be the place of another one, and that one, too.

        Otherwise the speed of their services would decide which of them the place gets.
        """
        other = self._places.setdefault(plan.target.fingerprint, name)
        if other != name:
            first, second = sorted((other, name), key=list(self.waves).index)
            problems = list_problems(refuse_same_place(first, second, describe_target(None, plan.target)))
            for one in (other, name):
                self._refuse(one, problems)

    def _refuse(self, name: str, problems: tuple[Diagnostic, ...]) -> None:
        """Give a planned target problems, because of which it is not applied."""
        course = self._courses[name]
        if course.planned is not None:
            course.planned = replace(course.planned, problems=problems)


class TargetRuns(TargetPlans):
    """One run of several targets."""

    def __init__(
        self,
        carrier: Carrier,
        waves: Mapping[str, int],
        audience: Audience,
        *,
        cancelled: Cancelled,
        max_failed: Limit = NO_FAILURE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(carrier, waves)
        self._audience, self._cancelled = audience, cancelled
        self._max_failed, self._clock = max_failed, clock
        self._has_begun = False

    @property
    def is_idle(self) -> bool:
        """Whether no task is running; after a cancellation some targets may still be planned."""
        return all(course.planned is not None and not course.is_running for course in self._courses.values())

    def apply(self, *, asks: bool) -> tuple[TargetRun, ...] | None:
        """Plan and apply every target; None if ``asks`` and the audience did not approve."""
        self._submit_plans()
        first: float | None = None
        while not self._is_over():
            self._receive()
            if self._cancelled.is_set():
                self._carrier.cancel()
                self._give_up()
                continue
            fresh = [one for one in self.planned if not self._courses[one.target].is_shown]
            first = (first or self._clock()) if fresh else None
            is_complete = len(self.planned) == len(self._courses)
            if first is not None and (is_complete or (not asks and self._clock() - first >= PATIENCE)):
                self._show(fresh)
                if asks and not self._is_approved():
                    return None
            self._start_ready()
        return self.list_runs()

    def find_ids(self, name: str) -> Mapping[str, str]:
        """The current image of each key of a target before its run; none if it is not planned, or for a stage run."""
        plan = self._courses[name].plan
        return plan.ids if plan is not None and plan.kind is not Kind.STAGE else {}

    def _make_not_started(self, name: str, *problems: Diagnostic) -> TargetRun:
        return TargetRun(name, TargetOutcome.NOT_STARTED, None, self.find_ids(name), problems, self.waves[name])

    def list_runs(self) -> tuple[TargetRun, ...]:
        """The targets whose run has ended, in the order of the manifest."""
        return tuple(course.run for course in self._courses.values() if course.run is not None)

    def _take(self, message: Message) -> None:
        (self._take_plan if message.verb is Verb.PLAN else self._take_run)(message)

    def _refuse(self, name: str, problems: tuple[Diagnostic, ...]) -> None:
        """As for plans; a target that is applied continues, because it is too late."""
        course = self._courses[name]
        if course.is_running or course.run is not None:
            return
        super()._refuse(name, problems)
        if course.is_shown:
            self._end(TargetRun(name, TargetOutcome.FAILED, problems=problems, wave=self.waves[name]))

    def _show(self, fresh: Sequence[PlannedTarget]) -> None:
        self._audience.show(fresh)
        for one in fresh:
            self._courses[one.target].is_shown = True
            if one.problems or one.plan is None:
                self._end(TargetRun(one.target, TargetOutcome.FAILED, problems=one.problems, wave=one.wave))
            elif one.refusals:
                problems = list_problems(PlanRefused(one.refusals))
                self._end(TargetRun(one.target, TargetOutcome.FAILED, problems=problems, wave=one.wave))
            elif not one.plan.steps:  # whatever its wave is
                report = Report(one.plan, ())
                self._end(TargetRun(one.target, judge_run(report), report, one.plan.ids, wave=one.wave))

    def _is_approved(self) -> bool:
        """Whether the targets are approved that can start as far as is known; without any nothing is asked."""
        waiting = [one for one in self.planned if self._courses[one.target].run is None]
        ready = [one for one in waiting if self._refuse_wave(one.wave) is None]
        return not ready or self._audience.approve(ready)

    def _start_ready(self) -> None:
        """Start the targets of the lowest wave that has not ended; end the others if too many targets failed."""
        left = [name for name, course in self._courses.items() if course.run is None]
        wave = min((self.waves[name] for name in left), default=0)
        if why := self._refuse_wave(wave):
            for name in left:
                self._end(self._make_not_started(name, why))
            return
        ready = [name for name in left if self.waves[name] == wave]
        for name in ready:
            course = self._courses[name]
            if course.is_shown and not course.is_running:
                self._start(name, ready)

    def _start(self, name: str, peers: Sequence[str]) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._audience.begin()
        self._courses[name].is_running = True
        self._carrier.submit(Task(name, Verb.APPLY, tuple(peers)))

    def _refuse_wave(self, wave: int) -> Diagnostic | None:
        return refuse_wave(wave, self.list_runs(), len(self._courses), self._max_failed)

    def _take_run(self, message: Message) -> None:
        name, document = message.target, message.document
        course = self._courses[name]
        match message.event:
            case event if event in (CHANGED, RUN):
                if "plan" in document:
                    course.plan = decode_planned(document)[0]
                    course.steps = {step.id: step for step in course.plan.steps}
                course.so_far = ReportSoFar() if event == RUN else None
                if course.plan is not None:
                    (self._audience.change if event == CHANGED else self._audience.start)(name, course.plan)
            case event if event == WARNING:
                self._audience.warn(name, str(document["text"]))
            case event if event == ENDED:
                self._end(self._make_run(name, course, document))
            case _:
                step_event = decode_event(document, course.steps)
                if course.so_far is not None:
                    course.so_far(step_event)
                self._audience.notify(name, step_event)

    def _make_run(self, name: str, course: _Course, document: Mapping[str, object]) -> TargetRun:
        problems, wave = self._read_problems(document), self.waves[name]
        found, ids = document["report"], document["ids"]
        if LOST_WHY in document and course.so_far is not None and course.plan is not None:
            so_far = course.so_far.make_report(course.plan)
            stopped = "" if self._cancelled.is_set() else str(document[LOST_WHY])
            report = replace(so_far, interrupted=not stopped, stopped=stopped)
            return TargetRun(name, judge_run(report), report, course.so_far.find_ids(course.plan), problems, wave)
        if not isinstance(found, Mapping) or course.plan is None or not isinstance(ids, Mapping):
            if self._cancelled.is_set() and not problems:
                return self._make_not_started(name)
            outcome = TargetOutcome.INTERRUPTED if self._cancelled.is_set() else TargetOutcome.FAILED
            return TargetRun(name, outcome, problems=problems, wave=wave)
        report = decode_report(found, course.plan, str(document["bug"]))
        return TargetRun(name, judge_run(report), report, ids, problems, wave)

    def _end(self, run: TargetRun) -> None:
        course = self._courses[run.target]
        course.run, course.is_running = run, False
        self._audience.end(run)

    def _give_up(self) -> None:
        """After a cancellation, end every target that is not running."""
        for name, course in self._courses.items():
            if course.run is None and not course.is_running:
                self._end(self._make_not_started(name))

    def _is_over(self) -> bool:
        return all(course.run is not None for course in self._courses.values())
