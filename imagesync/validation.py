"""A positioned tree and the JSON Schema -> plain data, and a diagnostic for everything that does not fit. Pure.

The schema directs what a scalar is: where it wants a string, numbers and booleans keep their written text. Values with
``${name}`` in them fit anywhere until they are filled in; the filled tree is judged again without that leave.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final, TypeAlias

from imagesync.errors import Diagnostic
from imagesync.yamltree import MOST_PROBLEMS, Node, printable

Schema: TypeAlias = Mapping[str, Any]

PLACEHOLDER: Final = "#/$defs/placeholder"
MOST_COMPARED: Final = 500
LONGEST_WORD: Final = 255
MOST_NAMED: Final = 60
"""Bounds to the look for what was meant, which compares letter by letter, and to what is listed instead."""


@dataclass(slots=True)
class Kind:
    """What the schema wants at one place: which scalars keep their type, and what the children are."""

    scalars: frozenset[str] = frozenset()
    children: "dict[str, Kind]" = field(default_factory=dict)
    further: "Kind | None" = None
    items: "Kind | None" = None


class Shape:
    """The manifest's schema, or one of its definitions (``image``), ready to judge many trees.

    ``placeholders``: values with ``${name}`` in them fit anywhere.
    """

    def __init__(self, schema: Schema, part: str | None = None, *, placeholders: bool = True) -> None:
        import jsonschema_rs

        defs = dict(schema["$defs"])
        if not placeholders:
            defs["placeholder"] = {"not": {}}
        self._schema = {**schema, "$defs": defs}
        if part is not None:
            self._schema = {"$ref": f"#/$defs/{part}", "$defs": defs}
        self._fits = jsonschema_rs.validator_for(self._schema)
        self._kind = self._made(self._schema)

    def plain(self, node: Node) -> Any:
        """The tree as plain data, scalars as the schema wants them."""
        return _plain(node, self._kind)

    def problems(self, data: Any, root: Node, base: Sequence[str | int] = ()) -> list[Diagnostic]:
        """What does not fit, told as below ``base``; nothing in most cases, which the fast gate tells."""
        if self._fits.is_valid(data):
            return []
        from jsonschema import Draft202012Validator

        found = Draft202012Validator(self._schema).iter_errors(data)
        told = list(islice((problem for error in found for problem in _worded(error, root, base)), MOST_PROBLEMS))
        return told or [root.problem(dotted(base), "does not fit the schema", "compare it with imagesync schema")]

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            found: Any = self._schema
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        return schema

    def _made(self, schema: Schema) -> Kind:
        rule = self._resolved(schema)
        options = [rule, *map(self._resolved, rule.get("anyOf", ()))]
        kind = Kind(frozenset(word for option in options for word in _types(option)))
        for option in options:
            kind.children |= {name: self._made(child) for name, child in option.get("properties", {}).items()}
            if isinstance(option.get("additionalProperties"), dict):
                kind.further = self._made(option["additionalProperties"])
            if "items" in option:
                kind.items = self._made(option["items"])
        return kind


_ANY: Final = Kind()


def _plain(node: Node, kind: Kind) -> Any:
    value = node.value
    if isinstance(value, dict):
        further = kind.further or _ANY
        return {name: _plain(child, kind.children.get(name, further)) for name, child in value.items()}
    if isinstance(value, list):
        return [_plain(child, kind.items or _ANY) for child in value]
    if isinstance(value, str) or value is None:
        return value
    wanted = "boolean" if isinstance(value, bool) else "integer"
    return node.text if wanted not in kind.scalars and "string" in kind.scalars else value


def _types(schema: Schema) -> tuple[str, ...]:
    kind = schema.get("type", ())
    return (kind,) if isinstance(kind, str) else tuple(kind)


def locate(root: Node, path: Iterable[str | int]) -> Node:
    """The node at a path, or the nearest one above it."""
    node = root
    for part in path:
        value = node.value
        if isinstance(value, dict) and part in value:
            node = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            node = value[part]
        else:
            break
    return node


def dotted(path: Sequence[str | int]) -> str:
    """``images.ubuntu-24.04.tags[0]``, control characters made visible."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return printable(text)


def _worded(error: Any, root: Node, base: Sequence[str | int]) -> Iterator[Diagnostic]:
    path = list(error.absolute_path)
    node = locate(root, path)
    where = [*base, *path]
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        for key in sorted(set(error.instance) - set(known)):
            child = locate(root, [*path, key])
            yield child.problem(dotted([*where, key]), "unknown key", near(key, known, "known here"))
    elif error.validator == "required":
        missing = ", ".join(str(name) for name in error.validator_value if name not in error.instance)
        yield node.problem(dotted(where), f"the key {missing} is missing")
    elif error.validator == "anyOf" and (chosen := _branch(error)):
        for item in chosen:
            yield from _worded(item, root, base)
    else:
        yield node.problem(dotted(where), _said(error), _hint(error))


def _branch(error: Any) -> list[Any]:
    """The errors of the one branch of ``anyOf`` that was meant: the branch of the value's own kind, or the only one."""
    branches: dict[int, list[Any]] = {}
    for item in error.context:
        if error.schema["anyOf"][item.schema_path[0]].get("$ref") != PLACEHOLDER:
            branches.setdefault(item.schema_path[0], []).append(item)
    if isinstance(error.instance, str) and "x-expected" in error.schema:
        return []
    alike = [items for items in branches.values() if not any(_is_other_kind(item, error) for item in items)]
    if len(alike) == 1 and not isinstance(error.instance, str):
        return alike[0]
    return next(iter(branches.values())) if len(branches) == 1 else []


def _is_other_kind(item: Any, error: Any) -> bool:
    return bool(item.validator == "type" and item.absolute_path == error.absolute_path)


def near(word: str, known: Iterable[str], otherwise: str) -> str:
    """``did you mean X?``, or all that is known."""
    words = sorted(known)
    found = get_close_matches(word, words, 1) if len(words) <= MOST_COMPARED and len(word) <= LONGEST_WORD else []
    if found:
        return f"did you mean {found[0]}?"
    more = f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else ""
    return f"{otherwise}: {', '.join(words[:MOST_NAMED]) or 'none'}{more}"


_KINDS: Final = {
    "integer": "a whole number",
    "boolean": "true or false",
    "string": "text",
    "object": "a mapping",
    "array": "a list",
}


def _said(error: Any) -> str:
    instance = error.instance
    shown = {True: "true", False: "false", None: "null"}.get(instance) if _is_word(instance) else None
    shown = shown or printable(repr(instance))
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    value = error.validator_value
    sentences = {
        "minimum": f"{shown} is less than the minimum of {value}",
        "maximum": f"{shown} is more than the maximum of {value}",
        "enum": f"{shown} is not one of {', '.join(map(str, value)) if isinstance(value, list) else value}",
        "const": f"{shown} is not {value!r}",
        "type": f"{shown} is not {_KINDS.get(value, value) if isinstance(value, str) else value}",
        "pattern": f"{shown} is not {error.schema.get('x-expected', f'of the form {value}')}",
        "maxLength": f"longer than {value} characters",
        "minLength": "empty",
        "minItems": "an empty list",
        "maxItems": f"more than {value} items",
        "maxProperties": f"more than {value} properties",
        "not": "cloud and store exclude each other",
        "anyOf": f"{shown} is not {error.schema.get('x-expected', 'of an allowed kind')}",
    }
    return sentences.get(error.validator, f"{shown} does not fit {error.validator}")


def _is_word(value: object) -> bool:
    return value is None or isinstance(value, bool)


def _hint(error: Any) -> str:
    if error.validator != "enum" or not isinstance(error.instance, str):
        return ""
    found = get_close_matches(error.instance.lower(), map(str, error.validator_value), 1)
    return f"did you mean {found[0]}?" if found else ""
