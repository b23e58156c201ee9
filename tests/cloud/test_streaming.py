"""Bad image data, applied to the local store and to the real service: one line each, and the old image stays.

imagesync sends data while it still reads it, so some faults are found when the upload has already begun. How each case
is built:

1. Every key gets a good old image, and all of them are applied.
2. The manifest then names a bad source for every key (``bad_sources``): a server that closes the connection, damaged or
   cut compressed data, data that unpacks without end, a wrong digest, or a format that is refused.
3. A second apply must fail. Its report has one line for each key, with the reason. Every old image must still be
   active, visible and unchanged, and nothing else may be left.

On the real service the requests are counted too. A fault in the first bytes must not begin an upload at all; only the
faults in ``FOUND_LATE`` may, and none of those uploads may succeed.
"""

import bz2
import gzip
import hashlib
import json
import lzma
import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from imagesync.backends import open_backend
from imagesync.backends.base import Backend
from imagesync.model.image import LiveImage
from tests import command
from tests.cloud.neighbors import drop_neighbors
from tests.cloud.service import Cloud
from tests.command import cloud_environment
from tests.fault.mirror import File, Mirror, mirror
from tests.samples import DISGUISED, GIB, REFUSED, qcow2, vmdk

DATA = bytes(range(256)) * 20_000
XZ = lzma.compress(DATA + os.urandom(200_000), preset=0)
WRONG_FORMATS = ["backing file", "data file", "extent elsewhere", "55 AA and no table", "qcow2 that is raw"]
WRONG_FORMATS += ["vhdx that is raw"]
"""Samples that are refused because of their first bytes."""
FOUND_LATE = frozenset({"truncated", "short", "wrong-digest", "corrupt-xz", "cut-zst", "bomb-gz", "bomb-bz2"})
"""Faults after the first bytes: the upload may have begun, and is not begun a second time."""


@dataclass(frozen=True)
class BadSource:
    """A source that must be refused, the words of the line with the reason, and more fields of its image."""

    source: dict[str, Any]
    words: str
    fields: dict[str, Any] = field(default_factory=dict)


def sha256(data: bytes) -> str:
    """A digest in the form of a manifest."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def bad_sources(folder: Path, web: Mirror) -> dict[str, BadSource]:
    """All bad sources by key; their files are written to the folder or published on the web server."""
    return {**bad_urls(web), **bad_files(folder), **bad_formats(folder)}


def bad_urls(web: Mirror) -> dict[str, BadSource]:
    """A server that closes the connection, and a file with another digest than declared."""
    truncated = web.publish("/truncated", File(DATA, announced=len(DATA) + 5000, ranges=False))
    short = web.publish("/short", File(DATA[:-5000], ranges=False))
    return {
        "truncated": BadSource({"url": truncated}, f"{len(DATA)} of {len(DATA) + 5000} bytes"),
        "short": BadSource({"url": short, "checksum": sha256(DATA)}, "not the declared"),
    }


def bad_files(folder: Path) -> dict[str, BadSource]:
    """Compressed data that is damaged, cut short or too large when unpacked, and a wrong digest."""
    contents: dict[str, tuple[bytes, dict[str, Any], str]] = {
        "corrupt-xz": (XZ[:190_000] + b"damage!!" + XZ[190_008:], {}, "the xz data is damaged"),
        "cut-zst": (zstd.compress(DATA)[:-9], {}, "the zst data is cut short"),
        "bomb-gz": (gzip.compress(bytes(2**24)), {"max_size": 2**20}, "holds more than the allowed 1048576 bytes"),
        "bomb-bz2": (bz2.compress(bytes(80 * 2**20)), {}, "unpacks to more than 1000 times its size"),
        "wrong-digest": (DATA, {"checksum": "sha256:" + "0" * 64}, "not the declared sha256:0000"),
    }
    found = {}
    for key, (content, more, words) in contents.items():
        path = f"{key}.img" if key == "wrong-digest" else f"{key}.{key.rpartition('-')[2]}"
        (folder / path).write_bytes(content)
        found[key] = BadSource({"path": path, **more}, words)
    return found


def bad_formats(folder: Path) -> dict[str, BadSource]:
    """Data that is not of the declared format, or refers to other files, or needs more disk than declared."""
    samples = {name: REFUSED[name] for name in WRONG_FORMATS}
    samples["raw that is qcow2"] = (*DISGUISED["raw that is qcow2"], "declare disk_format: qcow2")
    found = {}
    for name, (disk_format, _, data, words) in samples.items():
        key = name.replace(" ", "-")
        (folder / f"{key}.img").write_bytes(data + bytes(2**20))
        found[key] = BadSource({"path": f"{key}.img"}, words, {"disk_format": disk_format})
    (folder / "small.img").write_bytes(qcow2(5 * GIB) + bytes(2**21))
    small = {"disk_format": "qcow2", "min_disk": 4}
    return {**found, "small": BadSource({"path": "small.img"}, "min_disk is 4 GB", small)}


class StreamingWorkspace:
    """A folder with a manifest, applied to a backend."""

    def __init__(self, folder: Path, target: tuple[str, str], clouds: Path | None, backend: Backend) -> None:
        self.folder, self.target, self.env = folder, target, cloud_environment(clouds)
        self._backend = backend

    def apply(self, images: dict[str, Any], code: int, *words: str) -> str:
        """Apply these images; the report."""
        defaults = {"disk_format": "raw", "container_format": "bare", "visibility": "public"}
        document = {"version": 1, "catalog": "base", "defaults": defaults, "images": images}
        (self.folder / "base.yaml").write_text(json.dumps(document))
        result = command.run("apply", "--yes", str(self.folder), *self.target, *words, env=self.env, code=code)
        assert "Safety check" not in result.stderr  # the message of the library; imagesync has its own
        return result.stdout

    def live(self) -> dict[str, LiveImage]:
        """Every image by name, also hidden ones, without the lease record."""
        images = drop_neighbors(self._backend.images())
        return {str(image.name): image for image in images if "imagesync_lease" not in image.properties}


@pytest.fixture
def cloud_workspace(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StreamingWorkspace]:
    """A workspace of the real service."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.clouds_yaml))
    with closing(open_backend(cloud="operator")) as backend:
        yield StreamingWorkspace(tmp_path, ("--cloud", "operator"), cloud.clouds_yaml, backend)


@pytest.fixture
def store_workspace(tmp_path: Path) -> Iterator[StreamingWorkspace]:
    """A workspace of a local store."""
    store = tmp_path / "store"
    with closing(open_backend(store=store)) as backend:
        yield StreamingWorkspace(tmp_path, ("--store", str(store)), None, backend)


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A web server."""
    with mirror() as found:
        yield found


def fail_on_bad_sources(workspace: StreamingWorkspace, web: Mirror) -> None:
    """Apply the good old images, then the bad ones: one line each, and no old image changes."""
    bad = bad_sources(workspace.folder, web)
    for key in bad:
        (workspace.folder / f"{key}.old").write_bytes(b"\0old " + key.encode())
    workspace.apply({key: {"source": f"{key}.old"} for key in bad}, code=0)
    before = workspace.live()
    images = {key: {"source": one.source, **one.fields} for key, one in bad.items()}
    report = workspace.apply(images, 1, "--no-source-check")
    for key, one in bad.items():
        (failed,) = re.findall(rf"^failed +create:{key}: (.+)$", report, re.MULTILINE)
        assert one.words in failed
    assert set(before) == set(bad)
    assert workspace.live() == before
    assert {(image.status.value, image.hidden) for image in before.values()} == {("active", False)}


def test_bad_data_does_not_change_the_images_of_the_store(store_workspace: StreamingWorkspace, web: Mirror) -> None:
    """Each fault is one line of the report."""
    fail_on_bad_sources(store_workspace, web)


def test_bad_data_does_not_change_the_images_of_the_cloud(
    cloud: Cloud, cloud_workspace: StreamingWorkspace, web: Mirror
) -> None:
    """Each fault is one line of the report. Only faults that are found late may cost an upload, and none succeeds."""
    fail_on_bad_sources(cloud_workspace, web)
    uploads = [one.status for one in cloud.requests() if one.method == "PUT"]
    refused = [status for status in uploads if not 200 <= status < 300]
    old_images = len(cloud_workspace.live())
    assert len(uploads) - len(refused) == old_images
    assert len(refused) <= len(FOUND_LATE)


def test_a_fault_in_the_first_bytes_begins_no_upload(cloud: Cloud, cloud_workspace: StreamingWorkspace) -> None:
    """The service would keep the rejected bytes, and the image could not be uploaded again."""
    (cloud_workspace.folder / "x.img").write_bytes(vmdk(extent='RW 2048 SPARSE "/etc/shadow"') + bytes(2**22))
    report = cloud_workspace.apply({"x": {"source": "x.img", "disk_format": "vmdk"}}, code=1)
    assert "Invalid extent filenames" in report
    assert [one.path for one in cloud.requests() if one.method == "PUT"] == []
    assert cloud.http().images() == []
