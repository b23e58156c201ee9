"""``imagesync validate``: print the problems of manifests, or the number of images of each target. Reads files."""

from pathlib import Path

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import (
    AllowOutside,
    Form,
    Format,
    NoSourceCheck,
    Options,
    PathArgument,
    SourceHosts,
    Strict,
    TargetName,
    Values,
    make_command,
    with_options,
)
from imagesync.errors import ManifestError

app = make_command()


@app.command()
@with_options
def validate(
    path: PathArgument = Path(),
    target: TargetName = None,
    set_values: Values = [],  # noqa: B006 - Typer reads the default
    allow_outside: AllowOutside = False,
    source_hosts: SourceHosts = [],  # noqa: B006 - Typer reads the default
    no_source_check: NoSourceCheck = False,
    strict: Strict = False,
    form: Format = Form.TEXT,
    *,
    logs: LogOptions,
) -> ExitCode:
    """Check manifests for every target, without network access. Example: imagesync validate images/"""
    from imagesync.cli.catalogs import load_every_catalog
    from imagesync.render.result import diagnostics_to_json
    from imagesync.render.style import format_count
    from imagesync.text import format_json, make_printable

    set_up_logs(logs)
    options = Options(
        target=target,
        set_values=set_values,
        allow_outside=allow_outside,
        source_hosts=source_hosts,
        no_source_check=no_source_check,
        strict=strict,
    )
    try:
        catalogs, warnings = load_every_catalog(path, options)
    except ManifestError as error:
        if form is Form.TEXT:
            raise
        typer.echo(format_json({"problems": diagnostics_to_json(error.diagnostics), "warnings": []}))
        return ExitCode.FAILED
    if form is Form.JSON:
        found = [
            {
                "catalog": one.name,
                "target": one.target.name,
                "images": len(one.images),
                "notes": [make_printable(note) for note in one.warnings],
            }
            for one in catalogs
        ]
        typer.echo(format_json({"problems": [], "warnings": diagnostics_to_json(warnings), "catalogs": found}))
        return ExitCode.DONE
    if logs.quiet:
        return ExitCode.DONE
    for note in dict.fromkeys(note for catalog in catalogs for note in catalog.warnings):
        typer.echo(f"Note: {make_printable(note)}")
    for catalog in catalogs:
        where = f" on target {catalog.target.name}" if catalog.target.name else ""
        typer.echo(f"Catalog {catalog.name}{where}: {format_count(len(catalog.images), 'image')}, no problems.")
    return ExitCode.DONE
