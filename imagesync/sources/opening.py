"""The verified bytes of a source, and the function that opens them, as a transfer needs both. No I/O."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from imagesync.model.catalog import FileSource, Fingerprint, UrlSource
from imagesync.sources.access import SourceAccess


class VerifiedStream(Protocol):
    """The stored bytes of a source. The last chunk is yielded only after all bytes are verified."""

    @property
    def size(self) -> int | None:
        """The number of bytes; None if unknown."""

    @property
    def published_size(self) -> int | None:
        """The number of published bytes; None if unknown."""

    @property
    def sent(self) -> int:
        """The number of bytes that were yielded."""

    @property
    def read(self) -> int:
        """The number of published bytes that were read for them."""

    @property
    def virtual_size(self) -> int | None:
        """Of the disk, in bytes: never more than the final value, which it has after the last chunk."""

    @property
    def digests(self) -> Mapping[str, str]:
        """Of the yielded bytes, by algorithm; complete after the last chunk."""

    @property
    def published_digests(self) -> Mapping[str, str]:
        """Of the published bytes, by algorithm; complete after the last chunk."""

    def __iter__(self) -> Iterator[bytes]: ...


class OpenSource(Protocol):
    """Opens a source, as ``open_source``; the end of the block closes it. SourceError if it cannot be opened.

    The stream may raise ``SpoolEnded``. Then the transfer must open the source again and send the data from its start.
    """

    def __call__(
        self,
        source: FileSource | UrlSource,
        fingerprint: Fingerprint,
        *,
        disk_format: str | None,
        container_format: str | None,
        access: SourceAccess | None,
        check: Callable[[], None],
    ) -> AbstractContextManager[VerifiedStream]:
        """The stream, open until the end of the block."""
