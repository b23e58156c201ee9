"""What only making an image needs."""

from pathlib import Path

import pytest

from imagesync.manifest.loader import read_manifest
from imagesync.manifest.needs import find_absent_references, find_missing_needs, list_absent_keys
from imagesync.model.catalog import Checksum, Content, FileSource, ImageSpec, KnownContent, Place
from tests.unit.factories import spec
from tests.unit.manifest.one_file import HEAD

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


ONLY = """
targets:
  all: {store: s}
  some: {store: t, only: [a, c*]}
  filled: {store: u, only: [a, "x${v}*"]}
  wrong: {store: v, only: a}
values: {v: b}
images: {a: {}, b: {}, c1: {}, c2: {}, d: {}}
"""


@pytest.mark.parametrize(
    ("target", "absent"),
    [
        (None, set()),
        ("all", set()),
        ("some", {"b", "d"}),
        ("filled", set()),
        ("wrong", set()),
    ],
)
def test_the_keys_that_a_target_leaves_out(tmp_path: Path, target: str | None, absent: set[str]) -> None:
    """None without ``only``, and none if one of its globs has a placeholder anywhere: what it matches is not known."""
    (tmp_path / "m.yaml").write_text(HEAD + ONLY, encoding="utf-8")
    assert list_absent_keys(read_manifest(tmp_path), target) == absent


def test_a_reference_to_an_image_that_the_target_leaves_out_is_a_problem() -> None:
    """Each of them, by key, at the place of the image; references to other images are none."""
    refers = make(properties={"k": "${images.z.id}", "r": "${images.b.id}", "s": "${images.here.id}"})
    found = [str(one) for one in find_absent_references([refers, make(properties={"k": "x"})], frozenset("bzq"))]
    assert found == [
        f"m.yaml:3:5: images.a: it refers to images.{key}, which the target's only leaves out; "
        "extend only, or remove the reference on this target"
        for key in "bz"
    ]
