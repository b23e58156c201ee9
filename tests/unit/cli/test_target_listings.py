"""The images of several targets: what each format has, notes, errors and exit codes; on stores, in this process."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagesync.backends import open_backend
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.listings import Query
from imagesync.cli.options import ListForm, Options
from imagesync.cli.target_listings import print_listings
from imagesync.cli.target_options import TargetChoice
from imagesync.errors import Bug, UsageError
from imagesync.model.listing import Selection
from tests.cli.several_stores import MANIFEST
from tests.unit.factories import live, spec
from tests.varied_images import record


class ListedTargets:
    """A working directory with a manifest of three stores; each has two images that no catalog owns, one is shared."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.write()
        for number, store in enumerate(("eu", "us", "ap")):
            with open_backend(store=folder / store) as backend:
                record(backend, name="One", min_ram=number)
                record(backend, name="Two", min_ram=10 + number, visibility="shared" if store == "us" else "private")

    def write(self, text: str = MANIFEST) -> None:
        """The manifest."""
        (self.folder / "m.yaml").write_text(text)

    def run(
        self, form: ListForm = ListForm.TEXT, *targets: str, options: Options | None = None, **attrs: Any
    ) -> tuple[ExitCode, str, str]:
        """The exit code, the output, and standard error."""
        chosen = TargetChoice(list(targets), all_targets=not targets)
        query = Query(form=form, **{"columns": "name,min_ram", **attrs})
        code = print_listings(query, Path("m.yaml"), options or Options(), chosen)
        return code, *self._capsys.readouterr()


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> ListedTargets:
    """All targets can be listed."""
    monkeypatch.chdir(tmp_path)
    return ListedTargets(tmp_path, capsys)


NOTE = "[us] 1 image is shared; to show the members, pass --members\n"


def test_each_target_has_its_table(listed: ListedTargets) -> None:
    """In the order of the manifest; a note has the label of its target."""
    assert listed.run() == (
        ExitCode.DONE,
        "Target eu (store eu)\nNAME  MIN_RAM\nOne         0\nTwo        10\n\n2 images: 2 not managed; 0 B.\n\n"
        "Target us (store us)\nNAME  MIN_RAM\nOne         1\nTwo        11\n\n2 images: 2 not managed; 0 B.\n\n"
        "Target ap (store ap)\nNAME  MIN_RAM\nOne         2\nTwo        12\n\n2 images: 2 not managed; 0 B.\n",
        NOTE,
    )
    assert listed.run(ListForm.TEXT, "ap", "eu", selection=Selection(names=["One"])) == (
        ExitCode.DONE,
        "Target eu (store eu)\nNAME  MIN_RAM\nOne         0\n\n1 image: 1 not managed; 0 B.\n\n"
        "Target ap (store ap)\nNAME  MIN_RAM\nOne         2\n\n1 image: 1 not managed; 0 B.\n",
        "",
    )


def test_documents_and_tables_for_programs(listed: ListedTargets) -> None:
    """Every target, with the chosen columns."""
    expected = {
        "catalog": "base",
        "targets": [
            {
                "target": store,
                "problems": [],
                "images": [{"name": "One", "min_ram": number}, {"name": "Two", "min_ram": 10 + number}],
            }
            for number, store in enumerate(("eu", "us", "ap"))
        ],
    }
    code, out, err = listed.run(ListForm.JSON)
    assert (code, json.loads(out), out[-3:], err) == (ExitCode.DONE, expected, "\n}\n", NOTE)
    code, out, err = listed.run(ListForm.YAML)
    assert (code, yaml.safe_load(out), out.endswith("\n\n"), err) == (ExitCode.DONE, expected, False, "")
    code, out, err = listed.run(ListForm.CSV)
    assert list(csv.reader(io.StringIO(out, newline="")))[:3] == [
        ["target", "name", "min_ram"],
        ["eu", "One", "0"],
        ["eu", "Two", "10"],
    ]
    assert (code, out.count("\r\n"), out.count("\n"), err) == (ExitCode.DONE, 7, 7, "")


def test_a_page_has_the_catalog_and_the_chosen_columns(listed: ListedTargets) -> None:
    """It ends with one line break."""
    with open_backend(store=listed.folder / "us") as backend:
        (image,) = (one for one in backend.images() if one.name == "One")
        backend.update_image(image, properties=dict(live(spec("a"), image.id).properties))
    code, page, err = listed.run(ListForm.HTML)
    assert (code, err) == (ExitCode.DONE, "")
    assert "<h1>Images of base</h1>" in page
    assert 'data-title="Min' in page
    assert page.endswith("</html>\n")
    assert not page.endswith("\n\n")
    assert 'data-title="Min' not in listed.run(ListForm.HTML, columns=None)[1]


def test_a_target_that_cannot_be_listed_fails_the_command(listed: ListedTargets) -> None:
    """The others are listed; the reason comes after the notes. The catalog has its name from one that was read."""
    listed.write(MANIFEST.replace("eu: {store: eu}", "eu: {store: '${none}'}"))
    code, out, err = listed.run(ListForm.JSON)
    assert code is ExitCode.FAILED
    document = json.loads(out)
    assert document["catalog"] == "base"
    assert [one["images"] is None for one in document["targets"]] == [True, False, False]
    assert err.startswith(f"{NOTE}imagesync: target eu: m.yaml:4:8: targets.eu.store: ")
    assert listed.run()[1].startswith("Target us (store us)\n")


def test_without_any_table_nothing_is_printed(listed: ListedTargets) -> None:
    """Not even an empty line; the last line is of standard error."""
    for store in ("eu", "us"):
        (listed.folder / store / "images.sqlite").unlink(missing_ok=True)
        (listed.folder / store).rename(listed.folder / f"{store}-2")
        (listed.folder / store).write_text("no folder")
    code, out, err = listed.run(ListForm.TEXT, "eu", "us")
    assert (code, out) == (ExitCode.FAILED, "")
    assert [line.partition(": ")[2][:9] for line in err.splitlines()] == ["target eu", "target us"]


def test_a_bug_ends_the_command_after_its_output(listed: ListedTargets, capsys: pytest.CaptureFixture[str]) -> None:
    """One log has all of them."""
    with pytest.raises(Bug) as caught:
        listed.run(options=Options(clouds_file=3))  # type: ignore[arg-type]
    assert str(caught.value).count("TypeError") == 3
    assert capsys.readouterr().err.count("imagesync: target ") == 3


@pytest.mark.parametrize(
    ("chosen", "word"), [(TargetChoice(all_targets=True), "--all-targets"), (TargetChoice(["eu", "us"]), "--target")]
)
def test_targets_need_a_manifest_and_no_image(listed: ListedTargets, chosen: TargetChoice, word: str) -> None:
    """The message has the option that was given."""
    with pytest.raises(UsageError) as caught:
        print_listings(Query(), None, Options(), chosen)
    assert str(caught.value) == f"{word} has no effect without --manifest; add --manifest PATH, or remove it"
    with pytest.raises(UsageError) as caught:
        print_listings(Query(word="a"), Path("m.yaml"), Options(), chosen)
    message = "IMAGE is an image of one target, but several are selected"
    assert str(caught.value) == f"{message}; pass one --target, or no IMAGE"
