"""YAML text -> plain data without places, in a third of the time of a tree with them. Pure.

Only texts without problems and rare forms are read here. For any other text there is no answer, and ``yaml_reader`` reads it
again and reports the problems with their places. The data is the same as from ``Shape.make_plain``. Limits, the meaning of
scalars and the count of values are those of ``yaml_reader``.
"""

from collections.abc import Callable
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from imagesync.manifest.validation import ANY_KIND, Kind
from imagesync.manifest.yaml_reader import (
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_KEY_CHARS,
    MAX_KEYS,
    MAX_TEXT_CHARS,
    NULLS,
    Allowance,
    Scalar,
    make_parser,
    parse_scalar,
)

_MAX_NAMES: Final = 10_000
"""Keys that are kept, because most keys repeat."""


def read_plain(text: str, kind: Kind, allowance: Allowance, names: dict[str, str] | None = None) -> Any:
    """The document as plain data, scalars as ``kind`` requires; None if it must be read with care.

    The values that are read are subtracted from the allowance, unless the answer is None. ``names`` are known keys, also of other
    texts: each is checked and kept once.
    """
    try:
        reader = _PlainReader(text, allowance.values, {} if names is None else names)
        data = reader.read_document(kind)
    except (_Unusual, yaml.YAMLError):
        return None
    allowance.values = reader.left
    return data


class _Unusual(Exception):
    """A wrong or rare form, which must be read with care."""


class _PlainReader:
    """One document: the parser's next event, the values still allowed, and the values of anchors."""

    def __init__(self, text: str, values: int, names: dict[str, str]) -> None:
        self._next: Callable[[], Any] = make_parser(text).get_event
        self.left = values
        self._anchors: dict[str, tuple[Any, Kind, int]] = {}
        self._names = names

    def read_document(self, kind: Kind) -> Any:
        self._next()
        if type(self._next()) is not DocumentStartEvent:
            raise _Unusual
        data = self._read(self._next(), kind, 1)
        if type(self._next()) is not DocumentEndEvent or type(self._next()) is not StreamEndEvent:
            raise _Unusual
        return data

    def _read(self, event: Any, kind: Kind, depth: int) -> Any:
        form = type(event)
        if form is AliasEvent:
            return self._repeat(event, kind)
        if event.tag is not None:
            raise _Unusual
        data: Any
        before = self.left
        if form is ScalarEvent:
            self.left -= 1
            data = _choose(event, kind)
        elif depth == MAX_DEPTH:
            raise _Unusual
        else:
            data = self._read_mapping(kind, depth) if form is MappingStartEvent else self._read_sequence(kind, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (event if form is ScalarEvent else data, kind, before - self.left)
        return data

    def _repeat(self, event: Any, kind: Kind) -> Any:
        """The value of an alias, counted again; at a place of another kind its scalars may have other types."""
        data, other, size = self._anchors.get(event.anchor, (None, None, 0))
        self.left -= size
        if type(data) is ScalarEvent:
            return _choose(data, kind)
        if other is not kind or self.left < 0:
            raise _Unusual
        return data

    def _read_sequence(self, kind: Kind, depth: int) -> list[Any]:
        following, inner, items = self._next, kind.items or ANY_KIND, list[Any]()
        self.left -= 1
        while type(event := following()) is not SequenceEndEvent:
            items.append(self._read(event, inner, depth + 1))
            if len(items) > MAX_ITEMS or self.left < 0:
                raise _Unusual
        return items

    def _read_mapping(self, kind: Kind, depth: int) -> dict[str, Any]:
        """A mapping. Nearly all time is spent in this loop, so usual values are read here and only the rest in ``_read``."""
        following, names, children, further = self._next, self._names, kind.children, kind.further or ANY_KIND
        max_chars = MAX_TEXT_CHARS
        found: dict[str, Any] = {}
        merged: list[Any] = []
        texts = merges = 0
        for number in range(MAX_KEYS + 2):
            key = following()
            if type(key) is not ScalarEvent:
                break
            event = following()
            name = names.get(key.value)
            if name is None:
                if key.value == "<<":
                    merged += self._read_merged(key, event, kind, depth + 1)
                    merges += 1
                    continue
                name = self._check_name(key.value)
            inner = children.get(name, further)
            if type(event) is ScalarEvent and event.tag is None is event.anchor:
                texts += 1
                text = event.value
                is_usual = "\0" not in text if event.style else text not in NULLS
                found[name] = text if is_usual and inner.is_text and len(text) <= max_chars else _choose(event, inner)
            else:
                found[name] = self._read(event, inner, depth + 1)
            if len(found) + merges <= number:  # a duplicate key
                raise _Unusual
        self.left -= 1 + texts
        if type(key) is not MappingEndEvent or len(found) > MAX_KEYS or self.left < 0:
            raise _Unusual
        for source in merged:
            found = {**source, **found}
        return found

    def _check_name(self, name: str) -> str:
        if len(name) > MAX_KEY_CHARS or not name.isprintable():
            raise _Unusual
        if len(self._names) < _MAX_NAMES:
            self._names[name] = name
        return name

    def _read_merged(self, key: Any, event: Any, kind: Kind, depth: int) -> list[Any]:
        """The mappings that ``<<`` merges into one of this kind: one, or a list of them."""
        if key.style:
            raise _Unusual
        merged = self._read(event, Kind(items=kind) if type(event) is SequenceStartEvent else kind, depth)
        sources = merged if isinstance(merged, list) else [merged]
        if not all(isinstance(source, dict) for source in sources):
            raise _Unusual
        return sources


def _choose(event: Any, kind: Kind) -> Scalar:
    """The value of a scalar without a tag at a place of some kind.

    Where numbers are allowed, ``${ram}`` may become a number and ``"${ram}"`` may not. Plain data does not distinguish them.
    """
    text, is_quoted = event.value, bool(event.style)
    if len(text) > MAX_TEXT_CHARS or "\0" in text or (is_quoted and "$" in text and not kind.is_text):
        raise _Unusual
    return text if is_quoted else kind.choose(parse_scalar(text), text)
