"""A Parallels disk (ploop) -> the end of the bytes to which its header and table of clusters refer. Pure."""

import struct
from typing import Final

from imagesync.formats.parsers.base import MAX_DIRECTORY, Parser, read_little
from imagesync.formats.parsers.reader import SECTOR

MAGICS: Final = (b"WithoutFreeSpace", b"WithouFreSpacExt")
"""The entries of the table count sectors, or clusters."""


class Parallels(Parser):
    """Clusters of equal size; an entry of 0 means no cluster. The last cluster of the disk may be shorter."""

    def _start(self) -> None:
        self._request_table(0, 64, self._read_header)

    def _read_header(self, data: bytes, _: int) -> None:
        sectors, entries, size = struct.unpack_from("<IIQ", data, 28)
        if not data.startswith(MAGICS) or not 0 < sectors <= 2**21:
            return
        self._unit = SECTOR if data.startswith(MAGICS[0]) else sectors * SECTOR
        self._cluster = sectors * SECTOR
        self._last, self._rest = max(size - 1, 0) // sectors, (size * SECTOR) % self._cluster or self._cluster
        self._request_table(64, entries * 4, self._read_table, MAX_DIRECTORY)

    def _read_table(self, data: bytes, start: int) -> None:
        entries = read_little(data)
        last = self._last - (start - 64) // 4
        if 0 <= last < len(entries) and entries[last]:
            self._need(entries[last] * self._unit + self._rest)
            entries[last] = 0
        if highest := max(entries, default=0):
            self._need(highest * self._unit + self._cluster)
