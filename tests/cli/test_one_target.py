"""plan, apply, drift, validate and report merge on stores: every line of their outputs, and which files they write."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends import open_backend
from imagesync.lease.record import USUAL
from imagesync.lease.taking import hold
from tests import forked
from tests.command import Result

MANIFEST = """\
version: 1
catalog: base
policy: {max_delete: 1, max_update: 5}
defaults: {disk_format: raw, container_format: bare}
default_target: lab
targets:
  lab: {store: lab}
  us: {store: us, only: [a]}
images:
  a: {source: a.raw, min_ram: 1}
  b: {source: b.raw, name: "B [b]x"}
  c: {source: none}
"""
PLAN = """\
Catalog base on target lab (store lab): 3 images declared, 0 owned

  + a  create  1000 B from a.raw
      visibility  private
      format      raw in bare, min_ram 1 MB
  + b  create  B [b]x, 2.0 KiB from b.raw
      visibility  private
      format      raw in bare
  + c  create  an image without data
      visibility  private
      format      raw in bare

Plan: 3 to create; 0 unchanged. 2.9 KiB to upload.
"""
CHANGED = """\
Catalog base on target lab (store lab): 2 images declared, 3 owned

  ~ a  update
      min_ram  1 → 2
  - c  delete  no data  not in the manifest
      image  ID

Plan: 1 to update, 1 to delete; 1 unchanged.
"""
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class StoreFolder:
    """A folder with a manifest of two stores and three images."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "a.raw").write_bytes(b"\xf8" * 1000)
        (folder / "b.raw").write_bytes(b"\xf9" * 2000)
        (folder / "m.yaml").write_text(MANIFEST)

    def run(self, *words: str, code: int = 0) -> Result:
        """``imagesync WORDS``."""
        return forked.run(*words, folder=self.folder, code=code)

    def show(self, *words: str, code: int = 0) -> str:
        """Its output, without ids."""
        return _ID.sub("ID", self.run(*words, code=code).stdout)

    def change(self) -> None:
        """The manifest has another value, and a key less."""
        text = MANIFEST.replace("min_ram: 1", "min_ram: 2").replace("  c: {source: none}\n", "")
        (self.folder / "m.yaml").write_text(text)

    def read(self, name: str) -> Any:
        """A JSON file."""
        return json.loads((self.folder / name).read_text())

    def files(self) -> set[str]:
        """The JSON files of the folder."""
        return {path.name for path in self.folder.glob("*.json")}


@pytest.fixture
def place(tmp_path: Path) -> StoreFolder:
    """Nothing is applied."""
    return StoreFolder(tmp_path)


def test_a_plan_is_printed_and_saved_with_the_ids_that_stay(place: StoreFolder) -> None:
    """Nothing is created. The exit code counts changes only if it is asked to."""
    words = ("plan", "-o", "plan.json", "--ids", "ids.json")
    done = place.run(*words, "--detailed-exitcode", code=2)
    assert (done.stdout, done.stderr) == (PLAN, "Note: store lab does not exist yet; apply creates it\n")
    assert place.read("ids.json") == {}
    assert [step["id"] for step in place.read("plan.json")["steps"]] == ["create:a", "create:b", "create:c"]
    assert place.read("plan.json")["manifest"]["base"] == "."
    assert not (place.folder / "lab").exists()
    place.run(*words)
    place.run("apply", "--yes")
    same = "Catalog base on target lab (store lab): 3 images declared, 3 owned\n\nNo changes. 3 images match the manifest.\n"
    done = place.run(*words, "--detailed-exitcode")
    assert (done.stdout, done.stderr) == (same, "")
    assert set(place.read("ids.json")) == {"a", "b", "c"}


def test_the_json_of_a_plan_is_its_file(place: StoreFolder) -> None:
    """With the paths from the folder of the file; without one from the working directory."""
    (place.folder / "sub").mkdir()
    text = place.run("plan", "-o", "sub/plan.json", "--format", "json").stdout
    assert text == (place.folder / "sub/plan.json").read_text()
    assert json.loads(text)["manifest"]["base"] == ".."
    assert json.loads(place.run("plan", "--format", "json").stdout)["manifest"]["base"] == "."


def test_a_refused_plan_is_printed_and_not_saved(place: StoreFolder) -> None:
    """The reason is the error; with a limit that permits it the plan is saved, with the ids of what stays."""
    place.run("apply", "--yes")
    place.change()
    words = ("plan", "-o", "plan.json", "--ids", "ids.json", "--also", "text=x.txt", "--detailed-exitcode")
    done = place.run(*words, "--max-update", "0", code=1)
    reason = "the plan would update 1 of 3 live images (33 %); the limit is 0; pass --max-update 1 to allow it"
    assert (_ID.sub("ID", done.stdout), done.stderr) == (CHANGED, f"imagesync: {reason}\n")
    assert place.files() == set()
    assert (place.folder / "x.txt").read_text() == done.stdout + f"Error: {reason}\n"
    done = place.run(*words, "--quiet", code=2)
    assert (_ID.sub("ID", done.stdout), done.stderr) == (CHANGED, "")
    assert place.files() == {"plan.json", "ids.json"}
    assert set(place.read("ids.json")) == {"a", "b"}
    assert (place.folder / "x.txt").read_text() == done.stdout


def test_an_apply_prints_its_plan_and_what_it_did(place: StoreFolder) -> None:
    """The steps are on standard error. A quiet one with --yes prints nothing, but writes its files."""
    done = place.run("apply", "--yes", "-o", "report.json", "--ids", "ids.json")
    assert done.stdout == f"{PLAN}Applied: 3 created. 2.9 KiB uploaded.\n"
    first, *steps = done.stderr.splitlines()
    assert first == "Note: store lab created"
    assert sorted(steps) == [f"done        create:{key}" for key in "abc"]
    assert place.read("report.json")["succeeded"] is True
    assert place.read("report.json")["ids"] == place.read("ids.json")
    place.change()
    done = place.run("apply", "--yes", "--quiet", "-o", "report.json", "--ids", "ids.json")
    assert done.output == ""
    assert {one["outcome"] for one in place.read("report.json")["results"]} == {"done"}
    assert len(place.read("report.json")["results"]) == 2
    assert set(place.read("ids.json")) == {"a", "b"}
    message = "--detail has no effect, because --quiet with --yes prints no plan; remove --detail"
    assert place.run("apply", "--yes", "--quiet", "--detail", code=64).stderr == f"imagesync: {message}\n"
    same = "Catalog base on target lab (store lab): 2 images declared, 2 owned\n\nNo changes. 2 images match the manifest.\n"
    assert place.show("apply", "--yes") == same


def test_a_saved_plan_is_applied_at_the_place_of_the_options(place: StoreFolder) -> None:
    """If it is the same; its limits are those of the command line."""
    place.run("plan", "-o", "plan.json")
    done = place.run("apply", "plan.json", "--yes", "--store", "us", code=64)
    message = (
        "--store us: the plan was made for target lab (store lab); make a plan for that place, or remove the option"
    )
    assert done.stderr == f"imagesync: {message}\n"
    message = "--set has no effect on this saved plan, because no manifest is read; remove it"
    assert place.run("apply", "plan.json", "--yes", "--set", "a=b", code=64).stderr == f"imagesync: {message}\n"
    assert place.show("apply", "plan.json", "--yes", "--store", "lab").endswith(
        "Applied: 3 created. 2.9 KiB uploaded.\n"
    )
    place.change()
    place.run("plan", "-o", "plan.json")
    done = place.run("apply", "plan.json", "--yes", "--max-update", "0", code=1)
    assert "the limit is 0" in done.stderr
    assert place.show("apply", "plan.json", "--yes", "--target", "lab").endswith("Applied: 1 updated, 1 deleted.\n")


def test_a_plan_says_which_run_may_change_what_it_shows(place: StoreFolder) -> None:
    """Only if there are changes, and the command is not quiet."""
    place.run("apply", "--yes")
    with (
        open_backend(store=place.folder / "lab") as backend,
        hold(backend, "base", timeout=0, times=USUAL, unlock="", warn=print),
    ):
        assert place.run("plan").stderr == ""
        place.change()
        first, second, third = place.run("plan", "m.yaml").stderr.splitlines()
        assert re.fullmatch(r"Note: the lease of catalog base is held by .+, last sign of life \S+\.", first)
        assert second == "That run may change what this plan shows. Its uploads are shown as unfinished."
        assert third == "If that run is dead, break its lease: imagesync unlock m.yaml"
        assert place.run("plan", "--quiet").stderr == ""
        assert "held by" not in place.run("plan", "--target", "us").stderr


def test_drift_of_one_store_is_printed_with_its_command(place: StoreFolder) -> None:
    """A quiet command prints only drift."""
    place.run("apply", "--yes")
    assert place.show("drift") == "Catalog base on target lab (store lab): no drift; 3 images checked\n"
    assert place.run("drift", "--quiet", "--also", "json=drift.json").output == ""
    assert place.read("drift.json")["checked"] == 3
    with open_backend(store=place.folder / "lab") as backend:
        (image,) = (one for one in backend.images() if one.name == "a")
        backend.update_image(image, min_ram=7)
    done = place.run("drift", "m.yaml", "--target", "lab", "--quiet", code=2)
    assert re.sub(r"\(.* ago\)|\(just now\)|[0-9-]{10} [0-9:]{5} UTC ", "", _ID.sub("ID", done.stdout)) == (
        "Catalog base on target lab (store lab): drift: 1 value changed on 1 image; 3 images checked\n\n"
        "a: image ID\n    last update of the image: \n    min_ram: was 1, is now 7\n\n"
        "Restore 1 value, and change nothing else:\n  imagesync apply m.yaml --target lab --drift-only\n"
    )
    assert done.stderr == ""
    document = json.loads(place.run("drift", "--format", "json", code=2).stdout)
    assert (document["catalog"], document["target"]["label"]) == ("base", "lab")


def test_validate_names_each_target_with_its_images(place: StoreFolder) -> None:
    """As text and as JSON; a quiet one prints nothing."""
    lines = ["Catalog base on target lab: 3 images, no problems.", "Catalog base on target us: 1 image, no problems."]
    assert place.show("validate").splitlines() == lines
    assert place.show("validate", "--target", "us").splitlines() == lines[1:]
    assert place.run("validate", "--quiet").output == ""
    counts = (("lab", 3), ("us", 1))
    catalogs = [{"catalog": "base", "images": number, "notes": [], "target": name} for name, number in counts]
    document = json.loads(place.run("validate", "--format", "json", "--quiet").stdout)
    assert document == {"catalogs": catalogs, "problems": [], "warnings": []}
    (place.folder / "m.yaml").write_text(MANIFEST.partition("default_target")[0] + "images: {a: {source: none}}\n")
    assert place.show("validate") == "Catalog base: 1 image, no problems.\n"
    (place.folder / "m.yaml").write_text(MANIFEST.replace("min_ram: 1", "min_rma: 1"))
    document = json.loads(place.run("validate", "--format", "json", code=1).stdout)
    assert ([one["where"] for one in document["problems"]], document["warnings"]) == (["images.a.min_rma"], [])
    assert "catalogs" not in document
    assert place.run("validate", "--format", "json", code=1).stderr == ""


def test_validate_prints_its_notes_once(place: StoreFolder) -> None:
    """For all targets together; in JSON each target has its own."""
    url = "{url: 'https://h.example/x.raw'}"
    text = MANIFEST.replace("source: b.raw", f"source: {url}").replace("source: none", f"source: {url}")
    (place.folder / "m.yaml").write_text(text.replace("only: [a]", "only: [a, b]"))
    notes = [
        f"{key}: the URL has no checksum: imagesync does not notice a new build, and damaged data is not detected"
        for key in "bc"
    ]
    document = json.loads(place.run("validate", "--format", "json").stdout)
    assert [one["notes"] for one in document["catalogs"]] == [notes, notes[:1]]
    assert place.show("validate").splitlines() == [
        *(f"Note: {note}" for note in notes),
        "Catalog base on target lab: 3 images, no problems.",
        "Catalog base on target us: 2 images, no problems.",
    ]


def test_reports_of_two_targets_are_merged(place: StoreFolder) -> None:
    """Each target once; the exit code is that of all."""
    place.run("apply", "--yes", "-o", "lab.json")
    place.run("apply", "--target", "us", "--yes", "-o", "us.json")
    done = place.run("report", "merge", "us.json", "lab.json", "-o", "all.json", "--also", "json=copy.json")
    assert (done.stdout, done.stderr) == (
        "us:\n  Steps: 1 done. 1000 B uploaded.\nlab:\n  Steps: 3 done. 2.9 KiB uploaded.\n2 targets: 2 done.\n",
        "",
    )
    assert place.read("all.json") == place.read("copy.json")
    assert [one["target"] for one in place.read("all.json")["targets"]] == ["us", "lab"]
    assert place.run("report", "merge", "us.json", "lab.json", "--quiet").output == ""
    done = place.run("report", "merge", "us.json", "lab.json", "us.json", code=64)
    assert done.stderr == "imagesync: target us is in us.json and in us.json; name each report once\n"
    assert (
        json.loads(place.run("report", "merge", "lab.json", "--format", "json").stdout)["targets"][0]["target"] == "lab"
    )
