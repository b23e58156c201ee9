"""A store's folder -> transactions on its database ``store.db`` (SQLite with a write-ahead log). Does I/O.

A read-only folder can be read too. If another process has the database open, imagesync reads it with that process's log.
Otherwise it reads the file as immutable, and then checks that the file did not change meanwhile.
"""

import contextlib
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote
from uuid import uuid4

from imagesync.backends.local.connection import MAX_SECONDS, Connection, find_foreign_schema
from imagesync.backends.local.content import open_without_links
from imagesync.backends.local.failures import BUSY_SECONDS, RESTORE, damage_error, translate_errors
from imagesync.backends.local.rows import TABLES, Rows
from imagesync.errors import BackendError, UsageError

VERSION: Final = 1
_MAGIC: Final = b"SQLite format 3\0"


class Database:
    """The database of the store in ``folder``; ``writable`` is False if it can only be read.

    One statement may take ``max_seconds`` of processor time. ``read_only``: never write, whatever the permissions allow.
    """

    def __init__(self, folder: Path, *, max_seconds: float = MAX_SECONDS, read_only: bool = False) -> None:
        self._max_seconds = max_seconds
        self._folder, self._file, self._log = folder, folder / "store.db", folder / "store.db-wal"
        paths = (path for path in (folder, self._file) if path.exists())
        self.writable = not read_only and all(os.access(path, os.W_OK) for path in paths)
        self._idle: list[Connection] = []
        weakref.finalize(self, _close, self._idle)

    def open(self, others: list[str]) -> None:
        """Check the database with ``is_present``, or create it."""
        if not self.is_present(others):
            with translate_errors(self._folder):
                self._make()

    def is_present(self, others: list[str]) -> bool:
        """Check the database; return whether it exists, or has to be created.

        ``others`` are the names of the data files that the folder has. BackendError if the database is damaged, or missing
        although there are data files. UsageError if its version is newer.
        """
        with translate_errors(self._folder):
            if self._read_beginning():
                if self._has_tables():
                    return True  # else a process was killed before it had created the tables
            elif others or self._is_there(self._log):
                message = f"store {self._folder}: store.db is {'empty' if self._file.exists() else 'missing'}"
                rest = f"content has {len(others)} file{'s' * (len(others) != 1)}" if others else "its log exists"
                raise BackendError(f"{message}, but {rest}; imagesync changed nothing", RESTORE)
            elif not self.writable:
                text = f"store {self._folder} does not exist and cannot be created: the folder is read-only"
                raise BackendError(text, "make the folder writable, or use another folder")
            return False

    def _read_beginning(self) -> bytes:
        """The first bytes of the file; empty if there is no database yet."""
        try:
            with open(self._file, "rb", opener=open_without_links) as file:
                begins = file.read(len(_MAGIC))
        except FileNotFoundError:
            return b""
        if begins and begins != _MAGIC:
            raise damage_error(self._folder, "store.db is not a SQLite database")
        return begins

    def _is_there(self, path: Path) -> bool:
        return path.exists() and path.stat().st_size > 0

    def _has_tables(self) -> bool:
        """Whether the database has the tables of this version; if not, it is empty."""
        with contextlib.closing(self._connect()) as connection:
            connection.execute("BEGIN")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            is_empty = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
        if version > VERSION:
            message = f"store {self._folder} has version {version}; this imagesync supports version {VERSION}"
            raise UsageError(message, "update imagesync, or use another folder")
        if version < VERSION and not is_empty:
            raise damage_error(self._folder, "store.db is the database of another program")
        return bool(version == VERSION)

    def _check_schema(self, connection: Connection) -> None:
        """BackendError, before any table is read, if the schema is not a store's: a query of a view may never end."""
        if difference := find_foreign_schema(connection, TABLES):
            raise damage_error(self._folder, f"store.db does not have the schema of a store ({difference})")

    def _make(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        with contextlib.closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in TABLES:
                    connection.execute(statement)
                connection.execute("INSERT INTO about VALUES (?)", (uuid4().hex,))
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")

    def _connect(self) -> Connection:
        address = str(self._file)
        if not self.writable:
            address = f"file:{quote(address)}?mode=ro{'&immutable=1' if self._is_at_rest() else ''}"
        return Connection(address, max_seconds=self._max_seconds, timeout=BUSY_SECONDS, uri=not self.writable)

    def _is_at_rest(self) -> bool:
        """Whether no process has the database open; a process that has it open keeps a log."""
        return not self._log.exists()

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Rows]:
        """A transaction; if the block raises an error, nothing is saved."""
        if write and not self.writable:
            raise BackendError(f"store {self._folder} is read-only", "check its permissions and the mount options")
        with translate_errors(self._folder):
            before = self._read_state() if not self.writable and self._is_at_rest() else None
            with self._connection() as connection:
                connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                yield Rows(connection, self._folder, self._measure_room)
                connection.execute("COMMIT")
            if before is not None and not (self._is_at_rest() and self._read_state() == before):
                text = f"store {self._folder}: another process changed it during the read"
                raise BackendError(text, "run the command again")

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A connection that no other thread uses. It is kept for the next transaction, because closing the last one is slow.

        A database that is read as immutable is opened again each time. After an error, the connection is closed.
        """
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            if not connection.is_checked:
                self._check_schema(connection)
                connection.is_checked = True
            yield connection
        except BaseException:
            connection.close()
            raise
        if self.writable:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close all connections; a later transaction opens the database again."""
        _close(self._idle)

    def _measure_room(self) -> int:
        """Bytes of the database and its log. All rows together cannot be larger, unless a row is read twice."""
        return os.stat(self._file).st_size + (os.stat(self._log).st_size if self._log.exists() else 0)

    def _read_state(self) -> tuple[int, ...]:
        """Values that change when another process writes to the file."""
        status = os.stat(self._file)
        return status.st_ino, status.st_size, status.st_mtime_ns


class EmptyDatabase:
    """The database of the store that ``folder`` does not have: empty, and only in memory. Its project has no id."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.writable = folder, False

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Rows]:
        """A transaction that reads; BackendError for one that writes."""
        if write:
            raise BackendError(f"store {self._folder} does not exist", "create it with: imagesync apply")
        with contextlib.closing(Connection(":memory:")) as connection:
            for statement in TABLES:
                connection.execute(statement)
            connection.execute("INSERT INTO about VALUES ('')")
            yield Rows(connection, self._folder, lambda: 0)

    def close(self) -> None:
        """Nothing is open."""


def _close(idle: list[Connection]) -> None:
    while idle:
        idle.pop().close()
