"""The URLs of one file, mirrors in order -> its bytes, its size, or a small document. Network.

A lost connection is resumed at its last byte; a slow mirror is abandoned for the next one. The bytes are as they are
published: ``Content-Encoding`` is not decoded. Each error is one line without credentials and query.
"""

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from imagesync.errors import SourceError
from imagesync.formats import is_page
from imagesync.model.urls import redact_url
from imagesync.sources.abandonment import call_until
from imagesync.sources.access import NO_DEADLINE, Deadline, PassingError, SourceAccess
from imagesync.sources.session import RefusedError, WebSession

if TYPE_CHECKING:
    import requests

log = logging.getLogger(__name__)

CHUNK: Final = 2**20
PAUSES: Final = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each further try; the count restarts after each MiB that was received."""
MAX_DOCUMENT_BYTES: Final = 16 * 2**20
"""Of a checksum list."""
SMALL_BYTES: Final = 2**20
"""The largest size of a signature, and of a document that is not long."""
_PIECE: Final = 2**16
_UNSEEN_CODINGS: Final = frozenset({"br", "deflate", "compress"})
"""Codings whose data does not show that it is packed (RFC 9110, 8.4.1; RFC 7932), unlike gzip and zstd."""
_RANGELESS: Final = frozenset({400, 403, 405, 416, 501})
"""Status codes of servers that may send the whole file but no range of it."""
_HEAD_BYTES: Final = 4096
"""The first bytes of a source that a plan reads: enough to recognize an HTML page."""


class SlowError(PassingError):
    """A mirror is slower than the minimum rate; another one may be faster."""


@contextmanager
def open_url(
    urls: Sequence[str],
    *,
    verified: bool,
    pauses: Sequence[float] = PAUSES,
    access: SourceAccess | None = None,
    check: Callable[[], None] = lambda: None,
) -> Iterator["Download"]:
    """The file at the first mirror that responds; SourceError if none does.

    ``verified``: a digest verifies the whole file later, so another mirror may continue a transfer. ``check`` is called
    until a mirror responds; its errors end the wait.
    """
    access = access or SourceAccess()
    with WebSession(access) as session:

        def begin(is_wanted: Callable[[], bool]) -> Download:
            return Download(session, tuple(urls), pauses, verified=verified, access=access, is_wanted=is_wanted)

        yield call_until(check, begin, Download.close)


def fetch(
    url: str,
    access: SourceAccess,
    deadline: Deadline = NO_DEADLINE,
    *,
    max_bytes: int = MAX_DOCUMENT_BYTES,
    pauses: Sequence[float] = PAUSES[:3],
) -> bytes:
    """A small document; SourceError if it does not arrive in time, or is larger than ``max_bytes``."""
    with open_document(url, access, deadline, max_bytes=max_bytes, pauses=pauses) as document:
        return document.read_all()


@contextmanager
def open_document(
    url: str,
    access: SourceAccess,
    deadline: Deadline = NO_DEADLINE,
    *,
    max_bytes: int = MAX_DOCUMENT_BYTES,
    pauses: Sequence[float] = PAUSES[:3],
) -> Iterator["Document"]:
    """A document, such as a checksum list, with its first MiB read; SourceError if that does not arrive in time.

    ``pauses``: seconds before each try.
    """
    with WebSession(access, deadline) as session:
        document = Document(session, url, deadline, max_bytes, pauses)
        try:
            document.begin()
            yield document
        finally:
            document.close()


class Document:
    """A small file of a web server while it is read; a lost connection reads it again.

    ``is_long``: there is more of it than the first MiB.
    """

    def __init__(
        self, session: WebSession, url: str, deadline: Deadline, max_bytes: int, pauses: Sequence[float]
    ) -> None:
        self._session, self._url, self._deadline, self._max_bytes = session, url, deadline, max_bytes
        self._pauses = deque(pauses)
        self._answer: requests.Response | None = None
        self._head, self.is_long = bytearray(), False

    def begin(self) -> None:
        """Request the document and read its first MiB; retry while there are tries left."""
        while True:
            self.close()
            time.sleep(self._deadline.limit(self._pauses.popleft()))
            try:
                self._answer = self._session.ask(self._url)
                self._head = self._read(self._answer, SMALL_BYTES)
                self.is_long = len(self._head) > SMALL_BYTES
                return
            except PassingError:
                if not self._pauses:
                    raise

    def read_all(self) -> bytes:
        """The whole document; SourceError if it does not arrive in time, or is larger than allowed. Call it once."""
        rest = bytearray()
        while self._answer is not None and self.is_long:
            try:
                rest = self._read(self._answer, self._max_bytes - len(self._head))
                break
            except PassingError:
                if not self._pauses:
                    raise
                self.begin()
        if len(self._head) + len(rest) > self._max_bytes:
            limit = f"{self._max_bytes // 2**20} MiB"
            message = f"{redact_url(self._url)}: larger than {limit}, the limit for a checksum list or a signature"
            raise SourceError(message, "correct source.checksum_url or source.signature.url")
        return b"".join((self._head, rest))

    def close(self) -> None:
        """Close the connection."""
        if self._answer is not None:
            self._answer.close()

    def _read(self, answer: "requests.Response", limit: int) -> bytearray:
        """The next bytes of a response, to its end or until they are more than ``limit``."""
        content = bytearray()
        with _translate_errors(self._url):
            while len(content) <= limit and (chunk := answer.raw.read1(_PIECE, decode_content=True)):
                self._deadline.limit(1)
                content += chunk
        return content


def check_source(
    urls: Sequence[str],
    access: SourceAccess,
    deadline: Deadline = NO_DEADLINE,
    *,
    disk_format: str = "",
    pauses: Sequence[float] = PAUSES[:2],
) -> int | None:
    """The size in bytes of the file at the first mirror that responds, if reported; only the first bytes are read.

    SourceError if no mirror responds, or if the first response is an HTML page and ``disk_format`` is not empty. PassingError if
    a mirror may recover. ``pauses``: seconds before each try.
    """
    failures: list[SourceError] = []
    with WebSession(access, deadline) as session:
        for pause in pauses:
            time.sleep(deadline.limit(pause) if pause else 0)
            failures = []
            for url in urls:
                try:
                    size, head = _read_head(session, url, deadline)
                except SourceError as error:
                    failures.append(error)
                    continue
                if disk_format and is_page(head):
                    message = f"{redact_url(url)}: the data is an HTML page, not {disk_format}"
                    raise SourceError(message, "correct the URL; it may require a login")
                return size
            if not any(isinstance(error, PassingError) for error in failures):
                break
    raise min(failures, key=lambda error: not isinstance(error, PassingError))


def _read_head(session: WebSession, url: str, deadline: Deadline) -> tuple[int | None, bytes]:
    """The size of the file at a URL, if the server reports it, and its first bytes."""
    with _ask_head(session, url) as answer, _translate_errors(url):
        head = bytearray()
        while len(head) < _HEAD_BYTES and (piece := answer.raw.read1(_HEAD_BYTES, decode_content=True)):
            deadline.limit(1)
            head += piece
        if answer.status_code == 206:
            whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
            return (int(whole) if re.fullmatch(r"[0-9]{1,18}", whole) else None), bytes(head)
        return _length(answer) or None, bytes(head)  # servers that do not know the size report 0


def fetch_redirects(
    urls: Sequence[str], access: SourceAccess, deadline: Deadline = NO_DEADLINE
) -> dict[str, list[str]]:
    """For each URL the URLs of its redirects, in order, without reading the body; none if a request fails."""
    found: dict[str, list[str]] = {}
    with WebSession(access, deadline) as session:
        for url in urls:
            with suppress(SourceError), _ask_head(session, url) as answer:
                found[url] = list(session.redirects)
                answer.close()
    return {url: found.get(url, []) for url in urls}


def _ask_head(session: WebSession, url: str) -> "requests.Response":
    """The response with the first bytes, or with the whole file if a server sends no ranges."""
    try:
        return session.ask(url, {"Range": f"bytes=0-{_HEAD_BYTES - 1}"})
    except SourceError as error:
        if isinstance(error.__cause__, RefusedError) and error.__cause__.status in _RANGELESS:
            return session.ask(url)
        raise


def _open_first(
    session: WebSession, urls: Sequence[str], pauses: Sequence[float], is_wanted: Callable[[], bool]
) -> tuple[int, "requests.Response"]:
    """The first mirror that responds; all are tried again while one may recover and the response is needed."""
    failures: list[SourceError] = []
    for pause in pauses:
        time.sleep(pause)
        failures = []
        for index, url in enumerate(urls):
            try:
                return index, session.ask(url)
            except SourceError as error:
                log.info("%s", error.message)
                failures.append(error)
                if not is_wanted():
                    raise
        if not any(isinstance(error, PassingError) for error in failures):
            break
    raise failures[-1]


def _length(answer: "requests.Response") -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


@contextmanager
def _translate_errors(url: str) -> Iterator[None]:
    """Turn errors of the HTTP libraries in the middle of a body into SourceErrors."""
    import requests
    from urllib3.exceptions import HTTPError

    from imagesync.deadlines import TooSlow

    try:
        yield
    except TooSlow as error:
        hint = "name a faster mirror, or pass --min-source-rate 0"
        raise SlowError(f"{redact_url(url)}: {error}", hint) from error
    except (requests.RequestException, HTTPError, OSError) as error:
        raise PassingError(f"{redact_url(url)}: the connection was lost", "try again later") from error


def _gather(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Small pieces as blocks of a MiB; before an error is raised, the bytes that were received."""
    block = bytearray()
    try:
        for piece in pieces:
            block += piece
            if len(block) >= CHUNK:
                yield bytes(block)
                block.clear()
    except Exception:
        if block:
            yield bytes(block)
        raise
    if block:
        yield bytes(block)


class Download:
    """One file while it is read from its mirrors; ``size`` is None if no server reported it."""

    def __init__(
        self,
        session: WebSession,
        urls: tuple[str, ...],
        pauses: Sequence[float],
        *,
        verified: bool,
        access: SourceAccess,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self._session, self._urls, self._pauses, self._verified = session, urls, pauses, verified
        self._access, self._slow = access, set[int]()
        self._index, self._answer = _open_first(session, urls, pauses[:3], is_wanted)
        if (coding := self._answer.headers.get("Content-Encoding", "").strip().lower()) in _UNSEEN_CODINGS:
            self._answer.close()
            message = f"{redact_url(urls[self._index])}: the server packed the data ({coding}), which was not requested"
            raise SourceError(message, "correct the server, or name another mirror first")
        self.size = _length(self._answer)
        self._version = _version(self._answer)
        self._offset = 0
        self._abandoned = threading.Event()

    def abandon(self) -> None:
        """End the wait for the next block; called from another thread."""
        self._abandoned.set()
        self._cut()

    def close(self) -> None:
        """Close the connection without reading the file."""
        self._answer.close()

    def _check_abandoned(self) -> None:
        if self._abandoned.is_set():
            raise PassingError(f"{redact_url(self._urls[self._index])}: the transfer was abandoned", "run again")

    def _cut(self) -> None:
        with suppress(OSError, ValueError, RuntimeError):
            self._answer.raw.shutdown()

    def read_blocks(self) -> Iterator[bytes]:
        """All bytes of the file, in order, each once."""
        skip, failures, mark = 0, 0, 0
        while True:
            try:
                for block in self._receive(skip):
                    self._offset += len(block)
                    yield block
                return
            except SlowError as slow:
                log.info("%s; read %d bytes, asking the next mirror for the rest", slow.message, self._offset)
                mark, failures = self._offset, 0
                skip = self._leave_slow_mirror(slow)
            except PassingError as broken:
                log.info("%s; read %d bytes, asking for the rest", broken.message, self._offset)
                failures = 1 if self._offset - mark >= CHUNK else failures + 1
                mark = self._offset
                skip = self._resume(broken, failures)

    def _receive(self, skip: int) -> Iterator[bytes]:
        """The bytes of one response without the first ``skip`` bytes, which were received earlier."""
        from imagesync.deadlines import read_at_rate

        url = self._urls[self._index]
        with self._answer, _translate_errors(url):
            pieces = self._answer.raw.stream(_PIECE, decode_content=False)
            for block in _gather(read_at_rate(pieces, self._access.min_rate, self._access.rate_seconds, self._cut)):
                if skip:
                    block, skip = block[skip:], max(0, skip - len(block))
                if block:
                    yield block
        if self.size is not None and self._offset < self.size:
            raise PassingError(f"{redact_url(url)}: ended after {self._offset} of {self.size} bytes", "try again later")

    def _leave_slow_mirror(self, slow: SlowError) -> int:
        """Request the rest from the next mirror; returns how many bytes of its response are known. SourceError if there is none."""
        self._slow.add(self._index)
        for index in range(len(self._urls)):
            if self._verified and index not in self._slow and not self._abandoned.is_set():
                self._slow.add(index)  # each mirror may be slow once
                with suppress(SourceError):
                    if (known := self._resume_at(index)) is not None:
                        return known
        raise SourceError(f"{slow.message} (read {self._offset} bytes)", slow.hint) from slow

    def _resume(self, broken: SourceError, failures: int) -> int:
        """Request the rest; returns how many bytes of the new response are known."""
        for number in range(failures, len(self._pauses) + 1):
            if self._abandoned.wait(self._pauses[number - 1]):
                break
            index = (self._index + max(0, number - 2)) % len(self._urls) if self._verified else self._index
            try:
                known = self._resume_at(index)
            except PassingError as error:
                broken = error
                continue
            if known is None:
                break
            return known
        whole = f" of {self.size}" if self.size is not None else ""
        raise SourceError(f"{broken.message} (read {self._offset}{whole} bytes)", broken.hint)

    def _resume_at(self, index: int) -> int | None:
        """Request the rest from a mirror; returns how many bytes of the response are known, None if it may be another file."""
        url = self._urls[index]
        condition = {"If-Range": self._version} if self._version and index == self._index else {}
        headers = {"Range": f"bytes={self._offset}-", **condition}
        answer = call_until(self._check_abandoned, lambda _: self._session.ask(url, headers), lambda late: late.close())
        start = 0
        if answer.status_code == 206:
            placed = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
            if placed is None or int(placed[1]) > self._offset:
                answer.close()
                message = f"{redact_url(url)}: the server sent another part of the file than requested"
                raise PassingError(message, "try again later")
            start = int(placed[1])
            is_same = placed[2] in ("*", str(self.size)) or self.size is None
        else:
            is_same = self._verified or (self._version is not None and _version(answer) == self._version)
        if not is_same:
            answer.close()
            if self._version is None and answer.status_code != 206:
                return None
            raise SourceError(f"{redact_url(url)}: the file changed while it was read", "run apply again")
        self._index, self._answer = index, answer
        return self._offset - start


def _version(answer: "requests.Response") -> str | None:
    """The version of a file: a strong entity tag, or the time of its last change."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified")
