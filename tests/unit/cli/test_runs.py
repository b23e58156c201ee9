"""What a command reports of its run."""

import json
import os
from pathlib import Path

import pytest

from imagesync.cli.interrupts import Interrupted
from imagesync.cli.options import Options
from imagesync.cli.origins import Origin
from imagesync.cli.outputs import Outputs
from imagesync.cli.result_options import Copies, ResultForm, Results
from imagesync.cli.runs import Run, make_unlock_command
from tests.unit.factories import catalog, inventory, plan, spec

TOKEN = "gAAAAABmabcdefghijklmnopqrstuvwxyz-_0123456789=="


@pytest.mark.parametrize(
    ("pair", "display"),
    [
        ("STREAM=noble", "STREAM=noble"),
        ("TOKEN=s3cr3t-Pa55", "TOKEN=VALUE"),
        (f"WHERE={TOKEN}", "WHERE=VALUE"),
        ("URL=https://user:s3cr3t@mirror.example/a", "URL=VALUE"),
        ("EMPTY=", "EMPTY="),
    ],
)
def test_the_unlock_command_contains_no_secret(pair: str, display: str) -> None:
    """Logs of pipelines keep it."""
    command = make_unlock_command(Path("images"), Options(cloud="eu", set_values=[pair]))
    assert command == f"imagesync unlock images --cloud eu --set {display}"


def test_a_second_signal_after_the_results_were_written_does_not_write_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program reads one document from the output."""
    ends = list[int]()
    monkeypatch.setattr(os, "_exit", ends.append)
    outputs = Outputs("apply", ResultForm.JSON, Copies(), Origin(tmp_path))
    run = Run(Results(ResultForm.JSON, tmp_path / "report.json"), outputs, yes=True)

    def stop() -> None:
        with run:
            run.hooks.show(plan(catalog(spec("a")), inventory()))
            raise Interrupted("interrupted")

    with pytest.raises(Interrupted):
        stop()
    assert json.loads((tmp_path / "report.json").read_text())["interrupted"]
    run._abandon()
    assert len(ends) == 1
    assert json.loads(capsys.readouterr().out)["interrupted"]
