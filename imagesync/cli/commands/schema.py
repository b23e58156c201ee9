"""``imagesync schema``: print one of the JSON Schemas of the package. Reads one file."""

from typing import Annotated

import typer

from imagesync.cli.completion import complete_schemas
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.options import make_command
from imagesync.errors import UsageError
from imagesync.schemas import NAMES, read_schema

app = make_command()


@app.command()
def schema(
    name: Annotated[
        str,
        typer.Argument(
            help=f"{', '.join(NAMES[:-1])} or {NAMES[-1]}.", metavar="NAME", autocompletion=complete_schemas
        ),
    ] = "manifest",
) -> ExitCode:
    """Print a JSON Schema. Example: imagesync schema > manifest.schema.json"""
    if name not in NAMES:
        raise UsageError(f"no schema is named {name!r}", f"choose one of {', '.join(NAMES)}")
    typer.echo(read_schema(name), nl=False)
    return ExitCode.DONE
