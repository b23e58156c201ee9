"""Small files of real disk formats, valid and invalid, made from the specifications of the formats. Pure."""

import struct
import zlib
from uuid import UUID

GIB = 2**30
DESCRIPTOR = """# Disk DescriptorFile
version=1
CID=123a681e
parentCID=ffffffff
createType="{kind}"

# Extent description
{extent}

# The Disk Data Base
#DDB

ddb.adapterType = "ide"
"""


def qcow2(size: int = 2**20, *, backing: bytes = b"", features: int | None = None) -> bytes:
    """The smallest valid qcow2 of a virtual size in bytes: a header, an empty table, its reference counts, and no
    clusters.

    ``features``: version 3 with these incompatible feature bits (4: an external data file).
    """
    where = (512, len(backing)) if backing else (0, 0)
    version = 2 if features is None else 3
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", version, *where, 16, size, 0, 1, 65536, 131072, 1, 0, 0)
    if features is not None:
        header += struct.pack(">QQQII", features, 0, 0, 4, 104)
    table = bytes(65536) + struct.pack(">Q", 196608).ljust(65536, b"\0")
    counts = struct.pack(">4H", 1, 1, 1, 1).ljust(65536, b"\0")
    return (header.ljust(512, b"\0") + backing).ljust(65536, b"\0") + table + counts


def iso() -> bytes:
    """The head of an ISO 9660 file system."""
    sector = b"\x01CD001\x01\0".ljust(80, b"\0") + struct.pack("<I", 20) + struct.pack(">I", 20)
    descriptor = sector.ljust(128, b"\0") + struct.pack("<H", 2048) + struct.pack(">H", 2048)
    return bytes(32768) + descriptor.ljust(2048, b"\0") + b"\xffCD001\x01".ljust(2048, b"\0") + bytes(4096)


def vmdk(kind: str = "monolithicSparse", extent: str = 'RW 2048 SPARSE "disk.vmdk"') -> bytes:
    """A sparse extent of 1 MiB with its descriptor."""
    header = struct.pack("<4sIIQQQQIQQ", b"KDMV", 1, 3, 2048, 128, 1, 20, 512, 21, 26).ljust(512, b"\0")
    return header + DESCRIPTOR.format(kind=kind, extent=extent).encode().ljust(20 * 512, b"\0") + bytes(65536)


def stream_vmdk(*, descriptor_in_footer: int = 1) -> bytes:
    """A stream-optimized extent, whose last sectors repeat the header."""
    end = struct.pack("<Q", 2**64 - 1)
    body = vmdk("streamOptimized", 'RW 2048 SPARSE "disk.vmdk"')
    footer = struct.pack("<4sIIQQQQIQQ", b"KDMV", 1, 3, 2048, 128, descriptor_in_footer, 20, 512, 21, 26)
    marker = struct.pack("<QII", 1, 0, 3).ljust(512, b"\0")
    return body[:56] + end + body[64:] + marker + footer.ljust(512, b"\0") + bytes(512)


def vhd(size: int = GIB) -> bytes:
    """A dynamic VHD: its first sector is a copy of its footer."""
    footer = (b"conectix".ljust(40, b"\0") + struct.pack(">Q", size)).ljust(512, b"\0")
    return footer + bytes(65536) + footer


def vhdx(size: int = GIB) -> bytes:
    """A region table that points to metadata, which have the virtual size."""
    regions = struct.pack("<IIII", 0x69676572, 0, 1, 0) + UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E").bytes_le
    regions += struct.pack("<QII", 2**20, 2**20, 1)
    items = struct.pack("<8sHH", b"metadata", 0, 1).ljust(32, b"\0")
    items += UUID("2FA54224-CD1B-4876-B211-5DBED83BF4B8").bytes_le + struct.pack("<III", 2**16, 8, 0)
    head = b"vhdxfile".ljust(192 * 1024, b"\0") + regions
    return ((head.ljust(2**20, b"\0") + items).ljust(2**20 + 2**16, b"\0") + struct.pack("<Q", size)).ljust(
        2**21, b"\0"
    )


def vdi(size: int = GIB) -> bytes:
    """The head of a VirtualBox disk."""
    head = bytes(64) + struct.pack("<I", 0xBEDA107F)
    return (head.ljust(0x170, b"\0") + struct.pack("<Q", size)).ljust(512, b"\0") + bytes(65536)


def gpt(size: int = 2**17, sector: int = 512) -> bytes:
    """A raw disk whose partition table says that the disk has this many bytes, in sectors of this size."""
    table = struct.pack("<8sIIIIQQ", b"EFI PART", 2**16, 92, 0, 0, 1, size // sector - 1).ljust(92, b"\0")
    table = table[:16] + struct.pack("<I", zlib.crc32(table)) + table[20:]
    return (partitioned(0xEE, 1)[:512].ljust(sector, b"\0") + table).ljust(size, b"\0")


def partitioned(kind: int = 0x83, first: int = 2048) -> bytes:
    """A raw disk with one partition. Kind 0: the end mark of a partition table without a partition; 0xEE: GPT."""
    start = (0, 2, 0) if kind == 0xEE else (0, 1, 1)
    entry = struct.pack("<B3BB3BII", 0, *start, kind, 0, 1, 1, first, 2048 if kind else 0)
    return (bytes(446) + (entry if kind else bytes(16))).ljust(510, b"\0") + b"\x55\xaa" + bytes(80_000)


def kernel() -> bytes:
    """The beginning of a Linux kernel for x86: code, and 55 AA at the end of its first sector, as in a partition table."""
    return (b"MZ" + bytes(range(1, 250)) * 2).ljust(510, b"\xff")[:510] + b"\x55\xaa" + b"Hdr\0" * 20_000


def fat() -> bytes:
    """A FAT file system without a partition table. It has 55 AA too, and is safe."""
    head = b"\xeb\x3c\x90MSDOS5.0".ljust(0x10, b"\0") + b"\x02".ljust(5, b"\0") + b"\xf8"
    return head.ljust(510, b"\0") + b"\x55\xaa" + bytes(80_000)


def luks(version: int = 1) -> bytes:
    """The head of an encrypted disk."""
    fields = b"aes", b"xts-plain64", b"sha256", 8, 64, bytes(20), bytes(32), 1000
    return struct.pack(">6sH32s32s32sII20s32sI", b"LUKS\xba\xbe", version, *fields).ljust(80_000, b"\0")


QED = b"QED\0".ljust(80_000, b"\0")
HYBRID = partitioned()[:512] + iso()[512:]
PLAIN = b"\0nothing in particular" * 4000
TEXT_VMDK = DESCRIPTOR.format(kind="monolithicFlat", extent='RW 2048 FLAT "/etc/shadow" 0').encode()

TAKEN: dict[str, tuple[str, str, bytes]] = {
    "qcow2 version 2": ("qcow2", "bare", qcow2()),
    "qcow2 version 3": ("qcow2", "bare", qcow2(features=0)),
    "vmdk": ("vmdk", "bare", vmdk()),
    "vmdk stream": ("vmdk", "bare", stream_vmdk()),
    "vhd": ("vhd", "bare", vhd()),
    "vhdx": ("vhdx", "bare", vhdx()),
    "vdi": ("vdi", "bare", vdi()),
    "iso": ("iso", "bare", iso()),
    "iso with partitions": ("iso", "bare", HYBRID),
    "raw": ("raw", "bare", PLAIN),
    "raw with an mbr": ("raw", "bare", partitioned()),
    "raw with a gpt": ("raw", "bare", partitioned(0xEE, 1)),
    "raw fat": ("raw", "bare", fat()),
    "raw luks": ("raw", "bare", luks()),
    "raw iso": ("raw", "bare", iso()),
    "ploop": ("ploop", "bare", PLAIN),
    "a kernel": ("aki", "aki", kernel()),
    "an ami that is a qcow2": ("ami", "ami", qcow2()),
    "an archive": ("vmdk", "ova", b"disk.ovf".ljust(80_000, b"\0")),
}
"""Data that the image service accepts: disk_format, container_format and data."""

DISGUISED: dict[str, tuple[str, str, bytes]] = {
    f"raw that is {kind}": ("raw", "bare", data)
    for kind, data in {"qcow2": qcow2(), "vmdk": vmdk(), "vhd": vhd(), "vhdx": vhdx(), "vdi": vdi()}.items()
}
"""Data that the service accepts, and that no machine can boot."""

REFUSED: dict[str, tuple[str, str, bytes, str]] = {
    "backing file": ("qcow2", "bare", qcow2(backing=b"/etc/shadow"), "has a backing file"),
    "data file": ("qcow2", "bare", qcow2(features=4), "has data_file set"),
    "unknown feature": ("qcow2", "bare", qcow2(features=1 << 40), "Unknown QCOW2 features"),
    "extent elsewhere": ("vmdk", "bare", vmdk(extent='RW 2048 SPARSE "/etc/shadow"'), "Invalid extent filenames"),
    "flat vmdk": ("vmdk", "bare", vmdk("monolithicFlat", 'RW 2048 FLAT "x" 0'), "Unsupported subformat"),
    "no extent": ("vmdk", "bare", vmdk(extent=""), "No extents found"),
    "descriptor alone": ("vmdk", "bare", TEXT_VMDK, "Unsupported subformat"),
    "another footer": ("vmdk", "bare", stream_vmdk(descriptor_in_footer=9), "different descriptor"),
    "55 AA and no table": ("raw", "bare", partitioned(0), "no valid partition table"),
    "gpt with a wrong start": ("raw", "bare", partitioned(0xEE, 7), "no valid partition table"),
    "a kernel as raw": ("raw", "bare", kernel(), "no valid partition table"),
    "raw that is an unsafe qcow2": ("raw", "bare", qcow2(backing=b"x"), "qcow2"),
    "raw that is a descriptor": ("raw", "bare", TEXT_VMDK, "vmdk"),
    "raw that is qed": ("raw", "bare", QED, "qed"),
    "raw luks version 2": ("raw", "bare", luks(2), "LUKS version 2"),
    "cut vhdx": ("vhdx", "bare", vhdx()[: 2**20], "cut short"),
    "ploop that is qcow2": ("ploop", "bare", qcow2(), "the data is qcow2, not ploop"),
    "two at once": ("qcow2", "bare", qcow2()[:32768] + iso()[32768:], "both iso and qcow2"),
    "raw that is iso with partitions": (
        "raw",
        "bare",
        HYBRID,
        "the data is both gpt and iso; declare disk_format: iso",
    ),
    "qcow2 that is a raw disk": ("qcow2", "bare", partitioned(), "a raw disk with partitions, not qcow2"),
    "iso that is vmdk": ("iso", "bare", vmdk(), "the data is vmdk, not iso"),
    "nothing of qcow2": ("qcow2", "bare", b"short", "looks like raw, not qcow2"),
    "nothing": ("qcow2", "bare", b"", "looks like raw, not qcow2"),
    **{
        f"{kind} that is raw": (kind, "bare", PLAIN, f"not {kind}")
        for kind in ("qcow2", "vmdk", "vhd", "vhdx", "vdi", "iso")
    },
}
"""Data that the service refuses, and a part of the message of imagesync about it."""


def spell(text: str) -> bytes:
    """Data with the differences of texts in ASCII, that is not text itself: two bytes for each character."""
    return b"".join(bytes((ord(character), 1)) for character in text)
