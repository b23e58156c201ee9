"""A vdi file -> the end of what its header and its map of blocks name. Pure."""

import struct

from imagesync.formats.parsers.base import Parser, read_little
from imagesync.formats.parsers.reader import SECTOR


class Vdi(Parser):
    """Blocks of one size after a map."""

    def _start(self) -> None:
        self._want_table(0, SECTOR, self._read_header)

    def _read_header(self, data: bytes, _: int) -> None:
        table, self._data = struct.unpack_from("<II", data, 0x154)
        block, extra, blocks = struct.unpack_from("<III", data, 0x178)
        self._length = block + extra
        self._want_table(table, blocks * 4, self._read_map)

    def _read_map(self, data: bytes, _: int) -> None:
        """Two numbers mean no block."""
        found = [number for number in read_little(data) if number < 0xFFFF_FFFE]
        if found:
            self._need(self._data + (max(found) + 1) * self._length)
