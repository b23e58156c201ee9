"""A disk with a GPT, an iso, an encrypted disk -> the end of what its head announces. Pure."""

import struct
import zlib

from imagesync.formats.parsers.base import Parser
from imagesync.formats.parsers.reader import SECTOR


class Gpt(Parser):
    """A disk whose second sector has a partition table that names its copy at the end."""

    def _start(self) -> None:
        for sector in (512, 4096):
            self._want(sector, SECTOR, self._read_header)

    def _read_header(self, data: bytes, sector: int) -> None:
        """The partition table of the second sector. One that is damaged counts for nothing."""
        (length, crc) = struct.unpack_from("<II", data, 12)
        if not data.startswith(b"EFI PART") or not 92 <= length <= SECTOR:
            return
        if zlib.crc32(data[:16] + bytes(4) + data[20:length]) != crc:
            return
        own, backup = struct.unpack_from("<QQ", data, 24)
        if own == 1:
            self._need((backup + 1) * sector)


class Iso(Gpt):
    """An iso that boots from a stick has a partition table, too, and maybe a partition after its volume."""

    FIRST, LENGTH, MAX_DESCRIPTORS = 16 * 2048, 2048, 64

    def _start(self) -> None:
        super()._start()
        self._want(self.FIRST, self.LENGTH, self._read_descriptor)

    def _read_descriptor(self, data: bytes, start: int) -> None:
        """The primary descriptor is the first one almost always. A pure UDF file system has none."""
        if data[1:6] != b"CD001" or data[0] == 255:
            return
        if data[0] == 1:
            little, big = struct.unpack_from("<I", data, 80)[0], struct.unpack_from(">I", data, 84)[0]
            (block,) = struct.unpack_from("<H", data, 128)
            self._need((min(little, big) or little) * block)
        elif start < self.FIRST + self.MAX_DESCRIPTORS * self.LENGTH:
            self._want(start + self.LENGTH, self.LENGTH, self._read_descriptor)


class Luks(Parser):
    """An encrypted disk. Its header does not say how long the data is, only where it begins."""

    def _start(self) -> None:
        self._want(0, SECTOR, self._read_header)

    def _read_header(self, data: bytes, _: int) -> None:
        if data[6:8] == b"\0\1":
            self._need(int.from_bytes(data[104:108], "big") * SECTOR + 1)
