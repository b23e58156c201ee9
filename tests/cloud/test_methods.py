"""Every way in and every combination of stores on the real service, judged over plain HTTP; and what goes wrong there."""

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

from imagesync import Performer, load, open_backend, resolve
from imagesync.backends.base import Backend
from imagesync.model.image import Capabilities
from imagesync.model.urls import url_identity
from imagesync.sources import identify
from tests.cloud.service import Cloud, free_port
from tests.cloud.workspace import CloudWorkspace
from tests.pipeline import planned
from tests.samples import qcow2
from tests.waiting import wait_until

DATA = b"\xe4" * 70_000
OTHER = b"\xef" * 80_000
FORMATS = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}


@dataclass
class Web:
    """A web server of the test: files by path; ``hold`` keeps answers back until it is set."""

    files: dict[str, bytes]
    url: str = ""
    queries: list[str] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    on_first: Callable[[], None] = lambda: None


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Web]:
    """Files over HTTP on loopback; 404 for all else."""
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
            """Nothing."""

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
    with serving({"/d.raw": DATA, "/o.raw": OTHER, "/disk.qcow2": qcow2(3 * 2**30)}) as found:
        yield found


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> CloudWorkspace:
    """An empty catalog beside an empty cloud."""
    return CloudWorkspace(cloud, tmp_path)


def digest(algorithm: str, data: bytes) -> str:
    """``ALGORITHM:HEX``."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def wanted(workspace: CloudWorkspace, source: object, **attrs: object) -> None:
    """The catalog is one image, a."""
    workspace.images = {"a": {**FORMATS, "source": source, **attrs}}


def settled(workspace: CloudWorkspace, user: str = "operator") -> dict[str, Any]:
    """The one image there is after an apply whose next plan is empty."""
    workspace.apply(user=user)
    (image,) = workspace.cloud.http().images()
    return image


def imports(workspace: CloudWorkspace) -> list[str]:
    """The imports that the service was asked for."""
    return [one.path for one in workspace.cloud.requests() if one.method == "POST" and one.path.endswith("/import")]


def stores(image: dict[str, Any]) -> list[str]:
    """Where the data lies."""
    return sorted(image["stores"].split(","))


@pytest.mark.parametrize("user", [pytest.param("operator", marks=pytest.mark.exhaustive), "alice"])
def test_every_way_into_every_store(workspace: CloudWorkspace, web: Web, user: str) -> None:
    """As admin and as member: the data lies where it is wanted, is the declared one, and nothing is left to do."""
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


def test_the_plan_tells_how_and_where_and_what_nobody_verifies(workspace: CloudWorkspace, web: Web) -> None:
    """Fetched by the service, into which stores; whether it is read back, or published on trust."""
    source = {"url": f"{web.url}/d.raw", "method": "web-download", "stores": ["slow"]}
    wanted(workspace, {**source, "checksum": digest("sha256", DATA)})
    output = workspace.run("plan").stdout
    assert "fetched by the service, into slow" in output
    assert "read back to verify it" in output
    assert "upload" not in output
    wanted(workspace, {**source, "checksum": digest("sha256", DATA), "verify": "none"})
    output = workspace.run("plan").stdout
    assert "read back to verify it" not in output
    assert "is not read back (verify: none); the declared sha256 is taken on trust" in output
    wanted(workspace, {**source, "checksum": digest("sha512", DATA)})
    assert "read back" not in workspace.run("plan").stdout
    wanted(workspace, source)
    assert "nothing verifies what the service fetches" in workspace.run("plan").stdout
    assert web.queries == []


def test_min_disk_of_what_the_service_fetched(workspace: CloudWorkspace, web: Web) -> None:
    """From the virtual size, or refused where less is declared: then nothing is left."""
    source = {"url": f"{web.url}/disk.qcow2", "method": "web-download"}
    wanted(workspace, source, disk_format="qcow2", min_disk=2)
    assert "declare min_disk: 3" in workspace.run("apply", "--yes", code=1).stdout
    assert workspace.cloud.http().images() == []
    wanted(workspace, source, disk_format="qcow2", min_disk="auto")
    assert settled(workspace)["min_disk"] == 3


def test_mirrors_are_fetched_in_order_until_one_works(workspace: CloudWorkspace, web: Web) -> None:
    """The first answers 404, the second refuses the connection, the third is fetched."""
    urls = [f"{web.url}/none.raw", f"http://127.0.0.1:{free_port()}/d.raw", f"{web.url}/d.raw"]
    wanted(workspace, {"url": urls, "method": "web-download"})
    assert settled(workspace)["size"] == len(DATA)
    assert web.queries == ["/none.raw", "/d.raw"]


@pytest.mark.parametrize(
    "where", ["http://user:pass-word@{web}/none.raw?sig=sig-nature", "http://127.0.0.1:{free}/d.raw"]
)
def test_a_source_that_the_service_cannot_fetch(workspace: CloudWorkspace, web: Web, where: str) -> None:
    """One line says what failed and what to check, without credentials; nothing is left, and the others are done."""
    url = where.format(web=web.url.removeprefix("http://"), free=free_port())
    wanted(workspace, {"url": url, "method": "web-download", "checksum": digest("sha512", DATA)})
    workspace.images["b"] = {**FORMATS, "source": {"path": workspace.file("d.raw", DATA)}}
    done = workspace.run("apply", "--yes", code=1)
    assert "the service could not fetch http://127.0.0.1:" in done.stdout
    assert "check that the service reaches it" in done.stdout
    assert "pass-word" not in done.stdout + done.stderr
    assert "sig-nature" not in done.stdout + done.stderr
    assert [image["name"] for image in workspace.cloud.http().images()] == ["b"]


@pytest.mark.parametrize("method", ["web-download", "glance-direct"])
def test_a_record_with_an_id_of_its_own_stays_queued_and_is_filled_later(
    workspace: CloudWorkspace, web: Web, method: str
) -> None:
    """Its id could never be used again: a failed import, or a wrong digest, leaves it for the next run."""
    image_id = "6a1b8b0e-0b5e-4f7e-9d6e-00000000000a"
    wanted(workspace, {"url": f"{web.url}/late.raw", "method": method}, id=image_id)
    if method == "glance-direct":
        web.files["/late.raw"] = OTHER
        workspace.images["a"]["source"]["checksum"] = digest("sha256", DATA)
    workspace.run("apply", "--yes", code=1)
    (image,) = workspace.cloud.http().images()
    assert (image["id"], image["status"], image["os_hidden"]) == (image_id, "queued", True)
    web.files["/late.raw"] = DATA
    image = settled(workspace)
    assert (image["id"], image["size"], image["os_hidden"]) == (image_id, len(DATA), False)


def test_a_host_that_the_service_may_not_ask(workspace: CloudWorkspace) -> None:
    """The service's own filter refuses it at once."""
    url = "http://user:pass-word@localhost/d.raw"
    wanted(workspace, {"url": url, "method": "web-download", "checksum": digest("sha512", DATA)})
    done = workspace.run("apply", "--yes", code=1)
    assert "does not pass filtering" in done.stdout
    assert "pass-word" not in done.stdout + done.stderr
    assert workspace.cloud.http().images() == []


@pytest.mark.parametrize("algorithm", ["sha512", "md5", "sha256"])
def test_a_wrong_digest_of_what_the_service_fetched(workspace: CloudWorkspace, web: Web, algorithm: str) -> None:
    """The old image stays as it was, visible; of the new build nothing is left. The right digest replaces it."""
    source = {"url": f"{web.url}/d.raw", "method": "web-download"}
    wanted(workspace, {**source, "checksum": digest(algorithm, DATA)})
    before = settled(workspace)
    source = {"url": f"{web.url}/o.raw", "method": "web-download"}
    wanted(workspace, {**source, "checksum": digest(algorithm, DATA + b"!")})
    assert f"the service stored {algorithm}" in workspace.run("apply", "--yes", code=1).stdout
    assert workspace.cloud.http().images() == [before]
    wanted(workspace, {**source, "checksum": digest(algorithm, OTHER)}, on_replace={"keep": 0})
    assert settled(workspace)["size"] == len(OTHER)


def fetched(web: Web, checksum: str, file: str = "d.raw", **more: object) -> dict[str, object]:
    """The source of an image that the service fetches."""
    return {"url": f"{web.url}/{file}", "method": "web-download", "checksum": checksum, **more}


def downloads(workspace: CloudWorkspace) -> int:
    """How often data was read out of the service."""
    return sum(one.method == "GET" and one.path.endswith("/file") for one in workspace.cloud.requests())


def stored_files(workspace: CloudWorkspace) -> set[Path]:
    """The files of data in all stores of the service."""
    return {path for path in (workspace.cloud.state / "stores").rglob("*") if path.is_file()}


def service_words(data: bytes) -> set[str]:
    """The digests that the service computes itself."""
    return {digest("md5", data), digest("sha512", data)}


@pytest.mark.parametrize("stage", [False, True])
def test_foreign_bytes_under_a_sha256_are_not_published(workspace: CloudWorkspace, web: Web, stage: bool) -> None:
    """The service does not compute a sha256, so the data is read back: exit 1, and nothing of it is anywhere."""
    wanted(workspace, fetched(web, digest("sha256", DATA), "o.raw"), visibility="public")
    before = stored_files(workspace)
    output = workspace.run("apply", "--yes", *(["--stage"] if stage else []), code=1).stdout
    assert f"the service stored {digest('sha256', OTHER)}, not the declared" in output
    assert downloads(workspace) == 1
    assert workspace.cloud.http().images() == []
    assert stored_files(workspace) == before


def test_a_sha256_that_was_read_back_is_recorded_as_computed(workspace: CloudWorkspace, web: Web) -> None:
    """Beside the service's own; as a candidate too, which is published without another look."""
    wanted(workspace, fetched(web, digest("sha256", DATA)))
    words = {*service_words(DATA), digest("sha256", DATA)}
    assert {*settled(workspace)["imagesync_digest"].split()} - words == {f"url:{url_identity(f'{web.url}/d.raw')}"}
    wanted(workspace, fetched(web, digest("sha256", OTHER), "o.raw"), on_replace={"keep": 0})
    workspace.run("apply", "--yes", "--stage")
    staged = max(workspace.cloud.http().images(), key=lambda image: int(image["os_hidden"]))
    image = settled(workspace)
    assert (image["id"], image["imagesync_digest"]) == (staged["id"], staged["imagesync_digest"])
    assert {*service_words(OTHER), digest("sha256", OTHER)} < {*image["imagesync_digest"].split()}
    assert "declared:" not in image["imagesync_digest"]
    assert (downloads(workspace), web.queries) == (2, ["/d.raw", "/o.raw"])


@pytest.mark.parametrize("stage", [False, True])
def test_verify_none_publishes_and_records_the_digest_as_declared(
    workspace: CloudWorkspace, web: Web, stage: bool
) -> None:
    """Only its first bytes are read, and no digest is claimed that nobody computed; the next plan is empty."""
    declared = digest("sha256", DATA)
    wanted(workspace, fetched(web, declared, "o.raw", verify="none"))
    if stage:
        output = workspace.run("apply", "--yes", "--stage").stdout
        assert "taken on trust" in output
        assert f"its content taken for {declared} on trust" in workspace.run("plan").stdout
    else:
        assert "taken on trust" in workspace.run("plan").stdout
    image = settled(workspace)
    words = {*service_words(OTHER), f"declared:{declared}", f"url:{url_identity(f'{web.url}/o.raw')}"}
    assert {*image["imagesync_digest"].split()} == words
    assert (downloads(workspace), web.queries) == (1, ["/o.raw"])
    wanted(workspace, fetched(web, declared, "o.raw"))
    assert settled(workspace)["id"] == image["id"]  # published on trust before: no other build


@pytest.mark.parametrize("right", [False, True])
def test_a_candidate_on_trust_is_verified_once_the_manifest_asks_for_it(
    workspace: CloudWorkspace, web: Web, right: bool
) -> None:
    """Staged with ``verify: none``, which is then taken out: read back before it is published, and not fetched again."""
    content = DATA if right else OTHER
    source = fetched(web, digest("sha256", DATA), "d.raw" if right else "o.raw", verify="none")
    wanted(workspace, source)
    workspace.run("apply", "--yes", "--stage")
    (staged,) = workspace.cloud.http().images()
    del source["verify"]
    wanted(workspace, source)
    if right:
        image = settled(workspace)
        assert (image["id"], image["os_hidden"], image["size"]) == (staged["id"], False, len(content))
        assert {*service_words(content), digest("sha256", content)} < {*image["imagesync_digest"].split()}
        assert "declared:" not in image["imagesync_digest"]
    else:
        assert "the service stored sha256" in workspace.run("apply", "--yes", code=1).stdout
        assert workspace.cloud.http().images() == []
    assert (downloads(workspace), len(web.queries)) == (2, 1)


def test_what_is_read_back_is_held_to_its_format(workspace: CloudWorkspace, web: Web) -> None:
    """A qcow2 that is declared raw, with the digest that is right of it: the service takes that, our look at it does not."""
    disk = web.files["/disk.qcow2"]
    wanted(workspace, fetched(web, digest("sha256", disk), "disk.qcow2"))
    output = workspace.run("apply", "--yes", code=1).stdout
    assert "the data is qcow2, not raw: a machine would boot the qcow2 file itself" in output
    assert (downloads(workspace), web.queries) == (1, ["/disk.qcow2"])
    assert workspace.cloud.http().images() == []


def test_what_the_service_finds_in_another_format_is_not_read_back(workspace: CloudWorkspace, web: Web) -> None:
    """Its own look is the first: a raw disk that is declared qcow2, with the digest that is right of it."""
    wanted(workspace, fetched(web, digest("sha256", DATA)), disk_format="qcow2")
    output = workspace.run("apply", "--yes", code=1).stdout
    assert f"the service could not fetch {web.url}/d.raw" in output
    assert (downloads(workspace), web.queries) == (0, ["/d.raw"])
    assert workspace.cloud.http().images() == []


@pytest.mark.parametrize("checksum", [{}, {"checksum": "sha256:" + "0" * 64}])
@pytest.mark.parametrize("several", [{}, {"stores": "all"}])
def test_what_is_staged_is_verified_before_its_last_byte(
    workspace: CloudWorkspace, checksum: dict[str, str], several: dict[str, str]
) -> None:
    """A wrong digest, or data of another format: no import ever begins, and nothing is left of the record."""
    source = {"path": workspace.file("d.raw", DATA), "method": "glance-direct", **checksum, **several}
    wanted(workspace, source, disk_format="raw" if checksum else "qcow2")
    workspace.run("apply", "--yes", code=1)
    assert imports(workspace) == []
    assert workspace.cloud.http().images() == []
    assert list((workspace.cloud.state / "stores" / "staging").iterdir()) == []


def test_the_service_may_unpack_what_is_staged_for_it(workspace: CloudWorkspace) -> None:
    """A plugin of the service stores other bytes: accepted with glance-direct, and not taken for tampering afterwards."""
    workspace.cloud.start_limited()
    packed = gzip.compress(DATA)
    source = {"path": workspace.file("d.bin", packed), "method": "glance-direct", "compression": "none"}
    wanted(workspace, source)
    image = settled(workspace, "limited")
    assert (image["size"], image["os_hash_value"]) == (len(DATA), hashlib.sha512(DATA).hexdigest())
    workspace.file("d.bin", gzip.compress(OTHER))
    wanted(workspace, source, on_replace={"keep": 0})
    assert settled(workspace, "limited")["size"] == len(OTHER)


def test_an_upload_into_several_stores_is_stored_as_it_was_sent(workspace: CloudWorkspace) -> None:
    """The same plugin beside method upload: what the service made of it is refused, with the way out."""
    workspace.cloud.start_limited()
    packed = gzip.compress(DATA)
    wanted(workspace, {"path": workspace.file("d.bin", packed), "stores": "all", "inspect": "none"})
    output = workspace.run("apply", "--yes", user="limited", code=1).stdout
    assert f"the service stored {len(DATA)} bytes, we sent {len(packed)}" in output
    assert "declare method: glance-direct" in output
    assert workspace.cloud.http().images() == []


@pytest.mark.parametrize(
    ("user", "source", "expected"),
    [
        ("operator", {"stores": ["fast", "cold"]}, "has no store cold; it has fast, slow"),
        ("limited", {"method": "web-download"}, "does not offer web-download; use glance-direct or upload"),
    ],
)
def test_what_the_service_does_not_offer_is_refused_by_the_plan(
    workspace: CloudWorkspace, web: Web, user: str, source: dict[str, object], expected: str
) -> None:
    """One sentence with what there is; nothing is begun."""
    workspace.cloud.start_limited()
    wanted(workspace, {"url": f"{web.url}/d.raw", **source})
    assert expected in workspace.run("apply", "--yes", user=user, code=1).stderr
    assert workspace.cloud.http().images() == []


def test_a_store_added_later_is_copied_to(workspace: CloudWorkspace) -> None:
    """The plan shows before and after; no byte is sent; a store taken out of the manifest keeps its copy."""
    source = {"path": workspace.file("d.raw", DATA)}
    wanted(workspace, {**source, "stores": ["slow"]})
    before = settled(workspace)
    wanted(workspace, {**source, "stores": ["slow", "fast"]}, min_ram=5)
    assert "stores   + fast" in workspace.run("plan").stdout
    image = settled(workspace)
    assert (image["id"], stores(image), image["min_ram"]) == (before["id"], ["fast", "slow"], 5)
    wanted(workspace, {**source, "stores": ["slow"]}, min_ram=5)
    assert stores(settled(workspace)) == ["fast", "slow"]
    assert imports(workspace) == [f"/v2/images/{before['id']}/import"]


def test_all_stores_follow_what_the_service_has(workspace: CloudWorkspace) -> None:
    """An image made in one store is copied to the others once all are wanted."""
    source = {"path": workspace.file("d.raw", DATA)}
    wanted(workspace, source)
    assert stores(settled(workspace)) == ["fast"]
    wanted(workspace, {**source, "stores": "all"})
    assert stores(settled(workspace)) == ["fast", "slow"]


def test_a_member_may_not_copy_and_is_told_so(workspace: CloudWorkspace) -> None:
    """One line with both ways out; what else was to change is changed, the image is left in its store."""
    source = {"path": workspace.file("d.raw", DATA)}
    wanted(workspace, source)
    settled(workspace, "alice")
    wanted(workspace, {**source, "stores": "all"}, min_ram=5)
    output = workspace.run("apply", "--yes", user="alice", code=1).stdout
    assert "does not let this user copy it to slow" in output
    assert "let an admin apply this" in output
    assert "drift" not in workspace.run("plan", user="alice").stdout
    (image,) = workspace.cloud.http().images()
    assert (stores(image), image["min_ram"]) == (["fast"], 5)
    assert stores(settled(workspace, "operator")) == ["fast", "slow"]


@pytest.mark.parametrize("user", ["operator", "alice"])
def test_a_deactivated_image_is_not_copied(workspace: CloudWorkspace, user: str) -> None:
    """The service copies active images only, and hides the stores of others from members: no plan for ever."""
    source = {"path": workspace.file("d.raw", DATA)}
    wanted(workspace, source, status="deactivated")
    settled(workspace, user)
    wanted(workspace, {**source, "stores": ["slow", "fast"]}, status="deactivated")
    assert stores(settled(workspace, user)) == ["fast"]
    note = "is not copied to slow while it is deactivated"
    assert (note in workspace.run("plan", user=user).stdout) is (user == "operator")
    wanted(workspace, {**source, "stores": ["slow", "fast"]}, status="active")
    if user == "operator":
        assert stores(settled(workspace, user)) == ["fast", "slow"]


def test_a_copy_that_is_not_offered_is_refused_by_the_plan(workspace: CloudWorkspace) -> None:
    """The service that has no copy-image: one sentence, nothing is changed."""
    workspace.cloud.start_limited()
    source = {"path": workspace.file("d.raw", DATA)}
    wanted(workspace, source)
    settled(workspace, "limited")
    wanted(workspace, {**source, "stores": "all"}, min_ram=5)
    assert "does not offer copy-image" in workspace.run("apply", "--yes", user="limited", code=1).stderr
    assert workspace.cloud.http().images()[0]["min_ram"] == 0


def interrupted(workspace: CloudWorkspace, web: Web) -> str:
    """An apply that is killed while the service fetches; the id of the image that it left."""
    web.hold.clear()
    with workspace.start("apply", "--yes") as process:
        assert web.begun.wait(60)
        process.kill()
    (image,) = workspace.cloud.http().images()
    return str(image["id"])


@pytest.mark.parametrize("when", ["while it runs", "when it is done"])
def test_an_import_of_an_interrupted_run_is_taken_up(workspace: CloudWorkspace, web: Web, when: str) -> None:
    """The next run waits for it, verifies it and publishes that very image: nothing is fetched twice."""
    wanted(workspace, {"url": f"{web.url}/d.raw", "method": "web-download", "checksum": digest("sha512", DATA)})
    left = interrupted(workspace, web)
    if when == "while it runs":
        threading.Timer(3, web.hold.set).start()
    else:
        web.hold.set()
        await_status(workspace, left, "active")
    image = settled(workspace)
    assert (image["id"], image["imagesync_role"], image["os_hidden"]) == (left, "current", False)
    assert web.queries == ["/d.raw"]


@pytest.mark.parametrize("right", [False, True])
def test_an_import_of_an_interrupted_run_is_never_trusted(workspace: CloudWorkspace, web: Web, right: bool) -> None:
    """Killed before anybody verified what the service fetched: the next run does, and nothing is left of wrong data."""
    wanted(workspace, fetched(web, digest("sha256", DATA if right else DATA + b"!")))
    left = interrupted(workspace, web)
    web.hold.set()
    await_status(workspace, left, "active")
    (image,) = workspace.cloud.http().images()
    assert image["imagesync_digest"].startswith("declared:sha256:")
    if right:
        assert settled(workspace)["id"] == left
    else:
        assert "the service stored sha256" in workspace.run("apply", "--yes", code=1).stdout
        assert workspace.cloud.http().images() == []
    assert (downloads(workspace), web.queries) == (1, ["/d.raw"])


def test_an_import_that_is_uploaded_instead_by_now_is_not_trusted(workspace: CloudWorkspace, web: Web) -> None:
    """The manifest turned to an upload of the same content: what the service fetched goes, unpublished."""
    wanted(workspace, fetched(web, digest("sha256", DATA), "o.raw"))
    left = interrupted(workspace, web)
    web.hold.set()
    await_status(workspace, left, "active")
    wanted(workspace, {"path": workspace.file("d.raw", DATA), "checksum": digest("sha256", DATA)})
    image = settled(workspace)
    assert (image["size"], image["id"] != left) == (len(DATA), True)


def test_an_import_of_an_interrupted_run_for_another_content_goes(workspace: CloudWorkspace, web: Web) -> None:
    """What the manifest no longer wants is not waited for."""
    wanted(workspace, {"url": f"{web.url}/d.raw", "method": "web-download"})
    left = interrupted(workspace, web)
    web.hold.set()
    await_status(workspace, left, "active")
    wanted(workspace, {"url": f"{web.url}/o.raw", "method": "web-download"})
    image = settled(workspace)
    assert (image["size"], image["id"] != left) == (len(OTHER), True)


def await_status(workspace: CloudWorkspace, image_id: str, status: str) -> None:
    """Wait until an image has a status and no import is running."""
    wait_until(
        lambda: workspace.cloud.http().get(f"/images/{image_id}"),
        lambda image: image["status"] == status and "os_glance_import_task" not in image,
        f"the import has ended and the image is {status}",
    )


class BackendWrapper:
    """The real backend, but for what a test changes."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def with_lease(self, check: Callable[[], None]) -> Self:
        """Itself."""
        return self


class KilledAfterImport(BackendWrapper):
    """A process that dies as soon as an import has begun."""

    def import_image(self, *words: Any, **more: Any) -> None:
        """Begun, and nobody is there any more."""
        self._backend.import_image(*words, **more)
        raise KeyError("the process is gone")


class WithoutStaging(BackendWrapper):
    """A service that can copy, and does not let anybody stage."""

    def capabilities(self) -> Capabilities:
        """What it says of itself."""
        return replace(self._backend.capabilities(), import_methods=frozenset({"copy-image"}))


def perform(workspace: CloudWorkspace, service: Callable[[Backend], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The one step of the plan, done through a changed backend."""
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
def test_where_nobody_may_stage_an_upload_is_copied_to_the_further_stores(
    workspace: CloudWorkspace, monkeypatch: pytest.MonkeyPatch, declared: object
) -> None:
    """Sent once into the first store, in all of them before it is published."""
    wanted(workspace, {"path": workspace.file("d.raw", DATA), "stores": declared})
    perform(workspace, WithoutStaging, monkeypatch)
    image = settled(workspace)
    assert (stores(image), image["imagesync_role"]) == (["fast", "slow"], "current")
    sent = [
        (one.method, one.path.rpartition("/")[2]) for one in workspace.cloud.requests() if one.length not in ("", "0")
    ]
    assert [name for method, name in sent if method in ("PUT", "POST")] == ["images", "file", "import"]


def test_what_was_staged_and_imported_by_an_interrupted_run_is_not_sent_again(
    workspace: CloudWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verified before its last byte, so the next run only waits and publishes."""
    wanted(workspace, {"path": workspace.file("d.raw", DATA), "stores": "all"})
    with pytest.raises(KeyError):
        perform(workspace, KilledAfterImport, monkeypatch)
    workspace.run("apply", "--yes", "--no-lock")
    (image,) = workspace.cloud.http().images()
    assert stores(image) == ["fast", "slow"]
    assert [one.path for one in workspace.cloud.requests() if one.method == "PUT"] == [
        f"/v2/images/{image['id']}/stage"
    ]


def test_a_token_that_expires_before_the_data_is_staged_costs_nothing(workspace: CloudWorkspace, web: Web) -> None:
    """The token dies while the source is opened: renewed, the source is read anew and staged once."""
    web.on_first = workspace.cloud.expire_tokens
    wanted(workspace, {"url": f"{web.url}/d.raw", "method": "glance-direct", "checksum": digest("sha256", DATA)})
    assert settled(workspace)["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert [one.status for one in workspace.cloud.requests() if one.method == "PUT"] == [401, 204]


def test_a_saved_plan_brings_data_in_and_copies_it(workspace: CloudWorkspace, web: Web) -> None:
    """Credentials of a URL that the service fetches are sent to the service, and are in no file and no output."""
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
