"""Manifest files -> a ``Manifest``: every file read, its structure checked, merged. Reads files, nothing else.

All problems of all files come in one ManifestError: an image that failed to load must never look like one that was
removed, so that with any problem there is no manifest at all.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from imagesync.errors import MAX_PROBLEMS, Diagnostic, ManifestError
from imagesync.manifest.files import Found, find_files, read_bytes
from imagesync.manifest.merging import Manifest, find_unknown_names
from imagesync.manifest.validation import Shape, format_path
from imagesync.manifest.yaml_reader import MAX_KEYS, Allowance, Node, parse
from imagesync.schemas import load_schema
from imagesync.secrets import show_key

MERGED: Final = ("images", "profiles", "targets", "values", "removed")
SINGLE: Final = ("catalog", "policy", "defaults", "default_target")
MAX_TOTAL_BYTES: Final = 32 * 2**20
"""Of all files of a catalog together."""


def load(path: Path | str, *, allow_outside: bool = False) -> Manifest:
    """The manifest at a file, or of every ``*.yaml`` and ``*.yml`` below a folder; ManifestError if it is not sound.

    Without ``allow_outside`` a link that leads out of the folder, or a relative path whose links lead out of the working
    directory, is a problem.
    """
    manifest = read_manifest(path, allow_outside=allow_outside)
    if not manifest.is_sound:
        raise ManifestError(manifest.problems)
    return manifest


def read_manifest(path: Path | str, *, allow_outside: bool = False) -> Manifest:
    """As ``load``, but what does not fit the schema is in ``Manifest.problems``: the resolution looks for what else is wrong.

    ManifestError if a file cannot be read or parsed, or if there is too much: what is in it is not known then, and other
    problems would follow from that.
    """
    path = Path(path)
    files, problems = find_files(path, allow_outside=allow_outside)
    shape = Shape(load_schema("manifest"))
    sections: dict[str, dict[str, Node]] = {name: {} for name in (*MERGED, "single")}
    roots, left, unread = [], _Left(), list(problems)
    for file in files:
        root, found = _read(file, shape, left)
        problems += found
        if root is not None:
            roots.append(root)
            problems += _merge(sections, root)
        else:
            unread += found
        if too_many := len(sections["images"]) > MAX_KEYS:
            message = f"more than {MAX_KEYS} images in one catalogue"
            problems.append(Diagnostic(file.shown, 0, 0, "images", message, "split it"))
        if len(problems) >= MAX_PROBLEMS or too_many or left.is_used_up():
            raise ManifestError(problems)
    problems += _find_case_clashes(sections)
    if unread:
        raise ManifestError(problems)
    if not any("images" in root.items() for root in roots):
        hint = "list them, or write images: {} for none"
        problems.append(Diagnostic(files[0].shown, 0, 0, "images", "missing", hint))
    base = path if path.is_dir() else path.parent
    folders = {file.shown: os.path.realpath(file.folder) for file in files}
    images, profiles, targets, values, removed, single = sections.values()
    manifest = Manifest(str(base.resolve()), images, profiles, targets, values, removed, single, folders)
    unknown = islice(find_unknown_names(manifest), MAX_PROBLEMS)
    return replace(manifest, problems=(*problems, *unknown), is_sound=not problems)


@dataclass(slots=True)
class _Left:
    """How much may still be read: bytes, and values."""

    size: int = MAX_TOTAL_BYTES
    values: Allowance = field(default_factory=Allowance)

    def is_used_up(self) -> bool:
        """Whether what was read last was too much."""
        return self.size < 0 or self.values.values < 0


def _read(found: Found, shape: Shape, left: _Left) -> tuple[Node | None, list[Diagnostic]]:
    content = read_bytes(found)
    if isinstance(content, Diagnostic):
        return None, [content]
    left.size -= len(content)
    if left.size < 0:
        message = f"more than {MAX_TOTAL_BYTES // 2**20} MiB in all files"
        return None, [Diagnostic(found.shown, 0, 0, "", message, "split the catalogue")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return None, [Diagnostic(found.shown, 1, 1, "", f"not UTF-8 (byte {error.start})", "save it as UTF-8")]
    root, problems = parse(text, found.shown, left.values)
    if root is None:
        return None, problems or [Diagnostic(found.shown, 1, 1, "", "empty", "a manifest begins with version: 1")]
    return root, problems + shape.find_problems(shape.make_plain(root), root)


def _merge(sections: dict[str, dict[str, Node]], root: Node) -> Iterator[Diagnostic]:
    for name, node in root.items().items():
        if name in SINGLE:
            yield from _define(sections["single"], name, node, (name,))
        elif name in MERGED:
            for key, child in node.items().items():
                yield from _define(sections[name], key, child, (name, key))


def _define(section: dict[str, Node], key: str, node: Node, path: Sequence[Any]) -> Iterator[Diagnostic]:
    if key in section:
        first = section[key]
        message = f"defined in two files; first in {first.file}:{first.key_line}"
        yield node.problem(format_path(path), message, "keep one")
    section.setdefault(key, node)


def _find_case_clashes(sections: dict[str, dict[str, Node]]) -> Iterator[Diagnostic]:
    for name in ("images", "profiles", "targets", "removed"):
        seen: dict[str, str] = {}
        for key, node in sections[name].items():
            other = seen.setdefault(key.lower(), key)
            if other != key:
                yield node.problem(
                    format_path((name, key)), f"differs from {show_key(other)} only in case", "rename one"
                )
