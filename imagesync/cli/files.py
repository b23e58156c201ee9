"""Results -> files, complete or not at all, that only their owner can read; or pipes, devices and streams. Does I/O.

imagesync never writes a file through a link, because the author of a checkout could choose which file it overwrites. It
replaces a link at the path of an output, and refuses a relative path that leaves the working directory through a link.
"""

import fcntl
import os
import re
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from imagesync.errors import ImagesyncError, UsageError
from imagesync.paths import check_way
from imagesync.text import escape_commands, format_json, make_printable

INPUT_SUFFIXES: Final = (".yaml", ".yml", ".db")
"""The suffixes of manifests and of the database of a local store."""
_STREAMS: Final = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR: Final = re.compile(r"(?:/dev|/proc/(?P<process>self|thread-self|[0-9]+))/fd/(?P<number>[0-9]{1,6})")
_KINDS: Final = {stat.S_IFDIR: "a folder", stat.S_IFBLK: "a block device", stat.S_IFSOCK: "a socket"}
"""Types of files that an output cannot be."""


def find_folder(path: Path) -> Path:
    """The folder that the paths in a file are relative to: its own; the working directory for a pipe or stream."""
    return Path() if is_stream(path) else path.parent


def is_stream(path: Path) -> bool:
    """Whether an output is a pipe, a character device or an open stream (/dev/stdout, /dev/fd/N) instead of a file."""
    return _find_descriptor(path) is not None or _read_type(path) in (stat.S_IFIFO, stat.S_IFCHR)


def _find_descriptor(path: Path) -> int | None:
    """The number of the open stream that a path names; None if it names none."""
    text = os.path.abspath(path)
    found = _DESCRIPTOR.fullmatch(text)
    if found is None or found["process"] not in (None, "self", "thread-self", str(os.getpid())):
        return _STREAMS.get(text)
    return int(found["number"])


def _read_type(path: Path) -> int:
    """The type of the file at a path, without following links; 0 if it does not exist."""
    try:
        return stat.S_IFMT(os.lstat(path).st_mode)
    except OSError:
        return 0


def check_writable(*paths: Path | None) -> None:
    """Raise an error for a path that cannot be written, before the run instead of after it."""
    for path in paths:
        if path is None:
            continue
        if (number := _find_descriptor(path)) is not None:
            _check_descriptor(path, number)
            continue
        check_way(path.parent)
        if not path.parent.is_dir():
            raise _refuse(path, f"the folder {path.parent} does not exist", "create it, or check the path")
        if what := _KINDS.get(_read_type(path)):
            raise _refuse(path, f"it is {what}", "name a file in it" if what == "a folder" else "name a file")
        place = path if is_stream(path) else path.parent
        if not os.access(place, os.W_OK if is_stream(path) else os.W_OK | os.X_OK):
            what = "it is not writable" if is_stream(path) else "its folder is not writable"
            raise _refuse(path, what, "check its permissions and mount")


def check_results(*paths: Path | None, source: Path | None = None) -> None:
    """``check_writable`` for the files of results; UsageError if two are the same file, or one looks like an input.

    ``source``: the file or folder that the command reads, which is not overwritten either.
    """
    named = Counter(_find_place(path) for path in paths if path is not None and not is_stream(path))
    for path in paths:
        if path is not None:
            check_no_input(path)
        if path is not None and not is_stream(path):
            display = make_printable(str(path))
            if named[_find_place(path)] > 1:
                raise UsageError(f"two results would be written to {display}", "name a different file for each")
            if source is not None and _find_place(path) == _find_place(source):
                raise UsageError(f"{display} is read by this command and is not overwritten", "name another file")
    check_writable(*paths)


def _find_place(path: Path) -> tuple[str, str]:
    """The folder of a file, without links, and its name; a link at the path itself is replaced, and not followed."""
    return os.path.realpath(path.parent), path.name


def check_no_input(path: Path) -> None:
    """UsageError for a path with the suffix of a manifest or of a store's database: the result would replace it."""
    if path.suffix.lower() in INPUT_SUFFIXES:
        message = (
            f"{make_printable(str(path))} has the suffix of a manifest or of a store's database and is not overwritten"
        )
        raise UsageError(message, f"name a file that does not end in {', '.join(INPUT_SUFFIXES)}")


def _check_descriptor(path: Path, number: int) -> None:
    try:
        mode = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE
    except OSError:
        raise _refuse(path, "the stream is not open", f"open it, for example with {number}>FILE") from None
    if mode == os.O_RDONLY:
        raise _refuse(path, "the stream is open only for reading", "name another stream or a file")


def _refuse(path: Path, why: str, hint: str) -> ImagesyncError:
    return ImagesyncError(make_printable(f"{path} cannot be written: {why}"), hint)


def write_private(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a complete file with permissions ``mode``, or none; write the text to ``path`` if it is a stream.

    Lines that a CI system would take as commands are escaped.
    """
    check_way(path.parent)
    try:
        if is_stream(path):
            with _open_stream(path) as stream:
                stream.write(escape_commands(text))
            return
        _replace_file(path, escape_commands(text).encode(), lambda handle: os.fchmod(handle, mode))
    except OSError as error:
        raise make_write_error(path, error) from error


def write_json(path: Path, document: Any) -> None:
    """Write a complete file of sorted JSON, or none."""
    write_private(path, format_json(document) + "\n")


def create_files(texts: Mapping[Path, str]) -> None:
    """Create new files with these texts, all of them or none; ImagesyncError for a path that exists, also as a link."""
    created: list[Path] = []
    try:
        for path, text in texts.items():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            created.append(path)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
    except BaseException as error:
        for done in created:
            done.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise make_write_error(path, error) from error
        raise


def replace_content(path: Path, before: bytes, after: bytes) -> None:
    """Replace the content of a regular file, completely or not at all; owner and permissions stay.

    ImagesyncError for a link, and if the content is no longer ``before``, because another program changed the file.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            status, found = os.fstat(file.fileno()), file.read()
        if found != before:
            raise _refuse(path, "another program changed it meanwhile", "run the command again")
        _replace_file(path, after, lambda handle: _copy_rights(handle, status))
    except OSError as error:
        raise make_write_error(path, error) from error


def _copy_rights(handle: int, status: os.stat_result) -> None:
    """Give an open file the owner and the permissions of another one."""
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(handle, status.st_uid, status.st_gid)
    os.fchmod(handle, stat.S_IMODE(status.st_mode))


def _replace_file(path: Path, content: bytes, prepare: Callable[[int], None]) -> None:
    """Write a new file and put it in the place of ``path``: a reader sees the old content or the new one, whole.

    ``prepare`` gets the descriptor of the new file before anything is written. Raises OSError.
    """
    handle, name = _make_beside(path)
    try:
        with os.fdopen(handle, "wb") as file:
            prepare(handle)
            file.write(content)
            file.flush()
            os.fsync(handle)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def open_private(path: Path) -> TextIO:
    """Open a file that others may read while it is written: a new private file, at its path at once; or a stream."""
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
    """Make a new file next to ``path``, to replace it later: a link at ``path`` is replaced and never followed."""
    return tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:200]}.")


def _open_stream(path: Path) -> TextIO:
    """Open a pipe or device, which is never created or replaced; or copy an open stream, to continue at its position."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    number = _find_descriptor(path)
    if number is not None:
        return os.fdopen(os.dup(number), "w", encoding="utf-8")
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NOCTTY), "w", encoding="utf-8")


def make_write_error(path: Path, error: OSError) -> ImagesyncError:
    """The error for a file that could not be written."""
    return _refuse(path, error.strerror or str(error), "check the folder and its space")
