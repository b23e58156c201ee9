"""The fast reader against the one with places: the same data, the same count of values, or no answer."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesync.manifest.plain_reader import read_plain
from imagesync.manifest.validation import Shape
from imagesync.manifest.yaml_reader import MAX_DEPTH, MAX_ITEMS, MAX_KEY_CHARS, MAX_KEYS, Allowance, parse
from imagesync.schemas import load_schema

SHAPE = Shape(load_schema("manifest"))
ENOUGH = 10_000


def read(text: str, values: int = ENOUGH) -> tuple[Any, int]:
    """What the fast reader gives, and how many values it took off."""
    allowance = Allowance(values)
    return read_plain(text, SHAPE.kind, allowance), values - allowance.values


def read_with_places(text: str, values: int = ENOUGH) -> tuple[Any, int] | None:
    """The same of the reader with places; None if it has a problem."""
    allowance = Allowance(values)
    root, problems = parse(text, "x.yaml", allowance)
    return None if problems or root is None else (SHAPE.make_plain(root), values - allowance.values)


SCALARS = st.sampled_from(
    [
        *(
            "x",
            "1",
            "0x10",
            "-1",
            "true",
            "False",
            "no",
            "~",
            "",
            "null",
            "24.04",
            "1_0",
            "a b",
            "999999999999999999999",
        ),
        *("'x'", '"1"', "''", "'~'", "'true'", "${a}", "'${a}'", '"\\x24{a}"', '"\\0"', '"\\u0007"', "ü", "'<<'"),
        *("!!str 1", "!!int 7", "! 12", "! '12'", "!x y", "*one", "*two", "&one x", "&two 1", "&one '1'", "[]", "{}"),
    ]
)
KEYS = st.sampled_from(
    ["min_ram", "name", "tags", "adopt", "properties", "protected", "source", "x", "<<", "'<<'", "''"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.tuples(st.sampled_from(["", "&one ", "&two ", "!!map "]), st.lists(st.tuples(KEYS, inner), max_size=4)).map(
            lambda made: f"{made[0]}{{{', '.join(f'{name}: {value}' for name, value in made[1])}}}"
        ),
    ),
    max_leaves=12,
)
IMAGES = st.lists(st.lists(st.tuples(KEYS, VALUES), max_size=5), min_size=1, max_size=4).map(
    lambda images: "".join(
        f"  k{number}: {{{', '.join(f'{name}: {value}' for name, value in image)}}}\n"
        for number, image in enumerate(images)
    )
)


@settings(max_examples=400, deadline=None)
@given(images=IMAGES, values=st.sampled_from([ENOUGH, 12, 20]))
def test_there_is_no_answer_or_that_of_the_other_reader(images: str, values: int) -> None:
    """Whatever scalars, quotes, tags, anchors, aliases and merges there are, and wherever the values end."""
    text = f"version: 1\nimages:\n{images}"
    data, used = read(text, values)
    if data is None:
        assert used == 0
    else:
        assert (repr(data), used) == tuple(map_first(read_with_places(text, values)))


def map_first(found: tuple[Any, int] | None) -> tuple[Any, int] | tuple[()]:
    """``repr`` distinguishes 1 from True, and the order of keys."""
    return (repr(found[0]), found[1]) if found else ()


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\ncatalog: c\nimages:\n  a: {min_ram: 512, tags: [1, no], properties: {v: 24.10, n: ~}}\n",
        "images:\n  a:\n    min_ram: '5'\n    min_disk: ${x}\n    name: 1\n    properties: {'1': \"2\"}\n",
        "images: {a: &a {properties: &p {x: 1}}, b: *a, c: {properties: *p, min_ram: 1}}",
        "images: {a: {min_ram: &r 5, name: *r, tags: [*r]}}",
        "images: {a: &a {name: x, min_ram: 1}, b: {<<: *a, name: y}, c: {<<: [*a, {tags: [t]}]}}",
        "images: {}",
    ],
)
def test_what_manifests_usually_hold_is_read_fast(text: str) -> None:
    """Also aliases and merges, in which a scalar may be a number here and a text there."""
    data, used = read(text)
    assert data is not None
    assert (data, used) == read_with_places(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "# nothing",
            "a: [",
            "a: 1\n---\nb: 1",
            "{a: 1, a: 2}",
            "{<<: [x]}",
            "{? [a] : b}",
            "a: *nowhere",
            "\x07",
        ),
        *("a: !!str 1", "a: !!map {}", 'a: "\\0"', "images: {a: {min_ram: '${x}'}}"),
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        "[" * MAX_DEPTH + "x" + "]" * MAX_DEPTH,
        f"[{'x, ' * (MAX_ITEMS + 1)}]",
        f"{{{', '.join(f'k{number}: 1' for number in range(MAX_KEYS + 1))}}}",
        f"? {'k' * (MAX_KEY_CHARS + 1)}\n: 1",
        '"a\\n": 1',
    ],
)
def test_what_is_wrong_or_rare_is_left_to_the_other_reader(text: str) -> None:
    """It says what it is, and where."""
    assert read(text, 10**6) == (None, 0)


def test_keys_are_kept_once() -> None:
    """In one text and in the next: most images have the same ones."""
    names: dict[str, str] = {}
    texts = ["images: {a: {properties: {a-long-name: x}}, b: {properties: {a-long-name: y}}}"] * 2
    found = [read_plain(text, SHAPE.kind, Allowance(), names) for text in texts]
    keys = {id(name) for data in found for image in data["images"].values() for name in image["properties"]}
    assert len(keys) == 1
