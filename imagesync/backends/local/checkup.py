"""A store's folder -> the checks of ``doctor``. It only reads, and creates no store."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from imagesync.backends.local.backend import Local
from imagesync.backends.local.database import VERSION
from imagesync.backends.local.places import CONTENT, DATABASE
from imagesync.backends.local.store import Store
from imagesync.errors import ImagesyncError
from imagesync.model.diagnosis import Check, Grade
from imagesync.text import format_size, make_printable

MIN_FREE_BYTES: Final = 2**30
"""Less free space than this is a warning."""
_MAKE_WRITABLE: Final = "make it writable for this user, or use another folder"


def examine_store(folder: Path, needed: int) -> Iterator[Check]:
    """Whether the store exists and is readable and writable, its version, and the free space against ``needed`` bytes."""
    where = make_printable(str(folder))
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        text = f"{make_printable(str(existing))} is not a folder"
        yield Check("store", Grade.PROBLEM, text, "use the path of a folder: --store DIR")
        return
    if (folder / DATABASE).exists():
        yield Check("store", Grade.OK, f"{where} exists")
        yield _check_content(folder)
    else:
        yield Check("store", Grade.OK, f"{where} has no store yet; imagesync apply creates it")
    yield _check_writing(existing)
    yield _check_space(existing, needed)


def open_to_read(folder: Path) -> Local:
    """The store in a folder; it is not cleaned up. Errors as for ``open_local``."""
    return Local(Store(folder, read_only=True), str(folder))


def _check_content(folder: Path) -> Check:
    try:
        open_to_read(folder).close()
    except ImagesyncError as error:
        return Check("store version", Grade.PROBLEM, error.message, error.hint)
    return Check("store version", Grade.OK, f"version {VERSION}, readable")


def _check_writing(folder: Path) -> Check:
    paths = (folder, folder / DATABASE, folder / CONTENT)
    refused = [path for path in paths if path.exists() and not os.access(path, os.W_OK)]
    if refused:
        return Check("write", Grade.PROBLEM, f"{make_printable(str(refused[0]))} is read-only", _MAKE_WRITABLE)
    return Check("write", Grade.OK, "allowed")


def _check_space(folder: Path, needed: int) -> Check:
    free = shutil.disk_usage(folder).free
    text = f"{format_size(free)} free; the next apply needs at least {format_size(needed)}"
    if free < needed:
        return Check("disk", Grade.PROBLEM, text, "free some space, or use a folder on another disk")
    if free - needed < MIN_FREE_BYTES:
        return Check("disk", Grade.WARNING, text, "free some space before images are uploaded")
    return Check("disk", Grade.OK, text)
