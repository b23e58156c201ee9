"""A vhd file -> the end of the bytes to which its footers and table of blocks refer. Pure."""

import struct

from imagesync.formats.parsers.base import Parser, read_big
from imagesync.formats.parsers.reader import SECTOR


class Vhd(Parser):
    """A dynamic or differencing disk, which begins with a copy of its footer."""

    def _start(self) -> None:
        self._has_short_footer = False
        self._request_table(0, SECTOR, self._read_footer)

    def _read_footer(self, data: bytes, _: int) -> None:
        self._has_short_footer = data[28:32] == b"vpc " and data[32:34] < b"\0\5"
        (offset,) = struct.unpack_from(">Q", data, 16)
        (kind,) = struct.unpack_from(">I", data, 60)
        if kind in (3, 4):  # dynamic, differencing
            self._request_table(offset, 1024, self._read_header)

    def _read_header(self, data: bytes, _: int) -> None:
        if not data.startswith(b"cxsparse"):
            return
        table, _, entries, block = struct.unpack_from(">QIII", data, 16)
        bitmap = (block // SECTOR + 7) // 8
        self._length = (bitmap + SECTOR - 1) // SECTOR * SECTOR + block
        self._request_table(table, entries * 4, self._read_table)

    def _read_table(self, data: bytes, _: int) -> None:
        found = [sector for sector in read_big(data, "I") if sector != 0xFFFF_FFFF]
        if found:
            self._need(max(found) * SECTOR + self._length)

    def find_missing(self) -> str | None:
        """A problem if the file does not end with a footer. Before Virtual PC 2004 (version 5), it had 511 bytes."""
        last = self._reader.last
        lengths = (SECTOR, SECTOR - 1) if self._has_short_footer else (SECTOR,)
        if self._reader.size > SECTOR and any(last[-length:].startswith(b"conectix") for length in lengths):
            return None
        return "the file does not end with a footer"


def read_fixed_size(last: bytes) -> int | None:
    """The size in bytes of a fixed VHD's disk, which is before its footer; None if the data has no such footer.

    Args:
        last: The last 512 bytes of the file or more. The footer is the only sign of a fixed VHD. Its checksum must be
            correct, because raw data may contain anything.
    """
    footer = last[-SECTOR:]
    if len(footer) < SECTOR or not footer.startswith(b"conectix") or footer[60:64] != b"\0\0\0\2":
        return None
    is_whole = (sum(footer) - sum(footer[64:68])) ^ 0xFFFF_FFFF == int.from_bytes(footer[64:68], "big")
    return int.from_bytes(footer[48:56], "big") if is_whole else None
