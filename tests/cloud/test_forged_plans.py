"""Forged plans with a matching digest, on the real service: an administrator applies them, and no foreign image changes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace
from tests.forging import fit_digest
from tests.samples import spell
from tests.trials import note

PLAIN = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}
MARKS = ("catalog", "key", "role", "digest", "spec", "managed", "id")
CLAIMS = ("the project of the session", "its own project", "a copied record", "a record of another catalog")


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> CloudWorkspace:
    """Two images are applied, and the plan to remove one of them is saved."""
    found = CloudWorkspace(cloud, tmp_path)
    found.images = {key: {"source": found.file(f"{key}.raw", spell(key) * 500), **PLAIN} for key in ("kept", "removed")}
    found.apply()
    del found.images["removed"]
    found.write()
    found.run("plan", "--max-delete", "1", "-o", str(tmp_path / "plan.json"))
    return found


def make_foreign(workspace: CloudWorkspace, claim: str) -> dict[str, Any]:
    """A protected image of another project, which may have a record."""
    live = workspace.live()["removed"]
    marks = {f"imagesync_{name}": live[f"imagesync_{name}"] for name in MARKS} if "record" in claim else {}
    body = {"name": "golden", "protected": True, **PLAIN, **marks}
    user = workspace.cloud.http("bob")
    answer = user.send("POST", "/images", json=body)
    answer.raise_for_status()
    made: dict[str, Any] = answer.json()
    if claim == "a record of another catalog":
        changes = {"imagesync_id": made["id"], "imagesync_catalog": "other"}
        operations = [{"op": "replace", "path": f"/{name}", "value": value} for name, value in changes.items()]
        user.patch(made["id"], *operations).raise_for_status()
    kind = {"Content-Type": "application/octet-stream"}
    user.send("PUT", f"/images/{made['id']}/file", data=b"golden", headers=kind).raise_for_status()
    output: dict[str, Any] = user.get(f"/images/{made['id']}")
    return output


def forge(workspace: CloudWorkspace, foreign: dict[str, Any], claim: str) -> None:
    """Make the plan delete the foreign image, and rely on its present state."""
    file = workspace.folder / "plan.json"
    plan = json.loads(file.read_text())
    (step,) = plan["steps"]
    step |= {"image_id": foreign["id"], "id": f"delete:removed:{foreign['id']}", "unprotect": True, "size": 6}
    own = {name: foreign[name] for name in ("name", "owner", "status", "visibility", "protected")}
    marks = {f"properties.{name}": value for name, value in foreign.items() if name.startswith("imagesync_")}
    values = {**own, "hidden": foreign["os_hidden"], **marks}
    plan["relies"] = [{"image_id": foreign["id"], "key": "removed", "values": values}]
    if claim != "the project of the session":
        plan["owners"] = {"removed": foreign["owner"]}
    file.write_text(fit_digest(plan))


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_forged_deletion_of_a_foreign_protected_image(workspace: CloudWorkspace, claim: str) -> None:
    """It is refused before the first write, also with every permission; the image and its data do not change."""
    foreign = make_foreign(workspace, claim)
    forge(workspace, foreign, claim)
    workspace.cloud.forget_requests()
    words = ("apply", "--yes", "--allow-protected", "--destroy", "--allow-outside")
    output = workspace.run(*words, path=str(workspace.folder / "plan.json"), code=1).output
    assert f"image {foreign['id']} does not belong to removed of catalog base" in output
    assert [one for one in workspace.cloud.requests() if one.method != "GET"] == []
    user = workspace.cloud.http("bob")
    assert user.get(f"/images/{foreign['id']}") == foreign
    assert user.send("GET", f"/images/{foreign['id']}/file").content == b"golden"
    note("a forged plan deletes a foreign protected image, as admin", "refused before the first write")


def test_the_plan_that_was_not_forged_is_applied(workspace: CloudWorkspace) -> None:
    """Without this test, the one above would prove nothing."""
    workspace.run("apply", "--yes", path=str(workspace.folder / "plan.json"))
    assert set(workspace.live()) == {"kept"}
