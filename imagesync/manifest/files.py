"""Paths given by a user -> the manifest files below them, and the bytes of one. Reads folders and files.

A file that cannot be found or read is a problem of the whole set: an image that failed to load must never look like
one that was removed.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from imagesync.errors import Diagnostic
from imagesync.paths import explain_way_out, find_way_out, is_among_files
from imagesync.text import make_printable

SUFFIXES: Final = (".yaml", ".yml")
ALLOW: Final = "--allow-outside"
MAX_FILE_BYTES: Final = 8 * 2**20
"""Of one manifest."""
MAX_DEPTH: Final = 64
"""Folders in each other below the one that is given."""
MAX_ENTRIES: Final = 100_000
"""Files and folders that are looked at, hidden ones and those that are no manifests included."""
_NOT_THERE: Final = ("no such file or folder", "check the path")
_LEADS_OUT: Final = ("this link leads out of the catalogue's folder", f"take it out, copy it in, or pass {ALLOW}")


@dataclass(frozen=True, slots=True)
class Found:
    """A manifest file: its path, its name in diagnostics and its absolute folder."""

    path: Path
    shown: str
    folder: str


def find_files(path: Path, *, allow_outside: bool = False) -> tuple[list[Found], list[Diagnostic]]:
    """Every manifest at or below a path, once each, sorted; and what could not be looked at.

    Without ``allow_outside`` no link may lead out of the folder, and none in a relative path out of the working directory.
    """
    found: dict[str, Found] = {}
    problems: list[Diagnostic] = []
    for item in _find_below(path, allow_outside=allow_outside):
        if isinstance(item, Diagnostic):
            problems.append(item)
        else:
            found.setdefault(os.path.realpath(item.path), item)
    return sorted(found.values(), key=lambda item: item.shown), problems


def _find_below(path: Path, *, allow_outside: bool) -> Iterator[Found | Diagnostic]:
    real = None if allow_outside else find_way_out(path)
    if real is not None:
        yield _problem(path, *explain_way_out(path, real, option=ALLOW))
        return
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_link = path.is_symlink()
        yield _problem(path, *(("this link leads nowhere", "mend it") if is_link else _NOT_THERE))
        return
    except OSError as error:
        yield _problem(path, f"this cannot be read ({error.strerror})", "check the path and its permissions")
        return
    if not is_folder:
        yield Found(path, make_printable(str(path)), os.path.abspath(path.parent))
        return
    below = list(_Walk(path, allow_outside=allow_outside).find_all())
    yield from below
    if not below:
        yield _problem(path, "no *.yaml or *.yml below this folder", "check the path")


class _Walk:
    """Manifests of a folder and those below; hidden ones (.git, .github, .gitlab-ci.yml) are left out."""

    def __init__(self, root: Path, *, allow_outside: bool) -> None:
        self._root, self._real, self._allow_outside = root, os.path.realpath(root), allow_outside
        self._left = MAX_ENTRIES
        self._waiting: list[tuple[Path, int, os.DirEntry[str]]] = []
        """What is not looked at yet, the next one last: path, folders above it, entry."""
        self._linked = {self._real}
        """Real paths of folders that are walked through a link: links may lead in circles."""

    def find_all(self) -> Iterator[Found | Diagnostic]:
        """Every manifest, and every problem on the way, in the order of their names."""
        yield from self._look_into(self._root, 0)
        while self._waiting:
            path, depth, entry = self._waiting.pop()
            try:
                is_folder, is_link = entry.is_dir(), entry.is_symlink()
            except OSError as error:
                yield _problem(path, f"this cannot be read ({error.strerror})", "mend or remove it")
                continue
            if is_folder and is_link:
                yield from self._follow(path, depth + 1)
            elif is_folder:
                yield from self._look_into(path, depth + 1)
            elif entry.name.lower().endswith(SUFFIXES):
                yield self._check_manifest(path)

    def _look_into(self, folder: Path, depth: int) -> Iterator[Diagnostic]:
        """Note what is in a folder, to be looked at next."""
        if depth > MAX_DEPTH:
            yield _problem(folder, f"more than {MAX_DEPTH} folders in each other", "move the manifests up")
            return
        try:
            with os.scandir(folder) as listed:
                entries = list(islice(listed, self._left + 1))
        except OSError as error:
            yield _problem(folder, f"the folder cannot be read ({error.strerror})")
            return
        self._left -= len(entries)
        if self._left < 0:
            self._waiting.clear()
            message = f"more than {MAX_ENTRIES} files and folders"
            yield _problem(self._root, message, "name a folder with fewer of them")
            return
        entries.sort(key=lambda entry: entry.name, reverse=True)
        self._waiting += [(folder / entry.name, depth, entry) for entry in entries if not entry.name.startswith(".")]

    def _follow(self, path: Path, depth: int) -> Iterator[Diagnostic]:
        """A link to a folder inside is walked at its real place, unless that is hidden: its images would be lost."""
        real = os.path.realpath(path)
        is_inside = is_among_files(real, self._real)
        if not is_inside and not self._allow_outside:
            yield _problem(path, *_LEADS_OUT)
        elif real not in self._linked and (not is_inside or _is_hidden(os.path.relpath(real, self._real))):
            self._linked.add(real)
            yield from self._look_into(path, depth)

    def _check_manifest(self, path: Path) -> Found | Diagnostic:
        real = os.path.realpath(path)
        if not self._allow_outside and not is_among_files(real, self._real):
            return _problem(path, *_LEADS_OUT)
        try:
            if not stat.S_ISREG(os.stat(real).st_mode):
                return _problem(path, "this is not a regular file", "take it out")
        except OSError as error:
            return _problem(path, f"the file cannot be read ({error.strerror})", "mend or remove it")
        return Found(path, make_printable(str(path)), os.path.abspath(path.parent))


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split(os.sep))


def _problem(path: Path, message: str, hint: str = "") -> Diagnostic:
    """A problem of a whole file or folder."""
    return Diagnostic(make_printable(str(path)), 0, 0, "", message, hint)


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
