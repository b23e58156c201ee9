"""A store's folder -> a refusal if anything in it is a link, or not the kind of file that a store has. Looks, never opens.

A store may come with a checkout that anybody wrote. Through a link its database or its data would be somebody else's
files, which imagesync, or SQLite, would read, overwrite and delete.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from imagesync.backends.local.content import image_of
from imagesync.errors import BackendError
from imagesync.text import make_printable

DATABASE: Final = "store.db"
CONTENT: Final = "content"
_JOURNAL: Final = f"{DATABASE}-journal"
_FILES: Final = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", _JOURNAL)
_JOURNAL_MAGIC: Final = bytes.fromhex("d9d505f920a163d7")
_MIN_SUPER: Final = 16
"""Bytes at the end of a journal that name a super-journal: length, checksum, magic (sqlite.org/fileformat2.html, 3)."""


def check_places(folder: Path) -> None:
    """BackendError for the first link, or file of a wrong kind, in a store's folder. Nothing is opened or changed."""
    for name, message in _find_wrong(folder):
        where = f"store {folder}: {make_printable(name)}"
        raise BackendError(f"{where} {message}; nothing was read or removed there", "take it out, or use another store")
    _check_journal(folder / _JOURNAL)


def _find_wrong(folder: Path) -> Iterator[tuple[str, str]]:
    for name in (*_FILES, CONTENT):
        is_folder = name == CONTENT
        mode = _mode_of(folder / name)
        if mode and stat.S_ISLNK(mode):
            yield name, "is a link"
        elif mode and not (stat.S_ISDIR(mode) if is_folder else stat.S_ISREG(mode)):
            yield name, "is not a folder" if is_folder else "is not a regular file"
    if not stat.S_ISDIR(_mode_of(folder / CONTENT)):
        return
    with os.scandir(folder / CONTENT) as entries:
        for entry in entries:
            name = f"{CONTENT}/{entry.name}"
            if entry.is_symlink():
                yield name, "is a link"
            elif image_of(entry.name) is not None and not entry.is_file(follow_symlinks=False):
                yield name, "is not a regular file"


def _mode_of(path: Path) -> int:
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _check_journal(path: Path) -> None:
    """A journal after a crash is honest. One that names a super-journal is not: SQLite would delete the file it names."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - len(_JOURNAL_MAGIC)))
            ends = file.read()
    except FileNotFoundError:
        return
    if size >= _MIN_SUPER and ends == _JOURNAL_MAGIC:
        message = f"store {path.parent}: {path.name} names another file, which SQLite would delete (a super-journal)"
        raise BackendError(
            f"{message}; nothing was read or removed", "use another store: imagesync makes no such journal"
        )
