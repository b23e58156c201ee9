"""What the service would refuse or hide in names, tags and properties."""

from pathlib import Path

import pytest

from imagesync.manifest.texts import find_text_problems
from tests.unit.manifest.one_file import problems

MANY_A, MANY_B = (", ".join(f"{letter}{number}: x" for number in range(100)) for letter in "ab")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "images: {a: {properties: {imagesync_x: 1}}}",
            "3:27: images.a.properties.imagesync_x: this name is reserved; choose another",
        ),
    ],
)
def test_a_mistake_is_one_line_with_place_and_way_out(tmp_path: Path, text: str, expected: str) -> None:
    """FILE:LINE:COLUMN: where: what; hint."""
    assert problems(tmp_path, text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        'images: {a: {name: "\\u0007"}}',
        "images: {a: {name: '\U0001f600'}}",
    ],
)
def test_hostile_text_ends_in_diagnostics(tmp_path: Path, text: str) -> None:
    """Never a traceback, never raw control characters."""
    found = problems(tmp_path, text)
    assert found
    assert "\x07" not in "".join(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("images: {a: {on_replace: {unset: [properties.imagesync_key]}}}", "this name is reserved"),
        ("images: {a: {on_replace: {set: {properties: {imagesync_key: x}}}}}", "this name is reserved"),
        (f"images: {{a: {{properties: {{x: {'é' * 40_000}}}}}}}", "80000 bytes long, the limit is 65535"),
        (
            f"profiles: {{p: {{properties: {{{MANY_A}}}}}}}\nimages: {{a: {{profiles: [p], properties: {{{MANY_B}}}}}}}",
            "200 properties, the limit is 120",
        ),
    ],
)
def test_what_the_service_would_refuse_is_a_diagnostic(tmp_path: Path, text: str, expected: str) -> None:
    """One line with the place, before anything is planned."""
    (problem,) = problems(tmp_path, f"defaults: {{source: none}}\n{text}\n")
    assert expected in problem


@pytest.mark.parametrize("text", ["日本 naïve\t", "a\nb", ""])
def test_letters_of_every_script_are_allowed(text: str) -> None:
    """Tabs and line ends too."""
    assert list(find_text_problems({"name": text, "tags": [text], "properties": {"p": text}})) == []
