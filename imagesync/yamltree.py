"""YAML text -> a tree of plain data that knows where everything stands. Pure.

Straight from the parser's events (a seventh of the time of constructing objects), which gives line and column, duplicate
keys and full control of scalars: null, true, false and integers as in the YAML 1.2 core schema, all else keeps its text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import yaml

from imagesync.errors import Diagnostic

DEEPEST: Final = 32
MOST_NODES: Final = 2_000_000
_CORE: Final = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: value for value, words in ((True, "true True TRUE"), (False, "false False FALSE")) for word in words.split()
}
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}\Z")

_PLAIN_TAGS: Final = frozenset(
    {None, "!", *(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "bool", "null", "float", "map", "seq"))}
)

Scalar: TypeAlias = str | int | bool | None


@dataclass(slots=True)
class Node:
    """A value with its place; ``text`` is what a scalar was written as. ``value``: dict of Nodes, list of Nodes, scalar."""

    value: "dict[str, Node] | list[Node] | Scalar"
    line: int
    column: int
    text: str = ""
    key_line: int = 0
    key_column: int = 0


class Stop(Exception):
    """The file cannot be read any further."""


def parse(text: str, file: str) -> tuple[Node | None, list[Diagnostic]]:
    """The tree of one document and what is wrong with it; a syntax error ends the file with one diagnostic."""
    reader = _Reader(file)
    try:
        return reader.document(yaml.parse(text, Loader=getattr(yaml, "CLoader", yaml.Loader))), reader.problems
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = Diagnostic(file, *place, "", f"not valid YAML: {error.problem or error.context}")
    except yaml.YAMLError as error:
        problem = Diagnostic(file, 1, 1, "", f"not valid YAML: {str(error).splitlines()[0]}")
    except Stop as stop:
        problem = stop.args[0]
    return None, [*reader.problems, problem]


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Diagnostic] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._count = 0

    def document(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    self._stop(event, "a second document in one file", "put it into a file of its own")
                first = next(events)
                root = Node(None, 1, 1) if isinstance(first, yaml.DocumentEndEvent) else self._node(first, events, 1)
        return root

    def _stop(self, event: Any, message: str, hint: str = "") -> None:
        mark = event.start_mark
        raise Stop(Diagnostic(self.file, mark.line + 1, mark.column + 1, "", message, hint))

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        if depth > DEEPEST:
            self._stop(event, f"nested deeper than {DEEPEST} levels")
        self._count += 1
        before = self._count
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.tag not in _PLAIN_TAGS:
            self._stop(event, f"the tag {event.tag} is not plain data")
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(event, events, depth)
        else:
            node = self._mapping(event, events, depth)
        if event.anchor:
            self._anchors[event.anchor] = (node, self._count - before + 1)
        return node

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            self._stop(event, f"no anchor &{event.anchor} before this alias")
        node, size = self._anchors[event.anchor]
        self._count += size
        if self._count > MOST_NODES:
            self._stop(event, f"aliases expand to more than {MOST_NODES} values")
        return node

    def _scalar(self, event: Any) -> Node:
        text, mark = event.value, event.start_mark
        value: Scalar = text
        if event.style in (None, "") and event.implicit[0]:
            value = _CORE[text] if text in _CORE else int(text) if _INTEGER.match(text) else text
        return Node(value, mark.line + 1, mark.column + 1, text)

    def _sequence(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        items = []
        while not isinstance(item := next(events), yaml.SequenceEndEvent):
            items.append(self._node(item, events, depth + 1))
        return Node(items, event.start_mark.line + 1, event.start_mark.column + 1)

    def _mapping(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        found: dict[str, Node] = {}
        merged: list[Node] = []
        while not isinstance(key := next(events), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                self._stop(key, "a key that is not text")
            value = self._node(next(events), events, depth + 1)
            if key.value == "<<" and not key.style:
                merged += value.value if isinstance(value.value, list) else [value]
                continue
            line, column = key.start_mark.line + 1, key.start_mark.column + 1
            if key.value in found:
                first = found[key.value]
                self.problems.append(
                    Diagnostic(self.file, line, column, key.value, f"defined twice; first in line {first.key_line}")
                )
            found[key.value] = Node(value.value, value.line, value.column, value.text, line, column)
        for source in merged:
            if not isinstance(source.value, dict):
                self._stop(event, "<< merges mappings only")
            else:
                found = {**source.value, **found}
        return Node(found, event.start_mark.line + 1, event.start_mark.column + 1)
