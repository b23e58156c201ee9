"""``list`` of several targets: what each format has, and how it ends."""

import csv
import io
import json
from pathlib import Path

import pytest
import yaml

from tests.cli.several_stores import SeveralStores
from tests.page_reader import read_safe_page

EVERY = ("list", "--manifest", "m.yaml", "--all-targets")


@pytest.fixture
def stores(tmp_path: Path) -> SeveralStores:
    """Everything is applied."""
    return SeveralStores(tmp_path)


def test_the_text_has_a_table_for_each_target(stores: SeveralStores) -> None:
    """In the order of the manifest, with drift; the options that select images select on all of them."""
    stores.alter("us", "a", min_ram=1)
    parts = stores.run(*EVERY).stdout.split("\n\nTarget ")
    assert [part.splitlines()[0].removeprefix("Target ") for part in parts] == [
        "eu (store eu)",
        "us (store us)",
        "ap (store ap)",
    ]
    assert [part.count("base/") for part in parts] == [2, 2, 1]
    assert [part.count(" 1 value ") for part in parts] == [0, 1, 0]
    assert parts[1].endswith("1 image drifted.")
    text = stores.run(*EVERY, "--key", "b").stdout
    assert text.count("base/b current") == 2
    assert text.endswith("Target ap (store ap)\nNo images.\n")
    text = stores.run(
        "list", "--manifest", "m.yaml", "--target", "ap", "--target", "us", "--columns", "name,min_ram"
    ).stdout
    assert text.startswith("Target us (store us)\nNAME  MIN_RAM\na           1\nb           0\n\n")


def test_documents_have_the_images_of_each_target(stores: SeveralStores) -> None:
    """Whole, or only some columns."""
    document = json.loads(stores.run(*EVERY, "--format", "json").stdout)
    assert document["catalog"] == "base"
    found = {one["target"]: [image["id"] for image in one["images"]] for one in document["targets"]}
    assert found == {
        "eu": [stores.find("eu", "a").id, stores.find("eu", "b").id],
        "us": [stores.find("us", "a").id, stores.find("us", "b").id],
        "ap": [stores.find("ap", "a").id],
    }
    words = (*EVERY, "--columns", "key,min_ram")
    document = json.loads(stores.run(*words, "--format", "json").stdout)
    assert document["targets"][2] == {"target": "ap", "problems": [], "images": [{"key": "a", "min_ram": 64}]}
    assert yaml.safe_load(stores.run(*words, "--format", "yaml").stdout) == document


def test_the_first_column_of_csv_is_the_target(stores: SeveralStores) -> None:
    """One line of names for all."""
    text = stores.run(*EVERY, "--format", "csv", "--columns", "key,visibility").stdout
    assert list(csv.reader(io.StringIO(text))) == [
        ["target", "key", "visibility"],
        ["eu", "a", "private"],
        ["eu", "b", "public"],
        ["us", "a", "private"],
        ["us", "b", "public"],
        ["ap", "a", "private"],
    ]


def test_a_page_has_a_section_for_each_target(stores: SeveralStores) -> None:
    """Also for one that could not be listed, without the reason, which is for the operator."""
    stores.add_lost()
    done = stores.run(*EVERY, "--format", "html", code=1)
    page = read_safe_page(done.stdout).text
    assert "Images of base" in page
    assert "5 images on 3 targets" in page
    at = [page.index(f"Target {name}") for name in ("eu (store eu)", "lost", "us (store us)", "ap (store ap)")]
    assert at == sorted(at)
    assert page.count("The images of this target could not be listed.") == 1
    assert "gone" not in page
    assert stores.find("ap", "a").id in page[at[3] :]
    assert "cloud gone is not defined" in done.stderr


def test_a_target_that_cannot_be_listed_exits_1_and_hides_no_other(stores: SeveralStores) -> None:
    """It is named at the end; in a document it has problems and no list."""
    stores.add_lost()
    for form in ("text", "csv", "json"):
        done = stores.run(*EVERY, "--format", form, code=1)
        assert stores.find("ap", "a").id in done.stdout
        assert done.stderr.startswith(
            "imagesync: target lost: m.yaml:5:10: targets.lost.cloud: cloud gone is not defined"
        )
    lost = json.loads(done.stdout)["targets"][1]
    assert (lost["target"], lost["images"], len(lost["problems"])) == ("lost", None, 1)
    words = ("list", "--manifest", "m.yaml", "--target", "lost", "--target", "us")
    (stores.folder / "us").rename(stores.folder / "elsewhere")
    (stores.folder / "us").write_text("no folder")
    assert stores.run(*words, code=1).stdout == ""


def test_a_note_names_its_target(stores: SeveralStores) -> None:
    """On standard error."""
    stores.alter("us", "a", visibility="shared")
    notes = stores.run(*EVERY).stderr
    assert notes == "[us] 1 image is shared; to show the members, pass --members\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--all-targets"], "--all-targets has no effect without --manifest"),
        (["--target", "eu", "--target", "us"], "--target has no effect without --manifest"),
        (["--manifest", "m.yaml", "--all-targets", "a"], "IMAGE is an image of one target, but several are selected"),
        (["--manifest", "m.yaml", "--all-targets", "--target", "eu"], "--target and --all-targets exclude each other"),
        (["--manifest", "m.yaml", "--all-targets", "--store", "eu"], "--all-targets and --store exclude each other"),
        (
            ["--manifest", "m.yaml", "--parallel-targets", "2"],
            "--parallel-targets has no effect on a run of one target",
        ),
        (["--manifest", "m.yaml", "--target", "eu", "--target", "no"], "there is no target 'no'"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(stores: SeveralStores, words: list[str], message: str) -> None:
    """With exit code 64."""
    assert message in stores.run("list", *words, code=64).stderr


def test_one_image_of_one_target_is_shown_as_before(stores: SeveralStores) -> None:
    """Although the manifest has several."""
    assert stores.find("us", "a").id in stores.run("list", "a", "--manifest", "m.yaml", "--target", "us").stdout
