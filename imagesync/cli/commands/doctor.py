"""``imagesync doctor``: check what an apply will need, without writing anything. Only reads."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import Color, Form, Format, Options, make_command, without_options

app = make_command()
UNUSED = (
    *("only", "jobs", "max_delete", "max_update", "allow_protected", "destroy", "reactivate", "drift_only", "strict"),
    *("source_hosts", "min_source_rate", "no_source_check"),
)


@app.command()
@without_options(*UNUSED)
def doctor(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A manifest, or a folder of manifests; not needed with --cloud or --store.",
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    *,
    options: Options,
    form: Format = Form.TEXT,
    logs: LogOptions,
    color: Color = None,
) -> ExitCode:
    """Check the target: credentials, roles, quotas, clock. Example: imagesync doctor images/ --cloud eu-prod

    It shows what would fail and how to fix it, and changes nothing. The exit code is 1 if there is a problem. No API
    shows the service's policy: what a role may do is that of the default policy.
    """
    from imagesync.cli.checkup import examine
    from imagesync.cli.terminal import choose_paint, find_width
    from imagesync.model.diagnosis import Grade
    from imagesync.render.diagnosis import checks_to_json, format_checks
    from imagesync.text import format_json

    set_up_logs(logs)
    checks = examine(path or Path(), options, is_path_given=path is not None)
    if form is Form.JSON:
        typer.echo(format_json(checks_to_json(checks)))
    else:
        chosen = [check for check in checks if check.grade is not Grade.OK] if logs.quiet else checks
        if chosen:
            paint, width = choose_paint(sys.stdout, color), find_width(sys.stdout)
            typer.echo(format_checks(chosen, paint, width=width), color=True)
    return ExitCode.FAILED if any(check.grade is Grade.PROBLEM for check in checks) else ExitCode.DONE
