"""Which exit code and which files a merged report has."""

import json
from pathlib import Path

import pytest

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.merged_reports import choose_code, merge_files
from imagesync.cli.origins import Origin
from imagesync.cli.outputs import Outputs
from imagesync.cli.result_options import Copies, ResultForm
from imagesync.errors import ImagesyncError, UsageError
from imagesync.model.reported import ReportedRun
from imagesync.model.targets import TargetOutcome, TargetRun
from imagesync.render.run_result import runs_to_json


@pytest.mark.parametrize("outcome", list(TargetOutcome))
def test_the_exit_code_is_that_of_a_run_with_these_outcomes(outcome: TargetOutcome) -> None:
    """An interrupt counts before a failure."""
    done, one = ReportedRun("eu", TargetOutcome.DONE), ReportedRun("us", outcome)
    expected = {
        TargetOutcome.DONE: ExitCode.DONE,
        TargetOutcome.UNCHANGED: ExitCode.DONE,
        TargetOutcome.INTERRUPTED: ExitCode.INTERRUPTED,
    }.get(outcome, ExitCode.FAILED)
    assert choose_code([done, one]) is choose_code([one, done]) is expected
    failed = ReportedRun("ap", TargetOutcome.FAILED)
    last = ExitCode.INTERRUPTED if outcome is TargetOutcome.INTERRUPTED else ExitCode.FAILED
    assert choose_code([failed, one]) is last


def merge(folder: Path, *outcomes: TargetOutcome, form: ResultForm, is_quiet: bool, out: str = "out") -> ExitCode:
    """Merge the reports of targets with these outcomes."""
    files = []
    for number, outcome in enumerate(outcomes):
        files.append(folder / f"{number}.json")
        files[-1].write_text(json.dumps(runs_to_json("base", [TargetRun(f"t{number}", outcome)])))
    copies = Copies([f"json={folder / 'also'}"])
    outputs = Outputs("report", form, copies, Origin(files[0], is_several=True))
    return merge_files(files, folder / out, copies, outputs, is_quiet=is_quiet)


@pytest.mark.parametrize("form", [ResultForm.TEXT, ResultForm.JSON])
@pytest.mark.parametrize("is_quiet", [False, True])
@pytest.mark.parametrize("outcome", [TargetOutcome.DONE, TargetOutcome.FAILED])
def test_a_quiet_merge_prints_only_what_needs_attention(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: ResultForm, is_quiet: bool, outcome: TargetOutcome
) -> None:
    """A document is always printed; the files are always written."""
    code = merge(tmp_path, TargetOutcome.DONE, outcome, form=form, is_quiet=is_quiet)
    assert code is (ExitCode.DONE if outcome is TargetOutcome.DONE else ExitCode.FAILED)
    is_silent = is_quiet and form is ResultForm.TEXT and code is ExitCode.DONE
    assert (capsys.readouterr().out == "") is is_silent
    texts = [(tmp_path / name).read_text() for name in ("out", "also")]
    assert texts[0] == texts[1]
    assert [one["target"] for one in json.loads(texts[0])["targets"]] == ["t0", "t1"]


@pytest.mark.parametrize("out", ["0.json", "1.json", "also"])
def test_no_result_replaces_a_report_or_another_result(tmp_path: Path, out: str) -> None:
    """Also if the report is not the first."""
    with pytest.raises(UsageError):
        merge(tmp_path, TargetOutcome.DONE, TargetOutcome.DONE, form=ResultForm.TEXT, is_quiet=False, out=out)
    assert not (tmp_path / "also").exists()


def test_each_file_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last one is the error; the files of results get it."""
    files = [tmp_path / "no-1", tmp_path / "no-2"]
    outputs = Outputs("report", ResultForm.TEXT, Copies([f"json={tmp_path / 'x'}"]), Origin(files[0], is_several=True))
    with pytest.raises(ImagesyncError, match="no-2"):
        merge_files(files, None, Copies(), outputs, is_quiet=False)
    assert "no-1" in capsys.readouterr().err
