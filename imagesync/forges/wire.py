"""Requests to the REST API of a forge -> JSON, pages and files, within limits of size and time. Network.

The token is sent only to the address of the API: no redirect is followed with it, and no login of ``.netrc`` replaces it.
It is in no message, because messages have the method, the address without its query, and the text of the forge.
"""

import json
import logging
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

from imagesync.errors import ForgeError
from imagesync.forges.environment import Runner
from imagesync.forges.fields import find, find_list, find_text
from imagesync.retry import Pace, Patience, parse_retry_after
from imagesync.secrets import hide_secrets
from imagesync.text import ELLIPSIS, join_lines
from imagesync.version import __version__

if TYPE_CHECKING:
    import requests

T = TypeVar("T")

log = logging.getLogger(__name__)

MAX_RESPONSE_BYTES: Final = 128 * 2**20
"""Of one response. A page of the longest comments that a forge takes is smaller: no user can stop a run with comments."""
MAX_DOWNLOAD_SECONDS: Final = 300.0
MAX_ENTRIES: Final = 10_000
"""Of one list, such as the comments of a pull request."""
MAX_EMPTY_PAGES: Final = 20
"""Of one list, in a row: a list whose empty pages always name a next one has no end."""
MAX_ERROR_BYTES: Final = 64 * 2**10
MAX_MESSAGE_CHARS: Final = 300
"""Of the text of a forge in a message."""
MAX_REDIRECTS: Final = 3
SECONDARY_SECONDS: Final = 60.0
"""GitHub asks clients to wait a minute after its secondary rate limit, if it names no other time."""
_PIECE: Final = 2**16
_TARGET: Final = "X-Imagesync-Location"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_REFUSED: Final = frozenset({403, 429})
"""Status codes of a rate limit."""
_PASSING: Final = frozenset({429, 500, 502, 503, 504})
_REPEATABLE: Final = frozenset({"GET", "PUT", "PATCH"})
"""Methods whose repetition changes nothing more. A repeated POST could write a second comment."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a response: its bytes, and the seconds for a connection, for its head or a further piece, and for its whole body."""

    max_bytes: int = MAX_RESPONSE_BYTES
    connect: float = 10.0
    read: float = 30.0
    body: float = 60.0


class _PassingError(Exception):
    """A failure that may be over soon. ``is_done``: whether the forge may have done what was requested."""

    def __init__(self, problem: ForgeError, retry_after: float = 0.0, *, is_done: bool = True) -> None:
        super().__init__(problem.message)
        self.problem, self.retry_after, self.is_done = problem, retry_after, is_done


class Client:
    """Requests to one API with one token; for one thread. Each failure is a ForgeError.

    ``headers``: those with the token of the job. ``need``, in each method: which permission the request needs, as a hint.
    """

    def __init__(
        self,
        name: str,
        runner: Runner,
        headers: Mapping[str, str],
        pace: Pace | None = None,
        limits: Limits = Limits(),
    ) -> None:
        self._name, self._runner, self._headers = name, runner, dict(headers)
        self._base, self._pace, self._limits = runner.api, pace or Pace(), limits
        self._session = _make_session()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, path: str, need: str, query: Mapping[str, str] | None = None) -> Any:
        """The JSON of a response."""
        return self._request("GET", path, need, query=query)[0]

    def send(self, method: str, path: str, need: str, body: Mapping[str, object]) -> Any:
        """Send JSON; the JSON of the response."""
        return self._request(method, path, need, body=body)[0]

    def list(
        self, path: str, need: str, query: Mapping[str, str] | None = None, *, name: str = "", size: int = 100
    ) -> Iterator[Any]:
        """The entries of all pages of ``size`` entries; those of the list ``name``, if a page is an object."""
        count, page, empty = 0, 1, 0
        while True:
            given = {**(query or {}), "per_page": str(size), "page": str(page)}
            found, answer = self._request("GET", path, need, query=given)
            entries = find(found, name) if name else found
            if not isinstance(entries, list):  # as an empty list, it would hide a comment that exists
                raise ForgeError(f"{self._describe('GET', path)}: the response is not a list", _WRONG_ADDRESS)
            yield from entries
            count, page, empty = count + len(entries), page + 1, 0 if entries else empty + 1
            if "next" not in answer.links:
                return
            where = self._describe("GET", path)
            if empty >= MAX_EMPTY_PAGES:
                raise ForgeError(f"{where}: the list has {MAX_EMPTY_PAGES} empty pages and no end", _WRONG_ADDRESS)
            if count >= MAX_ENTRIES:
                raise ForgeError(f"{where}: the list has more than {MAX_ENTRIES:,} entries", "remove some of them")

    def download(self, path: str, need: str, *, max_bytes: int) -> bytes:
        """A file. The forge may redirect to another host, which does not get the token."""
        where = self._describe("GET", path)
        return self._repeat("GET", lambda: self._download(path, need, where, max_bytes))

    def _download(self, path: str, need: str, where: str, max_bytes: int) -> bytes:
        answer = self._ask("GET", path, where)
        for _ in range(MAX_REDIRECTS):
            if answer.status_code not in _REDIRECTS:
                break
            answer.close()  # without reading its body
            answer = self._ask_elsewhere(_find_target(answer, where), where)
        with answer:
            self._check(answer, where, need)
            return _read_body(answer, where, max_bytes, MAX_DOWNLOAD_SECONDS)

    def _request(
        self,
        method: str,
        path: str,
        need: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> tuple[Any, "requests.Response"]:
        where = self._describe(method, path)

        def ask() -> "tuple[Any, requests.Response]":
            with self._ask(method, path, where, query=query, body=body) as answer:
                self._check(answer, where, need)
                return _read_json(answer, where, self._limits), answer

        return self._repeat(method, ask)

    def _repeat(self, method: str, ask: Callable[[], T]) -> T:
        """The result of ``ask``, which is repeated while that is safe and the failure may be over soon."""
        patience = Patience(self._pace)
        while True:
            try:
                return ask()
            except _PassingError as error:
                is_safe = method in _REPEATABLE or not error.is_done
                if not is_safe:
                    hint = "run the command again: it finds what the forge may have written"
                    raise ForgeError(error.problem.message, hint, status=error.problem.status) from error
                if not patience.can_retry(error.retry_after):
                    raise error.problem from error
                why = error.problem.message
            patience.wait(why)

    def _describe(self, method: str, path: str) -> str:
        return f"{self._name}: {method} {self._base}{path}"

    def _ask(
        self,
        method: str,
        path: str,
        where: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> "requests.Response":
        """The response of the API, with its body unread."""
        headers = {**self._headers, "Accept-Encoding": "identity"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        verify = self._runner.ca_file or True
        url = self._base + path
        return self._send(method, url, where, headers=headers, params=query, data=data, verify=verify)

    def check_place(self, url: str, where: str) -> None:
        """ForgeError for the address of a file that is not https, unless the API itself has plain HTTP."""
        scheme = urlsplit(url).scheme
        if scheme != "https" and scheme != urlsplit(self._base).scheme:
            raise ForgeError(f"{where}: redirects to an address that is not https", _WRONG_ADDRESS)

    def _ask_elsewhere(self, url: str, where: str) -> "requests.Response":
        """The response of a server that files are stored on. It gets no token."""
        self.check_place(url, where)
        return self._send("GET", url, where, headers={"Accept-Encoding": "identity"}, verify=True)

    def _send(self, method: str, url: str, where: str, **given: Any) -> "requests.Response":
        import requests
        from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProxyError

        try:
            answer = self._session.request(
                method,
                url,
                stream=True,
                timeout=(self._limits.connect, self._limits.read),
                allow_redirects=False,
                auth=_leave_headers,
                **given,
            )
        except requests.exceptions.SSLError as error:
            if not _has_cause(error, ssl.SSLCertVerificationError):
                raise _PassingError(ForgeError(f"{where}: the TLS connection failed", _TRY_AGAIN)) from error
            hint = "set REQUESTS_CA_BUNDLE to a file with the authority of its certificate"
            raise ForgeError(f"{where}: the TLS certificate is not accepted", hint) from error
        except requests.ReadTimeout as error:
            raise _PassingError(
                ForgeError(f"{where}: no response within {self._limits.read:.0f} s", _TRY_AGAIN)
            ) from error
        except requests.ConnectionError as error:
            hint = "check its address, the network, and the *_proxy variables"
            is_sent = not _has_cause(error, NewConnectionError | ConnectTimeoutError | ProxyError)
            raise _PassingError(ForgeError(f"{where}: no connection", hint), is_done=is_sent) from error
        except (requests.RequestException, ValueError, OSError) as error:
            hint = "check its address, and REQUESTS_CA_BUNDLE and CI_SERVER_TLS_CA_FILE if they are set"
            raise ForgeError(f"{where}: the request cannot be sent", hint) from error
        log.debug("%s: HTTP %d", where, answer.status_code)
        return answer

    def _check(self, answer: "requests.Response", where: str, need: str) -> None:
        """Raise the error of an unsuccessful response."""
        status = answer.status_code
        if 200 <= status < 300:
            return
        if status in _REDIRECTS:
            raise ForgeError(f"{where}: the forge returned a redirect (HTTP {status})", _WRONG_ADDRESS, status=status)
        text = _read_message(answer, self._runner.token, self._limits)
        message = f"{where}: HTTP {status}{f': {text}' if text else ''}"
        wait = _find_wait(answer) or (SECONDARY_SECONDS if "secondary rate limit" in text else 0.0)
        if status in _REFUSED and wait:
            limit = ForgeError(message, f"the rate limit is reached; try again in {wait:.0f} s", status=status)
            raise _PassingError(limit, wait, is_done=False)
        if status in _PASSING:
            is_done = status not in _REFUSED
            raise _PassingError(ForgeError(message, _TRY_AGAIN, status=status), wait, is_done=is_done)
        raise ForgeError(message, "check the token" if status == 401 else need, status=status)


_TRY_AGAIN: Final = "try again later"
_WRONG_ADDRESS: Final = "check the address of the API, and the name of the project"


def _make_session() -> "requests.Session":
    import requests

    from imagesync.deadlines import apply_deadlines

    session = requests.Session()
    session.hooks["response"].append(_hide_redirect)
    for scheme in ("http://", "https://"):
        adapter = requests.adapters.HTTPAdapter()
        apply_deadlines(adapter)
        session.mount(scheme, adapter)
    session.headers["User-Agent"] = f"imagesync/{__version__}"
    return session


def _hide_redirect(answer: "requests.Response", *_: object, **_given: object) -> None:
    """A hook: move the target of a redirect to another header.

    Without it, requests prepares the next request, and reads the whole body of the redirect for that, of any size.
    """
    if target := answer.headers.pop("Location", ""):
        answer.headers[_TARGET] = target


def _leave_headers(request: Any) -> Any:
    """The authentication for requests, which leaves the headers as they are.

    Without one, the library would replace the token by a login of ``.netrc``.
    """
    return request


def _find_target(answer: "requests.Response", where: str) -> str:
    """The address that a redirect names."""
    with suppress(ValueError):
        location = answer.headers.get(_TARGET, "")
        target = urljoin(answer.url, location)
        if location and urlsplit(target).hostname:
            return target
    raise ForgeError(f"{where}: redirects to no address", _WRONG_ADDRESS)


def _read_json(answer: "requests.Response", where: str, limits: Limits) -> Any:
    body = _read_body(answer, where, limits.max_bytes, limits.body)
    if not body:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ForgeError(f"{where}: the response is not JSON", _WRONG_ADDRESS) from error


def _read_body(answer: "requests.Response", where: str, max_bytes: int, seconds: float) -> bytes:
    """The whole body; ForgeError if it is larger than ``max_bytes``, or not complete within ``seconds``."""
    from urllib3.exceptions import HTTPError

    content, end = bytearray(), time.monotonic() + seconds
    try:
        while piece := answer.raw.read1(_PIECE, decode_content=True):
            content += piece
            if len(content) > max_bytes:
                limit = f"the response is larger than {max_bytes // 2**20} MiB, the limit"
                raise ForgeError(f"{where}: {limit}", _WRONG_ADDRESS)
            if time.monotonic() > end:
                late = ForgeError(f"{where}: no complete response within {seconds:.0f} s", _TRY_AGAIN)
                raise _PassingError(late)
    except (HTTPError, OSError) as error:
        raise _PassingError(ForgeError(f"{where}: the connection was lost", _TRY_AGAIN)) from error
    return bytes(content)


def _read_message(answer: "requests.Response", token: str, limits: Limits) -> str:
    """The forge's text about a failure, as one line without secrets."""
    try:
        found = json.loads(_read_body(answer, "", MAX_ERROR_BYTES, limits.body))
    except (_PassingError, ForgeError, ValueError, RecursionError):
        return ""
    parts = [find_text(found, name) for name in ("message", "error", "error_description")]
    if not any(parts) and isinstance(found, dict) and (fields := found.get("message")):
        parts = [json.dumps(fields)]  # GitLab: an object with a list for each field
    details = [find_text(one, "message") or find_text(one, "code") for one in find_list(found, "errors")]
    text = ": ".join(part for part in (*parts, *details) if part)
    return join_lines(hide_secrets(text.replace(token, ELLIPSIS)), MAX_MESSAGE_CHARS)


def _find_wait(answer: "requests.Response") -> float:
    """Seconds until a limit ends, as the response reports them; 0 if it reports none.

    GitHub: ``x-ratelimit-reset`` (seconds since 1970) if nothing remains; both: ``Retry-After``.
    """
    if wait := parse_retry_after(answer.headers.get("Retry-After")):
        return wait
    reset = answer.headers.get("x-ratelimit-reset", "")
    if answer.headers.get("x-ratelimit-remaining") == "0" and reset.isascii() and reset.isdigit() and len(reset) < 12:
        return max(1.0, int(reset) - time.time())
    return 0.0


def _has_cause(error: BaseException, kind: type[BaseException] | UnionType) -> bool:
    """Whether an exception of this kind, or of one of these kinds, is among the exceptions that the HTTP libraries wrap."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, kind):
            return True
        if isinstance(item, BaseException) and id(item) not in seen:
            seen.add(id(item))
            waiting += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
    return False
