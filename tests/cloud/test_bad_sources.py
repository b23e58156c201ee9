"""Bad sources, on the real cloud: each is one line of error, leaves nothing, and the old image stays visible."""

import gzip
import hashlib
import lzma
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from tests.cloud.service import Cloud, Request, Snapshot
from tests.cloud.workspace import CloudWorkspace
from tests.fault.mirror import File, Mirror, mirror
from tests.samples import qcow2
from tests.silent import silent_server
from tests.waiting import wait_until

OLD, NEW = b"\xb1" * 5000, bytes(range(256)) * 4000


@pytest.fixture
def upstream() -> Iterator[Mirror]:
    """A web server for builds."""
    with mirror() as found:
        yield found


_applied: WeakKeyDictionary[Cloud, Snapshot] = WeakKeyDictionary()
"""What the first test began with."""


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> CloudWorkspace:
    """A catalog of one image, applied once for each cloud."""
    made = CloudWorkspace(cloud, tmp_path)
    made.images["a"] = {
        "name": "A",
        "source": made.file("old.raw", OLD),
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "public",
    }
    if cloud in _applied:
        cloud.restore(_applied[cloud])
        made.write()
    else:
        made.apply()
        _applied[cloud] = cloud.snapshot()
    return made


def sha256(data: bytes) -> str:
    """The digest in the form of a manifest."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


BOMB = gzip.compress(bytes(2**27))
PACKED = lzma.compress(NEW)
DAMAGED = PACKED[:200] + b"damage" + PACKED[206:]

URLS: dict[str, tuple[File, dict[str, Any], str]] = {
    "wrong digest": (
        File(NEW),
        {"checksum": sha256(b"other")},
        r"the data has sha256:\w+, not the declared sha256:\w+; correct the",
    ),
    "cut short": (File(NEW, announced=len(NEW) + 9, ranges=False), {}, "was lost|ended after"),
    "longer than it says": (File(NEW, announced=len(NEW) - 9), {"checksum": sha256(NEW)}, "the data has sha256:"),
    "not found": (File(b"", 404), {"checksum": sha256(NEW)}, "HTTP 404; correct the URL"),
    "circle": (File(b"", 302, {"Location": "/new.raw"}), {"checksum": sha256(NEW)}, "redirected more than 10 times"),
    "page": (File(b"<!doctype html>"), {}, "the data is an HTML page, not raw"),
    "corrupt xz": (File(DAMAGED), {"compression": "xz"}, "the xz data is damaged"),
    "truncated xz": (File(PACKED[:-40]), {"compression": "xz"}, "the xz data is (cut short|damaged)"),
    "bomb by ratio": (
        File(BOMB),
        {"compression": "gz"},
        "unpacks to more than 1000 times its size .*raise source.max_ratio",
    ),
    "bomb by size": (
        File(PACKED),
        {"compression": "xz", "max_size": 1000},
        "holds more than the allowed 1000 bytes; raise source.max_size",
    ),
    "wrong format": (File(NEW), {"disk_format": "qcow2"}, "the data looks like raw, not qcow2; correct disk_format"),
    "too large a disk": (
        File(qcow2(2**33)),
        {"disk_format": "qcow2", "min_disk": 1},
        "declare min_disk: 8 or more, or auto",
    ),
}


@pytest.mark.trial("a build whose data is not as declared", "one line, the old image untouched, nothing left over")
@pytest.mark.parametrize("fault", URLS)
def test_a_bad_build_is_one_line_and_changes_nothing(workspace: CloudWorkspace, upstream: Mirror, fault: str) -> None:
    """Exit code 1; the staged record is deleted, and the old image does not change."""
    before = workspace.cloud.http().images()
    file, more, message = URLS[fault]
    source: dict[str, Any] = {"url": upstream.publish("/new.raw", file), **more}
    fields: dict[str, Any] = {name: source.pop(name) for name in ("disk_format", "min_disk") if name in source}
    workspace.images["a"] |= {"source": source, **fields}
    done = workspace.run("apply", "--yes", code=1)
    (output,) = [line for line in done.stdout.splitlines() if line.startswith(("failed", "Error: "))]
    assert re.search(message, output), output
    assert workspace.cloud.http().images() == before


@pytest.mark.trial("a quota used up in mid-upload", "one line, the old image untouched")
def test_an_upload_beyond_the_quota_leaves_the_old_image(workspace: CloudWorkspace, upstream: Mirror) -> None:
    """The limit is lowered after the plan. The service returns 413 to the data; the error has its message and a remedy."""
    workspace.images["a"] |= {"source": workspace.file("big.raw", NEW * 3), "visibility": "private"}
    workspace.apply()
    before = workspace.cloud.http().images()
    workspace.cloud.start_limited()

    class FilesThatLowerLimits(dict[str, File]):
        def get(self, path: str, default: Any = None) -> Any:
            if len(upstream.queries) == 2:
                workspace.cloud.set_limits("images", image_size_total=1, image_count_total=100)
            return super().get(path, default)

    workspace.images["a"]["source"] = {"url": upstream.publish("/new.raw", NEW), "checksum": sha256(NEW)}
    upstream.files = FilesThatLowerLimits(upstream.files)
    workspace.cloud.set_limits("images", image_size_total=100, image_count_total=100)
    try:
        done = workspace.run("apply", "--yes", user="limited", code=1)
    finally:
        workspace.cloud.set_limits("images")
    (output,) = [line for line in done.stdout.splitlines() if line.startswith("failed")]
    assert "HTTP 413" in output
    assert "image_size_total" in output
    assert "quota" in output
    assert workspace.cloud.http().images() == before


def test_uploads_wait_for_a_slot(workspace: CloudWorkspace) -> None:
    """In a project that may upload one image at a time, all images are uploaded one after the other.

    Each source is silent until the service refused an upload, because another one was not complete.
    """

    def list_refused() -> list[Request]:
        return [one for one in workspace.cloud.requests() if one.method == "PUT" and one.status == 413]

    workspace.cloud.start_limited()
    workspace.cloud.set_limits("images", image_count_uploading=1, image_count_total=100, image_size_total=100)
    try:
        with silent_server(bytes(2**22), 3 * 2**20) as silent:
            workspace.images = {
                f"image-{number}": {
                    "source": f"{silent.address}/{number}.raw",
                    "disk_format": "raw",
                    "container_format": "bare",
                }
                for number in range(3)
            }
            with workspace.start("apply", "--yes", "--destroy", user="limited") as process:
                wait_until(list_refused, bool, "an upload was refused")
                silent.is_over.set()
                ended = process.wait()
    finally:
        workspace.cloud.set_limits("images")
    assert ended.code == 0, ended.output
    assert [image["status"] for image in workspace.live("alice").values()] == ["active"] * 3


@pytest.mark.trial("bad builds while another user lists the images all the time", "only the old image was seen")
def test_a_reader_never_sees_a_bad_build(workspace: CloudWorkspace, upstream: Mirror) -> None:
    """A reader that lists the images all the time, while five bad builds are tried, sees only the old image."""
    seen: set[tuple[str, ...]] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            found = workspace.cloud.http("bob").images("visibility=public")
            seen.add(tuple(image["os_hash_value"] for image in found))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for fault in ("wrong digest", "longer than it says", "corrupt xz", "wrong format", "too large a disk"):
            test_a_bad_build_is_one_line_and_changes_nothing(workspace, upstream, fault)
            workspace.images["a"] |= {"disk_format": "raw", "min_disk": 0}
    finally:
        stop.set()
        watcher.join()
    assert seen == {(hashlib.sha512(OLD).hexdigest(),)}
