"""``--also``, ``--metrics`` and ``--format``: what the files and the output have after each end of a command."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from imagesync.schemas import load_schema
from tests import forked
from tests.command import Result, minimal_environment

MANIFEST = """\
version: 1
catalog: base
targets:
  lab: {store: store}
default_target: lab
images:
  web: {source: web.raw, disk_format: raw, container_format: bare, visibility: public}
"""


class Workspace:
    """A folder with a manifest of one image, and no store yet."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.manifest = folder, folder / "web.yaml"
        (folder / "web.raw").write_bytes(b"\xf8" * 1000)
        self.manifest.write_text(MANIFEST)

    def run(self, *words: str, code: int = 0) -> Result:
        """``imagesync WORDS`` in the folder."""
        env = minimal_environment(XDG_CACHE_HOME=str(self.folder / "cache"))
        return forked.run(*words, folder=self.folder, env=env, code=code)

    def read_json(self, name: str) -> Any:
        """The JSON of a file."""
        return json.loads((self.folder / name).read_text())


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Nothing applied."""
    return Workspace(tmp_path)


def check_errors(found: Any, command: str) -> list[str]:
    """The messages of a document of errors, which has its schema."""
    jsonschema.validate(found, load_schema("errors"))
    assert found["command"] == command
    return [error["message"] for error in found["errors"]]


def test_a_result_is_written_in_each_format_that_is_asked_for(workspace: Workspace) -> None:
    """The output stays text."""
    done = workspace.run("plan", "web.yaml", "--also", "json=plan.json", "--also", "text=plan.txt")
    assert "1 to create" in done.stdout
    assert "1 to create" in (workspace.folder / "plan.txt").read_text()
    assert [step["id"] for step in workspace.read_json("plan.json")["steps"]] == ["create:web"]
    workspace.run("apply", "web.yaml", "--yes", "--also", "json=report.json", "--format", "json")
    assert workspace.read_json("report.json")["succeeded"] is True


@pytest.mark.parametrize(
    "words", [("plan",), ("apply", "--yes"), ("adopt", "--yes"), ("drift",), ("rollback", "web", "--yes")]
)
def test_an_error_before_there_is_a_result_replaces_the_result_of_an_earlier_run(
    workspace: Workspace, words: tuple[str, ...]
) -> None:
    """A pipeline must not post the comment of the commit before."""
    (workspace.folder / "result.json").write_text("of an earlier run")
    workspace.manifest.write_text(MANIFEST.replace("disk_format: raw", "disk_format: rwa"))
    name, *rest = words
    done = workspace.run(
        name, *rest[:-1], "web.yaml", *rest[-1:], "--also", "json=result.json", "--format", "json", code=1
    )
    messages = check_errors(workspace.read_json("result.json"), name)
    assert check_errors(json.loads(done.stdout), name) == messages
    assert "'rwa'" in messages[0]
    assert "'rwa'" in done.stderr, "the log of the run has the message, too"


@pytest.mark.parametrize(
    "words", [("plan",), ("show", "web"), ("drift",), ("ids",), ("list", "--manifest"), ("apply", "--yes")]
)
def test_with_the_format_json_an_error_is_json_too(workspace: Workspace, words: tuple[str, ...]) -> None:
    """Whatever the command; the place of the problem is a value."""
    workspace.manifest.write_text(MANIFEST.replace("catalog: base", "catalog: [base]"))
    done = workspace.run(*words, "web.yaml", "--format", "json", code=1)
    found = json.loads(done.stdout)
    check_errors(found, words[0])
    assert [(error["file"], error["line"]) for error in found["errors"]] == [("web.yaml", 2)]


def test_an_error_of_the_command_line_is_json_too(workspace: Workspace) -> None:
    """If the option that names the format could be read."""
    done = workspace.run("plan", "web.yaml", "--target", "lba", "--format", "json", code=64)
    (message,) = check_errors(json.loads(done.stdout), "plan")
    assert "there is no target 'lba'" in message or "lba" in message


def test_a_plan_that_is_refused_is_shown_once(workspace: Workspace) -> None:
    """With --format json the output has one document, the plan; the file of another format has the refusal, too."""
    workspace.run("apply", "web.yaml", "--yes")
    workspace.manifest.write_text(MANIFEST[: MANIFEST.index("images:")] + "images: {}\n")
    done = workspace.run("plan", "web.yaml", "--format", "json", "--also", "text=plan.txt", code=1)
    assert [step["action"] for step in json.loads(done.stdout)["steps"]] == ["delete"]
    text = (workspace.folder / "plan.txt").read_text()
    assert "1 to delete" in text
    assert "Error: " in text
    assert "--destroy" in text


def test_a_run_that_the_policy_refuses_writes_the_reason(workspace: Workspace) -> None:
    """The plan is not applied."""
    workspace.run("apply", "web.yaml", "--yes")
    workspace.manifest.write_text(MANIFEST[: MANIFEST.index("images:")] + "images: {}\n")
    workspace.run("apply", "web.yaml", "--yes", "--also", "json=report.json", code=1)
    assert "--destroy" in check_errors(workspace.read_json("report.json"), "apply")[0]


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_manifest_is_never_overwritten(workspace: Workspace, form: str) -> None:
    """Neither by the result nor by the error that refuses to write there."""
    for command in ("plan", "apply"):
        done = workspace.run(command, "web.yaml", "--also", f"{form}=web.yaml", code=64)
        assert "is not overwritten" in done.stderr
        assert workspace.manifest.read_text() == MANIFEST
    workspace.run("plan", "web.yaml", "--metrics", "web.yaml", code=64)
    assert workspace.manifest.read_text() == MANIFEST


def test_two_results_in_one_file_are_refused(workspace: Workspace) -> None:
    """Nothing is written."""
    done = workspace.run("plan", "web.yaml", "--also", "json=x", "--also", "text=x", code=64)
    assert "two results would be written to x" in done.stderr
    workspace.run("plan", "web.yaml", "--also", "json=x", "-o", "x", code=64)
    workspace.run("plan", "web.yaml", "--also", "json=x", "--metrics", "x", code=64)
    assert not (workspace.folder / "x").exists()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("json", "not FORMAT=FILE"),
        ("json=", "not FORMAT=FILE"),
        ("=x", "not FORMAT=FILE"),
        ("yaml=x", "no such format"),
    ],
)
def test_a_wrong_value_of_also_is_a_wrong_command_line(workspace: Workspace, value: str, words: str) -> None:
    """The message has the form, or the formats."""
    assert words in workspace.run("plan", "web.yaml", "--also", value, code=64).stderr
    assert not (workspace.folder / "x").exists()


def test_drift_has_no_test_report(workspace: Workspace) -> None:
    """The message names the formats that there are."""
    done = workspace.run("drift", "web.yaml", "--also", "junit=x", code=64)
    assert "choose one of text, json, markdown, html" in done.stderr


def test_a_limit_without_markdown_is_a_wrong_command_line(workspace: Workspace) -> None:
    """It would have no effect."""
    assert "--max-bytes has no effect" in workspace.run("plan", "web.yaml", "--max-bytes", "5000", code=64).stderr
    workspace.run("plan", "web.yaml", "--max-bytes", "5000", "--also", "markdown=x.md")


def test_results_are_private_and_metrics_are_not(workspace: Workspace) -> None:
    """Another user, that of node_exporter, collects metrics."""
    workspace.run("plan", "web.yaml", "--also", "json=plan.json", "--metrics", "imagesync.prom")
    modes = {name: stat.S_IMODE(os.stat(workspace.folder / name).st_mode) for name in ("plan.json", "imagesync.prom")}
    assert modes == {"plan.json": 0o600, "imagesync.prom": 0o644}


def test_the_time_of_the_last_success_stays_after_a_failure(workspace: Workspace) -> None:
    """An alert counts from it."""

    def read() -> dict[str, float]:
        lines = (workspace.folder / "x.prom").read_text().splitlines()
        pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
        return {name.partition("{")[0]: float(value) for name, _, value in pairs if "imagesync_last" in name}

    workspace.run("apply", "web.yaml", "--yes", "--metrics", "x.prom")
    before = read()
    assert before["imagesync_last_run_success"] == 1
    workspace.manifest.write_text(MANIFEST.replace("disk_format: raw", "disk_format: rwa"))
    workspace.run("apply", "web.yaml", "--yes", "--metrics", "x.prom", code=1)
    after = read()
    assert after["imagesync_last_run_success"] == 0
    assert after["imagesync_last_success_timestamp_seconds"] == before["imagesync_last_success_timestamp_seconds"]
    assert after["imagesync_last_run_timestamp_seconds"] > before["imagesync_last_run_timestamp_seconds"]


@pytest.mark.parametrize("form", ["markdown", "html", "junit"])
def test_each_format_names_catalog_and_target_also_after_an_error(workspace: Workspace, form: str) -> None:
    """So the comment of a failed run replaces that of the commit before."""
    good = workspace.run("plan", "web.yaml", "--format", form).stdout
    workspace.manifest.write_text(MANIFEST.replace("disk_format: raw", "disk_format: rwa"))
    bad = workspace.run("plan", "web.yaml", "--format", form, code=1).stdout
    for text in (good, bad):
        assert "base" in text
        assert "lab" in text
    if form == "markdown":
        marker = "<!-- imagesync base lab -->"
        assert (good.splitlines()[0], bad.splitlines()[0]) == (marker, marker)


def test_a_quiet_drift_prints_nothing_and_writes_its_files(workspace: Workspace) -> None:
    """If there is none."""
    workspace.run("apply", "web.yaml", "--yes")
    done = workspace.run("drift", "web.yaml", "--quiet", "--also", "json=drift.json", "--metrics", "x.prom")
    assert done.output == ""
    assert workspace.read_json("drift.json")["drift"] == []
    assert "imagesync_last_run_success" in (workspace.folder / "x.prom").read_text()
