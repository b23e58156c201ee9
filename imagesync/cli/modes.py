"""--stage and --discard-staged -> the function that makes the plan. No I/O."""

import os
from functools import partial

from imagesync.cli.options import Options
from imagesync.errors import UsageError
from imagesync.model.plan import Plan
from imagesync.planning.planner import make_plan
from imagesync.planning.staging import discard_plan, stage_plan
from imagesync.render.place import describe_place
from imagesync.text import make_printable
from imagesync.workflow import Maker


def choose_maker(options: Options, *, stage: bool, discard: str | None) -> Maker:
    """What makes the plan that the options ask for; UsageError if they exclude each other."""
    if stage and discard is not None:
        raise UsageError("--stage and --discard-staged exclude each other", "run them one after the other")
    word = _find_option(stage=stage, discard=discard)
    if word and options.drift_only:
        raise UsageError(f"{word} and --drift-only exclude each other", "leave one out")
    if word and options.reactivate:
        raise UsageError(
            f"{word} and --reactivate exclude each other: {word} changes no published image", "leave one out"
        )
    if (word := word or ("--drift-only" if options.drift_only else "")) and (limit := _find_removal(options)):
        raise UsageError(f"{limit} does not go with {word}, which removes no published image", "leave one out")
    if discard is not None:
        return partial(discard_plan, keys=discard)
    return stage_plan if stage else make_plan


def refuse_for_saved_plan(options: Options, *, stage: bool, discard: str | None) -> None:
    """UsageError if an option asks for another plan than the saved one."""
    queries = {"--only": options.only, "--drift-only": options.drift_only, "--reactivate": options.reactivate}
    queries |= {"--strict": options.strict, "--no-source-check": options.no_source_check}
    queries |= {_find_option(stage=stage, discard=discard): True}
    if word := next((word for word, value in queries.items() if word and value), ""):
        raise UsageError(
            f"{word} does not go with a saved plan", f"give it to plan: imagesync plan {word} -o plan.json"
        )


def _find_removal(options: Options) -> str:
    """An option that is given and only permits to remove published images."""
    given = {"--destroy": options.destroy, "--max-delete": options.max_delete is not None}
    given |= {"--allow-protected": options.allow_protected}
    return next((word for word, value in given.items() if value), "")


def refuse_values(options: Options) -> None:
    """UsageError if --set gives values for manifests, and none are read."""
    if options.set_values:
        raise UsageError("--set does not go with this saved plan: no manifest is read", "leave it out")


def check_target(plan: Plan, options: Options) -> None:
    """UsageError if --target, --cloud or --store names another place than the one that a saved plan was made for.

    Whether two clouds of clouds.yaml are the same place is known only after logging in.
    """
    if options.target not in (None, plan.target_name):
        made = f"target {plan.target_name}" if plan.target_name else "no target of the manifest"
        raise _refuse_target(f"--target {options.target}", made)
    here = plan.target
    if options.store and (here.kind != "store" or os.path.realpath(options.store) != os.path.realpath(here.location)):
        raise _refuse_target(f"--store {options.store}", describe_place(plan))
    if options.cloud and here.kind != "glance":
        raise _refuse_target(f"--cloud {options.cloud}", describe_place(plan))


def _refuse_target(given: str, made: str) -> UsageError:
    message = f"{make_printable(given)}: the plan was made for {make_printable(made)}"
    return UsageError(message, "plan for it, or leave the option out")


def _find_option(*, stage: bool, discard: str | None) -> str:
    return "--discard-staged" if discard is not None else "--stage" if stage else ""
