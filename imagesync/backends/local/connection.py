"""A database file, which an attacker may have written -> a connection with limits of time and size. Does I/O (SQLite).

A file of some pages can have 10^50 rows, and its schema can have views that never end. Therefore the schema is not
trusted: it is compared with the store's schema before the first use, and every statement has limits of time and size.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

from imagesync.text import join_lines

MAX_VALUE_BYTES: Final = 64 * 2**20
"""Bytes of one value. The largest record that the rules of an image allow has 50 MiB."""
MAX_SECONDS: Final = 20.0
"""Processor time of one statement, including the processing of its rows."""
MAX_SCHEMA_SECONDS: Final = 2.0
"""Processor time of each statement until the schema is read; a store's schema takes less than a millisecond."""
STEPS: Final = 100
"""SQLite instructions between two checks of the time. Each of them can read a value of ``MAX_VALUE_BYTES``."""
_SETTINGS: Final = (
    "trusted_schema = OFF",
    "cell_size_check = ON",
    "mmap_size = 0",
    "temp_store = MEMORY",
    "synchronous = FULL",
    "cache_size = -2000",
)
"""Without ``cache_size`` (2,000 KiB), the file itself chooses it. The last two read the schema, within the limits."""


class Connection(sqlite3.Connection):
    """A connection that interrupts each statement after ``max_seconds`` of processor time (SQLITE_INTERRUPT)."""

    def __init__(self, address: str, *, max_seconds: float = MAX_SECONDS, **options: Any) -> None:
        super().__init__(address, isolation_level=None, check_same_thread=False, **options)
        self._clock = _Clock(min(max_seconds, MAX_SCHEMA_SECONDS))
        self.is_checked = False
        """Whether its schema was compared with the store's schema."""
        self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
        self.set_progress_handler(self._clock.is_late, STEPS)
        try:
            for setting in _SETTINGS:
                self.execute(f"PRAGMA {setting}")
            self._clock = _Clock(max_seconds)
            self.set_progress_handler(self._clock.is_late, STEPS)
        except BaseException:
            self.close()
            raise

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:  # type: ignore[override]
        """Start a statement and its time limit."""
        self._clock.start()
        return super().execute(sql, parameters)


class _Clock:
    """The processor time of one statement; the time of other processes and of waits for a lock does not count."""

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds, self._end = max_seconds, 0.0

    def start(self) -> None:
        self._end = time.thread_time() + self._max_seconds

    def is_late(self) -> bool:
        return time.thread_time() > self._end


def find_foreign_schema(connection: sqlite3.Connection, tables: Sequence[str]) -> str:
    """The first difference between the schema of the database and that of ``tables``; empty if there is none."""
    wanted = _read_schema_of(tuple(tables))
    found = connection.execute(f"{_SCHEMA} LIMIT ?", (wanted.total() + 1,))
    return _describe_difference(Counter(found), wanted)


_SCHEMA: Final = "SELECT type, name, tbl_name, sql FROM sqlite_master"


@cache
def _read_schema_of(tables: Iterable[str]) -> Counter[tuple[Any, ...]]:
    connection = sqlite3.connect(":memory:")
    try:
        for statement in tables:
            connection.execute(statement)
        return Counter(connection.execute(_SCHEMA))
    finally:
        connection.close()


def _describe_difference(found: Counter[tuple[Any, ...]], wanted: Counter[tuple[Any, ...]]) -> str:
    for kind, name, *_ in found - wanted:
        return join_lines(f"{kind} {name}", 80)
    for kind, name, *_ in wanted - found:
        return f"no {kind} {name}"
    return ""
