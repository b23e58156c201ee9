"""URLs of one file, mirrors in order -> its bytes, its size, or a small document. Network.

Redirects are followed; proxies come from the environment, credentials from the URL or ~/.netrc. A broken connection is
taken up again where it broke off. Bytes are handed on as they are published, whatever ``Content-Encoding`` says. Every
failure is one line without credentials or query.
"""

import io
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from imagesync.errors import SourceError
from imagesync.text import public_url

if TYPE_CHECKING:
    import requests

CHUNK: Final = 2**20
TIMEOUTS: Final = (10.0, 60.0)
BLOCK_SECONDS: Final = 300.0
"""How long a MiB may take: less than 4 KiB/s is a mirror that should be given up."""
PAUSES: Final = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each further try; the count begins anew whenever a MiB came through."""
MAX_DOCUMENT_BYTES: Final = 16 * 2**20
"""Of a checksum list, a signature or another small file."""
DOCUMENT_SECONDS: Final = 120.0
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
_SIZELESS: Final = frozenset({403, 405, 501})
_PAGE: Final = re.compile(rb"\s*(<!doctype html|<html)", re.IGNORECASE)


class _Passing(SourceError):
    """A failure that may be gone at the next try."""


@contextmanager
def open_url(
    urls: Sequence[str], *, verified: bool, pauses: Sequence[float] = PAUSES, block_seconds: float = BLOCK_SECONDS
) -> Iterator["Download"]:
    """The file at the first mirror that answers; SourceError when none does.

    ``verified``: a digest will judge the whole, so that another mirror may go on where one broke off.
    """
    with _make_session() as session:
        yield Download(session, tuple(urls), pauses, verified=verified, block_seconds=block_seconds)


def fetch(url: str, pauses: Sequence[float] = PAUSES[:3], seconds: float = DOCUMENT_SECONDS) -> bytes:
    """A small document, such as a list of digests; SourceError when it cannot be had (in ``seconds``) or is larger than 16 MiB."""
    with _make_session() as session:
        for pause in pauses[:-1]:
            time.sleep(pause)
            with suppress(_Passing):
                return _fetch_once(session, url, seconds)
        time.sleep(pauses[-1])
        return _fetch_once(session, url, seconds)


def _fetch_once(session: "requests.Session", url: str, seconds: float) -> bytes:
    content, end = bytearray(), time.monotonic() + seconds
    with _ask(session, url) as answer, _translate_errors(url):
        while chunk := answer.raw.read1(65536, decode_content=True):
            content += chunk
            if time.monotonic() > end:
                raise SourceError(f"{public_url(url)}: takes longer than {seconds:.0f} s", "try again later")
            if len(content) > MAX_DOCUMENT_BYTES:
                limit = f"{MAX_DOCUMENT_BYTES // 2**20} MiB"
                raise SourceError(f"{public_url(url)}: larger than {limit}, so no list of digests", "correct it")
    return bytes(content)


def fetch_size(urls: Sequence[str]) -> int | None:
    """Bytes behind the first mirror that answers, as far as it tells, without reading them; SourceError when none does."""
    with _make_session() as session:
        failure: SourceError | None = None
        for url in urls:
            try:
                with _ask_head(session, url) as answer:
                    return _length(answer)
            except SourceError as error:
                failure = failure or error
    if failure:
        raise failure
    return None


def _ask_head(session: "requests.Session", url: str) -> "requests.Response":
    """The answer to HEAD; to GET where a server (or a signed URL) knows no HEAD."""
    try:
        return _ask(session, url, method="HEAD")
    except SourceError as error:
        if isinstance(error.__cause__, _Refused) and error.__cause__.status in _SIZELESS:
            return _ask(session, url)
        raise


class _Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _make_session() -> "requests.Session":
    import requests

    from imagesync.deadlines import apply_deadlines
    from imagesync.version import __version__

    session = requests.Session()
    session.hooks["response"].append(_drop_redirect_body)
    for scheme in ("http://", "https://"):
        adapter = requests.adapters.HTTPAdapter()
        apply_deadlines(adapter)
        session.mount(scheme, adapter)
    session.headers["User-Agent"] = f"imagesync/{__version__}"
    return session


def _drop_redirect_body(answer: "requests.Response", *_: object, **_given: object) -> None:
    """A hook of requests, which would read the whole page of a redirect, however large, before it follows."""
    if answer.is_redirect:
        answer.close()
        answer.raw = io.BytesIO()


def _open_first(
    session: "requests.Session", urls: Sequence[str], pauses: Sequence[float]
) -> tuple[int, "requests.Response"]:
    """The first mirror that answers; all are tried again while one of them may get well."""
    failures: list[SourceError] = []
    for pause in pauses:
        time.sleep(pause)
        failures = []
        for index, url in enumerate(urls):
            try:
                return index, _ask(session, url)
            except SourceError as error:
                failures.append(error)
        if not any(isinstance(error, _Passing) for error in failures):
            break
    raise failures[-1]


def _ask(
    session: "requests.Session", url: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> "requests.Response":
    """A success (200, or 206 for a range), body unread."""
    import requests

    wanted = {"Accept-Encoding": "identity", **(headers or {})}
    try:
        answer = session.request(method, url, stream=True, timeout=TIMEOUTS, headers=wanted, allow_redirects=True)
    except requests.TooManyRedirects as error:
        raise SourceError(f"{public_url(url)}: redirected in a circle", "correct the URL") from error
    except requests.exceptions.SSLError as error:
        hint = "check the server's name, or name its authority in REQUESTS_CA_BUNDLE"
        raise SourceError(f"{public_url(url)}: the TLS certificate is not accepted", hint) from error
    except requests.Timeout as error:
        raise _Passing(f"{public_url(url)}: no answer in {TIMEOUTS[1]:.0f} s", "try again later") from error
    except requests.exceptions.ProxyError as error:
        raise _Passing(f"{public_url(url)}: the proxy does not answer", "check the *_proxy variables") from error
    except requests.ConnectionError as error:
        raise _Passing(f"{public_url(url)}: no connection", "check the address and the network") from error
    except (requests.RequestException, ValueError) as error:
        raise SourceError(f"{public_url(url)}: cannot be fetched", "correct the URL") from error
    if answer.status_code not in ((206,) if "Range" in wanted else ()) + (200,):
        answer.close()
        kind = _Passing if answer.status_code in _PASSING else SourceError
        hint = "try again later" if kind is _Passing else "correct the URL"
        raise kind(f"{public_url(url)}: HTTP {answer.status_code}", hint) from _Refused(answer.status_code)
    if answer.headers.get("Content-Type", "").startswith(("text/html", "application/xhtml")):
        answer.close()
        raise _page_error(url)
    return answer


def _page_error(url: str) -> SourceError:
    return SourceError(f"{public_url(url)}: an HTML page, not an image", "correct the URL; it may want a log-in")


def _length(answer: "requests.Response") -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


@contextmanager
def _translate_errors(url: str) -> Iterator[None]:
    """What the HTTP libraries raise in the middle of a body."""
    import requests
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (requests.RequestException, HTTPError, OSError) as error:
        raise _Passing(f"{public_url(url)}: the connection broke", "try again later") from error


class Download:
    """One file while it is read, from whichever mirror; ``size`` None where no server told it."""

    def __init__(
        self,
        session: "requests.Session",
        urls: tuple[str, ...],
        pauses: Sequence[float],
        *,
        verified: bool,
        block_seconds: float,
    ) -> None:
        self._session, self._urls, self._pauses, self._verified = session, urls, pauses, verified
        self._block_seconds = block_seconds
        self._index, self._answer = _open_first(session, urls, pauses[:3])
        self.size = _length(self._answer)
        self._version = _version(self._answer)
        self._offset = 0
        self._abandoned = threading.Event()

    def abandon(self) -> None:
        """Called from another thread: whoever waits for the next block need not wait any more."""
        self._abandoned.set()
        self._cut()

    def _cut(self) -> None:
        with suppress(OSError, ValueError, RuntimeError):
            self._answer.raw.shutdown()

    def read_blocks(self) -> Iterator[bytes]:
        """All the bytes, in order, each once."""
        skip, failures, mark = 0, 0, 0
        while True:
            try:
                for block in self._receive(skip):
                    if not self._offset and _PAGE.match(block):
                        raise _page_error(self._urls[self._index])
                    self._offset += len(block)
                    yield block
                return
            except _Passing as broken:
                failures = 1 if self._offset - mark >= CHUNK else failures + 1
                mark = self._offset
                skip = self._resume(broken, failures)

    def _receive(self, skip: int) -> Iterator[bytes]:
        """What one answer brings, but for the first ``skip`` bytes, which are known."""
        from imagesync.deadlines import read_in_time

        url = self._urls[self._index]
        with self._answer, _translate_errors(url):
            blocks = self._answer.raw.stream(CHUNK, decode_content=False)
            for block in read_in_time(blocks, self._block_seconds, self._cut):
                if skip:
                    block, skip = block[skip:], max(0, skip - len(block))
                if block:
                    yield block
        if self.size is not None and self._offset < self.size:
            raise _Passing(f"{public_url(url)}: ended after {self._offset} of {self.size} bytes", "try again later")

    def _resume(self, broken: SourceError, failures: int) -> int:
        """Ask for the rest; how many bytes of the new answer are known already."""
        for number in range(failures, len(self._pauses) + 1):
            if self._abandoned.wait(self._pauses[number - 1]):
                break
            index = (self._index + max(0, number - 2)) % len(self._urls) if self._verified else self._index
            try:
                known = self._resume_at(index)
            except _Passing as error:
                broken = error
                continue
            if known is None:
                break
            return known
        whole = f" of {self.size}" if self.size is not None else ""
        raise SourceError(f"{broken.message} (read {self._offset}{whole} bytes)", broken.hint)

    def _resume_at(self, index: int) -> int | None:
        """How many bytes of a new answer are known already; None where nothing tells that it is the same file."""
        url = self._urls[index]
        condition = {"If-Range": self._version} if self._version and index == self._index else {}
        answer = _ask(self._session, url, {"Range": f"bytes={self._offset}-", **condition})
        placed = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if answer.status_code == 206 and placed and int(placed[1]) == self._offset:
            same = placed[2] in ("*", str(self.size)) or self.size is None
        else:
            same = self._verified or (self._version is not None and _version(answer) == self._version)
            placed = None
        if not same:
            answer.close()
            if self._version is None and not placed:
                return None
            raise SourceError(f"{public_url(url)}: the file changed while it was read", "run apply again")
        self._index, self._answer = index, answer
        return 0 if placed else self._offset


def _version(answer: "requests.Response") -> str | None:
    """What tells one version of a file from another: a strong entity tag, else the time of its last change."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified")
