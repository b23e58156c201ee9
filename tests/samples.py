"""Small files of real disk formats, for tests."""

import struct


def qcow2(size: int = 2**20) -> bytes:
    """The smallest valid qcow2 (version 2) of a virtual size in bytes: a header, an empty table, no clusters."""
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, size, 0, 1, 65536, 131072, 1, 0, 0)
    return header.ljust(65536, b"\0") + bytes(65536) + struct.pack(">Q", 196608).ljust(65536, b"\0")


def iso() -> bytes:
    """The head of an ISO 9660 file system."""
    sector = b"\x01CD001\x01\0".ljust(80, b"\0") + struct.pack("<I", 20) + struct.pack(">I", 20)
    descriptor = sector.ljust(128, b"\0") + struct.pack("<H", 2048) + struct.pack(">H", 2048)
    return bytes(32768) + descriptor.ljust(2048, b"\0") + b"\xffCD001\x01".ljust(2048, b"\0") + bytes(4096)
