"""Text of manifests, files and saved plans in every output of the command: nothing in it commands a CI system or a terminal.

``tests/fault/test_service_text.py`` does the same with text of services.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagesync.backends import open_backend
from tests import forked
from tests.ci_logs import HOSTILE, find_commands, find_commands_below, pick_kinds
from tests.command import Result, minimal_environment
from tests.forging import fit_digest
from tests.result_files import COPIES, JUNIT, check_files, check_markdown
from tests.wrong_manifests import wrong_manifests

PRINTABLE = {kind: text for kind, text in HOSTILE.items() if text.isprintable()}
"""Those that a manifest may hold in a name."""
OUTPUTS = ("--out", "out/report.json", "--events", "out/events.jsonl", "--ids", "out/ids.json", *COPIES, *JUNIT)


class HostileTextWorkspace:
    """A folder with a manifest and a store; each output is judged, and each file that a command writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.out.mkdir()
        (folder / "a.raw").write_bytes(b"\xe1" * 1000)
        (folder / "b.raw").write_bytes(b"\xe2" * 1000)

    def want(self, images: dict[str, Any], name: str = "base.yaml", **more: Any) -> None:
        """The manifest, in a file of this name."""
        defaults = {"disk_format": "raw", "container_format": "bare"}
        document = {"version": 1, "catalog": "base", "defaults": defaults, "images": images, **more}
        (self.folder / name).write_text(json.dumps(document))

    def run(self, *words: str, code: int | None = None) -> Result:
        """``imagesync WORDS``: no line of its output and of the files in ``out`` holds a command."""
        env = minimal_environment(XDG_CACHE_HOME=str(self.folder / "cache"), TMPDIR=str(self.out))
        result = forked.run(*words, folder=self.folder, env=env, code=code)
        assert list(find_commands(result.stdout)) == [], words
        assert list(find_commands(result.stderr)) == [], words
        assert find_commands_below(self.out) == [], words
        check_files(self.out)
        if words[0] in ("plan", "apply", "show") and "markdown" in words and result.stdout:
            check_markdown(result.stdout)
        assert result.code != 3, result
        return result


@pytest.fixture
def workspace(tmp_path: Path) -> HostileTextWorkspace:
    """Nothing applied."""
    return HostileTextWorkspace(tmp_path)


def wanted(text: str, source: str = "a.raw") -> dict[str, Any]:
    """Two images with the text wherever a manifest may hold it."""
    properties = {"plain": text, text.replace("/", "")[:60].strip(): "x"}
    image = {"name": text, "source": source, "tags": [text.strip()], "properties": properties}
    return {"a": image, "b": {"source": source, "properties": {"of": "${images.a.id}"}, "name": f"x {text}"}}


@pytest.mark.parametrize("kind", pick_kinds(PRINTABLE))
def test_text_that_a_manifest_may_hold(workspace: HostileTextWorkspace, kind: str) -> None:
    """Through the life of an image: made, listed, exported, adopted, replaced, rolled back, removed."""
    text, store = PRINTABLE[kind], ("--store", "store")
    policy = {"max_delete": "100%", "on_replace": {"keep": 3, "rename": f"{text}{{generation}}"}}
    workspace.want(wanted(text), policy=policy)
    for form in ("text", "json", "markdown", "html"):
        workspace.run("validate", "--format", form if form == "json" else "text", code=0)
        workspace.run("plan", *store, "--format", form, "-o", f"out/{form}.json", *COPIES, *JUNIT, code=0)
        workspace.run("show", f"out/{form}.json", "--format", form, "--color", *COPIES[:-2], code=0)
    workspace.run("apply", "out/json.json", "--yes", "-v", *store, *OUTPUTS, code=0)
    listed = json.loads(workspace.run("list", *store, "--format", "json", code=0).stdout)
    assert {image["name"] for image in listed} == {text, f"x {text}"}
    workspace.run("list", *store, code=0)
    for image in listed:
        workspace.run("list", image["id"], *store, code=0)
    workspace.run("export", *store, "--managed", "-o", "out/export.yaml", code=0)
    exported = yaml.safe_load((workspace.out / "export.yaml").read_text())
    assert {image["name"] for image in exported["images"].values()} == {text, f"x {text}"}
    assert workspace.run("export", *store, "--managed", code=0).stdout == (workspace.out / "export.yaml").read_text()
    (workspace.out / "export.yaml").unlink()
    workspace.want(wanted(text, "b.raw"), policy=policy)
    workspace.run("apply", "--yes", "--format", "json", *store, *OUTPUTS, code=0)
    workspace.run("rollback", "a", "--yes", *store, *OUTPUTS, code=0)
    workspace.run("rollback", "b", "--yes", "--format", "json", *store, *OUTPUTS, code=0)
    with open_backend(store=workspace.folder / "store") as backend:
        backend.create_image(name=f"free {text}", disk_format="raw", container_format="bare")
    workspace.want({"free": {"name": f"free {text}", "adopt": True}, "none": {"name": f"no {text}", "adopt": True}})
    workspace.run("drift", *store, *COPIES)
    workspace.run("show", "free", ".", *store, *COPIES[:-2])
    workspace.run("adopt", "--yes", *store, *COPIES, *JUNIT)
    workspace.run("adopt", "--yes", "--format", "json", *store)
    workspace.want({})
    workspace.run("apply", "--yes", "--destroy", "--max-delete", "100%", *store)


@pytest.mark.parametrize("kind", pick_kinds(HOSTILE))
def test_text_that_is_wrong_in_a_manifest(workspace: HostileTextWorkspace, kind: str) -> None:
    """Problems and their hints, as lines and as JSON, of every place; and what a plan says of it."""
    for document in wrong_manifests(HOSTILE[kind]):
        (workspace.folder / "base.yaml").write_text(json.dumps({"version": 1, "catalog": "base", **document}))
        workspace.run("validate")
        workspace.run("plan", "--store", "store", *COPIES, *JUNIT, code=1)
        json.loads(workspace.run("validate", "--format", "json").stdout)


@pytest.mark.parametrize("kind", pick_kinds(HOSTILE))
def test_text_in_names_of_files_and_in_words_of_the_command_line(workspace: HostileTextWorkspace, kind: str) -> None:
    """A pull request names files; a pipeline passes on names of branches."""
    text = HOSTILE[kind].replace("/", "")
    folder = workspace.folder / text
    folder.mkdir()
    (folder / f"{text}.yaml").write_text("version: 2\nnonsense: ##vso[x]\n- a")
    (folder / f"{text}.json").write_text(json.dumps({"format_version": text, text: text}))
    workspace.run("validate", text)
    workspace.run("validate", f"./{text}", "--format", "json")
    for words in (
        ("validate", f"{text}/{text}.yaml"),
        ("show", f"{text}/{text}.json"),
        ("show", text),
        ("schema", text),
    ):
        workspace.run(*words)
        workspace.run("apply", words[-1], "--store", text, "--yes")
    (workspace.folder / "link.yaml").symlink_to(text)
    workspace.want({"a": {"source": f"{text}/missing"}}, f"{text}.yml")
    for more in (
        ("--target", text),
        ("--set", text),
        ("--only", text),
        ("--max-delete", text),
        ("--format", text),
        (text,),
    ):
        workspace.run("plan", f"{text}.yml", "--store", "store", *more)
    workspace.run("rollback", text, f"{text}.yml", "--store", "store")
    workspace.run("list", text, "--store", "store")
    workspace.run("export", "--catalog", text, "--store", "store")
    workspace.run(text)


@pytest.mark.parametrize("kind", pick_kinds(HOSTILE))
def test_text_in_a_saved_plan(workspace: HostileTextWorkspace, kind: str) -> None:
    """In the place of every text of its document, one after the other, with a digest that fits."""
    workspace.want({"a": {"source": "a.raw", "properties": {"p": "q"}, "tags": ["t"]}})
    workspace.run("plan", "--store", "store", "-o", "plan.json", code=0)
    document = json.loads((workspace.folder / "plan.json").read_text())
    places = list(list_texts(document))
    assert len(places) > 30
    for place in places if kind in ("Azure", "GitHub, on a line of its own") else ():
        changed = json.loads(json.dumps(document))
        put(changed, place, HOSTILE[kind])
        (workspace.folder / "forged.json").write_text(fit_digest(changed))
        workspace.run("show", "forged.json")
    for part in ({"notes": [HOSTILE[kind]]}, {"target": {**document["target"], "project_name": HOSTILE[kind]}}):
        (workspace.folder / "forged.json").write_text(fit_digest({**document, **part}))
        for words in (
            ("show", "forged.json", "--format", "json", *COPIES[:-2]),
            ("apply", "forged.json", "--yes", *COPIES, *JUNIT),
        ):
            workspace.run(*words)


def list_texts(found: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each text in a document."""
    if isinstance(found, str):
        yield place
    parts = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for name, part in parts:
        yield from list_texts(part, (*place, name))


def put(document: Any, place: tuple[Any, ...], text: str) -> None:
    """Put a text into its place."""
    for name in place[:-1]:
        document = document[name]
    document[place[-1]] = text


def test_the_digest_of_a_plan_is_of_its_values(workspace: HostileTextWorkspace) -> None:
    """An escape in the file changes nothing: it is read back, and its digest fits."""
    workspace.want(wanted("##vso[x]y"))
    workspace.run("plan", "--store", "store", "-o", "plan.json", code=0)
    text = (workspace.folder / "plan.json").read_text()
    assert "#\\u0023vso[x]y" in text
    assert json.loads(fit_digest(json.loads(text)))["digest"] == json.loads(text)["digest"]


def test_a_bug_log_holds_no_command(workspace: HostileTextWorkspace) -> None:
    """The traceback quotes what it is about."""
    from imagesync.cli.bug_log import write_bug_log  # a bug of the command cannot be made from outside

    before = set(workspace.out.iterdir())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(workspace.out))
        write_bug_log("Traceback\n::stop-commands::x\nValueError: ##vso[x]y")
    (log,) = set(workspace.out.iterdir()) - before
    assert find_commands_below(workspace.out) == []
    assert ":\\u003astop-commands::x" in log.read_text()
