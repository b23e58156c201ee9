"""The name of a source, and the entry of its image."""

import json
from typing import Any

import pytest

from imagesync.cli.new_entries import Sketch, make_entry, read_name
from imagesync.formats.recognition import OVA, Formats
from imagesync.model.catalog import Checksum, Compression, FileSource, UrlSource, Visibility
from imagesync.sources.list_search import FoundList
from imagesync.sources.probing import Kind, Measure

FILE = FileSource("/srv/img/web.raw", "../img/web.raw")
URL = UrlSource(("https://example.org/web.qcow2.xz", "https://mirror.example/web.qcow2"))
RAW, QCOW = Kind(Compression.NONE, Formats("raw")), Kind(Compression.XZ, Formats("qcow2"))
DIGEST = Checksum("sha256", "a" * 64)
GIB = 2**30


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("web.raw", "web"),
        ("a/b/web.qcow2.xz", "web"),
        ("noble-server-cloudimg-amd64.img", "noble-server-cloudimg-amd64"),
        ("debian-13.4", "debian-13.4"),
        (".img", ".img"),
        ("a.GZ", "a"),
        ("a.iso.bz2", "a"),
        ("a.vhd.zst", "a"),
        ("a.raw.txt", "a.raw.txt"),
        ("a/get?file=b.raw", "get?file=b"),
        ("https://example.org/one.img?two.img", "one"),
        ("https://example.org/get?file=a%2Fb%2Fdisk.vhdx", "disk"),
        ("https://example.org/a/Fedora-44.x86_64.qcow2", "Fedora-44.x86_64"),
        ("https://example.org/p/disk-1.2.raw/download", "disk-1.2"),
        ("https://example.org/get?file=disk-1.2.raw&x=1", "disk-1.2"),
        ("https://example.org/get?x=1", "get"),
        ("https://example.org/a%20b.img", "a b"),
        ("https://example.org/", None),
        ("https://example.org", None),
        ("https://example.org/a%0Ab.img", None),
    ],
)
def test_the_name_is_that_of_the_file(source: str, name: str | None) -> None:
    """Without endings of packings and formats."""
    assert read_name(source) == name


@pytest.mark.parametrize(
    ("sketch", "source", "rest"),
    [
        (Sketch(FILE), {"path": "../img/web.raw"}, {}),
        (Sketch(FILE, RAW), {"path": "../img/web.raw"}, {"disk_format": "raw", "container_format": "bare"}),
        (
            Sketch(FILE, RAW, Measure(3 * GIB, DIGEST)),
            {"path": "../img/web.raw", "checksum": f"sha256:{'a' * 64}"},
            {"disk_format": "raw", "container_format": "bare", "min_disk": 3},
        ),
        (
            Sketch(FILE, QCOW, Measure(3 * GIB + 1)),
            {"path": "../img/web.raw", "compression": "xz"},
            {"disk_format": "qcow2", "container_format": "bare", "min_disk": 4},
        ),
        (
            Sketch(URL, QCOW, Measure(None, DIGEST), FoundList("https://example.org/SUMS", (DIGEST,), b"")),
            {"url": "https://example.org/web.qcow2.xz", "checksum_url": "https://example.org/SUMS"},
            {"disk_format": "qcow2", "container_format": "bare", "min_disk": "auto"},
        ),
        (
            Sketch(
                URL,
                Kind(Compression.NONE, Formats("vmdk", OVA)),
                Measure(GIB, DIGEST),
                FoundList("https://example.org/SUMS", (DIGEST,), b"", "other.ova"),
                "https://example.org/SUMS.gpg",
                "keys/one.asc",
            ),
            {
                "url": "https://example.org/web.qcow2.xz",
                "checksum_url": "https://example.org/SUMS",
                "checksum_entry": "other.ova",
                "signature": {"url": "https://example.org/SUMS.gpg", "keyring": "keys/one.asc"},
                "compression": "none",
            },
            {"disk_format": "vmdk", "container_format": "ova"},
        ),
    ],
    ids=["nothing known", "kind", "all of a file", "packed", "list", "signed archive"],
)
def test_an_entry_has_what_is_known_in_the_usual_order(
    sketch: Sketch, source: dict[str, Any], rest: dict[str, Any]
) -> None:
    """A list counts before a digest, a packing is declared if the name does not show it, an archive has no size."""
    made = make_entry(sketch, name="Web", visibility=Visibility.PUBLIC)
    assert json.dumps(made) == json.dumps({"name": "Web", "source": source, **rest, "visibility": "public"})


def test_no_text_of_an_entry_is_a_placeholder() -> None:
    """Each dollar sign that would begin one is doubled; the keyring and the signature have them, too."""
    listed = FoundList("https://h/${b}", (DIGEST,), b"", "${c}")
    url = make_entry(
        Sketch(UrlSource(("https://h/${a}",)), listed=listed, signature="https://h/${d}", keyring="${e}"),
        name="${n}",
        visibility=Visibility.PRIVATE,
    )
    assert url == {
        "name": "$${n}",
        "source": {
            "url": "https://h/$${a}",
            "checksum_url": "https://h/$${b}",
            "checksum_entry": "$${c}",
            "signature": {"url": "https://h/$${d}", "keyring": "$${e}"},
        },
        "visibility": "private",
    }
    file = make_entry(Sketch(FileSource("/x/${f}", "${f}")), name="$5", visibility=Visibility.PRIVATE)
    assert file == {"name": "$5", "source": {"path": "$${f}"}, "visibility": "private"}
