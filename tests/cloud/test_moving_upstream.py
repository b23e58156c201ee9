"""Sources that change: checksum lists on a web server, which plans follow on the real cloud."""

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pysequoia import SignatureMode, Tsk, sign

from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace
from tests.fault.mirror import File, Mirror, mirror

ONE, TWO = b"\xb1" * 5000, b"\xb2" * 6000


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> CloudWorkspace:
    """An empty catalog and an empty cloud."""
    return CloudWorkspace(cloud, tmp_path)


@pytest.fixture
def upstream() -> Iterator[Mirror]:
    """A web server for builds."""
    with mirror() as found:
        yield found


def publish(upstream: Mirror, build: bytes) -> str:
    """Publish a build, and the list with its digest."""
    upstream.publish("/latest/SHA256SUMS", f"{hashlib.sha256(build).hexdigest()} *disk.raw\n".encode())
    return upstream.publish("/latest/disk.raw", build)


def follow(upstream: Mirror, workspace: CloudWorkspace, *keys: str, **more: object) -> None:
    """Declare images that follow the list."""
    url = publish(upstream, ONE)
    source = {"url": url, "checksum_url": f"{upstream.address}/latest/SHA256SUMS", **more}
    for key in keys:
        workspace.images[key] = {"source": source, "disk_format": "raw", "container_format": "bare"}


def test_a_new_build_upstream_is_a_replacement(workspace: CloudWorkspace, upstream: Mirror) -> None:
    """The list is fetched once for all images of a run, the data once for each image that changed."""
    follow(upstream, workspace, "a", "b")
    workspace.apply()
    upstream.queries.clear()
    assert "No changes" in workspace.run("plan").stdout
    assert upstream.queries == ["GET /latest/SHA256SUMS"]
    publish(upstream, TWO)
    output = workspace.run("plan").stdout
    assert "± a  replace  5.9 KiB from disk.raw" in output
    assert "Plan: 2 to replace; 0 unchanged. 11.7 KiB to upload." in output
    workspace.apply()
    assert {image["os_hash_value"] for image in workspace.live().values()} == {hashlib.sha512(TWO).hexdigest()}


def test_data_with_another_digest_than_the_list_is_never_published(workspace: CloudWorkspace, upstream: Mirror) -> None:
    """A mirror may be in the middle of an update: one line of error, the old image stays, and nothing is left."""
    follow(upstream, workspace, "a")
    workspace.apply()
    before = workspace.live()["a"]
    publish(upstream, TWO)
    upstream.publish("/latest/disk.raw", b"\xb3" * 6000)
    output = workspace.run("apply", "--yes", code=1)
    assert "the data has sha256:" in output.stdout + output.stderr
    (image,) = workspace.cloud.http().images()
    assert (image["id"], image["os_hidden"]) == (before["id"], False)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        (File(b"x" * 64 + b"  other\n"), "nothing in it can be read as a checksum: its first line is "),
        (
            File(b"a" * 64 + b"  one\n" + b"b" * 64 + b"  two\n"),
            "disk.raw is not in the checksum list (2 entries, e.g. one",
        ),
        (File(b"a" * 64 + b"  disk.raw\n" + b"b" * 64 + b"  disk.raw\n"), "two different sha256 digests for disk.raw"),
        (
            File(b"<html>log in</html>", headers={"Content-Type": "text/html"}),
            "it is an HTML page, and has no digest for disk.raw",
        ),
        (File(b"", 404), "HTTP 404"),
    ],
)
def test_a_list_without_the_entry_is_an_error(
    workspace: CloudWorkspace, upstream: Mirror, listed: File, message: str
) -> None:
    """The error has the place in the manifest, and exit code 1."""
    follow(upstream, workspace, "a")
    upstream.publish("/latest/SHA256SUMS", listed)
    output = workspace.run("plan", code=1).stdout
    assert "images.a.source.checksum_url: " in output
    assert message in output


def test_a_signed_list_is_checked_against_its_keyring(workspace: CloudWorkspace, upstream: Mirror) -> None:
    """The signature is a separate file. If it does not match the list, or the key is another one, nothing is planned."""
    key = Tsk.generate("Upstream <images@example.org>")
    workspace.file("keys.asc", str(key.extract_certificate()).encode())
    address = f"{upstream.address}/latest/SHA256SUMS.asc"
    follow(upstream, workspace, "a", signature={"url": address, "keyring": "keys.asc"})
    listed = upstream.files["/latest/SHA256SUMS"].data
    upstream.publish("/latest/SHA256SUMS.asc", sign(key.signer(), listed, mode=SignatureMode.DETACHED))
    workspace.apply()
    publish(upstream, TWO)
    output = workspace.run("plan", code=1).stdout
    assert "SHA256SUMS.asc: signature verification failed: the list is not what key " in output
    workspace.file("keys.asc", b"nonsense")
    assert "keys.asc cannot be read as OpenPGP keys" in workspace.run("plan", code=1).stdout
    (workspace.folder / "keys.asc").unlink()
    assert "keyring keys.asc: No such file or directory" in workspace.run("plan", code=1).stderr


def test_a_clear_signed_list_is_checked_against_its_keyring(workspace: CloudWorkspace, upstream: Mirror) -> None:
    """Fedora and Rocky publish CHECKSUM in this form: the URL of the signature is that of the list."""
    key = Tsk.generate("Upstream <images@example.org>")
    workspace.file("keys.asc", str(key.extract_certificate()).encode())
    url = upstream.publish("/disk.raw", ONE)
    text = f"# disk.raw: 5000 bytes\nSHA256 (disk.raw) = {hashlib.sha256(ONE).hexdigest()}\n".encode()
    listed = upstream.publish("/CHECKSUM", sign(key.signer(), text, mode=SignatureMode.CLEAR))
    source = {"url": url, "checksum_url": listed, "signature": {"url": listed, "keyring": "keys.asc"}}
    workspace.images["a"] = {"source": source, "disk_format": "raw", "container_format": "bare"}
    workspace.apply()
    assert workspace.live()["a"]["size"] == len(ONE)
    upstream.files["/CHECKSUM"].data = upstream.files["/CHECKSUM"].data.replace(b"5000", b"5001")
    assert "/CHECKSUM: signature verification failed: the list is not what key " in workspace.run("plan", code=1).stdout


def test_a_mirror_is_used_and_the_origin_stays_the_first_url(workspace: CloudWorkspace, upstream: Mirror) -> None:
    """The record has the first URL, without its query."""
    urls = [f"{upstream.address}/down?sig=secret", upstream.publish("/up", ONE)]
    source = {"url": urls, "checksum": f"sha256:{hashlib.sha256(ONE).hexdigest()}"}
    workspace.images["a"] = {"source": source, "disk_format": "raw", "container_format": "bare"}
    workspace.apply()
    image = workspace.live()["a"]
    assert image["size"] == len(ONE)
    assert f'"o":"{upstream.address}/down"' in image["imagesync_managed"]
    assert "secret" not in str(image)


@pytest.mark.parametrize("is_packed_first", [False, True])
def test_a_build_in_another_compression_keeps_its_image(
    workspace: CloudWorkspace, upstream: Mirror, *, is_packed_first: bool
) -> None:
    """All its published digests differ; the service's hash shows that the data is the same. Nothing is sent."""
    packed, plain = gzip.compress(ONE), ONE
    shapes = {"/disk.raw.gz": packed, "/disk.raw": plain}
    if not is_packed_first:
        shapes = dict(reversed(shapes.items()))
    before = ""
    for path, data in shapes.items():
        source = {"url": upstream.publish(path, data), "checksum": f"sha256:{hashlib.sha256(data).hexdigest()}"}
        workspace.images["a"] = {"source": source, "disk_format": "raw", "container_format": "bare"}
        if before:
            assert f"if image {before} has the same data, it is used instead" in workspace.run("plan").stdout
            workspace.cloud.forget_requests()
        workspace.apply()
        assert before in ("", workspace.live()["a"]["id"])
        before = workspace.live()["a"]["id"]
    assert [image["id"] for image in workspace.cloud.http().images()] == [before]
    assert not [one for one in workspace.cloud.requests() if one.method in ("PUT", "POST") and "/file" in one.path]
    assert "No changes" in workspace.run("plan").stdout


def test_a_candidate_with_another_kind_of_digest_is_published(workspace: CloudWorkspace) -> None:
    """Its old record has only a sha256, and the service's hash is of another kind: imagesync hashes the source."""
    path = workspace.file("a.raw", TWO)
    image = {"disk_format": "raw", "container_format": "bare"}
    workspace.images["a"] = {**image, "source": {"path": path, "checksum": f"sha1:{hashlib.sha1(TWO).hexdigest()}"}}
    workspace.apply("--stage")
    (staged,) = workspace.cloud.http().images()
    digest = f"sha1:{hashlib.sha1(TWO).hexdigest()}"
    workspace.cloud.http().patch(staged["id"], {"op": "replace", "path": "/imagesync_digest", "value": digest})
    workspace.images["a"] = {**image, "source": {"path": path, "checksum": f"sha384:{hashlib.sha384(TWO).hexdigest()}"}}
    workspace.apply()
    (live,) = workspace.cloud.http().images()
    assert (live["id"], live["os_hidden"], live["imagesync_role"]) == (staged["id"], False, "current")
    assert f"sha384:{hashlib.sha384(TWO).hexdigest()}" in live["imagesync_digest"]
