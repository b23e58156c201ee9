"""Chunks of image data -> a request body that is sent at most once. No I/O of its own."""

from collections.abc import Iterable, Iterator
from typing import Final

from imagesync.errors import SourceError

PIECE: Final = 2**18
"""Maximum bytes in one chunk of a chunked body: uWSGI, which serves Glance, rejects chunks of 1 MiB (HTTP 500)."""


class BodyAborted(Exception):
    """The chunks raised an exception; the connection must be closed before the body is complete.

    It is not an OSError, because the HTTP libraries handle an OSError as a connection problem: they ignore it and wait
    for the response to an incomplete body.
    """


class Body:
    """Chunks with ``size`` bytes in total (None: unknown).

    It has ``len()``, because requests then sends ``Content-Length``; pass ``iter(body)`` for an unknown length. ``error`` is
    the exception that the chunks raised. ``is_complete`` is True once the connection has taken every byte.
    """

    def __init__(self, chunks: Iterable[bytes], size: int | None) -> None:
        self._chunks = chunks
        self._size = size
        self.sent = 0
        self.is_complete = False
        self.error: BaseException | None = None

    def __len__(self) -> int:
        return self._size or 0

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._measure()
        except Exception as error:
            self.error = error
            raise BodyAborted from error
        self.is_complete = True

    def _measure(self) -> Iterator[bytes]:
        """The chunks, checked against the size.

        With a known size, the last chunk follows only when the source has ended: it completes the image in the service.
        """
        held = b""
        for chunk in self._chunks:
            if self._size is not None and self.sent + len(chunk) > self._size:
                text = f"the source sent more than the announced {self._size} bytes"
                raise SourceError(text, "run apply again; if it fails again, correct the source")
            self.sent += len(chunk)
            if self._size is None:
                yield from _split(chunk)
                continue
            if held:
                yield held
            held = chunk
        if self._size is not None and self.sent < self._size:
            text = f"the source ended after {self.sent} of {self._size} bytes"
            raise SourceError(text, "run apply again; if it fails again, correct the source")
        if held:
            yield held


def _split(chunk: bytes) -> Iterator[bytes]:
    return (chunk[start : start + PIECE] for start in range(0, len(chunk), PIECE))
