"""action.yml, step by step in a shell, on a local store: options, private files, outputs, summary, errors."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.command import ROOT
from tests.pipelines.github.files import PINNED
from tests.pipelines.github.repository import IDENTITY
from tests.pipelines.github.runner import Event, Hosting, JobRun

IMAGE: Final = {"disk_format": "raw", "container_format": "bare", "source": "disk.raw"}
CLOUDS: Final = "clouds:\n  prod: {auth: {password: very-secret}}"


def write_manifest(**images: Mapping[str, Any]) -> str:
    """A catalog on a local store."""
    manifest = {"version": 1, "catalog": "c", "default_target": "lab", "targets": {"lab": {"store": "lab"}}}
    return json.dumps({**manifest, "images": images})


def run_action(folder: Path, files: Mapping[str, str], **inputs: str) -> JobRun:
    """A job that checks out these files, and runs the action; ``outputs`` are those of the action."""
    repository = folder / "repository"
    for name, text in files.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git = ["git", *IDENTITY, "-C", str(repository)]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "A"]):
        subprocess.run([*git, *words], check=True)
    sha = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    names = ("exitcode", "has-changes", "folder", "plan", "markdown", "targets")
    job = {
        "permissions": {"contents": "read"},
        "outputs": {name: f"${{{{ steps.it.outputs.{name} }}}}" for name in names},
        "steps": [
            {"uses": f"actions/checkout@{'0' * 40}", "with": {"persist-credentials": False}},
            {"id": "it", "uses": PINNED, "with": inputs},
        ],
    }
    hosting = Hosting(folder, "a/b", repository, ROOT, {}, {}, lambda _: "ghs_token", lambda *_: None)
    workflow = json.dumps({"name": "w", "on": {"push": None}, "jobs": {"job": job}})
    return hosting.run(workflow, Event("push", sha, "refs/heads/main")).jobs["job"]


FILES: Final = {"images/c.yaml": write_manifest(a=IMAGE), "images/disk.raw": "\0" * 1000}


def test_a_plan_has_outputs_files_and_a_summary(tmp_path: Path) -> None:
    """Changes are not a failure. The files are outside of the checkout."""
    job = run_action(tmp_path, FILES, command="plan")
    assert job.result == "success"
    assert (job.outputs["exitcode"], job.outputs["has-changes"]) == ("2", "true")
    folder = Path(job.outputs["folder"])
    assert sorted(path.name for path in folder.iterdir()) == ["plan.json", "plan.md", "plan.xml"]
    assert job.outputs["plan"] == str(folder / "plan.json")
    assert job.summary == (folder / "plan.md").read_text()
    assert folder.parent == Path(job.steps[0].environment["RUNNER_TEMP"])


def test_the_settings_of_the_cloud_are_a_private_file_for_one_run(tmp_path: Path) -> None:
    """Mode 0600, below RUNNER_TEMP, only in the environment of imagesync, and deleted, also after a failure."""
    job = run_action(tmp_path, FILES, command="plan", clouds=CLOUDS, options="--cloud=other")
    assert job.result == "failure"
    (call,) = [call for step in job.steps for call in step.calls]
    path = Path(call.environment["OS_CLIENT_CONFIG_FILE"])
    assert call.mode == 0o600
    assert str(path).startswith(call.environment["RUNNER_TEMP"])
    assert not path.parent.exists()
    assert "very-secret" not in str(call) + job.log + str([step.trace for step in job.steps])


@pytest.mark.parametrize("command", ["plan", "drift", "validate"])
def test_only_a_command_that_needs_the_token_gets_it(command: str, tmp_path: Path) -> None:
    """Others read the files of a branch, and ask its hosts."""
    job = run_action(tmp_path, FILES, command=command, token="ghs_of_the_job", clouds="clouds: {prod: {}}")
    (call,) = [call for step in job.steps for call in step.calls]
    assert "ghs_of_the_job" not in str(call.environment)
    assert ("clouds: {prod" in str(call.environment)) is False
    assert ("OS_CLIENT_CONFIG_FILE" in call.environment) == (command != "validate")


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ("", []),
        ("\n\n", []),
        ("--set=a=b c\n--summary\n", ["--set=a=b c", "--summary"]),
        ("--set=a=$(touch x); `touch y`\r\n--set=b=*", ["--set=a=$(touch x); `touch y`", "--set=b=*"]),
        ("--set=a='\"\\", ["--set=a='\"\\"]),
    ],
)
def test_each_line_of_the_options_is_one_argument(options: str, arguments: list[str], tmp_path: Path) -> None:
    """No shell reads them: no words, no globs, no commands."""
    job = run_action(tmp_path, FILES, command="plan", options=options)
    (call,) = [call for step in job.steps for call in step.calls]
    assert call.arguments[1 : call.arguments.index("--also")] == arguments
    assert call.arguments[-2:] == ["--", "images"]
    assert [*tmp_path.glob("**/x"), *tmp_path.glob("**/y")] == []


def test_a_large_result_is_named_in_the_summary(tmp_path: Path) -> None:
    """GitHub rejects a summary of more than 1 MiB; the file has everything."""
    images = {
        f"image-{image}": {**IMAGE, "properties": {f"p{number}": f"{image} {'v' * 240}" for number in range(110)}}
        for image in range(90)
    }
    files = {**FILES, "images/c.yaml": write_manifest(**images)}
    job = run_action(tmp_path, files, command="plan", options="--max-bytes=9000000\n--no-source-check\n--quiet")
    assert job.result == "success"
    assert Path(job.outputs["markdown"]).stat().st_size > 2**20
    assert job.summary == "The result is too large for this page: see plan.md in the artifact.\n"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"command": "destroy"}, "imagesync has no command destroy"),
        ({"command": "comment", "file": "a.md"}, "the command comment needs the input token"),
        ({"command": "apply"}, "the command apply needs the input token"),
        ({"command": "issue", "token": "t"}, "the command issue needs the input file"),
        ({"command": "apply-plan"}, "the command apply-plan needs the input file"),
        ({"command": "merge", "file": "none"}, "no job has written a report"),
    ],
)
def test_a_wrong_input_is_an_error(inputs: dict[str, str], message: str, tmp_path: Path) -> None:
    """As an annotation, before imagesync starts."""
    job = run_action(tmp_path, FILES, **inputs)
    assert job.result == "failure"
    assert f"::error::{message}" in job.log
    assert [call for step in job.steps for call in step.calls] == []


def test_the_problems_of_manifests_are_annotations(tmp_path: Path) -> None:
    """validate needs no settings and no token."""
    files = {"images/c.yaml": write_manifest(a={**IMAGE, "min_ram": -1})}
    job = run_action(tmp_path, files, command="validate")
    assert (job.result, job.outputs["exitcode"]) == ("failure", "1")
    assert "::error file=images/c.yaml," in job.log


def test_the_targets_are_a_list_for_a_matrix(tmp_path: Path) -> None:
    """In the order of the manifest."""
    job = run_action(tmp_path, FILES, command="targets")
    assert json.loads(job.outputs["targets"]) == ["lab"]


def test_another_user_of_the_machine_cannot_read_the_results(tmp_path: Path) -> None:
    """A self-hosted machine may have several."""
    job = run_action(tmp_path, FILES, command="plan")
    folder = Path(job.outputs["folder"])
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())} == {0}
