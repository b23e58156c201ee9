"""YAML text -> a tree of plain data with the place of every part. Pure.

The tree is made from the parser's events, in a seventh of the time of PyYAML's objects. Events have line and column, show
duplicate keys and leave scalars as they are: null, true, false and integers follow the YAML 1.2 core schema, all other scalars
keep their text.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

import yaml
from yaml.events import AliasEvent, MappingEndEvent, ScalarEvent, SequenceEndEvent, SequenceStartEvent

from imagesync.errors import MAX_PROBLEMS, Diagnostic
from imagesync.manifest.yaml_problems import explain_syntax_error
from imagesync.model.catalog import Place
from imagesync.secrets import quote_value, show_key

MAX_DEPTH: Final = 32
"""Mappings and lists inside each other."""
MAX_VALUES: Final = 1_200_000
"""Of all files of a catalog, aliases expanded: enough for 10,000 images with 100 values each."""
MAX_KEYS: Final = 10_000
"""Of one mapping, and so images of a catalog."""
MAX_ITEMS: Final = 1024
"""Of one list, as in the schema."""
MAX_KEY_CHARS: Final = 1024
MAX_TEXT_CHARS: Final = 2**20
NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_CORE: Final = dict.fromkeys(NULLS) | {
    word: value for value, words in ((True, "true True TRUE"), (False, "false False FALSE")) for word in words.split()
}
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_STANDARD: Final = "tag:yaml.org,2002:"

Scalar: TypeAlias = str | int | bool | None


@dataclass(slots=True)
class Node:
    """A value with its place. ``value`` is a dict or a list of Nodes, or a scalar; ``text``: the written text of a scalar.

    ``plain``: the scalar was written without quotes. ``file`` is the file's name in diagnostics.
    """

    value: "dict[str, Node] | list[Node] | Scalar"
    line: int
    column: int
    text: str = ""
    key_line: int = 0
    key_column: int = 0
    file: str = ""
    plain: bool = False

    @property
    def place(self) -> Place:
        """The place of the key of this value, or of the value if it has no key."""
        return Place(self.file, self.key_line or self.line, self.key_column or self.column)

    def problem(self, where: str, message: str, hint: str = "") -> Diagnostic:
        """A diagnostic at the place of this value."""
        return Diagnostic(*self.place, where, message, hint)

    def replace_value(self, value: "dict[str, Node] | list[Node] | Scalar", text: str = "") -> "Node":
        """The same place with another value."""
        return Node(
            value, self.line, self.column, text or self.text, self.key_line, self.key_column, self.file, self.plain
        )

    def items(self) -> "dict[str, Node]":
        """The children of a mapping; none for anything else."""
        return self.value if isinstance(self.value, dict) else {}


def parse_scalar(text: str) -> Scalar:
    """The value of an unquoted scalar by the YAML 1.2 core schema: null, true, false, an integer, or else its text."""
    if text in _CORE:
        return _CORE[text]
    if not _INTEGER.fullmatch(text):
        return text
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _show_tag(tag: str) -> str:
    """A standard tag by its name. Any other tag is not shown: it may be a secret that begins with ``!``."""
    return f"the tag {show_key(tag)}" if tag.startswith(_STANDARD) else "a tag of another kind"


_Parser: Final[Any] = getattr(getattr(yaml, "cyaml", None), "CParser", yaml.Loader)
"""LibYAML's parser, if PyYAML has it; without the rest of a loader, which costs as much time as a small file."""


def make_parser(text: str) -> Any:
    """A parser; its ``get_event`` returns the events of a text one by one, and None after the last."""
    return _Parser(text)


class Stop(Exception):
    """The rest of the file cannot be read."""


@dataclass(slots=True)
class Allowance:
    """The number of values that may still be read."""

    values: int = MAX_VALUES


def parse(text: str, file: str, allowance: Allowance | None = None) -> tuple[Node | None, list[Diagnostic]]:
    """The tree of one document and what is wrong with it; a syntax error ends the file with one diagnostic.

    The values that are read are subtracted from the allowance.
    """
    reader = _Reader(file, allowance or Allowance())
    try:
        return reader.read_document(iter(make_parser(text).get_event, None)), reader.problems
    except yaml.YAMLError as error:
        problem = explain_syntax_error(error, text, file)
    except Stop as stop:
        problem = stop.args[0]
    return None, [*reader.problems, problem]


class _Reader:
    def __init__(self, file: str, allowance: Allowance) -> None:
        self.file = file
        self.problems: list[Diagnostic] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._left = allowance
        self._names: dict[str, str] = {}
        self._line = 0

    def read_document(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    self._stop(event, "a second document in one file", "put it into a separate file")
                first = next(events)
                empty = isinstance(first, yaml.DocumentEndEvent)
                root = Node(None, 1, 1, file=self.file) if empty else self._read_node(first, events, 1)
        return root

    def _stop(self, event: Any, message: str, hint: str = "") -> NoReturn:
        raise Stop(Diagnostic(self.file, *self._place_of(event), "", message, hint))

    def _read_node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        if depth > MAX_DEPTH:
            self._stop(event, f"nested deeper than {MAX_DEPTH} levels", "write it with fewer levels")
        if isinstance(event, AliasEvent):
            return self._read_alias(event)
        before = self._left.values
        self._count(event, 1)
        if isinstance(event, ScalarEvent):
            node = self._read_scalar(event)
        elif isinstance(event, SequenceStartEvent):
            node = self._read_sequence(event, events, depth)
        else:
            node = self._read_mapping(event, events, depth)
        if event.anchor:
            self._anchors[event.anchor] = (node, before - self._left.values)
        return node

    def _read_alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            hint = "put the value in quotes if it is text: what begins with * is an alias"
            self._stop(event, "no anchor of this name before this alias", hint)
        node, size = self._anchors[event.anchor]
        self._count(event, size)
        return node

    def _count(self, event: Any, size: int) -> None:
        self._left.values -= size
        if self._left.values < 0:
            message = f"more than {MAX_VALUES} values in all files, aliases expanded"
            self._stop(event, message, "declare common values once, in defaults and profiles, or split the catalog")

    def _read_scalar(self, event: Any) -> Node:
        text, mark = event.value, event.start_mark
        if len(text) > MAX_TEXT_CHARS:
            self._stop(event, f"a text of {len(text)} characters, the limit is {MAX_TEXT_CHARS}", "shorten it")
        if "\0" in text:
            self._stop(event, "a text with a NUL character", "remove it")
        plain = not event.style and event.implicit[0]
        value = parse_scalar(text) if plain else text if event.tag in (None, "!") else self._read_tagged(event)
        return Node(value, self._number_line(mark), mark.column + 1, text, 0, 0, self.file, plain)

    def _read_tagged(self, event: Any) -> Scalar:
        """The value of a scalar with a tag; its text must fit the tag."""
        text, kind = event.value, event.tag.removeprefix(_STANDARD)
        value = parse_scalar(text)
        fits = {
            "str": True,
            "int": type(value) is int,
            "bool": isinstance(value, bool),
            "null": value is None,
            "float": _FLOAT.fullmatch(text) is not None,
        }
        if event.tag == kind or kind not in fits:
            hint = "remove it" if kind != event.tag else "remove it; text that begins with ! needs quotes"
            self._stop(event, f"{_show_tag(event.tag)} is not plain data", hint)
        if not fits[kind]:
            self._stop(event, f"the text here has the tag !!{kind}, but is not of that type", "remove the tag")
        return text if kind in ("str", "float") else value

    def _check_collection(self, event: Any, kind: str) -> Any:
        """The place of a mapping or sequence; only its standard tag is allowed."""
        if event.tag not in (None, "!", _STANDARD + kind):
            self._stop(event, f"{_show_tag(event.tag)} is not plain data", "remove it")
        return event.start_mark

    def _read_sequence(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        mark, items = self._check_collection(event, "seq"), list[Node]()
        while not isinstance(item := next(events), SequenceEndEvent):
            if len(items) >= MAX_ITEMS:
                self._stop(item, f"more than {MAX_ITEMS} items in one list", "remove some of them")
            items.append(self._read_node(item, events, depth + 1))
        return Node(items, mark.line + 1, mark.column + 1, file=self.file)

    def _read_mapping(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        start = self._check_collection(event, "map")
        found: dict[str, Node] = {}
        merged: list[Node] = []
        while not isinstance(key := next(events), MappingEndEvent):
            if not isinstance(key, ScalarEvent):
                self._stop(key, "a key that is not text", "put a value that begins with { or [ in quotes")
            name, child = self._names.setdefault(key.value, key.value), next(events)
            value = self._read_node(child, events, depth + 1)
            if name == "<<" and not key.style:
                merged += value.value if isinstance(value.value, list) else [value]
                continue
            if name in found or len(name) > MAX_KEY_CHARS or not name.isprintable():
                self._report_key(key, found)
            if len(found) >= MAX_KEYS:
                self._stop(key, f"more than {MAX_KEYS} keys in one mapping", "split the catalog")
            if isinstance(child, AliasEvent):
                value = value.replace_value(value.value)
            value.key_line, value.key_column = self._place_of(key)
            found[name] = value
        for source in merged:
            if not isinstance(source.value, dict):
                self._stop(event, "<< merges mappings only", "name the anchor of one: <<: *NAME")
            else:
                found = {**source.value, **found}
        return Node(found, start.line + 1, start.column + 1, file=self.file)

    def _place_of(self, event: Any) -> tuple[int, int]:
        mark = event.start_mark
        return self._number_line(mark), mark.column + 1

    def _number_line(self, mark: Any) -> int:
        """The number of a line; all nodes of a line share the object, because there may be a million nodes."""
        line: int = mark.line + 1
        if line != self._line:
            self._line = line
        return self._line

    def _report_key(self, key: Any, found: Mapping[str, Node]) -> None:
        name = key.value
        if len(name) > MAX_KEY_CHARS:
            self._stop(key, f"a key of {len(name)} characters, the limit is {MAX_KEY_CHARS}", "shorten it")
        if not name.isprintable():
            odd = next(char for char in name if not char.isprintable())
            kind = "space of another kind" if odd.isspace() and odd not in "\t\n\r" else "control character"
            self._stop(key, f"the key {quote_value(name)} has a {kind}", "remove it")
        if len(self.problems) >= MAX_PROBLEMS:
            self._stop(key, "too many problems; the rest is not checked", "correct those first")
        message = f"defined twice; first in line {found[name].key_line}"
        self.problems.append(Diagnostic(self.file, *self._place_of(key), show_key(name), message, "keep one"))
