"""Bad input through the command, on the real service and on the embedded store: one line, and the old image stays."""

import bz2
import contextlib
import gzip
import hashlib
import http.server
import json
import lzma
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from imagesync import open_backend
from imagesync.model.image import LiveImage
from tests.cloud.neighbours import ours
from tests.cloud.service import Cloud
from tests.samples import DISGUISED, GIB, REFUSED, qcow2, vmdk

DATA = bytes(range(256)) * 20_000
WRONG = ("backing file", "data file", "extent elsewhere", "55 AA and no table", "qcow2 that is raw", "vhdx that is raw")
"""Samples that are refused by their first bytes."""
BEGUN = frozenset({"truncated", "lying", "wrong-digest", "corrupt-xz", "cut-zst", "bomb-gz", "bomb-bz2"})
"""What is wrong further on: the upload may have begun, and a broken one begins no second time."""


class Liar(http.server.BaseHTTPRequestHandler):
    """Says that it has more than it sends, or keeps the rest of it to itself."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(DATA) + (5000 if self.path == "/truncated" else -5000)))
        self.end_headers()
        with contextlib.suppress(OSError):  # it is asked for the size only, or once too often
            self.wfile.write(DATA if self.path == "/truncated" else DATA[:-5000])

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def liar() -> Iterator[str]:
    """The address of a server that lies about lengths."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def sha256(data: bytes) -> str:
    """A declared digest."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def bad_sources(folder: Path, liar: str) -> dict[str, tuple[dict[str, Any], str]]:
    """By key: an image whose source is bad, and a part of the line that tells of it."""
    xz = lzma.compress(DATA + os.urandom(200_000), preset=0)
    files: dict[str, tuple[str, bytes, dict[str, Any], str]] = {
        "corrupt-xz": ("xz", xz[:190_000] + b"damage!!" + xz[190_008:], {}, "the xz data is damaged"),
        "cut-zst": ("zst", zstd.compress(DATA)[:-9], {}, "the zst data is cut short"),
        "bomb-gz": ("gz", gzip.compress(bytes(2**24)), {"max_size": 2**20}, "holds more than the 1048576 bytes"),
        "bomb-bz2": ("bz2", bz2.compress(bytes(80 * 2**20)), {}, "unpacks to more than 1000 times its size"),
        "wrong-digest": ("img", DATA, {"checksum": "sha256:" + "0" * 64}, "not the declared 0000"),
    }
    found: dict[str, tuple[dict[str, Any], str]] = {
        "truncated": ({"source": {"url": f"{liar}/truncated"}}, f"{len(DATA)} of {len(DATA) + 5000} bytes"),
        "lying": ({"source": {"url": f"{liar}/lying", "checksum": sha256(DATA)}}, "not the declared"),
    }
    for key, (suffix, content, more, line) in files.items():
        (folder / f"{key}.{suffix}").write_bytes(content)
        found[key] = ({"source": {"path": f"{key}.{suffix}", **more}}, line)
    formats = {name: (REFUSED[name][0], REFUSED[name][2], REFUSED[name][3]) for name in WRONG}
    formats["raw that is qcow2"] = (*DISGUISED["raw that is qcow2"][::2], "declare disk_format: qcow2")
    for name, (disk_format, data, line) in formats.items():
        key = name.replace(" ", "-")
        (folder / f"{key}.img").write_bytes(data + bytes(2**20))
        found[key] = ({"source": f"{key}.img", "disk_format": disk_format}, line)
    (folder / "small.img").write_bytes(qcow2(5 * GIB) + bytes(2**21))
    found["small"] = ({"source": "small.img", "disk_format": "qcow2", "min_disk": 4}, "min_disk is 4 GB")
    return found


class Shop:
    """A catalogue, applied to the cloud or to a store."""

    def __init__(self, folder: Path, words: list[str], clouds: Path | None) -> None:
        self.folder, self.words = folder, words
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        if clouds:
            self.env["OS_CLIENT_CONFIG_FILE"] = str(clouds)

    def apply(self, images: dict[str, Any], code: int) -> str:
        """What was told."""
        defaults = {"disk_format": "raw", "container_format": "bare", "visibility": "public"}
        document = {"version": 1, "catalog": "base", "defaults": defaults, "images": images}
        (self.folder / "base.yaml").write_text(json.dumps(document))
        command = [sys.executable, "-m", "imagesync", "apply", "--yes", str(self.folder), *self.words]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == code, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        assert "Safety check" not in done.stderr  # the inspector's own words: ours say it
        return done.stdout

    def live(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, LiveImage]:
        """Every image there is, hidden ones too, by name; the lease's record is none."""
        for name in ("OS_CLIENT_CONFIG_FILE",):
            monkeypatch.setenv(name, self.env.get(name, ""))
        place = {"store": self.words[1]} if self.words[0] == "--store" else {"cloud": self.words[1]}
        images = ours(open_backend(**place).images())
        return {str(image.name): image for image in images if "imagesync_lease" not in image.properties}


@pytest.fixture(params=["store", "glance"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    """The same catalogue for both."""
    if request.param == "store":
        return Shop(tmp_path, ["--store", str(tmp_path / "store")], None)
    cloud: Cloud = request.getfixturevalue("cloud")
    return Shop(tmp_path, ["--cloud", "operator"], cloud.clouds_yaml)


def test_bad_input_is_one_line_each_and_the_old_images_stay(
    shop: Shop, liar: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Of every kind: the staged record is removed, the old image is as it was, and it is still to be seen."""
    bad = bad_sources(shop.folder, liar)
    for key in bad:
        (shop.folder / f"{key}.old").write_bytes(b"old " + key.encode())
    shop.apply({key: {"source": f"{key}.old"} for key in bad}, code=0)
    before = shop.live(monkeypatch)
    if "--cloud" in shop.words:
        request.getfixturevalue("cloud").forget_requests()
    told = shop.apply({key: image for key, (image, _) in bad.items()}, code=1)
    for key, (_, line) in bad.items():
        (failed,) = re.findall(rf"^failed +create:{key}: (.+)$", told, re.MULTILINE)
        assert line in failed
    after = shop.live(monkeypatch)
    assert set(after) == set(before) == set(bad)
    assert after == before
    assert {(image.status.value, image.hidden) for image in after.values()} == {("active", False)}
    if "--cloud" in shop.words:
        puts = [one for one in request.getfixturevalue("cloud").requests() if one.method == "PUT"]
        assert len(puts) <= len(BEGUN)
        assert not any(200 <= one.status < 300 for one in puts)


def test_what_the_first_bytes_tell_begins_no_upload(cloud: Cloud, tmp_path: Path) -> None:
    """The service would keep the rejected bytes, and spoil the record."""
    (tmp_path / "x.img").write_bytes(vmdk(extent='RW 2048 SPARSE "/etc/shadow"') + bytes(2**22))
    shop = Shop(tmp_path, ["--cloud", "operator"], cloud.clouds_yaml)
    told = shop.apply({"x": {"source": "x.img", "disk_format": "vmdk"}}, code=1)
    assert "Invalid extent filenames" in told
    assert [one.path for one in cloud.requests() if one.method == "PUT"] == []
    assert cloud.http().images() == []
