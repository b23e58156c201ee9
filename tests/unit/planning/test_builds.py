"""Which builds a plan sends."""

from dataclasses import replace

import pytest

from imagesync.model.catalog import (
    Checksum,
    Compression,
    Content,
    FileSource,
    Fingerprint,
    ImageSpec,
    Method,
    Signature,
    Transfer,
    UrlSource,
)
from imagesync.model.plan import Plan
from imagesync.planning.builds import count_sent_builds
from tests.unit.factories import catalog, digest, inventory, live, plan, spec

URL = "https://example.org/x.raw"
PLAIN = Transfer()


def plan_images(*images: ImageSpec) -> Plan:
    """The first plan of these images."""
    return plan(catalog(*images), inventory())


def declare(key: str = "x", url: str = URL, transfer: Transfer = PLAIN, **attrs: object) -> ImageSpec:
    """An image with a URL, unless ``attrs`` have another source."""
    return replace(spec(key, source=UrlSource((url,), transfer=transfer)), **attrs)  # type: ignore[arg-type]


def test_the_images_of_each_build_are_counted() -> None:
    """Under any key, in any stores, and however the digest was found."""
    listed = UrlSource(
        (URL,),
        checksum_url="https://example.org/SHA256SUMS",
        checksum_entry="x",
        signature=Signature("https://example.org/SHA256SUMS.asc", "/keys.asc", "keys.asc"),
        transfer=Transfer(stores=("fast",), all_stores=True, verify=False),
    )
    images = declare(), declare("y"), declare("z", source=listed), declare("other", "https://example.org/other.raw")
    assert sorted(count_sent_builds(plan_images(*images)).values()) == [1, 3]


def test_an_image_that_is_not_sent_is_not_counted() -> None:
    """The target has it already, it has no data, or the service fetches it."""
    assert count_sent_builds(plan(catalog(declare()), inventory(live(declare())))) == {}
    assert count_sent_builds(plan_images(declare(source=Content.NO_DATA, fingerprint=Fingerprint()))) == {}
    assert count_sent_builds(plan_images(declare(transfer=Transfer(method=Method.WEB_DOWNLOAD)))) == {}


@pytest.mark.parametrize(
    "other",
    [
        declare(fingerprint=Fingerprint((digest("b"),))),
        declare(fingerprint=Fingerprint()),
        declare(fingerprint=Fingerprint((digest("a"), Checksum("md5", "a" * 32)))),
        declare(disk_format="iso"),
        declare(container_format="ova"),
        declare(source=UrlSource((URL, "https://mirror.example.org/x.raw"))),
        declare(source=FileSource("/images/x.raw", "x.raw")),
        declare(transfer=Transfer(Compression.XZ)),
        declare(transfer=Transfer(method=Method.GLANCE_DIRECT)),
        declare(transfer=Transfer(inspect=False)),
        declare(transfer=Transfer(max_size=10**9)),
        declare(transfer=Transfer(max_ratio=9)),
    ],
)
def test_another_build_is_counted_separately(other: ImageSpec) -> None:
    """What differs in its bytes or in their verification."""
    assert len(count_sent_builds(plan_images(declare(), replace(other, key="y")))) == 2
    assert list(count_sent_builds(plan_images(other, replace(other, key="y"))).values()) == [2]


def test_a_local_file_is_known_by_its_path() -> None:
    """Its name in messages may differ."""
    one = spec("x", source=FileSource("/images/x.raw.gz", "x.raw.gz", transfer=Transfer(Compression.GZ)))
    other = replace(one, key="y", source=replace(one.source, display="../x.raw.gz"))  # type: ignore[type-var]
    assert list(count_sent_builds(plan_images(one, other)).values()) == [2]
