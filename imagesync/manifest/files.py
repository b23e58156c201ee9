"""A path -> the manifest files below it, and the bytes of each. Reads folders and files.

A file that cannot be found or read stops the whole catalog: an image that failed to load must never look like a removed
one.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from imagesync.errors import Diagnostic
from imagesync.paths import explain_way_out, find_way_out, is_among_files
from imagesync.text import make_printable

SUFFIXES: Final = (".yaml", ".yml")
ALLOW: Final = "--allow-outside"
MAX_FILE_BYTES: Final = 32 * 2**20
"""Of one manifest: enough for 10,000 images with 100 values each."""
MAX_DEPTH: Final = 64
"""Nested folders below the given folder."""
MAX_ENTRIES: Final = 100_000
"""Files and folders that are listed, including hidden ones and those that are not manifests."""
_BLOCK_BYTES: Final = 2**16
NO_MANIFEST: Final = "no *.yaml or *.yml below this folder"
_NOT_THERE: Final = ("no such file or folder", "check the path")
_LEADS_OUT: Final = ("this link leads out of the catalog's folder", f"remove it, copy it in, or pass {ALLOW}")


@dataclass(frozen=True, slots=True)
class Found:
    """A manifest file: its path, its name in diagnostics, its absolute folder, and its real path."""

    path: str
    display: str
    folder: str
    real: str


def find_files(path: Path, *, allow_outside: bool = False) -> tuple[list[Found], list[Diagnostic]]:
    """Every manifest at or below a path, once each, sorted; and a problem for each file or folder that cannot be read.

    Without ``allow_outside``, no link may point outside of the folder, and no link in a relative path outside of the working
    directory.
    """
    found: dict[str, Found] = {}
    problems: list[Diagnostic] = []
    for item in _find_below(path, allow_outside=allow_outside):
        if isinstance(item, Diagnostic):
            problems.append(item)
        else:
            found.setdefault(item.real, item)
    return sorted(found.values(), key=lambda item: item.display), problems


def _find_below(path: Path, *, allow_outside: bool) -> Iterator[Found | Diagnostic]:
    real = None if allow_outside else find_way_out(path)
    if real is not None:
        yield _problem(path, *explain_way_out(path, real, option=ALLOW))
        return
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_link = path.is_symlink()
        yield _problem(path, *(("this link points to nothing", "correct or remove it") if is_link else _NOT_THERE))
        return
    except OSError as error:
        yield _problem(path, f"this cannot be read ({error.strerror})", "check the path and its permissions")
        return
    if not is_folder:
        yield Found(str(path), make_printable(str(path)), os.path.abspath(path.parent), os.path.realpath(path))
        return
    below = list(_Walk(path, allow_outside=allow_outside).find_all())
    yield from below
    if not below:
        yield _problem(path, NO_MANIFEST, "check the path, or create a catalog there: imagesync init")


class _Walk:
    """The manifests of a folder and its subfolders; hidden ones (.git, .github, .gitlab-ci.yml) are skipped."""

    def __init__(self, root: Path, *, allow_outside: bool) -> None:
        self._root, self._real, self._allow_outside = root, os.path.realpath(root), allow_outside
        self._left = MAX_ENTRIES
        self._waiting: list[tuple[_Folder, os.DirEntry[str]]] = []
        """Entries that are not visited yet, the next one last."""
        self._linked = {self._real}
        """Real paths of folders that were entered through a link, because links may form circles."""

    def find_all(self) -> Iterator[Found | Diagnostic]:
        """Every manifest and every problem, in the order of their names."""
        yield from self._look_into(_Folder(str(self._root), self._real, 0))
        while self._waiting:
            folder, entry = self._waiting.pop()
            try:
                is_folder, is_link = entry.is_dir(), entry.is_symlink()
            except OSError as error:
                path = folder.join(entry.name)
                yield _problem(path, f"this cannot be read ({error.strerror})", "correct its permissions, or remove it")
                continue
            if is_folder and is_link:
                yield from self._follow(folder, entry.name)
            elif is_folder:
                yield from self._look_into(folder.enter(entry.name))
            elif entry.name.lower().endswith(SUFFIXES):
                yield self._check_manifest(folder, entry, is_link=is_link)

    def _look_into(self, folder: "_Folder") -> Iterator[Diagnostic]:
        """List a folder; its entries are visited next."""
        if folder.depth > MAX_DEPTH:
            yield _problem(folder.path, f"more than {MAX_DEPTH} nested folders", "move the manifests up")
            return
        try:
            with os.scandir(folder.path) as listed:
                entries = list(islice(listed, self._left + 1))
        except OSError as error:
            yield _problem(folder.path, f"the folder cannot be read ({error.strerror})", "correct its permissions")
            return
        self._left -= len(entries)
        if self._left < 0:
            self._waiting.clear()
            message = f"more than {MAX_ENTRIES} files and folders"
            yield _problem(str(self._root), message, "pass a folder with fewer files")
            return
        entries.sort(key=lambda entry: entry.name, reverse=True)
        self._waiting += [(folder, entry) for entry in entries if not entry.name.startswith(".")]

    def _follow(self, folder: "_Folder", name: str) -> Iterator[Diagnostic]:
        """A link to a folder inside is skipped, because the folder is visited at its real path, unless that is hidden."""
        path = folder.join(name)
        real = os.path.realpath(path)
        is_inside = is_among_files(real, self._real)
        if not is_inside and not self._allow_outside:
            yield _problem(path, *_LEADS_OUT)
        elif real not in self._linked and (not is_inside or _is_hidden(os.path.relpath(real, self._real))):
            self._linked.add(real)
            yield from self._look_into(_Folder(path, real, folder.depth + 1))

    def _check_manifest(self, folder: "_Folder", entry: os.DirEntry[str], *, is_link: bool) -> Found | Diagnostic:
        path = folder.join(entry.name)
        real = os.path.realpath(path) if is_link else os.path.join(folder.real, entry.name)
        if not self._allow_outside and not is_among_files(real, self._real):
            return _problem(path, *_LEADS_OUT)
        try:
            if not entry.is_file():
                return _problem(path, "this is not a regular file", "remove it")
        except OSError as error:
            return _problem(
                path, f"the file cannot be read ({error.strerror})", "correct its permissions, or remove it"
            )
        return Found(path, make_printable(path), folder.absolute, real)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A visited folder: its path, its real path, and the number of folders above it."""

    path: str
    real: str
    depth: int
    absolute: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "absolute", os.path.abspath(self.path))

    def join(self, name: str) -> str:
        return os.path.normpath(os.path.join(self.path, name)) if self.path == "." else os.path.join(self.path, name)

    def enter(self, name: str) -> "_Folder":
        """A subfolder that is not a link."""
        return _Folder(self.join(name), os.path.join(self.real, name), self.depth + 1)


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split(os.sep))


def _problem(path: Path | str, message: str, hint: str = "") -> Diagnostic:
    """A diagnostic about a whole file or folder."""
    return Diagnostic(make_printable(str(path)), 0, 0, "", message, hint)


def read_bytes(found: Found) -> bytes | Diagnostic:
    """The content of one manifest, or the diagnostic if it cannot be read."""
    try:
        content = _read_beginning(found.path, MAX_FILE_BYTES + 1)
    except OSError as error:
        return _problem(found.path, f"the file cannot be read ({error.strerror})", "correct its permissions")
    if len(content) > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 2**20
        too_large = _problem(found.path, f"the file is larger than {limit} MiB", "split it into several files")
        return too_large if _is_named_as_manifest(found.path) else explain_other_file(found.path, content) or too_large
    return content


def explain_other_file(path: str, content: bytes) -> Diagnostic | None:
    """The diagnostic for a file that is not text: the path of an image in place of the catalog's; None for text."""
    from imagesync.formats.naming import describe_binary

    what = describe_binary(content[:_BLOCK_BYTES])
    if not what:
        return None
    is_damaged = _is_named_as_manifest(path)
    hint = "remove it, or write the manifest again" if is_damaged else "pass a manifest, or the catalog's folder"
    return _problem(path, f"this is {what}, not a manifest", hint)


def _is_named_as_manifest(path: str) -> bool:
    return path.lower().endswith(SUFFIXES)


def _read_beginning(path: str, size: int) -> bytes:
    """At most ``size`` bytes of a file; with few calls and little memory, because there may be thousands of files."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        content = os.read(descriptor, min(status.st_size + 1, size))
        if stat.S_ISREG(status.st_mode) and len(content) == status.st_size:
            return content
        blocks = [content]
        while blocks[-1] and (left := size - sum(map(len, blocks))):
            blocks.append(os.read(descriptor, min(left, _BLOCK_BYTES)))
    finally:
        os.close(descriptor)
    return b"".join(blocks)
