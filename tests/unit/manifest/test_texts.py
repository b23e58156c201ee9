"""What the service would refuse or hide in names, tags and properties."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesync.manifest.texts import MAX_PROPERTIES, find_alike_names, find_text_problems
from imagesync.model.image import MAX_NAME_CHARS, MAX_PROPERTY_BYTES
from imagesync.model.policy import ID_CHARS
from tests.unit.manifest.one_file import problems, wanted

MANY_A, MANY_B = (", ".join(f"{letter}{number}: x" for number in range(100)) for letter in "ab")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "images: {a: {properties: {imagesync_x: 1}}}",
            "3:27: images.a.properties.imagesync_x: this name is reserved; choose another name",
        ),
        (
            "images: {a: {properties: {ImageSync_id: 1}}}",
            "3:27: images.a.properties.ImageSync_id: this name is reserved; choose another name",
        ),
        (
            "images: {a: {properties: {ímagesync_x: 1}}}",
            "3:27: images.a.properties.ímagesync_x: this name is reserved; choose another name",
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
        (f"images: {{a: {{properties: {{x: {'é' * 40_000}}}}}}}", "80000 bytes long in UTF-8, the limit is 65535"),
        (
            f"images: {{a: {{on_replace: {{set: {{properties: {{x: {'é' * 40_000}}}}}}}}}}}",
            "images.a.on_replace.set.properties.x: 80000 bytes long",
        ),
        (
            f"values: {{v: {'é' * 20_000}}}\nimages: {{a: {{properties: {{x: '${{v}}${{v}}'}}}}}}",
            "images.a.properties.x: 80000 bytes long",
        ),
        (
            f"images: {{a: {{properties: {{x: '{'${images.b.id}' * 2_000}'}}}}, b: {{}}}}",
            "images.a.properties.x: 72000 bytes long",
        ),
        ("images: {a: {on_replace: {set: {properties: {x: '\U0001f600'}}}}}", "beyond the basic plane"),
        ("images: {a: {on_replace: {set: {tags: ['\U0001f600']}}}}", "images.a.on_replace.set.tags[0]: has a char"),
        ("images: {a: {on_replace: {rename: '{name} \U0001f600'}}}", "images.a.on_replace.rename: has a character"),
        (
            f"profiles: {{p: {{properties: {{{MANY_A}}}}}}}\nimages: {{a: {{profiles: [p], properties: {{{MANY_B}}}}}}}",
            "200 properties; the limit is 120; remove some of them",
        ),
    ],
)
def test_what_the_service_would_refuse_is_a_diagnostic(tmp_path: Path, text: str, expected: str) -> None:
    """One line with the place, before anything is planned."""
    (problem,) = problems(tmp_path, f"defaults: {{source: none}}\n{text}\n")
    assert expected in problem


@pytest.mark.parametrize(("number", "is_fit"), [(120, True), (121, False)])
def test_an_image_has_room_for_so_many_properties(number: int, *, is_fit: bool) -> None:
    """With those that imagesync adds the service's limit of 128 is kept."""
    found = list(find_text_problems({"properties": {f"p{index}": "x" for index in range(number)}}))
    assert (found == []) is is_fit


@pytest.mark.parametrize("number", [121, 123, 600])
@pytest.mark.parametrize("place", ["images: {a: {properties: {PROPERTIES}}}", "defaults: {properties: {PROPERTIES}}"])
def test_too_many_properties_are_one_problem_with_their_number(tmp_path: Path, place: str, number: int) -> None:
    """The schema and the check of the merged image have one limit and one message."""
    text = place.replace("PROPERTIES", ", ".join(f"p{index}: x" for index in range(number)))
    images = "" if text.startswith("images") else "images: {a: {source: none}}\n"
    (problem,) = problems(tmp_path, f"{text}\n{images}")
    assert problem.endswith(f".properties: {number} properties; the limit is 120; remove some of them")


@pytest.mark.parametrize("text", ["日本 naïve\t", "a\nb", ""])
def test_letters_of_every_script_are_allowed(text: str) -> None:
    """Tabs and line ends too."""
    assert list(find_text_problems({"name": text, "tags": [text], "properties": {"p": text}})) == []


WAY = "keep one of them: most image services cannot store both"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "images: {a: {properties: {Foo: 1, foo: 2}}}",
            "4:35: images.a.properties.foo: differs from 'Foo' (FILE:4) only in",
        ),
        (
            "images: {a: {properties: {naive: 1, naïve: 2}}}",
            "4:37: images.a.properties.naïve: differs from 'naive' (FILE:4) only in",
        ),
        (
            "images: {a: {properties: {x: 1, 'x ': 2}}}",
            "4:33: images.a.properties.x : differs from 'x' (FILE:4) only in",
        ),
        (
            "profiles: {p: {properties: {Foo: 1}}}\nimages: {a: {profiles: [p], properties: {foo: 1}}}",
            "5:42: images.a.properties.foo: differs from 'Foo' (FILE:4) only in",
        ),
        (
            "profiles: {p: {properties: {Foo: 1}}, q: {properties: {foo: 1}}}\nimages: {a: {profiles: [p, q]}}",
            "4:56: images.a.properties.foo: differs from 'Foo' (FILE:4) only in",
        ),
        (
            "targets: {t: {store: s, images: {a: {properties: {FOO: 1}}}}}\nimages: {a: {properties: {foo: 1}}}",
            "4:51: images.a.properties.FOO: differs from 'foo' (FILE:5) only in",
        ),
        (
            "images: {a: {properties: {x: 1}, on_replace: {set: {properties: {X: 1}}}}}",
            "4:66: images.a.on_replace.set.properties.X: differs from 'x' (FILE:4) only in",
        ),
        ("images: {a: {tags: [A, b, a]}}", "4:27: images.a.tags[2]: differs from 'A' (FILE:4) only in"),
        (
            "images: {a: {tags: [A], on_replace: {set: {tags: [a]}}}}",
            "4:51: images.a.on_replace.set.tags[0]: differs from 'A' (FILE:4) only in",
        ),
    ],
)
def test_names_that_most_databases_hold_equal_are_a_problem(tmp_path: Path, text: str, expected: str) -> None:
    """Both places are named, also if one is inherited."""
    target = "t" if "targets" in text else None
    (problem,) = problems(tmp_path, f"defaults: {{source: none}}\n{text}\n", target=target)
    wanted = f"{expected} case, accents or trailing spaces; {WAY}"
    assert problem == wanted.replace("FILE", f"{tmp_path}/catalog.yaml")


def test_defaults_count_too_and_one_spelling_overrides(tmp_path: Path) -> None:
    """The same name is not another name."""
    defaults = "defaults: {source: none, properties: {Foo: 1}}\n"
    (problem,) = problems(
        tmp_path, f"{defaults}images: {{a: {{properties: {{foo: 2}}}}, b: {{properties: {{Foo: 2}}}}}}"
    )
    assert problem.startswith("4:27: images.a.properties.foo: differs from 'Foo'")


@pytest.mark.parametrize(
    "place", ["images: {a: {on_replace: {rename: RENAME}}}", "policy: {on_replace: {rename: RENAME}}\nimages: {a: {}}"]
)
def test_a_form_of_a_moment_that_gives_control_characters_is_refused(tmp_path: Path, place: str) -> None:
    """With its place, and the directives that are allowed."""
    output = problems(tmp_path, place.replace("RENAME", '"{name} {created:%Y%n%n%A}"'))
    allowed = "write one of %Y %m %d %H %M %S %y %j %G %V %u"
    where = f"{'policy' if place.startswith('policy') else 'images.a'}.on_replace.rename"
    assert [one.partition(": ")[2] for one in output] == [
        f"{where}: '%A' is not allowed in {{created:…}}; {allowed}",
        f"{where}: '%n' is not allowed in {{created:…}}; {allowed}",
    ]
    assert all(one.startswith("3:") for one in output)


NAMES = st.sampled_from(
    ["p", "P", "p ", "é", "e", "imagesync_x", "os_glance_y", "status", "id", "\U0001f600", "a\nb", "q"]
)
TEXTS = st.sampled_from(["x", "", "a\nb", "\u0007", "\U0001f600", "ü", "y" * 65_536, "${images.a.id}" + "z" * 65_500])


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "name": TEXTS,
            "tags": st.lists(NAMES, max_size=3, unique=True),
            "properties": st.one_of(
                st.dictionaries(NAMES, TEXTS, max_size=3),
                st.integers(119, 122).map(lambda number: {f"n{index}": "" for index in range(number)}),
            ),
        },
    )
)
def test_the_fast_answer_is_that_of_the_close_look(data: dict[str, object]) -> None:
    """What ``on_replace`` changes makes it look closely, and has no problem of its own here."""
    closely = {**data, "on_replace": {"rename": "n", "set": {"min_ram": 1}}}
    assert list(find_text_problems(data)) == list(find_text_problems(closely))
    assert list(find_alike_names(data)) == list(find_alike_names(closely))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "images: {a: {on_replace: {rename: '{nam}'}}}",
            "3:27: images.a.on_replace.rename: {nam} is not a field; did you mean {name}?",
        ),
        ("policy: {on_replace: {rename: '{nam}'}}\nimages: {}", "3:23: policy.on_replace.rename: {nam} is not a field; did "
         "you mean {name}?"),
        ("policy: {on_replace: {rename: '{nam}'}}\nimages: {a: {}, b: {}}", "3:23: policy.on_replace.rename: {nam} is not a "
         "field; did you mean {name}?"),
        ("images: {a: {on_replace: {rename: ''}}}", "3:27: images.a.on_replace.rename: '' is not a pattern, or false"),
        (
            "images: {a: {on_replace: {rename: true}}}",
            "3:27: images.a.on_replace.rename: true is not a pattern, or false",
        ),
        (
            f"images: {{a: {{name: {'x' * 250}, on_replace: {{rename: '{{name}} (old)'}}}}}}",
            "3:285: images.a.on_replace.rename: the new name would have 256 characters, the limit is 255; "
            "shorten the pattern, or the image's name, by 1",
        ),
        (
            f"policy: {{on_replace: {{rename: '{'x' * 255}{{generation}}'}}}}\nimages: {{a: {{}}, b: {{}}}}",
            "3:23: images.a.on_replace.rename (and 1 more): the new name would have 256 characters, the limit is 255; "
            "shorten the pattern, or the image's name, by 1",
        ),
    ],
)  # fmt: skip
def test_a_pattern_that_gives_no_name_is_found_before_any_build(tmp_path: Path, text: str, expected: str) -> None:
    """Not when a new build is published and the old one gets its name."""
    assert problems(tmp_path, text) == [expected]


def test_a_pattern_may_give_a_name_of_255_characters(tmp_path: Path) -> None:
    """With an id of 36."""
    wanted(tmp_path, f"images: {{a: {{name: {'x' * 218}, on_replace: {{rename: '{{name}} {{id}}'}}}}}}")
    (problem,) = problems(tmp_path, f"images: {{a: {{name: {'x' * 219}, on_replace: {{rename: '{{name}} {{id}}'}}}}}}")
    assert "256 characters" in problem


def count_properties(number: int) -> str:
    """An image with so many properties."""
    return f"properties: {{{', '.join(f'p{one}: x' for one in range(number))}}}"


LIMITS: dict[str, tuple[Callable[[int], str], int, str]] = {
    "properties": (count_properties, MAX_PROPERTIES, "properties"),
    "bytes": (lambda number: f"properties: {{p: {'x' * number}}}", MAX_PROPERTY_BYTES, "properties.p"),
    "bytes of two": (
        lambda number: f"properties: {{p: {'ä' * (number // 2)}{'x' * (number % 2)}}}",
        MAX_PROPERTY_BYTES,
        "properties.p",
    ),
    "bytes with an id": (
        lambda number: f"properties: {{p: '${{images.b.id}}{'x' * (number - ID_CHARS)}'}}",
        MAX_PROPERTY_BYTES,
        "properties.p",
    ),
    "bytes set": (
        lambda number: f"on_replace: {{set: {{properties: {{p: {'x' * number}}}}}}}",
        MAX_PROPERTY_BYTES,
        "on_replace.set.properties.p",
    ),
    "characters of a name": (
        lambda number: f"name: {'x' * (number - 4)}, on_replace: {{rename: '{{name}} old'}}",
        MAX_NAME_CHARS,
        "on_replace.rename",
    ),
}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("beyond", [-1, 0, 1, 2])
def test_a_limit_holds_to_the_last_one(tmp_path: Path, name: str, beyond: int) -> None:
    """At it an image is fine; one more is one problem, with the limit."""
    write, limit, where = LIMITS[name]
    text = f"images: {{a: {{{write(limit + beyond)}}}, b: {{}}}}"
    if beyond <= 0:
        assert wanted(tmp_path, text).images
    else:
        (problem,) = problems(tmp_path, text)
        assert f" images.a.{where}: " in problem
        assert str(limit) in problem


BIDI = ["\x00", "\x08", "\x0b", "\x1f", "\x7f", "\x9f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069"]
PLAIN = ["\t", "\n", " ", "\xa0", "\u2027", "\u202f", "\u2065", "\u206a", "\ud7ff", "\ue000", "\uffff"]
BEYOND = ["\U00010000", "\U0010ffff", "\ud800", "\udfff"]


@pytest.mark.parametrize("char", [*BIDI, *PLAIN, *BEYOND])
def test_characters_at_the_ends_of_what_a_service_takes(char: str) -> None:
    """In each text of an image, and in no other."""
    text = f"a{char}b"
    data = {
        "name": text,
        "tags": ["x", text],
        "properties": {"p": text, text: "x"},
        "on_replace": {"rename": "x", "set": {"tags": [text], "properties": {"p": text}}},
    }
    paths = [
        ("name",),
        ("tags", 1),
        ("properties", "p"),
        ("properties", text),
        ("on_replace", "set", "tags", 0),
        ("on_replace", "set", "properties", "p"),
    ]
    found = [path for path, _, _ in find_text_problems(data)]
    assert sorted(found, key=repr) == ([] if char in PLAIN else sorted(paths, key=repr))
    alone = [path for path, _, _ in find_text_problems({name: data[name] for name in ("name", "tags", "properties")})]
    assert sorted(alone, key=repr) == ([] if char in PLAIN else sorted(paths[:4], key=repr))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"properties": {"imagesync_x": "1", "fine": "1"}}, ("properties", "imagesync_x")),
        (
            {"on_replace": {"set": {"properties": {"fine": "1", "imagesync_x": "1"}}}},
            ("on_replace", "set", "properties", "imagesync_x"),
        ),
        ({"on_replace": {"unset": ["properties.fine", "properties.imagesync_x"]}}, ("on_replace", "unset", 1)),
    ],
)
def test_a_reserved_name_is_found_where_it_stands(data: dict[str, Any], expected: tuple[str | int, ...]) -> None:
    """What is set, what on_replace sets, what it removes."""
    assert [path for path, _, _ in find_text_problems(data)] == [expected]
