"""A folder -> images and their data, safe for several threads and processes and for a kill at any instant. Does I/O.

``store.db`` (SQLite, write-ahead log) holds each image as the service's own JSON, its members and every id ever given
out; ``content/ID`` holds its data. Data is written aside, synced and renamed before the database says that it is there,
so that what the database shows always exists. Who uploads holds a lock on the part file: a part without one is left over
from a process that is gone.
"""

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from imagesync.errors import BackendError, Conflict, NotFound, UsageError
from imagesync.record import LEASE

VERSION: Final = 1
BUSY_SECONDS: Final = 60.0

_TABLES: Final = """
CREATE TABLE about (project_id TEXT NOT NULL);
CREATE TABLE images (id TEXT PRIMARY KEY, catalog TEXT, document TEXT NOT NULL);
CREATE INDEX images_by_catalog ON images (catalog);
CREATE TABLE members (image_id TEXT NOT NULL, project TEXT NOT NULL, PRIMARY KEY (image_id, project));
CREATE TABLE given_out (id TEXT PRIMARY KEY);
"""

Document = dict[str, Any]


class Rows:
    """One transaction's view of the database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def documents(self, catalog: str | None = None) -> list[Document]:
        """All images, or those with one catalogue's mark, by id."""
        where, values = ("", ()) if catalog is None else (" WHERE catalog = ?", (catalog,))
        rows = self._connection.execute(f"SELECT document FROM images{where} ORDER BY id", values)  # noqa: S608
        return [json.loads(text) for (text,) in rows]

    def leases(self, catalog: str) -> list[Document]:
        """Images with the mark of this catalogue's lease, by id; they have no catalogue's own."""
        where = f"catalog IS NULL AND json_extract(document, '$.{LEASE}') = ?"
        rows = self._connection.execute(f"SELECT document FROM images WHERE {where} ORDER BY id", (catalog,))  # noqa: S608
        return [json.loads(text) for (text,) in rows]

    def document(self, image_id: str) -> Document:
        """One image, or NotFound."""
        row = self._connection.execute("SELECT document FROM images WHERE id = ?", (image_id,)).fetchone()
        if row is None:
            raise NotFound(f"there is no image {image_id}")
        found: Document = json.loads(row[0])
        return found

    def add(self, document: Document, catalog: str | None) -> None:
        """A new image; Conflict for an id that was ever given out."""
        try:
            self._connection.execute("INSERT INTO given_out VALUES (?)", (document["id"],))
        except sqlite3.IntegrityError as error:
            hint = "ids are never given out again: choose another, or none"
            raise Conflict(f"the image id {document['id']} was given out before", hint) from error
        values = (document["id"], catalog, json.dumps(document))
        self._connection.execute("INSERT INTO images VALUES (?, ?, ?)", values)

    def put(self, document: Document, catalog: str | None) -> None:
        """An image as it is now."""
        values = (catalog, json.dumps(document), document["id"])
        self._connection.execute("UPDATE images SET catalog = ?, document = ? WHERE id = ?", values)

    def remove(self, image_id: str) -> None:
        """The image and its members go; the id stays taken."""
        self._connection.execute("DELETE FROM images WHERE id = ?", (image_id,))
        self._connection.execute("DELETE FROM members WHERE image_id = ?", (image_id,))

    def members(self, image_id: str) -> list[str]:
        """Projects that an image is shared with, sorted."""
        rows = self._connection.execute("SELECT project FROM members WHERE image_id = ? ORDER BY project", (image_id,))
        return [project for (project,) in rows]

    def add_member(self, image_id: str, project: str) -> None:
        """Share; no change where it is shared already."""
        self._connection.execute("INSERT OR IGNORE INTO members VALUES (?, ?)", (image_id, project))

    def remove_member(self, image_id: str, project: str) -> None:
        """Stop sharing; no change where it was not."""
        self._connection.execute("DELETE FROM members WHERE image_id = ? AND project = ?", (image_id, project))

    def project_id(self) -> str:
        """The id of the one project that the store is."""
        found: str = self._connection.execute("SELECT project_id FROM about").fetchone()[0]
        return found


class Store:
    """The folder. Opening makes it where there is none and tidies up after processes that were killed."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.abspath(path))
        self._content = self.path / "content"
        with self._said():
            self._content.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._create()
        self._tidy()

    @contextmanager
    def _said(self) -> Iterator[None]:
        """What the system refuses, in one line."""
        try:
            yield
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise BackendError(
                f"store {self.path}: {why}", "check the folder, its permissions and its space"
            ) from error
        except sqlite3.Error as error:
            hint = "check the folder, its permissions and its space, or take another one"
            raise BackendError(f"store {self.path}: {error}", hint) from error

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path / "store.db", timeout=BUSY_SECONDS, isolation_level=None)
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _create(self) -> None:
        with contextlib.closing(self._connected()) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                message = f"store {self.path} is of version {version}, this imagesync knows {VERSION}"
                raise UsageError(message, "use the imagesync that made it, or another folder")
            if version == 0:
                for statement in _TABLES.split(";\n"):
                    connection.execute(statement)
                connection.execute("INSERT INTO about VALUES (?)", (uuid4().hex,))
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        os.chmod(self.path / "store.db", 0o600)

    @contextmanager
    def rows(self, *, write: bool = False) -> Iterator[Rows]:
        """One transaction: all of it, or nothing where the block raises."""
        with self._said(), contextlib.closing(self._connected()) as connection:
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield Rows(connection)
            connection.execute("COMMIT")

    def _tidy(self) -> None:
        """Uploads of processes that are gone are queued again; data that no image has is removed."""
        with self._said(), self.rows(write=True) as rows:
            documents = rows.documents()
            filled = {document["id"] for document in documents if document["size"] is not None}
            uploading = {
                name.partition(".")[0] for name in os.listdir(self._content) if not self._removed(name, filled)
            }
            for document in documents:
                if document["status"] == "saving" and document["id"] not in uploading:
                    rows.put({**document, "status": "queued"}, document.get("imagesync_catalog"))

    def _removed(self, name: str, filled: set[str]) -> bool:
        """Whether a file of data is of no use to anybody; it goes then, while nobody else can take hold of it."""
        if name in filled:
            return True
        for place in (name, name.partition(".")[0]):  # a part may get its place meanwhile, and is held there too
            try:
                with open(self._content / place, "rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if place not in filled:
                        (self._content / place).unlink(missing_ok=True)
            except FileNotFoundError:
                continue
            except BlockingIOError:
                return False
            return True
        return True

    @contextmanager
    def part(self, image_id: str) -> Iterator["Part"]:
        """A file for an image's data, held until what was written is recorded; gone afterwards unless it was kept."""
        name = self._content / f"{image_id}.{uuid4().hex}.part"
        with self._said():
            handle = _held(name)
        try:
            yield Part(self, handle, name, self._content / image_id)
        finally:
            os.close(handle)
            name.unlink(missing_ok=True)

    def data(self, image_id: str) -> Path:
        """Where the data of an image is."""
        return self._content / image_id

    def sync_folder(self) -> None:
        """Renames of data files survive a crash."""
        handle = os.open(self._content, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _held(name: Path) -> int:
    """A new file with a lock on it; made again where another process took it for a left-over before it was locked."""
    while True:
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle
        os.close(handle)


class Part:
    """The data of one image while it is written."""

    def __init__(self, store: Store, handle: int, name: Path, final: Path) -> None:
        self._store, self._handle, self._name, self._final = store, handle, name, final

    def write(self, chunk: bytes) -> None:
        """The next bytes."""
        view = memoryview(chunk)
        with self._store._said():
            while view:
                view = view[os.write(self._handle, view) :]

    def keep(self) -> None:
        """The data is whole: it gets its place, for good."""
        with self._store._said():
            os.fsync(self._handle)
            os.replace(self._name, self._final)
            self._store.sync_folder()
