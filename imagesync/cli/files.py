"""Results -> files that only their owner can read, whole or not at all. Does I/O."""

import os
import tempfile
from pathlib import Path
from typing import Any

from imagesync.errors import ImagesyncError
from imagesync.text import json_text


def check_writable(*paths: Path | None) -> None:
    """ImagesyncError for a path that cannot be written at all: better known before the work than after it."""
    for path in paths:
        if path is None:
            continue
        if not path.parent.is_dir():
            raise ImagesyncError(
                f"{path} cannot be written: there is no folder {path.parent}", "make it, or check the path"
            )
        if path.is_dir():
            raise ImagesyncError(f"{path} cannot be written: it is a folder", "name a file in it")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise ImagesyncError(
                f"{path} cannot be written: its folder is read-only", "check its permissions and mount"
            )


def write_private(path: Path, text: str) -> None:
    """A file that only its owner can read, whole or not at all."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise make_write_error(path, error) from error


def write_json(path: Path, document: Any) -> None:
    """Sorted JSON, whole or not at all."""
    write_private(path, json_text(document) + "\n")


def make_write_error(path: Path, error: OSError) -> ImagesyncError:
    """The error of a file that could not be written."""
    return ImagesyncError(f"{path} cannot be written: {error.strerror}", "check the folder and its space")
