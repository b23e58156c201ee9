"""``imagesync drift``: print what other users changed on the images of a catalog. Only reads."""

from pathlib import Path

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import Color, Options, PathArgument, make_command, without_options
from imagesync.cli.result_options import Copies, ReviewForm, ReviewFormat

app = make_command()
UNUSED = (
    *("jobs", "max_delete", "max_update", "allow_protected", "destroy", "reactivate", "drift_only", "strict"),
    *("source_hosts", "min_source_rate", "no_source_check"),
)


@app.command()
@without_options(*UNUSED)
def drift(
    path: PathArgument = Path(),
    *,
    options: Options,
    form: ReviewFormat = ReviewForm.TEXT,
    copies: Copies,
    logs: LogOptions,
    color: Color = None,
) -> ExitCode:
    """Show what other users changed since the last apply. Example: imagesync drift images/ --cloud eu-prod

    Changes of the manifest are not drift. The exit code is 2 if there is drift, 0 if there is none. The role reader is
    enough, nothing is written, and no source is read.
    """
    from imagesync.cli.catalogs import load_catalog
    from imagesync.cli.outputs import open_outputs
    from imagesync.cli.pasting import format_command
    from imagesync.cli.results import DriftResult
    from imagesync.cli.targets import open_selected_to_read
    from imagesync.model.drift import Remedy
    from imagesync.workflow import find_drift

    set_up_logs(logs)
    words = {Remedy.DRIFT_ONLY: ["--drift-only"], Remedy.REACTIVATE: ["--reactivate"]}

    def command_of(remedy: Remedy) -> str:
        return format_command("apply", path, options, *words.get(remedy, []))

    with open_outputs("drift", form, copies, path, options, color=color) as outputs:
        outputs.check()
        catalog = load_catalog(path, options)
        outputs.know(catalog.name, catalog.target.name)
        with open_selected_to_read(options, catalog.target) as backend:
            report, here = find_drift(backend, catalog), backend.identity()
        result = DriftResult(report, catalog, here, command_of)
        if form is ReviewForm.TEXT and logs.quiet and not report.found:
            outputs.save(result)
        else:
            outputs.publish(result)
    return ExitCode.CHANGES if report.found else ExitCode.DONE
