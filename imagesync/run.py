"""An approved plan -> its execution under the lease, and the check of its outcome. I/O through backend and sources
only.

``workflow`` makes the plan and asks for approval. This module is the part that fresh and saved plans have in common.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from imagesync.backends.base import Backend
from imagesync.errors import ImagesyncError
from imagesync.inventory import find_published_keys, take_inventory_for_plan
from imagesync.lease import LOCK_TIMEOUT, UNLOCK
from imagesync.lease.record import USUAL, Times
from imagesync.model.plan import Delete, Kind, Plan
from imagesync.model.record import hash_name
from imagesync.model.report import Event, Outcome, Report
from imagesync.planning.clock import Clock, read_clocks
from imagesync.planning.contents import find_unknown
from imagesync.planning.staleness import find_published_clashes, find_unmet_steps
from imagesync.render.progress import LARGE
from imagesync.sources import OpenSource, SourceAccess, open_source
from imagesync.text import format_size

if TYPE_CHECKING:  # what only a run needs is imported when it runs
    from imagesync.execution.executor import Cancelled
    from imagesync.execution.slots import Slots
    from imagesync.execution.writes import Writes
    from imagesync.lease.holding import Held

JOBS: Final = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is carried out.

    ``jobs``: steps or requests at the same time. ``slots``: those of all targets of the run, if it has several.
    ``lock``: whether the run takes the catalog's lease. ``lock_timeout``:
    seconds to wait while another run holds it, and for late requests of a dead run. ``lease_times``: the durations of
    the lease protocol. ``unlock``: the command that breaks the lease, for messages. ``opener`` opens the sources of new
    images; targets of one run may share it (``sources.sharing``).
    """

    jobs: int = JOBS
    lock: bool = True
    lock_timeout: float = LOCK_TIMEOUT
    lease_times: Times = USUAL
    unlock: str = UNLOCK
    slots: "Slots | None" = None
    opener: OpenSource = open_source

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise ValueError(f"jobs is {self.jobs}; it must be at least 1")


def _ignore(_value: object) -> None:
    pass


def _never() -> None:
    pass


def _agree(_plan: Plan) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Watch:
    """How a caller follows a run: ``notify`` gets every event, from any thread; ``cancelled`` stops further steps.

    If ``notify`` raises, running steps end, no more start, and ``apply`` raises that error.
    """

    notify: Callable[[Event], None] = _ignore
    cancelled: "Cancelled" = field(default_factory=threading.Event)


def _watch_nothing(_plan: Plan) -> AbstractContextManager[Watch]:
    return nullcontext(Watch())


@dataclass(frozen=True, slots=True)
class Hooks:
    """The caller's part of a run. By default nothing is reported and every plan is approved.

    ``show`` gets the plan first, also a plan that exceeds its limits. ``approve`` returns whether a plan within its
    limits is applied. If the live images changed between approval and lease, ``approve_change`` returns whether the new
    plan is applied instead; without it ``approve`` is called again. ``warn`` gets sentences for the user, from any
    thread: which run holds the lease, or that it was lost.

    ``check`` is called while the run waits or compares before its steps; its error, such as RunStopped, ends the run.

    ``watch`` gets the plan and returns a context manager, which gives a ``Watch`` and is open while the steps run. To
    receive only the events: ``watch=lambda plan: nullcontext(Watch(notify=print))``.
    """

    show: Callable[[Plan], None] = _ignore
    approve: Callable[[Plan], bool] = _agree
    approve_change: Callable[[Plan], bool] | None = None
    watch: Callable[[Plan], AbstractContextManager[Watch]] = _watch_nothing
    warn: Callable[[str], None] = _ignore
    check: Callable[[], None] = _never


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of a run: its report, and the id of each key's current image after it.

    If ``approved`` is false, the caller declined the plan and nothing was executed.
    """

    report: Report
    ids: Mapping[str, str]
    approved: bool = True


def read_time(backend: Backend, lease: "Held | None") -> Clock:
    """The current time by this host's clock and by the clocks of the target's services, as far as they show it."""
    moment = lease.moment if lease is not None else None
    services = {**backend.times(), **({"the image service": moment} if moment else {})}
    return read_clocks(datetime.now(UTC), services)


def recover(backend: Backend, plan: Plan, settings: Settings, lease: "Held") -> Plan:
    """Make the late requests of a run that did not release its lease harmless, for all images of the catalog.

    Return the plan with the renewed guards.
    """
    from imagesync.execution import recovery

    leased = backend.with_lease(lease.check)
    recovered = recovery.recover(leased, plan, jobs=settings.jobs, check_lease=lease.check)
    lease.is_settled = True
    return recovered


def settle(
    backend: Backend, plan: Plan, settings: Settings, hooks: Hooks, lease: "Held | None", access: SourceAccess
) -> dict[str, str]:
    """Compare sources with live images of unknown content; see ``execution.contents``.

    Return, by key, the id of the image that already holds the declared bytes.
    """
    unknown = find_unknown(plan)
    if not unknown:
        return {}
    for create in unknown:
        size = create.fingerprint.size
        if size is None or size >= LARGE:  # the comparison may take minutes
            display = "" if size is None else f" ({format_size(size)})"
            hooks.warn(f"{create.key}: comparing the source{display} with image {create.may_hold[0]} before any upload")
    from imagesync.execution.contents import settle_contents

    def check_lease() -> None:
        hooks.check()
        if lease is not None:
            lease.check()

    leased = backend.with_lease(check_lease)
    settled = settle_contents(leased, plan, jobs=settings.jobs, check_lease=check_lease, access=access)
    for key, image_id in sorted(settled.items()):
        hooks.warn(
            f"{key}: image {image_id} already holds the bytes of the source; its digests are recorded, no upload is needed"
        )
    return settled


def hold_lease(backend: Backend, plan: Plan, settings: Settings, hooks: Hooks) -> AbstractContextManager["Held | None"]:
    """The lease of a plan's catalog, held while the block runs; None if ``settings.lock`` is false.

    Raises the errors of ``lease.taking.hold``.
    """
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
        check=hooks.check,
    )


class _Control:
    """Passes events to the caller and decides when no further step may start.

    No step starts after the caller canceled, its ``notify`` raised (``error``), or the lease was lost.
    """

    def __init__(self, watch: Watch, lease: "Held | None") -> None:
        self._watch, self._lease = watch, lease
        self.error: Exception | None = None

    def notify(self, event: Event) -> None:
        """Pass an event to the caller; an error of the caller's code must not stop the step."""
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

    def confirm_lease(self) -> None:
        """Read from the service whether this run still holds the lease: the last request of a run."""
        if self._lease is not None:
            with suppress(ImagesyncError):
                self._lease.check_listing()

    def add_reason(self, report: Report) -> Report:
        """The report; if the lease is lost, with the reason."""
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
    """Execute a plan, then check its outcome.

    ``plan_again`` must return an empty plan. If it is None, each step is checked instead.
    """
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
            opener=settings.opener,
        )
        performer.writes.is_contested = lease is not None and lease.before is not None
        try:
            report = execute(
                plan,
                performer,
                jobs=settings.jobs,
                notify=control.notify,
                cancelled=control,
                slots=settings.slots,
            )
        finally:
            if lease is not None and performer.writes.is_unanswered:
                lease.is_settled = False
        if control.error is not None:
            raise control.error
        report = control.add_reason(report)
        if not report.interrupted and not report.stopped:
            report = replace(report, leftover=_find_leftover(backend, report, plan_again, performer.writes))
            control.confirm_lease()
            report = control.add_reason(report)
    ids = plan.ids if plan.kind is Kind.STAGE else performer.ids  # a candidate is not current
    if lease is not None:
        _record_keys(backend, lease, report, ids)
    return RunResult(report, ids)


def _record_keys(backend: Backend, lease: "Held", report: Report, ids: Iterable[str]) -> None:
    """Record which keys have a published image now: ``drift`` then knows that a missing image was deleted."""
    known = lease.keys
    if known is None:  # an earlier version wrote the lease, or its record was deleted
        try:
            known = find_published_keys(backend, report.plan)
        except ImagesyncError:
            return
    lease.record_keys(list_published_keys(known, report, ids))


def list_published_keys(known: Iterable[str], report: Report, ids: Iterable[str]) -> frozenset[str]:
    """The hashed names of the keys that have a published image after a run; ``known``: before it.

    ``ids``: the keys of which the run knows a published image. Only an apply takes the images of former keys over.
    """
    failed = {one.step.action.key for one in report.results if one.outcome is not Outcome.DONE}
    published = {hash_name(key) for key in ids if key not in failed}
    moved = report.plan.moved if report.plan.kind is Kind.APPLY else {}
    former = [old for old, key in moved.items() if key not in failed]
    return frozenset(known) - {hash_name(key) for key in (*report.plan.removed, *former)} | published


def _find_leftover(
    backend: Backend, report: Report, plan_again: Callable[[], Plan] | None, writes: "Writes"
) -> tuple[str, ...]:
    """The differences between the live images and what the run should have left, except deferred deletions.

    One listing after the last write checks every write and every published name. If another run may have written, the
    listing waits until a read is certain to show it. If no step failed, the plan must also have its effect.
    """
    from imagesync.execution.changes import find_altered

    if writes.is_contested:
        time.sleep(backend.settling_time())
    left = writes.list_left()
    deleted = [one for one in report.results if isinstance(one.step.action, Delete) and one.outcome is Outcome.DONE]
    ids = [one.image_id for one in deleted if one.image_id is not None]
    inventory = take_inventory_for_plan(backend, report.plan, written=[image.id for image in left], deleted=ids)
    listed = {image.id: image for image in (*inventory.owned, *inventory.foreign)}
    found = [*find_altered(left, listed), *find_published_clashes(report, inventory)]
    if found or not report.is_carried_out:
        return tuple(found)
    if plan_again is None:
        return find_unmet_steps(report, inventory)
    deferred = {result.step.action.key for result in report.results if result.outcome is Outcome.DEFERRED}
    return tuple(step.id for step in plan_again().steps if step.action.key not in deferred)
