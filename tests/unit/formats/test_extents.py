"""Files with fewer bytes than their headers and tables refer to are refused, and no others.

The samples are built here; tests/property/test_disks_of_programs.py uses files of real programs.
"""

import itertools
import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesync.errors import FormatMismatch
from imagesync.formats.extents import Extent
from imagesync.formats.parsers.reader import MAX_HELD, PIECE
from tests.samples import gpt, iso

COPIED, COMPRESSED = 1 << 63, 1 << 62
HINT = "; fetch the file again"
CHUNKS = (1, 7, 512, 2**16, 2**20)
CLUSTER = 512
"""Cluster size of the small samples. Cluster 1 has the L1 table, 2 the refcount table, 3 the refcounts, 4 the first L2 table."""


def judge(kind: str, data: bytes, step: int = 2**20) -> str | None:
    """The error about the data, in chunks of ``step`` bytes; None if there is none."""
    extent = Extent(kind)
    try:
        for start in range(0, len(data), step):
            extent.feed(data[start : start + step])
        extent.finish()
    except FormatMismatch as error:
        return str(error)
    return None


def judge_every_way(kind: str, data: bytes) -> str | None:
    """The error, which must be the same for every size of the chunks."""
    verdicts = {judge(kind, data, step) for step in CHUNKS}
    assert len(verdicts) == 1
    return verdicts.pop()


def check_needs(kind: str, data: bytes, end: int) -> None:
    """The data must be complete up to ``end``, and incomplete with one byte less."""
    assert judge_every_way(kind, data) is None
    assert judge_every_way(kind, data[:end]) is None
    wanted = f"the {kind} data is cut short: its tables refer to bytes up to {end}; the file has {end - 1} bytes{HINT}"
    assert judge_every_way(kind, data[: end - 1]) == wanted


def build_qcow2(
    entries: list[int],
    *,
    version: int = 3,
    size: int = 64 * CLUSTER,
    features: int = 0,
    order: int = 4,
    l1: int = CLUSTER,
    l2: int = 4 * CLUSTER,
    snapshots: int = 0,
    snapshot_table: int = 0,
    extension: bytes = b"",
    length: int = 20 * CLUSTER,
) -> bytearray:
    """A qcow2 with clusters of 512 bytes and one L2 table."""
    data = bytearray(length)
    struct.pack_into(
        ">4sIQIIQIIQQIIQ", data, 0, b"QFI\xfb", version, 0, 0, 9, size, 0, 1, l1, 1024, 1, snapshots, snapshot_table
    )
    if version == 3:
        struct.pack_into(">QQQII", data, 72, features, 0, 0, order, 104)
        data[104 : 104 + len(extension)] = extension
    struct.pack_into(">Q", data, l1, l2 | COPIED)
    struct.pack_into(">Q", data, 1024, 3 * CLUSTER)
    struct.pack_into(f">{len(entries)}Q", data, l2, *entries)
    return data


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("flags", [0, COPIED, 1, COPIED | 1])
def test_a_cluster_of_a_qcow2_is_needed(version: int, flags: int) -> None:
    """It may be a normal or a zero cluster, with one reference or more."""
    data = build_qcow2([6 * CLUSTER | COPIED, 0, 9 * CLUSTER | flags, 1], version=version)
    check_needs("qcow2", bytes(data), 10 * CLUSTER)


def test_the_tables_of_an_empty_qcow2_are_needed() -> None:
    """These are the L2 table, or else the refcounts. An L1 table at the end may be shorter than its cluster."""
    check_needs("qcow2", bytes(build_qcow2([])), 5 * CLUSTER)
    data = build_qcow2([])
    data[CLUSTER : CLUSTER + 8] = bytes(8)
    check_needs("qcow2", bytes(data), 4 * CLUSTER)
    data[1024:1032] = bytes(8)
    check_needs("qcow2", bytes(data), 3 * CLUSTER)
    struct.pack_into(">Q", data, 40, 5 * CLUSTER)
    check_needs("qcow2", bytes(data), 5 * CLUSTER + 8)


def test_the_last_cluster_of_a_disk_may_be_shorter() -> None:
    """Only its bytes beyond the end of the disk may be missing. Of a cluster beyond the disk, the first byte is needed."""
    entries = [6 * CLUSTER | COPIED, 7 * CLUSTER | COPIED]
    check_needs("qcow2", bytes(build_qcow2(entries, size=CLUSTER + 100)), 7 * CLUSTER + 100)
    check_needs("qcow2", bytes(build_qcow2(entries[::-1], size=CLUSTER + 100)), 8 * CLUSTER)
    check_needs("qcow2", bytes(build_qcow2([*entries, 9 * CLUSTER], size=CLUSTER + 100)), 9 * CLUSTER + 1)


def test_clusters_of_short_tables_are_needed() -> None:
    """Tables before the last one are processed together, at the latest at the end of the file."""
    data = build_qcow2([6 * CLUSTER | COPIED, 9 * CLUSTER | COPIED], size=640 * CLUSTER)
    check_needs("qcow2", bytes(data), 10 * CLUSTER)
    count = 2 * PIECE // CLUSTER + 1
    after = (4 + count) * CLUSTER
    for table in (0, count // 2, count - 1):
        data = build_qcow2([], size=2**40, l1=after, l2=4 * CLUSTER, length=2**18)
        struct.pack_into(">I", data, 36, count)
        struct.pack_into(f">{count}Q", data, after, *(4 * CLUSTER + number * CLUSTER for number in range(count)))
        struct.pack_into(">Q", data, (4 + table) * CLUSTER + 80, 500 * CLUSTER)
        check_needs("qcow2", bytes(data), 501 * CLUSTER)


def test_a_compressed_cluster_may_lack_the_rest_of_its_last_sector() -> None:
    """The data does not fill the sector."""
    shift = 62 - (9 - 8)
    entry = COMPRESSED | 1 << shift | (7 * CLUSTER + 100)
    check_needs("qcow2", bytes(build_qcow2([entry])), 8 * CLUSTER + 1)
    check_needs("qcow2", bytes(build_qcow2([entry, 9 * CLUSTER | COPIED])), 10 * CLUSTER)
    check_needs("qcow2", bytes(build_qcow2([6 * CLUSTER | COPIED, entry])), 8 * CLUSTER + 1)
    check_needs("qcow2", bytes(build_qcow2([6 * CLUSTER | COPIED, COMPRESSED | 8 * CLUSTER])), 8 * CLUSTER + 1)


def test_subclusters_of_extended_entries_are_needed() -> None:
    """Bytes up to the last subcluster are needed; of a cluster without one, the first byte. The bitmap is not an offset."""
    part = CLUSTER // 32
    for bitmap, end in ((0b101, 3 * part), (1 << 31, CLUSTER), (0xFF << 32, 1), (0, 1)):
        entries = [6 * CLUSTER | COPIED, 2**32 - 1, 9 * CLUSTER | COPIED, bitmap]
        check_needs("qcow2", bytes(build_qcow2(entries, features=16)), 9 * CLUSTER + end)


def test_data_in_another_file_is_not_needed() -> None:
    """The entries refer to places in that file. (Such an image is always unsafe.)"""
    check_needs("qcow2", bytes(build_qcow2([9999 * CLUSTER | COPIED], features=4)), 5 * CLUSTER)


def test_snapshots_are_needed() -> None:
    """These are their table, their L1 tables, and the L2 tables after them."""
    entry = struct.pack(">QIHHIIQII", 7 * CLUSTER, 1, 1, 3, 0, 0, 0, 0, 16) + bytes(16) + b"1abc"
    data = build_qcow2([], snapshots=2, snapshot_table=10 * CLUSTER)
    data[10 * CLUSTER : 10 * CLUSTER + 128] = entry.ljust(64, b"\0") * 2
    check_needs("qcow2", bytes(data), 10 * CLUSTER + 64 + 60)
    struct.pack_into(">Q", data, 10 * CLUSTER + 64, 15 * CLUSTER)
    check_needs("qcow2", bytes(data), 15 * CLUSTER + 8)
    struct.pack_into(">Q", data, 15 * CLUSTER, 17 * CLUSTER | COPIED)
    check_needs("qcow2", bytes(data), 18 * CLUSTER)


@pytest.mark.parametrize(
    "area",
    [
        struct.pack(">IIQQ", 0x0537BE77, 16, 12 * CLUSTER, 50),
        struct.pack(">IIIIQQ", 0x23852875, 24, 1, 0, 50, 12 * CLUSTER),
        b"\x68\x03\xf8\x57\0\0\0\x03abc".ljust(16, b"\0") + struct.pack(">IIQQ", 0x0537BE77, 16, 12 * CLUSTER, 50),
    ],
    ids=["encryption", "bitmaps", "after another"],
)
def test_areas_of_header_extensions_are_needed(area: bytes) -> None:
    """These are the encryption header and the directory of bitmaps."""
    check_needs("qcow2", bytes(build_qcow2([], extension=area)), 12 * CLUSTER + 50)


def test_tables_in_the_first_mebibytes_may_be_in_any_order() -> None:
    """With preallocation, the first L2 table is before the L1 table."""
    data = build_qcow2([9 * CLUSTER | COPIED], l1=5 * CLUSTER, l2=4 * CLUSTER)
    check_needs("qcow2", bytes(data), 10 * CLUSTER)
    far = 2 * PIECE
    data = build_qcow2([2 * far | COPIED], l1=far, l2=4 * CLUSTER, length=3 * far)
    check_needs("qcow2", bytes(data), 2 * far + CLUSTER)


@pytest.mark.parametrize("order", range(7))
def test_refcounts_are_used_instead_of_tables_that_cannot_be_read(order: int) -> None:
    """The L2 table is far before the L1 table: the first byte of the last cluster with a reference is needed."""
    cluster, far = 2**16, MAX_HELD + 2**16
    last = far // cluster + 1
    data = bytearray((last + 1) * cluster)
    fields = b"QFI\xfb", 3, 0, 0, 16, 2**20, 0, 1, far, cluster, 1, 0, 0
    struct.pack_into(">4sIQIIQIIQQIIQQQQII", data, 0, *fields, 0, 0, 0, order, 104)
    struct.pack_into(">Q", data, cluster, 2 * cluster)
    struct.pack_into(">Q", data, far, 3 * cluster)
    end = 2 * cluster + ((last + 1 << order) + 7) // 8 - 1  # the last byte of the last count
    data[end] = 1 << (last << order) % 8
    whole = bytes(data)
    assert judge("qcow2", whole[: last * cluster + 1]) is None
    message = f"its tables refer to bytes up to {last * cluster + 1}; the file has {last * cluster} bytes{HINT}"
    assert judge("qcow2", whole[: last * cluster]) == f"the qcow2 data is cut short: {message}"
    data[far : far + 8] = bytes(8)
    assert judge("qcow2", bytes(data[: last * cluster])) is None


def build_vmdk(
    sectors: list[int], *, flags: int = 3, directory: int = 26, grain: int = 8, length: int = 100
) -> bytearray:
    """A sparse extent with one grain table, which is at sector 30; ``length`` is in sectors."""
    data = bytearray(length * 512)
    struct.pack_into("<4sIIQQQQIQQQ", data, 0, b"KDMV", 1, flags, 512 * grain, grain, 1, 20, 512, 21, directory, 40)
    for place in (21, 26):
        struct.pack_into("<I", data, place * 512, 30)
    struct.pack_into(f"<{len(sectors)}I", data, 30 * 512, *sectors)
    return data


def test_grains_of_a_vmdk_are_needed() -> None:
    """So is the space before the grains. Sector 1 means zeros."""
    check_needs("vmdk", bytes(build_vmdk([0, 50, 42, 1])), 58 * 512)
    check_needs("vmdk", bytes(build_vmdk([0, 1], grain=64)), 40 * 512)


def test_tables_of_a_vmdk_are_needed() -> None:
    """These are both grain directories and the grain tables."""
    data = build_vmdk([])
    struct.pack_into("<Q", data, 64, 0)
    check_needs("vmdk", bytes(data), 34 * 512)
    struct.pack_into("<Q", data, 48, 60)
    check_needs("vmdk", bytes(data), 60 * 512 + 4)
    struct.pack_into("<I", data, 8, 1)
    check_needs("vmdk", bytes(data), 34 * 512)
    struct.pack_into("<I", data, 26 * 512, 0)
    check_needs("vmdk", bytes(data), 26 * 512 + 4)


def test_compressed_grains_have_their_length() -> None:
    """A marker with the length of the data is before each grain."""
    data = build_vmdk([0, 50, 42], flags=3 | 1 << 16)
    struct.pack_into("<QI", data, 50 * 512, 8, 1000)
    check_needs("vmdk", bytes(data), 50 * 512 + 12 + 1000)


def test_a_vmdk_whose_directory_is_at_its_end_has_a_footer() -> None:
    """The file ends with a marker, a copy of the header, and an end marker."""
    data = bytes(build_vmdk([], directory=2**64 - 1)) + bytes(512) + b"KDMV".ljust(512, b"\0") + bytes(512)
    assert judge_every_way("vmdk", data) is None
    assert judge_every_way("vmdk", data[:-1] + b"x")
    for cut in (1, 511, 512, 513, 1024, 1536, 2000):
        assert (
            judge_every_way("vmdk", data[:-cut])
            == "the vmdk data is cut short: the file does not end with a footer" + HINT
        )


def build_vhd(sectors: list[int], *, creator: bytes = b"qemu\0\5\0\3", kind: int = 3) -> bytes:
    """A dynamic disk with blocks of 1024 bytes; its data ends at sector 12."""
    footer = struct.pack(">8sIIQI8sIQQII", b"conectix", 2, 2**16, 512, 0, creator, 0, 2**20, 2**20, 0, kind).ljust(
        512, b"\0"
    )
    header = struct.pack(">8sQQIII", b"cxsparse", 2**64 - 1, 1536, 2**16, len(sectors), 1024).ljust(1024, b"\0")
    data = footer + header + struct.pack(f">{len(sectors)}I", *sectors)
    return data.ljust(12 * 512, b"\xff") + footer


@pytest.mark.parametrize("kind", [3, 4])
def test_a_vhd_ends_with_a_footer(kind: int) -> None:
    """A dynamic or differencing disk has it after the last block."""
    data = build_vhd([5, 2**32 - 1, 9], kind=kind)
    assert judge_every_way("vhd", data) is None
    for cut in (1, 2, 511, 512, 513, 3000):
        assert judge_every_way("vhd", data[:-cut]), cut
    assert judge("vhd", data[:512])
    assert judge("vhd", build_vhd([], kind=2)[:512])
    assert judge("vhd", data[:-512]) == "the vhd data is cut short: the file does not end with a footer" + HINT


@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize("block", [10, 11, 2**31])
def test_blocks_of_a_vhd_are_needed(block: int, kind: int) -> None:
    """A bitmap of whole sectors is before each block. A footer after half a block does not make the file complete."""
    data = build_vhd([5, block], kind=kind)
    end = (block + 3) * 512
    message = f"the vhd data is cut short: its tables refer to bytes up to {end}; the file has {len(data)} bytes{HINT}"
    assert judge("vhd", data) == (message if end > len(data) else None)


def test_only_an_old_virtual_pc_writes_a_footer_of_511_bytes() -> None:
    """These are versions before 5."""
    assert judge_every_way("vhd", build_vhd([5], creator=b"vpc \0\4\0\0")[:-1]) is None
    assert judge_every_way("vhd", build_vhd([5], creator=b"vpc \0\4\0\0")[:-2])
    assert judge_every_way("vhd", build_vhd([5], creator=b"vpc \0\5\0\3")[:-1])
    assert judge_every_way("vhd", build_vhd([5], creator=b"vbox\0\4\0\0")[:-1])


def build_fixed_vhd(head: bytes, *, size: int = 2**17, kind: int = 2) -> bytes:
    """A raw disk of 128 KiB and the footer of a fixed VHD of ``size`` bytes."""
    footer = struct.pack(">8sIIQI8sIQQII", b"conectix", 2, 2**16, 2**64 - 1, 0, b"qemu\0\5\0\3", 0, size, size, 0, kind)
    checksum = sum(footer) ^ 0xFFFF_FFFF
    return head.ljust(2**17, b"\0") + (footer + struct.pack(">I", checksum)).ljust(512, b"\0")


@pytest.mark.parametrize("kind", ["raw", "gpt", "luks"])
@pytest.mark.parametrize("size", [2**17 - 512, 2**17 + 512, 0, 2**40])
def test_the_footer_of_a_fixed_vhd_has_the_size_of_its_disk(kind: str, size: int) -> None:
    """With other bytes before it, a part is missing, or the footer is that of another file."""
    head = gpt(2**17) if kind == "gpt" else b"disk"
    assert judge_every_way(kind, build_fixed_vhd(head)) is None
    message = f"the data ends with the footer of a fixed vhd of {size} bytes, but 131072 bytes are before it"
    hint = "fetch the file again; if it is correct, declare source.inspect: none"
    assert judge_every_way(kind, build_fixed_vhd(head, size=size)) == f"{message}; {hint}"


@pytest.mark.parametrize("at", [0, 7, 9, 40, 55, 63, 64, 67, 68, 511])
def test_a_damaged_footer_of_a_fixed_vhd_is_ignored(at: int) -> None:
    """The data is then a raw disk, like data without a footer."""
    assert judge("raw", build_fixed_vhd(b"disk", size=5, kind=3)) is None
    data = bytearray(build_fixed_vhd(b"disk", size=5))
    data[2**17 + at] ^= 1
    assert judge_every_way("raw", bytes(data)) is None
    for short in (b"", bytes(5), data[-512:-1], data[-511:]):
        assert judge("raw", bytes(short)) is None


def test_the_footer_alone_is_an_incomplete_disk() -> None:
    """It is complete only if the footer has the size 0."""
    assert judge("raw", build_fixed_vhd(b"disk", size=5)[-512:])
    assert judge("raw", build_fixed_vhd(b"disk", size=0)[-512:]) is None


def build_vhdx(
    entries: dict[int, int], *, block: int = 2**20, flags: int = 0, size: int = 2**40, length: int = 12, bat: int = 3
) -> bytearray:
    """A vhdx with the log at 1 MiB, metadata at 2 MiB, and the table of blocks at 3 MiB; ``length`` is in MiB."""
    data = bytearray(length * 2**20)
    data[:8] = b"vhdxfile"
    for place in (64, 128):
        struct.pack_into("<4s64xIQ", data, place * 1024, b"head", 2**20, 2**20)
    regions = [("2DC27766-F623-4200-9D64-115E9BFD4A08", bat), ("8B7CA206-4790-4B9A-B8FE-575F050F886E", 2)]
    for place in (192, 256):
        struct.pack_into("<4sIII", data, place * 1024, b"regi", 0, 2, 0)
        for number, (name, begin) in enumerate(regions):
            where = place * 1024 + 16 + 32 * number
            struct.pack_into("<16sQII", data, where, UUID(name).bytes_le, begin * 2**20, 2**20, 1)
    struct.pack_into("<8sHH", data, 2**21, b"metadata", 0, 3)
    items = [
        ("CAA16737-FA36-4D43-B3B6-33F0AA44E76B", struct.pack("<II", block, flags)),
        ("2FA54224-CD1B-4876-B211-5DBED83BF4B8", struct.pack("<Q", size)),
        ("8141BF1D-A96F-4709-BA47-F233A8FAAB5F", struct.pack("<I", 512)),
    ]
    for number, (name, value) in enumerate(items):
        offset = 2**16 + 8 * number
        struct.pack_into("<16sIII", data, 2**21 + 32 + 32 * number, UUID(name).bytes_le, offset, len(value), 0)
        data[2**21 + offset : 2**21 + offset + len(value)] = value
    for number, entry in entries.items():
        struct.pack_into("<Q", data, bat * 2**20 + 8 * number, entry)
    return data


def check_vhdx(data: bytearray, end: int) -> None:
    """As ``check_needs``, but without small chunks, because these samples are large."""
    assert judge("vhdx", bytes(data)) is None
    for step in (2**16, 2**20, 1_000_003):
        assert judge("vhdx", bytes(data[:end]), step) is None
        message = (
            f"the vhdx data is cut short: its tables refer to bytes up to {end}; the file has {end - 1} bytes{HINT}"
        )
        assert judge("vhdx", bytes(data[: end - 1]), step) == message


@pytest.mark.parametrize(("state", "end"), [(0, 4), (1, 4), (2, 4), (3, 4), (6, 9), (7, 9)])
def test_blocks_of_a_vhdx_are_needed(state: int, end: int) -> None:
    """These are blocks that are fully or partially present."""
    check_vhdx(
        build_vhdx({0: 5 << 20 | 6, 9000: 7 << 20 | state}, block=2**21), end * 2**20 if state >= 6 else 7 * 2**20
    )
    check_vhdx(build_vhdx({9000: 7 << 20 | state}, block=2**21), end * 2**20)


def test_a_bitmap_of_a_vhdx_has_the_size_of_a_mebibyte() -> None:
    """With blocks of 2 MiB, every 2049th entry is a bitmap. The table may be before the metadata."""
    for bat in (3, 1):
        check_vhdx(build_vhdx({2048: 7 << 20 | 6}, block=2**21, bat=bat), 8 * 2**20)
        check_vhdx(build_vhdx({2047: 7 << 20 | 6}, block=2**21, bat=bat), 9 * 2**20)


def test_a_fixed_vhdx_may_end_within_its_last_block() -> None:
    """qemu writes such files. A dynamic disk may not end there."""
    entries = {0: 5 << 20 | 6, 1: 7 << 20 | 6}
    check_vhdx(build_vhdx(entries, block=2**21, size=2**21 + 100, flags=1), 7 * 2**20 + 100)
    check_vhdx(build_vhdx(entries, block=2**21, size=2**21 + 100), 9 * 2**20)


def test_regions_and_the_log_of_a_vhdx_are_needed() -> None:
    """They are needed also without a block."""
    check_vhdx(build_vhdx({}), 4 * 2**20)
    data = build_vhdx({})
    struct.pack_into("<Q", data, 128 * 1024 + 72, 9 * 2**20)
    check_vhdx(data, 10 * 2**20)


def build_vdi(numbers: list[int], *, extra: int = 0) -> bytes:
    """A vdi with blocks of 1024 bytes; its data begins at 2048."""
    data = bytearray(20_000)
    struct.pack_into("<I", data, 64, 0xBEDA107F)
    struct.pack_into("<II", data, 0x154, 512, 2048)
    struct.pack_into("<QIIII", data, 0x170, 2**20, 1024, extra, len(numbers), 3)
    struct.pack_into(f"<{len(numbers)}I", data, 512, *numbers)
    return bytes(data)


def test_blocks_of_a_vdi_are_needed() -> None:
    """These are the blocks of the map; two numbers mean no block."""
    check_needs("vdi", build_vdi([3, 2**32 - 1, 7, 2**32 - 2, 0]), 2048 + 8 * 1024)
    check_needs("vdi", build_vdi([3], extra=16), 2048 + 4 * 1040)
    check_needs("vdi", build_vdi([2**32 - 1] * 100), 512 + 400)
    check_needs("vdi", build_vdi([]), 512)


@pytest.mark.parametrize("magic", [b"WithoutFreeSpace", b"WithouFreSpacExt"])
def test_clusters_of_a_parallels_disk_are_needed(magic: bytes) -> None:
    """The table has sectors or, with the other magic number, clusters. The last cluster of the disk may be shorter."""
    unit = 512 if magic.endswith(b"Space") else 1024

    def build(*entries: int, sectors: int = 9) -> bytes:
        header = struct.pack("<16sIIIIIQIIIQ", magic, 2, 0, 0, 2, len(entries), sectors, 0, 0, 0, 0)
        return (header + struct.pack(f"<{len(entries)}I", *entries)).ljust(2**16, b"\1")

    check_needs("ploop", build(3, 0, 9, 4, 5), 9 * unit + 1024)
    check_needs("ploop", build(3, 0, 4, 5, 9), 9 * unit + 512)
    check_needs("ploop", build(3, 0, 4, 5, 9, sectors=10), 9 * unit + 1024)
    check_needs("ploop", build(0, 0, 0, 0, 0), 64 + 20)
    many = [0] * 2 * PIECE
    for last, end in ((0, 7 * unit + 1024), (8, 8 * unit + 512)):
        many[-2:] = [2**20 // unit + 7, 2**20 // unit + last]
        data = build(*many, sectors=len(many) * 2 - 1).ljust(2**21, b"\1")
        check_needs("ploop", data, 2**20 + end)


def test_other_data_declared_as_ploop_is_not_checked() -> None:
    """The service accepts any data. Clusters of 0 bytes or of gigabytes are invalid."""
    assert judge_every_way("ploop", bytes(100)) is None
    for sectors in (0, 2**31):
        header = struct.pack("<16sIIIIIQIIIQ", b"WithoutFreeSpace", 2, 0, 0, sectors, 5, 99, 0, 0, 0, 0)
        assert judge_every_way("ploop", header + b"\x09" * 20) is None


def test_the_first_byte_of_an_encrypted_disk_is_needed() -> None:
    """It is after the header; version 2 has another header."""
    head = b"LUKS\xba\xbe\0\1".ljust(104, b"\0") + (100).to_bytes(4, "big")
    check_needs("luks", head.ljust(60_000, b"\0"), 51_201)
    assert judge_every_way("luks", head.replace(b"\0\1", b"\0\2", 1).ljust(5000, b"\0")) is None


def test_the_volume_of_an_iso_is_needed() -> None:
    """The primary descriptor has its number of blocks and their size; it may follow other descriptors."""
    check_needs("iso", iso() + bytes(9000), 40960)
    large = bytearray(iso() + bytes(99_000))
    struct.pack_into("<H", large, 32768 + 128, 4096)
    check_needs("iso", bytes(large), 20 * 4096)
    head = iso()
    boot = b"\0CD001\1".ljust(2048, b"\0")
    check_needs("iso", head[:32768] + boot + head[32768:] + bytes(9000), 40960)


def test_an_iso_without_a_primary_descriptor_is_not_checked() -> None:
    """A pure UDF file system is an example."""
    udf = bytes(32768) + b"\0NSR02\1".ljust(2048, b"\0") + bytes(2048)
    assert judge_every_way("iso", udf) is None
    assert judge("iso", iso()[:32768] + b"\xffCD001\1".ljust(2048, b"\0") + iso()[32768:34816]) is None


def test_a_partition_after_the_volume_of_an_iso_is_needed() -> None:
    """The partition table has the end of the disk."""
    data = gpt(2**17)
    data = data[:32768] + iso()[32768:36864] + data[36864:]
    check_needs("iso", data, 2**17)


@pytest.mark.parametrize("sector", [512, 4096])
def test_the_second_partition_table_is_needed(sector: int) -> None:
    """It is at the end of the disk."""
    check_needs("gpt", gpt(2**17, sector) + bytes(99), 2**17)


@pytest.mark.parametrize("at", [512, 512 + 17, 512 + 33, 512 + 24, 512 + 12])
def test_a_damaged_partition_table_is_ignored(at: int) -> None:
    """Its checksum is wrong."""
    data = bytearray(gpt(2**17))
    data[at] ^= 1
    assert judge_every_way("gpt", bytes(data[:70_000])) is None


def test_a_partition_table_for_another_sector_is_ignored() -> None:
    """The primary table must be that of the second sector."""
    data = bytearray(gpt(2**17))
    struct.pack_into("<Q", data, 512 + 24, 2)
    data[512 + 16 : 512 + 20] = bytes(4)
    struct.pack_into("<I", data, 512 + 16, zlib.crc32(data[512 : 512 + 92]))
    assert judge("gpt", bytes(data[:70_000])) is None


@pytest.mark.parametrize("kind", ["raw", "luks", "qed", ""])
def test_other_data_is_not_checked(kind: str) -> None:
    """Its length is unknown before its end."""
    for data in (b"", b"x", iso()[:-1]):
        assert judge(kind, data) is None


WHOLE: dict[str, Callable[[], bytes]] = {
    "qcow2": lambda: bytes(build_qcow2([6 * CLUSTER | COPIED])),
    "vmdk": lambda: bytes(build_vmdk([50])),
    "vhd": lambda: build_vhd([5]),
    "vdi": lambda: build_vdi([3]),
    "iso": iso,
    "gpt": lambda: gpt(2**17),
}


@settings(max_examples=300, deadline=2000)
@given(
    kind=st.sampled_from(sorted(WHOLE)),
    wild=st.lists(
        st.tuples(st.integers(0, 5000), st.sampled_from([b"\0" * 8, b"\xff" * 8, b"\x7f", b"\0\0\0\1", b"\x80"]))
    ),
    cut=st.integers(0, 60_000),
)
def test_random_headers_lead_to_no_other_error_in_any_chunks(
    kind: str, wild: list[tuple[int, bytes]], cut: int
) -> None:
    """The only error is a FormatMismatch."""
    data = bytearray(WHOLE[kind]())
    for place, value in wild:
        data[place : place + len(value)] = value
    verdicts = {judge(kind, bytes(data[:cut]), step) for step in (7, 5000, 2**16, 2**20)}
    assert len(verdicts) == 1


def test_a_table_with_many_references_is_read_once() -> None:
    """Otherwise it would exceed the limit for overlapping tables."""
    cluster = 2**16
    data = bytearray(16 * cluster)
    fields = b"QFI\xfb", 2, 0, 0, 16, 2**40, 0, 401, cluster, 2 * cluster, 1, 0, 0
    struct.pack_into(">4sIQIIQIIQQIIQ", data, 0, *fields)
    struct.pack_into(">401Q", data, cluster, *[4 * cluster] * 400, 5 * cluster)
    struct.pack_into(">Q", data, 5 * cluster, 12 * cluster)
    assert judge("qcow2", bytes(data)) is None
    assert judge("qcow2", bytes(data[: 12 * cluster]))


def build_hostile() -> dict[str, tuple[str, bytes]]:
    """Headers that cause as much work as possible, followed by 2 MiB of tables."""
    length = 2**21
    tables = random.Random(1).randbytes(2**16) * (length // 2**16)
    aligned = struct.pack(">8192Q", *((number % 16000) * 512 | COPIED for number in range(8192))) * (length // 2**16)
    compressed = struct.pack(">8192Q", *(COMPRESSED | number * 512 for number in range(8192))) * (length // 2**16)
    found = {}
    for name, body in {
        "random": tables,
        "aligned": aligned,
        "compressed": compressed,
        "ones": b"\xff" * length,
    }.items():
        for bits in (9, 16, 21):
            head = bytearray(body)
            for l1, count in ((1 << bits, 2**32 - 1), (2**64 - 512, 2**32 - 1), (512, 2**20)):
                fields = b"QFI\xfb", 2, 0, 0, bits, 2**63, 0, count, l1, 1 << bits, 2**32 - 1, 2**32 - 1, 1 << bits
                struct.pack_into(">4sIQIIQIIQQIIQ", head, 0, *fields)
                found[f"qcow2 {name} {bits} {l1:x}"] = "qcow2", bytes(head)
        head = bytearray(body)
        struct.pack_into("<4sIIQQQQIQQQ", head, 0, b"KDMV", 1, 3 | 1 << 16, 2**63, 1, 1, 20, 1, 21, 1, 2**64 - 1)
        found[f"vmdk {name}"] = "vmdk", bytes(head)
        struct.pack_into(">8sIIQI8sIQQII", head, 0, b"conectix", 2, 2**16, 512, 0, b"", 0, 0, 0, 0, 3)
        struct.pack_into(">8sQQIII", head, 512, b"cxsparse", 2**64 - 1, 1536, 2**16, 2**32 - 1, 2**32 - 1)
        found[f"vhd {name}"] = "vhd", bytes(head)
        head = bytearray(body)
        struct.pack_into("<II", head, 0x154, 512, 2**32 - 1)
        struct.pack_into("<QIIII", head, 0x170, 2**64 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1, 3)
        found[f"vdi {name}"] = "vdi", bytes(head)
        head = bytearray(build_vhdx({}, length=4))
        head[3 * 2**20 :] = body[2**20 :]
        for place in (192, 256):
            struct.pack_into("<I", head, place * 1024 + 8, 2**32 - 1)
            struct.pack_into("<QI", head, place * 1024 + 32, 3 * 2**20, 2**32 - 1)
        found[f"vhdx {name}"] = "vhdx", bytes(head)
    return found


HOSTILE = build_hostile()


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_headers_cost_little_time(case: str) -> None:
    """It is the time of reading the bytes a few times: about 0.05 s for 2 MiB."""
    kind, data = HOSTILE[case]
    began = time.process_time()
    assert judge(kind, data)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("case", ["qcow2 aligned 9 200", "qcow2 random 21 200000", "vmdk random", "vhdx random"])
def test_hostile_headers_cost_little_memory(case: str) -> None:
    """The waiting ranges and the kept bytes have limits."""
    tracemalloc.start()
    judge(*HOSTILE[case])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20


@given(st.lists(st.integers(1, 5000), max_size=30))
@settings(max_examples=50, deadline=None)
def test_the_verdict_does_not_depend_on_the_chunks(sizes: list[int]) -> None:
    """A network may deliver chunks of any size."""
    data = bytes(build_qcow2([6 * CLUSTER | COPIED, 9 * CLUSTER | COPIED], snapshots=1, snapshot_table=3000))
    for end in (len(data), 10 * CLUSTER, 10 * CLUSTER - 1, 3000):
        extent = Extent("qcow2")
        edges = sorted({0, end, *(edge for edge in itertools.accumulate(sizes) if edge < end)})
        for start, until in itertools.pairwise(edges):
            extent.feed(data[start:until])
        try:
            extent.finish()
            found: str | None = None
        except FormatMismatch as error:
            found = str(error)
        assert found == judge("qcow2", data[:end])
