"""Chunks -> the body of an upload, which has the announced size or is aborted."""

from collections.abc import Iterator

import pytest

from imagesync.backends.glance.body import PIECE, Body, BodyAborted
from imagesync.errors import SourceError


@pytest.mark.parametrize(
    ("chunks", "size", "text"),
    [
        ([b"ab"], 3, "the source ended after 2 of 3 bytes"),
        ([], 3, "the source ended after 0 of 3 bytes"),
        ([b"abcd"], 3, "the source sent more than the announced 3 bytes"),
        ([b"ab", b"cd"], 3, "the source sent more than the announced 3 bytes"),
        ([b"a"], 0, "the source sent more than the announced 0 bytes"),
    ],
)
def test_the_error_of_a_body_of_another_size(chunks: list[bytes], size: int, text: str) -> None:
    """It is the source's, with both sizes."""
    body = Body(chunks, size)
    with pytest.raises(BodyAborted) as caught:
        list(body)
    assert str(body.error) == f"{text}; run apply again; if it fails again, correct the source"
    assert caught.value.__cause__ is body.error
    assert isinstance(body.error, SourceError)


@pytest.mark.parametrize("size", [None, 2, 9])
def test_an_error_of_the_chunks_aborts_the_body_and_is_kept(size: int | None) -> None:
    """An OSError, too: the HTTP libraries would ignore it, and wait for the response to an incomplete body."""
    error = OSError("the disk is gone")

    def chunks() -> Iterator[bytes]:
        yield b"ab"
        raise error

    body = Body(chunks(), size)
    with pytest.raises(BodyAborted) as caught:
        list(body)
    assert (body.error, caught.value.__cause__, body.is_complete, body.sent) == (error, error, False, 2)
    assert not isinstance(caught.value, OSError)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_the_end_of_the_process_is_no_error_of_the_chunks(error: BaseException) -> None:
    """It passes unchanged."""

    def chunks() -> Iterator[bytes]:
        yield b"ab"
        raise error

    body = Body(chunks(), 2)
    with pytest.raises(type(error)):
        list(body)
    assert (body.error, body.is_complete) == (None, False)


def test_a_body_is_complete_only_when_its_last_byte_was_taken() -> None:
    """Its length is the announced one, also before it is read; of an unknown size it is 0."""
    body = Body(iter([b"abc", b"", b"de"]), 5)
    taken = iter(body)
    assert (len(body), body.sent, body.is_complete, body.error) == (5, 0, False, None)
    assert next(taken) == b"abc"
    assert not body.is_complete
    assert list(taken) == [b"de"]
    assert (len(body), body.sent, body.is_complete, body.error) == (5, 5, True, None)
    empty, unknown = Body([], 0), Body([b"ab", b"", b"cd"], None)
    assert (list(empty), len(empty), empty.is_complete) == ([], 0, True)
    assert (list(unknown), len(unknown), unknown.sent, unknown.is_complete) == ([b"ab", b"cd"], 0, 4, True)


def test_each_chunk_is_split_at_a_quarter_of_a_mebibyte() -> None:
    """Only if the size is unknown, because then each piece is a chunk of the request; no byte is lost."""
    data = bytes(range(256)) * 4096
    assert PIECE == 2**18
    assert list(Body([data, b"x", data[:PIECE]], None)) == [
        *(data[start : start + PIECE] for start in range(0, 2**20, PIECE)),
        b"x",
        data[:PIECE],
    ]
    assert list(Body([data], 2**20)) == [data]


@pytest.mark.parametrize("chunks", [[b"ab"], [b"ab", b"c", b"d"], []])
def test_a_body_of_another_size_than_announced_is_aborted(chunks: list[bytes]) -> None:
    """With too few bytes the service would wait without end; it would read too many as the next request."""
    body = Body(chunks, 3)
    with pytest.raises(BodyAborted):
        list(body)
    assert isinstance(body.error, SourceError)
    assert body.sent <= 3
    assert not body.is_complete


def test_a_body_of_unknown_size_is_sent_in_chunks_that_servers_accept() -> None:
    """uWSGI rejects a chunk of 1 MiB."""
    body = Body([b"x" * (PIECE + 1)], None)
    assert [len(piece) for piece in body] == [PIECE, 1]
    assert (body.sent, body.is_complete) == (PIECE + 1, True)


@pytest.mark.parametrize("chunks", [[b"abcde", b"f"], [b"abc", b"de", b"f"]])
def test_the_last_chunk_is_sent_only_when_the_source_has_ended(chunks: list[bytes]) -> None:
    """Otherwise the service accepts the announced bytes before imagesync notices that the source sends more."""
    body, given = Body(chunks, 5), list[bytes]()
    with pytest.raises(BodyAborted):
        given.extend(body)
    assert len(b"".join(given)) < 5
    assert isinstance(body.error, SourceError)
    assert b"".join(Body([b"abc", b"", b"de"], 5)) == b"abcde"
