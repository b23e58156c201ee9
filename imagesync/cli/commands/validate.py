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
from imagesync.errors import Diagnostic, ManifestError, UsageError

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
    fetch: Annotated[
        bool,
        typer.Option(
            "--fetch", help="Also read each checksum list, each signature, and the first bytes of each mirror."
        ),
    ] = False,
    form: Annotated[ValidateForm, typer.Option("--format", help="The format of the output.")] = ValidateForm.TEXT,
    logs: LogOptions,
) -> ExitCode:
    """Check manifests for every target, or for the given ones, without a cloud.

    It needs the network only with --fetch. Example: imagesync validate images/
    """
    from imagesync.cli.catalogs import load_every_catalog
    from imagesync.cli.interrupts import end_at_once
    from imagesync.cli.saved_plans import refuse_plan_file
    from imagesync.cli.streams import say

    set_up_logs(logs)
    refuse_plan_file(path, "print it with: imagesync show PATH")
    options = Options(
        set_values=set_values,
        allow_outside=allow_outside,
        source_hosts=source_hosts,
        no_source_check=no_source_check,
        strict=strict,
    )
    if fetch and no_source_check:
        raise UsageError("--fetch reads the sources, and --no-source-check does not", "pass only one of them")
    again = _format_again(path, options, chosen, fetch=fetch)
    try:
        with end_at_once(say):
            catalogs, warnings = load_every_catalog(path, options, chosen.targets, fetch=fetch)
    except ManifestError as error:
        _print_problems(form, error.diagnostics, [], again)
        if form is ValidateForm.JSON:
            return ExitCode.FAILED
        raise  # the text, for the reader of the log
    _print_result(form, catalogs, warnings, again, is_quiet=logs.quiet)
    return ExitCode.DONE


def _print_result(
    form: ValidateForm, catalogs: Sequence["Catalog"], warnings: Sequence[Diagnostic], again: str, *, is_quiet: bool
) -> None:
    """Print what was found of manifests without problems."""
    if form is ValidateForm.JSON:
        _print_json([], warnings, catalogs=list(map(_describe_catalog, catalogs)))
        return
    _print_problems(form, [], warnings, again)
    if form in (ValidateForm.TEXT, ValidateForm.GITHUB) and not is_quiet:
        _print_catalogs(catalogs, warnings)


def _format_again(path: Path, options: Options, chosen: TargetChoice, *, fetch: bool) -> str:
    """The command that prints all problems again, because GitHub shows only some."""
    from imagesync.cli.pasting import format_command

    targets = [word for name in chosen.targets for word in ("--target", name)]
    hosts = [word for glob in options.source_hosts for word in ("--source-hosts", glob)]
    flags = [*(["--strict"] if options.strict else []), *(["--fetch"] if fetch else [])]
    return format_command("validate", path, options, *targets, *hosts, *flags)


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


def _print_catalogs(catalogs: Sequence["Catalog"], warnings: Sequence[Diagnostic]) -> None:
    """The notes and the warnings, each once, and a line for each catalog."""
    from imagesync.render.style import format_count
    from imagesync.text import make_printable

    notes = [note for catalog in catalogs for note in catalog.warnings]
    for note in dict.fromkeys([*notes, *map(str, warnings)]):
        typer.echo(f"Note: {make_printable(note)}")
    for catalog in catalogs:
        where = f" on target {catalog.target.name}" if catalog.target.name else ""
        typer.echo(f"Catalog {catalog.name}{where}: {format_count(len(catalog.images), 'image')}, no problems.")
