"""A backend and a catalog, or a saved plan -> a plan and its run. I/O through the backend and the sources only.

The command line and Python callers use the same functions: take the inventory, plan, check the limits, ask for
approval, take the lease, plan again, execute, check the outcome. Nothing here prints, prompts, handles signals or ends
the process. The caller does, through ``Hooks``.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from imagesync.backends import find_environment_cloud
from imagesync.backends.base import Backend
from imagesync.errors import Bug, PlanRefused, StalePlan, UsageError
from imagesync.inventory import identify_owners, take_inventory, take_inventory_for_plan
from imagesync.manifest.loader import read_manifest
from imagesync.manifest.merging import Manifest
from imagesync.manifest.resolution import resolve
from imagesync.manifest.selection import Choice, list_names, select_target
from imagesync.manifest.source_hosts import find_hosts_not_named
from imagesync.model.catalog import Catalog, Target
from imagesync.model.drift import DriftReport
from imagesync.model.explanation import Explanation
from imagesync.model.image import Capabilities, Identity, Inventory
from imagesync.model.plan import Kind, Plan
from imagesync.model.policy import Limit, Policy
from imagesync.model.report import Report
from imagesync.planning.adoption import pick_adoptable, request_adoption
from imagesync.planning.clock import find_untimely_steps
from imagesync.planning.contents import drop_settled, is_same_except_keys
from imagesync.planning.context import PlanInput
from imagesync.planning.drift import find_drift as compare
from imagesync.planning.explanation import explain_key, list_known_keys
from imagesync.planning.planner import make_plan
from imagesync.planning.policy import check
from imagesync.planning.recovery import is_same_except_recovery
from imagesync.planning.staleness import find_stale_reliances
from imagesync.planning.stores import is_store_list_needed
from imagesync.render.place import describe_target
from imagesync.run import JOBS, Hooks, RunResult, Settings, hold_lease, read_time, recover, run_plan, settle
from imagesync.sources import SourceAccess, SourceChecks, check_sources, default_cache, find_unreadable_files, identify
from imagesync.text import make_printable, shorten_list

if TYPE_CHECKING:  # what only a run needs is imported when it runs
    from imagesync.lease.holding import Held

AS_PLANNED: Final = Policy(max_delete=Limit(100), max_update=Limit(100))
"""The default limits of a saved plan: the policy's limits were checked when the plan was made."""

REVIEW: Final = "nothing was applied; review a new plan and apply it: imagesync plan PATH -o PLAN.json"
"""What to do about changes that the reviewed plan does not have."""

Maker: TypeAlias = Callable[[PlanInput], Plan]
"""A function like ``planning.planner.make_plan``: a catalog and an inventory -> a plan."""


def read_catalog(
    path: Path | str,
    *,
    target: str | None = None,
    cloud: str | None = None,
    store: Path | str | None = None,
    values: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    allow_outside: bool = False,
    strict: bool = False,
    jobs: int = JOBS,
    access: SourceAccess | None = None,
) -> Catalog:
    """The catalog of the manifests at ``path`` for one target, with the digests and sizes of its sources.

    One of ``target``, ``cloud`` and ``store`` selects the target, else the environment (OS_CLOUD, OS_*), else the
    manifest's ``default_target``. If the manifest has a target for that cloud or store, its overlay applies.
    ``open_target(catalog.target)`` opens the backend. Reads the manifests, local source files and published checksum
    lists; ``access`` limits the hosts and the time. ``strict``: unused names are problems. Raises ManifestError with
    every problem, and the UsageError of ``select_place``.
    """
    manifest = read_manifest(path, allow_outside=allow_outside)
    choice = Choice(target, cloud, str(store) if store is not None else None, find_environment_cloud())
    return resolve_manifest(
        manifest,
        choice,
        values=values,
        only=only,
        allow_outside=allow_outside,
        strict=strict,
        jobs=jobs,
        access=access or SourceAccess(),
    )


def resolve_manifest(
    manifest: Manifest,
    choice: Choice,
    *,
    values: Mapping[str, str] | None,
    only: Sequence[str],
    allow_outside: bool,
    strict: bool,
    jobs: int,
    access: SourceAccess,
) -> Catalog:
    """As ``read_catalog``, of a manifest that is read already."""
    catalog = resolve(
        manifest,
        place=select_place(manifest, choice, values or {}),
        values=values,
        only=only,
        allow_outside=allow_outside,
        strict=strict,
        checks=(find_unreadable_files, partial(find_hosts_not_named, hosts=access.hosts)),
    )
    return identify(catalog, jobs=jobs, cache=default_cache(), access=access)


def select_place(manifest: Manifest, choice: Choice, values: Mapping[str, str]) -> Target:
    """As ``select_target``; also UsageError if the manifest has targets and none is selected.

    A wrong ``default_target`` is a problem of the manifest, which the resolution reports.
    """
    place = select_target(manifest, choice, values)
    if manifest.targets and place == Target() and "default_target" not in manifest.single:
        names = list_names(list(manifest.targets))
        one = f"pass --target NAME ({names}), or set default_target in the manifest"
        raise UsageError("no target selected", f"{one}; plan, apply and drift also take --all-targets")
    return place


def check_place(target: Target, here: Identity) -> None:
    """UsageError if a catalog was read for another cloud or store than the backend's."""
    if target.store is not None:
        is_here = here.kind == "store" and os.path.realpath(target.store) == os.path.realpath(here.location)
        wanted = f"store {make_printable(target.store)}"
    elif target.cloud is not None:
        is_here = here.kind == "glance" and here.label == target.cloud
        wanted = f"cloud {make_printable(target.cloud)}"
    else:
        return
    if not is_here:
        message = f"the catalog was read for {wanted}, but the backend is {describe_target(None, here)}"
        raise UsageError(
            message, "open the backend with open_target(catalog.target), or read the catalog for this cloud or store"
        )


class Planner:
    """Makes the plans of one run, each from a new inventory; it checks each source only once."""

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
        sources: SourceChecks | None = None,
        reviewed: Plan | None = None,
    ) -> None:
        """UsageError if the catalog was read for another cloud or store: it may have the overlay of that target.

        ``policy`` None: the manifest's. ``access``: the rules for requests to sources, the same as for
        ``read_catalog``. ``make``: ``make_plan``, ``stage_plan``, or a ``partial`` of ``discard_plan`` or
        ``rollback_plan``. ``promoting``: keys of which an earlier build may become current. ``sources``: the checks of
        another target of the run, which this planner shares, with their ``access`` by default. ``reviewed``: the plan
        that must have every change of the plans that are applied; UsageError if it was made for another place.
        """
        here = backend.identity()
        check_place(catalog.target, here)
        if reviewed is not None:
            check_target_of(reviewed, here)
        self._reviewed = reviewed
        self.backend, self.catalog, self.policy = backend, catalog, policy or catalog.policy
        self._sources = sources.share() if sources else SourceChecks(access, default_cache())
        self.access = access or self._sources.access
        self._make, self._promoting, self._jobs = make, promoting, jobs
        self.lease: Held | None = None
        """The lease of the run; its record shows the clock of the image service."""
        self.given: PlanInput | None = None
        """What the last plan was made from, also if it was refused; None before the first plan."""

    def plan(self) -> Plan:
        """Take the inventory and plan. Only a plan with steps costs requests for capabilities and sources."""
        self.catalog = identify_owners(self.backend, self.catalog)
        inventory = take_inventory(self.backend, self.catalog, promoting=self._promoting)
        able = self.backend.capabilities() if is_store_list_needed(self.catalog) else None
        plan = self._make_plan(inventory, able)
        if not plan.steps:
            return plan
        self._sources.learn(plan, self._jobs)
        return self._make_plan(inventory, self.backend.capabilities())

    def _make_plan(self, inventory: Inventory, able: Capabilities | None) -> Plan:
        given = PlanInput(
            self._sources.fill_in(self.catalog),
            inventory,
            policy=self.policy,
            capabilities=able,
            target=self.backend.identity(),
            clock=read_time(self.backend, self.lease),
        )
        self.given = given
        return self._make(given)

    def check_limits(self, plan: Plan) -> None:
        """Raise PlanRefused, with one sentence for each limit of the policy that the plan exceeds, and each unreviewed change."""
        from imagesync.planfile.reviewed import find_unreviewed

        unreviewed = find_unreviewed(plan, self._reviewed) if self._reviewed is not None else ()
        if unreviewed:
            unreviewed = (*unreviewed[:-1], f"{unreviewed[-1]}; {REVIEW}")
        if refusals := (*check(plan, self.policy), *unreviewed):
            raise PlanRefused(refusals)


def apply(planner: Planner, settings: Settings = Settings(), hooks: Hooks = Hooks()) -> RunResult:
    """Make the live images match the planner's catalog.

    Before the first write it may raise PlanRefused (the whole catalog, or a limit), StalePlan (the caller did not
    approve a changed plan), LeaseHeld (another run holds the lease longer than ``lock_timeout``) and BackendError.
    Failures of single steps are in the report, and so is a bug of imagesync (``report.bug``, a traceback).
    """
    display = planner.plan()
    hooks.show(display)
    planner.check_limits(display)
    if not display.steps:
        return RunResult(Report(display, ()), display.ids)
    if not hooks.approve(display):
        return RunResult(Report(display, ()), display.ids, approved=False)
    return carry_out(planner, display, settings, hooks)


def carry_out(planner: Planner, display: Plan, settings: Settings, hooks: Hooks) -> RunResult:
    """Apply a plan that the planner made, that has steps, and that was shown and approved; errors as for ``apply``."""
    with hold_lease(planner.backend, display, settings, hooks) as lease:
        planner.lease = lease
        plan, is_as_shown = _plan_again(planner, display, settings, hooks, lease)
        if not is_as_shown:
            if not (hooks.approve_change or hooks.approve)(plan):
                raise StalePlan(["the live images changed after the plan was shown"])
            planner.check_limits(plan)
        if not plan.steps:
            return RunResult(Report(plan, ()), plan.ids)
        # a second rollback plan would go back one more build: so each step is checked instead
        again = None if plan.kind is Kind.ROLLBACK else planner.plan
        return run_plan(planner.backend, plan, settings, hooks, lease, again, planner.access)


def apply_saved(
    backend: Backend,
    plan: Plan,
    settings: Settings = Settings(),
    hooks: Hooks = Hooks(),
    policy: Policy = AS_PLANNED,
    access: SourceAccess | None = None,
) -> RunResult:
    """Carry out a saved plan exactly; StalePlan, and nothing is written, if anything that it relies on has changed.

    A plan file is untrusted input: PlanRefused if it makes a false claim about the live images or about its own steps.
    The caller must check the paths of its sources. ``policy``: the limits and permissions of this run; by default the
    number of keys is not limited, and protected images and the last images of a catalog are not removed.
    """
    check_sources(plan)
    plan = replace(plan, target=check_saved(backend, plan, policy))
    hooks.show(plan)
    if not plan.steps:
        return RunResult(Report(plan, ()), plan.ids)
    if not hooks.approve(plan):
        return RunResult(Report(plan, ()), plan.ids, approved=False)
    return carry_out_saved(backend, plan, settings, hooks, policy, access or SourceAccess())


def carry_out_saved(
    backend: Backend, plan: Plan, settings: Settings, hooks: Hooks, policy: Policy, access: SourceAccess
) -> RunResult:
    """Apply a saved plan that ``check_saved`` accepted, that has steps, and that was approved; errors as for ``apply_saved``."""
    with hold_lease(backend, plan, settings, hooks) as lease:
        check_saved(backend, plan, policy)
        if untimely := find_untimely_steps(plan, read_time(backend, lease)):
            raise StalePlan(shorten_list(untimely))
        if lease is not None and lease.before is not None:
            plan = recover(backend, plan, settings, lease)
        settled = settle(backend, plan, settings, hooks, lease, access)
        plan, undone = drop_settled(plan, settled)
        for key in sorted(undone):
            hooks.warn(
                f"{key}: this plan has no other steps for this key; plan again to see what is left: imagesync plan PATH"
            )
        return run_plan(backend, plan, settings, hooks, lease, None, access)


def _plan_again(
    planner: Planner, display: Plan, settings: Settings, hooks: Hooks, lease: "Held | None"
) -> tuple[Plan, bool]:
    """The plan under the lease, and whether it has the same steps as the one that was shown.

    After a run that did not end cleanly, its late requests are made harmless first. Images that prove to hold the
    declared bytes are kept. Neither counts as a change of the plan.
    """
    plan = planner.plan()
    is_recovered = lease is not None and lease.before is not None
    if lease is not None and is_recovered:
        recover(planner.backend, plan, settings, lease)
        plan = planner.plan()
    if settled := settle(planner.backend, plan, settings, hooks, lease, planner.access):
        plan = planner.plan()
        return plan, is_same_except_keys(plan, display, settled)
    if is_recovered:
        return plan, is_same_except_recovery(plan, display)
    return plan, replace(plan, notes=()) == replace(display, notes=())  # notes may name the clock that the lease shows


def explain(planner: Planner, key: str) -> Explanation:
    """Why the image of a key is as it is, and what the next apply does with it. It only reads, and takes no lease.

    UsageError, with similar keys, if neither the manifest nor an owned image has the key.
    """
    plan, refusals = None, tuple[str, ...]()
    try:
        plan = planner.plan()
        refusals = tuple(check(plan, planner.policy))
    except PlanRefused as refused:
        if planner.given is None:
            raise
        refusals = tuple(refused.refusals)
    given = planner.given
    if given is None:
        raise Bug("a plan was made from nothing")
    known = list_known_keys(given)
    if key not in known:
        close = get_close_matches(key, known, 3)
        hint = f"did you mean {', '.join(close)}?" if close else "list the keys: imagesync list --manifest PATH"
        raise UsageError(f"no image has the key {make_printable(key)!r}", hint)
    return explain_key(given, key, plan, refusals)


def find_drift(backend: Backend, catalog: Catalog) -> DriftReport:
    """What other users changed on the published images of a catalog since imagesync wrote them.

    It only reads, asks no source, and takes no lease. Raises BackendError.
    """
    from imagesync.lease.taking import find_published_keys

    check_place(catalog.target, backend.identity())
    catalog = identify_owners(backend, catalog)
    inventory, known = take_inventory(backend, catalog), find_published_keys(backend, catalog.name)
    return compare(catalog, inventory, known, today=read_time(backend, None).latest.date().isoformat())


def select_adoptable(backend: Backend, catalog: Catalog) -> Catalog:
    """The images of a catalog that can adopt a live image; a warning explains each key that cannot."""
    wanted = identify_owners(backend, request_adoption(catalog))
    return pick_adoptable(wanted, take_inventory(backend, wanted))


def check_saved(backend: Backend, plan: Plan, policy: Policy = AS_PLANNED) -> Identity:
    """Check a saved plan against the live images; return its target as the backend reports it.

    UsageError if the plan was made for another target. PlanRefused if it makes a false claim, or needs a permission
    that ``policy`` does not give. StalePlan if something that it relies on changed.
    """
    from imagesync.planning.live_checks import find_false_claims
    from imagesync.planning.permissions import find_exceeded_limits
    from imagesync.planning.plan_checks import find_faulty_steps, shorten_faults

    here = backend.identity()
    check_target_of(plan, here)
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


def check_target_of(plan: Plan, here: Identity) -> None:
    """UsageError if a saved plan was made for another service, region or project than the backend's."""
    if not plan.target.is_place_of(here):
        message = f"the plan was made for {_describe(plan.target)}, but the selected target is {_describe(here)}"
        raise UsageError(message, "select the target of the plan, or make a new plan: imagesync plan PATH")


def _describe(target: Identity) -> str:
    parts = (target.kind, target.location, target.region, target.project_name or target.project_id)
    return " ".join(filter(None, parts))
