"""Files with JSON reports -> one report. Reads and writes files."""

from collections.abc import Sequence
from pathlib import Path

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.files import check_results, write_json
from imagesync.cli.json_files import read_json
from imagesync.cli.outputs import Outputs, raise_last
from imagesync.cli.result_options import Copies, ResultForm
from imagesync.cli.results import MergedReport
from imagesync.errors import ImagesyncError, UsageError
from imagesync.model.reported import ReportedRun
from imagesync.model.targets import TargetOutcome
from imagesync.targets.reports import AGAIN, KIND, merge_reports
from imagesync.text import make_printable


def merge_files(
    files: Sequence[Path], out: Path | None, copies: Copies, outputs: Outputs, *, is_quiet: bool
) -> ExitCode:
    """Print the merged report, and write it to all files of results; UsageError for what ``merge_reports`` refuses.

    ``out``: the file for the JSON. No result replaces one of ``files``.
    """
    for file in files:
        check_results(out, *(path for _, path in copies.parse()), source=file)
    outputs.check(out)
    catalog, runs = merge_reports(_read_files(files, outputs))
    result, problems = MergedReport(catalog, runs), list[ImagesyncError]()
    try:
        if out:
            write_json(out, result.to_document())
    except ImagesyncError as error:
        problems.append(error)
    problems += outputs.write(result)
    code = choose_code(runs)
    if outputs.form is not ResultForm.TEXT or not (is_quiet and code is ExitCode.DONE):
        outputs.print(result)
    raise_last(problems)
    return code


def _read_files(files: Sequence[Path], outputs: Outputs) -> list[tuple[str, object]]:
    """The name and the JSON of each file. UsageError for the last one that cannot be read, after a line for each other one.

    ``outputs`` get the catalog before, so a bot replaces its comment by the error.
    """
    documents, problems = list[tuple[str, object]](), list[ImagesyncError]()
    for file in files:
        try:
            documents.append((make_printable(str(file)), read_json(file, KIND, AGAIN)))
        except UsageError as error:
            problems.append(error)
    for _, document in documents[:1]:
        if isinstance(document, dict):
            outputs.know_several(str(document.get("catalog", "")))
    raise_last(problems)
    return documents


def choose_code(runs: Sequence[ReportedRun]) -> ExitCode:
    """The exit code of a run with these outcomes. A report does not say which signal interrupted it."""
    if any(run.outcome is TargetOutcome.INTERRUPTED for run in runs):
        return ExitCode.INTERRUPTED
    return ExitCode.DONE if all(run.outcome.is_success for run in runs) else ExitCode.FAILED
