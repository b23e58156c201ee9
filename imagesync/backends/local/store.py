"""A folder -> images and their data, for several threads and processes. Does I/O.

``store.db`` has the records, ``content/ID`` is the data of an image. A process may be killed at any time: the data is
complete and has its final name before the database has the status active.
"""

import logging
import os
from contextlib import AbstractContextManager
from pathlib import Path

from imagesync.backends.base import MissingStore
from imagesync.backends.local.connection import MAX_SECONDS
from imagesync.backends.local.content import Content, Part, parse_image_id
from imagesync.backends.local.database import Database, EmptyDatabase
from imagesync.backends.local.failures import translate_errors
from imagesync.backends.local.places import check_places
from imagesync.backends.local.rows import Row, Rows
from imagesync.errors import UsageError
from imagesync.model.record import CATALOG
from imagesync.text import quote_word

log = logging.getLogger(__name__)


class Store:
    """The store in a folder. Opening it cleans up after processes that were killed; ``missing``: see ``MissingStore``.

    It deletes only files of the store. Other files are kept, and a warning is logged. BackendError, before anything is
    read or deleted, if the store has links or the database is not that of a store. ``read_only``: it writes nothing.
    """

    def __init__(
        self,
        path: Path,
        *,
        missing: MissingStore = MissingStore.CREATE,
        max_seconds: float = MAX_SECONDS,
        read_only: bool = False,
    ) -> None:
        self.path = Path(os.path.abspath(path))
        self.content = Content(self.path)
        with translate_errors(self.path):
            check_places(self.path)
            database = Database(self.path, max_seconds=max_seconds, read_only=read_only)
            self._database: Database | EmptyDatabase = database
            if missing is MissingStore.CREATE:
                database.open(self.content.list_names())
            elif not database.is_present(self.content.list_names()):
                if missing is MissingStore.REFUSE:
                    hint = "check the path; only imagesync apply and adopt create a store"
                    raise UsageError(f"store {quote_word(str(path))} does not exist", hint)
                self._database = EmptyDatabase(self.path)
            if self._database.writable:
                self.content.make()
                self._tidy()

    def rows(self, *, write: bool = False) -> AbstractContextManager[Rows]:
        """A transaction; if the block raises an error, nothing is saved."""
        return self._database.transaction(write=write)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def part(self, image_id: str) -> AbstractContextManager[Part]:
        """A locked file for an image's data. The end of the block deletes it unless ``keep`` was called."""
        return self.content.part(image_id)

    def data(self, image_id: str) -> Path:
        """The path of the data of an image."""
        return self.content.data(image_id)

    def _tidy(self) -> None:
        """Queue images again whose upload was killed; delete data files that no image uses."""
        with self.rows(write=True) as rows:
            documents = rows.list_images()
            filled = frozenset(document["id"] for document in documents if document["size"] is not None)
            busy = self._delete_leftovers(rows, filled)
            for document in documents:
                if document["status"] == "saving" and document["id"] not in busy:
                    rows.put({**document, "status": "queued"}, document.get(CATALOG))

    def _delete_leftovers(self, rows: Rows, filled: frozenset[str]) -> set[str]:
        """Delete the data files that no image and no upload uses; return the ids of images that are being uploaded."""
        foreign, busy = [], set()
        for name in self.content.list_names():
            image_id = parse_image_id(name)
            if name in filled:
                continue
            if image_id is None or not rows.has_used_id(image_id):
                foreign.append(name)
            elif not self.content.delete_unused(name, filled, rows.check_intact):
                busy.add(image_id)
        if foreign:
            more = f" (and {len(foreign) - 1} more)" if len(foreign) > 1 else ""
            log.warning("store %s: content/%s%s is not a file of the store; it is kept", self.path, foreign[0], more)
        return busy

    def mark_if_damaged(self, document: Row) -> Row | None:
        """The record; with the status killed if its data file is missing or has another size.

        None if another process has deleted the image in the meantime.
        """
        if not self.content.find_damage(document):
            return document
        with self.rows() as rows:
            found = rows.find(document["id"])
        if found is None or not (wrong := self.content.find_damage(found)):
            return found
        hint = "its status is shown as killed; apply uploads it again if a manifest declares it"
        log.warning("store %s: the data of image %s %s: %s", self.path, found["id"], wrong, hint)
        return {**found, "status": "killed"}
