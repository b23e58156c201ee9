"""Files of some hundred KiB that unpack to 256 MiB; each is made once, which takes a second."""

import gzip
import zlib
from functools import cache
from typing import Final

from backports import zstd

SIZE: Final = 2**28


@cache
def gzip_bomb() -> bytes:
    """256 MiB of zeros."""
    return gzip.compress(bytes(SIZE), 1)


@cache
def nested_bomb() -> bytes:
    """The same, packed twice."""
    return gzip.compress(gzip_bomb())


@cache
def zstd_bomb() -> bytes:
    """256 MiB of zeros."""
    return zstd.compress(bytes(SIZE))


@cache
def deflate_bomb() -> bytes:
    """256 MiB of zeros."""
    return zlib.compress(bytes(SIZE), 1)
