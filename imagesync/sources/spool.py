"""A verified stream -> a file without a name, which several readers read behind its writer. Threads, does I/O.

The kernel deletes the file with its last holder, also after a kill. The file gets its last bytes only after all bytes are
verified, because the stream yields them only then. A reader never waits for another reader.
"""

import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from io import FileIO
from typing import Final, cast

from imagesync.errors import ChecksumMismatch, FormatMismatch, SourceError, UsageError
from imagesync.labels import label, make_thread
from imagesync.sources.opening import VerifiedStream
from imagesync.sources.pipeline import PATIENCE, give_way
from imagesync.sources.unpack import CHUNK
from imagesync.text import format_size, make_printable

log = logging.getLogger(__name__)

DEFAULT_FOLDER: Final = "/var/tmp"  # noqa: S108 - the files have no names
"""On many systems /tmp is in memory, and /var/tmp is on a disk."""

Check = Callable[[], None]
Begin = Callable[[Check], AbstractContextManager[VerifiedStream]]
"""Opens the stream of a spool; its ``check`` is called while the stream waits."""


OWNER_AND_WRITER: Final = 2
"""Holders of a file beside its readers."""


class SpoolEnded(SourceError):
    """The file of a shared stream could not be completed or read; open the source again, and send from the start."""


class NoRoom(Exception):
    """A file may not be written; the text says why."""


class _Unwanted(Exception):
    """No target needs the build."""


class SpoolFolder:
    """The folder of the files of one run.

    ``limit``: the bytes that all of them may have together. None: half of the space that is free now, because other
    programs need the disk, too.
    """

    def __init__(self, folder: str | os.PathLike[str] = DEFAULT_FOLDER, limit: int | None = None) -> None:
        self._folder = os.fspath(folder)
        self._name = make_printable(self._folder)
        self._limit = self._measure_free() // 2 if limit is None else limit
        self._lock, self._reserved = threading.Lock(), 0

    def check(self) -> None:
        """UsageError if no file can be written in the folder."""
        try:
            with self._make_file() as file:
                file.write(b"\0")
        except OSError as error:
            hint = "pass another folder: --spool DIR; or let each target read its sources by itself: --spool off"
            message = f"no temporary file can be written in {self._name}: {error.strerror}"
            raise UsageError(message, hint) from error

    def open(self, size: int) -> FileIO:
        """A new file without a name, with room for ``size`` bytes reserved; NoRoom if there cannot be one."""
        try:
            file = self._make_file()
        except OSError as error:
            raise NoRoom(f"no temporary file can be made in {self._name}: {error.strerror}") from error
        try:
            self.admit(size)
        except NoRoom:
            file.close()
            raise
        return file

    def _make_file(self) -> FileIO:
        return tempfile.TemporaryFile(dir=self._folder, buffering=0)

    def admit(self, size: int) -> None:
        """Reserve room for a file of an announced size; NoRoom if the limit or the free space of the disk is less."""
        if (free := self._measure_free()) < size:
            raise NoRoom(f"{self._name} has {format_size(free)} free, the data has {format_size(size)}")
        self.reserve(size)

    def reserve(self, size: int) -> None:
        """Reserve room for further bytes; NoRoom if that exceeds the limit."""
        with self._lock:
            if self._reserved + size > self._limit:
                raise NoRoom(f"the temporary files in {self._name} must not exceed {format_size(self._limit)} together")
            self._reserved += size

    def _measure_free(self) -> int:
        try:
            return shutil.disk_usage(self._folder).free
        except OSError:  # then no file can be made in it either, and that error says why
            return 0

    def release(self, size: int) -> None:
        """Give back room that was reserved."""
        with self._lock:
            self._reserved -= size


@dataclass(frozen=True, slots=True)
class Written:
    """What is known of a build when its file has ``length`` bytes; the other fields as those of the stream."""

    length: int = 0
    size: int | None = None
    published_size: int | None = None
    read: int = 0
    virtual_size: int | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    published_digests: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def by(cls, stream: VerifiedStream, length: int, size: int | None) -> "Written":
        """What a stream shows after it yielded ``length`` bytes."""
        return cls(
            length,
            size,
            stream.published_size,
            stream.read,
            stream.virtual_size,
            dict(stream.digests),
            dict(stream.published_digests),
        )


class _State(Enum):
    """``ENDED``: the file was not completed, because of its room or because it is no longer needed."""

    WRITING = auto()
    COMPLETE = auto()
    FAILED = auto()
    ENDED = auto()


class Spool:
    """One stream in a file. Its holders are the thread that writes, each reader, and its owner, who makes it.

    ``expected``: the bytes that the file will have at least. NoRoom if ``folder`` has no room for them. ``warn`` gets the
    reason if the file is given up although targets need it.
    """

    def __init__(self, begin: Begin, folder: SpoolFolder, expected: int, warn: Callable[[str], None]) -> None:
        self._begin, self._folder, self._reserved, self._warn = begin, folder, expected, warn
        self._changed = threading.Condition()  # guards the fields below
        self._file = folder.open(expected)
        self._holders = OWNER_AND_WRITER
        self._state = _State.WRITING
        self._error: BaseException | None = None
        self._written: Written | None = None
        self._is_wanted = True
        with label(""):  # its lines are about all targets
            self._thread = make_thread(self._run, "imagesync-spool")

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    @property
    def is_idle(self) -> bool:
        """Whether the source is still read, but no reader is left."""
        with self._changed:
            return self._state is _State.WRITING and self._holders <= OWNER_AND_WRITER

    @property
    def has_failed(self) -> bool:
        """Whether the source failed in a way that another try may not: wrong content stays wrong."""
        with self._changed:
            return self._state is _State.FAILED and not isinstance(self._error, ChecksumMismatch | FormatMismatch)

    def abandon(self) -> None:
        """The owner no longer needs the file: stop the writer, and release the file."""
        with self._changed:
            self._is_wanted = False
        self.release()

    def hold(self) -> None:
        """Add a holder."""
        with self._changed:
            self._holders += 1

    def release(self) -> None:
        """Remove a holder; without holders the file is closed, which deletes it."""
        with self._changed:
            self._holders -= 1
            if self._holders == 0:
                with suppress(OSError):
                    self._file.close()
                self._give_room_back()

    def await_opened(self, check: Check) -> Written:
        """What is known when the source is open; the error of the writer. ``check`` is called while this waits."""
        return self._wait(lambda: self._written is not None, check)

    def read(self, at: int, check: Check) -> tuple[bytes, Written]:
        """The next bytes from the position ``at``, at most a MiB; none after the last ones. Errors as ``await_opened``."""
        known = self._wait(lambda: self._written is not None and self._written.length > at, check)
        if at == known.length:
            return b"", known
        try:
            chunk = os.pread(self._file.fileno(), min(CHUNK, known.length - at), at)
        except OSError as error:
            self._end(_State.ENDED)
            self._warn(f"its temporary file cannot be read: {error.strerror}")
            raise _make_ended_error() from error
        if not chunk:  # the file was given up since
            raise _make_ended_error()
        return chunk, known

    def _wait(self, is_ready: Callable[[], bool], check: Check) -> Written:
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._state is not _State.WRITING or is_ready(), PATIENCE):
                    return self._get_written()
            check()

    def _get_written(self) -> Written:
        if self._state is _State.ENDED:
            raise _make_ended_error()
        if isinstance(self._error, SourceError):  # a new one for each reader: a raised error gets a traceback
            raise type(self._error)(self._error.message, self._error.hint) from self._error
        if self._error is not None:
            raise self._error
        return cast("Written", self._written)

    def _check_wanted(self) -> None:
        if not self._is_wanted:
            raise _Unwanted

    def _run(self) -> None:
        give_way()
        try:
            self._write()
        except _Unwanted:
            self._end(_State.ENDED)
        except NoRoom as reason:
            self._end(_State.ENDED)
            self._warn(str(reason))
        except BaseException as error:  # any error is raised to the readers
            self._end(_State.FAILED, error)
        finally:
            self.release()

    def _write(self) -> None:
        with self._begin(self._check_wanted) as stream:
            self._reserve(stream.size or 0, self._folder.admit)
            length = 0
            self._publish(Written.by(stream, length, stream.size))
            for chunk in stream:
                self._check_wanted()
                self._append(chunk, length + len(chunk))
                length += len(chunk)
                self._publish(Written.by(stream, length, stream.size))
        self._publish(Written.by(stream, length, length), _State.COMPLETE)

    def _reserve(self, length: int, take: Callable[[int], None]) -> None:
        if length > self._reserved:
            take(length - self._reserved)
            self._reserved = length

    def _append(self, chunk: bytes, length: int) -> None:
        self._reserve(length, self._folder.reserve)
        view = memoryview(chunk)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise NoRoom(f"its temporary file cannot be written: {error.strerror}") from error

    def _publish(self, written: Written, state: _State = _State.WRITING) -> None:
        with self._changed:
            if self._state is _State.ENDED:  # a reader found the file unreadable
                raise _Unwanted
            self._written, self._state = written, state
            self._changed.notify_all()

    def _end(self, state: _State, error: BaseException | None = None) -> None:
        """No reader needs what was written: free its space at once."""
        with self._changed:
            self._state, self._error = state, error
            with suppress(OSError):
                self._file.truncate(0)
            self._give_room_back()
            self._changed.notify_all()

    def _give_room_back(self) -> None:
        self._folder.release(self._reserved)
        self._reserved = 0


def _make_ended_error() -> SpoolEnded:
    return SpoolEnded("the temporary file of the source was given up", "run apply again")


class SpoolReader:
    """A ``VerifiedStream`` of a spool, from its first byte; ``check`` is called while it waits, and may raise."""

    def __init__(self, spool: Spool, check: Check) -> None:
        self._spool, self._check = spool, check
        self._known = spool.await_opened(check)
        self.sent = self.read = 0

    @property
    def size(self) -> int | None:
        """Of all bytes; also of unpacked ones as soon as the file is complete."""
        return self._known.size

    @property
    def published_size(self) -> int | None:
        """Of the published bytes."""
        return self._known.published_size

    @property
    def virtual_size(self) -> int | None:
        """As far as the writer knows: it may have read more than this reader."""
        return self._known.virtual_size

    @property
    def digests(self) -> Mapping[str, str]:
        """Of the stored bytes; empty until the writer has verified them."""
        return self._known.digests

    @property
    def published_digests(self) -> Mapping[str, str]:
        """Of the published bytes; empty until the writer has verified them."""
        return self._known.published_digests

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._take():
            yield chunk

    def _take(self) -> bytes:
        chunk, self._known = self._spool.read(self.sent, self._check)
        self.sent += len(chunk)
        if self._known.length:  # the reader's part of what the writer has read; packed data may be packed unevenly
            self.read = max(self.read, self._known.read * self.sent // self._known.length)
        return chunk
