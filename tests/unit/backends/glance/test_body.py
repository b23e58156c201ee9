"""The body of an upload: as long as announced, or broken off."""

import pytest

from imagesync.backends.glance.body import PIECE, Body, BrokenOff
from imagesync.errors import SourceError


@pytest.mark.parametrize("chunks", [[b"ab"], [b"ab", b"c", b"d"], []])
def test_a_body_of_another_length_than_announced_breaks_off(chunks: list[bytes]) -> None:
    """Too few bytes would make the service wait for ever, too many would be taken for the next request."""
    body = Body(chunks, 3)
    with pytest.raises(BrokenOff):
        list(body)
    assert isinstance(body.error, SourceError)
    assert body.sent <= 3
    assert not body.complete


def test_a_body_of_unknown_length_is_sent_in_pieces_that_servers_take() -> None:
    """uWSGI refuses a chunk of 1 MiB."""
    body = Body([b"x" * (PIECE + 1)], None)
    assert [len(piece) for piece in body] == [PIECE, 1]
    assert (body.sent, body.complete) == (PIECE + 1, True)


@pytest.mark.parametrize("chunks", [[b"abcde", b"f"], [b"abc", b"de", b"f"]])
def test_the_chunk_that_completes_a_body_waits_for_the_end(chunks: list[bytes]) -> None:
    """Else the service would have the whole of what it was announced, and take it, before more of it is noticed."""
    body, given = Body(chunks, 5), list[bytes]()
    with pytest.raises(BrokenOff):
        given.extend(body)
    assert len(b"".join(given)) < 5
    assert isinstance(body.error, SourceError)
    assert b"".join(Body([b"abc", b"", b"de"], 5)) == b"abcde"
