"""``imagesync list``: print the images that the project sees, or every field of one. Does I/O."""

from typing import Annotated

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import CloudName, CloudsFile, Form, Format, Options, StorePath, make_command, with_options
from imagesync.cli.streams import say

app = make_command()


@app.command("list")
@with_options
def list_images(
    image_id: Annotated[str | None, typer.Argument(help="Show every field of this image.", metavar="IMAGE_ID")] = None,
    cloud: CloudName = None,
    clouds_file: CloudsFile = None,
    store: StorePath = None,
    members: Annotated[
        bool, typer.Option("--members", help="Show the members of shared images, and which of them accepted.")
    ] = False,
    form: Format = Form.TEXT,
    *,
    logs: LogOptions,
) -> ExitCode:
    """List the images that the project sees, or show one. Example: imagesync list --cloud eu-prod"""
    from imagesync.cli.targets import open_existing
    from imagesync.inventory import read_members
    from imagesync.lease.record import is_lease
    from imagesync.model.catalog import Visibility
    from imagesync.render.listing import format_listing, image_to_json
    from imagesync.render.style import format_count
    from imagesync.text import format_json, shorten_list

    set_up_logs(logs)
    options = Options(cloud=cloud, clouds_file=clouds_file, store=store)
    with open_existing(options) as backend:
        missing: list[str] = []
        found = backend.list_images(missing) if image_id is None else backend.images(image_id)
        project = backend.identity().project_id
        if image_id is None:
            found = [image for image in found if not is_lease(image, project)]
        shared = [image for image in found if image_id or image.owner == project]
        shared = [image for image in shared if image.visibility is Visibility.SHARED]
        known = read_members(backend, shared, options.jobs) if image_id or members else {}
    if unasked := len(shared) - len(known):
        are = "is" if unasked == 1 else "are"
        is_asked = bool(image_id) or members
        why = "this user may not list their members" if is_asked else "to show the members, pass --members"
        say(f"{format_count(unasked, 'image')} {are} shared; {why}")
    for sentence in shorten_list(list(dict.fromkeys(missing))):
        say(f"not listed: {sentence}")
    if image_id is not None:
        typer.echo(format_json(image_to_json(found[0], known)))
    elif form is Form.JSON:
        typer.echo(format_json([image_to_json(image, known) for image in found]))
    else:
        typer.echo(format_listing(found, known))
    return ExitCode.DONE
