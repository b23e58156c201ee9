"""A store's folder -> BackendError if a link, or another kind of file than a store's, is in it. Reads the folder.

A store may be part of a checkout, in which an attacker can add files. If its database or its data were links, imagesync or
SQLite would read, overwrite and delete other files.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from imagesync.backends.local.content import parse_image_id
from imagesync.errors import BackendError
from imagesync.text import make_printable

DATABASE: Final = "store.db"
CONTENT: Final = "content"
_JOURNAL: Final = f"{DATABASE}-journal"
_FILES: Final = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", _JOURNAL)
_JOURNAL_MAGIC: Final = bytes.fromhex("d9d505f920a163d7")
_MIN_SUPER: Final = 16
"""Least bytes at the end of a journal that names a super-journal: length, checksum, magic (sqlite.org/fileformat2.html, 3)."""


def has_database(folder: Path | str) -> bool:
    """Whether a folder has the database of a store."""
    return os.path.lexists(Path(folder) / DATABASE)


def check_places(folder: Path) -> None:
    """BackendError for the first link, or file of a wrong kind, in a store's folder, or above it. It changes nothing."""
    _check_no_file(folder)
    for name, message in _find_wrong(folder):
        where = f"store {folder}: {make_printable(name)}"
        raise BackendError(f"{where} {message}; imagesync changed nothing", "remove it, or use another store")
    _check_journal(folder / _JOURNAL)


def _check_no_file(folder: Path) -> None:
    """BackendError if the path of a store, or a part of it, is a file: SQLite would only report the file of a journal."""
    found = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if found is not None and not found.is_dir():
        message = f"store {folder} is not a folder" if found == folder else f"store {folder}: {found} is not a folder"
        raise BackendError(message, "pass the folder of a store, or a path that does not exist yet")


def _find_wrong(folder: Path) -> Iterator[tuple[str, str]]:
    for name in (*_FILES, CONTENT):
        is_folder = name == CONTENT
        mode = _read_mode(folder / name)
        if mode and stat.S_ISLNK(mode):
            yield name, "is a link"
        elif mode and not (stat.S_ISDIR(mode) if is_folder else stat.S_ISREG(mode)):
            yield name, "is not a folder" if is_folder else "is not a regular file"
    if not stat.S_ISDIR(_read_mode(folder / CONTENT)):
        return
    with os.scandir(folder / CONTENT) as entries:
        for entry in entries:
            name = f"{CONTENT}/{entry.name}"
            if entry.is_symlink():
                yield name, "is a link"
            elif parse_image_id(entry.name) is not None and not entry.is_file(follow_symlinks=False):
                yield name, "is not a regular file"


def _read_mode(path: Path) -> int:
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _check_journal(path: Path) -> None:
    """BackendError for a journal that names a super-journal, a file that SQLite would then delete.

    A crash of imagesync may leave a journal, but never such a one.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - len(_JOURNAL_MAGIC)))
            ends = file.read()
    except FileNotFoundError:
        return
    if size >= _MIN_SUPER and ends == _JOURNAL_MAGIC:
        message = f"store {path.parent}: {path.name} names a super-journal, a file that SQLite would delete"
        hint = f"use another store, or remove {path.name}, which imagesync did not write"
        raise BackendError(f"{message}; imagesync changed nothing", hint)
