"""A proxy between imagesync and a real service: it records the requests, and makes some of them fail. Does I/O.

When the head of a request has arrived, the proxy calls ``Proxy.fault`` with it, which returns a ``Fault`` or None. The
fault decides whether the service gets the request, and which answer the client gets: the real one, another status, half
of one, none, or one that is delayed until the test allows it.
"""

import contextlib
import http.client
import http.server
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.waiting import wait_until

HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its number from 0, its method, and its path with the query."""

    number: int
    method: str
    path: str

    @property
    def kind(self) -> str:
        """The request without ids, such as ``PUT /images/ID/file``: equal for all requests of one kind."""
        path = UUID.sub("ID", urlsplit(self.path).path.removeprefix("/v2"))
        return f"{self.method} {re.sub('(?<=/members/).+', 'PROJECT', path)}"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request, in this order.

    ``before`` is called first. ``forward``: the service gets the request. ``after`` is called when the service has
    answered, or at once if it does not get the request. ``held``: the answer waits until this event is set. ``stall``:
    the connection stays open without an answer until this event is set, and is then closed. ``status``, ``headers`` and
    ``body`` replace the service's answer if ``status`` is given. ``refused``: after the answer, connections are closed
    and refused until this returns true. ``cut``: the connection is reset after this many bytes of the answer's body; 0:
    before the answer.
    """

    forward: bool = True
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"spoilt by the test"
    cut: int | None = None
    stall: threading.Event | None = None
    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None
    held: threading.Event | None = None
    refused: Callable[[], bool] | None = None


class Proxy:
    """The requests that arrived, and the function that decides their faults. The proxy listens until ``close``."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.calls: list[Call] = []
        self.fault: Callable[[Call], Fault | None] = lambda _call: None
        self._lock = threading.Lock()
        self._server = self._listening(0)
        self._port = self._server.server_port
        self.address = f"http://127.0.0.1:{self._port}"

    def _listening(self, port: int) -> "ProxyServer":
        server = ProxyServer(("127.0.0.1", port), type("Handler", (ProxyHandler,), {"proxy": self}))
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def close(self) -> None:
        """Accept no more connections."""
        self._server.shutdown()
        self._server.server_close()

    def refuse(self, until: Callable[[], bool], but: socket.socket | None = None) -> None:
        """Close all connections except one (``but``), and refuse new ones until ``until`` returns true, or a minute has
        passed."""
        self.close()
        for connection in self._server.connections - ({but} if but else set()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        threading.Thread(target=self._reopen, args=(until,), daemon=True).start()

    def _reopen(self, until: Callable[[], bool]) -> None:
        try:
            wait_until(until, bool, "a connection was refused")
        finally:
            self._server = self._listening(self._port)

    def forget(self) -> None:
        """Count from 0 again, without faults."""
        with self._lock:
            self.calls.clear()
            self.fault = lambda _call: None

    def settle(self, seconds: float = 10.0) -> None:
        """Wait until every connection has ended, also those of a killed client."""
        wait_until(
            lambda: len(self._server.connections), lambda number: number == 0, "no connection is open", seconds=seconds
        )

    def come(self, method: str, path: str) -> tuple[Call, Fault]:
        """Record a request; its fault."""
        with self._lock:
            call = Call(len(self.calls), method, path)
            self.calls.append(call)
            return call, self.fault(call) or Fault()


class ProxyHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: Proxy

    def __getattr__(self, name: str) -> Callable[[], None]:
        """``do_GET`` and so on: every method is handled the same way."""
        if name.startswith("do_"):
            return self._spoil
        raise AttributeError(name)

    def _spoil(self) -> None:
        _, fault = self.proxy.come(self.command, self.path)
        status, headers, body = 0, dict[str, str](), b""
        if fault.before:
            fault.before()
        if fault.forward:
            status, headers, body = self._forwarded()
        elif fault.cut is None:
            self._body()
        if fault.after:
            fault.after()
        if fault.held:
            fault.held.wait()
        if fault.stall:
            fault.stall.wait()
            self.close_connection = True
            return
        if fault.status is not None:
            status, headers, body = fault.status, fault.headers, fault.body
        if fault.refused:
            self.proxy.refuse(fault.refused, but=self.connection)
            headers, self.close_connection = {**headers, "Connection": "close"}, True
        self._answer(status, headers, body, fault.cut)

    def _answer(self, status: int, headers: dict[str, str], body: bytes, cut: int | None) -> None:
        if cut == 0:
            self._reset()
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self._reset()

    def _forwarded(self) -> tuple[int, dict[str, str], bytes]:
        target = self.proxy.target
        upstream = http.client.HTTPConnection(target.hostname or "", target.port, timeout=120)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        length = self.headers.get("Content-Length")
        if length is not None:
            headers["Content-Length"] = length
        chunked = length is None and self.headers.get("Transfer-Encoding") is not None
        try:
            body = self._body() if length or chunked else None
            upstream.request(self.command, self.path, body, headers, encode_chunked=chunked)
            answer = upstream.getresponse()
            found = {name: value for name, value in answer.getheaders() if name.lower() not in HOP}
            return answer.status, found, answer.read()
        finally:
            upstream.close()

    def _body(self) -> bytes:
        """The whole body: the files of these tests are small."""
        if (length := self.headers.get("Content-Length")) is not None:
            content = self.rfile.read(int(length))
            if len(content) < int(length):
                raise ConnectionError("the client has gone in mid-body: the service would wait for the rest")
            return content
        content = b""
        while self.headers.get("Transfer-Encoding"):
            size = int(self.rfile.readline().split(b";")[0], 16)
            chunk = self.rfile.read(size)
            self.rfile.readline()
            if not size:
                break
            content += chunk
        return content

    def _reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class ProxyServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *given: Any) -> None:
        self.connections: set[socket.socket] = set()
        super().__init__(*given)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember who is there."""
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget who left."""
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is not reported."""


@contextmanager
def between(target: str) -> Iterator[Proxy]:
    """A running proxy before a service."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
