"""Stored data is downloaded, and once more if the connection breaks."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import ChecksumMismatch, Forbidden, FormatMismatch, RunStopped, Unavailable
from imagesync.execution.reading_back import Hashes, StoredData, check_digest, read_back
from imagesync.model.catalog import Checksum, Transfer

DATA = (b"first", b"second", b"third")


class Breaking(Local):
    """A store whose first downloads break after their second chunk; ``served`` counts the chunks."""

    def __init__(self, folder: Path, error: Exception, breaks: int) -> None:
        super().__init__(Store(folder), "breaking")
        self.error, self.breaks = error, breaks
        self.downloads = self.served = 0

    def download(self, image_id: str) -> Iterator[bytes]:
        self.downloads += 1
        for number, chunk in enumerate(DATA):
            if number == 2 and self.downloads <= self.breaks:
                raise self.error
            self.served += 1
            yield chunk


class Once:
    """A reader that needs no more data after ``enough`` chunks."""

    def __init__(self, enough: int) -> None:
        self.chunks, self._enough = list[bytes](), enough
        self.is_judged = False

    def feed(self, chunk: bytes, /) -> None:
        """Keep a chunk."""
        self.chunks.append(chunk)
        self.is_judged = len(self.chunks) >= self._enough


LOST, NO = Unavailable("lost", "later"), Forbidden("no", "ask")


@pytest.mark.parametrize(
    ("error", "breaks", "downloads", "is_read"),
    [(LOST, 0, 1, True), (LOST, 1, 2, True), (LOST, 2, 3, True), (LOST, 3, 3, False), (NO, 1, 1, False)],
)
def test_a_broken_download_begins_again_with_a_new_reader(
    tmp_path: Path, error: Exception, breaks: int, downloads: int, *, is_read: bool
) -> None:
    """At most three times; nothing of a broken one counts. What the service forbids is not tried again."""
    store, checks = Breaking(tmp_path, error, breaks), list[int]()

    def read() -> Hashes:
        return read_back(store, "x", lambda: Hashes(["sha256", "md5"]), lambda: checks.append(1))

    if is_read:
        whole = b"".join(DATA)
        assert read().hexdigests() == {name: hashlib.new(name, whole).hexdigest() for name in ("sha256", "md5")}
    else:
        with pytest.raises(type(error)):
            read()
    assert (store.downloads, len(checks)) == (downloads, store.served)


@pytest.mark.parametrize(("enough", "served"), [(1, 1), (2, 2), (9, 3)])
def test_a_download_ends_when_its_reader_needs_no_more(tmp_path: Path, enough: int, served: int) -> None:
    """A head is not followed by gigabytes."""
    store = Breaking(tmp_path, LOST, 0)
    assert read_back(store, "x", lambda: Once(enough)).chunks == list(DATA[:served])
    assert (store.downloads, store.served) == (1, served)


def test_a_stopped_run_ends_a_download(tmp_path: Path) -> None:
    """At the next chunk; it is not tried again."""

    def check() -> None:
        raise RunStopped

    store = Breaking(tmp_path, LOST, 0)
    with pytest.raises(RunStopped):
        read_back(store, "x", lambda: Once(9), check)
    assert (store.downloads, store.served) == (1, 1)


@pytest.mark.parametrize(
    ("data", "inspect"), [(b"<html>no</html>", True), (b"<html>no</html>", False), (b"\0disk", True)]
)
def test_stored_data_that_is_no_disk_is_refused_although_its_digest_is_right(data: bytes, *, inspect: bool) -> None:
    """Unless the manifest has ``inspect: none``."""
    declared = Checksum("sha256", hashlib.sha256(data).hexdigest())
    stored = StoredData([declared], "raw", "bare", Transfer(inspect=inspect))
    stored.feed(data)
    if inspect and data.startswith(b"<"):
        with pytest.raises(FormatMismatch, match="the data is an HTML page, not raw"):
            stored.finish()
        return
    stored.finish()
    assert stored.hexdigests() == {"sha256": declared.value}


def test_each_declared_digest_of_stored_data_is_compared() -> None:
    """Also the second one; the message has what was found and what was declared."""
    data = b"\0disk"
    right, wrong = Checksum("sha256", hashlib.sha256(data).hexdigest()), Checksum("md5", "0" * 32)
    stored = StoredData([right, wrong], "raw", "bare", Transfer())
    stored.feed(data)
    with pytest.raises(ChecksumMismatch) as caught:
        stored.finish()
    assert str(caught.value) == (
        f"the service stored md5:{hashlib.md5(data, usedforsecurity=False).hexdigest()}, not the declared md5:{'0' * 32}; "
        "correct the checksum, or find out who changed the file"
    )
    check_digest(right, right.value)
