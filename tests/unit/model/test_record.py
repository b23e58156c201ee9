"""The record as properties of an image, compared with literal records of 0.1.0."""

from dataclasses import replace

import pytest

from imagesync.model.catalog import Checksum, Role
from imagesync.model.image import LiveImage
from imagesync.model.record import (
    MAX_GENERATION,
    MAX_KEPT_CHARS,
    PREFIX,
    RESERVED,
    Managed,
    Record,
    Revision,
    is_bound,
    is_marked,
    is_reserved,
    read,
    read_digests,
    read_revisions,
)
from tests.unit.written_by_0_1_0 import CREATED_IMAGE, MADE_FROM, RETIRED_IMAGE, SIGNED_IMAGE

UNVERIFIED = {
    "imagesync_id": "s",
    "imagesync_rev_41": "c0ffee",
    "imagesync_catalog": "base",
    "imagesync_key": "kernel",
    "imagesync_role": "staging",
    "imagesync_digest": f"sha256:{'a' * 64}",
    "imagesync_spec": "0" * 32,
    "imagesync_managed": '{"c":true,"g":1,"n":"n-1","u":true}',
}
"""A staging record that a service is filling, as 0.1.0 wrote it."""


def test_a_record_of_a_create_is_read() -> None:
    """Digests, the hash of each managed value, tags, members, generation."""
    assert read(CREATED_IMAGE) == Record(
        catalog="base",
        key="ubuntu",
        role=Role.CURRENT,
        digests=(
            Checksum("md5", "1d41c853af58d3a7ae54990ce29417d8"),
            Checksum("sha256", "7804a56a5c7636cc05814736f44139e32920810d3bd51aa099a5df932e754ce9"),
        ),
        spec="ca582bf8169d0708e15e2834461cc6c4",
        managed=Managed(
            fields={
                "container_format": "32885bd4",
                "disk_format": "9d8744a6",
                "min_disk": "2c624232",
                "min_ram": "94f86079",
                "name": "2ba450ae",
                "visibility": "cb73c0b0",
            },
            properties={"0f1d9a7a": "90e65fda", "22dfdc7d": "5c31f1ba", "30229392": "ef8d8f0f"},
            tags=("2315397a",),
            members=("20142cf8", "2d1eec84"),
            generation=1,
        ),
    )


def test_a_record_of_a_retired_image_is_read() -> None:
    """With the time of its retirement, and its former values."""
    record = read(RETIRED_IMAGE)
    assert record is not None
    assert record.role is Role.RETIRED
    assert record.managed.retired == "2026-11-25T15:31:32+00:00"
    assert record.managed.before == {
        "hidden": False,
        "name": "Debian",
        "properties.os_distro": "debian",
        "properties.superseded": None,
        "status": "active",
        "tags": [],
        "visibility": "community",
    }


def test_a_record_of_a_url_is_read() -> None:
    """Its sha256 and its public part. An earlier version also stored the hash of a URL with a secret."""
    record = read(SIGNED_IMAGE)
    assert record is not None
    assert record.digests == ()
    assert record.url == "57090e62e59de9708c70b56b70d2b86bce718547fec5e26f97da647dc129ad2b"
    assert record.managed.origin == "https://images.example/vmlinuz"


def test_a_record_of_an_import_is_read() -> None:
    """Unverified, converted by the service, and recognized by its nonce."""
    record = read(LiveImage("s", properties=UNVERIFIED))
    assert record is not None
    assert (record.role, record.unverified, record.converted, record.nonce) == (Role.STAGING, True, True, "n-1")


ON_TRUST = {
    "imagesync_id": "k",
    "imagesync_catalog": "base",
    "imagesync_key": "kernel",
    "imagesync_role": "current",
    "imagesync_digest": f"md5:{'b' * 32} declared:sha256:{'a' * 64} url:{'c' * 64}",
    "imagesync_spec": "0" * 32,
    "imagesync_managed": '{"g":1}',
}
"""Published with ``verify: none``: the md5 is the service's own, the sha256 the manifest's word."""


def test_declared_and_computed_digests_are_read_separately() -> None:
    """Unknown words are ignored; for one algorithm the computed digest counts."""
    record = read(LiveImage("k", properties=ON_TRUST))
    assert record is not None
    sha256, md5 = Checksum("sha256", "a" * 64), Checksum("md5", "b" * 32)
    assert (record.digests, record.declared, record.url) == ((md5,), (sha256,), "c" * 64)
    assert record.known == {"md5": "b" * 32, "sha256": "a" * 64}
    text = f"declared:{sha256} declared:blake3:00 declared: said:{sha256} sha256:{'d' * 64}"
    assert read_digests(text) == {"sha256": "d" * 64}


@pytest.mark.parametrize(
    "image",
    [
        *(image for _, image in MADE_FROM),
        LiveImage("s", properties=UNVERIFIED),
        LiveImage("k", properties=ON_TRUST),
    ],
)
def test_a_record_is_written_as_it_was_read(image: LiveImage) -> None:
    """Character by character: a record without a step never changes."""
    record = read(image)
    assert record is not None
    written = {name: value for name, value in image.properties.items() if name.startswith(PREFIX)}
    guards = {revision.name: revision.nonce for revision in read_revisions(image)}
    assert {**record.properties(image.id), **guards} == written


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"imagesync_key": "a"}, None),
        ({"imagesync_catalog": "base"}, Record("base", "", Role.CURRENT)),
        ({"imagesync_catalog": "base", "imagesync_managed": "{"}, Record("base", "", Role.CURRENT)),
        (
            {"imagesync_catalog": "base", "imagesync_managed": '{"g":-1,"f":[],"t":{},"o":7,"r":3,"b":"x"}'},
            Record("base", "", Role.CURRENT),
        ),
        (
            {"imagesync_catalog": "base", "imagesync_managed": f'{{"g":{MAX_GENERATION},"q":{MAX_GENERATION}}}'},
            Record("base", "", Role.CURRENT, managed=Managed(generation=MAX_GENERATION, retirement=MAX_GENERATION)),
        ),
        (
            {
                "imagesync_catalog": "base",
                "imagesync_managed": f'{{"g":{MAX_GENERATION + 1},"q":{MAX_GENERATION + 1}}}',
            },
            Record("base", "", Role.CURRENT),
        ),
        (
            {"imagesync_catalog": "base", "imagesync_role": "king", "imagesync_key": "a"},
            Record("base", "a", Role.CURRENT),
        ),
        ({"imagesync_catalog": "base", "imagesync_digest": "sha256:zz x"}, Record("base", "", Role.CURRENT)),
        ({"imagesync_catalog": "base", "imagesync_managed": "[" * 100_000}, Record("base", "", Role.CURRENT)),
        ({"imagesync_catalog": "base", "imagesync_managed": "[1]"}, Record("base", "", Role.CURRENT)),
        (
            {"imagesync_catalog": "base", "imagesync_managed": '{"u":1,"c":"x","n":2,"g":0,"q":0,"k":[],"g":true}'},
            Record("base", "", Role.CURRENT),
        ),
        (
            {"imagesync_catalog": "base", "imagesync_managed": '{"t":["b",1,"a"],"m":["d","c"],"f":{"b":"x","a":1}}'},
            Record("base", "", Role.CURRENT, managed=Managed({"b": "x"}, {}, ("a", "b"), ("c", "d"))),
        ),
    ],
)
def test_damaged_parts_of_a_record_read_as_empty(properties: dict[str, str], expected: Record | None) -> None:
    """Only an image without the catalog's name has no record at all."""
    assert read(LiveImage("i", properties={"imagesync_id": "i", **properties})) == expected


@pytest.mark.parametrize("image", [image for _, image in MADE_FROM])
@pytest.mark.parametrize("other", ["", "id-of-another", "ID-UBUNTU", None])
def test_a_record_counts_only_on_the_image_that_it_names(image: LiveImage, other: str | None) -> None:
    """A snapshot has every property of the image that its server was booted from, but no catalog owns it."""
    copied = {name: value for name, value in image.properties.items() if name != "imagesync_id" or other is not None}
    copied |= {"imagesync_id": other} if other is not None else {}
    copy = replace(image, properties=copied)
    assert read(copy) is None
    assert not is_bound(copy)
    assert is_marked(copy, "base")
    assert read(replace(image, id="snapshot")) is None


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), ()),
        (("imagesync_rev_7",), (7,)),
        (("imagesync_rev_999999999999999",), (999_999_999_999_999,)),
        (("imagesync_rev_10", "imagesync_rev_9"), (9, 10)),
        (("imagesync_rev_", "imagesync_rev_0", "imagesync_rev_07", "imagesync_rev_-1", "imagesync_rev_x"), ()),
        (("imagesync_rev_1234567890123456", "imagesync_rev_1 ", "Imagesync_rev_1", "imagesync_rev_١"), ()),
    ],
)
def test_guards_are_read_by_their_names(names: tuple[str, ...], expected: tuple[int, ...]) -> None:
    """A counter from 1 without leading zeros."""
    image = LiveImage("i", properties=dict.fromkeys(names, "n"))
    assert read_revisions(image) == tuple(Revision(number, "n") for number in expected)
    assert {revision.name for revision in read_revisions(image)} <= set(names)


@pytest.mark.parametrize(
    "name", ["imagesync_key", "ImageSync_key", "\u00edmagesync_key", "os_glance_x", "\u00d6s_Glance_x"]
)
def test_a_name_that_a_database_takes_for_one_of_the_record_is_reserved(name: str) -> None:
    """MariaDB and MySQL compare names without case and accents: written beside the record, it would replace a part."""
    assert is_reserved(name)
    assert not is_reserved(f"x{name}")


def test_a_verified_digest_counts_more_than_a_declared_one() -> None:
    """Of the same algorithm; of each the last one in the record."""
    claim, found = Checksum("md5", "a" * 32), Checksum("md5", "b" * 32)
    sha1 = Checksum("sha1", "c" * 40)
    record = Record("base", "a", Role.CURRENT, (found,), declared=(claim, sha1))
    assert record.known == {"md5": "b" * 32, "sha1": "c" * 40}
    assert read_digests(f"{found} declared:{claim}") == {"md5": "b" * 32}


def test_names_of_the_service_s_own_fields_are_reserved() -> None:
    """In this case only: ``Name`` is an ordinary property."""
    assert {"location", "deleted", "deleted_at", "name", "os_hidden", "locations"} <= RESERVED
    assert [name for name in RESERVED if not is_reserved(name) or is_reserved(name.upper())] == []
    assert not is_reserved("os_distro")


@pytest.mark.parametrize(("size", "is_kept"), [(MAX_KEPT_CHARS, True), (MAX_KEPT_CHARS + 1, False)])
def test_a_large_record_is_not_kept_with_its_image(size: int, is_kept: bool) -> None:
    """Another project may have written it."""
    text = '{"o":"' + "x" * (size - 8) + '"}'
    image = LiveImage("i", properties={"imagesync_id": "i", "imagesync_catalog": "c", "imagesync_managed": text})
    first = read(image)
    assert first is not None
    assert (read(image) is first) is is_kept
    assert read(image) == first


def test_all_managed_names_count() -> None:
    """Each kind by itself: if one changes, the record is written again."""
    whole = Managed({"f": "1"}, {"p": "2"}, ("t",), ("m",))
    assert whole.names() == tuple(map(frozenset, "fptm"))
    assert whole.names() == replace(whole, fields={"f": "9"}, properties={"p": "9"}, generation=7).names()
