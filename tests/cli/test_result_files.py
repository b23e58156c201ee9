"""``--also``, ``--metrics`` and ``--format``: what the files and the output have after each end of a command."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from imagesync.schemas import load_schema
from tests import command, forked
from tests.command import Result, minimal_environment
from tests.waiting import wait_until

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
    for name in ("plan", "apply"):
        done = workspace.run(name, "web.yaml", "--also", f"{form}=web.yaml", code=64)
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


@pytest.mark.parametrize("words", [("--store", "store"), ("--target", "lab"), ()])
def test_the_comment_of_a_target_is_found_after_each_end(workspace: Workspace, words: tuple[str, ...]) -> None:
    """Whatever selects the target: a success, no change, a manifest that does not load, another key than those declared."""

    def read_marker(*more: str, code: int = 0) -> str:
        return workspace.run(*more, *words, "--format", "markdown", code=code).stdout.partition("\n")[0]

    found = {
        read_marker("plan", "web.yaml"),
        read_marker("apply", "web.yaml", "--yes"),
        read_marker("drift", "web.yaml"),
        read_marker("show", "web", "web.yaml"),
        read_marker("plan", "web.yaml", "--only", "other", code=64),
        read_marker("rollback", "other", "web.yaml", "--yes", code=64),
    }
    for text in ("disk_format: rwa", "disk_format: ["):
        workspace.manifest.write_text(MANIFEST.replace("disk_format: raw", text))
        found.add(read_marker("plan", "web.yaml", code=1))
    assert found == {"<!-- imagesync base lab -->"}


def test_an_error_after_a_saved_plan_was_read_has_the_names_of_the_plan(workspace: Workspace) -> None:
    """A stale plan, another target: a pipeline finds its comment, and Prometheus its series."""
    workspace.run("plan", "web.yaml", "-o", "plan.json")
    workspace.run("apply", "plan.json", "--yes")
    for more, code in (((), 1), (("--store", "other"), 64)):
        words = ("apply", "plan.json", "--yes", *more, "--also", "markdown=x.md", "--metrics", "x.prom")
        done = workspace.run(*words, "--format", "markdown", code=code)
        text = (workspace.folder / "x.md").read_text()
        assert text.startswith("<!-- imagesync base lab -->")
        assert done.stdout == text
        assert 'success{catalog="base",target="lab",command="apply"} 0' in (workspace.folder / "x.prom").read_text()


def test_a_saved_plan_is_not_overwritten_by_the_results_of_the_command_that_reads_it(workspace: Workspace) -> None:
    """Also if the path is written in another way, or leads through a link."""
    workspace.run("plan", "web.yaml", "-o", "plan.json")
    before = (workspace.folder / "plan.json").read_bytes()
    (workspace.folder / "link").symlink_to(workspace.folder)
    for words in (("apply", "plan.json", "--yes", "-o"), ("show", "./plan.json", "--also")):
        for path in ("plan.json", str(workspace.folder / "link/plan.json")):
            done = workspace.run(*words, f"json={path}" if words[-1] == "--also" else path, code=64)
            assert "is read by this command and is not overwritten" in done.stderr
    assert (workspace.folder / "plan.json").read_bytes() == before


def test_two_results_in_one_file_are_refused_also_through_a_link(workspace: Workspace) -> None:
    """The second would replace the first."""
    (workspace.folder / "link").symlink_to(workspace.folder)
    path = workspace.folder / "link/x"
    done = workspace.run("plan", "web.yaml", "--also", "json=x", "--also", f"text={path}", code=64)
    assert "two results would be written to" in done.stderr


@pytest.mark.parametrize(("form", "start"), [("json", "{"), ("markdown", "<!-- "), ("junit", "<?xml"), ("html", "<!D")])
@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 130)])
def test_the_output_has_one_document_after_each_answer(
    workspace: Workspace, form: str, start: str, answer: str, code: int
) -> None:
    """The question is on standard error, also the space after it: an XML document may not begin with one."""
    words = ("apply", "web.yaml", "--format", form)
    with command.start(*words, folder=workspace.folder, typed=f"{answer}\n" if answer else "") as process:
        wait_until(lambda: "[y/N]:" in process.read_output(), bool, "the question")
        if not answer:
            process.interrupt()
        done = process.wait()
    assert done.code == code
    assert done.stdout.startswith(start)
    assert "not approved" in done.stdout or answer != "n"
    if form == "json":
        assert isinstance(json.loads(done.stdout), dict)


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_an_output_that_cannot_take_the_result_does_not_change_its_files(workspace: Workspace, form: str) -> None:
    """As with ``| head``; the files are whole and have the plan."""
    words = ("plan", "web.yaml", "--format", form, "--also", "text=x.txt", "--also", "markdown=x.md")
    with open("/dev/full", "w") as full:
        program = [sys.executable, "-m", "imagesync", *words]
        env = minimal_environment(XDG_CACHE_HOME=str(workspace.folder / "cache"))
        done = subprocess.run(
            program, cwd=workspace.folder, env=env, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "cannot write the output" in done.stderr
    assert "1 to create" in (workspace.folder / "x.txt").read_text()
    assert "1 to create" in (workspace.folder / "x.md").read_text()


@pytest.mark.parametrize("words", [("plan",), ("drift",), ("apply", "--yes")])
def test_each_file_that_cannot_be_written_is_named(workspace: Workspace, words: tuple[str, ...]) -> None:
    """The others are written."""
    workspace.run("apply", "web.yaml", "--yes")
    files = ("--also", "text=/dev/full", "--also", "json=x.json", "--metrics", "/dev/full")
    done = workspace.run(*words, "web.yaml", *files, code=1)
    assert done.stderr.count("imagesync: /dev/full cannot be written: No space left on device") == 2
    assert workspace.read_json("x.json")
