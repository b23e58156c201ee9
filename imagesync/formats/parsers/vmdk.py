"""A sparse vmdk file -> the end of the bytes to which its header, grain directories and tables, and footer refer. Pure."""

import struct
from typing import Final

from imagesync.formats.parsers.base import MAX_DIRECTORY, Parser, read_little
from imagesync.formats.parsers.reader import SECTOR


class Vmdk(Parser):
    """Grains, also compressed ones, and the footer of a streamed file."""

    GD_AT_END: Final = 2**64 - 1
    COMPRESSED: Final = 1 << 16

    def _start(self) -> None:
        self._has_footer = False
        self._request(0, SECTOR, self._read_header)

    def _read_header(self, data: bytes, _: int) -> None:
        if not data.startswith(b"KDMV"):
            return
        flags, capacity, self._grain = struct.unpack_from("<IQQ", data, 8)
        self._entries, redundant, directory, overhead = struct.unpack_from("<IQQQ", data, 44)
        self._is_compressed = bool(flags & self.COMPRESSED)
        self._has_footer = directory == self.GD_AT_END
        if not 0 < self._entries <= 512 or not 0 < self._grain <= 2**20:
            return
        self._need(overhead * SECTOR)
        covered = self._grain * self._entries
        length = (capacity + covered - 1) // covered * 4
        if not self._has_footer and directory:
            self._request_table(directory * SECTOR, length, self._read_directory, MAX_DIRECTORY)
        if flags & 2 and redundant:
            self._need(redundant * SECTOR + length)

    def _read_directory(self, data: bytes, _: int) -> None:
        for sector in read_little(data):
            if sector:
                self._request_table(sector * SECTOR, self._entries * 4, self._read_table)

    def _read_table(self, data: bytes, _: int) -> None:
        """Need the last grain. An entry is 0 without a grain, 1 for a grain of zeros, else the sector of the grain."""
        highest = max(read_little(data))
        if highest <= 1:
            return
        start = highest * SECTOR
        if self._is_compressed:
            self._request_table(start, 12, self._read_marker)
        else:
            self._need(start + self._grain * SECTOR)

    def _read_marker(self, data: bytes, start: int) -> None:
        """Need a compressed grain. Its marker has its first guest sector and the length of its data."""
        self._need(start + 12 + struct.unpack("<QI", data)[1])

    def find_missing(self) -> str | None:
        """A problem if the header refers to a footer and the file does not end with the footer and a marker."""
        last = self._reader.last
        if self._has_footer and not (last[SECTOR : SECTOR + 4] == b"KDMV" and not any(last[-SECTOR:])):
            return "the file does not end with a footer"
        return None
