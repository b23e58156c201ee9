"""The ``imagesync`` command: its options, and one handler that turns errors into a line and an exit code.

Exit codes: 0 done or nothing to do, 1 failed, 2 changes present (only with --detailed-exitcode), 3 a bug (log written),
64 usage, 130 interrupted.
"""

import gc
import os
import re
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated

import typer

from imagesync.cli import streams
from imagesync.cli.locking import Locking
from imagesync.cli.options import (
    AllowOutside,
    CloudName,
    Color,
    Discard,
    Form,
    Format,
    Ids,
    Options,
    Results,
    Stage,
    StorePath,
    TargetName,
    Values,
    Verbose,
    Yes,
    with_optional_values,
    with_options,
)
from imagesync.cli.streams import say
from imagesync.errors import Bug, ImagesyncError, UsageError
from imagesync.model.catalog import Visibility
from imagesync.render.style import sentence
from imagesync.version import __version__

USAGE, BUG, INTERRUPTED = 64, 3, 130
RARELY = 400_000, 50, 100
"""How often garbage in cycles is looked for, of which there is little here: by default reading a catalogue takes half
as long again."""
SECRET_NAMES = re.compile("PASSWORD|PASSCODE|SECRET|TOKEN|_KEY$")
"""Variables of the environment whose values are in no log."""

app = typer.Typer(
    help="Keep a cloud's virtual-machine images the way YAML manifests say: plan, then apply.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

PathArgument = Annotated[Path, typer.Argument(help="A manifest, or a folder of them.", metavar="[PATH]")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"imagesync {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Keep a cloud's virtual-machine images the way YAML manifests say: plan, then apply."""


@app.command()
def validate(
    path: PathArgument = Path(),
    target: TargetName = None,
    set_values: Values = [],  # noqa: B006 - Typer reads the default
    allow_outside: AllowOutside = False,
    form: Format = Form.TEXT,
) -> None:
    """Check manifests, for every target, without any network. Example: imagesync validate images/"""
    from imagesync.cli import validate as command

    options = Options(target=target, set_values=set_values, allow_outside=allow_outside)
    raise typer.Exit(command.validate(path, options, form))


@app.command()
@with_options
def plan(
    path: PathArgument = Path(),
    *,
    options: Options,
    form: Format = Form.TEXT,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Save the plan for apply and show.", metavar="FILE.json")
    ] = None,
    ids: Ids = None,
    stage: Stage = False,
    discard_staged: Discard = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 if there are changes.")
    ] = False,
    verbose: Verbose = False,
    color: Color = None,
) -> None:
    """Show what apply would do. Example: imagesync plan images/ --cloud eu-prod -o plan.json"""
    from imagesync.cli import commands, modes

    _tell_more(verbose)
    results = Results(form, out=out, ids=ids, color=color)
    make = modes.maker(options, stage=stage, discard=discard_staged, saved=False)
    raise typer.Exit(commands.plan(path, options, results, make, detailed_exitcode=detailed_exitcode))


@app.command()
@with_options
def apply(
    path: Annotated[
        Path, typer.Argument(help="A manifest, a folder of them, or a saved plan.", metavar="[PATH | PLAN.json]")
    ] = Path(),
    *,
    options: Options,
    yes: Yes = False,
    stage: Stage = False,
    discard_staged: Discard = None,
    results: Results,
    locking: Locking,
    verbose: Verbose = False,
) -> None:
    """Make the cloud as the manifests say. Example: imagesync apply images/ --cloud eu-prod --yes

    To test before publishing: apply --stage uploads and verifies, --ids names the candidates to boot, the next apply
    publishes them without an upload, apply --discard-staged drops them.
    """
    from imagesync.cli import commands, modes
    from imagesync.cli.planfile import is_plan_file

    _tell_more(verbose)
    make = modes.maker(options, stage=stage, discard=discard_staged, saved=is_plan_file(path))
    raise typer.Exit(commands.apply(path, options, results, make, locking, yes=yes))


@app.command()
@with_options
def rollback(
    key: Annotated[str, typer.Argument(help="The image's key.", metavar="KEY")],
    path: PathArgument = Path(),
    *,
    options: Options,
    to: Annotated[
        str | None,
        typer.Option("--to", help="Which build (default: what was current last).", metavar="GENERATION|IMAGE_ID"),
    ] = None,
    yes: Yes = False,
    results: Results,
    locking: Locking,
    verbose: Verbose = False,
) -> None:
    """Publish an earlier build of an image again, at once. Example: imagesync rollback ubuntu-24.04 images/ --cloud eu-prod

    No data moves: the earlier build is shown again and the present one retires as on_replace says. The line of the
    manifest that must follow is named, because the next apply would go forward again.
    """
    from imagesync.cli.rollback import rollback

    _tell_more(verbose)
    raise typer.Exit(rollback(key, path, options, results, locking, to=to, yes=yes))


@app.command()
def unlock(
    path: Annotated[
        Path, typer.Argument(help="A manifest, a folder of them, or a saved plan.", metavar="[PATH | PLAN.json]")
    ] = Path(),
    target: TargetName = None,
    cloud: CloudName = None,
    store: StorePath = None,
    set_values: Values = [],  # noqa: B006 - Typer reads the default
    allow_outside: AllowOutside = False,
    yes: Yes = False,
    verbose: Verbose = False,
) -> None:
    """Break the lease of a run that is dead or must stop. Example: imagesync unlock images/ --cloud eu-prod"""
    from imagesync.cli.unlock import unlock as broken

    _tell_more(verbose)
    options = Options(target=target, cloud=cloud, store=store, set_values=set_values, allow_outside=allow_outside)
    raise typer.Exit(broken(path, options, yes=yes))


@app.command()
def show(
    path: Annotated[Path, typer.Argument(help="A plan saved by plan -o.", metavar="PLAN.json")],
    form: Format = Form.TEXT,
    color: Color = None,
) -> None:
    """Show a saved plan. Example: imagesync show plan.json"""
    from imagesync.cli import commands

    raise typer.Exit(commands.show(path, Results(form, color=color)))


@app.command("list")
def list_images(
    image_id: Annotated[str | None, typer.Argument(help="One image: all its fields.", metavar="[IMAGE_ID]")] = None,
    cloud: CloudName = None,
    store: StorePath = None,
    members: Annotated[
        bool, typer.Option("--members", help="With whom the project's images are shared, and who accepted.")
    ] = False,
    form: Format = Form.TEXT,
    verbose: Verbose = False,
) -> None:
    """List the images the project sees, or every field of one. Example: imagesync list --cloud eu-prod"""
    from imagesync.cli import commands

    _tell_more(verbose)
    raise typer.Exit(commands.list_images(image_id, Options(cloud=cloud, store=store), form, members=members))


@app.command()
@with_options
def adopt(
    path: PathArgument = Path(),
    *,
    options: Options,
    yes: Yes = False,
    results: Results,
    locking: Locking,
    verbose: Verbose = False,
) -> None:
    """Take images that exist under management: for each key adopt: ID, or else the one visible image of its name.

    No data moves. Fields that the manifest declares are brought to what it says, in the same request; the plan shows
    them. Keys without such an image are told of and left alone. Example: imagesync adopt images/ --cloud eu-prod
    """
    from imagesync.cli import adopt as command

    _tell_more(verbose)
    raise typer.Exit(command.adopt(path, options, results, locking, yes=yes))


@app.command()
def export(
    cloud: CloudName = None,
    store: StorePath = None,
    names: Annotated[list[str], typer.Option("--name", help="By name: a glob (repeatable).", metavar="GLOB")] = [],  # noqa: B006
    owners: Annotated[
        list[str], typer.Option("--owner", help="Those of this project, not one's own (repeatable).", metavar="ID")
    ] = [],  # noqa: B006
    tags: Annotated[list[str], typer.Option("--tag", help="With this tag (repeatable: with all).", metavar="TAG")] = [],  # noqa: B006
    visibility: Annotated[Visibility | None, typer.Option("--visibility", help="With this visibility.")] = None,
    all_owners: Annotated[bool, typer.Option("--all-owners", help="Whatever project owns them (for admins).")] = False,
    managed: Annotated[
        bool, typer.Option("--managed", help="Take in images that a catalogue owns already, under their keys.")
    ] = False,
    catalog: Annotated[
        str | None, typer.Option("--catalog", help="The catalogue's name; default: the project's.", metavar="NAME")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write a .yaml file, or NAME.yaml in a folder.", metavar="FILE|DIR"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")] = False,
    verbose: Verbose = False,
) -> None:
    """Write the manifest of the project's images as they are. Example: imagesync export --cloud eu-prod -o images/"""
    from imagesync.cli import export as command

    _tell_more(verbose)
    asked = command.Asked(names, owners, tags, visibility, all_owners=all_owners, managed=managed)
    place = command.Place(out, catalog, force)
    raise typer.Exit(command.export(asked, place, Options(cloud=cloud, store=store)))


@app.command()
def schema(
    name: Annotated[str, typer.Argument(help="manifest or plan.", metavar="[NAME]")] = "manifest",
) -> None:
    """Print a JSON Schema. Example: imagesync schema > manifest.schema.json"""
    from imagesync.cli import commands

    raise typer.Exit(commands.schema(name))


def _tell_more(verbose: bool) -> None:
    """What is tried again, and why, on standard error; never what a request carries."""
    import logging

    logging.getLogger("oslo_utils").addHandler(logging.NullHandler())  # what it finds in an image is our own message
    if verbose:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        log = logging.getLogger("imagesync")
        log.addHandler(handler)
        log.setLevel(logging.DEBUG)


def _bug(text: str) -> int:
    """A log with the traceback, private and without secrets; its path on standard error, exit code 3.

    Where none can be written, its last line is told.
    """
    from imagesync.text import redacted

    known = [value for name, value in os.environ.items() if SECRET_NAMES.search(name)]
    text = redacted(text, known)
    try:
        with tempfile.NamedTemporaryFile("w", prefix="imagesync-", suffix=".log", delete=False) as log:
            log.write(text)
    except OSError as error:
        last = sentence(text.strip().rpartition("\n")[2])
        say(f"imagesync has a bug ({last}), and no log could be written: {error.strerror}")
    else:
        say(f"imagesync has a bug; what happened is in {log.name}")
    return BUG


def _safe(error: ImagesyncError) -> str:
    """The lines of an error without anything that moves a cursor, whoever's words are in it."""
    return "\n".join(map(sentence, str(error).split("\n")))


def _unwritten(error: OSError) -> int:
    say(f"imagesync: the output cannot be written: {error.strerror}; make space and run again")
    return 1


def main() -> None:
    """The entry point."""
    streams.complete()
    gc.set_threshold(*RARELY)
    try:
        code = app(with_optional_values(sys.argv[1:]), standalone_mode=False)
    except UsageError as error:
        say(f"imagesync: {_safe(error)}")
        code = USAGE
    except ImagesyncError as error:
        say(f"imagesync: {_safe(error)}" if "\n" not in str(error) else _safe(error))
        code = 1
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        code = 1
    except OSError as error:
        code = _unwritten(error) if streams.is_full(error) else _bug(traceback.format_exc())
    except Bug as error:
        code = _bug(str(error))
    except Exception as error:
        # What is wrong with the words of the command line: the class is private to Typer.
        words = getattr(error, "format_message", None)
        if words is None:
            code = _bug(traceback.format_exc())
        else:
            say(f"imagesync: {words()}; see --help")
            code = USAGE
    gc.freeze()  # the interpreter's end would look through all of it once more
    raise SystemExit(streams.flushed(code if isinstance(code, int) else 0))
