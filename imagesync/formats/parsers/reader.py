"""The chunks of a stream -> the ranges that a parser requests, in pieces. Pure, with limited memory."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

PIECE: Final = 2**16
"""Bytes of a table that are read at once."""
MAX_WAITING: Final = 2**15
"""Requested ranges that the stream has not reached: about 5 MiB, for 16 TiB of qcow2. More requests are rejected."""
MAX_HELD: Final = 2**24
"""First bytes of a file that are kept until all tables in them are read, in the order of their references."""
SECTOR: Final = 512
MIB: Final = 2**20
TAIL: Final = 1536
"""Bytes at the end of a file that has its header there: a streamOptimized vmdk has three sectors."""

Handler = Callable[[bytes, int], None]


class Reader:
    """Reads a stream for a parser: the ranges that it requests, in the order of their ends, and the bytes that it needs."""

    def __init__(self) -> None:
        self.needed = 0
        self.size = 0
        self.last = b""
        self.has_skipped = False
        self._waiting: list[tuple[int, int, int, int, Handler]] = []
        self._count = 0
        self._passed = 0
        self._handled = 0
        self._previous: tuple[int, int] | None = None
        self._held = 0
        self._is_complete = False
        self._short = bytearray()
        self._tail = b""

    def need(self, end: int) -> None:
        """Require a file of at least ``end`` bytes."""
        if end > self.needed:
            self.needed = end

    def request(self, start: int, length: int, handler: Handler) -> bool:
        """Call the handler with these bytes and their offset, in pieces.

        Returns False, and does nothing, if the stream is past them or too many ranges are waiting.
        """
        if start < self._passed or length <= 0 or len(self._waiting) >= MAX_WAITING:
            return False
        self._push(start, length, handler)
        return True

    def hold(self, end: int) -> None:
        """Keep the bytes before ``end``, so their tables can be requested in any order. Only for the first bytes."""
        if self._held < end <= MAX_HELD:
            self._held = end

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes of the stream. Short chunks are collected, because a piece may span at most two chunks."""
        self.size += len(chunk)
        if not self._short and len(chunk) >= PIECE:
            self._process(chunk)
            return
        self._short += chunk
        if len(self._short) >= max(PIECE, self._held):
            self._process_short()

    def finish(self) -> None:
        """To be called after the last byte: process the collected chunks."""
        self._is_complete = True
        if self._short:
            self._process_short()

    def _process_short(self) -> None:
        data, self._short = self._short, bytearray()
        self._process(data)

    def _push(self, start: int, length: int, handler: Handler) -> None:
        piece = min(length, PIECE)
        self._count += 1
        heappush(self._waiting, (start + piece, start, self._count, length - piece, handler))

    def _process(self, data: bytes | bytearray) -> None:
        end, waiting = self.size, self._waiting
        begin = end - len(data)
        while waiting and waiting[0][0] <= end:
            until, start, _, left, handler = heappop(waiting)
            self._passed = until if until > self._held else 0
            # overlapping tables would cost many times their bytes; those of a valid file do not overlap
            if (until, start) == self._previous:
                continue
            self._handled += until - start
            if self._handled > 2 * max(until, self._held) + MIB:
                self.has_skipped = True
                continue
            self._previous = until, start
            tail = self._tail[start - begin :] if start < begin else b""
            handler(bytes(tail + data[max(start - begin, 0) : until - begin]), start)
            if left:
                self._push(until, left, handler)
            if self._held > end and not self._is_complete:  # the header has called hold
                self._short = bytearray(data)
                return
        if waiting and waiting[0][0] < end + PIECE:
            self._tail = (self._tail + data[-PIECE:])[-PIECE:]
        self.last = (self.last + data[-TAIL:])[-TAIL:]
