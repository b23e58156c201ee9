"""The manifest schema explains each field to a reader who has never seen a manifest."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

import jsonschema
import pytest

from imagesync.manifest.texts import MAX_PROPERTIES
from imagesync.manifest.validation import drop_hints
from imagesync.model.catalog import OnExpire, Status, Visibility
from imagesync.model.diagnosis import Grade
from imagesync.model.drift import Remedy
from imagesync.model.explanation import ContentState
from imagesync.model.plan import Fate, Reason
from imagesync.model.report import Outcome
from imagesync.schemas import NAMES, find_schema, load_schema, read_schema
from tests.command import ROOT
from tests.documents import SECTIONS, find_fields, make_title, resolve
from tests.json_outputs import OUTPUTS, SEVERAL
from tests.schema_hints import SCHEMA as FILE
from tests.schema_hints import render_schema, walk

SCHEMA: Final = load_schema("manifest")
FIELDS: Final = {
    make_title(prefix, name): resolve(SCHEMA, field)
    for _, prefix, place in SECTIONS
    for name, field in find_fields(SCHEMA, place).items()
}
MAX_TITLE_WORDS: Final = 6
MAX_SENTENCE_WORDS: Final = 30


def test_the_generated_parts_of_the_schema_are_up_to_date() -> None:
    """``python -m tests.documents`` writes them again."""
    assert FILE.read_text(encoding="utf-8") == render_schema()


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_has_an_id_that_is_no_address(name: str) -> None:
    """Editors and validators must not ask a network for it."""
    schema = load_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:imagesync:schema:{name}:1"


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_closed(name: str) -> None:
    """A document with an unknown member is an error, on each level."""
    assert list(find_open_objects(load_schema(name))) == []


def find_open_objects(node: Any, path: str = "") -> Iterator[str]:
    """The objects of a schema that allow unknown members."""
    if isinstance(node, dict):
        if "properties" in node and "type" in node and not {"additionalProperties", "unevaluatedProperties"} & {*node}:
            yield path
        for name, part in node.items():
            yield from find_open_objects(part, f"{path}.{name}")
    elif isinstance(node, list):
        for part in node:
            yield from find_open_objects(part, path)


def test_a_fact_that_two_schemas_have_is_the_same_in_both() -> None:
    """Each schema is complete on its own, because validators do not fetch the other ones."""
    report, events, errors, problems = map(load_schema, ("report", "events", "errors", "problems"))
    (finished,) = (form for form in events["oneOf"] if form["title"] == "Step finished")
    (started,) = (form for form in events["oneOf"] if form["title"] == "Run started")
    result, target = report["$defs"]["result"], report["properties"]["target"]
    assert {**finished["properties"], "event": None} == {**result["properties"], "event": None}
    assert target["properties"] == {
        **started["properties"]["place"]["properties"],
        "name": target["properties"]["name"],
    }
    assert problems["$defs"]["problem"]["properties"] == report["$defs"]["problem"]["properties"]
    for name in ("drift", "image"):
        assert load_schema(name)["properties"]["target"]["properties"] == started["properties"]["place"]["properties"]
    assert drop_null(errors["$defs"]["problem"]["properties"]) == report["$defs"]["problem"]["properties"]


@pytest.mark.parametrize(
    ("name", "path", "words"),
    [
        ("report", "$defs/result/properties/outcome", Outcome),
        ("drift", "properties/drift/items/properties/remedy", Remedy),
        ("doctor", "properties/checks/items/properties/grade", Grade),
        ("image", "properties/builds/items/properties/content", ContentState),
        ("image", "properties/builds/items/properties/fate", Fate),
        ("image", "properties/builds/items/properties/drift/items/properties/remedy", Remedy),
        ("image", "properties/builds/items/properties/status", Status),
        ("image", "properties/steps/items/properties/reason", Reason),
        ("image", "properties/declared/properties/on_expire", OnExpire),
        ("list", "$defs/image/properties/status", Status),
        ("list", "$defs/image/properties/visibility", Visibility),
    ],
)
def test_a_list_of_words_is_complete(name: str, path: str, words: type[StrEnum]) -> None:
    """A new word needs a line in the schema."""
    node: Any = load_schema(name)
    for part in path.split("/"):
        node = node[part]
    assert [word for word in node["enum"] if word is not None] == [word.value for word in words]


def test_every_schema_is_listed() -> None:
    """Each file is one that ``imagesync schema`` prints, and ``tests/json_outputs.py`` uses each that is an output."""
    files = {path.name.removesuffix(".schema.json") for path in (ROOT / "schemas").glob("*.json")}
    assert files == set(NAMES)
    assert {*OUTPUTS.values(), *SEVERAL.values()} | {"manifest", "events", "errors", "image"} == set(NAMES)


def drop_null(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties without null as a value."""
    kinds = {
        name: [
            kind for kind in (field["type"] if isinstance(field["type"], list) else [field["type"]]) if kind != "null"
        ]
        for name, field in properties.items()
    }
    return {name: {**field, "type": kind} for name, field in properties.items() for kind in kinds[name]}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_has_a_title_a_description_and_examples(name: str) -> None:
    """Editors show them; the examples are valid values of the field."""
    field = FIELDS[name]
    assert 0 < len(field["title"].split()) <= MAX_TITLE_WORDS
    assert field["description"].endswith(".")
    assert max(len(sentence.split()) for sentence in re.split(r"[.;:] ", field["description"])) <= MAX_SENTENCE_WORDS
    checker = jsonschema.Draft202012Validator({**field, "$defs": SCHEMA["$defs"]})
    assert field["examples"]
    assert [error.message for example in field["examples"] for error in checker.iter_errors(example)] == []


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if "default" in field])
def test_a_description_names_the_default(name: str) -> None:
    """The default is a keyword of the schema and part of the description; both must have the same value."""
    default = FIELDS[name]["default"]
    text = str(default).lower() if isinstance(default, bool) else str(default)
    assert re.search(rf"Default: {re.escape(text)}(?![\w%])", FIELDS[name]["description"])


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if "maximum" in str(field)])
def test_a_description_names_the_largest_number(name: str) -> None:
    """In a readable form."""
    assert [
        limit for limit in list_limits(FIELDS[name], "maximum") if f"{limit:,}" not in FIELDS[name]["description"]
    ] == []


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if "maxItems" in str(field)])
def test_a_description_names_how_many_items_a_list_has(name: str) -> None:
    """The limit of the field itself, not of a field below it."""
    limits = list_limits(FIELDS[name], "maxItems")
    assert [limit for limit in limits if f"At most {limit:,} " not in FIELDS[name]["description"]] == []


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if "maxProperties" in field])
def test_properties_have_the_limit_of_an_owned_image(name: str) -> None:
    """In the schema, in the description, and in the check of a merged image."""
    assert FIELDS[name]["maxProperties"] == MAX_PROPERTIES
    assert f"At most {MAX_PROPERTIES} properties" in FIELDS[name]["description"]


def list_limits(field: Mapping[str, Any], keyword: str) -> Iterator[int]:
    """The values of a keyword in each form of a field."""
    yield from (form[keyword] for form in (field, *field.get("anyOf", ())) if keyword in form)


def test_every_word_has_a_meaning() -> None:
    """Editors show it beside the word."""
    enums = [node for node in walk(drop_hints(SCHEMA)) if node.get("enum")]
    assert len(enums) >= 12
    assert [node["enum"] for node in enums if len(node.get("enumDescriptions", ())) != len(node["enum"])] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_a_document_has_a_description(name: str) -> None:
    """On the value itself, or on the definition that it refers to; alternatives of a value need none."""
    schema = load_schema(name)
    assert [path for path, field in list_properties(schema) if "description" not in resolve(schema, field)] == []


def list_properties(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each property of each object with its path; forms without a type or title only add a condition."""
    properties = node.get("properties", {})
    if "type" in node or "title" in node:
        yield from ((f"{path}.{name}", field) for name, field in properties.items() if set(field) != {"const"})
    below = {**properties, **node.get("$defs", {}), **{f"{n}": form for n, form in enumerate(list_parts(node))}}
    for name, part in below.items():
        yield from list_properties(part, f"{path}.{name}")


def list_parts(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The forms of a value, and the parts of a list or a mapping."""
    for keyword in ("anyOf", "oneOf"):
        yield from node.get(keyword, ())
    for keyword in ("items", "additionalProperties"):
        yield from [node[keyword]] if isinstance(node.get(keyword), dict) else []


def test_a_schema_is_read_as_it_is_in_the_checkout() -> None:
    """Byte by byte, with characters of every script; one that does not exist is named in the package."""
    for name in NAMES:
        path = find_schema(name)
        assert path.name == f"{name}.schema.json"
        assert read_schema(name).encode() == path.read_bytes()
    assert find_schema("away").parts[-3:] == ("imagesync", "schemas", "away.schema.json")
