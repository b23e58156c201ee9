"""What the finder of a member's credential can do, and what imagesync then notices (docs/rights.md)."""

import hashlib
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace

DATA = b"\xeb\x3c\x90" + b"\0" * 5000


@pytest.mark.parametrize(("algorithm", "is_noticed"), [("sha512", True), ("sha256", False)])
def test_other_data_under_a_forged_marker(cloud: Cloud, tmp_path: Path, algorithm: str, is_noticed: bool) -> None:
    """The service's own hash is a sha512. A plan compares it with a declared sha512, and has nothing for a sha256."""
    workspace = CloudWorkspace(cloud, tmp_path)
    source = {
        "path": workspace.file("web.raw", DATA),
        "checksum": f"{algorithm}:{hashlib.new(algorithm, DATA).hexdigest()}",
    }
    workspace.images["web"] = {"source": source, "disk_format": "raw", "container_format": "bare"}
    workspace.apply(user="alice")
    forge(cloud, workspace.live()["web"])
    assert "no drift" in workspace.run("drift", user="alice").stdout
    plan = workspace.run("plan", user="alice").stdout
    assert ("its data in the service was changed" in plan) is is_noticed
    assert ("No changes." in plan) is not is_noticed


def forge(cloud: Cloud, image: dict[str, Any]) -> None:
    """Replace an image with another one, which has its marker and other data."""
    http, forged = cloud.http("alice"), str(uuid.UUID(int=4711 << 64))
    copied = {name: value for name, value in image.items() if name.startswith("imagesync_")}
    usual = {name: image[name] for name in ("name", "disk_format", "container_format", "visibility")}
    kind = {"Content-Type": "application/octet-stream"}
    for answer in (
        http.send("POST", "/images", json={**copied, **usual, "id": forged, "imagesync_id": forged}),
        http.send("PUT", f"/images/{forged}/file", data=b"\xeb\x3c\x90 evil" * 800, headers=kind),
        http.send("DELETE", f"/images/{image['id']}"),
    ):
        answer.raise_for_status()
