"""Which plan a run makes: of the whole manifest, of candidates, or of one key's way back. No I/O."""

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

from imagesync.cli.options import Options
from imagesync.errors import UsageError
from imagesync.model.catalog import Catalog, Policy
from imagesync.model.image import Capabilities, Identity, Inventory

if TYPE_CHECKING:
    from imagesync.model.plan import Plan


class Maker(Protocol):
    """What ``planner.make_plan`` is: a plan from what is wanted and what is there."""

    def __call__(
        self,
        catalog: Catalog,
        inventory: Inventory,
        *,
        policy: Policy,
        capabilities: Capabilities | None,
        target: Identity,
        now: datetime,
    ) -> "Plan":
        """The plan, or PlanRefused."""


def maker(options: Options, *, stage: bool, discard: str | None, saved: bool) -> Maker:
    """The plan that --stage and --discard-staged ask for; without them the whole one. UsageError where they cannot be."""
    from imagesync.planning.planner import make_plan
    from imagesync.planning.staging import discard_plan, stage_plan

    word = "--discard-staged" if discard is not None else "--stage" if stage else ""
    if stage and discard is not None:
        raise UsageError("--stage and --discard-staged exclude each other", "run them one after the other")
    if word and options.drift_only:
        raise UsageError(f"{word} and --drift-only exclude each other", "leave one out")
    if word and saved:
        raise UsageError(
            f"{word} does not go with a saved plan", f"give it to plan: imagesync plan {word} -o plan.json"
        )
    if discard is not None:
        return partial(discard_plan, keys=discard)
    return stage_plan if stage else make_plan


def going_back(key: str, to: str | None) -> Maker:
    """The plan of ``rollback``."""
    from imagesync.planning.rollback import rollback_plan

    return partial(rollback_plan, key=key, to=to)
