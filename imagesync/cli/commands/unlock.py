"""``imagesync unlock``: break the lease of a catalog, or delete those of catalogs that no longer exist. Asks first. I/O."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from imagesync.backends.base import Backend
    from imagesync.lease.stale import StaleLease

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
    stale: Annotated[
        bool,
        typer.Option(
            "--stale",
            help="Delete the leases of catalogs without an image in the project; with --cloud or --store no manifest is read.",
        ),
    ] = False,
    yes: Yes = False,
    *,
    logs: LogOptions,
) -> ExitCode:
    """Break the lease of a run that is dead or must stop. Example: imagesync unlock images/ --cloud eu-prod"""
    set_up_logs(logs)
    options = Options(
        target=target,
        cloud=cloud,
        clouds_file=clouds_file,
        store=store,
        set_values=set_values,
        allow_outside=allow_outside,
    )
    return _delete_stale(path, options, yes=yes) if stale else _break(path, options, yes=yes)


def _break(path: Path, options: Options, *, yes: bool) -> ExitCode:
    """Break the lease of the catalog of a manifest or of a saved plan."""
    from imagesync.backends.base import MissingStore
    from imagesync.cli.catalogs import load_catalog
    from imagesync.cli.modes import check_target, refuse_values
    from imagesync.cli.pasting import format_command
    from imagesync.cli.plan_paths import check_store
    from imagesync.cli.saved_plans import is_plan_file, read_plan
    from imagesync.cli.targets import open_selected, open_target_of
    from imagesync.lease.record import USUAL
    from imagesync.lease.taking import break_lease, find_held_lease
    from imagesync.render.place import describe_target

    command = format_command("unlock", path, options)
    if is_plan_file(path):
        refuse_values(options)
        plan, _ = read_plan(path, allow_outside=options.allow_outside)
        check_target(plan, options)
        check_store(plan, path, allow_outside=options.allow_outside, is_target_given=options.names_target)
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
        question = "Break the lease? Make sure that its holder is dead, or may be stopped."
        if not yes and not _confirm(question, f"{command} --yes", "The lease was not broken."):
            return ExitCode.FAILED
        if other := break_lease(backend, lease, unlock=command):
            message = f"the lease of catalog {name} was taken meanwhile by {other.holder}, and was not broken"
            raise Conflict(message, f"to break it, too, run again: {command}")
    typer.echo(
        f"The lease is broken. If its holder still runs, it notices that within {USUAL.confirm:.0f} s and starts no further "
        "step; the next run waits for it."
    )
    return ExitCode.DONE


def _delete_stale(path: Path, options: Options, *, yes: bool) -> ExitCode:
    """Delete the leases of this project whose catalog has no image and whose holder is not alive."""
    from imagesync.cli.pasting import format_command
    from imagesync.lease.stale import delete_stale_leases, find_stale_leases
    from imagesync.render.place import describe_target
    from imagesync.text import make_printable

    has_place = bool(options.cloud or options.store)
    command = format_command("unlock", None if has_place else path, options, "--stale")
    with _open_project(path, options) as backend:
        found = find_stale_leases(backend, warn=say)
        place = describe_target(None, backend.identity())
        if not found:
            typer.echo(f"No lease on {place} is stale; nothing to do.")
            return ExitCode.DONE
        typer.echo(f"Leases on {place} of catalogs that have no image there:")
        for lease in found:
            typer.echo(f"  {_describe(lease)}")
        question = f"Delete {'this lease' if len(found) == 1 else f'these {len(found)} leases'}?"
        if not yes and not _confirm(question, f"{command} --yes", "No lease was deleted."):
            return ExitCode.FAILED
        kept = list(delete_stale_leases(backend, found))
    for catalog in kept:
        say(f"catalog {make_printable(catalog)}: a run used its lease meanwhile; it was kept")
    typer.echo(f"Deleted: {len(found) - len(kept)}.")
    return ExitCode.FAILED if kept else ExitCode.DONE


def _open_project(path: Path, options: Options) -> "Backend":
    """The cloud or store of the options; without them, the target of the manifest."""
    from imagesync.cli.catalogs import load_catalog
    from imagesync.cli.targets import open_existing, open_selected_to_read

    if options.cloud or options.store:
        return open_existing(options)
    return open_selected_to_read(options, load_catalog(path, options).target)


def _describe(lease: "StaleLease") -> str:
    from imagesync.text import make_printable

    end = lease.end
    since = f", last change {make_printable(end.updated)}" if end.updated else ""
    return f"{make_printable(lease.catalog)}: {end.state.value}, last run: {end.holder}{since}"


def _confirm(question: str, command: str, refused: str) -> bool:
    from imagesync.cli.terminal import confirm

    agreed = confirm(question, command)
    if not agreed:
        say(refused)
    return agreed
