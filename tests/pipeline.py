"""A catalog -> its plan -> the report of its apply, from Python and without the command line."""

import threading
from dataclasses import replace
from datetime import UTC, datetime

from imagesync.backends.base import Backend
from imagesync.execution.executor import execute
from imagesync.execution.performer import Performer
from imagesync.inventory import take_inventory, take_inventory_for_plan
from imagesync.model.catalog import Catalog
from imagesync.model.image import Capabilities
from imagesync.model.plan import Plan
from imagesync.model.policy import Policy
from imagesync.model.report import Outcome, Report
from imagesync.planning.clock import read_clocks
from imagesync.planning.context import PlanInput
from imagesync.planning.planner import make_plan
from tests.honest import find_refusals


def planned(backend: Backend, catalog: Catalog, policy: Policy | None = None, able: Capabilities | None = None) -> Plan:
    """A new plan without limits of removals. ``able``: the capabilities of the target, if they are not its own."""
    return make_plan(replace(plan_input(backend, catalog, policy), capabilities=able or backend.capabilities()))


def plan_input(
    backend: Backend, catalog: Catalog, policy: Policy | None = None, *, promoting: frozenset[str] = frozenset()
) -> PlanInput:
    """The input of a new plan. ``promoting``: keys whose earlier build may become current."""
    return PlanInput(
        catalog,
        take_inventory(backend, catalog, promoting=promoting),
        policy=policy or catalog.policy,
        capabilities=backend.capabilities(),
        target=backend.identity(),
        clock=read_clocks(datetime.now(UTC), {}),
    )


def applied(backend: Backend, plan: Plan, *, jobs: int = 4) -> Report:
    """Carry out the plan: every step is done. The same plan, saved and read again, is not refused."""
    able = backend.capabilities() if plan.owners else None
    assert find_refusals(plan, take_inventory_for_plan(backend, plan), able) == []
    report = execute(plan, Performer(backend, plan), jobs=jobs, notify=lambda _: None, cancelled=threading.Event())
    assert [(one.step.id, one.error) for one in report.results if one.outcome is not Outcome.DONE] == []
    return report
