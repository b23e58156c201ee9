"""The database of the image service: SQLite, or a separate MariaDB. Runs a process, writes files.

SQLite starts at once and compares names byte by byte. Most clouds have MariaDB. For its tables (utf8mb3_general_ci), names
are equal that differ only in case, accents or trailing spaces.
"""

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pymysql

NO_MARIADB = "these tests need MariaDB: apt-get install --no-install-recommends mariadb-server"


class Tables:
    """An open connection with the same methods for each kind of database; ``?`` is a value in statements."""

    def __init__(self, connection: Any, mark: str) -> None:
        self._cursor, self._mark = connection.cursor(), mark

    def read(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        self._cursor.execute(query)
        return [tuple(row) for row in self._cursor.fetchall()]

    def write(self, statement: str, rows: Iterable[Sequence[object]] = ((),)) -> None:
        """Run a statement once for each row of values."""
        for row in rows:
            self._cursor.execute(statement.replace("?", self._mark), tuple(row))


class Database(Protocol):
    """The part of a database that ``Cloud`` needs."""

    @property
    def url(self) -> str:
        """Its address for SQLAlchemy."""

    @property
    def is_new(self) -> bool:
        """Whether the tables of the image service must still be created."""

    def open(self) -> contextlib.AbstractContextManager[Tables]:
        """A connection with one transaction, which is saved at its end."""

    def start(self) -> None:
        """Start it, if it is a process."""

    def stop(self) -> None:
        """Stop the process."""


class Sqlite:
    """A file, copied from the template of the cloud."""

    is_new = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self.url = f"sqlite:///{path}?timeout=60"

    @contextlib.contextmanager
    def open(self) -> Iterator[Tables]:
        """A connection with one transaction, which is saved at its end."""
        with contextlib.closing(sqlite3.connect(self._path, timeout=30)) as connection, connection:
            yield Tables(connection, "?")

    def start(self) -> None:
        """There is nothing to start."""

    def stop(self) -> None:
        """There is nothing to stop."""


class MariaDb:
    """A server with its own folder and socket, without a port; it ends with this process."""

    is_new = True

    def __init__(self, folder: Path) -> None:
        self._folder, self._socket = folder, folder / "socket"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"mysql+pymysql://root@localhost/glance?unix_socket={self._socket}&charset=utf8mb4"

    @contextlib.contextmanager
    def open(self, database: str | None = "glance") -> Iterator[Tables]:
        """A connection with one transaction, which is saved at its end."""
        connection = pymysql.connect(
            unix_socket=str(self._socket), user="root", database=database, charset="utf8mb4", read_timeout=60
        )
        with contextlib.closing(connection):
            yield Tables(connection, "%s")
            connection.commit()

    def start(self) -> None:
        """Create the folder, start the server, and wait for it. RuntimeError if it is not installed or does not start."""
        temporary = self._folder / "tmp"  # a server deletes files of other servers in its folder for temporary tables
        temporary.mkdir(parents=True)
        options = ["--no-defaults", f"--datadir={self._folder / 'data'}", f"--tmpdir={temporary}"]
        options += ["--user=root"] if os.getuid() == 0 else []
        made = subprocess.run(
            [_find("mariadb-install-db"), *options, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=False,
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise RuntimeError(f"mariadb-install-db failed: {made.stdout[-1000:]} {made.stderr[-1000:]}")
        options += [f"--socket={self._socket}", "--skip-networking", "--innodb-flush-log-at-trx-commit=0"]
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with (self._folder / "log").open("wb") as log:
            command = [*guard, _find("mariadbd"), *options]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self._create_database()

    def _create_database(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
            if self._listens():
                with self.open(database=None) as tables:
                    tables.write("create database glance")
                return
            time.sleep(0.05)
        raise RuntimeError(f"MariaDB did not start: {(self._folder / 'log').read_text(errors='replace')[-2000:]}")

    def _listens(self) -> bool:
        """Asked without the driver, which leaves a socket open that is refused."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket)) == 0

    def stop(self) -> None:
        """Kill the server; its data is not needed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _find(tool: str) -> str:
    """The path of a MariaDB tool, which may be in a folder of root's PATH."""
    found = shutil.which(tool, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        raise RuntimeError(f"{tool} is not installed; {NO_MARIADB}")
    return found
