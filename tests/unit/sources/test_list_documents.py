"""JSON that has digests beside names -> the digests of one file."""

import json
from typing import Any

import pytest

from imagesync.errors import SourceError
from imagesync.sources import list_documents as limits
from imagesync.sources.list_documents import read_document
from imagesync.sources.lists import read_list
from imagesync.sources.matching import Wanted

A, B, LONG = "a" * 64, "b" * 64, "c" * 128
PLACE = "https://m.example/44/disk.qcow2"


def choose(document: Any) -> list[str]:
    """The digests of disk.qcow2."""
    wanted = Wanted(PLACE)
    found = read_list(json.dumps(document).encode(), [wanted], "https://m.example/releases.json")[wanted]
    if isinstance(found, SourceError):
        raise found
    return list(map(str, found))


FEDORA = [
    {"version": "44", "arch": "x86_64", "link": "https://dl.example/pub/44/disk.qcow2", "sha256": A, "size": "5"},
    {"version": "43", "arch": "x86_64", "link": "https://dl.example/pub/43/disk.qcow2", "sha256": B, "size": "5"},
]
COREOS = {
    "architectures": {
        "x86_64": {
            "artifacts": {
                "openstack": {
                    "release": "44.1",
                    "formats": {
                        "qcow2": {
                            "disk": {
                                "location": PLACE,
                                "signature": f"{PLACE}.sig",
                                "sha256": A,
                                "uncompressed-sha256": B,
                            }
                        }
                    },
                }
            }
        }
    }
}
SIMPLESTREAMS = {
    "products": {
        "com.ubuntu.cloud:server:24.04:amd64": {
            "versions": {
                "20260801": {
                    "items": {
                        "disk1.img": {"ftype": "disk1.img", "path": "44/disk.qcow2", "sha256": A, "size": 5},
                        "lxd.tar.xz": {"path": "44/x.tar.xz", "sha256": B, "combined_disk1-img_sha256": A},
                    }
                }
            }
        }
    }
}
GITHUB = {
    "tag_name": "44",
    "assets": [
        {"name": "disk.qcow2.sig", "browser_download_url": f"{PLACE}.sig", "digest": f"sha256:{B}", "size": 5},
        {"name": "disk.qcow2", "browser_download_url": PLACE, "digest": f"sha256:{A}", "size": 5},
    ],
}


@pytest.mark.parametrize(
    "document",
    [
        FEDORA,
        COREOS,
        SIMPLESTREAMS,
        GITHUB,
        {"file": "disk.qcow2", "SHA256": A.upper()},
        {"fileName": "disk.qcow2", "sha256Sum": A},
        {"name": "disk.qcow2", "sha256_checksum": A},
        {"name": "disk.qcow2", "checksum": A, "checksum_type": "sha256"},
        {"name": "disk.qcow2", "checksum": {"type": "SHA-256", "value": A}},
        {"name": "disk.qcow2", "checksums": {"sha256": A}},
        {"name": "disk-9.qcow2", "checksums": {"sha256": A}},
        {"name": "disk.qcow2", "hashes": [{"alg": "SHA-256", "content": A}, {"alg": "SHA3-256", "content": B}]},
        {"subject": [{"name": "disk.qcow2", "digest": {"sha256": A}}, {"name": "o", "digest": {"sha256": B}}]},
        {"disk.qcow2": A, "other.qcow2": B},
        {"disk.qcow2": f"sha256:{A}", "other.qcow2": f"sha256:{B}"},
        {"disk.qcow2": {"sha256": A, "size": 5}, "other.qcow2": {"sha256": B}},
        {"sha256": A},
        [{"name": "A name for people", "url": PLACE, "sha256": A}, {"name": "disk", "url": "o.qcow2", "sha256": B}],
    ],
)
def test_a_digest_beside_a_name_is_read(document: Any) -> None:
    """By the name of the field, of the one beside it, or by its own label; a digest of something else is not read."""
    assert choose(document) == [f"sha256:{A}"]


def test_several_algorithms_are_all_read() -> None:
    """Strongest first, as from text."""
    assert choose({"name": "disk.qcow2", "sha256": A, "sha512": LONG, "blake2b": LONG}) == [
        f"sha512:{LONG}",
        f"sha256:{A}",
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([{"name": "disk.qcow2", "sha256": A}, {"name": "disk.qcow2", "sha256": B}], "two different sha256 digests"),
        (
            {"name": "disk.qcow2", "sha256": LONG},
            "its field sha256: 128 digits, but its label names sha256, which has 64",
        ),
        ({"name": "disk.qcow2", "checksum": LONG, "type": "blake2b"}, "has only BLAKE2B digests for disk.qcow2"),
        ({"name": "disk.qcow2", "uncompressed-sha256": A}, "nothing in it can be read as a checksum"),
        ({"disk.qcow2": f"git:{'a' * 40}"}, "nothing in it can be read as a checksum"),
        ({"name": "disk.qcow2", "sha256": "to come"}, "nothing in it can be read as a checksum"),
        (
            {"error": "not found"},
            'nothing in it can be read as a checksum: its first line is \'{"error": "not found"}\'',
        ),
        (
            [{"name": "x.qcow2", "sha256": A}, {"name": "y", "sha256": B}],
            "disk.qcow2 is not in the checksum list (2 entr",
        ),
    ],
)
def test_a_document_that_does_not_decide_is_an_error(document: Any, message: str) -> None:
    """As with text."""
    with pytest.raises(SourceError) as caught:
        choose(document)
    assert message in str(caught.value)


def test_a_document_as_deep_as_the_parser_allows_is_walked() -> None:
    """Without recursion."""
    nested: Any = {"name": "disk.qcow2", "sha256": A}
    for _ in range(400):
        nested = {"x": [nested]}
    assert choose(nested) == [f"sha256:{A}"]


BLAKE2S = "d" * 64


@pytest.mark.parametrize(
    "document",
    [
        {"name": "disk.qcow2", "hash": BLAKE2S, "hashFunction": "blake2s-256"},
        {"algorithm": "blake2s", "files": [{"name": "disk.qcow2", "hash": BLAKE2S}]},
        {"blake2s": {"disk.qcow2": BLAKE2S}},
        {"blake2s": [{"name": "disk.qcow2", "hash": BLAKE2S}]},
    ],
)
def test_any_field_beside_a_digest_or_around_it_names_the_algorithm(document: Any) -> None:
    """A digest of it is none of another algorithm of the same length; an inner field takes precedence."""
    with pytest.raises(SourceError, match="has only BLAKE2S"):
        choose(document)
    assert choose([document, {"blake2s": {"name": "disk.qcow2", "sha256": A}}]) == [f"sha256:{A}"]


@pytest.mark.parametrize(
    "text",
    [
        '{{"name": "disk.qcow2", "sha256": "{0}", "sha256": "{1}"}}',
        '{{"disk.qcow2": {{"sha256": "{0}"}}, "disk.qcow2": {{"sha256": "{1}"}}}}',
    ],
)
def test_an_object_that_says_two_things_under_one_name_is_refused(text: str) -> None:
    """Parsers keep the first or the last; saying the same twice does no harm."""
    wanted = Wanted(PLACE)
    with pytest.raises(SourceError, match=r"two different values of (sha256|disk\.qcow2) in one object"):
        read_list(text.format(A, B).encode(), [wanted])
    found = read_list(text.format(A, A).encode(), [wanted])[wanted]
    assert not isinstance(found, SourceError)
    assert list(map(str, found)) == [f"sha256:{A}"]


def test_a_file_in_a_field_of_an_unknown_name_is_the_digests_file() -> None:
    """A field with this name does not make another file's digest the declared one: ``iso``."""
    assert choose([{"iso-image": "disk.qcow2", "sha256": A}, {"iso-image": "other.iso", "sha256": B}]) == [
        f"sha256:{A}"
    ]
    with pytest.raises(SourceError, match="not in the checksum list"):
        choose({"iso-image": "other.iso", "sha256": B})


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.MAX_MARKS == 500_000
    assert limits.MAX_HEADING_BYTES == 256


def test_a_digest_beside_two_names_of_files_has_no_name() -> None:
    """Each of them may be its file."""
    (entry,) = read_document(json.dumps({"one": "disk.qcow2", "two": "disk.iso", "sha256": A}).encode())
    assert (entry.names, entry.algorithm, entry.value) == ((), "sha256", A)
    (entry,) = read_document(json.dumps({"one": "disk.qcow2", "two": "stable", "sha256": A}).encode())
    assert entry.names == ("disk.qcow2",)


def test_an_object_that_names_several_algorithms_names_none() -> None:
    """Then the length of the digest decides; a field for algorithms comes first."""
    named = {"name": "disk.qcow2", "checksum": A, "x": "md5", "y": "sha512"}
    assert choose(named) == [f"sha256:{A}"]
    assert choose(named | {"hash_type": "sha256"}) == [f"sha256:{A}"]
    with pytest.raises(SourceError, match="no clear digest"):
        choose(named | {"hash_type": "sha512"})
