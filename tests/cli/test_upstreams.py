"""The entries of docs/upstreams.md, applied from replicas of the servers that they name.

Entries and forms of lists are read from the page itself. A replica has a small image at the entry's ``url``, the list in
its form at ``checksum_url``, and, if the entry has one, the signature by a key that is made here.
"""

import hashlib
import lzma
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from pysequoia import Sig, SignatureMode, Tsk, sign

from tests import forked
from tests.fault.mirror import Mirror, mirror
from tests.samples import qcow2

PAGE = (Path(__file__).parents[2] / "docs" / "upstreams.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(yaml|text)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
HEAD, ENTRIES = BLOCKS[0], list(zip(BLOCKS[1::2], BLOCKS[2::2], strict=True))
WITH_AN_ENTRY = (
    *(
        "ubuntu",
        "debian",
        "fedora",
        "rocky",
        "almalinux",
        "centos-stream",
        "opensuse-leap",
        "opensuse-tumbleweed",
        "arch",
    ),
    *("alpine", "flatcar", "freebsd", "cirros"),
)
WITHOUT_ONE = ("Kali Linux", "Garden Linux", "Talos Linux", "NixOS")
KEY = Tsk.generate("Upstream <images@example.org>")
STRANGER = Tsk.generate("Somebody <somebody@example.org>")


class Upstream(NamedTuple):
    """An entry of the page: its key, its lines, and the form of its list."""

    key: str
    entry: dict[str, Any]
    form: str

    @property
    def source(self) -> dict[str, Any]:
        """Its ``source`` with the values of the page, as on the real server."""
        text = yaml.safe_dump(self.entry["source"])
        for name, value in yaml.safe_load(HEAD[1])["values"].items():
            text = text.replace(f"${{{name}}}", str(value))
        return dict(yaml.safe_load(text))

    @property
    def signature(self) -> str:
        """Where the signature is; empty for a list that is not signed."""
        return str(self.source.get("signature", {}).get("url", ""))

    def make_image(self, content: bytes = b"") -> bytes:
        """A small image of the entry's format and packing; ``content`` makes it another build."""
        if self.source["url"].endswith(".raw.xz"):
            return lzma.compress(b"\xb1" * 5000 + content)
        return qcow2() + content

    def write_list(self, image: bytes) -> bytes:
        """The list in its form."""
        values = {name: hashlib.new(name, image).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")}
        values |= {"other": "0" * 64, "other512": "0" * 128, "othermd5": "0" * 32}
        return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], self.form).encode()


def read_entries() -> Iterator[Upstream]:
    """All of the page, in its order."""
    for (kind, entry), (form_kind, form) in ENTRIES:
        assert (kind, form_kind) == ("yaml", "text"), entry
        ((key, spec),) = yaml.safe_load(entry)["images"].items()
        yield Upstream(key, spec, form)


UPSTREAMS = list(read_entries())
by_key = pytest.mark.parametrize("upstream", UPSTREAMS, ids=lambda upstream: upstream.key)


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A web server on loopback, with a folder for each of the real ones."""
    with mirror() as found:
        yield found


def path_of(url: str) -> str:
    """Where a file of a real server is on the replica."""
    return "/" + url.removeprefix("https://")


def publish(web: Mirror, upstream: Upstream, image: bytes, key: Tsk = KEY, *, armored: bool = True) -> None:
    """Image, list and signature as the upstream has them."""
    listed = upstream.write_list(image)
    web.publish(path_of(upstream.source["url"]), image)
    if upstream.signature == upstream.source["checksum_url"]:
        listed = sign(key.signer(), listed, mode=SignatureMode.CLEAR)
    elif upstream.signature:
        signature = sign(key.signer(), listed, mode=SignatureMode.DETACHED)
        web.publish(path_of(upstream.signature), signature if armored else bytes(Sig.from_bytes(signature)))
    web.publish(path_of(upstream.source["checksum_url"]), listed)


def write(folder: Path, web: Mirror, *upstreams: Upstream) -> None:
    """The manifest of the page with these entries, on the replica, and the keyrings that they name."""
    text = yaml.safe_dump(yaml.safe_load(HEAD[1]) | {"images": {one.key: one.entry for one in upstreams}})
    used = {name for one in upstreams for name in re.findall(r"\$\{(\w+)\}", str(one.entry))}
    manifest = yaml.safe_load(text.replace("https://", f"{web.address}/"))
    manifest["values"] = {name: value for name, value in manifest["values"].items() if name in used}
    (folder / "base.yaml").write_text(yaml.safe_dump(manifest))
    (folder / "keys").mkdir(exist_ok=True)
    for one in upstreams:
        if one.signature:
            (folder / one.source["signature"]["keyring"]).write_text(str(KEY.extract_certificate()))


def run(folder: Path, *words: str, code: int = 0) -> str:
    """What the command says on both streams."""
    return forked.run(words[0], "base.yaml", *words[1:], "--store", "s", folder=folder, code=code).output


@pytest.mark.parametrize("armored", [True, False], ids=["armored", "binary"])
@by_key
def test_an_entry_follows_its_upstream(tmp_path: Path, web: Mirror, upstream: Upstream, armored: bool) -> None:
    """Applied, nothing left to do, and the next build is a replacement: the digest is that of the data."""
    write(tmp_path, web, upstream)
    publish(web, upstream, upstream.make_image(), armored=armored)
    assert "Applied: 1 created" in run(tmp_path, "apply", "--yes")
    assert "No changes" in run(tmp_path, "plan")
    publish(web, upstream, upstream.make_image(b"\0a new build"), armored=armored)
    assert "1 to replace" in run(tmp_path, "plan")
    assert "Applied: 1 replaced" in run(tmp_path, "apply", "--yes")


@by_key
def test_data_that_is_not_listed_is_refused(tmp_path: Path, web: Mirror, upstream: Upstream) -> None:
    """Whatever the form, the digest that was read is the one that judges."""
    write(tmp_path, web, upstream)
    publish(web, upstream, upstream.make_image())
    web.publish(path_of(upstream.source["url"]), upstream.make_image(b"\0another"))
    output = run(tmp_path, "apply", "--yes", code=1)
    assert re.search(r"the data has (md5|sha256|sha512):", output), output


@pytest.mark.parametrize("upstream", [one for one in UPSTREAMS if one.signature], ids=lambda upstream: upstream.key)
def test_a_list_with_the_signature_of_another_key_is_refused(tmp_path: Path, web: Mirror, upstream: Upstream) -> None:
    """By a key that is not in the keyring, or changed after it was signed."""
    write(tmp_path, web, upstream)
    publish(web, upstream, upstream.make_image(), STRANGER)
    assert f"which is not in {upstream.source['signature']['keyring']}" in run(tmp_path, "plan", code=1)
    publish(web, upstream, upstream.make_image())
    listed = web.files[path_of(upstream.source["checksum_url"])]
    listed.data = listed.data.replace(hashlib.sha256(upstream.make_image()).hexdigest().encode(), b"1" * 64)
    listed.data = listed.data.replace(hashlib.sha512(upstream.make_image()).hexdigest().encode(), b"1" * 128)
    assert "the list is not what key " in run(tmp_path, "plan", code=1)


def test_all_entries_are_one_manifest(tmp_path: Path, web: Mirror) -> None:
    """As the page says: no key twice, no value without use, and no list under two names."""
    upstreams = {one.key: one for one in UPSTREAMS}
    assert len(upstreams) == len(UPSTREAMS)
    write(tmp_path, web, *UPSTREAMS)
    assert yaml.safe_load((tmp_path / "base.yaml").read_text())["values"] == yaml.safe_load(HEAD[1])["values"]
    for one in UPSTREAMS:
        publish(web, one, one.make_image())
    assert f"{len(UPSTREAMS)} to create" in run(tmp_path, "plan")


def test_every_distribution_has_an_entry_or_a_reason() -> None:
    """Those that publish an image and a list; a key begins with its name."""
    assert [name for name in WITH_AN_ENTRY if not any(one.key.startswith(name) for one in UPSTREAMS)] == []
    assert [one.key for one in UPSTREAMS if not one.key.startswith(WITH_AN_ENTRY)] == []
    reasons = PAGE.partition("## Without an entry")[2]
    assert [name for name in WITHOUT_ONE if f"**{name}**" not in reasons] == []
