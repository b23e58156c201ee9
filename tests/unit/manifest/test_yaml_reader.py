"""YAML text to a tree: scalars, tags, keys and limits."""

from pathlib import Path

import pytest

from imagesync.manifest.yaml_reader import MAX_DEPTH, MAX_ITEMS, Allowance, parse
from tests.unit.manifest.one_file import problems, wanted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("images: {a: {}, a: {}}", "3:17: a: defined twice; first in line 3; keep one"),
        ('images: {"a\\n": {}}', "3:10: the key 'a\\n' has a control character; remove it"),
        ("images: {\u00a0a: {}}", "3:10: the key '\\xa0a' has a space of another kind; remove it"),
        ("images: {a: {<<: b}}", "3:13: << merges mappings only; name the anchor of one: <<: *NAME"),
        (
            "images: {a: {source: !!float x}}",
            "3:22: the text here has the tag !!float, but is not of that type; remove the tag",
        ),
        ("images: {a: !!seq {}}", "3:13: the tag tag:yaml.org,2002:seq is not plain data; remove it"),
        (
            "images: {a: {min_ram: !<int> 5}}",
            "3:23: a tag of another kind is not plain data; remove it; text that begins with ! needs quotes",
        ),
    ],
)
def test_a_mistake_is_one_line_with_place_and_way_out(tmp_path: Path, text: str, expected: str) -> None:
    """FILE:LINE:COLUMN: where: what; hint."""
    assert problems(tmp_path, text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "images: {a: " + "[" * 100_000,
        "images: [",
        "---\nx: 1\n---\ny: 1",
        "images: !!python/object:os.system {}",
        "images: !x {}",
        "images: *nowhere",
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "\n".join(f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 10)}]" for i in range(8)),
    ],
)
def test_hostile_text_ends_in_diagnostics(tmp_path: Path, text: str) -> None:
    """Never a traceback, never raw control characters."""
    found = problems(tmp_path, text)
    assert found
    assert "\x07" not in "".join(found)


def test_scalars_are_those_of_the_core_schema(tmp_path: Path) -> None:
    """Octal and hexadecimal integers are integers; tags say what a scalar is; ``! 12`` is text."""
    (spec,) = wanted(
        tmp_path,
        "images: {a: {min_ram: 0x10, min_disk: 0o14, name: ! 12, tags: [!!str 1, !!float 1.5], properties: {x: !!int 7}}}",
    ).images
    assert (spec.min_ram, spec.min_disk, spec.name) == (16, 12, "12")
    assert spec.tags == {"1", "1.5"}
    assert spec.properties == {"x": "7"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * MAX_DEPTH + "x" + "]" * MAX_DEPTH, "nested deeper than 32 levels"),
        (f"[{'x, ' * (MAX_ITEMS + 1)}]", "more than 1024 items in one list"),
    ],
)
def test_a_limit_ends_the_file_with_one_diagnostic(text: str, message: str) -> None:
    """With the place at which it was reached."""
    root, found = parse(text, "x.yaml")
    assert root is None
    assert [(item.line, item.message) for item in found] == [(1, message)]


def test_values_are_counted_over_all_files_and_each_time_an_alias_repeats_them() -> None:
    """The first file has seven values, its alias counted as three; the four of the second are too many for ten."""
    left = Allowance(10)
    assert parse("{a: &a [1, 2], b: *a}", "x.yaml", left)[1] == []
    root, found = parse("{a: [1, 2]}", "y.yaml", left)
    assert root is None
    assert [(item.file, item.message) for item in found] == [
        ("y.yaml", "more than 1200000 values in all files, aliases expanded")
    ]


def test_a_merge_key_adds_what_is_not_there() -> None:
    """Of several mappings the first wins, and what the mapping itself says wins over all."""
    root, found = parse("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {<<: [*x, *y], a: 0}", "x.yaml")
    assert found == []
    assert root is not None
    assert {name: node.value for name, node in root.items()["z"].items().items()} == {"a": 0, "b": 1, "c": 2}


def test_an_alias_has_a_place_of_its_own() -> None:
    """A problem of the second use is not reported at the first."""
    root, _ = parse("a: &a x\nb: *a", "x.yaml")
    assert root is not None
    lines = {name: node.problem(name, "").line for name, node in root.items().items()}
    assert lines == {"a": 1, "b": 2}
