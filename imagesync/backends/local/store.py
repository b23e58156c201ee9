"""A folder -> images and their data, safe for several threads and processes and for a kill at any instant. Does I/O.

``store.db`` says what there is, ``content/ID`` is the data of an image. Data is whole and in its place before the database
says that it is there, so that what the database shows always exists.
"""

import logging
import os
from contextlib import AbstractContextManager
from pathlib import Path

from imagesync.backends.local.connection import MAX_SECONDS
from imagesync.backends.local.content import Content, Part, image_of
from imagesync.backends.local.database import Database
from imagesync.backends.local.failures import translate_errors
from imagesync.backends.local.places import check_places
from imagesync.backends.local.rows import Row, Rows
from imagesync.model.record import CATALOG

log = logging.getLogger(__name__)


class Store:
    """The folder. Opening makes it where there is none and tidies up after processes that were killed.

    It removes only what it made: what else lies there is told of and left alone. A store that has links in it, or whose
    database is not ours, is refused before anything is read or removed.
    """

    def __init__(self, path: Path, *, max_seconds: float = MAX_SECONDS) -> None:
        self.path = Path(os.path.abspath(path))
        self.content = Content(self.path)
        with translate_errors(self.path):
            check_places(self.path)
            self._database = Database(self.path, max_seconds=max_seconds)
            self._database.open(self.content.list_names())
            if self._database.writable:
                self.content.make()
                self._tidy()

    def rows(self, *, write: bool = False) -> AbstractContextManager[Rows]:
        """One transaction: all of it, or nothing where the block raises."""
        return self._database.transaction(write=write)

    def close(self) -> None:
        """Nothing is held open any more."""
        self._database.close()

    def part(self, image_id: str) -> AbstractContextManager[Part]:
        """A file for an image's data, held until what was written is recorded; gone afterwards unless it was kept."""
        return self.content.part(image_id)

    def data(self, image_id: str) -> Path:
        """Where the data of an image is."""
        return self.content.data(image_id)

    def _tidy(self) -> None:
        """Set images back to queued whose upload's process is gone; delete data files that no image uses."""
        with self.rows(write=True) as rows:
            documents = rows.list_images()
            filled = frozenset(document["id"] for document in documents if document["size"] is not None)
            busy = self._delete_leftovers(rows, filled)
            for document in documents:
                if document["status"] == "saving" and document["id"] not in busy:
                    rows.put({**document, "status": "queued"}, document.get(CATALOG))

    def _delete_leftovers(self, rows: Rows, filled: frozenset[str]) -> set[str]:
        """Delete the data files that no image and no upload uses; return the ids of images that are being filled."""
        foreign, busy = [], set()
        for name in self.content.list_names():
            image_id = image_of(name)
            if name in filled:
                continue
            if image_id is None or not rows.has_given_out(image_id):
                foreign.append(name)
            elif not self.content.delete_unused(name, filled, rows.check_intact):
                busy.add(image_id)
        if foreign:
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            log.warning("store %s: content/%s%s is not the store's; left alone", self.path, foreign[0], more)
        return busy

    def mark_if_damaged(self, document: Row) -> Row | None:
        """The image as it may be shown: one whose data is gone, or of another length, is killed and never active.

        None where it was deleted meanwhile.
        """
        if not self.content.find_damage(document):
            return document
        with self.rows() as rows:
            found = rows.find(document["id"])
        if found is None or not (wrong := self.content.find_damage(found)):
            return found
        hint = "shown as killed; apply uploads it again where a manifest wants it"
        log.warning("store %s: the data of image %s %s: %s", self.path, found["id"], wrong, hint)
        return {**found, "status": "killed"}
