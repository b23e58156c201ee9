"""Deadlines of the pieces of a body: a late one ends the wait, the time of the caller does not count."""

import threading
from collections.abc import Iterator

import pytest

from imagesync.deadlines import read_in_time


def test_pieces_in_time_come_as_they_are() -> None:
    """In order, and nothing is cut."""
    cut = threading.Event()
    assert list(read_in_time(iter([b"a", b"", b"b"]), 60, cut.set)) == [b"a", b"", b"b"]
    assert not cut.is_set()


def test_a_late_piece_is_cut_and_an_error() -> None:
    """What came in time was handed on."""
    cut, found = threading.Event(), list[bytes]()

    def pieces() -> Iterator[bytes]:
        yield b"a"
        assert cut.wait(30)
        yield b"b"

    with pytest.raises(TimeoutError, match="longer than 0 s"):
        found.extend(read_in_time(pieces(), 0.1, cut.set))
    assert found == [b"a"]


def test_the_time_of_the_caller_does_not_count() -> None:
    """A slow upload of what was read is no slow source."""
    cut = threading.Event()
    for _ in read_in_time(iter([b"a", b"b"]), 0.05, cut.set):
        assert not cut.wait(0.2)
