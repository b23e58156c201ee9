"""``imagesync list``: print the images of a cloud or of a manifest's target, or every field of one. Does I/O."""

from pathlib import Path
from typing import Annotated

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import (
    AllowOutside,
    CloudName,
    CloudsFile,
    ListForm,
    Options,
    RoleName,
    StorePath,
    Values,
    make_command,
    with_options,
)
from imagesync.cli.target_options import TargetChoice
from imagesync.model.catalog import Visibility

app = make_command()


@app.command("list")
@with_options
def list_images(
    word: Annotated[
        str | None, typer.Argument(help="Show every field of the image with this id, key or name.", metavar="IMAGE")
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", help="List the target of this manifest or folder, and mark drift.", metavar="PATH"),
    ] = None,
    *,
    chosen: TargetChoice,
    cloud: CloudName = None,
    clouds_file: CloudsFile = None,
    store: StorePath = None,
    set_values: Values = [],  # noqa: B006 - Typer reads the default
    allow_outside: AllowOutside = False,
    keys: Annotated[
        list[str], typer.Option("--key", help="Only builds of keys that match (repeatable).", metavar="GLOB")
    ] = [],  # noqa: B006
    names: Annotated[
        list[str], typer.Option("--name", help="Only images whose name matches (repeatable).", metavar="GLOB")
    ] = [],  # noqa: B006
    tags: Annotated[
        list[str], typer.Option("--tag", help="Only images with this tag (repeatable: with all tags).", metavar="TAG")
    ] = [],  # noqa: B006
    catalogs: Annotated[
        list[str], typer.Option("--catalog", help="Only images of this catalog (repeatable).", metavar="NAME")
    ] = [],  # noqa: B006
    roles: Annotated[list[RoleName], typer.Option("--role", help="Only builds with this role (repeatable).")] = [],  # noqa: B006
    visibilities: Annotated[
        list[Visibility], typer.Option("--visibility", help="Only images with this visibility (repeatable).")
    ] = [],  # noqa: B006
    owners: Annotated[
        list[str], typer.Option("--owner", help="Only images of this project (repeatable).", metavar="ID")
    ] = [],  # noqa: B006
    unmanaged: Annotated[bool, typer.Option("--unmanaged", help="Only images that no catalog owns.")] = False,
    members: Annotated[
        bool, typer.Option("--members", help="Show the members of shared images, and which of them accepted.")
    ] = False,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns", help="Show these columns, in this order, for example name,id,size.", metavar="NAME,…"
        ),
    ] = None,
    form: Annotated[ListForm, typer.Option("--format", help="The format of the output.")] = ListForm.TEXT,
    logs: LogOptions,
) -> ExitCode:
    """List images, or show one.

    Options that select images are combined: an image must match all of them. The exit code is 1 if a target could not be
    listed.

    Example: imagesync list --cloud eu-prod --name 'Ubuntu*'
    """
    from imagesync.cli.interrupts import end_at_once
    from imagesync.cli.listings import Query, print_listing
    from imagesync.cli.streams import say
    from imagesync.cli.target_listings import print_listings
    from imagesync.model.listing import Selection, Standing

    set_up_logs(logs)
    standings = [Standing(role.value) for role in roles]
    selection = Selection(keys, names, tags, catalogs, standings, visibilities, owners, unmanaged)
    query = Query(selection, word, columns, members=members, drift=manifest is not None, form=form)
    options = Options(
        cloud=cloud,
        clouds_file=clouds_file,
        store=store,
        set_values=set_values,
        allow_outside=allow_outside,
    )
    options = chosen.fill_in(options)
    with end_at_once(say):
        if chosen.is_several:
            return print_listings(query, manifest, options, chosen)
        chosen.refuse_limits()
        return print_listing(query, manifest, options)
