"""``imagesync adopt``: bring existing images under management, and do nothing else. Does I/O."""

from pathlib import Path

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import Locking, Options, PathArgument, Yes, make_command, without_options
from imagesync.cli.result_options import Copies, ResultForm, Results

app = make_command()


@app.command()
@without_options(
    "max_delete", "allow_protected", "destroy", "reactivate", "drift_only", "min_source_rate", "no_source_check"
)
def adopt(
    path: PathArgument = Path(),
    *,
    options: Options,
    yes: Yes = False,
    results: Results,
    copies: Copies,
    locking: Locking,
    logs: LogOptions,
) -> ExitCode:
    """Bring existing images under management. Example: imagesync adopt images/ --cloud eu-prod

    Each key adopts the image that adopt: ID names, or else the only visible image with its name. No data moves. The plan
    shows the fields that adopt changes to the declared values. Keys without such an image are reported and left as they
    are.
    """
    from imagesync.backends.base import MissingStore
    from imagesync.cli.outputs import open_outputs
    from imagesync.cli.runs import Run, make_settings, read_catalog
    from imagesync.cli.saved_plans import refuse_plan_file
    from imagesync.cli.targets import open_selected
    from imagesync.text import make_printable
    from imagesync.workflow import Planner, apply, select_adoptable

    set_up_logs(logs)
    with open_outputs("adopt", results.form, copies, path, options, color=results.color) as outputs:
        outputs.check(results.out, results.ids, results.events)
        refuse_plan_file(path, "apply it with: imagesync apply PATH")
        access = options.make_access()
        with Run(results, outputs, yes=yes, is_quiet=logs.quiet) as run:
            catalog = read_catalog(path, options, access)
            outputs.know(catalog.name, catalog.target.name)
            with open_selected(options, catalog.target, missing=MissingStore.CREATE, is_quiet=logs.quiet) as backend:
                part = select_adoptable(backend, catalog)
                if not part.images and outputs.form is ResultForm.TEXT and not outputs.has_files:
                    lines = [*(make_printable(f"Note: {note}") for note in part.warnings), "Nothing to adopt."]
                    typer.echo("\n".join(lines))
                    return ExitCode.DONE
                planner = Planner(backend, part, policy=options.policy(part.policy), jobs=options.jobs, access=access)
                return run.finish(apply(planner, make_settings(path, options, locking), run.hooks))
