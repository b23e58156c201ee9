"""What the commands share: from options to a backend and a plan; and applying it. Does I/O."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from imagesync.backends.base import Backend
from imagesync.cli.modes import Maker
from imagesync.cli.options import Options
from imagesync.errors import Forbidden, NotFound, PlanRefused, StalePlan, UsageError
from imagesync.lease.holding import Held
from imagesync.model.catalog import Catalog, Target, Visibility
from imagesync.model.image import Capabilities, Identity, Inventory, LiveImage, MemberState
from imagesync.model.plan import Plan
from imagesync.model.report import Event, Outcome, Report

WAYS = "--target NAME, --cloud NAME, --store DIR, OS_CLOUD or OS_* variables, or default_target in the manifest"


@contextmanager
def opened(options: Options, declared: Target = Target()) -> Iterator[Backend]:  # noqa: B008 - a frozen value
    """The backend of --target, --cloud, --store, ``OS_*`` or default_target, in this order; never a silent default."""
    from imagesync.backends import open_backend

    environment = any(name in os.environ for name in ("OS_CLOUD", "OS_AUTH_URL", "OS_ENDPOINT"))
    if options.target:
        cloud, store = declared.cloud, declared.store
        if not (cloud or store):
            raise UsageError(f"target {options.target} names neither a cloud nor a store", "add one of them to it")
    elif options.cloud or options.store:
        cloud, store = options.cloud, str(options.store) if options.store and not options.cloud else None
    elif environment:
        cloud, store = None, None
    else:
        cloud, store = declared.cloud, declared.store
        if not (cloud or store):
            raise UsageError("no target: nothing says which cloud or store to look at", f"use {WAYS}")
    backend = open_backend(cloud=cloud, store=_from_here(store))
    try:
        yield backend
    finally:
        backend.close()


@contextmanager
def existing(options: Options) -> Iterator[Backend]:
    """The backend of a command that only looks: a store that is not there is not made."""
    if options.store and not (options.store / "store.db").exists():
        raise UsageError(f"there is no store in {options.store}", "apply makes one")
    with opened(options) as backend:
        yield backend


def members_of(backend: Backend, images: Sequence[LiveImage], jobs: int) -> dict[str, tuple[MemberState, ...]]:
    """The members of those images that are shared, by id, as far as one may ask: one request an image."""
    shared = [image.id for image in images if image.visibility is Visibility.SHARED]
    with ThreadPoolExecutor(jobs) as pool:
        asked = zip(shared, pool.map(lambda image_id: _members(backend, image_id), shared), strict=True)
        return {image_id: members for image_id, members in asked if members is not None}


def _members(backend: Backend, image_id: str) -> tuple[MemberState, ...] | None:
    try:
        return tuple(backend.members(image_id))
    except (Forbidden, NotFound):
        return None


def _from_here(path: str | None) -> str | None:
    """A path as a person here would write it."""
    if path is None:
        return None
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative


def declared_by(plan: Plan) -> Target:
    """Where a saved plan was made for, as far as its file tells."""
    if plan.target.kind == "store":
        return Target(store=plan.target.location)
    return Target(cloud=plan.target.label or None)


class Planning:
    """The plans of one run: each looks anew at what is live, and asks each URL only once how much it holds."""

    def __init__(
        self,
        backend: Backend,
        catalog: Catalog,
        options: Options,
        make: Maker,
        promoting: frozenset[str] = frozenset(),
    ) -> None:
        """``make`` makes the plan; ``promoting`` are keys of which an earlier build is about to be current."""
        from imagesync.sources import Sizes

        self.backend, self.catalog, self.policy = backend, catalog, options.policy(catalog.policy)
        self._jobs, self._sizes, self._make, self._promoting = options.jobs, Sizes(), make, promoting

    def plan(self) -> Plan:
        """List and plan; capabilities and sizes are asked only for a plan that is not empty."""
        from imagesync.inventory import take_inventory
        from imagesync.planning.stores import looks_at_stores

        inventory = take_inventory(self.backend, self.catalog, promoting=self._promoting)
        plan = self._made(inventory, self.backend.capabilities() if looks_at_stores(self.catalog) else None)
        if not plan.steps:
            return plan
        self._sizes.learn(plan, self._jobs)
        return self._made(inventory, self.backend.capabilities())

    def _made(self, inventory: Inventory, able: Capabilities | None) -> Plan:
        wanted, target = self._sizes.filled(self.catalog), self.backend.identity()
        now = datetime.now(UTC)
        return self._make(wanted, inventory, policy=self.policy, capabilities=able, target=target, now=now)

    def check_limits(self, plan: Plan) -> None:
        """PlanRefused with a sentence for each limit that the plan exceeds."""
        from imagesync.planning.policy import check

        if refusals := check(plan, self.policy):
            raise PlanRefused(refusals)


def check_saved(backend: Backend, plan: Plan) -> None:
    """A saved plan is for this target, and all that it relied on still holds."""
    from imagesync.inventory import inventory_for
    from imagesync.planning.staleness import stale

    here = backend.identity()
    if here.fingerprint != plan.target.fingerprint:
        message = f"the plan was made for {_named(plan.target)}, this is {_named(here)}"
        raise PlanRefused([f"{message}; apply it there, or plan for this target"])
    if changes := stale(plan, inventory_for(backend, plan)):
        raise StalePlan(changes)


def _named(target: Identity) -> str:
    parts = (target.kind, target.location, target.region, target.project_name or target.project_id)
    return " ".join(filter(None, parts))


class _Stop:
    """Set by ^C, or when the lease is lost."""

    def __init__(self, interrupted: threading.Event, lease: Held | None) -> None:
        self._interrupted, self._lease = interrupted, lease

    def is_set(self) -> bool:
        """Whether no further step may start."""
        return self._interrupted.is_set() or (self._lease is not None and self._lease.is_lost())


def carry_out(
    backend: Backend, plan: Plan, jobs: int, notify: Callable[[Event], None], lease: Held | None
) -> tuple[Report, dict[str, str]]:
    """Execute a plan; the report, and the current image of each key. ^C, or losing the lease, stops it in good order."""
    from imagesync.execution.executor import execute
    from imagesync.execution.performer import Performer

    cancelled = threading.Event()
    performer = Performer(backend, plan)
    with _interruptible(cancelled):
        report = execute(plan, performer, jobs=jobs, notify=notify, cancelled=_Stop(cancelled, lease))
    if lease is not None and lease.is_lost():
        report = replace(report, interrupted=report.interrupted and cancelled.is_set(), stopped=lease.why)
    gone = set(plan.removed)
    return report, {key: image_id for key, image_id in performer.ids.items() if key not in gone}


def looked_at(backend: Backend, report: Report, planning: Planning | None) -> Report:
    """The report with what a last look still finds: the next plan must be empty, or a saved plan's steps have held.

    Deletions that the service put off are known already.
    """
    from imagesync.inventory import inventory_for
    from imagesync.planning.staleness import unmet

    if planning is None:
        return replace(report, leftover=unmet(report, inventory_for(backend, report.plan)))
    deferred = {result.step.action.key for result in report.results if result.outcome is Outcome.DEFERRED}
    left = planning.plan()
    return replace(report, leftover=tuple(step.id for step in left.steps if step.action.key not in deferred))


@contextmanager
def _interruptible(cancelled: threading.Event) -> Iterator[None]:
    """The first ^C lets running steps end and starts no more; the second ends the process at once."""

    def stop(_number: int, _frame: object) -> None:
        if cancelled.is_set():
            os._exit(130)
        cancelled.set()
        # the interrupted code may be writing to the same stream, which must not be entered twice
        os.write(2, b"stopping: running steps end, no more start; ^C again stops at once\n")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
