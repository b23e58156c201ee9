"""What a service may do to us with an answer: its size, its time and where it sends us are bounded. Does I/O.

No redirect leads credentials anywhere: keystoneauth would send the password (or the token) again to whatever host an
answer names. Only a question without a body may be led on, and only on the same host.
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
"""Of one answer of the image service."""
MAX_LOGIN_BYTES: Final = 8 * 2**20
LOGIN_SECONDS: Final = 60.0
REFUSAL_SECONDS: Final = 10.0
_REDIRECTS: Final = frozenset({301, 302, 303, 305, 307, 308})
_PIECE: Final = 65536
_TAIL: Final = 65536
"""Bytes at the end of an answer that is skipped: what follows the images of a page."""


class UnfitAnswer(BackendError):
    """An answer that is too large, or whose text is none. ``size``: bytes that were read of it.

    Of a page of a listing, a smaller one may fit.
    """

    def __init__(self, message: str, size: int) -> None:
        super().__init__(message, "is this an Image API v2?")
        self.size = size


def guard_answer(answer: "requests.Response", *_: object, stream: bool = False, **_given: object) -> None:
    """A hook of requests, called before a body is read: refuses redirects, and reads what would be read unbounded."""
    if not re.fullmatch(r"[0-9]{0,18}", answer.headers.get("Content-Length", "")):
        # the library would wait for the end of the connection
        answer.close()
        raise BackendError(
            f"{_describe_request(answer)}: the answer's Content-Length is no number", "is this an Image API v2?"
        )
    if answer.status_code in _REDIRECTS and not _can_follow(answer, stream=stream):
        answer.close()
        raise _redirection_error(answer)
    if answer.status_code == HTTPStatus.UNAUTHORIZED and not stream and _is_first_question(answer):
        from keystoneauth1.exceptions import HttpError

        # for Unauthorized, the library would ask again with a token: while it gets one, which waits for this answer
        answer.close()
        raise HttpError(
            f"{_describe_request(answer)}: who is not logged in is not told how to", http_status=answer.status_code
        )
    if not stream:
        what = _describe_request(answer)
        # requests goes on reading here
        answer.raw = io.BytesIO(read_whole(answer, what, largest=MAX_LOGIN_BYTES, seconds=LOGIN_SECONDS))


def read_whole(answer: "requests.Response", what: str, *, largest: int, seconds: float) -> bytes:
    """The body of an answer to ``what``; UnfitAnswer when it is too large, Unavailable when it takes too long."""
    from requests import ConnectionError as Broken
    from urllib3.exceptions import HTTPError

    content, end = bytearray(), time.monotonic() + seconds
    try:
        while piece := answer.raw.read1(_PIECE, decode_content=True):
            content += piece
            if len(content) > largest:
                answer.close()
                raise UnfitAnswer(f"{what}: the answer is larger than {largest // 2**20} MiB", len(content))
            if time.monotonic() > end:
                answer.close()
                raise Unavailable(f"{what}: the answer takes longer than {seconds:.0f} s", "try again later")
    except HTTPError as error:
        raise Broken(error) from error
    return bytes(content)


def read_tail(answer: "requests.Response", what: str, *, largest: int, seconds: float) -> tuple[bytes, int]:
    """The last bytes of an answer, and how many it has; UnfitAnswer and Unavailable as for ``read_whole``."""
    tail, size, end = b"", 0, time.monotonic() + seconds
    for piece in answer.iter_content(_PIECE):
        tail, size = (tail + piece)[-_TAIL:], size + len(piece)
        if size > largest:
            raise UnfitAnswer(f"{what}: the answer is larger than {largest // 2**20} MiB", size)
        if time.monotonic() > end:
            raise Unavailable(f"{what}: the answer takes longer than {seconds:.0f} s", "try again later")
    return tail, size


def read_beginning(answer: "requests.Response", *, largest: int, seconds: float) -> bytes:
    """As much of an error page as can be had in ``seconds``, in ten at most."""
    from urllib3.exceptions import HTTPError

    content, end = bytearray(), time.monotonic() + min(seconds, REFUSAL_SECONDS)
    with suppress(HTTPError, OSError):
        while len(content) < largest and time.monotonic() < end:
            piece = answer.raw.read1(largest - len(content), decode_content=True)
            if not piece:
                break
            content += piece
    return bytes(content)


def _can_follow(answer: "requests.Response", *, stream: bool) -> bool:
    """A GET of the identity service's versions, which carries nothing, to the same host and no worse protected."""
    if stream or not _is_first_question(answer):
        return False
    try:
        here, there = urlsplit(answer.url), urlsplit(urljoin(answer.url, answer.headers.get("Location", "")))
    except ValueError:
        return False
    return here.hostname == there.hostname and there.scheme in (here.scheme, "https")


def _is_first_question(answer: "requests.Response") -> bool:
    """Whether it is for the identity service's versions, which is asked before there is a token."""
    return answer.request.method == "GET" and "X-Auth-Token" not in answer.request.headers


def _redirection_error(answer: "requests.Response") -> BackendError:
    what, status = _describe_request(answer), answer.status_code
    there = clean(answer.headers.get("Location", "")) or "nowhere"
    return BackendError(
        f"{what}: the service redirects (HTTP {status}) to {there}, which is not followed",
        "correct auth_url or the image endpoint (in the cloud's catalog, or image_endpoint_override)",
    )


def _describe_request(answer: "requests.Response") -> str:
    return f"{answer.request.method} {clean(answer.url.partition('?')[0])}"
