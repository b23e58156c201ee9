"""Files of a folder to one manifest."""

import os
from pathlib import Path

import pytest

from imagesync.errors import ManifestError
from imagesync.manifest.loader import load, read_manifest
from imagesync.manifest.resolution import resolve
from tests.unit.manifest.one_file import HEAD, problems


def test_a_key_that_is_defined_in_three_files_names_the_first(tmp_path: Path) -> None:
    """Each further definition is a problem, and says where the first one is."""
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.yaml").write_text("version: 1\ncatalog: x\nimages: {}")
    with pytest.raises(ManifestError) as caught:
        load(tmp_path)
    messages = [item.message for item in caught.value.diagnostics if item.where == "catalog"]
    assert messages == [f"defined in two files; first in {tmp_path}/a.yaml:2"] * 2


def test_a_folder_of_files_is_one_catalog_whatever_their_order(tmp_path: Path) -> None:
    """Keys merge; the digest does not depend on which file holds what."""
    (tmp_path / "1.yaml").write_text(HEAD + "images: {a: {}}")
    (tmp_path / "2.yml").write_text("version: 1\nimages: {b: {}}")
    first = resolve(load(tmp_path)).digest
    (tmp_path / "1.yaml").write_text(HEAD + "images: {b: {}}")
    (tmp_path / "2.yml").write_text("version: 1\nimages: {a: {}} # moved")
    assert resolve(load(tmp_path)).digest == first


def test_a_key_in_two_files_is_an_error(tmp_path: Path) -> None:
    """Each key is defined once."""
    (tmp_path / "1.yaml").write_text(HEAD + "images: {a: {}}")
    (tmp_path / "2.yaml").write_text("version: 1\nimages: {a: {}}")
    with pytest.raises(ManifestError, match="defined in two files"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("images: {a: {}, A: {}}", "3:17: images.A: differs from a only in case; rename one"),
    ],
)
def test_a_mistake_is_one_line_with_place_and_way_out(tmp_path: Path, text: str, expected: str) -> None:
    """FILE:LINE:COLUMN: where: what; hint."""
    assert problems(tmp_path, text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "images: missing"),
    ],
)
def test_a_manifest_without_images_says_so(tmp_path: Path, text: str, expected: str) -> None:
    """An empty catalog must be declared: a missing one would look like all removed."""
    (problem,) = problems(tmp_path, f"defaults: {{source: none}}\n{text}\n")
    assert expected in problem


@pytest.mark.parametrize("number", [1, 3])
def test_nothing_is_read_after_a_file_that_is_too_much(tmp_path: Path, number: int) -> None:
    """Its aliases expand to ten million values: one problem, however many files follow."""
    lists = ["  a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lists += [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 7)]
    (tmp_path / "1.yaml").write_text("\n".join(["version: 1", "catalog: x", "values:", *lists, "images: {}"]))
    for name in range(2, 2 + number):
        (tmp_path / f"{name}.yaml").write_text(f"version: 1\nimages: {{a{name}: {{nmae: x}}}}")
    with pytest.raises(ManifestError) as caught:
        load(tmp_path)
    (problem,) = caught.value.diagnostics
    assert (Path(problem.file).name, problem.message.partition(" values ")[2]) == (
        "1.yaml",
        "in all files, aliases expanded",
    )


def test_places_are_found_on_demand(tmp_path: Path) -> None:
    """A manifest without a problem is read once, without them."""
    (tmp_path / "x.yaml").write_text(HEAD + "images:\n  a: {source: none, disk_format: raw}\n")
    manifest = load(tmp_path)
    (spec,) = resolve(manifest).images
    assert manifest.images["a"].document.tree is None
    assert spec.places["disk_format"] == (str(tmp_path / "x.yaml"), 4, 21)
    assert manifest.images["a"].document.tree is not None
    assert (spec.place, spec.source_place.column) == ((str(tmp_path / "x.yaml"), 4, 3), 7)


@pytest.mark.parametrize("is_one_file", [True, False])
def test_ten_thousand_images_of_a_hundred_values_load(tmp_path: Path, is_one_file: bool) -> None:
    """Limits are against hostile files, not against large catalogs; 2,000 of them if each is a file."""
    number = 10_000 if is_one_file else 2_000
    properties = ", ".join(f"p{index}: v{index}" for index in range(97))
    images = [
        f"  k{index}: {{source: none, name: n{index}, properties: {{{properties}}}}}\n" for index in range(number)
    ]
    texts = ["".join(images)] if is_one_file else images
    for index, text in enumerate(texts):
        (tmp_path / f"{index}.yaml").write_text(f"{HEAD if index == 0 else HEAD[:11]}images:\n{text}")
    assert len(load(tmp_path).images) == number


def test_only_the_file_with_the_catalog_needs_the_version(tmp_path: Path) -> None:
    """The other files may repeat it; another version is an error in each of them."""
    head, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
    head.write_text("version: 1\ncatalog: base\n")
    for text in ("images: {x: {source: none}}\n", "version: 1\nimages: {x: {source: none}}\n"):
        other.write_text(text)
        assert [spec.key for spec in resolve(load(tmp_path)).images] == ["x"]
    other.write_text("version: 2\nimages: {x: {source: none}}\n")
    head.write_text("catalog: base\n")
    with pytest.raises(ManifestError) as caught:
        resolve(load(tmp_path))
    assert [str(one).removeprefix(f"{tmp_path}/") for one in caught.value.diagnostics] == [
        "a.yaml:1:1: catalog needs version beside it; declare version: 1",
        "b.yaml:1:1: version: 2 is not 1",
    ]


@pytest.mark.parametrize("path", ["m.yaml", "./m.yaml", "link.yaml", "."])
def test_edited_content_replaces_a_file_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """By a relative path, by a link, or by its folder; its other files are read from the disk."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.yaml").write_text(HEAD + "images: {a: {}}")
    (tmp_path / "link.yaml").symlink_to("m.yaml")
    if path == ".":
        (tmp_path / "link.yaml").unlink()
        (tmp_path / "n.yaml").write_text("version: 1\nimages: {c: {}}")
    edited = {os.path.realpath("m.yaml"): (HEAD + "images: {b: {}}").encode()}
    assert sorted(read_manifest(path, edited=edited).images) == (["b", "c"] if path == "." else ["b"])
