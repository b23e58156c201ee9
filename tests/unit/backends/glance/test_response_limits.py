"""Responses of services: which redirects are followed, and how much of a body is read, for how long."""

import io
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import requests
from keystoneauth1.exceptions import HttpError
from urllib3 import HTTPResponse
from urllib3.exceptions import ProtocolError

from imagesync.backends.glance.response_limits import (
    MAX_ERROR_SECONDS,
    MAX_LOGIN_BYTES,
    MAX_RESPONSE_BYTES,
    UnfitAnswer,
    guard_answer,
    read_beginning,
    read_tail,
    read_whole,
)
from imagesync.errors import BackendError, Unavailable


def make_redirect(
    url: str, target: str, *, token: str = "", method: str = "GET", status: int = 302
) -> requests.Response:
    """The response to a request, before its body is read."""
    answer = requests.Response()
    answer.status_code, answer.url = status, url
    answer.headers["Location"] = target
    answer.request = requests.Request(method, url, headers={"X-Auth-Token": token} if token else {}).prepare()
    answer.raw = HTTPResponse(io.BytesIO(b"moved"), preload_content=False)
    return answer


@pytest.mark.parametrize(
    ("url", "target", "is_followed"),
    [
        ("https://h/identity", "https://h/identity/v3", True),
        ("https://h/identity", "/identity/v3", True),
        ("http://h/identity", "https://h/identity/v3", True),
        ("http://h/identity", "http://h/identity/v3", True),
        ("https://h/identity", "https://h:5000/v3", True),
        ("https://H/identity", "//h/v3", True),
        ("https://h/identity", "//other/v3", False),
        ("https://h/identity", "https://h.other/v3", False),
        ("https://h/identity", "https://me@other/h", False),
        ("https://h/identity", "http://h/identity/v3", False),
        ("https://h/identity", "ftp://h/identity/v3", False),
        ("https://h/identity", "https://other/identity/v3", False),
        ("https://h/identity", "https://[", False),
    ],
)
def test_only_a_redirect_to_the_same_host_and_not_to_plain_http_is_followed(
    url: str, target: str, is_followed: bool
) -> None:
    """The library sends the password to the address that the identity service returns."""
    answer = make_redirect(url, target)
    if is_followed:
        guard_answer(answer)
        assert answer.raw.read() == b"moved"
        return
    with pytest.raises(BackendError, match="which imagesync does not follow"):
        guard_answer(answer)
    assert answer.raw.closed


@pytest.mark.parametrize("status", [200, 201, 204, 300, 304, 306, 400, 404, 500])
def test_another_status_is_not_a_redirect(status: int) -> None:
    """The library follows only those with a target."""
    answer = make_redirect("https://h/identity", "https://other/v3", token="t", method="POST", status=status)
    guard_answer(answer)
    assert answer.raw.read() == b"moved"


@pytest.mark.parametrize("changed", [{"token": "t"}, {"method": "POST"}])
@pytest.mark.parametrize("status", [301, 302, 303, 305, 307, 308])
def test_a_request_with_credentials_is_never_redirected(changed: dict[str, str], status: int) -> None:
    """It has a token, or a body with a password; it is not redirected even on the same host."""
    answer = make_redirect("https://h/identity", "https://h/identity/v3", status=status, **changed)
    with pytest.raises(BackendError, match="which imagesync does not follow"):
        guard_answer(answer)


class Body:
    """A body of some pieces. Reading one takes ``seconds`` of ``clock``; then comes ``error`` or the end."""

    def __init__(
        self, clock: list[float], pieces: Sequence[bytes], error: Exception | None = None, *, seconds: float = 1
    ) -> None:
        self._clock, self._pieces, self._error, self._seconds = clock, list(pieces), error, seconds
        self.is_closed = False

    def read1(self, size: int, *, decode_content: bool) -> bytes:
        """At most ``size`` bytes."""
        assert decode_content
        self._clock[0] += self._seconds
        if not self._pieces and self._error:
            raise self._error
        piece = self._pieces.pop(0) if self._pieces else b""
        if piece[size:]:
            self._pieces.insert(0, piece[size:])
        return piece[:size]

    def stream(self, _size: int, decode_content: bool) -> Any:
        """All pieces."""
        while piece := self.read1(2**20, decode_content=decode_content):
            yield piece

    def close(self) -> None:
        """Close the connection."""
        self.is_closed = True

    def release_conn(self) -> None:
        """Give the connection back."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which only bodies change."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def answer_with(body: Any, *, status: int = 200, method: str = "GET", token: str = "t", **headers: str) -> Any:
    """A response with an unread body."""
    answer = make_redirect("https://h/v2/images", "", token=token, method=method, status=status)
    del answer.headers["Location"]
    answer.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    answer.raw = body
    return answer


READERS: dict[str, Callable[..., Any]] = {"whole": read_whole, "tail": lambda *a, **k: read_tail(*a, **k)[0]}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("pieces", [[b"x" * 100], [b"x"] * 100, [b"x" * 60, b"x" * 40]])
@pytest.mark.parametrize("limit", [99, 100, 101])
def test_a_body_is_read_up_to_its_limit(clock: list[float], reader: str, pieces: list[bytes], limit: int) -> None:
    """Exactly the limit is allowed; of a larger body not much more is read, and its connection is closed."""
    body = Body(clock, pieces)
    answer = answer_with(body)
    if limit >= 100:
        assert READERS[reader](answer, "GET /x", largest=limit, seconds=1000.0) == b"x" * 100
        return
    with pytest.raises(UnfitAnswer, match=r"^GET /x: the response is larger than 0 MiB; check auth_url") as caught:
        READERS[reader](answer, "GET /x", largest=limit, seconds=1000.0)
    assert caught.value.size == 100
    assert body.is_closed is (reader == "whole")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("seconds", "is_complete"), [(10.0, True), (9.0, False), (1000.0, True)])
def test_a_body_must_be_complete_in_time(clock: list[float], reader: str, seconds: float, is_complete: bool) -> None:
    """However often a piece arrives."""
    answer = answer_with(Body(clock, [b"x"] * 10))
    if is_complete:
        assert READERS[reader](answer, "GET /x", largest=99, seconds=seconds) == b"x" * 10
    else:
        with pytest.raises(Unavailable, match=f"GET /x: no complete response within {seconds:.0f} s; try again later"):
            READERS[reader](answer, "GET /x", largest=99, seconds=seconds)


def test_a_connection_that_is_lost_within_a_body_is_an_error(clock: list[float]) -> None:
    """What arrived is not taken for the whole."""
    with pytest.raises(requests.ConnectionError):
        read_whole(answer_with(Body(clock, [b"x"], ProtocolError("lost"))), "GET /x", largest=99, seconds=9.0)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_the_tail_of_a_body_is_its_last_64_kib(clock: list[float], size: int) -> None:
    """With the size of the whole."""
    data = bytes(index % 251 for index in range(size))
    pieces = [data[start : start + 1000] for start in range(0, size, 1000)]
    assert read_tail(answer_with(Body(clock, pieces)), "x", largest=size, seconds=1000.0) == (data[-65_536:], size)


@pytest.mark.parametrize("limit", [0, 1, 5, 10, 11])
def test_of_an_error_page_only_the_beginning_is_read(clock: list[float], limit: int) -> None:
    """So much of it as arrives before an error, or in ten seconds."""
    pieces = [b"01234", b"56789"]
    whole = b"0123456789"[:limit]
    assert read_beginning(answer_with(Body(clock, pieces)), largest=limit, seconds=60.0) == whole
    for error in (ProtocolError("lost"), OSError("reset")):
        assert read_beginning(answer_with(Body(clock, pieces, error)), largest=limit, seconds=60.0) == whole


@pytest.mark.parametrize(("seconds", "number"), [(60.0, 10), (3.0, 3)])
def test_an_error_page_that_drips_is_left(clock: list[float], seconds: float, number: int) -> None:
    """The shorter of the two limits counts."""
    assert MAX_ERROR_SECONDS == 10.0
    assert read_beginning(answer_with(Body(clock, [b"x"] * 99)), largest=99, seconds=seconds) == b"x" * number


@pytest.mark.parametrize("length", ["", "0", "9" * 18])
def test_a_length_is_a_number(clock: list[float], length: str) -> None:
    """Or it is not given."""
    answer = answer_with(Body(clock, [b"x"]), Content_Length=length)
    guard_answer(answer, stream=True)
    assert not answer.raw.is_closed


@pytest.mark.parametrize("length", ["9" * 19, "-1", "1 ", "0x10", "1, 1", "many"])
def test_a_length_that_is_not_a_number_is_refused(clock: list[float], length: str) -> None:
    """The library would wait for the end of the connection."""
    body = Body(clock, [b"x"])
    with pytest.raises(BackendError, match=r"^GET https://h/v2/images: Content-Length of the response is not a number"):
        guard_answer(answer_with(body, Content_Length=length), stream=True)
    assert body.is_closed


@pytest.mark.parametrize("more", [0, 1])
def test_the_body_of_a_log_in_is_limited(clock: list[float], more: int) -> None:
    """The library reads it by itself; a body that the caller reads stays unread."""
    assert (MAX_LOGIN_BYTES, MAX_RESPONSE_BYTES) == (2**23, 2**24)
    answer = answer_with(Body(clock, [bytes(2**20)] * 8 + [b"x"] * more, seconds=0), method="POST")
    if more:
        with pytest.raises(UnfitAnswer, match="larger than 8 MiB"):
            guard_answer(answer)
    else:
        guard_answer(answer, stream=False)
        assert len(answer.raw.read()) == 2**23
    streamed = answer_with(Body(clock, [b"x"]), method="POST")
    guard_answer(streamed, stream=True)
    assert streamed.raw.read1(9, decode_content=True) == b"x"
    with pytest.raises(Unavailable, match="no complete response within 60 s"):
        guard_answer(answer_with(Body(clock, [b"x"] * 62), method="POST"))


@pytest.mark.parametrize(
    ("method", "token", "stream", "is_refused"),
    [("GET", "", False, True), ("GET", "t", False, False), ("POST", "", False, False), ("GET", "", True, False)],
)
def test_a_service_that_lists_its_versions_only_to_users(
    clock: list[float], method: str, token: str, stream: bool, is_refused: bool
) -> None:
    """The library would request a token while it is requesting one, and wait for itself."""
    body = Body(clock, [b"no"])
    answer = answer_with(body, status=401, method=method, token=token)
    if is_refused:
        with pytest.raises(HttpError, match="requires authentication to list its versions") as caught:
            guard_answer(answer, stream=stream)
        assert caught.value.http_status == 401
        assert body.is_closed
    else:
        guard_answer(answer, stream=stream)


@pytest.mark.parametrize("stream", [True, False])
def test_a_redirect_without_a_target_is_refused(stream: bool) -> None:
    """So is every redirect of a request whose body the caller reads; its target is shown without secrets."""
    answer = make_redirect("https://h/identity", "https://me:S3CRET@h/x?sig=S3CRET")
    if not stream:
        del answer.headers["Location"]
        answer.request.method = "POST"
    message = "to no address" if not stream else "to https://h/x"
    with pytest.raises(BackendError, match=rf"returned a redirect \(HTTP 302\) {message}, which imagesync") as caught:
        guard_answer(answer, stream=stream)
    assert "S3CRET" not in str(caught.value)
    where = "POST" if not stream else "GET"
    assert str(caught.value) == (
        f"{where} https://h/identity: the service returned a redirect (HTTP 302) {message}, which imagesync does not "
        "follow; check auth_url and the image endpoint (of the service catalog, or image_endpoint_override)"
    )


def test_a_refused_request_is_named_without_its_query(clock: list[float]) -> None:
    """Its address may have a password or a token."""
    body = Body(clock, [b"x"])
    answer = answer_with(body, Content_Length="many", method="PUT")
    answer.url = "https://me:S3CRET@h/v2/images?token=S3CRET"
    with pytest.raises(BackendError) as caught:
        guard_answer(answer)
    assert str(caught.value) == (
        "PUT https://h/v2/images: Content-Length of the response is not a number; check auth_url and the image endpoint "
        "(of the service catalog, or image_endpoint_override)"
    )


@pytest.mark.parametrize("reader", [read_whole, read_tail])
def test_the_limit_of_a_body_is_shown_in_mib(clock: list[float], reader: Callable[..., Any]) -> None:
    """So is the limit of the time in seconds."""
    with pytest.raises(UnfitAnswer) as caught:
        reader(answer_with(Body(clock, [bytes(2**21)] * 2)), "GET /x", largest=3 * 2**20, seconds=999.0)
    assert str(caught.value) == (
        "GET /x: the response is larger than 3 MiB; check auth_url and the image endpoint (of the service catalog, or "
        "image_endpoint_override)"
    )
    body = Body(clock, [b"x"] * 9)
    with pytest.raises(Unavailable, match=r"^GET /x: no complete response within 2 s; try again later$"):
        reader(answer_with(body), "GET /x", largest=99, seconds=2.4)
    assert body.is_closed is (reader is read_whole)


def test_a_lost_connection_at_the_end_of_a_body_has_its_cause(clock: list[float]) -> None:
    """The message of the error is that of the library."""
    error = ProtocolError("lost")
    with pytest.raises(requests.ConnectionError, match="lost") as caught:
        read_whole(answer_with(Body(clock, [b"x"], error)), "GET /x", largest=99, seconds=9.0)
    assert caught.value.__cause__ is error
    with pytest.raises(LookupError):
        read_beginning(answer_with(Body(clock, [b"x"], LookupError("x"))), largest=99, seconds=9.0)
