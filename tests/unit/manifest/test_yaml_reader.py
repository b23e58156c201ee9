"""YAML text to a tree: scalars, tags, keys and limits."""

from pathlib import Path

import pytest

from imagesync.errors import MAX_PROBLEMS
from imagesync.manifest.yaml_reader import (
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_KEY_CHARS,
    MAX_KEYS,
    MAX_TEXT_CHARS,
    Allowance,
    parse,
    parse_scalar,
)
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


def many_keys(number: int) -> str:
    """A mapping of so many keys."""
    return f"{{{', '.join(f'k{index}: x' for index in range(number))}}}"


@pytest.mark.parametrize(
    ("fitting", "beyond", "message"),
    [
        (
            "[" * (MAX_DEPTH - 1) + "x" + "]" * (MAX_DEPTH - 1),
            "[" * MAX_DEPTH + "x" + "]" * MAX_DEPTH,
            "nested deeper than 32 levels",
        ),
        ("[" + "x, " * MAX_ITEMS + "]", "[" + "x, " * (MAX_ITEMS + 1) + "]", "more than 1024 items in one list"),
        (many_keys(MAX_KEYS), many_keys(MAX_KEYS + 1), "more than 10000 keys in one mapping"),
        ("x" * MAX_TEXT_CHARS, "x" * (MAX_TEXT_CHARS + 1), "a text of 1048577 characters, the limit is 1048576"),
        (
            f"? {'k' * MAX_KEY_CHARS}\n: x",
            f"? {'k' * (MAX_KEY_CHARS + 1)}\n: x",
            "a key of 1025 characters, the limit is 1024",
        ),
    ],
)
def test_exactly_a_limit_is_allowed(fitting: str, beyond: str, message: str) -> None:
    """One more is not."""
    assert parse(fitting, "x.yaml")[1] == []
    root, (problem,) = parse(beyond, "x.yaml")
    assert (root, problem.message) == (None, message)
    assert problem.hint


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, None) for text in ("", "~", "null", "Null", "NULL")),
        *((text, True) for text in ("true", "True", "TRUE")),
        *((text, False) for text in ("false", "False", "FALSE")),
        *(("0", 0), ("007", 7), ("+5", 5), ("-5", -5), ("0o17", 15), ("0xfF", 255), ("9" * 18, int("9" * 18))),
        *((text, text) for text in ("nULL", "yes", "on", "tRUE", "1_0", "0x", "0o8", "5 ", "1.0", "9" * 19, "0b1")),
    ],
)
def test_a_scalar_is_what_the_core_schema_says(text: str, value: object) -> None:
    """Of YAML 1.2: no other words, and no longer numbers."""
    found = parse_scalar(text)
    assert (found, type(found)) == (value, type(value))


def test_a_repeated_key_is_reported_with_the_line_of_the_first_key() -> None:
    """Not with that of its value; each time, up to the limit."""
    _, found = parse("a:\n  x\nb: 1\na: 2\na: 3", "x.yaml")
    assert list(map(str, found)) == [
        "x.yaml:4:1: a: defined twice; first in line 1; keep one",
        "x.yaml:5:1: a: defined twice; first in line 4; keep one",
    ]
    root, found = parse("a: 0\n" + "a: 1\n" * (MAX_PROBLEMS + 2), "x.yaml")
    assert root is None
    assert len(found) == MAX_PROBLEMS + 1
    assert str(found[-1]).endswith(": too many problems; the rest is not checked; correct those first")


def test_a_merge_key_in_quotes_is_a_key() -> None:
    """As any other."""
    root, found = parse("x: &x {a: 1}\nz: {'<<': *x}\ny: {'<<': t}", "x.yaml")
    assert found == []
    assert root is not None
    assert [list(root.items()[name].items()) for name in "zy"] == [["<<"], ["<<"]]


def test_a_tag_says_what_a_scalar_is() -> None:
    """A float keeps its text; a text that does not fit its tag is a problem."""
    root, found = parse(
        "[!!str 5, !!int 0x5, !!bool true, !!null ~, !!float 1e3, !!float .inf, '5', !!str ~]", "x.yaml"
    )
    assert found == []
    assert root is not None
    assert isinstance(root.value, list)
    assert [node.value for node in root.value] == ["5", 5, True, None, "1e3", ".inf", "5", "~"]
    for text in ("!!int x", "!!int true", "!!bool 1", "!!null 0", "!!float 1.2.3", "!!float x"):
        _, (problem,) = parse(text, "x.yaml")
        assert problem.message == f"the text here has the tag {text.split()[0]}, but is not of that type"
