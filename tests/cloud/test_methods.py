"""Every import method with every combination of stores on the real service, checked over plain HTTP; and their errors."""

import gzip
import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import pytest

from imagesync.backends import open_backend
from imagesync.backends.base import Backend
from imagesync.execution.performer import Performer
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.image import Capabilities
from imagesync.model.urls import identify_url
from imagesync.sources import identify
from tests.cloud.service import Cloud, find_free_port
from tests.cloud.workspace import CloudWorkspace
from tests.pipeline import planned
from tests.samples import qcow2
from tests.waiting import wait_until

DATA = b"\xe4" * 70_000
OTHER = b"\xef" * 80_000
FORMATS = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}


@dataclass
class Web:
    """A web server with files by path; ``hold`` keeps responses back until it is set."""

    files: dict[str, bytes]
    url: str = ""
    queries: list[str] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    on_first: Callable[[], None] = lambda: None


@contextmanager
def serve_files(files: dict[str, bytes]) -> Iterator[Web]:
    """Serve files over HTTP on loopback; every other path is a 404."""
    web = Web(files)
    web.hold.set()

    class WebHandler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_check = "Range" in self.headers
            if not is_check:
                web.queries.append(self.path)
            if len(web.queries) == 1 and not is_check:
                web.on_first()
            content = web.files.get(self.path.partition("?")[0])
            web.begun.set()
            web.hold.wait(60)
            self.do_HEAD()
            self.wfile.write(content or b"")

        def do_HEAD(self) -> None:
            content = web.files.get(self.path.partition("?")[0])
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), WebHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        web.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield web
        finally:
            web.hold.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def web() -> Iterator[Web]:
    """A web server with two builds of one image."""
    with serve_files({"/d.raw": DATA, "/o.raw": OTHER, "/disk.qcow2": qcow2(3 * 2**30)}) as found:
        yield found


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> CloudWorkspace:
    """An empty catalog and an empty cloud."""
    return CloudWorkspace(cloud, tmp_path)


def digest(algorithm: str, data: bytes) -> str:
    """The digest in the form ``ALGORITHM:HEX``."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def wanted(workspace: CloudWorkspace, source: object, **attrs: object) -> None:
    """A manifest with one image, a."""
    workspace.images = {"a": {**FORMATS, "source": source, **attrs}}


def apply_and_settle(workspace: CloudWorkspace, user: str = "operator") -> dict[str, Any]:
    """Apply; the next plan must be empty. Returns the only image."""
    workspace.apply(user=user)
    (image,) = workspace.cloud.http().images()
    return image


def imports(workspace: CloudWorkspace) -> list[str]:
    """The import requests that the service received."""
    return [one.path for one in workspace.cloud.requests() if one.method == "POST" and one.path.endswith("/import")]


def stores(image: dict[str, Any]) -> list[str]:
    """The stores that have the data."""
    return sorted(image["stores"].split(","))


@pytest.mark.parametrize("user", [pytest.param("operator", marks=pytest.mark.exhaustive), "alice"])
def test_every_method_into_every_store(workspace: CloudWorkspace, web: Web, user: str) -> None:
    """As administrator and as member, the data is in the declared stores and verified, and the next plan is empty."""
    places: list[tuple[object, list[str]]] = [
        (None, ["fast"]),
        (["slow"], ["slow"]),
        (["slow", "fast"], ["fast", "slow"]),
        ("all", ["fast", "slow"]),
    ]
    held = {}
    for method in ("upload", "glance-direct", "web-download"):
        place = {"url": f"{web.url}/d.raw"} if method == "web-download" else {"path": workspace.file("d.raw", DATA)}
        for number, (declared, expected) in enumerate(places):
            chosen: dict[str, object] = {} if declared is None else {"stores": declared}
            source = {**place, "method": method, "checksum": digest("sha512", DATA), **chosen}
            workspace.images[f"{method}-{number}"] = {**FORMATS, "source": source}
            held[f"{method}-{number}"] = expected
    assert "12 to create" in workspace.apply(user=user)
    images = {image["imagesync_key"]: image for image in workspace.cloud.http(user).images()}
    assert {key: stores(image) for key, image in images.items()} == held
    expected_data = ("active", len(DATA), hashlib.sha512(DATA).hexdigest(), "current", False)
    for image in images.values():
        found = (image["status"], image["size"], image["os_hash_value"], image["imagesync_role"], image["os_hidden"])
        assert found == expected_data


def test_the_plan_shows_method_stores_and_missing_verification(workspace: CloudWorkspace, web: Web) -> None:
    """It shows that the service fetches the data, into which stores, and whether it is read back or published unverified."""
    source = {"url": f"{web.url}/d.raw", "method": "web-download", "stores": ["slow"]}
    wanted(workspace, {**source, "checksum": digest("sha256", DATA)})
    output = workspace.run("plan").stdout
    assert "fetched by the service, into slow" in output
    assert "read back to verify it" in output
    assert "upload" not in output
    wanted(workspace, {**source, "checksum": digest("sha256", DATA), "verify": "none"})
    output = workspace.run("plan").stdout
    assert "read back to verify it" not in output
    assert "(verify: none); the declared sha256 is compared only if the service computes a sha256 itself" in output
    wanted(workspace, {**source, "checksum": digest("sha512", DATA)})
    assert "read back" not in workspace.run("plan").stdout
    wanted(workspace, source)
    assert "nothing verifies the data that the service fetches" in workspace.run("plan").stdout
    assert web.queries == []


def test_min_disk_of_fetched_data(workspace: CloudWorkspace, web: Web) -> None:
    """It is set from the virtual size. If less is declared, the data is refused and nothing is left."""
    source = {"url": f"{web.url}/disk.qcow2", "method": "web-download"}
    wanted(workspace, source, disk_format="qcow2", min_disk=2)
    assert "declare min_disk: 3" in workspace.run("apply", "--yes", code=1).stdout
    assert workspace.cloud.http().images() == []
    wanted(workspace, source, disk_format="qcow2", min_disk="auto")
    assert apply_and_settle(workspace)["min_disk"] == 3


def test_mirrors_are_fetched_in_order_until_one_works(workspace: CloudWorkspace, web: Web) -> None:
    """The first returns 404, the second refuses the connection, and the third is fetched."""
    urls = [f"{web.url}/none.raw", f"http://127.0.0.1:{find_free_port()}/d.raw", f"{web.url}/d.raw"]
    wanted(workspace, {"url": urls, "method": "web-download"})
    assert apply_and_settle(workspace)["size"] == len(DATA)
    assert web.queries == ["/none.raw", "/d.raw"]


@pytest.mark.parametrize(
    "where", ["http://user:pass-word@{web}/none.raw?sig=sig-nature", "http://127.0.0.1:{free}/d.raw"]
)
def test_a_source_that_the_service_cannot_fetch_is_an_error(workspace: CloudWorkspace, web: Web, where: str) -> None:
    """One line has the reason and the remedy, without credentials. Nothing is left, and the other images are done."""
    url = where.format(web=web.url.removeprefix("http://"), free=find_free_port())
    wanted(workspace, {"url": url, "method": "web-download", "checksum": digest("sha512", DATA)})
    workspace.images["b"] = {**FORMATS, "source": {"path": workspace.file("d.raw", DATA)}}
    done = workspace.run("apply", "--yes", code=1)
    assert "the service could not fetch http://127.0.0.1:" in done.stdout
    assert "check that the service can reach this URL" in done.stdout
    assert "pass-word" not in done.stdout + done.stderr
    assert "sig-nature" not in done.stdout + done.stderr
    assert [image["name"] for image in workspace.cloud.http().images()] == ["b"]


@pytest.mark.parametrize("method", ["web-download", "glance-direct"])
def test_an_image_with_a_pinned_id_stays_queued_for_the_next_run(
    workspace: CloudWorkspace, web: Web, method: str
) -> None:
    """Its id could never be used again: after a failed import or a wrong digest, the next run uploads its data."""
    image_id = "6a1b8b0e-0b5e-4f7e-9d6e-00000000000a"
    wanted(workspace, {"url": f"{web.url}/late.raw", "method": method}, id=image_id)
    if method == "glance-direct":
        web.files["/late.raw"] = OTHER
        workspace.images["a"]["source"]["checksum"] = digest("sha256", DATA)
    workspace.run("apply", "--yes", code=1)
    (image,) = workspace.cloud.http().images()
    assert (image["id"], image["status"], image["os_hidden"]) == (image_id, "queued", True)
    web.files["/late.raw"] = DATA
    image = apply_and_settle(workspace)
    assert (image["id"], image["size"], image["os_hidden"]) == (image_id, len(DATA), False)


def test_a_host_that_the_service_must_not_fetch_from(workspace: CloudWorkspace) -> None:
    """The service's own filter rejects it at once."""
    url = "http://user:pass-word@localhost/d.raw"
    wanted(workspace, {"url": url, "method": "web-download", "checksum": digest("sha512", DATA)})
    done = workspace.run("apply", "--yes", code=1)
    assert "does not pass filtering" in done.stdout
    assert "pass-word" not in done.stdout + done.stderr
    assert workspace.cloud.http().images() == []


@pytest.mark.parametrize("algorithm", ["sha512", "md5", "sha256"])
def test_fetched_data_with_a_wrong_digest(workspace: CloudWorkspace, web: Web, algorithm: str) -> None:
    """The old image does not change and stays visible; nothing of the new build is left. With the right digest it is replaced."""
    source = {"url": f"{web.url}/d.raw", "method": "web-download"}
    wanted(workspace, {**source, "checksum": digest(algorithm, DATA)})
    before = apply_and_settle(workspace)
    source = {"url": f"{web.url}/o.raw", "method": "web-download"}
    wanted(workspace, {**source, "checksum": digest(algorithm, DATA + b"!")})
    assert f"the service stored {algorithm}" in workspace.run("apply", "--yes", code=1).stdout
    assert workspace.cloud.http().images() == [before]
    wanted(workspace, {**source, "checksum": digest(algorithm, OTHER)}, on_replace={"keep": 0})
    assert apply_and_settle(workspace)["size"] == len(OTHER)


def fetched(web: Web, checksum: str, file: str = "d.raw", **more: object) -> dict[str, object]:
    """The source of an image that the service fetches."""
    return {"url": f"{web.url}/{file}", "method": "web-download", "checksum": checksum, **more}


def count_downloads(workspace: CloudWorkspace) -> int:
    """The number of downloads from the service."""
    return sum(one.method == "GET" and one.path.endswith("/file") for one in workspace.cloud.requests())


def stored_files(workspace: CloudWorkspace) -> set[Path]:
    """The data files in all stores of the service."""
    return {path for path in (workspace.cloud.state / "stores").rglob("*") if path.is_file()}


def make_service_digests(data: bytes) -> set[str]:
    """The digests that the service computes."""
    return {digest("md5", data), digest("sha512", data)}


@pytest.mark.parametrize("stage", [False, True])
def test_other_data_with_a_declared_sha256_is_not_published(workspace: CloudWorkspace, web: Web, stage: bool) -> None:
    """The service does not compute a sha256, so the data is read back: exit code 1, and nothing of it is left."""
    wanted(workspace, fetched(web, digest("sha256", DATA), "o.raw"), visibility="public")
    before = stored_files(workspace)
    output = workspace.run("apply", "--yes", *(["--stage"] if stage else []), code=1).stdout
    assert f"the service stored {digest('sha256', OTHER)}, not the declared" in output
    assert count_downloads(workspace) == 1
    assert workspace.cloud.http().images() == []
    assert stored_files(workspace) == before


def test_a_sha256_that_was_read_back_is_recorded_as_computed(workspace: CloudWorkspace, web: Web) -> None:
    """It is recorded beside the service's digests, also for a candidate, which is then published without another download."""
    wanted(workspace, fetched(web, digest("sha256", DATA)))
    words = {*make_service_digests(DATA), digest("sha256", DATA)}
    assert {*apply_and_settle(workspace)["imagesync_digest"].split()} - words == {
        f"url:{identify_url(f'{web.url}/d.raw')}"
    }
    wanted(workspace, fetched(web, digest("sha256", OTHER), "o.raw"), on_replace={"keep": 0})
    workspace.run("apply", "--yes", "--stage")
    staged = max(workspace.cloud.http().images(), key=lambda image: int(image["os_hidden"]))
    image = apply_and_settle(workspace)
    assert (image["id"], image["imagesync_digest"]) == (staged["id"], staged["imagesync_digest"])
    assert {*make_service_digests(OTHER), digest("sha256", OTHER)} < {*image["imagesync_digest"].split()}
    assert "declared:" not in image["imagesync_digest"]
    assert (count_downloads(workspace), web.queries) == (2, ["/d.raw", "/o.raw"])


@pytest.mark.parametrize("stage", [False, True])
def test_verify_none_publishes_and_records_the_digest_as_declared(
    workspace: CloudWorkspace, web: Web, stage: bool
) -> None:
    """imagesync reads only the first bytes, and records no digest that was not computed; the next plan is empty."""
    declared = digest("sha256", DATA)
    wanted(workspace, fetched(web, declared, "o.raw", verify="none"))
    if stage:
        output = workspace.run("apply", "--yes", "--stage").stdout
        assert "compared only if the service computes" in output
        assert f"without verification: its content is assumed to be {declared}" in workspace.run("plan").stdout
    else:
        assert "compared only if the service computes" in workspace.run("plan").stdout
    image = apply_and_settle(workspace)
    words = {*make_service_digests(OTHER), f"declared:{declared}", f"url:{identify_url(f'{web.url}/o.raw')}"}
    assert {*image["imagesync_digest"].split()} == words
    assert (count_downloads(workspace), web.queries) == (1, ["/o.raw"])
    wanted(workspace, fetched(web, declared, "o.raw"))
    assert apply_and_settle(workspace)["id"] == image["id"]  # it was published unverified before: no other build


@pytest.mark.parametrize("right", [False, True])
def test_an_unverified_candidate_is_verified_once_the_manifest_requires_it(
    workspace: CloudWorkspace, web: Web, right: bool
) -> None:
    """It was staged with ``verify: none``, which is then removed: the data is read back before publication, and not fetched again."""
    content = DATA if right else OTHER
    source = fetched(web, digest("sha256", DATA), "d.raw" if right else "o.raw", verify="none")
    wanted(workspace, source)
    workspace.run("apply", "--yes", "--stage")
    (staged,) = workspace.cloud.http().images()
    del source["verify"]
    wanted(workspace, source)
    if right:
        image = apply_and_settle(workspace)
        assert (image["id"], image["os_hidden"], image["size"]) == (staged["id"], False, len(content))
        assert {*make_service_digests(content), digest("sha256", content)} < {*image["imagesync_digest"].split()}
        assert "declared:" not in image["imagesync_digest"]
    else:
        assert "the service stored sha256" in workspace.run("apply", "--yes", code=1).stdout
        assert workspace.cloud.http().images() == []
    assert (count_downloads(workspace), len(web.queries)) == (2, 1)


def test_data_that_is_read_back_must_have_its_format(workspace: CloudWorkspace, web: Web) -> None:
    """A qcow2 is declared as raw with the right digest: the service accepts it, imagesync refuses it."""
    disk = web.files["/disk.qcow2"]
    wanted(workspace, fetched(web, digest("sha256", disk), "disk.qcow2"))
    output = workspace.run("apply", "--yes", code=1).stdout
    assert "the data is qcow2, not raw: a machine would boot the qcow2 file itself" in output
    assert (count_downloads(workspace), web.queries) == (1, ["/disk.qcow2"])
    assert workspace.cloud.http().images() == []


def test_data_that_the_service_rejects_is_not_read_back(workspace: CloudWorkspace, web: Web) -> None:
    """The service inspects first: it rejects a raw disk that is declared as qcow2 with the right digest."""
    wanted(workspace, fetched(web, digest("sha256", DATA)), disk_format="qcow2")
    output = workspace.run("apply", "--yes", code=1).stdout
    assert f"the service could not fetch {web.url}/d.raw" in output
    assert (count_downloads(workspace), web.queries) == (0, ["/d.raw"])
    assert workspace.cloud.http().images() == []


@pytest.mark.parametrize("checksum", [{}, {"checksum": "sha256:" + "0" * 64}])
@pytest.mark.parametrize("several", [{}, {"stores": "all"}])
def test_staged_data_is_verified_before_its_last_byte(
    workspace: CloudWorkspace, checksum: dict[str, str], several: dict[str, str]
) -> None:
    """With a wrong digest or another format, no import begins, and nothing of the image is left."""
    source = {"path": workspace.file("d.raw", DATA), "method": "glance-direct", **checksum, **several}
    wanted(workspace, source, disk_format="raw" if checksum else "qcow2")
    workspace.run("apply", "--yes", code=1)
    assert imports(workspace) == []
    assert workspace.cloud.http().images() == []
    assert list((workspace.cloud.state / "stores" / "staging").iterdir()) == []


def test_the_service_may_unpack_staged_data(workspace: CloudWorkspace) -> None:
    """A plugin of the service stores other bytes: they are accepted with glance-direct, and do not count as tampering afterwards."""
    workspace.cloud.start_limited()
    packed = gzip.compress(DATA)
    source = {"path": workspace.file("d.bin", packed), "method": "glance-direct", "compression": "none"}
    wanted(workspace, source)
    image = apply_and_settle(workspace, "limited")
    assert (image["size"], image["os_hash_value"]) == (len(DATA), hashlib.sha512(DATA).hexdigest())
    workspace.file("d.bin", gzip.compress(OTHER))
    wanted(workspace, source, on_replace={"keep": 0})
    assert apply_and_settle(workspace, "limited")["size"] == len(OTHER)


def test_an_upload_into_several_stores_must_stay_unchanged(workspace: CloudWorkspace) -> None:
    """With method upload, data that the same plugin changed is refused, with a remedy."""
    workspace.cloud.start_limited()
    packed = gzip.compress(DATA)
    wanted(workspace, {"path": workspace.file("d.bin", packed), "stores": "all", "inspect": "none"})
    output = workspace.run("apply", "--yes", user="limited", code=1).stdout
    assert f"the service stored {len(DATA)} bytes, imagesync sent {len(packed)}" in output
    assert "declare method: glance-direct" in output
    assert workspace.cloud.http().images() == []


@pytest.mark.parametrize(
    ("user", "source", "expected"),
    [
        ("operator", {"stores": ["fast", "cold"]}, "has no store cold; use fast, slow"),
        ("limited", {"method": "web-download"}, "does not offer web-download; use glance-direct or upload"),
    ],
)
def test_methods_and_stores_that_the_service_does_not_offer_are_refused(
    workspace: CloudWorkspace, web: Web, user: str, source: dict[str, object], expected: str
) -> None:
    """One sentence lists those of the service; nothing is begun."""
    workspace.cloud.start_limited()
    wanted(workspace, {"url": f"{web.url}/d.raw", **source})
    assert expected in workspace.run("apply", "--yes", user=user, code=1).stderr
    assert workspace.cloud.http().images() == []


def test_a_store_added_later_is_copied_to(workspace: CloudWorkspace) -> None:
    """The plan shows the stores before and after; no data is sent. A store that the manifest no longer declares keeps its copy."""
    source = {"path": workspace.file("d.raw", DATA)}
    wanted(workspace, {**source, "stores": ["slow"]})
    before = apply_and_settle(workspace)
    wanted(workspace, {**source, "stores": ["slow", "fast"]}, min_ram=5)
    assert "stores   + fast" in workspace.run("plan").stdout
    image = apply_and_settle(workspace)
    assert (image["id"], stores(image), image["min_ram"]) == (before["id"], ["fast", "slow"], 5)
    wanted(workspace, {**source, "stores": ["slow"]}, min_ram=5)
    assert stores(apply_and_settle(workspace)) == ["fast", "slow"]
    assert imports(workspace) == [f"/v2/images/{before['id']}/import"]


def test_all_stores_are_those_of_the_service(workspace: CloudWorkspace) -> None:
    """An image in one store is copied to the others once all are declared."""
    source = {"path": workspace.file("d.raw", DATA)}
    wanted(workspace, source)
    assert stores(apply_and_settle(workspace)) == ["fast"]
    wanted(workspace, {**source, "stores": "all"})
    assert stores(apply_and_settle(workspace)) == ["fast", "slow"]


def test_a_member_may_not_copy_and_the_error_has_remedies(workspace: CloudWorkspace) -> None:
    """One line has both remedies; other changes are done, and the image stays in its store."""
    source = {"path": workspace.file("d.raw", DATA)}
    wanted(workspace, source)
    apply_and_settle(workspace, "alice")
    wanted(workspace, {**source, "stores": "all"}, min_ram=5)
    output = workspace.run("apply", "--yes", user="alice", code=1).stdout
    assert "does not let this user copy it to slow" in output
    assert "apply as an admin" in output
    assert "drift" not in workspace.run("plan", user="alice").stdout
    (image,) = workspace.cloud.http().images()
    assert (stores(image), image["min_ram"]) == (["fast"], 5)
    assert stores(apply_and_settle(workspace, "operator")) == ["fast", "slow"]


@pytest.mark.parametrize("user", ["operator", "alice"])
def test_a_deactivated_image_is_not_copied(workspace: CloudWorkspace, user: str) -> None:
    """The service copies only active images, and hides the stores of others from members: the plan must not repeat for ever."""
    source = {"path": workspace.file("d.raw", DATA)}
    wanted(workspace, source, status="deactivated")
    apply_and_settle(workspace, user)
    wanted(workspace, {**source, "stores": ["slow", "fast"]}, status="deactivated")
    assert stores(apply_and_settle(workspace, user)) == ["fast"]
    note = "is not copied to slow: the service never copies a deactivated image"
    assert (note in workspace.run("plan", user=user).stdout) is (user == "operator")
    wanted(workspace, {**source, "stores": ["slow", "fast"]}, status="active")
    if user == "operator":
        assert stores(apply_and_settle(workspace, user)) == ["fast", "slow"]


def test_a_copy_is_refused_if_the_service_does_not_offer_it(workspace: CloudWorkspace) -> None:
    """The service has no copy-image: one sentence, and nothing changes."""
    workspace.cloud.start_limited()
    source = {"path": workspace.file("d.raw", DATA)}
    wanted(workspace, source)
    apply_and_settle(workspace, "limited")
    wanted(workspace, {**source, "stores": "all"}, min_ram=5)
    assert "does not offer copy-image" in workspace.run("apply", "--yes", user="limited", code=1).stderr
    assert workspace.cloud.http().images()[0]["min_ram"] == 0


def interrupted(workspace: CloudWorkspace, web: Web) -> str:
    """Kill an apply while the service fetches; the id of the image that it left."""
    web.hold.clear()
    with workspace.start("apply", "--yes") as process:
        assert web.begun.wait(60)
        process.kill()
    (image,) = workspace.cloud.http().images()
    return str(image["id"])


@pytest.mark.parametrize("when", ["while it runs", "when it is done"])
def test_an_import_of_an_interrupted_run_is_continued(workspace: CloudWorkspace, web: Web, when: str) -> None:
    """The next run waits for it, verifies that image and publishes it: nothing is fetched twice."""
    wanted(workspace, {"url": f"{web.url}/d.raw", "method": "web-download", "checksum": digest("sha512", DATA)})
    left = interrupted(workspace, web)
    if when == "while it runs":
        threading.Timer(3, web.hold.set).start()
    else:
        web.hold.set()
        await_status(workspace, left, "active")
    image = apply_and_settle(workspace)
    assert (image["id"], image["imagesync_role"], image["os_hidden"]) == (left, "current", False)
    assert web.queries == ["/d.raw"]


@pytest.mark.parametrize("right", [False, True])
def test_an_import_of_an_interrupted_run_is_verified(workspace: CloudWorkspace, web: Web, right: bool) -> None:
    """The run was killed before verification: the next run verifies the data, and nothing of wrong data is left."""
    wanted(workspace, fetched(web, digest("sha256", DATA if right else DATA + b"!")))
    left = interrupted(workspace, web)
    web.hold.set()
    await_status(workspace, left, "active")
    (image,) = workspace.cloud.http().images()
    assert image["imagesync_digest"].startswith("declared:sha256:")
    if right:
        assert apply_and_settle(workspace)["id"] == left
    else:
        assert "the service stored sha256" in workspace.run("apply", "--yes", code=1).stdout
        assert workspace.cloud.http().images() == []
    assert (count_downloads(workspace), web.queries) == (1, ["/d.raw"])


def test_an_import_is_deleted_if_the_method_is_upload_now(workspace: CloudWorkspace, web: Web) -> None:
    """The manifest declares an upload of the same content: the fetched data is deleted without publication."""
    wanted(workspace, fetched(web, digest("sha256", DATA), "o.raw"))
    left = interrupted(workspace, web)
    web.hold.set()
    await_status(workspace, left, "active")
    wanted(workspace, {"path": workspace.file("d.raw", DATA), "checksum": digest("sha256", DATA)})
    image = apply_and_settle(workspace)
    assert (image["size"], image["id"] != left) == (len(DATA), True)


def test_an_import_of_content_that_is_no_longer_declared_is_deleted(workspace: CloudWorkspace, web: Web) -> None:
    """The next run does not wait for it."""
    wanted(workspace, {"url": f"{web.url}/d.raw", "method": "web-download"})
    left = interrupted(workspace, web)
    web.hold.set()
    await_status(workspace, left, "active")
    wanted(workspace, {"url": f"{web.url}/o.raw", "method": "web-download"})
    image = apply_and_settle(workspace)
    assert (image["size"], image["id"] != left) == (len(OTHER), True)


def await_status(workspace: CloudWorkspace, image_id: str, status: str) -> None:
    """Wait until an image has a status and no import is running."""
    wait_until(
        lambda: workspace.cloud.http().get(f"/images/{image_id}"),
        lambda image: image["status"] == status and "os_glance_import_task" not in image,
        f"the import has ended and the image is {status}",
    )


class BackendWrapper:
    """The real backend, except for the methods that a test changes."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def with_lease(self, check: Callable[[], None]) -> Self:
        """The backend itself."""
        return self


class KilledAfterImport(BackendWrapper):
    """A process that is killed as soon as an import has begun."""

    def import_image(self, *words: Any, **more: Any) -> None:
        """Begin the import, then stop as a killed process."""
        self._backend.import_image(*words, **more)
        raise KeyError("the process is gone")


class WithoutStaging(BackendWrapper):
    """A service that can copy, but accepts no staged data."""

    def capabilities(self) -> Capabilities:
        """The capabilities of the service, without staging."""
        return replace(self._backend.capabilities(), import_methods=frozenset({"copy-image"}))


def perform(workspace: CloudWorkspace, service: Callable[[Backend], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Execute the only step of the plan with a changed backend."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(workspace.cloud.clouds_yaml))
    workspace.run("plan")
    backend = open_backend(cloud="operator")
    plan = planned(backend, identify(resolve(load(workspace.folder))))
    (step,) = plan.steps
    try:
        Performer(service(backend), plan)(step, lambda _amount: None)
    finally:
        backend.close()


@pytest.mark.parametrize("declared", ["all", ["slow", "fast"]])
def test_without_staging_an_upload_is_copied_to_the_other_stores(
    workspace: CloudWorkspace, monkeypatch: pytest.MonkeyPatch, declared: object
) -> None:
    """It is sent once to the first store, and is in all stores before it is published."""
    wanted(workspace, {"path": workspace.file("d.raw", DATA), "stores": declared})
    perform(workspace, WithoutStaging, monkeypatch)
    image = apply_and_settle(workspace)
    assert (stores(image), image["imagesync_role"]) == (["fast", "slow"], "current")
    sent = [
        (one.method, one.path.rpartition("/")[2]) for one in workspace.cloud.requests() if one.length not in ("", "0")
    ]
    assert [name for method, name in sent if method in ("PUT", "POST")] == ["images", "file", "import"]


def test_data_staged_by_an_interrupted_run_is_not_sent_again(
    workspace: CloudWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was verified before its last byte, so the next run only waits and publishes."""
    wanted(workspace, {"path": workspace.file("d.raw", DATA), "stores": "all"})
    with pytest.raises(KeyError):
        perform(workspace, KilledAfterImport, monkeypatch)
    workspace.run("apply", "--yes", "--no-lock")
    (image,) = workspace.cloud.http().images()
    assert stores(image) == ["fast", "slow"]
    assert [one.path for one in workspace.cloud.requests() if one.method == "PUT"] == [
        f"/v2/images/{image['id']}/stage"
    ]


def test_a_token_that_expires_before_staging_is_renewed(workspace: CloudWorkspace, web: Web) -> None:
    """The token expires while the source is opened: it is renewed, and the source is read again and staged once."""
    web.on_first = workspace.cloud.expire_tokens
    wanted(workspace, {"url": f"{web.url}/d.raw", "method": "glance-direct", "checksum": digest("sha256", DATA)})
    assert apply_and_settle(workspace)["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert [one.status for one in workspace.cloud.requests() if one.method == "PUT"] == [401, 204]


def test_a_saved_plan_imports_data_and_copies_it(workspace: CloudWorkspace, web: Web) -> None:
    """Credentials in a URL that the service fetches are sent to the service, but are in no file and no output."""
    url = web.url.replace("http://", "http://user:pass-word@")
    saved = workspace.folder / "plan.json"
    source = {"url": f"{url}/d.raw?sig=sig-nature", "checksum": digest("sha512", DATA)}
    wanted(workspace, {**source, "method": "web-download", "stores": ["slow"]})
    for expected, done in ((["slow"], "1 created"), (["fast", "slow"], "1 updated")):
        output = workspace.run("plan", "-o", str(saved)).stdout
        assert f"Applied: {done}." in workspace.run("apply", "--yes", path=str(saved)).stdout
        assert "pass-word" not in output + saved.read_text()
        assert "sig-nature" not in output + saved.read_text()
        (image,) = workspace.cloud.http().images()
        assert stores(image) == expected
        workspace.images["a"]["source"]["stores"] = "all"
    assert web.queries == ["/d.raw?sig=sig-nature"]
