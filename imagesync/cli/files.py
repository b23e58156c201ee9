"""Results -> files that only their owner can read, whole or not at all; pipes, devices and streams are written. Does I/O.

No file is written through a link: the author of a checkout could choose with it what is overwritten. A link at the
place of an output is replaced, and a relative path must not lead out of the working directory by a link.
"""

import fcntl
import os
import re
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, TextIO

from imagesync.errors import ImagesyncError, UsageError
from imagesync.paths import check_way
from imagesync.text import escape_commands, format_json, make_printable

INPUT_SUFFIXES: Final = (".yaml", ".yml", ".db")
"""Ends of names of manifests and of the database of a local store."""
_STREAMS: Final = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR: Final = re.compile(r"(?:/dev|/proc/(?P<process>self|thread-self|[0-9]+))/fd/(?P<number>[0-9]{1,6})")
_KINDS: Final = {stat.S_IFDIR: "a folder", stat.S_IFBLK: "a block device", stat.S_IFSOCK: "a socket"}
"""What no output can be, by the type of the file."""


def find_folder(path: Path) -> Path:
    """The folder that paths in a file are relative to: the file's own; the working directory for a pipe or a stream."""
    return Path() if is_stream(path) else path.parent


def is_stream(path: Path) -> bool:
    """Whether an output is a pipe, a character device or an open stream (/dev/stdout, /dev/fd/N), and no file."""
    return _find_descriptor(path) is not None or _read_type(path) in (stat.S_IFIFO, stat.S_IFCHR)


def _find_descriptor(path: Path) -> int | None:
    """The number of an open stream that a path names."""
    text = os.path.abspath(path)
    found = _DESCRIPTOR.fullmatch(text)
    if found is None or found["process"] not in (None, "self", "thread-self", str(os.getpid())):
        return _STREAMS.get(text)
    return int(found["number"])


def _read_type(path: Path) -> int:
    """What a path is itself, links not followed; 0 if it is not there."""
    try:
        return stat.S_IFMT(os.lstat(path).st_mode)
    except OSError:
        return 0


def check_writable(*paths: Path | None) -> None:
    """Raise an error for a path that cannot be written at all: better known before the work than after it."""
    for path in paths:
        if path is None:
            continue
        if (number := _find_descriptor(path)) is not None:
            _check_descriptor(path, number)
            continue
        check_way(path.parent)
        if not path.parent.is_dir():
            raise _refuse(path, f"there is no folder {path.parent}", "make it, or check the path")
        if what := _KINDS.get(_read_type(path)):
            raise _refuse(path, f"it is {what}", "name a file in it" if what == "a folder" else "name a file")
        place = path if is_stream(path) else path.parent
        if not os.access(place, os.W_OK if is_stream(path) else os.W_OK | os.X_OK):
            what = "you may not write to it" if is_stream(path) else "its folder is read-only"
            raise _refuse(path, what, "check its permissions and mount")


def check_results(*paths: Path | None) -> None:
    """As ``check_writable``, for files that results go to; UsageError if two are one file, or one may be an input."""
    named = [os.path.abspath(path) for path in paths if path is not None and _find_descriptor(path) is None]
    for path in paths:
        if path is not None:
            check_no_input(path)
            if named.count(os.path.abspath(path)) > 1 and not is_stream(path):
                raise UsageError(f"{make_printable(str(path))} is named twice for results", "name a file for each")
    check_writable(*paths)


def check_no_input(path: Path) -> None:
    """UsageError for the name of a manifest or of the database of a store: a result would take its place."""
    if path.suffix.lower() in INPUT_SUFFIXES:
        message = f"{make_printable(str(path))} has the name of a manifest or of a store's database; no result is written there"
        raise UsageError(message, f"name a file that does not end in {', '.join(INPUT_SUFFIXES)}")


def _check_descriptor(path: Path, number: int) -> None:
    try:
        mode = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE
    except OSError:
        raise _refuse(path, "there is no such stream", f"open it, for example with {number}>FILE") from None
    if mode == os.O_RDONLY:
        raise _refuse(path, "that stream is only for reading", "name another one, or a file")


def _refuse(path: Path, why: str, hint: str) -> ImagesyncError:
    return ImagesyncError(make_printable(f"{path} cannot be written: {why}"), hint)


def write_private(path: Path, text: str, *, mode: int = 0o600) -> None:
    """A file that only its owner can read (or with another ``mode``), whole or not at all; or the text to a stream.

    A log that shows it is not commanded by it.
    """
    check_way(path.parent)
    try:
        if is_stream(path):
            with _open_stream(path) as stream:
                stream.write(escape_commands(text))
            return
        handle, name = _make_beside(path)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                os.fchmod(handle, mode)
                file.write(escape_commands(text))
                file.flush()
                os.fsync(handle)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise make_write_error(path, error) from error


def write_json(path: Path, document: Any) -> None:
    """Sorted JSON, whole or not at all."""
    write_private(path, format_json(document) + "\n")


def open_private(path: Path) -> TextIO:
    """A file to be written and read at the same time: a new one, private and in its place at once; or a stream."""
    check_way(path.parent)
    try:
        if is_stream(path):
            return _open_stream(path)
        handle, name = _make_beside(path)
        file = os.fdopen(handle, "w", encoding="utf-8")
        try:
            os.replace(name, path)
        except BaseException:
            file.close()
            os.unlink(name)
            raise
        return file
    except OSError as error:
        raise make_write_error(path, error) from error


def _make_beside(path: Path) -> tuple[int, str]:
    """A new file that replaces what is at ``path`` later: a link there is replaced, and never followed."""
    return tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:200]}.")


def _open_stream(path: Path) -> TextIO:
    """A pipe or a device opened, never made or replaced; of an open stream a copy, which continues where that one is."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    number = _find_descriptor(path)
    if number is not None:
        return os.fdopen(os.dup(number), "w", encoding="utf-8")
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NOCTTY), "w", encoding="utf-8")


def make_write_error(path: Path, error: OSError) -> ImagesyncError:
    """The error of a file that could not be written."""
    return _refuse(path, error.strerror or str(error), "check the folder and its space")
