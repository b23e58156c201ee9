"""Requests to a service of the cloud -> JSON, or an error of ``imagesync.errors``. Does I/O.

After a connection error, 429 or 5xx, ``Api`` repeats reads, and writes that are safe to repeat (DELETE, POST of a chosen
id, status actions). It repeats a PATCH only if the service certainly did not execute it: no connection, or 429. If the
response to a PATCH is lost, the error is Unavailable and the caller reads the image. Image data is sent once. No redirect
is followed, because a redirect could send the token to another host.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from imagesync.backends.glance.body import Body
from imagesync.backends.glance.failures import PASSING, error_from_answer, is_never_sent, translate_errors
from imagesync.backends.glance.response_limits import (
    MAX_RESPONSE_BYTES,
    UnfitAnswer,
    read_beginning,
    read_tail,
    read_whole,
)
from imagesync.backends.wire import NOT_IMAGE_API
from imagesync.errors import BackendError, Conflict, LeaseLost, Unavailable
from imagesync.model.urls import redact_host
from imagesync.retry import Pace, Patience, parse_retry_after

if TYPE_CHECKING:
    import requests
    from keystoneauth1.session import Session

log = logging.getLogger(__name__)

PATCH_TYPE: Final = "application/openstack-images-v2.1-json-patch"
STRICT_PATCH_TYPE: Final = "application/openstack-images-v2.0-json-patch"
"""The older form, in which ``add`` of an existing property returns 409 and saves nothing."""
MAX_RESPONSE_VALUES: Final = 1_000_000
"""JSON values in one response: two bytes of JSON may take two hundred bytes of memory."""
MAX_ERROR_PAGE_BYTES: Final = 64 * 2**10
CONNECT_TIMEOUT: Final = 10.0
SENDING_TIMEOUT: Final = 300.0
"""Seconds to send one chunk of data. The HTTP library uses the connect timeout also while it sends."""
CHUNK: Final = 2**20

Data: TypeAlias = bytes | Body | Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds for operations that may take longer than one response.

    ``listing``: all pages of a listing. ``storing``: from the last byte of data to the response, because the service's
    store may copy the data first.
    """

    listing: float = 900.0
    storing: float = 3600.0


DEFAULT_TIMEOUTS: Final = Timeouts()


class StrictPatch(list[dict[str, object]]):
    """Operations of a PATCH in the older form, ``STRICT_PATCH_TYPE``."""


def _choose_content_type(method: str, body: object) -> str:
    if method != "PATCH":
        return "application/json"
    return STRICT_PATCH_TYPE if isinstance(body, StrictPatch) else PATCH_TYPE


@dataclass(frozen=True, slots=True)
class Answer:
    """The response of a service. The body of a success is complete; the body of an error may be cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after(self) -> float:
        """Seconds to wait, from the header Retry-After."""
        return parse_retry_after(self.headers.get("Retry-After"))

    @property
    def is_success(self) -> bool:
        """Whether the service executed the request."""
        return _is_success(self.status)


@dataclass(frozen=True, slots=True)
class Silence:
    """There was no response. ``sent`` is False only if the request certainly did not reach the service."""

    error: Unavailable
    sent: bool

    @property
    def retry_after(self) -> float:
        """Seconds to wait, from the header Retry-After of the identity service; 0 without one."""
        return self.error.retry_after


class Api:
    """Requests to one service below ``url``; safe for threads.

    ``check_lease`` is called immediately before each request that is not a GET, and before each repeat of one, because a
    minute may pass between two tries. It raises LeaseLost if the run must no longer write. ``roles`` are the roles of the
    session's user, for messages.
    """

    def __init__(
        self,
        session: "Session",
        url: str,
        name: str,
        *,
        pace: Pace | None = None,
        read_timeout: float = 120.0,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        check_lease: Callable[[], None] = lambda: None,
        roles: tuple[str, ...] = (),
    ) -> None:
        self._roles = roles
        self._session, self._check_lease = session, check_lease
        self._url = url
        self._pace = pace or Pace()
        self._timeout = (CONNECT_TIMEOUT, read_timeout)
        self.timeouts = timeouts
        self._lock = threading.Lock()
        self.name = f"{name} at {redact_host(url)}"

    def get(self, path: str) -> Any:
        """The JSON of the response to a GET."""
        return self.decode(self.request("GET", path), path)

    def send(self, method: str, path: str, body: object = None, *, repeat: bool = True) -> Any:
        """The JSON of the response to a write; None if its body is empty."""
        answer = self.request(method, path, body, repeat=repeat)
        return self.decode(answer, path) if answer.body else None

    def delete(self, path: str) -> None:
        """Send a DELETE. If a repeated one returns 404, an earlier try, whose response was lost, has deleted it."""
        self.request("DELETE", path, settled_by=HTTPStatus.NOT_FOUND)

    def request(
        self, method: str, path: str, body: object = None, *, repeat: bool = True, settled_by: int | None = None
    ) -> Answer:
        """The response of a success; else the error of the last try is raised.

        ``repeat``: the request is safe to repeat. ``settled_by``: if a repeated request returns this status, the service
        executed an earlier try. If the lease is lost between two tries, the error is that of a try that the service may
        have executed; if there is none, it is LeaseLost.
        """
        patience, repeated, renewed = Patience(self._pace), False, False
        error: BackendError | None = None
        while True:
            try:
                met = self._attempt(method, path, body)
            except LeaseLost as lost:
                raise error or lost from lost
            if isinstance(met, Answer) and met.status == HTTPStatus.UNAUTHORIZED and not renewed:
                renewed = True
                continue
            if isinstance(met, Answer) and (met.is_success or (repeated and met.status == settled_by)):
                return met
            may = _is_passing(met) and (repeat or not _is_perhaps_done(met))
            if not may or not patience.can_retry(met.retry_after):
                raise self._make_error(met, method, path)
            why = f"HTTP {met.status}" if isinstance(met, Answer) else "no response" if met.sent else "no connection"
            patience.wait(f"{method} {_strip_query(path)}: {why}")
            if _is_perhaps_done(met):
                repeated, error = True, self._make_error(met, method, path)

    def _attempt(self, method: str, path: str, body: object) -> Answer | Silence:
        kind = {} if body is None else {"Content-Type": _choose_content_type(method, body)}
        data = None if body is None else json.dumps(body).encode()
        try:
            token = self._get_token()
        except Unavailable as error:
            return Silence(error, sent=False)
        if method != "GET":
            self._check_lease()
        try:
            answer = self._exchange(method, path, {**token, **kind}, data, self._timeout)
        except Unavailable as error:
            return Silence(error, sent=not is_never_sent(error))
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._drop(token)
        return answer

    def _get_token(self) -> dict[str, str]:
        with translate_errors("identity service"):
            try:
                return dict(self._session.get_auth_headers() or {})
            except (AttributeError, IndexError, KeyError, TypeError) as error:
                text = "identity service: its response has no valid token"
                raise BackendError(text, "correct auth_url in clouds.yaml or OS_AUTH_URL") from error

    def _drop(self, token: Mapping[str, str]) -> None:
        """Drop a rejected token, unless another thread has renewed it or it has expired in the meantime."""
        with self._lock, suppress(Unavailable):
            if self._get_token() == token:
                self.renew()

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], data: Data | None, timeout: tuple[float, float]
    ) -> Answer:
        """One request and its complete response."""
        with translate_errors(self.name), self._open(method, path, headers, data, timeout) as response:
            log.debug("%s %s: HTTP %d", method, _strip_query(path), response.status_code)
            what = f"{method} {_strip_query(path)}"
            content = (
                read_whole(response, what, largest=MAX_RESPONSE_BYTES, seconds=timeout[1])
                if _is_success(response.status_code)
                else _read_error_page(response, had_body=data is not None, seconds=timeout[1])
            )
            return Answer(response.status_code, response.headers, content)

    def _open(
        self, method: str, path: str, headers: Mapping[str, str], data: Data | None, timeout: tuple[float, float]
    ) -> "requests.Response":
        """Send exactly one request; the body is unread. keystoneauth neither renews the token, redirects nor retries."""
        return self._session.request(
            self._url + path,
            method,
            headers={"Accept": "application/json", **headers},
            data=data,
            timeout=timeout,
            stream=True,
            authenticated=False,
            redirect=False,
            raise_exc=False,
            connect_retries=0,
            status_code_retries=0,
            log=False,
        )

    def _make_error(self, met: Answer | Silence, method: str, path: str) -> BackendError:
        if isinstance(met, Silence):
            return met.error
        body = met.body.decode(errors="replace")
        return error_from_answer(met.status, body, f"{method} {_strip_query(path)}", self._roles)

    def decode(self, answer: Answer, path: str) -> Any:
        """The JSON of a response; UnfitAnswer if it has too many values or invalid text, BackendError if it is not JSON."""
        if sum(map(answer.body.count, (b",", b":", b"[", b"{"))) > MAX_RESPONSE_VALUES:
            text = f"{self.name}: the response to {_strip_query(path)} has more than {MAX_RESPONSE_VALUES} values"
            raise UnfitAnswer(text, len(answer.body))
        try:
            document = json.loads(answer.body)
            if b"\\u" in answer.body:  # a lone surrogate, which cannot be encoded again
                json.dumps(document, ensure_ascii=False).encode()
        except (UnicodeEncodeError, RecursionError) as error:
            text = (
                f"{self.name}: the response to {_strip_query(path)} is JSON that is nested too deep or has invalid text"
            )
            raise UnfitAnswer(text, len(answer.body)) from error
        except ValueError as error:
            text = f"{self.name}: the response to {_strip_query(path)} is not JSON"
            raise BackendError(text, NOT_IMAGE_API) from error
        return document

    def read_tail(self, path: str, largest: int) -> tuple[bytes, int]:
        """The last bytes of the response to a GET, and the size of its body, which is read to its end."""
        with self._open_data(path) as response, translate_errors(self.name):
            return read_tail(response, f"GET {_strip_query(path)}", largest=largest, seconds=self._timeout[1])

    def upload(self, path: str, body: Body, size: int | None, further: Mapping[str, str]) -> None:
        """PUT the data with ``further`` headers, exactly once. BodyAborted if the chunks raise an exception."""
        headers = {**self._pace.retry(self._get_token), **further, "Content-Type": "application/octet-stream"}
        if size is not None:
            headers["x-openstack-image-size"] = str(size)
        # requests treats the length 0 as unknown
        data: Data = b"".join(body) if size == 0 else iter(body) if size is None else body
        self._check_lease()
        answer = self._exchange("PUT", path, headers, data, (SENDING_TIMEOUT, self.timeouts.storing))
        if not answer.is_success:
            raise self._make_error(answer, "PUT", path)
        if not body.is_complete:
            text = f"PUT {_strip_query(path)}: the service responded before it had received all data"
            raise Unavailable(text, "check the status of the image, then run apply again")

    def download(self, path: str) -> Iterator[bytes]:
        """The body of the response to a GET in chunks of about 1 MiB; Unavailable if the connection is lost."""
        with self._open_data(path) as response, translate_errors(self.name):
            yield from response.iter_content(CHUNK)

    def _open_data(self, path: str) -> "requests.Response":
        """The response to a GET of image data, with an unread body."""
        for renewed in (False, True):
            token = self._pace.retry(self._get_token)
            headers = {**token, "Accept": "*/*", "Accept-Encoding": "identity"}
            with translate_errors(self.name):
                response = self._open("GET", path, headers, None, self._timeout)
            if response.status_code == HTTPStatus.OK:
                return response
            with response:
                answer = Answer(
                    response.status_code,
                    response.headers,
                    _read_error_page(response, had_body=False, seconds=self._timeout[1]),
                )
            if answer.status != HTTPStatus.UNAUTHORIZED or renewed:
                break
            self._drop(token)
        if answer.status == HTTPStatus.NO_CONTENT:
            text = f"GET {_strip_query(path)}: the image is queued and has no data"
            raise Conflict(text, "run apply to upload its data")
        raise self._make_error(answer, "GET", path)

    def renew(self) -> None:
        """Drop the token; the next request authenticates again."""
        self._session.invalidate()


def _read_error_page(response: "requests.Response", *, had_body: bool, seconds: float) -> bytes:
    """The body of an error response, as far as it arrives in time; one byte less if the request ``had_body``.

    The service may reject a request without reading its body, and then reads the rest of the body as the next request.
    An unread byte makes the HTTP library close the connection instead of reusing it.
    """
    limit, remaining = MAX_ERROR_PAGE_BYTES, getattr(response.raw, "length_remaining", None)
    if had_body and remaining is not None:
        limit = min(limit, max(0, remaining - 1))
    return read_beginning(response, largest=limit, seconds=seconds)


def _strip_query(path: str) -> str:
    return path.partition("?")[0]


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _is_passing(met: Answer | Silence) -> bool:
    return isinstance(met, Silence) or met.status in PASSING


def _is_perhaps_done(met: Answer | Silence) -> bool:
    """Whether the service may have executed the request although it reported no success."""
    return met.sent if isinstance(met, Silence) else met.status != HTTPStatus.TOO_MANY_REQUESTS
