"""A positioned tree and the JSON Schema -> plain data, and a diagnostic for everything that does not fit. Pure.

The schema directs what a scalar is: where it wants a string, numbers and booleans keep their written text.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

from imagesync.errors import Diagnostic
from imagesync.yamltree import Node

Schema: TypeAlias = Mapping[str, Any]


class Shape:
    """The manifest's schema, ready to validate many trees."""

    def __init__(self, schema: Schema) -> None:
        import jsonschema_rs

        self._schema = schema
        self._fits = jsonschema_rs.validator_for(dict(schema))

    def plain(self, node: Node, schema: Schema | None = None) -> Any:
        """The tree as plain data, scalars as the schema wants them."""
        rule = self._resolved(schema if schema is not None else self._schema)
        if isinstance(node.value, dict):
            branch = self._branch(rule, "object")
            return {key: self.plain(child, self._child(branch, key)) for key, child in node.value.items()}
        if isinstance(node.value, list):
            items = self._branch(rule, "array").get("items", {})
            return [self.plain(child, items) for child in node.value]
        wanted = {kind for option in (rule, *map(self._resolved, rule.get("anyOf", ()))) for kind in _types(option)}
        if isinstance(node.value, bool):
            fits = "boolean" in wanted
        elif isinstance(node.value, int):
            fits = "integer" in wanted
        else:
            fits = isinstance(node.value, str)
        return node.text if not fits and "string" in wanted and node.value is not None else node.value

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            found: Any = self._schema
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        return schema

    def _branch(self, rule: Schema, kind: str) -> Schema:
        options = (rule, *map(self._resolved, rule.get("anyOf", ())))
        return next((option for option in options if kind in _types(option)), {})

    def _child(self, rule: Schema, key: str) -> Schema:
        further = rule.get("additionalProperties")
        child: Schema = rule.get("properties", {}).get(key) or (further if isinstance(further, dict) else {})
        return child

    def problems(self, data: Any, root: Node, file: str) -> list[Diagnostic]:
        """What does not fit; nothing in most cases, which the fast gate tells."""
        if self._fits.is_valid(data):
            return []
        from jsonschema import Draft202012Validator

        found = Draft202012Validator(dict(self._schema)).iter_errors(data)
        return [problem for error in found for problem in _worded(error, root, file)]


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


def printable(text: str) -> str:
    """Text that cannot move a terminal's cursor."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _worded(error: Any, root: Node, file: str) -> Iterator[Diagnostic]:
    path = list(error.absolute_path)
    node = locate(root, path)
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        for key in sorted(set(error.instance) - set(known)):
            near = get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
            child = locate(root, [*path, key])
            yield Diagnostic(file, child.key_line, child.key_column, dotted([*path, key]), "unknown key", hint)
        return
    if error.validator == "anyOf" and isinstance(error.instance, dict):
        nested = [item for item in error.context if item.validator != "type" or list(item.path)]
        if nested:
            for item in nested:
                yield from _worded(_Moved(item, path), root, file)
            return
    yield Diagnostic(file, node.key_line or node.line, node.key_column or node.column, dotted(path), _said(error))


class _Moved:
    """An error of a branch of ``anyOf``, told at its place in the whole document."""

    def __init__(self, error: Any, base: list[str | int]) -> None:
        self.validator, self.validator_value = error.validator, error.validator_value
        self.instance, self.schema, self.context = error.instance, error.schema, error.context
        self.absolute_path = [*base, *error.path]


def _said(error: Any) -> str:
    shown = printable(repr(error.instance))
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    value = error.validator_value
    sentences = {
        "minimum": f"{shown} is less than the minimum of {value}",
        "maximum": f"{shown} is more than the maximum of {value}",
        "enum": f"{shown} is not one of {', '.join(map(str, value)) if isinstance(value, list) else value}",
        "const": f"{shown} is not {value!r}",
        "type": f"{shown} is not a {value}",
        "pattern": f"{shown} does not match {value}",
        "required": f"the key {_missing(error)} is missing",
        "maxLength": f"longer than {value} characters",
        "minLength": "empty",
        "maxItems": f"more than {value} items",
        "maxProperties": f"more than {value} properties",
        "anyOf": f"{shown} is not {error.schema.get('x-expected', 'of an allowed kind')}",
    }
    return sentences.get(error.validator, f"{shown} does not fit {error.validator}")


def _missing(error: Any) -> str:
    if error.validator != "required":
        return ""
    return ", ".join(str(name) for name in error.validator_value if name not in error.instance)
