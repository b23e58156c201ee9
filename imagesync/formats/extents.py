"""The bytes of an image -> whether all bytes that its headers and tables name came. Pure: bytes in, a verdict out.

One pass. Only headers and tables are read, in pieces; the data between them is passed over. A table that lies before the
place that names it cannot be read any more: only its own extent counts, and for qcow2 the refcounts.

Sources of the rules: qemu's ``docs/interop/qcow2.txt`` and ``block/{vmdk,vpc,vdi}.c``, the VMDK 5.0, VHD and VHDX
specifications, ECMA-119 (ISO 9660), UEFI section 5.3 (GPT).
"""

import struct
import sys
import zlib
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import Final
from uuid import UUID

from imagesync.errors import FormatMismatch

PIECE: Final = 2**16
"""Bytes of a table that are read at once; no range between two pieces is kept."""
MAX_WAITING: Final = 2**15
"""Tables that are known and have not come yet: about 5 MiB, for 16 TiB of qcow2. What is named beyond is not read."""
MAX_SNAPSHOTS: Final = 2**16
MAX_DIRECTORY: Final = 2**23
"""Bytes of a table of tables that are read: enough for 512 TiB in clusters of 64 KiB."""
MAX_HELD: Final = 2**24
"""Bytes from the first one on that are kept until all tables among them are read, in whatever order they name each other."""
SECTOR: Final = 512
MIB: Final = 2**20
TAIL: Final = 1536
"""The end of a file that has its header there: a streamOptimized vmdk has three sectors."""

Handler = Callable[[bytes, int], None]


class _Reader:
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


class Extent:
    """Compares what one image announces with the bytes that come.

    Args:
        kind: The recognized format: qcow2, vmdk, vhd, vhdx, vdi, iso, gpt. Of any other nothing is announced.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._reader = _Reader()
        parser = _PARSERS.get(kind)
        self._parser = parser(self._reader) if parser else None

    def feed(self, chunk: bytes) -> None:
        """The next bytes, from the first byte of the file on."""
        if self._parser:
            self._reader.feed(chunk)

    def finish(self) -> None:
        """After the last byte: FormatMismatch if the file ends before a byte that its data names."""
        if self._parser is None:
            return
        self._reader.finish()
        missing = self._parser.find_missing()
        needed, size = self._reader.needed, self._reader.size
        if needed > size:
            missing = f"its tables name bytes up to {needed}, the file has {size}"
        if missing:
            raise FormatMismatch(f"the {self._kind} data is cut short: {missing}", "fetch the file again")


class _Parser(ABC):
    """Wants headers and tables of a reader, and needs what they name."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._want, self._need = reader.want, reader.need
        self._start()

    @abstractmethod
    def _start(self) -> None:
        """Want the first header."""

    def find_missing(self) -> str | None:
        """After the last byte: what is missing that ``need`` does not say."""
        return None

    def _want_table(self, start: int, length: int, handler: Handler, limit: int = 2**40) -> None:
        """Need a table, and want it, up to so many bytes of it."""
        self._need(start + length)
        self._want(start, min(length, limit), handler)


class _Qcow2(_Parser):
    OFFSET: Final = 0x00FF_FFFF_FFFF_FE00
    COMPRESSED: Final = 1 << 62
    EXTERNAL_DATA, EXTENDED_L2 = 1 << 2, 1 << 4
    NOT_COMPRESSED: Final = bytes(top for top in range(256) if not top & 0x40)

    def _start(self) -> None:
        self._cluster = 0
        self._external = self._extended = self._has_missed = False
        self._used_end = 0
        self._want_table(0, 72, self._read_header)

    def _read_header(self, data: bytes, _: int) -> None:
        fields = struct.unpack(">4sIQIIQIIQQIIQ", data)
        bits, self._size, l1_size, l1, refcounts, refcount_clusters, snapshots, snapshot_table = (
            *fields[4:6],
            *fields[7:13],
        )
        if not 9 <= bits <= 30:
            return
        self._cluster = 1 << bits
        self._shift = 62 - (bits - 8)
        self._refcount_order = 4
        self._tables = l1, l1_size, refcounts, refcount_clusters, snapshots, snapshot_table
        # With preallocation the first L2 table comes before the L1 table.
        self._reader.hold(refcounts + refcount_clusters * self._cluster)
        self._reader.hold(l1 + l1_size * 8)
        if fields[1] < 3:
            self._want_tables()
        else:
            self._want_table(72, 32, self._read_features)

    def _read_features(self, data: bytes, start: int) -> None:
        features, _, _, order, length = struct.unpack(">QQQII", data)
        self._external, self._extended = bool(features & self.EXTERNAL_DATA), bool(features & self.EXTENDED_L2)
        self._refcount_order = min(order, 6)
        self._want_tables()
        if start + len(data) <= length <= self._cluster - 8:
            self._want(length, 8, self._read_extension)

    def _want_tables(self) -> None:
        l1, l1_size, refcounts, refcount_clusters, snapshots, snapshot_table = self._tables
        self._entry = 16 if self._extended else 8
        covered = self._cluster // self._entry * self._cluster
        self._last_table = max(self._size - 1, 0) // covered
        self._has_missed = l1_size * 8 > MAX_DIRECTORY
        self._want_table(l1, l1_size * 8, partial(self._read_l1, l1), MAX_DIRECTORY)
        handler = partial(self._read_refcounts, refcounts)
        self._want_table(refcounts, refcount_clusters * self._cluster, handler, MAX_DIRECTORY)
        self._snapshots_left = min(snapshots, MAX_SNAPSHOTS)
        self._want_snapshot(snapshot_table)

    def _read_extension(self, data: bytes, start: int) -> None:
        kind, length = struct.unpack(">II", data)
        after = start + 8 + (length + 7) // 8 * 8
        if kind == 0x0537BE77 and length >= 16:  # the header of the encryption
            self._want(start + 8, 16, self._read_area)
        elif kind == 0x23852875 and length >= 24:  # the directory of bitmaps
            self._want(start + 16, 16, self._read_area)
        if kind and after + 8 <= self._cluster:
            self._want(after, 8, self._read_extension)

    def _read_area(self, data: bytes, _: int) -> None:
        """An offset and a length, in whatever order."""
        self._need(sum(struct.unpack(">QQ", data)))

    def _want_snapshot(self, start: int) -> None:
        if self._snapshots_left:
            self._snapshots_left -= 1
            self._want_table(start, 40, self._read_snapshot)

    def _read_snapshot(self, data: bytes, start: int) -> None:
        table, entries, id_size, name_size = struct.unpack_from(">QIHH", data)
        (extra,) = struct.unpack_from(">I", data, 36)
        end = start + 40 + extra + id_size + name_size
        self._need(end)
        self._need(table + entries * 8)
        if table % self._cluster == 0:
            self._want(table, min(entries * 8, MAX_DIRECTORY), self._read_snapshot_l1)
        self._want_snapshot((end + 7) // 8 * 8)

    def _read_l1(self, table: int, data: bytes, start: int) -> None:
        self._need_l2(offsets := [entry & self.OFFSET for entry in _read_big(data)])
        first = (start - table) // 8
        for number, offset in enumerate(offsets, first):
            if not offset or offset % self._cluster:
                continue
            is_last = number >= self._last_table
            handler = partial(self._read_last_l2, number, offset) if is_last else self._read_l2
            if not self._want(offset, self._cluster, handler):
                self._has_missed = True

    def _read_snapshot_l1(self, data: bytes, _: int) -> None:
        self._need_l2([entry & self.OFFSET for entry in _read_big(data)])

    def _need_l2(self, offsets: list[int]) -> None:
        if highest := max(offsets, default=0):
            self._need(highest + self._cluster)

    def _read_l2(self, data: bytes, _: int) -> None:
        self._need_clusters(data, self._cluster)

    def _read_last_l2(self, number: int, table: int, data: bytes, start: int) -> None:
        """The table in which the disk ends: its last cluster may be shorter; the state of a machine follows it."""
        first = (number * self._cluster + start - table) // self._entry
        whole, rest = divmod(self._size, self._cluster)
        edge = max(whole - first, 0) * self._entry
        self._need_clusters(data[:edge], self._cluster)
        self._need_clusters(data[edge : edge + self._entry], rest or 1)
        self._need_clusters(data[edge + self._entry :], 1)

    def _need_clusters(self, data: bytes, length: int) -> None:
        """Need these bytes of each cluster that the entries name."""
        if self._external or not data.strip(b"\0"):
            return
        if data[:: self._entry].translate(None, self.NOT_COMPRESSED):
            data = self._need_compressed(data)
        if self._extended:
            self._need_subclusters(data, length)
            return
        offsets = bytearray(data)
        offsets[::8] = bytes(len(data) // 8)  # without the flags of their first bytes, numbers in the order of offsets
        if highest := max(_read_big(offsets)) & self.OFFSET:
            self._need(highest + length)

    def _need_subclusters(self, data: bytes, length: int) -> None:
        """An entry is followed by a bitmap, whose low half says which of 32 parts are in the file; a cluster may have none."""
        words = _read_big(data)
        pairs = zip(words[::2], words[1::2], strict=True)
        offset, parts = max((entry & self.OFFSET, bitmap & 0xFFFF_FFFF) for entry, bitmap in pairs)
        if offset:
            self._need(offset + max(1, min(length, parts.bit_length() * self._cluster // 32)))

    def _need_compressed(self, data: bytes) -> bytes:
        """Need compressed clusters, of their last sector only one byte; the table without them."""
        words, step = _read_big(data), self._entry // 8
        is_offset = (1 << self._shift) - 1
        last = max((entry for entry in words[::step] if entry & self.COMPRESSED), key=is_offset.__and__)
        sectors_after = (last & self.COMPRESSED - 1) >> self._shift
        self._need(((last & is_offset) // SECTOR + sectors_after) * SECTOR + 1)
        for number in range(0, len(words), step):
            if words[number] & self.COMPRESSED:
                words[number : number + step] = array("Q", bytes(self._entry))
        return _write_big(words)

    def _read_refcounts(self, table: int, data: bytes, start: int) -> None:
        for number, entry in enumerate(_read_big(data), (start - table) // 8):
            offset = entry & ~511
            if offset:
                self._need(offset + self._cluster)
                if offset % self._cluster == 0:
                    self._want(offset, self._cluster, partial(self._read_refcount_block, number, offset))

    def _read_refcount_block(self, number: int, block: int, data: bytes, start: int) -> None:
        """Note the first byte of the last cluster in use."""
        if used := data.rstrip(b"\0"):
            before = number * self._cluster + start - block + len(used) - 1
            last_bit = before * 8 + used[-1].bit_length() - 1
            self._used_end = max(self._used_end, (last_bit >> self._refcount_order) * self._cluster + 1)

    def find_missing(self) -> str | None:
        """Refcounts stand in for L2 tables that came too early; a crash may leave a count without its cluster."""
        if (self._has_missed or self._reader.has_skipped) and not self._external:
            self._need(self._used_end)
        return None


class _Vmdk(_Parser):
    GD_AT_END: Final = 2**64 - 1
    COMPRESSED: Final = 1 << 16

    def _start(self) -> None:
        self._has_footer = False
        self._want(0, SECTOR, self._read_header)

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
            self._want_table(directory * SECTOR, length, self._read_directory, MAX_DIRECTORY)
        if flags & 2 and redundant:
            self._need(redundant * SECTOR + length)

    def _read_directory(self, data: bytes, _: int) -> None:
        for sector in _read_little(data):
            if sector:
                self._want_table(sector * SECTOR, self._entries * 4, self._read_table)

    def _read_table(self, data: bytes, _: int) -> None:
        """Entries: 0 no grain, 1 a grain of zeros, else the sector of the grain."""
        highest = max(_read_little(data))
        if highest <= 1:
            return
        start = highest * SECTOR
        if self._is_compressed:
            self._want_table(start, 12, self._read_marker)
        else:
            self._need(start + self._grain * SECTOR)

    def _read_marker(self, data: bytes, start: int) -> None:
        """A compressed grain: its first guest sector, the length of its data."""
        self._need(start + 12 + struct.unpack("<QI", data)[1])

    def find_missing(self) -> str | None:
        """Where the header leaves the grain directory to a footer, the file ends with that and a marker."""
        last = self._reader.last
        if self._has_footer and not (last[SECTOR : SECTOR + 4] == b"KDMV" and not any(last[-SECTOR:])):
            return "the file does not end with a footer"
        return None


class _Vhd(_Parser):
    def _start(self) -> None:
        self._has_short_footer = False
        self._want_table(0, SECTOR, self._read_footer)

    def _read_footer(self, data: bytes, _: int) -> None:
        self._has_short_footer = data[28:32] == b"vpc " and data[32:34] < b"\0\5"
        (offset,) = struct.unpack_from(">Q", data, 16)
        (kind,) = struct.unpack_from(">I", data, 60)
        if kind in (3, 4):  # dynamic, differencing
            self._want_table(offset, 1024, self._read_header)

    def _read_header(self, data: bytes, _: int) -> None:
        if not data.startswith(b"cxsparse"):
            return
        table, _, entries, block = struct.unpack_from(">QIII", data, 16)
        bitmap = (block // SECTOR + 7) // 8
        self._length = (bitmap + SECTOR - 1) // SECTOR * SECTOR + block
        self._want_table(table, entries * 4, self._read_table)

    def _read_table(self, data: bytes, _: int) -> None:
        found = [sector for sector in _read_big(data, "I") if sector != 0xFFFF_FFFF]
        if found:
            self._need(max(found) * SECTOR + self._length)

    def find_missing(self) -> str | None:
        """The footer ends the file; before Virtual PC 2004 (version 5) it had 511 bytes."""
        last = self._reader.last
        lengths = (SECTOR, SECTOR - 1) if self._has_short_footer else (SECTOR,)
        if self._reader.size > SECTOR and any(last[-length:].startswith(b"conectix") for length in lengths):
            return None
        return "the file does not end with a footer"


def check_fixed_vhd(last: bytes, size: int) -> bool | None:
    """Whether the footer of a fixed VHD names the size of its file; None if the last bytes are no such footer.

    Args:
        last: The last 512 bytes of the file or more. Nothing else shows a fixed VHD.
        size: Bytes of the whole file.
    """
    footer = last[-SECTOR:]
    if len(footer) < SECTOR or not footer.startswith(b"conectix") or footer[60:64] != b"\0\0\0\2":
        return None
    return int.from_bytes(footer[48:56], "big") + SECTOR == size


class _Vhdx(_Parser):
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
            self._want_table(header * 1024, 80, self._read_header)
        for table in (192, 256):
            self._want_table(table * 1024, PIECE, self._read_regions)

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
                self._want(offset, min(length, PIECE), self._read_metadata)
            elif kind == self.BAT:
                self._bat = offset
                self._want(offset, length, self._read_bat)

    def _read_metadata(self, data: bytes, start: int) -> None:
        if len(data) < PIECE or not data.startswith(b"metadata"):
            return
        for number in range(min(struct.unpack_from("<H", data, 10)[0], 2047)):
            kind, offset, length = struct.unpack_from("<16sII", data, 32 + 32 * number)
            if kind == self.FILE_PARAMETERS and length >= 8:
                self._want(start + offset, 8, self._read_block_size)
            elif kind == self.SECTOR_SIZE and length >= 4:
                self._want(start + offset, 4, self._read_sector_size)
            elif kind == self.DISK_SIZE and length >= 8:
                self._want(start + offset, 8, self._read_disk_size)

    def _read_block_size(self, data: bytes, _: int) -> None:
        self._block, flags = struct.unpack("<II", data)
        self._is_fixed = bool(flags & 1)

    def _read_sector_size(self, data: bytes, _: int) -> None:
        self._sector = int.from_bytes(data, "little")

    def _read_disk_size(self, data: bytes, _: int) -> None:
        self._size = int.from_bytes(data, "little")

    def _read_bat(self, data: bytes, start: int) -> None:
        """Note the highest block; what it is and its length may only be known when the metadata came."""
        entries = _read_little(data, "Q") if data.strip(b"\0") else ()
        found = ((entry, number) for number, entry in enumerate(entries) if entry & 7 in self.PRESENT)
        entry, number = max(found, default=(0, 0))
        if entry and (self._highest is None or entry > self._highest[0]):
            self._highest = entry, (start - self._bat) // 8 + number

    def find_missing(self) -> str | None:
        """Of each group of entries the last one names a bitmap of 1 MiB. qemu ends a fixed disk within its last block."""
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


class _Vdi(_Parser):
    def _start(self) -> None:
        self._want_table(0, SECTOR, self._read_header)

    def _read_header(self, data: bytes, _: int) -> None:
        table, self._data = struct.unpack_from("<II", data, 0x154)
        block, extra, blocks = struct.unpack_from("<III", data, 0x178)
        self._length = block + extra
        self._want_table(table, blocks * 4, self._read_map)

    def _read_map(self, data: bytes, _: int) -> None:
        """Two numbers mean no block."""
        found = [number for number in _read_little(data) if number < 0xFFFF_FFFE]
        if found:
            self._need(self._data + (max(found) + 1) * self._length)


class _Gpt(_Parser):
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


class _Iso(_Gpt):
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


def _read_big(data: bytes | bytearray, kind: str = "Q") -> "array[int]":
    return _read_array(data, kind, "big")


def _write_big(numbers: "array[int]") -> bytes:
    if sys.byteorder != "big":
        numbers.byteswap()
    return numbers.tobytes()


def _read_little(data: bytes, kind: str = "I") -> "array[int]":
    return _read_array(data, kind, "little")


def _read_array(data: bytes | bytearray, kind: str, order: str) -> "array[int]":
    """The whole numbers of a table; I has 4 bytes, Q has 8."""
    found = array(kind)
    found.frombytes(memoryview(data)[: len(data) // found.itemsize * found.itemsize])
    if sys.byteorder != order:
        found.byteswap()
    return found


_PARSERS: Final[dict[str, type[_Parser]]] = {
    "qcow2": _Qcow2,
    "vmdk": _Vmdk,
    "vhd": _Vhd,
    "vhdx": _Vhdx,
    "vdi": _Vdi,
    "iso": _Iso,
    "gpt": _Gpt,
}
