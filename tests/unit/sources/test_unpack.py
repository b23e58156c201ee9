"""Unpacking: every codec, many members, damage, and bombs in bounded memory."""

import bz2
import gzip
import itertools
import lzma
import random
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesync.errors import SourceError
from imagesync.model.catalog import Compression, Transfer
from imagesync.sources import unpack as limits
from imagesync.sources.unpack import (
    CHUNK,
    MAX_RATIO,
    MAX_UNPACKED_BYTES,
    MIN_JUDGED_BYTES,
    PIECE,
    _Bounds,
    _split,
    unpack,
)
from tests.unit.sources.packed import PACK, PACKED

ZEROS = bytes(2**20)
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00note"


def of(data: bytes, compression: Compression, step: int = 2**20, **limits: int) -> bytes:
    """Everything unpacked."""
    blocks = (data[start : start + step] for start in range(0, len(data), step))
    return b"".join(unpack(blocks, Transfer(compression, **limits)))  # type: ignore[arg-type]  # two numbers


def bomb(compression: Compression, mebibytes: int) -> bytes:
    """Zeros, packed as small as the codec can, as one member."""
    match compression:
        case Compression.GZ:
            return gzip.compress(ZEROS * mebibytes, 9)
        case Compression.XZ:
            return lzma.compress(ZEROS * mebibytes, preset=1)
        case Compression.BZ2:
            return bz2.compress(ZEROS * mebibytes)
        case _:
            return zstd.compress(ZEROS * mebibytes)


@settings(max_examples=60, deadline=None)
@given(
    compression=st.sampled_from(list(Compression)),
    members=st.lists(st.binary(max_size=5000), min_size=1, max_size=4),
    step=st.integers(1, 400),
)
def test_any_cut_of_any_members_gives_the_same_bytes(compression: Compression, members: list[bytes], step: int) -> None:
    """Several members in a row are one file."""
    packed = b"".join(map(PACK[compression], members))
    assert of(packed, compression, step) == b"".join(members)


@pytest.mark.parametrize("compression", [Compression.GZ, Compression.XZ])
@pytest.mark.parametrize("step", [1, 7, 2**20])
def test_members_may_be_padded(compression: Compression, step: int) -> None:
    """With zeros, as tapes and the xz format have it; not before the first."""
    packed = PACK[compression](b"one") + bytes(8) + PACK[compression](b"two") + bytes(512)
    assert of(packed, compression, step) == b"onetwo"
    with pytest.raises(SourceError, match="damaged"):
        of(bytes(8) + packed, compression, step)


def test_zstd_frames_with_notes_are_skipped() -> None:
    """pzstd and the seekable format write them."""
    packed = SKIPPABLE + zstd.compress(b"one") + SKIPPABLE + zstd.compress(b"two") + SKIPPABLE
    assert of(packed, Compression.ZST, 5) == b"onetwo"


@pytest.mark.parametrize("compression", PACKED)
def test_damaged_cut_and_foreign_data_is_one_line(compression: Compression) -> None:
    """Also a member after a good one, and no member at all."""
    good = PACK[compression](bytes(range(256)) * 400)
    middle = len(good) // 2
    for broken in (good[:middle] + b"damage!!" + good[middle + 8 :], b"no archive at all" * 10, good + b"trailing" * 9):
        with pytest.raises(SourceError, match=f"^the {compression.value} data is (damaged|cut)") as caught:
            of(broken, compression)
        assert "\n" not in str(caught.value)
    for cut in (b"", good[:-1], good[:middle], good + good[:middle]):
        with pytest.raises(SourceError, match="cut short"):
            of(cut, compression)


@pytest.mark.parametrize("compression", PACKED)
def test_chunks_are_small_however_much_a_piece_holds(compression: Compression) -> None:
    """A bomb is unpacked bit by bit: never more than a MiB at once."""
    packed = bomb(compression, 48)
    tracemalloc.start()
    try:
        sizes = [len(chunk) for chunk in unpack([packed], Transfer(compression, max_ratio=10**6))]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(sizes) == 48 * 2**20
    assert max(sizes) <= CHUNK
    assert peak < 16 * 2**20


@pytest.mark.parametrize("compression", PACKED)
def test_a_bomb_of_one_member_or_of_many_ends_at_the_limits(compression: Compression) -> None:
    """max_size in bytes and max_ratio, both settable; the ratio counts from 64 MiB."""
    one, many = bomb(compression, 80), bomb(compression, 4) * 20
    for packed in (one, many):
        with pytest.raises(SourceError, match="holds more than the allowed 1000000 bytes"):
            of(packed, compression, max_size=1_000_000)
        with pytest.raises(SourceError, match="unpacks to more than 100 times its size"):
            of(packed, compression, max_ratio=100)
        assert len(of(packed, compression, max_ratio=10**9)) == 80 * 2**20


def test_a_small_empty_disk_is_no_bomb() -> None:
    """Zeros pack better than any ratio."""
    assert len(of(bomb(Compression.ZST, 60), Compression.ZST)) == 60 * 2**20


def test_plain_data_has_no_limit_but_a_declared_one() -> None:
    """It is not larger than its file."""
    assert of(ZEROS, Compression.NONE) == ZEROS
    with pytest.raises(SourceError, match="holds more than the allowed 1000 bytes"):
        of(ZEROS, Compression.NONE, max_size=1000)


def test_a_window_that_takes_too_much_memory_is_refused() -> None:
    """An archive may not say how much memory it gets."""
    wide = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 30})
    with pytest.raises(SourceError, match="zst data needs more than 128 MiB of memory"):
        of(wide.compress(bytes(9)) + wide.flush(), Compression.ZST)
    packed = bytearray(lzma.compress(bytes(9), filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2**20}]))
    assert packed[16] == 16  # a MiB, as the header of a block has it
    packed[16] = 34
    packed[20:24] = zlib.crc32(packed[12:20]).to_bytes(4, "little")
    with pytest.raises(SourceError, match="xz data needs more than 256 MiB of memory"):
        of(bytes(packed), Compression.XZ)


def test_an_error_of_the_blocks_is_not_damage() -> None:
    """A failing disk is not an error of the archive."""

    def blocks() -> Iterator[bytes]:
        yield PACK[Compression.BZ2](b"x" * 1000)
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        list(unpack(blocks(), Transfer(Compression.BZ2)))


@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_max_size_is_the_largest_allowed_size(compression: Compression, more: int) -> None:
    """Exactly that much is allowed, in one block or in many."""
    data = bytes(index % 251 for index in range(1000 + more))
    for step in (1, 7, 2**20):
        packed = PACK[compression](data)
        if more <= 0:
            assert of(packed, compression, step, max_size=1000) == data
        else:
            with pytest.raises(SourceError, match=r"holds more than the allowed 1000 bytes; raise source.max_size"):
                of(packed, compression, step, max_size=1000)


@pytest.mark.parametrize(
    ("transfer", "taken", "given", "is_allowed"),
    [
        (Transfer(Compression.GZ), 1, MIN_JUDGED_BYTES, True),
        (Transfer(Compression.GZ), 1, MIN_JUDGED_BYTES + 1, False),
        (Transfer(Compression.GZ), 10**6, MAX_RATIO * 10**6, True),
        (Transfer(Compression.GZ), 10**6, MAX_RATIO * 10**6 + 1, False),
        (Transfer(Compression.GZ, max_ratio=100), 10**6, 10**8, True),
        (Transfer(Compression.GZ, max_ratio=100), 10**6, 10**8 + 1, False),
        (Transfer(Compression.GZ), 2**40, MAX_UNPACKED_BYTES, True),
        (Transfer(Compression.GZ), 2**40, MAX_UNPACKED_BYTES + 1, False),
        (Transfer(Compression.GZ, max_size=2**37), 2**40, 2**37, True),
        (Transfer(Compression.GZ, max_size=2**37), 2**40, 2**37 + 1, False),
        (Transfer(Compression.NONE), 0, 2**50, True),
        (Transfer(Compression.NONE, max_ratio=2), 0, 2**50, True),
        (Transfer(Compression.NONE, max_size=5), 0, 5, True),
        (Transfer(Compression.NONE, max_size=5), 0, 6, False),
    ],
)
def test_the_limits_of_unpacked_data(transfer: Transfer, taken: int, given: int, is_allowed: bool) -> None:
    """Their defaults are 64 GiB and a ratio of 1000; each is exact, and counts over all blocks."""
    assert (MAX_UNPACKED_BYTES, MAX_RATIO, MIN_JUDGED_BYTES) == (2**36, 1000, 2**26)
    bounds = _Bounds(transfer)
    bounds.taken = taken
    bounds.give(given - 5 if given > 5 else 0)
    if is_allowed:
        bounds.give(min(given, 5))
    else:
        with pytest.raises(SourceError, match=r"allowed|times its size"):
            bounds.give(min(given, 5) if given > 6 else 6)


@pytest.mark.parametrize("sizes", [[0], [1], [PIECE], [PIECE + 1], [5, 0, 2 * PIECE, 3 * PIECE - 1, 1]])
def test_the_size_of_the_packed_data_is_counted_over_all_blocks(sizes: list[int]) -> None:
    """The ratio is that of all that was read so far; a decoder gets the blocks in pieces, whole and in order."""
    data = random.Random(1).randbytes(sum(sizes))
    ends = list(itertools.accumulate(sizes))
    blocks = [data[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    bounds, taken = _Bounds(Transfer(Compression.GZ)), 0
    for piece in _split(blocks, bounds):
        assert 0 < len(piece) <= PIECE
        assert data[taken : taken + len(piece)] == piece
        taken += len(piece)
        assert bounds.taken == taken
    assert taken == len(data)


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.CHUNK == 1_048_576
    assert limits.MAX_UNPACKED_BYTES == 68_719_476_736
    assert limits.MAX_RATIO == 1000
    assert limits.MIN_JUDGED_BYTES == 67_108_864
    assert limits.MAX_ZSTD_WINDOW_LOG == 27
    assert limits.MAX_XZ_BYTES == 268_435_456
