"""The minimum rate of a body: too few bytes in a window end the wait; the caller's own time does not count."""

import threading
from collections.abc import Iterator

import pytest

from imagesync.deadlines import TooSlow, read_at_rate


def test_pieces_in_time_are_returned_unchanged() -> None:
    """In order, and the connection is not cut."""
    cut = threading.Event()
    assert list(read_at_rate(iter([b"a", b"", b"b"]), 1, 60, cut.set)) == [b"a", b"", b"b"]
    assert not cut.is_set()


def test_a_window_with_too_few_bytes_is_cut_and_an_error() -> None:
    """The caller gets the pieces that arrived in time."""
    cut, found = threading.Event(), list[bytes]()

    def pieces() -> Iterator[bytes]:
        yield b"a"
        assert cut.wait(30)
        yield b"b"

    with pytest.raises(TooSlow, match="less than 1 KiB/s for 0 s"):
        found.extend(read_at_rate(pieces(), 1024, 0.1, cut.set))
    assert found == [b"a"]


def test_each_window_must_have_enough_bytes() -> None:
    """A fast start does not make up for a slow rest, even if a byte arrives often."""
    cut, pause = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        yield bytes(2**20)
        for _ in range(3000):
            pause.wait(0.01)
            if cut.is_set():
                return
            yield b"a"

    with pytest.raises(TooSlow):
        for _ in read_at_rate(pieces(), 1024, 0.2, cut.set):
            pass
    assert cut.is_set()


def test_a_fast_body_is_never_cut() -> None:
    """A window ends when it has enough bytes, and the next one starts at zero."""
    cut, pause = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        for _ in range(30):
            pause.wait(0.02)
            yield bytes(1024)

    assert len(list(read_at_rate(pieces(), 512, 0.2, cut.set))) == 30


def test_without_a_minimum_rate_nothing_is_cut() -> None:
    """However long the body takes."""
    pause = threading.Event()

    def pieces() -> Iterator[bytes]:
        pause.wait(0.3)
        yield b"a"

    assert list(read_at_rate(pieces(), 0, 0.05, threading.Event().set)) == [b"a"]


def test_the_time_of_the_caller_does_not_count() -> None:
    """A slow upload of the pieces is not a slow source."""
    cut = threading.Event()
    for _ in read_at_rate(iter([b"a", b"b"]), 1024, 0.05, cut.set):
        assert not cut.wait(0.2)
