"""The options that approve a run: a confirmation, or a plan that was reviewed before. Reads that plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imagesync.cli.options import Yes
from imagesync.errors import UsageError
from imagesync.text import make_printable

if TYPE_CHECKING:
    from imagesync.model.plan import Plan
    from imagesync.model.targets import PlannedTarget


@dataclass(frozen=True)
class Approval:
    """Whether a run asks for confirmation, and the plan that has every change which it may make."""

    yes: Yes = False
    reviewed: Annotated[
        Path | None,
        typer.Option(
            "--reviewed",
            help="Refuse to apply a change that this saved plan does not show.",
            metavar="PLAN.json",
        ),
    ] = None

    def refuse_for_saved_plan(self) -> None:
        """UsageError if the run applies a saved plan, which is reviewed itself."""
        if self.reviewed is not None:
            message = "--reviewed has no effect on a saved plan, which is applied exactly as it is"
            raise UsageError(message, "remove it, or pass the path of the manifests instead of the saved plan")

    def find_reviewed(self, target: str | None) -> "Plan | None":
        """The reviewed plan of a target; None without ``--reviewed``. UsageError if the file has none for it."""
        return self._plans.find(target) if self._plans is not None else None

    @cached_property
    def _plans(self) -> "ReviewedPlans | None":
        return read_reviewed(self.reviewed) if self.reviewed is not None else None


@dataclass(frozen=True, slots=True)
class ReviewedPlans:
    """The plans in the file of ``--reviewed``. ``display`` names the file in messages."""

    display: str
    plans: "Mapping[str | None, PlannedTarget | Plan]"

    def find(self, target: str | None) -> "Plan":
        """The plan of a target; UsageError if there is none, or if it was refused or has a problem."""
        from imagesync.model.plan import Plan
        from imagesync.targets.saved import explain_missing

        found = self.plans.get(target)
        if isinstance(found, Plan):
            return found
        if found is not None and not (problems := explain_missing(found)) and found.plan is not None:
            return found.plan
        name = f"target {make_printable(target)}" if target else "a place outside of the targets of the manifest"
        why = f": {problems[0].message}" if found is not None and problems else ""
        raise UsageError(
            f"{self.display} has no reviewed plan for {name}{why}",
            "select the target of the reviewed plan, or review a new one: imagesync plan PATH -o PLAN.json",
        )


def read_reviewed(path: Path) -> ReviewedPlans:
    """The plans of a file, of one or of several targets; UsageError if it is not a saved plan."""
    from imagesync.cli.saved_plans import decode, read_document
    from imagesync.targets.saved import decode_plans, is_several

    document, display = read_document(path), make_printable(str(path))
    if is_several(document):
        _, planned = decode_plans(document, folder=str(path.parent.absolute()), display=display)
        return ReviewedPlans(display, {one.target: one for one in planned})
    plan, _ = decode(document, path)
    return ReviewedPlans(display, {plan.target_name: plan})
