"""One manifest file -> its values as plain data, and the place of each value on demand. Pure.

Most runs never need a place. The tree with places takes several times the time and memory of the data, so it is made from
the text when the first message needs it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from imagesync.errors import Diagnostic
from imagesync.manifest.validation import locate
from imagesync.manifest.yaml_reader import Node, parse


@dataclass(slots=True)
class Document:
    """One file: its name in diagnostics, its text, and its tree once it is made.

    ``has_dollars``: whether a value may have a dollar sign, also as an escape.
    """

    file: str
    text: str
    tree: Node | None = None
    is_read_with_care: bool = False
    has_dollars: bool = field(init=False)

    def __post_init__(self) -> None:
        self.has_dollars = "$" in self.text or "\\" in self.text

    @property
    def root(self) -> Node:
        """The tree of a text that was read without a problem."""
        if self.tree is None:
            self.tree, _ = parse(self.text, self.file)
        assert self.tree is not None  # noqa: S101 - for the type checker
        return self.tree


@dataclass(slots=True, eq=False)
class Part:
    """A value of a manifest: its plain data, and the path to it in its document. There are thousands."""

    data: Any
    document: Document
    path: tuple[str, ...] = ()

    @property
    def node(self) -> Node:
        """The place of the value, and the places of all its parts."""
        return locate(self.document.root, self.path)

    @property
    def file(self) -> str:
        """The name of the file in diagnostics."""
        return self.document.file

    def items(self) -> "Iterator[tuple[str, Part]]":
        """The children of a mapping; none for anything else."""
        for name in self.data if isinstance(self.data, dict) else ():
            yield name, self[name]

    def __getitem__(self, name: str) -> "Part":
        return Part(self.data[name], self.document, (*self.path, name))

    def __contains__(self, name: str) -> bool:
        return isinstance(self.data, dict) and name in self.data

    def is_plain(self, path: Sequence[str | int]) -> bool:
        """Whether a text with a dollar sign was written without quotes, at a place where a number is allowed.

        The fast reader accepts only such texts; all others are read with care.
        """
        return not self.document.is_read_with_care or locate(self.node, path).plain

    def problem(self, where: str, message: str, hint: str = "") -> Diagnostic:
        """A diagnostic at the key of this value, or at the value if it has no key."""
        return self.node.problem(where, message, hint)
