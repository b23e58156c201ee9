"""Checksum lists of a web server, through the command: what is read is planned and applied, all else says why."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pysequoia import SignatureMode, Tsk, sign

from tests import forked
from tests.fault.mirror import File, Mirror, mirror

DATA, OTHER = b"bytes of an imag\0" * 100, b"bytes of another\0" * 100
SHA256, SHA512, WRONG = hashlib.sha256(DATA).hexdigest(), hashlib.sha512(DATA).hexdigest(), "0" * 64
BLAKE2B = hashlib.blake2b(DATA).hexdigest()
SIGNED = Path(__file__).parents[1] / "unit" / "sources" / "signed"


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A web server on loopback."""
    with mirror() as found:
        yield found


def write(folder: Path, **sources: object) -> None:
    """A manifest with these sources."""
    images = {
        key: {"source": source, "disk_format": "raw", "container_format": "bare"} for key, source in sources.items()
    }
    (folder / "base.yaml").write_text(json.dumps({"version": 1, "catalog": "base", "images": images}, indent=1))


def run(folder: Path, *words: str, code: int = 0) -> str:
    """What the command says on both streams."""
    return forked.run(words[0], "base.yaml", *words[1:], "--store", "s", folder=folder, code=code).output


def redirect(target: str) -> File:
    """An answer that leads on."""
    return File(status=302, headers={"Location": target})


def test_a_file_is_found_by_the_names_that_its_url_has(tmp_path: Path, web: Mirror) -> None:
    """The only file of a list, behind redirects, before ``/download``, in the query; one server answers for each."""
    web.publish("/files/disk-1.2.raw", DATA)
    for path in ("/files/latest.raw", "/get", "/p/disk-1.2.raw/download"):
        web.publish(path, DATA)
    web.publish("/to/latest.raw", redirect("/to/newest"))
    web.publish("/to/newest", redirect("/files/disk-1.2.raw"))
    one = web.publish("/files/latest.raw.sha256", f"{SHA256}  disk-1.2.raw\n".encode())
    many = web.publish("/files/SHA256SUMS", f"{SHA256}  disk-1.2.raw\n{WRONG}  disk-1.1.raw\n".encode())
    write(
        tmp_path,
        only={"url": f"{web.address}/files/latest.raw", "checksum_url": one},
        redirected={"url": f"{web.address}/to/latest.raw", "checksum_url": many},
        download={"url": f"{web.address}/p/disk-1.2.raw/download", "checksum_url": many},
        query={"url": f"{web.address}/get?file=disk-1.2.raw", "checksum_url": many},
        declared={"url": f"{web.address}/files/latest.raw", "checksum_url": many, "checksum_entry": "disk-1.2.raw"},
    )
    assert "Applied: 5 created" in run(tmp_path, "apply", "--yes")
    web.queries.clear()
    assert "No changes" in run(tmp_path, "plan")
    heads = [
        requests.removesuffix(" from 0 to 4095") for requests in web.queries if requests.endswith(" from 0 to 4095")
    ]
    assert heads == ["GET /to/latest.raw", "GET /to/newest", "GET /files/disk-1.2.raw"]


def test_what_a_url_leads_to_must_be_listed(tmp_path: Path, web: Mirror) -> None:
    """A redirect to a file that the list does not name does not bypass the list; nor does a server that does not
    answer.
    """
    web.publish("/to/latest.raw", redirect("/files/disk-1.3.raw"))
    web.publish("/files/disk-1.3.raw", DATA)
    web.publish("/to/listed.raw", redirect("/files/disk-1.2.raw"))
    for path in ("/files/disk-1.2.raw", "/to/plain.raw"):
        web.publish(path, DATA)
    listed = web.publish("/files/SHA256SUMS", f"{SHA256}  disk-1.2.raw\n{WRONG}  disk-1.1.raw\n".encode())
    write(
        tmp_path,
        a={"url": f"{web.address}/to/latest.raw", "checksum_url": listed},
        b={"url": f"{web.address}/to/missing.raw", "checksum_url": listed},
        c={"url": f"{web.address}/to/listed.raw", "checksum_url": listed},
        d={"url": f"{web.address}/to/plain.raw", "checksum_url": listed},
    )
    output = run(tmp_path, "plan", code=1)
    assert "images.c.source" not in output
    for name in ("latest.raw", "missing.raw", "plain.raw"):
        expected = f"/files/SHA256SUMS: {name} is not in the checksum list (2 entries, e.g. disk-1.2.raw, disk-1.1.raw)"
        assert expected in output


def test_a_redirect_is_asked_for_only_where_it_may_be(tmp_path: Path, web: Mirror) -> None:
    """Not what the service fetches by itself, and not if the entry is declared."""
    web.publish("/to/latest.raw", redirect("/files/disk-1.2.raw"))
    listed = web.publish("/SUMS", f"{SHA256}  disk-1.2.raw\n{WRONG}  disk-1.1.raw\n".encode())
    source = {"url": f"{web.address}/to/latest.raw", "checksum_url": listed}
    write(tmp_path, a={**source, "method": "web-download"}, b={**source, "checksum_entry": "disk-9.raw"})
    output = run(tmp_path, "plan", code=1)
    assert "latest.raw is not in the checksum list" in output
    assert "disk-9.raw is not in the checksum list" in output
    assert web.queries == ["GET /SUMS"]


def test_another_entry_with_the_same_digest_changes_nothing(tmp_path: Path, web: Mirror) -> None:
    """The field names where the digest is; only another digest is another build."""
    url = web.publish("/latest.raw", DATA)
    text = f"{SHA256}  one.raw\n{SHA256}  two.raw\n{hashlib.sha256(OTHER).hexdigest()}  three.raw\n"
    source = {"url": url, "checksum_url": web.publish("/SUMS", text.encode())}
    write(tmp_path, a={**source, "checksum_entry": "one.raw"})
    assert "Applied: 1 created" in run(tmp_path, "apply", "--yes")
    write(tmp_path, a={**source, "checksum_entry": "two.raw"})
    assert "No changes" in run(tmp_path, "plan")
    write(tmp_path, a={**source, "checksum_entry": "three.raw"})
    assert "1 to replace" in run(tmp_path, "plan")


def test_the_entry_is_kept_in_a_saved_plan(tmp_path: Path, web: Mirror) -> None:
    """Which is applied without the list."""
    listed = web.publish("/SUMS", f"{SHA256}  one.raw\n{WRONG}  two.raw\n".encode())
    write(tmp_path, a={"url": web.publish("/a.raw", DATA), "checksum_url": listed, "checksum_entry": "one.raw"})
    run(tmp_path, "plan", "-o", "plan.json")
    assert json.loads((tmp_path / "plan.json").read_text())["steps"][0]["source"]["checksum_entry"] == "one.raw"
    assert "Applied: 1 created" in forked.run("apply", "plan.json", "--yes", folder=tmp_path).stdout


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DIGESTS", f"# BLAKE2B HASH\n{BLAKE2B}  disk.raw\n# SHA512 HASH\n{SHA512}  disk.raw\n"),
        ("TAGGED", f"BLAKE2b (disk.raw) = {BLAKE2B}\nSHA512 (disk.raw) = {SHA512}\n"),
        ("SHA256SUMS", f"{WRONG}  ./gtk/disk.raw\n{SHA256}  ./disk.raw\n"),
        ("label.txt", f"sha256: {SHA256}  disk.raw\nmd5: {hashlib.md5(DATA).hexdigest()}  disk.raw\n"),
    ],
)
def test_the_digest_that_is_read_is_that_of_the_data(tmp_path: Path, web: Mirror, name: str, text: str) -> None:
    """A digest of another file, or of another algorithm, would fail the apply."""
    write(
        tmp_path, a={"url": web.publish("/x/disk.raw", DATA), "checksum_url": web.publish(f"/x/{name}", text.encode())}
    )
    assert "Applied: 1 created" in run(tmp_path, "apply", "--yes")


def test_a_list_of_another_algorithm_is_not_a_file_that_changed(tmp_path: Path, web: Mirror) -> None:
    """It is refused before anything is read of the file."""
    listed = web.publish("/b2sums.txt", f"{BLAKE2B}  disk.raw\n".encode())
    write(tmp_path, a={"url": web.publish("/disk.raw", DATA), "checksum_url": listed})
    assert "/b2sums.txt: the checksum list has only BLAKE2B digests for disk.raw" in run(
        tmp_path, "apply", "--yes", code=1
    )
    assert web.queries == ["GET /b2sums.txt"]


def test_why_a_signature_fails_names_the_keyring_as_the_manifest_does(tmp_path: Path, web: Mirror) -> None:
    """A key that is certified with SHA-1, one that is missing, a list that is not clear-signed: each at its image."""
    content = b"- digest\n" + b"a" * 64 + b"  disk\n"
    listed, key = web.publish("/SUMS", content), Tsk.generate("One <one@example.org>")
    (tmp_path / "keys.asc").write_bytes((SIGNED / "sha1-bound.key.asc").read_bytes())
    old = web.publish("/SUMS.asc", (SIGNED / "sha1-bound.sig.asc").read_bytes())
    other = web.publish("/SUMS.sig", sign(key.signer(), content, mode=SignatureMode.DETACHED))
    source = {"url": f"{web.address}/disk", "checksum_url": listed}
    signed = {"old": old, "other": other, "unsigned": listed}
    write(
        tmp_path, **{name: {**source, "signature": {"url": url, "keyring": "keys.asc"}} for name, url in signed.items()}
    )
    output = run(tmp_path, "plan", code=1)
    assert "images.old.source.checksum_url: " in output
    assert (
        "/SUMS.asc: signature verification failed: key 7B5B5F050E0AAD04 in keys.asc is certified with SHA-1 only"
        in output
    )
    assert "/SUMS.sig: signature verification failed: signed by key " in output
    assert ", which is not in keys.asc; add it to keys.asc" in output
    assert "/SUMS: the list is not clear-signed; name the detached signature of the list in signature.url" in output


def test_text_around_a_signed_list_is_not_read(tmp_path: Path, web: Mirror) -> None:
    """Neither before nor behind it, with a keyring and without."""
    key = Tsk.generate("One <one@example.org>")
    (tmp_path / "keys.asc").write_text(str(key.extract_certificate()))
    signed = sign(key.signer(), f"{SHA256}  other.raw\n{SHA256}  more.raw\n".encode(), mode=SignatureMode.CLEAR)
    around = f"{hashlib.sha256(OTHER).hexdigest()}  disk.raw\n".encode()
    url = web.publish("/disk.raw", OTHER)
    for number, content in enumerate((around + signed, signed + around)):
        listed = web.publish(f"/SUMS{number}", content)
        for more in ({}, {"signature": {"url": listed, "keyring": "keys.asc"}}):
            write(tmp_path, a={"url": url, "checksum_url": listed, **more})
            assert "disk.raw is not in the checksum list (2 entries, e.g. " in run(tmp_path, "plan", code=1)
