"""Operations on images, their members and used ids -> SQL statements of one transaction. Does I/O (SQLite).

A record of an image is JSON of the Image API.
"""

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
"""Bytes of all rows of one query."""

Row = dict[str, Any]

_FIELDS: Final = frozenset({"status", "size", "visibility", "protected", "os_hash_value"})
"""Fields that the store itself reads, besides the id; ``image_from_wire`` checks the others."""


def not_found_error(image_id: str) -> NotFound:
    """The error for an image that the store does not have."""
    return NotFound(f"image {image_id} does not exist", "list the images of the store: imagesync list --store DIR")


class Rows:
    """The database in one transaction. ``measure_room`` returns the size of its files in bytes."""

    def __init__(self, connection: sqlite3.Connection, path: Path, measure_room: Callable[[], int]) -> None:
        self._connection, self._path, self._measure_room = connection, path, measure_room

    def list_images(self, catalog: str | None = None) -> list[Row]:
        """All images, or those that carry one catalog's marker, sorted by id."""
        where, values = ("", ()) if catalog is None else (" WHERE catalog = ?", (catalog,))
        return self._read(f"SELECT id, document FROM images{where}", values)  # noqa: S608

    def find_leases(self, catalog: str) -> list[Row]:
        """Images that carry the lease marker of this catalog, and no catalog's marker, sorted by id."""
        where = f"catalog IS NULL AND json_extract(document, '$.{LEASE}') = ?"
        return self._read(f"SELECT id, document FROM images WHERE {where}", (catalog,))  # noqa: S608

    def get(self, image_id: str) -> Row:
        """One image; NotFound if it does not exist."""
        found = self.find(image_id)
        if found is None:
            raise not_found_error(image_id)
        return found

    def find(self, image_id: str) -> Row | None:
        """One image; None if it does not exist."""
        found = self._read("SELECT id, document FROM images WHERE id = ?", (image_id,))
        return found[0] if found else None

    def _fetch(self, query: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query in any order; BackendError if they are larger than the files of the database.

        Pages that refer to each other, or one page many times, return rows without end. The order is any, because SQLite
        would sort in files.
        """
        read = room = 0
        for row in self._connection.execute(query, values):
            read += 1 + sum(len(value) for value in row if isinstance(value, str | bytes))
            if read > room:
                room = min(self._measure_room(), MAX_READ_BYTES)
            if read > room:
                raise damage_error(self._path, f"store.db returns more than the {room:,} bytes that its files have")
            yield row

    def _read(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        """Images, sorted by id, checked: a file with changed bytes may still be a valid database for SQLite."""
        found = []
        for image_id, text in self._fetch(query, values):
            if not is_image_id(image_id):
                raise damage_error(self._path, f"an image has the invalid id {shorten(repr(image_id), 80)}")
            try:
                document = json.loads(text)
            except (ValueError, TypeError, RecursionError) as error:
                raise damage_error(self._path, f"the record of image {image_id!r} is not JSON") from error
            if not isinstance(document, dict) or document.get("id") != image_id or not document.keys() >= _FIELDS:
                raise damage_error(self._path, f"the record of image {image_id!r} is not that of an image")
            found.append(document)
        return sorted(found, key=itemgetter("id"))

    def add(self, document: Row, catalog: str | None) -> None:
        """Add an image; Conflict if an image has, or had, its id."""
        try:
            self._connection.execute("INSERT INTO given_out VALUES (?)", (document["id"],))
        except sqlite3.IntegrityError as error:
            hint = "choose another id, or pass none; the id of a deleted image cannot be used again"
            raise Conflict(f"an image has, or had, the id {document['id']}", hint) from error
        values = (document["id"], catalog, json.dumps(document))
        self._connection.execute("INSERT INTO images VALUES (?, ?, ?)", values)

    def put(self, document: Row, catalog: str | None) -> None:
        """Save the new record of an image."""
        values = (catalog, json.dumps(document), document["id"])
        self._connection.execute("UPDATE images SET catalog = ?, document = ? WHERE id = ?", values)

    def remove(self, image_id: str) -> None:
        """Delete the image and its members; its id is never used again."""
        self._connection.execute("DELETE FROM images WHERE id = ?", (image_id,))
        self._connection.execute("DELETE FROM members WHERE image_id = ?", (image_id,))

    def list_members(self, image_id: str) -> list[str]:
        """The projects with which an image is shared, sorted."""
        found = [project for (project,) in self._fetch("SELECT project FROM members WHERE image_id = ?", (image_id,))]
        if not all(isinstance(project, str) for project in found):
            raise damage_error(self._path, f"a member of image {image_id} is not text")
        return sorted(found)

    def add_member(self, image_id: str, project: str) -> None:
        """Share the image with a project (no change if it is a member already)."""
        self._connection.execute("INSERT OR IGNORE INTO members VALUES (?, ?)", (image_id, project))

    def remove_member(self, image_id: str, project: str) -> None:
        """Stop sharing the image with a project (no change if it is not a member)."""
        self._connection.execute("DELETE FROM members WHERE image_id = ? AND project = ?", (image_id, project))

    def read_project_id(self) -> str:
        """The id of the store's project."""
        row = self._connection.execute("SELECT project_id FROM about").fetchone()
        if row is None or not isinstance(row[0], str):
            raise damage_error(self._path, "store.db has no project id")
        return row[0]

    def has_used_id(self, image_id: str) -> bool:
        """Whether an image has, or had, this id."""
        query = "SELECT 1 FROM given_out WHERE id = ?"
        return self._connection.execute(query, (image_id,)).fetchone() is not None

    def check_intact(self) -> None:
        """BackendError if SQLite's integrity check of the database fails."""
        (found,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise damage_error(self._path, str(found))
