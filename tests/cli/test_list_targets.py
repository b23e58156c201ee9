"""``imagesync targets``."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.command import Result, minimal_environment

IMAGE = "{source: gone.raw, disk_format: raw, container_format: bare}"
MANIFEST = f"""\
version: 1
catalog: base
values: {{region: eu}}
targets:
  west: {{cloud: "${{region}}-west"}}
  east: {{cloud: east, only: ["w*"]}}
  lab: {{store: store}}
default_target: east
images:
  web: {IMAGE}
  db: {IMAGE}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalog with three targets; its sources do not exist."""
    (tmp_path / "base.yaml").write_text(MANIFEST)
    return tmp_path


def run(folder: Path, *words: str, code: int = 0, cloud: str = "") -> Result:
    """``imagesync targets WORDS`` in the folder."""
    return forked.run(
        "targets", *words, folder=folder, env=minimal_environment(**({"OS_CLOUD": cloud} if cloud else {})), code=code
    )


def read(folder: Path, *words: str, cloud: str = "") -> Any:
    """Its JSON."""
    return json.loads(run(folder, "base.yaml", "--format", "json", *words, cloud=cloud).stdout)


def test_the_targets_are_in_the_order_of_the_manifest(folder: Path) -> None:
    """With their places and the number of their images; no source is read."""
    store = str(folder / "store")
    assert read(folder) == {
        "catalog": "base",
        "default": "east",
        "targets": [
            {"name": "west", "cloud": "eu-west", "store": None, "images": 2},
            {"name": "east", "cloud": "east", "store": None, "images": 1},
            {"name": "lab", "cloud": None, "store": store, "images": 2},
        ],
    }
    lines = run(folder, "base.yaml").stdout.splitlines()
    assert lines[0] == "Catalog base: 3 targets"
    assert [line.split() for line in lines[3:]] == [
        ["west", "cloud", "eu-west", "2"],
        ["east", "cloud", "east", "1", "default"],
        ["lab", "store", "store", "2"],
    ]


def test_values_of_the_command_line_count_and_the_environment_does_not(folder: Path) -> None:
    """The list is that of the manifest, whatever cloud is set for other work."""
    assert read(folder, "--set", "region=us")["targets"][0]["cloud"] == "us-west"
    assert read(folder, cloud="west") == read(folder)


def test_a_catalog_without_targets_says_how_to_name_a_place(folder: Path) -> None:
    """An empty list is a list: a matrix of it has no jobs."""
    (folder / "base.yaml").write_text(f"version: 1\ncatalog: base\nimages: {{web: {IMAGE}}}\n")
    assert read(folder) == {"catalog": "base", "default": None, "targets": []}
    assert "name a place with --cloud or --store" in run(folder, "base.yaml").stdout


def test_problems_of_every_target_are_reported(folder: Path) -> None:
    """Each once, with its place."""
    text = MANIFEST.replace('"w*"', '"nothing*"').replace("store: store", "store: '${nowhere}'")
    (folder / "base.yaml").write_text(text)
    errors = run(folder, "base.yaml", code=1).stderr
    assert "base.yaml:6:30: targets.east.only[0]: 'nothing*' matches no image" in errors
    assert errors.count("${nowhere}") == 1


def test_a_saved_plan_is_not_a_manifest(folder: Path) -> None:
    """The message says what prints it."""
    assert "imagesync show plan.json" in run(folder, "plan.json", code=64).stderr


def test_the_text_is_a_table_of_the_targets(tmp_path: Path) -> None:
    """Stores below the working directory are relative, others are not; each number is that of its target."""
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "here").mkdir()
    text = MANIFEST.replace(
        "lab: {store: store}", f"lab: {{store: store}}\n  far: {{store: '{elsewhere}', only: [db]}}"
    )
    (tmp_path / "here" / "base.yaml").write_text(text.replace("default_target: east", "default_target: far"))
    words = ("base.yaml", "--allow-outside")
    lines = run(tmp_path / "here", *words).stdout.splitlines()
    place = f"store {elsewhere}"
    width = len(place)
    assert lines == [
        "Catalog base: 4 targets",
        "",
        f"TARGET  {'PLACE':<{width}}  IMAGES",
        f"west    {'cloud eu-west':<{width}}       2",
        f"east    {'cloud east':<{width}}       1",
        f"lab     {'store store':<{width}}       2",
        f"far     {place}       1  default",
    ]
    assert read(tmp_path / "here", *words[1:])["targets"][3] == {
        "name": "far",
        "cloud": None,
        "store": str(elsewhere),
        "images": 1,
    }
    assert "lies outside the catalog's folder" in run(tmp_path / "here", "base.yaml", code=1).stderr


def test_without_a_default_no_target_is_marked(folder: Path) -> None:
    """Even if the manifest has only one of them, it is not chosen by itself."""
    text = MANIFEST.replace("default_target: east\n", "")
    for manifest in (text, text.replace('  east: {cloud: east, only: ["w*"]}\n  lab: {store: store}\n', "")):
        (folder / "base.yaml").write_text(manifest)
        assert read(folder)["default"] is None
        assert "default" not in run(folder, "base.yaml").stdout


def test_problems_of_all_targets_are_in_the_json(folder: Path) -> None:
    """In the order of the targets, and each with its place; the exit code is that of a failure."""
    text = MANIFEST.replace('"w*"', '"nothing*"').replace("store: store", "store: '${nowhere}'")
    (folder / "base.yaml").write_text(text)
    document = json.loads(run(folder, "base.yaml", "--format", "json", code=1).stdout)
    assert [(one["where"], one["line"]) for one in document["errors"]] == [
        ("targets.east.only[0]", 6),
        ("targets.lab.store", 7),
    ]
