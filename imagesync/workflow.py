"""A backend and a catalog, or a saved plan -> the plan of a run, and the run itself.

The one way through imagesync, for the command line and for Python: take the inventory, plan, check the limits, ask for
approval, take the lease, plan again, execute, check the outcome. I/O goes through the backend and the sources only.
Nothing here prints, prompts, handles signals or ends the process: the caller does, through ``Hooks``.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from imagesync.backends.base import Backend
from imagesync.errors import MAX_PROBLEMS, ImagesyncError, LeaseLost, ManifestError, PlanRefused, StalePlan
from imagesync.inventory import take_inventory, take_inventory_for_plan
from imagesync.lease import LOCK_TIMEOUT, UNLOCK
from imagesync.lease.record import USUAL, Times
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.manifest.source_hosts import find_hosts_not_named
from imagesync.model.catalog import Catalog
from imagesync.model.image import Capabilities, Identity, Inventory
from imagesync.model.plan import Delete, Kind, Plan
from imagesync.model.policy import Limit, Policy
from imagesync.model.report import Event, Outcome, Report
from imagesync.planning.adoption import pick_adoptable, request_adoption
from imagesync.planning.clock import Clock, read_clocks
from imagesync.planning.context import PlanInput
from imagesync.planning.planner import make_plan
from imagesync.planning.policy import check
from imagesync.planning.recovery import is_new, is_same_but_for_recovery
from imagesync.planning.staleness import find_published_clashes, find_stale_reliances, find_unmet_steps
from imagesync.planning.stores import is_store_list_needed
from imagesync.sources import Sizes, SourceAccess, check_sources, default_cache, identify

if TYPE_CHECKING:  # what only a run needs is imported when it runs
    from imagesync.execution.executor import Cancelled
    from imagesync.execution.writes import Writes
    from imagesync.lease.holding import Held

JOBS: Final = 8
AS_PLANNED: Final = Policy(max_delete=Limit(100), max_update=Limit(100))
"""What a saved plan may do if its caller says nothing: its limits were checked when it was made."""


Maker: TypeAlias = Callable[[PlanInput], Plan]
"""What ``planning.planner.make_plan`` is: a plan from what is wanted and what is live."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is carried out.

    ``jobs``: steps and questions at once. ``lock``: whether the run takes the catalog's lease; ``lock_timeout``: seconds
    to wait while another run holds it, and for what a dead one has sent; ``lease_times``: the lease's own seconds;
    ``unlock``: the command that breaks the lease, for messages.
    """

    jobs: int = JOBS
    lock: bool = True
    lock_timeout: float = LOCK_TIMEOUT
    lease_times: Times = USUAL
    unlock: str = UNLOCK

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise ValueError(f"jobs is {self.jobs}; it must be at least 1")


def _ignore(_value: object) -> None:
    pass


def _agree(_plan: Plan) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Watch:
    """Who follows the steps of a run: ``notify`` gets every event, from any thread; ``cancelled`` stops further steps.

    If ``notify`` raises, running steps end, no more start, and ``apply`` raises that error.
    """

    notify: Callable[[Event], None] = _ignore
    cancelled: "Cancelled" = field(default_factory=threading.Event)


def _watch_nothing(_plan: Plan) -> AbstractContextManager[Watch]:
    return nullcontext(Watch())


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the caller of a run hears of it and decides. By default it hears nothing and agrees.

    ``show`` gets the plan first, also one that is over its limits. ``approve`` says whether a plan within its limits is
    applied. If the live images changed between approval and lease, ``approve_change`` says whether the new plan is
    applied instead; without it ``approve`` is asked again. ``warn`` gets sentences for a person, from any thread: who
    holds the lease, that it was lost.

    ``watch`` gets the plan and returns a context manager that is entered while its steps run and gives a ``Watch``. To
    hear events only: ``watch=lambda plan: nullcontext(Watch(notify=print))``.
    """

    show: Callable[[Plan], None] = _ignore
    approve: Callable[[Plan], bool] = _agree
    approve_change: Callable[[Plan], bool] | None = None
    watch: Callable[[Plan], AbstractContextManager[Watch]] = _watch_nothing
    warn: Callable[[str], None] = _ignore


@dataclass(frozen=True, slots=True)
class RunResult:
    """What became of a run: its report, and the id of each key's current image after it.

    Without ``approved`` nothing was executed: the caller declined the plan.
    """

    report: Report
    ids: Mapping[str, str]
    approved: bool = True


def read_catalog(
    path: Path | str,
    *,
    target: str | None = None,
    values: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    allow_outside: bool = False,
    jobs: int = JOBS,
    access: SourceAccess | None = None,
) -> Catalog:
    """The catalog of the manifests at ``path`` for one target, with the digests and sizes of its sources.

    Reads the manifests, local source files and published checksum lists; ``access`` says from where and for how long.
    ManifestError holds every problem.
    """
    access = access or SourceAccess()
    manifest = load(path, allow_outside=allow_outside)
    catalog = resolve(manifest, target=target, values=values, only=only, allow_outside=allow_outside)
    return identify(check_hosts(catalog, access.hosts), jobs=jobs, cache=default_cache(), access=access)


def check_hosts(catalog: Catalog, hosts: Sequence[str]) -> Catalog:
    """The catalog itself; ManifestError if one of its URLs names a host that none of the globs ``hosts`` names."""
    if problems := list(islice(find_hosts_not_named(catalog, hosts), MAX_PROBLEMS)):
        raise ManifestError(problems)
    return catalog


class Planner:
    """Makes the plans of one run: each from a new inventory; each URL is asked for its size only once."""

    def __init__(
        self,
        backend: Backend,
        catalog: Catalog,
        *,
        policy: Policy | None = None,
        make: Maker = make_plan,
        promoting: frozenset[str] = frozenset(),
        jobs: int = JOBS,
        access: SourceAccess | None = None,
    ) -> None:
        """``policy`` None: the manifest's. ``access``: the rules for what is fetched; pass what ``read_catalog`` got.

        ``make`` makes the plan: ``make_plan``, ``stage_plan``, or a ``partial`` of
        ``discard_plan`` or ``rollback_plan``. ``promoting``: keys of which an earlier build is to become current.
        """
        self.backend, self.catalog, self.policy = backend, catalog, policy or catalog.policy
        self.access = access or SourceAccess()
        self._make, self._promoting, self._jobs, self._sizes = make, promoting, jobs, Sizes(self.access)
        self.lease: Held | None = None
        """The lease of the run, whose record shows the clock of the image service."""

    def plan(self) -> Plan:
        """Take the inventory and plan. Capabilities and sizes are asked for only if the plan is not empty."""
        inventory = take_inventory(self.backend, self.catalog, promoting=self._promoting)
        able = self.backend.capabilities() if is_store_list_needed(self.catalog) else None
        plan = self._make_plan(inventory, able)
        if not plan.steps:
            return plan
        self._sizes.learn(plan, self._jobs)
        return self._make_plan(inventory, self.backend.capabilities())

    def _make_plan(self, inventory: Inventory, able: Capabilities | None) -> Plan:
        clock = read_time(self.backend, self.lease)
        given = PlanInput(
            self._sizes.fill_in(self.catalog),
            inventory,
            policy=self.policy,
            capabilities=able,
            target=self.backend.identity(),
            now=clock.earliest,
            clock_problem=clock.problem,
        )
        return self._make(given)

    def check_limits(self, plan: Plan) -> None:
        """PlanRefused with one sentence for each limit of the policy that the plan exceeds."""
        if refusals := check(plan, self.policy):
            raise PlanRefused(refusals)


def read_time(backend: Backend, lease: "Held | None") -> Clock:
    """The time by this host and by the services of the target, as far as they show it."""
    moment = lease.moment if lease is not None else None
    services = {**backend.times(), **({"the image service": moment} if moment else {})}
    return read_clocks(datetime.now(UTC), services)


def apply(planner: Planner, settings: Settings = Settings(), hooks: Hooks = Hooks()) -> RunResult:
    """Make the live images what the planner's catalog says.

    Raises PlanRefused (the set as a whole, or a limit), StalePlan (the caller did not approve a changed plan), LeaseHeld
    (another run holds the lease longer than ``lock_timeout``) and BackendError before the first write. What goes wrong
    with single steps is in the report; so is a bug of imagesync (``report.bug``, a traceback).
    """
    shown = planner.plan()
    hooks.show(shown)
    planner.check_limits(shown)
    if not shown.steps:
        return RunResult(Report(shown, ()), shown.ids)
    if not hooks.approve(shown):
        return RunResult(Report(shown, ()), shown.ids, approved=False)
    with hold_lease(planner.backend, shown, settings, hooks) as lease:
        planner.lease = lease
        plan, is_as_shown = _plan_again(planner, shown, settings, lease)
        if not is_as_shown:
            if not (hooks.approve_change or hooks.approve)(plan):
                raise StalePlan(["the live images changed after the plan was shown"])
            planner.check_limits(plan)
        if not plan.steps:
            return RunResult(Report(plan, ()), plan.ids)
        # a second rollback would go back one build more: its outcome is checked, not planned again
        again = None if plan.kind is Kind.ROLLBACK else planner
        return _run(planner.backend, plan, settings, hooks, lease, again, planner.access)


def apply_saved(
    backend: Backend,
    plan: Plan,
    settings: Settings = Settings(),
    hooks: Hooks = Hooks(),
    policy: Policy = AS_PLANNED,
    access: SourceAccess | None = None,
) -> RunResult:
    """Carry out a saved plan exactly, or nothing of it: StalePlan if anything that it relies on has changed.

    PlanRefused if it says of the live images, or of its own steps, what is not so: a plan file is untrusted input. The
    paths of its sources are the caller's to check. ``policy``: the limits and permissions of this run; by default no
    limit counts keys, and protected images and the last images of a catalog are not removed.
    """
    check_sources(plan)
    plan = replace(plan, target=check_saved(backend, plan, policy))
    hooks.show(plan)
    if not plan.steps:
        return RunResult(Report(plan, ()), plan.ids)
    if not hooks.approve(plan):
        return RunResult(Report(plan, ()), plan.ids, approved=False)
    with hold_lease(backend, plan, settings, hooks) as lease:
        check_saved(backend, plan, policy)
        if lease is not None and lease.before is not None:
            plan = _recover(backend, plan, settings, lease)
        return _run(backend, plan, settings, hooks, lease, None, access or SourceAccess())


def _plan_again(planner: Planner, shown: Plan, settings: Settings, lease: "Held | None") -> tuple[Plan, bool]:
    """The plan under the lease, and whether it does what was shown.

    After a run that did not end cleanly, what that one sent is made harmless first; what this changes is no change.
    """
    plan = planner.plan()
    if lease is None or lease.before is None:
        return plan, plan == shown
    _recover(planner.backend, plan, settings, lease)
    plan = planner.plan()
    return plan, is_same_but_for_recovery(plan, shown)


def _recover(backend: Backend, plan: Plan, settings: Settings, lease: "Held") -> Plan:
    from imagesync.execution.recovery import recover

    control = _Control(Watch(), lease)
    recovered = recover(backend, plan, jobs=settings.jobs, check_lease=control.check_lease)
    lease.is_settled = True
    return recovered


def select_adoptable(backend: Backend, catalog: Catalog) -> Catalog:
    """The part of a catalog for which live images can be adopted; its warnings say why the other keys cannot."""
    wanted = request_adoption(catalog)
    return pick_adoptable(wanted, take_inventory(backend, wanted))


def check_saved(backend: Backend, plan: Plan, policy: Policy = AS_PLANNED) -> Identity:
    """The target of a saved plan, as the backend knows it.

    PlanRefused if the plan was made for another target, makes a false claim, or needs a permission that ``policy`` does
    not give. StalePlan if something that it relies on changed.
    """
    from imagesync.planning.live_checks import find_false_claims
    from imagesync.planning.permissions import find_exceeded_limits
    from imagesync.planning.plan_checks import find_faulty_steps, shorten_faults

    here = backend.identity()
    if here.fingerprint != plan.target.fingerprint:
        message = f"the plan was made for {_describe(plan.target)}, this is {_describe(here)}"
        raise PlanRefused([f"{message}; apply it there, or plan for this target"])
    if faults := find_faulty_steps(plan):
        raise PlanRefused(shorten_faults(faults))
    inventory = take_inventory_for_plan(backend, plan)
    if changes := find_stale_reliances(plan, inventory):
        raise StalePlan(changes)
    able = backend.capabilities() if plan.owners else None
    if faults := find_false_claims(plan, inventory, able):
        raise PlanRefused(shorten_faults(faults))
    if refusals := find_exceeded_limits(plan, inventory, policy):
        raise PlanRefused(shorten_faults(refusals))
    return here


def _describe(target: Identity) -> str:
    parts = (target.kind, target.location, target.region, target.project_name or target.project_id)
    return " ".join(filter(None, parts))


def hold_lease(backend: Backend, plan: Plan, settings: Settings, hooks: Hooks) -> AbstractContextManager["Held | None"]:
    """The lease of a plan's catalog, held while the block runs; None if the settings want none. Errors: ``lease.hold``."""
    from imagesync.lease.taking import hold

    if not settings.lock:
        return nullcontext()
    return hold(
        backend,
        plan.catalog,
        timeout=settings.lock_timeout,
        times=settings.lease_times,
        unlock=settings.unlock,
        warn=hooks.warn,
        is_new=is_new(plan),
    )


class _Control:
    """Between a run and its caller: passes events on, and says when no further step may start.

    That is when the caller cancels, when its ``notify`` raises (``error``), or when the lease is lost.
    """

    def __init__(self, watch: Watch, lease: "Held | None") -> None:
        self._watch, self._lease = watch, lease
        self.error: Exception | None = None

    def notify(self, event: Event) -> None:
        """Pass an event on; an error of the caller's must not break the step that the event is about."""
        try:
            self._watch.notify(event)
        except Exception as error:
            self.error = self.error or error

    def is_set(self) -> bool:
        """Whether no further step may start."""
        return self.error is not None or self._watch.cancelled.is_set() or self._is_lease_lost()

    def check_lease(self) -> None:
        """LeaseLost if the lease is no longer ours: asked before each write."""
        if self._lease is not None and self._is_lease_lost():
            raise LeaseLost(self._lease.why, "the change was not made; run apply again")

    def look_at_lease(self) -> None:
        """Ask the service once more whether the lease is ours: the last thing that a run does."""
        if self._lease is not None:
            with suppress(ImagesyncError):
                self._lease.look()

    def add_reason(self, report: Report) -> Report:
        """The report with the reason if the lease is lost."""
        if self._lease is None or not self._is_lease_lost():
            return report
        interrupted = report.interrupted and self._watch.cancelled.is_set()
        return replace(report, interrupted=interrupted, stopped=self._lease.why)

    def _is_lease_lost(self) -> bool:
        return self._lease is not None and self._lease.is_lost()


def _run(
    backend: Backend,
    plan: Plan,
    settings: Settings,
    hooks: Hooks,
    lease: "Held | None",
    planner: Planner | None,
    access: SourceAccess,
) -> RunResult:
    """Execute a plan, then check its outcome: ``planner``'s next plan must be empty, or each step must have held."""
    from imagesync.execution.executor import execute
    from imagesync.execution.performer import Performer

    with hooks.watch(plan) as watch:
        control = _Control(watch, lease)
        performer = Performer(
            backend,
            plan,
            check_lease=control.check_lease,
            access=access,
            now=lambda: read_time(backend, lease).latest,
        )
        performer.writes.is_contested = lease is not None and lease.before is not None
        try:
            report = execute(plan, performer, jobs=settings.jobs, notify=control.notify, cancelled=control)
        finally:
            if lease is not None and performer.writes.is_unanswered:
                lease.is_settled = False
        if control.error is not None:
            raise control.error
        report = control.add_reason(report)
        if not report.interrupted and not report.stopped:
            report = replace(report, leftover=_find_leftover(backend, report, planner, performer.writes))
            control.look_at_lease()
            report = control.add_reason(report)
    return RunResult(report, plan.ids if plan.kind is Kind.STAGE else performer.ids)  # a candidate is not current


def _find_leftover(backend: Backend, report: Report, planner: Planner | None, writes: "Writes") -> tuple[str, ...]:
    """What is not as the run should have left it. Deletions that the service deferred are known.

    One listing after the last write judges every write, and every name that was published; if somebody else may have
    been writing, it waits until a read is final. After a run without a failed step its plan must have come true, too.
    """
    from imagesync.execution.changes import find_altered

    if writes.is_contested:
        time.sleep(backend.settling_time())
    left = writes.list_left()
    deleted = [one for one in report.results if isinstance(one.step.action, Delete) and one.outcome is Outcome.DONE]
    gone = [one.image_id for one in deleted if one.image_id is not None]
    inventory = take_inventory_for_plan(backend, report.plan, written=[image.id for image in left], gone=gone)
    listed = {image.id: image for image in (*inventory.owned, *inventory.foreign)}
    found = [*find_altered(left, listed), *find_published_clashes(report, inventory)]
    if found or not report.succeeded:
        return tuple(found)
    if planner is None:
        return find_unmet_steps(report, inventory)
    deferred = {result.step.action.key for result in report.results if result.outcome is Outcome.DEFERRED}
    return tuple(step.id for step in planner.plan().steps if step.action.key not in deferred)
