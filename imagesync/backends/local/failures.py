"""What the system and SQLite refuse -> one line: where, what, how much room there is, what to do. Reads only the disk's size."""

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
MEND: Final = "restore store.db from a backup, or take another folder; the data of its images is in content"
SCANT_BYTES: Final = 2**16
"""With less room than this, what SQLite takes for an error of the disk is want of room: its log begins with 32 KiB."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """BackendError for what goes wrong with the folder ``path`` or its database."""
    try:
        yield
    except OSError as error:
        raise _system_error(path, error) from error
    except UnicodeDecodeError as error:
        raise damage_error(path, "it holds text that is not UTF-8") from error
    except sqlite3.Error as error:
        raise _database_error(path, error) from error


def damage_error(path: Path, what: str) -> BackendError:
    """A database that cannot be relied on any more."""
    return BackendError(f"store {path} is damaged: {what}", MEND)


def _system_error(path: Path, error: OSError) -> BackendError:
    if error.errno in _FULL:
        return _no_room_error(path, (error.strerror or "").lower())
    where = f" ({os.path.relpath(error.filename, path)})" if isinstance(error.filename, str) else ""
    why = (error.strerror or str(error)).lower()
    return BackendError(f"store {path}: {why}{where}", "check the folder, its permissions and its disk")


def _database_error(path: Path, error: sqlite3.Error) -> BackendError:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None and "decode" in str(error):  # Python's own error, which quotes the whole text
        return damage_error(path, "it holds text that is not UTF-8")
    match (code or sqlite3.SQLITE_ERROR) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return _no_room_error(path, "no room for the database")
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN if _is_full(path):  # it does not say why
            return _no_room_error(path, "no room for the database")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            message = f"store {path}: another process has kept its database busy for {BUSY_SECONDS:.0f} s"
            return BackendError(message, "wait for that process, or end it, and run again")
        case sqlite3.SQLITE_INTERRUPT:
            return damage_error(path, "a query of store.db takes much longer than any query of a store")
        case sqlite3.SQLITE_TOOBIG:
            return BackendError(f"store {path}: a record is larger than {MAX_VALUE_BYTES // 2**20} MiB", MEND)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return damage_error(path, str(error))
        case sqlite3.SQLITE_READONLY:
            return BackendError(
                f"store {path} is read-only: store.db cannot be written", "check its permissions and mount"
            )
        case _:
            hint = "check the folder, its permissions and its space, or take another one"
            return BackendError(f"store {path}: {error}", hint)


def _is_full(path: Path) -> bool:
    try:
        disk = os.statvfs(path)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < SCANT_BYTES


def _no_room_error(path: Path, why: str) -> BackendError:
    try:
        disk = os.statvfs(path)
        room = f" ({disk.f_bavail * disk.f_frsize:,} of {disk.f_blocks * disk.f_frsize:,} bytes of its disk are free)"
    except OSError:
        room = ""
    return BackendError(
        f"store {path}: {why}{room}", "make space, or raise the limit, and run again; what it holds is whole"
    )
