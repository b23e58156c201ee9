"""A vdi file -> the end of the bytes to which its header and map of blocks refer. Pure."""

import struct

from imagesync.formats.parsers.base import Parser, read_little
from imagesync.formats.parsers.reader import SECTOR


class Vdi(Parser):
    """Blocks of equal size after a map."""

    def _start(self) -> None:
        self._request_table(0, SECTOR, self._read_header)

    def _read_header(self, data: bytes, _: int) -> None:
        table, self._data = struct.unpack_from("<II", data, 0x154)
        block, extra, blocks = struct.unpack_from("<III", data, 0x178)
        self._length = block + extra
        self._request_table(table, blocks * 4, self._read_map)

    def _read_map(self, data: bytes, _: int) -> None:
        """Need the last block; the two highest numbers mean no block."""
        found = [number for number in read_little(data) if number < 0xFFFF_FFFE]
        if found:
            self._need(self._data + (max(found) + 1) * self._length)
