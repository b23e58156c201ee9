"""A disk with a GPT, an iso, or an encrypted disk -> the size that its first bytes announce. Pure."""

import struct
import zlib

from imagesync.formats.parsers.base import Parser
from imagesync.formats.parsers.reader import SECTOR


class Gpt(Parser):
    """A disk with a partition table in its second sector, which refers to a copy at the end."""

    def _start(self) -> None:
        for sector in (512, 4096):
            self._request(sector, SECTOR, self._read_header)

    def _read_header(self, data: bytes, sector: int) -> None:
        """Read the partition table of the second sector; a damaged one is ignored."""
        (length, crc) = struct.unpack_from("<II", data, 12)
        if not data.startswith(b"EFI PART") or not 92 <= length <= SECTOR:
            return
        if zlib.crc32(data[:16] + bytes(4) + data[20:length]) != crc:
            return
        own, backup = struct.unpack_from("<QQ", data, 24)
        if own == 1:
            self._need((backup + 1) * sector)


class Iso(Gpt):
    """An iso. If it also boots from a USB stick, it has a partition table, and maybe a partition after its volume."""

    FIRST, LENGTH, MAX_DESCRIPTORS = 16 * 2048, 2048, 64

    def _start(self) -> None:
        super()._start()
        self._request(self.FIRST, self.LENGTH, self._read_descriptor)

    def _read_descriptor(self, data: bytes, start: int) -> None:
        """Read descriptors up to the primary one, which is almost always the first. A pure UDF file system has none."""
        if data[1:6] != b"CD001" or data[0] == 255:
            return
        if data[0] == 1:
            little, big = struct.unpack_from("<I", data, 80)[0], struct.unpack_from(">I", data, 84)[0]
            (block,) = struct.unpack_from("<H", data, 128)
            self._need((min(little, big) or little) * block)
        elif start < self.FIRST + self.MAX_DESCRIPTORS * self.LENGTH:
            self._request(start + self.LENGTH, self.LENGTH, self._read_descriptor)


class Luks(Parser):
    """An encrypted disk. Its header has the offset of the data, but not the length."""

    def _start(self) -> None:
        self._request(0, SECTOR, self._read_header)

    def _read_header(self, data: bytes, _: int) -> None:
        if data[6:8] == b"\0\1":
            self._need(int.from_bytes(data[104:108], "big") * SECTOR + 1)
