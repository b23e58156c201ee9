"""Errors of the system and of SQLite -> one BackendError with a remedy."""

import errno
import os
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from imagesync.backends.local.failures import MIN_FREE_BYTES, damage_error, translate_errors
from imagesync.errors import BackendError

FOLDER = Path("/srv/store")


def explain(error: Exception) -> str:
    """The message and the hint of an error in the store ``FOLDER``."""
    with pytest.raises(BackendError) as caught, translate_errors(FOLDER):
        raise error
    assert caught.value.__cause__ is error
    assert str(caught.value).startswith("store /srv/store")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def set_disk(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """The disk has so many free bytes, in blocks of one byte."""
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=free, f_frsize=1, f_blocks=10**6))


def sqlite_error(code: int, text: str = "disk I/O error") -> sqlite3.Error:
    """An error of SQLite with this code."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_explained(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """With the free space, if that is known; the images are not damaged."""
    set_disk(monkeypatch, 1234)
    text = explain(OSError(number, "No space left"))
    assert "no space left (1,234 of 1,000,000 bytes of its disk are free); free some space" in text
    assert "the images in the store are not damaged" in text
    monkeypatch.undo()
    assert "no space left; free some space" in explain(OSError(number, "No space left"))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(errno.EACCES, "Permission denied", "/srv/store/content/x"),
            ": permission denied (content/x); check the",
        ),
        (
            OSError(errno.EIO, "Input/output error"),
            ": input/output error; check the folder, its permissions and the disk",
        ),
        (OSError("odd"), ": odd; check the folder"),
        (
            UnicodeDecodeError("utf-8", b"x", 0, 1, "no"),
            "is damaged: store.db contains text that is not UTF-8; restore",
        ),
        (sqlite3.OperationalError("Could not decode to UTF-8 column"), "contains text that is not UTF-8; restore"),
        (sqlite_error(sqlite3.SQLITE_FULL), "no space left for the database"),
        (sqlite_error(sqlite3.SQLITE_BUSY), "another process has locked store.db for 60 s; wait until that process"),
        (sqlite_error(sqlite3.SQLITE_LOCKED), "another process has locked store.db for 60 s"),
        (sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT), "another process has locked store.db"),
        (sqlite_error(sqlite3.SQLITE_INTERRUPT), "is damaged: a query of store.db exceeds the time limit"),
        (sqlite_error(sqlite3.SQLITE_TOOBIG), "a record is larger than 64 MiB; restore store.db"),
        (sqlite_error(sqlite3.SQLITE_CORRUPT, "malformed"), "is damaged: malformed; restore store.db"),
        (sqlite_error(sqlite3.SQLITE_NOTADB, "not a database"), "is damaged: not a database; restore"),
        (sqlite_error(sqlite3.SQLITE_READONLY), "is read-only: store.db cannot be written; check its permissions"),
        (sqlite_error(sqlite3.SQLITE_READONLY_DBMOVED), "is read-only"),
        (sqlite_error(sqlite3.SQLITE_ERROR, "no such table"), ": no such table; check the folder"),
        (sqlite3.OperationalError("without a code"), ": without a code; check the folder"),
    ],
)
def test_each_error_is_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception, message: str) -> None:
    """Extended codes count as their first byte."""
    set_disk(monkeypatch, 10**9)
    assert message in explain(error)


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_CANTOPEN])
@pytest.mark.parametrize(("free", "is_full"), [(0, True), (MIN_FREE_BYTES - 1, True), (MIN_FREE_BYTES, False)])
def test_an_error_of_the_disk_may_be_a_full_disk(
    monkeypatch: pytest.MonkeyPatch, code: int, free: int, is_full: bool
) -> None:
    """SQLite does not report the reason; its log begins with 32 KiB."""
    set_disk(monkeypatch, free)
    assert ("no space left for the database" in explain(sqlite_error(code))) is is_full


def test_an_error_of_our_own_passes_unchanged() -> None:
    """It has its message already, and so has an error of the caller."""
    for error in (damage_error(FOLDER, "it is odd"), LookupError("x")):
        with pytest.raises(type(error)) as caught, translate_errors(FOLDER):
            raise error
        assert caught.value is error


def test_the_free_space_is_that_of_the_user_in_blocks() -> None:
    """Each block has a size; an administrator's reserve does not count."""
    disk = SimpleNamespace(f_bavail=3, f_bfree=9, f_frsize=4096, f_bsize=7, f_blocks=10)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "statvfs", lambda _: disk)
        text = explain(OSError(errno.EDQUOT, "Disk quota exceeded"))
        assert text == (
            "store /srv/store: disk quota exceeded (12,288 of 40,960 bytes of its disk are free); free some space or raise "
            "the limit, then run the command again; the images in the store are not damaged"
        )
        assert "no space left for the database (12,288 of" in explain(sqlite_error(sqlite3.SQLITE_IOERR))
        disk.f_bavail = 16
        assert "no space left" not in explain(sqlite_error(sqlite3.SQLITE_IOERR))


REPAIR = "restore store.db from a backup, or use another folder; the data of its images is in content"
FULL = "free some space or raise the limit, then run the command again; the images in the store are not damaged"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            OSError(errno.EACCES, "Permission denied", "/srv/other"),
            ": permission denied (../other); check the folder, its permissions and the disk",
        ),
        (
            OSError(errno.EIO, "Input/output error", 7),
            ": input/output error; check the folder, its permissions and the disk",
        ),
        (OSError(errno.EFBIG, "File too large"), f": file too large; {FULL}"),
        (
            UnicodeDecodeError("utf-8", b"x", 0, 1, "no"),
            f" is damaged: store.db contains text that is not UTF-8; {REPAIR}",
        ),
        (
            sqlite_error(sqlite3.SQLITE_BUSY),
            ": another process has locked store.db for 60 s; wait until that process ends, or end it, and run the command "
            "again",
        ),
        (
            sqlite_error(sqlite3.SQLITE_INTERRUPT),
            f" is damaged: a query of store.db exceeds the time limit, which no query of a store reaches; {REPAIR}",
        ),
        (sqlite_error(sqlite3.SQLITE_TOOBIG), f": a record is larger than 64 MiB; {REPAIR}"),
        (sqlite_error(sqlite3.SQLITE_CORRUPT_INDEX, "malformed"), f" is damaged: malformed; {REPAIR}"),
        (
            sqlite_error(sqlite3.SQLITE_READONLY),
            " is read-only: store.db cannot be written; check its permissions and the mount options",
        ),
        (
            sqlite_error(sqlite3.SQLITE_IOERR),
            ": disk I/O error; check the folder, its permissions and the free space, or use another folder",
        ),
        (
            sqlite_error(sqlite3.SQLITE_ERROR, "could not decode"),
            ": could not decode; check the folder, its permissions and the free space, or use another folder",
        ),
        (sqlite_error(sqlite3.SQLITE_FULL), f": no space left for the database; {FULL}"),
    ],
)
def test_the_whole_message_of_each_error(error: Exception, text: str) -> None:
    """The disk of this folder is unknown, because there is none."""
    assert explain(error) == f"store /srv/store{text}"
