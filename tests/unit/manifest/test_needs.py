"""What only making an image needs."""

import pytest

from imagesync.manifest.needs import find_missing_needs
from imagesync.model.catalog import Checksum, Content, FileSource, ImageSpec, KnownContent, Place
from tests.unit.factories import spec

FILE = FileSource("/m/a.img", "a.img")
KNOWN = KnownContent(Checksum("md5", "a" * 32))
PLACES = {"places": {"image": Place("m.yaml", 3, 5), "source": Place("m.yaml", 4, 7)}}


def make(**fields: object) -> ImageSpec:
    """An image without formats."""
    return spec("a", **{"disk_format": None, "container_format": None, **PLACES, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (
            make(source=FILE),
            "m.yaml:3:5: images.a: disk_format and container_format missing: an image cannot be created",
        ),
        (
            make(source=FILE, disk_format="raw"),
            "m.yaml:3:5: images.a: container_format missing: an image cannot be created",
        ),
        (
            make(source=Content.UNMANAGED),
            "m.yaml:4:7: images.a.source: missing: an image cannot be created without a source; give a",
        ),
        (
            make(source=KNOWN),
            "m.yaml:4:7: images.a.source: missing: an image cannot be created without a source; give a path",
        ),
    ],
)
def test_what_is_missing_is_a_problem_at_its_place(image: ImageSpec, problem: str) -> None:
    """Found before a plan needs it, for a cloud that has none of the images yet."""
    (found,) = find_missing_needs([image])
    assert str(found).startswith(problem)


@pytest.mark.parametrize(
    "image",
    [
        make(source=FILE, disk_format="raw", container_format="bare"),
        make(source=Content.NO_DATA),
        make(source=Content.UNMANAGED, adopt="8f1d9d9e-0f5c-4a45-8f0a-0a2e7fbd7d11"),
        make(source=KNOWN, adopt=True),
    ],
)
def test_nothing_is_missing(image: ImageSpec) -> None:
    """A record without data has no formats; an image that is adopted is there."""
    assert list(find_missing_needs([image])) == []
