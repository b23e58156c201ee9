"""``plan -o``, ``show`` and ``apply plan.json`` on the embedded store: what is shown is what is done, or nothing is."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from imagesync import open_backend
from imagesync.schemas import schema

Run = Callable[..., subprocess.CompletedProcess[str]]

IMAGES: dict[str, dict[str, Any]] = {
    "a": {"source": "a.raw", "min_ram": 1, "tags": ["x"], "properties": {"p": "1"}},
    "b": {"source": "b.raw", "status": "deactivated"},
    "c": {"source": "none", "properties": {"of": "${images.a.id}"}},
    "d": {"source": "b.raw", "visibility": "shared", "members": ["p1"]},
}


class Bench:
    """A catalogue, a store and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, folder / "store"
        (folder / "a.raw").write_bytes(b"a" * 1000)
        (folder / "b.raw").write_bytes(b"b" * 2000)
        self.write(IMAGES)

    def write(self, images: dict[str, dict[str, Any]], **more: Any) -> None:
        """The manifest."""
        defaults = {"disk_format": "raw", "container_format": "bare"}
        document = {"version": 1, "catalog": "base", "defaults": defaults, "images": images, **more}
        (self.folder / "base.yaml").write_text(json.dumps(document))

    def run(self, *words: str, code: int = 0, where: Path | None = None) -> subprocess.CompletedProcess[str]:
        """``imagesync WORDS`` beside the manifest."""
        command = [sys.executable, "-m", "imagesync", *words]
        env = {"PATH": "", "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=where or self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def plan(self, **more: Any) -> dict[str, Any]:
        """The plan saved as plan.json, and read."""
        self.run("plan", "--store", "store", "-o", "plan.json", **more)
        found: dict[str, Any] = json.loads((self.folder / "plan.json").read_text())
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Four images, nothing applied."""
    return Bench(tmp_path)


def test_a_saved_plan_is_applied_as_it_was_shown(bench: Bench) -> None:
    """The same text three times; afterwards nothing is left to do."""
    document = bench.plan()
    assert list(Draft202012Validator(schema("plan")).iter_errors(document)) == []
    shown = bench.run("show", "plan.json").stdout
    assert shown == bench.run("plan", "--store", "store").stdout
    told = bench.run("apply", "plan.json", "--yes").stdout
    assert told.startswith(shown)
    assert "Applied: 4 of 4 steps done." in told
    assert "No changes." in bench.run("plan", "--store", "store", "--detailed-exitcode").stdout


def test_every_kind_of_step_survives_being_saved(bench: Bench) -> None:
    """Update, replace with retirement, deactivate, reactivate, delete, member changes; then the next plan is empty."""
    bench.run("apply", "--yes", "--store", "store")
    (bench.folder / "a.raw").write_bytes(b"new" * 500)
    images = {
        "a": {**IMAGES["a"], "min_ram": 2, "tags": ["y"], "properties": {"q": "1"}},
        "b": {"source": "b.raw", "status": "active"},
        "d": {**IMAGES["d"], "members": ["p2"], "status": "deactivated"},
    }
    bench.write(images, policy={"on_replace": {"keep": 0}, "max_delete": "100%"})
    document = bench.plan()
    assert {step["action"] for step in document["steps"]} == {"create", "update", "deactivate", "reactivate", "delete"}
    assert bench.run("show", "plan.json", "--format", "json").stdout == (bench.folder / "plan.json").read_text()
    bench.run("apply", "plan.json", "--yes")
    assert "No changes." in bench.run("plan", "--store", "store", "--detailed-exitcode").stdout


def test_the_same_input_is_saved_as_the_same_bytes_wherever_the_checkout_lies(bench: Bench, tmp_path: Path) -> None:
    """Paths are relative to the manifest; nobody but the owner can read the file."""
    bench.plan()
    first = (bench.folder / "plan.json").read_bytes()
    assert (bench.folder / "plan.json").stat().st_mode & 0o777 == 0o600
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("a.raw", "b.raw", "base.yaml"):
        os.link(bench.folder / name, elsewhere / name)
    bench.run("plan", str(elsewhere), "--store", "store", "-o", str(elsewhere / "plan.json"))
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
        (lambda d: {**d, "steps": [{}]}, "does not fit its schema"),
        (lambda d: {**d, "extra": 1}, "does not fit its schema"),
        (lambda d: [d], "not a saved plan"),
        (lambda d: {}, "not a saved plan"),
    ],
)
def test_an_altered_file_is_refused(bench: Bench, change: Callable[[dict[str, Any]], object], expected: str) -> None:
    """Exit 64, nothing is done."""
    document = bench.plan()
    (bench.folder / "plan.json").write_text(json.dumps(change(document)))
    assert expected in bench.run("apply", "plan.json", "--yes", code=64).stderr
    assert expected in bench.run("show", "plan.json", code=64).stderr
    assert open_backend(store=bench.store).images() == []


def test_text_that_is_no_json_is_refused(bench: Bench) -> None:
    """So is a file that is not there."""
    (bench.folder / "plan.json").write_text("no json")
    assert "not a saved plan" in bench.run("apply", "plan.json", "--yes", code=64).stderr
    assert "cannot be read" in bench.run("show", "gone.json", code=64).stderr


def test_another_target_is_refused(bench: Bench) -> None:
    """By kind, place, region and project; exit 1."""
    bench.plan()
    told = bench.run("apply", "plan.json", "--yes", "--store", "other", code=1).stderr
    assert "the plan was made for store" in told
    assert open_backend(store=bench.folder / "other").images() == []


@pytest.mark.parametrize("change", ["field", "record", "gone", "made", "name taken"])
def test_a_changed_live_image_makes_the_plan_stale(bench: Bench, change: str) -> None:
    """Named with the field, before the first write; the other images are left as they were."""
    bench.run("apply", "--yes", "--store", "store")
    backend = open_backend(store=bench.store)
    bench.write({**IMAGES, "a": {**IMAGES["a"], "min_ram": 7}, "e": {"source": "none", "name": "E"}})
    bench.plan()
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
        bench.run("apply", "--yes", "--store", "store", "--only", "e")
    before = sorted((one.id, one.updated_at, one.min_ram) for one in backend.images())
    told = bench.run("apply", "plan.json", "--yes", code=1).stderr
    assert "the plan is stale" in told
    assert {"field": "min_ram", "record": "imagesync_digest", "gone": "gone"}.get(change, "e:") in told
    assert sorted((one.id, one.updated_at, one.min_ram) for one in backend.images()) == before


def test_an_unrelated_change_does_not(bench: Bench) -> None:
    """A field that the plan does not touch, and another image."""
    bench.run("apply", "--yes", "--store", "store")
    backend = open_backend(store=bench.store)
    bench.write({**IMAGES, "a": {**IMAGES["a"], "min_ram": 7}})
    bench.plan()
    image = next(one for one in backend.inventory("base") if one.properties["imagesync_key"] == "a")
    backend.update_image(image.id, properties={"somebody": "else"}, min_disk=3)
    backend.create_image(name="a")
    bench.run("apply", "plan.json", "--yes")
    assert backend.images(image.id)[0].min_ram == 7


def test_a_file_that_changed_since_fails_its_image_only(bench: Bench) -> None:
    """What is uploaded is what was planned."""
    bench.plan()
    (bench.folder / "a.raw").write_bytes(b"swapped" * 100)
    done = bench.run("apply", "plan.json", "--yes", code=1)
    assert "create:a" in done.stdout
    assert "sha256" in done.stdout
    live = {image.properties["imagesync_key"]: image for image in open_backend(store=bench.store).inventory("base")}
    assert set(live) == {"b", "d"}


def test_a_file_that_is_gone_applies_nothing(bench: Bench) -> None:
    """An error of the set."""
    bench.plan()
    (bench.folder / "a.raw").unlink()
    assert "images.a.source: a.raw: No such file" in bench.run("apply", "plan.json", "--yes", code=1).stderr
    assert open_backend(store=bench.store).images() == []


def test_a_url_with_a_secret_is_not_in_the_file_and_found_again_beside_it(bench: Bench) -> None:
    """Credentials and query stay out; the manifest beside the plan has them, or the plan is refused."""
    url = "http://user:hunter2@127.0.0.1:9/a.raw?X-Signature=hunter2"
    bench.write({"u": {"source": {"url": url, "checksum": "sha256:" + "0" * 64}}})
    bench.plan()
    assert "hunter2" not in (bench.folder / "plan.json").read_text()
    assert "hunter2" not in bench.run("show", "plan.json").stdout
    done = bench.run("apply", "plan.json", "--yes", code=1)
    assert "http://127.0.0.1:9/a.raw: no connection" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    bench.write({"u": {"source": {"url": url.replace("a.raw", "b.raw"), "checksum": "sha256:" + "0" * 64}}})
    assert "plan again" in bench.run("apply", "plan.json", "--yes", code=64).stderr
    (bench.folder / "base.yaml").unlink()
    assert "never holds" in bench.run("apply", "plan.json", "--yes", code=64).stderr


def test_results_for_other_programs(bench: Bench) -> None:
    """``--format json``, ``--ids``, ``--events`` and ``--out``."""
    done = bench.run(
        *("apply", "--yes", "--store", "store", "--format", "json"),
        *("--ids", "ids.json", "--events", "events.jsonl", "--out", "report.json"),
    )
    report = json.loads(done.stdout)
    assert report["succeeded"]
    assert report == json.loads((bench.folder / "report.json").read_text())
    ids = json.loads((bench.folder / "ids.json").read_text())
    assert ids == report["ids"]
    live = {image.properties["imagesync_key"]: image.id for image in open_backend(store=bench.store).inventory("base")}
    assert ids == live
    events = [json.loads(line) for line in (bench.folder / "events.jsonl").read_text().splitlines()]
    assert {event["event"] for event in events} >= {"started", "finished"}
    assert sum(event["event"] == "finished" for event in events) == 4
    bench.run("plan", "--store", "store", "--ids", "again.json")
    assert json.loads((bench.folder / "again.json").read_text()) == ids
    listed = json.loads(bench.run("list", "--store", "store", "--format", "json").stdout)
    assert {image["id"] for image in listed} == set(ids.values())
    one = json.loads(bench.run("list", ids["a"], "--store", "store").stdout)
    assert (one["min_ram"], one["tags"], one["os_hidden"], one["p"]) == (1, ["x"], False, "1")
    assert "base/a current" in bench.run("list", "--store", "store").stdout


def test_a_store_that_is_not_there_is_not_made_by_looking(bench: Bench) -> None:
    """``list`` of a mistyped folder is an error, not an empty answer."""
    assert "no store in nowhere" in bench.run("list", "--store", "nowhere", code=64).stderr
    assert not (bench.folder / "nowhere").exists()


def test_apply_asks_where_there_is_somebody_to_answer(bench: Bench) -> None:
    """Without a terminal and without --yes it refuses; nothing is done."""
    told = bench.run("apply", "--store", "store", code=64).stderr
    assert "pass --yes" in told
    assert open_backend(store=bench.store).images() == []


def test_colours_only_where_they_are_wanted(bench: Bench) -> None:
    """Not in a pipe, unless asked for."""
    assert "\x1b[" not in bench.run("plan", "--store", "store").stdout
    assert "\x1b[32m+\x1b[0m a" in bench.run("plan", "--store", "store", "--color").stdout


def test_limits_on_the_command_line(bench: Bench) -> None:
    """``--max-delete`` and ``--max-update`` take a count or per cent; what is neither is a usage error."""
    bench.run("apply", "--yes", "--store", "store")
    changed = {key: {**image, "min_ram": 9} for key, image in IMAGES.items()}
    bench.write(changed)
    told = bench.run("plan", "--store", "store", "--max-update", "50%", code=1).stderr
    assert "would update 4 of 4 owned images (100 %), the limit is 50 %; pass --max-update 4 to allow" in told
    assert "4 to update" in bench.run("plan", "--store", "store", "--max-update", "4").stdout
    assert "--max-update half" in bench.run("plan", "--store", "store", "--max-update", "half", code=64).stderr


@pytest.mark.parametrize(
    ("place", "why"), [("nowhere/r.json", "there is no folder nowhere"), ("folder", "it is a folder")]
)
def test_a_file_that_cannot_be_written_is_known_before_the_work(bench: Bench, place: str, why: str) -> None:
    """For the report and the ids of an apply, and for a plan."""
    (bench.folder / "folder").mkdir()
    for words in (("apply", "--yes", "--out", place), ("apply", "--yes", "--ids", place), ("plan", "-o", place)):
        done = bench.run(*words, "--store", "store", code=1)
        assert done.stderr.startswith(f"imagesync: {place} cannot be written: {why}; ")
        assert (done.stderr.count("\n"), done.stdout) == (1, "")
