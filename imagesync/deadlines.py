"""Total deadlines for HTTP responses, and a check of the address of each new connection. Does I/O.

The HTTP library applies its read timeout to each single read. A server that sends one byte now and then, or endless
``100 Continue`` responses, would block a run forever. Here the timeout covers the whole head of a response.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, TypeAlias

from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from imagesync.labels import make_thread

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter


Judge: TypeAlias = Callable[[str, str], None]
"""Called with the host and the address of a new connection, before anything is sent; raises to refuse it."""


def apply_deadlines(adapter: "HTTPAdapter", judge: Judge | None = None) -> None:
    """Make the adapter use this module's connections, also through an HTTP proxy (a SOCKS proxy has its own).

    ``judge`` checks direct connections only: the address of a proxy shows nothing about the server behind it.
    """
    through = adapter.proxy_manager_for

    def make_proxy_manager(proxy: str, **settings: Any) -> PoolManager:
        manager: PoolManager = through(proxy, **settings)
        return manager if proxy.lower().startswith("socks") else _use_our_pools(manager, _Pool, _SecurePool)

    _use_our_pools(adapter.poolmanager, *_make_judged_pools(judge))
    adapter.proxy_manager_for = make_proxy_manager  # type: ignore[method-assign]  # one adapter's, not the class's


def _use_our_pools(
    manager: PoolManager, plain: type[HTTPConnectionPool], secure: type[HTTPConnectionPool]
) -> PoolManager:
    manager.pool_classes_by_scheme = {"http": plain, "https": secure}
    return manager


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in the library itself
        return _receive_in_time(self, super().getresponse)


class _SecureConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in the library itself
        return _receive_in_time(self, super().getresponse)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _make_judged_pools(judge: Judge | None) -> tuple[type[HTTPConnectionPool], type[HTTPConnectionPool]]:
    """The pools for http and https; ``judge`` checks each new connection."""
    if judge is None:
        return _Pool, _SecurePool

    def connect(host: str, open_channel: Callable[[], socket.socket]) -> socket.socket:
        channel = open_channel()
        try:
            judge(host, channel.getpeername()[0])
        except BaseException:
            channel.close()
            raise
        return channel

    class Judged(_Connection):
        def _new_conn(self) -> socket.socket:
            return connect(self.host, super()._new_conn)

    class SecureJudged(_SecureConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self.host, super()._new_conn)

    class JudgedPool(_Pool):
        ConnectionCls = Judged

    class SecureJudgedPool(_SecurePool):
        ConnectionCls = SecureJudged

    return JudgedPool, SecureJudgedPool


def _receive_in_time(connection: HTTPConnection, receive: Callable[[], HTTPResponse]) -> HTTPResponse:
    """What ``receive`` returns; TimeoutError, which the library handles, if the head is not complete in time."""
    channel, seconds, late = connection.sock, connection.timeout, threading.Event()
    if channel is None or not isinstance(seconds, int | float):
        return receive()

    def cut() -> None:
        late.set()
        with suppress(OSError):
            channel.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        answer = receive()
    except (HTTPException, OSError):
        if not late.is_set():
            raise
    else:
        if not late.is_set():
            return answer
        answer.close()  # the library accepts a head that was cut off as a complete one
    finally:
        timer.cancel()
    raise TimeoutError(f"no complete response within {seconds:.0f} s")


class TooSlow(TimeoutError):
    """A body arrived more slowly than the minimum rate."""


def read_at_rate(pieces: Iterator[bytes], min_rate: int, seconds: float, cut: Callable[[], object]) -> Iterator[bytes]:
    """The pieces of a body; TooSlow if the rate stays below ``min_rate`` bytes per second for ``seconds`` (0: no
    limit).

    ``cut`` is called from another thread and must end the wait for the next piece. Only that waiting time counts, not
    the time that the caller needs for a piece.
    """
    if not min_rate:
        yield from pieces
        return
    pace = _Pace(min_rate * seconds, seconds)
    done, late = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(min(5.0, seconds / 4)):
            if pace.is_too_slow():
                late.set()
                cut()
                return

    make_thread(watch, "rate").start()
    try:
        while True:
            pace.begin_to_wait()
            piece = next(pieces, None)
            if late.is_set():
                raise TooSlow(f"less than {min_rate / 1024:.0f} KiB/s for {seconds:.0f} s")
            if piece is None:
                return
            pace.count(len(piece))
            yield piece
    finally:
        done.set()


class _Pace:
    """Bytes and waiting time of the current window of ``seconds``; for one reading and one watching thread."""

    def __init__(self, least: float, seconds: float) -> None:
        self._least, self._seconds = least, seconds
        self._lock = threading.Lock()
        self._since: float | None = None
        self._waited = self._received = 0.0

    def begin_to_wait(self) -> None:
        """Start to count the time."""
        with self._lock:
            self._since = time.monotonic()

    def count(self, size: int) -> None:
        """Count a piece, and stop to count the time until the reader waits again."""
        with self._lock:
            self._waited, self._since = self._measure_wait(), None
            self._received += size
            if self._received >= self._least:  # fast enough; a new window begins
                self._waited = self._received = 0.0

    def is_too_slow(self) -> bool:
        """Whether a whole window passed with too few bytes."""
        with self._lock:
            return self._measure_wait() > self._seconds

    def _measure_wait(self) -> float:
        return self._waited + (time.monotonic() - self._since if self._since is not None else 0.0)
