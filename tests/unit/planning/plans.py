"""Plans of each kind, and what tests read of them."""

from datetime import datetime

from imagesync.model.catalog import Catalog
from imagesync.model.image import Inventory
from imagesync.model.plan import Plan, Update
from imagesync.model.policy import Policy
from imagesync.planning.rollback import rollback_plan
from imagesync.planning.staging import discard_plan, stage_plan
from tests.unit.factories import NOW, check_honest, plan_input


def plan_stage(wanted: Catalog, found: Inventory, now: datetime = NOW) -> Plan:
    """The plan of ``--stage``."""
    return check_honest(stage_plan(plan_input(wanted, found, now=now)), found)


def plan_discard(wanted: Catalog, found: Inventory, keys: str = "*") -> Plan:
    """The plan of ``--discard-staged``."""
    return check_honest(discard_plan(plan_input(wanted, found), keys=keys), found)


def plan_rollback(
    wanted: Catalog, found: Inventory, key: str = "a", to: str | None = None, policy: Policy | None = None
) -> Plan:
    """The plan of ``rollback``."""
    return check_honest(rollback_plan(plan_input(wanted, found, policy), key=key, to=to), found)


def actions(made: Plan) -> list[tuple[str, str, str]]:
    """Action, image (or key) and reason of each step."""
    return [
        (type(one.action).__name__, getattr(one.action, "image_id", None) or one.action.key, one.reason.value)
        for one in made.steps
    ]


def kinds(made: Plan) -> list[tuple[str, str, str]]:
    """Action, key and reason of each step."""
    return [(type(step.action).__name__, step.action.key, step.reason.value) for step in made.steps]


def changes(made: Plan) -> dict[str, tuple[object, object]]:
    """Path to (before, after) of the only update."""
    (update,) = [step.action for step in made.steps if isinstance(step.action, Update)]
    return {".".join(change.path): (change.before, change.after) for change in update.changes}
