"""A qcow2 file -> the end of the bytes to which its header, tables, refcounts and snapshots refer. Pure."""

import struct
from array import array
from functools import partial
from typing import Final

from imagesync.formats.parsers.base import MAX_DIRECTORY, Parser, read_big, write_big
from imagesync.formats.parsers.reader import PIECE, SECTOR

MAX_SNAPSHOTS: Final = 2**16


class Qcow2(Parser):
    """Clusters (also compressed ones and subclusters), snapshots, and header extensions."""

    OFFSET: Final = 0x00FF_FFFF_FFFF_FE00
    COMPRESSED: Final = 1 << 62
    EXTERNAL_DATA, EXTENDED_L2 = 1 << 2, 1 << 4
    NOT_COMPRESSED: Final = bytes(top for top in range(256) if not top & 0x40)

    def _start(self) -> None:
        self._cluster = 0
        self._external = self._extended = self._has_missed = False
        self._used_end = 0
        self._entries = bytearray()
        self._request_table(0, 72, self._read_header)

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
        # with preallocation, the first L2 table is before the L1 table
        self._reader.hold(refcounts + refcount_clusters * self._cluster)
        self._reader.hold(l1 + l1_size * 8)
        if fields[1] < 3:
            self._request_tables()
        else:
            self._request_table(72, 32, self._read_features)

    def _read_features(self, data: bytes, start: int) -> None:
        features, _, _, order, length = struct.unpack(">QQQII", data)
        self._external, self._extended = bool(features & self.EXTERNAL_DATA), bool(features & self.EXTENDED_L2)
        self._refcount_order = min(order, 6)
        self._request_tables()
        if start + len(data) <= length <= self._cluster - 8:
            self._request(length, 8, self._read_extension)

    def _request_tables(self) -> None:
        l1, l1_size, refcounts, refcount_clusters, snapshots, snapshot_table = self._tables
        self._entry = 16 if self._extended else 8
        covered = self._cluster // self._entry * self._cluster
        self._last_table = max(self._size - 1, 0) // covered
        self._has_missed = l1_size * 8 > MAX_DIRECTORY
        self._request_table(l1, l1_size * 8, partial(self._read_l1, l1), MAX_DIRECTORY)
        handler = partial(self._read_refcounts, refcounts)
        self._request_table(refcounts, refcount_clusters * self._cluster, handler, MAX_DIRECTORY)
        self._snapshots_left = min(snapshots, MAX_SNAPSHOTS)
        self._request_snapshot(snapshot_table)

    def _read_extension(self, data: bytes, start: int) -> None:
        kind, length = struct.unpack(">II", data)
        after = start + 8 + (length + 7) // 8 * 8
        if kind == 0x0537BE77 and length >= 16:  # the encryption header
            self._request(start + 8, 16, self._read_area)
        elif kind == 0x23852875 and length >= 24:  # the directory of bitmaps
            self._request(start + 16, 16, self._read_area)
        if kind and after + 8 <= self._cluster:
            self._request(after, 8, self._read_extension)

    def _read_area(self, data: bytes, _: int) -> None:
        """Need the bytes of an area, which has an offset and a length in any order."""
        self._need(sum(struct.unpack(">QQ", data)))

    def _request_snapshot(self, start: int) -> None:
        if self._snapshots_left:
            self._snapshots_left -= 1
            self._request_table(start, 40, self._read_snapshot)

    def _read_snapshot(self, data: bytes, start: int) -> None:
        table, entries, id_size, name_size = struct.unpack_from(">QIHH", data)
        (extra,) = struct.unpack_from(">I", data, 36)
        end = start + 40 + extra + id_size + name_size
        self._need(end)
        self._need(table + entries * 8)
        if table % self._cluster == 0:
            self._request(table, min(entries * 8, MAX_DIRECTORY), self._read_snapshot_l1)
        self._request_snapshot((end + 7) // 8 * 8)

    def _read_l1(self, table: int, data: bytes, start: int) -> None:
        self._need_l2(offsets := [entry & self.OFFSET for entry in read_big(data)])
        first = (start - table) // 8
        for number, offset in enumerate(offsets, first):
            if not offset or offset % self._cluster:
                continue
            is_last = number >= self._last_table
            handler = partial(self._read_last_l2, number, offset) if is_last else self._read_l2
            if not self._request(offset, self._cluster, handler):
                self._has_missed = True

    def _read_snapshot_l1(self, data: bytes, _: int) -> None:
        self._need_l2([entry & self.OFFSET for entry in read_big(data)])

    def _need_l2(self, offsets: list[int]) -> None:
        if highest := max(offsets, default=0):
            self._need(highest + self._cluster)

    def _read_l2(self, data: bytes, _: int) -> None:
        """Collect short tables, because processing one costs as much time as a hundred."""
        self._entries += data
        if len(self._entries) >= PIECE:
            self._read_entries()

    def _read_entries(self) -> None:
        entries, self._entries = bytes(self._entries), bytearray()
        self._need_clusters(entries, self._cluster)

    def _read_last_l2(self, number: int, table: int, data: bytes, start: int) -> None:
        """Read the table in which the disk ends. Its last cluster may be shorter; saved state of a machine follows it."""
        first = (number * self._cluster + start - table) // self._entry
        whole, rest = divmod(self._size, self._cluster)
        edge = max(whole - first, 0) * self._entry
        self._need_clusters(data[:edge], self._cluster)
        self._need_clusters(data[edge : edge + self._entry], rest or 1)
        self._need_clusters(data[edge + self._entry :], 1)

    def _need_clusters(self, data: bytes, length: int) -> None:
        """Need ``length`` bytes of each cluster to which the entries refer."""
        if self._external or not data.strip(b"\0"):
            return
        if data[:: self._entry].translate(None, self.NOT_COMPRESSED):
            data = self._need_compressed(data)
        if self._extended:
            self._need_subclusters(data, length)
            return
        offsets = bytearray(data)
        offsets[::8] = bytes(len(data) // 8)  # without the flags of their first bytes, numbers in the order of offsets
        if highest := max(read_big(offsets)) & self.OFFSET:
            self._need(highest + length)

    def _need_subclusters(self, data: bytes, length: int) -> None:
        """Need the subclusters in use. A bitmap follows each entry; its lower half has a bit for each of 32 subclusters."""
        words = read_big(data)
        pairs = zip(words[::2], words[1::2], strict=True)
        offset, parts = max((entry & self.OFFSET, bitmap & 0xFFFF_FFFF) for entry, bitmap in pairs)
        if offset:
            self._need(offset + max(1, min(length, parts.bit_length() * self._cluster // 32)))

    def _need_compressed(self, data: bytes) -> bytes:
        """Need compressed clusters, but only one byte of their last sector; return the table without them."""
        words, step = read_big(data), self._entry // 8
        is_offset = (1 << self._shift) - 1
        last = max((entry for entry in words[::step] if entry & self.COMPRESSED), key=is_offset.__and__)
        sectors_after = (last & self.COMPRESSED - 1) >> self._shift
        self._need(((last & is_offset) // SECTOR + sectors_after) * SECTOR + 1)
        for number in range(0, len(words), step):
            if words[number] & self.COMPRESSED:
                words[number : number + step] = array("Q", bytes(self._entry))
        return write_big(words)

    def _read_refcounts(self, table: int, data: bytes, start: int) -> None:
        for number, entry in enumerate(read_big(data), (start - table) // 8):
            offset = entry & ~511
            if offset:
                self._need(offset + self._cluster)
                if offset % self._cluster == 0:
                    self._request(offset, self._cluster, partial(self._read_refcount_block, number, offset))

    def _read_refcount_block(self, number: int, block: int, data: bytes, start: int) -> None:
        """Save the first byte of the last cluster in use."""
        if used := data.rstrip(b"\0"):
            before = number * self._cluster + start - block + len(used) - 1
            last_bit = before * 8 + used[-1].bit_length() - 1
            self._used_end = max(self._used_end, (last_bit >> self._refcount_order) * self._cluster + 1)

    def find_missing(self) -> str | None:
        """Use the refcounts instead of L2 tables that could not be read.

        Only then, because after a crash a cluster may have a count and yet not be in the file.
        """
        self._read_entries()
        if (self._has_missed or self._reader.has_skipped) and not self._external:
            self._need(self._used_end)
        return None
