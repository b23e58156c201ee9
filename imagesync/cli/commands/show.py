"""``imagesync show``: print a saved plan, or explain the image of a key. Only reads."""

from pathlib import Path
from typing import Annotated

import typer

from imagesync.cli.completion import complete_keys
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import Color, Options, make_command, without_options
from imagesync.cli.result_options import Amount, Copies, ReviewForm, ReviewFormat

app = make_command()
UNUSED = (
    *("jobs", "max_delete", "max_update", "allow_protected", "destroy", "reactivate", "drift_only", "only", "strict"),
    "min_source_rate",
)
"""Options of a plan that change nothing of what is explained."""


@app.command()
@without_options(*UNUSED, "metrics")
def show(
    word: Annotated[
        str,
        typer.Argument(
            help="A plan that imagesync plan -o saved, or a key.", metavar="PLAN.json|KEY", autocompletion=complete_keys
        ),
    ],
    path: Annotated[
        Path | None, typer.Argument(help="The manifest, or folder of manifests, of the key.", metavar="PATH")
    ] = None,
    *,
    options: Options,
    form: ReviewFormat = ReviewForm.TEXT,
    copies: Copies,
    amount: Amount,
    color: Color = None,
    logs: LogOptions,
) -> ExitCode:
    """Show a saved plan, or explain the image of a key. Example: imagesync show plan.json

    For a key: each build with its origin, digests and differences, and what the next apply does with it. A word that is a
    file or ends with .json is a plan; with PATH, it is a key. The right to read is enough, and nothing is written.
    """
    from imagesync.cli.explanations import print_explanation, show_saved_plan
    from imagesync.cli.outputs import open_outputs

    set_up_logs(logs)
    is_saved = path is None and is_plan(word)
    detail = amount.choose(form)
    place = Path(word) if is_saved else path
    with open_outputs("show", form, copies, place, options, color=color, detail=detail) as outputs:
        outputs.check()
        if is_saved:
            show_saved_plan(Path(word), options, outputs)
        else:
            print_explanation(word, path or Path(), options, amount, outputs)
    return ExitCode.DONE


def is_plan(word: str) -> bool:
    """Whether a word without a PATH means a saved plan: it is a file, or ends with .json."""
    return Path(word).suffix.lower() == ".json" or Path(word).is_file()
