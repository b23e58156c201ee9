"""A plan -> its execution under the lease, and its outcome checked. I/O goes through the backend and the sources only.

``workflow`` makes the plan and asks for approval; here is what both kinds of plan, fresh and saved, then have in common.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from imagesync.backends.base import Backend
from imagesync.errors import ImagesyncError
from imagesync.inventory import take_inventory_for_plan
from imagesync.lease import LOCK_TIMEOUT, UNLOCK
from imagesync.lease.record import USUAL, Times
from imagesync.model.plan import Delete, Kind, Plan
from imagesync.model.report import Event, Outcome, Report
from imagesync.planning.clock import Clock, read_clocks
from imagesync.planning.contents import find_unknown
from imagesync.planning.staleness import find_published_clashes, find_unmet_steps
from imagesync.render.progress import LARGE
from imagesync.render.style import format_size
from imagesync.sources import SourceAccess

if TYPE_CHECKING:  # what only a run needs is imported when it runs
    from imagesync.execution.executor import Cancelled
    from imagesync.execution.writes import Writes
    from imagesync.lease.holding import Held

JOBS: Final = 8


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


def read_time(backend: Backend, lease: "Held | None") -> Clock:
    """The time by this host and by the services of the target, as far as they show it."""
    moment = lease.moment if lease is not None else None
    services = {**backend.times(), **({"the image service": moment} if moment else {})}
    return read_clocks(datetime.now(UTC), services)


def recover(backend: Backend, plan: Plan, settings: Settings, lease: "Held") -> Plan:
    """Make harmless what a run sent that did not give its lease back, whatever this plan is about; the plan with the guards
    that were renewed."""
    from imagesync.execution import recovery

    leased = backend.with_lease(lease.check)
    recovered = recovery.recover(leased, plan, jobs=settings.jobs, check_lease=lease.check)
    lease.is_settled = True
    return recovered


def settle(
    backend: Backend, plan: Plan, settings: Settings, hooks: Hooks, lease: "Held | None", access: SourceAccess
) -> dict[str, str]:
    """The keys, and the ids of their images, that already hold the declared bytes although no digest showed it; see
    ``execution.contents``.
    """
    unknown = find_unknown(plan)
    if not unknown:
        return {}
    for create in unknown:
        size = create.fingerprint.size
        if size is None or size >= LARGE:  # it takes long enough to be mentioned
            display = "" if size is None else f" ({format_size(size)})"
            hooks.warn(
                f"{create.key}: the source{display} is compared with image {create.may_hold[0]} before it is sent"
            )
    from imagesync.execution.contents import settle_contents

    def check_lease() -> None:
        if lease is not None:
            lease.check()

    leased = backend.with_lease(check_lease)
    settled = settle_contents(leased, plan, jobs=settings.jobs, check_lease=check_lease, access=access)
    for key, image_id in sorted(settled.items()):
        hooks.warn(
            f"{key}: the source has the bytes of image {image_id}, whose record now says so; nothing is uploaded"
        )
    return settled


def hold_lease(backend: Backend, plan: Plan, settings: Settings, hooks: Hooks) -> AbstractContextManager["Held | None"]:
    """The lease of a plan's catalog, held while the block runs; None if the settings want none. Errors as those of
    ``lease.taking.hold``."""
    from imagesync.execution.recovery import list_own
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
        is_new=lambda: not list_own(backend, plan),
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
        """LeaseLost if this run no longer holds the lease: called before each write."""
        if self._lease is not None:
            self._lease.check()

    def look_at_lease(self) -> None:
        """Ask the service again whether this run holds the lease: the last request of a run."""
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


def run_plan(
    backend: Backend,
    plan: Plan,
    settings: Settings,
    hooks: Hooks,
    lease: "Held | None",
    plan_again: Callable[[], Plan] | None,
    access: SourceAccess,
) -> RunResult:
    """Execute a plan, then check its outcome: ``plan_again`` must give an empty plan, or without it each step have held."""
    from imagesync.execution.executor import execute
    from imagesync.execution.performer import Performer

    with hooks.watch(plan) as watch:
        control = _Control(watch, lease)
        performer = Performer(
            backend.with_lease(control.check_lease),
            plan,
            check_lease=control.check_lease,
            access=access,
            now=lambda: read_time(backend, lease).middle,
            is_stopped=watch.cancelled.is_set,
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
            report = replace(report, leftover=_find_leftover(backend, report, plan_again, performer.writes))
            control.look_at_lease()
            report = control.add_reason(report)
    return RunResult(report, plan.ids if plan.kind is Kind.STAGE else performer.ids)  # a candidate is not current


def _find_leftover(
    backend: Backend, report: Report, plan_again: Callable[[], Plan] | None, writes: "Writes"
) -> tuple[str, ...]:
    """The differences from what the run should have left. Deletions that the service deferred are known.

    One listing after the last write judges every write, and every name that was published; if another run may have been
    writing, it waits until a read is final. After a run without a failed step its plan must have come true, too.
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
    if found or not report.is_carried_out:
        return tuple(found)
    if plan_again is None:
        return find_unmet_steps(report, inventory)
    deferred = {result.step.action.key for result in report.results if result.outcome is Outcome.DEFERRED}
    return tuple(step.id for step in plan_again().steps if step.action.key not in deferred)
