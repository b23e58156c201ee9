"""``imagesync init``: create a catalog in a folder. Writes new files; with --from-cloud it reads a cloud."""

from pathlib import Path
from typing import Annotated

import typer

from imagesync.cli.completion import complete_clouds
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import CloudsFile, Options, make_command, with_options
from imagesync.errors import UsageError

app = make_command()


@app.command()
@with_options
def init(
    folder: Annotated[Path, typer.Argument(help="The folder of the catalog.", metavar="DIR")] = Path(),
    from_cloud: Annotated[
        str | None,
        typer.Option(
            "--from-cloud",
            help="Describe the images of this cloud of clouds.yaml, to adopt them.",
            metavar="NAME",
            autocompletion=complete_clouds,
        ),
    ] = None,
    clouds_file: CloudsFile = None,
    catalog: Annotated[
        str | None,
        typer.Option("--catalog", help="The name of the catalog (default: the name of the folder).", metavar="NAME"),
    ] = None,
    *,
    logs: LogOptions,
) -> ExitCode:
    """Create a catalog: catalog.yaml, its schema, and .gitignore. Example: imagesync init images/

    The catalog is valid, and imagesync apply works on it as it is: its default target is a local store. No existing file
    is changed.
    """
    from imagesync.cli.new_catalogs import create_catalog, create_catalog_of_cloud

    set_up_logs(logs)
    if from_cloud is not None:
        return create_catalog_of_cloud(
            folder, catalog, Options(cloud=from_cloud, clouds_file=clouds_file), is_quiet=logs.quiet
        )
    if clouds_file is not None:
        raise UsageError("--clouds-file has no effect without --from-cloud", "add --from-cloud NAME, or remove it")
    return create_catalog(folder, catalog, is_quiet=logs.quiet)
