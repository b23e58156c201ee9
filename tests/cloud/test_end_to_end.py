"""The command against the real cloud, checked over plain HTTP: the first apply, and every kind of edit."""

import hashlib
import http.server
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace
from tests.samples import iso, qcow2


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> CloudWorkspace:
    """An empty catalog and an empty cloud."""
    return CloudWorkspace(cloud, tmp_path)


def thirty(workspace: CloudWorkspace) -> None:
    """Thirty images, three of them with real formats."""
    for number in range(27):
        name = workspace.file(f"{number:02}.raw", bytes([number + 128]) * 4096)
        workspace.images[f"raw-{number:02}"] = {
            "source": name,
            "disk_format": "raw",
            "container_format": "bare",
            "visibility": "public" if number % 2 else "private",
            "tags": ["linux", f"n{number}"],
            "properties": {"os_distro": "ubuntu", "os_version": f"24.{number}"},
        }
    for kind, content in (("qcow2", qcow2()), ("iso", iso()), ("raw", b"\xf2" * 5000)):
        workspace.images[f"real-{kind}"] = {
            "source": workspace.file(f"real.{kind}", content),
            "disk_format": kind,
            "container_format": "bare",
        }


def test_from_nothing_through_every_kind_of_edit(workspace: CloudWorkspace) -> None:
    """Each edit is planned and applied; then the images are as declared and the plan is empty."""
    thirty(workspace)
    assert "Plan: 30 to create" in workspace.apply()
    live = workspace.live()
    assert len(live) == 30
    assert {image["status"] for image in live.values()} == {"active"}
    assert live["raw-01"]["visibility"] == "public"
    assert sorted(live["raw-01"]["tags"]) == ["linux", "n1"]
    before = {key: image["id"] for key, image in live.items()}

    one = workspace.images["raw-00"]
    edits: list[tuple[dict[str, Any], str, object]] = [
        ({"name": "Renamed"}, "name", "Renamed"),
        ({"min_ram": 512}, "min_ram", 512),
        ({"min_disk": 3}, "min_disk", 3),
        ({"visibility": "community"}, "visibility", "community"),
        ({"protected": True}, "protected", True),
        ({"protected": False}, "protected", False),
        ({"hidden": True}, "os_hidden", True),
        ({"hidden": False}, "os_hidden", False),
        ({"status": "deactivated"}, "status", "deactivated"),
        ({"status": "active"}, "status", "active"),
        ({"tags": ["linux", "new"]}, "tags", ["linux", "new"]),
        ({"properties": {"os_distro": "debian", "added": "1"}}, "os_distro", "debian"),
    ]
    for edit, field, value in edits:
        one |= edit
        workspace.apply()
        found = workspace.live()["raw-00"][field]
        assert (sorted(found) if isinstance(found, list) else found) == value
    assert "os_version" not in workspace.live()["raw-00"]
    assert workspace.live()["raw-00"]["added"] == "1"
    assert {key: image["id"] for key, image in workspace.live().items()} == before

    workspace.file("00.raw", b"new buil\0" * 500)
    assert "1 to replace" in workspace.apply()
    images = [image for image in workspace.cloud.http().images() if image.get("imagesync_key") == "raw-00"]
    assert {image["id"]: image["os_hidden"] for image in images}[before["raw-00"]] is True
    assert len(images) == 2

    del workspace.images["raw-26"]
    assert "1 to delete" in workspace.apply()
    assert "raw-26" not in workspace.live()


def test_an_empty_plan_costs_two_requests_with_any_number_of_images(workspace: CloudWorkspace) -> None:
    """The service finds the owned images; foreign images need no requests."""
    thirty(workspace)
    workspace.apply()
    workspace.cloud.foreign(2000)
    workspace.cloud.forget_requests()
    assert "No changes. 30 images match the manifest." in workspace.run("plan").stdout
    assert [request.method for request in workspace.cloud.requests()] == ["GET", "GET"]


def test_a_create_costs_at_most_six_requests_an_image(workspace: CloudWorkspace) -> None:
    """These are the record, the data, a check, the publication, and a check."""
    thirty(workspace)
    workspace.run("apply", "--yes")
    assert len(workspace.cloud.requests()) <= 6 * 30


def test_a_member_can_do_everything_except_publish(workspace: CloudWorkspace) -> None:
    """A public image is one line of error, exit code 1, and leaves nothing; the other images are done."""
    thirty(workspace)
    workspace.images = {key: workspace.images[key] for key in ("raw-00", "raw-01")}
    done = workspace.run("apply", "--yes", user="alice", code=1)
    assert "may not make images public" in done.stdout
    assert [image["name"] for image in workspace.cloud.http("alice").images()] == ["raw-00"]
    workspace.images["raw-01"]["visibility"] = "shared"
    workspace.images["raw-01"]["members"] = [workspace.cloud.project_id("other")]
    workspace.apply(user="alice")
    members = workspace.cloud.http("alice").get(f"/images/{workspace.live('alice')['raw-01']['id']}/members")["members"]
    assert [member["member_id"] for member in members] == [workspace.cloud.project_id("other")]
    workspace.images = {"raw-01": workspace.images["raw-01"] | {"visibility": "private", "members": []}}
    workspace.apply(user="alice")
    assert [image["name"] for image in workspace.cloud.http("alice").images()] == ["raw-01"]


def test_an_error_of_one_image_does_not_stop_the_others(workspace: CloudWorkspace) -> None:
    """A wrong checksum and data of another format are one line each, exit code 1, and leave nothing."""
    thirty(workspace)
    workspace.images = {key: workspace.images[key] for key in ("raw-00", "raw-02", "raw-04")}
    workspace.images["raw-02"]["source"] = {"path": "02.raw", "checksum": "sha256:" + "0" * 64}
    workspace.images["raw-04"]["disk_format"] = "qcow2"
    done = workspace.run("apply", "--yes", code=1)
    assert "not the declared sha256:000" in done.stdout
    assert "the data looks like raw, not qcow2" in done.stdout
    assert [image["name"] for image in workspace.cloud.http().images()] == ["raw-00"]


@pytest.mark.parametrize("source", ["missing.raw", "."])
def test_an_unreadable_file_plans_nothing(workspace: CloudWorkspace, source: str) -> None:
    """An error of one file changes no image."""
    thirty(workspace)
    workspace.images["raw-00"]["source"] = source
    done = workspace.run("apply", "--yes", code=1)
    assert "images.raw-00.source" in done.stderr
    assert workspace.cloud.http().images() == []


def test_a_foreign_image_of_the_same_name_is_a_clash(workspace: CloudWorkspace) -> None:
    """The error has its id and both remedies; the image does not change."""
    thirty(workspace)
    http = workspace.cloud.http()
    foreign = http.send("POST", "/images", json={"name": "raw-00", "visibility": "private"}).json()
    done = workspace.run("apply", "--yes", code=1)
    assert foreign["id"] in done.stderr
    assert "adopt" in done.stderr
    assert http.images() == [foreign]


def test_without_a_terminal_apply_is_refused(workspace: CloudWorkspace) -> None:
    """Exit code 64, with the remedy."""
    thirty(workspace)
    assert "--yes" in workspace.run("apply", code=64).stderr
    assert workspace.cloud.http().images() == []


def test_an_unknown_cloud_and_wrong_options_are_usage_errors(workspace: CloudWorkspace) -> None:
    """One line, exit code 64."""
    thirty(workspace)
    assert len(workspace.run("plan", user="nowhere", code=64).stderr.splitlines()) == 1
    workspace.run("plan", "--nonsense", code=64)


def test_an_emptied_manifest_is_refused(workspace: CloudWorkspace) -> None:
    """An empty catalog requires --destroy."""
    thirty(workspace)
    workspace.images = {key: workspace.images[key] for key in ("raw-00", "raw-02")}
    workspace.apply()
    workspace.images = {}
    assert "--destroy" in workspace.run("apply", "--yes", code=1).stderr
    assert len(workspace.live()) == 2
    workspace.apply("--destroy")
    assert workspace.cloud.http().images() == []


def test_drift_is_restored(workspace: CloudWorkspace) -> None:
    """A value that another user changed is restored; values that other users added stay."""
    thirty(workspace)
    workspace.images = {"raw-01": workspace.images["raw-01"]}
    workspace.apply()
    image_id = workspace.live()["raw-01"]["id"]
    change: list[dict[str, object]] = [
        {"op": "replace", "path": "/os_distro", "value": "x"},
        {"op": "add", "path": "/theirs", "value": "1"},
    ]
    workspace.cloud.http().patch(image_id, *change)
    assert "drift" in workspace.run("plan").stdout
    workspace.apply()
    assert (workspace.live()["raw-01"]["os_distro"], workspace.live()["raw-01"]["theirs"]) == ("ubuntu", "1")


def test_a_full_quota_is_refused_at_plan_time(workspace: CloudWorkspace) -> None:
    """By the service's own usage, the plan does not fit; nothing is begun."""
    thirty(workspace)
    workspace.images = {key: workspace.images[key] for key in ("raw-00", "raw-02")}
    workspace.cloud.start_limited()
    workspace.cloud.set_limits("images", image_count_total=1)
    try:
        done = workspace.run("apply", "--yes", user="limited", code=1)
    finally:
        workspace.cloud.set_limits("images")
    assert "image_count_total" in done.stderr
    assert workspace.cloud.http().images() == []


def config(workspace: CloudWorkspace, **changes: Any) -> None:
    """A clouds.yaml in which the operator's cloud is changed."""
    clouds = yaml.safe_load(workspace.cloud.clouds_yaml.read_text())
    cloud = clouds["clouds"]["operator"]
    cloud |= {name: value for name, value in changes.items() if name != "password"}
    cloud["auth"] = {**cloud["auth"], **({"password": changes["password"]} if "password" in changes else {})}
    (workspace.folder / "clouds.yaml.private").write_text(yaml.safe_dump(clouds))


@pytest.mark.parametrize(
    ("changes", "code", "expected"),
    [
        ({"password": "wrong-secret"}, 1, "credentials"),
        ({"image_endpoint_override": "http://127.0.0.1:9"}, 1, "127.0.0.1:9"),
        ({"auth": {"auth_url": "http://127.0.0.1:9/v3"}}, 1, "127.0.0.1:9"),
        ({"region_name": "Nowhere"}, 64, "Nowhere"),
    ],
)
def test_a_cloud_that_cannot_be_used_is_one_line(
    workspace: CloudWorkspace, changes: dict[str, Any], code: int, expected: str
) -> None:
    """Wrong credentials, unavailable services and an unknown region: the line has the place, the reason and a remedy, and no secret."""
    thirty(workspace)
    if "auth" in changes:
        own = yaml.safe_load(workspace.cloud.clouds_yaml.read_text())["clouds"]["operator"]["auth"]
        changes = {"auth": {**own, **changes["auth"]}}
    config(workspace, **changes)
    done = workspace.run("apply", "--yes", code=code, clouds=workspace.folder / "clouds.yaml.private")
    assert len(done.stderr.splitlines()) == 1
    assert expected in done.stderr
    assert "wrong-secret" not in done.stdout + done.stderr
    assert workspace.cloud.http().images() == []


def test_a_token_that_expires_in_the_middle_is_renewed(workspace: CloudWorkspace) -> None:
    """Every token expires while a slow source is read: the upload begins again, and the result is as planned."""
    content = bytes(range(256)) * 4096
    requests: list[int] = []

    class SlowHandler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(1)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if len(requests) == 1:
                workspace.cloud.expire_tokens()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowHandler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/x.raw"
        checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
        workspace.images = {
            "slow": {
                "source": {"url": url, "checksum": checksum},
                "disk_format": "raw",
                "container_format": "bare",
                "visibility": "public",
            }
        }
        workspace.apply()
        server.shutdown()
    (image,) = workspace.cloud.http().images()
    assert (image["status"], image["size"], image["visibility"]) == ("active", len(content), "public")
    assert image["os_hash_value"] == hashlib.sha512(content).hexdigest()


def test_a_saved_plan_is_applied_to_the_real_service_or_refused(workspace: CloudWorkspace) -> None:
    """It is applied as shown. It is stale if a field on which it relied has changed, and refused for another project."""
    thirty(workspace)
    workspace.images = {key: workspace.images[key] for key in ("raw-00", "raw-01", "raw-02")}
    saved = str(workspace.folder / "plan.json")
    workspace.run("plan", "-o", saved)
    assert "the plan was made for" in workspace.run("apply", "--yes", user="bob", code=64, path=saved).stderr
    assert "Applied: 3 created." in workspace.run("apply", "--yes", path=saved).stdout
    assert "another run created image" in workspace.run("apply", "--yes", code=1, path=saved).stderr
    workspace.images["raw-01"]["min_ram"] = 5
    workspace.run("plan", "-o", saved)
    workspace.cloud.http().patch(workspace.live()["raw-01"]["id"], {"op": "replace", "path": "/min_ram", "value": 9})
    output = workspace.run("apply", "--yes", code=1, path=saved).stderr
    assert "min_ram" in output
    assert workspace.live()["raw-01"]["min_ram"] == 9
    assert "No changes" not in workspace.apply()
