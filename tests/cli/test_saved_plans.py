"""``plan -o``, ``show`` and ``apply plan.json`` on the embedded store: what is shown is what is done, or nothing is."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from imagesync.backends import open_backend
from imagesync.model.record import read
from imagesync.schemas import load_schema
from tests import command, forked
from tests.command import Result

IMAGES: dict[str, dict[str, Any]] = {
    "a": {"source": "a.raw", "min_ram": 1, "tags": ["x"], "properties": {"p": "1"}},
    "b": {"source": "b.raw", "status": "deactivated"},
    "c": {"source": "none", "properties": {"of": "${images.a.id}"}},
    "d": {"source": "b.raw", "visibility": "shared", "members": [{"id": "p1"}]},
}


class SavedPlanWorkspace:
    """A catalog, a store and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, folder / "store"
        (folder / "a.raw").write_bytes(b"\xe1" * 1000)
        (folder / "b.raw").write_bytes(b"\xe2" * 2000)
        self.write(IMAGES)

    def write(self, images: dict[str, dict[str, Any]], **more: Any) -> None:
        """The manifest."""
        defaults = {"disk_format": "raw", "container_format": "bare"}
        document = {"version": 1, "catalog": "base", "defaults": defaults, "images": images, **more}
        (self.folder / "base.yaml").write_text(json.dumps(document))

    def run(self, *words: str, code: int = 0, typed: str | None = None) -> Result:
        """``imagesync WORDS`` beside the manifest."""
        if typed is not None:
            return command.run(*words, folder=self.folder, code=code, typed=typed)
        return forked.run(*words, folder=self.folder, code=code)

    def plan(self, *words: str) -> dict[str, Any]:
        """The plan saved as plan.json, and read."""
        self.run("plan", "--store", "store", "-o", "plan.json", *words)
        found: dict[str, Any] = json.loads((self.folder / "plan.json").read_text())
        return found


@pytest.fixture
def workspace(tmp_path: Path) -> SavedPlanWorkspace:
    """Four images, nothing applied."""
    return SavedPlanWorkspace(tmp_path)


def test_a_saved_plan_is_applied_as_it_was_shown(workspace: SavedPlanWorkspace) -> None:
    """The same text three times; afterwards nothing is left to do."""
    document = workspace.plan()
    assert list(Draft202012Validator(load_schema("plan")).iter_errors(document)) == []
    display = workspace.run("show", "plan.json").stdout
    assert display == workspace.run("plan", "--store", "store").stdout
    output = workspace.run("apply", "plan.json", "--yes").stdout
    assert output.startswith(display)
    assert "Applied: 4 created." in output
    assert "No changes." in workspace.run("plan", "--store", "store", "--detailed-exitcode").stdout


def test_every_kind_of_step_survives_being_saved(workspace: SavedPlanWorkspace) -> None:
    """Update, replace with retirement, deactivate, reactivate, delete, member changes; then the next plan is empty."""
    workspace.run("apply", "--yes", "--store", "store")
    (workspace.folder / "a.raw").write_bytes(b"ne\0" * 500)
    images = {
        "a": {**IMAGES["a"], "min_ram": 2, "tags": ["y"], "properties": {"q": "1"}},
        "b": {"source": "b.raw", "status": "active"},
        "d": {**IMAGES["d"], "members": [{"id": "p2"}], "status": "deactivated"},
    }
    workspace.write(images, policy={"on_replace": {"keep": 0}, "max_delete": "100%"})
    document = workspace.plan()
    assert {step["action"] for step in document["steps"]} == {"create", "update", "deactivate", "reactivate", "delete"}
    assert workspace.run("show", "plan.json", "--format", "json").stdout == (workspace.folder / "plan.json").read_text()
    workspace.run("apply", "plan.json", "--yes")
    assert "No changes." in workspace.run("plan", "--store", "store", "--detailed-exitcode").stdout


def test_the_same_input_is_saved_as_the_same_bytes_wherever_the_checkout_lies(
    workspace: SavedPlanWorkspace, tmp_path: Path
) -> None:
    """Paths are relative to the manifest; only the owner can read the file."""
    workspace.plan()
    first = (workspace.folder / "plan.json").read_bytes()
    assert (workspace.folder / "plan.json").stat().st_mode & 0o777 == 0o600
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("a.raw", "b.raw", "base.yaml"):
        os.link(workspace.folder / name, elsewhere / name)
    workspace.run("plan", str(elsewhere), "--store", "store", "-o", str(elsewhere / "plan.json"))
    assert (elsewhere / "plan.json").read_bytes() == first


def altered(document: dict[str, Any]) -> dict[str, Any]:
    """One field of one step changed by hand."""
    document["steps"][0]["document"]["fields"]["visibility"] = "public"
    return document


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (altered, "altered after it was made"),
        (lambda d: {**d, "format_version": 2}, "format_version 2"),
        (lambda d: {**d, "steps": [{}]}, "does not match the schema"),
        (lambda d: {**d, "extra": 1}, "does not match the schema"),
        (lambda d: [d], "not a saved plan"),
        (lambda d: {}, "not a saved plan"),
    ],
)
def test_an_altered_file_is_refused(
    workspace: SavedPlanWorkspace, change: Callable[[dict[str, Any]], object], expected: str
) -> None:
    """Exit 64; nothing is changed."""
    document = workspace.plan()
    (workspace.folder / "plan.json").write_text(json.dumps(change(document)))
    assert expected in workspace.run("apply", "plan.json", "--yes", code=64).stderr
    assert expected in workspace.run("show", "plan.json", code=64).stderr
    assert open_backend(store=workspace.store).images() == []


def test_text_that_is_no_json_is_refused(workspace: SavedPlanWorkspace) -> None:
    """A missing file is refused, too."""
    (workspace.folder / "plan.json").write_text("no json")
    assert "not a saved plan" in workspace.run("apply", "plan.json", "--yes", code=64).stderr
    assert "cannot be read" in workspace.run("show", "gone.json", code=64).stderr


def test_another_target_is_refused(workspace: SavedPlanWorkspace) -> None:
    """By kind, place, region and project."""
    workspace.plan()
    output = workspace.run("apply", "plan.json", "--yes", "--store", "other", code=64).stderr
    assert "the plan was made for store" in output
    assert open_backend(store=workspace.folder / "other").images() == []


@pytest.mark.parametrize("change", ["field", "record", "gone", "made", "name taken"])
def test_a_changed_live_image_makes_the_plan_stale(workspace: SavedPlanWorkspace, change: str) -> None:
    """Named with the field, before the first write; the other images are left as they were."""
    workspace.run("apply", "--yes", "--store", "store")
    backend = open_backend(store=workspace.store)
    workspace.write({**IMAGES, "a": {**IMAGES["a"], "min_ram": 7}, "e": {"source": "none", "name": "E"}})
    workspace.plan()
    image = next(one for one in backend.inventory("base") if one.properties["imagesync_key"] == "a")
    if change == "field":
        backend.update_image(image.id, min_ram=3)
    elif change == "record":
        backend.update_image(image.id, properties={"imagesync_digest": ""})
    elif change == "gone":
        backend.delete_image(image.id)
    elif change == "name taken":
        backend.create_image(name="E")
    else:
        workspace.run("apply", "--yes", "--store", "store", "--only", "e")
    before = sorted((one.id, one.updated_at, one.min_ram) for one in backend.images())
    output = workspace.run("apply", "plan.json", "--yes", code=1).stderr
    assert "the plan is stale" in output
    assert {"field": "min_ram", "record": "imagesync_digest", "gone": "was deleted"}.get(change, "e:") in output
    assert sorted((one.id, one.updated_at, one.min_ram) for one in backend.images()) == before


def test_an_unrelated_change_does_not(workspace: SavedPlanWorkspace) -> None:
    """A field that the plan does not touch, and another image."""
    workspace.run("apply", "--yes", "--store", "store")
    backend = open_backend(store=workspace.store)
    workspace.write({**IMAGES, "a": {**IMAGES["a"], "min_ram": 7}})
    workspace.plan()
    image = next(one for one in backend.inventory("base") if one.properties["imagesync_key"] == "a")
    backend.update_image(image.id, properties={"somebody": "else"}, min_disk=3)
    backend.create_image(name="a")
    workspace.run("apply", "plan.json", "--yes")
    assert backend.images(image.id)[0].min_ram == 7


def test_a_file_that_changed_since_fails_its_image_only(workspace: SavedPlanWorkspace) -> None:
    """Apply uploads only the planned data."""
    workspace.plan()
    (workspace.folder / "a.raw").write_bytes(b"swappe\0" * 100)
    done = workspace.run("apply", "plan.json", "--yes", code=1)
    assert "create:a" in done.stdout
    assert "sha256" in done.stdout
    live = {image.properties["imagesync_key"]: image for image in open_backend(store=workspace.store).inventory("base")}
    assert set(live) == {"b", "d"}


def test_a_missing_plan_file_applies_nothing(workspace: SavedPlanWorkspace) -> None:
    """It is an error of the whole run."""
    workspace.plan()
    (workspace.folder / "a.raw").unlink()
    assert "images.a.source: a.raw: No such file" in workspace.run("apply", "plan.json", "--yes", code=1).stderr
    assert open_backend(store=workspace.store).images() == []


def test_a_url_with_a_secret_is_not_in_the_file_and_found_again_beside_it(workspace: SavedPlanWorkspace) -> None:
    """Credentials and query stay out; the manifest beside the plan has them, or the plan is refused."""
    url = "http://user:hunter2@127.0.0.1:9/a.raw?X-Signature=hunter2"
    workspace.write({"u": {"source": {"url": url, "checksum": "sha256:" + "0" * 64}}})
    workspace.plan("--no-source-check")
    assert "hunter2" not in (workspace.folder / "plan.json").read_text()
    assert "hunter2" not in workspace.run("show", "plan.json").stdout
    done = workspace.run("apply", "plan.json", "--yes", code=1)
    assert "http://127.0.0.1:9/a.raw: no connection" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    workspace.write({"u": {"source": {"url": url.replace("a.raw", "b.raw"), "checksum": "sha256:" + "0" * 64}}})
    assert "plan again" in workspace.run("apply", "plan.json", "--yes", code=64).stderr
    (workspace.folder / "base.yaml").unlink()
    assert "never contains" in workspace.run("apply", "plan.json", "--yes", code=64).stderr


def test_results_for_other_programs(workspace: SavedPlanWorkspace) -> None:
    """``--format json``, ``--ids``, ``--events`` and ``--out``."""
    done = workspace.run(
        *("apply", "--yes", "--store", "store", "--format", "json"),
        *("--ids", "ids.json", "--events", "events.jsonl", "--out", "report.json"),
    )
    report = json.loads(done.stdout)
    assert report["succeeded"]
    assert report == json.loads((workspace.folder / "report.json").read_text())
    ids = json.loads((workspace.folder / "ids.json").read_text())
    assert ids == report["ids"]
    live = {
        image.properties["imagesync_key"]: image.id for image in open_backend(store=workspace.store).inventory("base")
    }
    assert ids == live
    events = [json.loads(line) for line in (workspace.folder / "events.jsonl").read_text().splitlines()]
    assert {event["event"] for event in events} >= {"started", "finished"}
    assert sum(event["event"] == "finished" for event in events) == 4
    workspace.run("plan", "--store", "store", "--ids", "again.json")
    assert json.loads((workspace.folder / "again.json").read_text()) == ids
    listed = json.loads(workspace.run("list", "--store", "store", "--format", "json").stdout)
    assert {image["id"] for image in listed} == set(ids.values())
    one = json.loads(workspace.run("list", ids["a"], "--store", "store", "--format", "json").stdout)
    assert (one["min_ram"], one["tags"], one["os_hidden"], one["p"]) == (1, ["x"], False, "1")
    assert "base/a current" in workspace.run("list", "--store", "store").stdout


def test_apply_asks_only_on_a_terminal(workspace: SavedPlanWorkspace) -> None:
    """Without a terminal and without --yes it refuses; nothing is done."""
    output = workspace.run("apply", "--store", "store", code=64).stderr
    assert "pass --yes" in output
    assert open_backend(store=workspace.store).images() == []


@pytest.mark.parametrize(("typed", "code", "number"), [("y\n", 0, 4), ("n\n", 1, 0)])
def test_apply_does_what_is_answered_on_the_terminal(
    workspace: SavedPlanWorkspace, typed: str, code: int, number: int
) -> None:
    """It applies all steps, or nothing."""
    assert (
        "Apply 4 steps to store store? [y/N]"
        in workspace.run("apply", "--store", "store", code=code, typed=typed).stderr
    )
    assert len(open_backend(store=workspace.store).inventory("base")) == number


def test_colours_only_where_they_are_wanted(workspace: SavedPlanWorkspace) -> None:
    """Not in a pipe, unless --color is given."""
    assert "\x1b[" not in workspace.run("plan", "--store", "store").stdout
    assert "\x1b[32m+\x1b[0m a" in workspace.run("plan", "--store", "store", "--color").stdout


def test_limits_on_the_command_line(workspace: SavedPlanWorkspace) -> None:
    """``--max-delete`` and ``--max-update`` take a number or a percentage; what is neither is a usage error."""
    workspace.run("apply", "--yes", "--store", "store")
    changed = {key: {**image, "min_ram": 9} for key, image in IMAGES.items()}
    workspace.write(changed)
    output = workspace.run("plan", "--store", "store", "--max-update", "50%", code=1).stderr
    assert (
        "the plan would update 4 of 4 live images (100 %); the limit is 50 %; pass --max-update 4 to allow it" in output
    )
    assert "4 to update" in workspace.run("plan", "--store", "store", "--max-update", "4").stdout
    for words in (("--max-update", "101%"), ("--max-delete", "200%")):
        output = workspace.run("plan", "--store", "store", *words, code=64).stderr
        assert f"{' '.join(words)}: more than 100 %; write {words[0]} 100%" in output
    assert "4 to update" in workspace.run("plan", "--store", "store", "--max-update", "101").stdout
    assert "--max-update half" in workspace.run("plan", "--store", "store", "--max-update", "half", code=64).stderr


def test_a_plan_beyond_the_limits_is_shown_and_not_saved(workspace: SavedPlanWorkspace) -> None:
    """A file of an earlier plan stays, and no file with ids is written."""
    workspace.run("apply", "--yes", "--store", "store")
    workspace.plan()
    before = (workspace.folder / "plan.json").read_bytes()
    workspace.write({key: {**image, "min_ram": 9} for key, image in IMAGES.items()})
    words = ("plan", "--store", "store", "--max-update", "1", "--ids", "ids.json", "-o")
    for name in ("plan.json", "new.json"):
        assert "4 to update" in workspace.run(*words, name, code=1).stdout
    assert (workspace.folder / "plan.json").read_bytes() == before
    assert not {"new.json", "ids.json"} & set(os.listdir(workspace.folder))


@pytest.mark.parametrize(
    ("place", "why"), [("nowhere/r.json", "the folder nowhere does not exist"), ("folder", "it is a folder")]
)
def test_a_file_that_cannot_be_written_is_known_before_the_work(
    workspace: SavedPlanWorkspace, place: str, why: str
) -> None:
    """For the report and the ids of an apply, and for a plan."""
    (workspace.folder / "folder").mkdir()
    for words in (("apply", "--yes", "--out", place), ("apply", "--yes", "--ids", place), ("plan", "-o", place)):
        done = workspace.run(*words, "--store", "store", code=1)
        assert done.stderr.startswith(f"imagesync: {place} cannot be written: {why}; ")
        assert (done.stderr.count("\n"), done.stdout) == (1, "")


def test_the_closing_line_says_that_nothing_was_left_to_do(tmp_path: Path) -> None:
    """The source turned out to have the bytes of the image: a plan was shown, and nothing of it remained."""
    data = bytes(range(256)) * 10
    (tmp_path / "a.raw").write_bytes(data)
    for algorithm in ("sha1", "sha384"):
        source = {"path": "a.raw", "checksum": f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"}
        image = {"source": source, "disk_format": "raw", "container_format": "bare"}
        (tmp_path / "base.yaml").write_text(json.dumps({"version": 1, "catalog": "base", "images": {"a": image}}))
        done = forked.run("apply", "base.yaml", "--store", "s", "--yes", folder=tmp_path)
        with open_backend(store=tmp_path / "s") as backend:
            (found,) = backend.inventory("base")
            record = read(found)
            assert record is not None
            left = replace(record, digests=tuple(one for one in record.digests if one.algorithm == algorithm))
            backend.update_image(found.id, properties=left.properties(found.id))
    assert "replace  2.5 KiB from a.raw  compared first" in done.stdout
    assert done.stdout.endswith("\nApplied: nothing left to do.\n")
    assert f"a: image {found.id} already holds the bytes of the source; its digests are recorded" in done.stderr
