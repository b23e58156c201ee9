"""Text that is not YAML: the place, the cause, what to write, and the line with a caret."""

from pathlib import Path

import pytest

from imagesync.errors import ManifestError
from imagesync.manifest.yaml_problems import PREFIX
from imagesync.manifest.yaml_reader import parse
from tests.unit.manifest.one_file import problems

COLON = "a value with a colon and a space in it needs quotes"
NO_PAIR = "this line is not KEY: VALUE; write a colon and a space after the key"
NO_INDENT = (
    "the indentation of this line fits no line above it; begin it in the same column as the lines that it belongs to"
)
AFTER_END = (
    "there is more text after the end of the value; put the whole value in quotes; "
    'a quote inside double quotes is written \\"'
)


@pytest.mark.parametrize(
    ("lines", "place", "expected"),
    [
        ("\ta: {}", "2:1", "the indentation has a tab; indent with spaces"),
        ("  a:\n  \tname: x", "3:3", "the indentation has a tab; indent with spaces"),
        ("  a:\n    name: x\n\tmin_ram: 5", "4:1", "the indentation has a tab; indent with spaces"),
        ("  a:\n    name: Ubuntu: 24.04", "3:17", f'{COLON}; write name: "Ubuntu: 24.04"'),
        ("  a: {name: Ubuntu: 24.04}", "2:19", f'{COLON}; write name: "Ubuntu: 24.04"'),
        ("  a:\n    tags: [a: b: c]", "3:16", f'{COLON}; put the value in quotes: "a: b: c"'),
        ("  a:\n    tags:\n    - a: b: c", "4:11", f'{COLON}; put the value in quotes: "a: b: c"'),
        ("  a:\n    name: it's: x  # y", "3:15", f'{COLON}; write name: "it\'s: x"'),
        (
            "  a:\n    name: x\n      min_ram: 5",
            "4:7",
            "this line is indented deeper than line 3, which has a value already; "
            "begin both in the same column, or remove the value",
        ),
        ("  a:\n    name: x\n   min_ram: 5", "4:4", NO_INDENT),
        ("  a:\n    name x\n    min_ram: 5", "3:5", NO_PAIR),
        ("  a:\n    min_ram: 5\n    name x", "4:5", NO_PAIR),
        ("  a:\n    name:x\n    min_ram: 5", "3:5", "a space is missing after the colon; write name: x"),
        ("  a:\n    name: @x", "3:11", "a value cannot begin with '@'; put the value in quotes: \"@x\""),
        ("  a:\n    name: `x`", "3:11", "a value cannot begin with '`'; put the value in quotes: \"`x`\""),
        (
            "  a:\n    ignore: [*.x]",
            "3:14",
            "a value that begins with * is an alias, the name of something above; put the value in quotes: \"*.x\"",
        ),
        ("  a:\n    name: & b", "3:11", 'a value that begins with & is an anchor, a name for what follows; '
         'put the value in quotes: "& b"'),
        ('  a:\n    name: "x\n    min_ram: 5', "3:11", "this quote is not closed; write the closing quote"),
        ("  a:\n    name: 'it's x'", "3:15", AFTER_END),
        ('  a:\n    name: "x" (LTS)', "3:15", AFTER_END),
        (
            '  a:\n    name: "C:\\images"',
            "3:14",
            "after a backslash in double quotes only certain letters are allowed; "
            "write \\\\ for a backslash, or use single quotes",
        ),
        ("  a:\n    tags: - x", "3:11", "a list cannot begin here; begin it in the next line, or write it as [A, B]"),
        ("  a: {name: x\n  b: {}", "2:6", "this { is not closed before line 3; write the closing }, or a comma"),
        ("  a:\n    name: x\n    - y", "4:5", "a list item is beside KEY: VALUE lines; "
         "write it below a key, or remove the -"),
        ("  a:\n    tags:\n      - x\n      y: z", "5:7", "KEY: VALUE is beside list items; "
         "write a - before it, or move it out of the list"),
        ("  a: {}\n...\nx: y", "4:1", "this is after the end of the document; remove the line ... or --- above it"),
        ("  a:\n    name: x\n\ufeff  b: {}", "4:1", "the text has a byte order mark inside; remove it"),
        ("  a: {name: x}}", "2:15", "this } closes nothing; remove it, or write the {"),
        ('  a: {"name": "x" "min_ram": 5}', "2:19", "a comma is missing before this; "
         "write a comma between two items, or quote the value"),
        (
            "  a:\n    name: >=5",
            "3:11",
            'a value that begins with > is a text of several lines; put the value in quotes: ">=5"',
        ),
        ("  a:\n    name: , x", "3:11", "a value cannot begin with ','; put the value in quotes"),
        (
            "  a: x\x07",
            "2:7",
            "the character U+0007 is not allowed in YAML; remove it, or write it in double quotes as an escape",
        ),
        ("  a:\n    name: C#: x#y  # z", "3:13", f'{COLON}; write name: "C#: x#y"'),
        (f"  a:\n    name: @{'x' * 59}", "3:11", f"a value cannot begin with '@'; put the value in quotes: \"@{'x' * 59}\""),
        (f"  a:\n    name: @{'x' * 60}", "3:11", "a value cannot begin with '@'; put the value in quotes"),
        (f"  a:\n    name: x: {'y' * 53}", "3:12", f'{COLON}; write name: "x: {"y" * 53}"'),
        (f"  a:\n    name: x: {'y' * 54}", "3:12", f'{COLON}; write KEY: "VALUE"'),
        ("  a: [x]]", "2:9", "this ] closes nothing; remove it, or write the ["),
        ("  a: [x\n  b: {}", "2:6", "this [ is not closed before line 3; write the closing ], or a comma"),
        ("=======\n  a: {}\n  b", "2:1", NO_PAIR),
        (
            "<<<<<<< HEAD\n  a: {}\n=======\n  b: {}\n>>>>>>> x",
            "2:1",
            "a merge conflict is not resolved; keep one of the two versions, and remove the marks",
        ),
    ],
)  # fmt: skip
def test_the_cause_is_named_where_it_is(lines: str, place: str, expected: str) -> None:
    """Not where the parser noticed it, nor what it expected there."""
    root, (problem,) = parse(f"images:\n{lines}\n", "m.yaml")
    assert root is None
    assert str(problem) == f"m.yaml:{place}: {PREFIX}{expected}"


@pytest.mark.parametrize(
    ("line", "display"),
    [
        ("  name: Ubuntu: 24.04", ["      name: Ubuntu: 24.04", "                  ^"]),
        ("  a:\t\"x\" y", ["      a:→\"x\" y", "             ^"]),
        ("  名: \"x\" y", ["      名: \"x\" y", "              ^"]),
        (f"  n: {'x' * 90}: y", [f"    … {'x' * 35}: y", f"    {' ' * 37}^"]),
        (f"  n: x: {'yy' * 90}", [f"      n: x: {'y' * 62} …", "          ^"]),
    ],
)  # fmt: skip
def test_the_line_is_shown_with_a_caret(line: str, display: list[str]) -> None:
    """At most 80 columns of it, the caret below the column."""
    _, found = parse(f"images: {{}}\nx:\n{line}\n", "m.yaml")
    *drawn, _ = str(ManifestError(found)).split("\n")[1:]
    assert drawn == display
    assert all(len(part) <= 80 for part in drawn)


def test_lines_of_other_files_are_not_shown() -> None:
    """A manifest may be a link to settings with passwords: only a file with a key of manifests is quoted."""
    line = "horse: battery: staple"
    _, (other,) = parse(f"{line}\n", "m.yaml")
    _, (ours,) = parse(f"catalog: base\n{line}\n", "m.yaml")
    assert (other.excerpt, ours.excerpt) == ("", line)
    assert "battery" not in str(other)
    for key in ("password", "pin", "api-key", "OS_TOKEN"):
        _, (secret,) = parse(f"catalog: base\n{key}: battery: staple\n", "m.yaml")
        assert "battery" not in str(ManifestError([secret]))
    token = "ghp_" + "a1B2c3D4" * 4
    _, (secret,) = parse(f"catalog: base\nname: {token}: x\n", "m.yaml")
    assert secret.hint == 'write KEY: "VALUE"'
    assert token not in str(ManifestError([secret]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "images: {a: {name: {{ name }}}}",
            "3:21: a key that is not text; put a value that begins with { or [ in quotes",
        ),
        (
            "images: {a: {name: *b}}",
            "3:20: no anchor of this name before this alias; "
            "put the value in quotes if it is text: what begins with * is an alias",
        ),
        (
            "images: {a: {name: !b c}}",
            "3:20: a tag of another kind is not plain data; remove it; text that begins with ! needs quotes",
        ),
    ],
)
def test_marks_of_yaml_that_begin_a_text_are_named(tmp_path: Path, text: str, expected: str) -> None:
    """What is YAML, but not what was meant."""
    assert problems(tmp_path, text) == [expected]
