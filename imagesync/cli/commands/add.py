"""``imagesync add``: write the entry of a file or URL into a manifest. Reads the source; changes one file."""

from pathlib import Path
from typing import Annotated

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import (
    AllowOutside,
    Options,
    PathArgument,
    SourceHosts,
    Values,
    make_command,
    with_options,
)
from imagesync.model.catalog import Visibility

app = make_command()


@app.command()
@with_options
def add(
    source: Annotated[str, typer.Argument(help="The URL or the file with the data of the image.", metavar="URL|FILE")],
    path: PathArgument = Path(),
    key: Annotated[
        str | None,
        typer.Option("--key", help="The key of the image (default: made from the name of the file).", metavar="KEY"),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="The name of the image (default: the name of the file).", metavar="NAME"),
    ] = None,
    visibility: Annotated[
        Visibility, typer.Option("--visibility", help="The visibility of the image.")
    ] = Visibility.PRIVATE,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            help="Write the entry into this manifest of the catalog (default: the one with the catalog's name).",
            metavar="FILE",
        ),
    ] = None,
    keyring: Annotated[
        Path | None,
        typer.Option("--keyring", help="Check the signature of the checksum list with these keys.", metavar="FILE"),
    ] = None,
    source_hosts: SourceHosts = [],  # noqa: B006 - Typer reads the default
    set_values: Values = [],  # noqa: B006 - Typer reads the default
    allow_outside: AllowOutside = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the entry; write nothing.")] = False,
    *,
    logs: LogOptions,
) -> ExitCode:
    """Add an image to a manifest. Example: imagesync add https://example.org/debian-13.qcow2 images/

    It reads the format, the packing, the size of the disk and the digest. For a URL it uses the publisher's checksum list if
    there is one beside it, for example SHA256SUMS. Comments and order of the manifest stay as they are.
    """
    from imagesync.cli.additions import Wish, add_image

    set_up_logs(logs)
    options = Options(set_values=set_values, allow_outside=allow_outside, source_hosts=source_hosts)
    wish = Wish(source, key, name, visibility, file, keyring, dry_run)
    return add_image(wish, path, options, is_quiet=logs.quiet)
