"""The ``imagesync`` command: options, and one handler that turns errors into a line and an exit code.

Exit codes: 0 done or nothing to do, 1 failed, 2 changes present (only with --detailed-exitcode), 3 a bug (log written),
64 usage, 130 interrupted.
"""

import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated

import typer

from imagesync import __version__
from imagesync.errors import ImagesyncError, UsageError

USAGE, BUG, INTERRUPTED, CHANGES = 64, 3, 130, 2

app = typer.Typer(
    help="Keep a cloud's virtual-machine images the way YAML manifests say: plan, then apply.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

PathArgument = Annotated[Path, typer.Argument(help="A manifest, or a folder of them.", metavar="[PATH]")]
Target = Annotated[str | None, typer.Option(help="A target of the manifest.", metavar="NAME")]
CloudName = Annotated[str | None, typer.Option("--cloud", help="A cloud of clouds.yaml.", metavar="NAME")]
Values = Annotated[list[str], typer.Option("--set", help="A value for ${NAME} (repeatable).", metavar="NAME=VALUE")]
Only = Annotated[list[str], typer.Option(help="Look at these keys only: a glob (repeatable).", metavar="KEY")]
Jobs = Annotated[int, typer.Option(help="Steps done at once.", min=1, max=64)]
MaxDelete = Annotated[int | None, typer.Option(help="Keys that may vanish in this run.", min=0)]
AllowProtected = Annotated[bool, typer.Option("--allow-protected", help="Let protected images be deleted.")]
Destroy = Annotated[bool, typer.Option("--destroy", help="Allow a manifest that names none of the owned keys.")]
ReactivateFlag = Annotated[bool, typer.Option("--reactivate", help="Reactivate what somebody else deactivated.")]
DriftOnly = Annotated[bool, typer.Option("--drift-only", help="Only restore what drifted.")]
AllowOutside = Annotated[bool, typer.Option("--allow-outside", help="Let paths leave the catalogue's folder.")]


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
    target: Target = None,
    set_values: Values = [],  # noqa: B006 - Typer reads the default
    allow_outside: AllowOutside = False,
) -> None:
    """Check manifests, for every target, without any network. Example: imagesync validate images/"""
    from imagesync.cli.flow import Options, validated

    for catalog in validated(Options(path, target, values=tuple(set_values), allow_outside=allow_outside)):
        where = f" on target {catalog.target.name}" if catalog.target.name else ""
        typer.echo(f"Catalogue {catalog.name}{where}: {len(catalog.images)} images, no problems.")


@app.command()
def plan(
    path: PathArgument = Path(),
    target: Target = None,
    cloud: CloudName = None,
    set_values: Values = [],  # noqa: B006
    only: Only = [],  # noqa: B006
    jobs: Jobs = 8,
    max_delete: MaxDelete = None,
    allow_protected: AllowProtected = False,
    destroy: Destroy = False,
    reactivate: ReactivateFlag = False,
    drift_only: DriftOnly = False,
    allow_outside: AllowOutside = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 if there are changes.")
    ] = False,
) -> None:
    """Show what apply would do. Example: imagesync plan images/ --cloud eu-prod"""
    from imagesync.cli.flow import Options, identified, opened, plan_now
    from imagesync.render.text import plan_text

    options = Options(
        path, target, cloud, tuple(set_values), tuple(only), jobs, max_delete, allow_protected, destroy, reactivate,
        drift_only, allow_outside,
    )  # fmt: skip
    catalog = identified(options)
    with opened(options, catalog) as backend:
        made = plan_now(backend, catalog, options)
    typer.echo(plan_text(made))
    if made.steps and detailed_exitcode:
        raise typer.Exit(CHANGES)


@app.command()
def apply(
    path: PathArgument = Path(),
    target: Target = None,
    cloud: CloudName = None,
    set_values: Values = [],  # noqa: B006
    only: Only = [],  # noqa: B006
    jobs: Jobs = 8,
    max_delete: MaxDelete = None,
    allow_protected: AllowProtected = False,
    destroy: Destroy = False,
    reactivate: ReactivateFlag = False,
    drift_only: DriftOnly = False,
    allow_outside: AllowOutside = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Make the cloud as the manifests say. Example: imagesync apply images/ --cloud eu-prod --yes"""
    from imagesync.cli.flow import Options, carry_out, identified, opened, plan_now, tell
    from imagesync.render.text import plan_text, report_text

    options = Options(
        path, target, cloud, tuple(set_values), tuple(only), jobs, max_delete, allow_protected, destroy, reactivate,
        drift_only, allow_outside,
    )  # fmt: skip
    catalog = identified(options)
    with opened(options, catalog) as backend:
        made = plan_now(backend, catalog, options)
        typer.echo(plan_text(made))
        if not made.steps:
            return
        if not yes and not sys.stdin.isatty():
            raise UsageError("apply asks before it changes anything, and there is no terminal to ask on", "pass --yes")
        if not yes and not typer.confirm(f"Apply these {len(made.steps)} steps?"):
            raise typer.Exit(1)
        report = carry_out(backend, catalog, options, made, tell, confirmed=not yes)
    typer.echo(report_text(report))
    if report.bug:
        _bug(report.bug)
    if not report.succeeded:
        raise typer.Exit(INTERRUPTED if report.interrupted else 1)


@app.command("list")
def list_images(
    image_id: Annotated[str | None, typer.Argument(help="One image: all its fields.", metavar="[IMAGE_ID]")] = None,
    cloud: CloudName = None,
) -> None:
    """List the images the project sees, or every field of one. Example: imagesync list --cloud eu-prod"""
    import json

    from imagesync.backends.glance.convert import to_wire
    from imagesync.cli.flow import Options, opened
    from imagesync.render.text import clean, size

    with opened(Options(Path(), cloud=cloud), None) as backend:
        found = backend.images(image_id)
    if image_id is not None:
        typer.echo(json.dumps(to_wire(found[0]), indent=2, sort_keys=True))
        return
    for image in sorted(found, key=lambda item: (item.name or "", item.id)):
        typer.echo(
            f"{image.id}  {image.status.value:11} {image.visibility.value:9} {size(image.size):>12}  {clean(image.name)}"
        )


@app.command()
def schema() -> None:
    """Print the JSON Schema of manifests. Example: imagesync schema > manifest.schema.json"""
    from imagesync.schemas import schema_text

    typer.echo(schema_text("manifest"), nl=False)


def _bug(text: str) -> None:
    """A log with the traceback, its path on standard error, exit code 3."""
    with tempfile.NamedTemporaryFile("w", prefix="imagesync-", suffix=".log", delete=False) as log:
        log.write(text)
    typer.echo(f"imagesync has a bug; what happened is in {log.name}", err=True)
    raise SystemExit(BUG)


def main() -> None:
    """The entry point."""
    try:
        code = app(standalone_mode=False)
    except UsageError as error:
        typer.echo(f"imagesync: {error}", err=True)
        code = USAGE
    except ImagesyncError as error:
        typer.echo(f"imagesync: {error}" if "\n" not in str(error) else str(error), err=True)
        code = 1
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        code = 1
    except Exception as error:
        # What is wrong with the words of the command line: the class is private to Typer.
        words = getattr(error, "format_message", None)
        if words is None:
            _bug(traceback.format_exc())
        else:
            typer.echo(f"imagesync: {words()}; see --help", err=True)
        code = USAGE
    raise SystemExit(code if isinstance(code, int) else 0)
