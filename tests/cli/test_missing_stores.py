"""A store that does not exist: apply and adopt create it, and no other command does."""

import os
from pathlib import Path

import pytest

from tests import forked
from tests.command import Result, minimal_environment

MANIFEST = (
    "version: 1\ncatalog: c\ntargets: {lab: {store: lab}}\n"
    "images: {web: {name: web, disk_format: raw, container_format: bare, source: web.raw}}\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A manifest of one image."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    (tmp_path / "web.raw").write_bytes(b"\xf8" * 512)
    return tmp_path


def run(folder: Path, *words: str, code: int = 0) -> Result:
    """``imagesync WORDS``, not on a terminal."""
    return forked.run(*words, folder=folder, env=minimal_environment(), code=code)


@pytest.mark.parametrize("place", [("--store", "a store"), ("--target", "lab")])
def test_a_plan_for_a_missing_store_creates_nothing_and_can_be_applied(folder: Path, place: tuple[str, str]) -> None:
    """The plan is that for an empty store. A typo in the path is seen, and leaves nothing behind."""
    store = place[1]
    planned = run(folder, "plan", "m.yaml", *place, "-o", "p.json")
    quoted = f"'{store}'" if " " in store else store
    assert planned.stderr == f"Note: store {quoted} does not exist yet; apply creates it\n"
    assert "Plan: 1 to create" in planned.stdout
    assert sorted(os.listdir(folder)) == ["m.yaml", "p.json", "web.raw"]
    run(folder, "show", "p.json")
    run(folder, "validate", "m.yaml")
    assert not (folder / store).exists()
    assert f"Note: store {quoted} created\n" in run(folder, "apply", "p.json", "--yes").stderr
    assert "No changes." in run(folder, "plan", "m.yaml", *place).stdout
    assert "Note: store" not in run(folder, "apply", "m.yaml", *place, "--yes").stderr


def test_a_plan_for_a_missing_store_may_be_the_second_to_be_applied(folder: Path) -> None:
    """It relies on no image, and the project of a store is known only once the store exists."""
    (folder / "n.yaml").write_text(MANIFEST.replace("catalog: c", "catalog: d").replace("name: web", "name: other"))
    for name in ("m", "n"):
        run(folder, "plan", f"{name}.yaml", "--store", "s", "-o", f"{name}.json")
    for name in ("m", "n"):
        assert "1 created" in run(folder, "apply", f"{name}.json", "--yes").stdout
    assert "the plan is stale" in run(folder, "apply", "m.json", "--yes", code=1).stderr


def test_a_plan_for_an_existing_store_is_for_that_store_alone(folder: Path) -> None:
    """Another store, which a user creates in the same folder later, is another project."""
    run(folder, "adopt", "m.yaml", "--store", "s")
    run(folder, "plan", "m.yaml", "--store", "s", "-o", "p.json")
    (folder / "s").rename(folder / "old")
    assert "the plan was made for store" in run(folder, "apply", "p.json", "--yes", code=64).stderr


def test_adopt_creates_a_missing_store(folder: Path) -> None:
    """As apply does."""
    assert run(folder, "adopt", "m.yaml", "--store", "s").stderr == "Note: store s created\n"
    assert (folder / "s" / "store.db").exists()
    assert run(folder, "apply", "m.yaml", "--store", "t", "--yes", "-q").output == ""


@pytest.mark.parametrize(
    "words", [("rollback", "web", "m.yaml"), ("unlock", "m.yaml"), ("unlock", "p.json"), ("list",), ("export",)]
)
def test_other_commands_refuse_a_missing_store(folder: Path, words: tuple[str, ...]) -> None:
    """They need what is in it: the path is wrong."""
    run(folder, "plan", "m.yaml", "--store", "s", "-o", "p.json")
    refused = run(folder, *words, "--store", "s", code=64).stderr
    assert (
        refused == "imagesync: store s does not exist; check the path; only imagesync apply and adopt create a store\n"
    )
    assert not (folder / "s").exists()


@pytest.mark.parametrize("verb", ["plan", "apply", "unlock", "list"])
@pytest.mark.parametrize(("store", "rest"), [("web.raw", ""), ("web.raw/s/t", ": {folder}/web.raw")])
def test_a_file_in_place_of_a_store_is_refused(folder: Path, verb: str, store: str, rest: str) -> None:
    """Before anything is written; the message names the file."""
    words = ("list",) if verb == "list" else (verb, "m.yaml")
    refused = run(folder, *words, "--store", store, code=1).stderr
    assert f"store {folder}/{store}{rest.format(folder=folder)} is not a folder; pass the folder of a store" in refused
    assert sorted(os.listdir(folder)) == ["m.yaml", "web.raw"]
