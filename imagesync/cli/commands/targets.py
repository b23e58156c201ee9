"""``imagesync targets``: print the targets of a catalog, for a person or for the matrix of a pipeline. Reads manifests."""

import os
import sys
from pathlib import Path

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import AllowOutside, Form, Format, Options, PathArgument, Values, make_command, with_options

app = make_command()


@app.command()
@with_options
def targets(
    path: PathArgument = Path(),
    set_values: Values = [],  # noqa: B006 - Typer reads the default
    allow_outside: AllowOutside = False,
    form: Format = Form.TEXT,
    *,
    logs: LogOptions,
) -> ExitCode:
    """List the targets of a catalog, in the order of the manifest. Example: imagesync targets images/ --format json

    It needs no network. A pipeline makes its matrix of the names in the JSON, and runs each job with --target NAME.
    """
    from imagesync.cli.catalogs import list_targets
    from imagesync.cli.saved_plans import refuse_plan_file
    from imagesync.cli.terminal import find_width
    from imagesync.render.targets import format_targets, targets_to_json
    from imagesync.text import format_json

    set_up_logs(logs)
    refuse_plan_file(path, "print it with: imagesync show PATH")
    found = list_targets(path, Options(set_values=set_values, allow_outside=allow_outside))
    if form is Form.JSON:
        typer.echo(format_json(targets_to_json(found)))
    else:
        typer.echo(format_targets(found, os.getcwd(), find_width(sys.stdout)))
    return ExitCode.DONE
