"""--stage and --discard-staged -> the function that makes the plan; and checks of contradicting options. No I/O."""

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
    """The function that makes the plan for these options; UsageError if they exclude each other."""
    if stage and discard is not None:
        raise UsageError("--stage and --discard-staged exclude each other", "run them one after the other")
    word = _find_option(stage=stage, discard=discard)
    if word and options.drift_only:
        raise UsageError(f"{word} and --drift-only exclude each other", "pass one of them")
    if word and options.reactivate:
        raise UsageError(
            f"--reactivate has no effect with {word}, which changes no published image", "pass one of them"
        )
    if (word := word or ("--drift-only" if options.drift_only else "")) and (limit := _find_removal(options)):
        raise UsageError(f"{limit} has no effect with {word}, which removes no published image", "pass one of them")
    if discard is not None:
        return partial(discard_plan, keys=discard)
    return stage_plan if stage else make_plan


def refuse_for_saved_plan(options: Options, *, stage: bool, discard: str | None) -> None:
    """UsageError if an option would change the plan, which is already made."""
    given = {"--only": options.only, "--drift-only": options.drift_only, "--reactivate": options.reactivate}
    given |= {"--strict": options.strict, "--no-source-check": options.no_source_check}
    given |= {_find_option(stage=stage, discard=discard): True}
    if word := next((word for word, value in given.items() if word and value), ""):
        raise UsageError(
            f"{word} cannot change a saved plan", f"pass it to plan: imagesync plan PATH {word} -o PLAN.json"
        )


def _find_removal(options: Options) -> str:
    """The first given option whose only effect is to permit the removal of published images; empty if there is none."""
    given = {"--destroy": options.destroy, "--max-delete": options.max_delete is not None}
    given |= {"--allow-protected": options.allow_protected}
    return next((word for word, value in given.items() if value), "")


def refuse_values(options: Options) -> None:
    """UsageError if --set is given but no manifest is read."""
    if options.set_values:
        raise UsageError("--set has no effect on this saved plan, because no manifest is read", "remove it")


def check_target(plan: Plan, options: Options) -> None:
    """UsageError if --target, --cloud or --store names another place than the saved plan.

    Whether two clouds of clouds.yaml are the same place is known only after authentication.
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
    return UsageError(message, "make a plan for that place, or remove the option")


def _find_option(*, stage: bool, discard: str | None) -> str:
    return "--discard-staged" if discard is not None else "--stage" if stage else ""
