"""What a request sends to a web server, and which answer it takes."""

import io
from collections.abc import Mapping
from typing import Self

import pytest
import requests

from imagesync.errors import SourceError
from imagesync.sources.access import SourceAccess
from imagesync.sources.session import WebSession


class Redirecting(WebSession):
    """A session whose first request is answered with a redirect, if a target is given; then it answers with ``status``.
    ``logins`` are those of the requests.
    """

    def __init__(self, target: str, status: int = 200) -> None:
        super().__init__(SourceAccess())
        self._target, self._status = target, status
        self.logins: list[tuple[str, str] | None] = []

    def __enter__(self) -> Self:
        return self

    def _send(
        self, method: str, place: str, url: str, headers: Mapping[str, str], login: tuple[str, str] | None
    ) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.raw = self._status, io.BytesIO()
        if self._target and not self.logins:
            answer.status_code = 302
            answer.headers["Location"] = self._target
        self.logins.append(login)
        return answer


@pytest.mark.parametrize(
    ("target", "is_sent"),
    [
        ("http://a.example/y", True),
        ("http://a.example:80/y", True),
        ("/y", True),
        ("https://a.example/y", True),
        ("https://a.example:443/y", True),
        ("http://b.example/y", False),
        ("https://b.example/y", False),
        ("//b.example/y", False),
        ("http://a.example:8080/y", False),
        ("https://a.example:8443/y", False),
    ],
)
def test_a_log_in_follows_a_redirect_to_the_same_server_only(target: str, is_sent: bool) -> None:
    """Or to TLS on the same host, both on their usual ports: to another host never, whatever the scheme."""
    with Redirecting(target) as session:
        session.ask("http://me:secret@a.example/x").close()
    assert session.logins == [("me", "secret"), ("me", "secret") if is_sent else None]


@pytest.mark.parametrize("target", ["http://a.example/y", "https://a.example:80/y"])
def test_a_log_in_does_not_leave_tls(target: str) -> None:
    """The way back to plain HTTP is another server."""
    with Redirecting(target) as session:
        session.ask("https://me:secret@a.example/x").close()
    assert session.logins == [("me", "secret"), None]


@pytest.mark.parametrize(
    ("status", "headers", "is_taken"),
    [
        (200, {}, True),
        (206, {}, False),
        (204, {}, False),
        (200, {"Range": "bytes=5-"}, True),
        (206, {"Range": "bytes=5-"}, True),
    ],
)
def test_a_part_is_taken_only_if_it_was_asked_for(status: int, headers: dict[str, str], is_taken: bool) -> None:
    """Of a whole file, a part would be its beginning or any other piece."""
    with Redirecting("", status) as session:
        if is_taken:
            assert session.ask("https://a.example/x", headers).status_code == status
            return
        with pytest.raises(SourceError, match=f"HTTP {status}"):
            session.ask("https://a.example/x", headers)
