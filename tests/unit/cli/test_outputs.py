"""What the output and the files of a command get: of its result, or of the error that ended it before it had one."""

import errno
import io
import json
import signal
import stat
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

from imagesync.cli.interrupts import Interrupted
from imagesync.cli.options import Options
from imagesync.cli.origins import Origin
from imagesync.cli.outputs import MAX_EARLIER_BYTES, Outputs, convert_error, open_outputs, print_failure, raise_last
from imagesync.cli.result_options import MAX_BYTES, Copies, ResultForm, ReviewForm
from imagesync.cli.results import ExplanationResult, MergedReport, PlanResult, PlansResult, RunReport
from imagesync.cli.streams import GuardedStream
from imagesync.errors import ImagesyncError, UsageError
from imagesync.model.explanation import Explanation
from imagesync.model.plan import Plan
from imagesync.model.report import Report
from imagesync.model.targets import PlannedTarget
from imagesync.render.style import Detail, leave_plain, paint_text
from tests.unit.factories import NOW, TARGET, catalog, inventory, live, plan, spec

PLAN = plan(catalog(spec("a")), inventory())
CREATE = PlanResult(PLAN, Path())
IDLE = RunReport("apply", Report(plan(catalog(spec("a")), inventory(live(spec("a")))), ()), {})


class SteppingClock:
    """A clock that moves ninety seconds at each look."""

    def __init__(self) -> None:
        self.now = NOW - timedelta(seconds=90)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=90)
        return self.now


def make(
    folder: Path,
    *also: str,
    command: str = "plan",
    form: ResultForm | ReviewForm = ResultForm.TEXT,
    metrics: str | None = None,
    **attrs: object,
) -> Outputs:
    """The outputs of a command for the manifests in a folder, checked."""
    parts = (one.partition("=") for one in also)
    copies = Copies(
        [f"{kind}={folder / file}" for kind, _, file in parts], metrics=folder / metrics if metrics else None
    )
    outputs = Outputs(command, form, copies, Origin(folder / "images", catalog="base", target="lab"), **attrs)  # type: ignore[arg-type]
    outputs.check()
    return outputs


def read_values(path: Path) -> dict[str, float]:
    """The values of a file of metrics, by name and labels without the prefix."""
    lines = (line for line in path.read_text().splitlines() if not line.startswith("#"))
    return {
        name.removeprefix("imagesync_"): float(value) for name, _, value in (line.rpartition(" ") for line in lines)
    }


def own(name: str, command: str = "plan", target: str = "lab") -> str:
    """The name of a metric with its labels."""
    return f'{name}{{catalog="base",target="{target}",command="{command}"}}'


def named(made: Plan, target: str = "lab") -> Plan:
    """The plan for a target of the manifest."""
    return replace(made, target_name=target)


# ---------------------------------------------------------------------------------------------------------- metrics


def test_metrics_have_the_times_of_this_command(tmp_path: Path) -> None:
    """It starts when the outputs are made, and ends when they are written."""
    outputs = make(tmp_path, metrics="x.prom", clock=SteppingClock())
    outputs.save(PlanResult(named(PLAN), Path()))
    values, ended = read_values(tmp_path / "x.prom"), outputs._clock() - timedelta(seconds=90)
    assert values[own("last_run_timestamp_seconds")] == ended.timestamp()
    assert values[own("last_success_timestamp_seconds")] == ended.timestamp()
    assert values[own("last_run_duration_seconds")] == (ended - NOW).total_seconds() > 0


def test_the_clock_of_metrics_is_that_of_the_host(tmp_path: Path) -> None:
    """In UTC."""
    before = datetime.now(UTC).timestamp()
    make(tmp_path, metrics="x.prom").save(PlanResult(named(PLAN), Path()))
    found = read_values(tmp_path / "x.prom")[own("last_run_timestamp_seconds")]
    assert before - 0.001 <= found <= datetime.now(UTC).timestamp()


def test_a_file_of_metrics_keeps_the_values_of_other_commands(tmp_path: Path) -> None:
    """Several runs use the same file; a value of this command is replaced."""
    for changed in (PLAN, IDLE.report.plan):
        make(tmp_path, metrics="x.prom").save(PlanResult(named(changed), Path()))
        make(tmp_path, command="drift", metrics="x.prom").fail(ImagesyncError("no answer"))
    values = read_values(tmp_path / "x.prom")
    assert values[own("last_run_success")] == 1
    assert values[own("last_run_success", "drift")] == 0
    assert values['pending_changes{catalog="base",target="lab",command="plan",action="create"}'] == 0


def test_after_a_failure_only_the_time_of_the_last_success_stays(tmp_path: Path) -> None:
    """A count of the run before would be wrong."""
    make(tmp_path, metrics="x.prom", clock=SteppingClock()).save(PlanResult(named(PLAN), Path()))
    good = read_values(tmp_path / "x.prom")
    make(tmp_path, metrics="x.prom").fail(ImagesyncError("no answer"))
    bad = read_values(tmp_path / "x.prom")
    assert bad[own("last_success_timestamp_seconds")] == good[own("last_success_timestamp_seconds")]
    assert bad[own("failures")] == 1
    assert not any(name.startswith(("pending_changes", "images")) for name in bad)


def test_each_target_of_a_run_of_several_has_its_metrics(tmp_path: Path) -> None:
    """Not only the last one; and another command keeps its own."""
    make(tmp_path, command="drift", metrics="x.prom").fail(ImagesyncError("no answer"))
    planned = tuple(PlannedTarget(name, named(PLAN, name)) for name in ("eu", "us", "ap"))
    make(tmp_path, metrics="x.prom").save(PlansResult("base", planned, {}))
    values = read_values(tmp_path / "x.prom")
    assert [values[own("last_run_success", target=one.target)] for one in planned] == [1, 1, 1]
    assert values[own("last_run_success", "drift")] == 0


@pytest.mark.parametrize("kind", ["missing", "link", "folder link", "text", "large", "no text"])
def test_an_earlier_file_that_is_no_file_of_metrics_is_replaced(tmp_path: Path, kind: str) -> None:
    """Nothing is read through a link; a huge file is not read whole."""
    path, other = tmp_path / "x.prom", tmp_path / "other"
    line = f"imagesync_{own('last_run_success', 'drift')} 0\n"
    other.write_text(line)
    match kind:
        case "link":
            path.symlink_to(other)
        case "folder link":
            path.symlink_to(tmp_path)
        case "text":
            path.write_text("a note\n")
        case "large":
            path.write_text("#" * (MAX_EARLIER_BYTES - 1) + "\n" + line)
        case "no text":
            path.write_bytes(b"\xff\x00" * 100)
    make(tmp_path, metrics="x.prom").save(PlanResult(named(PLAN), Path()))
    values = read_values(path)
    assert values[own("last_run_success")] == 1
    assert own("last_run_success", "drift") not in values
    assert other.read_text() == line
    assert not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_an_earlier_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    """A line that ends within it is kept."""
    assert MAX_EARLIER_BYTES == 2**20
    line = f"imagesync_{own('last_run_success', 'drift')} 0\n"
    (tmp_path / "x.prom").write_text("#" * (MAX_EARLIER_BYTES - len(line) - 1) + "\n" + line)
    make(tmp_path, metrics="x.prom").save(PlanResult(named(PLAN), Path()))
    assert read_values(tmp_path / "x.prom")[own("last_run_success", "drift")] == 0


def test_results_without_numbers_leave_the_file_of_metrics(tmp_path: Path) -> None:
    """An explanation and a merged report do not count as runs."""
    explained = ExplanationResult(Explanation("a", None, (), None), catalog(spec("a")), TARGET)
    for result in (MergedReport("base", ()), explained):
        assert make(tmp_path, metrics="x.prom").write(result) == []
        assert not (tmp_path / "x.prom").exists()


# ------------------------------------------------------------------------------------------------------------ files


def test_files_have_the_result_in_their_own_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each ends with one line break, is private, and the output has the format of the output."""
    outputs = make(tmp_path, "json=x.json", "markdown=x.md", "junit=x.xml", "html=x.html", "text=x.txt")
    outputs.publish(CREATE)
    texts = {path.suffix: path.read_text() for path in tmp_path.iterdir()}
    assert {suffix: text[:4] for suffix, text in texts.items()} == {
        ".json": "{\n  ",
        ".md": "<!--",
        ".xml": "<?xm",
        ".html": "<!DO",
        ".txt": "Cata",
    }
    assert all(text.endswith("\n") and not text.endswith("\n\n") for text in texts.values())
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert "1 to create" in capsys.readouterr().out


def test_save_prints_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A quiet command without a result that needs attention."""
    make(tmp_path, "text=x.txt").save(CREATE)
    assert tuple(capsys.readouterr()) == ("", "")
    assert "1 to create" in (tmp_path / "x.txt").read_text()


def test_only_a_file_has_the_refusals_of_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reader of the output gets them as an error on standard error."""
    make(tmp_path, "text=x.txt").publish(PlanResult(PLAN, Path(), ("too many",)))
    assert "Error: too many" in (tmp_path / "x.txt").read_text()
    assert "too many" not in capsys.readouterr().out


def test_a_file_has_no_colors_and_the_amount_of_the_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also if colors are asked for on the output."""
    make(tmp_path, "text=x.txt", color=True, detail=Detail.SUMMARY).publish(CREATE)
    text, out = (tmp_path / "x.txt").read_text(), capsys.readouterr().out
    assert "\x1b[" in out
    assert "\x1b" not in text
    whole = Outputs("plan", ResultForm.TEXT, Copies([f"text={tmp_path / 'y'}"]), Origin(tmp_path), detail=Detail.WHOLE)
    whole.check()
    whole.save(CREATE)
    assert len(text.splitlines()) < len((tmp_path / "y").read_text().splitlines())


def test_the_limit_of_markdown_counts_for_output_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an option it is that of the forges."""
    many = PlanResult(plan(catalog(*(spec(f"key-{number:03}") for number in range(400))), inventory()), Path())
    for limit, most in ((2_000, 2_000), (9_000, 9_000), (None, MAX_BYTES)):
        copies = Copies([f"markdown={tmp_path / 'x.md'}"], limit)
        outputs = Outputs("plan", ResultForm.MARKDOWN, copies, Origin(tmp_path), detail=Detail.WHOLE)
        outputs.check()
        outputs.publish(many)
        sizes = len(capsys.readouterr().out.encode()), (tmp_path / "x.md").stat().st_size
        assert all(most * 0.5 < size <= most + 1 for size in sizes), (limit, sizes)


def test_a_bad_file_prevents_no_other_and_the_output_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last problem is raised, and each other one is a line."""
    copies = Copies([f"{kind}=/dev/full" for kind in ("text", "json")] + [f"json={tmp_path / 'x'}"])
    copies = Copies(copies.also, metrics=Path("/dev/full"))
    outputs = Outputs("plan", ResultForm.TEXT, copies, Origin(tmp_path))
    outputs.check()
    with pytest.raises(ImagesyncError, match=r"^/dev/full cannot be written"):
        outputs.publish(CREATE)
    out, err = capsys.readouterr()
    assert "1 to create" in out
    assert err.count("imagesync: /dev/full cannot be written") == 2
    assert json.loads((tmp_path / "x").read_text())
    with pytest.raises(ImagesyncError, match=r"^/dev/full cannot be written"):
        outputs.save(CREATE)


@pytest.mark.parametrize(
    ("also", "metrics", "expected"), [((), None, False), (("json=x",), None, True), ((), "x.prom", True)]
)
def test_a_command_knows_whether_a_file_gets_its_result(
    tmp_path: Path, also: tuple[str, ...], metrics: str | None, expected: bool
) -> None:
    """Metrics count."""
    assert make(tmp_path, *also, metrics=metrics).has_files is expected


def test_every_file_is_checked_before_the_run(tmp_path: Path) -> None:
    """Two results in one file, a file that is read, a folder that does not exist: of any option."""
    source, x = tmp_path / "in.json", tmp_path / "x"
    wrong: list[tuple[Copies, list[Path | None]]] = [
        (Copies([f"json={x}"]), [x]),
        (Copies(metrics=x), [x]),
        (Copies(), [x, x]),
        (Copies([f"json={x}"], metrics=x), []),
        (Copies([f"json={x}", f"text={x}"]), []),
        (Copies([f"json={x}", f"text={source}"]), []),
        (Copies([f"json={source}"]), []),
        (Copies(metrics=source), []),
        (Copies(), [None, source]),
        (Copies([f"json={tmp_path / 'no' / 'x'}"]), []),
        (Copies(metrics=tmp_path / "no" / "x"), []),
    ]
    for copies, others in wrong:
        outputs = Outputs("plan", ResultForm.TEXT, copies, Origin(source))
        with pytest.raises(ImagesyncError):
            outputs.check(*others)
        outputs.fail(ImagesyncError("another"))
        assert list(tmp_path.iterdir()) == [], "an error is written to no file that was not checked"


def test_a_limit_without_markdown_and_a_wrong_format_are_refused() -> None:
    """When the outputs are made. Drift has no test report."""
    for form, copies in (
        (ResultForm.TEXT, Copies(max_bytes=5000)),
        (ReviewForm.TEXT, Copies(["junit=x"])),
        (ResultForm.TEXT, Copies(["yaml=x"])),
    ):
        with pytest.raises(UsageError):
            Outputs("plan", form, copies, Origin(Path()))
    assert Outputs("drift", ReviewForm.JSON, Copies(), Origin(Path())).form is ResultForm.JSON


# --------------------------------------------------------------------------------------------------------- failures


def test_an_error_before_the_result_replaces_each_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the names of catalog and target, as the result would have them. The text of the error is printed elsewhere."""

    def stop() -> None:
        with make(tmp_path, "json=x.json", "markdown=x.md", metrics="x.prom") as outputs:
            outputs.know("mine", None)
            outputs.know("mine", "here")
            raise ImagesyncError("no answer", "wait")

    for name in ("x.json", "x.md"):
        (tmp_path / name).write_text("earlier")
    with pytest.raises(ImagesyncError, match="no answer"):
        stop()
    document = json.loads((tmp_path / "x.json").read_text())
    assert (document["command"], document["errors"][0]["message"]) == ("plan", "no answer")
    assert (tmp_path / "x.md").read_text().startswith("<!-- imagesync mine here -->")
    assert 'success{catalog="mine",target="here",command="plan"} 0' in (tmp_path / "x.prom").read_text()
    assert tuple(capsys.readouterr()) == ("", "")


def test_an_error_of_a_command_for_several_targets_names_none(tmp_path: Path) -> None:
    """The marker is that of the result of several."""
    outputs = make(tmp_path, "markdown=x.md", metrics="x.prom")
    outputs.know_several("all")
    outputs.fail(ImagesyncError("no answer"))
    result = make(tmp_path, "markdown=y.md")
    result.save(PlansResult("all", (PlannedTarget("eu", named(PLAN, "eu")),), {}))
    first = [(tmp_path / name).read_text().partition("\n")[0] for name in ("x.md", "y.md")]
    assert first[0] == first[1]
    assert "all" in first[0]
    assert "lab" not in (tmp_path / "x.md").read_text()
    assert 'catalog="all",target=""' in (tmp_path / "x.prom").read_text()


def test_a_target_without_a_name_leaves_its_label_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never the word None."""
    monkeypatch.delenv("OS_CLOUD", raising=False)
    outputs = make(tmp_path, metrics="x.prom")
    outputs.know("mine", None)
    outputs.fail(ImagesyncError("no answer"))
    assert 'catalog="mine",target=""' in (tmp_path / "x.prom").read_text()


def test_an_error_after_the_result_leaves_it_in_its_files(tmp_path: Path) -> None:
    """For example a plan that the limits refuse: it is shown all the same."""

    def stop() -> None:
        with make(tmp_path, "json=x.json") as outputs:
            outputs.publish(CREATE)
            raise ImagesyncError("refused")

    with pytest.raises(ImagesyncError, match="refused"):
        stop()
    assert json.loads((tmp_path / "x.json").read_text())["steps"]


def test_an_interrupt_replaces_each_file_too(tmp_path: Path) -> None:
    """A pipeline must not post the comment of an earlier run."""

    def stop() -> None:
        with make(tmp_path, "json=x.json"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    (error,) = json.loads((tmp_path / "x.json").read_text())["errors"]
    assert error["message"] == "interrupted; nothing was changed"


def test_a_block_without_an_error_writes_nothing_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For example adopt with nothing to adopt."""
    with make(tmp_path, "json=x.json", form=ResultForm.JSON):
        pass
    assert list(tmp_path.iterdir()) == []
    assert tuple(capsys.readouterr()) == ("", "")


def test_a_file_that_cannot_take_the_error_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error itself stays the one that ends the command."""
    copies = Copies(["json=/dev/full", "text=/dev/full"], metrics=Path("/dev/full"))
    outputs = Outputs("plan", ResultForm.TEXT, copies, Origin(tmp_path))
    outputs.check()
    outputs.fail(ImagesyncError("no answer"))
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("imagesync: /dev/full cannot be written")]) == 3


@pytest.mark.parametrize("form", list(ResultForm))
def test_the_output_has_an_error_in_its_format_if_it_is_not_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: ResultForm
) -> None:
    """JSON has no names of catalog and target; the other formats have them for the reader."""
    make(tmp_path, form=form).fail(ImagesyncError("no answer"))
    out = capsys.readouterr().out
    assert ("no answer" in out) is (form is not ResultForm.TEXT)
    assert ("base" in out) is (form not in (ResultForm.TEXT, ResultForm.JSON))


def test_an_output_that_has_a_document_gets_no_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program reads one."""
    buffer = io.BytesIO()
    raw = io.TextIOWrapper(buffer, encoding="utf-8")  # to delete it would close the buffer
    stream = GuardedStream(raw)
    monkeypatch.setattr(sys, "stdout", stream)
    origin = Origin(Path(), catalog="base", target="lab")
    print_failure("plan", ResultForm.MARKDOWN, origin, ValueError("x"))
    stream.flush()
    first = buffer.getvalue()
    assert first.startswith(b"<!-- imagesync base lab -->")
    assert b"unexpected error" in first
    print_failure("plan", ResultForm.MARKDOWN, origin, ImagesyncError("no answer"))
    stream.flush()
    assert buffer.getvalue() == first


def test_the_printed_error_of_several_targets_names_none(capsys: pytest.CaptureFixture[str]) -> None:
    """As its file does."""
    origin = Origin(Path(), catalog="base", target="lab", is_several=True)
    print_failure("plan", ResultForm.MARKDOWN, origin, ImagesyncError("no answer"))
    out = capsys.readouterr().out
    assert "base" in out
    assert "lab" not in out


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (UsageError("wrong", "look"), "wrong", "look"),
        (Interrupted("interrupted before", signal.SIGTERM), "interrupted before", "run it again"),
        (KeyboardInterrupt(), "interrupted; nothing was changed", "run it again"),
        (typer.Abort(), "interrupted; nothing was changed", "run it again"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "cannot write the output: Broken pipe", "free some space"),
        (OSError(errno.ENOSPC, "No space left"), "cannot write the output: No space left", "free some space"),
        (OSError(errno.ENOSPC, "No space left", "file"), "imagesync met an unexpected error", "its log is named"),
        (ValueError("secret"), "imagesync met an unexpected error", "its log is named"),
    ],
)
def test_whatever_ends_a_command_has_a_message_for_users(error: BaseException, message: str, hint: str) -> None:
    """That of a bug is only in its log."""
    found = convert_error(error)
    assert found.message == message
    assert found.hint.startswith(hint)
    assert type(found) is (type(error) if isinstance(error, ImagesyncError) else ImagesyncError)


def test_the_last_of_several_problems_is_raised(capsys: pytest.CaptureFixture[str]) -> None:
    """Each other one is a line; without a problem nothing happens."""
    raise_last([])
    with pytest.raises(ImagesyncError, match="three"):
        raise_last([ImagesyncError("one\x1b"), ImagesyncError("two"), ImagesyncError("three")])
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[2][:4].strip() for line in lines] == ["one", "two"]
    assert "\x1b" not in "".join(lines)


# ------------------------------------------------------------------------------------------------------------ looks


def test_the_look_of_an_output(tmp_path: Path) -> None:
    """A pipe has no width and no colors, unless they are asked for."""
    outputs = make(tmp_path, clock=SteppingClock(), detail=Detail.WHOLE)
    look = outputs.make_look(io.StringIO())
    assert (look.paint, look.width, look.detail, look.max_bytes, look.is_file) == (
        leave_plain,
        None,
        Detail.WHOLE,
        MAX_BYTES,
        False,
    )
    assert look.now > NOW
    assert make(tmp_path, color=True).make_look(io.StringIO()).paint is paint_text


def test_outputs_are_opened_for_the_place_of_the_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names in an error: of the target, else of the cloud or store; none for several targets."""
    monkeypatch.delenv("OS_CLOUD", raising=False)
    (tmp_path / "a.yaml").write_text("catalog: base\ndefault_target: lab\n")

    def read(options: Options, **more: bool) -> str:
        copies = Copies([f"markdown={tmp_path / 'x.md'}"])
        outputs = open_outputs(
            "plan", ResultForm.TEXT, copies, tmp_path, options, color=True, detail=Detail.WHOLE, **more
        )
        assert (outputs.detail, outputs.make_look(io.StringIO()).paint) == (Detail.WHOLE, paint_text)
        outputs.check()
        outputs.fail(ImagesyncError("no answer"))
        return (tmp_path / "x.md").read_text().partition("\n")[0]

    assert read(Options()) == "<!-- imagesync base lab -->"
    assert read(Options(target="eu")) == "<!-- imagesync base eu -->"
    assert read(Options(cloud="west")) == "<!-- imagesync base west -->"
    assert "store-1" in read(Options(store=Path("store-1")))
    assert read(Options(target="eu"), is_several=True) == read(Options(), is_several=True)
    assert "eu" not in read(Options(target="eu"), is_several=True)
