"""``schemas/manifest.schema.json`` -> the same schema with the generated parts for editors. Reads two files.

The generated parts are the known properties of images, and the messages for values that do not fit:
yaml-language-server prints ``errorMessage`` instead of a pattern or a type. ``python -m tests.documents`` writes the
file.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from imagesync.manifest.mismatches import KINDS, list_types
from imagesync.schemas import find_schema, load_schema

SCHEMA: Final = find_schema("manifest")
PROPERTIES: Final = SCHEMA.parent / "data" / "image-properties.json"
"""Names, types, values and descriptions of properties, from the sources that the file names."""
READERS: Final = {
    "nova": "The compute service reads it.",
    "glance": "The image service reads it.",
    "cinder": "The block storage service reads it.",
    "ironic": "The bare metal service reads it.",
    "people": "No service reads it.",
    "scs-0102": "The SCS standard 0102 defines it.",
}
TYPES: Final = {
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
    "uuid": "a UUID",
    "version predicate": "a comparison of versions, such as >=6.0",
}


def render_schema() -> str:
    """The text of the schema with up-to-date generated parts."""
    known = json.loads(PROPERTIES.read_text(encoding="utf-8"))["properties"]
    schema = load_schema("manifest")
    for node in list(walk(schema)):
        set_message(node)
        set_title(node)
    schema["$defs"]["properties"]["properties"] = {name: describe_property(known[name]) for name in sorted(known)}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Each mapping of a schema."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(child)


def set_message(node: dict[str, Any]) -> None:
    """Set the message for a value that does not fit, on the first form of ``anyOf``: the server prints the problems of
    that form."""
    forms = node.get("anyOf")
    rule = forms[0] if forms else node
    kinds = [KINDS[kind] for kind in list_types(rule) if kind in ("boolean", "integer")] if forms else []
    if "enum" not in rule and (expected := node.get("x-expected") or " or ".join(kinds)):
        rule["errorMessage"] = f"Expected {expected}"


def set_title(node: dict[str, Any]) -> None:
    """Set the title of a field on its first form, because the server does not distinguish forms without titles."""
    if "title" in node and "anyOf" in node and "type" not in node:
        node["anyOf"][0]["title"] = node["title"]


def describe_property(known: Mapping[str, Any]) -> dict[str, Any]:
    """The description of a known property, and the values that an editor suggests. The schema accepts any text."""
    old = known.get("preferred")
    sentences = [known.get("description"), old and f"Another name of {old}, which is preferred."]
    sentences += [describe_value(known), READERS[known["reader"]]]
    hint: dict[str, Any] = {"description": " ".join(filter(None, sentences))}
    hint |= {"doNotSuggest": True} if old else {}
    text = {"$ref": "#/$defs/text"}
    return hint | ({"anyOf": [words, text]} if (words := list_words(known)) else {"allOf": [text]})


def describe_value(known: Mapping[str, Any]) -> str:
    """The type of the value with its limits; nothing if its words are listed."""
    if known.get("enum"):
        return ""
    limits = [f"at {end} {known[word]}" for word, end in (("min", "least"), ("max", "most")) if word in known]
    return f"Value: {', '.join([TYPES[known['type']], *limits])}."


def list_words(known: Mapping[str, Any]) -> dict[str, Any]:
    """The rule for the values that the reader of a property knows."""
    if known["type"] == "boolean":
        return {"enum": [True, False]}
    return {"enum": list(dict.fromkeys(known["enum"]))} if "enum" in known else {}
