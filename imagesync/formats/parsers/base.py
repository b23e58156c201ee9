"""Functions for the parsers of all formats: requests for bytes, and tables of numbers. Pure."""

import sys
from abc import ABC, abstractmethod
from array import array
from typing import Final

from imagesync.formats.parsers.reader import Handler, Reader

MAX_DIRECTORY: Final = 2**23
"""Maximum bytes that are read of a table of tables: enough for 512 TiB in clusters of 64 KiB."""


class Parser(ABC):
    """Requests headers and tables from a reader, and needs the bytes to which they refer."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._request, self._need = reader.request, reader.need
        self._start()

    @abstractmethod
    def _start(self) -> None:
        """Request the first header."""

    def find_missing(self) -> str | None:
        """To be called after the last byte: a problem other than too few bytes; None if there is none."""
        return None

    def _request_table(self, start: int, length: int, handler: Handler, limit: int = 2**40) -> None:
        """Need a table, and request at most ``limit`` bytes of it."""
        self._need(start + length)
        self._request(start, min(length, limit), handler)


def read_big(data: bytes | bytearray, kind: str = "Q") -> "array[int]":
    """The numbers of a big-endian table; ``kind`` I has 4 bytes, Q has 8."""
    return _read_array(data, kind, "big")


def write_big(numbers: "array[int]") -> bytes:
    """The big-endian table of these numbers. It changes ``numbers``, which must not be used afterwards."""
    if sys.byteorder != "big":
        numbers.byteswap()
    return numbers.tobytes()


def read_little(data: bytes, kind: str = "I") -> "array[int]":
    """The numbers of a little-endian table; ``kind`` I has 4 bytes, Q has 8."""
    return _read_array(data, kind, "little")


def _read_array(data: bytes | bytearray, kind: str, order: str) -> "array[int]":
    found = array(kind)
    found.frombytes(memoryview(data)[: len(data) // found.itemsize * found.itemsize])
    if sys.byteorder != order:
        found.byteswap()
    return found
