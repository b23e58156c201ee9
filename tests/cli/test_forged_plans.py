"""Forged plan files, with a digest that fits, on the embedded store: each is refused, and the store stays as it is.

The digest has no key: ``tests.forging`` computes it as the schema of plans describes it.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends import open_backend
from tests import forked
from tests.command import Result
from tests.forging import fit_digest

BEFORE: dict[str, dict[str, Any]] = {
    "changed": {"source": "a.raw", "min_ram": 1},
    "new-build": {"source": "a.raw"},
    "removed": {"source": "b.raw"},
    "other": {"source": "b.raw"},
}
AFTER: dict[str, dict[str, Any]] = {
    "changed": {"source": "a.raw", "min_ram": 2},
    "new-build": {"source": "b.raw"},
    "other": {"source": "b.raw"},
    "created": {"source": "b.raw"},
}


class ForgedPlanWorkspace:
    """A store with owned images and a foreign one, a plan that was saved, and the command that applies it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        for name, data in (("a.raw", b"\xe1" * 1000), ("b.raw", b"\xe2" * 2000)):
            (self.folder / name).write_bytes(data)
        (folder / "secret.raw").write_bytes(b"secre\0" * 100)
        self.want(BEFORE)
        self.run("apply", "--yes", "--store", "store")
        backend = open_backend(store=self.folder / "store")
        self.foreign = backend.create_image(name="golden", protected=True).id
        self.live = {image.properties["imagesync_key"]: image.id for image in backend.inventory("base")}
        backend.close()
        self.want(AFTER)

    def want(self, images: dict[str, dict[str, Any]], **more: Any) -> None:
        """The manifest."""
        defaults = {"disk_format": "raw", "container_format": "bare"}
        document = {"version": 1, "catalog": "base", "defaults": defaults, "images": images, **more}
        (self.folder / "base.yaml").write_text(json.dumps(document))

    def run(self, *words: str, code: int = 0) -> Result:
        """``imagesync WORDS`` beside the manifest."""
        return forked.run(*words, folder=self.folder, code=code)

    def plan(self, *words: str) -> dict[str, Any]:
        """The plan that is saved as plan.json."""
        self.run("plan", "--store", "store", "-o", "plan.json", *words)
        found: dict[str, Any] = json.loads((self.folder / "plan.json").read_text())
        return found

    def forge(self, document: dict[str, Any]) -> None:
        """The document as plan.json, with a digest that fits."""
        (self.folder / "plan.json").write_text(fit_digest(document))

    def relied_values(self) -> dict[str, Any]:
        """What a plan that touches the foreign image must rely on, as it is."""
        with open_backend(store=self.folder / "store") as backend:
            (image,) = backend.images(self.foreign)
        plain = {"name": image.name, "owner": image.owner, "hidden": image.hidden, "protected": image.protected}
        return {**plain, "status": image.status.value, "visibility": image.visibility.value}

    def content(self) -> dict[str, bytes]:
        """Every file of the store but what only reading it changes."""
        store = self.folder / "store"
        return {
            str(path.relative_to(store)): path.read_bytes()
            for path in sorted(store.rglob("*"))
            if path.is_file() and not path.name.endswith(("-shm", "-wal", "lock"))
        }

    def images(self) -> list[str]:
        """Every image, in full."""
        with open_backend(store=self.folder / "store") as backend:
            return sorted(map(repr, backend.images()))


@pytest.fixture
def workspace(tmp_path: Path) -> ForgedPlanWorkspace:
    """Four images applied, a foreign one beside them, another manifest."""
    return ForgedPlanWorkspace(tmp_path)


def step(document: dict[str, Any], action: str) -> dict[str, Any]:
    """The first step of a kind."""
    found: dict[str, Any] = next(one for one in document["steps"] if one["action"] == action)
    return found


def delete_foreign(workspace: ForgedPlanWorkspace, plan: dict[str, Any]) -> None:
    """The step that deletes a removed image is about the foreign one; everything else fits."""
    one = step(plan, "delete")
    old, new = one["image_id"], workspace.foreign
    one |= {"image_id": new, "id": f"delete:removed:{new}", "size": None, "unprotect": True}
    plan["relies"] = [item for item in plan["relies"] if item["image_id"] != old]
    plan["relies"].append({"image_id": new, "key": "removed", "values": workspace.relied_values()})


def read_elsewhere(path: str, display: str) -> Callable[[ForgedPlanWorkspace, dict[str, Any]], None]:
    """A new image is made of another file."""

    def forge(workspace: ForgedPlanWorkspace, plan: dict[str, Any]) -> None:
        (workspace.folder / "link.raw").symlink_to("../secret.raw")
        one = step(plan, "create")
        one["source"] |= {"path": path, "shown": display}
        digest = f"sha256:{hashlib.sha256(b'secret' * 100).hexdigest()}"
        one["fingerprint"] |= {"digests": [digest], "size": 600}
        one["record"]["digests"] = [digest]
        plan["summary"]["upload_bytes"] = sum(
            one["fingerprint"]["size"] for one in plan["steps"] if "fingerprint" in one
        )

    return forge


def sign_elsewhere(workspace: ForgedPlanWorkspace, plan: dict[str, Any]) -> None:
    """The keyring lies elsewhere."""
    keyring = {"keyring": "../secret.raw", "shown": "../secret.raw", "url": "https://example.org/SUMS"}
    step(plan, "create")["source"] |= {"signature": keyring}


def fetch_from_disk(workspace: ForgedPlanWorkspace, plan: dict[str, Any]) -> None:
    """The source is a URL that names a file."""
    source, url = step(plan, "create")["source"], "file:///etc/hostname"
    for name in ("path", "shown"):
        source.pop(name)
    source |= {"kind": "url", "urls": [{"url": url, "withheld": False}]}


def set_in(*path: Any, value: Any) -> Callable[[ForgedPlanWorkspace, dict[str, Any]], None]:
    """A value of the document, or of the first step of a kind, is another."""

    def forge(_: ForgedPlanWorkspace, plan: dict[str, Any]) -> None:
        found: Any = step(plan, path[0]) if path[0] in ("create", "update", "delete") else plan[path[0]]
        if len(path) == 1:
            plan[path[0]] = value
            return
        for name in path[1:-1]:
            found = found[name]
        found[path[-1]] = value

    return forge


def forget_relied(workspace: ForgedPlanWorkspace, plan: dict[str, Any]) -> None:
    """What the plan relied on is named without its values."""
    for item in plan["relies"]:
        item["values"] = {}


def hide_clash(workspace: ForgedPlanWorkspace, plan: dict[str, Any]) -> None:
    """A new image takes the name of the foreign one, which the plan claims to rely on."""
    step(plan, "create")["document"]["fields"]["name"] = "golden"
    plan["relies"].append({"image_id": workspace.foreign, "key": "created", "values": {}})


def adopt_protected(workspace: ForgedPlanWorkspace, plan: dict[str, Any]) -> None:
    """The foreign image becomes that of a new key, and loses its protection."""
    image_id, record = (
        workspace.foreign,
        {**step(plan, "update")["record"], "key": "golden", "digests": [], "url": None},
    )
    change = {"path": ["protected"], "before": True, "after": False, "reason": "adopt"}
    plan["steps"].append(
        {
            "action": "update",
            "key": "golden",
            "image_id": image_id,
            "id": f"update:golden:{image_id}",
            "reason": "adopt",
            "needs": [],
            "changes": [change],
            "record": record,
            "verify": [],
        }
    )
    plan["steps"].sort(key=lambda one: ["changed", "created", "golden", "new-build", "removed"].index(one["key"]))
    plan["relies"].append({"image_id": image_id, "key": "golden", "values": workspace.relied_values()})
    plan["summary"]["update"] += 1
    plan["changed"] = sorted([*plan["changed"], "golden"])


FORGED: dict[str, tuple[Callable[[ForgedPlanWorkspace, dict[str, Any]], None], str]] = {
    "foreign image deleted": (delete_foreign, "does not belong to removed of catalog base"),
    "file outside": (read_elsewhere("../secret.raw", "../secret.raw"), "lies outside the catalog's folder"),
    "file outside, absolute": (read_elsewhere("/etc/hostname", "hostname"), "would read"),
    "link to the outside": (read_elsewhere("link.raw", "link.raw"), "lies outside the catalog's folder"),
    "file of git": (read_elsewhere(".git/config", ".git/config"), "lies in .git, which may hold credentials"),
    "another file shown": (read_elsewhere("a.raw", "b.raw"), "the plan shows the file 'b.raw' but would read 'a.raw'"),
    "URL of a file": (fetch_from_disk, "file is not http or https"),
    "keyring outside": (sign_elsewhere, "lies outside the catalog's folder"),
    "base outside": (
        set_in("manifest", "base", value="../.."),
        "neither below the plan's folder nor below the working directory",
    ),
    "store outside": (
        set_in("target", "location", value="/nowhere/store"),
        "the store of the plan, /nowhere/store, is neither below",
    ),
    "reliance without values": (forget_relied, "does not list these values of image"),
    "no reliance": (set_in("relies", value=[]), "does not list the values of image"),
    "nothing absent": (set_in("absent", value=[]), "does not list created among the keys without an image"),
    "name of a foreign image": (hide_clash, "has taken the name 'golden' meanwhile"),
    "protected image adopted": (adopt_protected, "would take over the protected image"),
    "marker in a property": (
        set_in("create", "document", "properties", value={"imagesync_lease": "base"}),
        "which a manifest cannot set",
    ),
    "role": (set_in("create", "record", "role", value="retired"), "a new image becomes current"),
    "catalog": (set_in("update", "record", "catalog", value="other"), "another catalog or key"),
    "value before": (
        set_in("update", "changes", value=[{"path": ["min_ram"], "before": 9, "after": 2, "reason": "drift"}]),
        "min_ram of image",
    ),
    "counts": (set_in("removed", value=[]), "removed: the plan's lists of removed and changed keys do not match"),
    "needs": (set_in("create", "needs", value=["create:z"]), "not another step of the plan"),
    "kind": (set_in("kind", value="stage"), "kind stage cannot have this step"),
}


def refuse(workspace: ForgedPlanWorkspace, expected: str, code: int = 1) -> None:
    """The plan is refused with this text, and the store is as it was."""
    before = workspace.content(), workspace.images()
    output = workspace.run("apply", "plan.json", "--yes", code=code)
    assert expected in output.stderr, output
    assert output.stdout == "" or "Applied" not in output.stdout
    assert (workspace.content(), workspace.images()) == before


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_plan_changes_nothing(workspace: ForgedPlanWorkspace, name: str) -> None:
    """Exit 1, and the store is the same, byte for byte."""
    forge, expected = FORGED[name]
    document = workspace.plan()
    forge(workspace, document)
    workspace.forge(document)
    refuse(workspace, expected)


def test_a_file_that_was_not_forged_is_applied(workspace: ForgedPlanWorkspace) -> None:
    """The digest as the schema describes it is the right one."""
    workspace.forge(workspace.plan())
    workspace.run("apply", "plan.json", "--yes")
    assert "No changes." in workspace.run("plan", "--store", "store", "--detailed-exitcode").stdout


SCHEMA = "does not match the schema"
NOT_PLANS: dict[str, tuple[Callable[[ForgedPlanWorkspace, dict[str, Any]], None], str]] = {
    "path as an id": (set_in("delete", "image_id", value="../tasks"), SCHEMA),
    "summary": (set_in("summary", "delete", value=0), "its summary does not match its steps"),
    "escape in a name": (set_in("catalog", value="base\x1b[2J"), "catalog has control characters"),
    "direction in an id": (set_in("create", "id", value="create:\u202ea"), "steps.id has control characters"),
    "type of a field": (set_in("create", "document", "fields", "hidden", value="yes"), SCHEMA),
    "role of a lease": (set_in("update", "record", "role", value="lease"), SCHEMA),
    "path of a change": (set_in("update", "changes", 0, "path", value=["id"]), SCHEMA),
    "path of a reliance": (set_in("relies", 0, "values", value={"__class__": None}), SCHEMA),
    "type of a change": (set_in("update", "changes", 0, "after", value="much"), SCHEMA),
}


@pytest.mark.parametrize("name", NOT_PLANS)
def test_a_file_that_is_no_plan_is_refused(workspace: ForgedPlanWorkspace, name: str) -> None:
    """Exit 64; ``show`` refuses it, too."""
    forge, expected = NOT_PLANS[name]
    document = workspace.plan()
    forge(workspace, document)
    workspace.forge(document)
    refuse(workspace, expected, code=64)
    assert expected in workspace.run("show", "plan.json", code=64).stderr


def test_a_name_that_is_there_twice(workspace: ForgedPlanWorkspace) -> None:
    """Another program might use the first value."""
    workspace.plan()
    file = workspace.folder / "plan.json"
    file.write_text(file.read_text().replace("{", '{"catalog": "harmless",', 1))
    refuse(workspace, "is not a saved plan", code=64)


def test_paths_outside_are_read_where_that_is_permitted(workspace: ForgedPlanWorkspace) -> None:
    """The same option as for plan; the plan must still show the file that it reads."""
    workspace.want({**AFTER, "created": {"source": "../secret.raw"}})
    workspace.plan("--allow-outside")
    refuse(workspace, "create:created: ../secret.raw lies outside the catalog's folder")
    (workspace.folder.parent / "plans").mkdir()
    moved = workspace.folder.parent / "plans" / "plan.json"
    workspace.run("plan", "--store", "store", "--allow-outside", "-o", str(moved))
    elsewhere = workspace.folder.parent / "elsewhere"
    elsewhere.mkdir()
    output = forked.run(
        "apply", str(moved), "--yes", "--store", str(workspace.folder / "store"), folder=elsewhere, code=1
    )
    assert "neither below the plan's folder nor below the working directory" in output.stderr
    workspace.run("apply", str(moved), "--yes", "--allow-outside")


def test_permissions_are_given_again(workspace: ForgedPlanWorkspace) -> None:
    """To remove a protected image, to remove the last images, and limits where they are given."""
    with open_backend(store=workspace.folder / "store") as backend:
        backend.update_image(workspace.live["removed"], protected=True)
    workspace.plan("--allow-protected")
    assert "although it is protected" in workspace.run("show", "plan.json").stdout
    refuse(workspace, "would delete the protected image")
    refused = workspace.run("apply", "plan.json", "--yes", "--allow-protected", "--max-delete", "0", code=1).stderr
    assert "the plan would remove 1 of 4 live images (25 %); the limit is 0; pass --max-delete 1" in refused
    workspace.run("apply", "plan.json", "--yes", "--allow-protected")
    workspace.want({})
    workspace.plan("--destroy")
    refuse(workspace, "pass --destroy to allow it")
    workspace.run("apply", "plan.json", "--yes", "--destroy")


def test_a_plan_shows_the_target_that_it_is_applied_to(workspace: ForgedPlanWorkspace) -> None:
    """It does not print the name that the plan claims."""
    document = workspace.plan()
    document["target"] |= {"label": "./harmless", "project_name": "harmless"}
    workspace.forge(document)
    assert "harmless" not in workspace.run("apply", "plan.json", "--yes").stdout


def test_a_withheld_url_comes_with_the_source_that_the_plan_shows(workspace: ForgedPlanWorkspace) -> None:
    """The plan cannot show another host than that of the manifest's URL."""
    url = "http://user:hunter2@127.0.0.1:9/a.raw"
    workspace.want({**AFTER, "created": {"source": {"url": url, "checksum": "sha256:" + "0" * 64}}})
    document = workspace.plan("--no-source-check")
    step(document, "create")["source"]["urls"][0]["url"] = "https://example.org/a.raw"
    workspace.forge(document)
    refuse(workspace, "now declare another source: make the plan again", code=64)


HONEST: dict[str, tuple[dict[str, dict[str, Any]], tuple[str, ...], dict[str, Any]]] = {
    "apply": (AFTER, (), {}),
    "stage": (AFTER, ("--stage",), {}),
    "hide": (AFTER, (), {"policy": {"on_remove": "hide"}}),
    "let go": (AFTER, (), {"policy": {"on_remove": "keep"}}),
    "delete at once": (AFTER, (), {"policy": {"on_replace": {"keep": 0, "deactivate": True}}}),
    "adopt": ({**BEFORE, "golden": {"source": "none", "name": "golden", "adopt": True, "protected": True}}, (), {}),
    "moved file": ({**BEFORE, "changed": {"source": "sub/../sub/c.raw"}}, (), {}),
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_plan_is_applied(workspace: ForgedPlanWorkspace, name: str) -> None:
    """Of every kind; afterwards nothing is left to do."""
    images, words, more = HONEST[name]
    (workspace.folder / "sub").mkdir()
    os.link(workspace.folder / "b.raw", workspace.folder / "sub" / "c.raw")
    workspace.want(images, **more)
    workspace.plan(*words)
    workspace.run("apply", "plan.json", "--yes")
    last = workspace.run("plan", "--store", "store", *words).stdout
    assert "No changes." in last or "Nothing to stage." in last


def test_candidates_and_earlier_builds_of_honest_plans(workspace: ForgedPlanWorkspace) -> None:
    """Candidates are staged and published, or staged and dropped."""
    workspace.plan("--stage")
    workspace.run("apply", "plan.json", "--yes")
    workspace.plan()
    assert "candidate published" in workspace.run("apply", "plan.json", "--yes").stdout
    workspace.want({**AFTER, "changed": {"source": "b.raw"}})
    workspace.plan("--stage")
    workspace.run("apply", "plan.json", "--yes")
    workspace.plan("--discard-staged")
    assert "candidate dropped" in workspace.run("apply", "plan.json", "--yes").stdout
    workspace.want({**AFTER, "new-build": {"source": "a.raw"}})
    workspace.plan()
    assert "back to an earlier build" in workspace.run("apply", "plan.json", "--yes").stdout
