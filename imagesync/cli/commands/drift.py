"""``imagesync drift``: print what other users changed on the images of a catalog. Only reads."""

from datetime import UTC, datetime
from pathlib import Path

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import Color, Form, Format, Options, PathArgument, make_command, without_options

app = make_command()
UNUSED = (
    *("jobs", "max_delete", "max_update", "allow_protected", "destroy", "reactivate", "drift_only", "strict"),
    *("source_hosts", "min_source_rate", "no_source_check"),
)


@app.command()
@without_options(*UNUSED)
def drift(
    path: PathArgument = Path(),
    *,
    options: Options,
    form: Format = Form.TEXT,
    logs: LogOptions,
    color: Color = None,
) -> ExitCode:
    """Show what other users changed since the last apply. Example: imagesync drift images/ --cloud eu-prod

    Changes of the manifest are not drift. The exit code is 2 if there is drift, 0 if there is none. The role reader is
    enough, nothing is written, and no source is read.
    """
    import sys

    from imagesync.cli.catalogs import load_catalog
    from imagesync.cli.pasting import format_command
    from imagesync.cli.targets import open_selected_to_read
    from imagesync.cli.terminal import choose_paint, find_width
    from imagesync.model.drift import Remedy
    from imagesync.render.drift import drift_to_json, format_drift
    from imagesync.render.place import describe_target, place_to_json
    from imagesync.text import format_json, make_printable
    from imagesync.workflow import find_drift

    set_up_logs(logs)
    words = {Remedy.DRIFT_ONLY: ["--drift-only"], Remedy.REACTIVATE: ["--reactivate"]}

    def command_of(remedy: Remedy) -> str:
        return format_command("apply", path, options, *words.get(remedy, []))

    catalog = load_catalog(path, options)
    with open_selected_to_read(options, catalog.target) as backend:
        report, here = find_drift(backend, catalog), backend.identity()
    if form is Form.JSON:
        typer.echo(format_json(drift_to_json(report, catalog.name, place_to_json(here), command_of)))
    elif report.found or not logs.quiet:
        place = f"Catalog {make_printable(catalog.name)} on {describe_target(catalog.target.name, here)}"
        paint, width = choose_paint(sys.stdout, color), find_width(sys.stdout)
        typer.echo(format_drift(report, place, command_of, now=datetime.now(UTC), paint=paint, width=width), color=True)
    return ExitCode.CHANGES if report.found else ExitCode.DONE
