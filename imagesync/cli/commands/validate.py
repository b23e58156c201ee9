"""``imagesync validate``: print the problems of manifests, or the number of images of each target. Reads files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import (
    AllowOutside,
    NoSourceCheck,
    Options,
    PathArgument,
    SourceHosts,
    Strict,
    ValidateForm,
    Values,
    make_command,
    without_options,
)
from imagesync.cli.target_options import TargetChoice
from imagesync.errors import Diagnostic, ManifestError

if TYPE_CHECKING:
    from imagesync.model.catalog import Catalog

app = make_command()


@app.command()
@without_options("parallel_targets")
def validate(
    path: PathArgument = Path(),
    *,
    chosen: TargetChoice,
    set_values: Values = [],  # noqa: B006 - Typer reads the default
    allow_outside: AllowOutside = False,
    source_hosts: SourceHosts = [],  # noqa: B006 - Typer reads the default
    no_source_check: NoSourceCheck = False,
    strict: Strict = False,
    form: Annotated[ValidateForm, typer.Option("--format", help="The format of the output.")] = ValidateForm.TEXT,
    logs: LogOptions,
) -> ExitCode:
    """Check manifests for every target, or for the given ones, without network access.

    Example: imagesync validate images/
    """
    from imagesync.cli.catalogs import load_every_catalog
    from imagesync.cli.saved_plans import refuse_plan_file

    set_up_logs(logs)
    refuse_plan_file(path, "print it with: imagesync show PATH")
    options = Options(
        set_values=set_values,
        allow_outside=allow_outside,
        source_hosts=source_hosts,
        no_source_check=no_source_check,
        strict=strict,
    )
    again = _format_again(path, options, chosen)
    try:
        catalogs, warnings = load_every_catalog(path, options, chosen.targets)
    except ManifestError as error:
        _print_problems(form, error.diagnostics, [], again)
        if form is ValidateForm.JSON:
            return ExitCode.FAILED
        raise  # the text, for the reader of the log
    if form is ValidateForm.JSON:
        _print_json([], warnings, catalogs=list(map(_describe_catalog, catalogs)))
        return ExitCode.DONE
    _print_problems(form, [], warnings, again)
    if form in (ValidateForm.TEXT, ValidateForm.GITHUB) and not logs.quiet:
        _print_catalogs(catalogs)
    return ExitCode.DONE


def _format_again(path: Path, options: Options, chosen: TargetChoice) -> str:
    """The command that prints all problems again, because GitHub shows only some."""
    from imagesync.cli.pasting import format_command

    targets = [word for name in chosen.targets for word in ("--target", name)]
    return format_command("validate", path, options, *targets, *(("--strict",) if options.strict else ()))


def _print_problems(
    form: ValidateForm, problems: Sequence[Diagnostic], warnings: Sequence[Diagnostic], again: str
) -> None:
    """Print them, if the format is not text: an error and the notes of a catalog are the text."""
    if form is ValidateForm.JSON:
        _print_json(problems, warnings)
    elif form is not ValidateForm.TEXT:
        from imagesync.cli.findings import print_findings

        print_findings(form, problems, warnings, again)


def _print_json(problems: Sequence[Diagnostic], warnings: Sequence[Diagnostic], **more: object) -> None:
    from imagesync.render.result import diagnostics_to_json
    from imagesync.text import format_json

    found = {"problems": diagnostics_to_json(problems), "warnings": diagnostics_to_json(warnings)}
    typer.echo(format_json({**found, **more}))


def _describe_catalog(catalog: "Catalog") -> dict[str, object]:
    """The JSON of a catalog without problems: its name, target and notes, and the number of its images."""
    from imagesync.text import make_printable

    return {
        "catalog": catalog.name,
        "target": catalog.target.name,
        "images": len(catalog.images),
        "notes": [make_printable(note) for note in catalog.warnings],
    }


def _print_catalogs(catalogs: Sequence["Catalog"]) -> None:
    from imagesync.render.style import format_count
    from imagesync.text import make_printable

    for note in dict.fromkeys(note for catalog in catalogs for note in catalog.warnings):
        typer.echo(f"Note: {make_printable(note)}")
    for catalog in catalogs:
        where = f" on target {catalog.target.name}" if catalog.target.name else ""
        typer.echo(f"Catalog {catalog.name}{where}: {format_count(len(catalog.images), 'image')}, no problems.")
