"""The targets of a manifest -> the drift of each, printed. Does I/O, for all targets at the same time."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from imagesync.cli.catalogs import load_catalogs_of
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.fleet_options import FleetOptions
from imagesync.cli.options import Options
from imagesync.cli.outputs import Outputs
from imagesync.cli.pasting import format_command
from imagesync.cli.result_options import ResultForm
from imagesync.cli.results import DriftsResult
from imagesync.cli.streams import say
from imagesync.cli.target_options import TargetChoice
from imagesync.cli.targets import open_selected_to_read
from imagesync.errors import Bug, ImagesyncError
from imagesync.model.catalog import Catalog
from imagesync.model.drift import PlaceDrift, Remedy
from imagesync.render.problems import list_problems
from imagesync.targets.each import Answers, ask_each, run_each
from imagesync.targets.messages import Verb, decode_drift
from imagesync.text import make_printable
from imagesync.workflow import find_drift

_OPTIONS: Final = {Remedy.DRIFT_ONLY: "--drift-only", Remedy.REACTIVATE: "--reactivate"}


def format_remedy(path: Path, options: Options, remedy: Remedy, targets: Sequence[str] = ()) -> str:
    """The command that restores values with this remedy; ``targets``: instead of the place of the options."""
    named = [word for name in targets for word in ("--target", name)]
    return format_command("apply", path, options, *named, *([_OPTIONS[remedy]] if remedy in _OPTIONS else []))


def print_drift_of_targets(
    path: Path,
    options: Options,
    chosen: TargetChoice,
    outputs: Outputs,
    *,
    is_quiet: bool,
    fleet: FleetOptions,
) -> ExitCode:
    """Print the drift of each target; FAILED if one could not be checked, else CHANGES if one has drift."""
    catalogs = {str(target.name): one for target, one in load_catalogs_of(path, options, chosen).items()}
    name = next(one.name for one in catalogs.values() if isinstance(one, Catalog))
    outputs.know_several(name)
    if fleet.on is None:
        answers = run_each(catalogs, partial(_find_drift, options), chosen.parallel)
    else:
        with fleet.open_carrier(path, options, catalogs) as carrier:
            answers = ask_each(catalogs, carrier, Verb.DRIFT, decode_drift)
    found = answers.by_target
    has_drift = any(isinstance(one, PlaceDrift) and one.report.found for one in found.values())
    has_errors = any(isinstance(one, ImagesyncError) for one in found.values())
    result = DriftsResult(name, found, partial(format_remedy, path, options))
    if outputs.form is ResultForm.TEXT and is_quiet and not (has_drift or has_errors):
        outputs.save(result)
    else:
        outputs.publish(result)
    if outputs.form is not ResultForm.TEXT:
        say_errors(answers)
    if answers.bugs:
        raise Bug("\n".join(answers.bugs))
    return ExitCode.FAILED if has_errors else ExitCode.CHANGES if has_drift else ExitCode.DONE


def _find_drift(options: Options, catalog: Catalog) -> PlaceDrift:
    with open_selected_to_read(options, catalog.target) as backend:
        return PlaceDrift(find_drift(backend, catalog), backend.identity())


def say_errors(answers: Answers[object]) -> None:
    """Print to standard error each target that has no result, and why."""
    for name, one in answers.by_target.items():
        for problem in list_problems(one) if isinstance(one, ImagesyncError) else ():
            say(f"imagesync: target {make_printable(name)}: {make_printable(str(problem))}")
