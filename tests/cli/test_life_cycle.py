"""``rollback``, ``--stage`` and ``--discard-staged`` on the embedded store: output, questions and files."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from imagesync.backends import open_backend
from imagesync.model.image import LiveImage
from imagesync.model.record import read
from imagesync.schemas import load_schema
from tests import forked
from tests.command import Result
from tests.samples import spell

MANIFEST = """\
version: 1
catalog: base
default_target: lab
targets:
  lab: {{store: store}}
defaults: {{disk_format: raw, container_format: bare}}
images:
  ubuntu:
    name: Ubuntu
    source:
      path: {file}
      checksum: sha256:{digest}
  other: {{source: one.raw}}
"""


class LifeCycleWorkspace:
    """A catalog of two images in a store, and the command beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("one", "two", "three"):
            (folder / f"{name}.raw").write_bytes(spell(name) * 250)

    def names(self, build: str) -> str:
        """The manifest names this build; its digest."""
        digest = hashlib.sha256((self.folder / f"{build}.raw").read_bytes()).hexdigest()
        (self.folder / "m.yaml").write_text(MANIFEST.format(file=f"{build}.raw", digest=digest))
        return digest

    def run(self, *words: str, code: int = 0) -> Result:
        """``imagesync WORDS`` beside the manifest."""
        return forked.run(*words, folder=self.folder, code=code)

    def json(self, name: str) -> Any:
        """A file that was written."""
        return json.loads((self.folder / name).read_text())

    def roles(self) -> dict[str, list[LiveImage]]:
        """The live images of ubuntu by role."""
        found: dict[str, list[LiveImage]] = {}
        for image in open_backend(store=self.folder / "store").images():
            if (record := read(image)) and record.key == "ubuntu":
                found.setdefault(record.role.value, []).append(image)
        return found


@pytest.fixture
def workspace(tmp_path: Path) -> LifeCycleWorkspace:
    """Build one, then build two, applied."""
    made = LifeCycleWorkspace(tmp_path)
    for build in ("one", "two"):
        made.names(build)
        made.run("apply", "--yes")
    return made


def test_a_rollback_names_the_line_to_change(workspace: LifeCycleWorkspace) -> None:
    """In one line, the last one; once the line follows, the plan is empty; without it the next apply publishes the
    newer build again.
    """
    one = hashlib.sha256(spell("one") * 250).hexdigest()
    (old,) = workspace.roles()["retired"]
    output = workspace.run("rollback", "ubuntu", "--yes", "--ids", "ids.json").stdout
    assert f"± ubuntu  replace  with {old.id}, no upload  back to an earlier build" in output
    assert "Plan: 1 to replace; no other changes." in output
    last = output.splitlines()[-1]
    assert last == (
        "Note: ubuntu: the next apply publishes the newer build again, unless you write "
        f"m.yaml:12: checksum: sha256:{one}; m.yaml:11: path: a file with this content"
    )
    assert output.count("the next apply") == 1
    assert workspace.json("ids.json")["ubuntu"] == old.id
    assert "back to an earlier build" in workspace.run("plan").stdout
    workspace.names("one")
    assert "No changes." in workspace.run("plan").stdout


def test_a_rollback_reads_no_source(workspace: LifeCycleWorkspace) -> None:
    """It works without files and mirrors."""
    for name in ("one", "two"):
        (workspace.folder / f"{name}.raw").unlink()
    workspace.run("rollback", "ubuntu", "--yes")
    assert workspace.roles()["current"][0].size == 1500


def test_a_rollback_asks_first(workspace: LifeCycleWorkspace) -> None:
    """Without a terminal and --yes nothing is done; an unknown key, a saved plan and --only have different messages."""
    before = workspace.roles()
    assert "--yes" in workspace.run("rollback", "ubuntu", code=64).stderr
    assert "did you mean ubuntu?" in workspace.run("rollback", "ubunut", "--yes", code=64).stderr
    assert "saved plan" in workspace.run("rollback", "ubuntu", "plan.json", "--yes", code=64).stderr
    assert "--only" in workspace.run("rollback", "ubuntu", "--only", "x", "--yes", code=64).stderr
    assert "no earlier build" in workspace.run("rollback", "other", "--yes", code=1).stderr
    assert workspace.roles() == before


def test_candidates_are_named_published_and_dropped(workspace: LifeCycleWorkspace) -> None:
    """The ids file, the report, the plan; then one candidate is dropped and another published."""
    workspace.names("three")
    display = workspace.run("plan", "--stage").stdout
    assert "Plan: 1 to stage; no other changes. 2.4 KiB to upload." in display
    output = workspace.run("apply", "--stage", "--yes", "--ids", "ids.json", "--out", "report.json").stdout
    (candidate,) = workspace.roles()["staging"]
    assert workspace.json("ids.json") == {"candidates": {"ubuntu": candidate.id}}
    assert workspace.json("report.json")["candidates"] == {"ubuntu": candidate.id}
    assert workspace.json("report.json")["ids"]["ubuntu"] == workspace.roles()["current"][0].id
    assert f"Candidate ubuntu: image {candidate.id}" in output
    again = workspace.run("apply", "--stage", "--yes", "--ids", "again.json").stdout
    assert "Nothing to stage." in again
    assert workspace.json("again.json") == workspace.json("ids.json")
    assert f"{candidate.id}  staged {candidate.created_at}" in workspace.run("plan").stdout

    workspace.run("apply", ".", "--discard-staged", "--yes")
    assert "staging" not in workspace.roles()
    workspace.run("apply", "--stage", "--yes")
    (candidate,) = workspace.roles()["staging"]
    assert "uploaded" not in workspace.run("apply", "--yes").stdout
    assert workspace.roles()["current"][0].id == candidate.id


def test_discarding_takes_a_key_or_all(workspace: LifeCycleWorkspace) -> None:
    """``--discard-staged [KEY]``; a path in the key's place is seen for what it is."""
    workspace.names("three")
    workspace.run("apply", "--stage", "--yes")
    assert "Nothing to do." in workspace.run("apply", ".", "--discard-staged", "other", "--yes").stdout
    assert "write PATH before the option" in workspace.run("apply", "--discard-staged", ".", "--yes", code=1).stderr
    assert len(workspace.roles()["staging"]) == 1
    workspace.run("apply", "--discard-staged", "ubuntu", "--yes")
    assert "staging" not in workspace.roles()


def test_a_rejected_candidate_is_no_change(workspace: LifeCycleWorkspace) -> None:
    """Exit code 0, also with --detailed-exitcode; plan, report and their JSON name it, and what can be done."""
    workspace.names("three")
    workspace.run("apply", "--stage", "--yes")
    (rejected,) = workspace.roles()["staging"]
    open_backend(store=workspace.folder / "store").deactivate(rejected.id)
    output = workspace.run("plan", "--detailed-exitcode", "-o", "plan.json").stdout
    assert f"{rejected.id}  staged {rejected.created_at}" in output
    assert "rejected, not published" in output
    assert f"Note: ubuntu: candidate {rejected.id} was deactivated, so its build is rejected" in output
    assert "No changes. 1 image matches the manifest." in output
    document = workspace.json("plan.json")
    assert list(Draft202012Validator(load_schema("plan")).iter_errors(document)) == []
    assert [one["fate"] for one in document["candidates"]] == ["rejected"]
    assert "No changes." in workspace.run("apply", "--yes", "--out", "report.json", "--ids", "ids.json").stdout
    report = workspace.json("report.json")
    assert report["rejected"] == {"ubuntu": [rejected.id]}
    assert "so its build is rejected" in report["notes"][0]
    assert workspace.json("ids.json")["ubuntu"] == workspace.roles()["current"][0].id
    workspace.names("two")
    workspace.run("plan", "-o", "next.json")
    workspace.run("apply", "next.json", "--yes")
    assert "staging" not in workspace.roles()


@pytest.mark.parametrize(
    "words", [("--stage", "--discard-staged"), ("--stage", "--drift-only"), ("--discard-staged", "--drift-only")]
)
def test_what_excludes_each_other_is_refused(workspace: LifeCycleWorkspace, words: tuple[str, str]) -> None:
    """Usage errors."""
    assert "exclude each other" in workspace.run("apply", *words, "--yes", code=64).stderr


def test_a_saved_plan_to_stage_does_just_that(workspace: LifeCycleWorkspace) -> None:
    """It fits its schema; --stage itself belongs to the plan."""
    workspace.names("three")
    workspace.run("plan", "--stage", "-o", "plan.json")
    assert list(Draft202012Validator(load_schema("plan")).iter_errors(workspace.json("plan.json"))) == []
    assert "pass it to plan" in workspace.run("apply", "plan.json", "--stage", "--yes", code=64).stderr
    workspace.run("apply", "plan.json", "--yes")
    assert {role: len(images) for role, images in workspace.roles().items()} == {
        "current": 1,
        "retired": 1,
        "staging": 1,
    }


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("ubunut", "did you mean ubuntu?"),
        ("xyz", "declared keys: other, ubuntu"),
        ("Other", "did you mean other?"),
    ],
)
def test_an_unknown_key_of_a_rollback_has_a_hint(workspace: LifeCycleWorkspace, key: str, hint: str) -> None:
    """Similar keys, or all of them; the JSON has the same error."""
    before = workspace.roles()
    done = workspace.run("rollback", key, "--yes", "--format", "json", code=64)
    message = f"the manifest does not declare an image '{key}' for this target"
    assert done.stderr == f"imagesync: {message}; {hint}\n"
    (error,) = json.loads(done.stdout)["errors"]
    assert (error["message"], error["hint"]) == (message, hint)
    assert workspace.roles() == before


def test_a_rollback_of_a_catalog_without_images_says_so(tmp_path: Path) -> None:
    """No store is made for it."""
    (tmp_path / "m.yaml").write_text("version: 1\ncatalog: base\ntargets: {lab: {store: s}}\nimages: {}\n")
    done = forked.run("rollback", "a", "--target", "lab", "--yes", folder=tmp_path, code=64)
    assert done.stderr.endswith("; declared keys: none\n")
    assert not (tmp_path / "s").exists()


def test_a_rollback_goes_to_the_build_that_is_named(workspace: LifeCycleWorkspace) -> None:
    """By its generation or its id; without one to the last retired build. Only this key is changed."""
    text = MANIFEST.replace("  ubuntu:\n", "  ubuntu:\n    on_replace: {{keep: 5}}\n")
    for build in ("two", "three"):
        digest = hashlib.sha256((workspace.folder / f"{build}.raw").read_bytes()).hexdigest()
        (workspace.folder / "m.yaml").write_text(text.format(file=f"{build}.raw", digest=digest))
        workspace.run("apply", "--yes")
    builds = {
        record.managed.generation: image.id
        for images in workspace.roles().values()
        for image in images
        if (record := read(image))
    }
    one, two, three = (builds[generation] for generation in (1, 2, 3))

    def go(*words: str) -> str:
        report = json.loads(workspace.run("rollback", "ubuntu", *words, "--yes", "--format", "json").stdout)
        (current,) = workspace.roles()["current"]
        assert report["ids"]["ubuntu"] == current.id
        assert {result["key"] for result in report["results"]} == {"ubuntu"}
        return current.id

    assert go("--to", one) == one
    assert go() == three
    assert go("--to", "2") == two
    refused = workspace.run("rollback", "ubuntu", "--to", "9", "--yes", code=1)
    assert "images.ubuntu: " in refused.stderr
    assert workspace.roles()["current"][0].id == two


def test_options_of_a_rollback_reach_their_place(workspace: LifeCycleWorkspace) -> None:
    """Limits, files and quiet; nothing is changed before all of them are right."""
    before = workspace.roles()
    refused = workspace.run("rollback", "ubuntu", "--yes", "--max-update", "0", code=1)
    assert refused.stderr == (
        "imagesync: the plan would update 1 of 2 live images (50 %); the limit is 0; pass --max-update 1 to allow it\n"
    )
    for words, message in (
        (("-o", "x.json", "--ids", "x.json"), "two results would be written to x.json"),
        (("--events", "m.yaml"), "m.yaml has the suffix of a manifest"),
    ):
        assert message in workspace.run("rollback", "ubuntu", "--yes", *words, code=64).stderr
    assert workspace.roles() == before
    files = ("-o", "report.json", "--ids", "ids.json", "--events", "events", "--also", "markdown=a.md")
    assert workspace.run("rollback", "ubuntu", "m.yaml", "-q", "--yes", *files).stderr == ""
    assert workspace.json("report.json")["succeeded"]
    assert workspace.json("ids.json")["ubuntu"] == before["retired"][0].id
    assert (workspace.folder / "a.md").read_text().startswith("<!-- imagesync base lab -->\n")
    assert len((workspace.folder / "events").read_text().splitlines()) > 2
    failed = workspace.run("rollback", "ubunut", "--yes", "--format", "markdown", code=64)
    assert failed.stdout.startswith(
        "<!-- imagesync base lab -->\n\nimagesync rollback failed for catalog base on lab\n"
    )
