"""A web server on loopback that stops sending in the middle of a file. Does I/O."""

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class SilentFile:
    """The file at every path of ``address``.

    The server sends ``given`` bytes of its ``data`` (None: all), and the rest after ``is_over`` is set. It sets
    ``queries`` when a GET arrives.
    """

    address: str
    data: bytes
    given: int | None
    is_over: threading.Event = field(default_factory=threading.Event)
    queries: threading.Event = field(default_factory=threading.Event)


class SilentHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    silent: SilentFile

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(self.silent.data)))
        self.end_headers()

    def do_HEAD(self) -> None:
        self._begin()

    def do_GET(self) -> None:
        self._begin()
        silent = self.silent
        given = len(silent.data) if silent.given is None else silent.given
        with contextlib.suppress(OSError):
            self.wfile.write(silent.data[:given])
            silent.queries.set()
            if given < len(silent.data):
                silent.is_over.wait(120)
                self.wfile.write(silent.data[given:])

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def full_server() -> Iterator[str]:
    """The address of a server that accepts no connection, because its queue is full: connecting waits."""
    with contextlib.ExitStack() as opened, socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        for _ in range(8):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextlib.contextmanager
def silent_server(data: bytes, given: int | None) -> Iterator[SilentFile]:
    """A server that runs until the end of the block."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SilentHandler)
    silent = SilentFile(f"http://127.0.0.1:{server.server_port}", data, given)
    server.RequestHandlerClass = type("OneSilentHandler", (SilentHandler,), {"silent": silent})
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield silent
    finally:
        silent.is_over.set()
        server.shutdown()
        thread.join()
        server.server_close()
