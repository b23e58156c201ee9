"""``validate`` with ``--target`` and ``--all-targets``: which targets it checks."""

import json
import shlex
from pathlib import Path

import pytest

from tests.forked import run

MANIFEST = """\
version: 1
catalog: base
default_target: eu
targets:
  eu: {store: eu}
  us: {store: us, images: {b: {name: '${big}'}}}
  ap: {store: ap, only: [a]}
images: {a: {source: none}, b: {source: none}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A manifest with three targets; one has a problem."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    return tmp_path


def test_only_the_given_targets_are_checked_in_the_order_of_the_manifest(folder: Path) -> None:
    """The problem of another target is not reported."""
    words = ("validate", "--target", "ap", "--target", "eu")
    assert run(*words, folder=folder).stdout == (
        "Catalog base on target eu: 2 images, no problems.\nCatalog base on target ap: 1 image, no problems.\n"
    )
    catalogs = json.loads(run(*words, "--format", "json", folder=folder).stdout)["catalogs"]
    assert [(one["target"], one["images"]) for one in catalogs] == [("eu", 2), ("ap", 1)]
    done = run("validate", "--target", "us", "--target", "eu", folder=folder, code=1)
    assert "images.b.name: ${big} is not defined (on target us)" in done.stderr


@pytest.mark.parametrize("text", [MANIFEST, MANIFEST.replace("${big}", "B"), "version: 1\ncatalog: base\nimages: {}\n"])
def test_all_targets_is_what_validate_does_without_options(folder: Path, text: str) -> None:
    """With a problem, without one, and without targets."""
    (folder / "m.yaml").write_text(text)
    code = int("big" in text)
    assert run("validate", "--all-targets", folder=folder, code=code) == run("validate", folder=folder, code=code)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--all-targets", "--target", "eu"), "--target and --all-targets exclude each other"),
        (("--target", "eu", "--target", "eu"), "--target eu is given twice"),
        (("--target", "us", "--target", "uss"), "there is no target 'uss'; did you mean us?"),
    ],
)
def test_wrong_targets_are_refused(folder: Path, words: tuple[str, ...], message: str) -> None:
    """Before any target is checked: the second one is missing, the first one has a problem."""
    assert message in run("validate", *words, folder=folder, code=64).stderr


def test_the_command_that_lists_all_problems_has_every_target(folder: Path) -> None:
    """GitHub shows ten of them."""
    images = "".join(f"    i{number}: {{source: none, min_disk: '${{no}}'}}\n" for number in range(12))
    (folder / "m.yaml").write_text(f"{MANIFEST.rpartition('images: ')[0]}images:\n{images}")
    words = ("--target", "eu", "--target", "ap")
    last = run("validate", *words, "--format", "github", folder=folder, code=1).stdout.splitlines()[-1]
    command = shlex.split(last.partition("list all with: imagesync ")[2])
    assert command == ["validate", ".", *words]
