"""The chunks of a stream -> the ranges that a parser wants of it, in pieces. Pure: no I/O, bounded memory."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

PIECE: Final = 2**16
"""Bytes of a table that are read at once; no range between two pieces is kept."""
MAX_WAITING: Final = 2**15
"""Tables that are known and have not come yet: about 5 MiB, for 16 TiB of qcow2. What is named beyond is not read."""
MAX_HELD: Final = 2**24
"""Bytes from the first one on that are kept until all tables among them are read, in whatever order they name each other."""
SECTOR: Final = 512
MIB: Final = 2**20
TAIL: Final = 1536
"""The end of a file that has its header there: a streamOptimized vmdk has three sectors."""

Handler = Callable[[bytes, int], None]


class Reader:
    """The stream as a parser sees it: the ranges that it wants, in the order of their ends, and the bytes it needs."""

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
        """The file is cut short if it has fewer bytes than this."""
        if end > self.needed:
            self.needed = end

    def want(self, start: int, length: int, handler: Handler) -> bool:
        """Call the handler with these bytes and their offset, in pieces; False if it is too late or too much."""
        if start < self._passed or length <= 0 or len(self._waiting) >= MAX_WAITING:
            return False
        self._push(start, length, handler)
        return True

    def hold(self, end: int) -> None:
        """Read the tables before this place in whatever order they are wanted. Called at the first bytes."""
        if self._held < end <= MAX_HELD:
            self._held = end

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the stream. Short ones are collected, so that no piece spans more than two chunks."""
        self.size += len(chunk)
        if not self._short and len(chunk) >= PIECE:
            self._process(chunk)
            return
        self._short += chunk
        if len(self._short) >= max(PIECE, self._held):
            self._process_short()

    def finish(self) -> None:
        """Handle what was collected."""
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
            # Tables that overlap would cost many times their bytes. Those of a sane file do not.
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
            if self._held > end and not self._is_complete:  # the header asks for more bytes at once
                self._short = bytearray(data)
                return
        if waiting and waiting[0][0] < end + PIECE:
            self._tail = (self._tail + data[-PIECE:])[-PIECE:]
        self.last = (self.last + data[-TAIL:])[-TAIL:]
