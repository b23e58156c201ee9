"""Manifest files -> a ``Manifest``: every file read, its structure checked, merged. Reads files, nothing else.

All problems of all files come in one ManifestError: an image that failed to load must never look like one that was
removed, so that with any problem there is no manifest at all.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from imagesync.errors import Diagnostic, ManifestError
from imagesync.manifestfiles import Found, find_files, read_bytes
from imagesync.model import Place
from imagesync.schemas import schema_text
from imagesync.validation import Shape, dotted
from imagesync.yamltree import Node, parse

MERGED: Final = ("images", "profiles", "targets", "values")
SINGLE: Final = ("catalog", "policy", "defaults", "default_target")


@dataclass(frozen=True, slots=True)
class Entry:
    """One definition: its plain data, where it stands, and the folder its relative paths are relative to."""

    data: Any
    node: Node
    file: str
    folder: str

    def place(self) -> Place:
        """Where its key is."""
        return Place(self.file, self.node.key_line or self.node.line, self.node.key_column or self.node.column)


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of a catalogue as one. ``base`` is the catalogue's folder."""

    base: str
    images: Mapping[str, Entry] = field(default_factory=dict)
    profiles: Mapping[str, Entry] = field(default_factory=dict)
    targets: Mapping[str, Entry] = field(default_factory=dict)
    values: Mapping[str, Entry] = field(default_factory=dict)
    single: Mapping[str, Entry] = field(default_factory=dict)
    files: tuple[str, ...] = ()


def load(path: Path | str) -> Manifest:
    """The manifest at a file, or of every ``*.yaml`` and ``*.yml`` below a folder."""
    path = Path(path)
    files, problems = find_files([path])
    shape = Shape(json.loads(schema_text("manifest")))
    sections: dict[str, dict[str, Entry]] = {name: {} for name in (*MERGED, "single")}
    imaged: list[object] = []
    for file in files:
        read = _read(file, shape)
        problems += read[1]
        if read[0] is not None:
            imaged.append(read[0][0].get("images") if isinstance(read[0][0], dict) else None)
            problems += _merge(sections, *read[0], file.shown, os.path.realpath(file.folder))
    problems += _alike(sections)
    if not problems and not any(isinstance(read, dict) for read in imaged):
        problems.append(
            Diagnostic(files[0].shown, 0, 0, "images", "missing", "list them, or write images: {} for none")
        )
    if problems:
        raise ManifestError(problems)
    base = path if path.is_dir() else path.parent
    return Manifest(str(base.resolve()), **sections, files=tuple(file.shown for file in files))


def _read(found: Found, shape: Shape) -> tuple[tuple[Any, Node] | None, list[Diagnostic]]:
    content = read_bytes(found)
    if isinstance(content, Diagnostic):
        return None, [content]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return None, [Diagnostic(found.shown, 1, 1, "", f"not UTF-8 (byte {error.start})", "save it as UTF-8")]
    root, problems = parse(text, found.shown)
    if root is None:
        return None, problems or [Diagnostic(found.shown, 1, 1, "", "empty", "a manifest begins with version: 1")]
    data = shape.plain(root)
    return (data, root), problems + shape.problems(data, root, found.shown)


def _merge(
    sections: dict[str, dict[str, Entry]], data: Any, root: Node, file: str, folder: str
) -> Iterator[Diagnostic]:
    if not isinstance(data, dict) or not isinstance(root.value, dict):
        return
    for name in (*MERGED, *SINGLE):
        node = root.value.get(name)
        if node is None:
            continue
        if name in SINGLE:
            yield from _define(sections["single"], name, Entry(data[name], node, file, folder), (name,))
        elif isinstance(node.value, dict) and isinstance(data[name], dict):
            for key, child in node.value.items():
                yield from _define(sections[name], key, Entry(data[name][key], child, file, folder), (name, key))


def _define(section: dict[str, Entry], key: str, entry: Entry, path: Sequence[str]) -> Iterator[Diagnostic]:
    place = entry.place()
    if key in section:
        first = section[key].place()
        message = f"defined in two files; first in {first.file}:{first.line}"
        yield Diagnostic(entry.file, place.line, place.column, dotted(path), message, "keep one")
    section[key] = entry


def _alike(sections: dict[str, dict[str, Entry]]) -> Iterator[Diagnostic]:
    for name in ("images", "profiles", "targets"):
        seen: dict[str, str] = {}
        for key, entry in sections[name].items():
            other = seen.setdefault(key.lower(), key)
            if other != key:
                place = entry.place()
                message = f"differs from {other} only in case"
                yield Diagnostic(entry.file, place.line, place.column, f"{name}.{key}", message, "rename one")
