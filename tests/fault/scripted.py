"""HTTP servers on loopback with prepared answers, for behavior that the real services do not show. Does I/O."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

IMAGE_ID = "a57ae423-5f2c-40d7-923a-ea7ef2afe0b5"


def image(image_id: str = IMAGE_ID, **fields: object) -> dict[str, Any]:
    """An image as the service returns it."""
    return {"id": image_id, "status": "active", "visibility": "private", **fields}


@dataclass(frozen=True)
class Say:
    """One answer. ``body`` may be a function that returns its bytes.

    ``cut`` resets the connection: before the answer (0), or within its body.
    """

    status: int = 200
    body: object = field(default_factory=image)
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None

    def content(self) -> bytes:
        """The body as it is sent."""
        body = self.body() if callable(self.body) else self.body
        return body if isinstance(body, bytes) else json.dumps(body).encode()


RESET = Say(cut=0)


class Server:
    """Gives its answers in turn, or by a function of the path, and records the requests."""

    def __init__(self, answers: list[Say] | Callable[[str], Say]) -> None:
        self._answers = answers
        self._lock = threading.Lock()
        self.queries: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Say:
        """The next answer."""
        with self._lock:
            self.queries.append(f"{method} {path}")
            self.headers.append(headers)
            if callable(self._answers):
                return self._answers(path)
            return self._answers[min(len(self.queries), len(self._answers)) - 1]


class ScriptedHandler(BaseHTTPRequestHandler):
    """HTTP/1.1 with the answers of a ``Server``. If image data is refused, the handler does not read it, and keeps the
    connection open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    script: Server

    def answer(self) -> None:
        """One request."""
        say = self.script.answer(self.command, self.path, dict(self.headers))
        if self.command != "PUT" or (say.status < 400 and say.cut is None):
            self.script.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if say.cut == 0:
            self._reset()
            return
        content = say.content()
        self.send_response_only(say.status)
        own = {"Date": self.date_time_string(), "Content-Length": str(len(content))}
        for name, value in {**own, **say.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: say.cut])
        if say.cut is not None:
            self.wfile.flush()
            self._reset()

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def finish(self) -> None:
        """A connection that was reset cannot be flushed."""
        try:
            super().finish()
        except (OSError, ValueError):
            return

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


class QuietServer(ThreadingHTTPServer):
    """A server whose threads end with the client's connections, and that does not report resets."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Silent."""


@contextmanager
def listening(script: Server, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a server that gives prepared answers; with a ``context`` it uses TLS."""
    handler = type("Scripted", (ScriptedHandler,), {"script": script})
    with QuietServer(("127.0.0.1", 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def raw_service(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server below HTTP: ``answer`` decides what it does with a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.recv(65536)
                        answer(connection)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def drip(head: bytes, byte: bytes) -> Callable[[socket.socket], None]:
    """A head, and then one byte at a time, each before the time-out for silence."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        pause = threading.Event()
        while not pause.wait(0.1):
            connection.sendall(byte)

    return answer


dripping = drip(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" ")


def endless(connection: socket.socket) -> None:
    """Bytes as fast as the client reads them."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        connection.sendall(b" " * 2**20)
