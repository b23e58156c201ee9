"""Responses of services -> their bodies, within limits of size and time; redirects are refused. Does I/O.

keystoneauth follows a redirect with the password or the token, to whatever host the response names. Therefore only a
request without credentials may be redirected, and only to the same host.
"""

import io
import re
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from imagesync.backends.glance.failures import clean
from imagesync.errors import BackendError, Unavailable

if TYPE_CHECKING:
    import requests

MAX_RESPONSE_BYTES: Final = 16 * 2**20
"""Bytes of one response of the image service."""
MAX_LOGIN_BYTES: Final = 8 * 2**20
MAX_LOGIN_SECONDS: Final = 60.0
MAX_ERROR_SECONDS: Final = 10.0
"""Seconds for the body of an error response."""
_REDIRECTS: Final = frozenset({301, 302, 303, 305, 307, 308})
_PIECE: Final = 65536
_TAIL: Final = 65536
"""Bytes at the end of a skipped page: they contain what follows the images."""
_WRONG_ADDRESS: Final = "check auth_url and the image endpoint (of the service catalog, or image_endpoint_override)"


class UnfitAnswer(BackendError):
    """A response that is too large or has invalid text; ``size`` is the number of bytes read.

    If it is a page of a listing, a page with fewer images may fit.
    """

    def __init__(self, message: str, size: int) -> None:
        super().__init__(message, _WRONG_ADDRESS)
        self.size = size


def guard_answer(answer: "requests.Response", *_: object, stream: bool = False, **_given: object) -> None:
    """Refuse redirects, and read a body that the library would read without limits; a response hook of requests.

    requests calls it before it reads the body. BackendError for a response that is refused.
    """
    if not re.fullmatch(r"[0-9]{0,18}", answer.headers.get("Content-Length", "")):
        # the library would wait for the end of the connection
        answer.close()
        raise BackendError(
            f"{_describe_request(answer)}: Content-Length of the response is not a number", _WRONG_ADDRESS
        )
    if answer.status_code in _REDIRECTS and not _can_follow(answer, stream=stream):
        answer.close()
        raise _redirection_error(answer)
    if answer.status_code == HTTPStatus.UNAUTHORIZED and not stream and _is_discovery(answer):
        from keystoneauth1.exceptions import HttpError

        # after Unauthorized the library requests a token while it is requesting one, and waits for itself
        answer.close()
        text = f"{_describe_request(answer)}: the service requires authentication to list its versions"
        raise HttpError(text, http_status=answer.status_code)
    if not stream:
        what = _describe_request(answer)
        # requests then reads the body from here
        answer.raw = io.BytesIO(read_whole(answer, what, largest=MAX_LOGIN_BYTES, seconds=MAX_LOGIN_SECONDS))


def read_whole(answer: "requests.Response", what: str, *, largest: int, seconds: float) -> bytes:
    """The body of the response to the request ``what``.

    UnfitAnswer if it has more than ``largest`` bytes, Unavailable if it is not complete within ``seconds``.
    """
    from requests import ConnectionError as Broken
    from urllib3.exceptions import HTTPError

    content, end = bytearray(), time.monotonic() + seconds
    try:
        while piece := answer.raw.read1(_PIECE, decode_content=True):
            content += piece
            if len(content) > largest:
                answer.close()
                raise UnfitAnswer(f"{what}: the response is larger than {largest // 2**20} MiB", len(content))
            if time.monotonic() > end:
                answer.close()
                raise Unavailable(f"{what}: no complete response within {seconds:.0f} s", "try again later")
    except HTTPError as error:
        raise Broken(error) from error
    return bytes(content)


def read_tail(answer: "requests.Response", what: str, *, largest: int, seconds: float) -> tuple[bytes, int]:
    """The last bytes of a body, and its size in bytes; UnfitAnswer and Unavailable as for ``read_whole``."""
    tail, size, end = b"", 0, time.monotonic() + seconds
    for piece in answer.iter_content(_PIECE):
        tail, size = (tail + piece)[-_TAIL:], size + len(piece)
        if size > largest:
            raise UnfitAnswer(f"{what}: the response is larger than {largest // 2**20} MiB", size)
        if time.monotonic() > end:
            raise Unavailable(f"{what}: no complete response within {seconds:.0f} s", "try again later")
    return tail, size


def read_beginning(answer: "requests.Response", *, largest: int, seconds: float) -> bytes:
    """The first bytes of a body: those that arrive within ``seconds`` and ``MAX_ERROR_SECONDS``, at most ``largest``."""
    from urllib3.exceptions import HTTPError

    content, end = bytearray(), time.monotonic() + min(seconds, MAX_ERROR_SECONDS)
    with suppress(HTTPError, OSError):
        while len(content) < largest and time.monotonic() < end:
            piece = answer.raw.read1(largest - len(content), decode_content=True)
            if not piece:
                break
            content += piece
    return bytes(content)


def _can_follow(answer: "requests.Response", *, stream: bool) -> bool:
    """Whether the request carries no credentials, and the redirect leads to the same host and not from HTTPS to HTTP."""
    if stream or not _is_discovery(answer):
        return False
    try:
        here, there = urlsplit(answer.url), urlsplit(urljoin(answer.url, answer.headers.get("Location", "")))
    except ValueError:
        return False
    return here.hostname == there.hostname and there.scheme in (here.scheme, "https")


def _is_discovery(answer: "requests.Response") -> bool:
    """Whether the request was for the versions of the identity service, which is sent before there is a token."""
    return answer.request.method == "GET" and "X-Auth-Token" not in answer.request.headers


def _redirection_error(answer: "requests.Response") -> BackendError:
    what, status = _describe_request(answer), answer.status_code
    there = clean(answer.headers.get("Location", "")) or "no address"
    text = f"{what}: the service returned a redirect (HTTP {status}) to {there}, which imagesync does not follow"
    return BackendError(text, _WRONG_ADDRESS)


def _describe_request(answer: "requests.Response") -> str:
    return f"{answer.request.method} {clean(answer.url.partition('?')[0])}"
