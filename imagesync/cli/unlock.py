"""``imagesync unlock``: break the lease of a catalogue whose holder is dead, or must stop. Asks first. Does I/O."""

import sys
from dataclasses import replace
from pathlib import Path

import typer

from imagesync.cli import flow, reading
from imagesync.cli.options import Options
from imagesync.cli.planfile import is_plan_file, read_plan
from imagesync.cli.streams import say
from imagesync.errors import Conflict, UsageError
from imagesync.lease.holding import break_lease, held_by
from imagesync.model.catalog import Target


def unlock(path: Path, options: Options, *, yes: bool) -> int:
    """Show who holds the lease of a manifest's, or a saved plan's, catalogue, ask, and break it."""
    name, options, target = _catalog(path, options)
    with flow.opened(options, target) as backend:
        lease = held_by(backend, name)
        if lease is None:
            typer.echo(f"The lease of catalogue {name} is free: nothing to do.")
            return 0
        typer.echo(f"The lease of catalogue {name} is held by {lease.holder}.")
        if not yes and not _confirmed():
            return 1
        if other := break_lease(backend, lease):
            message = f"catalogue {name}: the lease went to somebody else meanwhile: {other.holder}"
            raise Conflict(message, "that one was left alone; look again")
    typer.echo("It is broken: a run that holds it starts no further step.")
    return 0


def _catalog(path: Path, options: Options) -> tuple[str, Options, Target]:
    if is_plan_file(path):
        made, _ = read_plan(path)
        return made.catalog, replace(options, target=None), flow.declared_by(made)
    catalog = reading.read_catalog(path, options)
    return catalog.name, options, catalog.target


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        raise UsageError("unlock asks before it breaks a lease, and there is no terminal to ask on", "pass --yes")
    agreed = typer.confirm("Break it? Be sure that its holder is dead, or may be stopped.", err=True)
    if not agreed:
        say("Not broken.")
    return agreed
