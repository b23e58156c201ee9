"""--stage and --discard-staged -> the function that makes the plan. No I/O."""

from functools import partial

from imagesync.cli.options import Options
from imagesync.errors import UsageError
from imagesync.model.plan import Plan
from imagesync.planning.planner import make_plan
from imagesync.planning.staging import discard_plan, stage_plan
from imagesync.text import make_printable
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


def refuse_for_saved_plan(options: Options, *, stage: bool, discard: str | None) -> None:
    """UsageError if an option asks for another plan than the saved one."""
    asked = {"--only": options.only, "--drift-only": options.drift_only, "--reactivate": options.reactivate}
    asked |= {"--strict": options.strict, "--no-source-check": options.no_source_check}
    asked |= {_find_option(stage=stage, discard=discard): True}
    if word := next((word for word, value in asked.items() if word and value), ""):
        raise UsageError(
            f"{word} does not go with a saved plan", f"give it to plan: imagesync plan {word} -o plan.json"
        )


def check_target(plan: Plan, options: Options) -> None:
    """UsageError if --target names another target than the one that a saved plan was made for."""
    if options.target not in (None, plan.target_name):
        made = f"target {plan.target_name}" if plan.target_name else "no target of the manifest"
        raise UsageError(f"--target {options.target}: the plan was made for {make_printable(made)}", "plan for it")


def _find_option(*, stage: bool, discard: str | None) -> str:
    return "--discard-staged" if discard is not None else "--stage" if stage else ""
