"""Chunks -> the body of an upload, which has the announced size or is aborted."""

import pytest

from imagesync.backends.glance.body import PIECE, Body, BodyAborted
from imagesync.errors import SourceError


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
