"""The drift of several targets: commands, outputs, files and exit codes; on stores, in this process."""

import json
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends import open_backend
from imagesync.cli.drifts import format_remedy, print_drift_of_targets, say_errors
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.fleet_options import FleetOptions
from imagesync.cli.options import Options
from imagesync.cli.origins import Origin
from imagesync.cli.outputs import Outputs
from imagesync.cli.result_options import Copies, ResultForm
from imagesync.cli.target_options import TargetChoice
from imagesync.errors import Bug, Diagnostic, ImagesyncError, ManifestError
from imagesync.model.catalog import Visibility
from imagesync.model.drift import Remedy
from imagesync.targets.each import Answers
from tests.cli.several_stores import MANIFEST
from tests.unit.factories import live, spec
from tests.varied_images import record


class DriftFolder:
    """A working directory with a manifest of three stores; a and b are as they were applied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "m.yaml").write_text(MANIFEST)
        for store in ("eu", "us", "ap"):
            with open_backend(store=folder / store) as backend:
                fields_of_a = {"min_ram": 64 if store == "ap" else 512, "tags": ["lts"]}
                every: dict[str, dict[str, Any]] = {"a": fields_of_a, "b": {}}
                for key, fields in every.items():
                    if store != "ap" or key == "a":
                        image = record(backend, name=key, visibility="private" if key == "a" else "public", **fields)
                        seen = Visibility.PRIVATE if key == "a" else Visibility.PUBLIC
                        tags = frozenset(fields.get("tags", ()))
                        wanted = spec(key, tags=tags, min_ram=fields.get("min_ram", 0), visibility=seen)
                        backend.update_image(image, properties=dict(live(wanted, image.id).properties))

    def alter(self, store: str, name: str, /, **fields: Any) -> None:
        """Change an image as another user would."""
        with open_backend(store=self.folder / store) as backend:
            (image,) = (one for one in backend.images() if one.name == name)
            backend.update_image(image, **fields)

    def run(
        self, *targets: str, form: ResultForm = ResultForm.TEXT, is_quiet: bool = False, options: Options | None = None
    ) -> ExitCode:
        """Print the drift of these targets, or of all."""
        outputs = Outputs("drift", form, Copies([f"json={self.folder / 'also'}"]), Origin(Path("m.yaml")))
        outputs.check()
        chosen = TargetChoice(list(targets), all_targets=not targets)
        arguments = (Path("m.yaml"), options or Options(), chosen, outputs)
        return print_drift_of_targets(*arguments, is_quiet=is_quiet, fleet=FleetOptions())

    def read(self) -> Any:
        """The file."""
        return json.loads((self.folder / "also").read_text())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DriftFolder:
    """No drift."""
    monkeypatch.chdir(tmp_path)
    return DriftFolder(tmp_path)


@pytest.mark.parametrize(
    ("remedy", "word"),
    [(Remedy.DRIFT_ONLY, " --drift-only"), (Remedy.REACTIVATE, " --reactivate"), (Remedy.APPLY, ""), (Remedy.NONE, "")],
)
def test_the_command_that_restores_values(remedy: Remedy, word: str) -> None:
    """With the place and the values of the options, or with the targets that need it."""
    options = Options(cloud="eu", set_values=["a=b c"], only=["k*"])
    command = "imagesync apply images --cloud eu --set 'a=b c' --only 'k*'"
    assert format_remedy(Path("images"), options, remedy) == command + word
    of_targets = format_remedy(Path("m"), Options(set_values=["a=b"]), remedy, ["us", "my eu"])
    assert of_targets == f"imagesync apply m --set a=b --target us --target 'my eu'{word}"


def test_no_drift_is_printed_unless_the_command_is_quiet(
    folder: DriftFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """A document always; the files are always written."""
    assert folder.run() is ExitCode.DONE
    out, err = capsys.readouterr()
    assert out.startswith("eu, us, ap: no drift\n")
    assert err == ""
    assert [one["target"] for one in folder.read()["targets"]] == ["eu", "us", "ap"]
    (folder.folder / "also").unlink()
    assert folder.run(is_quiet=True) is ExitCode.DONE
    assert tuple(capsys.readouterr()) == ("", "")
    assert [one["drift"]["checked"] for one in folder.read()["targets"]] == [2, 2, 1]
    assert folder.run(is_quiet=True, form=ResultForm.JSON) is ExitCode.DONE
    assert json.loads(capsys.readouterr().out) == folder.read()


@pytest.mark.parametrize("is_quiet", [False, True])
def test_drift_of_any_target_is_printed(
    folder: DriftFolder, capsys: pytest.CaptureFixture[str], is_quiet: bool
) -> None:
    """Also of the last one only; the command names the targets that need it."""
    folder.alter("ap", "a", min_ram=65)
    folder.alter("us", "b", name="other")
    assert folder.run(is_quiet=is_quiet, options=Options(allow_outside=True)) is ExitCode.CHANGES
    out, err = capsys.readouterr()
    assert out.endswith("3 targets: 2 with drift (us, ap), 1 without drift.\n")
    assert "  imagesync apply m.yaml --allow-outside --target us --target ap --drift-only\n" in out
    assert "    min_ram: was 64, is now 65\n" in out
    assert err == ""
    assert [len(one["drift"]["drift"]) for one in folder.read()["targets"]] == [0, 1, 1]
    assert folder.run("eu", "ap", is_quiet=is_quiet) is ExitCode.CHANGES
    assert folder.run("us", "eu", options=Options(only=["a"])) is ExitCode.DONE


def test_a_target_that_cannot_be_checked_counts_more_than_drift(
    folder: DriftFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the text it is there already; beside a document it is a line. Its store is not created."""
    (folder.folder / "m.yaml").write_text(MANIFEST.replace("eu: {store: eu}", "eu: {store: none}"))
    folder.alter("us", "a", min_ram=1)
    assert folder.run(is_quiet=True) is ExitCode.FAILED
    out, err = capsys.readouterr()
    assert "eu: cannot be checked\nError: store none does not exist" in out
    assert "min_ram: was 512, is now 1" in out
    assert err == ""
    assert folder.run(form=ResultForm.JSON) is ExitCode.FAILED
    out, err = capsys.readouterr()
    assert [one["drift"] is None for one in json.loads(out)["targets"]] == [True, False, False]
    assert err.startswith("imagesync: target eu: store none does not exist")
    assert not (folder.folder / "none").exists()
    assert folder.run("eu", "ap", is_quiet=True) is ExitCode.FAILED


def test_the_name_of_the_catalog_is_that_of_a_target_that_has_one(
    folder: DriftFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Although the first one has a problem."""
    (folder.folder / "m.yaml").write_text(MANIFEST.replace("eu: {store: eu}", "eu: {store: '${none}'}"))
    folder.run(form=ResultForm.JSON)
    assert json.loads(capsys.readouterr().out)["catalog"] == "base"


def test_targets_without_a_result_are_named_with_each_problem(capsys: pytest.CaptureFixture[str]) -> None:
    """In printable characters."""
    first, second = (Diagnostic("m.yaml", 3, number, "", f"wrong {number}\x1b", "") for number in (1, 2))
    answers: dict[str, object] = {"eu": 1, "u\x1b": ManifestError([first, second]), "ap": ImagesyncError("no", "wait")}
    say_errors(Answers(answers))
    assert capsys.readouterr().err.splitlines() == [
        "imagesync: target u\\x1b: m.yaml:3:1: wrong 1\\x1b",
        "imagesync: target u\\x1b: m.yaml:3:2: wrong 2\\x1b",
        "imagesync: target ap: no; wait",
    ]


def test_a_bug_ends_the_command_after_its_output(folder: DriftFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """A log has all of them."""
    with pytest.raises(Bug) as caught:
        folder.run(options=Options(clouds_file=3))  # type: ignore[arg-type]
    assert str(caught.value).count("TypeError") == 3
    assert "3 with errors" in capsys.readouterr().out
