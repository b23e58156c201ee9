"""Which names the service's database treats as equal, and the messages about them."""

import pytest

from imagesync.model.alike import (
    drop_alike_tags,
    explain_alike_properties,
    explain_alike_tags,
    find_alike,
    fold_name,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("os_distro", "OS_Distro"),
        ("a", "a  "),
        ("a", "ä"),
        ("a", "Å"),
        ("s", "ß"),
        ("s", "ſ"),
        ("i", "İ"),
        ("i", "ı"),
        ("ä", "a\u0308"),
        ("σ", "ς"),
        ("σ", "ϲ"),
        ("ι", "\u0345"),
        ("a", "a\u0300"),
        ("a", "a\u036f"),
        ("Е", "ё"),
        ("", " "),
    ],
)
def test_case_accents_and_trailing_spaces_make_no_difference(one: str, other: str) -> None:
    """Found by trial on MariaDB; ``tests/cloud/test_mariadb.py`` compares every character."""
    assert fold_name(one) == fold_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "a\t"),
        ("a", " a"),
        ("a", "ab"),
        ("ss", "ß"),
        ("ae", "æ"),
        ("o", "ø"),
        ("l", "ł"),
        ("か", "が"),
        ("a", "ａ"),
    ],
)
def test_other_names_stay_different(one: str, other: str) -> None:
    """A false positive would refuse a correct manifest."""
    assert fold_name(one) != fold_name(other)


def test_each_alike_name_is_found_with_the_first_one() -> None:
    """Equal names are not a pair."""
    assert list(find_alike(["a", "b", "A", "a", "ä "])) == [("A", "a"), ("ä ", "a")]


def test_a_property_is_explained_only_if_it_is_added_beside_an_alike_one() -> None:
    """A property that the image already has can be written."""
    ((what, ways),) = explain_alike_properties(["Foo", "bar"], ["foo", "bar", "new"])
    assert what == (
        "property 'foo' differs from 'Foo', which the image has, only in case, accents or trailing spaces; "
        "a service on MariaDB or MySQL rejects this update (HTTP 500)"
    )
    assert ways == "keep 'Foo', choose another name, or make the change together with a new build"


def test_two_alike_tags_are_explained() -> None:
    """Neither can be removed."""
    ((what, ways),) = explain_alike_tags(["b", "a", "A"])
    assert what == (
        "tags 'A' and 'a' differ only in case, accents or trailing spaces; "
        "on MariaDB or MySQL neither can be removed from an image that has both (HTTP 500)"
    )
    assert ways == "leave both as they are, or make the change together with a new build"


def test_new_tags_that_are_alike_to_live_ones_can_follow_later() -> None:
    """All other tags are kept, sorted."""
    assert drop_alike_tags(["A", "x"], ["z", "a", "x"]) == ("x", "z")
