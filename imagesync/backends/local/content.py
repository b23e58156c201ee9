"""The data of images <-> the files ``content/ID``. Does I/O.

An upload writes a part file, syncs it, and renames it. It holds a lock on the part file; a part file without a lock was
left by a process that no longer runs.
"""

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

from imagesync.backends.local.failures import translate_errors
from imagesync.backends.local.rows import Row

_NAME: Final = re.compile(r"(?P<id>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?:\.[0-9a-f]{32}\.part)?")


def open_without_links(path: str | Path, flags: int) -> int:
    """An opener for ``open``: OSError for a link; it does not wait for the other end of a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def parse_image_id(name: str) -> str | None:
    """The id of the image to which a data file or part file with this name belongs; None for any other name."""
    found = _NAME.fullmatch(name)
    return found["id"] if found else None


class Content:
    """The folder with the data; messages name the folder ``store``."""

    def __init__(self, store: Path) -> None:
        self._store, self._folder = store, store / "content"

    def make(self) -> None:
        """Create the folder if it is missing; only its owner may read it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def list_names(self) -> list[str]:
        """Names of the files in the folder, sorted."""
        try:
            return sorted(os.listdir(self._folder))
        except FileNotFoundError:
            return []

    def data(self, image_id: str) -> Path:
        """The path of the data of an image."""
        return self._folder / image_id

    def open_data(self, image_id: str) -> BinaryIO:
        """Open the data of an image for reading; OSError for a link."""
        return open(self.data(image_id), "rb", opener=open_without_links)

    def find_damage(self, document: Row) -> str:
        """What is wrong with the data file of an image (missing, wrong size); empty if nothing is, or it needs none."""
        if document["size"] is None:
            return ""
        try:
            found = os.lstat(self.data(document["id"])).st_size
        except FileNotFoundError:
            return "is missing"
        return "" if found == document["size"] else f"has {found} bytes; the record has {document['size']}"

    def remove(self, image_id: str) -> None:
        """Delete the data of an image; if that fails, the next opening of the store deletes it."""
        with suppress(OSError):
            self.data(image_id).unlink(missing_ok=True)

    def delete_unused(self, name: str, filled: frozenset[str], check: Callable[[], None]) -> bool:
        """Delete a data file that no image uses; return False, and delete nothing, if an upload has locked it.

        ``filled`` are the ids of images that have data, whose files are kept. ``check`` is called before the deletion, and
        may raise an error to prevent it. The file is locked during the deletion, because an upload could begin to use it.
        """
        for place in (name, name.partition(".")[0]):  # an upload can rename its part file, which stays locked
            try:
                with self.open_data(place) as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if place not in filled:
                        check()
                        (self._folder / place).unlink(missing_ok=True)
            except FileNotFoundError:
                continue
            except BlockingIOError:
                return False
            return True
        return True

    @contextmanager
    def part(self, image_id: str) -> Iterator["Part"]:
        """A locked file for an image's data. The end of the block deletes it unless ``keep`` was called."""
        name = self._folder / f"{image_id}.{uuid4().hex}.part"
        with translate_errors(self._store):
            handle = _create_locked(name)
        try:
            yield Part(self._store, handle, name, self._folder / image_id)
        finally:
            with suppress(OSError):  # the next opening of the store deletes it
                name.unlink(missing_ok=True)
            with suppress(OSError):  # a kept file is synced already
                os.close(handle)


def _create_locked(name: Path) -> int:
    """Create a file and lock it; repeat if another process deleted it as a leftover before it was locked."""
    while True:
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle
        os.close(handle)


class Part:
    """The data of one image during its upload."""

    def __init__(self, store: Path, handle: int, name: Path, final: Path) -> None:
        self._store, self._handle, self._name, self._final = store, handle, name, final

    def write(self, chunk: bytes) -> None:
        """Write the next bytes."""
        view = memoryview(chunk)
        with translate_errors(self._store):
            while view:
                view = view[os.write(self._handle, view) :]

    def keep(self) -> None:
        """Rename the complete part file to its final name, and sync file and folder."""
        with translate_errors(self._store):
            os.fsync(self._handle)
            os.replace(self._name, self._final)
            folder = os.open(self._final.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # the rename survives a crash
            finally:
                os.close(folder)
