"""What must never be taken for removed: keys outside a target."""

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from imagesync.errors import UsageError
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.manifest.scope import intersect_patterns
from imagesync.model.catalog import Catalog

HEAD = "version: 1\ncatalog: base\ndefaults: {source: none}\n"
TARGETED = HEAD + "targets: {eu: {cloud: c, only: [ubuntu-*]}}\nimages: {ubuntu-22: {}, ubuntu-24: {}, debian-12: {}}\n"


def wanted(folder: Path, text: str, *only: str) -> Catalog:
    """The catalog of one file for the target eu."""
    file = folder / "catalog.yaml"
    file.write_text(text, encoding="utf-8")
    return resolve(load(file), target="eu", only=only)


@pytest.mark.parametrize("only", [(), ("*",), ("ubuntu-*",), ("*-2?",), ("ubuntu-24",)])
def test_only_never_widens_what_the_target_has(tmp_path: Path, only: tuple[str, ...]) -> None:
    """A key outside the target's ``only`` is out of scope whatever ``--only`` says: it is not taken for removed."""
    catalog = wanted(tmp_path, TARGETED, *only)
    assert not catalog.is_in_scope("debian-12")
    assert not catalog.is_in_scope("debian-11")
    assert "debian-12" in catalog.keys


@pytest.mark.parametrize(("target", "queries"), [("ubuntu-?", "*"), ("ubuntu-?", "ubuntu-*"), ("*-24", "ubuntu-*")])
def test_patterns_that_overlap_give_no_more_than_both(tmp_path: Path, target: str, queries: str) -> None:
    """A ``*`` is not covered by a ``?``, and where two patterns merely overlap only named keys are meant."""
    text = HEAD + f"targets: {{eu: {{cloud: c, only: ['{target}']}}}}\nimages: {{ubuntu-2: {{}}, ubuntu-24: {{}}}}\n"
    catalog = wanted(tmp_path, text, queries)
    assert not catalog.is_in_scope("ubuntu-18")
    assert not catalog.is_in_scope("debian-12")


def test_only_narrows_what_the_target_has(tmp_path: Path) -> None:
    """Of ``--only`` and the target's ``only`` the narrower decides, for removed keys too."""
    catalog = wanted(tmp_path, TARGETED, "ubuntu-2*")
    assert catalog.is_in_scope("ubuntu-20")
    assert not catalog.is_in_scope("ubuntu-18")


@pytest.mark.parametrize("only", [("debian-*",), ("nosuch",), ("ubuntu-24", "ubunt-22")])
def test_an_only_that_matches_no_image_of_the_target_is_refused(tmp_path: Path, only: tuple[str, ...]) -> None:
    """A mistyped pattern must not look like a wish for nothing."""
    with pytest.raises(UsageError, match="no such key"):
        wanted(tmp_path, TARGETED, *only)


def test_patterns_with_brackets_cover_nothing() -> None:
    """A class of characters is not text: of ``[ab]`` and ``[[]*``, which matches its letters, nothing lies in both."""
    assert intersect_patterns(["[ab]"], ["[[]*"], ["a", "b"]) == ()
    assert intersect_patterns(["[ab]"], ["?"], ["a", "c"]) == ("a",)
    assert intersect_patterns(["?"], ["[ab]"], ["a", "c"]) == ("a",)
    assert intersect_patterns(["*\0*"], ["[!a]*"], ["a", "b"]) == ()
    assert intersect_patterns(["?*"], ["[!a]*"], ["a", "b"]) == ("b",)


GLOBS = ["a", "b", "ab", "*", "?", "a*", "*b", "a?", "?b", "??", "a*b", "*a*", "a?*", "[ab]", "[ab]*", "x*"]
KEYS = ["a", "b", "ab", "abb", "ba", "bb", "x", "xa", ""]


@pytest.mark.parametrize("questions", GLOBS)
def test_what_lies_in_both_of_two_patterns(questions: str) -> None:
    """Never more than both allow, of named keys just that; of a pattern and one that covers it, the narrower."""
    for target in GLOBS:
        found = intersect_patterns([questions], [target], KEYS)
        assert found == tuple(sorted(found))
        for key in (*KEYS, "aab", "abc", "xyz"):
            is_in_both = fnmatchcase(key, questions) and fnmatchcase(key, target)
            is_found = any(fnmatchcase(key, pattern) for pattern in found)
            assert is_found is is_in_both if key in KEYS and "[" not in questions + target else is_found <= is_in_both
        if questions == target or target == "*":
            assert found in ((questions,), tuple(key for key in sorted(KEYS) if fnmatchcase(key, questions)))
        if questions == target and "[" not in questions:
            assert found == (questions,)


def test_without_patterns_of_one_side_those_of_the_other_count() -> None:
    """As they are written; of several, each pair."""
    assert intersect_patterns(["b", "a*"], [], KEYS) == ("b", "a*")
    assert intersect_patterns([], ["b", "a*"], KEYS) == ("b", "a*")
    assert intersect_patterns([], [], KEYS) == ()
    assert intersect_patterns(["x*", "a*"], ["ab*", "xa"], KEYS) == ("ab*", "xa")
    assert intersect_patterns(["*b", "*a"], ["a*", "b*"], KEYS) == ("a", "ab", "abb", "b", "ba", "bb")
