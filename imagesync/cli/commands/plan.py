"""``imagesync plan``: print what apply would do, and save it. Does I/O."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.fleet_options import FleetOptions
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import Color, Discard, Ids, Options, PathArgument, Stage, make_command, without_options
from imagesync.cli.result_options import Amount, Copies, ResultForm, ResultFormat
from imagesync.cli.target_options import TargetChoice

if TYPE_CHECKING:
    from imagesync.errors import PlanRefused
    from imagesync.model.plan import Plan
    from imagesync.workflow import Planner

app = make_command()


@app.command()
@without_options("target", "min_source_rate")
def plan(
    path: PathArgument = Path(),
    *,
    chosen: TargetChoice,
    fleet: FleetOptions,
    options: Options,
    form: ResultFormat = ResultForm.TEXT,
    copies: Copies,
    amount: Amount,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Save the plan to this file, for apply.", metavar="FILE.json")
    ] = None,
    ids: Ids = None,
    stage: Stage = False,
    discard_staged: Discard = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with code 2 if there are changes.")
    ] = False,
    logs: LogOptions,
    color: Color = None,
) -> ExitCode:
    """Show what apply would do. Example: imagesync plan images/ --cloud eu-prod -o plan.json"""
    from imagesync.cli.files import find_folder, write_json
    from imagesync.cli.interrupts import end_at_once
    from imagesync.cli.modes import choose_maker
    from imagesync.cli.outputs import open_outputs
    from imagesync.cli.results import PlanResult
    from imagesync.cli.runs import describe_running, make_pins, make_unlock_command, read_catalog, show_plan
    from imagesync.cli.saved_plans import refuse_plan_file, save_plan
    from imagesync.cli.streams import say
    from imagesync.cli.targets import open_selected
    from imagesync.model.report import Report
    from imagesync.workflow import Planner

    set_up_logs(logs)
    detail, options = amount.choose(form), chosen.fill_in(options)
    fleet.check(is_several=chosen.is_several)
    with (
        end_at_once(say),
        open_outputs(
            "plan", form, copies, path, options, color=color, detail=detail, is_several=chosen.is_several
        ) as outputs,
    ):
        outputs.check(out, ids)
        refuse_plan_file(path, "print it with: imagesync show PATH")
        make = choose_maker(options, stage=stage, discard=discard_staged)
        access = options.make_access()
        if chosen.is_several:
            from imagesync.cli.several import plan_targets
            from imagesync.cli.target_group import Group

            fleet.refuse_stage(stage=stage, discard=discard_staged)
            group = Group(path, options, chosen, make, access, logs.quiet, fleet=fleet)
            return plan_targets(group, outputs, out, ids, detailed_exitcode=detailed_exitcode)
        chosen.refuse_limits()
        catalog = read_catalog(path, options, access)
        outputs.know(catalog.name, catalog.target.name)
        with open_selected(options, catalog.target) as backend:
            planner = Planner(
                backend, catalog, policy=options.policy(catalog.policy), make=make, jobs=options.jobs, access=access
            )
            made = planner.plan()
            unlock = make_unlock_command(path, options)
            running = describe_running(backend, made.catalog, unlock) if made.steps and not logs.quiet else ""
        refusal = _find_refusal(planner, made)
        refusals = refusal.refusals if refusal else ()
        show_plan(PlanResult(made, find_folder(out) if out else Path(), refusals), outputs)
        if running:
            say(running)
        if refusal:
            raise refusal
        if out:
            save_plan(made, out)
        if ids:
            write_json(ids, make_pins(Report(made, ()), made.ids))
    if made.errors:
        return ExitCode.FAILED
    return ExitCode.CHANGES if made.steps and detailed_exitcode else ExitCode.DONE


def _find_refusal(planner: "Planner", plan: "Plan") -> "PlanRefused | None":
    """Why the limits refuse a plan; None if they do not. The plan is shown all the same."""
    from imagesync.errors import PlanRefused

    try:
        planner.check_limits(plan)
    except PlanRefused as refusal:
        return refusal
    return None
