"""A web session whose responses are prepared: no network, no time. What was sent is remembered."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

from imagesync.errors import SourceError
from imagesync.sources.access import NO_DEADLINE, Deadline, PassingError, SourceAccess
from imagesync.sources.session import WebSession

PASSING = PassingError("no connection", "")
LASTING = SourceError("no such host", "")


class ScriptedBody:
    """The pieces of a response, then ``error`` if there is one."""

    def __init__(self, pieces: Sequence[bytes], error: Exception | None) -> None:
        self._pieces, self._error = list(pieces), error
        self.is_closed = self.is_shut = False

    def stream(self, _size: int, *, decode_content: bool) -> Iterator[bytes]:
        """All pieces, as published."""
        assert not decode_content
        while piece := self.read1(_size, decode_content=True):
            yield piece

    def read1(self, size: int, *, decode_content: bool) -> bytes:
        """At most ``size`` bytes of the next piece, unpacked."""
        assert decode_content
        if self._pieces:
            piece = self._pieces.pop(0)
            if piece[size:]:
                self._pieces.insert(0, piece[size:])
            return piece[:size]
        if self._error:
            raise self._error
        return b""

    def shutdown(self) -> None:
        """The connection is cut."""
        self.is_shut = True

    def close(self) -> None:
        """The connection is closed."""
        self.is_closed = True


@dataclass
class Reply:
    """One response. ``pieces`` are its body; ``error`` ends the body."""

    pieces: Sequence[bytes] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.body = ScriptedBody(self.pieces, self.error)


class ScriptedSession(WebSession):
    """Answers the requests in turn with replies or errors. ``requests``: the path of each, and the start of its range."""

    def __init__(self, *replies: Reply | SourceError, deadline: Deadline = NO_DEADLINE) -> None:
        super().__init__(SourceAccess(), deadline)
        self.replies = list(replies)
        self.requests: list[str] = []
        self.conditions: list[str | None] = []
        """``If-Range`` of each request."""

    def _send(self, method: str, place: str, url: str, headers: Mapping[str, str], login: Any) -> requests.Response:
        part = headers.get("Range", "").removeprefix("bytes=")
        self.requests.append(f"/{url.rpartition('/')[2]}{' ' * bool(part)}{part}")
        self.conditions.append(headers.get("If-Range"))
        reply = self.replies.pop(0)
        if isinstance(reply, SourceError):
            raise reply
        answer = requests.Response()
        answer.status_code, answer.raw = reply.status, reply.body
        answer.headers.update(reply.headers)
        return answer
