"""The stored data of an image -> its digests, and whether its format is right. Downloads the data."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, TypeVar

from imagesync.backends.base import Backend
from imagesync.errors import ChecksumMismatch, Unavailable
from imagesync.formats import Inspection, check_not_disguised
from imagesync.model.catalog import Checksum, Transfer
from imagesync.sources import make_plausibility

MAX_READS: Final = 3
"""Times that a download begins, if the connection breaks."""


class Reader(Protocol):
    """Receives the stored data."""

    is_judged: bool
    """Whether it needs no more data."""

    def feed(self, chunk: bytes, /) -> None:
        """Receive the next bytes."""


_ReaderT = TypeVar("_ReaderT", bound=Reader)


def read_back(
    backend: Backend, image_id: str, begin: Callable[[], _ReaderT], check: Callable[[], None] = lambda: None
) -> _ReaderT:
    """Download the stored data into a new reader, until it needs no more; return the reader.

    If the connection breaks, the download starts again with another reader. ``check`` is called for each chunk and may
    raise to stop the download.
    """
    for number in range(1, MAX_READS + 1):
        reader = begin()
        try:
            for chunk in backend.download(image_id):
                check()
                reader.feed(chunk)
                if reader.is_judged:
                    break
            break
        except Unavailable:
            if number == MAX_READS:
                raise
    return reader


class Hashes:
    """Hashes all data."""

    is_judged = False

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}

    def feed(self, chunk: bytes) -> None:
        """Hash the next bytes."""
        for found in self._hashes.values():
            found.update(chunk)

    def hexdigests(self) -> dict[str, str]:
        """The digests by algorithm."""
        return {name: found.hexdigest() for name, found in self._hashes.items()}


class StoredData(Hashes):
    """Hashes and inspects all data."""

    def __init__(
        self, declared: Sequence[Checksum], disk_format: str | None, container_format: str | None, transfer: Transfer
    ) -> None:
        super().__init__(item.algorithm for item in declared)
        self._declared, self._format = declared, disk_format
        self._inspection = Inspection(disk_format, container_format, is_measured=transfer.inspect)
        self._plausibility = make_plausibility(transfer, disk_format, container_format)

    def feed(self, chunk: bytes) -> None:
        """Hash and inspect the next bytes; FormatMismatch as soon as they show another format."""
        self._plausibility.feed(chunk)
        self._inspection.feed(chunk)
        super().feed(chunk)

    def finish(self) -> None:
        """Check the whole data: FormatMismatch, or ChecksumMismatch if a declared digest differs."""
        self._plausibility.finish()
        self._inspection.finish()
        check_not_disguised(self._format, self._inspection.recognized)
        found = self.hexdigests()
        for item in self._declared:
            check_digest(item, found[item.algorithm])


def check_digest(item: Checksum, found: str) -> None:
    """ChecksumMismatch if the digest of the stored data is not the declared one."""
    if found != item.value:
        message = f"the service stored {item.algorithm}:{found}, not the declared {item}"
        raise ChecksumMismatch(message, "correct the checksum, or find out who changed the file")
