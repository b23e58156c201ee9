"""``${name}`` in the strings of a manifest -> the strings meant. Pure.

Values come from the catalogue, then the target, then ``--set``; the environment is never read. A value may name others.
``${images.KEY.id}`` is known only when a plan is applied: it stays, in properties alone, its key checked. ``$$`` is a
dollar.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final, TypeAlias

from imagesync.errors import Diagnostic, ManifestError
from imagesync.manifest.validation import format_path, suggest
from imagesync.manifest.yaml_reader import Node, parse_scalar
from imagesync.model.policy import FIELDS
from imagesync.model.references import escape_references
from imagesync.secrets import show_key

_MARK: Final = re.compile(r"\$(?:\$|\{([^}$\n]*)(\})?)")
MAX_DEPTH: Final = 32
"""Values that name values, one inside the other."""
MAX_TEXT_CHARS: Final = 2**20
"""Of one string once it is filled in."""
MAX_FILLED_CHARS: Final = 16 * 2**20
"""Of all strings of a resolution together."""
_IMAGE: Final = re.compile(r"images\.(.+)\.id")

Path: TypeAlias = tuple[str | int, ...]


def find_names(text: str) -> Iterator[str]:
    """What each ``${name}`` of a text names."""
    return (found[1] for found in _MARK.finditer(text) if found[2])


class Values:
    """The values of one target, and the problems met while filling them in."""

    def __init__(self, values: Mapping[str, Node], given: Mapping[str, str], keys: Collection[str]) -> None:
        self._nodes = {**values, **{name: Node(text, 0, 0, text, file=f"--set {name}") for name, text in given.items()}}
        self._texts: dict[str, str] = {}
        self._keys = keys
        self._spent = 0
        self._broken: set[str] = set()
        self.problems: list[Diagnostic] = []
        self.failures = 0
        """Strings that could not be filled in; one value that is wrong is one problem, wherever it is used."""

    def fill(self, node: Node, path: Path) -> Node:
        """The tree with every string filled in; the very same node where there is nothing to fill."""
        if isinstance(node.value, dict):
            return self._fill_mapping(node, node.value, path)
        if isinstance(node.value, list):
            items = [self.fill(child, (*path, index)) for index, child in enumerate(node.value)]
            same = all(map(_is_same, items, node.value))
            return node if same else node.replace_value(items)
        if not isinstance(node.value, str) or "$" not in node.value:
            return node
        text = self._fill_text(node.value, node, path, ())
        value = parse_scalar(text) if node.plain else text
        return node.replace_value(text if value is None else value, text)

    def _fill_mapping(self, node: Node, children: Mapping[str, Node], path: Path) -> Node:
        filled = {
            name: child if isinstance(child.value, str) and "$" not in child.value else self.fill(child, (*path, name))
            for name, child in children.items()
        }
        for name in children:
            if "${" in name:
                where = format_path((*path, name))
                self.problems.append(children[name].problem(where, "${…} cannot stand in a key", "write the key out"))
        return node if all(map(_is_same, filled.values(), children.values())) else node.replace_value(filled)

    def _fill_text(self, text: str, node: Node, path: Path, within: tuple[str, ...]) -> str:
        """``within``: the values whose texts are being filled in now."""
        in_properties = len(path) == 4 and path[0] == "images" and path[2] == "properties" and not within
        parts: list[str] = []
        end = length = 0
        for found in _MARK.finditer(text):
            word = self._resolve_mark(found, node, path, within, in_properties=in_properties)
            length += len(word)
            if length > MAX_TEXT_CHARS or self._spent + length > MAX_FILLED_CHARS:
                self._complain(
                    node, path, "what ${…} stands for becomes too long", f"at most {MAX_TEXT_CHARS} characters"
                )
                raise ManifestError(self.problems)
            parts += text[end : found.start()], word
            end = found.end()
        self._spent += length
        return "".join((*parts, text[end:]))

    def _resolve_mark(
        self, found: re.Match[str], node: Node, path: Path, within: tuple[str, ...], *, in_properties: bool
    ) -> str:
        """What one ``$$`` or ``${name}`` becomes."""
        name = found[1]
        if name is None:
            return "$$" if in_properties and found.string.startswith("{images.", found.end()) else "$"
        if found[2] is None:
            self._complain(node, path, "${ is not closed", "close it with }, or write $${ for the characters")
            return ""
        if image := _IMAGE.fullmatch(name):
            return self._check_reference(image, node, path, in_properties=in_properties)
        value = self._find_value(name, node, path, within)
        return escape_references(value) if in_properties else value

    def _check_reference(self, found: re.Match[str], node: Node, path: Path, *, in_properties: bool) -> str:
        if not in_properties:
            hint = "use it in the values of properties"
            self._complain(node, path, f"${{{show_key(found[0])}}} is known only when the plan is applied", hint)
        elif found[1] not in self._keys:
            hint = suggest(found[1], self._keys, "it has")
            self._complain(node, path, f"${{{show_key(found[0])}}} names no image of this catalogue", hint)
            self.failures -= 1  # what it would be has its form
        return f"${{{found[0]}}}"

    def _find_value(self, name: str, node: Node, path: Path, within: tuple[str, ...]) -> str:
        if name in self._texts:
            self.failures += name in self._broken
            return self._texts[name]
        if name not in self._nodes:
            hint = suggest(name, self._nodes, "define it under values, or with --set; known")
            if path[-1] == "rename" and name.partition(":")[0] in FIELDS:
                hint = f"write {{{name}}}, without the $, for what the image has"
            self._complain(node, path, f"${{{show_key(name)}}} is not defined", hint)
            return ""
        if name in within:
            ring = " -> ".join(map(show_key, [*within[within.index(name) :], name]))
            self._complain(self._nodes[name], ("values", name), f"the values go round in a circle: {ring}", "break it")
            return ""
        if len(within) >= MAX_DEPTH:
            self._complain(node, path, f"values that name values, more than {MAX_DEPTH} deep", "write it out")
            return ""
        before = self.failures
        text = self._fill_text(str(self._nodes[name].text), self._nodes[name], ("values", name), (*within, name))
        self._texts[name] = text
        if self.failures > before:
            self._broken.add(name)
        return text

    def _complain(self, node: Node, path: Path, message: str, hint: str) -> None:
        self.failures += 1
        self.problems.append(node.problem(format_path(path), message, hint))


def _is_same(one: object, other: object) -> bool:
    return one is other
