"""``imagesync show``: print a saved plan. Reads one file."""

from pathlib import Path
from typing import Annotated

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import Amount, Color, Form, Format, make_command, with_options

app = make_command()


@app.command()
@with_options
def show(
    path: Annotated[Path, typer.Argument(help="A plan that imagesync plan -o saved.", metavar="PLAN.json")],
    *,
    form: Format = Form.TEXT,
    amount: Amount,
    color: Color = None,
    logs: LogOptions,
) -> ExitCode:
    """Show a saved plan. Example: imagesync show plan.json"""
    from imagesync.cli.files import find_folder
    from imagesync.cli.runs import show_plan
    from imagesync.cli.saved_plans import read_plan

    set_up_logs(logs)
    plan, _ = read_plan(path)
    show_plan(plan, form, color, find_folder(path), amount.choose(form))
    return ExitCode.DONE
