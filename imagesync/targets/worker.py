"""A task -> the plan or the run of one target in this process, and its messages. I/O through backends and sources."""

import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace

from imagesync import workflow
from imagesync.backends.base import Backend
from imagesync.errors import Bug, ImagesyncError, PlanRefused, RunStopped
from imagesync.execution.executor import Cancelled
from imagesync.execution.slots import Slots
from imagesync.lease import UNLOCK
from imagesync.model.builds import Build
from imagesync.model.catalog import Catalog
from imagesync.model.plan import Plan
from imagesync.model.policy import Policy
from imagesync.planning.builds import count_sent_builds
from imagesync.planning.planner import make_plan
from imagesync.render.problems import list_problems
from imagesync.run import Hooks, RunResult, Settings, Watch
from imagesync.sources import SharedSources, SourceAccess, SourceChecks, check_sources, default_cache, open_source
from imagesync.targets.carrier import Emit
from imagesync.targets.messages import CHANGED, RUN, WARNING, Task, Verb, encode_ended, encode_event, encode_planned
from imagesync.targets.saved import NotPlanned
from imagesync.workflow import AS_PLANNED, Maker, Planner


@dataclass(frozen=True, slots=True)
class Order:
    """What a run asks of each target.

    ``open_target``: opens the backend of a target; of a saved plan, the place that it was made for. ``limit``: the
    policy of a run from that of the manifest, or of a saved plan. ``accepts_changes``: whether a target is applied
    although its images changed after its plan was shown. ``folder``: the paths in the documents of plans are relative
    to it. ``unlock``: the command that breaks the lease of a target, for messages. ``find_reviewed``: the plan that must
    have every change of a target; None without a review.
    """

    open_target: Callable[[Catalog | Plan], Backend]
    limit: Callable[[Policy], Policy] = lambda policy: policy
    make: Maker = make_plan
    settings: Settings = Settings()
    access: SourceAccess = field(default_factory=SourceAccess)
    accepts_changes: bool = False
    folder: str = "/"
    unlock: Callable[[str], str] = lambda _target: UNLOCK
    find_reviewed: Callable[[str | None], Plan | None] = lambda _target: None


class Worker:
    """Works for the targets of one run. ``subjects``: by target, the catalog, the saved plan, or why there is none.

    ``shared``: opens the sources of all targets; None: each opens its own. The backend of a target stays open between
    its plan and its run; ``close`` closes all.
    """

    def __init__(
        self,
        order: Order,
        subjects: Mapping[str, Catalog | Plan | ImagesyncError],
        shared: SharedSources | None = None,
        parallel: int | None = None,
    ) -> None:
        self._order, self._subjects, self._shared = order, subjects, shared
        self._slots = Slots(order.settings.jobs, parallel)
        self._sources = SourceChecks(order.access, default_cache())
        self._prepared: dict[str, _Prepared] = {}
        self._backends: list[Backend] = []
        self._lock = threading.Lock()

    def __call__(self, task: Task, emit: Emit, cancelled: Cancelled) -> None:
        """Carry out a task. See ``messages`` for what it emits."""
        try:
            if task.verb is Verb.PLAN:
                self._plan(task, emit)
            elif cancelled.is_set():  # the task waited for a free thread
                emit(encode_ended())
            else:
                self._apply(task, emit, cancelled)
        except NotPlanned as error:
            emit(encode_ended(problems=error.problems))
        except ImagesyncError as error:
            emit(encode_ended(problems=list_problems(error)))
        except Exception:
            emit(encode_ended(bug=traceback.format_exc()))

    def close(self) -> None:
        """Close the backends of all targets."""
        with self._lock:
            backends, self._backends = self._backends, []
        for backend in backends:
            with suppress(ImagesyncError):
                backend.__exit__(None, None, None)

    def _plan(self, task: Task, emit: Emit) -> None:
        needs, has_steps = Counter[Build](), False
        try:
            plan, refusals = self._make_plan(task)
            needs = count_sent_builds(plan) if not refusals else needs
            has_steps = bool(plan.steps) and not refusals
        finally:
            if not has_steps:
                self._slots.drop(task.target)
            if self._shared is not None:
                self._shared.expect(task.target, needs)
        emit(encode_planned(plan, refusals, folder=self._order.folder))
        emit(encode_ended())

    def _make_plan(self, task: Task) -> tuple[Plan, tuple[str, ...]]:
        subject = self._subjects[task.target]
        if isinstance(subject, ImagesyncError):
            raise subject
        prepared = self._prepare(subject)
        with self._lock:
            self._prepared[task.target] = prepared
        return prepared.plan()

    def _prepare(self, subject: Catalog | Plan) -> "_Prepared":
        order = self._order
        reviewed = order.find_reviewed(subject.target.name) if isinstance(subject, Catalog) else None
        backend = order.open_target(subject)
        with self._lock:
            self._backends.append(backend)
        if isinstance(subject, Plan):
            return _SavedPlan(order, backend, subject)
        planner = Planner(
            backend,
            subject,
            policy=order.limit(subject.policy),
            make=order.make,
            jobs=order.settings.jobs,
            access=order.access,
            sources=self._sources,
            reviewed=reviewed,
        )
        return _FreshPlan(planner)

    def _apply(self, task: Task, emit: Emit, cancelled: Cancelled) -> None:
        with self._lock:
            prepared = self._prepared[task.target]
        hooks = _make_hooks(prepared.made, emit, cancelled, accepts_changes=self._order.accepts_changes)
        unlock = self._order.unlock(task.target)
        settings = replace(self._order.settings, slots=self._slots, unlock=unlock)
        self._slots.expect(task.peers)
        try:
            with self._shared.join(task.target) if self._shared is not None else nullcontext(open_source) as opener:
                result = prepared.carry_out(replace(settings, opener=opener), hooks)
        finally:
            self._slots.drop(task.target)
        emit(encode_ended(result.report, result.ids))


class _FreshPlan:
    """The target of a catalog: it is planned again under the lease. ``made``: the plan that was shown."""

    def __init__(self, planner: Planner) -> None:
        self._planner, self.backend = planner, planner.backend
        self.made: Plan | None = None

    def plan(self) -> tuple[Plan, tuple[str, ...]]:
        self.made = plan = self._planner.plan()
        try:
            self._planner.check_limits(plan)
        except PlanRefused as refused:
            return plan, refused.refusals
        return plan, ()

    def carry_out(self, settings: Settings, hooks: Hooks) -> RunResult:
        if self.made is None:
            raise Bug("a target is applied that was not planned")
        return workflow.carry_out(self._planner, self.made, settings, hooks)


class _SavedPlan:
    """The target of a saved plan, which is carried out exactly."""

    def __init__(self, order: Order, backend: Backend, plan: Plan) -> None:
        self.backend, self.made = backend, plan
        self._policy, self._access = order.limit(AS_PLANNED), order.access

    def plan(self) -> tuple[Plan, tuple[str, ...]]:
        check_sources(self.made)
        self.made = replace(self.made, target=workflow.check_saved(self.backend, self.made, self._policy))
        return self.made, ()

    def carry_out(self, settings: Settings, hooks: Hooks) -> RunResult:
        return workflow.carry_out_saved(self.backend, self.made, settings, hooks, self._policy, self._access)


_Prepared = _FreshPlan | _SavedPlan


def _make_hooks(approved: Plan | None, emit: Emit, cancelled: Cancelled, *, accepts_changes: bool) -> Hooks:
    """The hooks of a run. ``approved``: the plan that was shown."""

    def check() -> None:
        if cancelled.is_set():
            raise RunStopped

    def approve_change(plan: Plan) -> bool:
        if accepts_changes:
            emit(encode_planned(plan, event=CHANGED))
        return accepts_changes

    @contextmanager
    def watch(plan: Plan) -> Iterator[Watch]:
        emit({"event": RUN} if plan == approved else encode_planned(plan, event=RUN))
        yield Watch(lambda event: emit(encode_event(event)), cancelled)

    def warn(text: str) -> None:
        emit({"event": WARNING, "text": text})

    return Hooks(approve_change=approve_change, watch=watch, warn=warn, check=check)
