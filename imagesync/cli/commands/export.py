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
    names: Annotated[list[str], typer.Option("--name", help="By name: a glob (repeatable).", metavar="GLOB")] = [],  # noqa: B006
    owners: Annotated[
        list[str], typer.Option("--owner", help="Those of this project, not one's own (repeatable).", metavar="ID")
    ] = [],  # noqa: B006
    tags: Annotated[list[str], typer.Option("--tag", help="With this tag (repeatable: with all).", metavar="TAG")] = [],  # noqa: B006
    visibility: Annotated[Visibility | None, typer.Option("--visibility", help="With this visibility.")] = None,
    all_owners: Annotated[bool, typer.Option("--all-owners", help="Whatever project owns them (for admins).")] = False,
    managed: Annotated[
        bool, typer.Option("--managed", help="Take in images that a catalog owns already, under their keys.")
    ] = False,
    catalog: Annotated[
        str | None, typer.Option("--catalog", help="The catalog's name; default: the project's.", metavar="NAME")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write a .yaml file, or NAME.yaml in a folder.", metavar="FILE|DIR"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")] = False,
    *,
    logs: LogOptions,
) -> ExitCode:
    """Write the manifest of the project's images as they are. Example: imagesync export --cloud eu-prod -o images/"""
    from imagesync.cli.exports import Destination, Selection, export_images

    set_up_logs(logs)
    wanted = Selection(names, owners, tags, visibility, all_owners=all_owners, managed=managed)
    return export_images(
        wanted, Destination(out, catalog, force), Options(cloud=cloud, clouds_file=clouds_file, store=store)
    )
