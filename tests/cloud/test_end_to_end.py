"""The command against the real cloud, judged over plain HTTP: from nothing to applied, and every kind of edit."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cloud.service import Cloud
from tests.samples import iso, qcow2


class Desk:
    """A folder with a catalogue, and the command run on it against one cloud."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder
        self.images: dict[str, dict[str, Any]] = {}

    def file(self, name: str, content: bytes) -> str:
        """An image file in the catalogue."""
        (self.folder / name).write_bytes(content)
        return name

    def run(
        self,
        *words: str,
        user: str = "operator",
        code: int | None = 0,
        clouds: Path | None = None,
        path: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """``imagesync WORDS`` on the manifest as it is now."""
        command, env = self._command(words, user, clouds, path)
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert "Traceback" not in done.stderr
        assert "secret-of-the-tests" not in done.stdout + done.stderr
        assert code is None or done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def started(self, *words: str, user: str = "operator") -> subprocess.Popen[bytes]:
        """``imagesync WORDS`` at work, to be killed."""
        command, env = self._command(words, user, None, None)
        return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _command(
        self, words: tuple[str, ...], user: str, clouds: Path | None, path: str | None
    ) -> tuple[list[str], dict[str, str]]:
        wanted = {"version": 1, "catalog": "base", "images": self.images}
        (self.folder / "base.yaml").write_text(json.dumps(wanted))
        env = {k: v for k, v in os.environ.items() if not k.startswith("OS_")}
        env["OS_CLIENT_CONFIG_FILE"] = str(clouds or self.cloud.clouds_yaml)
        return [sys.executable, "-m", "imagesync", *words, path or str(self.folder), "--cloud", user], env

    def apply(self, *words: str, user: str = "operator") -> str:
        """Plan, apply, and the second plan must be empty."""
        told = self.run("apply", "--yes", *words, user=user).stdout
        assert self.run("plan", "--detailed-exitcode", *words, user=user).stdout.startswith("Catalogue base")
        return told

    def live(self, user: str = "operator") -> dict[str, dict[str, Any]]:
        """Owned images by key; of several the visible one."""
        found = self.cloud.http(user).images()
        ours = [image for image in found if image.get("imagesync_catalog") == "base"]
        return {image["imagesync_key"]: image for image in sorted(ours, key=lambda image: not image["os_hidden"])}


@pytest.fixture
def desk(cloud: Cloud, tmp_path: Path) -> Desk:
    """An empty catalogue beside an empty cloud."""
    return Desk(cloud, tmp_path)


def thirty(desk: Desk) -> None:
    """Thirty images, three with real formats."""
    for number in range(27):
        name = desk.file(f"{number:02}.raw", bytes([number]) * 4096)
        desk.images[f"raw-{number:02}"] = {
            "source": name,
            "disk_format": "raw",
            "container_format": "bare",
            "visibility": "public" if number % 2 else "private",
            "tags": ["linux", f"n{number}"],
            "properties": {"os_distro": "ubuntu", "os_version": f"24.{number}"},
        }
    for kind, content in (("qcow2", qcow2()), ("iso", iso()), ("raw", b"r" * 5000)):
        desk.images[f"real-{kind}"] = {
            "source": desk.file(f"real.{kind}", content),
            "disk_format": kind,
            "container_format": "bare",
        }


def test_from_nothing_through_every_kind_of_edit(desk: Desk) -> None:
    """Each edit is planned, applied and empty again; what is live is as the manifest says."""
    thirty(desk)
    assert "Plan: 30 to create" in desk.apply()
    live = desk.live()
    assert len(live) == 30
    assert {image["status"] for image in live.values()} == {"active"}
    assert live["raw-01"]["visibility"] == "public"
    assert sorted(live["raw-01"]["tags"]) == ["linux", "n1"]
    before = {key: image["id"] for key, image in live.items()}

    one = desk.images["raw-00"]
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
        desk.apply()
        found = desk.live()["raw-00"][field]
        assert (sorted(found) if isinstance(found, list) else found) == value
    assert "os_version" not in desk.live()["raw-00"]
    assert desk.live()["raw-00"]["added"] == "1"
    assert {key: image["id"] for key, image in desk.live().items()} == before

    desk.file("00.raw", b"new build" * 500)
    assert "1 to replace" in desk.apply()
    images = [image for image in desk.cloud.http().images() if image.get("imagesync_key") == "raw-00"]
    assert {image["id"]: image["os_hidden"] for image in images}[before["raw-00"]] is True
    assert len(images) == 2

    del desk.images["raw-26"]
    assert "1 to delete" in desk.apply()
    assert "raw-26" not in desk.live()


def test_a_no_op_plan_costs_two_requests_whatever_the_cloud_holds(desk: Desk) -> None:
    """Owned images are found by the service; foreign ones cost nothing."""
    thirty(desk)
    desk.apply()
    desk.cloud.foreign(2000)
    desk.cloud.forget_requests()
    assert "No changes. 30 images match the manifest." in desk.run("plan").stdout
    assert [request.method for request in desk.cloud.requests()] == ["GET", "GET"]


def test_a_create_costs_at_most_six_requests_an_image(desk: Desk) -> None:
    """Record, data, look, publish, look."""
    thirty(desk)
    desk.run("apply", "--yes")
    assert len(desk.cloud.requests()) <= 6 * 30


def test_a_member_can_do_all_but_publish(desk: Desk) -> None:
    """Asking for public is one clear line, exit 1, and nothing is left over; the others are done."""
    thirty(desk)
    desk.images = {key: desk.images[key] for key in ("raw-00", "raw-01")}
    done = desk.run("apply", "--yes", user="alice", code=1)
    assert "may not make images public" in done.stdout
    assert [image["name"] for image in desk.cloud.http("alice").images()] == ["raw-00"]
    desk.images["raw-01"]["visibility"] = "shared"
    desk.images["raw-01"]["members"] = [desk.cloud.project_id("other")]
    desk.apply(user="alice")
    members = desk.cloud.http("alice").get(f"/images/{desk.live('alice')['raw-01']['id']}/members")["members"]
    assert [member["member_id"] for member in members] == [desk.cloud.project_id("other")]
    desk.images = {"raw-01": desk.images["raw-01"] | {"visibility": "private", "members": []}}
    desk.apply(user="alice")
    assert [image["name"] for image in desk.cloud.http("alice").images()] == ["raw-01"]


def test_what_goes_wrong_with_one_image_leaves_the_others_done(desk: Desk) -> None:
    """A wrong checksum and data of another format: one line each, exit 1, nothing half-made."""
    thirty(desk)
    desk.images = {key: desk.images[key] for key in ("raw-00", "raw-02", "raw-04")}
    desk.images["raw-02"]["source"] = {"path": "02.raw", "checksum": "sha256:" + "0" * 64}
    desk.images["raw-04"]["disk_format"] = "qcow2"
    done = desk.run("apply", "--yes", code=1)
    assert "not the declared 000" in done.stdout
    assert "the data is not qcow2" in done.stdout
    assert [image["name"] for image in desk.cloud.http().images()] == ["raw-00"]


@pytest.mark.parametrize("source", ["missing.raw", "."])
def test_an_unreadable_file_plans_nothing(desk: Desk, source: str) -> None:
    """What is wrong with the set changes nothing."""
    thirty(desk)
    desk.images["raw-00"]["source"] = source
    done = desk.run("apply", "--yes", code=1)
    assert "images.raw-00.source" in done.stderr
    assert desk.cloud.http().images() == []


def test_a_foreign_image_of_the_same_name_is_a_clash(desk: Desk) -> None:
    """The error names its id and both ways out; the image is not touched."""
    thirty(desk)
    http = desk.cloud.http()
    foreign = http.send("POST", "/images", json={"name": "raw-00", "visibility": "private"}).json()
    done = desk.run("apply", "--yes", code=1)
    assert foreign["id"] in done.stderr
    assert "adopt" in done.stderr
    assert http.images() == [foreign]


def test_without_a_terminal_apply_refuses_to_go_on(desk: Desk) -> None:
    """Exit 64, with the way out."""
    thirty(desk)
    assert "--yes" in desk.run("apply", code=64).stderr
    assert desk.cloud.http().images() == []


def test_an_unknown_cloud_and_wrong_words_are_usage_errors(desk: Desk) -> None:
    """One line, exit 64."""
    thirty(desk)
    assert len(desk.run("plan", user="nowhere", code=64).stderr.splitlines()) == 1
    desk.run("plan", "--nonsense", code=64)


def test_an_emptied_manifest_is_refused(desk: Desk) -> None:
    """An empty catalogue needs --destroy."""
    thirty(desk)
    desk.images = {key: desk.images[key] for key in ("raw-00", "raw-02")}
    desk.apply()
    desk.images = {}
    assert "--destroy" in desk.run("apply", "--yes", code=1).stderr
    assert len(desk.live()) == 2
    desk.apply("--destroy")
    assert desk.cloud.http().images() == []


def test_drift_is_restored(desk: Desk) -> None:
    """A value changed by somebody else comes back; what others added stays."""
    thirty(desk)
    desk.images = {"raw-01": desk.images["raw-01"]}
    desk.apply()
    image_id = desk.live()["raw-01"]["id"]
    change: list[dict[str, object]] = [
        {"op": "replace", "path": "/os_distro", "value": "x"},
        {"op": "add", "path": "/theirs", "value": "1"},
    ]
    desk.cloud.http().patch(image_id, *change)
    assert "drift" in desk.run("plan").stdout
    desk.apply()
    assert (desk.live()["raw-01"]["os_distro"], desk.live()["raw-01"]["theirs"]) == ("ubuntu", "1")


def test_a_full_quota_is_refused_at_plan_time(desk: Desk) -> None:
    """The service's own usage says that it cannot hold the plan: nothing is begun."""
    thirty(desk)
    desk.images = {key: desk.images[key] for key in ("raw-00", "raw-02")}
    desk.cloud.start_limited()
    desk.cloud.set_limits("images", image_count_total=1)
    try:
        done = desk.run("apply", "--yes", user="limited", code=1)
    finally:
        desk.cloud.set_limits("images")
    assert "image_count_total" in done.stderr
    assert desk.cloud.http().images() == []


def config(desk: Desk, **changes: Any) -> None:
    """A clouds.yaml of its own, with the operator's cloud changed."""
    clouds = yaml.safe_load(desk.cloud.clouds_yaml.read_text())
    cloud = clouds["clouds"]["operator"]
    cloud |= {name: value for name, value in changes.items() if name != "password"}
    cloud["auth"] = {**cloud["auth"], **({"password": changes["password"]} if "password" in changes else {})}
    (desk.folder / "clouds.yaml.private").write_text(yaml.safe_dump(clouds))


@pytest.mark.parametrize(
    ("changes", "code", "expected"),
    [
        ({"password": "wrong-secret"}, 1, "credentials"),
        ({"image_endpoint_override": "http://127.0.0.1:9"}, 1, "127.0.0.1:9"),
        ({"auth": {"auth_url": "http://127.0.0.1:9/v3"}}, 1, "127.0.0.1:9"),
        ({"region_name": "Nowhere"}, 64, "Nowhere"),
    ],
)
def test_a_cloud_that_cannot_be_used_is_one_line(desk: Desk, changes: dict[str, Any], code: int, expected: str) -> None:
    """Wrong credentials, unreachable services, an unknown region: where, what and the way out; no secret."""
    thirty(desk)
    if "auth" in changes:
        own = yaml.safe_load(desk.cloud.clouds_yaml.read_text())["clouds"]["operator"]["auth"]
        changes = {"auth": {**own, **changes["auth"]}}
    config(desk, **changes)
    done = desk.run("apply", "--yes", code=code, clouds=desk.folder / "clouds.yaml.private")
    assert len(done.stderr.splitlines()) == 1
    assert expected in done.stderr
    assert "wrong-secret" not in done.stdout + done.stderr
    assert desk.cloud.http().images() == []


def test_a_token_that_expires_in_the_middle_costs_nothing(desk: Desk) -> None:
    """Every token dies while a slow source is read: the upload begins anew, and all is as planned."""
    content = bytes(range(256)) * 4096
    asked: list[int] = []

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(1)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if len(asked) == 1:
                desk.cloud.expire_tokens()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/x.raw"
        checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
        desk.images = {
            "slow": {
                "source": {"url": url, "checksum": checksum},
                "disk_format": "raw",
                "container_format": "bare",
                "visibility": "public",
            }
        }
        desk.apply()
        server.shutdown()
    (image,) = desk.cloud.http().images()
    assert (image["status"], image["size"], image["visibility"]) == ("active", len(content), "public")
    assert image["os_hash_value"] == hashlib.sha512(content).hexdigest()


def test_a_saved_plan_is_applied_to_the_real_service_or_refused(desk: Desk) -> None:
    """As it was shown; stale once a field it relied on has changed; for no other project."""
    thirty(desk)
    desk.images = {key: desk.images[key] for key in ("raw-00", "raw-01", "raw-02")}
    saved = str(desk.folder / "plan.json")
    desk.run("plan", "-o", saved)
    assert "the plan was made for" in desk.run("apply", "--yes", user="bob", code=1, path=saved).stderr
    assert "Applied: 3 of 3 steps done." in desk.run("apply", "--yes", path=saved).stdout
    assert "was made meanwhile" in desk.run("apply", "--yes", code=1, path=saved).stderr
    desk.images["raw-01"]["min_ram"] = 5
    desk.run("plan", "-o", saved)
    desk.cloud.http().patch(desk.live()["raw-01"]["id"], {"op": "replace", "path": "/min_ram", "value": 9})
    told = desk.run("apply", "--yes", code=1, path=saved).stderr
    assert "min_ram" in told
    assert desk.live()["raw-01"]["min_ram"] == 9
    assert "No changes" not in desk.apply()
