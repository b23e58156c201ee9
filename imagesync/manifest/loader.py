"""Manifest files -> a ``Manifest``: all files are read, checked and merged. Reads files.

All problems of all files are in one ManifestError, and a manifest with a problem is not returned: an image that failed to load
must never look like a removed one.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from imagesync.errors import MAX_PROBLEMS, Diagnostic, ManifestError
from imagesync.manifest.documents import Document, Part
from imagesync.manifest.files import Found, explain_other_file, find_files, read_bytes
from imagesync.manifest.merging import Manifest, find_unknown_names
from imagesync.manifest.plain_reader import read_plain
from imagesync.manifest.validation import Shape, format_path
from imagesync.manifest.yaml_reader import MAX_KEYS, Allowance, parse
from imagesync.schemas import load_schema
from imagesync.secrets import show_key

MERGED: Final = ("images", "profiles", "targets", "values", "removed")
SINGLE: Final = ("catalog", "policy", "defaults", "default_target")
MAX_TOTAL_BYTES: Final = 32 * 2**20
"""Limit for all files of a catalog together."""


def load(path: Path | str, *, allow_outside: bool = False) -> Manifest:
    """The manifest at a file, or of every ``*.yaml`` and ``*.yml`` below a folder; ManifestError if it is not sound.

    Without ``allow_outside``, a link that points outside of the folder is a problem, and so is a relative path whose links point
    outside of the working directory.
    """
    manifest = read_manifest(path, allow_outside=allow_outside)
    if not manifest.is_sound:
        raise ManifestError(manifest.problems)
    return manifest


def read_manifest(
    path: Path | str, *, allow_outside: bool = False, edited: Mapping[str, bytes] = MappingProxyType({})
) -> Manifest:
    """As ``load``, but values that do not fit the schema are in ``Manifest.problems``; the resolution adds further problems.

    ``edited``: by real path, the content of files that replaces what is on the disk, to check a change before it is written.
    ManifestError if a file cannot be read or parsed, or if a limit is exceeded: its content is unknown, and further problems
    would only follow from that.
    """
    path = Path(path)
    files, problems = find_files(path, allow_outside=allow_outside)
    shape = Shape(load_schema("manifest"))
    sections: dict[str, dict[str, Part]] = {name: {} for name in (*MERGED, "single")}
    roots, left, unread = [], _Left(), list(problems)
    for file in files:
        root, found = _read(file, shape, left, edited)
        problems += found
        if root is not None:
            roots.append(root)
            problems += _merge(sections, root)
        else:
            unread += found
        if too_many := len(sections["images"]) > MAX_KEYS:
            message = f"more than {MAX_KEYS} images in one catalog"
            problems.append(Diagnostic(file.display, 0, 0, "images", message, "split the catalog"))
        if len(problems) >= MAX_PROBLEMS or too_many or left.is_used_up():
            raise ManifestError(problems)
    problems += _find_case_clashes(sections)
    if unread:
        raise ManifestError(problems)
    if not any("images" in root for root in roots):
        hint = "list them, or write images: {} for none"
        problems.append(Diagnostic(files[0].display, 0, 0, "images", "missing", hint))
    base = path if path.is_dir() else path.parent
    real = {folder: os.path.realpath(folder) for folder in {file.folder for file in files}}
    folders = {file.display: real[file.folder] for file in files}
    images, profiles, targets, values, removed, single = sections.values()
    manifest = Manifest(str(base.resolve()), images, profiles, targets, values, removed, single, folders)
    unknown = islice(find_unknown_names(manifest), MAX_PROBLEMS)
    return replace(manifest, problems=(*problems, *unknown), is_sound=not problems)


@dataclass(slots=True)
class _Left:
    """The bytes and values that may still be read. ``names``: keys that were read already."""

    size: int = MAX_TOTAL_BYTES
    values: Allowance = field(default_factory=Allowance)
    names: dict[str, str] = field(default_factory=dict)

    def is_used_up(self) -> bool:
        """Whether the last file exceeded a limit."""
        return self.size < 0 or self.values.values < 0


def _read(found: Found, shape: Shape, left: _Left, edited: Mapping[str, bytes]) -> tuple[Part | None, list[Diagnostic]]:
    content = edited[found.real] if found.real in edited else read_bytes(found)
    if isinstance(content, Diagnostic):
        return None, [content]
    left.size -= len(content)
    if left.size < 0:
        message = f"more than {MAX_TOTAL_BYTES // 2**20} MiB in all files"
        return None, [Diagnostic(found.display, 0, 0, "", message, "split the catalog")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = Diagnostic(found.display, 1, 1, "", f"not UTF-8 (byte {error.start})", "save it as UTF-8")
        return None, [explain_other_file(found.path, content) or problem]
    if "\0" in text and (other := explain_other_file(found.path, content)):
        return None, [other]
    return _read_text(Document(found.display, text), shape, left)


def _read_text(document: Document, shape: Shape, left: _Left) -> tuple[Part | None, list[Diagnostic]]:
    """The root of a document, and its problems; read with places if the fast reader gives no answer, or the data does not fit."""
    before = left.values.values
    data = read_plain(document.text, shape.kind, left.values, left.names)
    if data is not None and shape.is_fitting(data):
        return Part(data, document), []
    del data  # the tree needs the memory
    left.values.values = before
    document.is_read_with_care = True
    document.tree, problems = parse(document.text, document.file, left.values)
    if document.tree is None:
        return None, problems or [Diagnostic(document.file, 1, 1, "", "empty", "begin the manifest with version: 1")]
    data = shape.make_plain(document.tree)
    return Part(data, document), problems + shape.find_problems(data, document.tree)


def _merge(sections: dict[str, dict[str, Part]], root: Part) -> Iterator[Diagnostic]:
    for name, part in root.items():
        if name in SINGLE:
            yield from _define(sections["single"], name, part, (name,))
        elif name in MERGED:
            for key, child in part.items():
                yield from _define(sections[name], key, child, (name, key))


def _define(section: dict[str, Part], key: str, part: Part, path: Sequence[Any]) -> Iterator[Diagnostic]:
    first = section.setdefault(key, part)
    if first is not part:
        message = f"defined in two files; first in {first.file}:{first.node.key_line}"
        yield part.problem(format_path(path), message, "keep one")


def _find_case_clashes(sections: dict[str, dict[str, Part]]) -> Iterator[Diagnostic]:
    for name in ("images", "profiles", "targets", "removed"):
        seen: dict[str, str] = {}
        for key, part in sections[name].items():
            other = seen.setdefault(key.lower(), key)
            if other != key:
                yield part.problem(
                    format_path((name, key)), f"differs from {show_key(other)} only in case", "rename one"
                )
