"""A vhdx file -> the end of the bytes to which its headers, regions, metadata and table of blocks refer. Pure."""

import struct
from typing import Final
from uuid import UUID

from imagesync.formats.parsers.base import Parser, read_little
from imagesync.formats.parsers.reader import MIB, PIECE, SECTOR


class Vhdx(Parser):
    """Regions and blocks; the size of a block may be known only at the end."""

    BAT: Final = UUID("2DC27766-F623-4200-9D64-115E9BFD4A08").bytes_le
    METADATA: Final = UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E").bytes_le
    FILE_PARAMETERS: Final = UUID("CAA16737-FA36-4D43-B3B6-33F0AA44E76B").bytes_le
    DISK_SIZE: Final = UUID("2FA54224-CD1B-4876-B211-5DBED83BF4B8").bytes_le
    SECTOR_SIZE: Final = UUID("8141BF1D-A96F-4709-BA47-F233A8FAAB5F").bytes_le
    PRESENT: Final = (6, 7)

    def _start(self) -> None:
        self._block, self._sector, self._size = MIB, SECTOR, 0
        self._is_fixed = False
        self._highest: tuple[int, int] | None = None
        self._regions: set[bytes] = set()
        for header in (64, 128):
            self._request_table(header * 1024, 80, self._read_header)
        for table in (192, 256):
            self._request_table(table * 1024, PIECE, self._read_regions)

    def _read_header(self, data: bytes, _: int) -> None:
        if data.startswith(b"head"):
            length, offset = struct.unpack_from("<IQ", data, 68)
            self._need(offset + length)

    def _read_regions(self, data: bytes, _: int) -> None:
        count = struct.unpack_from("<I", data, 8)[0] if data.startswith(b"regi") else 0
        for number in range(min(count, 2047)):
            kind, offset, length, _ = struct.unpack_from("<16sQII", data, 16 + 32 * number)
            self._need(offset + length)
            if kind in self._regions:
                continue
            self._regions.add(kind)
            if kind == self.METADATA:
                self._request(offset, min(length, PIECE), self._read_metadata)
            elif kind == self.BAT:
                self._bat = offset
                self._request(offset, length, self._read_bat)

    def _read_metadata(self, data: bytes, start: int) -> None:
        if len(data) < PIECE or not data.startswith(b"metadata"):
            return
        for number in range(min(struct.unpack_from("<H", data, 10)[0], 2047)):
            kind, offset, length = struct.unpack_from("<16sII", data, 32 + 32 * number)
            if kind == self.FILE_PARAMETERS and length >= 8:
                self._request(start + offset, 8, self._read_block_size)
            elif kind == self.SECTOR_SIZE and length >= 4:
                self._request(start + offset, 4, self._read_sector_size)
            elif kind == self.DISK_SIZE and length >= 8:
                self._request(start + offset, 8, self._read_disk_size)

    def _read_block_size(self, data: bytes, _: int) -> None:
        self._block, flags = struct.unpack("<II", data)
        self._is_fixed = bool(flags & 1)

    def _read_sector_size(self, data: bytes, _: int) -> None:
        self._sector = int.from_bytes(data, "little")

    def _read_disk_size(self, data: bytes, _: int) -> None:
        self._size = int.from_bytes(data, "little")

    def _read_bat(self, data: bytes, start: int) -> None:
        """Save the highest block; its kind and its length are known only after the metadata."""
        entries = read_little(data, "Q") if data.strip(b"\0") else ()
        found = ((entry, number) for number, entry in enumerate(entries) if entry & 7 in self.PRESENT)
        entry, number = max(found, default=(0, 0))
        if entry and (self._highest is None or entry > self._highest[0]):
            self._highest = entry, (start - self._bat) // 8 + number

    def find_missing(self) -> str | None:
        """Need the highest block, whose kind and length are known now.

        The last entry of each group is a bitmap of 1 MiB. qemu ends a fixed disk within its last block.
        """
        if self._highest is None:
            return None
        entry, number = self._highest
        group = max(2**23 * self._sector // max(self._block, 1), 1) + 1
        length = MIB if number % group == group - 1 else self._block
        rest = self._size - (number - number // group) * self._block
        if self._is_fixed and 0 < rest < length:
            length = rest
        self._need(entry // MIB * MIB + length)
        return None
