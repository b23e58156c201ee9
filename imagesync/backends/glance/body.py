"""Chunks of image data -> a request body that is sent at most once, or breaks off. No I/O of its own."""

from collections.abc import Iterable, Iterator
from typing import Final

from imagesync.errors import SourceError

PIECE: Final = 2**18
"""The most bytes in one chunk of a chunked body: uWSGI, which serves Glance, refuses those of 1 MiB (HTTP 500)."""


class BrokenOff(Exception):
    """The chunks failed: the connection must be closed in mid-body.

    Not an OSError on purpose: the HTTP layers take one of those for a trouble of the connection, swallow it and wait
    for an answer to a body that never ends.
    """


class Body:
    """Chunks of ``size`` bytes in all (None: unknown).

    With ``len()``, so that requests says ``Content-Length``; use ``iter()`` of it for a body of unknown length. What
    the chunks raise is kept in ``error``; ``complete`` tells that every byte was handed to the connection.
    """

    def __init__(self, chunks: Iterable[bytes], size: int | None) -> None:
        self._chunks = chunks
        self._size = size
        self.sent = 0
        self.complete = False
        self.error: BaseException | None = None

    def __len__(self) -> int:
        return self._size or 0

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._measure()
        except Exception as error:
            self.error = error
            raise BrokenOff from error
        self.complete = True

    def _measure(self) -> Iterator[bytes]:
        """Of a known size the last chunk is handed on only when no other one follows: with it the service has the whole."""
        held = b""
        for chunk in self._chunks:
            if self._size is not None and self.sent + len(chunk) > self._size:
                raise SourceError(f"the source gives more than the {self._size} bytes it announced", "try again")
            self.sent += len(chunk)
            if self._size is None:
                yield from _split(chunk)
                continue
            if held:
                yield held
            held = chunk
        if self._size is not None and self.sent < self._size:
            raise SourceError(f"the source ended after {self.sent} of {self._size} bytes", "try again")
        if held:
            yield held


def _split(chunk: bytes) -> Iterator[bytes]:
    return (chunk[start : start + PIECE] for start in range(0, len(chunk), PIECE))
