"""What a service stored -> read back from its beginning, hashed and inspected. Does I/O."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, TypeVar

from imagesync.backends.base import Backend
from imagesync.errors import ChecksumMismatch, Unavailable
from imagesync.formats import Inspection, check_not_disguised
from imagesync.model.catalog import Checksum, Transfer
from imagesync.sources import make_plausibility

MAX_READS: Final = 3
"""Times that data is read back, if the connection breaks."""


class Reader(Protocol):
    """Is given what the service stored."""

    is_judged: bool
    """Whether it needs no more."""

    def feed(self, chunk: bytes, /) -> None:
        """The next bytes."""


_ReaderT = TypeVar("_ReaderT", bound=Reader)


def read_back(
    backend: Backend, image_id: str, begin: Callable[[], _ReaderT], check: Callable[[], None] = lambda: None
) -> _ReaderT:
    """Give a new reader what the service stored, until it needs no more; if the connection breaks, begin again.

    ``check`` is called for each chunk; what it raises ends the reading.
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
        """The next bytes."""
        for found in self._hashes.values():
            found.update(chunk)

    def hexdigests(self) -> dict[str, str]:
        """By algorithm."""
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
        """The next bytes; FormatMismatch as soon as they show that the image is another."""
        self._plausibility.feed(chunk)
        self._inspection.feed(chunk)
        super().feed(chunk)

    def finish(self) -> None:
        """After the last byte: FormatMismatch, or ChecksumMismatch if the data has not every declared digest."""
        self._plausibility.finish()
        self._inspection.finish()
        check_not_disguised(self._format, self._inspection.recognized)
        found = self.hexdigests()
        for item in self._declared:
            check_digest(item, found[item.algorithm])


def check_digest(item: Checksum, found: str) -> None:
    """ChecksumMismatch if the digest of what the service stored is not the declared one."""
    if found != item.value:
        message = f"the service stored {item.algorithm}:{found}, not the declared {item}"
        raise ChecksumMismatch(message, "correct the checksum, or find out who changed the file")
