"""What must hold among the images of one catalog."""

from pathlib import Path

import pytest

from imagesync.errors import ManifestError
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from tests.unit.manifest.one_file import problems, wanted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "images: {a: {name: x}, b: {name: x}}",
            "3:28: images.b.name: the name 'x' is also that of images.a (FILE:3:14); give one another name",
        ),
        (
            "defaults: {id: 6a1b8b0e-0b5e-4f7e-9d6e-000000000001}\nimages: {a: {}, b: {}}",
            "3:12: images.b.id: the id '6a1b8b0e-0b5e-4f7e-9d6e-000000000001' is also that of images.a "
            "(FILE:3:12); an id can be used once",
        ),
        (
            "images: {a: {}, b: {moved: {from: a}}}",
            "3:29: images.b.moved.from: the manifest still declares images.a; rename that key, or remove moved",
        ),
        (
            "images: {b: {moved: {from: b}}}",
            "3:22: images.b.moved.from: the manifest still declares images.b; rename that key, or remove moved",
        ),
        (
            "removed: {a: {owner: {id: p}}}\nimages: {b: {moved: {from: [c, a]}}}",
            "4:22: images.b.moved.from: the manifest also has removed.a; remove one of the two",
        ),
        (
            "images: {b: {moved: {from: a}}, c: {moved: {from: [d, a]}}}",
            "3:45: images.c.moved.from: images.b is moved from a too; the images of a key can get one new key",
        ),
    ],
)
def test_a_mistake_is_one_line_with_place_and_way_out(tmp_path: Path, text: str, expected: str) -> None:
    """FILE:LINE:COLUMN: where: what; hint."""
    assert problems(tmp_path, text) == [expected.replace("FILE", f"{tmp_path}/catalog.yaml")]


def test_a_repeated_name_is_reported_with_both_files(tmp_path: Path) -> None:
    """A catalog may have many files, and the reader has to open two of them."""
    (tmp_path / "a.yaml").write_text("version: 1\ncatalog: c\nimages:\n  a: {name: x}\n")
    (tmp_path / "b.yaml").write_text("version: 1\nimages:\n  x: {}\n")
    with pytest.raises(ManifestError) as caught:
        resolve(load(tmp_path))
    (problem,) = map(str, caught.value.diagnostics)
    assert problem.replace(f"{tmp_path}/", "") == (
        "b.yaml:3:3: images.x.name: the name 'x' is also that of images.a (a.yaml:4:7); give one another name"
    )


def test_one_name_in_two_targets_is_no_clash(tmp_path: Path) -> None:
    """Only images of the same target can be in each other's way."""
    text = "targets: {t: {store: s, only: [a]}}\nimages: {a: {name: x}, b: {name: x}}"
    assert [spec.key for spec in wanted(tmp_path, text, target="t").images] == ["a"]


def test_an_impossible_move_is_a_mistake_on_every_target(tmp_path: Path) -> None:
    """Also outside the target's ``only``: there, too, the images of the former key get the new key."""
    text = "targets: {t: {store: s, only: [a]}}\nimages: {a: {}, b: {moved: {from: a}}}"
    (problem,) = problems(tmp_path, text, target="t")
    assert "images.b.moved.from: the manifest still declares images.a" in problem


def test_a_long_circle_of_references_is_shortened(tmp_path: Path) -> None:
    """Its message has the first twelve keys and the last."""
    ring = ", ".join(f"k{n:02}: {{properties: {{kernel_id: '${{images.k{(n + 1) % 40:02}.id}}'}}}}" for n in range(40))
    (problem,) = problems(tmp_path, f"images: {{{ring}}}")
    output = " -> ".join(f"k{n:02}" for n in range(12))
    assert problem.endswith(f"the references form a circle: {output} -> … -> k00; remove one of the references")


def test_hidden_images_may_share_a_name(tmp_path: Path) -> None:
    """Only visible names are looked up."""
    text = "images: {a: {name: x, hidden: true}, b: {name: x}, c: {name: x, hidden: true}}"
    assert len(wanted(tmp_path, text).images) == 3


def test_former_keys_are_part_of_the_catalog_whatever_is_selected(tmp_path: Path) -> None:
    """One key or a list; a key that this run leaves out must not make its former key a removed one."""
    text = "images: {a: {}, b: {moved: {from: x}}, c: {moved: {from: [y, z]}}}"
    assert wanted(tmp_path, text).moved == {"b": ("x",), "c": ("y", "z")}
    assert wanted(tmp_path, text, only=("a",)).moved == {"b": ("x",), "c": ("y", "z")}


ONE, OTHER = "1" * 32, "2" * 32
PINNED = "6a1b8b0e-0b5e-4f7e-9d6e-000000000001"


@pytest.mark.parametrize(
    ("first", "second", "is_clash"),
    [
        ("name: x", "name: x", True),
        ("name: x", "name: X", False),
        (f"name: x, owner: {ONE}", f"name: x, owner: {ONE}", True),
        (f"name: x, owner: {ONE}", f"name: x, owner: {OTHER}", False),
        (f"name: x, owner: {ONE}", "name: x", False),
        (f"name: x, owner: {ONE}", f"name: y, owner: {ONE}", False),
        (f"name: x, id: {PINNED}", f"name: y, id: {PINNED}", True),
        (f"name: x, id: {PINNED}, hidden: true", f"name: y, id: {PINNED}, owner: {ONE}", True),
        (f"name: x, adopt: {PINNED}", f"name: y, adopt: {PINNED}", True),
        (f"name: x, adopt: {PINNED}, owner: {ONE}", f"name: y, adopt: {PINNED}", True),
        ("name: x, adopt: true", "name: y, adopt: true", False),
    ],
)
def test_two_images_do_not_claim_the_same(tmp_path: Path, first: str, second: str, is_clash: bool) -> None:
    """A name is unique in a project, an id and an adopted image everywhere."""
    text = f"images: {{a: {{{first}}}, b: {{{second}}}}}"
    if is_clash:
        (problem,) = problems(tmp_path, text)
        assert "is also that of images.a (" in problem
        assert ": images.b." in problem
    else:
        assert [spec.key for spec in wanted(tmp_path, text).images] == ["a", "b"]


def test_every_repeated_value_is_reported(tmp_path: Path) -> None:
    """Each with the first image that has it."""
    found = problems(tmp_path, "images: {a: {name: x}, b: {name: y}, c: {name: x}, d: {name: y}, e: {name: x}}")
    assert [problem.partition("images.")[2].partition(" (")[0] for problem in found] == [
        "c.name: the name 'x' is also that of images.a",
        "d.name: the name 'y' is also that of images.b",
        "e.name: the name 'x' is also that of images.a",
    ]


@pytest.mark.parametrize("number", [1, 2, 11, 12, 13])
def test_a_circle_begins_at_its_first_key(tmp_path: Path, number: int) -> None:
    """Whatever the length; up to twelve keys are shown, the last one is the first again."""
    ring = [f"k{index:02}" for index in range(number)]
    entries = [
        f"{key}: {{properties: {{kernel_id: '${{images.{ring[(index + 1) % number]}.id}}'}}}}"
        for index, key in enumerate(ring)
    ]
    (problem,) = problems(tmp_path, f"images: {{{', '.join(reversed(entries))}, other: {{}}}}")
    whole = [*ring, "k00"]
    display = whole if number < 12 else [*ring[:12], "…", "k00"]
    assert f"images.k00.properties: the references form a circle: {' -> '.join(display)}; remove" in problem


def test_a_circle_has_none_of_the_images_that_lead_to_it(tmp_path: Path) -> None:
    """It begins at the first of its own keys."""
    pairs = (("a", "c"), ("b", "c"), ("c", "d"), ("d", "b"))
    images = ", ".join(f"{key}: {{properties: {{k: '${{images.{other}.id}}'}}}}" for key, other in pairs)
    (problem,) = problems(tmp_path, f"images: {{{images}}}")
    assert problem.endswith(
        "images.b.properties: the references form a circle: b -> c -> d -> b; remove one of the references"
    )


def test_an_adopted_image_of_two_keys_is_called_so(tmp_path: Path) -> None:
    """Its id alone would look like a declared one."""
    (problem,) = problems(tmp_path, f"images: {{a: {{adopt: {PINNED}}}, b: {{adopt: {PINNED}}}}}")
    assert problem == (
        f"3:64: images.b.adopt: the adopted image '{PINNED}' is also that of images.a "
        f"({tmp_path}/catalog.yaml:3:14); an image can have one key"
    )
