"""Local files -> their digests, stored from run to run; unchanged files are not read again. Files, SQLite.

A digest counts for a file that has the same path, device, inode, size and times (mtime and ctime, nanoseconds). If the
cache cannot be read or written, the file is hashed again.
"""

import hashlib
import logging
import os
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from io import BufferedReader
from pathlib import Path
from typing import Final

from imagesync.model.catalog import HEX_LENGTHS, Checksum

log = logging.getLogger(__name__)

ALGORITHM: Final = "sha256"
SETTLED: Final = 2 * 10**9
"""Nanoseconds: a file that changed earlier than this shows each further change in its times."""
KEPT_DAYS: Final = 180
_HEX: Final = re.compile("[0-9a-f]+")
_TABLE: Final = """CREATE TABLE IF NOT EXISTS file_digests
(path TEXT, algorithm TEXT, state TEXT, digest TEXT, made INTEGER, PRIMARY KEY (path, algorithm))"""


class DigestCache:
    """The digests of files; safe for threads and processes."""

    def __init__(self, path: Path | None, now: Callable[[], int] = time.time_ns) -> None:
        self._path, self._now = path, now

    def read_digest(self, file: BufferedReader, path: str, algorithm: str = ALGORITHM) -> Checksum:
        """The digest of an open file, from the cache if the file has not changed since."""
        before = _state(os.fstat(file.fileno()))
        known = self._look_up(path, algorithm, before)
        if known is not None:
            return Checksum(algorithm, known)
        found = hashlib.file_digest(file, algorithm).hexdigest()
        status = os.fstat(file.fileno())
        if _state(status) == before and self._now() - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED:
            self._remember(path, algorithm, before, found)
        return Checksum(algorithm, found)

    def _look_up(self, path: str, algorithm: str, state: str) -> str | None:
        if self._path is None:
            return None
        try:
            if not self._path.exists():
                return None
            with closing(sqlite3.connect(self._path, timeout=5)) as database, database:
                query = "SELECT digest FROM file_digests WHERE path = ? AND algorithm = ? AND state = ?"
                row = database.execute(query, (path, algorithm, state)).fetchone()
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            log.info("the digest cache %s cannot be read: %s", self._path, error)
            return None
        if (
            not row
            or not isinstance(row[0], str)
            or len(row[0]) != HEX_LENGTHS[algorithm]
            or not _HEX.fullmatch(row[0])
        ):
            return None
        return row[0]

    def _remember(self, path: str, algorithm: str, state: str, digest: str) -> None:
        if self._path is None:
            return
        day = self._now() // (86_400 * 10**9)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=5)) as database, database:
                database.execute(_TABLE)
                row = (path, algorithm, state, digest, day)
                database.execute("INSERT OR REPLACE INTO file_digests VALUES (?, ?, ?, ?, ?)", row)
                database.execute("DELETE FROM file_digests WHERE made < ?", (day - KEPT_DAYS,))
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            log.info("the digest cache %s cannot be written: %s", self._path, error)


def _state(status: os.stat_result) -> str:
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return ":".join(map(str, numbers))


def default_cache() -> DigestCache:
    """The cache in the user's cache folder."""
    from platformdirs import user_cache_path

    return DigestCache(user_cache_path("imagesync") / "digests.db")
