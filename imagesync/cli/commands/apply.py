"""``imagesync apply``: change the cloud to match the manifests, or apply a saved plan. Does I/O."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagesync.cli.approval import Approval
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.fleet_options import FleetOptions
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import Discard, Locking, Options, PathOrPlan, Stage, make_command, without_options
from imagesync.cli.result_options import Amount, Copies, Results
from imagesync.cli.target_options import SharingOptions, TargetChoice

if TYPE_CHECKING:
    from imagesync.cli.outputs import Outputs
    from imagesync.model.plan import Plan

app = make_command()


@app.command()
@without_options("target")
def apply(
    path: PathOrPlan = Path(),
    *,
    chosen: TargetChoice,
    fleet: FleetOptions,
    options: Options,
    approval: Approval,
    stage: Stage = False,
    discard_staged: Discard = None,
    amount: Amount,
    results: Results,
    copies: Copies,
    sharing: SharingOptions,
    locking: Locking,
    logs: LogOptions,
) -> ExitCode:
    """Change the cloud to match the manifests. Example: imagesync apply images/ --cloud eu-prod --yes

    To test builds before publishing: apply --stage uploads and verifies them as candidates, and --ids writes the ids of
    the images to boot. The next apply publishes the candidates without an upload; apply --discard-staged drops them.
    """
    from imagesync.backends.base import MissingStore
    from imagesync.cli.modes import choose_maker, refuse_for_saved_plan
    from imagesync.cli.outputs import open_outputs
    from imagesync.cli.runs import Run, make_settings, read_catalog
    from imagesync.cli.saved_plans import is_plan_file, read_document
    from imagesync.cli.targets import open_selected, open_target_of
    from imagesync.targets.saved import is_several
    from imagesync.workflow import AS_PLANNED, Planner, apply_saved
    from imagesync.workflow import apply as apply_catalog

    set_up_logs(logs)
    if logs.quiet and approval.yes:
        amount.check_not_shown()
    detail, options = amount.choose(), chosen.fill_in(options)
    fleet.check(is_several=chosen.is_several)
    with open_outputs(
        "apply", results.form, copies, path, options, color=results.color, detail=detail, is_several=chosen.is_several
    ) as outputs:
        outputs.check(results.out, results.ids, results.events)
        make = choose_maker(options, stage=stage, discard=discard_staged)
        access, settings = options.make_access(), make_settings(path, options, locking)
        saved = None
        if is_plan_file(path):
            refuse_for_saved_plan(options, stage=stage, discard=discard_staged)
            approval.refuse_for_saved_plan()
            fleet.refuse_for_saved_plan()
            saved = read_document(path, allow_outside=options.allow_outside)
        if chosen.is_several or is_several(saved):
            from imagesync.cli.several import apply_targets
            from imagesync.cli.target_group import Group

            settings = fleet.adapt(settings, locking, stage=stage, discard=discard_staged)
            group = Group(path, options, chosen, make, access, logs.quiet, saved, approval, fleet)
            return apply_targets(group, results, outputs, settings, sharing)
        chosen.refuse_limits()
        sharing.refuse()
        with Run(results, outputs, yes=approval.yes, is_quiet=logs.quiet) as run:
            if saved is not None:
                plan, policy = _read_saved(saved, path, options, outputs), options.policy(AS_PLANNED)
                with open_target_of(plan, options, missing=MissingStore.CREATE, is_quiet=logs.quiet) as backend:
                    return run.finish(apply_saved(backend, plan, settings, run.hooks, policy, access))
            catalog = read_catalog(path, options, access)
            outputs.know(catalog.name, catalog.target.name)
            reviewed = approval.find_reviewed(catalog.target.name)
            with open_selected(options, catalog.target, missing=MissingStore.CREATE, is_quiet=logs.quiet) as backend:
                planner = Planner(
                    backend,
                    catalog,
                    policy=options.policy(catalog.policy),
                    make=make,
                    jobs=options.jobs,
                    access=access,
                    reviewed=reviewed,
                )
                return run.finish(apply_catalog(planner, settings, run.hooks))


def _read_saved(document: Any, path: Path, options: Options, outputs: "Outputs") -> "Plan":
    """The complete plan of a document, whose target, paths and hosts these options permit."""
    from imagesync.cli.modes import check_target, refuse_values
    from imagesync.cli.plan_paths import check_paths
    from imagesync.cli.saved_plans import decode, restore_urls
    from imagesync.render.place import name_target

    saved, missing = decode(document, path)
    outputs.know(saved.catalog, name_target(saved.target_name, saved.target))
    check_target(saved, options)
    check_paths(
        saved,
        path,
        allow_outside=options.allow_outside,
        is_target_given=options.names_target,
        source_hosts=options.source_hosts,
    )
    if not missing:
        refuse_values(options)
    return restore_urls(saved, missing, options)
