"""Patterns for the names of superseded images: allowed parts, and the length of the names."""

from datetime import UTC, datetime

import pytest

from imagesync.model.policy import (
    WIDTHS,
    Limit,
    OnRemove,
    OnReplace,
    Policy,
    Publish,
    find_rename_faults,
    format_created,
    measure_shortest_name,
)

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "directive", ["%n", "%t", "%c", "%A", "%b", "%Z", "%Ey", "%-d", "%_Y", "%^a", "%10Y", "%%", "%", "%\n", "%é"]
)
def test_directives_that_are_not_numbers_of_fixed_width(directive: str) -> None:
    """Control characters, words of a locale, widths: a manifest refuses them, other callers leave them unchanged."""
    ((message, _),) = find_rename_faults(f"a {{created:%Y{directive}}} {{name}}")
    assert message == f"{directive[:2]!r} is not allowed in {{created:…}}"
    assert format_created(MOMENT, f"%Y{directive}") == f"2026{directive}"


def test_directives_that_are_allowed() -> None:
    """Digits, the same number of them in each name."""
    form = "".join(f"%{letter}." for letter in WIDTHS)
    assert list(find_rename_faults(f"{{created:{form}}} 100%n {{key}} {{created}}")) == []
    assert format_created(MOMENT, form) == "2026.03.04.05.06.07.26.063.2026.10.3."


KNOWN = "there are {name}, {key}, {id}, {generation}, {created}"


@pytest.mark.parametrize(
    ("rename", "message", "hint"),
    [
        ("{nam} ({created:%Y})", "{nam} is not a field", "did you mean {name}?"),
        ("{Name}", "{Name} is not a field", "did you mean {name}?"),
        ("{ name }", "{ name } is not a field", "did you mean {name}?"),
        ("{}", "{} is not a field", KNOWN),
        ("{version}-old", "{version} is not a field", KNOWN),
        ("{name!r}", "{name!r} is not a field", "did you mean {name}?"),
        ("{name:>20}", "{name} does not accept a format after a colon", "write {name}"),
        ("{generation:03d}", "{generation} does not accept a format after a colon", "write {generation}"),
        ("{created:}", "{created:…} has no % in its date format", "write {created:%Y-%m-%d}"),
        ("{created:YYYY}", "{created:…} has no % in its date format", "write {created:%Y-%m-%d}"),
        ("{name", "{ has no matching brace", "write {FIELD}; a name cannot have braces"),
        ("{key} $name", "$name is not a field", "write {name}"),
        ("%(name)s old", "%(name)s is not a field", "write {name}"),
        ("<name>", "<name> is not a field", "write {name}"),
        (" ", "the new name would be blank", "write a pattern such as {name} (old), or false"),
        ("name}", "} has no matching brace", "write {FIELD}; a name cannot have braces"),
        ("{{name}} old", "braces are doubled", "write each brace once: {name}"),
        ("{name} %Y", "%Y is not in braces", "write {created:%Y}"),
        ("false", "'false' would become the name of images", "write false, without quotes, to keep the names"),
        *(
            (word, f"{word!r} would become the name of images", "write false, without quotes, to keep the names")
            for word in ("true", "Yes", "off", "on", "none", "NULL", "~")
        ),
        ("{ NAME }", "{ NAME } is not a field", "did you mean {name}?"),
        ("No", "'No' would become the name of images", "write false, without quotes, to keep the names"),
    ],
)
def test_text_that_would_be_part_of_a_name_by_mistake_is_found(rename: str, message: str, hint: str) -> None:
    """An unknown field, a format where none is allowed, a single brace, a wrong date format, a quoted false."""
    assert list(find_rename_faults(rename)) == [(message, hint)]


def test_a_secret_in_a_pattern_is_not_shown() -> None:
    """A pattern may have any text."""
    ((message, _),) = find_rename_faults("{ghp_" + "aB3" * 12 + "}")
    assert message == "{(40 characters, not shown: looks like a secret)} is not a field"


@pytest.mark.parametrize("rename", ["{name} ({created:%Y-%m-%d})", "old", "{key}-{generation}", "{id}", "100% {name}"])
def test_patterns_that_give_names(rename: str) -> None:
    """Any text around any field."""
    assert list(find_rename_faults(rename)) == []


@pytest.mark.parametrize(
    ("rename", "size"),
    [
        ("old", 3),
        ("{name}.{key}", 8),
        ("{id}", 36),
        ("v{generation}", 2),
        ("{created}", 10),
        ("{created:%y%j%H:%M}", 10),
    ],
)
def test_the_shortest_name_that_a_pattern_gives(rename: str, size: int) -> None:
    """For an image named abc, key wxyz, generation 1."""
    assert measure_shortest_name(rename, "abc", "wxyz") == size


def test_each_wrong_directive_is_a_problem_once() -> None:
    """With those that are allowed."""
    hint = "write one of %Y %m %d %H %M %S %y %j %G %V %u"
    assert list(find_rename_faults("{created:%n%Y%t%n} {name:x}")) == [
        ("'%n' is not allowed in {created:…}", hint),
        ("'%t' is not allowed in {created:…}", hint),
        ("{name} does not accept a format after a colon", "write {name}"),
    ]


def test_a_policy_of_which_nothing_is_said_is_careful() -> None:
    """One build is kept, hidden; a third of the keys may be removed; nothing protected is."""
    assert (str(Limit(30)), str(Limit(3, percent=False))) == ("30 %", "3")
    assert Policy() == Policy(
        OnRemove.DELETE,
        OnReplace(1, None, True, False, None, (), (), (), ()),
        Limit(30, True),
        Limit(100, True),
        Publish.ANY,
        allow_protected=False,
        allow_destroy=False,
        reactivate=False,
        drift_only=False,
    )
