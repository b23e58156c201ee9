"""``imagesync unlock``: break the lease of a catalog whose holder is dead or must stop. Asks first. Does I/O."""

from pathlib import Path

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import (
    AllowOutside,
    CloudName,
    CloudsFile,
    Options,
    PathOrPlan,
    StorePath,
    TargetName,
    Values,
    Yes,
    make_command,
    with_options,
)
from imagesync.cli.streams import say
from imagesync.errors import Conflict

app = make_command()


@app.command()
@with_options
def unlock(
    path: PathOrPlan = Path(),
    target: TargetName = None,
    cloud: CloudName = None,
    clouds_file: CloudsFile = None,
    store: StorePath = None,
    set_values: Values = [],  # noqa: B006 - Typer reads the default
    allow_outside: AllowOutside = False,
    yes: Yes = False,
    *,
    logs: LogOptions,
) -> ExitCode:
    """Break the lease of a run that is dead or must stop. Example: imagesync unlock images/ --cloud eu-prod"""
    from imagesync.backends.base import MissingStore
    from imagesync.cli.catalogs import load_catalog
    from imagesync.cli.modes import check_target, refuse_values
    from imagesync.cli.plan_paths import check_store
    from imagesync.cli.saved_plans import is_plan_file, read_plan
    from imagesync.cli.targets import open_selected, open_target_of
    from imagesync.lease.record import USUAL
    from imagesync.lease.taking import break_lease, find_held_lease
    from imagesync.render.place import describe_target

    set_up_logs(logs)
    options = Options(
        target=target,
        cloud=cloud,
        clouds_file=clouds_file,
        store=store,
        set_values=set_values,
        allow_outside=allow_outside,
    )
    if is_plan_file(path):
        refuse_values(options)
        plan, _ = read_plan(path, allow_outside=allow_outside)
        check_target(plan, options)
        check_store(plan, path, allow_outside=allow_outside, is_target_given=options.names_target)
        name, target_name, opened = (
            plan.catalog,
            plan.target_name,
            open_target_of(plan, options, missing=MissingStore.REFUSE),
        )
    else:
        catalog = load_catalog(path, options)
        name, target_name = catalog.name, catalog.target.name
        opened = open_selected(options, catalog.target, missing=MissingStore.REFUSE)
    with opened as backend:
        lease_name = f"The lease of catalog {name} on {describe_target(target_name, backend.identity())}"
        lease = find_held_lease(backend, name)
        if lease is None:
            typer.echo(f"{lease_name} is free; nothing to do.")
            return ExitCode.DONE
        typer.echo(f"{lease_name} is held by {lease.holder}.")
        if not yes and not _confirm():
            return ExitCode.FAILED
        if other := break_lease(backend, lease):
            message = f"the lease of catalog {name} was taken meanwhile by {other.holder}, and was not broken"
            raise Conflict(message, "to break it, too, run imagesync unlock again")
    typer.echo(
        f"The lease is broken. If its holder still runs, it notices that within {USUAL.confirm:.0f} s and starts no further "
        "step; the next run waits for it."
    )
    return ExitCode.DONE


def _confirm() -> bool:
    from imagesync.cli.terminal import confirm

    agreed = confirm("Break the lease? Make sure that its holder is dead, or may be stopped.")
    if not agreed:
        say("The lease was not broken.")
    return agreed
