"""``imagesync validate``: nothing is loaded that only plans need, for it runs at every commit. Does I/O."""

import json
from pathlib import Path

import typer

from imagesync.cli.options import Form, Options
from imagesync.cli.reading import validated
from imagesync.errors import ManifestError
from imagesync.render.style import count


def validate(path: Path, options: Options, form: Form) -> int:
    """Say how many images each target has, or all that is wrong."""
    try:
        catalogs = validated(path, options)
    except ManifestError as error:
        if form is Form.TEXT:
            raise
        from imagesync.render.result import diagnostics_to_json

        typer.echo(json.dumps({"problems": diagnostics_to_json(error.diagnostics)}, indent=2))
        return 1
    if form is Form.JSON:
        found = [{"catalog": one.name, "target": one.target.name, "images": len(one.images)} for one in catalogs]
        typer.echo(json.dumps({"problems": [], "catalogs": found}, indent=2))
        return 0
    for catalog in catalogs:
        where = f" on target {catalog.target.name}" if catalog.target.name else ""
        typer.echo(f"Catalogue {catalog.name}{where}: {count(len(catalog.images), 'image')}, no problems.")
    return 0
