"""What the commands share: from options to a catalogue, a backend, a plan; and applying it. Does I/O."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from imagesync.backends.base import Backend
from imagesync.errors import Diagnostic, ManifestError, PlanRefused, StalePlan, UsageError
from imagesync.model import Catalog, Limit
from imagesync.plan import Plan
from imagesync.report import Event, Finished, Report

if TYPE_CHECKING:
    from imagesync.loader import Manifest


@dataclass(frozen=True, slots=True)
class Options:
    """What ``plan`` and ``apply`` were asked for."""

    path: Path
    target: str | None = None
    cloud: str | None = None
    values: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    jobs: int = 8
    max_delete: int | None = None
    allow_protected: bool = False
    destroy: bool = False
    reactivate: bool = False
    drift_only: bool = False
    allow_outside: bool = False


def read_catalog(options: Options) -> Catalog:
    """Load and resolve; no network."""
    from imagesync.loader import load

    return _resolved(load(options.path), options, options.target)


def _resolved(manifest: "Manifest", options: Options, target: str | None) -> Catalog:
    from imagesync.resolve import resolve

    values = dict(item.partition("=")[::2] for item in options.values)
    if wrong := [item for item in options.values if "=" not in item]:
        raise UsageError(f"--set {wrong[0]}: not NAME=VALUE", "write --set name=value")
    return resolve(manifest, target=target, values=values, only=options.only, allow_outside=options.allow_outside)


def validated(options: Options) -> list[Catalog]:
    """The catalogue for one target, or for each that the manifest has; ManifestError with the problems of them all."""
    from imagesync.loader import load
    from imagesync.sources import check_files

    manifest = load(options.path)
    targets: list[str | None] = [options.target] if options.target or not manifest.targets else [*manifest.targets]
    catalogs: list[Catalog] = []
    problems: list[Diagnostic] = []
    for target in targets:
        try:
            catalogs.append(_resolved(manifest, options, target))
            check_files(catalogs[-1])
        except ManifestError as error:
            problems += error.diagnostics
    if problems:
        raise ManifestError(problems)
    return catalogs


@contextmanager
def opened(options: Options, catalog: Catalog | None) -> Iterator[Backend]:
    """The target: --target, --cloud, OS_* of the environment, default_target; never a silent default."""
    from imagesync.backends.glance import open_glance

    cloud = options.cloud if not options.target else None
    environment = any(name in os.environ for name in ("OS_CLOUD", "OS_AUTH_URL", "OS_ENDPOINT"))
    if cloud is None and catalog is not None and (options.target or not environment):
        cloud = catalog.target.cloud
        if catalog.target.store:
            raise UsageError("targets with a local store are not there yet in this version", "use a target with cloud")
    if cloud is None and not environment:
        ways = "--target NAME, --cloud NAME, OS_CLOUD or OS_* variables, or default_target in the manifest"
        raise UsageError("no target: nothing says which cloud to look at", f"use {ways}")
    backend = open_glance(cloud)
    try:
        yield backend
    finally:
        backend.close()


def plan_now(backend: Backend, catalog: Catalog, options: Options) -> Plan:
    """List and plan; capabilities are asked only for a plan that is not empty. PlanRefused over a limit."""
    from imagesync.planner import make_plan
    from imagesync.policy import check
    from imagesync.survey import take_inventory

    policy = replace(
        catalog.policy,
        allow_protected=options.allow_protected,
        allow_destroy=options.destroy,
        reactivate=options.reactivate,
        drift_only=options.drift_only,
    )
    if options.max_delete is not None:
        policy = replace(policy, max_delete=Limit(options.max_delete, percent=False))
    inventory = take_inventory(backend, catalog)
    plan = make_plan(
        catalog, inventory, policy=policy, capabilities=None, target=backend.identity(), now=datetime.now(UTC)
    )
    if plan.steps:
        able = backend.capabilities()
        plan = make_plan(
            catalog, inventory, policy=policy, capabilities=able, target=plan.target, now=datetime.now(UTC)
        )
    if refusals := check(plan, policy):
        raise PlanRefused(refusals)
    return plan


def identified(options: Options) -> Catalog:
    """The catalogue with the fingerprints of its sources."""
    from imagesync.sources import identify

    return identify(read_catalog(options), jobs=options.jobs)


def carry_out(
    backend: Backend,
    catalog: Catalog,
    options: Options,
    shown: Plan,
    notify: Callable[[Event], None],
    *,
    confirmed: bool,
) -> Report:
    """List and plan again, execute, and look whether the next plan is empty. A confirmed plan that changed is stale."""
    from imagesync.executor import execute
    from imagesync.performer import Performer

    plan = plan_now(backend, catalog, options)
    if confirmed and plan != shown:
        raise StalePlan(["what is live changed while the plan was looked at"])
    cancelled = threading.Event()
    with _interruptible(cancelled):
        report = execute(plan, Performer(backend, plan), jobs=options.jobs, notify=notify, cancelled=cancelled)
    if not report.succeeded:
        return report
    deferred = {result.step.action.key for result in report.results if result.outcome.value == "deferred"}
    left = plan_now(backend, catalog, options)
    return replace(report, leftover=tuple(step.id for step in left.steps if step.action.key not in deferred))


@contextmanager
def _interruptible(cancelled: threading.Event) -> Iterator[None]:
    """The first ^C lets running steps end and starts no more; the second ends the process at once."""

    def stop(_number: int, _frame: object) -> None:
        if cancelled.is_set():
            os._exit(130)
        cancelled.set()
        print("stopping: running steps end, no more start; ^C again stops at once", file=sys.stderr)  # noqa: T201

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def tell(event: Event) -> None:
    """A line on standard error for each finished step."""
    from imagesync.render.text import result_line

    if isinstance(event, Finished):
        print(result_line(event.result), file=sys.stderr, flush=True)  # noqa: T201
