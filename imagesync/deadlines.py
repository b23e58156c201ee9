"""Connections whose answers begin in time: the head of an answer, however it drips, has the read timeout in all.

The HTTP library applies a timeout to each single read, so that a byte now and then, or ``100 Continue`` for ever, would
hold a run without end. Does I/O.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException

from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


def bound(manager: PoolManager) -> None:
    """From now on the manager's connections are those of this module (those through a proxy are not)."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in the library itself
        return _in_time(self, super().getresponse)


class _SecureConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in the library itself
        return _in_time(self, super().getresponse)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _in_time(connection: HTTPConnection, receive: Callable[[], HTTPResponse]) -> HTTPResponse:
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
