"""``imagesync rollback``: publish an earlier build of one key again. Does I/O."""

from collections.abc import Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from imagesync.cli.completion import complete_keys
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import Locking, Options, PathArgument, Yes, make_command, without_options
from imagesync.cli.result_options import Copies, Results
from imagesync.errors import UsageError

app = make_command()


@app.command()
@without_options("only", "max_delete", "destroy", "drift_only", "min_source_rate", "no_source_check")
def rollback(
    key: Annotated[str, typer.Argument(help="The key of the image.", metavar="KEY", autocompletion=complete_keys)],
    path: PathArgument = Path(),
    *,
    options: Options,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="Publish this build (default: the last retired one).",
            metavar="GENERATION|IMAGE_ID",
        ),
    ] = None,
    yes: Yes = False,
    results: Results,
    copies: Copies,
    locking: Locking,
    logs: LogOptions,
) -> ExitCode:
    """Publish an earlier build of an image again, at once. Example: imagesync rollback ubuntu-24.04 images/ --cloud eu-prod

    No data moves: the earlier build becomes visible again, and the present one retires as on_replace says. The output
    names the line of the manifest to change; without that change the next apply publishes the newer build again.
    """
    from imagesync.backends.base import MissingStore
    from imagesync.cli.catalogs import load_catalog
    from imagesync.cli.outputs import open_outputs
    from imagesync.cli.runs import Run, make_settings
    from imagesync.cli.saved_plans import refuse_plan_file
    from imagesync.cli.targets import open_selected
    from imagesync.planning.rollback import rollback_plan
    from imagesync.workflow import Planner, apply

    set_up_logs(logs)
    with open_outputs("rollback", results.form, copies, path, options, color=results.color) as outputs:
        outputs.check(results.out, results.ids, results.events)
        refuse_plan_file(path, "pass the path of the manifests instead")
        with Run(results, outputs, yes=yes, is_quiet=logs.quiet) as run:
            catalog = load_catalog(path, options)  # reads no source: a rollback must work while mirrors do not
            outputs.know(catalog.name, catalog.target.name)
            _check_key(key, [spec.key for spec in catalog.images])
            with open_selected(options, catalog.target, missing=MissingStore.REFUSE) as backend:
                planner = Planner(
                    backend,
                    catalog,
                    policy=options.policy(catalog.policy),
                    make=partial(rollback_plan, key=key, to=to),
                    promoting=frozenset({key}),
                    jobs=options.jobs,
                )
                return run.finish(apply(planner, make_settings(path, options, locking), run.hooks))


def _check_key(key: str, known: Sequence[str]) -> None:
    if key not in known:
        close = get_close_matches(key, known, 3)
        hint = f"did you mean {', '.join(close)}?" if close else f"declared keys: {', '.join(known) or 'none'}"
        raise UsageError(f"the manifest does not declare an image {key!r} for this target", hint)
