"""Paths given by a user -> the manifest files below them, and the bytes of one. Reads folders and files.

A file that cannot be found or read is a problem of the whole set: an image that failed to load must never look like
one that was removed.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagesync.errors import Diagnostic
from imagesync.text import make_printable

SUFFIXES: Final = (".yaml", ".yml")
MAX_FILE_BYTES: Final = 8 * 2**20
"""Of one manifest."""
_LEADS_OUT: Final = ("this link leads out of the catalogue's folder", "take it out, or copy it in")


@dataclass(frozen=True, slots=True)
class Found:
    """A manifest file: its path, its name in diagnostics, its absolute folder and the root it was found under."""

    path: Path
    shown: str
    folder: str
    root: str


def find_files(paths: Sequence[Path]) -> tuple[list[Found], list[Diagnostic]]:
    """Every manifest below these paths, once each, sorted; and what could not be looked at."""
    found: dict[str, Found] = {}
    problems: list[Diagnostic] = []
    for path in paths:
        for item in _find_below(path):
            if isinstance(item, Diagnostic):
                problems.append(item)
            else:
                found.setdefault(os.path.realpath(item.path), item)
    return sorted(found.values(), key=lambda item: item.shown), problems


def _find_below(path: Path) -> Iterator[Found | Diagnostic]:
    if not path.exists():
        if path.is_symlink():
            yield _problem(path, "this link leads nowhere", "mend it")
        else:
            yield _problem(path, "no such file or folder", "check the path")
        return
    if not path.is_dir():
        folder = os.path.abspath(path.parent)
        yield Found(path, make_printable(str(path)), folder, folder)
        return
    below = list(_walk(path, path))
    yield from below
    if not below:
        yield _problem(path, "no *.yaml or *.yml below this folder", "check the path")


def _walk(folder: Path, root: Path) -> Iterator[Found | Diagnostic]:
    """Manifests of a folder and those below; hidden ones (.git, .github, .gitlab-ci.yml) are left out."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield _problem(folder, f"the folder cannot be read ({error.strerror})")
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = folder / entry.name
        is_folder = entry.is_dir()
        if is_folder and not entry.is_symlink():
            yield from _walk(path, root)
        elif is_folder:
            yield from _check_linked_folder(path, root)
        elif entry.name.lower().endswith(SUFFIXES):
            yield _check_manifest(path, root)


def _check_linked_folder(path: Path, root: Path) -> Iterator[Diagnostic]:
    """A link to a folder inside is walked at its real place; one to the outside would silently lose its images."""
    if not is_within(os.path.realpath(path), os.path.realpath(root)):
        yield _problem(path, *_LEADS_OUT)


def _check_manifest(path: Path, root: Path) -> Found | Diagnostic:
    real = os.path.realpath(path)
    if not is_within(real, os.path.realpath(root)):
        return _problem(path, *_LEADS_OUT)
    try:
        if not stat.S_ISREG(os.stat(real).st_mode):
            return _problem(path, "this is not a regular file", "take it out")
    except OSError as error:
        return _problem(path, f"the file cannot be read ({error.strerror})", "mend or remove it")
    return Found(path, make_printable(str(path)), os.path.abspath(path.parent), os.path.abspath(root))


def _problem(path: Path, message: str, hint: str = "") -> Diagnostic:
    """A problem of a whole file or folder."""
    return Diagnostic(make_printable(str(path)), 0, 0, "", message, hint)


def is_within(path: str, folder: str) -> bool:
    """Whether a real path is a real folder or below it."""
    return path == folder or path.startswith(folder if folder.endswith(os.sep) else folder + os.sep)


def read_bytes(found: Found) -> bytes | Diagnostic:
    """The content of one manifest, or why there is none."""
    try:
        with open(found.path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return _problem(found.path, f"the file cannot be read ({error.strerror})", "mend its permissions")
    if len(content) > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 2**20
        return _problem(found.path, f"the file is larger than {limit} MiB", "split it")
    return content
