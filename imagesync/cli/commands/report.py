"""``imagesync report merge``: join the JSON reports of the jobs of a pipeline to one report. Reads and writes files."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import Options, make_command, without_options
from imagesync.cli.result_options import Copies, Results

app = make_command()


class Action(StrEnum):
    """What to do with reports."""

    MERGE = "merge"


@app.command()
@without_options("ids", "events", "metrics")
def report(
    _action: Annotated[Action, typer.Argument(help="Join the reports to one.", metavar="merge")],
    files: Annotated[
        list[Path],
        typer.Argument(help="Reports that apply --out has written, of one or of several targets.", metavar="FILE"),
    ],
    *,
    results: Results,
    copies: Copies,
    logs: LogOptions,
) -> ExitCode:
    """Join the reports of several targets to one. Example: imagesync report merge report-eu.json report-us.json

    Use it if each target has its own job, and one comment or test report should show all. The files are of one catalog, and
    each target is in one of them. The exit code is 0 if every target is done or unchanged.
    """
    from imagesync.cli.merged_reports import merge_files
    from imagesync.cli.outputs import open_outputs

    set_up_logs(logs)
    with open_outputs(
        "report", results.form, copies, files[0], Options(), color=results.color, is_several=True
    ) as outputs:
        return merge_files(files, results.out, copies, outputs, is_quiet=logs.quiet)
