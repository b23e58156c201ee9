"""A database file -> a connection that a database of anybody's making cannot make slow, large or harmful. SQLite.

A file of a few pages can say that it has 10^50 rows, and its schema can hold views that never end. So nothing in a schema
is trusted, all of it is compared with our own before it is used, and every statement has limits of time and size.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

from imagesync.text import one_line

MAX_VALUE_BYTES: Final = 64 * 2**20
"""Of one value; the largest record that the rules of an image allow has 50 MiB."""
MAX_SECONDS: Final = 20.0
"""Processor time of one statement, with what is done with its rows."""
MAX_SCHEMA_SECONDS: Final = 2.0
"""Of each statement until the schema is read, which takes a store less than a millisecond."""
STEPS: Final = 100
"""Instructions of SQLite between two looks at the clock: each can read a value of the greatest size."""
_SETTINGS: Final = (
    "trusted_schema = OFF",
    "cell_size_check = ON",
    "mmap_size = 0",
    "temp_store = MEMORY",
    "synchronous = FULL",
    "cache_size = -2000",
)
"""``cache_size`` (2,000 KiB) is else what the file itself suggests. The last two read the schema, under the limits."""


class Connection(sqlite3.Connection):
    """One whose statements are interrupted (SQLITE_INTERRUPT) after ``max_seconds`` of processor time each."""

    def __init__(self, address: str, *, max_seconds: float = MAX_SECONDS, **options: Any) -> None:
        super().__init__(address, isolation_level=None, check_same_thread=False, **options)
        self._clock = _Clock(min(max_seconds, MAX_SCHEMA_SECONDS))
        self.is_checked = False
        """Whether its schema was compared with ours."""
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
        """Begin a statement: its time runs from now on."""
        self._clock.start()
        return super().execute(sql, parameters)


class _Clock:
    """The processor time of one statement; time that other processes take, or a lock is waited for, does not count."""

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds, self._end = max_seconds, 0.0

    def start(self) -> None:
        self._end = time.thread_time() + self._max_seconds

    def is_late(self) -> bool:
        return time.thread_time() > self._end


def find_foreign_schema(connection: sqlite3.Connection, tables: Sequence[str]) -> str:
    """What differs between the database's schema and that which ``tables`` make: a view, say; empty if nothing does."""
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
        return one_line(f"{kind} {name}", 80)
    for kind, name, *_ in wanted - found:
        return f"no {kind} {name}"
    return ""
