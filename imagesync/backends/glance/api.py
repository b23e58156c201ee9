"""Requests to a service of the cloud -> JSON, or an error of ours: retries, bounds, the service's own words. Does I/O.

Reads are repeated on connection errors, 429 and 5xx, and so are the writes that bear it (DELETE, POST of a chosen id,
status actions). A PATCH whose answer is lost is Unavailable: the caller reads back. It is repeated only where it
certainly was not carried out: no connection came about, or 429. Data is sent once. No redirect is followed (one to
another host would carry the token there).
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
from imagesync.backends.glance.retry import Pace, Patience, parse_retry_after
from imagesync.errors import BackendError, Conflict, LeaseLost, Unavailable
from imagesync.model.urls import public_host

if TYPE_CHECKING:
    import requests
    from keystoneauth1.session import Session

log = logging.getLogger(__name__)

PATCH_TYPE: Final = "application/openstack-images-v2.1-json-patch"
STRICT_PATCH_TYPE: Final = "application/openstack-images-v2.0-json-patch"
"""The older form, in which ``add`` of a property that is there is 409 and saves nothing."""
MAX_RESPONSE_VALUES: Final = 1_000_000
"""Of JSON in one answer: two bytes of it may take two hundred in memory."""
MAX_ERROR_PAGE_BYTES: Final = 64 * 2**10
CONNECT_TIMEOUT: Final = 10.0
SENDING_TIMEOUT: Final = 300.0
"""Seconds that one chunk of data may wait to be taken: the HTTP library applies the connect timeout while it sends."""
CHUNK: Final = 2**20

Data: TypeAlias = bytes | Body | Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for what may take longer than one answer.

    ``listing``: all pages of a listing. ``storing``: from the last byte of data to the answer, because the service's
    store may copy the data first.
    """

    listing: float = 900.0
    storing: float = 3600.0


DEFAULT_TIMEOUTS: Final = Timeouts()


class StrictPatch(list[dict[str, object]]):
    """Operations of a PATCH in the older form."""


def _content_type(method: str, body: object) -> str:
    if method != "PATCH":
        return "application/json"
    return STRICT_PATCH_TYPE if isinstance(body, StrictPatch) else PATCH_TYPE


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered; the body is whole, that of a refusal may be cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after(self) -> float:
        """Seconds that the service asks to be left alone for."""
        return parse_retry_after(self.headers.get("Retry-After"))

    @property
    def well(self) -> bool:
        """Whether the request was carried out."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer came; ``sent`` unless the request certainly did not reach the service."""

    error: Unavailable
    sent: bool

    @property
    def retry_after(self) -> float:
        """Seconds that the identity service asks to be left alone for, where it was that one."""
        return self.error.retry_after


class Api:
    """Requests to one service below ``url``; safe for threads.

    ``check_lease`` is called right before each request that is no GET, a repeated one, too: between two tries a minute may
    pass. It raises LeaseLost if nothing may be written any more. ``roles``: of the session's user, for messages.
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
        self.name = f"{name} at {public_host(url)}"

    def get(self, path: str) -> Any:
        """The JSON of a GET."""
        return self.decode(self.request("GET", path), path)

    def send(self, method: str, path: str, body: object = None, *, repeat: bool = True) -> Any:
        """The JSON of a write; None where the answer has none."""
        answer = self.request(method, path, body, repeat=repeat)
        return self.decode(answer, path) if answer.body else None

    def delete(self, path: str) -> None:
        """DELETE; 404 to a repeated one means that the first, whose answer was lost, did it."""
        self.request("DELETE", path, settled_by=HTTPStatus.NOT_FOUND)

    def request(
        self, method: str, path: str, body: object = None, *, repeat: bool = True, settled_by: int | None = None
    ) -> Answer:
        """A success, or the error of the last try.

        ``repeat``: doing it twice does no harm. ``settled_by``: a status that, answered to a repeated request, tells
        that an earlier try was carried out. Where the lease was lost between two tries, the error is that of a try that
        may have been carried out, else LeaseLost.
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
            if isinstance(met, Answer) and (met.well or (repeated and met.status == settled_by)):
                return met
            may = _is_passing(met) and (repeat or not _is_perhaps_done(met))
            if not may or not patience.can_retry(met.retry_after):
                raise self._make_error(met, method, path)
            why = f"HTTP {met.status}" if isinstance(met, Answer) else "no answer" if met.sent else "no connection"
            patience.wait(f"{method} {_strip_query(path)}: {why}")
            if _is_perhaps_done(met):
                repeated, error = True, self._make_error(met, method, path)

    def _attempt(self, method: str, path: str, body: object) -> Answer | Silence:
        kind = {} if body is None else {"Content-Type": _content_type(method, body)}
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
                raise BackendError("identity service: its answer is no token", "correct auth_url") from error

    def _drop(self, token: Mapping[str, str]) -> None:
        """Forget a refused token, unless another thread has renewed it, or it ended by itself, meanwhile."""
        with self._lock, suppress(Unavailable):
            if self._get_token() == token:
                self.renew()

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], data: Data | None, timeout: tuple[float, float]
    ) -> Answer:
        """One request and its whole answer."""
        with translate_errors(self.name), self._open(method, path, headers, data, timeout) as response:
            log.debug("%s %s: HTTP %d", method, _strip_query(path), response.status_code)
            well = 200 <= response.status_code < 300
            what = f"{method} {_strip_query(path)}"
            content = (
                read_whole(response, what, largest=MAX_RESPONSE_BYTES, seconds=timeout[1])
                if well
                else _read_error_page(response, spoilt=data is not None, seconds=timeout[1])
            )
            return Answer(response.status_code, response.headers, content)

    def _open(
        self, method: str, path: str, headers: Mapping[str, str], data: Data | None, timeout: tuple[float, float]
    ) -> "requests.Response":
        """Exactly one request: no renewal of the token, redirect or retry below; the body of the answer is unread."""
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
        """The JSON of an answer; UnfitAnswer if it has too many values, or text that is none."""
        if sum(map(answer.body.count, (b",", b":", b"[", b"{"))) > MAX_RESPONSE_VALUES:
            text = f"{self.name}: the answer to {_strip_query(path)} has more than {MAX_RESPONSE_VALUES} values"
            raise UnfitAnswer(text, len(answer.body))
        try:
            document = json.loads(answer.body)
            if b"\\u" in answer.body:  # half a character, which nothing could write or send
                json.dumps(document, ensure_ascii=False).encode()
        except (UnicodeEncodeError, RecursionError) as error:
            text = f"{self.name}: the answer to {_strip_query(path)} is not JSON that can be read"
            raise UnfitAnswer(text, len(answer.body)) from error
        except ValueError as error:
            hint = "is this an Image API v2? correct the endpoint in the cloud's catalog or image_endpoint_override"
            raise BackendError(f"{self.name}: the answer to {_strip_query(path)} is not JSON", hint) from error
        return document

    def read_tail(self, path: str, largest: int) -> tuple[bytes, int]:
        """The last bytes of the answer to a GET, and how many there are in all; the others are read and dropped."""
        with self._open_data(path) as response, translate_errors(self.name):
            return read_tail(response, f"GET {_strip_query(path)}", largest=largest, seconds=self._timeout[1])

    def upload(self, path: str, body: Body, size: int | None, further: Mapping[str, str]) -> None:
        """PUT of data with ``further`` headers, exactly once; a failure of the chunks is BrokenOff."""
        headers = {**self._pace.retry(self._get_token), **further, "Content-Type": "application/octet-stream"}
        if size is not None:
            headers["x-openstack-image-size"] = str(size)
        # requests takes a length of 0 for an unknown one
        data: Data = b"".join(body) if size == 0 else iter(body) if size is None else body
        self._check_lease()
        answer = self._exchange("PUT", path, headers, data, (SENDING_TIMEOUT, self.timeouts.storing))
        if not answer.well:
            raise self._make_error(answer, "PUT", path)
        if not body.complete:
            raise Unavailable(
                f"PUT {_strip_query(path)}: answered before all data was sent", "look at the image, try again"
            )

    def download(self, path: str) -> Iterator[bytes]:
        """The body of a GET in chunks of about a MiB; a break in the middle is Unavailable."""
        with self._open_data(path) as response, translate_errors(self.name):
            yield from response.iter_content(CHUNK)

    def _open_data(self, path: str) -> "requests.Response":
        """The answer to a GET of data, body unread."""
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
                    _read_error_page(response, spoilt=False, seconds=self._timeout[1]),
                )
            if answer.status != HTTPStatus.UNAUTHORIZED or renewed:
                break
            self._drop(token)
        if answer.status == HTTPStatus.NO_CONTENT:
            raise Conflict(f"GET {_strip_query(path)}: the image has no data", "it is queued: upload first")
        raise self._make_error(answer, "GET", path)

    def renew(self) -> None:
        """Forget the token: the next request authenticates anew."""
        self._session.invalidate()


def _read_error_page(response: "requests.Response", *, spoilt: bool, seconds: float) -> bytes:
    """What an error page says, as far as it can be had; of a ``spoilt`` connection one byte less.

    A connection whose answer is not read to its end is closed, not pooled. That is wanted where the request had a body:
    the service may have refused without reading it, and would take the rest of it for the next request.
    """
    limit, remaining = MAX_ERROR_PAGE_BYTES, getattr(response.raw, "length_remaining", None)
    if spoilt and remaining is not None:
        limit = min(limit, max(0, remaining - 1))
    return read_beginning(response, largest=limit, seconds=seconds)


def _strip_query(path: str) -> str:
    """A path without its query."""
    return path.partition("?")[0]


def _is_passing(met: Answer | Silence) -> bool:
    return isinstance(met, Silence) or met.status in PASSING


def _is_perhaps_done(met: Answer | Silence) -> bool:
    """Whether the service may have carried the request out although no success was answered."""
    return met.sent if isinstance(met, Silence) else met.status != HTTPStatus.TOO_MANY_REQUESTS
