"""A definition to an ImageSpec."""

import re
from pathlib import Path

import pytest

from imagesync.model.catalog import Member, NamedProject, is_project_id
from imagesync.schemas import load_schema
from tests.unit.manifest.one_file import problems, wanted


def test_a_superseded_image_may_get_other_fields(tmp_path: Path) -> None:
    """``on_replace.set`` takes the service's own fields, properties and tags."""
    text = "images: {a: {on_replace: {set: {visibility: private, protected: false, min_ram: 1, tags: [old], properties: {x: 1}}}}}"
    (spec,) = wanted(tmp_path, text).images
    assert spec.on_replace.set_fields == (("min_ram", 1), ("protected", False), ("visibility", "private"))
    assert (spec.on_replace.set_tags, spec.on_replace.set_properties) == (("old",), (("x", "1"),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "images: {a: {expires: 2027-02-30}}",
            "3:14: images.a.expires: '2027-02-30' is not a day of the calendar; write YYYY-MM-DD",
        ),
    ],
)
def test_a_mistake_is_one_line_with_place_and_way_out(tmp_path: Path, text: str, expected: str) -> None:
    """FILE:LINE:COLUMN: where: what; hint."""
    assert problems(tmp_path, text) == [expected]


def test_a_member_by_name_is_of_the_default_domain_unless_it_has_another(tmp_path: Path) -> None:
    """Its name is Default; the id of that domain differs from cloud to cloud."""
    members = "[{project: p}, {project: q, domain: D}]"
    (spec,) = wanted(tmp_path, f"images: {{a: {{visibility: shared, members: {members}}}}}").images
    assert spec.members == {NamedProject("p", "Default"), NamedProject("q", "D")}


def test_days_are_written_in_days_or_weeks(tmp_path: Path) -> None:
    """``delete_after: 2w`` is 14 days."""
    text = "images: {a: {on_replace: {delete_after: 2w}}, b: {on_replace: {delete_after: 90d}}, c: {}}"
    assert [spec.on_replace.delete_after for spec in wanted(tmp_path, text).images] == [14, 90, None]


def test_an_image_is_called_like_its_key_unless_it_has_a_name(tmp_path: Path) -> None:
    """The key is always there."""
    assert [spec.name for spec in wanted(tmp_path, "images: {a: {}, b: {name: x}}").images] == ["a", "x"]


ID, UUID = "22475f0b415543bbbcc9f0117fb3ca8b", "22475f0b-4155-43bb-bcc9-f0117fb3ca8b"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (ID, ID),
        (UUID, UUID),
        ("{id: bob}", "bob"),
        ("{project: demo}", NamedProject("demo", "Default")),
        ("{project: demo, domain: ops}", NamedProject("demo", "ops")),
        ("'${team}'", ID),
        ("{project: '${name}'}", NamedProject("demo", "Default")),
    ],
)
def test_a_project_by_its_id_or_its_name(tmp_path: Path, written: str, meant: Member) -> None:
    """As owner, as member, and as owner of a removed key."""
    text = (
        f"values: {{team: {ID}, name: demo}}\nimages: {{a: {{owner: {written}, visibility: shared, members: [{written}]}}}}\n"
        f"removed: {{b: {{owner: {written}}}}}"
    )
    found = wanted(tmp_path, text)
    assert [found.images[0].owner, *found.images[0].members, *found.owners.values()] == [meant] * 3


def suggest(name: str) -> str:
    """What a message says of a bare word."""
    return (
        f"'{name}' is not a project id (32 hexadecimal digits in lower case, or a UUID); for a name write {{project: {name}}}, "
        f"and its domain if that is not Default; for an id of another form {{id: {name}}}"
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("bob", suggest("bob")),
        (
            ID.upper(),
            "(32 characters, not shown: looks like a secret) is not a project id (32 hexadecimal digits in lower case, or a "
            "UUID); write it in lower case",
        ),
        (f"{ID}0", suggest("VALUE").replace("'VALUE'", "(33 characters, not shown: looks like a secret)")),
        ("'${team}'", suggest("demo")),
        ("{project: a, id: b}", "project and id exclude each other"),
        ("{domain: a}", "domain needs project beside it"),
        ("{}", "an empty mapping"),
        ("{name: a}", "unknown key; known here: domain, id, project"),
        ("{project: ''}", "empty"),
    ],
)
def test_a_bare_word_is_no_project(tmp_path: Path, written: str, expected: str) -> None:
    """The service takes any word: the image would belong to, or be shared with, nobody."""
    for text in (f"owner: {written}", f"visibility: shared, members: [{written}]"):
        (problem,) = problems(tmp_path, f"values: {{team: demo}}\nimages: {{a: {{{text}}}}}")
        assert problem.endswith(f": {expected}")
        assert problem.startswith("4:")
    (problem,) = problems(tmp_path, f"values: {{team: demo}}\nimages: {{}}\nremoved: {{b: {{owner: {written}}}}}")
    assert problem.endswith(f": {expected}")


def test_ids_have_one_form() -> None:
    """For the schema, which editors read, and for export."""
    (rule, *_), texts = load_schema("manifest")["$defs"]["project"]["anyOf"], (ID, UUID, ID.upper(), ID[1:], "bob", "")
    assert [bool(re.search(rule["pattern"], text)) for text in texts] == list(map(is_project_id, texts))
    assert [is_project_id(text) for text in texts] == [True, True, False, False, False, False]


@pytest.mark.parametrize("written", ["Ubuntu", "'true'", "yes", "6a1b8b0e"])
def test_an_image_is_adopted_by_its_id(tmp_path: Path, written: str) -> None:
    """A name, or a truth in quotes, is none."""
    (problem,) = problems(tmp_path, f"images: {{a: {{adopt: {written}}}}}")
    assert "is not true, false or an image's id (a UUID)" in problem
