"""``imagesync export``: live images -> a manifest. Does I/O."""

from pathlib import Path
from typing import Annotated

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import CloudName, CloudsFile, Options, StorePath, make_command, with_options
from imagesync.model.catalog import Visibility

app = make_command()


@app.command()
@with_options
def export(
    cloud: CloudName = None,
    clouds_file: CloudsFile = None,
    store: StorePath = None,
    names: Annotated[
        list[str], typer.Option("--name", help="Only images whose name matches (repeatable).", metavar="GLOB")
    ] = [],  # noqa: B006
    owners: Annotated[
        list[str],
        typer.Option("--owner", help="Images of this project instead of your own (repeatable).", metavar="ID"),
    ] = [],  # noqa: B006
    tags: Annotated[
        list[str], typer.Option("--tag", help="Only images with this tag (repeatable: with all tags).", metavar="TAG")
    ] = [],  # noqa: B006
    visibility: Annotated[
        Visibility | None, typer.Option("--visibility", help="Only images with this visibility.")
    ] = None,
    all_owners: Annotated[bool, typer.Option("--all-owners", help="Images of all projects (for admins).")] = False,
    managed: Annotated[
        bool, typer.Option("--managed", help="Include images that a catalog already owns, under their keys.")
    ] = False,
    catalog: Annotated[
        str | None,
        typer.Option("--catalog", help="The name of the catalog (default: the name of the project).", metavar="NAME"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Write to this .yaml file, or to CATALOG.yaml in this folder.", metavar="FILE|DIR"
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    *,
    logs: LogOptions,
) -> ExitCode:
    """Write a manifest that describes existing images. Example: imagesync export --cloud eu-prod -o images/"""
    from imagesync.cli.exports import Destination, Selection, export_images

    set_up_logs(logs)
    wanted = Selection(names, owners, tags, visibility, all_owners=all_owners, managed=managed)
    return export_images(
        wanted, Destination(out, catalog, force), Options(cloud=cloud, clouds_file=clouds_file, store=store)
    )
