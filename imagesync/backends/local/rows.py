"""One transaction's view of the database: images as the service's own JSON, their members, every id ever given out."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from imagesync.backends.local.failures import damage_error
from imagesync.backends.local.rules import is_image_id
from imagesync.errors import Conflict, NotFound
from imagesync.model.record import LEASE
from imagesync.text import shorten

TABLES: Final = (
    "CREATE TABLE about (project_id TEXT NOT NULL)",
    "CREATE TABLE images (id TEXT PRIMARY KEY, catalog TEXT, document TEXT NOT NULL)",
    "CREATE INDEX images_by_catalog ON images (catalog)",
    "CREATE TABLE members (image_id TEXT NOT NULL, project TEXT NOT NULL, PRIMARY KEY (image_id, project))",
    "CREATE TABLE given_out (id TEXT PRIMARY KEY)",
)

MAX_READ_BYTES: Final = 2**30
"""Of all rows that one query gives."""

Row = dict[str, Any]

_FIELDS: Final = frozenset({"status", "size", "visibility", "protected", "os_hash_value"})
"""What the store itself reads of an image, besides the id; the rest is judged where it becomes a value."""


class Rows:
    """One transaction's view of the database. ``measure_room`` tells how many bytes its files have."""

    def __init__(self, connection: sqlite3.Connection, path: Path, measure_room: Callable[[], int]) -> None:
        self._connection, self._path, self._measure_room = connection, path, measure_room

    def list_images(self, catalog: str | None = None) -> list[Row]:
        """All images, or those with one catalog's mark, by id."""
        where, values = ("", ()) if catalog is None else (" WHERE catalog = ?", (catalog,))
        return self._read(f"SELECT id, document FROM images{where}", values)  # noqa: S608

    def find_leases(self, catalog: str) -> list[Row]:
        """Images with the mark of this catalog's lease, by id; they have no catalog's own."""
        where = f"catalog IS NULL AND json_extract(document, '$.{LEASE}') = ?"
        return self._read(f"SELECT id, document FROM images WHERE {where}", (catalog,))  # noqa: S608

    def get(self, image_id: str) -> Row:
        """One image, or NotFound."""
        found = self.find(image_id)
        if found is None:
            raise NotFound(f"there is no image {image_id}")
        return found

    def find(self, image_id: str) -> Row | None:
        """One image, or None."""
        found = self._read("SELECT id, document FROM images WHERE id = ?", (image_id,))
        return found[0] if found else None

    def _fetch(self, query: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, in any order: SQLite would sort in files. BackendError for more than the files can hold.

        Pages that name each other in a circle, or one page many times, give rows without end.
        """
        read = room = 0
        for row in self._connection.execute(query, values):
            read += 1 + sum(len(value) for value in row if isinstance(value, str | bytes))
            if read > room:
                room = min(self._measure_room(), MAX_READ_BYTES)
            if read > room:
                raise damage_error(self._path, f"store.db gives more than the {room:,} bytes that it can hold")
            yield row

    def _read(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        """Images by id. Bytes that were changed in the file may leave a database that SQLite finds in order."""
        found = []
        for image_id, text in self._fetch(query, values):
            if not is_image_id(image_id):
                raise damage_error(self._path, f"it has an image with the id {shorten(repr(image_id), 80)}")
            try:
                document = json.loads(text)
            except (ValueError, TypeError, RecursionError) as error:
                raise damage_error(self._path, f"the record of image {image_id!r} cannot be read") from error
            if not isinstance(document, dict) or document.get("id") != image_id or not document.keys() >= _FIELDS:
                raise damage_error(self._path, f"the record of image {image_id!r} is not that of an image")
            found.append(document)
        return sorted(found, key=itemgetter("id"))

    def add(self, document: Row, catalog: str | None) -> None:
        """A new image; Conflict for an id that was ever given out."""
        try:
            self._connection.execute("INSERT INTO given_out VALUES (?)", (document["id"],))
        except sqlite3.IntegrityError as error:
            hint = "ids are never given out again: choose another, or none"
            raise Conflict(f"the image id {document['id']} was given out before", hint) from error
        values = (document["id"], catalog, json.dumps(document))
        self._connection.execute("INSERT INTO images VALUES (?, ?, ?)", values)

    def put(self, document: Row, catalog: str | None) -> None:
        """An image as it is now."""
        values = (catalog, json.dumps(document), document["id"])
        self._connection.execute("UPDATE images SET catalog = ?, document = ? WHERE id = ?", values)

    def remove(self, image_id: str) -> None:
        """The image and its members go; the id stays taken."""
        self._connection.execute("DELETE FROM images WHERE id = ?", (image_id,))
        self._connection.execute("DELETE FROM members WHERE image_id = ?", (image_id,))

    def list_members(self, image_id: str) -> list[str]:
        """Projects that an image is shared with, sorted."""
        found = [project for (project,) in self._fetch("SELECT project FROM members WHERE image_id = ?", (image_id,))]
        if not all(isinstance(project, str) for project in found):
            raise damage_error(self._path, f"a member of image {image_id} is not text")
        return sorted(found)

    def add_member(self, image_id: str, project: str) -> None:
        """Share; no change where it is shared already."""
        self._connection.execute("INSERT OR IGNORE INTO members VALUES (?, ?)", (image_id, project))

    def remove_member(self, image_id: str, project: str) -> None:
        """Stop sharing; no change where it was not."""
        self._connection.execute("DELETE FROM members WHERE image_id = ? AND project = ?", (image_id, project))

    def read_project_id(self) -> str:
        """The id of the one project that the store is."""
        row = self._connection.execute("SELECT project_id FROM about").fetchone()
        if row is None or not isinstance(row[0], str):
            raise damage_error(self._path, "store.db does not say which project it is")
        return row[0]

    def has_given_out(self, image_id: str) -> bool:
        """Whether there is, or was, an image of this id."""
        query = "SELECT 1 FROM given_out WHERE id = ?"
        return self._connection.execute(query, (image_id,)).fetchone() is not None

    def check_intact(self) -> None:
        """BackendError where SQLite itself finds fault with the whole of the database."""
        (found,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise damage_error(self._path, str(found))
