"""A plan that a planner made, saved and read again -> what the checks of saved plans refuse in it, which must be
nothing."""

from imagesync.model.image import Capabilities, Inventory
from imagesync.model.plan import Plan
from imagesync.planfile.reader import decode_plan, find_withheld_urls
from imagesync.planfile.writer import encode_plan
from imagesync.planning.live_checks import find_false_claims
from imagesync.planning.plan_checks import find_faulty_steps
from imagesync.planning.staleness import find_stale_reliances


def find_refusals(made: Plan, inventory: Inventory, able: Capabilities | None = None) -> list[str]:
    """Everything that ``apply`` would refuse in a plan that a planner has just made."""
    document = encode_plan(made, tool="test", folder=made.base)
    read = decode_plan(document, folder=made.base, display="plan.json")
    saved = made if find_withheld_urls(document) else read
    stale = find_stale_reliances(saved, inventory)
    return [*find_faulty_steps(saved), *stale, *find_false_claims(saved, inventory, able)]
