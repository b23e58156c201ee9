"""Bytes as an upstream publishes them: packed in every way, and their fingerprint."""

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable

from backports import zstd

from imagesync.model.catalog import Checksum, Compression, Fingerprint

DATA = bytes(range(256)) * 20_000
PACK: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.NONE: bytes,
    Compression.GZ: gzip.compress,
    Compression.XZ: lzma.compress,
    Compression.BZ2: bz2.compress,
    Compression.ZST: lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
}
PACKED = [kind for kind in Compression if kind is not Compression.NONE]


def sha256(data: bytes) -> Fingerprint:
    """The fingerprint of published bytes."""
    return Fingerprint((Checksum("sha256", hashlib.sha256(data).hexdigest()),))
