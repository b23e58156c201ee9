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
    with pytest.raises(UsageError) as caught:
        merge_files(files, None, Copies(), outputs, is_quiet=False)
    assert str(caught.value) == f"{files[1]} cannot be read: No such file or directory; check the path"
    line = f"imagesync: {files[0]} cannot be read: No such file or directory; check the path\n"
    assert capsys.readouterr().err == line


def write_reports(folder: Path, *names: str, catalog: str = "base") -> list[Path]:
    """A report for each target, in a file of its name."""
    for name in names:
        text = json.dumps(runs_to_json(catalog, [TargetRun(name, TargetOutcome.DONE)]))
        (folder / f"{name}.json").write_text(text)
    return [folder / f"{name}.json" for name in names]


def open_markdown(folder: Path, *more: str) -> tuple[Copies, Outputs]:
    """The outputs of the command, with a copy as Markdown."""
    copies = Copies([f"markdown={folder / 'x.md'}", *more])
    return copies, Outputs("report", ResultForm.TEXT, copies, Origin(folder / "eu.json", is_several=True))


def test_an_error_has_the_catalog_of_the_first_report_that_can_be_read(tmp_path: Path) -> None:
    """A bot then replaces the comment of the commit before; also if another file comes first."""
    for number, broken in enumerate((0, 1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        files = write_reports(folder, "eu", "us", catalog="mine")
        files.insert(broken, folder / "none.json")
        copies, outputs = open_markdown(folder)
        with pytest.raises(UsageError), outputs:
            merge_files(files, None, copies, outputs, is_quiet=False)
        assert (folder / "x.md").read_text().startswith("<!-- imagesync mine * -->\n")


@pytest.mark.parametrize("text", ["[]", "{}", '{"catalog": 3}'])
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    """Its name is in the message; the error is in the files."""
    (tmp_path / "eu.json").write_text(text)
    copies, outputs = open_markdown(tmp_path)
    with pytest.raises(UsageError, match=r"eu\.json is not a report"), outputs:
        merge_files([tmp_path / "eu.json"], None, copies, outputs, is_quiet=False)
    assert "is not a report" in (tmp_path / "x.md").read_text()


def test_each_result_that_cannot_be_written_is_named_and_prevents_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report is printed all the same, before the error."""
    files = write_reports(tmp_path, "eu", "us")
    copies, outputs = open_markdown(tmp_path, "json=/dev/full", f"text={tmp_path / 'x.txt'}")
    with pytest.raises(ImagesyncError, match=r"^/dev/full cannot be written"):
        merge_files(files, Path("/dev/full"), copies, outputs, is_quiet=False)
    out, err = capsys.readouterr()
    assert err.startswith("imagesync: /dev/full cannot be written: ")
    assert err.count("\n") == 1
    assert out == (tmp_path / "x.txt").read_text()
    assert "2 done" in out
    assert (tmp_path / "x.md").exists()


def test_a_merged_report_is_private_and_has_the_reports_in_order(tmp_path: Path) -> None:
    """Without --out there is none."""
    files = write_reports(tmp_path, "us", "eu")
    copies, outputs = open_markdown(tmp_path)
    assert merge_files(files, None, copies, outputs, is_quiet=True) is ExitCode.DONE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["eu.json", "us.json", "x.md"]
    copies, outputs = open_markdown(tmp_path)
    merge_files(files, tmp_path / "all.json", copies, outputs, is_quiet=True)
    document = json.loads((tmp_path / "all.json").read_text())
    assert (document["catalog"], [one["target"] for one in document["targets"]]) == ("base", ["us", "eu"])
    assert (tmp_path / "all.json").stat().st_mode & 0o777 == 0o600
