"""Changes between the saving of a plan and its apply: a plan is stale only if something changed on which it relies.

The changes are made over plain HTTP on the real service, each from the same beginning.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.service import Cloud, Snapshot
from tests.command import Result, cloud_environment
from tests.fault.fork_server import ForkedCommand
from tests.trials import note

PLAIN = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}
KERNEL = {"source": "b.raw", "disk_format": "aki", "container_format": "aki"}
BEFORE: dict[str, dict[str, Any]] = {
    "changed": {"source": "a.raw", "min_ram": 1, "min_disk": 1, "tags": ["one"], "properties": {"p": "1", "q": "1"}},
    "shared": {"source": "b.raw", "visibility": "shared", "members": [{"id": "p1"}]},
    "off": {"source": "b.raw"},
    "on": {"source": "b.raw", "status": "deactivated"},
    "new-build": {"source": "a.raw"},
    "removed": {"source": "b.raw"},
    "unhidden": {"source": "b.raw", "hidden": True},
    "kernel": KERNEL,
    "untouched": {"source": "b.raw"},
}
AFTER: dict[str, dict[str, Any]] = {
    "changed": {
        "source": "a.raw",
        "name": "Changed",
        "min_ram": 2,
        "min_disk": 2,
        "tags": ["two"],
        "properties": {"p": "2", "kernel_id": "${images.kernel.id}"},
    },
    "shared": {"source": "b.raw", "visibility": "shared", "members": [{"id": "p2"}]},
    "off": {"source": "b.raw", "status": "deactivated"},
    "on": {"source": "b.raw", "status": "active"},
    "new-build": {"source": "b.raw"},
    "unhidden": {"source": "b.raw", "hidden": False},
    "kernel": KERNEL,
    "untouched": {"source": "b.raw"},
    "created": {"source": "b.raw"},
}
MARKS = ("catalog", "key", "role", "digest", "spec", "managed")


class StalePlanWorkspace:
    """A cloud, a saved plan with every kind of step, and the command that applies it."""

    def __init__(self, cloud: Cloud, folder: Path, command: ForkedCommand) -> None:
        self.cloud, self.folder, self._command = cloud, folder, command
        self.file = folder / "plan.json"
        for name, data in (("a.raw", b"\xe1" * 3000), ("b.raw", b"\xe2" * 4000)):
            (folder / name).write_bytes(data)

    def want(self, images: dict[str, dict[str, Any]]) -> None:
        """Write the manifest."""
        document = {"version": 1, "catalog": "base", "defaults": PLAIN, "images": images}
        (self.folder / "base.yaml").write_text(json.dumps(document))

    def run(self, *words: str) -> Result:
        """Run ``imagesync WORDS`` as the operator."""
        return self._command.run(*words, "--cloud", "operator")

    def beginning(self) -> Snapshot:
        """Apply BEFORE and save the plan for AFTER."""
        self.want(BEFORE)
        applied = self.run("apply", "--yes", str(self.folder))
        assert applied.code == 0, applied
        self.want(AFTER)
        planned = self.run("plan", str(self.folder), "-o", str(self.file))
        assert planned.code == 0, planned
        return self.cloud.snapshot()

    def image(self, key: str) -> dict[str, Any]:
        """The image of a key."""
        return next(one for one in self.cloud.http().images() if one.get("imagesync_key") == key)

    def apply(self) -> tuple[int, str, list[str]]:
        """Apply the saved plan: exit code, output, and write requests."""
        self.cloud.forget_requests()
        result = self.run("apply", "--yes", str(self.file))
        return (
            result.code,
            result.output,
            [f"{one.method} {one.path}" for one in self.cloud.requests() if one.method != "GET"],
        )

    def change(self, key: str, field: str, value: object) -> None:
        """Change one field by a JSON patch."""
        answer = self.cloud.http().patch(self.image(key)["id"], {"op": "replace", "path": f"/{field}", "value": value})
        answer.raise_for_status()

    def act(self, key: str, method: str, path: str = "", **options: Any) -> None:
        """Send one request for the image of a key."""
        self.cloud.http().send(method, f"/images/{self.image(key)['id']}{path}", **options).raise_for_status()


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> Iterator[StalePlanWorkspace]:
    """A catalog that is not applied, without a plan."""
    env = cloud_environment(cloud.clouds_yaml, XDG_CACHE_HOME=str(tmp_path / "cache"))
    (tmp_path / "catalog").mkdir()
    with ForkedCommand(env, tmp_path) as command:
        yield StalePlanWorkspace(cloud, tmp_path / "catalog", command)


Change = Callable[[StalePlanWorkspace], None]


def patched(key: str, field: str, value: object) -> Change:
    """A change of one field of a key's image."""
    return lambda workspace: workspace.change(key, field, value)


def acted(key: str, method: str, path: str = "", **options: Any) -> Change:
    """A request for a key's image."""
    return lambda workspace: workspace.act(key, method, path, **options)


def made(name: str, **more: Any) -> Change:
    """A new image of that name in the session's project."""
    body = {"name": name, "visibility": "private", **more}
    return lambda workspace: workspace.cloud.http().send("POST", "/images", json=body).raise_for_status()


RELIED: list[tuple[str, str, Change]] = [
    ("changed", "name", patched("changed", "name", "theirs")),
    ("changed", "min_ram", patched("changed", "min_ram", 7)),
    ("changed", "min_disk", patched("changed", "min_disk", 7)),
    ("changed", "tags", patched("changed", "tags", ["one", "theirs"])),
    ("changed", "properties.p", patched("changed", "p", "theirs")),
    ("changed", "properties.q", patched("changed", "q", "theirs")),
    ("changed", "hidden", patched("changed", "os_hidden", value=True)),
    ("changed", "protected", patched("changed", "protected", value=True)),
    ("changed", "visibility", patched("changed", "visibility", "community")),
    ("changed", "status", acted("changed", "POST", "/actions/deactivate")),
    *(
        ("changed", f"properties.imagesync_{name}", patched("changed", f"imagesync_{name}", "theirs"))
        for name in MARKS[1:]
    ),
    ("changed", "", patched("changed", "imagesync_catalog", "theirs")),
    ("changed", "", acted("changed", "DELETE")),
    ("shared", "members", acted("shared", "POST", "/members", json={"member": "theirs"})),
    ("off", "status", acted("off", "POST", "/actions/deactivate")),
    ("on", "status", acted("on", "POST", "/actions/reactivate")),
    ("new-build", "hidden", patched("new-build", "os_hidden", value=True)),
    ("new-build", "", acted("new-build", "DELETE")),
    ("removed", "name", patched("removed", "name", "theirs")),
    ("removed", "protected", patched("removed", "protected", value=True)),
    ("removed", "properties.imagesync_role", patched("removed", "imagesync_role", "retired")),
    ("kernel", "properties.imagesync_role", patched("kernel", "imagesync_role", "retired")),
    ("kernel", "", acted("kernel", "DELETE")),
    ("created", "created", made("created")),
    ("changed", "Changed", made("Changed")),
    ("unhidden", "unhidden", made("unhidden")),
]
"""The key, the field (or else the name) that the message names, and the change."""

UNRELATED: list[Change] = [
    patched("changed", "min_ram", 1),
    lambda workspace: (
        workspace.cloud.http()
        .patch(workspace.image("changed")["id"], {"op": "add", "path": "/theirs", "value": "1"})
        .raise_for_status()
    ),
    patched("off", "min_ram", 9),
    patched("untouched", "name", "theirs"),
    acted("untouched", "DELETE"),
    patched("kernel", "min_ram", 9),
    made("theirs", tags=["one"], imagesync_catalog="other", imagesync_key="changed", imagesync_role="current"),
    made("removed"),
    made("created", os_hidden=True),
]


def test_a_change_on_which_the_plan_relies_makes_it_stale(workspace: StalePlanWorkspace) -> None:
    """Exit code 1, one line with the image and the field; nothing was written, and no image has changed."""
    beginning = workspace.beginning()
    for key, field, change in RELIED:
        workspace.cloud.restore(beginning)
        image_id = workspace.image(key)["id"] if key != "created" else ""
        change(workspace)
        code, output, written = workspace.apply()
        case = f"{key} {field}: {output}"
        assert code == 1, case
        assert written == [], case
        assert "the plan is stale" in output, case
        assert f"{key}: " in output, case
        assert field in output, case
        assert image_id in output or field in ("Changed", "unhidden"), case
        note(
            "a change of something that a saved plan relies on", "refused before the first write, with image and field"
        )


def test_any_other_change_does_not_make_it_stale(workspace: StalePlanWorkspace) -> None:
    """The plan is applied as shown."""
    beginning = workspace.beginning()
    for number, change in enumerate(UNRELATED):
        workspace.cloud.restore(beginning)
        change(workspace)
        code, output, written = workspace.apply()
        assert code == 0, (number, output)
        assert written, number
        assert workspace.image("changed")["min_ram"] == 2
        note("a change of something that a saved plan does not rely on", "applied as it was shown")


def test_a_run_of_another_catalog_does_not_make_it_stale(workspace: StalePlanWorkspace) -> None:
    """The other catalog has its own images and its own lease."""
    workspace.beginning()
    other = {"version": 1, "catalog": "other", "defaults": PLAIN, "images": {"x": {"source": "a.raw"}}}
    (workspace.folder.parent / "other").mkdir()
    (workspace.folder.parent / "other" / "a.raw").write_bytes(b"\0other")
    (workspace.folder.parent / "other" / "other.yaml").write_text(json.dumps(other))
    assert workspace.run("apply", "--yes", str(workspace.folder.parent / "other")).code == 0
    assert workspace.apply()[0] == 0


def test_a_plan_relies_on_a_queued_image_that_it_will_upload(workspace: StalePlanWorkspace) -> None:
    """The record has a pinned id and waits for its data."""
    pinned = "6a1b8b0e-0b5e-4f7e-9d6e-0242ac120009"
    workspace.want({"pinned": {"source": "a.raw", "id": pinned}})
    marks = {
        "imagesync_id": pinned,
        "imagesync_catalog": "base",
        "imagesync_key": "pinned",
        "imagesync_role": "staging",
    }
    left = {"id": pinned, "name": "pinned (staging)", "os_hidden": True, **PLAIN, **marks}
    workspace.cloud.http().send("POST", "/images", json=left).raise_for_status()
    assert workspace.run("plan", str(workspace.folder), "-o", str(workspace.file)).code == 0
    workspace.change("pinned", "imagesync_role", "retired")
    code, output, written = workspace.apply()
    assert (code, written) == (1, [])
    assert f"imagesync_role of image {pinned}" in output
