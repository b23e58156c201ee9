"""``imagesync drift``: print what other users changed on the images of a catalog. Only reads."""

from functools import partial
from pathlib import Path

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.fleet_options import FleetOptions
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import Color, Options, PathArgument, make_command, without_options
from imagesync.cli.result_options import Copies, ReviewForm, ReviewFormat
from imagesync.cli.target_options import TargetChoice

app = make_command()
UNUSED = (
    "target",
    *("jobs", "max_delete", "max_update", "allow_protected", "destroy", "reactivate", "drift_only", "strict"),
    *("source_hosts", "min_source_rate", "no_source_check"),
)


@app.command()
@without_options(*UNUSED)
def drift(
    path: PathArgument = Path(),
    *,
    chosen: TargetChoice,
    options: Options,
    form: ReviewFormat = ReviewForm.TEXT,
    copies: Copies,
    fleet: FleetOptions,
    logs: LogOptions,
    color: Color = None,
) -> ExitCode:
    """Show what other users changed since the last apply. Example: imagesync drift images/ --cloud eu-prod

    Changes of the manifest are not drift. The exit code is 2 if there is drift, 0 if there is none, and 1 if a target could
    not be checked. The role reader is enough, nothing is written, and no source is read.
    """
    from imagesync.cli.catalogs import load_catalog
    from imagesync.cli.drifts import format_remedy, print_drift_of_targets
    from imagesync.cli.interrupts import end_at_once
    from imagesync.cli.outputs import open_outputs
    from imagesync.cli.results import DriftResult
    from imagesync.cli.streams import say
    from imagesync.cli.targets import open_selected_to_read
    from imagesync.workflow import find_drift

    set_up_logs(logs)
    options = chosen.fill_in(options)
    several = chosen.is_several
    fleet.check(is_several=several)
    with (
        end_at_once(say),
        open_outputs("drift", form, copies, path, options, color=color, is_several=several) as outputs,
    ):
        outputs.check()
        if several:
            return print_drift_of_targets(path, options, chosen, outputs, is_quiet=logs.quiet, fleet=fleet)
        chosen.refuse_limits()
        catalog = load_catalog(path, options)
        outputs.know(catalog.name, catalog.target.name)
        with open_selected_to_read(options, catalog.target) as backend:
            report, here = find_drift(backend, catalog), backend.identity()
        result = DriftResult(report, catalog, here, partial(format_remedy, path, options))
        if form is ReviewForm.TEXT and logs.quiet and not report.found:
            outputs.save(result)
        else:
            outputs.publish(result)
    return ExitCode.CHANGES if report.found else ExitCode.DONE
