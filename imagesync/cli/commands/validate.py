"""``imagesync validate``: print the problems of manifests, or the number of images of each target. Reads files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from imagesync.model.catalog import Catalog

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
    from imagesync.cli.saved_plans import refuse_plan_file
    from imagesync.render.result import diagnostics_to_json
    from imagesync.text import format_json

    set_up_logs(logs)
    refuse_plan_file(path, "print it with: imagesync show PATH")
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
        found = [_describe_catalog(catalog) for catalog in catalogs]
        typer.echo(format_json({"problems": [], "warnings": diagnostics_to_json(warnings), "catalogs": found}))
    elif not logs.quiet:
        _print_catalogs(catalogs)
    return ExitCode.DONE


def _describe_catalog(catalog: "Catalog") -> dict[str, object]:
    """The JSON of a catalog without problems: its name, target and notes, and the number of its images."""
    from imagesync.text import make_printable

    return {
        "catalog": catalog.name,
        "target": catalog.target.name,
        "images": len(catalog.images),
        "notes": [make_printable(note) for note in catalog.warnings],
    }


def _print_catalogs(catalogs: Sequence["Catalog"]) -> None:
    from imagesync.render.style import format_count
    from imagesync.text import make_printable

    for note in dict.fromkeys(note for catalog in catalogs for note in catalog.warnings):
        typer.echo(f"Note: {make_printable(note)}")
    for catalog in catalogs:
        where = f" on target {catalog.target.name}" if catalog.target.name else ""
        typer.echo(f"Catalog {catalog.name}{where}: {format_count(len(catalog.images), 'image')}, no problems.")
