"""One live image as the entry of a manifest: every field, and what a manifest cannot express."""

from dataclasses import replace

import pytest

from imagesync.manifest.entries import Surroundings, escape_dollars, make_entry, properties_of, write_project
from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import LiveImage, MemberState

SHA512, MD5 = "a" * 128, "c" * 32
AROUND = Surroundings("p", read_only=frozenset({"locked"}), keys={"k": "kernel", "r": "ram"})
PLAIN = LiveImage(id="i", name="x", status=Status.ACTIVE, owner="p", disk_format="raw", container_format="bare")


def test_an_entry_has_every_field_that_is_not_the_service_s_default() -> None:
    """In the order of a manifest, with lists sorted, and the stronger one of two digests."""
    image = replace(
        PLAIN,
        name="${x} y",
        status=Status.DEACTIVATED,
        visibility=Visibility.SHARED,
        owner="d" * 32,
        min_disk=3,
        min_ram=4,
        protected=True,
        hidden=True,
        tags=frozenset({"t", "s", "$$"}),
        properties={"z": "${v}", "b": "$5", "kernel_id": "k", "ramdisk_id": "r", "locked": "1"},
        checksum=MD5,
        os_hash_algo="sha512",
        os_hash_value=SHA512,
    )
    members = {"i": (MemberState("f" * 32), MemberState("e" * 32)), "other": (MemberState("a" * 32),)}
    entry, problems = make_entry("key", image, replace(AROUND, members=members))
    assert problems == []
    assert list(entry.items()) == [
        ("name", "$${x} y"),
        ("adopt", "i"),
        ("source", {"checksum": f"sha512:{SHA512}"}),
        ("disk_format", "raw"),
        ("container_format", "bare"),
        ("visibility", "shared"),
        ("owner", "d" * 32),
        ("min_disk", 3),
        ("min_ram", 4),
        ("status", "deactivated"),
        ("protected", True),
        ("hidden", True),
        ("tags", ["$$$$", "s", "t"]),
        ("members", ["e" * 32, "f" * 32]),
        (
            "properties",
            {"b": "$5", "kernel_id": "${images.kernel.id}", "ramdisk_id": "${images.ram.id}", "z": "$${v}"},
        ),
    ]
    assert properties_of(entry) == entry["properties"]


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.QUEUED])
def test_a_plain_image_has_a_short_entry(status: Status) -> None:
    """No status, which the service decides; no name that is the key; no owner that is the session's project."""
    entry, problems = make_entry("x", replace(PLAIN, status=status, disk_format=None), AROUND)
    source = {"source": "none"} if status is Status.QUEUED else {}
    assert entry == {"adopt": "i", **source, "container_format": "bare", "visibility": "private"}
    assert problems == []
    assert properties_of(entry) == {}


def test_texts_that_a_manifest_cannot_hold_are_left_out_and_named() -> None:
    """Tags and properties beside them stay, whatever their order."""
    image = replace(
        PLAIN,
        tags=frozenset({"a", "b\x1b", "c", "\U0001f600"}),
        properties={"a": "1", "b": "\x07", "c": "2", "d\x1b": "3", "e${": "4"},
    )
    entry, problems = make_entry("x", image, AROUND)
    assert (entry["tags"], entry["properties"]) == (["a", "c"], {"a": "1", "c": "2"})
    assert problems == [
        "property 'd\\x1b' left out: its name cannot be a key",
        "property 'e${' left out: its name cannot be a key",
        "property 'b' left out: has a control character",
        "tag 'b\\x1b' left out: has a control character",
        "tag '\U0001f600' left out: has a character beyond the basic plane (such as an emoji), which the service rejects",
    ]


@pytest.mark.parametrize(
    ("text", "written"),
    [("", ""), ("a$b", "a$b"), ("$", "$"), ("$$", "$$$$"), ("a${b}$", "a$${b}$$"), ("{x}", "{x}")],
)
def test_a_dollar_is_doubled_only_where_it_would_be_read(text: str, written: str) -> None:
    """As a placeholder, or as an escape; then each one in the text."""
    assert escape_dollars(text) == written


def test_a_project_of_another_form_than_an_id_is_named_as_an_id() -> None:
    """A bare word would be a name."""
    assert write_project("e" * 32) == "e" * 32
    assert write_project("b$$b") == {"id": "b$$$$b"}
