"""What the parsers of all formats share: how they want and need bytes, and tables of numbers. Pure."""

import sys
from abc import ABC, abstractmethod
from array import array
from typing import Final

from imagesync.formats.parsers.reader import Handler, Reader

MAX_DIRECTORY: Final = 2**23
"""Bytes of a table of tables that are read: enough for 512 TiB in clusters of 64 KiB."""


class Parser(ABC):
    """Wants headers and tables of a reader, and needs what they name."""

    def __init__(self, reader: Reader) -> None:
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


def read_big(data: bytes | bytearray, kind: str = "Q") -> "array[int]":
    """The numbers of a table, the highest byte first; I has 4 bytes, Q has 8."""
    return _read_array(data, kind, "big")


def write_big(numbers: "array[int]") -> bytes:
    """The table that has these numbers, the highest byte first. They are of no use afterwards."""
    if sys.byteorder != "big":
        numbers.byteswap()
    return numbers.tobytes()


def read_little(data: bytes, kind: str = "I") -> "array[int]":
    """The numbers of a table, the lowest byte first; I has 4 bytes, Q has 8."""
    return _read_array(data, kind, "little")


def _read_array(data: bytes | bytearray, kind: str, order: str) -> "array[int]":
    found = array(kind)
    found.frombytes(memoryview(data)[: len(data) // found.itemsize * found.itemsize])
    if sys.byteorder != order:
        found.byteswap()
    return found
