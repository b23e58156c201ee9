"""Strings with ``${name}`` -> strings with the values. Pure.

Values are from the catalog, the target and ``--set``, the last one wins; the environment is never read. A value may name other
values. ``${images.KEY.id}`` is allowed in properties only: it stays until a plan is applied, and its key is checked. ``$$`` is a
dollar sign.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from imagesync.errors import Diagnostic, ManifestError
from imagesync.manifest.documents import Document, Part
from imagesync.manifest.validation import ANY_KIND, Kind, format_path, locate, suggest
from imagesync.manifest.yaml_reader import Node, parse_scalar
from imagesync.model.policy import FIELDS
from imagesync.model.references import escape_references
from imagesync.secrets import show_key

_MARK: Final = re.compile(r"\$(?:\$|\{([^}$\n]*)(\})?)")
MAX_DEPTH: Final = 32
"""Nested values: values that name values."""
MAX_TEXT_CHARS: Final = 2**20
"""Of one filled string."""
MAX_FILLED_CHARS: Final = 16 * 2**20
"""Of all filled strings of a resolution together."""
_IMAGE: Final = re.compile(r"images\.(.+)\.id")

Path: TypeAlias = tuple[str | int, ...]
Ask: TypeAlias = Callable[[], Node]
"""The place of a text, found on demand."""


class Spot(Protocol):
    """The places of the values of some data, and whether they are written without quotes."""

    @property
    def node(self) -> Node:
        """The tree of the data."""

    def is_plain(self, path: Sequence[str | int]) -> bool:
        """Whether a text with a dollar sign was written without quotes, at a place where a number is allowed."""


@dataclass(frozen=True, slots=True)
class _Filling:
    """Data that is filled: its path in the manifest, and its tree."""

    base: Path
    spot: Spot

    def ask(self, below: Path) -> Ask:
        return lambda: locate(self.spot.node, below)


def find_names(text: str) -> Iterator[str]:
    """The name in each ``${name}`` of a text."""
    return (found[1] for found in _MARK.finditer(text) if found[2])


class Values:
    """The values of one target, and the problems found while strings are filled."""

    def __init__(self, values: Mapping[str, Part], given: Mapping[str, str], keys: Collection[str]) -> None:
        self._parts = {**values, **{name: _make_given(name, text) for name, text in given.items()}}
        self._texts: dict[str, str] = {}
        self._keys = keys
        self._spent = 0
        self._broken: set[str] = set()
        self.problems: list[Diagnostic] = []
        self.failures = 0
        """Number of strings that could not be filled; a wrong value is one problem, also if many strings use it."""

    def fill(self, data: Any, kind: Kind, path: Path, spot: Spot) -> Any:
        """The data with every string filled; the same object if there is nothing to fill.

        ``kind`` is the kind of a filled text, ``path`` the path to the data, ``spot`` its place in a file.
        """
        return self._fill(data, kind, _Filling(path, spot), ())

    def _fill(self, data: Any, kind: Kind, whole: _Filling, below: Path) -> Any:
        if isinstance(data, dict):
            return self._fill_mapping(data, kind, whole, below)
        if isinstance(data, list):
            items = [
                self._fill(child, kind.items or ANY_KIND, whole, (*below, index)) for index, child in enumerate(data)
            ]
            return data if all(map(_is_same, items, data)) else items
        if not isinstance(data, str) or "$" not in data:
            return data
        text = self._fill_text(data, whole.ask(below), (*whole.base, *below), ())
        if kind.is_text or not whole.spot.is_plain(below):
            return text
        value = parse_scalar(text)
        return text if value is None else kind.choose(value, text)

    def _fill_mapping(self, data: dict[str, Any], kind: Kind, whole: _Filling, below: Path) -> Any:
        children, further = kind.children, kind.further or ANY_KIND
        changed = {}
        for name, child in data.items():
            if type(child) is not str or "$" in child:
                filled = self._fill(child, children.get(name, further), whole, (*below, name))
                if filled is not child:
                    changed[name] = filled
        for name in data:
            if "${" in name:
                inner = (*below, name)
                self._complain(
                    whole.ask(inner), (*whole.base, *inner), "${…} is not allowed in a key", "write the key out"
                )
        return {**data, **changed} if changed else data

    def _fill_text(self, text: str, ask: Ask, path: Path, within: tuple[str, ...]) -> str:
        """A text with its placeholders replaced; ``within``: the values whose texts are being filled now."""
        in_properties = len(path) == 4 and path[0] == "images" and path[2] == "properties" and not within
        parts: list[str] = []
        end = length = 0
        for found in _MARK.finditer(text):
            word = self._resolve_mark(found, ask, path, within, in_properties=in_properties)
            length += len(word)
            if length > MAX_TEXT_CHARS or self._spent + length > MAX_FILLED_CHARS:
                self._complain(
                    ask, path, "the text is too long after ${…} is replaced", f"at most {MAX_TEXT_CHARS} characters"
                )
                raise ManifestError(self.problems)
            parts += text[end : found.start()], word
            end = found.end()
        self._spent += length
        return "".join((*parts, text[end:]))

    def _resolve_mark(
        self, found: re.Match[str], ask: Ask, path: Path, within: tuple[str, ...], *, in_properties: bool
    ) -> str:
        """The text that replaces one ``$$`` or ``${name}``."""
        name = found[1]
        if name is None:
            return "$$" if in_properties and found.string.startswith("{images.", found.end()) else "$"
        if found[2] is None:
            self._complain(ask, path, "${ is not closed", "close it with }, or write $${ for the characters")
            return ""
        if image := _IMAGE.fullmatch(name):
            return self._check_reference(image, ask, path, in_properties=in_properties)
        value = self._find_value(name, ask, path, within)
        return escape_references(value) if in_properties else value

    def _check_reference(self, found: re.Match[str], ask: Ask, path: Path, *, in_properties: bool) -> str:
        if not in_properties:
            hint = "use it in the values of properties"
            self._complain(ask, path, f"${{{show_key(found[0])}}} is known only when the plan is applied", hint)
        elif found[1] not in self._keys:
            hint = suggest(found[1], self._keys, "it has")
            self._complain(ask, path, f"${{{show_key(found[0])}}} is not an image of this catalog", hint)
            self.failures -= 1  # the reference stays, so the string is usable
        return f"${{{found[0]}}}"

    def _find_value(self, name: str, ask: Ask, path: Path, within: tuple[str, ...]) -> str:
        if name in self._texts:
            self.failures += name in self._broken
            return self._texts[name]
        if name not in self._parts:
            hint = suggest(name, self._parts, "define it under values, or with --set; known")
            if path[-1:] == ("rename",) and name.partition(":")[0] in FIELDS:
                hint = f"write {{{name}}}, without the $, for what the image has"
            self._complain(ask, path, f"${{{show_key(name)}}} is not defined", hint)
            return ""
        if name in within:
            ring = " -> ".join(map(show_key, [*within[within.index(name) :], name]))
            self._complain(
                self._ask_value(name),
                ("values", name),
                f"the values refer to each other in a circle: {ring}",
                "remove one of the references",
            )
            return ""
        if len(within) >= MAX_DEPTH:
            self._complain(ask, path, f"values that name values, more than {MAX_DEPTH} deep", "write it out")
            return ""
        before = self.failures
        text = self._fill_text(str(self._parts[name].data), self._ask_value(name), ("values", name), (*within, name))
        self._texts[name] = text
        if self.failures > before:
            self._broken.add(name)
        return text

    def _ask_value(self, name: str) -> Ask:
        return lambda: self._parts[name].node

    def _complain(self, ask: Ask, path: Path, message: str, hint: str) -> None:
        self.failures += 1
        self.problems.append(ask().problem(format_path(path), message, hint))


def _make_given(name: str, text: str) -> Part:
    """A value of the command line."""
    file = f"--set {name}"
    return Part(text, Document(file, text, Node(text, 0, 0, text, file=file)))


def _is_same(one: object, other: object) -> bool:
    return one is other
