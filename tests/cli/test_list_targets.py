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
