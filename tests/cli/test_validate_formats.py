"""``validate`` in the formats of GitHub, GitLab and SARIF: the same problems, paths from the root of the repository."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from imagesync.text import make_printable
from tests import forked
from tests.ci_logs import HOSTILE, find_commands, pick_kinds
from tests.command import Result, minimal_environment
from tests.github import WorkflowCommand, read_commands
from tests.pages import DOCS, read_blocks
from tests.wrong_manifests import wrong_manifests

HEAD = "version: 1\ncatalog: c\ndefaults: {disk_format: raw, container_format: bare}\n"
SOUND = f"{HEAD}images:\n  a: {{source: a.raw}}\n"
WITH_WARNING = f"{SOUND}profiles:\n  old: {{min_ram: 1}}\n"
WRONG = f"{HEAD}images:\n  a: {{source: a.raw, nam: x}}\n  b: {{source: b.raw}}\n"
UNUSED = "no image uses this profile; remove it, or use it"
MACHINE_FORMATS = ("gitlab", "sarif")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The folder ``images`` of a repository, with a manifest that is sound."""
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.raw").write_bytes(b"\xe1" * 1000)
    write(folder, SOUND)
    return folder


def write(folder: Path, text: str) -> None:
    """The manifest."""
    (folder / "m.yaml").write_text(text)


def validate(folder: Path, form: str, *words: str, code: int = 0, env: Mapping[str, str] = {}) -> Result:
    """``imagesync validate`` in a folder."""
    return forked.run("validate", "--format", form, *words, folder=folder, env=minimal_environment(**env), code=code)


def find_findings(
    folder: Path, *words: str, code: int = 0, env: Mapping[str, str] = {}
) -> list[tuple[str, str, int, str]]:
    """The level, path, line and text of each finding. SARIF and GitLab must have the same ones, and all of them."""
    run = json.loads(validate(folder, "sarif", *words, code=code, env=env).stdout)["runs"][0]
    quality = json.loads(validate(folder, "gitlab", *words, code=code, env=env).stdout)
    found = [read_result(result) for result in run["results"]]
    levels = {"minor": "warning", "major": "error", "blocker": "error"}
    assert found == [
        (levels[one["severity"]], one["location"]["path"], one["location"]["lines"]["begin"], one["description"])
        for one in quality
    ]
    assert run["invocations"][0]["exitCode"] == code
    assert len({one["fingerprint"] for one in quality}) == len(quality)
    return found


def read_result(result: dict[str, Any]) -> tuple[str, str, int, str]:
    """A result of SARIF, as a viewer shows it."""
    place = result["locations"][0]["physicalLocation"]
    text = result["message"]["text"].replace("] (", "](").replace("{ 0}", "{0}")
    return result["level"], unquote(place["artifactLocation"]["uri"]), place["region"]["startLine"], text


def test_problems_are_findings_in_every_format(images: Path) -> None:
    """With the line, the column and the remedy; the text for the reader of the log is on standard error, as ever."""
    write(images, WRONG)
    text = validate(images, "text", code=1)
    for form in ("github", *MACHINE_FORMATS):
        assert validate(images, form, code=1).stderr == text.stderr
    missing = "b.raw: No such file or directory; check the path and its permissions"
    assert list(read_commands(validate(images, "github", code=1).stdout)) == [
        WorkflowCommand(
            "error",
            {"file": "images/m.yaml", "line": "5", "col": "22", "title": "images.a.nam"},
            "unknown key; did you mean name?",
        ),
        WorkflowCommand(
            "error", {"file": "images/m.yaml", "line": "6", "col": "7", "title": "images.b.source"}, missing
        ),
    ]
    assert find_findings(images, code=1) == [
        ("error", "images/m.yaml", 5, "images.a.nam: unknown key; did you mean name?"),
        ("error", "images/m.yaml", 6, f"images.b.source: {missing}"),
    ]


def test_no_problem_is_no_finding(images: Path) -> None:
    """GitHub gets the text; the other formats a document without findings."""
    assert validate(images, "github").stdout == validate(images, "text").stdout
    assert validate(images, "github", "--quiet").stdout == ""
    assert find_findings(images) == []


def test_a_warning_is_a_finding_that_does_not_fail(images: Path) -> None:
    """``--strict`` makes it an error, in every format."""
    write(images, WITH_WARNING)
    place = {"file": "images/m.yaml", "line": "7", "col": "3", "title": "profiles.old"}
    output = validate(images, "github").stdout
    assert list(read_commands(output)) == [WorkflowCommand("warning", place, UNUSED)]
    assert output.endswith(validate(images, "text").stdout)
    assert find_findings(images) == [("warning", "images/m.yaml", 7, f"profiles.old: {UNUSED}")]
    output = validate(images, "github", "--strict", code=1).stdout
    assert list(read_commands(output)) == [WorkflowCommand("error", place, UNUSED)]
    assert find_findings(images, "--strict", code=1) == [("error", "images/m.yaml", 7, f"profiles.old: {UNUSED}")]


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("none", "", "no such file or folder; check the path"),
        ("m.yaml", "a: [", "not valid YAML: "),
        ("m.yaml", "", "empty; begin the manifest with version: 1"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_finding(images: Path, path: str, text: str, message: str) -> None:
    """Of the whole file, or of its first wrong line."""
    write(images, text)
    ((level, file, line, description),) = find_findings(images, path, code=1)
    (command,) = read_commands(validate(images, "github", path, code=1).stdout)
    assert (level, file, command.properties["file"]) == ("error", f"images/{path}", f"images/{path}")
    assert description.startswith(message)
    assert command.text == description
    assert line == int(command.properties.get("line", 1))


def test_a_wrong_command_line_is_no_finding(images: Path) -> None:
    """The manifests have no problem."""
    for form in ("github", *MACHINE_FORMATS):
        result = validate(images, form, "--target", "none", code=64)
        assert (result.stdout, result.stderr.count("\n")) == ("", 1)


def test_github_gets_the_ten_worst_problems(images: Path) -> None:
    """The last one counts the others, and has the command that lists all, with the options of this one."""
    write(images, f"{HEAD}polcy: {{}}\nimages:\n" + "".join(f"  i{n}: {{source: a.raw, x: 1}}\n" for n in range(30)))
    commands = list(read_commands(validate(images, "github", "m.yaml", "--no-source-check", code=1).stdout))
    assert [one.properties.get("title") for one in commands[:2]] == ["polcy", "images.i0.x"]
    assert len(commands) == 10
    count, list_all = commands[-1].text.split("; list all with: imagesync ")
    assert (commands[-1].name, commands[-1].properties, count) == ("error", {}, "and 22 more problems")
    assert forked.run(*shlex.split(list_all), folder=images, code=1).stderr.endswith("31 problems in the manifests\n")


@pytest.mark.parametrize("variable", ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"])
def test_paths_are_relative_to_the_checkout(images: Path, variable: str) -> None:
    """Also if it has no ``.git``, or the path of the command line is absolute."""
    (images.parent / ".git").rmdir()
    write(images, WRONG)
    env = {variable: str(images.parent)}
    assert {file for _, file, _, _ in find_findings(images, str(images), code=1, env=env)} == {"images/m.yaml"}
    assert {file for _, file, _, _ in find_findings(images, code=1)} == {"m.yaml"}


def test_the_column_counts_characters(images: Path) -> None:
    """Not bytes, and not the code units of UTF-16."""
    write(images, f"{HEAD}images:\n  a: {{name: ö🐍, source: a.raw}}\nprofiles: {{ö🐍: {{nam: x}}}}\n")
    run = json.loads(validate(images, "sarif", code=1).stdout)["runs"][0]
    (found,) = (one for one in run["results"] if "unknown key" in one["message"]["text"])
    region = found["locations"][0]["physicalLocation"]["region"]
    assert (run["columnKind"], region) == ("unicodeCodePoints", {"startLine": 6, "startColumn": 17})


SPECIALS = {
    **HOSTILE,
    "escapes of GitHub": "%25%0A%0a%3A%2C,a=b::error::x",
    "properties of GitHub": "x,line=1,title=y::evil",
    "links and placeholders of SARIF": "[x](https://evil.example) {0} [y](0) \\",
    "a URI": "a/../..//b?c#d&%2e%2e",
    "JSON and HTML": "\"'}],</script><img src=x onerror=alert(1)>",
    "another terminal": "\x9b31m\x00\x07\b",
}
USUAL = (
    "GitHub",
    "GitHub, on a line of its own",
    "escapes of GitHub",
    "properties of GitHub",
    "links and placeholders of SARIF",
)


@pytest.mark.parametrize("kind", pick_kinds(SPECIALS, USUAL))
def test_text_of_a_manifest_is_never_a_command(images: Path, kind: str) -> None:
    """In keys, values and names of files, wherever it is wrong: the runner of GitHub finds exactly our annotations."""
    text = SPECIALS[kind]
    name = f"{text.replace('/', '').replace(chr(0), '')}.yaml"
    for document in wrong_manifests(text):
        (images / name).write_text(json.dumps({"version": 1, "catalog": "base", **document}))
        check_findings(images, name)
    for broken in (f"version: 2\n- {text}", f'"{text}": [', "version: 1\n" + json.dumps({"images": text}) + "\n: x"):
        (images / name).write_text(broken, encoding="utf-8")
        check_findings(images, name)


def check_findings(images: Path, name: str) -> None:
    """The findings of a folder whose manifest ``name`` has hostile text: those of the JSON, and no other command."""
    (images / "m.yaml").unlink(missing_ok=True)
    problems = json.loads(validate(images, "json", ".", code=1).stdout)["problems"]
    places = [(one["line"], one["column"]) for one in problems]
    assert {one["file"] for one in problems} == {escape(name)}
    result = validate(images, "github", ".", code=1)
    commands = list(read_commands(result.stdout))
    assert len(commands) == len(result.stdout.splitlines()) == min(10, len(problems))
    assert list(find_commands(result.stderr)) == []
    for command in commands if len(problems) <= 10 else commands[:-1]:
        given = command.properties
        assert (command.name, given["file"]) == ("error", f"images/{escape(name)}")
        assert (int(given.get("line", 0)), int(given.get("col", 0))) in places
        assert set(given) <= {"file", "line", "col", "title"}
        assert "".join([*given.values(), command.text]).isprintable()
    for form in MACHINE_FORMATS:
        output = validate(images, form, ".", code=1).stdout
        assert list(find_commands(output)) == []
        texts = list(list_strings(json.loads(output)))
        assert [one for one in texts if not one.isprintable()] == []
    results = json.loads(validate(images, "sarif", ".", code=1).stdout)["runs"][0]["results"]
    assert [
        one["message"] for one in results if "](" in one["message"]["text"] or "{0}" in one["message"]["text"]
    ] == []
    assert len(find_findings(images, ".", code=1)) == len(problems)


def escape(text: str) -> str:
    """A printable form of a name, as messages have it."""
    return make_printable(text)


def list_strings(document: Any) -> list[str]:
    """Every text of a document, keys included."""
    if isinstance(document, str):
        return [document]
    if isinstance(document, dict):
        return [one for item in document.items() for part in item for one in list_strings(part)]
    return [one for part in document for one in list_strings(part)] if isinstance(document, list) else []


def test_github_reads_the_commands_of_a_pipe(images: Path) -> None:
    """The command as a process, as a step of a job runs it: both streams in one log."""
    write(images, WRONG)
    words = ("validate", "--format", "github")
    done = subprocess.run(
        [sys.executable, "-m", "imagesync", *words],
        cwd=images,
        env=minimal_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        encoding="utf-8",
    )
    assert [one.name for one in read_commands(done.stdout)] == ["error", "error"]
    assert done.stdout.splitlines()[2].startswith("m.yaml:5:22: ")


def test_the_steps_of_the_page_run(images: Path) -> None:
    """``docs/validate.md``: each command writes what the next step reads, and fails if there is a problem."""
    blocks = [
        block.text for block in read_blocks((DOCS / "validate.md").read_text(encoding="utf-8")) if block.kind == "yml"
    ]
    lines = [found for text in blocks for found in re.findall(r"(?:run|script): (imagesync .+)|- (imagesync .+)", text)]
    assert (len(lines), len(blocks)) == (5, 6)
    write(images, WRONG)
    for line in map("".join, lines):
        words = line.replace("imagesync validate", f"{shlex.quote(sys.executable)} -m imagesync validate", 1)
        done = subprocess.run(["/bin/sh", "-c", words], cwd=images.parent, env=minimal_environment(), check=False)
        assert done.returncode == 1
    written = [
        json.loads((images.parent / name).read_bytes()) for name in ("imagesync.sarif", "gl-code-quality-report.json")
    ]
    assert (len(written[0]["runs"][0]["results"]), len(written[1])) == (2, 2)
    assert [yaml.safe_load(text) for text in blocks]
