"""Defaults, profiles, images and targets to one definition, and unknown names."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from imagesync.errors import Diagnostic, ManifestError
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.catalog import Compression, FileSource, ImageSpec
from tests.unit.manifest.one_file import problems, wanted


def test_layers_merge_from_defaults_to_target(tmp_path: Path) -> None:
    """defaults < profiles in order < image < target; properties key by key."""
    (spec,) = wanted(
        tmp_path,
        """
values: {size: "1"}
defaults: {disk_format: raw, min_ram: 1, properties: {a: 1, b: 1}}
profiles: {p: {min_ram: 2, properties: {b: 2}}, q: {properties: {b: 3, c: "${size}"}}}
images: {a: {profiles: [p, q], properties: {d: $$x}}}
targets: {t: {store: s, values: {size: "2"}, images: {a: {visibility: public}}}}
""",
        target="t",
    ).images
    assert spec.properties == {"a": "1", "b": "3", "c": "2", "d": "$x"}
    assert (spec.min_ram, spec.visibility, spec.disk_format) == (2, "public", "raw")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("images: {a: {profiles: [x]}}", "3:25: images.a.profiles[0]: there is no profile 'x'; known: none"),
        (
            "images: {}\ntargets: {t: {store: s, images: {b: {}}}}",
            "4:34: targets.t.images.b: no such image; the catalog has: none",
        ),
        (
            "images: {}\ntargets: {tt: {store: s}}\ndefault_target: t",
            "5:1: default_target: there is no target 't'; did you mean tt?",
        ),
        (
            "images: {}\nprofiles: {p: {profiles: [q]}}",
            "4:16: profiles.p.profiles: profiles do not nest; list both where they are used",
        ),
    ],
)
def test_a_mistake_is_one_line_with_place_and_way_out(tmp_path: Path, text: str, expected: str) -> None:
    """FILE:LINE:COLUMN: where: what; hint."""
    assert problems(tmp_path, text) == [expected]


def test_the_profiles_of_the_defaults_are_for_images_that_list_none(tmp_path: Path) -> None:
    """An empty list is a list."""
    text = "defaults: {profiles: [p]}\nprofiles: {p: {min_ram: 1}}\nimages: {a: {}, b: {profiles: []}}"
    assert [spec.min_ram for spec in wanted(tmp_path, text).images] == [1, None]


@pytest.mark.parametrize("layers", [1, 2, 3, 4, 5])
def test_on_replace_is_what_the_last_layer_says(tmp_path: Path, layers: int) -> None:
    """policy < defaults < profile < image < target; what none of them says is as usual."""
    texts = [f"on_replace: {{keep: {number}}}" if number <= layers else "" for number in range(1, 6)]
    policy, defaults, profile, image, overlay = texts
    text = f"""
policy: {{{policy}}}
defaults: {{{defaults}}}
profiles: {{p: {{{profile}}}}}
images: {{a: {{profiles: [p], {image}}}}}
targets: {{t: {{cloud: c, images: {{a: {{{overlay}}}}}}}}}
"""
    (spec,) = wanted(tmp_path, text, target="t").images
    assert (spec.on_replace.keep, spec.on_replace.hide) == (layers, True)


def test_what_on_replace_sets_is_merged_key_by_key(tmp_path: Path) -> None:
    """As properties are: ``set``, and the properties in it."""
    text = """
defaults: {on_replace: {keep: 2, set: {visibility: private, properties: {a: 1, b: 1}}}}
images: {a: {on_replace: {set: {properties: {b: 2}}}}}
"""
    (spec,) = wanted(tmp_path, text).images
    assert spec.on_replace.keep == 2
    assert dict(spec.on_replace.set_fields) == {"visibility": "private"}
    assert dict(spec.on_replace.set_properties) == {"a": "1", "b": "2"}


def test_a_key_that_is_removed_is_not_there(tmp_path: Path) -> None:
    """Otherwise the project of its images would be unknown."""
    text = f"images: {{a: {{}}}}\nremoved: {{a: {{owner: {'d' * 32}}}, b: {{owner: {'d' * 32}}}}}"
    (problem,) = problems(tmp_path, text)
    assert problem.endswith("removed.a: the catalog has an image of this key; remove it from removed, or from images")


SECTIONS = {
    "defaults": "defaults:\n  profiles: [p]\n",
    "profiles": "profiles:\n  p:\n    min_disk: 1\n",
    "images": "catalog: base\nimages:\n  a:\n    min_disk: 1\n",
    "targets": "targets:\n  t:\n    store: s\n    images:\n      a:\n        min_disk: 1\n",
}
"""The beginning of a file for each section; fields of the image may follow."""


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(("number", "is_number"), [("${n}", True), ('"${n}"', False), ('"\\u0024{n}"', False)])
def test_a_placeholder_counts_in_each_file_of_an_image(
    tmp_path: Path, section: str, number: str, *, is_number: bool
) -> None:
    """The other files have no dollar sign; only an unquoted one can be a number."""
    for name, text in SECTIONS.items():
        indent = text.splitlines()[-1].partition(text.split()[-2])[0]
        more = f"{indent}min_ram: {number}\n{indent}properties: {{b: $$x}}\n" if name == section else ""
        (tmp_path / f"{name}.yaml").write_text(f"version: 1\n{text}{more}")
    (tmp_path / "values.yaml").write_text('version: 1\nvalues: {n: "2"}\n')
    if is_number:
        (spec,) = resolve(load(tmp_path), target="t").images
        assert (spec.min_ram, dict(spec.properties)) == (2, {"b": "$x"})
        return
    with pytest.raises(ManifestError) as caught:
        resolve(load(tmp_path), target="t")
    (problem,) = caught.value.diagnostics
    assert (problem.where, Path(problem.file).name) == ("images.a.min_ram", f"{section}.yaml")


def test_a_source_is_replaced_as_a_whole_and_an_empty_mapping_changes_nothing(tmp_path: Path) -> None:
    """Only properties and on_replace are merged key by key."""
    text = """
defaults: {disk_format: raw, container_format: bare, properties: {b: 1}, source: {path: x.img, compression: gz}}
images: {a: {source: {path: y.img}, properties: {}}}
"""
    (spec,) = wanted(tmp_path, text).images
    assert spec.source.transfer is not None
    assert spec.source.transfer.compression is Compression.NONE
    assert spec.properties == {"b": "1"}


@pytest.mark.parametrize("target", ["t", None])
def test_the_place_of_a_value_is_in_the_part_that_wins(tmp_path: Path, target: str | None) -> None:
    """Of a path, and of a problem; the place of the image is its own."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "m.yaml").write_text(
        "version: 1\ncatalog: base\nvalues: {r: x}\n"
        "images: {a: {disk_format: raw, container_format: bare, source: a.img}, b: {min_ram: '${r}'}}\n"
    )
    (tmp_path / "sub/t.yaml").write_text(
        "version: 1\n\ntargets: {t: {store: ../s, images: {a: {source: a.img}, b: {min_ram: '${r}'}}}}\n"
    )
    found: list[ImageSpec] = []

    def note(specs: Sequence[ImageSpec]) -> Iterator[Diagnostic]:
        found.extend(spec for spec in specs if spec.key == "a")
        return iter(())

    with pytest.raises(ManifestError) as caught:
        resolve(load(tmp_path), target=target, checks=[note])
    (spec,) = found
    assert isinstance(spec.source, FileSource)
    assert spec.source.display == ("sub/a.img" if target else "a.img")
    (problem,) = caught.value.diagnostics
    winner = ("t.yaml", 3) if target else ("m.yaml", 4)
    for place, expected in ((problem, winner), (spec.source_place, winner), (spec.places["image"], ("m.yaml", 4))):
        assert (Path(place.file).name, place.line) == expected


TOKEN = "ghp_" + "a1B2c3D4" * 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("images: {}\ndefaults: {profiles: [x]}", "defaults.profiles[0]: there is no profile 'x'; known: none"),
        (
            "images: {a: {}}\ntargets: {t: {store: s, images: {a: {profiles: [p]}}}}\nprofiles: {p: {}}",
            "targets.t.images.a.profiles: a target cannot change profiles; list the fields",
        ),
        (f"images: {{a: {{profiles: [{TOKEN}]}}}}", "there is no profile (36 characters, not shown"),
        (f"images: {{}}\ndefault_target: {TOKEN}", "there is no target (36 characters, not shown"),
    ],
)
def test_an_unknown_name_is_reported_without_a_secret(tmp_path: Path, text: str, expected: str) -> None:
    """Of an image, of the defaults, and of a target."""
    (problem,) = problems(tmp_path, text)
    assert expected in problem
    assert TOKEN not in problem.splitlines()[0]
