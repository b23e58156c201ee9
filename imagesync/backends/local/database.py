"""``store.db`` (SQLite, write-ahead log): opening, making, and transactions; read-only where it cannot be written. Does I/O.

A folder that cannot be written is read all the same: beside a writer through the log that it has open, at rest as a file
that nobody changes, which is looked at again afterwards.
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
from imagesync.backends.local.failures import BUSY_SECONDS, MEND, damage_error, translate_errors
from imagesync.backends.local.rows import TABLES, Rows
from imagesync.errors import BackendError, UsageError

VERSION: Final = 1
_MAGIC: Final = b"SQLite format 3\0"


class Database:
    """The database of the store in ``folder``; ``writable`` tells whether it can be more than read.

    ``max_seconds`` of processor time are what one statement may take.
    """

    def __init__(self, folder: Path, *, max_seconds: float = MAX_SECONDS) -> None:
        self._max_seconds = max_seconds
        self._folder, self._file, self._log = folder, folder / "store.db", folder / "store.db-wal"
        self.writable = all(os.access(path, os.W_OK) for path in (folder, self._file) if path.exists())
        self._idle: list[Connection] = []
        weakref.finalize(self, _close, self._idle)

    def open(self, others: list[str]) -> None:
        """Check it, or make it where there is none; ``others`` is what the folder has of images already."""
        with translate_errors(self._folder):
            begins = self._read_beginning()
            if begins:
                self._check_version()
            elif others or self._is_there(self._log):
                message = f"store {self._folder}: store.db is {'empty' if self._file.exists() else 'missing'}"
                held = f"content holds {len(others)} file{'s' * (len(others) != 1)}" if others else "its log is there"
                raise BackendError(f"{message}, but {held}; nothing was made or removed", MEND)
            elif not self.writable:
                raise BackendError(
                    f"store {self._folder}: there is none, and the folder is read-only", "take another one"
                )
            else:
                self._make()

    def _read_beginning(self) -> bytes:
        """The first bytes; none where there is no database yet."""
        try:
            with open(self._file, "rb", opener=open_without_links) as file:
                begins = file.read(len(_MAGIC))
        except FileNotFoundError:
            return b""
        if begins and begins != _MAGIC:
            raise damage_error(self._folder, "store.db is no SQLite database")
        return begins

    def _is_there(self, path: Path) -> bool:
        return path.exists() and path.stat().st_size > 0

    def _check_version(self) -> None:
        with contextlib.closing(self._connect()) as connection:
            connection.execute("BEGIN")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            is_empty = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
        if version > VERSION:
            message = f"store {self._folder} is of version {version}, this imagesync knows {VERSION}"
            raise UsageError(message, "use the imagesync that made it, or another folder")
        if version < VERSION and not is_empty:
            raise damage_error(self._folder, "store.db is the database of something else")
        if version < VERSION:
            self._make()  # whoever began it was killed before the tables were there

    def _check_schema(self, connection: Connection) -> None:
        """BackendError, before any table is read, for another schema than ours: what a view gives may never end."""
        if different := find_foreign_schema(connection, TABLES):
            raise damage_error(self._folder, f"store.db has another schema than a store's ({different})")

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
        """Whether nobody has it open, as far as its log tells."""
        return not self._log.exists()

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Rows]:
        """All of it, or nothing where the block raises."""
        if write and not self.writable:
            raise BackendError(f"store {self._folder} is read-only", "check its permissions and its mount")
        with translate_errors(self._folder):
            before = self._read_state() if not self.writable and self._is_at_rest() else None
            with self._connection() as connection:
                connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                yield Rows(connection, self._folder, self._measure_room)
                connection.execute("COMMIT")
            if before is not None and not (self._is_at_rest() and self._read_state() == before):
                raise BackendError(f"store {self._folder} was written while it was read", "run again")

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """One that no other thread has, kept for the next transaction: the last to be closed empties the log, at a cost.

        What is read as a file at rest is opened anew each time, and so is what met an error.
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
        """Nothing is held open any more; a later transaction opens it again."""
        _close(self._idle)

    def _measure_room(self) -> int:
        """Bytes of the database and its log: all rows together cannot be larger, unless some are counted twice."""
        return os.stat(self._file).st_size + (os.stat(self._log).st_size if self._log.exists() else 0)

    def _read_state(self) -> tuple[int, ...]:
        """Tells whether a database that is read as a file at rest was at rest."""
        status = os.stat(self._file)
        return status.st_ino, status.st_size, status.st_mtime_ns


def _close(idle: list[Connection]) -> None:
    while idle:
        idle.pop().close()
