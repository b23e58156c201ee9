"""``export`` and ``adopt`` on the embedded store: files, questions, output and exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagesync.backends import open_backend
from tests import forked
from tests.command import Result
from tests.varied_images import filled, record


class ExportWorkspace:
    """A folder with a store, and the command run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.backend = open_backend(store=folder / "store")

    def run(self, *words: str, code: int = 0) -> Result:
        """``imagesync WORDS --store store``."""
        return forked.run(*words, "--store", "store", folder=self.folder, code=code)

    def write(self, **images: Any) -> None:
        """The manifest base.yaml."""
        plain = {"disk_format": "raw", "container_format": "bare"}
        document = {"version": 1, "catalog": "base", "defaults": plain, "images": images}
        (self.folder / "base.yaml").write_text(json.dumps(document))


@pytest.fixture
def workspace(tmp_path: Path) -> ExportWorkspace:
    """An empty store."""
    return ExportWorkspace(tmp_path)


def test_a_store_becomes_a_catalog_and_nothing_moves(workspace: ExportWorkspace) -> None:
    """Export into a folder, adopt, plan: empty; the same export again is the same text."""
    image = filled(workspace.backend, name="Old: 1", tags=["t"])
    assert workspace.run("export", "-o", "images/").stderr == "1 image written to images/exported.yaml\n"
    text = (workspace.folder / "images/exported.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=")
    assert f"{image.id} as it is" in workspace.run("adopt", "images", "--yes").stdout
    assert "No changes. 1 image matches" in workspace.run("plan", "images").stdout
    assert workspace.run("adopt", "images", "--yes").stdout == "Nothing to adopt.\n"
    assert workspace.run("export", "--managed").stdout == text


def test_adopt_prints_asks_and_reports_what_it_cannot_adopt(workspace: ExportWorkspace) -> None:
    """Without a terminal and --yes nothing is done; the report has the ids."""
    image = filled(workspace.backend, name="Old")
    workspace.write(old={"name": "Old", "min_ram": 5}, new={"name": "New"})
    done = workspace.run("adopt", "base.yaml", code=64)
    assert "Note: new: not adopted: no visible image is named 'New'" in done.stdout
    assert "min_ram  0 → 5" in done.stdout
    assert "pass --yes" in done.stderr
    assert workspace.backend.images(image.id) == [image]
    report = json.loads(workspace.run("adopt", "base.yaml", "--yes", "--format", "json").stdout)
    assert (report["succeeded"], report["ids"]) == (True, {"old": image.id})
    assert workspace.backend.images(image.id)[0].min_ram == 5


def test_adopt_is_refused_where_the_name_says_too_little(workspace: ExportWorkspace) -> None:
    """The error lists the ids."""
    one, two = record(workspace.backend, name="twin"), record(workspace.backend, name="twin")
    workspace.write(twin={})
    output = workspace.run("adopt", "base.yaml", "--yes", code=1).stderr
    assert f"adopt: ID ({', '.join(sorted((one.id, two.id)))})" in output


def test_adopt_looks_at_no_key_beyond_only(workspace: ExportWorkspace) -> None:
    """The other keys stay as they are."""
    for name in ("a", "b"):
        record(workspace.backend, name=name)
    workspace.write(a={}, b={})
    workspace.run("adopt", "base.yaml", "--yes", "--only", "a")
    assert [image.name for image in workspace.backend.inventory("base")] == ["a"]


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["export", "--catalog", "no key"], "--catalog no key: not a valid name"),
        (["export", "--owner", "x", "--all-owners"], "pass one of them"),
        (["export", "-o", "nowhere/x.yaml"], "cannot be written"),
        (["adopt", "base.yaml", "--drift-only"], "--drift-only"),
        (["adopt", "plan.json"], "plan.json is a saved plan; apply it with: imagesync apply plan.json"),
    ],
)
def test_wrong_words_are_one_line(workspace: ExportWorkspace, words: list[str], texts: str) -> None:
    """With the remedy, before anything is done."""
    workspace.write(a={})
    done = workspace.run(*words, code=1 if "nowhere/x.yaml" in words else 64)
    assert texts in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_empty_project_gives_an_empty_manifest(workspace: ExportWorkspace) -> None:
    """The manifest is valid."""
    text = workspace.run("export").stdout
    assert yaml.safe_load(text) == {"version": 1, "catalog": "exported", "images": {}}


def test_a_list_has_members_if_they_are_requested(workspace: ExportWorkspace) -> None:
    """For one image, or with --members; else a line says that there are shared ones."""
    image = record(workspace.backend, name="s", visibility="shared")
    workspace.backend.add_member(image.id, "p1")
    one = json.loads(workspace.run("list", image.id, "--format", "json").stdout)
    assert one["members"] == [{"project": "p1", "status": "pending"}]
    assert "p1 pending" in workspace.run("list", image.id).stdout
    plain = workspace.run("list")
    assert "MEMBERS" not in plain.stdout
    assert plain.stderr == "1 image is shared; to show the members, pass --members\n"
    assert "p1 pending" in workspace.run("list", "--members").stdout


def test_a_snapshot_with_a_copied_record_is_exported_as_any_image(workspace: ExportWorkspace) -> None:
    """Without our properties; the image whose record it is belongs to its catalog, and is left out."""
    ours = filled(workspace.backend, name="Ours")
    workspace.write(ours={"name": "Ours", "adopt": ours.id})
    workspace.run("adopt", "base.yaml", "--yes")
    (adopted,) = workspace.backend.images(ours.id)
    filled(workspace.backend, name="Snapshot", properties={**adopted.properties, "kept": "1"})
    found = yaml.safe_load(workspace.run("export").stdout)
    assert list(found["images"]) == ["Snapshot"]
    assert "kept" in json.dumps(found)
    assert "imagesync_" not in json.dumps(found)


def test_an_export_that_leaves_an_image_out_has_failed(workspace: ExportWorkspace) -> None:
    """The others are written; a pipeline that exports learns by the exit code that one is missing."""
    kept, nameless = filled(workspace.backend, name="a"), filled(workspace.backend, name=None)
    done = workspace.run("export", "-o", "base.yaml", code=1)
    assert f"image {nameless.id}: left out: it has no name" in done.stderr
    written = yaml.safe_load((workspace.folder / "base.yaml").read_text())
    assert [image["adopt"] for image in written["images"].values()] == [kept.id]


def test_the_record_of_a_lease_is_no_image_to_export(workspace: ExportWorkspace) -> None:
    """It stays after each apply; an export neither has it nor complains of it."""
    workspace.write(a={"source": "none"})
    workspace.run("apply", "base.yaml", "--yes")
    assert [image for image in workspace.backend.images() if image.name is None]
    for words in ((), ("--managed",)):
        assert "no name" not in workspace.run("export", *words).stderr


def test_all_that_adopt_says_if_there_is_nothing_to_adopt(workspace: ExportWorkspace) -> None:
    """A note for each key, and no plan; a format for programs, and files, have the result all the same."""
    workspace.write(b={"name": "B"}, a={"name": "A"})
    notes = [f"{key}: not adopted: no visible image is named '{key.upper()}'" for key in ("a", "b")]
    printed = "".join(f"Note: {note}\n" for note in notes)
    for words in ((), ("--yes",), ("--yes", "-q")):
        assert workspace.run("adopt", "base.yaml", *words).stdout == f"{printed}Nothing to adopt.\n"
    assert workspace.run("adopt", "base.yaml", "--only", "b").output == f"Note: {notes[1]}\nNothing to adopt.\n"
    report = json.loads(workspace.run("adopt", "base.yaml", "--yes", "--format", "json").stdout)
    assert (report["succeeded"], report["notes"], report["results"], report["ids"]) == (True, notes, [], {})
    done = workspace.run("adopt", "base.yaml", "--yes", "--also", "markdown=a.md", "--metrics", "a.prom")
    assert "0 images declared" in done.stdout
    assert all(text in (workspace.folder / "a.md").read_text() for text in ("not adopted", "<!-- imagesync base "))
    assert 'command="adopt"' in (workspace.folder / "a.prom").read_text()


def test_adopt_writes_the_files_that_are_named(workspace: ExportWorkspace) -> None:
    """Of the adopted keys only; nothing else of the catalog is created, changed or deleted."""
    old, other = filled(workspace.backend, name="Old"), filled(workspace.backend, name="Other")
    workspace.write(old={"name": "Old"}, new={"name": "New", "source": "none"})
    words = ("--yes", "-q", "--ids", "ids.json", "-o", "report.json", "--events", "events", "--jobs", "1")
    assert workspace.run("adopt", "base.yaml", *words).output == ""
    assert json.loads((workspace.folder / "ids.json").read_text()) == {"old": old.id}
    report = json.loads((workspace.folder / "report.json").read_text())
    assert [(one["key"], one["action"], one["outcome"]) for one in report["results"]] == [("old", "update", "done")]
    assert report["notes"] == ["new: not adopted: no visible image is named 'New'"]
    assert len((workspace.folder / "events").read_text().splitlines()) > 2
    assert {image.name for image in workspace.backend.images() if image.name} == {"Old", "Other"}
    assert workspace.backend.images(other.id) == [other]


def test_adopt_needs_its_files_before_it_begins(workspace: ExportWorkspace) -> None:
    """Two results in one file, or a folder that does not exist: nothing is adopted."""
    old = filled(workspace.backend, name="Old")
    workspace.write(old={"name": "Old"})
    for words, message in (
        (("-o", "x.json", "--ids", "x.json"), "two results would be written to x.json"),
        (("--events", "no/x"), "the folder no does not exist"),
        (("--ids", "base.yaml"), "has the suffix of a manifest"),
    ):
        code = 1 if "no/x" in words else 64
        assert message in workspace.run("adopt", "base.yaml", "--yes", *words, code=code).stderr
    assert workspace.backend.images(old.id) == [old]


def test_an_export_has_the_images_that_its_options_select(workspace: ExportWorkspace) -> None:
    """Each option reaches its place; a name that is not selected is not written."""
    for name, tags, visibility in (("a1", ["x"], "private"), ("a2", ["x", "y"], "public"), ("b1", ["y"], "public")):
        filled(workspace.backend, name=name, tags=tags, visibility=visibility)
    for words, names in (
        ((), ["a1", "a2", "b1"]),
        (("--name", "a*"), ["a1", "a2"]),
        (("--name", "a1", "--name", "b*"), ["a1", "b1"]),
        (("--tag", "x"), ["a1", "a2"]),
        (("--tag", "x", "--tag", "y"), ["a2"]),
        (("--visibility", "public"), ["a2", "b1"]),
        (("--all-owners", "--name", "b1"), ["b1"]),
        (("--owner", "0" * 32), []),
    ):
        document = yaml.safe_load(workspace.run("export", "--catalog", "mine", *words).stdout)
        assert (document["catalog"], list(document["images"])) == ("mine", names)
    workspace.run("export", "-o", "m.yaml", "--name", "a1")
    refused = workspace.run("export", "-o", "m.yaml", code=64)
    assert refused.output == "imagesync: m.yaml already exists; write to another file, or pass --force to replace it\n"
    assert workspace.run("export", "-o", "m.yaml", "--force").output == "3 images written to m.yaml\n"
    assert len(yaml.safe_load((workspace.folder / "m.yaml").read_text())["images"]) == 3
