"""Total deadlines for HTTP responses: the read timeout holds for a whole head and for each large piece of a body.

The HTTP library applies its timeout to each single read, so a server that sends a byte now and then, or ``100 Continue``
for ever, would hold a run without end. Does I/O.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter


def apply_deadlines(adapter: "HTTPAdapter") -> None:
    """From now on the adapter's connections are those of this module, through an HTTP proxy too (a SOCKS one has its own)."""
    through = adapter.proxy_manager_for

    def make_proxy_manager(proxy: str, **settings: Any) -> PoolManager:
        manager: PoolManager = through(proxy, **settings)
        return manager if proxy.lower().startswith("socks") else _use_our_pools(manager)

    _use_our_pools(adapter.poolmanager)
    adapter.proxy_manager_for = make_proxy_manager  # type: ignore[method-assign]  # one adapter's, not the class's


def _use_our_pools(manager: PoolManager) -> PoolManager:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
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


def _receive_in_time(connection: HTTPConnection, receive: Callable[[], HTTPResponse]) -> HTTPResponse:
    """What ``receive`` returns; TimeoutError, which the library knows, when the head is not whole in time."""
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
        answer.close()  # a head that was cut off looks whole to the library
    finally:
        timer.cancel()
    raise TimeoutError(f"the answer takes longer than {seconds:.0f} s")


def read_in_time(pieces: Iterator[bytes], seconds: float, cut: Callable[[], object]) -> Iterator[bytes]:
    """The pieces of a body; TimeoutError where one takes longer than ``seconds`` to come, however it drips.

    ``cut`` ends, from another thread, the wait for it. The time that the taker takes is his own.
    """
    since: list[float] = []
    done, late = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(min(5.0, seconds / 4)):
            if any(time.monotonic() - begun > seconds for begun in since):
                late.set()
                cut()
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        while True:
            since[:] = [time.monotonic()]
            piece = next(pieces, None)
            since.clear()
            if late.is_set():
                raise TimeoutError(f"a piece takes longer than {seconds:.0f} s")
            if piece is None:
                return
            yield piece
    finally:
        done.set()
