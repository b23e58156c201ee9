"""The least rate of a body: too little in a window ends the wait, the time of the caller does not count."""

import threading
from collections.abc import Iterator

import pytest

from imagesync.deadlines import TooSlow, read_at_rate


def test_pieces_in_time_come_as_they_are() -> None:
    """In order, and nothing is cut."""
    cut = threading.Event()
    assert list(read_at_rate(iter([b"a", b"", b"b"]), 1, 60, cut.set)) == [b"a", b"", b"b"]
    assert not cut.is_set()


def test_a_window_with_too_little_is_cut_and_an_error() -> None:
    """What came in time was handed on."""
    cut, found = threading.Event(), list[bytes]()

    def pieces() -> Iterator[bytes]:
        yield b"a"
        assert cut.wait(30)
        yield b"b"

    with pytest.raises(TooSlow, match="less than 1 KiB/s for 0 s"):
        found.extend(read_at_rate(pieces(), 1024, 0.1, cut.set))
    assert found == [b"a"]


def test_each_window_must_bring_enough() -> None:
    """A fast beginning does not pay for a slow rest, however often a byte comes."""
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


def test_what_is_fast_enough_is_never_cut() -> None:
    """A window ends when it has brought enough, and the next begins at nothing."""
    cut, pause = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        for _ in range(30):
            pause.wait(0.02)
            yield bytes(1024)

    assert len(list(read_at_rate(pieces(), 512, 0.2, cut.set))) == 30


def test_without_a_least_rate_nothing_is_cut() -> None:
    """However long it takes."""
    pause = threading.Event()

    def pieces() -> Iterator[bytes]:
        pause.wait(0.3)
        yield b"a"

    assert list(read_at_rate(pieces(), 0, 0.05, threading.Event().set)) == [b"a"]


def test_the_time_of_the_caller_does_not_count() -> None:
    """A slow upload of what was read is not a slow source."""
    cut = threading.Event()
    for _ in read_at_rate(iter([b"a", b"b"]), 1024, 0.05, cut.set):
        assert not cut.wait(0.2)
