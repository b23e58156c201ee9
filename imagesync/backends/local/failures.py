"""Errors of the system and of SQLite -> a BackendError with the free space and a remedy. Reads the free space of the disk."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from imagesync.backends.local.connection import MAX_VALUE_BYTES
from imagesync.errors import BackendError

BUSY_SECONDS: Final = 60.0
RESTORE: Final = "restore store.db from a backup, or use another folder; the data of its images is in content"
MIN_FREE_BYTES: Final = 2**16
"""With less free space, an I/O error of SQLite means that the disk is full: its log begins with 32 KiB."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Raise errors about the folder ``path`` or its database as BackendError."""
    try:
        yield
    except OSError as error:
        raise _system_error(path, error) from error
    except UnicodeDecodeError as error:
        raise damage_error(path, "store.db contains text that is not UTF-8") from error
    except sqlite3.Error as error:
        raise _database_error(path, error) from error


def damage_error(path: Path, what: str) -> BackendError:
    """The error for a damaged database."""
    return BackendError(f"store {path} is damaged: {what}", RESTORE)


def _system_error(path: Path, error: OSError) -> BackendError:
    if error.errno in _FULL:
        return _no_space_error(path, (error.strerror or "").lower())
    where = f" ({os.path.relpath(error.filename, path)})" if isinstance(error.filename, str) else ""
    why = (error.strerror or str(error)).lower()
    return BackendError(f"store {path}: {why}{where}", "check the folder, its permissions and the disk")


def _database_error(path: Path, error: sqlite3.Error) -> BackendError:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None and "decode" in str(error):  # Python's own error, which quotes the whole text
        return damage_error(path, "store.db contains text that is not UTF-8")
    match (code or sqlite3.SQLITE_ERROR) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return _no_space_error(path, "no space left for the database")
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN if _is_full(path):  # SQLite does not report the reason
            return _no_space_error(path, "no space left for the database")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            message = f"store {path}: another process has locked store.db for {BUSY_SECONDS:.0f} s"
            return BackendError(message, "wait until that process ends, or end it, and run the command again")
        case sqlite3.SQLITE_INTERRUPT:
            return damage_error(path, "a query of store.db exceeds the time limit, which no query of a store reaches")
        case sqlite3.SQLITE_TOOBIG:
            return BackendError(f"store {path}: a record is larger than {MAX_VALUE_BYTES // 2**20} MiB", RESTORE)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return damage_error(path, str(error))
        case sqlite3.SQLITE_READONLY:
            text = f"store {path} is read-only: store.db cannot be written"
            return BackendError(text, "check its permissions and the mount options")
        case _:
            hint = "check the folder, its permissions and the free space, or use another folder"
            return BackendError(f"store {path}: {error}", hint)


def _is_full(path: Path) -> bool:
    try:
        disk = os.statvfs(path)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < MIN_FREE_BYTES


def _no_space_error(path: Path, why: str) -> BackendError:
    try:
        disk = os.statvfs(path)
        free = f" ({disk.f_bavail * disk.f_frsize:,} of {disk.f_blocks * disk.f_frsize:,} bytes of its disk are free)"
    except OSError:
        free = ""
    hint = "free some space or raise the limit, then run the command again; the images in the store are not damaged"
    return BackendError(f"store {path}: {why}{free}", hint)
