"""``imagesync ids``: print the id of each key's current image. Reads manifests and the place; changes nothing."""

from pathlib import Path
from typing import Annotated, Final

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import (
    AllowOutside,
    CloudName,
    CloudsFile,
    Only,
    Options,
    PathArgument,
    StorePath,
    TargetName,
    Values,
    make_command,
    with_options,
)
from imagesync.render.ids import IdsForm

app = make_command()

MAX_NAMED: Final = 100
"""Keys without an image that a message names."""


@app.command()
@with_options
def ids(
    path: PathArgument = Path(),
    target: TargetName = None,
    cloud: CloudName = None,
    clouds_file: CloudsFile = None,
    store: StorePath = None,
    set_values: Values = [],  # noqa: B006 - Typer reads the default
    only: Only = [],  # noqa: B006 - Typer reads the default
    allow_outside: AllowOutside = False,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out keys without an image, instead of an error.")
    ] = False,
    form: Annotated[IdsForm, typer.Option("--format", help="The format of the output.")] = IdsForm.TEXT,
    *,
    logs: LogOptions,
) -> ExitCode:
    """Print the image id of each key, to pin it elsewhere. Example: imagesync ids images/ --format tfvars

    It changes nothing, and needs only the right to read images. Formats: text, json, yaml, tfvars (the variable
    image_ids), and env (IMAGE_ID_WEB_SERVER=… for the key web-server).
    """
    from imagesync.cli.catalogs import load_catalog
    from imagesync.cli.pasting import format_command
    from imagesync.cli.streams import say
    from imagesync.cli.targets import open_selected_to_read
    from imagesync.errors import ImagesyncError
    from imagesync.inventory import find_current_ids
    from imagesync.render.ids import check_env_names, format_ids
    from imagesync.render.place import describe_target
    from imagesync.render.style import format_count
    from imagesync.text import shorten_list

    set_up_logs(logs)
    options = Options(
        target=target,
        cloud=cloud,
        clouds_file=clouds_file,
        store=store,
        set_values=set_values,
        only=only,
        allow_outside=allow_outside,
    )
    catalog = load_catalog(path, options)
    keys = [spec.key for spec in catalog.images]
    if form is IdsForm.ENV:
        check_env_names(keys)  # also for keys without an image: their names will clash later
    with open_selected_to_read(options, catalog.target) as backend:
        found = find_current_ids(backend, catalog)
        place = describe_target(catalog.target.name, backend.identity())
    if missing := sorted(set(keys) - set(found)):
        has = "has" if len(missing) == 1 else "have"
        message = f"{format_count(len(missing), 'key')} {has} no image on {place}: {', '.join(shorten_list(missing, MAX_NAMED))}"
        if not allow_missing:
            apply = format_command("apply", path, options)
            raise ImagesyncError(message, f"create them: {apply}; or pass --allow-missing to leave them out")
        if not logs.quiet:
            say(message)
    typer.echo(format_ids(found, form), nl=False)
    return ExitCode.DONE
