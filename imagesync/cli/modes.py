"""--stage and --discard-staged -> the function that makes the plan. No I/O."""

from functools import partial

from imagesync.cli.options import Options
from imagesync.errors import UsageError
from imagesync.planning.planner import make_plan
from imagesync.planning.staging import discard_plan, stage_plan
from imagesync.workflow import Maker


def choose_maker(options: Options, *, stage: bool, discard: str | None) -> Maker:
    """What makes the plan that the options ask for; UsageError if they exclude each other."""
    if stage and discard is not None:
        raise UsageError("--stage and --discard-staged exclude each other", "run them one after the other")
    if (word := _find_option(stage=stage, discard=discard)) and options.drift_only:
        raise UsageError(f"{word} and --drift-only exclude each other", "leave one out")
    if discard is not None:
        return partial(discard_plan, keys=discard)
    return stage_plan if stage else make_plan


def refuse_for_saved_plan(*, stage: bool, discard: str | None) -> None:
    """UsageError if an option asks for another plan than the saved one."""
    if word := _find_option(stage=stage, discard=discard):
        raise UsageError(
            f"{word} does not go with a saved plan", f"give it to plan: imagesync plan {word} -o plan.json"
        )


def _find_option(*, stage: bool, discard: str | None) -> str:
    return "--discard-staged" if discard is not None else "--stage" if stage else ""
