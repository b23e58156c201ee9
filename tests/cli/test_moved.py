"""``moved`` with the command: the plan, the saved plan and the report, on the embedded store."""

import json
from pathlib import Path

import pytest

from imagesync.backends import open_backend
from tests import forked
from tests.samples import spell

BEFORE = """\
version: 1
catalog: base
default_target: lab
targets: {lab: {store: store}}
defaults: {disk_format: raw, container_format: bare}
images:
  noble: {name: Ubuntu, source: two.raw}
  other: {source: one.raw}
"""
AFTER = BEFORE.replace("noble: {", "ubuntu: {moved: {from: noble}, ")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two builds of one key were published, then the manifest gives it a new key."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.raw").write_bytes(spell(name) * 250)
    for text in (BEFORE.replace("two.raw", "one.raw"), BEFORE):
        (tmp_path / "m.yaml").write_text(text)
        forked.run("apply", "--yes", folder=tmp_path)
    (tmp_path / "m.yaml").write_text(AFTER)
    return tmp_path


def read_keys(folder: Path) -> dict[str, str]:
    """The key of each owned image, by its id."""
    backend = open_backend(store=folder / "store")
    return {image.id: image.properties["imagesync_key"] for image in backend.inventory("base")}


@pytest.mark.parametrize("is_saved", [False, True])
def test_the_images_of_a_former_key_get_the_new_key(folder: Path, *, is_saved: bool) -> None:
    """Ids and data stay; the next plan is empty, also after the line left the manifest."""
    before = read_keys(folder)
    planned = forked.run("plan", "-o", "plan.json", folder=folder).stdout
    assert "  ~ ubuntu  move  from noble, 2 images with their ids\n" in planned
    assert planned.endswith("Plan: 1 to move; 1 unchanged.\n")
    applied = forked.run("apply", *(["plan.json"] if is_saved else []), "--yes", folder=folder).stdout
    assert applied.endswith("Applied: 1 moved.\n")
    assert read_keys(folder) == {key: "ubuntu" if old == "noble" else old for key, old in before.items()}
    for text in (AFTER, AFTER.replace("moved: {from: noble}, ", "")):
        (folder / "m.yaml").write_text(text)
        assert "No changes. 2 images match the manifest." in forked.run("plan", folder=folder).stdout


def test_a_move_and_a_new_build_are_one_plan(folder: Path) -> None:
    """The old build retires under the new key, and a rollback finds it."""
    (folder / "three.raw").write_bytes(spell("three") * 250)
    (folder / "m.yaml").write_text(AFTER.replace("two.raw", "three.raw"))
    output = forked.run("apply", "--yes", folder=folder).stdout
    assert "Plan: 1 to move, 1 to replace" in output
    assert "Applied: 1 moved, 1 replaced." in output
    assert set(read_keys(folder).values()) == {"ubuntu", "other"}
    assert "1 replaced" in forked.run("rollback", "ubuntu", "--yes", folder=folder).stdout


def test_a_rollback_before_the_move_is_refused(folder: Path) -> None:
    """It names what to do first, and changes nothing."""
    before = read_keys(folder)
    error = forked.run("rollback", "ubuntu", "--yes", folder=folder, code=1).stderr
    assert "images.ubuntu: its images still have the key noble; run apply first, which moves them" in error
    assert read_keys(folder) == before


def test_machine_formats_count_the_move(folder: Path) -> None:
    """The saved plan names both keys; its summary and the report count one key."""
    forked.run("plan", "-o", "plan.json", folder=folder)
    document = json.loads((folder / "plan.json").read_text())
    assert (document["moved"], document["summary"]["move"]) == ({"noble": "ubuntu"}, 1)
    assert {step["reason"] for step in document["steps"]} == {"moved"}
    report = json.loads(forked.run("apply", "--yes", "--format", "json", folder=folder).stdout)
    assert report["succeeded"] is True
    assert {result["step"].split(":")[0] for result in report["results"]} == {"move"}
