"""Problems of manifests -> the output of ``validate`` in a format of a CI system. Writes to standard output."""

import os
from collections.abc import Sequence
from pathlib import Path

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.options import ValidateForm
from imagesync.cli.repository import find_repository, name_from_root
from imagesync.cli.streams import print_commands
from imagesync.errors import Diagnostic
from imagesync.render.annotations import format_annotations
from imagesync.render.code_quality import findings_to_code_quality
from imagesync.render.findings import list_findings
from imagesync.render.sarif import findings_to_sarif
from imagesync.text import format_json


def print_findings(
    form: ValidateForm, problems: Sequence[Diagnostic], warnings: Sequence[Diagnostic], list_all: str
) -> None:
    """Print all problems and warnings as GitHub, GitLab or a reader of SARIF takes them; nothing in the other formats.

    ``list_all``: the command that lists all, because GitHub shows only some.
    """
    here = Path.cwd()
    root = find_repository(here, os.environ)
    findings = list_findings(*(name_from_root(items, here, root) for items in (problems, warnings)))
    match form:
        case ValidateForm.GITHUB:
            print_commands(format_annotations(findings, list_all))
        case ValidateForm.GITLAB:
            typer.echo(format_json(findings_to_code_quality(findings)))
        case ValidateForm.SARIF:
            code = ExitCode.FAILED if problems else ExitCode.DONE
            typer.echo(format_json(findings_to_sarif(findings, code)))
