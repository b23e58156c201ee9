"""A tree with places and the JSON Schema -> plain data, and a diagnostic for each value that does not fit. Pure.

The schema decides the type of a scalar: if it requires a string, numbers and booleans keep their written text. Values with
``${name}`` fit anywhere until they are filled; the filled data is checked again without this exception.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final, TypeAlias

from imagesync.errors import MAX_PROBLEMS, Diagnostic
from imagesync.manifest.mismatches import describe_mismatch, find_key_hint, list_types, suggest_value
from imagesync.manifest.texts import describe_excess_properties
from imagesync.manifest.yaml_reader import Node, Scalar
from imagesync.secrets import show_key

Schema: TypeAlias = Mapping[str, Any]

MAX_EXPLAINED_VALUES: Final = 10_000
"""Values that are compared with the schema in detail; after them the validation stops."""
MAX_EXPLAINED_ENTRIES: Final = 512
"""Of one mapping; no limit in the schema is higher."""
PLACEHOLDER: Final = "#/$defs/placeholder"
MAX_COMPARED_WORDS: Final = 500
MAX_COMPARED_CHARS: Final = 255
MAX_LISTED_WORDS: Final = 60
"""Limits of the search for a similar word, which compares letter by letter, and of the list that is shown instead."""


@dataclass(slots=True)
class Kind:
    """What the schema requires at one place: the types of scalars that are kept, and the kinds of the children."""

    scalars: frozenset[str] = frozenset()
    children: "dict[str, Kind]" = field(default_factory=dict)
    further: "Kind | None" = None
    items: "Kind | None" = None
    is_text: bool = field(init=False)
    """Whether a number or a boolean counts as text here, so quotes make no difference."""

    def __post_init__(self) -> None:
        self.is_text = "string" in self.scalars and not self.scalars & {"boolean", "integer"}

    def choose(self, value: Scalar, text: str) -> Scalar:
        """The value of a scalar here: by the core schema, or its text as it was written."""
        if isinstance(value, str) or value is None:
            return value
        wanted = "boolean" if isinstance(value, bool) else "integer"
        return text if wanted not in self.scalars and "string" in self.scalars else value


@dataclass(slots=True)
class Effort:
    """The number of values that were compared in detail."""

    values: int = 0


class Shape:
    """The manifest's schema, or one of its definitions (``image``), compiled to check many trees.

    ``placeholders``: values with ``${name}`` fit anywhere.
    """

    def __init__(self, schema: Schema, part: str | None = None, *, placeholders: bool = True) -> None:
        schema = drop_hints(schema)
        defs = dict(schema["$defs"])
        if not placeholders:
            defs["placeholder"] = {"not": {}}
        self._schema = {**schema, "$defs": defs}
        if part is not None:
            self._schema = {"$ref": f"#/$defs/{part}", "$defs": defs}
        self._names = _collect_names(self._schema)
        self._validators: dict[tuple[str, int], Any] = {}
        self._fits = self._build_fast_validator(self._schema)
        self._kinds: dict[int, Kind] = {}
        self.kind = self._make_kind(self._schema)

    def make_plain(self, node: Node) -> Any:
        """The tree as plain data, with the types of scalars that the schema requires."""
        return _make_plain(node, self.kind)

    def is_fitting(self, data: Any) -> bool:
        """Whether plain data fits the schema; fast."""
        return bool(self._fits.is_valid(data))

    def find_problems(self, data: Any, root: Node, base: Sequence[str | int] = ()) -> list[Diagnostic]:
        """One diagnostic for each value that does not fit, with paths below ``base``.

        Only data that the fast check rejects is compared in detail, which takes a hundred times as long.
        """
        if self.is_fitting(data):
            return []
        texts = list(islice(self._explain(self._schema, data, root, base, Effort()), MAX_PROBLEMS))
        return texts or [root.problem(format_path(base), "does not fit the schema", "compare it with imagesync schema")]

    def _explain(
        self, schema: Schema, data: Any, node: Node, base: Sequence[str | int], effort: Effort
    ) -> Iterator[Diagnostic]:
        """The problems of a value; those of mappings with free names come last."""
        listings = self._find_listings(schema, data)
        if listings:
            data, whole = {**data, **{name: {} for name in listings}}, data
        for error in self._build_slow_validator(schema).iter_errors(self._limit_entries(data, effort)):
            yield from _describe_error(error, node, base)
        for name, rule in listings.items():
            yield from self._explain_entries(rule, whole[name], node.items()[name], (*base, name), effort)

    def _explain_entries(
        self, rule: Schema, data: Mapping[str, Any], node: Node, base: Sequence[str | int], effort: Effort
    ) -> Iterator[Diagnostic]:
        gate = self._build_fast_validator(rule)
        for name, value in data.items():
            if gate.is_valid({name: value}):
                continue
            if effort.values > MAX_EXPLAINED_VALUES:
                yield node.problem(format_path(base), "other problems here are not checked", "correct the others first")
                return
            for error in self._build_slow_validator(rule).iter_errors({name: {}}):
                if error.schema_path[0] == "propertyNames":
                    yield from _describe_error(error, node, base)
            yield from self._explain(rule["additionalProperties"], value, node.items()[name], (*base, name), effort)

    def _find_listings(self, schema: Schema, data: Any) -> dict[str, Schema]:
        """The schemas of mappings with free names directly below ``data``, by name."""
        if not isinstance(data, dict):
            return {}
        known = self._resolve_refs(schema).get("properties", {})
        rules = {
            name: self._resolve_refs(known[name]) for name in data if name in known and isinstance(data[name], dict)
        }
        return {
            name: rule
            for name, rule in rules.items()
            if isinstance(rule.get("additionalProperties"), dict) and "maxProperties" not in rule
        }

    def _limit_entries(self, data: Any, effort: Effort) -> Any:
        """``data`` with at most ``MAX_EXPLAINED_ENTRIES`` in each mapping, which is above every limit of the schema."""
        effort.values += 1
        if isinstance(data, list):
            return [self._limit_entries(item, effort) for item in data]
        if not isinstance(data, dict):
            return data
        names = (
            sorted(data, key=lambda name: name not in self._names) if len(data) > MAX_EXPLAINED_ENTRIES else list(data)
        )
        return {name: self._limit_entries(data[name], effort) for name in names[:MAX_EXPLAINED_ENTRIES]}

    def _build_fast_validator(self, rule: Schema) -> Any:
        """The fast validator, which checks whether a value fits."""
        import jsonschema_rs

        return self._build_once("gate", rule, jsonschema_rs.validator_for)

    def _build_slow_validator(self, rule: Schema) -> Any:
        """The slow validator, which explains why a value does not fit."""
        from jsonschema import Draft202012Validator

        return self._build_once("closely", rule, Draft202012Validator)

    def _build_once(self, kind: str, rule: Schema, make: Callable[[dict[str, Any]], Any]) -> Any:
        """A validator of a part of the schema; each is made once."""
        if (kind, id(rule)) not in self._validators:
            self._validators[kind, id(rule)] = make({**rule, "$defs": self._schema["$defs"]})
        return self._validators[kind, id(rule)]

    def _resolve_refs(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            found: Any = self._schema
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        return schema

    def _make_kind(self, schema: Schema) -> Kind:
        """The kind of a rule; places with the same rule share one object."""
        rule = self._resolve_refs(schema)
        if id(rule) in self._kinds:
            return self._kinds[id(rule)]
        options = [rule, *map(self._resolve_refs, rule.get("anyOf", ()))]
        kind = Kind(frozenset(word for option in options for word in list_types(option)))
        for option in options:
            kind.children |= {name: self._make_kind(child) for name, child in option.get("properties", {}).items()}
            if isinstance(option.get("additionalProperties"), dict):
                kind.further = self._make_kind(option["additionalProperties"])
            if "items" in option:
                kind.items = self._make_kind(option["items"])
        self._kinds[id(rule)] = kind
        return kind


def drop_hints(schema: Schema) -> Schema:
    """The manifest schema without what only helps editors.

    No known property has a rule of its own. A scalar in the place of text may look like a number or a boolean in an
    editor; here it is text, because ``Kind.choose`` keeps its written form.
    """
    rules: dict[str, Schema] = {"text": {"type": "string"}}
    if "properties" in schema["$defs"]:
        rules["properties"] = {**schema["$defs"]["properties"], "properties": {}}
    return {**schema, "$defs": {**schema["$defs"], **rules}}


TEXT_KIND: Final = Kind(frozenset({"string"}))
ANY_KIND: Final = Kind()
"""The kind of a place that the schema does not know."""


def _collect_names(schema: Any) -> frozenset[str]:
    """Every key that the schema knows, at any depth."""
    if not isinstance(schema, dict):
        return frozenset()
    own = schema["properties"] if isinstance(schema.get("properties"), dict) else {}
    return frozenset(own).union(*map(_collect_names, schema.values()))


def _make_plain(node: Node, kind: Kind) -> Any:
    value = node.value
    if isinstance(value, dict):
        children, further = kind.children, kind.further or ANY_KIND
        return {
            name: child.value if isinstance(child.value, str) else _make_plain(child, children.get(name, further))
            for name, child in value.items()
        }
    if isinstance(value, list):
        return [_make_plain(child, kind.items or ANY_KIND) for child in value]
    return kind.choose(value, node.text)


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


def format_path(path: Sequence[str | int]) -> str:
    """``images.ubuntu-24.04.tags[0]``, control characters made visible, keys that look like secrets left out."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{show_key(part)}" if text else show_key(part)
    return text


def _describe_error(error: Any, root: Node, base: Sequence[str | int]) -> Iterator[Diagnostic]:
    path = list(error.absolute_path)
    node = locate(root, path)
    where = [*base, *path]
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        for key in sorted(set(error.instance) - set(known)):
            child = locate(root, [*path, key])
            hint = find_key_hint(key, known, is_top=not where) or suggest(key, known, "known here")
            yield child.problem(format_path([*where, key]), "unknown key", hint)
    elif error.validator == "type" and {"const", "enum"} & set(error.schema):
        return  # the const or the list of words is reported already
    elif error.validator == "required":
        missing = ", ".join(str(name) for name in error.validator_value if name not in error.instance)
        yield node.problem(format_path(where), f"the key {missing} is missing", f"declare {missing}")
    elif error.validator == "maxProperties":
        message, hint = describe_excess_properties(len(node.items()), error.validator_value)
        yield node.problem(format_path(where), message, hint)
    elif error.validator == "anyOf" and (chosen := _find_branch(error)):
        for item in chosen:
            yield from _describe_error(item, root, base)
    else:
        yield node.problem(format_path(where), describe_mismatch(error, where), suggest_value(error, node, where))


def _find_branch(error: Any) -> list[Any]:
    """The errors of the likely branch of ``anyOf``: the branch for the value's own type, or the only branch."""
    branches: dict[int, list[Any]] = {}
    for item in error.context:
        if error.schema["anyOf"][item.schema_path[0]].get("$ref") != PLACEHOLDER:
            branches.setdefault(item.schema_path[0], []).append(item)
    if isinstance(error.instance, str) and "x-expected" in error.schema:
        return []
    alike = [items for items in branches.values() if not any(_is_other_kind(item, error) for item in items)]
    if len(alike) == 1:
        return alike[0]
    return next(iter(branches.values())) if len(branches) == 1 else []


def _is_other_kind(item: Any, error: Any) -> bool:
    return bool(item.validator == "type" and item.absolute_path == error.absolute_path)


def suggest(word: str, known: Iterable[str], otherwise: str) -> str:
    """``did you mean X?``, or the list of all known words."""
    words = sorted(known)
    found = (
        get_close_matches(word, words, 1)
        if len(words) <= MAX_COMPARED_WORDS and len(word) <= MAX_COMPARED_CHARS
        else []
    )
    if found:
        return f"did you mean {show_key(found[0])}?"
    more = f" and {len(words) - MAX_LISTED_WORDS} more" if len(words) > MAX_LISTED_WORDS else ""
    return f"{otherwise}: {', '.join(map(show_key, words[:MAX_LISTED_WORDS])) or 'none'}{more}"
